//! CPace: a balanced PAKE, one guess for each exchange (draft-irtf-cfrg-cpace-21, CPACE-RISTR255-SHA512, in the setting
//! of an initiator and a responder). Both sides are to confirm the key afterwards; `confirm` does.

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const DSI: &[u8] = b"CPaceRistretto255";
const DSI_ISK: &[u8] = b"CPaceRistretto255_ISK";
/// SHA-512's block, in bytes: the password fills the first one.
const BLOCK: usize = 128;

/// A share that is no point, or one that would make the key known to everyone. The exchange is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadShare;

/// One side's part of an exchange: its scalar, used once.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Exchange {
    scalar: Scalar,
    #[zeroize(skip)]
    share: [u8; 32],
}

/// The order of the two shares in what is hashed: the initiator's first, each with its associated data.
pub(crate) struct Shares<'a> {
    pub(crate) initiator: (&'a [u8; 32], &'a [u8]),
    pub(crate) responder: (&'a [u8; 32], &'a [u8]),
}

impl Exchange {
    /// Begins, with 64 random bytes. `channel` and `session` are what both sides know of each other and of this
    /// very exchange: who has others has another generator.
    pub(crate) fn new(password: &[u8], channel: &[u8], session: &[u8], random: &Zeroizing<[u8; 64]>) -> Self {
        Self::with(password, channel, session, Scalar::from_bytes_mod_order_wide(random))
    }

    fn with(password: &[u8], channel: &[u8], session: &[u8], scalar: Scalar) -> Self {
        let mut point = generator(password, channel, session) * scalar;
        let share = point.compress().0;
        point.zeroize();
        Self { scalar, share }
    }

    /// What the other side is sent.
    pub(crate) fn share(&self) -> &[u8; 32] {
        &self.share
    }

    /// The key that both sides have if they used the same password, channel and session. It is not known to be the
    /// other side's until that has confirmed it.
    pub(crate) fn key(
        self,
        session: &[u8],
        theirs: &[u8; 32],
        shares: &Shares<'_>,
    ) -> Result<Zeroizing<[u8; 64]>, BadShare> {
        let common = multiply(&self.scalar, theirs)?;
        let mut hash = Sha512::new();
        for part in [DSI_ISK, session, common.as_slice()] {
            prefixed(part, |bytes| hash.update(bytes));
        }
        for (share, data) in [shares.initiator, shares.responder] {
            prefixed(share, |bytes| hash.update(bytes));
            prefixed(data, |bytes| hash.update(bytes));
        }
        Ok(Zeroizing::new(hash.finalize().into()))
    }
}

/// Whether a share that arrived can be gone on with.
pub(crate) fn is_valid(share: &[u8; 32]) -> bool {
    CompressedRistretto(*share).decompress().is_some_and(|point| !point.is_identity())
}

/// `calculate_generator` of the draft.
fn generator(password: &[u8], channel: &[u8], session: &[u8]) -> RistrettoPoint {
    let hash: [u8; 64] = Sha512::digest(generator_string(password, channel, session)).into();
    RistrettoPoint::from_uniform_bytes(&Zeroizing::new(hash))
}

fn generator_string(password: &[u8], channel: &[u8], session: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut string = Zeroizing::new(Vec::with_capacity(1024));
    prefixed(DSI, |bytes| string.extend_from_slice(bytes));
    prefixed(password, |bytes| string.extend_from_slice(bytes));
    let padding = BLOCK.saturating_sub(string.len()).saturating_sub(1);
    prefixed(&vec![0; padding], |bytes| string.extend_from_slice(bytes));
    prefixed(channel, |bytes| string.extend_from_slice(bytes));
    prefixed(session, |bytes| string.extend_from_slice(bytes));
    string
}

/// `scalar_mult_vfy` of the draft, with its neutral element as an error.
fn multiply(scalar: &Scalar, point: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, BadShare> {
    let mut common = CompressedRistretto(*point).decompress().ok_or(BadShare)? * scalar;
    let result = if common.is_identity() { Err(BadShare) } else { Ok(Zeroizing::new(common.compress().0)) };
    common.zeroize();
    result
}

/// `prepend_len` of the draft: the length in LEB128, then the bytes.
pub(super) fn prefixed(bytes: &[u8], mut put: impl FnMut(&[u8])) {
    let mut rest = bytes.len();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        let more = if rest > 0 { 0x80 } else { 0 };
        put(&[(low & 0x7f) | more]);
        if rest == 0 {
            break;
        }
    }
    put(bytes);
}

#[cfg(test)]
mod tests;
