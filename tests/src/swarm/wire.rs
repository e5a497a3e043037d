//! What is between the machines of a swarm: parsed messages, or sealed datagrams.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hither_protocol::dht::{
    Cookie, Datagrams, Gate, NodeKey, Opened, Output, Query, RequestId, Response, Statistics, Transaction,
};
use hither_protocol::entropy::Entropy;
use hither_protocol::noise::quic::NetworkId;

use super::{PeerIndex, Swarm, What};

/// How long a NAT lets answers in: the least that RFC 4787 allows (REQ-5).
const MAPPED_FOR: Duration = Duration::from_secs(120);

/// What nodes say to each other in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Parsed messages.
    Messages,
    /// Sealed datagrams, as on a real network.
    Datagrams,
}

/// What is between a machine and the link.
pub(super) enum Edge {
    /// Nothing.
    Open,
    /// The seals.
    Sealed(Box<Sealed>),
}

pub(super) struct Sealed {
    datagrams: Datagrams,
    gate: Gate,
    statistics: Statistics,
    asked: BTreeMap<RequestId, Transaction>,
    transactions: BTreeMap<Transaction, RequestId>,
}

/// What travels.
pub(super) enum Message {
    Query { id: RequestId, key: NodeKey, network: u8, cookie: Option<Cookie>, query: Query, life: u32 },
    Response { id: RequestId, response: Response, life: u32 },
    Greet { id: RequestId, network: u8, life: u32 },
    Greeting { id: RequestId, key: NodeKey, life: u32 },
    Datagram(Vec<u8>),
}

impl Edge {
    pub(super) fn new(wire: Wire, now: Instant, network: u8, entropy: &mut Entropy) -> Self {
        if wire == Wire::Messages {
            return Self::Open;
        }
        let mut random = entropy.stream("edge");
        let secret = random.bytes::<32>().into();
        let mut name = NetworkId::default();
        name.0[0] ^= network;
        Self::Sealed(Box::new(Sealed {
            datagrams: Datagrams::new(name, secret, entropy.stream("datagrams")),
            gate: Gate::new(now, &mut random),
            statistics: Statistics::default(),
            asked: BTreeMap::new(),
            transactions: BTreeMap::new(),
        }))
    }

    /// Becomes another's: under a new key, if there are any here.
    fn renew(&mut self) -> Option<NodeKey> {
        if let Self::Sealed(sealed) = self {
            sealed.datagrams.renew();
        }
        self.key()
    }

    pub(super) fn key(&self) -> Option<NodeKey> {
        match self {
            Self::Open => None,
            Self::Sealed(sealed) => Some(sealed.datagrams.key()),
        }
    }
}

impl Swarm {
    /// What was refused at a node's edge, by reason.
    pub fn refused(&self, index: PeerIndex) -> Vec<(&'static str, u64)> {
        let peer = &self.peers[index.0];
        let edge = match &peer.edge {
            Edge::Open => Vec::new(),
            Edge::Sealed(sealed) => sealed.statistics.refused().collect(),
        };
        let machine = peer.dht.iter().flat_map(|dht| dht.statistics().refused());
        edge.into_iter().chain(machine).collect()
    }

    /// A node may be in another network, and goes by another key there.
    pub(super) fn change_key(&mut self, index: PeerIndex) {
        let now = self.instant();
        let other = NodeKey(self.random.bytes(32).try_into().expect("32 bytes"));
        let peer = &mut self.peers[index.0];
        let key = peer.edge.renew().unwrap_or(other);
        if let Some(dht) = &mut peer.dht {
            dht.change_key(now, key);
        }
    }

    pub(super) fn send_output(&mut self, index: PeerIndex, output: Output) {
        let now = self.instant();
        let peer = &mut self.peers[index.0];
        let (network, life) = (peer.network, peer.life);
        match (&mut peer.edge, output) {
            (Edge::Open, Output::Ask { id, to, cookie, query }) => {
                let message = Message::Query { id, key: to.key(), network, cookie, query, life };
                self.send(index, to.address(), message);
            }
            (Edge::Open, Output::Greet { id, to }) => {
                self.send(index, to, Message::Greet { id, network, life });
            }
            (Edge::Open, Output::Forget(_)) => {}
            (Edge::Sealed(sealed), Output::Ask { id, to, cookie, query }) => {
                let asked = sealed.datagrams.ask(now, &to, cookie, &query);
                let (transaction, datagram) = asked.expect("every query fits");
                sealed.asked.insert(id, transaction);
                sealed.transactions.insert(transaction, id);
                self.send(index, to.address(), Message::Datagram(datagram));
            }
            (Edge::Sealed(sealed), Output::Greet { id, to }) => {
                let (transaction, datagram) = sealed.datagrams.hello(now, to);
                sealed.asked.insert(id, transaction);
                sealed.transactions.insert(transaction, id);
                self.send(index, to, Message::Datagram(datagram));
            }
            (Edge::Sealed(sealed), Output::Forget(id)) => {
                if let Some(transaction) = sealed.asked.remove(&id) {
                    sealed.transactions.remove(&transaction);
                    sealed.datagrams.forget(transaction);
                }
            }
        }
    }

    /// Puts something on its way.
    fn send(&mut self, from: PeerIndex, to: SocketAddr, message: Message) {
        self.counts.messages += 1;
        if let Message::Datagram(bytes) = &message {
            self.counts.bytes += bytes.len() as u64;
        }
        let now = self.now;
        let peer = &mut self.peers[from.0];
        peer.sent += 1;
        let (address, here) = (peer.address, peer.place);
        if let Some(heard_from) = &mut peer.heard_from {
            heard_from.insert(to, now);
        }
        let lost = self.random.chance(self.link.loss);
        let jitter = self.random.duration(self.link.jitter);
        let Some(target) = self.by_address.get(&to).copied() else { return };
        let there = self.peers[target.0].place;
        let apart = self.parted.is_some_and(|half| half(from) != half(target));
        if lost || apart {
            return;
        }
        let distance = ((here.0 - there.0).powi(2) + (here.1 - there.1).powi(2)).sqrt() / 2.0_f64.sqrt();
        let way = Duration::from_millis(2) + self.link.across.mul_f64(distance) + jitter;
        self.schedule(now + way, What::Arrives { from: address, to, message: Box::new(message) });
    }

    /// Whether what comes from an address reaches a node, as far as its NAT goes.
    pub(super) fn lets_in(&self, index: PeerIndex, from: SocketAddr) -> bool {
        self.peers[index.0].heard_from.as_ref().is_none_or(|heard_from| {
            heard_from.get(&from).is_some_and(|spoken| self.now - *spoken <= MAPPED_FOR)
        })
    }

    pub(super) fn arrive(&mut self, from: SocketAddr, to: SocketAddr, message: Message) {
        let Some(index) = self.by_address.get(&to).copied() else { return };
        if !self.lets_in(index, from) {
            return;
        }
        let now = self.instant();
        let peer = &mut self.peers[index.0];
        let network = peer.network;
        let Some(dht) = &mut peer.dht else { return };
        match message {
            Message::Greet { id, network: theirs, life } => {
                if theirs == network {
                    let key = dht.key();
                    self.send(index, from, Message::Greeting { id, key, life });
                }
            }
            Message::Greeting { id, key, life } => {
                if life == peer.life {
                    dht.handle_greeting(now, id, key);
                }
            }
            Message::Query { id, key, network: theirs, cookie, query, life } => {
                // What is sealed for another key or network does not open.
                if key != dht.key() || theirs != network {
                    return;
                }
                let fresh = cookie_for(from);
                let asked = peer.liar.then(|| query.clone());
                let mut response = dht.handle_query(now, from, cookie == Some(fresh), fresh, query);
                if let Some(query) = asked {
                    response = self.lie(&query);
                }
                self.send(index, from, Message::Response { id, response, life });
            }
            Message::Response { id, response, life } => {
                if life == peer.life {
                    dht.handle_response(now, id, response);
                }
            }
            Message::Datagram(bytes) => self.open(index, from, &bytes),
        }
        self.drive(index);
    }

    fn open(&mut self, index: PeerIndex, from: SocketAddr, bytes: &[u8]) {
        let now = self.instant();
        let peer = &mut self.peers[index.0];
        let (Some(dht), Edge::Sealed(sealed)) = (&mut peer.dht, &mut peer.edge) else { return };
        let Sealed { datagrams, gate, statistics, asked, transactions } = &mut **sealed;
        let mut take = |transaction| {
            let id = transactions.remove(&transaction)?;
            asked.remove(&id);
            Some(id)
        };
        match datagrams.open(now, from, bytes, gate, statistics) {
            Some(Opened::Query { query, proven, reply }) => {
                let response = dht.handle_query(now, from, proven, gate.cookie(now, from), query);
                if let Some(reply) = datagrams.reply(reply, &response) {
                    self.send(index, from, Message::Datagram(reply));
                }
            }
            Some(Opened::Response { transaction, response }) => {
                if let Some(id) = take(transaction) {
                    dht.handle_response(now, id, response);
                }
            }
            Some(Opened::Hello { reply }) => self.send(index, from, Message::Datagram(reply)),
            Some(Opened::Greeted { transaction, key, .. }) => {
                if let Some(id) = take(transaction) {
                    dht.handle_greeting(now, id, key);
                }
            }
            None => {}
        }
    }
}

/// What proves that somebody is at an address.
fn cookie_for(address: SocketAddr) -> Cookie {
    let hash = blake3::hash(address.to_string().as_bytes());
    let mut cookie = [0; 16];
    cookie.copy_from_slice(&hash.as_bytes()[..16]);
    Cookie(cookie)
}
