//! The QUIC session on Noise IK, behind the QUIC implementation's cryptography traits.
//!
//! ```text
//! client                                             server
//! Initial    [message 1: ClientHello]           ->
//!            <-   Initial [message 2: ServerHello], Handshake [confirmation]
//! Handshake  [confirmation]                     ->
//! ```
//!
//! `session` runs that exchange, `secrets` is what the keys are derived from, `packet` and `header` the keys themselves, `initial` protection before there are secrets,
//! `config` where the implementation asks for all that, and `endpoint` what an endpoint needs beside its sessions.

use std::sync::Arc;

use noq_proto::crypto::{ClientConfig, ServerConfig};

use super::agreement::Shared;
use super::stream::StreamCrypto;
use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};

mod config;
mod endpoint;
mod header;
mod initial;
mod packet;
mod secrets;
mod session;
#[cfg(test)]
mod tests;

/// What both sides hash first, so that no other kind of session ever takes these messages for its own.
const LABEL: &[u8] = b"hither v1 quic";

pub use super::agreement::{Cipher, Ciphers, NetworkId, WIRE_VERSION};
pub use endpoint::{CONNECTION_ID_LENGTH, endpoint_config, initial_connection_ids, token_key};
pub use session::HandshakeData;

/// One identity's side of every handshake: makes the sessions' configurations.
pub struct QuicCrypto {
    shared: Arc<Shared>,
}

impl QuicCrypto {
    /// `ephemerals` is the stream that every handshake's ephemeral key is drawn from.
    pub fn new(identity: Arc<Identity>, network: NetworkId, ciphers: Ciphers, ephemerals: Stream) -> Self {
        Self { shared: Arc::new(Shared::new(identity, network, ciphers, ephemerals)) }
    }

    /// For dialling `remote`, and nobody else.
    pub fn client(&self, remote: PeerId) -> Arc<dyn ClientConfig> {
        Arc::new(config::Client { shared: Arc::clone(&self.shared), remote })
    }

    /// For answering.
    pub fn server(&self) -> Arc<dyn ServerConfig> {
        Arc::new(config::Server { shared: Arc::clone(&self.shared) })
    }

    /// The same identity's side of the handshakes of byte streams.
    pub fn streams(&self) -> StreamCrypto {
        StreamCrypto::new(Arc::clone(&self.shared))
    }

    /// Mixes fresh randomness into the ephemeral keys to come, after a resume or a restored snapshot.
    pub fn mix(&self, fresh: &[u8; 32]) {
        self.shared.mix(fresh);
    }
}
