//! Days and hours: how long the names of what is stored hold.

use std::time::Duration;

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;
/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;

/// A day since the Unix epoch. Every day records lie elsewhere, under another key.
///
/// Whoever publishes does it for the day that it is on their clock and for [`Period::nearer_neighbour`]. Whoever looks
/// does it for the day that it is on theirs, so the two meet as long as their clocks are twelve hours apart or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub u64);

/// An hour since the Unix epoch: what a day is to records, to notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u64);

impl Period {
    /// The day of a time, in Unix milliseconds.
    pub fn of(unix_ms: u64) -> Self {
        Self(unix_ms / DAY)
    }

    /// The day after.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day before.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The day that is less far than any other but its own from a time: the day before in its first half, the day
    /// after in its second.
    pub fn nearer_neighbour(unix_ms: u64) -> Self {
        let day = Self::of(unix_ms);
        if unix_ms % DAY < DAY / 2 { day.previous() } else { day.next() }
    }

    /// How long this day or one beside it is still today. `None` if neither is.
    pub(super) fn left(self, unix_ms: u64) -> Option<Duration> {
        left(self.0, unix_ms, DAY)
    }
}

impl Hour {
    /// The hour of a time, in Unix milliseconds.
    pub fn of(unix_ms: u64) -> Self {
        Self(unix_ms / HOUR)
    }

    /// The hour after.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The hour before.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The hour that is less far than any other but its own from a time.
    pub fn nearer_neighbour(unix_ms: u64) -> Self {
        let hour = Self::of(unix_ms);
        if unix_ms % HOUR < HOUR / 2 { hour.previous() } else { hour.next() }
    }

    /// How long this hour or one beside it is still the present one. `None` if neither is.
    pub(super) fn left(self, unix_ms: u64) -> Option<Duration> {
        left(self.0, unix_ms, HOUR)
    }
}

/// Time until `number` is more than one from the number of the time. `None` if it is already.
fn left(number: u64, unix_ms: u64, length: u64) -> Option<Duration> {
    let adjacent = number.abs_diff(unix_ms / length) <= 1;
    let end = number.saturating_add(2).saturating_mul(length);
    adjacent.then(|| Duration::from_millis(end.saturating_sub(unix_ms)))
}
