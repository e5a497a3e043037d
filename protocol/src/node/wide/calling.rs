//! Calls: to peers that only others lead to, and those that come for this node.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Wide;
use crate::dht::{Call, Introduced, NodeKey, Nonce, Reason, SealedCall, publishable};
use crate::identity::PeerId;
use crate::node::Node;
use crate::pairing::{Card, Found, Place};

/// Calls that may still lead somewhere; the oldest makes room.
const MAX_CALLED: usize = 64;
/// Between two calls of one: what opens a NAT may be lost.
const AGAIN: Duration = Duration::from_secs(2);

/// Whether somebody may be called now who was called last at some time, if at any.
pub(super) fn may_call(now: Instant, last: Option<Instant>) -> bool {
    last.is_none_or(|at| now.saturating_duration_since(at) >= AGAIN)
}

/// Who was called.
#[derive(Debug, Default)]
pub(super) struct Callees {
    called: VecDeque<(Nonce, Callee)>,
}

#[derive(Debug, Clone, Copy)]
enum Callee {
    Peer(PeerId),
    /// Whoever left a card at the place of a code.
    Maker(Place, Card),
}

impl Wide {
    /// Calls a peer through all who introduce it: each of them may be gone.
    pub(super) fn call(&mut self, now: Instant, peer: PeerId, introduced: &Introduced) {
        let Some((nonce, call)) = self.new_call(now, peer, &introduced.key, Callee::Peer(peer)) else {
            return;
        };
        for by in &introduced.by {
            if publishable(by.address(), self.only_loopback) {
                self.dht.punch(now, *by, introduced.key, nonce, call);
            }
        }
    }

    /// Calls whoever left a card at the place of a code.
    pub(super) fn call_maker(
        &mut self,
        now: Instant,
        place: Place,
        card: Card,
        key: NodeKey,
        by: &[SocketAddr],
    ) {
        let callee = Callee::Maker(place, card);
        let Some((nonce, call)) = self.new_call(now, card.key, &key, callee) else { return };
        let mut asked = Vec::new();
        for by in by {
            // Nobody is asked twice for one call, at other ports.
            if publishable(*by, self.only_loopback) && !asked.contains(&by.ip()) {
                asked.push(by.ip());
                self.dht.punch_by(now, *by, key, nonce, call);
            }
        }
    }

    fn new_call(
        &mut self,
        now: Instant,
        to: PeerId,
        known_as: &NodeKey,
        callee: Callee,
    ) -> Option<(Nonce, SealedCall)> {
        let call = self.dht.new_call(now);
        let sealed = call.seal(&to, known_as, &self.network, &mut self.random)?;
        if self.callees.called.len() >= MAX_CALLED {
            self.callees.called.pop_front();
        }
        self.callees.called.push_back((call.nonce, callee));
        Some((call.nonce, sealed))
    }

    /// Somebody calls: this node by its id, or whoever made one of its codes. Only who knows that key can have sealed it.
    pub(super) fn called(&mut self, now: Instant, by: SocketAddr, from: SocketAddr, call: &SealedCall) {
        let me = Some(&self.me).filter(|_| self.config.publish);
        let known_as = self.dht.key();
        let mut keys = me.into_iter().chain(self.notes.keys());
        match keys.find_map(|key| Call::open(call, key, &known_as, &self.network)) {
            Some(call) => self.dht.answer_call(now, by, from, &call),
            None => self.dht.statistics_mut().refuse(Reason::Undecipherable),
        }
    }

    /// Whoever is to be found by anything is introduced, where there is a NAT.
    pub(super) fn set_introduced(&mut self, now: Instant) {
        let wanted = self.config.publish || self.notes.keys().next().is_some();
        self.dht.be_introduced(now, wanted);
    }
}

impl Node {
    /// Whoever was called can be dialled now.
    pub(super) fn callee_at(&mut self, now: Instant, wide: &Wide, nonce: Nonce, at: SocketAddr) {
        let mut called = wide.callees.called.iter();
        let callee = called.find(|(called, _)| *called == nonce).map(|(_, callee)| *callee);
        match callee.filter(|_| publishable(at, wide.only_loopback)) {
            Some(Callee::Peer(peer)) => self.dialler.learn(now, peer, at),
            Some(Callee::Maker(place, card)) => {
                self.card_called(now, &Found { place, card, addresses: vec![at] });
            }
            None => {}
        }
    }
}
