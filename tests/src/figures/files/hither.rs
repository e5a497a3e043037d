//! Hither: `send FILE --to PEER@ADDRESS`, from its start to its end, with the receiver waiting.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::process::Process;
use super::tool::{Sender, Stage, Taken};
use crate::figures::Failure;
use crate::figures::hither::Hither;

pub(super) struct Ready<'a> {
    stage: Stage<'a>,
    sender: Hither,
    receiver: Hither,
}

impl<'a> Ready<'a> {
    /// Makes both homes; the receiver has the sender in its contacts, since it would not take as much of a stranger.
    pub(super) fn new(stage: Stage<'a>) -> Result<Self, Failure> {
        let ready = Self {
            stage,
            sender: Hither::new(stage.home, "sender")?,
            receiver: Hither::new(stage.home, "receiver")?,
        };
        let sender = ready.run(&ready.sender, &["id"])?;
        ready.run(&ready.receiver, &["contacts", "add", "sender", &sender])?;
        Ok(ready)
    }

    /// Runs a command that tells an id; gives that.
    fn run(&self, hither: &Hither, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = hither.command("lo", arguments.iter().map(OsStr::new))?;
        let said = self.stage.ends.sender().output(&mut command)?;
        let id = event(&said, |event| event["id"].as_str().map(str::to_owned));
        Ok(id.ok_or_else(|| format!("hither {}: {said}", arguments.join(" ")))?)
    }
}

impl Sender for Ready<'_> {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let stage = &self.stage;
        let (here, there) = (stage.ends.sender(), stage.ends.receiver());
        let wait = ["--yes", "receive", "--into"].map(OsStr::new).into_iter().chain([into.as_ref()]);
        let mut command = self.receiver.command(there.interface, wait)?;
        let mut receiving = Process::start(stage, there, "receiver", &mut command)?;
        let to = receiving.until_it_says(|said| peer(said, &there.address.to_string()))?;
        let send = [OsStr::new("send"), source.as_ref(), "--to".as_ref(), to.as_ref()];
        let mut command = self.sender.command(here.interface, send)?;
        let time = Process::start(stage, here, "sender", &mut command)?.end()?;
        receiving.end_soon()?;
        Ok(Taken { time, used: Some([self.sender.used()?, self.receiver.used()?]) })
    }
}

/// The waiting peer with its address of that IP, once it said so.
fn peer(said: &str, ip: &str) -> Option<String> {
    event(said, |event| {
        let mut addresses = event["addresses"].as_array()?.iter().filter_map(Value::as_str);
        let address = addresses.find(|address| address.rsplit_once(':').is_some_and(|(of, _)| of == ip))?;
        Some(format!("{}@{address}", event["id"].as_str()?))
    })
}

/// What is found in the first line of JSON that has it.
fn event<T>(said: &str, find: impl Fn(&Value) -> Option<T>) -> Option<T> {
    said.lines().filter_map(|line| serde_json::from_str(line).ok()).find_map(|event| find(&event))
}

#[cfg(test)]
mod tests {
    use super::peer;

    #[test]
    fn a_waiting_peer_is_found_once_its_line_is_whole() {
        let line = r#"{"event":"ready","id":"hi1q","addresses":["[::1]:5","192.0.2.20:5","192.0.2.2:5"]}"#;
        assert_eq!(peer(&format!("{{}}\n{line}\n"), "192.0.2.2"), Some("hi1q@192.0.2.2:5".into()));
        assert_eq!(peer(&line[..30], "192.0.2.2"), None);
        assert_eq!(peer(line, "192.0.2.3"), None);
    }
}
