//! Header protection, by AES-256 or ChaCha20 (RFC 9001, section 5.4).

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use chacha20::cipher::{KeyIvInit, StreamCipherCore, array::Array};
use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, R20};
use noq_proto::crypto::HeaderKey;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::Cipher;

const SAMPLE: usize = 16;

/// The header key of one direction's secret.
pub(super) fn key(cipher: Cipher, secret: &[u8; 32]) -> Box<dyn HeaderKey> {
    raw(cipher, &Zeroizing::new(blake3::derive_key("hither v1 quic header key", secret)))
}

/// The header key of a key.
pub(super) fn raw(cipher: Cipher, key: &[u8; 32]) -> Box<dyn HeaderKey> {
    match cipher {
        Cipher::ChaCha20Poly1305 => Box::new(Key(ChaCha { key: *key })),
        Cipher::Aes256Gcm => Box::new(Key(Aes { cipher: Aes256::new(key.into()) })),
    }
}

/// What turns a sample of the ciphertext into five bytes of mask.
trait Mask {
    fn mask(&self, sample: &[u8; SAMPLE]) -> [u8; 5];
}

struct Aes {
    cipher: Aes256,
}

impl Mask for Aes {
    fn mask(&self, sample: &[u8; SAMPLE]) -> [u8; 5] {
        let mut block = Array::from(*sample);
        self.cipher.encrypt_block(&mut block);
        let [a, b, c, d, e, ..] = block.0;
        [a, b, c, d, e]
    }
}

#[derive(ZeroizeOnDrop)]
struct ChaCha {
    key: [u8; 32],
}

impl Mask for ChaCha {
    fn mask(&self, sample: &[u8; SAMPLE]) -> [u8; 5] {
        let [c0, c1, c2, c3, nonce @ ..] = *sample;
        // The block function itself: the stream cipher around it panics where the counter is the last one, and the
        // counter is the sender's choice.
        let mut core = ChaChaCore::<R20, Ietf>::new(&self.key.into(), &nonce.into());
        core.set_block_pos(u32::from_le_bytes([c0, c1, c2, c3]));
        let mut block = Array::default();
        core.write_keystream_block(&mut block);
        let [a, b, c, d, e, ..] = block.0;
        [a, b, c, d, e]
    }
}

/// Either cipher, as the QUIC implementation wants it.
struct Key<M>(M);

impl<M: Mask + Send + Sync> HeaderKey for Key<M> {
    fn decrypt(&self, pn_offset: usize, packet: &mut [u8]) {
        unprotect(&self.0, pn_offset, packet);
    }

    fn encrypt(&self, pn_offset: usize, packet: &mut [u8]) {
        protect(&self.0, pn_offset, packet);
    }

    fn sample_size(&self) -> usize {
        SAMPLE
    }
}

fn protect(key: &impl Mask, pn_offset: usize, packet: &mut [u8]) {
    let Some([first_mask, masks @ ..]) = mask_of(key, pn_offset, packet) else { return };
    let Some(first) = packet.first_mut() else { return };
    let length = number_length(*first);
    *first ^= first_mask & protected_bits(*first);
    mask_number(pn_offset, length, masks, packet);
}

fn unprotect(key: &impl Mask, pn_offset: usize, packet: &mut [u8]) {
    let Some([first_mask, masks @ ..]) = mask_of(key, pn_offset, packet) else { return };
    let Some(first) = packet.first_mut() else { return };
    *first ^= first_mask & protected_bits(*first);
    let length = number_length(*first);
    mask_number(pn_offset, length, masks, packet);
}

/// The sample starts where a packet number of four bytes would end. Callers have checked that it is there.
fn mask_of(key: &impl Mask, pn_offset: usize, packet: &[u8]) -> Option<[u8; 5]> {
    let sample = packet.get(pn_offset.checked_add(4)?..)?.first_chunk()?;
    Some(key.mask(sample))
}

/// The first byte's bits that are protected: four of a long header, five of a short one.
fn protected_bits(first: u8) -> u8 {
    if first & 0x80 != 0 { 0x0f } else { 0x1f }
}

/// How many bytes the packet number has, by the unprotected first byte.
fn number_length(first: u8) -> usize {
    usize::from(first & 0x03).saturating_add(1)
}

fn mask_number(pn_offset: usize, length: usize, masks: [u8; 4], packet: &mut [u8]) {
    let number = packet.get_mut(pn_offset..).unwrap_or_default();
    for (byte, mask) in number.iter_mut().zip(masks).take(length) {
        *byte ^= mask;
    }
}
