//! The keys that records are signed by: a new one for each kind, day and network, which only those can tell is
//! somebody's who know their id.
//!
//! Ed25519 keys are blinded as Tor blinds those of its services (rend-spec-v3, appendix A.2): the public half times a
//! number that follows from it, the secret half times the same. Signatures under the product are plain Ed25519, so
//! whoever stores a record checks it as any other, and BitTorrent's Mainline can carry it.

use std::time::Duration;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::content::Content;
use super::id::Target;
use super::period::Period;
use super::record::{BadRecord, Header, ROOM, Record, RecordKind, SALT, SEALED, target_of};
use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};
use crate::noise::quic::NetworkId;
use crate::wire::record::{encode_content, parse_content};

/// What anyone who knows an id can compute of its records of a kind and a day: where they lie, whose key they are
/// under, what is in them. It says to whoever holds it whose they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlindedId {
    context: Context,
    key: [u8; 32],
}

/// What signs somebody's records of a kind and a day. Neither `Clone` nor `Debug`; wiped when dropped.
pub struct BlindedIdentity {
    id: BlindedId,
    secret: ExpandedSecretKey,
}

/// Why nothing was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSigned {
    /// The content is of the other kind.
    Kind,
    /// It is to stay for no time, or longer than its kind may.
    Ttl,
    /// There is more in it than a record holds.
    TooLarge,
    /// It names an address that means something else, or nothing, to those who will read it.
    Private,
}

/// What everything about a record is derived from that those who cannot read it do not know.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Context {
    peer: PeerId,
    kind: RecordKind,
    period: Period,
    network: NetworkId,
}

impl Context {
    /// Of one length.
    fn bytes(&self) -> [u8; 73] {
        let mut bytes = [0; 73];
        let (peer, rest) = bytes.split_at_mut(32);
        let (network, rest) = rest.split_at_mut(32);
        let (period, kind) = rest.split_at_mut(8);
        peer.copy_from_slice(self.peer.as_bytes());
        network.copy_from_slice(&self.network.0);
        period.copy_from_slice(&self.period.0.to_be_bytes());
        kind.fill(self.kind.number());
        bytes
    }

    /// What both halves of the key are multiplied by.
    fn factor(&self) -> Scalar {
        let mut wide = [0; 64];
        let mut hasher = blake3::Hasher::new_derive_key("hither v1 dht blinding");
        hasher.update(&self.bytes()).finalize_xof().fill(&mut wide);
        Scalar::from_bytes_mod_order_wide(&wide)
    }

    /// For one record. Its key encrypts nothing else, so its nonce is zero.
    fn cipher(&self, sequence: u64, salt: &[u8; SALT]) -> ChaCha20Poly1305 {
        let input = Zeroizing::new([self.bytes().as_slice(), &sequence.to_be_bytes(), salt].concat());
        let key = Zeroizing::new(blake3::derive_key("hither v1 dht record content", &input));
        ChaCha20Poly1305::new((&*key).into())
    }
}

impl BlindedId {
    /// For the records of `peer` of a kind and a day in a network.
    pub fn new(peer: &PeerId, kind: RecordKind, period: Period, network: &NetworkId) -> Self {
        let context = Context { peer: *peer, kind, period, network: *network };
        Self { context, key: peer.blinded(&context.factor()) }
    }

    /// The Ed25519 key that they are under. It is what BEP-44 calls `k`.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Where they are stored.
    pub fn target(&self) -> Target {
        target_of(&self.key)
    }

    /// What is in one of them. Addresses in it are all public or all loopback; whether it may be the latter, whoever
    /// dials them asks [`publishable`](super::publishable).
    pub fn open(&self, record: &Record) -> Result<Content, BadRecord> {
        let header = record.header();
        let context = &self.context;
        if (header.key, header.kind, header.period) != (self.key, context.kind, context.period) {
            return Err(BadRecord::Another);
        }
        let (salt, sealed) = record.sealed().split_first_chunk::<SALT>().ok_or(BadRecord::Content)?;
        let mut content = sealed.to_vec();
        context
            .cipher(header.sequence, salt)
            .decrypt_in_place(&[0; 12].into(), &header.bytes(), &mut content)
            .map_err(|_| BadRecord::Content)?;
        let content = parse_content(context.kind, &content).map_err(|_| BadRecord::Content)?;
        if content.is_bounded() && content.is_publishable() { Ok(content) } else { Err(BadRecord::Content) }
    }
}

impl BlindedIdentity {
    /// For the records of `identity` of a kind and a day in a network.
    pub fn new(identity: &Identity, kind: RecordKind, period: Period, network: &NetworkId) -> Self {
        let id = BlindedId::new(&identity.peer_id(), kind, period, network);
        // The nonces of signatures follow from it: never the same for two keys, never known to anyone.
        let input = Zeroizing::new([identity.secret().as_slice(), &id.context.bytes()].concat());
        let hash_prefix = blake3::derive_key("hither v1 dht blinding prefix", &input);
        let scalar = identity.blinded(&id.context.factor());
        Self { id, secret: ExpandedSecretKey { scalar, hash_prefix } }
    }

    /// What anyone can compute of it who knows the id.
    pub fn id(&self) -> &BlindedId {
        &self.id
    }

    /// Seals and signs a record. `sequence` is the time in Unix milliseconds, or one more than the last where that is
    /// later: of two records with one number the second is refused. Of `ttl` whole seconds count.
    pub fn sign(
        &self,
        sequence: u64,
        ttl: Duration,
        content: &Content,
        random: &mut Stream,
    ) -> Result<Record, NotSigned> {
        match (self.id.context.kind, content) {
            (RecordKind::Addresses, Content::Addresses { .. })
            | (RecordKind::Bundle, Content::Bundle { .. }) => {}
            _ => return Err(NotSigned::Kind),
        }
        if !content.is_publishable() {
            return Err(NotSigned::Private);
        }
        if !content.is_bounded() {
            return Err(NotSigned::TooLarge);
        }
        self.sign_unchecked(sequence, ttl, content, random)
    }

    /// Seals and signs whatever fits.
    pub(super) fn sign_unchecked(
        &self,
        sequence: u64,
        ttl: Duration,
        content: &Content,
        random: &mut Stream,
    ) -> Result<Record, NotSigned> {
        let context = &self.id.context;
        let header = Header::new(context.kind, context.period, self.id.key, sequence, ttl)
            .map_err(|_| NotSigned::Ttl)?;
        let mut plain = encode_content(content);
        if plain.len() > ROOM {
            return Err(NotSigned::TooLarge);
        }
        plain.resize(ROOM, 0);
        let salt = random.bytes::<SALT>();
        context
            .cipher(sequence, &salt)
            .encrypt_in_place(&[0; 12].into(), &header.bytes(), &mut plain)
            .map_err(|_| NotSigned::TooLarge)?;
        let mut sealed = Vec::with_capacity(SEALED);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&plain);
        let signature = self.raw_sign(&header.signed(&sealed));
        Ok(Record::signed(header, sealed, signature))
    }

    /// Signs a value, the bytes of a record, as a mutable item of BitTorrent's Mainline without salt (BEP-44).
    pub fn sign_item(&self, sequence: u64, value: &[u8]) -> [u8; 64] {
        self.raw_sign(&item_bytes(sequence, value))
    }

    fn raw_sign(&self, message: &[u8]) -> [u8; 64] {
        raw_sign::<Sha512>(&self.secret, message, &VerifyingKey::from(&self.secret)).to_bytes()
    }
}

/// What BEP-44 has signed of a mutable item whose value is a string. It is bencoded and begins with a digit, so it is
/// never what a record has signed, which begins with a letter.
pub(super) fn item_bytes(sequence: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = format!("3:seqi{sequence}e1:v{}:", value.len()).into_bytes();
    bytes.extend_from_slice(value);
    bytes
}
