//! The scale tier: thousands of the table's machines over a fake link that carries parsed messages.
//!
//! A [`Swarm`] has no datagrams, seals or disks: a query that a machine wants sent arrives as it is at the machine at that
//! address, after a while, or is lost. So ten thousand nodes fit in one test. Everything random comes from the seed.
//! [`Wire::Datagrams`] puts the real seals in between, for what those cost.

pub mod calls;
pub mod cases;
mod liars;
mod life;
mod people;
mod wire;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use hither_protocol::dht::{Dht, DhtEvent, Item, LookupId, NodeKey, Nonce, StoreId, Target};
use hither_protocol::entropy::{Entropy, Seed};

use crate::random::Random;
pub use life::Sessions;
use people::Owner;
pub use wire::Wire;
use wire::{Edge, Message};

/// The wall clock at which a swarm begins: Unix milliseconds, noon of a day.
const NOON: u64 = 20_000 * 86_400_000 + 43_200_000;

/// A network of nodes.
pub struct Swarm {
    seed: u64,
    start: Instant,
    now: Duration,
    random: Random,
    peers: Vec<Peer>,
    by_address: HashMap<SocketAddr, PeerIndex>,
    queue: BinaryHeap<Reverse<Happening>>,
    next: u64,
    link: Link,
    wire: Wire,
    /// What is done in which half of a partition, while there is one.
    parted: Option<fn(PeerIndex) -> bool>,
    counts: Counts,
}

/// Names a node of a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerIndex(pub usize);

/// How messages travel.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Probability that one is lost.
    pub loss: f64,
    /// The longest way across the world, one way; nodes are at random places of it.
    pub across: Duration,
    /// Up to so much is added, anew for each message.
    pub jitter: Duration,
}

impl Default for Link {
    fn default() -> Self {
        Self { loss: 0.01, across: Duration::from_millis(150), jitter: Duration::from_millis(20) }
    }
}

/// What happened, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages sent.
    pub messages: u64,
    /// Bytes of them, where they are datagrams.
    pub bytes: u64,
}

/// What came of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// In which round the first item was found.
    pub found_in: Option<u8>,
    /// How long that took.
    pub after: Option<Duration>,
    /// Nodes that were asked.
    pub asked: u32,
}

struct Peer {
    dht: Option<Dht>,
    edge: Edge,
    address: SocketAddr,
    place: (f64, f64),
    /// Counts its starts: what was meant for an earlier one does not reach it.
    life: u32,
    liar: bool,
    /// Whether a NAT keeps out everyone it has not written to.
    heard_from: Option<BTreeMap<SocketAddr, Duration>>,
    network: u8,
    wakes_at: Option<Duration>,
    found: BTreeMap<LookupId, (Duration, Option<Duration>, Vec<Item>)>,
    over: BTreeMap<LookupId, Outcome>,
    /// Whose machine it is, once they have done something.
    owner: Option<Owner>,
    stored: BTreeMap<StoreId, usize>,
    /// Where those are said to be whom it called.
    callees: BTreeMap<Nonce, BTreeSet<SocketAddr>>,
    joined: Option<Duration>,
    /// Whom it was told of when it last started.
    told: Vec<SocketAddr>,
    sent: u64,
}

struct Happening {
    at: Duration,
    number: u64,
    what: What,
}

enum What {
    Arrives { from: SocketAddr, to: SocketAddr, message: Box<Message> },
    Wakes(PeerIndex),
}

impl PartialEq for Happening {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Happening {}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Happening {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How a node is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// It lies, withholds and answers with its like.
    pub liar: bool,
    /// It is behind a NAT that keeps strangers out.
    pub behind_nat: bool,
    /// Which network it belongs to.
    pub network: u8,
}

impl Swarm {
    /// An empty network.
    pub fn new(seed: u64, wire: Wire) -> Self {
        Self {
            seed,
            start: Instant::now(),
            now: Duration::ZERO,
            random: Random::named(seed, &[0x5a]),
            peers: Vec::new(),
            by_address: HashMap::new(),
            queue: BinaryHeap::new(),
            next: 0,
            link: Link::default(),
            wire,
            parted: None,
            counts: Counts::default(),
        }
    }

    /// So many nodes that join one after the other, each through three of those before it, and some time for them to
    /// settle in.
    pub fn grown(seed: u64, wire: Wire, count: usize, setup: impl Fn(usize) -> Setup) -> Self {
        let mut swarm = Self::new(seed, wire);
        for number in 0..count {
            let known = swarm.some_addresses(3);
            swarm.add(setup(number), &known);
            swarm.run_for(Duration::from_millis(20));
        }
        swarm.run_for(Duration::from_secs(120));
        swarm
    }

    /// How messages travel from now on.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// A node at a global address, which is told of these.
    pub fn add(&mut self, setup: Setup, known: &[SocketAddr]) -> PeerIndex {
        let address = self.fresh_address();
        self.add_at(address, setup, known)
    }

    /// The same at a given address.
    pub fn add_at(&mut self, address: SocketAddr, setup: Setup, known: &[SocketAddr]) -> PeerIndex {
        let index = PeerIndex(self.peers.len());
        let place = (self.unit(), self.unit());
        self.peers.push(Peer {
            dht: None,
            edge: Edge::Open,
            address,
            place,
            life: 0,
            liar: setup.liar,
            heard_from: setup.behind_nat.then(BTreeMap::new),
            network: setup.network,
            wakes_at: None,
            found: BTreeMap::new(),
            over: BTreeMap::new(),
            owner: None,
            stored: BTreeMap::new(),
            callees: BTreeMap::new(),
            joined: None,
            told: Vec::new(),
            sent: 0,
        });
        self.by_address.insert(address, index);
        self.boot(index, known);
        index
    }

    /// Starts a node that is down, under a new key.
    pub fn boot(&mut self, index: PeerIndex, known: &[SocketAddr]) {
        let now = self.instant();
        let unix_time = self.unix_time();
        let (seed, wire) = (self.seed, self.wire);
        let peer = &mut self.peers[index.0];
        peer.life += 1;
        peer.told = known.to_vec();
        let mut random = Random::named(seed, &[0xd4, index.0 as u64, u64::from(peer.life)]);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&random.bytes(32));
        let mut entropy = Entropy::new(Seed::new(bytes));
        peer.edge = Edge::new(wire, now, peer.network, &mut entropy);
        let key = peer.edge.key().unwrap_or_else(|| NodeKey(entropy.stream("key").bytes()));
        let mut dht = Dht::new(now, unix_time, key, false, entropy.stream("dht"));
        // Behind a NAT its own address is a private one.
        let own = match &peer.heard_from {
            Some(_) => SocketAddr::new(IpAddr::from([192, 168, 1, 2]), peer.address.port()),
            None => peer.address,
        };
        dht.set_addresses(now, key, vec![own]);
        for address in known {
            dht.meet(now, *address);
        }
        peer.dht = Some(dht);
        self.drive(index);
    }

    /// Ends a node without a word.
    pub fn kill(&mut self, index: PeerIndex) {
        let peer = &mut self.peers[index.0];
        peer.dht = None;
        peer.wakes_at = None;
        peer.joined = None;
    }

    /// Whether a node stores something at a place.
    pub fn holds(&self, index: PeerIndex, target: &Target) -> bool {
        self.dht(index).has(self.instant(), target)
    }

    /// Whether a node is up.
    pub fn is_up(&self, index: PeerIndex) -> bool {
        self.peers[index.0].dht.is_some()
    }

    /// All nodes that are up.
    pub fn up(&self) -> Vec<PeerIndex> {
        (0..self.peers.len()).map(PeerIndex).filter(|index| self.is_up(*index)).collect()
    }

    /// Addresses of some nodes that are up, as a new node might have them from somewhere.
    pub fn some_addresses(&mut self, count: usize) -> Vec<SocketAddr> {
        self.some_addresses_of(None, count)
    }

    /// The same, of the nodes of one network.
    pub fn some_addresses_of(&mut self, network: Option<u8>, count: usize) -> Vec<SocketAddr> {
        let all = self.peers.len() as u64;
        let mut addresses = Vec::new();
        for _ in 0..count * 8 {
            if addresses.len() >= count || all == 0 {
                break;
            }
            let chosen = PeerIndex(self.random.below(all) as usize);
            let peer = &self.peers[chosen.0];
            let fits = peer.heard_from.is_none() && network.is_none_or(|it| it == peer.network);
            if self.is_up(chosen) && fits && !addresses.contains(&peer.address) {
                addresses.push(peer.address);
            }
        }
        addresses
    }

    /// One of the nodes that are up and honest.
    pub fn somebody(&mut self) -> PeerIndex {
        loop {
            let chosen = PeerIndex(self.random.below(self.peers.len() as u64) as usize);
            if self.is_up(chosen) && !self.peers[chosen.0].liar {
                return chosen;
            }
        }
    }

    /// Whether a node was told of liars and of nobody else.
    pub fn is_misled(&self, index: PeerIndex) -> bool {
        let told = &self.peers[index.0].told;
        !told.is_empty() && told.iter().all(|it| self.peers[self.by_address[it].0].liar)
    }

    /// Parts the network into those of which `half` is true and the rest, or makes it whole again.
    pub fn part(&mut self, half: Option<fn(PeerIndex) -> bool>) {
        self.parted = half;
    }

    /// A node's machine.
    ///
    /// # Panics
    ///
    /// When the node is down.
    pub fn dht(&self, index: PeerIndex) -> &Dht {
        self.peers[index.0].dht.as_ref().expect("the node is up")
    }

    /// A node's address.
    pub fn address(&self, index: PeerIndex) -> SocketAddr {
        self.peers[index.0].address
    }

    /// Which network a node belongs to.
    pub fn network_of(&self, index: PeerIndex) -> u8 {
        self.peers[index.0].network
    }

    /// Which network a node at an address belongs to.
    pub fn network_at(&self, address: SocketAddr) -> Option<u8> {
        self.by_address.get(&address).map(|index| self.network_of(*index))
    }

    /// When a node had joined.
    pub fn joined(&self, index: PeerIndex) -> Option<Duration> {
        self.peers[index.0].joined
    }

    /// Messages that a node has sent.
    pub fn sent(&self, index: PeerIndex) -> u64 {
        self.peers[index.0].sent
    }

    /// Does something with a node's machine.
    pub fn ask<R>(&mut self, index: PeerIndex, question: impl FnOnce(&mut Dht, Instant) -> R) -> R {
        let now = self.instant();
        let answer = question(self.peers[index.0].dht.as_mut().expect("the node is up"), now);
        self.drive(index);
        answer
    }

    /// Has a node store something.
    pub fn store(&mut self, index: PeerIndex, item: Item) -> StoreId {
        self.ask(index, |dht, now| dht.store(now, item)).expect("there is room for one more")
    }

    /// How many copies there are of what a node had stored, once that is known.
    pub fn copies(&self, index: PeerIndex, store: StoreId) -> Option<usize> {
        self.peers[index.0].stored.get(&store).copied()
    }

    /// Begins a search.
    pub fn find(&mut self, index: PeerIndex, target: Target) -> LookupId {
        let now = self.now;
        let id = self.ask(index, |dht, now| dht.find(now, target)).expect("there is room for one more");
        self.peers[index.0].found.entry(id).or_insert((now, None, Vec::new())).0 = now;
        id
    }

    /// What came of a search that is over, and all that was found.
    pub fn outcome(&mut self, index: PeerIndex, lookup: LookupId) -> Option<(Outcome, Vec<Item>)> {
        let peer = &mut self.peers[index.0];
        let outcome = peer.over.remove(&lookup)?;
        let (_, _, items) = peer.found.remove(&lookup).unwrap_or_default();
        Some((outcome, items))
    }

    /// Virtual time since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The wall clock: Unix milliseconds.
    pub fn unix_time(&self) -> u64 {
        NOON + u64::try_from(self.now.as_millis()).expect("a swarm does not live so long")
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at > end {
                break;
            }
            let Some(Reverse(Happening { at, what, .. })) = self.queue.pop() else { break };
            self.now = at;
            self.happen(what);
        }
        self.now = end;
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Wakes(index) => {
                let (now, at) = (self.instant(), self.now);
                let peer = &mut self.peers[index.0];
                if peer.wakes_at.is_some_and(|due| due <= at)
                    && let Some(dht) = &mut peer.dht
                {
                    peer.wakes_at = None;
                    dht.handle_timeout(now);
                    self.drive(index);
                }
            }
            What::Arrives { from, to, message } => self.arrive(from, to, *message),
        }
    }

    fn schedule(&mut self, at: Duration, what: What) {
        self.next += 1;
        self.queue.push(Reverse(Happening { at, number: self.next, what }));
    }

    /// Carries out what a node wants.
    fn drive(&mut self, index: PeerIndex) {
        let (now, at) = (self.instant(), self.now);
        loop {
            while let Some(dht) = &mut self.peers[index.0].dht
                && let Some(output) = dht.poll_output()
            {
                self.send_output(index, output);
            }
            let peer = &mut self.peers[index.0];
            let Some(event) = peer.dht.as_mut().and_then(Dht::poll_event) else { break };
            match event {
                DhtEvent::Found { lookup, item } => {
                    let found = peer.found.entry(lookup).or_insert((at, None, Vec::new()));
                    found.1.get_or_insert(at);
                    if !found.2.contains(&item) {
                        found.2.push(item);
                    }
                }
                DhtEvent::Over { lookup, found_in, asked, .. } => {
                    let found = peer.found.get(&lookup);
                    let after = found.and_then(|(begun, first, _)| Some((*first)? - *begun));
                    // What lay here was found before anyone was asked.
                    let found_in = found_in.or(after.map(|_| 0));
                    peer.over.insert(lookup, Outcome { found_in, after, asked });
                }
                DhtEvent::Stored { store, copies } => {
                    peer.stored.insert(store, copies);
                }
                DhtEvent::Joined => peer.joined = Some(at),
                DhtEvent::Called { by, from, call } => self.called(index, by, from, &call),
                DhtEvent::CalleeAt { nonce, at } => self.callee_at(index, nonce, at),
                DhtEvent::Elsewhere => self.change_key(index),
                DhtEvent::Moved | DhtEvent::Introducers => {}
            }
        }
        let peer = &mut self.peers[index.0];
        let Some(dht) = &mut peer.dht else { return };
        let next = dht.next_time(now).map(|next| next.saturating_duration_since(self.start).max(at));
        if let Some(next) = next
            && peer.wakes_at.is_none_or(|due| next < due)
        {
            peer.wakes_at = Some(next);
            self.schedule(next, What::Wakes(index));
        }
    }

    fn instant(&self) -> Instant {
        self.start + self.now
    }

    fn unit(&mut self) -> f64 {
        self.random.below(1 << 20) as f64 / f64::from(1 << 20)
    }

    /// A global address that no node has; whole neighbourhoods are unlikely, as in the world.
    fn fresh_address(&mut self) -> SocketAddr {
        loop {
            let [_, b, c, d] = (self.random.number() as u32).to_be_bytes();
            let a = 11 + self.random.below(88) as u8;
            let address = SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), 4242);
            if !self.by_address.contains_key(&address) {
                return address;
            }
        }
    }
}
