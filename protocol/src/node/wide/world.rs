//! What is asked of Mainline: whom to begin with, and records where no node of the table has any.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use super::Wide;
use crate::dht::{BlindedId, BlindedIdentity, Mode, Period, Record, RecordKind, Scope};
use crate::identity::PeerId;
use crate::node::{Node, WorldAnswer, WorldId, WorldRequest};
use crate::noise::quic::NetworkId;

/// Requests that wait to be fetched; more are dropped.
const MAX_WAITING: usize = 64;
/// How long nearer ways have before Mainline is asked whom to begin with.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two requests for one peer, however soon the first was over.
const PEER_EVERY: Duration = Duration::from_secs(15);
/// Between two such questions, and between two announcements.
const FIND_EVERY: Duration = Duration::from_secs(5 * 60);
const ANNOUNCE_EVERY: Duration = Duration::from_secs(20 * 60);
/// Addresses of others that are met at once.
const MAX_MET: usize = 32;

/// Requests to Mainline.
#[derive(Debug)]
pub(super) struct World {
    next: u64,
    waiting: VecDeque<(WorldId, WorldRequest)>,
    asked: BTreeMap<WorldId, Asked>,
    /// Whom it was asked for, and when it may be asked again.
    peers: BTreeMap<PeerId, Instant>,
    find_at: Instant,
    announce_at: Instant,
    reached: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Peer(PeerId),
    Nodes,
    Told,
}

impl World {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: 0,
            waiting: VecDeque::new(),
            asked: BTreeMap::new(),
            peers: BTreeMap::new(),
            find_at: now.checked_add(PATIENCE).unwrap_or(now),
            announce_at: now,
            reached: None,
        }
    }

    fn ask(&mut self, request: WorldRequest, asked: Asked) {
        if self.waiting.len() < MAX_WAITING {
            self.next = self.next.saturating_add(1);
            let id = WorldId(self.next);
            self.asked.insert(id, asked);
            self.waiting.push_back((id, request));
        }
    }

    /// A record of this node is to be found there too.
    pub(super) fn publish(&mut self, identity: &BlindedIdentity, record: &Record) {
        let (value, sequence) = (record.encode(), record.sequence());
        let signature = identity.sign_item(sequence, &value);
        let key = *identity.id().key();
        self.ask(WorldRequest::Put { key, sequence, value, signature }, Asked::Told);
    }

    /// Whether any node of Mainline has answered the last request that is over.
    pub(super) fn reached(&self) -> Option<bool> {
        self.reached
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        self.peers.values().copied().chain([self.find_at, self.announce_at]).min()
    }
}

impl Node {
    /// Mainline out: a request to BitTorrent's worldwide DHT. A runtime without it answers each with
    /// [`WorldAnswer::Over`].
    pub fn poll_worldwide(&mut self) -> Option<(WorldId, WorldRequest)> {
        self.wide.as_mut()?.world.waiting.pop_front()
    }

    /// Mainline in: an answer.
    pub fn handle_worldwide(&mut self, now: Instant, id: WorldId, answer: WorldAnswer) {
        if let Some(mut wide) = self.wide.take() {
            self.world_answered(now, &mut wide, id, answer);
            self.wide = Some(wide);
        }
        self.turn(now);
    }

    fn world_answered(&mut self, now: Instant, wide: &mut Wide, id: WorldId, answer: WorldAnswer) {
        let Some(asked) = wide.world.asked.get(&id).copied() else { return };
        match (answer, asked) {
            (WorldAnswer::Values(values), Asked::Peer(peer)) => {
                for record in values.iter().filter_map(|(_, value)| Record::parse(value).ok()) {
                    self.record_found(now, wide, peer, &record);
                }
            }
            (WorldAnswer::Peers(addresses), Asked::Nodes) => {
                for address in addresses.into_iter().take(MAX_MET) {
                    // Anyone can claim any address there: only public ones are sent anything.
                    let fits = wide.only_loopback || Scope::of(address.ip()) == Scope::Global;
                    if fits {
                        wide.dht.meet(now, address);
                    }
                }
            }
            (WorldAnswer::Over { reached }, _) => {
                wide.world.asked.remove(&id);
                wide.world.reached = Some(reached);
            }
            _ => {}
        }
    }

    pub(super) fn run_world(&mut self, now: Instant, wide: &mut Wide) {
        let far = now.checked_add(ANNOUNCE_EVERY).unwrap_or(now);
        if !wide.config.mainline {
            wide.world.waiting.clear();
            wide.world.asked.clear();
            (wide.world.find_at, wide.world.announce_at) = (far, far);
            return;
        }
        let unix_time = self.unix_time(now);
        let missed: Vec<PeerId> = wide.finding.missed().collect();
        wide.world.peers.retain(|_, again| *again > now);
        for peer in missed {
            if let Entry::Vacant(again) = wide.world.peers.entry(peer) {
                again.insert(now.checked_add(PEER_EVERY).unwrap_or(now));
                for period in [Period::of(unix_time), Period::nearer_neighbour(unix_time)] {
                    let id = BlindedId::new(&peer, RecordKind::Addresses, period, &wide.network);
                    wide.world.ask(WorldRequest::Get { key: *id.key() }, Asked::Peer(peer));
                }
            }
        }
        if wide.world.find_at <= now {
            wide.world.find_at = now.checked_add(FIND_EVERY).unwrap_or(now);
            if wide.dht.is_empty() {
                let topic = topic(&wide.network, Period::of(unix_time));
                wide.world.ask(WorldRequest::Find { topic }, Asked::Nodes);
            }
        }
        if wide.world.announce_at <= now {
            wide.world.announce_at = far;
            let global = |it: &std::net::SocketAddr| it.is_ipv4() && publishable_everywhere(it, wide);
            let port = wide.dht.reachable().into_iter().find(global).map(|it| it.port());
            if let Some(port) = port.and_then(NonZeroU16::new)
                && wide.dht.mode() == Mode::Server
            {
                for period in [Period::of(unix_time), Period::nearer_neighbour(unix_time)] {
                    let topic = topic(&wide.network, period);
                    wide.world.ask(WorldRequest::Announce { topic, port }, Asked::Told);
                }
            } else {
                // Not reachable yet: looked at again soon.
                wide.world.announce_at = now.checked_add(PATIENCE.saturating_mul(15)).unwrap_or(now);
            }
        }
    }
}

fn publishable_everywhere(address: &std::net::SocketAddr, wide: &Wide) -> bool {
    crate::dht::publishable(*address, wide.only_loopback)
}

/// Under which topic nodes of the table find each other on a day.
fn topic(network: &NetworkId, period: Period) -> [u8; 20] {
    let mut topic = [0; 20];
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 mainline topic");
    hasher.update(&network.0).update(&period.0.to_be_bytes()).finalize_xof().fill(&mut topic);
    topic
}
