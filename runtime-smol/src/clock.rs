//! The wall clock, and whether it jumped: set by hand or by the network, or the machine slept.

use std::time::{Duration, Instant, SystemTime};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The least that counts as a jump: far over what adjustments make of a minute.
const JUMP: Duration = Duration::from_secs(2);

/// The two clocks as they were at the last look.
#[derive(Debug)]
pub(crate) struct Clock {
    steady: Instant,
    wall: SystemTime,
}

impl Clock {
    /// The clocks as they are.
    pub(crate) fn new(steady: Instant, wall: SystemTime) -> Self {
        Self { steady, wall }
    }

    /// When to look next.
    pub(crate) fn next_look(&self) -> Instant {
        self.steady + LOOK_EVERY
    }

    /// Looks again; says whether the wall clock jumped against the steady one.
    pub(crate) fn look(&mut self, steady: Instant, wall: SystemTime) -> bool {
        let expected = self.wall + steady.saturating_duration_since(self.steady);
        let off = match wall.duration_since(expected) {
            Ok(ahead) => ahead,
            Err(behind) => behind.duration(),
        };
        *self = Self { steady, wall };
        off >= JUMP
    }
}

/// Unix milliseconds; 0 before 1970.
pub(crate) fn unix_millis(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
