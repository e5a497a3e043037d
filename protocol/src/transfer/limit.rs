//! A limit on bytes a second, shared in turn by those who move bytes. Pure: time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::TransferId;

/// Level of a [`Bucket`] for one byte: a byte a second flows in one of these each nanosecond.
const BYTE: i128 = 1_000_000_000;
/// What may go at once after a pause, as a part of what goes in a second: enough to sleep through late timers.
const BURSTS_PER_SECOND: u64 = 20;
/// Pieces in a second: what one transfer moves before the next has its turn.
const PIECES_PER_SECOND: u64 = 200;
/// A piece is worth a packet or two at least, and a chunk at most.
const PIECE: std::ops::RangeInclusive<u64> = 2 * 1024..=super::hash::CHUNK;

/// A token bucket: tokens, one for each byte, flow in at a steady rate and are taken by what is sent. It holds a
/// burst at most. In any window of time no more is taken than flowed in meanwhile and one burst, or one piece where
/// that is larger.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Bytes a second.
    rate: NonZeroU64,
    /// Bytes.
    burst: u64,
    /// Below zero after a piece that is larger than the bucket.
    level: i128,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(now: Instant, rate: NonZeroU64, burst: u64) -> Self {
        let burst = burst.max(1);
        Self { rate, burst, level: i128::from(burst).saturating_mul(BYTE), filled: now }
    }

    /// Takes tokens for so many bytes, if they are there; a piece larger than the bucket needs a full one, and what
    /// comes next waits the longer.
    pub(crate) fn take(&mut self, now: Instant, bytes: u64) -> bool {
        self.fill(now);
        let there = self.level >= self.needed(bytes);
        if there {
            self.level = self.level.saturating_sub(i128::from(bytes).saturating_mul(BYTE));
        }
        there
    }

    /// When there will be tokens for so many bytes, if none are taken before. `None`: not within a lifetime.
    pub(crate) fn ready_at(&self, bytes: u64) -> Option<Instant> {
        let missing = self.needed(bytes).saturating_sub(self.level).max(0);
        let rate = i128::from(self.rate.get());
        let nanos = missing.saturating_add(rate.saturating_sub(1)) / rate;
        self.filled.checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }

    fn needed(&self, bytes: u64) -> i128 {
        i128::from(bytes.min(self.burst)).saturating_mul(BYTE)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        let passed = i128::try_from(passed).unwrap_or(i128::MAX);
        let came = passed.saturating_mul(i128::from(self.rate.get()));
        let full = i128::from(self.burst).saturating_mul(BYTE);
        self.level = self.level.saturating_add(came).min(full);
        self.filled = self.filled.max(now);
    }
}

/// One direction's limit. Whoever finds no tokens stands in line, and each is given one piece at a time, so that a
/// small transfer waits for one piece of every other and never for the whole of one (round robin; Shreedhar and
/// Varghese, "Efficient Fair Queuing using Deficit Round Robin", 1995).
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    limit: Option<Limit>,
    /// Who waits for tokens, first come first.
    line: VecDeque<TransferId>,
    /// Whether the first in line was woken for tokens that are there.
    called: bool,
    /// Bytes that were given and not yet moved.
    given: BTreeMap<TransferId, u64>,
}

#[derive(Debug)]
struct Limit {
    bucket: Bucket,
    piece: u64,
}

impl Limiter {
    /// Another limit from now on, in bytes a second; none, if there is none. Whoever waits is to ask again.
    pub(crate) fn set(&mut self, now: Instant, rate: Option<NonZeroU64>) {
        self.limit = rate.map(|rate| {
            let piece = (rate.get() / PIECES_PER_SECOND).clamp(*PIECE.start(), *PIECE.end());
            let burst = (rate.get() / BURSTS_PER_SECOND).max(piece);
            Limit { bucket: Bucket::new(now, rate, burst), piece }
        });
        self.line.clear();
        self.given.clear();
        self.called = false;
    }

    /// How many bytes a transfer may move now; without tokens it stands in line, and this is 0. What is moved is
    /// then to be told to [`Limiter::spend`].
    pub(crate) fn allowance(&mut self, now: Instant, who: TransferId) -> u64 {
        let Some(Limit { bucket, piece }) = &mut self.limit else { return u64::MAX };
        if let Some(given) = self.given.get(&who) {
            return *given;
        }
        let first = self.line.front().is_none_or(|first| *first == who);
        if first && bucket.take(now, *piece) {
            self.called = false;
            self.line.pop_front();
            self.given.insert(who, *piece);
            return *piece;
        }
        if !self.line.contains(&who) {
            self.line.push_back(who);
        }
        0
    }

    /// A transfer has moved so many bytes.
    pub(crate) fn spend(&mut self, who: TransferId, bytes: u64) {
        if let Some(given) = self.given.get_mut(&who) {
            *given = given.saturating_sub(bytes);
            if *given == 0 {
                self.given.remove(&who);
            }
        }
    }

    /// When the first in line can go on.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        let Limit { bucket, piece } = self.limit.as_ref()?;
        self.line.front()?;
        bucket.ready_at(*piece)
    }

    /// The time has come for the first in line, who is now asked to go on. Whoever was asked before and had nothing
    /// to move loses the place.
    pub(crate) fn call(&mut self, now: Instant) {
        if self.next_time().is_none_or(|at| at > now) {
            return;
        }
        if std::mem::replace(&mut self.called, true) {
            self.line.pop_front();
        }
    }

    /// A transfer is over.
    pub(crate) fn forget(&mut self, who: TransferId) {
        if self.line.front() == Some(&who) {
            self.called = false;
        }
        self.line.retain(|other| *other != who);
        self.given.remove(&who);
    }

    /// The limit in bytes a second.
    pub(crate) fn rate(&self) -> Option<NonZeroU64> {
        self.limit.as_ref().map(|limit| limit.bucket.rate)
    }
}

#[cfg(test)]
mod tests;
