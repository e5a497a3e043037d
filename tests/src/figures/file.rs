//! One large file between two processes on loopback, from the start of `send` to the verified file.
//!
//! Each process is this program again, with the command line's own entry point: what is measured is what a user
//! gets. At its end it writes down what it used.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{AS_HITHER, Failure, Row, spread, temporary, usage};

/// Of the file's content.
const SEED: u64 = 1;
/// The most memory that either side may take, whatever the size of the file.
const MOST_MEMORY: u64 = 64 << 20;
const MIB: f64 = (1 << 20) as f64;

/// Runs the command line, then writes to the file named first what that took.
pub(super) fn as_hither(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let report = PathBuf::from(arguments.next().unwrap_or_default());
    let exit = hither_cli::main(arguments);
    let written = usage::peak_memory()
        .and_then(|memory| Ok(fs::write(report, format!("{} {memory}", usage::process_time().as_micros()))?));
    match written {
        Ok(()) => exit,
        Err(error) => {
            eprintln!("figures: what was used could not be written down: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(super) fn measure(size: u64, runs: usize) -> Result<Vec<Row>, Failure> {
    let (_directory, path) = temporary()?;
    let source = path.join("content");
    let root = make(&source, size)?;
    let (sender, receiver) = (Hither::new(&path, "sender")?, Hither::new(&path, "receiver")?);
    let mut taken = Vec::new();
    for run in 1..=runs {
        eprint!("a file of {:.0} MiB, run {run} of {runs} ... ", size as f64 / MIB);
        let this = transfer(&sender, &receiver, &source, &root)?;
        eprintln!("{this}");
        taken.push(this);
    }
    let rates = taken.iter().map(|run| size as f64 / 1e6 / run.took.as_secs_f64()).collect();
    let seconds = taken.iter().map(|run| run.took.as_secs_f64()).collect();
    let processor = |side: fn(&Taken) -> &Used| {
        spread(taken.iter().map(|run| side(run).processor.as_secs_f64()).collect())
    };
    let (spent_sending, spent_receiving) = (processor(|run| &run.sender), processor(|run| &run.receiver));
    let memory = |side: fn(&Taken) -> &Used| {
        let most = taken.iter().map(|run| side(run).memory).max().unwrap_or(u64::MAX);
        let measured = format!("{:.1} MiB", most as f64 / MIB);
        (measured, most <= MOST_MEMORY)
    };
    let memory_row = |case: &str, (measured, reached): (String, bool)| {
        Row::plain(case, measured).bound(format!("at most {:.0} MiB", MOST_MEMORY as f64 / MIB), reached)
    };
    Ok(vec![
        Row::plain(
            format!(
                "one file of {:.0} MiB, two processes on loopback, `send` to verified file (median of {runs})",
                size as f64 / MIB
            ),
            format!("{} MB/s; {} s", spread(rates), spread(seconds)),
        )
        .seed(SEED),
        Row::plain("- processor time of the sender", format!("{spent_sending} s")),
        Row::plain("- processor time of the receiver", format!("{spent_receiving} s")),
        memory_row("- peak memory of the sender", memory(|run| &run.sender)),
        memory_row("- peak memory of the receiver", memory(|run| &run.receiver)),
        Row::plain("- content at the receiver, by BLAKE3", format!("the same in {runs} of {runs}"))
            .bound("the same", true),
    ])
}

/// What one transfer took.
struct Taken {
    took: Duration,
    sender: Used,
    receiver: Used,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, sender, receiver } = self;
        let (sender, receiver) = (sender.processor, receiver.processor);
        write!(f, "{took:.2?}; processor time {sender:.2?} sending, {receiver:.2?} receiving")
    }
}

/// What one process used.
struct Used {
    /// In user and kernel mode.
    processor: Duration,
    /// Most bytes resident.
    memory: u64,
}

fn transfer(sender: &Hither, receiver: &Hither, source: &Path, root: &str) -> Result<Taken, Failure> {
    let into = tempfile::Builder::new().prefix("received-").tempdir_in(&receiver.home)?;
    let mut receiving = receiver
        .run(["--yes", "receive", "--into"].map(OsStr::new).into_iter().chain([into.path().as_ref()]))?;
    let ready = receiving.event("ready")?;
    let addresses = ready["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let address =
        addresses.clone().find(|address| address.starts_with("127.")).ok_or("no IPv4 on loopback")?;
    let to = format!("{}@{address}", ready["id"].as_str().ok_or("a receiver without an id")?);

    let begun = Instant::now();
    let mut sending = sender.run([OsStr::new("send"), source.as_ref(), "--to".as_ref(), to.as_ref()])?;
    let done = receiving.event("done")?;
    let took = begun.elapsed();

    sending.event("done")?;
    let (sender, receiver) = (sending.end()?, receiving.end()?);
    let there = into.path().join(source.file_name().unwrap_or_default());
    if done["root"] != root || hash(&there)? != root {
        return Err("what arrived is not what was sent".into());
    }
    Ok(Taken { took, sender, receiver })
}

/// A home of the command line.
struct Hither {
    home: PathBuf,
    report: PathBuf,
}

impl Hither {
    /// Makes the home and its key, which a user's second transfer finds there too.
    fn new(path: &Path, name: &str) -> Result<Self, Failure> {
        let hither = Self { home: path.join(name), report: path.join(format!("{name} used")) };
        fs::create_dir(&hither.home)?;
        hither.run([OsStr::new("id")])?.end()?;
        Ok(hither)
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Running, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(AS_HITHER)
            .arg(&self.report)
            .args(["--json", "--quiet", "--interface", "lo", "--port", "0", "--home"])
            .arg(&self.home)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("a process without output")?);
        Ok(Running { child, output, report: self.report.clone() })
    }
}

/// A command that runs. It does not outlive the value.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    report: PathBuf,
}

impl Running {
    /// Waits for an event of that name.
    fn event(&mut self, name: &str) -> Result<Value, Failure> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line)? == 0 {
                return Err(format!("a process ended before it said {name:?}").into());
            }
            let event: Value = serde_json::from_str(&line)?;
            match event["event"].as_str() {
                Some(this) if this == name => return Ok(event),
                Some("error") => return Err(format!("a process failed: {}", event["text"]).into()),
                _ => {}
            }
        }
    }

    /// Waits for the end.
    fn end(mut self) -> Result<Used, Failure> {
        std::io::copy(&mut self.output, &mut std::io::sink())?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("a process ended with {status}").into());
        }
        let report = fs::read_to_string(&self.report)?;
        let (micros, memory) = report.split_once(' ').ok_or("a report without two numbers")?;
        Ok(Used { processor: Duration::from_micros(micros.parse()?), memory: memory.parse()? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a file of random content; gives its hash.
fn make(path: &Path, size: u64) -> Result<String, Failure> {
    let mut random = blake3::Hasher::new().update(&SEED.to_le_bytes()).finalize_xof();
    let mut hasher = blake3::Hasher::new();
    let mut file = BufWriter::new(File::create(path)?);
    let mut buffer = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        random.fill(&mut buffer[..part]);
        hasher.update(&buffer[..part]);
        file.write_all(&buffer[..part])?;
        left -= part as u64;
    }
    // What this writes is not to be written while the transfer is.
    file.into_inner()?.sync_all()?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn hash(path: &Path) -> Result<String, Failure> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_hex().to_string()),
            read => hasher.update(&buffer[..read]),
        };
    }
}
