//! What is sealed in a record, for those who know whose it is.

use std::net::{IpAddr, SocketAddr};

use super::address::Scope;
use super::id::{Contact, NodeKey};
use crate::identity::PeerId;

/// Addresses of a record's owner at most.
pub const MAX_AT: usize = 8;
/// Introducers in a record at most.
pub const MAX_INTRODUCERS: usize = 3;
/// Mailboxes in a record at most.
pub const MAX_MAILBOXES: usize = 3;
/// Devices in a record at most.
pub const MAX_DEVICES: usize = 4;

/// What a record says.
///
/// What is read in a record is within the bounds that the fields name. What is to be written is checked when it is
/// signed; [`Content::addresses`] makes what passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Where its owner is now.
    Addresses {
        /// Public addresses that others have verified: [`MAX_AT`] at most.
        at: Vec<SocketAddr>,
        /// Who passes on calls to it, where it is behind a NAT.
        introduced: Option<Introduced>,
    },
    /// What outlives its owner's absence.
    Bundle {
        /// Who keeps messages for it: [`MAX_MAILBOXES`] at most.
        mailboxes: Vec<PeerId>,
        /// What messages are sealed to that rest there.
        prekey: Option<Prekey>,
        /// Its owner's other devices: [`MAX_DEVICES`] at most.
        devices: Vec<PeerId>,
    },
}

/// Nodes of the table that pass on calls to somebody behind a NAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduced {
    /// Under this key they know whom they pass it on to. It is the one of that node, which is new at each start and in
    /// each network: it says nothing of whose it is.
    pub key: NodeKey,
    /// Who they are: one to [`MAX_INTRODUCERS`].
    pub by: Vec<Contact>,
}

/// The key that messages are sealed to while nobody is there. It changes every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prekey {
    /// Which of its owner's it is.
    pub number: u64,
    /// The X25519 key.
    pub key: [u8; 32],
}

impl Content {
    /// Where somebody is, of everything that is known: what may be published, each once, in the order given, and as
    /// much as fits. It can be signed always.
    pub fn addresses(at: &[SocketAddr], introduced: Option<Introduced>) -> Self {
        let by = || introduced.iter().flat_map(|it| &it.by);
        let all: Vec<SocketAddr> = at.iter().copied().chain(by().map(Contact::address)).collect();
        let only_loopback = only_loopback(all.iter());
        let mut chosen = Vec::new();
        for address in at.iter().map(|address| plain(*address)) {
            if chosen.len() < MAX_AT && publishable(address, only_loopback) && !chosen.contains(&address) {
                chosen.push(address);
            }
        }
        let mut known: Vec<Contact> = Vec::new();
        for contact in by() {
            if known.len() < MAX_INTRODUCERS
                && publishable(contact.address(), only_loopback)
                && !known.iter().any(|other| is_alike(other, contact))
            {
                known.push(*contact);
            }
        }
        let introduced = introduced.as_ref().filter(|_| !known.is_empty());
        let introduced = introduced.map(|it| Introduced { key: it.key, by: known });
        let mut content = Self::Addresses { at: chosen, introduced };
        while crate::wire::record::encode_content(&content).len() > super::record::ROOM {
            // Introducers always fit.
            let Self::Addresses { at, .. } = &mut content else { break };
            if at.pop().is_none() {
                break;
            }
        }
        content
    }

    /// Whether no list is longer than it may be, and no introducer named twice.
    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Addresses { at, introduced } => {
                // Nobody is asked twice for one call, under other names.
                let fits = |Introduced { by, .. }: &Introduced| {
                    let mut pairs = by
                        .iter()
                        .enumerate()
                        .flat_map(|(at, it)| by.iter().take(at).map(move |other| (it, other)));
                    (1..=MAX_INTRODUCERS).contains(&by.len())
                        && !pairs.any(|(one, other)| is_alike(one, other))
                };
                at.len() <= MAX_AT && introduced.as_ref().is_none_or(fits)
            }
            Self::Bundle { mailboxes, devices, .. } => {
                mailboxes.len() <= MAX_MAILBOXES && devices.len() <= MAX_DEVICES
            }
        }
    }

    /// Whether every address in it may be published: all are public, or all are of this machine.
    pub(super) fn is_publishable(&self) -> bool {
        let Self::Addresses { at, introduced } = self else { return true };
        let by = introduced.iter().flat_map(|it| &it.by).map(Contact::address);
        let all: Vec<SocketAddr> = at.iter().copied().chain(by).collect();
        let only_loopback = only_loopback(all.iter());
        all.iter().all(|address| publishable(*address, only_loopback))
    }
}

/// Whether two are on one machine, or one.
fn is_alike(one: &Contact, other: &Contact) -> bool {
    one.key() == other.key() || one.address().ip() == other.address().ip()
}

/// Whether an address may stand in a record or a note: one that means the same everywhere. Where all there is is
/// loopback, as in tests on one machine, loopback is everywhere. Addresses of local networks never are.
///
/// It is for both sides: whoever reads asks it too, so that no record has anyone send to their own network.
pub fn publishable(address: SocketAddr, only_loopback: bool) -> bool {
    let scope = Scope::of(address.ip());
    address.port() != 0 && scope == if only_loopback { Scope::Loopback } else { Scope::Global }
}

/// Whether all of these are loopback, and there are some.
pub(super) fn only_loopback<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> bool {
    let mut addresses = addresses.peekable();
    addresses.peek().is_some() && addresses.all(|address| Scope::of(address.ip()) == Scope::Loopback)
}

/// An address without what means nothing elsewhere: IPv6 clothes of IPv4, scope and flow of IPv6.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Writes an address: its family, its bytes, its port.
pub(crate) fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(6);
            out.extend_from_slice(&v6.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

/// Reads an address off the front of `bytes`. `None` if there is none.
pub(crate) fn read_address(bytes: &mut &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first()?;
    let (ip, rest): (IpAddr, _) = match family {
        4 => rest.split_first_chunk::<4>().map(|(octets, rest)| ((*octets).into(), rest))?,
        6 => rest.split_first_chunk::<16>().map(|(octets, rest)| ((*octets).into(), rest))?,
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    *bytes = rest;
    Some(plain(SocketAddr::new(ip, u16::from_be_bytes(*port))))
}
