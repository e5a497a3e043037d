//! Finding anyone without a server: a Kademlia of small datagrams.

mod address;
mod datagram;
mod gate;
mod id;
mod lookup;
mod machine;
mod message;
mod note;
mod observed;
mod record;
mod statistics;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use address::{Prefix, Scope};
pub use datagram::{Datagrams, MAX_DATAGRAM, MIN_REQUEST, Opened, ReplySlot, Transaction, is_ours};
pub use gate::Gate;
pub use id::{BITS, Contact, Distance, NodeId, NodeKey, Target};
pub use machine::{Dht, DhtEvent, LookupId, Mode, NodeView, Output, RequestId, StoreId};
pub use message::{
    Answer, Cookie, Item, MAX_ADDRESSES, MAX_NODES, NOTES_OF_PAGE, Nonce, Query, Refusal, Request, Response,
};
pub use note::Note;
pub use record::{Record, RecordKind};
pub use statistics::{Reason, Statistics};
pub use table::K;
