//! Datagrams of the table, on the port of QUIC: bytes to queries and responses, and back.
//!
//! Every datagram begins with one byte of its kind, which no QUIC packet has: there its second bit is always set.
//!
//! ```text
//! request      0x10 | transaction 8 | responder's id 32 | cookie 16 | message 1 of Noise NK     400 to 1200 bytes
//! reply        0x11 | transaction 8 | message 2 of Noise NK                                     up to 1200 bytes
//! hello        0x12 | transaction 8 | MAC 16 | zeros                                            400 bytes
//! hello reply  0x13 | transaction 8 | key 32 | IP 16, port 2 | MAC 16                           75 bytes
//! ```
//!
//! A request is encrypted to the responder's key, and its reply is the pattern's second message, with a fresh key of
//! the responder's: one round trip, nothing kept at the responder, the responder proven. What is not encrypted of a
//! request is in the prologue. A request can be replayed, and is then answered anew, to wherever the replay came from:
//! under a cookie that is another address's it does not decrypt.
//!
//! No reply is longer than three times its request, or goes out before the [`Gate`] let the request in. A request to
//! an id that is not ours, and a hello from another network, cost a hash and are not answered.

mod greeting;
mod layout;
mod pending;

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

pub(super) use self::greeting::mapped;
use self::greeting::{Greetings, HELLO, HELLO_REPLY};
use self::layout::{Header, REPLY, REPLY_HEADER, REQUEST, frame, unframe};
use self::pending::{Awaited, Pending};
use super::gate::Gate;
use super::id::{Contact, NodeKey};
use super::message::{Answer, Cookie, Query, Response};
use super::statistics::{Reason, Statistics};
use crate::entropy::Stream;
use crate::noise::NoiseError;
use crate::noise::handshake::Handshake;
use crate::noise::quic::NetworkId;
use crate::noise::symmetric::TAG;
use crate::wire::{BadQuery, encode_query, encode_response, parse_query, parse_response};

/// The longest datagram, in bytes: what passes everywhere.
pub const MAX_DATAGRAM: usize = 1200;
/// The shortest request, in bytes, so that no reply is longer than three times what was asked with.
pub const MIN_REQUEST: usize = 400;

/// How much longer than its request a reply may be.
const AMPLIFICATION: usize = 3;
/// What a Noise message of one key adds to its payload.
const NOISE: usize = 32 + TAG;

/// Names a request, among those of its asker, to whoever replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transaction(pub [u8; 8]);

/// Whether a datagram that begins with this byte is one of the table's.
pub fn is_ours(first: u8) -> bool {
    matches!(first, 0x10..=0x1f)
}

/// What came in.
pub enum Opened {
    /// Somebody asks something.
    Query {
        /// What is asked.
        query: Query,
        /// Whether it came with a cookie that was given to that address.
        proven: bool,
        /// Goes into [`Datagrams::reply`].
        reply: ReplySlot,
    },
    /// Somebody answers what was asked of them; that it is they is proven.
    Response {
        /// Which request.
        transaction: Transaction,
        /// The answer.
        response: Response,
    },
    /// Somebody of this network asks which key answers here.
    Hello {
        /// What goes back as it is.
        reply: Vec<u8>,
    },
    /// A hello is answered. Nothing is proven yet.
    Greeted {
        /// Which hello.
        transaction: Transaction,
        /// The key that is said to answer there.
        key: NodeKey,
        /// The address from which the hello came, as whoever answers sees it.
        observed: SocketAddr,
    },
}

/// What it takes to reply to one request.
pub struct ReplySlot {
    transaction: Transaction,
    /// The reply's bytes at most.
    room: usize,
    handshake: Box<Handshake>,
}

/// The edge of one node of the table: its key, and what it waits for.
pub struct Datagrams {
    network: NetworkId,
    own: StaticSecret,
    key: NodeKey,
    random: Stream,
    greetings: Greetings,
    pending: Pending,
}

impl Datagrams {
    /// The edge of a node in a network. The key is new at every start, and in every network.
    pub fn new(network: NetworkId, key: StaticSecret, random: Stream) -> Self {
        let greetings = Greetings::new(&network);
        let node_key = NodeKey(PublicKey::from(&key).to_bytes());
        Self { network, own: key, key: node_key, random, greetings, pending: Pending::default() }
    }

    /// The key under which this node answers.
    pub fn key(&self) -> NodeKey {
        self.key
    }

    /// Becomes another node, by a fresh key. Replies to what was asked before are still read.
    pub fn renew(&mut self) {
        self.own = self.ephemeral();
        self.key = NodeKey(PublicKey::from(&self.own).to_bytes());
    }

    /// Gives up waiting for any reply.
    pub fn forget_all(&mut self) {
        self.pending = Pending::default();
    }

    /// Mixes more of the operating system's randomness into what keys are drawn from.
    pub fn mix(&mut self, fresh: &[u8; 32]) {
        self.random.mix(fresh);
    }

    /// A request to somebody. What it takes to read the reply is kept until that has come, or [`Self::forget`]; where
    /// too much is kept the oldest makes room. `None`: the contact's key is of small order, or the query is longer than a
    /// datagram.
    pub fn ask(
        &mut self,
        now: Instant,
        to: &Contact,
        cookie: Option<Cookie>,
        query: &Query,
    ) -> Option<(Transaction, Vec<u8>)> {
        let transaction = Transaction(self.random.bytes());
        let cookie = cookie.unwrap_or(Cookie::NONE);
        let mut datagram = Header { transaction, responder: to.id(), cookie }.encode();
        let prologue = layout::prologue(&self.network, &datagram);
        let around = datagram.len().saturating_add(NOISE);
        let payload = frame(&encode_query(query), MIN_REQUEST.saturating_sub(around))?;
        let mut handshake = Handshake::nk_initiator(&prologue, PublicKey::from(to.key().0), self.ephemeral());
        handshake.write(&payload, &mut datagram).ok()?;
        if datagram.len() > MAX_DATAGRAM {
            return None;
        }
        self.pending.insert(now, transaction, to.address(), Awaited::Reply(Box::new(handshake)));
        Some((transaction, datagram))
    }

    /// A hello to an address of which no key is known. Bounded and forgotten as requests are.
    pub fn hello(&mut self, now: Instant, to: SocketAddr) -> (Transaction, Vec<u8>) {
        let transaction = Transaction(self.random.bytes());
        self.pending.insert(now, transaction, to, Awaited::Greeting);
        (transaction, self.greetings.hello(transaction))
    }

    /// Gives up waiting for a reply.
    pub fn forget(&mut self, transaction: Transaction) {
        self.pending.remove(transaction);
    }

    /// Reads a datagram. `None`: it is counted, and there is nothing to do.
    pub fn open(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        gate: &mut Gate,
        statistics: &mut Statistics,
    ) -> Option<Opened> {
        statistics.received(datagram.len());
        let opened = match datagram.split_first() {
            Some(_) if datagram.len() > MAX_DATAGRAM => Err(Reason::TooLong),
            Some((&REQUEST, _)) => self.open_request(now, from, datagram, gate, statistics),
            Some((&REPLY, _)) => self.open_reply(from, datagram, statistics),
            Some((&HELLO, _)) => self.open_hello(now, from, datagram, gate),
            Some((&HELLO_REPLY, _)) => self.open_hello_reply(from, datagram),
            Some(_) => Err(Reason::UnknownKind),
            None => Err(Reason::TooShort),
        };
        opened.map_err(|why| statistics.refuse(why)).ok()
    }

    /// A reply, as long as it may be: where it is too long the farthest nodes are left out, then the weakest items.
    /// `None`: not even then does it fit.
    pub fn reply(&self, slot: ReplySlot, response: &Response) -> Option<Vec<u8>> {
        let ReplySlot { transaction, room, mut handshake } = slot;
        let around = REPLY_HEADER.saturating_add(NOISE);
        let payload = frame(&fit(response, room.checked_sub(around)?.checked_sub(2)?)?, 0)?;
        let mut datagram = layout::reply_header(transaction);
        handshake.write(&payload, &mut datagram).ok()?;
        Some(datagram)
    }

    fn open_request(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        gate: &mut Gate,
        statistics: &mut Statistics,
    ) -> Result<Opened, Reason> {
        if datagram.len() < MIN_REQUEST {
            return Err(Reason::TooShort);
        }
        let (header, bytes, message) = Header::parse(datagram).ok_or(Reason::TooShort)?;
        if !header.responder.belongs_to(&self.key) {
            return Err(Reason::OtherKey);
        }
        let proven = gate.is_proven(now, from, &header.cookie);
        if !proven && header.cookie != Cookie::NONE {
            statistics.refuse(Reason::WrongCookie);
        }
        gate.admit(now, from.ip(), proven)?;
        let prologue = layout::prologue(&self.network, bytes);
        let (own, public) = (self.own.clone(), PublicKey::from(self.key.0));
        let mut handshake = Handshake::nk_responder(&prologue, own, &public, self.ephemeral());
        let payload = handshake.read(message).map_err(refusal)?;
        let query = parse_query(unframe(&payload).ok_or(Reason::Malformed)?).map_err(|bad| match bad {
            BadQuery::Malformed => Reason::Malformed,
            BadQuery::Item => Reason::BadItem,
        })?;
        let room = datagram.len().saturating_mul(AMPLIFICATION).min(MAX_DATAGRAM);
        let handshake = Box::new(handshake);
        let reply = ReplySlot { transaction: header.transaction, room, handshake };
        Ok(Opened::Query { query, proven, reply })
    }

    fn open_reply(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        statistics: &mut Statistics,
    ) -> Result<Opened, Reason> {
        let (transaction, message) = layout::parse_reply_header(datagram).ok_or(Reason::TooShort)?;
        let Awaited::Reply(handshake) = self.pending.get(transaction, from)? else {
            return Err(Reason::NothingAsked);
        };
        // Whoever does not hold the key can change nothing here: the true reply may still come.
        let payload = handshake.try_read(message).map_err(refusal)?;
        self.pending.remove(transaction);
        let (response, bad) =
            unframe(&payload).and_then(|message| parse_response(message).ok()).ok_or(Reason::Malformed)?;
        statistics.refuse_many(Reason::BadItem, bad);
        Ok(Opened::Response { transaction, response })
    }

    fn open_hello(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        gate: &mut Gate,
    ) -> Result<Opened, Reason> {
        let transaction = self.greetings.parse_hello(datagram)?;
        gate.admit(now, from.ip(), false)?;
        Ok(Opened::Hello { reply: self.greetings.reply(transaction, &self.key, from) })
    }

    fn open_hello_reply(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<Opened, Reason> {
        let (transaction, key, observed) = self.greetings.parse_reply(datagram)?;
        let Awaited::Greeting = self.pending.get(transaction, from)? else {
            return Err(Reason::NothingAsked);
        };
        self.pending.remove(transaction);
        Ok(Opened::Greeted { transaction, key, observed })
    }

    fn ephemeral(&mut self) -> StaticSecret {
        StaticSecret::from(*Zeroizing::new(self.random.bytes()))
    }
}

/// A response of no more than `room` bytes.
fn fit(response: &Response, room: usize) -> Option<Vec<u8>> {
    let encoded = encode_response(response);
    let Some(excess) = encoded.len().checked_sub(room).filter(|excess| *excess > 0) else {
        return Some(encoded);
    };
    let mut shorter = response.clone();
    match &mut shorter.answer {
        Answer::Nodes(nodes) | Answer::Found { nodes, .. } if !nodes.is_empty() => {
            // None is as long as this, so no more are left out than must be.
            let out = excess.div_ceil(layout::LONGEST_CONTACT);
            nodes.truncate(nodes.len().saturating_sub(out));
        }
        Answer::Found { items, more, .. } => {
            items.pop()?;
            *more = true;
        }
        _ => return None,
    }
    fit(&shorter, room)
}

fn refusal(error: NoiseError) -> Reason {
    match error {
        NoiseError::Length => Reason::TooShort,
        NoiseError::WeakKey => Reason::WeakKey,
        NoiseError::Decrypt | NoiseError::Exhausted | NoiseError::OutOfTurn => Reason::Undecipherable,
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query { query, proven, .. } => {
                f.debug_struct("Query").field("query", query).field("proven", proven).finish_non_exhaustive()
            }
            Self::Response { transaction, response } => {
                f.debug_tuple("Response").field(transaction).field(response).finish()
            }
            Self::Hello { .. } => f.write_str("Hello"),
            Self::Greeted { transaction, key, observed } => {
                f.debug_tuple("Greeted").field(transaction).field(key).field(observed).finish()
            }
        }
    }
}
