//! The line in which a code is typed, key by key: Tab completes its words. Pure.

use hither_protocol::{MAX_WORDS, complete_word};

/// Letters of a line at most.
const MAX: usize = 128;
/// Words that Tab shows at most.
const MAX_SHOWN: usize = 12;
const BELL: &str = "\x07";
const ERASE: &str = "\r\x1b[K";

/// A line that is being typed, behind its prompt.
pub(super) struct Editor {
    prompt: String,
    text: String,
    /// Bytes of a key that is more than one, such as an arrow, are passed over.
    escape: Escape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    Inside,
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// This is to be written to the terminal.
    Draw(String),
    /// The line is whole.
    Line(String),
    /// No more lines will come.
    End,
}

impl Editor {
    pub(super) fn new(prompt: &str) -> Self {
        Self { prompt: prompt.to_owned(), text: String::new(), escape: Escape::No }
    }

    /// What makes room for other output.
    pub(super) fn erase(&self) -> &'static str {
        ERASE
    }

    /// The line as it stands.
    pub(super) fn draw(&self) -> String {
        format!("{ERASE}{}{}", self.prompt, self.text)
    }

    /// A byte from the terminal.
    pub(super) fn key(&mut self, byte: u8) -> Key {
        if self.is_escaped(byte) {
            return Key::Draw(String::new());
        }
        match byte {
            b'\r' | b'\n' => return Key::Line(std::mem::take(&mut self.text)),
            // Ctrl-D ends an empty line only.
            4 if self.text.is_empty() => return Key::End,
            b'\t' => return Key::Draw(self.complete()),
            // Backspace, or Delete as some terminals have it.
            8 | 127 if self.text.pop().is_some() => {}
            // Ctrl-U, and Ctrl-W.
            21 => self.text.clear(),
            23 => {
                let kept = self.text.trim_end_matches(is_between).rfind(is_between).map_or(0, |at| at + 1);
                self.text.truncate(kept);
            }
            // A link can be pasted too.
            b'a'..=b'z' | b'A'..=b'Z' | b' ' | b'-' | b':' | b'/' if self.text.len() < MAX => {
                self.text.push(char::from(byte));
            }
            _ => return Key::Draw(BELL.to_owned()),
        }
        Key::Draw(self.draw())
    }

    fn is_escaped(&mut self, byte: u8) -> bool {
        let before = self.escape;
        self.escape = match (before, byte) {
            (Escape::No, 0x1b) => Escape::Begun,
            (Escape::Begun, b'[' | b'O') => Escape::Inside,
            (Escape::Inside, b' '..=b'?') => Escape::Inside,
            _ => Escape::No,
        };
        before != Escape::No || byte == 0x1b
    }

    /// As much of the last word as its letters decide; the words it may be where they decide nothing.
    fn complete(&mut self) -> String {
        let start = self.text.rfind(is_between).map_or(0, |at| at + 1);
        let (before, typed) = self.text.split_at(start);
        let words = if typed.is_empty() { Vec::new() } else { complete_word(typed) };
        let (first, last) = match words.as_slice() {
            [] => return BELL.to_owned(),
            [first, .., last] => (*first, *last),
            [only] => (*only, *only),
        };
        // They are in order, so what the first and the last have in common all have.
        let common = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        let whole = words.len() == 1;
        if !whole && common == typed.len() {
            let shown = words.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(" ");
            let more = if words.len() > MAX_SHOWN { " ..." } else { "" };
            return format!("{ERASE}{shown}{more}\r\n{}", self.draw());
        }
        let count = before.split(is_between).filter(|word| !word.is_empty()).count() + 1;
        let next = if whole && count < usize::from(MAX_WORDS) { "-" } else { "" };
        self.text = format!("{before}{}{next}", &first[..common]);
        self.draw()
    }
}

fn is_between(char: char) -> bool {
    matches!(char, '-' | ' ')
}

#[cfg(test)]
mod tests;
