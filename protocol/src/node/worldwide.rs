//! What is asked of BitTorrent's worldwide DHT, Mainline, and its answers.
//!
//! It serves those who know no node of this network yet. It keeps two things: small signed items under the key that
//! signs them (BEP-44), and the addresses of those who have announced themselves under a topic (BEP-5). Whoever runs
//! a node there sees both, so nothing is put there that is not blinded and encrypted; and whatever comes from there
//! is a stranger's word.

use std::net::SocketAddr;
use std::num::NonZeroU16;

/// Longest value of an item in bytes: with its length before it, 1000 bytes (BEP-44, "v").
pub const MAX_WORLD_VALUE: usize = 996;

/// Names a request to Mainline and its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorldId(pub u64);

/// A request to Mainline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorldRequest {
    /// Keep an item, for about two hours. An item with a lower sequence number is not taken by who has a newer one.
    /// While one is put, another one under the same key is not stored: wait for [`WorldAnswer::Over`].
    Put {
        /// The Ed25519 key under which it is found.
        key: [u8; 32],
        /// The higher, the newer; at most `i64::MAX`.
        sequence: u64,
        /// At most [`MAX_WORLD_VALUE`] bytes.
        value: Vec<u8>,
        /// By that key, over `3:seqi{sequence}e1:v{length}:{value}`, numbers in decimal (BEP-44, without salt).
        signature: [u8; 64],
    },
    /// Find items.
    Get {
        /// The Ed25519 key that has signed them.
        key: [u8; 32],
    },
    /// Tell under a topic that one can be reached at this UDP port, at the address from which Mainline sees the
    /// announcement come. Kept for about half an hour.
    Announce {
        /// What others look for (BEP-5, "info_hash").
        topic: [u8; 20],
        /// The port.
        port: NonZeroU16,
    },
    /// Find who has announced itself under a topic.
    Find {
        /// The topic.
        topic: [u8; 20],
    },
}

/// An answer to a [`WorldRequest`]. Several may come, the last one is [`WorldAnswer::Over`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorldAnswer {
    /// To [`WorldRequest::Get`]: further items, sequence number and value, the newest last. Their signatures are
    /// right. Each differs from all before it, but may be older: other nodes keep other items.
    Values(Vec<(u64, Vec<u8>)>),
    /// To [`WorldRequest::Find`]: further addresses, each for the first time. Anyone can claim any.
    Peers(Vec<SocketAddr>),
    /// To [`WorldRequest::Put`] and [`WorldRequest::Announce`]: whether at least one node keeps it.
    Stored(bool),
    /// To every request, at last: there will be no further answer.
    Over {
        /// Whether any node of Mainline has answered. If not, this computer may be offline, or UDP be blocked.
        reached: bool,
    },
}
