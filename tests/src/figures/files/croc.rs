//! croc, from the start of the receiver to its end, with the sender offering: straight to the sender's own relay,
//! without compression.

use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::tool::{Sender, Stage, Taken};
use crate::figures::Failure;

/// The relay's first one.
const PORT: u16 = 9009;
const CODE: &str = "1234-figure-figure-figure";

pub(super) struct Ready<'a> {
    stage: Stage<'a>,
}

impl<'a> Ready<'a> {
    pub(super) fn new(stage: Stage<'a>) -> Self {
        Self { stage }
    }
}

impl Sender for Ready<'_> {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let stage = &self.stage;
        let (here, there) = (stage.ends.sender(), stage.ends.receiver());
        let croc = || {
            let mut command = Command::new("croc");
            command.env("CROC_SECRET", CODE).current_dir(into).args(["--local", "--no-compress", "--yes"]);
            command
        };
        let mut command = croc();
        command.args(["--disable-clipboard", "--ignore-stdin", "send"]).arg(source);
        let mut sending = Process::start(stage, here, "sender", &mut command)?;
        sending.until_it_says(|said| said.contains("On the other computer run").then_some(()))?;
        let mut command = croc();
        command.args(["--ip", &format!("{}:{PORT}", here.address)]);
        let time = Process::start(stage, there, "receiver", &mut command)?.end()?;
        sending.end_soon()?;
        Ok(time.into())
    }
}
