//! What the two handshake messages carry: parsed once, here, from what a peer sent.

use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp::serialize;
use hither_schema::handshake_capnp::{Cipher as WireCipher, client_hello, server_hello};

use super::agreement::{Cipher, HandshakeError};
use super::frames::MAX_FRAME;
use super::handshake::Handshake;
use crate::identity::PeerId;

/// How many of the offered ciphers are looked at. There are two.
const MAX_CIPHERS: u32 = 16;

/// Four times the longest message, in words, and no structures inside of structures.
const LIMITS: ReaderOptions =
    ReaderOptions { traversal_limit_in_words: Some(4 * MAX_FRAME / 8), nesting_limit: 4 };

/// Message 1's payload.
pub(super) struct ClientHello {
    /// The initiator, as it says.
    pub(super) peer: PeerId,
    /// What it is willing to use, as far as we know those ciphers.
    pub(super) ciphers: Vec<Cipher>,
    /// Its QUIC transport parameters, encoded; empty on a byte stream.
    pub(super) transport: Vec<u8>,
}

impl ClientHello {
    pub(super) fn encode(&self) -> Result<Vec<u8>, HandshakeError> {
        let mut message = Builder::new_default();
        let mut hello = message.init_root::<client_hello::Builder<'_>>();
        hello.set_peer(self.peer.as_bytes());
        hello.set_transport(&self.transport);
        let count = u32::try_from(self.ciphers.len()).map_err(|_| HandshakeError::Malformed)?;
        let mut list = hello.init_ciphers(count);
        for (index, cipher) in (0..).zip(&self.ciphers) {
            list.set(index, to_wire(*cipher));
        }
        Ok(encoded(&message))
    }

    /// Opens message 1 and reads what is in it. The id must be that of the key which the message proves.
    pub(super) fn open(handshake: &mut Handshake, message: &[u8]) -> Result<Self, HandshakeError> {
        let hello = Self::decode(&handshake.read(message)?)?;
        if handshake.remote_static() != Some(&hello.peer.noise_public()) {
            return Err(HandshakeError::BadId);
        }
        Ok(hello)
    }

    fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut rest = bytes;
        let message = serialize::read_message_from_flat_slice(&mut rest, LIMITS)?;
        let hello = message.get_root::<client_hello::Reader<'_>>()?;
        let peer = PeerId::from_bytes(hello.get_peer()?).map_err(|_| HandshakeError::BadId)?;
        let offered = hello.get_ciphers()?;
        // Ciphers of later versions are none of our business.
        let ciphers =
            (0..offered.len().min(MAX_CIPHERS)).filter_map(|i| offered.get(i).ok()).map(from_wire).collect();
        let transport = hello.get_transport()?.to_vec();
        if !rest.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self { peer, ciphers, transport })
    }
}

/// Message 2's payload.
pub(super) struct ServerHello {
    /// The cipher that the responder chose.
    pub(super) cipher: Cipher,
    /// Its QUIC transport parameters, encoded; empty on a byte stream.
    pub(super) transport: Vec<u8>,
}

impl ServerHello {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut message = Builder::new_default();
        let mut hello = message.init_root::<server_hello::Builder<'_>>();
        hello.set_cipher(to_wire(self.cipher));
        hello.set_transport(&self.transport);
        encoded(&message)
    }

    /// Opens message 2 and reads what is in it. The cipher must be one of those `offered`.
    pub(super) fn open(
        handshake: &mut Handshake,
        message: &[u8],
        offered: &[Cipher],
    ) -> Result<Self, HandshakeError> {
        let hello = Self::decode(&handshake.read(message)?)?;
        if offered.contains(&hello.cipher) { Ok(hello) } else { Err(HandshakeError::NoCipher) }
    }

    fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut rest = bytes;
        let message = serialize::read_message_from_flat_slice(&mut rest, LIMITS)?;
        let hello = message.get_root::<server_hello::Reader<'_>>()?;
        let cipher = from_wire(hello.get_cipher().map_err(|_| HandshakeError::NoCipher)?);
        let transport = hello.get_transport()?.to_vec();
        if !rest.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self { cipher, transport })
    }
}

fn encoded(message: &Builder<HeapAllocator>) -> Vec<u8> {
    serialize::write_message_to_words(message)
}

fn to_wire(cipher: Cipher) -> WireCipher {
    match cipher {
        Cipher::ChaCha20Poly1305 => WireCipher::ChaCha20Poly1305,
        Cipher::Aes256Gcm => WireCipher::Aes256Gcm,
    }
}

fn from_wire(cipher: WireCipher) -> Cipher {
    match cipher {
        WireCipher::ChaCha20Poly1305 => Cipher::ChaCha20Poly1305,
        WireCipher::Aes256Gcm => Cipher::Aes256Gcm,
    }
}
