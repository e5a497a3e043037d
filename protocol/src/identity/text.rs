//! The text form of a [`PeerId`]: bech32m (BIP-350) with the prefix `hi`, 61 characters; and what is wrong with
//! a text that is none.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32m, ByteIterExt, Fe32, Fe32IterExt, Hrp};

use super::keys::{BadPeerId, PeerId};
use super::typo::{self, Located, Typo};

const HRP: Hrp = Hrp::parse_unchecked("hi");
const PREFIX: &str = "hi1";
/// The prefix, 52 symbols of 5 bits for the 32 bytes, 6 symbols of checksum.
const LENGTH: usize = 61;
const CHECKSUM: usize = 6;

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.as_bytes().iter().copied();
        f.pad(&bytes.bytes_to_fes().with_checksum::<Bech32m>(&HRP).chars().collect::<String>())
    }
}

/// The beginning and the end of the text, enough to tell ids apart in a log.
impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        let (start, end) = (text.get(..11).unwrap_or_default(), text.get(LENGTH - 4..).unwrap_or_default());
        write!(f, "PeerId({start}…{end})")
    }
}

/// Why a text is no id. Positions are counted in characters from 1, surrounding whitespace left out.
///
/// A suggestion is for a person to compare with where the id came from, never to be applied unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsePeerIdError {
    /// There is no text.
    Empty,
    /// It does not start with `hi1`: the first character that differs.
    WrongPrefix {
        /// The place of that character.
        position: usize,
        /// The character.
        found: char,
    },
    /// A character that cannot be in an id.
    BadCharacter {
        /// Its place.
        position: usize,
        /// The character.
        found: char,
        /// What would make the id right, when all the rest is.
        expected: Option<char>,
    },
    /// Small and capital letters together: the first of those that are fewer.
    MixedCase {
        /// Its place.
        position: usize,
        /// The character.
        found: char,
    },
    /// The end is missing, or something in between.
    TooShort {
        /// By how many characters.
        missing: usize,
    },
    /// There is more than an id.
    TooLong {
        /// By how many characters.
        extra: usize,
    },
    /// One character is mistyped.
    Mistyped(Typo),
    /// Two characters are mistyped.
    MistypedTwice(Typo, Typo),
    /// Two neighbours have changed places.
    Swapped {
        /// The place of the first of them.
        position: usize,
    },
    /// More than two characters are mistyped.
    ManyMistyped,
    /// Typed as it was written, but no peer's.
    NotAnId(BadPeerId),
}

impl fmt::Display for ParsePeerIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => write!(f, "there is no id here; one starts with {PREFIX}"),
            Self::WrongPrefix { position, found } => {
                write!(f, "an id starts with {PREFIX}, but character {position} is {found:?}")
            }
            Self::BadCharacter { position, found, expected } => {
                write!(f, "character {position}, {found:?}, cannot be in an id")?;
                match expected {
                    Some(expected) => write!(f, "; it may have been {expected:?}"),
                    None => Ok(()),
                }
            }
            Self::MixedCase { position, found } => {
                write!(f, "small and capital letters are mixed: look at character {position}, {found:?}")
            }
            Self::TooShort { missing } => {
                write!(f, "{} missing: an id has {LENGTH}", characters(missing, "is", "are"))
            }
            Self::TooLong { extra } => {
                write!(f, "{} too many: an id has {LENGTH}", characters(extra, "", ""))
            }
            Self::Mistyped(typo) => write!(f, "mistyped at {typo}"),
            Self::MistypedTwice(first, second) => write!(f, "mistyped at {first}, and at {second}"),
            Self::Swapped { position } => {
                write!(f, "characters {position} and {} have changed places", position.saturating_add(1))
            }
            Self::ManyMistyped => f.write_str("several characters are mistyped; copy the id again"),
            Self::NotAnId(reason) => write!(f, "{reason}"),
        }
    }
}

impl fmt::Display for Typo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {}: {:?}, where {:?} may be meant", self.position, self.found, self.expected)
    }
}

impl std::error::Error for ParsePeerIdError {}

fn characters(count: usize, one: &str, many: &str) -> String {
    let (noun, verb) = if count == 1 { ("character", one) } else { ("characters", many) };
    format!("{count} {noun} {verb}").trim_end().to_owned()
}

impl FromStr for PeerId {
    type Err = ParsePeerIdError;

    /// Takes all small letters or, as QR codes hold it, all capitals. Whitespace around it is trimmed.
    fn from_str(text: &str) -> Result<Self, ParsePeerIdError> {
        let text = text.trim();
        check_prefix(text)?;
        let symbols: Vec<char> = text.chars().skip(PREFIX.len()).collect();
        check_characters(&symbols)?;
        check_case(text)?;
        let length = PREFIX.len().saturating_add(symbols.len());
        if length < LENGTH {
            return Err(ParsePeerIdError::TooShort { missing: LENGTH.saturating_sub(length) });
        }
        if length > LENGTH {
            return Err(ParsePeerIdError::TooLong { extra: length.saturating_sub(LENGTH) });
        }
        let elements: Vec<Fe32> = symbols.iter().filter_map(|c| Fe32::from_char(*c).ok()).collect();
        check_sum(&symbols, &elements)?;
        let data = elements.len().saturating_sub(CHECKSUM);
        let bytes: Vec<u8> = elements.iter().take(data).copied().fes_to_bytes().collect();
        let id = Self::from_bytes(&bytes).map_err(ParsePeerIdError::NotAnId)?;
        // 52 symbols hold four bits more than 32 bytes do. They are zero, so that an id has one text.
        if id.to_string() != text.to_ascii_lowercase() {
            return Err(ParsePeerIdError::NotAnId(BadPeerId::NotCanonical));
        }
        Ok(id)
    }
}

fn check_prefix(text: &str) -> Result<(), ParsePeerIdError> {
    if text.is_empty() {
        return Err(ParsePeerIdError::Empty);
    }
    let mut found = text.chars();
    for (position, expected) in (1..).zip(PREFIX.chars()) {
        match found.next() {
            None => {
                return Err(ParsePeerIdError::TooShort { missing: LENGTH.saturating_sub(text.len()) });
            }
            Some(found) if found.to_ascii_lowercase() != expected => {
                return Err(ParsePeerIdError::WrongPrefix { position, found });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_characters(symbols: &[char]) -> Result<(), ParsePeerIdError> {
    let Some(bad) = symbols.iter().position(|c| Fe32::from_char(*c).is_err()) else { return Ok(()) };
    let found = symbols.get(bad).copied().unwrap_or_default();
    Err(ParsePeerIdError::BadCharacter { position: place(bad), found, expected: fitting(symbols, bad) })
}

/// The one symbol at `bad` that makes the checksum right, if the rest is.
fn fitting(symbols: &[char], bad: usize) -> Option<char> {
    if place(symbols.len()) != LENGTH.saturating_add(1) {
        return None;
    }
    let fits = |candidate: &Fe32| {
        let tried: Result<Vec<Fe32>, _> = (0..)
            .zip(symbols)
            .map(|(index, c)| if index == bad { Ok(*candidate) } else { Fe32::from_char(*c) })
            .collect();
        tried.is_ok_and(|tried| typo::is_clean(HRP, &tried))
    };
    Fe32::iter_alpha().find(fits).map(|fe| in_case_of(symbols, fe))
}

fn check_case(text: &str) -> Result<(), ParsePeerIdError> {
    let small = text.chars().filter(char::is_ascii_lowercase).count();
    let capital = text.chars().filter(char::is_ascii_uppercase).count();
    if small == 0 || capital == 0 {
        return Ok(());
    }
    let rare = if small < capital { char::is_ascii_lowercase } else { char::is_ascii_uppercase };
    let odd = (1..).zip(text.chars()).find(|(_, c)| rare(c));
    odd.map_or(Ok(()), |(position, found)| Err(ParsePeerIdError::MixedCase { position, found }))
}

fn check_sum(symbols: &[char], elements: &[Fe32]) -> Result<(), ParsePeerIdError> {
    let typo = |(index, expected): (usize, Fe32)| Typo {
        position: place(index),
        found: symbols.get(index).copied().unwrap_or_default(),
        expected: in_case_of(symbols, expected),
    };
    Err(match typo::locate(HRP, elements) {
        Located::Clean => return Ok(()),
        Located::One(error) => ParsePeerIdError::Mistyped(typo(error)),
        Located::Two(first, second) => ParsePeerIdError::MistypedTwice(typo(first), typo(second)),
        Located::Swapped(index) => ParsePeerIdError::Swapped { position: place(index) },
        Located::Many => ParsePeerIdError::ManyMistyped,
    })
}

/// The position that a person counts for the symbol at `index` after the prefix.
fn place(index: usize) -> usize {
    index.saturating_add(PREFIX.len()).saturating_add(1)
}

fn in_case_of(symbols: &[char], expected: Fe32) -> char {
    let capital =
        symbols.iter().any(char::is_ascii_uppercase) && !symbols.iter().any(char::is_ascii_lowercase);
    if capital { expected.to_char().to_ascii_uppercase() } else { expected.to_char() }
}
