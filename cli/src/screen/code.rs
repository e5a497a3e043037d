//! What happens to a code, and to those who use it.

use std::fmt;

use hither_protocol::identity::PeerId;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::human::count;
use crate::inert::inert;

/// The words of a code that was made here: for the screen of its owner. `Debug` does not say them.
#[derive(Clone)]
pub struct Words(pub Zeroizing<String>);

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(..)")
    }
}

/// What happens to a code.
#[derive(Debug, Clone)]
pub enum CodeEvent {
    /// It can be used from now on.
    Ready {
        /// The words.
        code: Words,
        /// Until when: Unix milliseconds.
        expires: u64,
        /// Wrong ones that can still be tried.
        left: u8,
    },
    /// Somebody tried a wrong one, or broke off.
    Attempt {
        /// Wrong ones that can still be tried.
        left: u8,
    },
    /// Somebody was found who may have made the one that was typed here.
    Found,
    /// Both sides have proven it.
    Proven {
        /// Who the other is.
        id: PeerId,
        /// The contact's name, if it is one.
        contact: Option<String>,
    },
    /// The other side is a contact now.
    Paired {
        /// Who.
        id: PeerId,
        /// Under this name.
        name: String,
        /// Words that both sides can compare.
        words: Vec<&'static str>,
    },
}

impl CodeEvent {
    /// Whether it belongs on standard output.
    pub(super) fn is_data(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    pub(super) fn value(&self) -> Value {
        match self {
            Self::Ready { code, expires, left } => {
                json!({"event": "code", "code": code.0.as_str(), "expires": expires, "left": left})
            }
            Self::Attempt { left } => json!({"event": "code_attempt", "left": left}),
            Self::Found => json!({"event": "code_found"}),
            Self::Proven { id, contact } => {
                json!({"event": "code_proven", "id": id.to_string(), "contact": contact})
            }
            Self::Paired { id, name, words } => {
                json!({"event": "paired", "id": id.to_string(), "name": name, "words": words.join(" ")})
            }
        }
    }

    /// In words.
    pub fn human(&self) -> String {
        match self {
            Self::Ready { code, .. } => code.0.to_string(),
            Self::Attempt { left } => {
                let are = if *left == 1 { "is" } else { "are" };
                let tries = count(u64::from(*left), "try").replace("trys", "tries");
                format!("someone tried a wrong code, or broke off; {tries} {are} left")
            }
            Self::Found => "found someone; each side proves the code to the other".to_owned(),
            Self::Proven { id, contact } => {
                let who = contact.as_deref().map_or_else(|| format!("{id} (not a contact)"), inert);
                format!("the code is right: this is {who}")
            }
            Self::Paired { name, .. } => format!("{} is a contact now", inert(name)),
        }
    }
}
