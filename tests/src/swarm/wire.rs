//! What is between the machines of a swarm.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hither_protocol::dht::{Cookie, NodeKey, Output, Query, RequestId, Response};
use hither_protocol::entropy::Entropy;

use super::{PeerIndex, Swarm, What};

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
    None,
}

/// What travels.
pub(super) enum Message {
    Query { id: RequestId, key: NodeKey, network: u8, cookie: Option<Cookie>, query: Query, life: u32 },
    Response { id: RequestId, response: Response, life: u32 },
    Greet { id: RequestId, network: u8, life: u32 },
    Greeting { id: RequestId, key: NodeKey, life: u32 },
}

impl Edge {
    pub(super) fn new(_wire: Wire, _now: Instant, _network: u8, _entropy: &mut Entropy) -> Self {
        Self::None
    }

    pub(super) fn key(&self) -> Option<NodeKey> {
        None
    }
}

impl Swarm {
    pub(super) fn send_output(&mut self, index: PeerIndex, output: Output) {
        let peer = &self.peers[index.0];
        let (network, life) = (peer.network, peer.life);
        match output {
            Output::Ask { id, to, cookie, query } => {
                let message = Message::Query { id, key: to.key(), network, cookie, query, life };
                self.send(index, to.address(), message);
            }
            Output::Greet { id, to } => self.send(index, to, Message::Greet { id, network, life }),
            Output::Forget(_) => {}
        }
    }

    /// Puts something on its way.
    fn send(&mut self, from: PeerIndex, to: SocketAddr, message: Message) {
        self.counts.messages += 1;
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

    pub(super) fn arrive(&mut self, from: SocketAddr, to: SocketAddr, message: Message) {
        let (Some(index), Some(sender)) =
            (self.by_address.get(&to).copied(), self.by_address.get(&from).copied())
        else {
            return;
        };
        let (now, at) = (self.instant(), self.now);
        let peer = &mut self.peers[index.0];
        if let Some(heard_from) = &peer.heard_from
            && heard_from.get(&from).is_none_or(|spoken| at - *spoken > Duration::from_secs(60))
        {
            return;
        }
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
                    self.drive(index);
                }
            }
            Message::Query { id, key, network: theirs, cookie, query, life } => {
                // What is sealed for another key or network does not open.
                if key != dht.key() || theirs != network {
                    return;
                }
                let fresh = cookie_for(from);
                let response = if peer.liar {
                    dht.handle_query(now, from, cookie == Some(fresh), fresh, query.clone());
                    self.lie(from, sender, &query)
                } else {
                    dht.handle_query(now, from, cookie == Some(fresh), fresh, query)
                };
                self.send(index, from, Message::Response { id, response, life });
                self.drive(index);
            }
            Message::Response { id, response, life } => {
                if life == peer.life {
                    dht.handle_response(now, id, response);
                    self.drive(index);
                }
            }
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
