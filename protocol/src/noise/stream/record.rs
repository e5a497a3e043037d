//! Records: a length, then up to 64 KiB under AES-256-GCM or ChaCha20-Poly1305, encrypted and decrypted in place.
//!
//! The nonce is a counter, so a record that is lost, repeated or out of its place does not open. A key encrypts
//! [`REKEY_AFTER`] records and is then replaced on both sides by one that follows from it and leads not back.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::consts::{U12, U16};
use chacha20poly1305::aead::{AeadCore, AeadInOut, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use crate::noise::agreement::Cipher;
use crate::noise::symmetric::TAG;

/// Bytes of a record's length.
const LENGTH: usize = 2;
/// The most that one record holds, in bytes: what a `u16` can say, less the tag.
pub const MAX_PLAINTEXT: usize = 65_535 - TAG;

/// Records under one key. With AES-256-GCM 2^16 of them are 2^28 blocks, a hundredth of what RFC 8446, section 5.5
/// allows (2^24.5 records of 2^10 blocks); ChaCha20-Poly1305 has no bound that could be reached.
const REKEY_AFTER: u32 = 1 << 16;

/// A record that does not open, or was never to be one. The stream cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError;

/// Encrypts one direction.
pub struct Sealer(Direction);

impl Sealer {
    pub(super) fn new(cipher: Cipher, secret: Zeroizing<[u8; 32]>) -> Self {
        Self(Direction::new(cipher, secret))
    }

    /// Puts one record onto the end of `out`. `write` puts what it is to hold there, 1 to [`MAX_PLAINTEXT`] bytes, and
    /// nothing else; the encryption happens where it lies.
    pub fn seal(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), RecordError> {
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH]);
        write(out);
        let sealed = self.seal_from(start, out);
        // What was not encrypted must not leave.
        sealed.inspect_err(|_| out.truncate(start))
    }

    fn seal_from(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
        let record = out.get_mut(start..).ok_or(RecordError)?;
        let (length, body) = record.split_first_chunk_mut::<LENGTH>().ok_or(RecordError)?;
        if body.is_empty() || body.len() > MAX_PLAINTEXT {
            return Err(RecordError);
        }
        let sealed = body.len().checked_add(TAG).and_then(|sealed| u16::try_from(sealed).ok());
        *length = sealed.ok_or(RecordError)?.to_be_bytes();
        let tag = self.0.encrypt(length, body)?;
        out.extend_from_slice(&tag);
        Ok(())
    }
}

/// Decrypts one direction, and finds where its records begin and end. Holds at most one record.
pub struct Opener {
    direction: Direction,
    length: [u8; LENGTH],
    /// Bytes of the length that have arrived.
    known: usize,
    held: Vec<u8>,
}

impl Opener {
    pub(super) fn new(cipher: Cipher, secret: Zeroizing<[u8; 32]>) -> Self {
        let direction = Direction::new(cipher, secret);
        Self { direction, length: [0; LENGTH], known: 0, held: Vec::new() }
    }

    /// Takes bytes from the front of `input` until a record is whole; gives what is in it, which is never nothing.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, RecordError> {
        while self.known < LENGTH {
            let (Some((byte, rest)), Some(place)) = (input.split_first(), self.length.get_mut(self.known))
            else {
                return Ok(None);
            };
            (*place, *input) = (*byte, rest);
            self.known = self.known.saturating_add(1);
        }
        let length = usize::from(u16::from_be_bytes(self.length));
        if length <= TAG {
            return Err(RecordError);
        }
        // Exactly as much as will be handed on: what holds a part of it holds no more than it.
        self.held.reserve_exact(length.saturating_sub(self.held.len()));
        let missing = length.saturating_sub(self.held.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.held.extend_from_slice(taken);
        *input = rest;
        if self.held.len() < length {
            return Ok(None);
        }
        self.known = 0;
        let mut record = std::mem::take(&mut self.held);
        let (body, tag) = record.split_last_chunk_mut::<TAG>().ok_or(RecordError)?;
        self.direction.decrypt(&self.length, body, tag)?;
        let length = body.len();
        record.truncate(length);
        Ok(Some(record))
    }
}

/// One direction's key, and how often it was used.
struct Direction {
    cipher: Cipher,
    secret: Zeroizing<[u8; 32]>,
    key: Key,
    iv: [u8; 12],
    count: u32,
}

enum Key {
    Aes(Box<Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
}

impl Drop for Direction {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}

impl Direction {
    fn new(cipher: Cipher, secret: Zeroizing<[u8; 32]>) -> Self {
        let key = Zeroizing::new(blake3::derive_key("hither v1 stream key", secret.as_slice()));
        let derived = Zeroizing::new(blake3::derive_key("hither v1 stream iv", secret.as_slice()));
        let mut iv = [0; 12];
        iv.iter_mut().zip(derived.iter()).for_each(|(iv, byte)| *iv = *byte);
        let key = match cipher {
            Cipher::Aes256Gcm => Key::Aes(Box::new(Aes256Gcm::new((&*key).into()))),
            Cipher::ChaCha20Poly1305 => Key::ChaCha(Box::new(ChaCha20Poly1305::new((&*key).into()))),
        };
        Self { cipher, secret, key, iv, count: 0 }
    }

    fn encrypt(&mut self, length: &[u8], body: &mut [u8]) -> Result<[u8; TAG], RecordError> {
        let nonce = self.nonce();
        match &self.key {
            Key::Aes(aead) => encrypt(aead.as_ref(), nonce, length, body),
            Key::ChaCha(aead) => encrypt(aead.as_ref(), nonce, length, body),
        }
    }

    fn decrypt(&mut self, length: &[u8], body: &mut [u8], tag: &[u8; TAG]) -> Result<(), RecordError> {
        let nonce = self.nonce();
        match &self.key {
            Key::Aes(aead) => decrypt(aead.as_ref(), nonce, length, body, tag),
            Key::ChaCha(aead) => decrypt(aead.as_ref(), nonce, length, body, tag),
        }
    }

    /// The next record's nonce: IV xor counter. Where a key has done its work, the next one takes its place first.
    fn nonce(&mut self) -> [u8; 12] {
        if self.count >= REKEY_AFTER {
            let next = Zeroizing::new(blake3::derive_key("hither v1 stream rekey", self.secret.as_slice()));
            *self = Self::new(self.cipher, next);
        }
        let mut nonce = self.iv;
        for (byte, part) in nonce.iter_mut().rev().zip(self.count.to_le_bytes()) {
            *byte ^= part;
        }
        self.count = self.count.saturating_add(1);
        nonce
    }
}

fn encrypt<A>(aead: &A, nonce: [u8; 12], length: &[u8], body: &mut [u8]) -> Result<[u8; TAG], RecordError>
where
    A: AeadInOut + AeadCore<NonceSize = U12, TagSize = U16>,
{
    let tag = aead.encrypt_inout_detached(&nonce.into(), length, body.into()).map_err(|_| RecordError)?;
    Ok(tag.into())
}

fn decrypt<A>(
    aead: &A,
    nonce: [u8; 12],
    length: &[u8],
    body: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), RecordError>
where
    A: AeadInOut + AeadCore<NonceSize = U12, TagSize = U16>,
{
    aead.decrypt_inout_detached(&nonce.into(), length, body.into(), tag.into()).map_err(|_| RecordError)
}
