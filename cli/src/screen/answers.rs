//! What the person at the terminal types, read on a thread of its own so that a question can be given up: lines as the
//! terminal gives them, or, while a prompt stands, key by key.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::editor::{Editor, Key};
use super::terminal;

/// Lines that are read ahead of any question, at most.
const AHEAD: usize = 8;
/// Longest line that is taken.
const LONGEST: usize = 4096;

/// The line at the prompt that stands.
static EDITED: Mutex<Option<Editor>> = Mutex::new(None);

/// The lines typed from now on: what was typed before the question was seen is no answer to it.
pub(super) fn fresh() -> MutexGuard<'static, Receiver<String>> {
    let lines = lines();
    while lines.try_recv().is_ok() {}
    lines
}

/// A line that was typed, if one was.
pub(super) fn typed() -> Option<String> {
    lines().try_recv().ok()
}

/// From now on keys go into a line behind a prompt. `false`: this terminal gives whole lines only.
pub(super) fn open_prompt(prompt: &str) -> bool {
    drop(fresh());
    if !terminal::give_keys() {
        return false;
    }
    // Whoever sees the prompt may type at once: no key is read as part of a line meanwhile.
    let mut edited = edited();
    show(&edited.insert(Editor::new(prompt)).draw());
    true
}

/// The prompt and what stands behind it are gone, and the terminal gives whole lines again.
pub(super) fn close_prompt() {
    if let Some(editor) = edited().take() {
        show(editor.erase());
    }
    terminal::give_lines();
}

/// Does `output` with the line that is being typed out of its way.
pub(super) fn around<T>(output: impl FnOnce() -> T) -> T {
    let edited = edited();
    if let Some(editor) = edited.as_ref() {
        show(editor.erase());
    }
    let result = output();
    if let Some(editor) = edited.as_ref() {
        show(&editor.draw());
    }
    result
}

fn lines() -> MutexGuard<'static, Receiver<String>> {
    static LINES: OnceLock<Mutex<Receiver<String>>> = OnceLock::new();
    LINES.get_or_init(|| Mutex::new(read())).lock().unwrap_or_else(PoisonError::into_inner)
}

fn edited() -> MutexGuard<'static, Option<Editor>> {
    EDITED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read() -> Receiver<String> {
    let (sender, lines) = sync_channel(AHEAD);
    // Ends with standard input or with the process.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let mut piece = [0; 256];
        while let Ok(length @ 1..) = std::io::stdin().lock().read(&mut piece) {
            for byte in piece.iter().take(length) {
                if !take(*byte, &mut line, &sender) {
                    return;
                }
            }
        }
    });
    lines
}

/// Takes a byte. `false`: nothing more is wanted, or will come.
fn take(byte: u8, line: &mut Vec<u8>, sender: &SyncSender<String>) -> bool {
    let mut edited = edited();
    let whole = match edited.as_mut().map(|editor| editor.key(byte)) {
        Some(Key::Draw(drawn)) => {
            show(&drawn);
            return true;
        }
        Some(Key::Line(line)) => {
            *edited = None;
            show("\r\n");
            line
        }
        Some(Key::End) => return false,
        None if byte == b'\n' => String::from_utf8_lossy(&std::mem::take(line)).into_owned(),
        None => {
            if line.len() < LONGEST {
                line.push(byte);
            }
            return true;
        }
    };
    drop(edited);
    sender.send(whole).is_ok()
}

/// The terminal may be gone; then nobody misses this.
fn show(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
