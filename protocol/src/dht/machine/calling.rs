//! Calling somebody who lets nobody in: through those who introduce them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::asking::Purpose;
use super::{Dht, DhtEvent};
use crate::dht::call::{Call, SealedCall};
use crate::dht::id::{Contact, NodeKey};
use crate::dht::message::{Nonce, Request};

/// Calls that are remembered; the oldest makes room.
const MAX_CALLS: usize = 64;
/// How long one may be answered.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Calls that may be answered.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: BTreeMap<Nonce, Instant>,
}

impl Calls {
    fn insert(&mut self, now: Instant, nonce: Nonce) {
        self.made.retain(|_, at| now.saturating_duration_since(*at) < ANSWERED_WITHIN);
        if self.made.len() >= MAX_CALLS {
            let oldest = self.made.iter().min_by_key(|(_, at)| **at).map(|(nonce, _)| *nonce);
            oldest.and_then(|oldest| self.made.remove(&oldest));
        }
        self.made.insert(nonce, now);
    }

    fn is_made(&self, now: Instant, nonce: &Nonce) -> bool {
        self.made.get(nonce).is_some_and(|at| now.saturating_duration_since(*at) < ANSWERED_WITHIN)
    }

    pub(super) fn clear(&mut self) {
        self.made.clear();
    }
}

impl Dht {
    /// A call by this node, to be sealed for whoever is called.
    pub fn new_call(&mut self, now: Instant) -> Call {
        let nonce = self.nonce();
        self.calls.insert(now, nonce);
        Call { nonce, key: self.key, at: self.observed() }
    }

    /// Has an introducer pass on a call to whoever is registered there under a key. [`DhtEvent::Reached`] follows, if it
    /// does; perhaps several times.
    pub fn punch(&mut self, now: Instant, by: Contact, to: NodeKey, nonce: Nonce, call: SealedCall) {
        if by.key() != self.key {
            self.punch_at(now, by, to, nonce, call, false);
            self.go_on(now);
        }
    }

    /// The same where only the introducer's address is known.
    pub fn punch_by(&mut self, now: Instant, by: SocketAddr, to: NodeKey, nonce: Nonce, call: SealedCall) {
        let known = self.table.entries().map(|it| it.contact).find(|it| it.address() == by);
        match known {
            Some(contact) => self.punch_at(now, contact, to, nonce, call, false),
            None => self.greet(now, by, Purpose::Punch { to, nonce, call, again: false }),
        }
        self.go_on(now);
    }

    pub(super) fn punch_at(
        &mut self,
        now: Instant,
        by: Contact,
        to: NodeKey,
        nonce: Nonce,
        call: SealedCall,
        again: bool,
    ) {
        self.ask(now, by, Request::Punch { to, call }, Purpose::Punch { to, nonce, call, again });
    }

    /// Whoever was called is said to be at an address, or was heard from there. Gives whether there was such a call.
    pub(super) fn reached(&mut self, now: Instant, nonce: Nonce, at: SocketAddr) -> bool {
        let made = self.calls.is_made(now, &nonce);
        if made {
            // It will be sent something, so whatever comes from there is no stranger's.
            self.observed.spoke(now, at);
            self.events.push_back(DhtEvent::Reached { nonce, at });
        }
        made
    }
}
