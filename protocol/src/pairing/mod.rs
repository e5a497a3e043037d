//! Who is known: contacts, under the names that the user gave them; and how people who know each other make sure of it.
//!
//! - `contacts`: those who are known, and what is promised to them;
//! - `safety`: words by which two people compare ids, of the list in `words`.

mod contacts;
mod safety;
#[cfg(test)]
mod tests;
#[allow(dead_code, unreachable_pub, reason = "what is typed in words is looked for by codes")]
mod words;

pub(crate) use contacts::Contacts;
pub use safety::safety_words;
