//! What files are sent with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::roads::{Ends, Host};
use super::{copy, croc, hither, rsync, sendme, ssh, wormhole};
use crate::figures::Failure;
use crate::figures::hither::Used;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tool {
    Hither,
    ScpAes,
    ScpChacha,
    RsyncSsh,
    RsyncDaemon,
    Sendme,
    WormholeRust,
    WormholePython,
    Croc,
    /// None: this program's own copy, for what the disk itself takes.
    Copy,
}

impl Tool {
    pub(super) const ALL: &[Self] = &[
        Self::Hither,
        Self::ScpAes,
        Self::ScpChacha,
        Self::RsyncSsh,
        Self::RsyncDaemon,
        Self::Sendme,
        Self::WormholeRust,
        Self::WormholePython,
        Self::Croc,
        Self::Copy,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hither => "hither",
            Self::ScpAes => "scp-aes128-gcm",
            Self::ScpChacha => "scp-chacha20-poly1305",
            Self::RsyncSsh => "rsync-ssh",
            Self::RsyncDaemon => "rsync-daemon",
            Self::Sendme => "sendme",
            Self::WormholeRust => "wormhole-rust",
            Self::WormholePython => "wormhole-python",
            Self::Croc => "croc",
            Self::Copy => "copy",
        }
    }

    /// In the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Hither => "Hither",
            Self::ScpAes => "scp, aes128-gcm",
            Self::ScpChacha => "scp, chacha20-poly1305",
            Self::RsyncSsh => "rsync over ssh",
            Self::RsyncDaemon => "rsync daemon (plain)",
            Self::Sendme => "sendme",
            Self::WormholeRust => "magic-wormhole (Rust)",
            Self::WormholePython => "magic-wormhole (Python)",
            Self::Croc => "croc",
            Self::Copy => "a copy on the same disk, synced",
        }
    }

    /// Whether what it sends is encrypted: Hither is to be ahead of all that are.
    pub(super) fn is_encrypted(self) -> bool {
        !matches!(self, Self::RsyncDaemon | Self::Copy)
    }

    /// The programs that it needs, and how the first of them is asked for its version.
    fn programs(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Hither | Self::Copy => (&[], ""),
            Self::ScpAes | Self::ScpChacha => (&["ssh", "scp", "sshd", "ssh-keygen"], "-V"),
            Self::RsyncSsh => (&["rsync", "ssh", "sshd", "ssh-keygen"], "--version"),
            Self::RsyncDaemon => (&["rsync"], "--version"),
            Self::Sendme => (&["sendme"], "--version"),
            Self::WormholeRust => (&["wormhole-rs", "twist"], "--version"),
            Self::WormholePython => (&["wormhole", "twist"], "--version"),
            Self::Croc => (&["croc"], "--version"),
        }
    }

    /// The first of its programs that is not on this machine.
    pub(super) fn missing(self) -> Option<&'static str> {
        self.programs().0.iter().copied().find(|program| find(program).is_none())
    }

    /// The name and the version of its program, where that tells one.
    pub(super) fn version(self, host: &Host) -> Option<String> {
        let (programs, flag) = self.programs();
        let said = host.output(Command::new(find(programs.first()?)?).arg(flag)).ok()?;
        let product = match self {
            Self::ScpAes | Self::ScpChacha => "OpenSSH",
            Self::RsyncSsh | Self::RsyncDaemon => "rsync",
            _ => self.title(),
        };
        Some(format!("{product} {}", version(&said)?))
    }

    /// Starts all that it needs before a transfer.
    pub(super) fn set_up<'a>(self, stage: Stage<'a>) -> Result<Box<dyn Sender + 'a>, Failure> {
        Ok(match self {
            Self::Hither => Box::new(hither::Ready::new(stage)?),
            Self::ScpAes => Box::new(ssh::Scp::new(stage, "aes128-gcm@openssh.com")?),
            Self::ScpChacha => Box::new(ssh::Scp::new(stage, "chacha20-poly1305@openssh.com")?),
            Self::RsyncSsh => Box::new(rsync::OverSsh::new(stage)?),
            Self::RsyncDaemon => Box::new(rsync::Daemon::new(stage)?),
            Self::Sendme => Box::new(sendme::Ready::new(stage)),
            Self::WormholeRust => Box::new(wormhole::Ready::new(stage, wormhole::Kind::Rust)?),
            Self::WormholePython => Box::new(wormhole::Ready::new(stage, wormhole::Kind::Python)?),
            Self::Croc => Box::new(croc::Ready::new(stage)),
            Self::Copy => Box::new(copy::Ready),
        })
    }
}

/// Where a tool runs.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) ends: &'a Ends,
    /// A directory for what the tool keeps.
    pub(super) home: &'a Path,
    /// Where a server of it listens. No other tool's does.
    pub(super) port: u16,
}

/// A tool that is ready to send.
pub(super) trait Sender {
    /// Sends `source` into the empty directory `into`, under its own name.
    fn send(&mut self, source: &Path, into: &Path) -> Result<Taken, Failure>;
}

/// What one transfer took.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    /// As its user sees it.
    pub(super) time: Duration,
    /// The sender's and the receiver's, where that is known.
    pub(super) used: Option<[Used; 2]>,
}

impl From<Duration> for Taken {
    fn from(time: Duration) -> Self {
        Self { time, used: None }
    }
}

/// Where a program is; servers lie where users do not look.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// The first word with a number, a point and a number, without what stands before that in the word.
fn version(said: &str) -> Option<&str> {
    said.split_whitespace().find_map(|word| {
        let start = word.find(|character: char| character.is_ascii_digit())?;
        let word = word[start..].trim_end_matches(',');
        let (major, rest) = word.split_once('.')?;
        let number = |text: &str| text.starts_with(|character: char| character.is_ascii_digit());
        (number(major) && number(rest)).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_is_found_in_what_a_program_says() {
        assert_eq!(version("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19"), Some("9.2p1"));
        assert_eq!(version("rsync  version 3.5.0  protocol version 32\nCopyright"), Some("3.5.0"));
        assert_eq!(version("wormhole-rs 0.8.1\n"), Some("0.8.1"));
        assert_eq!(version("croc version v10.7.0"), Some("10.7.0"));
        assert_eq!(version("64-bit files, no number"), None);
    }
}
