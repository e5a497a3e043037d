//! Finding anyone without a server: a Kademlia of small datagrams.

mod address;
mod id;
mod message;
mod note;
mod record;

pub use address::{Prefix, Scope};
pub use id::{BITS, Contact, Distance, NodeId, NodeKey, Target};
pub use message::{
    Answer, Cookie, Item, MAX_ADDRESSES, MAX_NODES, NOTES_OF_PAGE, Nonce, Query, Refusal, Request, Response,
};
pub use note::Note;
pub use record::{Record, RecordKind};
