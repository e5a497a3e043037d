//! The progress line: drawn in place on a terminal, a plain line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::Progress;

/// How often a plain line is written.
const BEAT: Duration = Duration::from_secs(5);

pub(super) enum ProgressLine {
    Drawn(Option<ProgressBar>),
    Plain { last: Option<(String, Instant)> },
}

impl ProgressLine {
    pub(super) fn new(drawn: bool) -> Self {
        if drawn { Self::Drawn(None) } else { Self::Plain { last: None } }
    }

    /// Shows how far it is, or gives the plain line that is due.
    pub(super) fn show(&mut self, progress: &Progress) -> Option<String> {
        match self {
            Self::Drawn(Some(bar)) => {
                bar.set_message(progress.tail());
                bar.update(|state| {
                    state.set_len(progress.total);
                    state.set_pos(progress.done);
                });
                None
            }
            Self::Drawn(bar) => {
                *bar = Some(draw(progress));
                None
            }
            Self::Plain { last } => {
                let now = Instant::now();
                if !is_due(last.as_ref(), &progress.transfer, now) {
                    return None;
                }
                *last = Some((progress.transfer.clone(), now));
                Some(progress.human())
            }
        }
    }

    /// Takes the drawn line away; the next progress draws a new one.
    pub(super) fn clear(&mut self) {
        if let Self::Drawn(bar) = self
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    /// Does `output` with the drawn line out of its way.
    pub(super) fn around<T>(&self, output: impl FnOnce() -> T) -> T {
        match self {
            Self::Drawn(Some(bar)) => bar.suspend(output),
            Self::Drawn(None) | Self::Plain { .. } => output(),
        }
    }
}

fn draw(progress: &Progress) -> ProgressBar {
    // Hidden until all of it is set, so that no half of it is seen.
    let bar = ProgressBar::with_draw_target(Some(progress.total), ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template("{percent:>3}% [{bar:24}] {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_message(progress.tail());
    bar.set_position(progress.done);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.tick();
    bar
}

fn is_due(last: Option<&(String, Instant)>, transfer: &str, now: Instant) -> bool {
    last.is_none_or(|(of, at)| of != transfer || now.saturating_duration_since(*at) >= BEAT)
}

#[cfg(test)]
mod tests;
