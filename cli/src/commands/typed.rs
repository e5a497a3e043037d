//! The command line as it was typed, for those who are told to type it again.

use std::ffi::OsString;

use crate::inert::inert;

/// `hither` and its arguments, quoted for a shell where that is needed.
#[derive(Debug, Clone)]
pub(crate) struct Typed(String);

impl Typed {
    pub(crate) fn new(arguments: &[OsString]) -> Self {
        let words = arguments.iter().map(|argument| quoted(&argument.to_string_lossy()));
        Self(std::iter::once("hither".to_owned()).chain(words).collect::<Vec<_>>().join(" "))
    }

    /// The line, in the form that it is shown in.
    pub(super) fn line(&self) -> &str {
        &self.0
    }
}

/// A word as POSIX shells take it: as it is, or in single quotes.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./@:=+,%".contains(character);
    let shown = inert(word);
    if !word.is_empty() && word.chars().all(plain) {
        return shown;
    }
    format!("'{}'", shown.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_act_on_them() {
        let line = |words: &[&str]| Typed::new(&words.iter().map(Into::into).collect::<Vec<_>>()).0;
        assert_eq!(
            line(&["send", "a b.txt", "it's", "", "$x", "--to", "hi1q@[::1]:4242", "über.txt"]),
            r"hither send 'a b.txt' 'it'\''s' '' '$x' --to 'hi1q@[::1]:4242' über.txt"
        );
        assert_eq!(line(&["send", "a\u{1b}[2J"]), r"hither send 'a\u{1b}[2J'");
    }
}
