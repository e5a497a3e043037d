//! What the sessions of one identity have in common, whatever carries them: network, ciphers, ephemeral keys.

use std::sync::{Arc, Mutex, PoisonError};

use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::NoiseError;
use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};

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

/// What packets and records are encrypted with after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// Fast enough everywhere.
    ChaCha20Poly1305,
    /// Five to ten times faster where both sides have AES instructions; slow and leaky where one has not.
    Aes256Gcm,
}

impl Cipher {
    /// As key schedules hash it.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::ChaCha20Poly1305 => 0,
            Self::Aes256Gcm => 1,
        }
    }
}

/// What a machine is willing to encrypt with, best first. ChaCha20-Poly1305 is always among it, so two peers always
/// find a cipher.
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

    pub(super) fn as_slice(self) -> &'static [Cipher] {
        self.0
    }

    /// The best of these that is also in `offered`.
    pub(super) fn choose(self, offered: &[Cipher]) -> Option<Cipher> {
        self.0.iter().find(|cipher| offered.contains(cipher)).copied()
    }
}

/// What all sessions of one identity share.
pub(super) struct Shared {
    pub(super) identity: Arc<Identity>,
    network: NetworkId,
    pub(super) ciphers: Ciphers,
    /// Locked once a handshake. Shared by all identities of a node.
    ephemerals: Arc<Mutex<Stream>>,
}

impl Shared {
    pub(super) fn new(
        identity: Arc<Identity>,
        network: NetworkId,
        ciphers: Ciphers,
        ephemerals: Stream,
    ) -> Self {
        Self { identity, network, ciphers, ephemerals: Arc::new(Mutex::new(ephemerals)) }
    }

    /// The same for another identity of this node.
    pub(super) fn of(&self, identity: Arc<Identity>) -> Self {
        Self { identity, ephemerals: Arc::clone(&self.ephemerals), ..*self }
    }

    pub(super) fn mix(&self, fresh: &[u8; 32]) {
        self.ephemerals.lock().unwrap_or_else(PoisonError::into_inner).mix(fresh);
    }

    pub(super) fn ephemeral(&self) -> StaticSecret {
        let mut stream = self.ephemerals.lock().unwrap_or_else(PoisonError::into_inner);
        StaticSecret::from(*Zeroizing::new(stream.bytes()))
    }

    /// What both sides hash before the first message. All parts but the label have a fixed length.
    pub(super) fn prologue(&self, label: &[u8], responder: &PeerId) -> Vec<u8> {
        let mut prologue = label.to_vec();
        prologue.extend_from_slice(&WIRE_VERSION.to_be_bytes());
        prologue.extend_from_slice(&self.network.0);
        prologue.extend_from_slice(responder.as_bytes());
        prologue
    }
}

/// Why a handshake came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeError {
    /// The Noise message is not what it should be.
    Noise(NoiseError),
    /// A frame or a payload that does not parse, or is longer than 4 KiB.
    Malformed,
    /// The initiator's id is none, or not the one whose key was proven.
    BadId,
    /// No common cipher, or one that was not offered.
    NoCipher,
    /// Bytes while none were expected.
    Unexpected,
}

impl std::fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Noise(error) => error.fmt(f),
            Self::Malformed => f.write_str("the handshake message is malformed"),
            Self::BadId => f.write_str("the id in the handshake does not belong to the key that was proven"),
            Self::NoCipher => f.write_str("no cipher that both sides offered"),
            Self::Unexpected => f.write_str("handshake data that was not expected now"),
        }
    }
}

impl std::error::Error for HandshakeError {}

impl From<NoiseError> for HandshakeError {
    fn from(error: NoiseError) -> Self {
        Self::Noise(error)
    }
}

impl From<capnp::Error> for HandshakeError {
    fn from(_: capnp::Error) -> Self {
        Self::Malformed
    }
}
