//! A process of a tool: where it runs, what it said, how long it took.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::roads::Host;
use super::tool::Stage;
use crate::figures::Failure;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// For what is to be ready, or to end, at once.
const SOON: Duration = Duration::from_secs(20);
/// Between two looks at what is not timed.
const LOOK: Duration = Duration::from_millis(5);
/// How much of what a process said is told when it fails, in characters.
const TOLD: usize = 400;

/// A process that does not outlive the value.
pub(super) struct Process {
    name: String,
    child: Child,
    begun: Instant,
    log: PathBuf,
}

impl Process {
    /// Starts `command` on `host`, with nothing of our surroundings but the way to programs. Its output goes to a
    /// file of `stage`, named after `name`.
    pub(super) fn start(
        stage: &Stage<'_>,
        host: &Host,
        name: &str,
        command: &mut Command,
    ) -> Result<Self, Failure> {
        let log = stage.home.join(format!("{name}.log"));
        let (output, errors) = (File::create(&log)?, File::options().append(true).open(&log)?);
        let path = std::env::var_os("PATH").unwrap_or_default();
        // What a tool has been given stays.
        let given: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
        command
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .env("HOME", stage.home)
            .envs(given)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let (begun, child) = host.spawn(command).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name: name.into(), child, begun, log })
    }

    /// Waits until it listens on that port of its host.
    pub(super) fn until_it_listens(&mut self, host: &Host, port: u16) -> Result<(), Failure> {
        self.until(SOON, || host.listens(port).then_some(()))
    }

    /// Waits until something can be found in what it said.
    pub(super) fn until_it_says<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let log = self.log.clone();
        let found = self.until(PATIENCE, || find(&String::from_utf8_lossy(&fs::read(&log).ok()?)))?;
        // What it does besides is not to be done while the other side is timed.
        thread::sleep(Duration::from_millis(300));
        Ok(found)
    }

    /// Waits until it ends as it should. Gives the time since its start.
    pub(super) fn end(self) -> Result<Duration, Failure> {
        self.end_within(PATIENCE)
    }

    /// The same of a process that has nothing left to do.
    pub(super) fn end_soon(self) -> Result<(), Failure> {
        self.end_within(SOON).map(drop)
    }

    fn end_within(mut self, patience: Duration) -> Result<Duration, Failure> {
        let pid = Pid::from_child(&self.child);
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        let timeout = Timespec::try_from(patience)?;
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout))?;
        let took = self.begun.elapsed();
        if ended == 0 {
            return Err(self.failed("takes too long"));
        }
        let status = self.child.wait()?;
        if status.success() { Ok(took) } else { Err(self.failed(&format!("ended with {status}"))) }
    }

    fn until<T>(&mut self, patience: Duration, look: impl Fn() -> Option<T>) -> Result<T, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(found) = look() {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("ended with {status}")));
            }
            thread::sleep(LOOK);
        }
        Err(self.failed("is not ready"))
    }

    fn failed(&self, how: &str) -> Failure {
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let start = said.char_indices().rev().nth(TOLD).map_or(0, |(at, _)| at);
        format!("{} {how}\n{}", self.name, said[start..].trim()).into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, unless it is a server or something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
