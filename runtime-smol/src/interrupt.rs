//! Ctrl-C and the request to terminate, as values instead of sudden ends.

use std::io;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt;

/// Interrupts of the user or the system. While it exists they end nothing by themselves: the first should end
/// what is under way, the second everything.
#[derive(Debug)]
pub struct Interrupts {
    signals: Signals,
    seen: u32,
}

impl Interrupts {
    /// Takes over SIGINT and SIGTERM; on Windows, Ctrl-C.
    ///
    /// # Errors
    ///
    /// The system does not allow it.
    pub fn new() -> io::Result<Self> {
        #[cfg(unix)]
        let wanted = [Signal::Int, Signal::Term];
        #[cfg(windows)]
        let wanted = [Signal::Int];
        Ok(Self { signals: Signals::new(wanted)?, seen: 0 })
    }

    /// Waits for the next one; gives how many there were, this one included.
    pub async fn next(&mut self) -> u32 {
        // The stream has no end, and an error of one read says nothing of the next.
        while !matches!(self.signals.next().await, Some(Ok(_))) {}
        self.seen = self.seen.saturating_add(1);
        self.seen
    }

    /// [`Interrupts::next`] for a thread that can wait.
    pub fn next_blocking(&mut self) -> u32 {
        smol::block_on(self.next())
    }
}
