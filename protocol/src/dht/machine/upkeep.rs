//! Staying in the network: joining, looking after the table, and finding back what was lost.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::asking::Purpose;
use super::{Dht, DhtEvent, LookupId};
use crate::dht::id::{Contact, NodeId};
use crate::dht::message::Request;
use crate::dht::table::{Entry, K};

/// A call later than this after it was due: the machine was asleep.
pub(super) const SLEPT: Duration = Duration::from_secs(60);
/// Nodes to meet that wait, and those that are greeted at once.
const MAX_WAITING: usize = 128;
const GREETED: usize = 8;
/// How often somebody to be met is greeted before they count as away.
const TRIES: u8 = 3;
/// Addresses that are met again when nobody else is known.
const MAX_KNOWN: usize = 64;
/// How long until they are, at first and at last.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_LAST: Duration = Duration::from_secs(5 * 60);
/// Between two looks at the table, of a client and of a server.
const CLIENT_LOOK: Duration = Duration::from_secs(30);
const SERVER_LOOK: Duration = Duration::from_secs(10);
/// How long a node of the table may be silent before it is asked.
const STALE: Duration = Duration::from_secs(15 * 60);
/// Between two searches for oneself: of a server, whose neighbours come to it anyway.
const SELF_SEARCH: Duration = Duration::from_secs(30 * 60);
/// After a part of the network was found back: between two searches for oneself.
const MERGE: Duration = Duration::from_secs(60);
/// Nodes that were lost and may come back; how often each is tried, and how long it counts as lost by chance.
const MAX_LOST: usize = 64;
const LOST_TRIES: u8 = 16;
const LOST_FOR_LONG: Duration = Duration::from_secs(5 * 60);
/// Between two tries for a lost one.
const LOST_LOOK: Duration = Duration::from_secs(60);
/// Between two rounds of asking for dial-backs, and how many are asked in one.
const DIAL_BACK: Duration = Duration::from_secs(20);
const DIAL_BACK_LATER: Duration = Duration::from_secs(10 * 60);
const DIAL_BACK_ROUNDS: u32 = 6;
const DIAL_BACKS: usize = 3;

/// How somebody came to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// To join by them, for the so many-th time.
    Joining(u8),
    /// They were lost for so long that they may belong to a part of the network that was. Whoever had come before comes
    /// again; being silent for a while makes no name anything else.
    Lost { came: bool },
    /// They asked.
    Heard,
}

impl Met {
    /// Whether nobody had to name them.
    pub(super) fn came(self) -> bool {
        match self {
            Self::Joining(_) | Self::Heard => true,
            Self::Lost { came } => came,
        }
    }
}

/// What is done again and again.
#[derive(Debug)]
pub(super) struct Upkeep {
    waiting: VecDeque<(SocketAddr, u8)>,
    greeting: BTreeSet<SocketAddr>,
    known: VecDeque<SocketAddr>,
    again: Duration,
    again_at: Option<Instant>,
    joining: Option<LookupId>,
    joined: bool,
    look_at: Instant,
    search_at: Option<Instant>,
    searched: Option<Instant>,
    lost: VecDeque<Lost>,
    lost_at: Option<Instant>,
    /// Whether there is somebody to ask for a dial-back.
    may_dial_back: bool,
    dial_back_at: Option<Instant>,
    dial_backs: u32,
    caused: (Instant, u32),
}

#[derive(Debug)]
struct Lost {
    contact: Contact,
    came: bool,
    since: Instant,
    tries: u8,
}

impl Upkeep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            greeting: BTreeSet::new(),
            known: VecDeque::new(),
            again: AGAIN,
            again_at: None,
            joining: None,
            joined: false,
            look_at: now,
            search_at: None,
            searched: None,
            lost: VecDeque::new(),
            lost_at: None,
            may_dial_back: false,
            dial_back_at: None,
            dial_backs: 0,
            caused: (now, 0),
        }
    }

    /// When there is something to do next.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let dial_back = self.dial_back_at.filter(|_| self.may_dial_back);
        let lost = self.lost_at.filter(|_| !self.lost.is_empty());
        // What waits for something else has no time of its own.
        let search = self.search_at.filter(|_| self.joining.is_none() && self.joined);
        [Some(self.look_at), self.again_at, search, lost, dial_back].into_iter().flatten().min()
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined
    }

    pub(super) fn is_meeting(&self) -> bool {
        !self.waiting.is_empty() || !self.greeting.is_empty()
    }

    fn wait_for(&mut self, address: SocketAddr, tries: u8) {
        let known = self.waiting.iter().any(|(it, _)| *it == address) || self.greeting.contains(&address);
        if !known && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((address, tries));
        }
    }

    /// Somebody who was to be met did not answer.
    pub(super) fn silent(&mut self, now: Instant, address: SocketAddr, met: Met) {
        self.greeting.remove(&address);
        match met {
            Met::Joining(tries) if tries < TRIES => self.wait_for(address, tries),
            Met::Joining(_) | Met::Heard => {}
            Met::Lost { .. } => self.lost_at = self.lost_at.or_else(|| now.checked_add(LOST_LOOK)),
        }
    }

    /// Somebody answered who is to be in the table.
    pub(super) fn met(&mut self, now: Instant, contact: Contact, met: Met) {
        self.greeting.remove(&contact.address());
        self.again = AGAIN;
        let was_lost = self.lost.iter().position(|it| it.contact.address() == contact.address());
        let since = was_lost.and_then(|position| self.lost.remove(position)).map(|it| it.since);
        let long = |since: Instant| now.saturating_duration_since(since) > LOST_FOR_LONG;
        // A part of the network may be back: it is searched for one's own neighbours there.
        if matches!(met, Met::Lost { .. }) && since.is_none_or(long) {
            self.search_soon(now);
        }
    }

    /// A node of the table does not answer any more.
    pub(super) fn lost(&mut self, now: Instant, entry: &Entry) {
        let Entry { contact, came, .. } = *entry;
        if self.lost.iter().any(|it| it.contact == contact) {
            return;
        }
        if self.lost.len() >= MAX_LOST {
            // Whoever was tried most often is least likely to come back.
            let worst = self.lost.iter().enumerate().max_by_key(|(_, it)| it.tries).map(|(at, _)| at);
            worst.and_then(|worst| self.lost.remove(worst));
        }
        self.lost.push_back(Lost { contact, came, since: now, tries: 0 });
        self.lost_at = self.lost_at.or_else(|| now.checked_add(LOST_LOOK));
    }

    /// A search is over; gives whether the network is joined by it.
    pub(super) fn ended(&mut self, now: Instant, lookup: LookupId, found: bool) -> bool {
        if self.joining != Some(lookup) {
            return false;
        }
        self.joining = None;
        self.searched = Some(now);
        let before = self.joined;
        self.joined |= found;
        found && !before
    }

    /// There is to be a search for oneself, if there was none just now.
    fn search_soon(&mut self, now: Instant) {
        let last = self.searched.and_then(|at| at.checked_add(MERGE)).unwrap_or(now);
        self.search_at = Some(self.search_at.map_or(last, |at| at.min(last)).max(now));
    }

    /// Everything is to be met again.
    pub(super) fn join_again(&mut self, now: Instant) {
        self.again = AGAIN;
        self.again_at = Some(now);
        self.search_at = Some(now);
        self.dial_backs = 0;
        self.dial_back_at = None;
    }

    /// Counts what others cause; gives whether it may be done.
    pub(super) fn may_be_caused(&mut self, now: Instant, most: u32) -> bool {
        if now.saturating_duration_since(self.caused.0) >= Duration::from_secs(60) {
            self.caused = (now, 0);
        }
        self.caused.1 = self.caused.1.saturating_add(1);
        self.caused.1 <= most
    }
}

impl Dht {
    /// Somebody may be at an address: a node of the configuration, of an earlier run or of the local network.
    pub fn meet(&mut self, now: Instant, address: SocketAddr) {
        self.upkeep.known.retain(|it| *it != address);
        self.upkeep.known.push_back(address);
        if self.upkeep.known.len() > MAX_KNOWN {
            self.upkeep.known.pop_front();
        }
        if self.table.good().any(|it| it.contact.address() == address) {
            return;
        }
        self.upkeep.wait_for(address, 0);
        self.go_on(now);
    }

    /// Addresses at which somebody is worth meeting in another run: those that nobody named first, then the latest heard of.
    pub fn remembered(&self) -> Vec<SocketAddr> {
        let mut good: Vec<_> = self.table.good().collect();
        good.sort_by_key(|it| (it.came, it.answered));
        good.iter().rev().map(|it| it.contact.address()).take(MAX_KNOWN).collect()
    }

    /// What happened while nobody was looking is not known: the network may be another.
    pub(super) fn wake(&mut self, now: Instant) {
        // Behind a NAT the machine's own addresses may be the same in any network.
        if self.is_behind_nat() == Some(true) {
            self.forget_introducers();
            self.be_elsewhere(now);
        }
        self.observed.forget();
        self.table.doubt_all();
        self.cookies.clear();
        self.upkeep.join_again(now);
    }

    /// Somebody answers who may lead to others. A search for oneself begins with whoever answers first, who may know nobody:
    /// others to begin with join it while it is under way. Afterwards, where few are known, they are reason for another at
    /// once, and those who came by themselves for one that is not sooner than `MERGE`; they do not steer one under way.
    pub(super) fn led_on_by(&mut self, now: Instant, contact: Contact, met: Met) {
        let small = self.is_small();
        let joining = self.upkeep.joining.and_then(|id| self.lookups.get_mut(&id));
        match (joining, matches!(met, Met::Joining(_))) {
            (Some(lookup), true) => lookup.begin_with(contact),
            (None, true) if small => self.upkeep.search_at = Some(now),
            (None, false) if small => self.upkeep.search_soon(now),
            _ => {}
        }
    }

    pub(super) fn run_upkeep(&mut self, now: Instant) {
        self.run_meeting(now);
        self.run_candidates(now);
        self.run_search(now);
        self.run_look(now);
        self.run_lost(now);
        self.run_dial_backs(now);
    }

    fn run_meeting(&mut self, now: Instant) {
        // Who knows but a few may be on an island: those once known may lead to the rest.
        if self.is_small() && !self.upkeep.is_meeting() && self.upkeep.again_at.is_none() {
            self.upkeep.again_at = now.checked_add(self.upkeep.again);
        }
        if self.upkeep.again_at.is_some_and(|at| at <= now) {
            self.upkeep.again_at = None;
            self.upkeep.again = self.upkeep.again.saturating_mul(2).min(AGAIN_AT_LAST);
            let good: BTreeSet<SocketAddr> = self.table.good().map(|it| it.contact.address()).collect();
            if good.len() < K {
                let doubted = self.table.nearest(&self.me.target(), GREETED);
                let known: Vec<_> = self.upkeep.known.iter().copied().collect();
                let all = doubted.iter().map(Contact::address).chain(known);
                for address in all.filter(|address| !good.contains(address)) {
                    self.upkeep.wait_for(address, 0);
                }
            }
        }
        while self.upkeep.greeting.len() < GREETED
            && let Some((address, tries)) = self.upkeep.waiting.pop_front()
        {
            self.upkeep.greeting.insert(address);
            let met = Met::Joining(tries.saturating_add(1));
            self.greet(now, address, Purpose::Greet { met });
        }
    }

    /// Searches for oneself: so one's neighbours are known, and know.
    fn run_search(&mut self, now: Instant) {
        if self.upkeep.joining.is_some() {
            return;
        }
        if self.is_empty() {
            // There is nobody to ask: joining begins anew with whoever is met next.
            self.upkeep.joined = false;
            return;
        }
        let due = self.upkeep.search_at.is_some_and(|at| at <= now);
        if due || !self.upkeep.joined {
            self.upkeep.search_at = self.is_server().then(|| now.checked_add(SELF_SEARCH)).flatten();
            self.upkeep.joining = self.start(self.me.target(), false);
        }
    }

    /// Asks whoever was silent for long whether they are there.
    fn run_look(&mut self, now: Instant) {
        if self.upkeep.look_at > now {
            return;
        }
        let look = if self.is_server() { SERVER_LOOK } else { CLIENT_LOOK };
        self.upkeep.look_at = now.checked_add(look).unwrap_or(now);
        if let Some(contact) = self.table.take_stale(now, STALE) {
            self.ask(now, contact, Request::Ping(None), Purpose::Check);
        }
    }

    fn run_lost(&mut self, now: Instant) {
        if self.upkeep.lost_at.is_none_or(|at| at > now) {
            return;
        }
        self.upkeep.lost_at = None;
        let Some(mut lost) = self.upkeep.lost.pop_front() else { return };
        self.upkeep.lost_at = now.checked_add(LOST_LOOK);
        lost.tries = lost.tries.saturating_add(1);
        let (contact, came) = (lost.contact, lost.came);
        if lost.tries < LOST_TRIES {
            self.upkeep.lost.push_back(lost);
        }
        self.admit(now, contact, Met::Lost { came });
    }

    /// Where others see this node, strangers are to try whether they reach it. They are asked to as soon as there are
    /// enough to ask: whoever is proven before the first search is over needs no second one, for others to know. Until
    /// then nobody can say that only a few are there.
    fn run_dial_backs(&mut self, now: Instant) {
        if self.upkeep.dial_back_at.is_some_and(|at| at > now) {
            return;
        }
        if self.observed.unproven(self.upkeep.joined && self.is_small()).is_none() {
            self.upkeep.dial_back_at = None;
            return;
        }
        let mut good: Vec<_> = self.table.good().map(|it| it.contact).collect();
        let enough = if self.upkeep.joined { 1 } else { DIAL_BACKS };
        self.upkeep.may_dial_back = good.len() >= enough;
        if !self.upkeep.may_dial_back {
            return;
        }
        let rest = if self.upkeep.dial_backs < DIAL_BACK_ROUNDS { DIAL_BACK } else { DIAL_BACK_LATER };
        self.upkeep.dial_backs = self.upkeep.dial_backs.saturating_add(1);
        self.upkeep.dial_back_at = now.checked_add(rest);
        for _ in 0..DIAL_BACKS {
            let Some(contact) = self.pick(&good) else { return };
            good.retain(|it| *it != contact);
            let request = Request::DialBack(self.nonce());
            self.ask(now, contact, request.clone(), Purpose::DialBack { request, again: false });
        }
    }

    /// Others see this node elsewhere, or it is reachable now.
    pub(super) fn moved(&mut self, now: Instant) {
        let address = self.observed.agreed().next();
        if let Some(address) = address {
            self.set_me(NodeId::new(&self.key, address.ip()));
        }
        self.tell_neighbours(now);
        self.events.push_back(DhtEvent::Moved);
    }

    /// Those near whom this node stands now are told that it can be asked, by being asked.
    pub(super) fn tell_neighbours(&mut self, now: Instant) {
        if self.is_server() {
            self.upkeep.search_at = Some(now);
        }
    }
}
