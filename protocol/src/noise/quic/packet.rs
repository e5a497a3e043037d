//! Packet protection: AES-256-GCM or ChaCha20-Poly1305, in place (RFC 9001, section 5.3, and QUIC multipath).

use aes_gcm::Aes256Gcm;
use bytes::BytesMut;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::consts::{U12, U16};
use chacha20poly1305::aead::{AeadCore, AeadInOut, KeyInit};
use noq_proto::coding::{Decodable, Encodable};
use noq_proto::crypto::{CryptoError, PacketKey};
use noq_proto::{PathId, VarInt};
use zeroize::{Zeroize, Zeroizing};

use super::Cipher;

const TAG: usize = 16;

/// How many packets a key may encrypt, and how many forgeries it may see.
#[derive(Clone, Copy)]
struct Limits {
    confidentiality: u64,
    integrity: u64,
}

/// RFC 9001, section 6.6.
const AES: Limits = Limits { confidentiality: 1 << 23, integrity: 1 << 52 };
/// RFC 9001, section 6.6: more than the 2^62 packet numbers there are.
const CHACHA: Limits = Limits { confidentiality: 1 << 62, integrity: 1 << 36 };

/// The packet key of one direction's secret.
pub(super) fn key(cipher: Cipher, secret: &[u8; 32]) -> Box<dyn PacketKey> {
    let key = Zeroizing::new(blake3::derive_key("hither v1 quic packet key", secret));
    let derived = Zeroizing::new(blake3::derive_key("hither v1 quic packet iv", secret));
    let mut iv = [0; 12];
    iv.iter_mut().zip(derived.iter()).for_each(|(iv, byte)| *iv = *byte);
    with_iv(cipher, &key, iv)
}

/// The packet key of a key and an IV.
pub(super) fn with_iv(cipher: Cipher, key: &[u8; 32], iv: [u8; 12]) -> Box<dyn PacketKey> {
    let key = key.into();
    match cipher {
        Cipher::ChaCha20Poly1305 => Box::new(Key { aead: ChaCha20Poly1305::new(key), iv, limits: CHACHA }),
        Cipher::Aes256Gcm => Box::new(Key { aead: Aes256Gcm::new(key), iv, limits: AES }),
    }
}

/// The cipher with its key schedule done, which both of them wipe when dropped.
struct Key<A> {
    aead: A,
    iv: [u8; 12],
    limits: Limits,
}

impl<A> Drop for Key<A> {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}

impl<A> Key<A> {
    /// IV xor (path id, packet number), big-endian (draft-ietf-quic-multipath, section 4): path 0 is RFC 9001's.
    fn nonce(&self, path: PathId, packet: u64) -> [u8; 12] {
        let number = u128::from(path_number(path)) << 64 | u128::from(packet);
        let mut nonce = self.iv;
        for (byte, part) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= part;
        }
        nonce
    }
}

impl<A> PacketKey for Key<A>
where
    A: AeadInOut + AeadCore<NonceSize = U12, TagSize = U16> + Send + Sync,
{
    fn encrypt(&self, path_id: PathId, packet: u64, buf: &mut [u8], header_len: usize) {
        let nonce = self.nonce(path_id, packet);
        let sealed = buf.split_at_mut_checked(header_len).and_then(|(header, rest)| {
            let (body, tag) = rest.split_last_chunk_mut::<TAG>()?;
            let made = self.aead.encrypt_inout_detached(&nonce.into(), header, body.into()).ok()?;
            *tag = made.into();
            Some(())
        });
        // Only a packet of 64 GiB or one without room for a tag gets here. It must not leave as it is.
        if sealed.is_none() {
            buf.fill(0);
        }
    }

    fn decrypt(
        &self,
        path_id: PathId,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let nonce = self.nonce(path_id, packet);
        let (body, tag) = payload.split_last_chunk_mut::<TAG>().ok_or(CryptoError)?;
        let length = body.len();
        self.aead
            .decrypt_inout_detached(&nonce.into(), header, body.into(), (&*tag).into())
            .map_err(|_| CryptoError)?;
        payload.truncate(length);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        TAG
    }

    fn confidentiality_limit(&self) -> u64 {
        self.limits.confidentiality
    }

    fn integrity_limit(&self) -> u64 {
        self.limits.integrity
    }
}

/// A path's number, which is public only in its encoded form.
fn path_number(path: PathId) -> u64 {
    if path == PathId::ZERO {
        return 0;
    }
    let mut encoded = [0; 8];
    path.encode(&mut encoded.as_mut_slice());
    VarInt::decode(&mut encoded.as_slice()).map_or(0, VarInt::into_inner)
}
