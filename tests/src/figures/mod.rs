//! What is claimed, measured and printed as the tables that the README shows.
//!
//! - `codes`: a small file by a code, from the start of `receive` to its end
//! - `dht`: what the table of nodes stands, and how fast real nodes find each other
//! - `files`: the same data sent with Hither and with others
//! - `file`: one large file between two processes that are the command line itself
//! - `handshake`: the processor time of a handshake, on each side
//! - `message`: a message and its receipt between two running nodes
//! - `copies`: how often a byte of content is copied, counted by hand
//! - `content`: what is sent, and the check of what arrived
//! - `hither`: the command line as a process of its own
//! - `program`: the size of the programs, and how long the shortest command takes
//! - `usage`: processor time and memory, as the kernel counts them

mod codes;
mod content;
mod copies;
mod dht;
mod file;
mod files;
mod handshake;
mod hither;
mod message;
mod program;
mod usage;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use hither::{AS_HITHER, as_hither};

/// Why nothing could be measured, in words.
type Failure = Box<dyn Error>;

const HELP: &str = "\
usage: figures road [--size MIB] [--runs N]

Measures one road on this machine's loopback and prints a table in Markdown.
  --size MIB   size of the large file (1024)
  --runs N     how often the large file is sent (3)
Data is written below TMPDIR. The exit code is 1 when a row falls short, 2 when nothing could be measured.";

/// Runs the program `figures` with `arguments`, its own name left out.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|argument| argument == AS_HITHER).is_some() {
        return as_hither(arguments);
    }
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: its figures say nothing. Use --release.");
    }
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let report = match arguments.next().as_deref() {
        Some("road") => parse(arguments).and_then(|options| road(&options)),
        Some("files") => files::measure(arguments),
        Some("codes") => codes::measure(arguments),
        Some("dht") => dht::measure(arguments),
        Some("program") => program::measure(arguments),
        _ => {
            let help = [HELP, files::HELP, codes::HELP, dht::HELP, program::HELP].join("\n\n");
            Err(format!("say what to measure\n\n{help}").into())
        }
    };
    match report {
        Ok(Report { text, reached }) => {
            println!("{text}");
            if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::from(2)
        }
    }
}

/// What is printed.
struct Report {
    text: String,
    /// Whether all that is to be reached is.
    reached: bool,
}

/// What is to be measured.
struct Options {
    /// Bytes of the large file.
    size: u64,
    runs: usize,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options { size: 1024 << 20, runs: 3 };
    while let Some(flag) = arguments.next() {
        let number = |text: Option<String>| {
            text.and_then(|text| text.parse::<u32>().ok())
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{flag} wants a number of at least 1\n\n{HELP}"))
        };
        match flag.as_str() {
            "--size" => options.size = u64::from(number(arguments.next())?) << 20,
            "--runs" => options.runs = usize::try_from(number(arguments.next())?)?,
            _ => return Err(format!("there is no flag {flag}\n\n{HELP}").into()),
        }
    }
    Ok(options)
}

fn road(options: &Options) -> Result<Report, Failure> {
    eprintln!("Data goes to {}.", std::env::temp_dir().display());
    let mut rows = file::measure(options.size, options.runs)?;
    rows.push(handshake::measure()?);
    rows.push(message::measure()?);
    rows.push(copies::row());
    Ok(Report { text: Table(&rows).to_string(), reached: rows.iter().all(|row| row.reached) })
}

/// One line of a table.
struct Row {
    case: String,
    /// What it must be, where something must be.
    to_reach: Option<String>,
    measured: String,
    /// Of what was random, where something was.
    seed: Option<u64>,
    reached: bool,
}

impl Row {
    /// A row without a bound.
    fn plain(case: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { case: case.into(), to_reach: None, measured: measured.into(), seed: None, reached: true }
    }

    fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    fn bound(self, to_reach: impl Into<String>, reached: bool) -> Self {
        Self { to_reach: Some(to_reach.into()), reached, ..self }
    }
}

/// Markdown.
struct Table<'a>(&'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| case | to reach | measured | seed |")?;
        write!(f, "|---|---|---|---|")?;
        for Row { case, to_reach, measured, seed, reached } in self.0 {
            let to_reach = to_reach.as_deref().unwrap_or_default();
            let short = if *reached { "" } else { " **falls short**" };
            let seed = seed.map(|seed| seed.to_string()).unwrap_or_default();
            write!(f, "\n| {case} | {to_reach} | {measured}{short} | {seed} |")?;
        }
        Ok(())
    }
}

/// The value below which `percent` of the sorted values lie.
fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied()
}

/// The median and, where there are several, the smallest and the largest, each with one decimal.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    match (values.as_slice(), percentile(&values, 50)) {
        ([first, .., last], Some(median)) => format!("{median:.1} ({first:.1} to {last:.1})"),
        (_, median) => format!("{:.1}", median.unwrap_or_default()),
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A directory below TMPDIR, gone with the value.
fn temporary() -> Result<(tempfile::TempDir, PathBuf), Failure> {
    temporary_in(&std::env::temp_dir())
}

/// The same below `parent`.
fn temporary_in(parent: &Path) -> Result<(tempfile::TempDir, PathBuf), Failure> {
    let directory = tempfile::Builder::new().prefix("hither-figures-").tempdir_in(parent)?;
    let path = directory.path().canonicalize()?;
    Ok((directory, path))
}
