//! The one way to the terminal: data on standard output, all else on standard error, or JSON lines.

mod event;
mod human;
mod progress;

use std::io::{IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

pub use event::{Delivery, Event, PeerState, Progress, Road};
pub use human::{left, rate, size};
use progress::ProgressLine;

use crate::exit::{Exit, Failure};

/// Where a command's output goes.
pub struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    json: bool,
    quiet: bool,
    progress: ProgressLine,
}

impl Screen {
    /// The process's own standard output and standard error. Colours follow the terminal and NO_COLOR.
    pub fn new(json: bool, quiet: bool) -> Self {
        let drawn = std::io::stderr().is_terminal() && !json && !quiet;
        Self {
            out: Box::new(AutoStream::auto(std::io::stdout())),
            err: Box::new(AutoStream::auto(std::io::stderr())),
            json,
            quiet,
            progress: ProgressLine::new(drawn),
        }
    }

    /// Any two writers that are no terminal.
    pub fn to(out: Box<dyn Write>, err: Box<dyn Write>, json: bool, quiet: bool) -> Self {
        let out = Box::new(AutoStream::never(out));
        let err = Box::new(AutoStream::never(err));
        Self { out, err, json, quiet, progress: ProgressLine::new(false) }
    }

    /// Whether output is JSON lines.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Shows an event: one JSON object on standard output, or words. Data (ids, messages, peers) goes to
    /// standard output, the rest to standard error; `--quiet` leaves the rest out, errors excepted.
    pub fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if self.json {
            let line = event.json(unix_millis());
            return self.data(&(line + "\n"));
        }
        match event {
            Event::Progress(progress) => match self.progress.show(progress) {
                Some(line) if !self.quiet => self.note(&line),
                _ => Ok(()),
            },
            Event::Error(failure) => {
                self.progress.clear();
                let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
                let text = format!("{red}error:{red:#} {}\n", failure.text);
                self.progress.around(|| write(&mut self.err, &text))
            }
            Event::Done { .. } => {
                self.progress.clear();
                self.note(&event.human())
            }
            _ if event.is_data() => self.data(&(event.human() + "\n")),
            _ => self.note(&event.human()),
        }
    }

    /// Data to standard output, as it is.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.progress.around(|| write(&mut self.out, text))
    }

    /// A line for the person here to standard error, unless they want quiet or JSON.
    pub fn note(&mut self, line: &str) -> Result<(), Failure> {
        if self.quiet || self.json {
            return Ok(());
        }
        self.progress.around(|| write(&mut self.err, &format!("{line}\n")))
    }

    /// Asks the person at the terminal; an empty answer is `default`. Without a terminal nothing waits: the
    /// failure says which `flag` answers the question.
    pub fn ask(&mut self, question: &str, default: bool, flag: &str) -> Result<bool, Failure> {
        let stdin = std::io::stdin();
        if self.json || !stdin.is_terminal() {
            let text = format!("{question} There is no terminal to ask at: answer with {flag}.");
            return Err(Failure::new(Exit::Usage, text));
        }
        let choices = if default { "[Y/n]" } else { "[y/N]" };
        loop {
            self.progress.around(|| write(&mut self.err, &format!("{question} {choices} ")))?;
            let mut line = String::new();
            let read = stdin.read_line(&mut line);
            match (read, line.trim().to_ascii_lowercase().as_str()) {
                // The end of input is no consent.
                (Ok(0) | Err(_), _) => return Ok(false),
                (_, "") => return Ok(default),
                (_, "y" | "yes") => return Ok(true),
                (_, "n" | "no") => return Ok(false),
                _ => {}
            }
        }
    }
}

fn write(to: &mut dyn Write, text: &str) -> Result<(), Failure> {
    to.write_all(text.as_bytes())
        .and_then(|()| to.flush())
        .map_err(|error| Failure::new(Exit::NotWritable, format!("output could not be written: {error}")))
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
