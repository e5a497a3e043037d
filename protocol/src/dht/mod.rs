//! Finding anyone without a server: a Kademlia of small datagrams.

mod address;
mod datagram;
mod gate;
mod id;
mod message;
mod note;
mod record;
mod statistics;
#[cfg(test)]
mod tests;

pub use address::{Prefix, Scope};
pub use datagram::{Datagrams, MAX_DATAGRAM, MIN_REQUEST, Opened, ReplySlot, Transaction, is_ours};
pub use gate::Gate;
pub use id::{BITS, Contact, Distance, NodeId, NodeKey, Target};
pub use message::{
    Answer, Cookie, Item, MAX_ADDRESSES, MAX_NODES, NOTES_OF_PAGE, Nonce, Query, Refusal, Request, Response,
};
pub use note::Note;
pub use record::{Record, RecordKind};
pub use statistics::{Reason, Statistics};
