//! Beyond the local network: the table of nodes, and what this node has it do.
//!
//! The machine in [`dht`](crate::dht) searches and stores; here is decided what for: the records under which this node is
//! found, the peers that are looked for, the notes of codes, and whom to begin with. Mainline serves where no node is
//! known yet.

mod calling;
mod finding;
mod meeting;
mod publishing;
mod user;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use x25519_dalek::StaticSecret;

pub use user::{NetworkView, WideConfig};

use self::calling::Callees;
use self::finding::Finding;
use self::meeting::Notes;
use self::publishing::Publishing;
use self::world::World;
use super::{Closing, Node, State};
use crate::dht::{
    Datagrams, Dht, DhtEvent, Gate, Item, LookupId, NodeKey, Opened, Output, RequestId, StoreId, Transaction,
    is_ours,
};
use crate::entropy::{Entropy, Stream};
use crate::identity::Identity;
use crate::noise::quic::NetworkId;
use crate::storage::{Change, Record, Table, Work};
use crate::wire::RememberedNodes;
use crate::{Received, Transmit, Why};

/// Datagrams of the table that wait to be sent; more are dropped, as the network might.
const MAX_OUTGOING: usize = 512;
/// Between two times that the nodes worth remembering are kept.
const REMEMBER: Duration = Duration::from_secs(10 * 60);
/// Under this key they are.
const REMEMBERED: &[u8] = b"nodes";
/// Addresses of one neighbour on the local network that are met.
const OF_NEIGHBOUR: usize = 4;

/// What a node has to do with the table.
pub(super) struct Wide {
    config: WideConfig,
    network: NetworkId,
    me: Arc<Identity>,
    random: Stream,
    dht: Dht,
    datagrams: Datagrams,
    gate: Gate,
    asked: BTreeMap<RequestId, Transaction>,
    transactions: BTreeMap<Transaction, RequestId>,
    outgoing: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Whether all of this node's addresses are loopback: then that is its world.
    only_loopback: bool,
    purposes: BTreeMap<LookupId, For>,
    stores: BTreeMap<StoreId, Stored>,
    finding: Finding,
    callees: Callees,
    publishing: Publishing,
    notes: Notes,
    world: World,
    remember_at: Instant,
    remembered: Vec<SocketAddr>,
}

/// What a search is for.
#[derive(Debug, Clone, Copy)]
enum For {
    /// Where a peer is.
    Peer(crate::identity::PeerId),
    /// Whether this node is found.
    Oneself(Instant),
    /// Who has left a card at the place of a code.
    Code(crate::pairing::Place),
}

/// What is being stored.
#[derive(Debug, Clone, Copy)]
enum Stored {
    Record,
    Note,
}

impl Wide {
    pub(super) fn new(
        config: WideConfig,
        me: Arc<Identity>,
        entropy: &mut Entropy,
        now: Instant,
        unix_time: u64,
    ) -> Self {
        let network = NetworkId::default();
        let mut random = entropy.stream("table of nodes");
        let secret = StaticSecret::from(random.bytes::<32>());
        let datagrams = Datagrams::new(network, secret, entropy.stream("table datagrams"));
        let machine = entropy.stream("table machine");
        let mut dht = Dht::new(now, unix_time, datagrams.key(), config.public, machine);
        dht.be_introduced(now, config.publish);
        Self {
            gate: Gate::new(now, &mut random),
            finding: Finding::default(),
            callees: Callees::default(),
            publishing: Publishing::default(),
            notes: Notes::default(),
            world: World::new(now),
            config,
            network,
            me,
            random,
            dht,
            datagrams,
            asked: BTreeMap::new(),
            transactions: BTreeMap::new(),
            outgoing: VecDeque::new(),
            only_loopback: false,
            purposes: BTreeMap::new(),
            stores: BTreeMap::new(),
            remember_at: now.checked_add(REMEMBER).unwrap_or(now),
            remembered: Vec::new(),
        }
    }

    pub(super) fn mix(&mut self, fresh: &[u8; 32]) {
        self.random.mix(fresh);
        self.datagrams.mix(fresh);
    }

    /// These are the addresses of the sockets. At others it is another node, under another key, so that nobody can follow it
    /// there.
    pub(super) fn set_addresses(&mut self, now: Instant, addresses: &[SocketAddr]) {
        let scope = |address: &SocketAddr| crate::dht::Scope::of(address.ip());
        self.only_loopback =
            !addresses.is_empty() && addresses.iter().all(|it| scope(it) == crate::dht::Scope::Loopback);
        if addresses != self.dht.addresses() {
            let key = self.new_key();
            self.datagrams.forget_all();
            self.asked.clear();
            self.transactions.clear();
            self.dht.set_addresses(now, key, addresses.to_vec());
        }
        for address in self.config.bootstrap.clone() {
            self.dht.meet(now, address);
        }
    }

    /// This may be another network, though the addresses are the same.
    fn change_key(&mut self, now: Instant) {
        // What is to be sent may name the old one.
        self.seal(now);
        let key = self.new_key();
        self.dht.change_key(now, key);
    }

    fn new_key(&mut self) -> NodeKey {
        self.datagrams.renew();
        self.gate.renew(&mut self.random);
        self.datagrams.key()
    }

    /// Somebody is near.
    pub(super) fn met(&mut self, now: Instant, addresses: &[SocketAddr]) {
        for address in addresses.iter().take(OF_NEIGHBOUR) {
            self.dht.meet(now, *address);
        }
    }

    /// One datagram of the table has come.
    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let opened = self.datagrams.open(now, from, datagram, &mut self.gate, self.dht.statistics_mut());
        match opened {
            Some(Opened::Query { query, proven, reply }) => {
                let cookie = self.gate.cookie(now, from);
                let response = self.dht.handle_query(now, from, proven, cookie, query);
                if let Some(datagram) = self.datagrams.reply(reply, &response) {
                    self.send(from, datagram);
                }
            }
            Some(Opened::Response { transaction, response }) => {
                if let Some(id) = self.take(transaction) {
                    self.dht.handle_response(now, id, response);
                }
            }
            Some(Opened::Hello { reply }) => self.send(from, reply),
            Some(Opened::Greeted { transaction, key, .. }) => {
                if let Some(id) = self.take(transaction) {
                    self.dht.handle_greeting(now, id, key);
                }
            }
            None => {}
        }
    }

    fn take(&mut self, transaction: Transaction) -> Option<RequestId> {
        let id = self.transactions.remove(&transaction)?;
        self.asked.remove(&id);
        Some(id)
    }

    fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.outgoing.len() < MAX_OUTGOING {
            self.dht.statistics_mut().sent(datagram.len());
            self.outgoing.push_back((to, datagram));
        }
    }

    /// Seals what the machine wants sent.
    fn seal(&mut self, now: Instant) {
        while let Some(output) = self.dht.poll_output() {
            match output {
                Output::Ask { id, to, cookie, query } => {
                    // Nothing goes out to a key that cannot be answered under; the request runs out.
                    if let Some((transaction, datagram)) = self.datagrams.ask(now, &to, cookie, &query) {
                        self.asked.insert(id, transaction);
                        self.transactions.insert(transaction, id);
                        self.send(to.address(), datagram);
                    }
                }
                Output::Greet { id, to } => {
                    let (transaction, datagram) = self.datagrams.hello(now, to);
                    self.asked.insert(id, transaction);
                    self.transactions.insert(transaction, id);
                    self.send(to, datagram);
                }
                Output::Forget(id) => {
                    if let Some(transaction) = self.asked.remove(&id) {
                        self.transactions.remove(&transaction);
                        self.datagrams.forget(transaction);
                    }
                }
            }
        }
    }

    pub(super) fn poll_transmit(&mut self, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let (remote, datagram) = self.outgoing.pop_front()?;
        buffer.extend_from_slice(&datagram);
        Some(Transmit { remote, local: None, ecn: None, size: datagram.len(), segment_size: None })
    }

    fn next_time(&mut self, now: Instant) -> Option<Instant> {
        let times = [
            self.dht.next_time(now),
            Some(self.remember_at),
            self.finding.next_time(),
            self.publishing.next_time(),
            self.notes.next_time(),
            self.world.next_time(),
        ];
        times.into_iter().flatten().min()
    }
}

/// Whether some of the datagrams that came together are the table's.
pub(super) fn has_ours(segment_size: usize, data: &[u8]) -> bool {
    data.chunks(segment_size.max(1)).any(|datagram| datagram.first().is_some_and(|first| is_ours(*first)))
}

impl Node {
    /// Takes those of the table out of what came together; gives the rest.
    pub(super) fn handle_wide(&mut self, now: Instant, received: Received, data: &[u8]) {
        for datagram in data.chunks(received.segment_size.max(1)) {
            if datagram.first().is_some_and(|first| is_ours(*first)) {
                if let Some(wide) = self.wide.as_mut().filter(|_| self.closing == Closing::No) {
                    wide.receive(now, received.remote, datagram);
                }
            } else {
                let alone = Received { segment_size: datagram.len(), ..received };
                self.links.handle_datagram(now, alone, datagram.into());
            }
        }
    }

    /// The wall clock is the machine's too.
    pub(super) fn set_wide_clock(&mut self, now: Instant) {
        let unix_time = self.unix_time(now);
        if let Some(wide) = &mut self.wide {
            wide.dht.set_clock(now, unix_time);
        }
    }

    /// The table's time has come.
    pub(super) fn wide_timeout(&mut self, now: Instant) {
        if let Some(wide) = &mut self.wide {
            wide.dht.handle_timeout(now);
        }
    }

    /// Carries on with everything beyond the local network.
    pub(super) fn run_wide(&mut self, now: Instant) {
        // Taken out for the time, so that both it and the node can be changed.
        let Some(mut wide) = self.wide.take() else { return };
        if self.closing == Closing::No && self.state == State::Ready {
            self.run_finding(now, &mut wide);
            self.run_publishing(now, &mut wide);
            self.run_notes(now, &mut wide);
            self.run_world(now, &mut wide);
            while let Some(event) = wide.dht.poll_event() {
                self.wide_event(now, &mut wide, event);
            }
            self.run_remembering(now, &mut wide);
            wide.seal(now);
        }
        self.wide = Some(wide);
    }

    /// When to come back for it.
    pub(super) fn set_wide_timer(&mut self, now: Instant) {
        let runs = self.closing == Closing::No && self.state == State::Ready;
        let next = self.wide.as_mut().filter(|_| runs).and_then(|wide| wide.next_time(now));
        self.timers.set(Why::Table, next);
    }

    fn wide_event(&mut self, now: Instant, wide: &mut Wide, event: DhtEvent) {
        match event {
            DhtEvent::Found { lookup, item } => match (wide.purposes.get(&lookup).copied(), item) {
                (Some(For::Peer(peer)), Item::Record(record)) => {
                    self.record_found(now, wide, peer, &record);
                }
                (Some(For::Code(place)), Item::Note(note)) => self.note_found(now, wide, place, &note),
                _ => {}
            },
            DhtEvent::Over { lookup, found_in, asked, answered } => match wide.purposes.remove(&lookup) {
                Some(For::Peer(peer)) => wide.finding.over(now, peer, lookup, found_in.is_some()),
                Some(For::Oneself(since)) => self.event(crate::Event::FoundOneself {
                    found_in,
                    asked,
                    answered,
                    after: now.saturating_duration_since(since),
                }),
                Some(For::Code(place)) => wide.notes.looked(now, place),
                None => {}
            },
            DhtEvent::Stored { store, copies } => match wide.stores.remove(&store) {
                Some(Stored::Record) => wide.publishing.stored(now, copies),
                Some(Stored::Note) => wide.notes.stored(now, copies),
                None => {}
            },
            DhtEvent::Joined => {
                wide.publishing.soon(now);
                wide.notes.soon(now);
                wide.finding.soon(now);
                self.nearby_changed = true;
            }
            DhtEvent::Moved => {
                wide.publishing.soon(now);
                wide.notes.soon(now);
                self.nearby_changed = true;
            }
            DhtEvent::Elsewhere => wide.change_key(now),
            DhtEvent::Introducers => {
                wide.publishing.soon(now);
                wide.notes.soon(now);
            }
            DhtEvent::Called { by, from, call } => wide.called(now, by, from, &call),
            DhtEvent::CalleeAt { nonce, at } => self.callee_at(now, wide, nonce, at),
        }
    }

    /// Nodes that were worth remembering when this one last ran.
    pub(super) fn load_remembered(&mut self, now: Instant, record: &Record) {
        if let Some(wide) = &mut self.wide
            && let Ok(nodes) = RememberedNodes::parse(&record.value)
        {
            for address in &nodes.addresses {
                wide.dht.meet(now, *address);
            }
            wide.remembered = nodes.addresses;
        }
    }

    fn run_remembering(&mut self, now: Instant, wide: &mut Wide) {
        if wide.remember_at <= now {
            wide.remember_at = now.checked_add(REMEMBER).unwrap_or(now);
            self.remember_nodes(wide);
        }
    }

    fn remember_nodes(&mut self, wide: &mut Wide) {
        let addresses = wide.dht.remembered();
        if addresses.is_empty() || addresses == wide.remembered {
            return;
        }
        let value = RememberedNodes { addresses: addresses.clone() }.encode();
        wide.remembered = addresses;
        let record = Record { table: Table::Nodes, key: REMEMBERED.to_vec(), value };
        self.storage.ask(Work::Commit(vec![Change::Put(record)]), super::Purpose::Records);
    }

    /// Before the end.
    pub(super) fn close_wide(&mut self) {
        if let Some(mut wide) = self.wide.take() {
            if self.state == State::Ready {
                self.remember_nodes(&mut wide);
            }
            self.wide = Some(wide);
        }
    }
}
