//! Rounds of transfers: in each, every tool sends once.

use std::fs;
use std::path::Path;

use super::data::{Case, Data};
use super::options::Options;
use super::roads::{Ends, Road};
use super::table::{Column, Outcome};
use super::tool::{Sender, Stage, Taken, Tool};
use crate::figures::Failure;

/// Ports from here on are free on hosts of our own.
const FIRST_PORT: u16 = 2200;
/// Some tools fail now and then on their own account: magic-wormhole in Rust, with two addresses to choose from. Hither
/// may not.
const ATTEMPTS: usize = 4;

/// One case on one road.
pub(super) struct Rounds<'a> {
    pub(super) case: Case,
    pub(super) road: Road,
    pub(super) data: &'a Data,
    pub(super) ends: &'a Ends,
    /// A directory that is empty.
    pub(super) place: &'a Path,
}

/// A tool, and what came of it so far.
struct Runner<'a> {
    tool: Tool,
    /// Until it fails.
    sender: Option<Box<dyn Sender + 'a>>,
    outcome: Outcome,
}

impl Rounds<'_> {
    pub(super) fn run(&self, options: &Options) -> Result<Column, Failure> {
        let tools = options.tools.iter().copied();
        let tools =
            tools.filter(|tool| !self.case.is_for_memory() || *tool == Tool::Hither).collect::<Vec<_>>();
        let homes: Vec<_> = tools.iter().map(|tool| self.place.join(tool.name())).collect();
        let mut runners = Vec::new();
        for ((tool, home), port) in tools.iter().zip(&homes).zip(FIRST_PORT..) {
            fs::create_dir(home)?;
            runners.push(Runner::new(*tool, Stage { ends: self.ends, home, port }));
        }
        let count = runners.len();
        for round in 1..=options.runs {
            for at in 0..count {
                // Another one is first in each round, so that none always follows the same other.
                let runner = &mut runners[(at + round) % count];
                let (case, road) = (self.case.name(), self.road.name());
                eprint!("{case}, {road}, run {round} of {}: {} ... ", options.runs, runner.tool.name());
                runner.run(self)?;
            }
        }
        let road = self.road;
        let outcomes = runners.into_iter().map(|runner| (runner.tool, runner.outcome)).collect();
        Ok(Column { road, outcomes })
    }

    fn transfer(&self, sender: &mut dyn Sender) -> Result<Result<Taken, Failure>, Failure> {
        // Nothing that was there before is in the way, or is still to be written.
        let scratch = tempfile::Builder::new().prefix("run-").tempdir_in(self.place)?;
        let into = scratch.path().join("into");
        fs::create_dir(&into)?;
        self.data.warm()?;
        rustix::fs::sync();
        let taken = sender.send(self.data.source(), &into).and_then(|taken| {
            if self.data.is_in(&into)? { Ok(taken) } else { Err("what arrived is not what was sent".into()) }
        });
        if self.case == Case::Small {
            // ext4 leaves a freed inode alone for minutes, and each new file looks at all of these first: whoever is
            // next would pay for what was removed. It goes with everything else.
            let _ = scratch.keep();
        } else {
            scratch.close()?;
        }
        Ok(taken)
    }
}

impl<'a> Runner<'a> {
    fn new(tool: Tool, stage: Stage<'a>) -> Self {
        if let Some(program) = tool.missing() {
            return Self { tool, sender: None, outcome: Outcome::Absent(program) };
        }
        match tool.set_up(stage) {
            Ok(sender) => Self { tool, sender: Some(sender), outcome: Outcome::Taken(Vec::new()) },
            Err(error) => Self { tool, sender: None, outcome: Outcome::Failed(error.to_string()) },
        }
    }

    /// Sends once, unless it cannot.
    fn run(&mut self, rounds: &Rounds<'_>) -> Result<(), Failure> {
        match (&mut self.sender, &mut self.outcome) {
            (Some(sender), Outcome::Taken(all)) => {
                let attempts = if self.tool == Tool::Hither { 1 } else { ATTEMPTS };
                let mut failure = String::new();
                for _ in 0..attempts {
                    match rounds.transfer(sender.as_mut())? {
                        Ok(taken) => {
                            eprintln!("{:.3?}", taken.time);
                            all.push(taken);
                            return Ok(());
                        }
                        Err(error) => failure = error.to_string(),
                    }
                    eprintln!("failed: {failure}");
                }
                // It would only fail again, and takes its time for that.
                self.sender = None;
                self.outcome = Outcome::Failed(first_line(&failure));
            }
            (_, Outcome::Absent(program)) => eprintln!("skipped: no {program}"),
            (_, Outcome::Failed(error)) => eprintln!("failed: {error}"),
            (None, Outcome::Taken(_)) => {}
        }
        Ok(())
    }
}

/// What fits into a table.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().replace('|', "/")
}
