//! `hither send`: offers files, directories, standard input or a line of text to a peer, and sends what is accepted.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;

use hither_protocol::Rules;
use hither_protocol::identity::PeerId;
use hither_protocol::storage::{ScanError, StorageError};
use hither_protocol::transfer::{RelativePath, TransferId};
use hither_runtime_smol::Pipes;
use tempfile::TempDir;

use super::outgoing::{Kind, Outgoing};
use super::receive::{absolute, spool};
use super::session::{Needs, Next, Part, Session};
use super::{Typed, code, course, failure, send_by_code};
use crate::args::{ByCode, Content, Global, Recipient};
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{self, Screen};

/// Paths that were left out and are named; the rest are counted.
const NAMED: usize = 5;

pub(super) fn run(
    global: &Global,
    home: &Home,
    to: Recipient,
    content: Content,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let (what, spool) = sending(home, content)?;
    let input: Option<Box<dyn Read + Send>> = match what {
        Sending::Stream(_) => Some(Box::new(std::io::stdin())),
        Sending::Paths { .. } => None,
    };
    let search = match &to {
        Recipient::Code(by) => code::search(Some(by)),
        Recipient::Peer(_) => None,
    };
    let needs = Needs { pipes: Pipes { input, output: None }, search };
    // A line of text is gone with this process, so there is nothing to go on with.
    let passing = spool.is_some();
    let rules = Rules { forgetful: passing, ..Rules::default() };
    let part = match &to {
        Recipient::Peer(peer) => Part::reaching(peer),
        Recipient::Code(ByCode::New(_)) => Part::Offering,
        Recipient::Code(ByCode::Typed(_)) => Part::Reaching,
    };
    let session = Session::open_with(global, home, "send", part, rules, needs, screen)?;
    let outcome = match to {
        Recipient::Peer(to) => {
            session.recipient(&to).and_then(|peer| transfer(&session, peer, what, typed.line(), screen))
        }
        Recipient::Code(by) => send_by_code::run(&session, by, what, passing, typed, screen),
    };
    session.close();
    outcome
}

/// What is offered.
#[derive(Clone)]
pub(super) enum Sending {
    Paths {
        /// Absolute ones.
        paths: Vec<PathBuf>,
        /// Whether symbolic links go as such.
        links: bool,
    },
    /// Standard input, as it comes, under this name.
    Stream(RelativePath),
}

impl Sending {
    /// What there is to say of it.
    pub(super) fn kind(&self) -> Kind {
        Kind {
            links: matches!(self, Self::Paths { links: true, .. }),
            stream: matches!(self, Self::Stream(_)),
        }
    }
}

/// Offers something and follows the transfer to its end. `again` is the command that goes on with it.
pub(super) fn transfer(
    session: &Session,
    peer: PeerId,
    what: Sending,
    again: &str,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let kind = what.kind();
    let ours = offer(session, peer, what)?;
    let mut outgoing = Outgoing::new(ours, peer, kind, false, again.to_owned(), session);
    loop {
        match session.next()? {
            Next::Event(event) => {
                if let Some(end) = outgoing.handle(&event, session, screen)? {
                    return end;
                }
            }
            Next::Told(transfer, paused) => course::told(transfer, paused, screen)?,
            Next::Tick => {}
            Next::Interrupted => return Err(session.interrupted(&outgoing.left_behind(session))),
        }
        outgoing.tick(session, screen)?;
    }
}

/// Offers something.
pub(super) fn offer(session: &Session, peer: PeerId, what: Sending) -> Result<TransferId, Failure> {
    let offered = session.ask(move |node, now| match what {
        Sending::Paths { paths, links: true } => node.offer_with_links(now, peer, paths),
        Sending::Paths { paths, links: false } => node.offer(now, peer, paths),
        Sending::Stream(name) => node.offer_stream(now, peer, &name),
    });
    offered.map_err(failure::offer)
}

/// Says what of the paths is not sent; `links`: symbolic links are, where they stay inside.
pub(super) fn tell_left_out(left_out: &[PathBuf], links: bool, screen: &mut Screen) -> Result<(), Failure> {
    let why = if links { "a link out of what is sent, or a special file" } else { "a link or special file" };
    for path in left_out.iter().take(NAMED) {
        let path = inert(&path.to_string_lossy());
        screen.note(&format!("left out: {path} ({why})"))?;
    }
    if let more @ 1.. = left_out.len().saturating_sub(NAMED) {
        screen.note(&format!("left out: {more} more"))?;
    }
    let count = left_out.iter().filter(|path| path.is_symlink()).count();
    if count > 0 && !links {
        let count = screen::count(count.try_into().unwrap_or(u64::MAX), "symbolic link");
        screen.note(&format!("left out in all: {count}; `hither send --links` sends them as links"))?;
    }
    Ok(())
}

/// The paths to offer. What is no file yet becomes one, for as long as the directory lives.
fn sending(home: &Home, content: Content) -> Result<(Sending, Option<TempDir>), Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("what is to be sent could not be kept for sending: {error}. Nothing was sent.");
        Failure::new(Exit::NotWritable, text)
    };
    let (name, text) = match content {
        // The same paths are the same transfer, wherever they are named from.
        Content::Paths { paths, links } => {
            let paths = paths.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
            // Before a code is made for it, or anyone is kept waiting.
            let missing = |path: &&PathBuf| {
                path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
            };
            if let Some(path) = paths.iter().find(missing) {
                let (exit, text) = failure::scan(&ScanError::Unreadable(path.clone(), StorageError::Missing));
                return Err(Failure::new(exit, text));
            }
            return Ok((Sending::Paths { paths, links }, None));
        }
        Content::Text(text, _) if text.is_empty() => {
            return Err(Failure::new(Exit::Usage, "there is no text to send: --text TEXT"));
        }
        Content::Text(text, name) => (name, text),
        Content::StandardInput(name) => {
            let name = RelativePath::new([name.as_str()])
                .map_err(|why| Failure::new(Exit::Usage, format!("this is no name for a file: {why}")))?;
            return Ok((Sending::Stream(name), None));
        }
    };
    let spool = spool(home)?;
    let path = spool.path().join(name.as_str());
    let mut file = File::create_new(&path).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)?;
    Ok((Sending::Paths { paths: vec![path], links: false }, Some(spool)))
}
