//! How long a receiver takes by a code: two processes on loopback, from the start of `receive CODE` to its end.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::content::Content;
use super::hither::Hither;
use super::{Failure, Report, Row, Table, percentile, spread, temporary};

const RUNS: usize = 15;
/// What is sent, in bytes.
const SIZE: u64 = 64;
/// The most that half of the runs may take.
const MOST: Duration = Duration::from_millis(300);
/// How long a sender stands before it counts as ready: what was announced to all is not said again for a second after
/// each of its two announcements (RFC 6762, sections 6 and 8.3), and people take longer than that to say three words.
const READY: Duration = Duration::from_millis(2500);
const INTERFACE: &str = "lo";
const SEED: u64 = 1;

pub(super) const HELP: &str = "\
usage: figures codes

Times `hither receive CODE` for 64 bytes on this machine's loopback, and prints a table in Markdown.";

pub(super) fn measure(mut arguments: impl Iterator<Item = String>) -> Result<Report, Failure> {
    if let Some(flag) = arguments.next() {
        return Err(format!("there is no flag {flag}\n\n{HELP}").into());
    }
    let mut times = Vec::with_capacity(RUNS);
    for run in 0..RUNS {
        eprintln!("a code, {} of {RUNS} ...", run + 1);
        times.push(once()?);
    }
    times.sort();
    let median = percentile(&times, 50).unwrap_or_default();
    let millis = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    let case = format!(
        "{SIZE} bytes by a code, two processes on loopback, from the start of `receive CODE` to its end, the sender \
         standing for {READY:?} (median of {RUNS})"
    );
    let row = Row::plain(case, format!("{} ms", spread(millis)))
        .seed(SEED)
        .bound(format!("at most {} ms", MOST.as_millis()), median <= MOST);
    let rows = [row];
    Ok(Report { text: Table(&rows).to_string(), reached: rows.iter().all(|row| row.reached) })
}

fn once() -> Result<Duration, Failure> {
    let (_directory, path) = temporary()?;
    let (alice, bob) = (Hither::new(&path, "alice")?, Hither::new(&path, "bob")?);
    let file = path.join("file");
    Content::new(SEED).write(&file, SIZE)?;
    for node in [&alice, &bob] {
        node.command(INTERFACE, [OsStr::new("id")])?.stdout(Stdio::null()).status()?;
    }
    let mut sender =
        alice.command(INTERFACE, [OsStr::new("send"), file.as_os_str()])?.stdout(Stdio::piped()).spawn()?;
    let out = sender.stdout.take().ok_or("a sender without output")?;
    let mut lines = BufReader::new(out).lines();
    let outcome = (|| {
        let line = lines.next().ok_or("the sender ended without a code")??;
        let event: Value = serde_json::from_str(&line)?;
        let code = event["code"].as_str().ok_or("the sender's first word was no code")?;
        std::thread::sleep(READY);
        let into = path.join("in");
        let arguments = ["receive", "--yes", "--into"].map(OsStr::new);
        let arguments = arguments.into_iter().chain([into.as_os_str(), OsStr::new(code)]);
        let mut receiver = bob.command(INTERFACE, arguments)?;
        receiver.stdout(Stdio::null());
        let begun = Instant::now();
        let status = receiver.status()?;
        let took = begun.elapsed();
        if !status.success() || fs::read(into.join("file"))? != fs::read(&file)? {
            return Err(format!("the file did not arrive: {status}").into());
        }
        Ok(took)
    })();
    if outcome.is_err() {
        let _ = sender.kill();
    }
    // What it says is read to its end, so that it can end.
    lines.for_each(drop);
    let ended = sender.wait()?;
    match outcome {
        Ok(_) if !ended.success() => Err(format!("the sender failed: {ended}").into()),
        outcome => outcome,
    }
}
