//! Who a node is: its key, and the id that stands for it.

mod keys;

pub use keys::{BadPeerId, Identity, PeerId};
