//! One Ed25519 key: it signs, and its Montgomery form proves itself in handshakes.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::Stream;

/// A peer's name for good: its Ed25519 public key.
///
/// Only keys that are canonical, of the prime-order subgroup, not small-order and with sign bit 0 can be a
/// `PeerId`. The last rule makes the X25519 key, which +A and -A share, stand for one id only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

/// 32 bytes that are no [`PeerId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPeerId {
    /// Not 32 bytes.
    Length,
    /// Not the canonical encoding of a point with sign bit 0.
    NotCanonical,
    /// A point outside the prime-order subgroup, small orders included.
    NotPrimeOrder,
}

impl std::fmt::Display for BadPeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Length => "an id has 32 bytes",
            Self::NotCanonical => "not the one way to write this id",
            Self::NotPrimeOrder => "not an id that anyone can own",
        })
    }
}

impl std::error::Error for BadPeerId {}

impl PeerId {
    /// Takes the 32 bytes of an Ed25519 public key, refusing those that cannot be an id.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadPeerId> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| BadPeerId::Length)?;
        let point = CompressedEdwardsY(bytes).decompress().ok_or(BadPeerId::NotCanonical)?;
        let [.., last] = bytes;
        if last & 0x80 != 0 || point.compress().0 != bytes {
            return Err(BadPeerId::NotCanonical);
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(BadPeerId::NotPrimeOrder);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The X25519 public key that this id proves itself with in a handshake.
    pub fn noise_public(&self) -> x25519_dalek::PublicKey {
        let point = CompressedEdwardsY(self.0).decompress().unwrap_or_default();
        x25519_dalek::PublicKey::from(point.to_montgomery().to_bytes())
    }

    /// This key times `factor`, canonically encoded: a key that nobody can tell is this one's who does not know both,
    /// as Tor blinds those of its services (rend-spec-v3, appendix A.2).
    pub(crate) fn blinded(&self, factor: &Scalar) -> [u8; 32] {
        let point = CompressedEdwardsY(self.0).decompress().unwrap_or_default();
        (factor * point).compress().0
    }

    /// Whether `signature` is this peer's over `message`, by the strict rule.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

/// The secret half: whoever holds it is the peer. Neither `Clone` nor `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct Identity {
    secret: [u8; 32],
    #[zeroize(skip)]
    peer: PeerId,
}

impl Identity {
    /// Makes a new identity; draws until the public key has sign bit 0.
    pub fn generate(entropy: &mut Stream) -> Self {
        loop {
            let mut secret = entropy.bytes();
            let identity = Self::from_secret(&secret);
            secret.zeroize();
            if let Ok(identity) = identity {
                return identity;
            }
        }
    }

    /// The identity of an Ed25519 secret key, where that key's public half can be an id.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, BadPeerId> {
        let public = SigningKey::from_bytes(secret).verifying_key();
        Ok(Self { secret: *secret, peer: PeerId::from_bytes(public.as_bytes())? })
    }

    /// The id that stands for this identity.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// The secret key's 32 bytes, for the key file.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret)
    }

    /// Signs `message`. The caller puts a label of its own in front.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(&self.secret).sign(message).to_bytes()
    }

    /// The secret half of the id's [`PeerId::blinded`]. Whoever is handed it must wipe it.
    pub(crate) fn blinded(&self, factor: &Scalar) -> Scalar {
        let secret = Zeroizing::new(SigningKey::from_bytes(&self.secret).to_scalar());
        *secret * factor
    }

    /// The X25519 secret key that handshakes prove.
    pub fn noise_secret(&self) -> x25519_dalek::StaticSecret {
        SigningKey::from_bytes(&self.secret).to_scalar_bytes().into()
    }
}
