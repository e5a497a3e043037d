//! Progress of a transfer, now and then.

use std::time::{Duration, Instant};

use hither_protocol::Road;
use hither_protocol::transfer::TransferId;

use super::pace::Pace;
use super::session::Session;
use crate::exit::Failure;
use crate::screen::{self, Event, Progress, Screen};

/// How often progress is looked at, for people and in JSON.
const BEAT: Duration = Duration::from_millis(150);
const JSON_BEAT: Duration = Duration::from_millis(500);

/// Watches one transfer.
#[derive(Debug)]
pub(super) struct Meter {
    transfer: TransferId,
    name: String,
    pace: Pace,
    shown: Option<Instant>,
    hashing: bool,
}

impl Meter {
    /// `name` is what the transfer is called, as its sender has it.
    pub(super) fn new(transfer: TransferId, name: String) -> Self {
        Self { transfer, name, pace: Pace::default(), shown: None, hashing: false }
    }

    /// The same for a share that is being hashed.
    pub(super) fn of_hashing(share: TransferId, name: String) -> Self {
        Self { hashing: true, ..Self::new(share, name) }
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
        // Without a link there is nothing to show, but for what is hashed; nor of a stream before its first byte.
        let shown = progress.done > 0 || progress.total > 0;
        if !(self.hashing || progress.road.is_some() && shown) {
            return Ok(());
        }
        self.shown = Some(now);
        screen.event(&Event::Progress(Progress {
            transfer: transfer.to_string(),
            name: self.name.clone(),
            done: progress.done,
            total: progress.total,
            rate: self.pace.at(now, progress.done),
            road: progress.road.map(road_of),
        }))
    }
}

/// The node's road in the screen's words.
pub(super) fn road_of(road: Road) -> screen::Road {
    match road {
        Road::Lan => screen::Road::Lan,
        Road::Direct => screen::Road::Direct,
    }
}
