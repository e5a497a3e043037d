//! The symmetric state of a handshake: chaining key, hash and cipher (Noise revision 34, sections 4 and 5).

use blake2::{Blake2s256, Digest};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::NoiseError;

/// The longest Noise message, in bytes (section 3 of the specification).
pub const MAX_MESSAGE: usize = 65_535;
/// The length of an AEAD tag, in bytes.
pub const TAG: usize = 16;
/// BLAKE2s's block, in bytes, which HMAC pads its key to.
const BLOCK: usize = 64;

type Key = Zeroizing<[u8; 32]>;

/// One direction's key and nonce (section 5.1).
#[derive(ZeroizeOnDrop)]
pub struct CipherState {
    key: [u8; 32],
    nonce: u64,
}

impl CipherState {
    /// A cipher that starts at nonce 0.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: *key, nonce: 0 }
    }

    /// A cipher that starts at `nonce`, for a transport that numbers its messages itself.
    pub fn starting_at(key: &[u8; 32], nonce: u64) -> Self {
        Self { key: *key, nonce }
    }

    /// Encrypts `plaintext` onto the end of `out`.
    pub fn seal(&mut self, ad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), NoiseError> {
        if plaintext.len().saturating_add(TAG) > MAX_MESSAGE {
            return Err(NoiseError::Length);
        }
        let next = self.next()?;
        let start = out.len();
        out.extend_from_slice(plaintext);
        let body = out.get_mut(start..).ok_or(NoiseError::Length)?;
        let tag = ChaCha20Poly1305::new(&self.key.into())
            .encrypt_inout_detached(&nonce_bytes(self.nonce).into(), ad, body.into())
            .map_err(|_| NoiseError::Length)?;
        out.extend_from_slice(&tag);
        self.nonce = next;
        Ok(())
    }

    /// Decrypts `ciphertext`. The nonce moves on only where the tag fits.
    pub fn open(&mut self, ad: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, NoiseError> {
        if ciphertext.len() > MAX_MESSAGE {
            return Err(NoiseError::Length);
        }
        let next = self.next()?;
        let (body, tag) = ciphertext.split_last_chunk::<TAG>().ok_or(NoiseError::Length)?;
        let mut body = body.to_vec();
        ChaCha20Poly1305::new(&self.key.into())
            .decrypt_inout_detached(
                &nonce_bytes(self.nonce).into(),
                ad,
                body.as_mut_slice().into(),
                &(*tag).into(),
            )
            .map_err(|_| NoiseError::Decrypt)?;
        self.nonce = next;
        Ok(body)
    }

    /// The nonce after this one. 2^64 - 1 itself is reserved, so a key at it has none left.
    fn next(&self) -> Result<u64, NoiseError> {
        self.nonce.checked_add(1).ok_or(NoiseError::Exhausted)
    }
}

/// ChaChaPoly's nonce: 32 zero bits, then the counter in little-endian (section 12.3).
fn nonce_bytes(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    if let Some(tail) = nonce.last_chunk_mut::<8>() {
        *tail = counter.to_le_bytes();
    }
    nonce
}

/// Chaining key, hash and, once there is a key, the cipher of the handshake's messages (section 5.2).
pub struct SymmetricState {
    chaining_key: Key,
    hash: [u8; 32],
    cipher: Option<CipherState>,
}

impl SymmetricState {
    /// Starts from a protocol's full name, as in `Noise_IK_25519_ChaChaPoly_BLAKE2s`.
    pub fn new(protocol_name: &str) -> Self {
        let name = protocol_name.as_bytes();
        let mut hash = [0; 32];
        match hash.get_mut(..name.len()) {
            Some(head) => head.copy_from_slice(name),
            None => hash = blake2s(&[name]),
        }
        Self { chaining_key: Zeroizing::new(hash), hash, cipher: None }
    }

    /// The state as it is now, to come back to after a message that cannot be read. Nothing may be sealed with both:
    /// they have the same nonces.
    pub(super) fn copy(&self) -> Self {
        let cipher = self.cipher.as_ref().map(|cipher| CipherState::starting_at(&cipher.key, cipher.nonce));
        Self { chaining_key: self.chaining_key.clone(), hash: self.hash, cipher }
    }

    /// `MixHash`.
    pub fn mix_hash(&mut self, data: &[u8]) {
        self.hash = blake2s(&[&self.hash, data]);
    }

    /// `MixKey(DH(secret, public))`. An all-zero result is refused (section 12.1 leaves that to the application).
    pub fn mix_dh(&mut self, secret: &StaticSecret, public: &PublicKey) -> Result<(), NoiseError> {
        let shared = secret.diffie_hellman(public);
        if !shared.was_contributory() {
            return Err(NoiseError::WeakKey);
        }
        let (chaining_key, key) = hkdf2(&self.chaining_key, shared.as_bytes());
        self.chaining_key = chaining_key;
        self.cipher = Some(CipherState::new(&key));
        Ok(())
    }

    /// `EncryptAndHash`, onto the end of `out`.
    pub fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), NoiseError> {
        let start = out.len();
        match &mut self.cipher {
            Some(cipher) => cipher.seal(&self.hash, plaintext, out)?,
            None => out.extend_from_slice(plaintext),
        }
        self.mix_hash(out.get(start..).unwrap_or_default());
        Ok(())
    }

    /// `DecryptAndHash`.
    pub fn open(&mut self, ciphertext: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let plaintext = match &mut self.cipher {
            Some(cipher) => cipher.open(&self.hash, ciphertext)?,
            None => ciphertext.to_vec(),
        };
        self.mix_hash(ciphertext);
        Ok(plaintext)
    }

    /// Whether what is written now is encrypted, so 16 bytes longer.
    pub fn has_key(&self) -> bool {
        self.cipher.is_some()
    }

    /// `Split`: the initiator's sending cipher, then the responder's.
    pub fn split(&self) -> (CipherState, CipherState) {
        let (first, second) = hkdf2(&self.chaining_key, &[]);
        (CipherState::new(&first), CipherState::new(&second))
    }

    /// The hash of all that was said so far: the same on both sides only if they said the same.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The chaining key as it is now. A secret: from the last message on, all keys follow from it.
    pub fn chaining_key(&self) -> &[u8; 32] {
        &self.chaining_key
    }
}

fn blake2s(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Blake2s256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// HMAC-BLAKE2s (RFC 2104) with a key of 32 bytes.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Key {
    let (mut inner, mut outer) = (Zeroizing::new([0x36; BLOCK]), Zeroizing::new([0x5c; BLOCK]));
    for pad in [&mut inner, &mut outer] {
        for (byte, key) in pad.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    let mut hasher = Blake2s256::new();
    hasher.update(inner.as_slice());
    for part in parts {
        hasher.update(part);
    }
    let mut digest: [u8; 32] = hasher.finalize().into();
    let mac = Zeroizing::new(blake2s(&[outer.as_slice(), &digest]));
    digest.zeroize();
    mac
}

/// `HKDF` with two outputs (section 4.3).
fn hkdf2(chaining_key: &[u8; 32], input: &[u8]) -> (Key, Key) {
    let temporary = hmac(chaining_key, &[input]);
    let first = hmac(&temporary, &[&[1]]);
    let second = hmac(&temporary, &[first.as_slice(), &[2]]);
    (first, second)
}
