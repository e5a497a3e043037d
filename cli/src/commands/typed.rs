//! The command line as it was typed, for those who are told to type it again.

use std::ffi::OsString;

use hither_protocol::identity::PeerId;

use crate::args;
use crate::inert::inert;

/// `hither` and its arguments, quoted for a shell where that is needed.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    line: String,
    arguments: Vec<String>,
}

impl Typed {
    pub(crate) fn new(arguments: &[OsString]) -> Self {
        let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
        let arguments: Vec<String> = arguments.collect();
        Self { line: line(&arguments), arguments }
    }

    /// The line, in the form that it is shown in.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// The line with a peer in place of the code: a code is used up by the time that something is to be gone on with.
    /// `flag` is `--to` or `--from`.
    pub(super) fn with_peer_for_code(&self, flag: &'static str, peer: PeerId) -> String {
        let words = args::with_peer_for_code(self.arguments.clone(), flag, peer.to_string());
        words.map_or_else(|| self.line.clone(), |words| line(&words))
    }
}

fn line(words: &[String]) -> String {
    let words = words.iter().map(|word| quoted(word));
    std::iter::once("hither".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
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
    use hither_protocol::entropy::{Entropy, Seed};
    use hither_protocol::identity::Identity;

    use super::*;

    #[test]
    fn a_peer_takes_the_place_of_a_code() {
        let mut random = Entropy::new(Seed::new([1; 32])).stream("test");
        let peer = Identity::generate(&mut random).peer_id();
        let line = |flag, line: &str| {
            let words: Vec<_> = line.split(' ').map(Into::into).collect();
            Typed::new(&words).with_peer_for_code(flag, peer)
        };
        for (typed, again) in [
            ("send a b --receivers 2", "hither send --to ID a b"),
            ("send --code=zoo-zoo-zoo a --home h", "hither --home h send --to ID a"),
            ("tx -- -a", "hither send --to ID -- -a"),
        ] {
            assert_eq!(line("--to", typed), again.replace("ID", &peer.to_string()));
        }
        for (typed, again) in [
            ("rx zoo zoo zoo --into d", "hither receive --into d --from ID"),
            ("receive --new-code --words 4 -y", "hither -y receive --from ID"),
        ] {
            assert_eq!(line("--from", typed), again.replace("ID", &peer.to_string()));
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_act_on_them() {
        let line = |words: &[&str]| Typed::new(&words.iter().map(Into::into).collect::<Vec<_>>()).line;
        assert_eq!(
            line(&["send", "a b.txt", "it's", "", "$x", "--to", "hi1q@[::1]:4242", "über.txt"]),
            r"hither send 'a b.txt' 'it'\''s' '' '$x' --to 'hi1q@[::1]:4242' über.txt"
        );
        assert_eq!(line(&["send", "a\u{1b}[2J"]), r"hither send 'a\u{1b}[2J'");
    }
}
