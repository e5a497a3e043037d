//! Records: how to reach somebody, signed under a key that only those who know them can tell is theirs.

use std::time::Duration;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, VerifyingKey};

use super::id::Target;
use super::period::Period;

/// Bytes of a whole record at most.
pub const MAX_RECORD: usize = 512;
/// How long a record of addresses may stay at most.
pub const MAX_TTL_ADDRESSES: Duration = Duration::from_secs(60 * 60);
/// How long a bundle may stay at most.
pub const MAX_TTL_BUNDLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Bytes of the salt before what is encrypted. It only has to differ between two records of one number, which an owner
/// makes whose clock was set back.
pub(super) const SALT: usize = 8;
/// Bytes of the tag behind it.
pub(super) const TAG: usize = 16;
/// Bytes of what is sealed in every record: as much as leaves room for the rest of [`MAX_RECORD`]. All have one size,
/// so that it tells nothing of what is in them.
pub(super) const SEALED: usize = 352;
/// Bytes of content that fit.
pub(super) const ROOM: usize = SEALED - SALT - TAG;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Where its owner is now: an hour at most.
    Addresses,
    /// What outlives its owner's absence: mailboxes and the key that messages are sealed to.
    Bundle,
}

/// A record whose signature is right. What is in it only those can read who know whose it is: a
/// [`BlindedId`](super::BlindedId) opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    header: Header,
    sealed: Vec<u8>,
    signature: [u8; 64],
}

/// What a record says openly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: RecordKind,
    pub(super) period: Period,
    pub(super) key: [u8; 32],
    pub(super) sequence: u64,
    /// In seconds.
    pub(super) ttl: u32,
}

/// Why bytes are no record, or not the one they are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecord {
    /// Not as a record is written.
    Malformed,
    /// Longer than [`MAX_RECORD`].
    TooLarge,
    /// It is to stay for no time, or longer than its kind may.
    Ttl,
    /// The key is not one that a signature could prove anything by.
    Key,
    /// The signature is not right.
    Signature,
    /// It is somebody else's, or of another kind or day.
    Another,
    /// The signature is right, and what is sealed is not what a record holds.
    Content,
}

impl RecordKind {
    /// As signatures and keys hash it.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Addresses => 0,
            Self::Bundle => 1,
        }
    }

    /// How long such a record may stay at most.
    pub fn max_ttl(self) -> Duration {
        match self {
            Self::Addresses => MAX_TTL_ADDRESSES,
            Self::Bundle => MAX_TTL_BUNDLE,
        }
    }
}

impl Header {
    /// A header, if such a record may stay so long.
    pub(super) fn new(
        kind: RecordKind,
        period: Period,
        key: [u8; 32],
        sequence: u64,
        ttl: Duration,
    ) -> Result<Self, BadRecord> {
        if u32::try_from(period.0).is_err() {
            return Err(BadRecord::Malformed);
        }
        let usable = ttl.as_secs() > 0 && ttl <= kind.max_ttl();
        let ttl = u32::try_from(ttl.as_secs()).ok().filter(|_| usable).ok_or(BadRecord::Ttl)?;
        Ok(Self { kind, period, key, sequence, ttl })
    }

    /// What the sealed part is bound to, and what the signature begins with. Each part has one length.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [
            b"hither v1 dht record".as_slice(),
            &[self.kind.number()],
            &self.period.0.to_be_bytes(),
            &self.key,
            &self.sequence.to_be_bytes(),
            &self.ttl.to_be_bytes(),
        ]
        .concat()
    }

    /// What is signed.
    pub(super) fn signed(&self, sealed: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(sealed);
        bytes
    }
}

impl Record {
    /// A record of its parts, if its signature is right. Of `ttl` whole seconds count.
    pub fn from_parts(
        kind: RecordKind,
        period: Period,
        key: [u8; 32],
        sequence: u64,
        ttl: Duration,
        sealed: Vec<u8>,
        signature: [u8; 64],
    ) -> Result<Self, BadRecord> {
        if sealed.len() > SEALED {
            return Err(BadRecord::TooLarge);
        }
        let header = Header::new(kind, period, key, sequence, ttl)?;
        let verifier = verifier(&key).ok_or(BadRecord::Key)?;
        verifier
            .verify_strict(&header.signed(&sealed), &Signature::from_bytes(&signature))
            .map_err(|_| BadRecord::Signature)?;
        Ok(Self { header, sealed, signature })
    }

    /// A record that was just signed.
    pub(super) fn signed(header: Header, sealed: Vec<u8>, signature: [u8; 64]) -> Self {
        Self { header, sealed, signature }
    }

    /// Where it is stored.
    pub fn target(&self) -> Target {
        target_of(&self.header.key)
    }

    /// What it is about.
    pub fn kind(&self) -> RecordKind {
        self.header.kind
    }

    /// The day that it is for.
    pub fn period(&self) -> Period {
        self.header.period
    }

    /// Its owner's key, blinded for the kind and the day.
    pub fn key(&self) -> &[u8; 32] {
        &self.header.key
    }

    /// Of two under one key the one with more is the newer. In Unix milliseconds on its owner's clock.
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// How long it stays, from when it arrives.
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.header.ttl.into())
    }

    /// What it says to those who know whose it is.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// By the blinded key, over everything else.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// What it says openly.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Its bytes: one Cap'n Proto message of [`MAX_RECORD`] bytes at most.
    pub fn encode(&self) -> Vec<u8> {
        crate::wire::record::encode_record(self)
    }

    /// A record from its bytes. There is one way to write each, and any other is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRecord> {
        if bytes.len() > MAX_RECORD {
            return Err(BadRecord::TooLarge);
        }
        let record = crate::wire::record::parse_record(bytes)?;
        if record.encode() == bytes { Ok(record) } else { Err(BadRecord::Malformed) }
    }
}

/// Where records under this key are stored.
pub(super) fn target_of(key: &[u8; 32]) -> Target {
    Target(blake3::derive_key("hither v1 dht record target", key))
}

/// The key as one that signatures are checked by: in the one way to write it, and not of a small order.
fn verifier(key: &[u8; 32]) -> Option<VerifyingKey> {
    let point = CompressedEdwardsY(*key).decompress()?;
    let verifier = VerifyingKey::from(point);
    (verifier.as_bytes() == key && !verifier.is_weak()).then_some(verifier)
}
