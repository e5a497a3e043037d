//! Dialling: one address after the other, soon after each other, until the peer has proven itself at one.
//!
//! Staggered starts as RFC 8305 (Happy Eyeballs) has them: a dead address costs a quarter of a second, not its
//! time-out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Unreachable;
use crate::identity::PeerId;
use crate::link::LinkKey;

/// Between the starts of two dials to one peer (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Until an address that failed at once is tried again: the peer may be starting.
const AGAIN: Duration = Duration::from_secs(1);
/// Addresses remembered for one peer.
const MAX_ADDRESSES: usize = 16;
/// Peers with remembered addresses; more are not remembered unless they are searched for.
const MAX_KNOWN: usize = 4096;

/// Whom to reach, and where.
#[derive(Debug)]
pub(crate) struct Dialler {
    within: Duration,
    known: BTreeMap<PeerId, Vec<SocketAddr>>,
    wanted: BTreeMap<PeerId, Search>,
}

#[derive(Debug)]
struct Search {
    deadline: Instant,
    next: Instant,
    untried: Vec<SocketAddr>,
    attempts: BTreeMap<LinkKey, SocketAddr>,
    tried: bool,
    other_version: bool,
}

/// A search that came to nothing.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) peer: PeerId,
    pub(crate) why: Unreachable,
    /// Dials to give up.
    pub(crate) attempts: Vec<LinkKey>,
}

impl Dialler {
    /// Searches last `within`.
    pub(crate) fn new(within: Duration) -> Self {
        Self { within, known: BTreeMap::new(), wanted: BTreeMap::new() }
    }

    /// How long searches last.
    pub(crate) fn within(&self) -> Duration {
        self.within
    }

    /// A peer is said to be at an address; the newest word is tried first.
    pub(crate) fn learn(&mut self, now: Instant, peer: PeerId, address: SocketAddr) {
        if self.known.len() >= MAX_KNOWN
            && !self.known.contains_key(&peer)
            && !self.wanted.contains_key(&peer)
        {
            return;
        }
        let known = self.known.entry(peer).or_default();
        known.retain(|other| *other != address);
        known.insert(0, address);
        known.truncate(MAX_ADDRESSES);
        if let Some(search) = self.wanted.get_mut(&peer) {
            let trying = search.attempts.values().any(|other| *other == address);
            if !trying && !search.untried.contains(&address) && search.untried.len() < MAX_ADDRESSES {
                search.untried.insert(0, address);
                search.next = search.next.min(now);
            }
        }
    }

    /// A peer is said to be gone from these addresses.
    pub(crate) fn forget(&mut self, peer: PeerId, addresses: &[SocketAddr]) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.retain(|address| !addresses.contains(address));
        }
    }

    /// Starts a search, or makes the one under way last longer.
    pub(crate) fn want(&mut self, now: Instant, peer: PeerId) {
        let deadline = now.checked_add(self.within).unwrap_or(now);
        let untried = self.known.get(&peer).cloned().unwrap_or_default();
        self.wanted.entry(peer).and_modify(|search| search.deadline = deadline).or_insert_with(|| Search {
            deadline,
            next: now,
            untried,
            attempts: BTreeMap::new(),
            tried: false,
            other_version: false,
        });
    }

    /// Whether a peer is searched for.
    pub(crate) fn is_wanted(&self, peer: PeerId) -> bool {
        self.wanted.contains_key(&peer)
    }

    /// Everyone who is searched for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = PeerId> {
        self.wanted.keys().copied()
    }

    /// Where a peer is said to be, best first.
    pub(crate) fn addresses(&self, peer: PeerId) -> &[SocketAddr] {
        self.known.get(&peer).map(Vec::as_slice).unwrap_or_default()
    }

    /// The next dial to start now.
    pub(crate) fn next_dial(&mut self, now: Instant) -> Option<(PeerId, SocketAddr)> {
        let due = |search: &Search| search.next <= now && search.deadline > now && !search.untried.is_empty();
        let (peer, search) = self.wanted.iter_mut().find(|(_, search)| due(search))?;
        let address = search.untried.remove(0);
        search.next = now.checked_add(STAGGER).unwrap_or(now);
        search.tried = true;
        Some((*peer, address))
    }

    /// A dial was started.
    pub(crate) fn dialled(&mut self, peer: PeerId, address: SocketAddr, link: LinkKey) {
        if let Some(search) = self.wanted.get_mut(&peer) {
            search.attempts.insert(link, address);
        }
    }

    /// A dial failed.
    pub(crate) fn failed(&mut self, now: Instant, peer: PeerId, link: LinkKey, other_version: bool) {
        let Some(search) = self.wanted.get_mut(&peer) else { return };
        let Some(address) = search.attempts.remove(&link) else { return };
        if other_version {
            search.other_version = true;
        } else {
            search.untried.push(address);
            search.next = search.next.max(now.checked_add(AGAIN).unwrap_or(now));
        }
    }

    /// A peer was reached: gives the other dials, which are not needed.
    pub(crate) fn reached(&mut self, peer: PeerId, by: LinkKey) -> Vec<LinkKey> {
        let search = self.wanted.remove(&peer);
        let attempts = search.map(|search| search.attempts).unwrap_or_default();
        attempts.into_keys().filter(|link| *link != by).collect()
    }

    /// Searches that have come to nothing.
    pub(crate) fn give_up(&mut self, now: Instant) -> Vec<GivenUp> {
        let hopeless = |search: &Search| {
            search.deadline <= now
                || (search.other_version && search.untried.is_empty() && search.attempts.is_empty())
        };
        let over: Vec<_> =
            self.wanted.iter().filter(|(_, search)| hopeless(search)).map(|(peer, _)| *peer).collect();
        let mut given_up = Vec::new();
        for peer in over {
            let Some(search) = self.wanted.remove(&peer) else { continue };
            let why = match search {
                Search { other_version: true, .. } => Unreachable::OtherVersion,
                Search { tried: true, .. } => Unreachable::NoAnswer,
                Search { .. } => Unreachable::NotFound,
            };
            given_up.push(GivenUp { peer, why, attempts: search.attempts.into_keys().collect() });
        }
        given_up
    }

    /// When there is something to do next.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        let times = self.wanted.values().map(|search| {
            if search.untried.is_empty() { search.deadline } else { search.next.min(search.deadline) }
        });
        times.min()
    }
}
