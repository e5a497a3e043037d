//! Requests of others.

use std::net::SocketAddr;
use std::time::Instant;

use super::asking::Purpose;
use super::{Dht, Mode};
use crate::dht::address::{Prefix, Scope};
use crate::dht::id::{Contact, Target};
use crate::dht::message::{Answer, Cookie, Item, MAX_NODES, Nonce, Query, Refusal, Request, Response};
use crate::dht::statistics::Reason;

/// Requests that others may cause in a minute: dial-backs that are passed on or carried out.
const CAUSED: u32 = 120;

impl Dht {
    /// A query came from an address. `proven` says that the cookie with it shows that whoever asks is there; `cookie`
    /// is the one to give back. Gives the response, which reveals nothing that the query did not ask for.
    pub fn handle_query(
        &mut self,
        now: Instant,
        from: SocketAddr,
        proven: bool,
        cookie: Cookie,
        query: Query,
    ) -> Response {
        let mode = self.mode();
        let Query { server, request } = query;
        // Whoever was called comes through a way that the call has made.
        let called = matches!(request, Request::Ping(Some(nonce)) if self.callee_at(now, nonce, from));
        if !called {
            self.observed.heard(now, from);
        }
        let asker = server.and_then(|key| Contact::new(key, from));
        if let Some(asker) = asker
            && asker.key() != self.key
            && !matches!(request, Request::DialBack(_))
            && self.table.wants(&asker)
        {
            self.candidates.add(asker, self.table.has_few_like(&asker));
        }
        let answer = match request {
            Request::Ping(_) => Answer::Done,
            Request::FindNode(target) => Answer::Nodes(self.nearest_for(from, &target)),
            Request::Get { target, page } => {
                let stored = self.store.get(now, &target, page);
                Answer::Found {
                    items: stored.items,
                    more: stored.more,
                    nodes: self.nearest_for(from, &target),
                }
            }
            Request::Put(_)
            | Request::DialBack(_)
            | Request::DialOn { .. }
            | Request::Register(_)
            | Request::Punch { .. }
            | Request::PunchOn { .. }
                if !proven =>
            {
                Answer::Refused(Refusal::Cookie)
            }
            Request::Put(item) => self.put_for(now, from, item),
            Request::DialBack(nonce) => self.pass_on(now, asker, nonce),
            Request::DialOn { to, nonce } => self.dial_on(now, from, to, nonce),
            Request::Register(key) => self.register_for(now, from, key),
            Request::Punch { to, call } => self.punch_for(now, from, to, call),
            Request::PunchOn { from: caller, call } => self.called(now, from, caller, call),
        };
        if mode != self.mode() {
            self.moved(now);
        }
        self.go_on(now);
        Response { observed: from, cookie, answer }
    }

    fn nearest_for(&self, from: SocketAddr, target: &Target) -> Vec<Contact> {
        let scope = Scope::of(from.ip());
        let mut nodes = self.table.nearest(target, MAX_NODES);
        nodes.retain(|node| scope.may_name(Scope::of(node.address().ip())) && node.address() != from);
        nodes
    }

    fn put_for(&mut self, now: Instant, from: SocketAddr, item: Item) -> Answer {
        let unix_time = self.unix_time(now);
        match self.store.put(now, unix_time, &self.me, from.ip(), item) {
            Ok(()) => Answer::Stored,
            Err(why) => {
                self.statistics.refuse(reason(why));
                Answer::Refused(why)
            }
        }
    }

    /// Somebody wants to know whether strangers can reach it: a node elsewhere is asked to try.
    fn pass_on(&mut self, now: Instant, asker: Option<Contact>, nonce: Nonce) -> Answer {
        let Some(asker) = asker else { return Answer::Refused(Refusal::Nobody) };
        let prefix = Prefix::of(asker.address().ip());
        let fits = |it: &Contact| {
            let ip = it.address().ip();
            Prefix::of(ip) != prefix && Scope::of(ip) == Scope::of(asker.address().ip())
        };
        let others: Vec<_> = self.table.good().map(|it| it.contact).filter(fits).collect();
        let chosen = self.pick(&others).filter(|_| self.upkeep.may_be_caused(now, CAUSED));
        let Some(stranger) = chosen else { return Answer::Refused(Refusal::Nobody) };
        let request = Request::DialOn { to: asker, nonce };
        self.ask(now, stranger, request.clone(), Purpose::DialBack { request, again: false });
        Answer::Done
    }

    /// Somebody says that another wants a ping. It is no longer than what they sent, and goes where no request of
    /// theirs could not have gone.
    fn dial_on(&mut self, now: Instant, from: SocketAddr, to: Contact, nonce: Nonce) -> Answer {
        let same = Prefix::of(from.ip()) == Prefix::of(to.address().ip());
        let global = Scope::of(to.address().ip()) == Scope::Global;
        if same || !global || to.key() == self.key || !self.upkeep.may_be_caused(now, CAUSED) {
            return Answer::Refused(Refusal::Nobody);
        }
        self.ask(now, to, Request::Ping(Some(nonce)), Purpose::Dialled);
        Answer::Done
    }

    /// One of several at random.
    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        let count = u64::try_from(among.len()).ok().filter(|count| *count > 0)?;
        let chosen = self.random.number().checked_rem(count)?;
        among.get(usize::try_from(chosen).ok()?).copied()
    }

    /// Whether this node serves.
    pub(super) fn is_server(&self) -> bool {
        self.mode() == Mode::Server
    }
}

fn reason(why: Refusal) -> Reason {
    match why {
        Refusal::Cookie => Reason::NoCookie,
        Refusal::Older => Reason::Older,
        Refusal::Expired => Reason::Expired,
        Refusal::Full | Refusal::Nobody | Refusal::Unproven => Reason::Full,
    }
}
