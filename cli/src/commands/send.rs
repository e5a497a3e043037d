//! `hither send`: offers files, directories, standard input or a line of text to a peer, and sends what is accepted.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use hither_protocol::identity::PeerId;
use hither_protocol::transfer::RelativePath;
use hither_protocol::{Event, Rules, TransferFailure};
use hither_runtime_smol::Pipes;
use tempfile::TempDir;

use super::Typed;
use super::course::{self, Known};
use super::failure::{self, End, Side};
use super::meter::{Meter, road_of};
use super::offer;
use super::receive::{absolute, spool};
use super::session::{Next, Part, Session};
use crate::args::{Content, Global, Peer};
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{self, Screen, count, size};

/// Paths that were left out and are named; the rest are counted.
const NAMED: usize = 5;

pub(super) fn run(
    global: &Global,
    home: &Home,
    to: &Peer,
    content: Content,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let (what, spool) = sending(home, content)?;
    let input: Option<Box<dyn Read + Send>> = match what {
        Sending::Stream(_) => Some(Box::new(std::io::stdin())),
        Sending::Paths { .. } => None,
    };
    let pipes = Pipes { input, output: None };
    // A line of text is gone with this process, so there is nothing to go on with.
    let rules = Rules { forgetful: spool.is_some(), ..Rules::default() };
    let part = Part::reaching(to);
    let session = Session::open_with_pipes(global, home, "send", part, rules, pipes, screen)?;
    let outcome = session.recipient(to).and_then(|peer| transfer(&session, peer, what, typed.line(), screen));
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
    let who = session.who(peer);
    let mut meter = None;
    let (mut connected, mut waiting) = (false, false);
    // What it is called and how large it is, once that is known.
    let mut offered: Option<Known> = None;
    loop {
        match session.next()? {
            Next::Event(event) => match event {
                Event::Offering { transfer, manifest, left_out } if transfer == ours => {
                    let (files, bytes) = (offer::files(&manifest), manifest.bytes());
                    offered = Some(Known { name: manifest.name().to_owned(), bytes });
                    if screen.is_json() {
                        screen.event(&screen::Event::Offer {
                            transfer: transfer.to_string(),
                            from: session.me(),
                            contact: None,
                            name: manifest.name().to_owned(),
                            files,
                            bytes,
                        })?;
                    }
                    let name = inert(manifest.name());
                    let what = if stream {
                        "a stream, sent as it comes".to_owned()
                    } else {
                        format!("{}, {}", count(files, "file"), size(bytes))
                    };
                    screen.note(&format!("offering {name} to {who}: {what}"))?;
                    tell_left_out(&left_out, links, screen)?;
                }
                Event::Connected { peer: reached, address, road } if reached == peer => {
                    connected = true;
                    screen.note(&format!("reached {who} at {address} ({})", road_of(road).name()))?;
                }
                Event::Started { transfer, resumed, .. } if transfer == ours => {
                    let known = offered.clone().unwrap_or_default();
                    if resumed > 0 {
                        course::goes_on(ours, &known, resumed, screen)?;
                    }
                    waiting = true;
                    meter = Some(Meter::new(ours, known.name));
                }
                Event::Finished { transfer, bytes, took, road, root, paths, .. } if transfer == ours => {
                    // What the receiver skipped did not travel either.
                    let resumed = offered.as_ref().map_or(0, |known| known.bytes.saturating_sub(bytes));
                    let (transfer, root) = (transfer.to_string(), root.to_string());
                    let road = road_of(road);
                    let done = screen::Event::Done { transfer, bytes, took, root, paths, resumed, road };
                    return screen.event(&done);
                }
                Event::Failed { transfer, why, kept, resumable } if transfer == ours => {
                    let left = if resumable { course::left(session, ours) } else { None };
                    let end = End { side: Side::Sending, who: &who, kept, left, again: Some(again) };
                    let mut failure = failure::transfer(&why, &end);
                    if stream && matches!(why, TransferFailure::LinkLost(_)) {
                        failure.text += " What comes from a pipe cannot be gone on with.";
                    }
                    return Err(failure);
                }
                Event::Suspended { transfer, .. } if transfer == ours => {
                    meter = None;
                    course::tell(&event, Side::Sending, &who, session, screen)?;
                }
                Event::Paused { transfer, .. } if transfer == ours => {
                    course::tell(&event, Side::Sending, &who, session, screen)?;
                }
                _ => {}
            },
            Next::Told(transfer, paused) => course::told(transfer, paused, screen)?,
            Next::Tick => {}
            Next::Interrupted => {
                let next = match course::left(session, ours) {
                    Some(left) => {
                        format!("{} were sent and {who} keeps them. To go on: `{again}`", left.part())
                    }
                    None => format!("{who} keeps what arrived whole. To send again: `{again}`"),
                };
                return Err(session.interrupted(&next));
            }
        }
        if connected && offered.is_some() && !waiting {
            waiting = true;
            screen.note(&format!("waiting for {who} to accept"))?;
        }
        if let Some(meter) = &mut meter {
            meter.show(session, screen)?;
        }
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

/// The paths to offer. What is no file yet becomes one, for as long as the directory lives.
fn sending(home: &Home, content: Content) -> Result<(Sending, Option<TempDir>), Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("what is to be sent could not be kept for sending: {error}. Nothing was sent.");
        Failure::new(Exit::NotWritable, text)
    };
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
    let mut file = File::create_new(&path).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)?;
    Ok((Sending::Paths { paths: vec![path], links: false }, Some(spool)))
}
