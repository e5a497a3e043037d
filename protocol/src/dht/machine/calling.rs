//! Calling somebody who lets nobody in: through those who introduce them.

use std::collections::{BTreeMap, BTreeSet};
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
/// Addresses that are believed of whoever is called: one of each introducer, and where they show themselves.
const MAX_CALLEE_AT: usize = 4;

/// Calls that may be answered.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: BTreeMap<Nonce, Made>,
}

#[derive(Debug)]
struct Made {
    since: Instant,
    /// Where whoever is called is said to be.
    callee_at: BTreeSet<SocketAddr>,
}

impl Calls {
    fn insert(&mut self, now: Instant, nonce: Nonce) {
        self.made.retain(|_, made| made.may_be_answered(now));
        if self.made.len() >= MAX_CALLS {
            let oldest = self.made.iter().min_by_key(|(_, made)| made.since).map(|(nonce, _)| *nonce);
            oldest.and_then(|oldest| self.made.remove(&oldest));
        }
        self.made.insert(nonce, Made { since: now, callee_at: BTreeSet::new() });
    }

    pub(super) fn clear(&mut self) {
        self.made.clear();
    }
}

impl Made {
    fn may_be_answered(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < ANSWERED_WITHIN
    }
}

impl Dht {
    /// A call by this node, to be sealed for whoever is called.
    pub fn new_call(&mut self, now: Instant) -> Call {
        let nonce = self.nonce();
        self.calls.insert(now, nonce);
        Call { nonce, key: self.key, at: self.observed.agreed_globally().collect() }
    }

    /// Has an introducer pass on a call to whoever is registered there under a key. [`DhtEvent::CalleeAt`] follows, if it
    /// does; perhaps several times.
    pub fn punch(&mut self, now: Instant, by: Contact, to: NodeKey, nonce: Nonce, call: SealedCall) {
        if by.key() == self.key {
            self.punch_here(now, to, nonce, call);
        } else {
            self.punch_at(now, by, to, nonce, call, false);
        }
        self.go_on(now);
    }

    /// The same where only the introducer's address is known.
    pub fn punch_by(&mut self, now: Instant, by: SocketAddr, to: NodeKey, nonce: Nonce, call: SealedCall) {
        let known = self.table.entries().map(|it| it.contact).find(|it| it.address() == by);
        match known {
            None if self.observed.agreed_globally().any(|own| own == by) => {
                self.punch_here(now, to, nonce, call);
            }
            Some(contact) => self.punch_at(now, contact, to, nonce, call, false),
            None => self.greet(now, by, Purpose::Punch { to, nonce, call, again: false }),
        }
        self.go_on(now);
    }

    /// Calls whoever this node introduces itself.
    fn punch_here(&mut self, now: Instant, to: NodeKey, nonce: Nonce, call: SealedCall) {
        let Some(contact) = self.introducing.registry.find(now, &to) else { return };
        let is_like = |own: &SocketAddr| own.is_ipv4() == contact.address().is_ipv4();
        let from = self.observed.agreed_globally().find(is_like);
        if let Some(from) = from {
            self.pass_on_call(now, contact, from, call, false);
            self.callee_at(now, nonce, contact.address());
        }
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
    pub(super) fn callee_at(&mut self, now: Instant, nonce: Nonce, at: SocketAddr) -> bool {
        let made = self.calls.made.get_mut(&nonce).filter(|made| made.may_be_answered(now));
        let Some(Made { callee_at, .. }) = made else { return false };
        if callee_at.len() < MAX_CALLEE_AT && callee_at.insert(at) {
            // It will be sent something, so whatever comes from there is no stranger's.
            self.observed.spoke(now, at);
            self.events.push_back(DhtEvent::CalleeAt { nonce, at });
        }
        true
    }
}
