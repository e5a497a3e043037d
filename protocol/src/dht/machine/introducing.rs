//! Introducing others: clients register here, and calls to them are passed on.
//!
//! A call goes to whoever has registered and to nobody else, as one datagram no longer than the one it came in, so nothing
//! is reflected or multiplied. What is in it only whoever is called can read.

use std::net::SocketAddr;
use std::time::Instant;

use super::Dht;
use super::answering::CAUSED;
use super::asking::Purpose;
use crate::dht::address::Scope;
use crate::dht::call::SealedCall;
use crate::dht::id::{Contact, NodeKey};
use crate::dht::message::{Answer, Refusal, Request};
use crate::dht::registry::Registering;
use crate::dht::statistics::Reason;

impl Dht {
    /// Somebody who has proven their address wants to be called there.
    pub(super) fn register_for(&mut self, now: Instant, from: SocketAddr, key: NodeKey) -> Answer {
        let Some(contact) = Contact::new(key, from).filter(|_| self.is_server() && key != self.key) else {
            return Answer::Refused(Refusal::Nobody);
        };
        match self.registry.register(now, contact) {
            Registering::Held => {}
            Registering::Elsewhere => {
                if self.upkeep.may_be_caused(now, CAUSED) {
                    self.ask(now, contact, Request::Ping(None), Purpose::Prove);
                }
            }
            Registering::Full => {
                self.statistics.refuse(Reason::Full);
                return Answer::Refused(Refusal::Full);
            }
        }
        Answer::Done
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
        let Some(contact) = self.registry.find(now, &to).filter(nameable) else {
            self.statistics.refuse(Reason::NotIntroduced);
            return Answer::Refused(Refusal::Nobody);
        };
        if let Err(why) = self.punches.take(now, from.ip()) {
            self.statistics.refuse(why);
            return Answer::Refused(Refusal::Full);
        }
        self.ask(now, contact, Request::PunchOn { from, call }, Purpose::PassedOn);
        Answer::At(contact.address())
    }

    /// Where whoever is registered under a key would be called.
    #[cfg(test)]
    pub(in crate::dht) fn registered_at(&self, now: Instant, key: &NodeKey) -> Option<SocketAddr> {
        self.registry.find(now, key).map(|it| it.address())
    }
}
