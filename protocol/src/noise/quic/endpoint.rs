//! What an endpoint needs beside its sessions: connection ids, stateless resets, tokens. All from one entropy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use noq_proto::crypto::{CryptoError, HandshakeTokenKey, HmacKey};
use noq_proto::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::WIRE_VERSION;
use super::identities::{FIRST_LENGTH, Identities, tagged};
use crate::entropy::{Entropy, Stream};

/// The length of the connection ids that we give out, in bytes.
pub const CONNECTION_ID_LENGTH: usize = 8;

/// An endpoint's configuration: our version only, and all its randomness from `entropy`.
///
/// The QUIC bit stays fixed, so that a first byte in 0x10..=0x1f can be a datagram of ours. The implementation
/// prints its seed in debug output: what it gets leads back to nothing.
pub fn endpoint_config(entropy: &mut Entropy) -> EndpointConfig {
    let mut config =
        EndpointConfig::new(Arc::new(ResetKey { key: entropy.stream("stateless reset").bytes() }));
    let ids = Arc::new(Mutex::new(entropy.stream("connection ids")));
    config
        .supported_versions(vec![WIRE_VERSION])
        .grease_quic_bit(false)
        .rng_seed(Some(entropy.stream("quic").bytes()))
        .cid_generator(Arc::new(move || Box::new(ConnectionIds { stream: Arc::clone(&ids) })));
    config
}

/// The same, where Retry packets are sent for several identities.
pub(super) fn with_identities(entropy: &mut Entropy, others: &Arc<Identities>) -> EndpointConfig {
    let mut config = endpoint_config(entropy);
    let ids = Arc::new(Mutex::new(entropy.stream("connection ids of identities")));
    let others = Arc::clone(others);
    config.cid_generator(Arc::new(move || {
        let inner = ConnectionIds { stream: Arc::clone(&ids) };
        Box::new(IdentityConnectionIds { inner, others: Arc::clone(&others) })
    }));
    config
}

/// Seals the tokens by which an address proves itself.
pub fn token_key(entropy: &mut Entropy) -> Arc<dyn HandshakeTokenKey> {
    Arc::new(TokenKey { key: entropy.stream("tokens").bytes() })
}

/// For `ClientConfig::initial_dst_cid_provider`: the first ids that a client calls its servers by.
pub fn initial_connection_ids(stream: Stream) -> Arc<dyn Fn() -> ConnectionId + Send + Sync> {
    let stream = Mutex::new(stream);
    // As long as those that are tagged, so that none of them shows.
    Arc::new(move || draw::<FIRST_LENGTH>(&stream))
}

struct ConnectionIds {
    stream: Arc<Mutex<Stream>>,
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        draw::<CONNECTION_ID_LENGTH>(&self.stream)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

struct IdentityConnectionIds {
    inner: ConnectionIds,
    others: Arc<Identities>,
}

impl ConnectionIdGenerator for IdentityConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let drawn = self.inner.generate_cid();
        self.others.retrying().map_or(drawn, |identity| tagged(&identity, &drawn))
    }

    fn cid_len(&self) -> usize {
        self.inner.cid_len()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        self.inner.cid_lifetime()
    }
}

fn draw<const N: usize>(stream: &Mutex<Stream>) -> ConnectionId {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    ConnectionId::new(&stream.bytes::<N>())
}

#[derive(ZeroizeOnDrop)]
struct ResetKey {
    key: [u8; 32],
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let mac = blake3::keyed_hash(&self.key, data);
        signature_out.iter_mut().zip(mac.as_bytes()).for_each(|(out, byte)| *out = *byte);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mac = blake3::keyed_hash(&self.key, data);
        if mac.as_bytes().ct_eq(signature).into() { Ok(()) } else { Err(CryptoError) }
    }
}

/// Each token's nonce picks a key of its own, of which the AEAD's nonce can then be zero.
#[derive(ZeroizeOnDrop)]
struct TokenKey {
    key: [u8; 32],
}

impl TokenKey {
    fn aead(&self, token_nonce: u128) -> ChaCha20Poly1305 {
        let key = blake3::keyed_hash(&self.key, &token_nonce.to_le_bytes());
        ChaCha20Poly1305::new(&(*Zeroizing::new(*key.as_bytes())).into())
    }
}

impl HandshakeTokenKey for TokenKey {
    fn seal(&self, token_nonce: u128, data: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.aead(token_nonce).encrypt_in_place(&[0; 12].into(), &[], data).map_err(|_| CryptoError)
    }

    fn open<'a>(&self, token_nonce: u128, data: &'a mut [u8]) -> Result<&'a [u8], CryptoError> {
        let (body, tag) = data.split_last_chunk_mut::<16>().ok_or(CryptoError)?;
        self.aead(token_nonce)
            .decrypt_inout_detached(&[0; 12].into(), &[], (&mut *body).into(), &(*tag).into())
            .map_err(|_| CryptoError)?;
        Ok(body)
    }
}
