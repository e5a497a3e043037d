//! scp, from its start to its end, to a server with keys and settings of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;
use super::tool::{Sender, Stage, Taken, find};
use crate::figures::Failure;

/// What the client's settings call the receiver.
pub(super) const RECEIVER: &str = "receiver";

pub(super) struct Scp<'a> {
    stage: Stage<'a>,
    server: Server,
    cipher: &'static str,
}

impl<'a> Scp<'a> {
    pub(super) fn new(stage: Stage<'a>, cipher: &'static str) -> Result<Self, Failure> {
        Ok(Self { stage, server: Server::start(&stage)?, cipher })
    }
}

impl Sender for Scp<'_> {
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure> {
        let mut command = Command::new("scp");
        command.args(["-q", "-r", "-c", self.cipher, "-F"]).arg(&self.server.client_settings).arg(source);
        command.arg(format!("{RECEIVER}:{}", into.display()));
        let stage = &self.stage;
        Ok(Process::start(stage, stage.ends.sender(), "scp", &mut command)?.end()?.into())
    }
}

/// A server that this user may log in to, from here alone.
pub(super) struct Server {
    /// Ends with the value.
    _process: Process,
    pub(super) client_settings: PathBuf,
}

impl Server {
    pub(super) fn start(stage: &Stage<'_>) -> Result<Self, Failure> {
        let (host, home, port) = (stage.ends.receiver(), stage.home, stage.port);
        let server_key = key(stage, "server-key")?;
        let user_key = key(stage, "user-key")?;
        let public = |key: &Path| fs::read_to_string(key.with_extension("pub"));
        let (known, authorized) = (home.join("known-hosts"), home.join("authorized-keys"));
        fs::write(&known, format!("{RECEIVER} {}", public(&server_key)?))?;
        fs::write(&authorized, public(&user_key)?)?;

        let settings = home.join("server-settings");
        // Of another home, so that the login shell reads nobody's own start-up files.
        fs::write(
            &settings,
            format!(
                "ListenAddress {}\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
                 UseDNS no\nPidFile none\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n\
                 SetEnv HOME={}\n",
                host.address,
                server_key.display(),
                authorized.display(),
                home.display(),
            ),
        )?;
        let client_settings = home.join("client-settings");
        fs::write(
            &client_settings,
            format!(
                "Host {RECEIVER}\nHostName {}\nHostKeyAlias {RECEIVER}\nPort {port}\nUser root\nIdentityFile {}\n\
                 IdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile none\n\
                 StrictHostKeyChecking yes\nBatchMode yes\n",
                host.address,
                user_key.display(),
                known.display(),
            ),
        )?;

        let program = find("sshd").ok_or("no sshd")?;
        let mut command = Command::new("unshare");
        // The server wants an empty directory below /run: it gets a /run that is seen by nobody else.
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs run /run && mkdir /run/sshd && exec \"$@\"",
            "sh",
        ]);
        command.arg(program).args(["-D", "-e", "-f"]).arg(&settings);
        let mut process = Process::start(stage, host, "sshd", &mut command)?;
        process.until_it_listens(host, port)?;
        Ok(Self { _process: process, client_settings })
    }
}

fn key(stage: &Stage<'_>, name: &str) -> Result<PathBuf, Failure> {
    let path = stage.home.join(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path);
    Process::start(stage, stage.ends.sender(), "ssh-keygen", &mut command)?.end_soon()?;
    Ok(path)
}
