//! The clocks: time that goes on while the machine sleeps, and whether the wall clock jumped, set by hand or by the network.
//!
//! On Linux and Android `Instant` stands still while the machine sleeps. A peer does not: it has given us up by the time
//! that we wake. So the node's time is `Instant` and what was slept, and it wakes to links that are over and cards that
//! have expired, instead of waiting for answers. Windows' `Instant` counts sleep by itself.

use std::time::{Duration, Instant, SystemTime};

/// How often the wall clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The least that counts as a jump: far over what adjustments make of a minute.
const JUMP: Duration = Duration::from_secs(2);
/// The least sleep that counts: the two clocks that tell of it are not read at once.
const NAP: Duration = Duration::from_millis(100);

/// The clocks as they were at the last look.
#[derive(Debug)]
pub(crate) struct Clock {
    steady: Instant,
    wall: SystemTime,
    /// What [`asleep`] said when it began, and what came on top since.
    before: Duration,
    slept: Duration,
}

impl Clock {
    /// The clocks as they are; `asleep` is what [`asleep`] says.
    pub(crate) fn new(steady: Instant, wall: SystemTime, asleep: Duration) -> Self {
        Self { steady, wall, before: asleep, slept: Duration::ZERO }
    }

    /// The node's time when it is `steady`.
    pub(crate) fn at(&self, steady: Instant) -> Instant {
        steady + self.slept
    }

    /// The node's time.
    pub(crate) fn now(&self) -> Instant {
        self.at(Instant::now())
    }

    /// What a timer has to be set to for a time of the node, as timers stand still with `Instant`.
    pub(crate) fn timer(&self, at: Instant) -> Instant {
        at.checked_sub(self.slept).unwrap_or(at)
    }

    /// Hears how long the machine has slept by now; says whether it slept since the last time.
    pub(crate) fn hear(&mut self, asleep: Duration) -> bool {
        let slept = asleep.saturating_sub(self.before);
        let is_more = slept >= self.slept + NAP;
        if is_more {
            self.slept = slept;
        }
        is_more
    }

    /// When to look next.
    pub(crate) fn next_look(&self) -> Instant {
        self.steady + LOOK_EVERY
    }

    /// Looks again, at the node's time and the wall clock; says whether the one jumped against the other.
    pub(crate) fn look(&mut self, steady: Instant, wall: SystemTime) -> bool {
        let expected = self.wall + steady.saturating_duration_since(self.steady);
        let off = match wall.duration_since(expected) {
            Ok(ahead) => ahead,
            Err(behind) => behind.duration(),
        };
        (self.steady, self.wall) = (steady, wall);
        off >= JUMP
    }
}

/// How long the machine has slept since it was started, where `Instant` leaves that out.
pub(crate) fn asleep() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::time::{ClockId, clock_gettime};
        let read = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
        // In this order, so that what passes between the two does not look like sleep.
        let boot = read(ClockId::Boottime);
        boot.saturating_sub(read(ClockId::Monotonic))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Duration::ZERO
}

/// Unix milliseconds; 0 before 1970.
pub(crate) fn unix_millis(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
