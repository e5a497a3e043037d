//! The session of a byte stream on Noise IK: two handshake messages, then records both ways.
//!
//! ```text
//! client                                       server
//! [mark, message 1: ClientHello]          ->
//!                                         <-   [message 2: ServerHello]
//! records                                 ->
//!                                         <-   records
//! ```
//!
//! `session` runs the exchange, `record` protects what follows. Message 1 can be replayed, so the server believes
//! nothing of the client, and says nothing more, before the client's first record has opened.

use std::sync::Arc;

use super::agreement::Shared;

mod record;
mod session;

pub use super::agreement::HandshakeError;
pub use record::{MAX_PLAINTEXT, Opener, RecordError, Sealer};
pub use session::{Agreed, StreamSession};

/// What both sides hash first, so that no other kind of session ever takes these messages for its own.
const LABEL: &[u8] = b"hither v1 stream";

/// One identity's side of the handshakes of byte streams.
pub struct StreamCrypto {
    shared: Arc<Shared>,
}

impl StreamCrypto {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}
