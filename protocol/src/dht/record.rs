//! Records: how to reach somebody, signed under a key that only those who know them can tell is theirs.

use super::id::Target;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Where its owner is now: an hour at most.
    Addresses,
    /// What outlives its owner's absence: mailboxes and the key that messages are sealed to.
    Bundle,
}

/// A record whose signature is right. What is in it only those can read who know whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    kind: RecordKind,
    period: u64,
    key: [u8; 32],
    sequence: u64,
    sealed: Vec<u8>,
    signature: [u8; 64],
}

impl Record {
    /// Where it is stored.
    pub fn target(&self) -> Target {
        Target(blake3::derive_key("hither v1 dht record target", &self.key))
    }
}
