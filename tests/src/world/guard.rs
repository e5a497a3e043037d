//! Finds loops that time does not leave.

use std::time::Duration;

use hither_protocol::Why;

use crate::host::HostId;

/// Steps at one instant after which it is a loop: far more than a thousand hosts that all start at once need.
const LIMIT: u32 = 100_000;

/// How many of the last timeouts are named.
const NAMED: usize = 12;

/// Counts what happens at one instant of virtual time.
#[derive(Debug, Default)]
pub(super) struct Guard {
    at: Duration,
    steps: u32,
    timeouts: Vec<(HostId, Why)>,
}

impl Guard {
    /// Something happens at `now`; a timeout says whose and why.
    ///
    /// # Panics
    ///
    /// When too much has happened without any time passing.
    pub(super) fn step(&mut self, now: Duration, timeout: Option<(HostId, Why)>) {
        if now != self.at {
            *self = Self { at: now, ..Self::default() };
        }
        self.steps += 1;
        if self.steps + NAMED as u32 > LIMIT {
            self.timeouts.extend(timeout);
        }
        assert!(self.steps < LIMIT, "time stands still at {now:?}; the last timeouts: {:?}", self.timeouts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the last timeouts: [(HostId(7), Dial)")]
    fn a_loop_is_found_and_named() {
        let mut guard = Guard::default();
        loop {
            guard.step(Duration::from_secs(3), Some((HostId(7), Why::Dial)));
        }
    }

    #[test]
    fn time_that_passes_is_no_loop() {
        let mut guard = Guard::default();
        for nanos in 0..2 * u64::from(LIMIT) {
            guard.step(Duration::from_nanos(nanos), Some((HostId(7), Why::Dial)));
        }
    }
}
