//! The programs as they are given to people: how large they are, and how long the shortest command takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Failure, Report, Row, Table, percentile, spread, temporary};

const RUNS: usize = 200;
/// The most that a program may take on the disk, in bytes.
const MOST_BYTES: u64 = 12 << 20;
/// The most that half of the runs of `hither id` may take.
const MOST: Duration = Duration::from_millis(20);

pub(super) const HELP: &str = "\
usage: figures program PROGRAM...

Weighs release builds of hither, stripped as their profile says, and times `id` with each that is not for Windows.";

pub(super) fn measure(arguments: impl Iterator<Item = String>) -> Result<Report, Failure> {
    let programs: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if programs.is_empty() {
        return Err(HELP.into());
    }
    let mut rows = Vec::new();
    for program in &programs {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::metadata(program)?.len();
        rows.push(
            Row::plain(format!("size of `{name}`"), format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)))
                .bound(format!("at most {} MiB", MOST_BYTES >> 20), bytes <= MOST_BYTES),
        );
        if program.extension().is_none_or(|extension| extension != "exe") {
            rows.push(time(program, &name)?);
        }
    }
    Ok(Report { text: Table(&rows).to_string(), reached: rows.iter().all(|row| row.reached) })
}

fn time(program: &Path, name: &str) -> Result<Row, Failure> {
    let (_directory, home) = temporary()?;
    let mut times = Vec::with_capacity(RUNS);
    // The first run makes the key, and is not counted.
    for run in 0..=RUNS {
        let mut command = Command::new(fs::canonicalize(program)?);
        command.arg("--home").arg(&home).arg("id").stdin(Stdio::null()).stdout(Stdio::null());
        if run == 0 {
            command.stderr(Stdio::null());
        }
        let begun = Instant::now();
        let status = command.status()?;
        let took = begun.elapsed();
        if !status.success() {
            return Err(format!("`{name} id` failed: {status}").into());
        }
        if run > 0 {
            times.push(took);
        }
    }
    times.sort();
    let median = percentile(&times, 50).unwrap_or_default();
    let millis = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    Ok(Row::plain(format!("`{name} id`, whole process (median of {RUNS})"), format!("{} ms", spread(millis)))
        .bound(format!("at most {} ms", MOST.as_millis()), median <= MOST))
}
