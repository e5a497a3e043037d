//! Files: what is offered, how it is cut and hashed, and the machines that send and receive it.

mod found;
pub mod hash;
pub mod journal;
pub(crate) mod limit;
mod manifest;
mod path;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use found::Found;
pub use manifest::{BadManifest, Entry, EntryKind, FileIdentity, Manifest, Places};
pub use path::{BadPath, MAX_COMPONENT, MAX_DEPTH, MAX_PATH, RelativePath};
pub(crate) use receiver::{Receiver, Terms, WriteFailure, is_journaled};
pub(crate) use sender::{ReadFailure, Sender};

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
