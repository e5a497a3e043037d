//! magic-wormhole in Rust and in Python, from the start of the receiver to its end, with the sender offering. The
//! rendezvous is a server of our own; content goes straight.

use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::tool::{Sender, Stage, Taken};
use crate::figures::Failure;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rust,
    Python,
}

pub(super) struct Ready<'a> {
    stage: Stage<'a>,
    kind: Kind,
    rendezvous: String,
    /// Ends with the value.
    _server: Process,
}

impl<'a> Ready<'a> {
    pub(super) fn new(stage: Stage<'a>, kind: Kind) -> Result<Self, Failure> {
        let (host, port) = (stage.ends.sender(), stage.port);
        let mut command = Command::new("twist");
        let listen = format!("--port=tcp:{port}:interface={}", host.address);
        command.args(["wormhole-mailbox", &listen]).current_dir(stage.home);
        let mut server = Process::start(&stage, host, "rendezvous", &mut command)?;
        server.until_it_listens(host, port)?;
        let rendezvous = format!("ws://{}:{port}/v1", host.address);
        Ok(Self { stage, kind, rendezvous, _server: server })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = match self.kind {
            Kind::Rust => Command::new("wormhole-rs"),
            Kind::Python => Command::new("wormhole"),
        };
        match self.kind {
            Kind::Rust => command.args([what, "--rendezvous-server", &self.rendezvous, "--force-direct"]),
            Kind::Python => command.args(["--relay-url", &self.rendezvous, "--transit-helper", "", what]),
        };
        command
    }
}

impl Sender for Ready<'_> {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let stage = &self.stage;
        let mut command = self.command("send");
        command.arg("--no-qr").arg(source);
        let mut sending = Process::start(stage, stage.ends.sender(), "sender", &mut command)?;
        let code = sending.until_it_says(code)?;
        let mut command = self.command("receive");
        command.arg(if self.kind == Kind::Rust { "--noconfirm" } else { "--accept-file" });
        command.arg(&code).current_dir(into);
        let host = stage.ends.receiver();
        let mut time = Process::start(stage, host, "receiver", &mut command)?.end()?;
        sending.end_soon()?;
        // The one in Rust leaves the files of a directory packed; its user unpacks them.
        let packed = into.join(source.file_name().unwrap_or_default()).with_extension("tar");
        if packed.exists() {
            let mut command = Command::new("tar");
            command.arg("-xf").arg(packed).arg("-C").arg(into);
            time += Process::start(stage, host, "tar", &mut command)?.end()?;
        }
        Ok(time.into())
    }
}

/// The code, once the sender said all of it.
fn code(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("code is: ")?;
    let (code, _) = rest.split_once(char::is_whitespace)?;
    Some(code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn a_code_is_taken_when_it_is_whole() {
        assert_eq!(code("Wormhole code is: 1-typewriter-endow\nOn the"), Some("1-typewriter-endow".into()));
        assert_eq!(code("This wormhole's code is: 8-a-b (it has"), Some("8-a-b".into()));
        assert_eq!(code("Wormhole code is: 1-typewr"), None);
    }
}
