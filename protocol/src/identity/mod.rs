//! Who a node is: its key, the id that stands for it, and how both are written down.

mod address;
mod key_file;
mod keys;
mod text;
pub(crate) mod typo;

pub use address::{ParsePeerAddressError, PeerAddress};
pub use key_file::{KeyFile, KeyFileError, PassphraseCost};
pub use keys::{BadPeerId, Identity, PeerId};
pub use text::ParsePeerIdError;
pub use typo::Typo;
