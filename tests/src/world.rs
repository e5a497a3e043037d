//! The world: hosts, links, virtual time, and the loop that drives every node by its contract.

mod drive;
mod guard;
mod network;
mod streams;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hither_protocol::identity::PeerId;
use hither_protocol::{Node, Surroundings};

use crate::disk::Disk;
use crate::host::{Host, HostId, HostSetup};
use crate::link::{Link, LinkConfig};
use crate::nat::Nat;
use crate::random::Random;
use crate::seeds::how_to_repeat;
use crate::transcript::Transcript;
use drive::Happening;
use guard::Guard;
pub use network::{Captured, Outside};
pub use streams::StreamId;
use streams::Streams;

/// A network of hosts in virtual time.
pub struct World {
    seed: u64,
    start: Instant,
    now: Duration,
    hosts: Vec<Host>,
    by_address: BTreeMap<SocketAddr, HostId>,
    /// One for each direction, made when it is first needed.
    links: BTreeMap<(HostId, HostId), Link>,
    streams: Streams,
    default_link: LinkConfig,
    queue: BTreeMap<(Duration, u64), Happening>,
    next_number: u64,
    timers: BTreeSet<(Duration, HostId)>,
    guard: Guard,
    outside: BTreeMap<SocketAddr, Outside>,
    captured: Option<Vec<Captured>>,
    counts: Counts,
    transcript: Transcript,
    buffer: Vec<u8>,
}

/// What happened so far, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes in them: UDP payload.
    pub bytes: u64,
    /// Datagrams that never arrived.
    pub dropped: u64,
    /// Bytes sent over byte streams.
    pub streamed: u64,
    /// Storage requests.
    pub requests: u64,
    /// Calls of `handle_timeout`.
    pub timeouts: u64,
}

impl World {
    /// An empty world, in which all that is random comes from `seed`. Hosts are linked to each other by
    /// [`LinkConfig::lan`] where nothing else is said.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            start: Instant::now(),
            now: Duration::ZERO,
            hosts: Vec::new(),
            by_address: BTreeMap::new(),
            links: BTreeMap::new(),
            streams: Streams::default(),
            default_link: LinkConfig::lan(),
            queue: BTreeMap::new(),
            next_number: 0,
            timers: BTreeSet::new(),
            guard: Guard::default(),
            outside: BTreeMap::new(),
            captured: None,
            counts: Counts::default(),
            transcript: Transcript::default(),
            buffer: Vec::new(),
        }
    }

    /// A host on the one local network, with received files going to [`RECEIVED`](crate::host::RECEIVED). Its node
    /// starts at once.
    pub fn add_host(&mut self, name: &str) -> HostId {
        self.add_host_with(name, |_| {})
    }

    /// A host that is set up by `setup` before its node starts.
    pub fn add_host_with(&mut self, name: &str, setup: impl FnOnce(&mut HostSetup)) -> HostId {
        let id = HostId(self.hosts.len());
        let mut host = HostSetup::new(self.seed, id);
        setup(&mut host);
        let host = Host::new(self.seed, id, name.to_owned(), host);
        self.by_address.insert(host.address, id);
        self.hosts.push(host);
        self.boot(id);
        id
    }

    /// Links two hosts by `config` from now on, in both directions.
    pub fn connect(&mut self, a: HostId, b: HostId, config: LinkConfig) {
        self.link(a, b).set_config(config.clone());
        self.link(b, a).set_config(config);
    }

    /// How hosts are linked that were not connected before, from now on.
    pub fn set_default_link(&mut self, config: LinkConfig) {
        self.default_link = config;
    }

    /// Takes the link between two hosts down.
    pub fn partition(&mut self, a: HostId, b: HostId) {
        self.link(a, b).set_up(false);
        self.link(b, a).set_up(false);
    }

    /// Brings it up again: each hears again what the other announces.
    pub fn heal(&mut self, a: HostId, b: HostId) {
        self.link(a, b).set_up(true);
        self.link(b, a).set_up(true);
        self.tell_of(a, Some(b));
        self.tell_of(b, Some(a));
    }

    /// The power of a host fails: its node is gone, and what its disk had not made durable. The others are told
    /// that its service vanished.
    pub fn crash(&mut self, id: HostId) {
        self.transcript.note(self.now, id, format_args!("crash"));
        self.halt(id);
        self.host_mut(id).disk.crash();
    }

    /// The node of a host is killed, by SIGKILL or by a panic: it says goodbye to nobody, and all that it wrote is still
    /// there. The others are told that its service vanished. [`World::restart`] starts it anew.
    pub fn kill(&mut self, id: HostId) {
        self.transcript.note(self.now, id, format_args!("kill"));
        self.halt(id);
        self.host_mut(id).disk.kill();
    }

    /// Starts the node of a host that is down again, on what its disk holds, as who it was.
    ///
    /// # Panics
    ///
    /// When the host is up.
    pub fn restart(&mut self, id: HostId) {
        assert!(!self.host(id).is_up(), "{:?} is up", self.host(id));
        self.boot(id);
    }

    /// Closes a node in order: it is driven until it is drained, for ten seconds at most, and is then gone.
    ///
    /// # Panics
    ///
    /// When it is not drained by then.
    pub fn shut_down(&mut self, id: HostId) {
        self.ask(id, |node, now| node.close(now));
        let drained = |world: &Self| world.host(id).node().is_some_and(Node::is_drained);
        self.expect_until("the node is drained", Duration::from_secs(10), drained);
        self.halt(id);
    }

    /// Sets a host's wall clock: milliseconds it is off from now on.
    pub fn set_skew(&mut self, id: HostId, skew: i64) {
        self.host_mut(id).skew = skew;
        let clock = self.host(id).unix_time(self.now);
        if self.host(id).is_up() {
            self.ask(id, |node, now| node.handle_surroundings(now, Surroundings::Clock(clock)));
        }
    }

    /// Moves a host to another address, as a new network gives it one, and tells its node. Behind a router it is the router
    /// that has another, which nobody says, and knows nothing of what it let through before. Gives the address.
    pub fn readdress(&mut self, id: HostId, address: SocketAddr) -> SocketAddr {
        let host = self.host_mut(id);
        let old = std::mem::replace(&mut host.address, address);
        let behind = host.nat.as_mut().map(Nat::restart).is_some();
        self.by_address.remove(&old);
        self.by_address.insert(address, id);
        if behind {
            return address;
        }
        self.ask(id, |node, now| node.handle_surroundings(now, Surroundings::Addresses(vec![address])));
        address
    }

    /// Asks a node for something, and carries out what comes of it.
    ///
    /// # Panics
    ///
    /// When the host is down.
    pub fn ask<R>(&mut self, id: HostId, question: impl FnOnce(&mut Node, Instant) -> R) -> R {
        let now = self.instant(self.now);
        let host = self.host_mut(id);
        let Some(node) = &mut host.node else { panic!("{host:?} is down") };
        let answer = question(node, now);
        self.drive(id);
        answer
    }

    /// Virtual time since the world began.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// A host.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    /// A host, to change. What is changed shows when its node next does something.
    pub fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0]
    }

    /// A host's disk.
    pub fn disk(&mut self, id: HostId) -> &mut Disk {
        &mut self.host_mut(id).disk
    }

    /// Who a host is.
    pub fn peer(&self, id: HostId) -> PeerId {
        self.host(id).peer()
    }

    /// Every host.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len()).map(HostId)
    }

    /// What happened so far, in numbers.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A hash over all that happened: every datagram, storage request and event, with its time.
    pub fn transcript(&self) -> blake3::Hash {
        self.transcript.hash()
    }

    fn instant(&self, at: Duration) -> Instant {
        self.start + at
    }

    fn link(&mut self, from: HostId, to: HostId) -> &mut Link {
        let (seed, config) = (self.seed, &self.default_link);
        self.links.entry((from, to)).or_insert_with(|| {
            Link::new(config.clone(), Random::named(seed, &[0x117c, from.0 as u64, to.0 as u64]))
        })
    }
}

impl Drop for World {
    /// Says how to repeat a failing run.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, now, counts, .. } = self;
            eprintln!("world of seed {seed} at {now:?}: {counts:?}");
            eprintln!("where the test runs several seeds: {}", how_to_repeat(*seed));
        }
    }
}
