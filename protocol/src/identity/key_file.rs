//! The key file: a node's secret as a short text, plain or sealed under a passphrase.
//!
//! ```text
//! hither v1 secret key – whoever has this file is you
//! id hi1…
//! secret 64 hex digits
//! check 16 hex digits
//! ```
//!
//! Under a passphrase, `secret` gives way to these lines: Argon2id (RFC 9106) makes the key under which
//! ChaCha20-Poly1305 (RFC 8439) seals the secret, with all lines above as associated data.
//!
//! ```text
//! argon2id MEMORY_KIB PASSES LANES
//! salt 32 hex digits
//! nonce 24 hex digits
//! sealed 96 hex digits
//! ```
//!
//! `check` is the beginning of the BLAKE3 hash of the lines above it. It tells a damaged file from a wrong
//! passphrase and defends against nothing else.

use std::fmt::{self, Write as _};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use zeroize::Zeroizing;

use super::keys::{Identity, PeerId};
use crate::entropy::Stream;

const TITLE_START: &str = "hither v";
const PLAIN_TITLE: &str = "hither v1 secret key – whoever has this file is you";
const SEALED_TITLE: &str = "hither v1 secret key – whoever has this file and its passphrase is you";
/// Longest file that is looked at, in bytes; ours have less than 600.
const MAX_FILE: usize = 4096;

/// What it costs to try one passphrase.
///
/// Bounded, so that a file from elsewhere cannot demand all memory or keep the machine busy for hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseCost {
    /// 64 MiB, three passes: the second recommended option of RFC 9106, section 4, with one lane, as the
    /// lanes are computed one after the other here.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// The most memory that is spent, in KiB.
    pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
    /// The most passes over that memory.
    pub const MAX_PASSES: u32 = 16;
    /// The most lanes.
    pub const MAX_LANES: u32 = 16;

    /// A cost within the bounds above and with at least 8 KiB for each lane, else `None`.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let ok = (1..=Self::MAX_PASSES).contains(&passes)
            && (1..=Self::MAX_LANES).contains(&lanes)
            && memory_kib <= Self::MAX_MEMORY_KIB
            && memory_kib >= lanes.saturating_mul(8);
        ok.then_some(Self { memory_kib, passes, lanes })
    }
}

/// Why a key file does not give its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFileError {
    /// Something else than a key file.
    NotAKeyFile,
    /// Written by a newer Hither.
    OtherVersion,
    /// It is sealed, and there was no passphrase.
    PassphraseNeeded,
    /// The passphrase does not open it.
    WrongPassphrase,
    /// A key file that was changed or cut.
    Damaged,
    /// It asks for more memory or time than [`PassphraseCost`] allows, or than this machine has.
    TooCostly,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAKeyFile => "this is not a key file of Hither's; it was left as it is",
            Self::OtherVersion => "a newer Hither wrote this key file; update Hither to use it",
            Self::PassphraseNeeded => "this key file is under a passphrase, and none was given",
            Self::WrongPassphrase => {
                "the passphrase does not open this key file; nothing was changed, try again"
            }
            Self::Damaged => "this key file is damaged; put back a copy of it, as it cannot be repaired",
            Self::TooCostly => "opening this key file takes more memory or time than Hither allows",
        })
    }
}

impl std::error::Error for KeyFileError {}

/// A key file that was read and found whole, perhaps still sealed.
pub struct KeyFile {
    peer: PeerId,
    body: Body,
}

enum Body {
    Plain { secret: Zeroizing<[u8; 32]> },
    Sealed { lock: Lock, sealed: [u8; 48] },
}

/// How the passphrase becomes the key.
struct Lock {
    cost: PassphraseCost,
    salt: [u8; 16],
    nonce: [u8; 12],
}

impl KeyFile {
    /// The bytes of a key file that anyone who reads it can use.
    pub fn encode_plain(identity: &Identity) -> Zeroizing<Vec<u8>> {
        let body = Body::Plain { secret: identity.secret() };
        Self { peer: identity.peer_id(), body }.bytes()
    }

    /// The bytes of a key file that opens with `passphrase` only. Takes about `cost.memory_kib` of memory
    /// and, at [`PassphraseCost::DEFAULT`], a tenth of a second or more. An empty passphrase protects nothing;
    /// asking for a good one is the caller's part.
    ///
    /// The one error is [`KeyFileError::TooCostly`], when that memory is not to be had.
    pub fn encode_sealed(
        identity: &Identity,
        passphrase: &str,
        cost: PassphraseCost,
        entropy: &mut Stream,
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let peer = identity.peer_id();
        let lock = Lock { cost, salt: entropy.bytes(), nonce: entropy.bytes() };
        let header = sealed_header(&peer, &lock);
        let secret = identity.secret();
        let sealed = lock
            .cipher(passphrase)?
            .encrypt(&Nonce::from(lock.nonce), Payload { msg: secret.as_slice(), aad: header.as_bytes() })
            .ok()
            .and_then(|sealed| sealed.try_into().ok())
            .ok_or(KeyFileError::TooCostly)?;
        Ok(Self { peer, body: Body::Sealed { lock, sealed } }.bytes())
    }

    /// Reads the bytes of a key file without opening it.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let start = bytes.get(..TITLE_START.len()).ok_or(KeyFileError::NotAKeyFile)?;
        if start != TITLE_START.as_bytes() {
            return Err(KeyFileError::NotAKeyFile);
        }
        let text = (bytes.len() <= MAX_FILE).then(|| std::str::from_utf8(bytes).ok()).flatten();
        let mut lines = text.ok_or(KeyFileError::Damaged)?.lines();
        let title = lines.next().unwrap_or_default();
        let sealed = match title {
            PLAIN_TITLE => false,
            SEALED_TITLE => true,
            _ => return Err(unknown_title(title)),
        };
        Self::parse_lines(sealed, lines)
    }

    fn parse_lines<'a>(sealed: bool, mut lines: impl Iterator<Item = &'a str>) -> Result<Self, KeyFileError> {
        let peer = field(&mut lines, "id")?.parse().map_err(|_| KeyFileError::Damaged)?;
        let (body, too_costly) = if sealed {
            let cost = parse_cost(field(&mut lines, "argon2id")?)?;
            let salt = *unhex(field(&mut lines, "salt")?)?;
            let nonce = *unhex(field(&mut lines, "nonce")?)?;
            let sealed = *unhex(field(&mut lines, "sealed")?)?;
            let usable = cost.unwrap_or(PassphraseCost::DEFAULT);
            (Body::Sealed { lock: Lock { cost: usable, salt, nonce }, sealed }, cost.is_none())
        } else {
            (Body::Plain { secret: unhex(field(&mut lines, "secret")?)? }, false)
        };
        let check = unhex::<8>(field(&mut lines, "check")?)?;
        if too_costly {
            return Err(KeyFileError::TooCostly);
        }
        let file = Self { peer, body };
        if lines.next().is_some() || check_of(&file.checked_lines()) != *check {
            return Err(KeyFileError::Damaged);
        }
        Ok(file)
    }

    /// Whose key this is, as the file says; proven only by [`KeyFile::open`].
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// Whether [`KeyFile::open`] takes a passphrase.
    pub fn needs_passphrase(&self) -> bool {
        matches!(self.body, Body::Sealed { .. })
    }

    /// The identity. A passphrase that is not needed is not looked at.
    pub fn open(&self, passphrase: Option<&str>) -> Result<Identity, KeyFileError> {
        let secret = match &self.body {
            Body::Plain { secret } => secret.clone(),
            Body::Sealed { lock, sealed } => {
                let passphrase = passphrase.ok_or(KeyFileError::PassphraseNeeded)?;
                let header = sealed_header(&self.peer, lock);
                let opened = lock
                    .cipher(passphrase)?
                    .decrypt(&Nonce::from(lock.nonce), Payload { msg: sealed, aad: header.as_bytes() })
                    .map_err(|_| KeyFileError::WrongPassphrase)?;
                let opened = Zeroizing::new(opened);
                Zeroizing::new(opened.as_slice().try_into().map_err(|_| KeyFileError::Damaged)?)
            }
        };
        let identity = Identity::from_secret(&secret).map_err(|_| KeyFileError::Damaged)?;
        if identity.peer_id() == self.peer { Ok(identity) } else { Err(KeyFileError::Damaged) }
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut text = self.checked_lines();
        let check = check_of(&text);
        text.push_str("check ");
        push_hex(&mut text, &check);
        text.push('\n');
        Zeroizing::new(std::mem::take(&mut *text).into_bytes())
    }

    fn checked_lines(&self) -> Zeroizing<String> {
        // Room for all of it, so that growing leaves no copy of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE));
        match &self.body {
            Body::Plain { secret } => {
                let _ = write!(text, "{PLAIN_TITLE}\nid {}\nsecret ", self.peer);
                push_hex(&mut text, secret.as_slice());
            }
            Body::Sealed { lock, sealed } => {
                text.push_str(&sealed_header(&self.peer, lock));
                text.push_str("sealed ");
                push_hex(&mut text, sealed);
            }
        }
        text.push('\n');
        text
    }
}

impl Lock {
    fn cipher(&self, passphrase: &str) -> Result<ChaCha20Poly1305, KeyFileError> {
        let PassphraseCost { memory_kib, passes, lanes } = self.cost;
        let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| KeyFileError::TooCostly)?;
        let mut memory = Zeroizing::new(Vec::<Block>::new());
        memory.try_reserve_exact(params.block_count()).map_err(|_| KeyFileError::TooCostly)?;
        memory.resize(params.block_count(), Block::new());
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.as_bytes(),
                &self.salt,
                key.as_mut_slice(),
                memory.as_mut_slice(),
            )
            .map_err(|_| KeyFileError::TooCostly)?;
        Ok(ChaCha20Poly1305::new(<&Key>::from(&*key)))
    }
}

/// The lines above `sealed`, which are its associated data.
fn sealed_header(peer: &PeerId, lock: &Lock) -> String {
    let PassphraseCost { memory_kib, passes, lanes } = lock.cost;
    let mut text = format!("{SEALED_TITLE}\nid {peer}\nargon2id {memory_kib} {passes} {lanes}\nsalt ");
    push_hex(&mut text, &lock.salt);
    text.push_str("\nnonce ");
    push_hex(&mut text, &lock.nonce);
    text.push('\n');
    text
}

fn unknown_title(title: &str) -> KeyFileError {
    let version = title.strip_prefix(TITLE_START).unwrap_or_default().split(' ').next().unwrap_or_default();
    match version.parse::<u64>() {
        Ok(1) => KeyFileError::Damaged,
        Ok(_) => KeyFileError::OtherVersion,
        Err(_) => KeyFileError::NotAKeyFile,
    }
}

fn field<'a>(lines: &mut impl Iterator<Item = &'a str>, name: &str) -> Result<&'a str, KeyFileError> {
    let line = lines.next().ok_or(KeyFileError::Damaged)?;
    line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')).ok_or(KeyFileError::Damaged)
}

/// `None` for numbers that are beyond the bounds.
fn parse_cost(text: &str) -> Result<Option<PassphraseCost>, KeyFileError> {
    let numbers: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
    let numbers = numbers.map_err(|_| KeyFileError::Damaged)?;
    let [memory, passes, lanes] = numbers.try_into().map_err(|_| KeyFileError::Damaged)?;
    let small = |number: u64| u32::try_from(number).ok();
    Ok(small(memory)
        .zip(small(passes))
        .zip(small(lanes))
        .and_then(|((memory, passes), lanes)| PassphraseCost::new(memory, passes, lanes)))
}

fn check_of(lines: &str) -> [u8; 8] {
    let hash = blake3::hash(lines.as_bytes());
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

fn unhex<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, KeyFileError> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(KeyFileError::Damaged);
    }
    let mut out = Zeroizing::new([0; N]);
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(out)
}

fn digit(character: u8) -> Result<u8, KeyFileError> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(KeyFileError::Damaged)
}
