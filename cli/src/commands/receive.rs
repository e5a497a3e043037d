//! `hither receive`: waits for an offer, of whoever has the code if there is one, takes it by the rules of consent, ends
//! when it is in place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hither_protocol::identity::PeerId;
use hither_protocol::{CodeFor, EnterFor, Event, LinkLoss, Rules};
use hither_runtime_smol::Pipes;
use tempfile::TempDir;

use super::code::{self, How, Meeting, Step};
use super::inbox::{Inbox, Manner, Outcome};
use super::session::{Needs, Next, Part, Session};
use super::{Typed, course, failure, keep};
use crate::args::{ByCode, Destination, Global, Peer, Span, TypedCode};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Screen, content_output};

/// How long someone who was met by a code and was lost may take to come back.
const LOST: Duration = Duration::from_secs(30);
/// Where a code is typed.
const PROMPT: &str = "code: ";

/// What is waited for.
pub(super) struct Wanted {
    pub(super) from: Option<Peer>,
    pub(super) by: Option<ByCode>,
    pub(super) destination: Destination,
    pub(super) visible: Option<Span>,
}

pub(super) fn run(
    global: &Global,
    home: &Home,
    config: &Config,
    Wanted { from, by, destination, visible }: Wanted,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if by.is_some() && !global.yes && !screen.can_ask() {
        // Before the code is used up by it.
        let text = "what comes by a code is shown before it is taken, and there is no terminal to ask at: --yes takes \
                    it. The code is as good as before.";
        return Err(Failure::new(Exit::Usage, text));
    }
    let output = match destination {
        Destination::StandardOutput if screen.is_json() => {
            return Err(Failure::new(
                Exit::Usage,
                "-o - and --json both want standard output: give one of them",
            ));
        }
        Destination::StandardOutput => Some(content_output()),
        _ => None,
    };
    let from = from.as_ref();
    let manner = Manner {
        again: Some(typed.line().to_owned()),
        rules: config.rules,
        ..manner(global, &destination, home)?
    };
    let mut rules = manner.rules(screen.can_ask());
    rules.only_expected = from.is_some() || by.is_some();
    if let Some(Peer::Address(at)) = from {
        rules.expected = BTreeSet::from([at.peer]);
    }
    let needs = Needs { pipes: Pipes { input: None, output }, search: code::search(by.as_ref()) };
    let (part, first) = (Part::Reachable, rules.clone());
    let session = Session::open_with(global, home, "receive", part, first, needs, screen)?;
    let shown = visible.or(config.visible).map(|lasts| session.show(config, lasts, screen)).transpose();
    let outcome = shown.and_then(|_| wait(&session, from, by, rules, manner, typed, screen));
    session.close();
    outcome
}

#[allow(clippy::too_many_arguments, reason = "what was typed, and where it is carried out")]
fn wait(
    session: &Session,
    from: Option<&Peer>,
    by: Option<ByCode>,
    mut rules: Rules,
    manner: Manner,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let from = from.map(|from| session.resolve(from)).transpose()?;
    if let Some(from) = from {
        rules.expected = BTreeSet::from([from]);
        session.ask(move |node, _| node.set_rules(rules));
    }
    let aside = manner.output;
    let mut sender = match by {
        Some(by) => Some(Sender::new(session, by, from, aside, screen)?),
        None => None,
    };
    if sender.is_none() {
        session.announce(screen)?;
    }
    let into = inert(&manner.into.to_string_lossy());
    if sender.is_none() && !aside {
        screen.note(&format!("Waiting for an offer, to receive into {into} (Ctrl-C ends this)."))?;
        if screen.can_ask() {
            screen.note("If the sender has a code, type it here; Tab completes its words.")?;
        }
    }
    let takes_codes = sender.is_none();
    let mut inbox = Inbox::new(manner);
    let (mut received, mut failure) = (false, None);
    loop {
        if takes_codes {
            take_typed(&mut sender, from, inbox.is_busy(), session, screen)?;
        }
        match session.next()? {
            Next::Event(event) => {
                if let Some(sender) = &mut sender
                    && let Some(again) = sender.handle(&event, session, typed, screen)?
                {
                    inbox.goes_on_with(again);
                }
                match inbox.handle(event, session, screen)? {
                    Outcome::Open => {}
                    Outcome::Finished => received = true,
                    Outcome::Failed(why) => failure = failure.or(Some(why)),
                }
            }
            Next::Told(transfer, paused) => course::told(transfer, paused, screen)?,
            Next::Tick => inbox.idle(session),
            Next::Interrupted => {
                let next = match inbox.left_behind(session) {
                    left if left.is_empty() => {
                        "What arrived whole stays, nothing partial is left.".to_owned()
                    }
                    left => left,
                };
                return Err(session.interrupted(&next));
            }
        }
        inbox.tick(session, screen)?;
        if let Some(sender) = &mut sender {
            sender.meeting.idle(session, screen)?;
        }
        // Transfers that began meanwhile are not cut off.
        match failure.take() {
            kept if inbox.is_busy() => failure = kept,
            Some(failure) => return Err(failure),
            None if received => {
                return match sender.and_then(|sender| sender.peer) {
                    Some(peer) => keep::offer(peer, session, screen),
                    None => Ok(()),
                };
            }
            None => match sender.as_mut().and_then(|sender| sender.end(session)) {
                // It can be typed again.
                Some(why) if takes_codes => {
                    sender = None;
                    screen.note(&why.text)?;
                }
                Some(why) => return Err(why),
                None => {}
            },
        }
    }
}

/// Lets the person at the terminal type a code while nothing else goes on.
fn take_typed(
    sender: &mut Option<Sender>,
    from: Option<PeerId>,
    busy: bool,
    session: &Session,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if busy || sender.is_some() {
        screen.close_prompt();
        return Ok(());
    }
    if !screen.is_typing() {
        screen.open_prompt(PROMPT);
    }
    let Some(line) = screen.typed().filter(|line| !line.trim().is_empty()) else { return Ok(()) };
    match TypedCode::parse(&[line]) {
        Ok(code) => *sender = Some(Sender::new(session, ByCode::Typed(code), from, false, screen)?),
        Err(why) => screen.note(&format!("{why}. Nothing was sent; type it again."))?,
    }
    Ok(())
}

/// Whoever is met by a code, to send.
struct Sender {
    meeting: Meeting,
    /// Who it must be.
    expected: Option<PeerId>,
    /// Who it is.
    peer: Option<PeerId>,
    failure: Option<Failure>,
    /// They are gone, and have so much time to come back.
    lost: Option<Instant>,
}

impl Sender {
    fn new(
        session: &Session,
        by: ByCode,
        expected: Option<PeerId>,
        aside: bool,
        screen: &mut Screen,
    ) -> Result<Self, Failure> {
        let meeting = match by {
            ByCode::New(new) => {
                let how = How { aside, repeatable: true };
                Meeting::make(session, CodeFor::Receive, new, how)?
            }
            ByCode::Typed(code) => Meeting::enter(session, code.code(), EnterFor::Receive, screen)?,
        };
        Ok(Self { meeting, expected, peer: None, failure: None, lost: None })
    }

    /// Deals with an event. Gives the command that goes on with what may be interrupted, once that is known.
    fn handle(
        &mut self,
        event: &Event,
        session: &Session,
        typed: &Typed,
        screen: &mut Screen,
    ) -> Result<Option<String>, Failure> {
        let now = Instant::now();
        match event {
            Event::Disconnected { peer, why } if Some(*peer) == self.peer => {
                let patience = if *why == LinkLoss::Closed { Duration::ZERO } else { LOST };
                self.lost = now.checked_add(patience);
            }
            Event::Connected { peer, .. } if Some(*peer) == self.peer => self.lost = None,
            _ => {}
        }
        match self.meeting.handle(event, session, screen)? {
            Step::None | Step::Used => {}
            Step::Failed(why) if self.peer.is_none() => self.failure = Some(why),
            Step::Failed(_) => {}
            Step::Proven { peer, .. } => {
                if let Some(expected) = self.expected.filter(|expected| *expected != peer) {
                    let (is, wanted) = (session.who(peer), session.who(expected));
                    let text = format!(
                        "the code is right, but this is {is} and not {wanted}. Nothing was received; the code is used up."
                    );
                    return Err(Failure::new(Exit::Refused, text));
                }
                self.peer = Some(peer);
                return Ok(Some(typed.with_peer_for_code("--from", peer)));
            }
        }
        Ok(None)
    }

    /// Why nothing will come, if nothing will.
    fn end(&mut self, session: &Session) -> Option<Failure> {
        let gone = || self.lost.is_some_and(|until| until <= Instant::now());
        let left = self.peer.filter(|_| gone()).map(|peer| session.who(peer));
        self.failure.take().or_else(|| left.map(|who| failure::code::left_without_offer(&who)))
    }
}

fn manner(global: &Global, destination: &Destination, home: &Home) -> Result<Manner, Failure> {
    Ok(match destination {
        Destination::Here => Manner::new(global, absolute(Path::new("."))?),
        Destination::Into(directory) => {
            Manner { into_counts: true, ..Manner::new(global, absolute(directory)?) }
        }
        Destination::File(file) => {
            let name = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let Some(name) = name else {
                let text = format!("-o {} names no file", inert(&file.to_string_lossy()));
                return Err(Failure::new(Exit::Usage, text));
            };
            let file = absolute(file)?;
            let into = file.parent().map(Path::to_owned).unwrap_or_default();
            Manner { into_counts: true, name: Some(name), ..Manner::new(global, into) }
        }
        Destination::StandardOutput => {
            // Nothing is written there.
            let into = home.state().to_owned();
            Manner { into_counts: true, output: true, ..Manner::new(global, into) }
        }
    })
}

/// So that what is printed and what is meant stay the same.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    // `.` at the end would be printed.
    let path = if path == Path::new(".") { std::env::current_dir() } else { std::path::absolute(path) };
    path.map_err(|error| Failure::new(Exit::Usage, format!("the current directory is not known: {error}")))
}

/// A directory for a line of text while it is sent; gone with the value.
pub(super) fn spool(home: &Home) -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("spool-").tempdir_in(home.state()).map_err(|error| {
        let state = inert(&home.state().to_string_lossy());
        Failure::new(Exit::NotWritable, format!("{state} cannot be written: {error}; nothing was done"))
    })
}
