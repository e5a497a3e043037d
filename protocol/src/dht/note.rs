//! Notes: where the maker of a code is, with the work that was done for it.

use super::id::Target;
use crate::identity::PeerId;

/// A note whose signature and work are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    target: Target,
    hour: u64,
    key: PeerId,
    work: u64,
    sequence: u64,
    sealed: Vec<u8>,
    signature: [u8; 64],
}

impl Note {
    /// Where it is stored.
    pub fn target(&self) -> Target {
        self.target
    }
}
