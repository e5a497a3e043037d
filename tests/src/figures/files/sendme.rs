//! sendme, from the start of the receiver to its end, with the sender offering. Relays and look-ups are off.

use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::tool::{Sender, Stage, Taken};
use crate::figures::Failure;

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
        // What it keeps of what it offers goes where it runs; beside `into`, it goes with that.
        let beside = into.parent().unwrap_or(into);
        let mut command = Command::new("sendme");
        command.args(["send", "--relay", "disabled", "--ticket-type", "addresses", "--no-progress"]);
        command.arg(source).current_dir(beside);
        let mut sending = Process::start(stage, stage.ends.sender(), "sender", &mut command)?;
        let ticket = sending.until_it_says(ticket)?;
        let mut command = Command::new("sendme");
        command.args(["receive", "--relay", "disabled", "--no-progress", &ticket]).current_dir(into);
        Ok(Process::start(stage, stage.ends.receiver(), "receiver", &mut command)?.end()?.into())
    }
}

/// What the receiver is given, once the sender said all of it.
fn ticket(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("sendme receive ")?;
    let (ticket, _) = rest.split_once('\n')?;
    Some(ticket.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::ticket;

    #[test]
    fn a_ticket_is_taken_when_its_line_is_whole() {
        assert_eq!(ticket("to get this data, use\nsendme receive blobab12\n"), Some("blobab12".into()));
        assert_eq!(ticket("to get this data, use\nsendme receive blobab"), None);
    }
}
