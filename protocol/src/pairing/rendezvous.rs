//! Where the two sides of a code meet: what the maker leaves there, and what the typer finds.
//!
//! It is an interface of the pairing machine, which neither knows nor cares what is behind it: mDNS on a local
//! network, or a hash table of peers. All of it is a hint. A card that is forged names a one-time key that nobody
//! answers for, or that fails to prove the code, and no card names anybody.

use std::net::SocketAddr;

use crate::identity::PeerId;

/// Bytes of a place.
const LENGTH: usize = 16;

/// Where the sides of a code meet: a hash of its public words. There are few of those, so it hides nothing; it only
/// has one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) [u8; LENGTH]);

impl Place {
    /// Of the public words, with `-` between them.
    pub(super) fn of(words: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("hither v1 code place");
        let mut place = [0; LENGTH];
        hasher.update(words.as_bytes()).finalize_xof().fill(&mut place);
        Self(place)
    }
}

/// What is left at a place: the one-time key under which the maker answers there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Card {
    pub(crate) key: PeerId,
}

/// What the pairing machine wants of a rendezvous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meet {
    /// Leave a card there, until it is withdrawn.
    Publish(Place, Card),
    /// Take it back.
    Withdraw(Place, Card),
    /// Tell of every card there, those that lie there and those to come.
    LookFor(Place),
    /// Tell no more.
    Stop(Place),
}

/// What a rendezvous tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) card: Card,
    /// Where whoever left it is said to be.
    pub(crate) addresses: Vec<SocketAddr>,
}
