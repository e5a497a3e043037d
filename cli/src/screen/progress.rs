//! The lines of progress: one for each transfer, drawn in place on a terminal; a plain line now and then elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::Progress;

/// How often a plain line of a transfer is written.
const BEAT: Duration = Duration::from_secs(5);
/// A line of ours, cut to the terminal's width.
const TEMPLATE: &str = "{wide_msg}";

pub(super) enum ProgressLines {
    Drawn {
        all: MultiProgress,
        lines: BTreeMap<String, ProgressBar>,
    },
    /// When a line of each transfer was last written.
    Plain(BTreeMap<String, Instant>),
}

impl ProgressLines {
    /// Drawn on standard error, or plain.
    pub(super) fn new(drawn: bool) -> Self {
        if drawn { Self::drawn(ProgressDrawTarget::stderr()) } else { Self::Plain(BTreeMap::new()) }
    }

    fn drawn(target: ProgressDrawTarget) -> Self {
        Self::Drawn { all: MultiProgress::with_draw_target(target), lines: BTreeMap::new() }
    }

    /// Shows how far a transfer is, or gives the plain line that is due.
    pub(super) fn show(&mut self, progress: &Progress) -> Option<String> {
        match self {
            Self::Drawn { all, lines } => {
                let line = lines.entry(progress.transfer.clone()).or_insert_with(|| all.add(new_line()));
                line.set_message(progress.drawn());
                None
            }
            Self::Plain(shown) => {
                let now = Instant::now();
                if !is_due(shown.get(&progress.transfer), now) {
                    return None;
                }
                shown.insert(progress.transfer.clone(), now);
                Some(progress.human())
            }
        }
    }

    /// Takes a transfer's line away, or all of them. Whatever goes on draws a new one.
    pub(super) fn clear(&mut self, transfer: Option<&str>) {
        match (self, transfer) {
            (Self::Drawn { all, lines }, Some(transfer)) => {
                if let Some(line) = lines.remove(transfer) {
                    line.finish_and_clear();
                    all.remove(&line);
                }
            }
            (Self::Drawn { all, lines }, None) => {
                for line in std::mem::take(lines).into_values() {
                    line.finish_and_clear();
                    all.remove(&line);
                }
            }
            (Self::Plain(shown), Some(transfer)) => drop(shown.remove(transfer)),
            (Self::Plain(shown), None) => shown.clear(),
        }
    }

    /// Does `output` with the drawn lines out of its way.
    pub(super) fn around<T>(&self, output: impl FnOnce() -> T) -> T {
        match self {
            Self::Drawn { all, lines } if !lines.is_empty() => all.suspend(output),
            Self::Drawn { .. } | Self::Plain(_) => output(),
        }
    }
}

/// A line that is not drawn before it stands among the others.
fn new_line() -> ProgressBar {
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    line.set_style(
        ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    line
}

fn is_due(last: Option<&Instant>, now: Instant) -> bool {
    last.is_none_or(|at| now.saturating_duration_since(*at) >= BEAT)
}

#[cfg(test)]
mod tests;
