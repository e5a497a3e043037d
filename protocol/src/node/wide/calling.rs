//! Calls: to peers that only others lead to, and those that come for this node.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::Wide;
use crate::dht::{Call, Introduced, Nonce, Reason, SealedCall, publishable};
use crate::identity::PeerId;
use crate::node::Node;

/// Calls that may still lead somewhere; the oldest makes room.
const MAX_CALLS: usize = 64;

/// Who was called.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: VecDeque<(Nonce, PeerId)>,
}

impl Wide {
    /// Calls a peer through all who introduce it: each of them may be gone.
    pub(super) fn call(&mut self, now: Instant, peer: PeerId, introduced: &Introduced) {
        let call = self.dht.new_call(now);
        let Some(sealed) = call.seal(&peer, &introduced.key, &self.network, &mut self.random) else { return };
        if self.calls.made.len() >= MAX_CALLS {
            self.calls.made.pop_front();
        }
        self.calls.made.push_back((call.nonce, peer));
        for by in &introduced.by {
            if publishable(by.address(), self.only_loopback) {
                self.dht.punch(now, *by, introduced.key, call.nonce, sealed);
            }
        }
    }

    /// Somebody calls. Only who knows this node's id can have sealed it.
    pub(super) fn called(&mut self, now: Instant, from: SocketAddr, call: &SealedCall) {
        match Call::open(call, &self.me, &self.dht.key(), &self.network) {
            Some(call) => self.dht.answer_call(now, from, &call),
            None => self.dht.statistics_mut().refuse(Reason::Undecipherable),
        }
    }
}

impl Node {
    /// Whoever was called can be dialled now.
    pub(super) fn reached(&mut self, now: Instant, wide: &Wide, nonce: Nonce, at: SocketAddr) {
        let peer = wide.calls.made.iter().find(|(made, _)| *made == nonce).map(|(_, peer)| *peer);
        if let Some(peer) = peer
            && publishable(at, wide.only_loopback)
        {
            self.dialler.learn(now, peer, at);
        }
    }
}
