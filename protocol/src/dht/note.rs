//! Notes: where the maker of a code is, with the work that was done for it.
//!
//! A code's public words are few, so anyone can leave notes wherever codes may meet. What a note costs is work, and what
//! lies in one place is given out strongest first: whoever floods a place with false notes must have worked more for
//! each of them than the maker for its one, or else they come behind it.

use std::net::SocketAddr;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use zeroize::Zeroizing;

use super::content::{only_loopback, plain, publishable, read_address, write_address};
use super::id::{NodeKey, Target};
use super::period::Hour;
use super::record::{SALT, TAG};
use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};
use crate::noise::quic::NetworkId;

/// Bytes of a whole note at most.
pub const MAX_NOTE: usize = 256;
/// Leading zero bits without which nobody stores a note: some milliseconds of one core.
pub const MIN_WORK: u32 = 16;
/// Leading zero bits that a maker looks for: 2^20 hashes on average, about a tenth of a second of one core, and ten
/// times that on a slow telephone. To fill the places of a target before it takes a flood as many times that.
pub const WANTED_WORK: u32 = 20;
/// The most leading zero bits that a search can be set to: 2^32 numbers hold sixteen such on average.
const MAX_WORK: u32 = 28;

/// Bytes that say where the maker is: enough for two addresses of IPv6 and two of IPv4, or for a key and two of IPv4.
const ROOM: usize = 56;
const SEALED: usize = SALT + ROOM + TAG;
/// Begins what says that the maker is called through others; no address begins so.
const THROUGH: u8 = 1;

/// A note whose signature and work are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    header: Header,
    sealed: Vec<u8>,
    signature: [u8; 64],
}

/// Where the maker of a code is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeetAt {
    /// At any of these addresses.
    Addresses(Vec<SocketAddr>),
    /// By a [`Call`](super::Call), which the nodes at these addresses pass on.
    Through {
        /// The key by which they know the maker.
        key: NodeKey,
        /// Where they are: at least one.
        by: Vec<SocketAddr>,
    },
}

impl MeetAt {
    /// The addresses in it, whosever they are.
    pub fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Addresses(all) | Self::Through { by: all, .. } => all,
        }
    }
}

/// What a note says openly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    mark: [u8; 16],
    hour: Hour,
    key: PeerId,
    work: u32,
    sequence: u64,
}

/// Why bytes are no note, or not the one they are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadNote {
    /// Not as a note is written.
    Malformed,
    /// Longer than [`MAX_NOTE`].
    TooLarge,
    /// The key is nobody's.
    Key,
    /// Less work than [`MIN_WORK`].
    Work,
    /// The signature is not right.
    Signature,
    /// It is for another place, or another hour.
    Another,
    /// The signature is right, and what is sealed is not what a note holds.
    Content,
}

impl Header {
    /// What the sealed part is bound to, and what the signature begins with. Each part has one length.
    fn bytes(&self) -> Vec<u8> {
        [
            b"hither v1 dht note".as_slice(),
            &self.mark,
            &self.hour.0.to_be_bytes(),
            self.key.as_bytes(),
            &self.work.to_be_bytes(),
            &self.sequence.to_be_bytes(),
        ]
        .concat()
    }

    fn signed(&self, sealed: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(sealed);
        bytes
    }

    fn target(&self) -> Target {
        target_of(&self.mark)
    }

    fn strength(&self) -> u32 {
        strength(&seed(&self.target(), &self.key), self.work)
    }

    fn is_acceptable(&self) -> bool {
        self.strength() >= MIN_WORK
    }
}

impl Note {
    /// A note of its parts, if work and signature are right.
    pub fn from_parts(
        mark: [u8; 16],
        hour: Hour,
        key: PeerId,
        work: u32,
        sequence: u64,
        sealed: Vec<u8>,
        signature: [u8; 64],
    ) -> Result<Self, BadNote> {
        if sealed.len() > SEALED {
            return Err(BadNote::TooLarge);
        }
        if u32::try_from(hour.0).is_err() {
            return Err(BadNote::Malformed);
        }
        let header = Header { mark, hour, key, work, sequence };
        // The cheaper check first.
        if !header.is_acceptable() {
            return Err(BadNote::Work);
        }
        if !key.verifies(&header.signed(&sealed), &signature) {
            return Err(BadNote::Signature);
        }
        Ok(Self { header, sealed, signature })
    }

    /// Where it is stored.
    pub fn target(&self) -> Target {
        self.header.target()
    }

    /// What it is stored under: a hash of where the sides of a code meet, of the hour and the network. Targets are
    /// hashes of it, so that a note cannot be put where a record lies.
    pub fn mark(&self) -> &[u8; 16] {
        &self.header.mark
    }

    /// The hour that it is for.
    pub fn hour(&self) -> Hour {
        self.header.hour
    }

    /// The one-time key under which the maker answers.
    pub fn key(&self) -> PeerId {
        self.header.key
    }

    /// The number that the work was to find.
    pub fn work(&self) -> u32 {
        self.header.work
    }

    /// How much work was done: leading zero bits of its hash. Each more is twice as much.
    pub fn strength(&self) -> u32 {
        self.header.strength()
    }

    /// Of two under one key the one with more is the newer. In Unix milliseconds on its maker's clock.
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// What it says to those who know the place.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// By the one-time key, over everything else.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Its bytes: one Cap'n Proto message of [`MAX_NOTE`] bytes at most.
    pub fn encode(&self) -> Vec<u8> {
        crate::wire::record::encode_note(self)
    }

    /// A note from its bytes. There is one way to write each, and any other is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadNote> {
        if bytes.len() > MAX_NOTE {
            return Err(BadNote::TooLarge);
        }
        let note = crate::wire::record::parse_note(bytes)?;
        if note.encode() == bytes { Ok(note) } else { Err(BadNote::Malformed) }
    }
}

/// What anyone can compute of the notes of an hour who knows the public part of a code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    place: [u8; 16],
    hour: Hour,
    network: NetworkId,
    mark: [u8; 16],
}

impl Meeting {
    /// For a place where the sides of a code meet, a hash of its public words, in an hour and a network.
    pub fn new(place: [u8; 16], hour: Hour, network: &NetworkId) -> Self {
        let mut mark = [0; 16];
        let mut hasher = blake3::Hasher::new_derive_key("hither v1 dht note mark");
        hasher.update(&place).update(&hour.0.to_be_bytes()).update(&network.0).finalize_xof().fill(&mut mark);
        Self { place, hour, network: *network, mark }
    }

    /// Where its notes are stored.
    pub fn target(&self) -> Target {
        target_of(&self.mark)
    }

    /// The search for the work that a note of `key` takes: for as many leading zero bits, [`WANTED_WORK`] as a rule.
    pub fn search(&self, key: &PeerId, wanted: u32) -> Search {
        Search { seed: seed(&self.target(), key), next: 0, wanted: wanted.clamp(MIN_WORK, MAX_WORK) }
    }

    /// Makes a note: seals what may be published of the addresses in `at`, in the order given, as much as fits.
    ///
    /// # Errors
    ///
    /// `Work`, where `work` is not what a search for this key and meeting has found.
    pub fn seal(
        &self,
        one_time: &Identity,
        work: u32,
        sequence: u64,
        at: &MeetAt,
        random: &mut Stream,
    ) -> Result<Note, BadNote> {
        let header = Header { mark: self.mark, hour: self.hour, key: one_time.peer_id(), work, sequence };
        if !header.is_acceptable() {
            return Err(BadNote::Work);
        }
        let mut content = content(at);
        let salt = random.bytes::<SALT>();
        self.cipher(&header, &salt)
            .encrypt_in_place(&[0; 12].into(), &header.bytes(), &mut content)
            .map_err(|_| BadNote::Content)?;
        let mut sealed = Vec::with_capacity(SEALED);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&content);
        let signature = one_time.sign(&header.signed(&sealed));
        Ok(Note { header, sealed, signature })
    }

    /// Where whoever left a note is said to be. The addresses are all public or all loopback; whether they may be the
    /// latter, whoever dials them asks [`publishable`].
    pub fn open(&self, note: &Note) -> Result<MeetAt, BadNote> {
        let header = &note.header;
        if (header.mark, header.hour) != (self.mark, self.hour) {
            return Err(BadNote::Another);
        }
        let (salt, sealed) = note.sealed.split_first_chunk::<SALT>().ok_or(BadNote::Content)?;
        let mut content = sealed.to_vec();
        self.cipher(header, salt)
            .decrypt_in_place(&[0; 12].into(), &header.bytes(), &mut content)
            .map_err(|_| BadNote::Content)?;
        parse_content(&content).ok_or(BadNote::Content)
    }

    /// For one note. Its key encrypts nothing else, so its nonce is zero.
    fn cipher(&self, header: &Header, salt: &[u8; SALT]) -> ChaCha20Poly1305 {
        let input = [
            self.place.as_slice(),
            &self.hour.0.to_be_bytes(),
            &self.network.0,
            header.key.as_bytes(),
            &header.sequence.to_be_bytes(),
            salt,
        ];
        let input = Zeroizing::new(input.concat());
        let key = Zeroizing::new(blake3::derive_key("hither v1 dht note content", &input));
        ChaCha20Poly1305::new((&*key).into())
    }
}

/// What is sealed in a note, filled up with zeros.
fn content(at: &MeetAt) -> Vec<u8> {
    let addresses = at.addresses();
    let only_loopback = only_loopback(addresses.iter());
    let mut content = Vec::with_capacity(ROOM + TAG);
    if let MeetAt::Through { key, .. } = at {
        content.push(THROUGH);
        content.extend_from_slice(&key.0);
    }
    for address in addresses.iter().map(|address| plain(*address)) {
        if publishable(address, only_loopback) {
            let before = content.len();
            write_address(&mut content, address);
            if content.len() > ROOM {
                content.truncate(before);
            }
        }
    }
    content.resize(ROOM, 0);
    content
}

fn parse_content(content: &[u8]) -> Option<MeetAt> {
    let through = match content.split_first() {
        Some((&THROUGH, rest)) => Some(rest.split_first_chunk()?),
        _ => None,
    };
    let (mut rest, mut addresses) = (through.map_or(content, |(_, rest)| rest), Vec::new());
    while let Some(address) = read_address(&mut rest) {
        addresses.push(address);
    }
    let only_loopback = only_loopback(addresses.iter());
    let good = rest.iter().all(|byte| *byte == 0)
        && addresses.iter().all(|address| publishable(*address, only_loopback));
    match through {
        _ if !good => None,
        None => Some(MeetAt::Addresses(addresses)),
        Some((key, _)) => {
            (!addresses.is_empty()).then_some(MeetAt::Through { key: NodeKey(*key), by: addresses })
        }
    }
}

/// A search for the work of a note, in slices as long as the caller has time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    seed: [u8; 32],
    next: u32,
    wanted: u32,
}

impl Search {
    /// Goes on for so many tries: the number that was looked for, if it is among them.
    pub fn advance(&mut self, tries: u32) -> Option<u32> {
        for _ in 0..tries {
            let work = self.next;
            self.next = work.wrapping_add(1);
            if strength(&self.seed, work) >= self.wanted {
                return Some(work);
            }
        }
        None
    }
}

/// What is hashed with each number, so that a try is one compression.
fn seed(target: &Target, key: &PeerId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 dht note work");
    *hasher.update(&target.0).update(key.as_bytes()).finalize().as_bytes()
}

/// Leading zero bits, 64 at most.
fn strength(seed: &[u8; 32], work: u32) -> u32 {
    let hash = blake3::keyed_hash(seed, &work.to_be_bytes());
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first).leading_zeros())
}

/// Where notes with this mark are stored.
fn target_of(mark: &[u8; 16]) -> Target {
    Target(blake3::derive_key("hither v1 dht note target", mark))
}
