use std::io;
use std::sync::{Arc, Mutex};

use indicatif::TermLike;

use super::super::event::Road;
use super::*;

const WIDTH: usize = 40;

/// A terminal of forty columns that keeps what stands on it, as far as drawing needs.
#[derive(Debug, Clone, Default)]
struct Terminal(Arc<Mutex<Page>>);

#[derive(Debug, Default)]
struct Page {
    /// A character for each column; a wide one is followed by nothing.
    rows: Vec<Vec<Option<char>>>,
    row: usize,
    column: usize,
}

impl Page {
    fn clear(&mut self) {
        let row = self.row;
        self.rows.resize(self.rows.len().max(row + 1), Vec::new());
        self.rows[row] = vec![Some(' '); WIDTH];
        self.column = 0;
    }

    fn put(&mut self, character: char) {
        let width = if character == '\u{4e2d}' { 2 } else { 1 };
        if character == '\r' {
            self.column = 0;
            return;
        }
        // As terminals do: the next line begins with the character that does not fit.
        if self.column + width > WIDTH {
            (self.row, self.column) = (self.row + 1, 0);
        }
        if self.rows.len() <= self.row {
            self.clear();
        }
        let row = &mut self.rows[self.row];
        row[self.column] = Some(character);
        if width == 2 {
            row[self.column + 1] = None;
        }
        self.column += width;
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        WIDTH as u16
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let mut page = self.0.lock().unwrap();
        page.row = page.row.saturating_sub(n);
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.lock().unwrap().row += n;
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        let mut page = self.0.lock().unwrap();
        (page.row, page.column) = (page.row + 1, 0);
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut page = self.0.lock().unwrap();
        text.chars().for_each(|character| page.put(character));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.lock().unwrap().clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Terminal {
    fn lines(&self) -> Vec<String> {
        let page = self.0.lock().unwrap();
        let lines =
            page.rows.iter().map(|row| row.iter().flatten().collect::<String>().trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }
}

fn progress(transfer: &str, name: &str, done: u64) -> Progress {
    let (transfer, name) = (transfer.to_owned(), name.to_owned());
    Progress { transfer, name, done, total: 100, rate: 1, road: Some(Road::Lan) }
}

#[test]
fn several_transfers_have_a_line_each_that_fits() {
    let terminal = Terminal::default();
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
    let mut lines = ProgressLines::drawn(target);
    assert_eq!(lines.show(&progress("a", &"long".repeat(20), 10)), None);
    assert_eq!(lines.show(&progress("b", "\u{4e2d}".repeat(30).as_str(), 20)), None);
    let shown = terminal.lines();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].starts_with(" 10% [=>") && shown[1].starts_with(" 20% [===>"), "{shown:?}");
    // What is said meanwhile stands above them, and they are drawn again.
    lines.around(|| assert_eq!(terminal.lines(), [""; 0]));
    assert_eq!(terminal.lines(), shown);
    lines.clear(Some("a"));
    let left = terminal.lines();
    assert!(left.len() == 1 && left[0].starts_with(" 20%"), "{left:?}");
    lines.clear(None);
    assert_eq!(terminal.lines(), [""; 0]);
    assert_eq!(lines.around(|| 5), 5);
}

#[test]
fn a_plain_line_is_due_at_first_and_then_at_each_beat() {
    let start = Instant::now();
    assert!(is_due(None, start));
    assert!(!is_due(Some(&start), start + BEAT - Duration::from_millis(1)));
    assert!(is_due(Some(&start), start + BEAT));
    let mut lines = ProgressLines::new(false);
    assert!(lines.show(&progress("a", "a", 1)).is_some());
    assert!(lines.show(&progress("b", "b", 1)).is_some());
    assert_eq!(lines.show(&progress("a", "a", 2)), None);
    lines.clear(Some("a"));
    assert!(lines.show(&progress("a", "a", 3)).is_some(), "another transfer, or the same again");
}
