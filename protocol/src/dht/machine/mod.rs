//! The machine: asks, answers, searches, stores and keeps itself in the network, and knows nothing of datagrams.
//!
//! Parsed queries and responses go in, and those to be sent come out; what is between, a seal or a simulator, is not its
//! business. Nothing here waits: after every call poll [`Dht::poll_output`] and [`Dht::poll_event`] until they give
//! nothing, and come back no later than [`Dht::next_time`] says.

mod answering;
mod asking;
mod calling;
mod candidates;
mod introduced;
mod introducing;
mod searching;
mod storing;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::address::Scope;
use super::call::SealedCall;
use super::id::{Contact, NodeId, NodeKey, Target};
use super::lookup::Lookup;
use super::message::{Cookie, Item, Nonce, Query};
use super::observed::Observed;
use super::statistics::Statistics;
use super::store::Store;
use super::table::{K, Table};
use crate::entropy::Stream;

use asking::Asked;
use calling::Calls;
use candidates::Candidates;
use introduced::Introductions;
use introducing::Introducing;
use storing::{Storers, Storing};
use upkeep::Upkeep;

/// Searches under way at once.
const MAX_LOOKUPS: usize = 64;
/// Items that are being stored at once.
const MAX_STORING: usize = 128;

/// Names a request until it is answered or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// Names what is being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub u64);

/// What is to be sent.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the large kind, and each is on its way out at once"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A request.
    Ask {
        /// Goes back with the response.
        id: RequestId,
        /// To whom.
        to: Contact,
        /// What lets one write there, where it is known.
        cookie: Option<Cookie>,
        /// What is asked.
        query: Query,
    },
    /// A question for the key of whoever is at an address.
    Greet {
        /// Goes back with the key.
        id: RequestId,
        /// Where.
        to: SocketAddr,
    },
    /// A request that is not waited for any more.
    Forget(RequestId),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DhtEvent {
    /// A search has found something; the same may come several times.
    Found {
        /// Which search.
        lookup: LookupId,
        /// What.
        item: Item,
    },
    /// A search is over.
    Over {
        /// Which search.
        lookup: LookupId,
        /// In which round the first item was found.
        found_in: Option<u8>,
        /// How many nodes were asked.
        asked: u32,
        /// How many of them answered, up to the number of those that store an item.
        answered: usize,
    },
    /// Something is stored, or was tried to be.
    Stored {
        /// What was to be stored.
        store: StoreId,
        /// How many nodes have it now.
        copies: usize,
    },
    /// A first search for oneself is over: others can be found, and find this node if it can be reached.
    Joined,
    /// Others see this node at another address than before, or it has become reachable there.
    Moved,
    /// This node may be in another network than before: under another key nobody can follow it there. See
    /// [`Dht::change_key`].
    Elsewhere,
    /// Those who introduce this node have changed.
    Introducers,
    /// Somebody calls, who may get an answer: [`Dht::answer_call`].
    Called {
        /// The introducer that passes it on.
        by: SocketAddr,
        /// Where the call came from, as an introducer sees it.
        from: SocketAddr,
        /// Who it is, for those to read who are called.
        call: SealedCall,
    },
    /// Whoever was called is at an address, as an introducer says or they themselves have shown. What is sent there now may
    /// get through; the first of it may still be lost.
    CalleeAt {
        /// Which call.
        nonce: Nonce,
        /// Where they are.
        at: SocketAddr,
    },
}

/// How a node takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It asks and is in nobody's table.
    Client,
    /// Others ask it, and store with it.
    Server,
}

/// A node that is known, for those who look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeView {
    /// Who and where.
    pub contact: Contact,
    /// When it last answered.
    pub answered: Instant,
    /// How long its answers take, smoothed.
    pub round_trip: Duration,
    /// Whether it has answered everything of late.
    pub good: bool,
}

/// A node of the table.
pub struct Dht {
    key: NodeKey,
    me: NodeId,
    random: Stream,
    /// Unix milliseconds at an instant.
    clock: (Instant, u64),
    table: Table,
    observed: Observed,
    store: Store,
    statistics: Statistics,
    asked: BTreeMap<RequestId, Asked>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    /// What lets this node write at others, by their addresses.
    cookies: BTreeMap<SocketAddr, Cookie>,
    lookups: BTreeMap<LookupId, Lookup>,
    storing: BTreeMap<StoreId, Storing>,
    storers: BTreeMap<Target, Storers>,
    upkeep: Upkeep,
    candidates: Candidates,
    introductions: Introductions,
    introducing: Introducing,
    calls: Calls,
    next_id: u64,
    /// When the machine expected to be called next.
    expected: Option<Instant>,
    /// When this node last seemed to be in another network.
    elsewhere_at: Option<Instant>,
    outputs: VecDeque<Output>,
    events: VecDeque<DhtEvent>,
}

impl Dht {
    /// A node that knows nobody. `public` is the owner's word that everyone can reach it.
    pub fn new(now: Instant, unix_time: u64, key: NodeKey, public: bool, random: Stream) -> Self {
        let me = NodeId::new(&key, IpAddr::from([0, 0, 0, 0]));
        Self {
            key,
            me,
            random,
            clock: (now, unix_time),
            table: Table::new(me),
            observed: Observed::new(public),
            store: Store::default(),
            statistics: Statistics::default(),
            asked: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            cookies: BTreeMap::new(),
            lookups: BTreeMap::new(),
            storing: BTreeMap::new(),
            storers: BTreeMap::new(),
            upkeep: Upkeep::new(now),
            candidates: Candidates::new(),
            introductions: Introductions::new(),
            introducing: Introducing::new(now),
            calls: Calls::default(),
            next_id: 0,
            expected: None,
            elsewhere_at: None,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The wall clock shows `unix_time`, in milliseconds.
    pub fn set_clock(&mut self, now: Instant, unix_time: u64) {
        self.clock = (now, unix_time);
    }

    /// The addresses of this node's sockets have changed: it is in another network, and answers to another key there.
    pub fn set_addresses(&mut self, now: Instant, key: NodeKey, own: Vec<SocketAddr>) {
        let reachable = own.iter().map(|own| own.ip()).max_by_key(|ip| Scope::of(*ip));
        if !self.observed.set_own(own) {
            return;
        }
        self.set_key(key, reachable);
        self.table.doubt_all();
        self.upkeep.join_again(now);
        self.events.push_back(DhtEvent::Moved);
        self.go_on(now);
    }

    /// After [`DhtEvent::Elsewhere`]: this node answers to another key from now on. What it has asked goes on.
    pub fn change_key(&mut self, now: Instant, key: NodeKey) {
        let ip = self.observed.agreed().map(|at| at.ip()).max_by_key(|ip| Scope::of(*ip));
        self.set_key(key, ip);
        self.tell_neighbours(now);
        self.go_on(now);
    }

    /// Whoever knew this node by the old one does not know it any more.
    fn set_key(&mut self, key: NodeKey, ip: Option<IpAddr>) {
        self.key = key;
        if let Some(ip) = ip {
            self.set_me(NodeId::new(&key, ip));
        }
        self.cookies.clear();
        self.storers.clear();
        self.forget_introducers();
        self.introducing.registry.clear();
        self.calls.clear();
    }

    /// The addresses of this node's sockets, as it was told last.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.observed.own()
    }

    /// What is to be sent next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has come of searches and the rest.
    pub fn poll_event(&mut self) -> Option<DhtEvent> {
        self.events.pop_front()
    }

    /// When to call [`Dht::handle_timeout`] next.
    pub fn next_time(&mut self, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let slow = self.lookups.values().filter_map(|lookup| lookup.next_time(now)).min();
        let times = [
            deadline,
            slow,
            self.upkeep.next_time(),
            self.candidates.next_time(now),
            self.introductions.next_time(),
            self.store.next_time(),
        ];
        let next = times.into_iter().flatten().min();
        self.expected = next;
        next
    }

    /// Time went on.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Late by more than any runtime is: the machine slept, and the world did not wait.
        if self.expected.take().is_some_and(|at| now.saturating_duration_since(at) > upkeep::SLEPT) {
            self.wake(now);
        }
        self.give_up(now);
        self.store.forget_expired(now);
        self.introducing.registry.forget_expired(now);
        self.go_on(now);
    }

    /// Does all that can be done now.
    fn go_on(&mut self, now: Instant) {
        self.run_upkeep(now);
        self.run_lookups(now);
        // A search that is over may have joined the network.
        self.run_introductions(now);
    }

    fn set_me(&mut self, me: NodeId) {
        self.me = me;
        self.table.rebase(me);
    }

    /// Unix milliseconds.
    fn unix_time(&self, now: Instant) -> u64 {
        let (since, unix_time) = self.clock;
        let passed = now.saturating_duration_since(since).as_millis();
        unix_time.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Whether so few nodes are known that all of them may be.
    fn is_small(&self) -> bool {
        self.table.len() < K
    }

    fn fresh(&mut self) -> u64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }

    fn nonce(&mut self) -> Nonce {
        Nonce(self.random.bytes())
    }
}

/// For those who look.
impl Dht {
    /// The key under which this node answers.
    pub fn key(&self) -> NodeKey {
        self.key
    }

    /// This node's id, as far as its address is known.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// Whether others ask this node.
    pub fn mode(&self) -> Mode {
        let server = self.observed.reachable(self.is_small()).next().is_some();
        if server { Mode::Server } else { Mode::Client }
    }

    /// The addresses at which others see this node.
    pub fn observed(&self) -> Vec<SocketAddr> {
        self.observed.agreed().collect()
    }

    /// The addresses at which everyone can reach this node.
    pub fn reachable(&self) -> Vec<SocketAddr> {
        self.observed.reachable(self.is_small()).collect()
    }

    /// The nodes that are known.
    pub fn nodes(&self) -> Vec<NodeView> {
        let view = |entry: &super::table::Entry| NodeView {
            contact: entry.contact,
            answered: entry.answered,
            round_trip: entry.round_trip,
            good: entry.failures == 0,
        };
        self.table.entries().map(view).collect()
    }

    /// How many nodes are known.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no node is known.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Whether some node that was to be met may still answer.
    pub fn is_joining(&self) -> bool {
        self.upkeep.is_meeting() || self.asked.values().any(Asked::is_joining)
    }

    /// How many clients this node introduces.
    pub fn introduces(&self) -> usize {
        self.introducing.registry.len()
    }

    /// How many items are stored here for others.
    pub fn stored(&self) -> usize {
        self.store.len()
    }

    /// Whether something is stored here at a place.
    pub fn has(&self, now: Instant, target: &Target) -> bool {
        !self.store.get(now, target, 0).items.is_empty()
    }

    /// What was counted.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The same, to count in.
    pub fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }
}
