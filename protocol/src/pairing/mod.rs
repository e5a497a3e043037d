//! Who is known, and how people who are not come to know each other.
//!
//! - `contacts`: those who are, under the names that the user gave them;
//! - `code`: a few words that two people say to each other, of the list in `words`;
//! - `cpace`: how both prove a code without giving anyone more than one guess, and `confirm` the proof;
//! - `payload`: what a QR shows and a link holds; `safety`: words by which two people compare ids.

mod code;
mod contacts;
mod cpace;
mod payload;
mod rendezvous;
mod safety;
#[cfg(test)]
mod tests;
mod words;

pub use code::{BadCode, Code, LAN_WORDS, MAX_WORDS, MIN_WORDS, WIDE_WORDS};
pub(crate) use contacts::Contacts;
pub use payload::{BadPayload, MAX_PAYLOAD, Payload};
pub use safety::safety_words;
pub use words::{complete as complete_word, nearest as nearest_word};
