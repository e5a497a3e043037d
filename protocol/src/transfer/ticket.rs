//! A ticket: what is shared, how large it is, and whom to ask for it; and its text form.
//!
//! The text is bech32m (BIP-350) with the prefix `hit` over
//!
//! ```text
//! kind (1) || length of all of this in bytes (1) || root (32) || size as u64 LE (8) || sharer's id (32) || addresses
//! address = 04 || IPv4 (4) || port as u16 BE   or   06 || IPv6 (16) || port as u16 BE
//! ```
//!
//! With at most 8 addresses that is well below 1023 symbols, up to which the checksum finds any three wrong ones and
//! tells where a single one is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bech32::{Bech32m, ByteIterExt, Fe32, Fe32IterExt, Hrp};

use super::hash::Root;
use crate::identity::{PeerId, Typo, typo};

const HRP: Hrp = Hrp::parse_unchecked("hit");
const PREFIX: &str = "hit1";
const CHECKSUM: usize = 6;
/// Bytes before the addresses.
const HEAD: usize = 74;
/// The most addresses a ticket names.
pub const MAX_TICKET_ADDRESSES: usize = 8;
/// The longest text.
const MAX_TEXT: usize = PREFIX.len() + (HEAD + MAX_TICKET_ADDRESSES * 19) * 8 / 5 + 1 + CHECKSUM;

/// What is shared, and where to ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The content's root: what makes it this content and no other.
    pub root: Root,
    /// What the root stands for.
    pub kind: Shared,
    /// All sizes together, in bytes.
    pub bytes: u64,
    /// Who shares it.
    pub peer: PeerId,
    /// Where that peer may be, best first. Hints: the handshake proves who is there.
    addresses: Vec<SocketAddr>,
}

/// What is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// One file, whose BLAKE3 hash the root is.
    File,
    /// Directories, or several files: see [`collection_root`](super::hash::collection_root).
    Collection,
}

impl Ticket {
    /// A ticket. Addresses at which nobody could be dialled are left out, and those over
    /// [`MAX_TICKET_ADDRESSES`].
    pub fn new(root: Root, kind: Shared, bytes: u64, peer: PeerId, addresses: &[SocketAddr]) -> Self {
        let mut chosen: Vec<SocketAddr> = Vec::new();
        for address in addresses.iter().filter(|address| is_dialable(**address)) {
            // Scope and flow of an IPv6 address mean nothing elsewhere.
            let plain = SocketAddr::new(address.ip(), address.port());
            if !chosen.contains(&plain) && chosen.len() < MAX_TICKET_ADDRESSES {
                chosen.push(plain);
            }
        }
        Self { root, kind, bytes, peer, addresses: chosen }
    }

    /// Where the sharer may be, best first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The same with these addresses.
    pub fn at(&self, addresses: &[SocketAddr]) -> Self {
        Self::new(self.root, self.kind, self.bytes, self.peer, addresses)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![
            match self.kind {
                Shared::File => 0,
                Shared::Collection => 1,
            },
            0,
        ];
        bytes.extend_from_slice(&self.root.0);
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(self.peer.as_bytes());
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        if let Some(place) = bytes.get_mut(1) {
            *place = length;
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, ParseTicketError> {
        let mut rest = Rest(bytes);
        let kind = match rest.take::<1>()? {
            [0] => Shared::File,
            [1] => Shared::Collection,
            _ => return Err(ParseTicketError::Newer),
        };
        let [_length] = rest.take()?;
        let root = Root(rest.take()?);
        let size = u64::from_le_bytes(rest.take()?);
        let peer = PeerId::from_bytes(&rest.take::<32>()?).map_err(|_| ParseTicketError::Invalid)?;
        let mut addresses = Vec::new();
        while !rest.0.is_empty() {
            let ip = match rest.take::<1>()? {
                [4] => IpAddr::from(rest.take::<4>()?),
                [6] => IpAddr::from(rest.take::<16>()?),
                _ => return Err(ParseTicketError::Newer),
            };
            addresses.push(SocketAddr::new(ip, u16::from_be_bytes(rest.take()?)));
        }
        let ticket = Self::new(root, kind, size, peer, &addresses);
        // What would be left out, or cannot be written again, was not written by us.
        if ticket.addresses == addresses { Ok(ticket) } else { Err(ParseTicketError::Invalid) }
    }
}

/// What is left to decode.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ParseTicketError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ParseTicketError::Invalid)?;
        self.0 = rest;
        Ok(*taken)
    }
}

/// Whether an address can stand for one machine.
pub(crate) fn is_dialable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.encode().into_iter();
        f.pad(&bytes.bytes_to_fes().with_checksum::<Bech32m>(&HRP).chars().collect::<String>())
    }
}

/// Why a text is no ticket. Positions are counted in characters from 1, surrounding whitespace left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseTicketError {
    /// It does not start with `hit1`.
    NotATicket,
    /// It is a peer's id.
    AnId,
    /// A character that cannot be in a ticket.
    BadCharacter {
        /// Its place.
        position: usize,
        /// The character.
        found: char,
    },
    /// Small and capital letters together.
    MixedCase,
    /// The end is missing, or something in between.
    TooShort {
        /// By how many characters.
        missing: usize,
    },
    /// There is more than a ticket.
    TooLong,
    /// One character is mistyped.
    Mistyped(Typo),
    /// Several characters are mistyped.
    ManyMistyped,
    /// Typed as it was written, by a program that knows more than this one.
    Newer,
    /// Typed as it was written, but nothing that can be asked for.
    Invalid,
}

impl fmt::Display for ParseTicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATicket => write!(f, "a ticket starts with {PREFIX}; `hither share` prints one"),
            Self::AnId => write!(f, "this is a peer's id; a ticket starts with {PREFIX}"),
            Self::BadCharacter { position, found } => {
                write!(f, "character {position}, {found:?}, cannot be in a ticket")
            }
            Self::MixedCase => f.write_str("small and capital letters are mixed; copy the ticket again"),
            Self::TooShort { missing: 1 } => f.write_str("1 character of the ticket is missing"),
            Self::TooShort { missing } => write!(f, "{missing} characters of the ticket are missing"),
            Self::TooLong => f.write_str("there is more than a ticket here; copy it again"),
            Self::Mistyped(typo) => write!(f, "mistyped at {typo}"),
            Self::ManyMistyped => f.write_str("several characters are mistyped; copy the ticket again"),
            Self::Newer => f.write_str("the ticket was made by a newer version; bring this one up to date"),
            Self::Invalid => f.write_str("the ticket holds nothing that can be asked for; ask for a new one"),
        }
    }
}

impl std::error::Error for ParseTicketError {}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    /// Takes all small letters or, as QR codes hold it, all capitals. Whitespace around it is trimmed.
    fn from_str(text: &str) -> Result<Self, ParseTicketError> {
        let text = text.trim();
        let head: String = text.chars().take(PREFIX.len()).map(|char| char.to_ascii_lowercase()).collect();
        if head != PREFIX {
            let id = head.starts_with("hi1");
            return Err(if id { ParseTicketError::AnId } else { ParseTicketError::NotATicket });
        }
        if text.len() > MAX_TEXT {
            return Err(ParseTicketError::TooLong);
        }
        let symbols: Vec<char> = text.chars().skip(PREFIX.len()).collect();
        let elements: Vec<Fe32> = symbols.iter().map_while(|char| Fe32::from_char(*char).ok()).collect();
        if let Some(found) = symbols.get(elements.len()).copied() {
            let position = elements.len().saturating_add(PREFIX.len()).saturating_add(1);
            return Err(ParseTicketError::BadCharacter { position, found });
        }
        let small = text.chars().any(|char| char.is_ascii_lowercase());
        if small && text.chars().any(|char| char.is_ascii_uppercase()) {
            return Err(ParseTicketError::MixedCase);
        }
        let data = elements.get(..elements.len().saturating_sub(CHECKSUM)).unwrap_or_default();
        let bytes: Vec<u8> = data.iter().copied().fes_to_bytes().collect();
        check_sum(&symbols, &elements, bytes.get(1).copied())?;
        let ticket = Self::decode(&bytes)?;
        // Padding that is not zero, or another length than is said: a ticket has one text.
        if ticket.to_string() == text.to_ascii_lowercase() {
            Ok(ticket)
        } else {
            Err(ParseTicketError::Invalid)
        }
    }
}

/// `said` is how long the ticket says it is, in bytes, if that was not what was mistyped.
fn check_sum(symbols: &[char], elements: &[Fe32], said: Option<u8>) -> Result<(), ParseTicketError> {
    if typo::is_clean(HRP, elements) {
        return Ok(());
    }
    let symbols_said = |bytes: u8| usize::from(bytes).saturating_mul(8).div_ceil(5).saturating_add(CHECKSUM);
    let wanted = said.map_or(symbols_said(u8::try_from(HEAD).unwrap_or(0)), symbols_said);
    if let Some((index, expected)) = typo::locate_one(HRP, elements) {
        let expected = expected.to_char();
        let found = symbols.get(index).copied().unwrap_or_default();
        let expected = if found.is_ascii_uppercase() { expected.to_ascii_uppercase() } else { expected };
        let position = index.saturating_add(PREFIX.len()).saturating_add(1);
        return Err(ParseTicketError::Mistyped(Typo { position, found, expected }));
    }
    Err(match wanted.checked_sub(elements.len()) {
        Some(missing @ 1..) => ParseTicketError::TooShort { missing },
        None => ParseTicketError::TooLong,
        Some(0) => ParseTicketError::ManyMistyped,
    })
}

#[cfg(test)]
mod tests;
