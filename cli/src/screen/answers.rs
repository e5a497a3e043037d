//! Lines that the person at the terminal types, read on a thread of their own so that a question can be given up.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Lines that are read ahead of any question, at most.
const AHEAD: usize = 8;

/// The lines typed from now on: what was typed before the question was seen is no answer to it.
pub(super) fn fresh() -> MutexGuard<'static, Receiver<String>> {
    static LINES: OnceLock<Mutex<Receiver<String>>> = OnceLock::new();
    let lines = LINES.get_or_init(|| Mutex::new(read())).lock().unwrap_or_else(PoisonError::into_inner);
    while lines.try_recv().is_ok() {}
    lines
}

fn read() -> Receiver<String> {
    let (sender, lines) = sync_channel(AHEAD);
    // Ends with standard input or with the process.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
