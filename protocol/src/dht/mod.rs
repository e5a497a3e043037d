//! Finding anyone without a server: a Kademlia of small datagrams.
//!
//! - the space: `id` (names, distances, [`Contact`]), `address` (scopes and prefixes)
//! - the machine: `machine` ([`Dht`]) with `table`, `lookup`, `observed`; it takes parsed messages and gives those to send
//! - the way to those behind NATs: `call` (what a caller says to them), `registry` (whom a node introduces)
//! - the edge: `datagram` ([`Datagrams`]: bytes to messages and back), `gate` (rates, cookies), `message`, `statistics`
//! - what is stored: `record`, `blinded`, `content`, `period` (how somebody is found), `note` (how the sides of a code
//!   meet), `store` and `shelf` (what is kept for others)
//!
//! None of it knows of links, sockets or the rest of a node, so ten thousand of them run in one test.

mod address;
mod blinded;
mod call;
mod content;
mod datagram;
mod gate;
mod id;
mod lookup;
mod machine;
mod message;
mod note;
mod observed;
mod period;
mod record;
mod registry;
mod shelf;
mod statistics;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use address::{Prefix, Scope};
pub use blinded::{BlindedId, BlindedIdentity, NotSigned};
pub use call::{Call, MAX_CALL_AT, SEALED_CALL, SealedCall};
pub use content::{
    Content, Introduced, MAX_AT, MAX_DEVICES, MAX_INTRODUCERS, MAX_MAILBOXES, Prekey, publishable,
};
pub(crate) use content::{read_address, write_address};
pub use datagram::{Datagrams, MAX_DATAGRAM, MIN_REQUEST, Opened, ReplySlot, Transaction, is_ours};
pub use gate::Gate;
pub use id::{BITS, Contact, Distance, NodeId, NodeKey, Target};
pub use machine::{Dht, DhtEvent, LookupId, Mode, NodeView, Output, RequestId, StoreId};
pub use message::{
    Answer, Cookie, Item, MAX_ADDRESSES, MAX_NODES, NOTES_OF_PAGE, Nonce, Query, Refusal, Request, Response,
};
pub use note::{BadNote, MAX_NOTE, MIN_WORK, MeetAt, Meeting, Note, Search, WANTED_WORK};
pub use period::{Hour, Period};
pub use record::{BadRecord, MAX_RECORD, MAX_TTL_ADDRESSES, MAX_TTL_BUNDLE, Record, RecordKind};
pub use registry::{MAX_REGISTERED, REGISTERED_FOR, REGISTERED_OF_PREFIX};
pub use statistics::{Reason, Statistics};
pub use store::{
    MAX_NOTES, MAX_RECORDS, NOTE_STAY, NOTES_OF_PREFIX, NOTES_OF_TARGET, RECORDS_OF_PREFIX, Store, Stored,
};
pub use table::K;
