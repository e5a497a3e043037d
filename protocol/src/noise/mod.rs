//! The Noise patterns, and the two sessions that run on them.
//!
//! [`symmetric`] is the state that every pattern shares, [`handshake`] the patterns themselves. On the IK pattern run
//! [`quic`], behind the QUIC implementation's cryptography traits, and [`stream`], records over a byte stream;
//! `agreement`, `hello` and `frames` are what the two have in common. All of it follows the Noise Protocol Framework,
//! revision 34, with 25519, ChaChaPoly and BLAKE2s.

mod agreement;
mod frames;
pub mod handshake;
mod hello;
pub mod quic;
pub mod stream;
pub mod symmetric;

/// Why a Noise message could not be written or read. All but [`NoiseError::OutOfTurn`] end the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseError {
    /// Longer than [`symmetric::MAX_MESSAGE`], or too short for what its pattern puts into it.
    Length,
    /// The tag does not fit: changed on its way, meant for another key, or made under another prologue.
    Decrypt,
    /// The Diffie-Hellman result is all zero: the other side's public key is of small order.
    WeakKey,
    /// This key has no nonce left.
    Exhausted,
    /// Not this side's turn, or the handshake is over or has failed.
    OutOfTurn,
}

impl std::fmt::Display for NoiseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Length => "the handshake message has the wrong length",
            Self::Decrypt => "the handshake message does not decrypt",
            Self::WeakKey => "the other side's key is one that proves nothing",
            Self::Exhausted => "this key has encrypted as many messages as it may",
            Self::OutOfTurn => "no handshake message was expected now",
        })
    }
}

impl std::error::Error for NoiseError {}
