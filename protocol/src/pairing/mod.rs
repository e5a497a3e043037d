//! Who is known, and how people who are not come to know each other.
//!
//! - `contacts`: those who are, under the names that the user gave them;
//! - `code`: a few words that two people say to each other, of the list in `words`;
//! - `cpace`: how both prove a code without giving anyone more than one guess, and `confirm` the proof;
//! - `maker`: the side that made a code, which counts `attempts`; `typer`: the one that typed it;
//! - `rendezvous`: where they meet, whatever that is;
//! - `payload`: what a QR shows and a link holds; `safety`: words by which two people compare ids.

mod attempts;
mod code;
mod confirm;
mod contacts;
mod cpace;
mod maker;
mod payload;
mod rendezvous;
mod safety;
#[cfg(test)]
mod tests;
mod typer;
mod words;

pub(crate) use attempts::MAX_ATTEMPTS;
pub use code::{BadCode, Code, LAN_WORDS, MAX_WORDS, MIN_WORDS, WIDE_WORDS};
pub(crate) use confirm::Channel;
pub(crate) use contacts::Contacts;
pub(crate) use maker::{Made, Maker, MakerAction};
pub use payload::{BadPayload, MAX_PAYLOAD, Payload};
pub(crate) use rendezvous::{Card, Found, Meet, Place};
pub use safety::safety_words;
pub(crate) use typer::{Typer, TyperAction};
pub use words::{complete as complete_word, nearest as nearest_word};
