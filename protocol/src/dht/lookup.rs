//! One search: for the nodes nearest to a place, or for what is stored there.
//!
//! Whoever is known nearest is asked for nearer ones, five at a time, and one that is slow does not hold up the rest.
//! Those found go along several paths, each node on the path of whoever named it first (Baumgart and Mies, S/Kademlia,
//! 2007). Each path follows the nearest of its own: liars who name their like, all of them nearer than whoever leads on
//! honestly from far away, can lead astray only the paths on which they stand. So all paths but one begin with a single
//! node, one that nobody named as far as there are any, and the first takes whoever else is near. A search is over when
//! the nearest of every path and the twenty nearest of all have answered: whoever stops earlier can be kept from those
//! who store (arXiv 2505.01139).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::address::Prefix;
use super::id::{Contact, Distance, Target};
use super::message::Cookie;
use super::table::K;

/// Requests under way at once: alpha.
const PARALLEL: usize = 5;
/// Paths, and how many of its nearest each path follows at once. More paths stand more liars; a search of these asks
/// twenty nodes or so.
const PATHS: u8 = 8;
const BREADTH: usize = 2;
/// From when on a request that is under way does not count: most of the world answers within this.
const SLOW: Duration = Duration::from_millis(350);
/// Nodes of one path that are remembered; the farthest make room.
const MOST_OF_PATH: usize = 40;
/// Nodes of one prefix that are asked.
const OF_PREFIX: usize = 4;
/// How many must have given a record before a search for one that is newer ends.
const HOLDERS: usize = 5;
/// Answers without a record, after the first that had one, with which the search for a newer one ends.
const AFTER_FOUND: usize = 10;

/// What an answer gave of what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing.
    Nothing,
    /// Notes. Anyone may have left them, so the search goes on to the end.
    Notes,
    /// A record, which its owner alone can make.
    Record,
}

/// A search under way.
#[derive(Debug)]
pub(super) struct Lookup {
    target: Target,
    /// Whether what is stored is looked for.
    items: bool,
    candidates: BTreeMap<Distance, Candidate>,
    of_path: [usize; PATHS as usize],
    /// Global addresses of candidates, and how many there are of each prefix.
    addresses: BTreeSet<IpAddr>,
    prefixes: BTreeMap<Prefix, usize>,
    /// Requests under way, since when.
    under_way: BTreeMap<Distance, Instant>,
    /// Whose turn it is to ask.
    turn: u8,
    /// Nodes that were asked, and the greatest depth at which one answered with something wanted first.
    asked: u32,
    holders: usize,
    since_found: usize,
    found_at: Option<u8>,
    /// Further pages that were asked for.
    reading: usize,
}

#[derive(Debug)]
struct Candidate {
    contact: Contact,
    path: u8,
    /// How many answers led to it.
    depth: u8,
    /// Pages of notes that were read.
    pages: u8,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Asked,
    Answered(Cookie),
    Failed,
}

impl Lookup {
    /// A search that has nobody to begin with yet.
    pub(super) fn new(target: Target, items: bool) -> Self {
        Self {
            target,
            items,
            candidates: BTreeMap::new(),
            of_path: [0; PATHS as usize],
            addresses: BTreeSet::new(),
            prefixes: BTreeMap::new(),
            under_way: BTreeMap::new(),
            turn: 0,
            asked: 0,
            holders: 0,
            since_found: 0,
            found_at: None,
            reading: 0,
        }
    }

    pub(super) fn target(&self) -> Target {
        self.target
    }

    pub(super) fn wants_items(&self) -> bool {
        self.items
    }

    /// Nodes that were asked so far.
    pub(super) fn asked(&self) -> u32 {
        self.asked
    }

    /// In which round the first item was found, from 1.
    pub(super) fn found_in(&self) -> Option<u8> {
        self.found_at.map(|depth| depth.saturating_add(1))
    }

    /// Nodes to begin with, the nearest first: those that nobody named, and all. Later than the first question they
    /// change nothing.
    pub(super) fn seed(&mut self, unnamed: &[Contact], known: &[Contact]) {
        if self.asked > 0 {
            return;
        }
        let others = known.iter().filter(|it| !unnamed.contains(it));
        // In this order, so that a node on a path of its own is not on the first.
        for (path, contact) in (1..PATHS).zip(unnamed.iter().chain(others)) {
            self.add(*contact, path, 0);
        }
        for contact in known {
            self.add(*contact, 0, 0);
        }
    }

    /// One more to begin with, who was not known when the search began.
    pub(super) fn begin_with(&mut self, contact: Contact) {
        self.add(contact, 0, 0);
    }

    /// Which page of whoever has answered is to be read next, if there are `more`.
    pub(super) fn next_page(&mut self, from: &Contact, more: bool, most: u8) -> Option<u8> {
        let candidate = self.candidates.get_mut(&from.distance(&self.target))?;
        if candidate.contact != *from || !more {
            return None;
        }
        candidate.pages = candidate.pages.saturating_add(1);
        let next = (candidate.pages < most).then_some(candidate.pages)?;
        self.reading = self.reading.saturating_add(1);
        Some(next)
    }

    fn add(&mut self, contact: Contact, path: u8, depth: u8) {
        let distance = contact.distance(&self.target);
        if self.candidates.contains_key(&distance) {
            return;
        }
        let ip = contact.address().ip();
        if let Some(prefix) = Prefix::counted(ip) {
            // One of each global address is asked, and a few of each prefix: a crowd at one place is one voice.
            let count = self.prefixes.get(&prefix).copied().unwrap_or_default();
            if count >= OF_PREFIX || !self.addresses.insert(ip) {
                return;
            }
            self.prefixes.insert(prefix, count.saturating_add(1));
        }
        self.candidates.insert(distance, Candidate { contact, path, depth, pages: 0, state: State::New });
        let Some(count) = self.of_path.get_mut(usize::from(path)) else { return };
        *count = count.saturating_add(1);
        if *count > MOST_OF_PATH {
            let new = |it: &Candidate| it.path == path && it.state == State::New;
            let farthest = self.candidates.iter().rev().find(|(_, it)| new(it));
            if let Some(farthest) = farthest.map(|(distance, _)| *distance) {
                self.candidates.remove(&farthest);
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Whom to ask next, if anyone is to be asked now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Contact> {
        let is_counted = |at: &&Instant| now.saturating_duration_since(**at) < SLOW;
        if self.under_way.values().filter(is_counted).count() >= PARALLEL || self.has_found() {
            return None;
        }
        // Each path in its turn; then who would be among the nearest of all.
        let turn = self.turn;
        let place = |path: u8| path.wrapping_sub(turn) % PATHS;
        let of_paths = self.leading().filter(|it| it.state == State::New).min_by_key(|it| place(it.path));
        let next = of_paths.or_else(|| self.nearest_of_all().find(|it| it.state == State::New));
        let distance = next?.contact.distance(&self.target);
        let next = self.candidates.get_mut(&distance)?;
        next.state = State::Asked;
        self.under_way.insert(distance, now);
        self.turn = next.path.wrapping_add(1) % PATHS;
        self.asked = self.asked.saturating_add(1);
        Some(next.contact)
    }

    /// Someone answered, with these nodes.
    pub(super) fn answered(&mut self, from: &Contact, cookie: Cookie, nodes: &[Contact], given: Given) {
        let distance = from.distance(&self.target);
        let Some(candidate) = self.candidates.get_mut(&distance) else { return };
        if candidate.contact != *from {
            return;
        }
        if matches!(candidate.state, State::Answered(_)) {
            self.reading = self.reading.saturating_sub(1);
            return;
        }
        self.under_way.remove(&distance);
        candidate.state = State::Answered(cookie);
        let (path, depth) = (candidate.path, candidate.depth);
        if given != Given::Nothing {
            self.found_at.get_or_insert(depth);
        }
        if given == Given::Record {
            self.holders = self.holders.saturating_add(1);
        } else if self.holders > 0 {
            self.since_found = self.since_found.saturating_add(1);
        }
        for contact in nodes {
            self.add(*contact, path, depth.saturating_add(1));
        }
    }

    /// Someone did not answer, or answered with what is no answer.
    pub(super) fn failed(&mut self, from: &Contact) {
        let distance = from.distance(&self.target);
        if let Some(candidate) = self.candidates.get_mut(&distance)
            && candidate.contact == *from
        {
            match candidate.state {
                State::Answered(_) => self.reading = self.reading.saturating_sub(1),
                _ => {
                    self.under_way.remove(&distance);
                    candidate.state = State::Failed;
                }
            }
        }
    }

    /// Whether nobody is left who must be asked or waited for.
    pub(super) fn is_over(&self) -> bool {
        if self.reading > 0 {
            return false;
        }
        self.has_found()
            || self.leading().chain(self.nearest_of_all()).all(|it| matches!(it.state, State::Answered(_)))
    }

    /// Whether enough have given a record, or have none after the first.
    fn has_found(&self) -> bool {
        self.items && (self.holders >= HOLDERS || self.since_found >= AFTER_FOUND)
    }

    /// The nearest of every path.
    fn leading(&self) -> impl Iterator<Item = &Candidate> {
        let mut of_path = [0_usize; PATHS as usize];
        let all = self.of_path.iter().map(|count| (*count).min(BREADTH)).fold(0, usize::saturating_add);
        let leading = self.candidates.values().filter(move |it| {
            let Some(count) = of_path.get_mut(usize::from(it.path)).filter(|_| it.state != State::Failed)
            else {
                return false;
            };
            *count = count.saturating_add(1);
            *count <= BREADTH
        });
        // No more than these, so that nobody looks for others.
        leading.take(all)
    }

    /// The nearest of all.
    fn nearest_of_all(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.values().filter(|it| it.state != State::Failed).take(K)
    }

    /// When a request that is under way stops counting.
    pub(super) fn next_time(&self, now: Instant) -> Option<Instant> {
        let slow = self.under_way.values().filter_map(|at| at.checked_add(SLOW));
        slow.filter(|at| *at > now).min()
    }

    /// Those that answered, the nearest first, with what lets one write there.
    pub(super) fn nearest(&self) -> Vec<(Contact, Cookie)> {
        let answered = self.candidates.values().filter_map(|it| match it.state {
            State::Answered(cookie) => Some((it.contact, cookie)),
            _ => None,
        });
        answered.take(K).collect()
    }
}
