//! What the user asks with, and the answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Conflict, Road};
use crate::identity::PeerId;
use crate::transfer::{Ticket, TransferId};

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
    /// To a contact that is blocked.
    Blocked,
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
    /// To a contact that is blocked.
    Blocked,
    /// Too many transfers at once.
    TooMany,
}

/// Why nothing can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetError {
    /// Nobody but oneself is named.
    Oneself,
    /// Everyone who is named is blocked.
    Blocked,
    /// It is shared or fetched here already.
    Already,
    /// Too many shares and fetches at once.
    TooMany,
}

/// Why an answer or a cancellation does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// No transfer of that name waits for this.
    Unknown,
    /// The offer cannot go by that name: it is not allowed, or there are several outermost entries.
    BadName,
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
    /// Bytes that will travel in all; 0 of a stream, as nobody knows.
    pub total: u64,
    /// Over which road, while there is a link.
    pub road: Option<Road>,
}

/// A transfer that is under way, or can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferView {
    /// Its name.
    pub transfer: TransferId,
    /// The other side.
    pub peer: PeerId,
    /// Whether this side sends.
    pub sending: bool,
    /// What the whole is called, as its sender calls it; empty before it is known.
    pub name: String,
    /// Files in it.
    pub files: u32,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes that the receiver has, as far as is known here.
    pub done: u64,
    /// When it was begun: Unix milliseconds.
    pub begun: u64,
    /// How it stands.
    pub state: TransferState,
    /// The paths that are sent, or the folder that it goes into.
    pub paths: Vec<PathBuf>,
    /// Whether symbolic links are sent as such.
    pub links: bool,
    /// What it is fetched with, where it is: [`Node::get`](crate::Node::get) goes on with it.
    pub ticket: Option<Ticket>,
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferState {
    /// Bytes move, or are about to.
    Active,
    /// One side wants it to stand still.
    Paused,
    /// The link was lost; the peer is waited for.
    Waiting,
    /// It was interrupted; it goes on when it is resumed, or the same is sent again.
    Interrupted,
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
    pub round_trip: Option<Duration>,
}
