//! One ordered set of everything that waits for a time: asking for the next costs nothing, however many links.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::Why;

/// At most one time for each reason.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Instant, Why)>,
    at: BTreeMap<Why, Instant>,
}

impl Timers {
    /// Sets, moves or clears a reason's time.
    pub(crate) fn set(&mut self, why: Why, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.at.insert(why, at),
            None => self.at.remove(&why),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.order.remove(&(old, why));
        }
        if let Some(at) = at {
            self.order.insert((at, why));
        }
    }

    /// Sets a reason's time unless it has an earlier one.
    pub(crate) fn set_earlier(&mut self, why: Why, at: Instant) {
        if self.at.get(&why).is_none_or(|old| at < *old) {
            self.set(why, Some(at));
        }
    }

    /// The earliest.
    pub(crate) fn next(&self) -> Option<(Instant, Why)> {
        self.order.first().copied()
    }

    /// Takes the earliest, if its time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Why> {
        let (at, why) = self.next()?;
        if at > now {
            return None;
        }
        self.set(why, None);
        Some(why)
    }
}
