//! Being introduced: whoever is behind a NAT keeps a way open from two nodes to itself, and answers calls.
//!
//! It is what others call a rendezvous for hole punching (RFC 5128, section 3.3): whoever calls is sent a ping, which opens
//! this side's NAT for them. Where their own lets it in it shows them from where it came, which is another address than
//! the introducer sees where the mapping of this side's NAT depends on the endpoint (RFC 4787, section 4.1).
//!
//! All of that is so too where the NAT lets strangers in, as it does only as long as something goes out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::asking::Purpose;
use super::{Dht, DhtEvent};
use crate::dht::address::{Prefix, Scope};
use crate::dht::call::{Call, SealedCall};
use crate::dht::gate::Buckets;
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
/// After one that was not answered, and after one that comes before the key was shown, which takes a round trip.
const KEEP_AGAIN: Duration = Duration::from_secs(2);
const PROVE: Duration = Duration::from_millis(250);
/// So many of those in a row, and the introducer is gone.
const TRIES: u8 = 4;
/// How long one stays: it may pass on nothing, which nobody would tell.
const STAY: Duration = Duration::from_secs(60 * 60);
/// Between two looks for introducers where there are too few.
const LOOK: Duration = Duration::from_secs(10);
/// After one that did not want to, at first and at last.
const REST: Duration = Duration::from_secs(1);
const REST_AT_LAST: Duration = Duration::from_secs(5 * 60);
/// Those remembered who did not want to, or are gone, and for how long.
const MAX_PASSED_OVER: usize = 32;
const PASSED_OVER_FOR: Duration = Duration::from_secs(2 * 60);
/// Calls remembered as answered.
const MAX_ANSWERED: usize = 256;
/// Pings that one call leads to at most: together with the reply they are shorter than three times the call.
const PINGS: usize = 2;

/// Who introduces this node.
#[derive(Debug)]
pub(super) struct Introductions {
    wanted: bool,
    /// Whoever was there first comes first.
    by: Vec<Introducer>,
    /// When to look for more; `None` as long as this node does not seem to be behind a NAT.
    look_at: Option<Instant>,
    /// When one of them is to make room for another.
    replace_at: Option<Instant>,
    rest: Duration,
    passed_over: VecDeque<(SocketAddr, Instant)>,
    calls: Buckets<SocketAddr>,
    /// By whom each was brought.
    answered: VecDeque<(Nonce, SocketAddr)>,
}

#[derive(Debug)]
struct Introducer {
    contact: Contact,
    /// When to register next.
    next: Instant,
    registered: bool,
    /// Registrations in a row that came to nothing.
    vain: u8,
}

impl Introductions {
    pub(super) fn new() -> Self {
        Self {
            wanted: false,
            by: Vec::new(),
            look_at: None,
            replace_at: None,
            rest: REST,
            passed_over: VecDeque::new(),
            calls: Buckets::of_calls(),
            answered: VecDeque::new(),
        }
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        let complete = self.by.len() >= WANTED;
        let look = self.look_at.filter(|_| !complete);
        let replace = self.replace_at.filter(|_| complete);
        self.by.iter().map(|it| it.next).chain(look).chain(replace).min().filter(|_| self.wanted)
    }

    fn find(&mut self, contact: &Contact) -> Option<&mut Introducer> {
        self.by.iter_mut().find(|it| it.contact == *contact)
    }

    /// Gives up one of them; gives whether others were told of it. The next is looked for at once where it was one, and
    /// later and later where one after the other does not want to be.
    fn pass_over(&mut self, now: Instant, contact: &Contact) -> bool {
        let Some(position) = self.by.iter().position(|it| it.contact == *contact) else { return false };
        let gone = self.by.remove(position);
        if self.passed_over.len() >= MAX_PASSED_OVER {
            self.passed_over.pop_front();
        }
        self.passed_over.push_back((contact.address(), now));
        if gone.registered {
            self.look_at = Some(now);
        } else {
            self.look_at = now.checked_add(self.rest);
            self.rest = self.rest.saturating_mul(2).min(REST_AT_LAST);
        }
        gone.registered
    }

    fn is_passed_over(&self, now: Instant, address: SocketAddr) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < PASSED_OVER_FOR;
        self.passed_over.iter().any(|(it, at)| *it == address && lately(*at))
    }
}

impl Dht {
    /// Whether this node is to be called through others where it is behind a NAT.
    pub fn be_introduced(&mut self, now: Instant, wanted: bool) {
        self.introductions.wanted = wanted;
        if !wanted {
            self.forget_introducers();
        }
        self.go_on(now);
    }

    /// Who introduces this node: empty where it needs nobody to, or has found nobody yet.
    pub fn introducers(&self) -> Vec<Contact> {
        self.introductions.by.iter().filter(|it| it.registered).map(|it| it.contact).collect()
    }

    /// Everything begins anew, as in another network.
    pub(super) fn forget_introducers(&mut self) {
        let known = !self.introducers().is_empty();
        let Introductions { by, look_at, replace_at, rest, passed_over, .. } = &mut self.introductions;
        (*look_at, *replace_at, *rest) = (None, None, REST);
        by.clear();
        passed_over.clear();
        if known {
            self.events.push_back(DhtEvent::Introducers);
        }
    }

    pub(super) fn run_introductions(&mut self, now: Instant) {
        if !self.introductions.wanted {
            return;
        }
        let behind = self.is_behind_nat();
        if behind == Some(false) {
            return self.forget_introducers();
        }
        // Those who are there stay while nobody says anything; nobody is looked for where there is nobody to ask.
        if self.introductions.by.is_empty() && (behind.is_none() || !self.upkeep.is_joined()) {
            self.introductions.look_at = None;
            return;
        }
        self.look_for_introducers(now);
        let mut due = Vec::new();
        for introducer in self.introductions.by.iter_mut().filter(|it| it.next <= now) {
            introducer.next = now.checked_add(KEEP).unwrap_or(now);
            due.push(introducer.contact);
        }
        for contact in due {
            self.register_at(now, contact, false);
        }
    }

    /// Whether there is something that keeps others out. A few nodes are too few to have strangers among them who could
    /// show that there is nothing; but whoever is introduced stays so until they do.
    pub(super) fn is_behind_nat(&self) -> Option<bool> {
        self.observed.is_behind_nat(self.is_small() && self.introductions.by.is_empty())
    }

    fn look_for_introducers(&mut self, now: Instant) {
        if self.introductions.by.len() >= WANTED && self.introductions.replace_at.is_none_or(|at| at <= now) {
            self.replace_one(now);
        }
        let settled = || now.checked_add(SETTLE).unwrap_or(now);
        if *self.introductions.look_at.get_or_insert_with(settled) > now {
            return;
        }
        self.introductions.look_at = now.checked_add(LOOK);
        while self.introductions.by.len() < WANTED
            && let Some(contact) = self.choose_introducer(now)
        {
            let new = Introducer { contact, next: now, registered: false, vain: 0 };
            self.introductions.by.push(new);
            self.introductions.replace_at = now.checked_add(STAY);
        }
    }

    /// Lets the introducer go who was there longest, if there is another for its place: of IPv4, where it is the only one of
    /// those. The others stay for an hour from now, so that whoever has read a record finds one of them.
    fn replace_one(&mut self, now: Instant) {
        self.introductions.replace_at = now.checked_add(STAY);
        if !self.introductions.by.iter().all(|it| it.registered) {
            return;
        }
        let is_v4 = |it: &Contact| it.address().is_ipv4();
        let by: Vec<Contact> = self.introductions.by.iter().map(|it| it.contact).collect();
        let others = self.may_introduce(now, &by);
        let replaceable = |it: &&Contact| {
            let needs_v4 = is_v4(it) && by.iter().filter(|it| is_v4(it)).count() == 1;
            others.iter().any(|other| !needs_v4 || is_v4(other))
        };
        if let Some(contact) = by.iter().find(replaceable) {
            self.lose_introducer(now, contact);
        }
    }

    /// One of the table at random, of another prefix than the others; of IPv4 first, which every caller has.
    fn choose_introducer(&mut self, now: Instant) -> Option<Contact> {
        let others: Vec<Contact> = self.introductions.by.iter().map(|it| it.contact).collect();
        let mut good = self.may_introduce(now, &others);
        let is_v4 = |it: &Contact| it.address().is_ipv4();
        if !others.iter().any(is_v4) && good.iter().any(is_v4) {
            good.retain(is_v4);
        }
        self.pick(&good)
    }

    /// Those of the table who may introduce this node beside others.
    fn may_introduce(&self, now: Instant, others: &[Contact]) -> Vec<Contact> {
        let prefix = |it: &Contact| Prefix::of(it.address().ip());
        let fits = |it: &Contact| {
            Scope::of(it.address().ip()) == Scope::Global
                && !others.iter().any(|other| prefix(other) == prefix(it))
                && !self.introductions.is_passed_over(now, it.address())
        };
        self.table.good().map(|it| it.contact).filter(fits).collect()
    }

    fn register_at(&mut self, now: Instant, contact: Contact, again: bool) {
        self.ask(now, contact, Request::Register(self.key), Purpose::Register { again });
    }

    /// An introducer has answered.
    pub(super) fn registered(&mut self, now: Instant, contact: Contact, answer: &Answer, again: bool) {
        match answer {
            Answer::Refused(Refusal::Cookie) if !again => self.register_at(now, contact, true),
            Answer::Refused(Refusal::Unproven) => self.register_again(now, &contact, PROVE),
            Answer::Done => {
                let Some(it) = self.introductions.find(&contact) else { return };
                it.vain = 0;
                if !std::mem::replace(&mut it.registered, true) {
                    self.introductions.rest = REST;
                    self.events.push_back(DhtEvent::Introducers);
                }
            }
            _ => self.lose_introducer(now, &contact),
        }
    }

    /// An introducer has not.
    pub(super) fn not_registered(&mut self, now: Instant, contact: &Contact) {
        self.register_again(now, contact, KEEP_AGAIN);
    }

    fn register_again(&mut self, now: Instant, contact: &Contact, after: Duration) {
        let Some(it) = self.introductions.find(contact) else { return };
        it.vain = it.vain.saturating_add(1);
        it.next = now.checked_add(after).unwrap_or(now);
        if it.vain >= TRIES {
            self.lose_introducer(now, contact);
        }
    }

    fn lose_introducer(&mut self, now: Instant, contact: &Contact) {
        if self.introductions.pass_over(now, contact) {
            self.events.push_back(DhtEvent::Introducers);
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
        if !self.introductions.calls.take(now, by) {
            self.statistics.refuse(Reason::TooManyCalls);
            return Answer::Refused(Refusal::Full);
        }
        self.events.push_back(DhtEvent::Called { by, from, call });
        Answer::Done
    }

    /// Lets in whoever calls: they are sent a ping, where the introducer saw them and where they say they are. Each
    /// introducer may bring a call once.
    pub fn answer_call(&mut self, now: Instant, by: SocketAddr, from: SocketAddr, call: &Call) {
        let answered = &mut self.introductions.answered;
        if answered.contains(&(call.nonce, by)) {
            return;
        }
        if answered.len() >= MAX_ANSWERED {
            answered.pop_front();
        }
        answered.push_back((call.nonce, by));
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
