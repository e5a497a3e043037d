//! How a person names a peer: a contact's name, an id, or an id with an address.

use std::fmt;
use std::str::FromStr;

use hither_protocol::identity::{ParsePeerAddressError, PeerAddress};

use crate::inert::{inert, is_hostile};

/// A peer as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// An id, perhaps with an address.
    Address(PeerAddress),
    /// A name to look up in the contacts.
    Contact(ContactName),
}

/// A contact's name: no id, nothing invisible, nothing that reads as a flag, a topic or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContactName(String);

impl ContactName {
    /// Longest name, in bytes.
    pub const MAX: usize = 64;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text names no peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsePeerError {
    /// Meant as an id, but wrong.
    Address(ParsePeerAddressError),
    /// A name has 1 to [`ContactName::MAX`] bytes.
    NameLength,
    /// A name cannot hold this character.
    NameCharacter(char),
    /// A name cannot start or end like this.
    NameEnds,
    /// A name that looks like an id.
    NameLooksLikeId,
}

impl fmt::Display for ParsePeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The id may quote a character of the text.
            Self::Address(error) => f.write_str(&inert(&error.to_string())),
            Self::NameLength => write!(f, "a name has 1 to {} bytes", ContactName::MAX),
            Self::NameCharacter(character) => write!(f, "a name cannot hold {}", character.escape_default()),
            Self::NameEnds => f.write_str("a name does not start with - or #, nor start or end with a space"),
            Self::NameLooksLikeId => f.write_str("a name cannot start like an id, with hi1"),
        }
    }
}

impl std::error::Error for ParsePeerError {}

impl FromStr for Peer {
    type Err = ParsePeerError;

    fn from_str(text: &str) -> Result<Self, ParsePeerError> {
        if looks_like_id(text) || text.contains('@') {
            return text.parse().map(Self::Address).map_err(ParsePeerError::Address);
        }
        text.parse().map(Self::Contact)
    }
}

impl FromStr for ContactName {
    type Err = ParsePeerError;

    fn from_str(text: &str) -> Result<Self, ParsePeerError> {
        if text.is_empty() || text.len() > Self::MAX {
            return Err(ParsePeerError::NameLength);
        }
        if looks_like_id(text) {
            return Err(ParsePeerError::NameLooksLikeId);
        }
        if let Some(bad) = text.chars().find(|c| is_hostile(*c) || *c == '@') {
            return Err(ParsePeerError::NameCharacter(bad));
        }
        if text.trim() != text || text.starts_with(['-', '#']) {
            return Err(ParsePeerError::NameEnds);
        }
        Ok(Self(text.to_owned()))
    }
}

fn looks_like_id(text: &str) -> bool {
    text.trim_start().get(..3).is_some_and(|start| start.eq_ignore_ascii_case("hi1"))
}
