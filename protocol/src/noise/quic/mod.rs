//! The QUIC session on Noise IK, behind the QUIC implementation's cryptography traits.
//!
//! ```text
//! client                                             server
//! Initial    [message 1: ClientHello]           ->
//!            <-   Initial [message 2: ServerHello], Handshake [confirmation]
//! Handshake  [confirmation]                     ->
//! ```
//!
//! `session` runs that exchange, `frames` and `hello` are the messages and what they carry, `secrets` what the keys
//! are derived from, `packet` and `header` the keys themselves, `initial` protection before there are secrets,
//! `config` where the implementation asks for all that, and `endpoint` what an endpoint needs beside its sessions.

use std::sync::{Arc, Mutex, PoisonError};

use noq_proto::crypto::{ClientConfig, ServerConfig};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};

mod config;
mod endpoint;
mod frames;
mod header;
mod hello;
mod initial;
mod packet;
mod secrets;
mod session;
#[cfg(test)]
mod tests;

pub use endpoint::{CONNECTION_ID_LENGTH, endpoint_config, initial_connection_ids, token_key};
pub use session::HandshakeData;

/// The QUIC version that stands for this wire format, so that no other QUIC ever answers to it.
pub const WIRE_VERSION: u32 = 0x4869_0001;

/// Keeps two networks apart: peers of different ones cannot complete a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkId(pub [u8; 32]);

impl Default for NetworkId {
    fn default() -> Self {
        Self(blake3::derive_key("hither v1 network main", &[]))
    }
}

/// What packets are encrypted with after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// Fast enough everywhere.
    ChaCha20Poly1305,
    /// Five to ten times faster where both sides have AES instructions; slow and leaky where one has not.
    Aes256Gcm,
}

/// What a machine is willing to encrypt packets with, best first. ChaCha20-Poly1305 is always among it, so two
/// peers always find a cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ciphers(&'static [Cipher]);

impl Ciphers {
    /// For a machine without AES instructions.
    pub fn portable() -> Self {
        Self(&[Cipher::ChaCha20Poly1305])
    }

    /// For a machine with AES instructions.
    pub fn with_aes() -> Self {
        Self(&[Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305])
    }

    fn as_slice(self) -> &'static [Cipher] {
        self.0
    }

    /// The best of these that is also in `offered`.
    fn choose(self, offered: &[Cipher]) -> Option<Cipher> {
        self.0.iter().find(|cipher| offered.contains(cipher)).copied()
    }
}

/// One identity's side of every handshake: makes the sessions' configurations.
pub struct QuicCrypto {
    shared: Arc<Shared>,
}

/// What all sessions of one identity share.
struct Shared {
    identity: Arc<Identity>,
    network: NetworkId,
    ciphers: Ciphers,
    /// Locked once a handshake.
    ephemerals: Mutex<Stream>,
}

impl QuicCrypto {
    /// `ephemerals` is the stream that every handshake's ephemeral key is drawn from.
    pub fn new(identity: Arc<Identity>, network: NetworkId, ciphers: Ciphers, ephemerals: Stream) -> Self {
        let ephemerals = Mutex::new(ephemerals);
        Self { shared: Arc::new(Shared { identity, network, ciphers, ephemerals }) }
    }

    /// For dialling `remote`, and nobody else.
    pub fn client(&self, remote: PeerId) -> Arc<dyn ClientConfig> {
        Arc::new(config::Client { shared: Arc::clone(&self.shared), remote })
    }

    /// For answering.
    pub fn server(&self) -> Arc<dyn ServerConfig> {
        Arc::new(config::Server { shared: Arc::clone(&self.shared) })
    }

    /// Mixes fresh randomness into the ephemeral keys to come, after a resume or a restored snapshot.
    pub fn mix(&self, fresh: &[u8; 32]) {
        self.shared.ephemerals.lock().unwrap_or_else(PoisonError::into_inner).mix(fresh);
    }
}

impl Shared {
    fn ephemeral(&self) -> StaticSecret {
        let mut stream = self.ephemerals.lock().unwrap_or_else(PoisonError::into_inner);
        StaticSecret::from(*Zeroizing::new(stream.bytes()))
    }

    /// What both sides hash before the first message. All parts have a fixed length.
    fn prologue(&self, responder: &PeerId) -> Vec<u8> {
        let mut prologue = b"hither v1 quic".to_vec();
        prologue.extend_from_slice(&WIRE_VERSION.to_be_bytes());
        prologue.extend_from_slice(&self.network.0);
        prologue.extend_from_slice(responder.as_bytes());
        prologue
    }
}
