//! What the user asks of codes, and the answers.

use std::path::PathBuf;
use std::time::Duration;

use crate::OfferError;
use crate::pairing::LAN_WORDS;

/// Names a code that was made or entered here: 16 random bytes. It says nothing of the code's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeId(pub [u8; 16]);

impl std::fmt::Display for CodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a code is made for. Whoever enters it must want the other half of that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodeFor {
    /// These are offered to whoever enters it, to receive. With no paths nothing is offered:
    /// [`Event::CodeProven`](crate::Event::CodeProven) tells who it is, and what else there is for them (a message)
    /// can be sent then.
    Send {
        /// The outermost paths.
        paths: Vec<PathBuf>,
    },
    /// Whoever enters it, to send, may offer something.
    Receive,
    /// Both are told who the other is, to become contacts.
    Pair,
}

/// What a code is entered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnterFor {
    /// To be offered something. The offer is put to the user, as [`Event::Offered`](crate::Event::Offered) with the
    /// code's id; only with [`Strangers::Accept`](crate::Strangers::Accept) is it accepted unasked.
    Receive,
    /// To offer these. With no paths, as [`CodeFor::Send`] has it.
    Send {
        /// The outermost paths.
        paths: Vec<PathBuf>,
    },
    /// Both are told who the other is, to become contacts.
    Pair,
}

/// How a code is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeOptions {
    /// How many words, 3 to 8: [`LAN_WORDS`] where it is only looked for on the local network,
    /// [`WIDE_WORDS`](crate::WIDE_WORDS) where it is looked for everywhere.
    pub words: u8,
    /// How long it is good for.
    pub expires: Duration,
    /// How many may use it, one after the other; at least one.
    pub receivers: u16,
}

impl Default for CodeOptions {
    /// Three words, one hour, one receiver.
    fn default() -> Self {
        Self { words: LAN_WORDS, expires: Duration::from_secs(3600), receivers: 1 }
    }
}

/// Why a code cannot be made or entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeError {
    /// The records are not loaded, or cannot be written: attempts could not be counted.
    NotReady,
    /// Too many codes at once, or the node is closing.
    TooMany,
    /// Fewer words than [`MIN_WORDS`](crate::MIN_WORDS), more than [`MAX_WORDS`](crate::MAX_WORDS), no time at all
    /// or more than a year, or nobody to use it.
    BadOptions,
}

impl std::fmt::Display for CodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotReady => "the records cannot be used, so wrong tries of a code could not be counted",
            Self::TooMany => "too many codes at once",
            Self::BadOptions => "no code can be like that",
        })
    }
}

impl std::error::Error for CodeError {}

/// Why a code that was entered, or one who entered a code made here, came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFailure {
    /// Nobody was found whose code has these public words; the other side is gone, or not near.
    NotFound,
    /// Somebody was found, and nobody could be reached at the address they gave.
    NoAnswer,
    /// The other side has another code: at least one word is wrong. It has cost the other side one attempt.
    WrongCode,
    /// The code is burnt: three wrong ones were tried on it.
    Burnt,
    /// Its time is over.
    Expired,
    /// It was used as often as it could be.
    AlreadyUsed,
    /// The code is right, and was made for something else: to receive, to send or to pair, whichever was not asked.
    /// It has cost no attempt and can be entered again for the right thing.
    DifferentPurpose,
    /// Somebody else is using it, and others wait.
    Busy,
    /// More cards lay at its place than are tried for one code. Somebody puts them there; a new code has another place.
    TooMany,
    /// The code was made by this very identity.
    Oneself,
    /// The code is right, and nothing can be offered to whoever is there.
    CannotOffer(OfferError),
}
