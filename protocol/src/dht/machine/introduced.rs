//! Being introduced: whoever is behind a NAT keeps a way open from two nodes to itself, and answers calls.
//!
//! That is so too where the NAT lets strangers in, as long as something goes out.
//!
//! Whoever calls is sent a ping. It opens this side's NAT for them, and where its own lets the ping in it shows them from
//! where it came, which may be another address than the introducer sees.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::asking::Purpose;
use super::{Dht, DhtEvent};
use crate::dht::address::{Prefix, Scope};
use crate::dht::call::{Call, SealedCall};
use crate::dht::gate::Lane;
use crate::dht::id::Contact;
use crate::dht::message::{Answer, Nonce, Refusal, Request};
use crate::dht::statistics::Reason;

/// Introducers that a client has. A third would be worth little more, and cost as much as each of the others.
const WANTED: usize = 2;
/// How long it takes to see whether there is a NAT at all.
const SETTLE: Duration = Duration::from_secs(1);
/// Between two registrations at one: less than the 30 s for which many NATs let somebody in (RFC 4787, REQ-5, asks for
/// two minutes).
const KEEP: Duration = Duration::from_secs(25);
/// After one that was not answered.
const KEEP_AGAIN: Duration = Duration::from_secs(2);
/// So many of them in a row, and the introducer is gone.
const SILENT: u8 = 3;
/// Between two looks for introducers where there are too few.
const LOOK: Duration = Duration::from_secs(10);
/// Those remembered who did not want to, or are gone.
const MAX_PASSED_OVER: usize = 32;
/// Calls remembered as answered.
const MAX_ANSWERED: usize = 64;
/// Pings that one call leads to at most: together with the reply they are shorter than three times the call.
const PINGS: usize = 2;

/// Who introduces this node.
#[derive(Debug)]
pub(super) struct Introductions {
    wanted: bool,
    /// Since when this node seems to be behind a NAT.
    since: Option<Instant>,
    by: Vec<Introducer>,
    look_at: Option<Instant>,
    passed_over: VecDeque<SocketAddr>,
    calls: Lane,
    answered: VecDeque<Nonce>,
}

#[derive(Debug)]
struct Introducer {
    contact: Contact,
    /// When to register next.
    at: Instant,
    registered: bool,
    silent: u8,
}

impl Introductions {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wanted: false,
            since: None,
            by: Vec::new(),
            look_at: None,
            passed_over: VecDeque::new(),
            calls: Lane::of_calls(now),
            answered: VecDeque::new(),
        }
    }

    /// Everything begins anew, as in another network.
    pub(super) fn forget(&mut self) {
        self.since = None;
        self.by.clear();
        self.look_at = None;
        self.passed_over.clear();
    }

    /// The ways that were open may not be any more.
    pub(super) fn wake(&mut self, now: Instant) {
        self.by.iter_mut().for_each(|it| it.at = now);
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        let look = self.look_at.filter(|_| self.by.len() < WANTED);
        self.by.iter().map(|it| it.at).chain(look).min().filter(|_| self.wanted)
    }

    /// Gives up one of them; gives whether others were told of it.
    fn pass_over(&mut self, now: Instant, contact: &Contact) -> bool {
        let Some(position) = self.by.iter().position(|it| it.contact == *contact) else { return false };
        let gone = self.by.remove(position);
        if self.passed_over.len() >= MAX_PASSED_OVER {
            self.passed_over.pop_front();
        }
        self.passed_over.push_back(contact.address());
        self.look_at = Some(now);
        gone.registered
    }
}

impl Dht {
    /// Whether this node is to be called through others where it is behind a NAT.
    pub fn be_introduced(&mut self, now: Instant, wanted: bool) {
        self.introductions.wanted = wanted;
        if !wanted {
            self.introductions.forget();
        }
        self.go_on(now);
    }

    /// Who introduces this node: empty where it needs nobody to, or has found nobody yet.
    pub fn introducers(&self) -> Vec<Contact> {
        self.introductions.by.iter().filter(|it| it.registered).map(|it| it.contact).collect()
    }

    pub(super) fn run_introductions(&mut self, now: Instant) {
        if !self.introductions.wanted {
            return;
        }
        if !self.observed.is_behind_nat(self.is_small()) || !self.upkeep.is_joined() {
            self.introductions.forget();
            return;
        }
        let since = *self.introductions.since.get_or_insert(now);
        let settled = since.checked_add(SETTLE).unwrap_or(since);
        let look_at = *self.introductions.look_at.get_or_insert(settled);
        if look_at <= now {
            self.introductions.look_at = now.checked_add(LOOK);
            while self.introductions.by.len() < WANTED
                && let Some(contact) = self.choose_introducer()
            {
                let new = Introducer { contact, at: now, registered: false, silent: 0 };
                self.introductions.by.push(new);
            }
        }
        let mut due = Vec::new();
        for introducer in self.introductions.by.iter_mut().filter(|it| it.at <= now) {
            introducer.at = now.checked_add(KEEP).unwrap_or(now);
            due.push(introducer.contact);
        }
        for contact in due {
            self.register_at(now, contact, false);
        }
    }

    fn register_at(&mut self, now: Instant, contact: Contact, again: bool) {
        self.ask(now, contact, Request::Register(self.key), Purpose::Register { again });
    }

    /// One of the table at random, of another prefix than the others; of IPv4 first, which every caller has.
    fn choose_introducer(&mut self) -> Option<Contact> {
        let prefix = |it: &Contact| Prefix::of(it.address().ip());
        let by = &self.introductions.by;
        let fits = |it: &Contact| {
            Scope::of(it.address().ip()) == Scope::Global
                && !by.iter().any(|other| prefix(&other.contact) == prefix(it))
                && !self.introductions.passed_over.contains(&it.address())
        };
        let mut good: Vec<Contact> =
            self.table.entries().filter(|it| it.failures == 0).map(|it| it.contact).filter(fits).collect();
        let is_v4 = |it: &Contact| it.address().is_ipv4();
        if !by.iter().any(|it| is_v4(&it.contact)) && good.iter().any(is_v4) {
            good.retain(is_v4);
        }
        self.pick(&good)
    }

    /// An introducer has answered.
    pub(super) fn registered(&mut self, now: Instant, contact: Contact, answer: &Answer, again: bool) {
        match answer {
            Answer::Refused(Refusal::Cookie) if !again => self.register_at(now, contact, true),
            Answer::Done => {
                let Some(it) = self.introductions.by.iter_mut().find(|it| it.contact == contact) else {
                    return;
                };
                it.silent = 0;
                if !std::mem::replace(&mut it.registered, true) {
                    self.events.push_back(DhtEvent::Introduced);
                }
            }
            _ => self.lose_introducer(now, &contact),
        }
    }

    /// An introducer has not.
    pub(super) fn not_registered(&mut self, now: Instant, contact: &Contact) {
        let Some(it) = self.introductions.by.iter_mut().find(|it| it.contact == *contact) else { return };
        it.silent = it.silent.saturating_add(1);
        it.at = now.checked_add(KEEP_AGAIN).unwrap_or(now);
        if it.silent >= SILENT {
            self.lose_introducer(now, contact);
        }
    }

    fn lose_introducer(&mut self, now: Instant, contact: &Contact) {
        if self.introductions.pass_over(now, contact) {
            self.events.push_back(DhtEvent::Introduced);
        }
    }

    /// Somebody passes on a call, and says from where it came.
    pub(super) fn called(
        &mut self,
        now: Instant,
        by: SocketAddr,
        from: SocketAddr,
        call: SealedCall,
    ) -> Answer {
        if !self.introductions.by.iter().any(|it| it.contact.address() == by) {
            self.statistics.refuse(Reason::NotIntroduced);
            return Answer::Refused(Refusal::Nobody);
        }
        if let Err(why) = self.introductions.calls.take(now, by.ip()) {
            self.statistics.refuse(why);
            return Answer::Refused(Refusal::Full);
        }
        self.events.push_back(DhtEvent::Called { from, call });
        Answer::Done
    }

    /// Lets in whoever calls: they are sent a ping, where the introducer saw them and where they say they are. Each
    /// introducer may bring a call once.
    pub fn answer_call(&mut self, now: Instant, from: SocketAddr, call: &Call) {
        let answered = &mut self.introductions.answered;
        if answered.iter().filter(|it| **it == call.nonce).count() >= WANTED {
            return;
        }
        if answered.len() >= MAX_ANSWERED {
            answered.pop_front();
        }
        answered.push_back(call.nonce);
        let mut contacts: Vec<Contact> = Vec::new();
        for address in [from].into_iter().chain(call.at.iter().copied()) {
            if let Some(contact) = Contact::new(call.key, address)
                && Scope::of(contact.address().ip()) == Scope::Global
                && contacts.len() < PINGS
                && !contacts.contains(&contact)
            {
                contacts.push(contact);
            }
        }
        for contact in contacts {
            self.ask(now, contact, Request::Ping(Some(call.nonce)), Purpose::Dialled);
        }
        self.go_on(now);
    }
}
