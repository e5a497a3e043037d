//! A code as a person types it, and how one that is made is to be.

use std::fmt;

use hither_protocol::{BadCode, Code, CodeOptions, MAX_WORDS, MIN_WORDS, Payload};

use super::span::Span;

/// A code that was typed. It goes into no output, so it has a `Debug` that does not say it.
pub struct TypedCode(Code);

impl TypedCode {
    /// Reads the words, one argument or several, or the link that a QR of a code holds.
    pub fn parse(words: &[String]) -> Result<Self, BadCode> {
        let text = words.join(" ");
        match Payload::parse(&text) {
            Ok(Payload::Code(code)) => Ok(Self(code)),
            _ => Code::parse(&text).map(Self),
        }
    }

    /// The code.
    pub fn code(self) -> Code {
        self.0
    }
}

impl From<Code> for TypedCode {
    fn from(code: Code) -> Self {
        Self(code)
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedCode({} words)", self.0.words())
    }
}

impl PartialEq for TypedCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.text() == other.0.text()
    }
}

/// What is wrong with a code that was typed. `json`: it is read by programs that keep what they read, so the word that
/// was probably meant is not in it.
pub(super) fn wrong(error: BadCode, json: bool) -> String {
    let what = match error {
        BadCode::Unknown { position, .. } if json => {
            format!("word {position} is not one that codes are made of")
        }
        other => other.to_string(),
    };
    format!("{what}. Nothing was sent, and the code is as good as before.")
}

/// How a code is to be made, as the flags say it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CodeFlags {
    pub(super) words: Option<u8>,
    pub(super) expire: Option<Span>,
    pub(super) receivers: Option<u16>,
}

impl CodeFlags {
    /// The options of a code that is made.
    pub(super) fn options(self) -> Result<CodeOptions, String> {
        let default = CodeOptions::default();
        let words = self.words.unwrap_or(default.words);
        if !(MIN_WORDS..=MAX_WORDS).contains(&words) {
            return Err(format!("a code has {MIN_WORDS} to {MAX_WORDS} words: --words {}", default.words));
        }
        let receivers = self.receivers.unwrap_or(default.receivers);
        if receivers == 0 {
            return Err("--receivers 0 would be a code for nobody: give how many may use it".to_owned());
        }
        Ok(CodeOptions { words, expires: self.expire.map_or(default.expires, Span::duration), receivers })
    }

    /// Where no code is made, none of the flags has a meaning; `because` says why none is.
    pub(super) fn none(self, because: &str) -> Result<(), String> {
        let given = [
            ("--words", self.words.is_some()),
            ("--expire", self.expire.is_some()),
            ("--receivers", self.receivers.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(format!("{flag} is for a code that is made here: leave out {because}")),
            None => Ok(()),
        }
    }
}
