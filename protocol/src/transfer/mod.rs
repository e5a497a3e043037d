//! Files: what is offered, how it is cut and hashed, and the machines that send and receive it.

pub(crate) mod bits;
mod found;
pub mod hash;
pub mod journal;
pub(crate) mod landing;
pub(crate) mod limit;
mod link_target;
mod manifest;
mod path;
pub(crate) mod pieces;
pub(crate) mod proof;
pub(crate) mod recalled;
mod receiver;
mod safe_name;
pub(crate) mod schedule;
mod sender;
mod stream;
#[cfg(test)]
mod tests;
mod ticket;
mod unsaved;

pub(crate) use found::Found;
pub use link_target::{LinkTarget, MAX_TARGET};
pub use manifest::{BadManifest, Entry, EntryKind, FileIdentity, Manifest, Places};
pub use path::{BadPath, MAX_COMPONENT, MAX_DEPTH, MAX_PATH, RelativePath};
pub use pieces::MAX_PIECES;
pub(crate) use receiver::{Order, Receiver, Terms, WriteFailure, is_journaled};
pub use safe_name::{safe_name, safe_names, windows_reinterprets};
pub(crate) use sender::{ReadFailure, Sender};
pub(crate) use stream::StreamSender;
pub use stream::stream_size;
pub(crate) use ticket::is_dialable;
pub use ticket::{MAX_TICKET_ADDRESSES, ParseTicketError, Shared, Ticket};

/// Names a transfer between two peers: 16 random bytes, chosen by the sender.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 16]);

impl std::fmt::Display for TransferId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for TransferId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
