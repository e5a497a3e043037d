//! Randomness from one seed: a fast-key-erasure generator with a stream of its own for each purpose.
//!
//! The operating system's randomness comes in once, as a [`Seed`], and may be mixed in again by
//! [`Entropy::mix`] after a suspend or a restored snapshot. Everything random that a node does is drawn from a
//! [`Stream`] named after its purpose, so that one purpose's draws never shift another's.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 fresh bytes of the operating system's randomness, new at each start and never stored.
///
/// Neither `Clone` nor `Debug`: it can be used once and not be printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes the 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The root from which the streams are drawn.
#[derive(ZeroizeOnDrop)]
pub struct Entropy {
    root: [u8; 32],
}

impl Entropy {
    /// Starts from a seed, which is used up.
    pub fn new(seed: Seed) -> Self {
        Self { root: blake3::derive_key("hither v1 entropy root", &seed.0) }
    }

    /// A generator for one purpose. Asking twice for the same purpose gives two unrelated streams.
    pub fn stream(&mut self, purpose: &str) -> Stream {
        let mut input = Zeroizing::new(Vec::with_capacity(32 + purpose.len()));
        input.extend_from_slice(&self.root);
        input.extend_from_slice(purpose.as_bytes());
        let key = blake3::derive_key("hither v1 entropy stream", &input);
        self.root = blake3::derive_key("hither v1 entropy step", &self.root);
        Stream { key }
    }

    /// Mixes in more of the operating system's randomness. Streams already drawn are not changed.
    pub fn mix(&mut self, fresh: &[u8; 32]) {
        let mut input = Zeroizing::new([0; 64]);
        let (old, new) = input.split_at_mut(32);
        old.copy_from_slice(&self.root);
        new.copy_from_slice(fresh);
        self.root = blake3::derive_key("hither v1 entropy mix", input.as_slice());
    }
}

/// One purpose's generator: each draw overwrites the key it was drawn with, so what was drawn before cannot be
/// computed from what is in memory now.
#[derive(ZeroizeOnDrop)]
pub struct Stream {
    key: [u8; 32],
}

impl Stream {
    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut cipher = ChaCha20::new(&self.key.into(), &[0; 12].into());
        let mut next = Zeroizing::new([0; 32]);
        cipher.apply_keystream(next.as_mut_slice());
        out.fill(0);
        cipher.apply_keystream(out);
        self.key = *next;
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A uniformly random number.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// Mixes in more randomness.
    pub fn mix(&mut self, fresh: &[u8; 32]) {
        let mut input = Zeroizing::new([0; 64]);
        let (old, new) = input.split_at_mut(32);
        old.copy_from_slice(&self.key);
        new.copy_from_slice(fresh);
        self.key = blake3::derive_key("hither v1 entropy mix", input.as_slice());
    }
}
