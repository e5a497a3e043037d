//! One large file between two processes on loopback, from the start of `send` to the verified file.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::content::{self, Content};
use super::hither::{Hither, MOST_MEMORY, Used};
use super::{Failure, Row, spread, temporary};

/// Of the file's content.
const SEED: u64 = 1;
const MIB: f64 = (1 << 20) as f64;

pub(super) fn measure(size: u64, runs: usize) -> Result<Vec<Row>, Failure> {
    let (_directory, path) = temporary()?;
    let source = path.join("content");
    Content::new(SEED).write(&source, size)?;
    // What this writes is not to be written while the transfer is.
    File::open(&source)?.sync_all()?;
    let root = content::hash(&source)?.to_hex();
    let (sender, receiver) = (home(&path, "sender")?, home(&path, "receiver")?);
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

fn transfer(sender: &Hither, receiver: &Hither, source: &Path, root: &str) -> Result<Taken, Failure> {
    let into = tempfile::Builder::new().prefix("received-").tempdir_in(receiver.home())?;
    let arguments = ["--yes", "receive", "--into"].map(OsStr::new).into_iter().chain([into.path().as_ref()]);
    let mut receiving = run(receiver, arguments)?;
    let ready = receiving.event("ready")?;
    let addresses = ready["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let address =
        addresses.clone().find(|address| address.starts_with("127.")).ok_or("no IPv4 on loopback")?;
    let to = format!("{}@{address}", ready["id"].as_str().ok_or("a receiver without an id")?);

    let begun = Instant::now();
    let mut sending = run(sender, [OsStr::new("send"), source.as_ref(), "--to".as_ref(), to.as_ref()])?;
    let done = receiving.event("done")?;
    let took = begun.elapsed();

    sending.event("done")?;
    let (sender, receiver) = (sending.end()?, receiving.end()?);
    let there = into.path().join(source.file_name().unwrap_or_default());
    if done["root"] != root || content::hash(&there)?.to_hex().as_str() != root {
        return Err("what arrived is not what was sent".into());
    }
    Ok(Taken { took, sender, receiver })
}

/// Starts the command line on loopback.
fn run<'a>(
    hither: &'a Hither,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<Running<'a>, Failure> {
    let mut child = hither.command("lo", arguments)?.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(child.stdout.take().ok_or("a process without output")?);
    Ok(Running { child, output, hither })
}

/// A home with a key, which a user's second transfer finds there too.
fn home(path: &Path, name: &str) -> Result<Hither, Failure> {
    let hither = Hither::new(path, name)?;
    run(&hither, [OsStr::new("id")])?.end()?;
    Ok(hither)
}

/// A command that runs. It does not outlive the value.
struct Running<'a> {
    child: Child,
    output: BufReader<ChildStdout>,
    hither: &'a Hither,
}

impl Running<'_> {
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
        self.hither.used()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Ended already, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
