//! Candidates: those who asked something and may get into the table; which of them is sent a ping, and when.
//!
//! Most who ask are of the far buckets, which fill by themselves: they are not worth a datagram each as soon as there are
//! enough of them.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Dht;
use super::upkeep::Met;
use crate::dht::id::Contact;

/// Candidates of one kind that wait.
const MAX_WAITING: usize = 16;
/// Those that are asked at once.
const ASKED: usize = 8;
/// Between two of a kind, once the table has its first nodes: of those like whom there are few, and of others.
const RARE: Duration = Duration::from_secs(2);
const SPARE: Duration = Duration::from_secs(30);

/// Those who wait, and those who were asked.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Such that there are few like them, and others. They take nothing from each other, so a crowd of the one kind does not
    /// keep out the other.
    rare: Queue,
    spare: Queue,
    asked: BTreeSet<SocketAddr>,
}

/// Those of one kind who wait, one after the other.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Contact>,
    rest: Duration,
    /// When the last of them was asked.
    last: Option<Instant>,
}

impl Candidates {
    pub(super) fn new() -> Self {
        Self { rare: Queue::new(RARE), spare: Queue::new(SPARE), asked: BTreeSet::new() }
    }

    /// Somebody asked who may get into the table; `few` says that there are few like them.
    pub(super) fn add(&mut self, contact: Contact, few: bool) {
        if !self.asked.contains(&contact.address()) {
            let queue = if few { &mut self.rare } else { &mut self.spare };
            queue.push(contact);
        }
    }

    /// Whoever is at an address has answered, or has not.
    pub(super) fn over(&mut self, address: SocketAddr) {
        self.asked.remove(&address);
    }

    /// When the next of them is to be asked.
    pub(super) fn next_time(&self, now: Instant) -> Option<Instant> {
        let due = [&self.rare, &self.spare].into_iter().filter_map(|it| it.due(now)).min();
        due.filter(|_| self.asked.len() < ASKED)
    }
}

impl Queue {
    fn new(rest: Duration) -> Self {
        Self { waiting: VecDeque::new(), rest, last: None }
    }

    fn push(&mut self, contact: Contact) {
        if self.waiting.len() < MAX_WAITING && !self.waiting.contains(&contact) {
            self.waiting.push_back(contact);
        }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let rested = self.last.and_then(|at| at.checked_add(self.rest)).unwrap_or(now);
        (!self.waiting.is_empty()).then_some(rested)
    }
}

impl Dht {
    pub(super) fn run_candidates(&mut self, now: Instant) {
        let hurry = self.is_small();
        let due = |it: &Queue| it.due(now).is_some_and(|at| hurry || at <= now);
        while self.candidates.asked.len() < ASKED {
            let rare = due(&self.candidates.rare);
            let queue = match rare {
                true => &mut self.candidates.rare,
                false if due(&self.candidates.spare) => &mut self.candidates.spare,
                false => return,
            };
            let Some(contact) = queue.waiting.pop_front() else { return };
            if !self.table.wants(&contact) {
                continue;
            }
            if rare && !hurry && !self.table.has_few_like(&contact) {
                // Others of its kind have come meanwhile.
                self.candidates.spare.push(contact);
                continue;
            }
            queue.last = Some(now);
            self.candidates.asked.insert(contact.address());
            self.admit(now, contact, Met::Heard);
        }
    }
}
