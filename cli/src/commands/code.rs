//! A code, made here or typed here: what both sides of it are told, and how it ends.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hither_protocol::identity::PeerId;
use hither_protocol::transfer::TransferId;
use hither_protocol::{Code, CodeFailure, CodeFor, CodeId, EnterFor, Event, Payload, WIDE_WORDS};

use super::failure::{self, code::Searched};
use super::session::Session;
use crate::args::{ByCode, NewCode};
use crate::exit::Failure;
use crate::screen::{self, CodeEvent, Screen, Words, left};

/// How long whoever made a code is looked for on the local network, and where nodes have to be found first to ask for it.
const SEARCH: Duration = Duration::from_secs(10);
const SEARCH_WIDE: Duration = Duration::from_secs(30);
/// How long this machine has to find out whether it can be reached from anywhere.
const SETTLE: Duration = Duration::from_secs(8);
/// Wrong codes that may be tried on a new one.
const TRIES: u8 = 3;

/// What a code is there for, seen from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Send,
    Receive,
    Pair,
}

impl Aim {
    /// What runs on the other side.
    pub(super) fn other_command(self) -> &'static str {
        match self {
            Self::Send => "`hither receive --new-code`",
            Self::Receive => "`hither send`",
            Self::Pair => "`hither pair`",
        }
    }

    /// How there comes to be another code, where the other side makes it.
    pub(super) fn other_makes(self) -> &'static str {
        match self {
            Self::Send => "Ask for another: `hither receive --new-code` makes one.",
            Self::Receive => "Ask for another: the sender runs `hither send` again.",
            Self::Pair => "Ask for another: `hither pair` makes one.",
        }
    }

    /// What the other side types for a code that was made here.
    fn line(self, code: &str) -> String {
        match self {
            Self::Send => format!("hither receive {code}"),
            Self::Receive => format!("hither send FILE --code {code}"),
            Self::Pair => format!("hither pair {code}"),
        }
    }
}

/// How a code that is made here is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct How {
    /// Standard output is for content, so the code goes to standard error.
    pub(super) aside: bool,
    /// The same command, run again, means the same thing, and so gives the same code.
    pub(super) repeatable: bool,
}

/// A code of this process.
pub(super) struct Meeting {
    id: CodeId,
    aim: Aim,
    /// How many may use it; `None` for one that was typed here.
    receivers: Option<u16>,
    came: u16,
    how: How,
    /// Whether it has as many words as one that is looked for everywhere.
    wide: bool,
    /// When to see whether that holds; `None` where nothing is to be seen.
    look: Option<Instant>,
}

/// What an event meant for a code.
pub(super) enum Step {
    /// Nothing that changes what is to be done.
    None,
    /// Both sides have proven it.
    Proven { peer: PeerId, transfer: Option<TransferId> },
    /// As many have used it as may.
    Used,
    /// It comes to nothing, or to nothing more.
    Failed(Failure),
}

impl Meeting {
    /// Makes one. It is shown once it is good.
    pub(super) fn make(session: &Session, purpose: CodeFor, new: NewCode, how: How) -> Result<Self, Failure> {
        let aim = match purpose {
            CodeFor::Send { .. } => Aim::Send,
            CodeFor::Receive => Aim::Receive,
            CodeFor::Pair => Aim::Pair,
        };
        let options = new.options(session.is_wide());
        let made = session.ask(move |node, now| node.make_code(now, purpose, options));
        let id = made.map_err(|error| failure::code::cannot(error, session.records()))?;
        let wide = session.is_wide() && options.words >= WIDE_WORDS;
        let look = if wide { Instant::now().checked_add(SETTLE) } else { None };
        Ok(Self { id, aim, receivers: Some(options.receivers), came: 0, how, wide, look })
    }

    /// Enters one that the other side has made.
    pub(super) fn enter(
        session: &Session,
        code: Code,
        purpose: EnterFor,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        let aim = match purpose {
            EnterFor::Send { .. } => Aim::Send,
            EnterFor::Receive => Aim::Receive,
            EnterFor::Pair => Aim::Pair,
        };
        let wide = code.words() >= usize::from(WIDE_WORDS);
        let entered = session.ask(move |node, now| node.enter_code(now, code, purpose));
        let id = entered.map_err(|error| failure::code::cannot(error, session.records()))?;
        let other = aim.other_command();
        let place = match (wide, session.is_wide()) {
            (true, true) => "on this network and beyond",
            (true, false) => "on this network, and beyond as far as nodes are known here",
            (false, _) => "on this network",
        };
        let most = left(session.search().as_secs());
        screen.note(&format!("looking for {other} with this code {place}, for {most} at most"))?;
        let how = How { aside: false, repeatable: false };
        Ok(Self { id, aim, receivers: None, came: 0, how, wide, look: None })
    }

    /// Whether it was made here.
    pub(super) fn is_made_here(&self) -> bool {
        self.receivers.is_some()
    }

    /// Whether more than one may use it.
    pub(super) fn is_for_many(&self) -> bool {
        self.receivers.is_some_and(|receivers| receivers > 1)
    }

    /// Whether the same command, run again, would give it again.
    pub(super) fn is_repeatable(&self) -> bool {
        self.how.repeatable
    }

    /// The code is good for nothing more: what it was made for is gone with this process.
    pub(super) fn withdraw(&self, session: &Session) {
        let id = self.id;
        session.ask(move |node, now| node.withdraw_code(now, id));
    }

    /// Says once, where it is so, that a code for everywhere is good on this network only.
    pub(super) fn idle(&mut self, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        if self.look.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        self.look = None;
        let reachable = session.ask(|node, _| node.network().is_some_and(|it| !it.reachable.is_empty()));
        if reachable || self.came > 0 {
            return Ok(());
        }
        screen.note(
            "So far this machine cannot be reached from outside this network, so the code works on this network only; \
             `hither doctor` says what to do.",
        )
    }

    /// Deals with an event.
    pub(super) fn handle(
        &mut self,
        event: &Event,
        session: &Session,
        screen: &mut Screen,
    ) -> Result<Step, Failure> {
        let ours = self.id;
        match event {
            Event::CodeReady { id, expires, left } if *id == ours => {
                self.show(*expires, *left, session, screen)?;
            }
            Event::CodeAttempt { id, left } if *id == ours => {
                screen.event(&screen::Event::Code(CodeEvent::Attempt { left: *left }))?;
            }
            Event::CodeFound { id } if *id == ours => {
                screen.event(&screen::Event::Code(CodeEvent::Found))?;
            }
            Event::CodeProven { id, peer, transfer } if *id == ours => {
                self.came = self.came.saturating_add(1);
                let (peer, transfer) = (*peer, *transfer);
                let proven = CodeEvent::Proven { id: peer, contact: session.contact(peer) };
                screen.event(&screen::Event::Code(proven))?;
                return Ok(Step::Proven { peer, transfer });
            }
            Event::CodeUsed { id } if *id == ours => return Ok(Step::Used),
            Event::CodeBurnt { id } if *id == ours => return Ok(Step::Failed(failure::code::burnt())),
            Event::CodeExpired { id } if *id == ours => {
                let of = self.receivers.unwrap_or(1);
                return Ok(Step::Failed(failure::code::expired(self.came, of)));
            }
            // Whoever came for something else does not end the wait for those who are meant.
            Event::CodeFailed { id, why: CodeFailure::DifferentPurpose }
                if *id == ours && self.is_made_here() =>
            {
                let line = self.aim.line("CODE");
                screen.note(&format!(
                    "someone has the right code and wants something else with it. It is as good as before; on the \
                     other side it is `{line}`."
                ))?;
            }
            Event::CodeFailed { id, why } if *id == ours => {
                let searched = Searched { seconds: session.search().as_secs(), wide: self.wide };
                return Ok(Step::Failed(failure::code::entered(*why, self.aim, searched)));
            }
            _ => {}
        }
        Ok(Step::None)
    }

    /// Shows the code: words, QR, the line for the other side, how long it is good.
    fn show(&self, expires: u64, tries: u8, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
        let id = self.id;
        let Some(code) = session.ask(move |node, _| node.code(id)) else { return Ok(()) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let seconds = u128::from(expires).saturating_sub(since).div_ceil(1000);
        let good = good_for(u64::try_from(seconds).unwrap_or(u64::MAX));
        let line = self.aim.line(&code);
        if let Ok(code) = Code::parse(&code) {
            screen.qr(&Payload::Code(code).qr(), false)?;
        }
        let ready = CodeEvent::Ready { code: Words(code), expires, left: tries };
        if self.how.aside {
            screen.aside(&ready.human())?;
        } else {
            screen.event(&screen::Event::Code(ready))?;
        }
        let who = match self.receivers {
            Some(many @ 2..) => format!("On the other sides, {many} in all"),
            _ => "On the other side".to_owned(),
        };
        let place = if self.wide { "anywhere" } else { "on this network" };
        screen.note(&format!("{who}, {place}, within {good}:"))?;
        screen.note(&format!("    {line}"))?;
        if tries < TRIES {
            let are = if tries == 1 { "try is" } else { "tries are" };
            screen.note(&format!("Wrong codes were tried on it before: {tries} more {are} left."))?;
        }
        if self.how.repeatable {
            screen.note("Started again within that time, the same command gives the same code.")?;
        }
        Ok(())
    }
}

/// How long the other side of a code is looked for, where that is not as usual.
pub(super) fn search(by: Option<&ByCode>) -> Option<Duration> {
    match by {
        Some(ByCode::Typed(code)) => Some(if code.is_wide() { SEARCH_WIDE } else { SEARCH }),
        Some(ByCode::New(_)) | None => None,
    }
}

/// A time in its largest units.
fn good_for(seconds: u64) -> String {
    let text = left(seconds);
    let short = text.strip_suffix(" 0 s").or_else(|| text.strip_suffix(" 0 min"));
    short.map_or(text.clone(), str::to_owned)
}
