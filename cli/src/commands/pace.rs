//! How fast something goes, smoothed so that the time left is steady. Pure.

use std::time::{Duration, Instant};

/// How long what was measured counts: after so much time it weighs about a third of what it did.
const MEMORY: Duration = Duration::from_secs(4);

/// An exponentially weighted mean of the rate, in bytes a second.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(Instant, u64)>,
    /// The weighted sum of rates, and of weights: their quotient is the mean, from the first moment on.
    sum: f64,
    weight: f64,
}

impl Pace {
    /// So many bytes are done; gives the rate.
    pub(super) fn at(&mut self, now: Instant, done: u64) -> u64 {
        let (since, before) = *self.last.get_or_insert((now, done));
        let passed = now.saturating_duration_since(since).as_secs_f64();
        if passed > 0.0 {
            let kept = (-passed / MEMORY.as_secs_f64()).exp();
            let rate = done.saturating_sub(before) as f64 / passed;
            self.sum = self.sum * kept + rate * (1.0 - kept);
            self.weight = self.weight * kept + (1.0 - kept);
            self.last = Some((now, done));
        }
        // Floats become integers at the nearest bound, so nothing here can overflow.
        if self.weight > 0.0 { (self.sum / self.weight) as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests;
