//! What a node is told once, at its start.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::{Limits, Standing, WideConfig};
use crate::identity::PeerId;

/// How long a peer is looked for on the local network, and beyond it.
const SEARCH: Duration = Duration::from_secs(10);
const SEARCH_WIDE: Duration = Duration::from_secs(15);

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
    /// How long a peer is looked for and dialled before it counts as unreachable. `None`: as long as that takes, see
    /// [`Config::search`].
    pub reach_within: Option<Duration>,
    /// What is done with offers and messages of others.
    pub rules: Rules,
    /// How fast transfers may be.
    pub limits: Limits,
    /// How others are found beyond the local network; not at all if `None`.
    pub wide: Option<WideConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent: concat!("hither ", env!("CARGO_PKG_VERSION")).into(),
            aes: false,
            max_datagram: 1452,
            reach_within: None,
            rules: Rules::default(),
            limits: Limits::default(),
            wide: None,
        }
    }
}

impl Config {
    /// How long a peer is looked for: as `reach_within` says, else ten seconds, or fifteen where a node that has just been
    /// started may have to join the network beyond the local one first.
    pub fn search(&self) -> Duration {
        let joins = self.wide.as_ref().is_some_and(|wide| wide.mainline || !wide.bootstrap.is_empty());
        self.reach_within.unwrap_or(if joins { SEARCH_WIDE } else { SEARCH })
    }
}

/// The rules of consent. Contacts may send; peers named in `expected` may too; the rest are strangers. Contacts that
/// are trusted ([`Trust`](crate::Trust)) send without asking, into a folder of theirs.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Where accepted offers go. Without one, every offer is refused.
    pub into: Option<PathBuf>,
    /// Whether `into` was named for what comes now, so that it counts more than the folders of trusted contacts.
    pub into_counts: bool,
    /// What to do where names are taken, in an offer that is accepted by rule.
    pub conflict: Conflict,
    /// What happens to strangers' offers and messages.
    pub strangers: Strangers,
    /// What happens to contacts' offers that no trust covers.
    pub contacts: FromContacts,
    /// Whether offers that the rules accept are put to the user all the same, who says how to take them.
    pub ask_always: bool,
    /// Whether the user is there to be asked: about offers of contacts, and where names are taken and `conflict` would
    /// refuse. Otherwise both are refused.
    pub attended: bool,
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

/// What happens to contacts' offers that no trust covers. Never worse than what happens to strangers': where those are
/// accepted, so are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FromContacts {
    /// They are accepted.
    #[default]
    Accept,
    /// The user is asked; where nobody is there, they are refused.
    Ask,
}

/// What the rules say to an offer, before the disk is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody need be asked.
    Accept,
    /// The same because the contact is trusted with so much.
    Trust,
    Ask,
    /// Somebody would have to be asked, and nobody is there.
    Refuse,
}

impl Rules {
    /// What to do with an offer of `from`; `covered` says whether their trust is enough for it, where they have any.
    pub(super) fn verdict(&self, from: PeerId, standing: Standing, covered: Option<bool>) -> Verdict {
        let asked = if self.attended { Verdict::Ask } else { Verdict::Refuse };
        if covered == Some(true) {
            return Verdict::Trust;
        }
        if self.strangers == Strangers::Accept || self.expected.contains(&from) {
            return Verdict::Accept;
        }
        match (standing, covered, self.contacts, self.strangers) {
            (Standing::Expected, ..) | (Standing::Contact, None, FromContacts::Accept, _) => Verdict::Accept,
            (Standing::Contact, ..) => asked,
            (Standing::Stranger, _, _, Strangers::Refuse) => Verdict::Refuse,
            (Standing::Stranger, _, _, Strangers::Ask | Strangers::Accept) => Verdict::Ask,
        }
    }
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
