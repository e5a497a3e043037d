//! What a node is told once, at its start.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Limits;
use crate::identity::PeerId;

/// What a node is told once, at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program's name and version, told to peers; at most 64 bytes are.
    pub agent: String,
    /// Whether this machine has AES instructions: packets are under AES-256-GCM where both sides have them.
    pub aes: bool,
    /// The largest UDP payload worth trying, in bytes: 1452 where nothing more is known (Ethernet under IPv6), up
    /// to 65,507 on loopback. Paths are probed up to it and never sent more than they carry.
    pub max_datagram: u16,
    /// How long a peer is looked for and dialled before it counts as unreachable.
    pub reach_within: Duration,
    /// What is done with offers and messages of others.
    pub rules: Rules,
    /// How fast transfers may be.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent: concat!("hither ", env!("CARGO_PKG_VERSION")).into(),
            aes: false,
            max_datagram: 1452,
            reach_within: Duration::from_secs(10),
            rules: Rules::default(),
            limits: Limits::default(),
        }
    }
}

/// The rules of consent. Contacts may send; peers named in `expected` may too; the rest are strangers.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Where accepted offers go. Without one, every offer is refused.
    pub into: Option<PathBuf>,
    /// What to do where names are taken, in an offer that is accepted by rule.
    pub conflict: Conflict,
    /// What happens to strangers' offers and messages.
    pub strangers: Strangers,
    /// Whether offers of contacts and expected peers are put to the user too.
    pub ask_always: bool,
    /// Whether the user is there to be asked where names are taken and `conflict` would refuse.
    pub ask_conflicts: bool,
    /// Peers named by the user for now, treated as contacts.
    pub expected: BTreeSet<PeerId>,
    /// Refuse everyone but those expected.
    pub only_expected: bool,
    /// Whether what is accepted goes to the program's output, chunk by chunk as it is checked and in order, and not to
    /// files. Offers of anything but a single file are refused.
    pub output: bool,
    /// Whether transfers that are interrupted cannot be gone on with in another run: their folder, or what is sent, is
    /// a passing one.
    pub forgetful: bool,
}

/// What happens to offers and messages of strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strangers {
    /// They are refused: nobody is there to ask.
    #[default]
    Refuse,
    /// The user is asked. One message of each is shown, and no second within a week: that is the stranger's
    /// question, and adding them to the contacts the answer.
    Ask,
    /// They are accepted.
    Accept,
}

/// What to do where a name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// Refuse the offer.
    #[default]
    Refuse,
    /// Replace files; directories are merged.
    Overwrite,
    /// Take a free name like it for the outermost name.
    Rename,
    /// Leave what exists and take the rest.
    Skip,
}
