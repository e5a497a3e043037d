//! A code: a few words that two people say to each other. The first find the other side, the rest prove it.

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::rendezvous::Place;
use super::words::{COUNT, find, nearest, word};
use crate::entropy::Stream;

/// Words of a code at least, and at most.
pub const MIN_WORDS: u8 = 3;
/// Words of a code at most.
pub const MAX_WORDS: u8 = 8;
/// Words of a code that is only looked for on the local network: 22 secret bits.
pub const LAN_WORDS: u8 = 3;
/// Words of a code that is looked for everywhere: 33 secret bits.
pub const WIDE_WORDS: u8 = 5;
/// Bytes of what is taken for a code.
const MAX_TEXT: usize = 256;

/// A few words that two people share. One part of it is public and says where to meet, the other is secret and is
/// what both sides prove to know. It can be used for one purpose, for a while, and three wrong ones burn it.
///
/// Neither `Clone` nor `Debug`, and wiped when dropped: only [`Code::text`] gives the words away.
#[derive(ZeroizeOnDrop)]
pub struct Code {
    numbers: Vec<u16>,
}

/// Why what was typed is no code. What was typed is not in it, and is not printed by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BadCode {
    /// Fewer words than a code has.
    TooFew,
    /// More words than a code has, or far too much text.
    TooMany,
    /// A word that is not in the list.
    Unknown {
        /// Which: counted from 1.
        position: usize,
        /// The word of the list that is most like it. It may be one of the secret words: for the screen only.
        nearest: &'static str,
    },
}

impl std::fmt::Debug for BadCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFew => f.write_str("TooFew"),
            Self::TooMany => f.write_str("TooMany"),
            Self::Unknown { position, .. } => write!(f, "Unknown {{ position: {position} }}"),
        }
    }
}

impl std::fmt::Display for BadCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFew => write!(f, "a code has at least {MIN_WORDS} words"),
            Self::TooMany => write!(f, "a code has at most {MAX_WORDS} words"),
            Self::Unknown { position, nearest } => {
                write!(f, "word {position} is not one that codes are made of; did you mean \"{nearest}\"?")
            }
        }
    }
}

impl std::error::Error for BadCode {}

impl Code {
    /// Draws a new code of so many words, each independently of the others. Fewer than [`MIN_WORDS`] count as so
    /// many, more than [`MAX_WORDS`] too.
    pub fn generate(random: &mut Stream, words: u8) -> Self {
        let count = words.clamp(MIN_WORDS, MAX_WORDS);
        // 2048 divides 65,536, so every word is as likely.
        Self { numbers: (0..count).map(|_| u16::from_le_bytes(random.bytes()) % COUNT).collect() }
    }

    /// Reads a code as people type it: words in any case, the first four letters of a word for all of it, with spaces
    /// or `-` between them.
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        if text.len() > MAX_TEXT {
            return Err(BadCode::TooMany);
        }
        let words =
            || text.split(|char: char| char == '-' || char.is_whitespace()).filter(|it| !it.is_empty());
        let mut code = Self { numbers: Vec::with_capacity(usize::from(MAX_WORDS)) };
        for (index, typed) in words().enumerate() {
            if index >= usize::from(MAX_WORDS) {
                return Err(BadCode::TooMany);
            }
            let unknown = || BadCode::Unknown { position: index.saturating_add(1), nearest: nearest(typed) };
            code.numbers.push(find(typed).ok_or_else(unknown)?);
        }
        if code.numbers.len() < usize::from(MIN_WORDS) { Err(BadCode::TooFew) } else { Ok(code) }
    }

    /// The words with `-` between them: to show to its owner, and nowhere else.
    pub fn text(&self) -> Zeroizing<String> {
        joined(&self.numbers)
    }

    /// How many words it has.
    pub fn words(&self) -> usize {
        self.numbers.len()
    }

    /// Bits that nobody can know who was not told.
    pub fn secret_bits(&self) -> u32 {
        let secret = u32::try_from(self.split().1.len()).unwrap_or(0);
        secret.saturating_mul(super::words::BITS)
    }

    /// Where its two sides meet.
    pub(crate) fn place(&self) -> Place {
        Place::of(&joined(self.split().0))
    }

    /// What both sides prove to know.
    pub(crate) fn secret(&self) -> Zeroizing<String> {
        joined(self.split().1)
    }

    /// The public words and the secret ones.
    fn split(&self) -> (&[u16], &[u16]) {
        let public = if self.numbers.len() < usize::from(WIDE_WORDS) { 1 } else { 2 };
        self.numbers.split_at_checked(public).unwrap_or((&[], &self.numbers))
    }
}

fn joined(numbers: &[u16]) -> Zeroizing<String> {
    // With room for the longest words, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(usize::from(MAX_WORDS).saturating_mul(9)));
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            text.push('-');
        }
        text.push_str(word(*number));
    }
    text
}
