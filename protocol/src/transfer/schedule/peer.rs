//! A peer that may be asked: what it was asked for, how fast it delivers, whether it says anything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::rarity::Of;

/// Bytes asked of one peer: about what it delivers in a second, between these two.
pub(super) const MIN_WINDOW: u64 = 512 * 1024;
pub(super) const MAX_WINDOW: u64 = 4 * 1024 * 1024;
/// How long a peer that was asked may say nothing at all.
const SILENCE: Duration = Duration::from_secs(30);
/// Over this time a peer's speed is measured.
const SPAN: Duration = Duration::from_secs(1);

/// A peer that may be asked.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) slot: u32,
    /// It has everything, but for what it refused.
    pub(super) full: bool,
    pub(super) refused: BTreeSet<u32>,
    pub(super) asked: BTreeSet<u32>,
    pub(super) bytes: u64,
    /// Bytes that it was ever asked for and has not sent or refused: it may still send what was cancelled.
    pub(super) owed: u64,
    pub(super) window: u64,
    /// Since when its speed is measured, and what came since.
    pub(super) span: Option<(Instant, u64)>,
    /// When it was last heard of, or asked while it owed nothing.
    pub(super) heard: Instant,
    pub(super) silences: u32,
    pub(super) paused: Option<Instant>,
    /// The piece after the last one asked for, and how many more may follow.
    pub(super) run: Option<(u32, u32)>,
}

impl Peer {
    pub(super) fn new(now: Instant, slot: u32) -> Self {
        Self {
            slot,
            full: false,
            refused: BTreeSet::new(),
            asked: BTreeSet::new(),
            bytes: 0,
            owed: 0,
            window: MIN_WINDOW,
            span: None,
            heard: now,
            silences: 0,
            paused: None,
            run: None,
        }
    }

    pub(super) fn of(&self) -> Of {
        if self.full { Of::Full } else { Of::Peer(self.slot) }
    }

    pub(super) fn has_room(&self, weight: u64) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(weight) <= self.window
    }

    /// So many bytes came: it is asked for about as much at a time as it delivers in a second.
    pub(super) fn delivered(&mut self, now: Instant, bytes: u64) {
        self.heard = now;
        self.silences = 0;
        let (since, before) = self.span.unwrap_or((now, 0));
        let total = before.saturating_add(bytes);
        let passed = now.saturating_duration_since(since);
        // A whole window within the span says enough as well.
        if passed < SPAN && total < self.window {
            self.span = Some((since, total));
            return;
        }
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = total.saturating_mul(1000).checked_div(passed).unwrap_or(0);
        self.window = rate.min(self.window.saturating_mul(2)).clamp(MIN_WINDOW, MAX_WINDOW);
        self.span = Some((now, 0));
    }

    /// When it counts as silent: it was asked for something and nothing of it has come.
    pub(super) fn silent_at(&self) -> Option<Instant> {
        if self.asked.is_empty() { None } else { self.heard.checked_add(SILENCE) }
    }
}
