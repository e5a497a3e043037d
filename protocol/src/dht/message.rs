//! What nodes of the table say to each other: one request, one response.

use std::net::SocketAddr;

use super::call::SealedCall;
use super::id::{Contact, NodeKey, Target};
use super::note::Note;
use super::record::Record;

/// Nodes in one response at most: as many as a bucket holds.
pub const MAX_NODES: usize = 20;
/// Notes in one response at most.
pub const NOTES_OF_PAGE: usize = 3;
/// Addresses of one that are named beside each other at most.
pub const MAX_ADDRESSES: usize = 8;

/// Proves to whoever gave it that requests from an address are answered there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cookie(pub [u8; 16]);

/// Names a dial-back that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Nonce(pub [u8; 16]);

/// What is asked, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The asking node's own key, if it can be asked in turn: only those get into tables (as BEP-43 has it).
    pub server: Option<NodeKey>,
    /// What is asked.
    pub request: Request,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Are you there? With a nonce, it is a dial-back that whoever is asked has wanted.
    Ping(Option<Nonce>),
    /// Which nodes do you know nearest to this?
    FindNode(Target),
    /// What do you store there, and which nodes do you know nearest to it? Notes come in pages, the strongest first.
    Get {
        /// Where.
        target: Target,
        /// Which page of notes, from 0.
        page: u8,
    },
    /// Store this. Needs a cookie.
    Put(Item),
    /// Have somebody else, to whom I have not spoken, send me a ping with this nonce. Needs a cookie.
    DialBack(Nonce),
    /// Somebody at this address has asked me for a dial-back: send them a ping with this nonce. Needs a cookie.
    DialOn {
        /// Who wants it.
        to: Contact,
        /// Its name.
        nonce: Nonce,
    },
    /// I keep a way open from you to me: pass on calls to this key, which is mine. Needs a cookie.
    Register(NodeKey),
    /// I want to reach whoever has registered with this key: pass on this call. Needs a cookie.
    Punch {
        /// Who.
        to: NodeKey,
        /// What only they can read.
        call: SealedCall,
    },
    /// Somebody at this address calls you. Needs a cookie.
    PunchOn {
        /// Where the call came from, as whoever passes it on sees it.
        from: SocketAddr,
        /// What only you can read.
        call: SealedCall,
    },
}

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// How to reach somebody.
    Record(Record),
    /// Where the maker of a code is.
    Note(Note),
}

impl Item {
    /// Where it is stored.
    pub fn target(&self) -> Target {
        match self {
            Self::Record(record) => record.target(),
            Self::Note(note) => note.target(),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The address from which the request came, as whoever answers sees it.
    pub observed: SocketAddr,
    /// Goes with requests that need one, from that address to this node, for half an hour at least.
    pub cookie: Cookie,
    /// The answer itself.
    pub answer: Answer,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a ping or a registration, or a dial-back that is on its way.
    Done,
    /// To a search for nodes, the nearest first.
    Nodes(Vec<Contact>),
    /// To a search for items: those that lie there, and the nearest nodes.
    Found {
        /// What lies there, the strongest first.
        items: Vec<Item>,
        /// Whether there are more pages of notes.
        more: bool,
        /// The nearest nodes.
        nodes: Vec<Contact>,
    },
    /// It is stored.
    Stored,
    /// It is not done.
    Refused(Refusal),
    /// A call is passed on, to somebody who is there, as whoever answers sees them.
    At(SocketAddr),
}

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The cookie is missing, or too old, or of another address: there is a new one in the response.
    Cookie,
    /// A newer record of the same key is stored already, or another of the same number.
    Older,
    /// Its time is over, or has not come.
    Expired,
    /// Stronger ones, or nearer ones, take all the room there is.
    Full,
    /// Nobody is known who could do it.
    Nobody,
    /// A ping under the key comes first, and is to be answered. Then it is to be asked for again.
    Unproven,
}
