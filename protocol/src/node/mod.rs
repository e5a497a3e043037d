//! The one interface: what arrives goes in, what is to be done comes out, and time is an argument.

mod config;
mod event;
mod surroundings;
mod transmit;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use bytes::BytesMut;

pub use config::{Config, Conflict, Rules, Strangers};
pub use event::{
    Decision, Event, LinkLoss, MessageState, Refusal, Road, Standing, TransferFailure, Unreachable,
};
pub use surroundings::{Announcement, Sighting, Surroundings};
pub use transmit::{EcnCodepoint, LinkId, Received, StreamInput, StreamOutput, Transmit, Why};

use crate::chat::MessageId;
use crate::entropy::Seed;
use crate::identity::{Identity, PeerId};
use crate::storage::{Done, StorageId, StorageRequest};
use crate::transfer::TransferId;

/// A node.
pub struct Node {
    peer: PeerId,
}

/// How to take an offer.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// The folder it goes into.
    pub into: PathBuf,
    /// Another name for the only outermost entry.
    pub name: Option<String>,
    /// What to do where names are taken.
    pub conflict: Conflict,
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// Nothing in it.
    Empty,
    /// Over 32 KiB.
    TooLong,
    /// The outbox for this peer is full.
    OutboxFull,
    /// To oneself.
    Oneself,
    /// The records are not loaded, or cannot be written.
    NotReady,
}

/// Why nothing can be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferError {
    /// No path was named.
    Nothing,
    /// To oneself.
    Oneself,
    /// Too many transfers at once.
    TooMany,
}

/// Why an answer or a cancellation does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSuchTransfer {
    /// No transfer of that name waits for this.
    Unknown,
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The other side.
    pub peer: PeerId,
    /// Whether this side sends.
    pub sending: bool,
    /// Bytes that the receiver has verified and written, or, on the sending side, that were sent.
    pub done: u64,
    /// Bytes that will travel in all.
    pub total: u64,
    /// Over which road, while there is a link.
    pub road: Option<Road>,
}

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub peer: PeerId,
    /// What the user calls them.
    pub name: String,
    /// Nothing is taken from them.
    pub blocked: bool,
}

/// Why the contacts stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactError {
    /// The name is in use for another peer.
    NameTaken,
    /// The name is empty, over 64 bytes, looks like an id or a flag, or holds control characters.
    BadName,
    /// There is no such contact.
    Unknown,
    /// The id is one's own.
    Oneself,
    /// The contacts are as many as can be kept.
    TooMany,
    /// The records are not loaded, or cannot be written.
    NotReady,
}

/// Someone near or known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Who, where that is known: someone near who is no contact is not recognised.
    pub peer: Option<PeerId>,
    /// A contact's name.
    pub name: Option<String>,
    /// Whether there is a link now.
    pub connected: bool,
    /// Whether it is seen on the local network.
    pub near: bool,
    /// Where it would be dialled, best first.
    pub addresses: Vec<SocketAddr>,
    /// The link's smoothed round trip.
    pub round_trip: Option<std::time::Duration>,
}

#[allow(unused_variables)]
impl Node {
    /// A node that knows nothing yet but who it is. `unix_time` is in milliseconds. Ask it for storage work at
    /// once: it loads its records first.
    pub fn new(config: Config, identity: Identity, seed: Seed, now: Instant, unix_time: u64) -> Self {
        Self { peer: identity.peer_id() }
    }

    /// Who this node is.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// Network in: one datagram, or several of one size. Never fails: what is not ours is dropped and counted.
    pub fn handle_datagram(&mut self, now: Instant, received: Received, data: BytesMut) {}

    /// Network out: writes the next transmit into `buffer`, which must be empty; at most `max_segments` datagrams.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        None
    }

    /// Time: when to call [`Node::handle_timeout`] next, and why. Ask again after any other call.
    pub fn poll_timeout(&mut self) -> Option<(Instant, Why)> {
        None
    }

    /// Time: it is `now`.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// Disk out.
    pub fn poll_storage(&mut self) -> Option<StorageRequest> {
        None
    }

    /// Disk in: the result of a request.
    pub fn handle_storage(&mut self, now: Instant, id: StorageId, result: Done) {}

    /// Byte streams in.
    pub fn handle_stream(&mut self, now: Instant, link: LinkId, input: StreamInput<'_>) {}

    /// Byte streams out.
    pub fn poll_stream(&mut self, link: LinkId, buffer: &mut Vec<u8>) -> StreamOutput {
        StreamOutput::Close
    }

    /// Surroundings in.
    pub fn handle_surroundings(&mut self, now: Instant, surroundings: Surroundings) {}

    /// Surroundings in: fresh randomness of the operating system, after a suspend or now and then.
    pub fn handle_entropy(&mut self, fresh: &[u8; 32]) {}

    /// Surroundings out: what to announce on the local network from now on, when that has changed.
    pub fn poll_announcement(&mut self) -> Option<Announcement> {
        None
    }

    /// User out: the next thing the user should see.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// User in: an address at which a peer is said to be.
    pub fn add_address(&mut self, now: Instant, peer: PeerId, address: SocketAddr) {}

    /// User in: reach a peer, without anything to send yet.
    pub fn connect(&mut self, now: Instant, peer: PeerId) {}

    /// User in: send a message.
    pub fn send_message(&mut self, now: Instant, to: PeerId, text: &str) -> Result<MessageId, SendError> {
        Err(SendError::NotReady)
    }

    /// User in: offer files and directories.
    pub fn offer(&mut self, now: Instant, to: PeerId, paths: Vec<PathBuf>) -> Result<TransferId, OfferError> {
        Err(OfferError::TooMany)
    }

    /// User in: take an offer that was put to the user.
    pub fn accept(
        &mut self,
        now: Instant,
        transfer: TransferId,
        how: Acceptance,
    ) -> Result<(), NoSuchTransfer> {
        Err(NoSuchTransfer::Unknown)
    }

    /// User in: refuse an offer that was put to the user.
    pub fn refuse(&mut self, now: Instant, transfer: TransferId, why: Refusal) -> Result<(), NoSuchTransfer> {
        Err(NoSuchTransfer::Unknown)
    }

    /// User in: stop a transfer.
    pub fn cancel(&mut self, now: Instant, transfer: TransferId) -> Result<(), NoSuchTransfer> {
        Err(NoSuchTransfer::Unknown)
    }

    /// User in: other rules from now on.
    pub fn set_rules(&mut self, rules: Rules) {}

    /// User in: add a contact, or give a known one another name.
    pub fn add_contact(&mut self, now: Instant, peer: PeerId, name: &str) -> Result<(), ContactError> {
        Err(ContactError::NotReady)
    }

    /// User in: forget a contact.
    pub fn remove_contact(&mut self, now: Instant, peer: PeerId) -> Result<(), ContactError> {
        Err(ContactError::NotReady)
    }

    /// User in: block a contact, or no longer.
    pub fn block_contact(&mut self, now: Instant, peer: PeerId, blocked: bool) -> Result<(), ContactError> {
        Err(ContactError::NotReady)
    }

    /// The contacts, by name.
    pub fn contacts(&self) -> Vec<Contact> {
        Vec::new()
    }

    /// Who is near or known.
    pub fn peers(&self) -> Vec<PeerView> {
        Vec::new()
    }

    /// Where a transfer stands, while it is under way.
    pub fn progress(&self, transfer: TransferId) -> Option<Progress> {
        None
    }

    /// Whether a result of [`crate::storage::Work::Commit`] is still awaited: before that, what the user asked for may
    /// be lost in a crash.
    pub fn is_settled(&self) -> bool {
        true
    }

    /// End: closes every link. Go on polling until [`Node::is_drained`].
    pub fn close(&mut self, now: Instant) {}

    /// End: nothing is left to send or store.
    pub fn is_drained(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", self.as_bytes())
    }
}
