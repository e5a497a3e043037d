//! A QR on the terminal.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use console::Term;

use super::Screen;
use crate::exit::Failure;
use crate::qr::qr;

impl Screen {
    /// Draws a QR on standard error; unless `anyway`, only where that is a terminal that is wide enough.
    pub fn qr(&mut self, text: &str, anyway: bool) -> Result<(), Failure> {
        let Some(drawn) = qr(text) else { return Ok(()) };
        let columns = drawn.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        if !anyway && !has_room(columns) {
            return Ok(());
        }
        // Light modules are drawn, so a light terminal would turn the code inside out without these colours.
        let style = Style::new()
            .fg_color(Some(AnsiColor::BrightWhite.into()))
            .bg_color(Some(AnsiColor::Black.into()));
        drawn.lines().try_for_each(|line| self.note(&format!("{style}{line}{style:#}")))
    }
}

fn has_room(columns: usize) -> bool {
    std::io::stderr().is_terminal()
        && Term::stderr().size_checked().is_some_and(|(_, width)| usize::from(width) >= columns)
}
