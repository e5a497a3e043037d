//! `hither receive`: waits for an offer, takes it by the rules of consent, ends when it is in place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hither_protocol::Rules;
use hither_runtime_smol::Pipes;
use tempfile::TempDir;

use super::inbox::{Inbox, Manner, Outcome};
use super::session::{Next, Part, Session};
use super::{Typed, course};
use crate::args::{Destination, Global, Peer, Span};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Screen, content_output};

/// What is waited for.
pub(super) struct Wanted {
    pub(super) from: Option<Peer>,
    pub(super) destination: Destination,
    pub(super) visible: Option<Span>,
}

pub(super) fn run(
    global: &Global,
    home: &Home,
    config: &Config,
    Wanted { from, destination, visible }: Wanted,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
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
    rules.only_expected = from.is_some();
    if let Some(Peer::Address(at)) = from {
        rules.expected = BTreeSet::from([at.peer]);
    }
    let pipes = Pipes { input: None, output };
    let (part, first) = (Part::Reachable, rules.clone());
    let session = Session::open_with_pipes(global, home, "receive", part, first, pipes, screen)?;
    let shown = visible.or(config.visible).map(|lasts| session.show(config, lasts, screen)).transpose();
    let outcome = shown.and_then(|_| wait(&session, from, rules, manner, screen));
    session.close();
    outcome
}

fn wait(
    session: &Session,
    from: Option<&Peer>,
    mut rules: Rules,
    manner: Manner,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if let Some(from) = from {
        rules.expected = BTreeSet::from([session.resolve(from)?]);
        session.ask(move |node, _| node.set_rules(rules));
    }
    session.announce(screen)?;
    let into = inert(&manner.into.to_string_lossy());
    if !manner.output {
        screen.note(&format!("Waiting for an offer, to receive into {into} (Ctrl-C ends this)."))?;
    }
    let mut inbox = Inbox::new(manner);
    let (mut received, mut failure) = (false, None);
    loop {
        match session.next()? {
            Next::Event(event) => match inbox.handle(event, session, screen)? {
                Outcome::Open => {}
                Outcome::Finished => received = true,
                Outcome::Failed(why) => failure = failure.or(Some(why)),
            },
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
        // Transfers that began meanwhile are not cut off.
        match failure.take() {
            kept if inbox.is_busy() => failure = kept,
            Some(failure) => return Err(failure),
            None if received => return Ok(()),
            None => {}
        }
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
