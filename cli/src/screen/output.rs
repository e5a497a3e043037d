//! Standard output for content: byte for byte, but to a terminal so that it can be looked at and does no harm.

use std::io::{self, IsTerminal, Write};

use crate::inert::inert_content;

/// Bytes of a line that are looked at together on their way to a terminal.
const LONG_LINE: usize = 64 * 1024;

/// Standard output, for content that comes piece by piece.
pub fn content_output() -> Box<dyn Write + Send> {
    let out = io::stdout();
    if out.is_terminal() { Box::new(Inert { out, line: Vec::new() }) } else { Box::new(out) }
}

/// Makes what could act on a terminal visible, line by line.
struct Inert<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Inert<W> {
    fn put(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.out.write_all(inert_content(&line).as_bytes())
    }
}

impl<W: Write> Write for Inert<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        for piece in content.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= LONG_LINE {
                self.put()?;
            }
        }
        Ok(content.len())
    }

    /// The line that is not whole comes too, but for a character that is not.
    fn flush(&mut self) -> io::Result<()> {
        let rest = match std::str::from_utf8(&self.line) {
            Err(error) if error.error_len().is_none() => self.line.split_off(error.valid_up_to()),
            _ => Vec::new(),
        };
        self.put()?;
        self.line = rest;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::Inert;

    #[test]
    fn what_comes_in_pieces_is_made_harmless_and_stays_whole() {
        let mut inert = Inert { out: Vec::new(), line: Vec::new() };
        let text = "plain\nesc\u{1b}[31m ünï\n€";
        for byte in text.as_bytes() {
            inert.write_all(&[*byte]).unwrap();
            inert.flush().unwrap();
        }
        let shown = String::from_utf8(inert.out).unwrap();
        assert!(shown.starts_with("plain\n") && shown.ends_with("ünï\n€"), "{shown:?}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
