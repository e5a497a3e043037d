//! rsync over ssh and to its own daemon in plain, from the start of the sending client to its end.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::ssh::{RECEIVER, Server};
use super::tool::{Sender, Stage, Taken};
use crate::figures::Failure;

pub(super) struct OverSsh<'a> {
    stage: Stage<'a>,
    server: Server,
}

impl<'a> OverSsh<'a> {
    pub(super) fn new(stage: Stage<'a>) -> Result<Self, Failure> {
        Ok(Self { stage, server: Server::start(&stage)? })
    }
}

impl Sender for OverSsh<'_> {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let shell = format!("ssh -F '{}'", self.server.client_settings.display());
        let to = format!("{RECEIVER}:{}/", into.display());
        push(&self.stage, Command::new("rsync").args(["-e", &shell]), source, &to)
    }
}

pub(super) struct Daemon<'a> {
    stage: Stage<'a>,
    /// Ends with the value.
    _process: Process,
}

impl<'a> Daemon<'a> {
    pub(super) fn new(stage: Stage<'a>) -> Result<Self, Failure> {
        let (host, port) = (stage.ends.receiver(), stage.port);
        let settings = stage.home.join("settings");
        // It takes whatever path the client names, in a place that only the client reaches.
        fs::write(
            &settings,
            format!(
                "address = {}\nport = {port}\nuse chroot = no\nuid = root\ngid = root\nreverse lookup = no\n\
                 [root]\npath = /\nread only = no\n",
                host.address
            ),
        )?;
        let mut command = Command::new("rsync");
        command.args(["--daemon", "--no-detach", "--log-file=/dev/null", "--config"]).arg(settings);
        let mut process = Process::start(&stage, host, "rsync-daemon", &mut command)?;
        process.until_it_listens(host, port)?;
        Ok(Self { stage, _process: process })
    }
}

impl Sender for Daemon<'_> {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let (address, port) = (self.stage.ends.receiver().address, self.stage.port);
        let to = format!("rsync://{address}:{port}/root{}/", into.display());
        push(&self.stage, &mut Command::new("rsync"), source, &to)
    }
}

fn push(stage: &Stage<'_>, command: &mut Command, source: &Path, to: &str) -> Result<Taken, Failure> {
    command.arg("-a").arg(source).arg(to);
    Ok(Process::start(stage, stage.ends.sender(), "rsync", command)?.end()?.into())
}
