//! `hither send`: offers files, directories, standard input or a line of text to a peer, and sends what is accepted.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use hither_protocol::Rules;
use hither_protocol::identity::PeerId;
use hither_protocol::transfer::RelativePath;
use hither_runtime_smol::Pipes;
use tempfile::TempDir;

use super::outgoing::Outgoing;
use super::receive::{absolute, spool};
use super::session::{Next, Part, Session};
use super::{Typed, course, failure, send_by_code};
use crate::args::{Content, Global, Recipient};
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
    let to = match to {
        Recipient::Peer(peer) => peer,
        Recipient::Code(by) => {
            return send_by_code::run(global, home, by, what, spool, typed, screen);
        }
    };
    let input: Option<Box<dyn Read + Send>> = match what {
        Sending::Stream(_) => Some(Box::new(std::io::stdin())),
        Sending::Paths { .. } => None,
    };
    let pipes = Pipes { input, output: None };
    // A line of text is gone with this process, so there is nothing to go on with.
    let rules = Rules { forgetful: spool.is_some(), ..Rules::default() };
    let part = Part::reaching(&to);
    let session = Session::open_with_pipes(global, home, "send", part, rules, pipes, screen)?;
    let outcome =
        session.recipient(&to).and_then(|peer| transfer(&session, peer, what, typed.line(), screen));
    session.close();
    outcome
}

/// What is offered.
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

/// Offers something and follows the transfer to its end. `again` is the command that goes on with it.
pub(super) fn transfer(
    session: &Session,
    peer: PeerId,
    what: Sending,
    again: &str,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let links = matches!(what, Sending::Paths { links: true, .. });
    let stream = matches!(what, Sending::Stream(_));
    let ours = session
        .ask(move |node, now| match what {
            Sending::Paths { paths, links: true } => node.offer_with_links(now, peer, paths),
            Sending::Paths { paths, links: false } => node.offer(now, peer, paths),
            Sending::Stream(name) => node.offer_stream(now, peer, &name),
        })
        .map_err(failure::offer)?;
    let mut outgoing = Outgoing::new(ours, peer, links, false, again.to_owned(), session);
    outgoing.stream = stream;
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

/// Standard input as a file, for as long as the directory lives: whoever comes by a code may be several, one after the
/// other.
pub(super) fn spooled(home: &Home, name: &RelativePath) -> Result<(PathBuf, TempDir), Failure> {
    let spool = spool(home)?;
    let path = spool.path().join(name.as_str());
    let copied = File::create_new(&path).and_then(|mut file| std::io::copy(&mut std::io::stdin(), &mut file));
    copied.map_err(unkept)?;
    Ok((path, spool))
}

fn unkept(error: std::io::Error) -> Failure {
    let text = format!("what is to be sent could not be kept for sending: {error}. Nothing was sent.");
    Failure::new(Exit::NotWritable, text)
}

/// What to offer. What is no file yet becomes one, for as long as the directory lives.
fn sending(home: &Home, content: Content) -> Result<(Sending, Option<TempDir>), Failure> {
    let (name, text) = match content {
        // The same paths are the same transfer, wherever they are named from.
        Content::Paths { paths, links } => {
            let paths = paths.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
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
    let mut file = File::create_new(&path).map_err(unkept)?;
    writeln!(file, "{text}").map_err(unkept)?;
    Ok((Sending::Paths { paths: vec![path], links: false }, Some(spool)))
}
