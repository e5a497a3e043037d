//! A code as a person types it, and how one that is made is to be.

use std::fmt;
use std::time::Duration;

use hither_protocol::{BadCode, Code, CodeOptions, LAN_WORDS, MAX_WORDS, MIN_WORDS, Payload, WIDE_WORDS};

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

    /// Whether it is looked for beyond the local network too.
    pub fn is_wide(&self) -> bool {
        self.0.words() >= usize::from(WIDE_WORDS)
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

/// A code that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCode {
    /// How many words it is to have; else as many as where it can be used asks for.
    pub words: Option<u8>,
    /// How long it is good.
    pub expires: Duration,
    /// How many may use it.
    pub receivers: u16,
}

impl NewCode {
    /// The same, told whether others can be found beyond the local network.
    pub fn options(self, wide: bool) -> CodeOptions {
        let words = self.words.unwrap_or(if wide { WIDE_WORDS } else { LAN_WORDS });
        CodeOptions { words, expires: self.expires, receivers: self.receivers }
    }
}

/// How a code is to be made, as the flags say it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CodeFlags {
    pub(super) words: Option<u8>,
    pub(super) expire: Option<Span>,
    pub(super) receivers: Option<u16>,
}

impl CodeFlags {
    /// The code that is to be made.
    pub(super) fn new_code(self) -> Result<NewCode, String> {
        let default = CodeOptions::default();
        if self.words.is_some_and(|words| !(MIN_WORDS..=MAX_WORDS).contains(&words)) {
            return Err(format!("a code has {MIN_WORDS} to {MAX_WORDS} words: --words {}", default.words));
        }
        let receivers = self.receivers.unwrap_or(default.receivers);
        if receivers == 0 {
            return Err("--receivers 0 would be a code for nobody: give how many may use it".to_owned());
        }
        let expires = self.expire.map_or(default.expires, Span::duration);
        Ok(NewCode { words: self.words, expires, receivers })
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
