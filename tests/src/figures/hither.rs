//! The command line as a process of its own: this program again, with the command line's entry point, so that what
//! is measured is what a user gets. At its end it writes down what it used.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use super::{Failure, usage};

/// First argument of a process that is to be the command line.
pub(super) const AS_HITHER: &str = "--as-hither";

/// The most memory that either side may take, whatever the size of the file, in bytes.
pub(super) const MOST_MEMORY: u64 = 64 << 20;

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

/// A home of the command line.
pub(super) struct Hither {
    home: PathBuf,
    report: PathBuf,
}

/// What one process used.
#[derive(Clone, Copy)]
pub(super) struct Used {
    /// In user and kernel mode.
    pub(super) processor: Duration,
    /// Most bytes resident.
    pub(super) memory: u64,
}

impl Hither {
    /// Makes the home, below `path`.
    pub(super) fn new(path: &Path, name: &str) -> Result<Self, Failure> {
        let hither = Self { home: path.join(name), report: path.join(format!("{name} used")) };
        fs::create_dir(&hither.home)?;
        Ok(hither)
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The command line with these arguments, kept to one interface.
    pub(super) fn command<'a>(
        &self,
        interface: &str,
        arguments: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<Command, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(AS_HITHER)
            .arg(&self.report)
            .args(["--json", "--quiet", "--interface", interface, "--port", "0", "--home"])
            .arg(&self.home)
            .args(arguments);
        Ok(command)
    }

    /// What the command that ended last used.
    pub(super) fn used(&self) -> Result<Used, Failure> {
        let report = fs::read_to_string(&self.report)?;
        let (micros, memory) = report.split_once(' ').ok_or("a report without two numbers")?;
        Ok(Used { processor: Duration::from_micros(micros.parse()?), memory: memory.parse()? })
    }
}
