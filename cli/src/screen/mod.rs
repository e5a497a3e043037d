//! The one way to the terminal: data on standard output, all else on standard error, or JSON lines.

mod answers;
mod check;
mod code;
mod course;
mod editor;
mod event;
mod human;
mod node;
mod output;
mod peer;
mod progress;
mod qr;
mod terminal;

use std::io::{IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

pub use check::{Check, CheckState};
pub use code::{CodeEvent, Words};
pub(crate) use course::short;
pub use course::{Course, Pauser, Transfer, TransferState};
pub use event::{Delivery, Event, Progress, Road};
pub use human::{count, duration, left, rate, size};
pub use node::NodeRow;
pub use output::content_output;
pub use peer::{PeerRow, PeerState, taken};
use progress::ProgressLines;

use crate::exit::{Exit, Failure};

/// How often a question is looked at for whether it still has a point.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where a command's output goes.
pub struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    json: bool,
    quiet: bool,
    progress: ProgressLines,
    /// A prompt stands.
    typing: bool,
}

/// The terminal as it was, for a process that ends at once.
pub fn restore_terminal() {
    terminal::give_lines();
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close_prompt();
    }
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
            progress: ProgressLines::new(drawn),
            typing: false,
        }
    }

    /// Any two writers that are no terminal.
    pub fn to(out: Box<dyn Write>, err: Box<dyn Write>, json: bool, quiet: bool) -> Self {
        let out = Box::new(AutoStream::never(out));
        let err = Box::new(AutoStream::never(err));
        Self { out, err, json, quiet, progress: ProgressLines::new(false), typing: false }
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
        if matches!(event, Event::Progress(_)) {
            self.close_prompt();
        }
        match event {
            Event::Progress(progress) => match self.progress.show(progress) {
                Some(line) if !self.quiet => self.note(&line),
                _ => Ok(()),
            },
            Event::Error(failure) => {
                self.progress.clear(None);
                let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
                let text = format!("{red}error:{red:#} {}\n", failure.text);
                self.close_prompt();
                self.progress.around(|| write(&mut self.err, &text))
            }
            Event::Done { transfer, .. } => {
                self.progress.clear(Some(transfer));
                self.note(&event.human())
            }
            Event::Course(Course::Suspended { transfer, .. }) => {
                self.progress.clear(Some(transfer));
                self.note(&event.human())
            }
            _ if event.is_data() => self.data(&(event.human() + "\n")),
            _ => self.note(&event.human()),
        }
    }

    /// What was going on under that name is over: its progress is shown no more.
    pub fn over(&mut self, transfer: &str) {
        self.progress.clear(Some(transfer));
    }

    /// Data to standard output, as it is.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        answers::around(|| self.progress.around(|| write(&mut self.out, text)))
    }

    /// A line for the person here to standard error, unless they want quiet or JSON.
    pub fn note(&mut self, line: &str) -> Result<(), Failure> {
        if self.quiet || self.json {
            return Ok(());
        }
        answers::around(|| self.progress.around(|| write(&mut self.err, &format!("{line}\n"))))
    }

    /// A line to standard error even where quiet is wanted: what the command was run for, where standard output is for
    /// something else.
    pub fn aside(&mut self, line: &str) -> Result<(), Failure> {
        answers::around(|| self.progress.around(|| write(&mut self.err, &format!("{line}\n"))))
    }

    /// Whether there is someone to ask: a terminal, and no JSON.
    pub fn can_ask(&self) -> bool {
        !self.json && std::io::stdin().is_terminal()
    }

    /// Asks the person at the terminal; an empty answer is `default`. Without a terminal nothing waits: the
    /// failure says which `flag` answers the question. `None` once `wanted` says that the question has lost its
    /// point; it is asked often.
    pub fn ask(
        &mut self,
        question: &str,
        default: bool,
        flag: &str,
        mut wanted: impl FnMut() -> bool,
    ) -> Result<Option<bool>, Failure> {
        if !self.can_ask() {
            let text = format!("{question} There is no terminal to ask at: answer with {flag}.");
            return Err(Failure::new(Exit::Usage, text));
        }
        let choices = if default { "[Y/n]" } else { "[y/N]" };
        let prompt = format!("{question} {choices} ");
        loop {
            let line = match self.line(&prompt, &mut wanted)? {
                Typed::Line(line) => line,
                Typed::Unwanted => return Ok(None),
                // The end of input is no consent.
                Typed::End => return Ok(Some(false)),
            };
            match line.trim().to_ascii_lowercase().as_str() {
                "" => return Ok(Some(default)),
                "y" | "yes" => return Ok(Some(true)),
                "n" | "no" => return Ok(Some(false)),
                _ => {}
            }
        }
    }

    /// Asks the person at the terminal for a line; nobody is asked where there is none. `None` at the end of input, and
    /// once `wanted` says that the question has lost its point.
    pub fn ask_line(
        &mut self,
        prompt: &str,
        mut wanted: impl FnMut() -> bool,
    ) -> Result<Option<String>, Failure> {
        if !self.can_ask() {
            return Ok(None);
        }
        match self.line(prompt, &mut wanted)? {
            Typed::Line(line) => Ok(Some(line.trim().to_owned())),
            Typed::Unwanted | Typed::End => Ok(None),
        }
    }

    /// Lets the person at the terminal type a line while other things happen; [`Screen::typed`] gives it. A question ends
    /// that. Where there is no terminal, or this process is in its background, nothing happens.
    pub fn open_prompt(&mut self, prompt: &str) {
        if self.can_ask() && !self.quiet && terminal::is_ours() {
            self.typing = true;
            answers::open_prompt(prompt);
        }
    }

    /// Whether a line can be typed now.
    pub fn is_typing(&self) -> bool {
        self.typing
    }

    /// The line that was typed, which ends the prompt.
    pub fn typed(&mut self) -> Option<String> {
        let line = answers::typed().filter(|_| self.typing)?;
        self.close_prompt();
        Some(line)
    }

    /// No line is to be typed any more.
    pub fn close_prompt(&mut self) {
        if std::mem::take(&mut self.typing) {
            answers::close_prompt();
        }
    }

    fn line(&mut self, prompt: &str, wanted: &mut impl FnMut() -> bool) -> Result<Typed, Failure> {
        self.close_prompt();
        let answers = answers::fresh();
        self.progress.around(|| write(&mut self.err, prompt))?;
        loop {
            match answers.recv_timeout(LOOK_AGAIN) {
                Ok(line) => return Ok(Typed::Line(line)),
                Err(RecvTimeoutError::Timeout) if wanted() => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.progress.around(|| write(&mut self.err, "\n"))?;
                    return Ok(Typed::Unwanted);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Typed::End),
            }
        }
    }
}

/// What became of a question.
enum Typed {
    Line(String),
    /// It has lost its point.
    Unwanted,
    /// Nothing can be typed any more.
    End,
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
