//! Progress of a transfer, now and then, with the rate of the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hither_protocol::Road;
use hither_protocol::transfer::TransferId;

use super::session::Session;
use crate::exit::Failure;
use crate::screen::{self, Event, Progress, Screen};

/// The time over which the rate is taken.
const WINDOW: Duration = Duration::from_secs(3);
/// How often progress is looked at, for people and in JSON.
const BEAT: Duration = Duration::from_millis(150);
const JSON_BEAT: Duration = Duration::from_millis(500);

/// Watches one transfer.
#[derive(Debug)]
pub(super) struct Meter {
    transfer: TransferId,
    /// When so many bytes were done, oldest first.
    samples: VecDeque<(Instant, u64)>,
    shown: Option<Instant>,
}

impl Meter {
    pub(super) fn new(transfer: TransferId) -> Self {
        Self { transfer, samples: VecDeque::new(), shown: None }
    }

    /// Shows the progress if it is time.
    pub(super) fn show(&mut self, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        let now = Instant::now();
        let beat = if screen.is_json() { JSON_BEAT } else { BEAT };
        if self.shown.is_some_and(|shown| now.saturating_duration_since(shown) < beat) {
            return Ok(());
        }
        let transfer = self.transfer;
        let Some(progress) = session.ask(move |node, _| node.progress(transfer)) else { return Ok(()) };
        // Without a link there is nothing to show.
        let Some(road) = progress.road else { return Ok(()) };
        self.shown = Some(now);
        let rate = self.rate(now, progress.done);
        screen.event(&Event::Progress(Progress {
            transfer: transfer.to_string(),
            done: progress.done,
            total: progress.total,
            rate,
            road: road_of(road),
        }))
    }

    fn rate(&mut self, now: Instant, done: u64) -> u64 {
        let old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) > WINDOW;
        while self.samples.len() > 1 && self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, done));
        let Some((since, before)) = self.samples.front() else { return 0 };
        let millis = u64::try_from(now.saturating_duration_since(*since).as_millis()).unwrap_or(u64::MAX);
        done.saturating_sub(*before).saturating_mul(1000).checked_div(millis).unwrap_or(0)
    }
}

/// The node's road in the screen's words.
pub(super) fn road_of(road: Road) -> screen::Road {
    match road {
        Road::Lan => screen::Road::Lan,
        Road::Direct => screen::Road::Direct,
    }
}
