//! Codes: a few words by which two people who do not know each other's ids meet.

mod types;

use std::time::Instant;

use zeroize::Zeroizing;

pub use types::{CodeError, CodeFailure, CodeFor, CodeId, CodeOptions, EnterFor};

use super::Node;
use crate::pairing::Code;

impl Node {
    /// User in: make a code for others to enter. For the same purpose (the same paths), and with as many words, it
    /// gives the same code again while that is good, with the attempts that are left, even after a restart.
    /// [`Event::CodeReady`](crate::Event::CodeReady) follows once its record is durable.
    pub fn make_code(
        &mut self,
        _now: Instant,
        _purpose: CodeFor,
        _options: CodeOptions,
    ) -> Result<CodeId, CodeError> {
        Err(CodeError::NotReady)
    }

    /// User in: enter a code that someone else has made. It is looked for, and proven, for as long as
    /// [`Config::reach_within`](crate::Config::reach_within); `CodeProven` or `CodeFailed` follows.
    pub fn enter_code(
        &mut self,
        _now: Instant,
        _code: Code,
        _purpose: EnterFor,
    ) -> Result<CodeId, CodeError> {
        Err(CodeError::NotReady)
    }

    /// User in: a code of ours is to be good no more, or one that was entered to be looked for no more.
    pub fn withdraw_code(&mut self, _now: Instant, _id: CodeId) {}

    /// The words of a code that was made here, while it is good: for the screen, and nowhere else.
    pub fn code(&self, _id: CodeId) -> Option<Zeroizing<String>> {
        None
    }
}
