//! Requests of this node: sent, answered, given up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::upkeep::Met;
use super::{Dht, DhtEvent, LookupId, Output, RequestId, StoreId};
use crate::dht::address::Scope;
use crate::dht::call::SealedCall;
use crate::dht::id::{Contact, NodeKey};
use crate::dht::message::{Answer, Cookie, MAX_NODES, Nonce, Query, Refusal, Request, Response};
use crate::dht::statistics::Reason;

/// How long a request is waited for. An answer takes a round trip; what is lost is lost, and others are asked.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Between two times that another address, as others see it, is taken for another network: some routers have several.
const ELSEWHERE: Duration = Duration::from_secs(10 * 60);
/// Cookies remembered.
const MAX_COOKIES: usize = 512;

/// A request under way.
#[derive(Debug)]
pub(super) struct Asked {
    to: Whom,
    at: Instant,
    deadline: Instant,
    purpose: Purpose,
}

/// Whom a request was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Node(Contact),
    Address(SocketAddr),
}

/// What a request is for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// To take part in the network by somebody who is known by address.
    Greet { met: Met },
    /// To have somebody answer who may get into the table.
    Admit { met: Met },
    /// To see whether a node of the table is there.
    Check,
    /// A step of a search.
    Lookup(LookupId),
    /// An item that is stored. `again`: it had no right cookie before.
    Put { store: StoreId, again: bool },
    /// A dial-back that is asked for, on behalf of this node or of another.
    DialBack { request: Request, again: bool },
    /// A ping that another has asked for.
    Dialled,
    /// To have somebody introduce this node. `again`: it had no right cookie before.
    Register { again: bool },
    /// To see whether somebody who registers holds the key that they register.
    Prove,
    /// A call to somebody. `again`: it had no right cookie before.
    Punch { to: NodeKey, nonce: Nonce, call: SealedCall, again: bool },
    /// A call of somebody else, on its way. `again`: it had no right cookie before.
    PassedOn { from: SocketAddr, call: SealedCall, again: bool },
}

impl Asked {
    /// Whether it may lead into the network.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.purpose, Purpose::Greet { .. } | Purpose::Admit { .. })
    }
}

impl Dht {
    /// Sends a request.
    pub(super) fn ask(&mut self, now: Instant, to: Contact, request: Request, purpose: Purpose) {
        let address = to.address();
        let few = self.is_small();
        // Who wants a dial-back must say by which key it answers.
        let server = self.observed.serves(address, few) || matches!(request, Request::DialBack(_));
        let query = Query { server: server.then_some(self.key), request };
        let cookie = self.cookies.get(&address).copied();
        let id = self.remember(now, Whom::Node(to), purpose);
        self.outputs.push_back(Output::Ask { id, to, cookie, query });
    }

    /// Asks who is at an address.
    pub(super) fn greet(&mut self, now: Instant, to: SocketAddr, purpose: Purpose) {
        let id = self.remember(now, Whom::Address(to), purpose);
        self.outputs.push_back(Output::Greet { id, to });
    }

    fn remember(&mut self, now: Instant, to: Whom, purpose: Purpose) -> RequestId {
        let id = RequestId(self.fresh());
        let deadline = now.checked_add(PATIENCE).unwrap_or(now);
        let address = match to {
            Whom::Node(contact) => contact.address(),
            Whom::Address(address) => address,
        };
        self.observed.spoke(now, address);
        self.deadlines.insert((deadline, id));
        self.asked.insert(id, Asked { to, at: now, deadline, purpose });
        id
    }

    fn take_asked(&mut self, id: RequestId) -> Option<Asked> {
        let asked = self.asked.remove(&id)?;
        self.deadlines.remove(&(asked.deadline, id));
        Some(asked)
    }

    /// Requests that have come to nothing.
    pub(super) fn give_up(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.outputs.push_back(Output::Forget(id));
            let Some(asked) = self.take_asked(id) else {
                self.deadlines.remove(&(at, id));
                continue;
            };
            self.unanswered(now, &asked);
        }
    }

    fn unanswered(&mut self, now: Instant, asked: &Asked) {
        if let Whom::Node(contact) = &asked.to {
            self.cookies.remove(&contact.address());
            for lost in self.table.failed(contact) {
                self.upkeep.lost(now, &lost);
            }
            if let Purpose::Lookup(lookup) = asked.purpose {
                self.lookup_failed(now, lookup, contact);
            }
        }
        match (&asked.purpose, &asked.to) {
            (Purpose::Put { store, .. }, Whom::Node(contact)) => self.put_done(now, *store, contact, false),
            (Purpose::Greet { met }, Whom::Address(address)) => self.upkeep.silent(now, *address, *met),
            (Purpose::Admit { met }, Whom::Node(contact)) => {
                self.candidates.over(contact.address());
                self.upkeep.silent(now, contact.address(), *met);
            }
            (Purpose::Register { .. }, Whom::Node(contact)) => self.not_registered(now, contact),
            _ => {}
        }
    }

    /// A request was answered, by whoever holds the key that was asked, from where it was asked.
    pub fn handle_response(&mut self, now: Instant, id: RequestId, response: Response) {
        let Some(asked) = self.take_asked(id) else { return };
        let Whom::Node(contact) = asked.to else { return };
        let Response { observed, cookie, mut answer } = response;
        self.keep_cookie(contact.address(), cookie);
        self.screen(&contact, &mut answer);
        let was_empty = self.is_empty();
        if self.counts(&asked.purpose, &contact) {
            let round_trip = now.saturating_duration_since(asked.at);
            let came = matches!(asked.purpose, Purpose::Admit { met } if met.came());
            if let Some(lost) = self.table.answered(now, contact, round_trip, came) {
                self.upkeep.lost(now, &lost);
            }
            self.observed_by(now, contact.address(), observed);
        }
        match asked.purpose {
            Purpose::Lookup(lookup) => self.lookup_answered(now, lookup, &contact, cookie, answer),
            Purpose::Put { store, again } => match answer {
                Answer::Stored => self.put_done(now, store, &contact, true),
                Answer::Refused(Refusal::Cookie) if !again => self.put_again(now, store, contact),
                _ => self.put_done(now, store, &contact, false),
            },
            Purpose::Admit { met } => {
                self.candidates.over(contact.address());
                self.upkeep.met(now, contact, met);
                self.led_on_by(now, contact, met);
            }
            Purpose::DialBack { request, again } => {
                if answer == Answer::Refused(Refusal::Cookie) && !again {
                    let purpose = Purpose::DialBack { request: request.clone(), again: true };
                    self.ask(now, contact, request, purpose);
                }
            }
            Purpose::Register { again } => self.registered(now, contact, &answer, again),
            // Whoever passes the ping on to somebody else has them see it come from elsewhere.
            Purpose::Prove if self.observed.agreed().any(|own| own == observed) => {
                self.introducing.registry.proven(now, contact);
            }
            Purpose::Prove => self.statistics.refuse(Reason::FromElsewhere),
            Purpose::PassedOn { from, call, again } => {
                if answer == Answer::Refused(Refusal::Cookie) && !again {
                    self.pass_on_call(now, contact, from, call, true);
                }
            }
            Purpose::Punch { to, nonce, call, again } => match answer {
                Answer::At(at) => drop(self.callee_at(now, nonce, at)),
                Answer::Refused(Refusal::Cookie) if !again => {
                    self.punch_at(now, contact, to, nonce, call, true);
                }
                _ => {}
            },
            Purpose::Check | Purpose::Dialled | Purpose::Greet { .. } => {}
        }
        if was_empty && !self.is_empty() {
            self.seed_lookups();
        }
        self.go_on(now);
    }

    /// Whether an answer makes its giver somebody to be asked in general, and one whose word on this node's address has
    /// weight: not where others named them for their own ends.
    fn counts(&self, purpose: &Purpose, giver: &Contact) -> bool {
        match purpose {
            Purpose::Dialled | Purpose::Prove | Purpose::PassedOn { .. } => false,
            Purpose::Punch { .. } => self.table.contains(giver),
            _ => true,
        }
    }

    /// Somebody says where they see this node.
    fn observed_by(&mut self, now: Instant, by: SocketAddr, seen: SocketAddr) {
        if self.observed.observed(now, by, seen) {
            self.moved(now);
        }
        let rested = |at: Instant| now.saturating_duration_since(at) >= ELSEWHERE;
        if self.elsewhere_at.is_none_or(rested) && self.observed.was_elsewhere() {
            self.be_elsewhere(now);
        }
    }

    /// This node may be in another network.
    pub(super) fn be_elsewhere(&mut self, now: Instant) {
        self.elsewhere_at = Some(now);
        self.events.push_back(DhtEvent::Elsewhere);
    }

    /// Whoever is at an address says by which key it answers. Nothing is proven by that, so it is asked under it.
    pub fn handle_greeting(&mut self, now: Instant, id: RequestId, key: NodeKey) {
        let Some(asked) = self.take_asked(id) else { return };
        if let Whom::Address(address) = asked.to
            && key != self.key
            && let Some(contact) = Contact::new(key, address)
        {
            match asked.purpose {
                Purpose::Greet { met } => self.admit(now, contact, met),
                Purpose::Punch { to, nonce, call, .. } => {
                    self.punch_at(now, contact, to, nonce, call, false);
                }
                _ => {}
            }
        }
        self.go_on(now);
    }

    /// Asks somebody who may get into the table whether they are there. What they know is for searches to ask.
    pub(super) fn admit(&mut self, now: Instant, contact: Contact, met: Met) {
        self.ask(now, contact, Request::Ping(None), Purpose::Admit { met });
    }

    /// Leaves out of an answer what whoever gave it cannot say.
    fn screen(&mut self, from: &Contact, answer: &mut Answer) {
        let scope = Scope::of(from.address().ip());
        if let Answer::At(at) = answer
            && !scope.may_name(Scope::of(at.ip()))
        {
            self.statistics.refuse(Reason::OutOfScope);
            *answer = Answer::Refused(Refusal::Nobody);
        }
        let (Answer::Nodes(nodes) | Answer::Found { nodes, .. }) = answer else { return };
        let before = nodes.len();
        nodes.truncate(MAX_NODES);
        nodes.retain(|it| scope.may_name(Scope::of(it.address().ip())));
        self.statistics.refuse_many(Reason::OutOfScope, count(before.saturating_sub(nodes.len())));
        nodes.retain(|it| it.key() != self.key);
    }

    fn keep_cookie(&mut self, of: SocketAddr, cookie: Cookie) {
        if self.cookies.len() >= MAX_COOKIES && !self.cookies.contains_key(&of) {
            self.cookies.pop_first();
        }
        self.cookies.insert(of, cookie);
    }
}

/// As what is counted counts.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
