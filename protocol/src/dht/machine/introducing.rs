//! Introducing others: clients register here, and calls to them are passed on.
//!
//! A call goes to whoever has registered and to nobody else, as one datagram no longer than the one it came in, so nothing
//! is reflected or multiplied. What is in it only whoever is called can read.

use std::net::SocketAddr;
use std::time::Instant;

use super::Dht;
use super::asking::Purpose;
use crate::dht::address::Scope;
use crate::dht::call::SealedCall;
use crate::dht::gate::{Buckets, Lane};
use crate::dht::id::{Contact, NodeKey};
use crate::dht::message::{Answer, Refusal, Request};
use crate::dht::registry::Registry;
use crate::dht::statistics::Reason;

/// Those who are introduced here.
#[derive(Debug)]
pub(super) struct Introducing {
    pub(super) registry: Registry,
    /// Pings under keys that are to be shown, by whoever registers.
    proofs: Lane,
    /// Calls, by whoever calls and by whoever is called: a flood of calls to one keeps out none to another.
    callers: Lane,
    callees: Buckets<NodeKey>,
}

impl Introducing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            registry: Registry::default(),
            proofs: Lane::of_caused(now),
            callers: Lane::of_caused(now),
            callees: Buckets::of_calls(),
        }
    }
}

impl Dht {
    /// Somebody who has proven their address wants to be called there.
    pub(super) fn register_for(&mut self, now: Instant, from: SocketAddr, key: NodeKey) -> Answer {
        let Some(contact) = Contact::new(key, from).filter(|_| self.is_server() && key != self.key) else {
            return Answer::Refused(Refusal::Nobody);
        };
        if self.introducing.registry.extend(now, &contact) {
            return Answer::Done;
        }
        if !self.introducing.registry.has_room(now, &contact) {
            self.statistics.refuse(Reason::Full);
            return Answer::Refused(Refusal::Full);
        }
        if let Err(why) = self.introducing.proofs.take(now, from.ip()) {
            self.statistics.refuse(why);
            return Answer::Refused(Refusal::Full);
        }
        self.ask(now, contact, Request::Ping(None), Purpose::Prove);
        Answer::Refused(Refusal::Unproven)
    }

    /// Somebody who has proven their address calls a client.
    pub(super) fn punch_for(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: NodeKey,
        call: SealedCall,
    ) -> Answer {
        let nameable = |it: &Contact| Scope::of(from.ip()).may_name(Scope::of(it.address().ip()));
        let Some(contact) = self.introducing.registry.find(now, &to).filter(nameable) else {
            self.statistics.refuse(Reason::NotIntroduced);
            return Answer::Refused(Refusal::Nobody);
        };
        let Introducing { callers, callees, .. } = &mut self.introducing;
        let by_caller = callers.take(now, from.ip());
        if let Err(why) =
            by_caller.and_then(|()| callees.take(now, to).then_some(()).ok_or(Reason::TooManyCalls))
        {
            self.statistics.refuse(why);
            return Answer::Refused(Refusal::Full);
        }
        self.pass_on_call(now, contact, from, call, false);
        Answer::At(contact.address())
    }

    /// Sends a call of somebody at `from` to a client.
    pub(super) fn pass_on_call(
        &mut self,
        now: Instant,
        to: Contact,
        from: SocketAddr,
        call: SealedCall,
        again: bool,
    ) {
        self.ask(now, to, Request::PunchOn { from, call }, Purpose::PassedOn { from, call, again });
    }

    /// Where whoever is registered under a key would be called.
    #[cfg(test)]
    pub(in crate::dht) fn registered_at(&self, now: Instant, key: &NodeKey) -> Option<SocketAddr> {
        self.introducing.registry.find(now, key).map(|it| it.address())
    }
}
