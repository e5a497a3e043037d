//! A host: an identity, a disk, addresses, and a node while it is up.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::{Announcement, Config, Event, Node, Rules, Why};

use crate::disk::Disk;
use crate::nat::{Nat, NatKind};
use crate::random::Random;

/// Names a host of a world, in the order they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where received files go, unless the setup says otherwise.
pub const RECEIVED: &str = "/received";

/// Unix milliseconds at which every world begins.
pub const EPOCH: u64 = 1_800_000_000_000;

/// What a host is like; see [`World::add_host_with`](crate::World::add_host_with).
#[derive(Debug)]
pub struct HostSetup {
    /// What its node is told at each start.
    pub config: Config,
    /// Its disk, empty.
    pub disk: Disk,
    /// The local network it is on, if it is on one. Hosts on the same one hear each other's announcements.
    pub segment: Option<u8>,
    /// How far its wall clock is off, in milliseconds.
    pub skew: i64,
    /// The router that it is behind, if it is behind one. No byte streams are opened to such a host.
    pub nat: Option<NatKind>,
}

/// An event and when it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Virtual time.
    pub at: Duration,
    /// The how-manieth start of the host it was, from 1.
    pub boot: u32,
    /// What the node said.
    pub event: Event,
}

/// A host.
pub struct Host {
    /// What it is called in messages to the reader.
    pub name: String,
    /// What its node is told at the next start.
    pub config: Config,
    /// Its disk.
    pub disk: Disk,
    /// Whether byte streams can be opened to it.
    pub streams: bool,
    pub(crate) segment: Option<u8>,
    pub(crate) skew: i64,
    pub(crate) nat: Option<Nat>,
    pub(crate) address: SocketAddr,
    pub(crate) peer: PeerId,
    pub(crate) boots: u32,
    pub(crate) node: Option<Node>,
    pub(crate) timer: Option<(Duration, Why)>,
    pub(crate) announced: Vec<Announcement>,
    pub(crate) events: Vec<Seen>,
    /// Which events [`World::expect`](crate::World::expect) has returned.
    pub(crate) taken: BTreeSet<usize>,
    pub(crate) forbidden: Vec<Forbidden>,
    seed: u64,
}

/// What a host must never say.
pub(crate) struct Forbidden {
    pub(crate) what: &'static str,
    pub(crate) is: Box<dyn Fn(&Event) -> bool>,
}

impl HostSetup {
    pub(crate) fn new(world_seed: u64, id: HostId) -> Self {
        let rules = Rules { into: Some(PathBuf::from(RECEIVED)), ..Rules::default() };
        Self {
            config: Config { agent: "hither-tests".into(), rules, ..Config::default() },
            disk: Disk::new(Random::named(world_seed, &[0xd15c, id.0 as u64])),
            segment: Some(0),
            skew: 0,
            nat: None,
        }
    }
}

impl Host {
    pub(crate) fn new(world_seed: u64, id: HostId, name: String, setup: HostSetup) -> Self {
        let HostSetup { config, disk, segment, skew, nat } = setup;
        let address = address(segment, id);
        Self {
            name,
            config,
            disk,
            streams: nat.is_none(),
            nat: nat.map(Nat::new),
            segment,
            skew,
            address,
            peer: identity(world_seed, id).peer_id(),
            boots: 0,
            node: None,
            timer: None,
            announced: Vec::new(),
            events: Vec::new(),
            taken: BTreeSet::new(),
            forbidden: Vec::new(),
            seed: world_seed,
        }
    }

    /// Who it is.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Its one address, or that of the router that it is behind.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that it has itself.
    pub(crate) fn own_address(&self) -> SocketAddr {
        self.nat.as_ref().map_or(self.address, |_| Nat::inside(self.address.port()))
    }

    /// Whether its node runs.
    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// Its node, while it runs; to look at.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// What its node announces on the local network.
    pub fn announced(&self) -> &[Announcement] {
        &self.announced
    }

    /// Everything its nodes ever said.
    pub fn events(&self) -> &[Seen] {
        &self.events
    }

    /// How many events are of a kind.
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|seen| is(&seen.event)).count()
    }

    /// What its clock shows when so much virtual time has passed: Unix milliseconds.
    pub fn unix_time(&self, now: Duration) -> u64 {
        let passed = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        EPOCH.saturating_add(passed).saturating_add_signed(self.skew)
    }

    /// Starts the node, with fresh randomness each time.
    pub(crate) fn boot(&mut self, id: HostId, now: Instant, unix_time: u64) {
        self.boots += 1;
        let seed = seed("node", self.seed, id, self.boots);
        self.node = Some(Node::new(self.config.clone(), identity(self.seed, id), seed, now, unix_time));
    }

    /// The node is gone, and what it announced with it.
    pub(crate) fn halt(&mut self) -> Vec<Announcement> {
        self.node = None;
        self.timer = None;
        std::mem::take(&mut self.announced)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, started {} times, up: {}", self.name, self.address, self.boots, self.is_up())
    }
}

/// Private addresses on a segment, public ones of all kinds of neighbourhoods elsewhere.
fn address(segment: Option<u8>, id: HostId) -> SocketAddr {
    let number = u16::try_from(id.0 + 1).expect("at most 65,535 hosts");
    let [high, low] = number.to_be_bytes();
    let ip = segment.map_or(Ipv4Addr::new(5, low, 45, high), |segment| Ipv4Addr::new(10, segment, high, low));
    SocketAddr::new(IpAddr::V4(ip), 4919)
}

fn identity(world_seed: u64, id: HostId) -> Identity {
    Identity::generate(&mut Entropy::new(seed("identity", world_seed, id, 0)).stream("identity"))
}

fn seed(purpose: &str, world_seed: u64, id: HostId, boot: u32) -> Seed {
    let input = format!("{purpose} {world_seed} {id} {boot}");
    Seed::new(blake3::derive_key("hither tests v1 seed", input.as_bytes()))
}
