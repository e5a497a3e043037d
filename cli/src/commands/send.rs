//! `hither send`: offers files, directories, standard input or a line of text to a peer, and sends what is accepted.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use hither_protocol::identity::PeerId;
use hither_protocol::{Event, Rules};
use tempfile::TempDir;

use super::failure::{self, Side};
use super::meter::{Meter, road_of};
use super::offer;
use super::receive::spool;
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
    screen: &mut Screen,
) -> Result<(), Failure> {
    // Before anything else runs: reading standard input may take as long as it likes.
    let (paths, _spool) = paths(home, content)?;
    let session = Session::open(global, home, "send", Part::Reaching, Rules::default(), screen)?;
    let outcome = session.recipient(to).and_then(|peer| transfer(&session, peer, paths, screen));
    session.close();
    outcome
}

fn transfer(
    session: &Session,
    peer: PeerId,
    paths: Vec<PathBuf>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let ours = session.ask(move |node, now| node.offer(now, peer, paths)).map_err(failure::offer)?;
    let who = session.who(peer);
    let mut meter = None;
    let (mut connected, mut scanned, mut waiting) = (false, false, false);
    loop {
        match session.next()? {
            Next::Event(event) => match event {
                Event::Offering { transfer, manifest, left_out } if transfer == ours => {
                    scanned = true;
                    let (files, bytes) = (offer::files(&manifest), manifest.bytes());
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
                    screen.note(&format!(
                        "offering {name} to {who}: {}, {}",
                        count(files, "file"),
                        size(bytes)
                    ))?;
                    tell_left_out(&left_out, screen)?;
                }
                Event::Connected { peer: reached, address, road } if reached == peer => {
                    connected = true;
                    screen.note(&format!("reached {who} at {address} ({})", road_of(road).name()))?;
                }
                Event::Started { transfer, .. } if transfer == ours => meter = Some(Meter::new(ours)),
                Event::Finished { transfer, bytes, took, road, root, paths } if transfer == ours => {
                    let (transfer, root) = (transfer.to_string(), root.to_string());
                    let road = road_of(road);
                    let done = screen::Event::Done { transfer, bytes, took, root, paths, resumed: 0, road };
                    return screen.event(&done);
                }
                Event::Failed { transfer, why, kept } if transfer == ours => {
                    return Err(failure::transfer(&why, Side::Sending, &who, kept));
                }
                _ => {}
            },
            Next::Tick => {}
            Next::Interrupted => {
                let next = format!(
                    "{who} keeps what arrived whole, and no part of the rest. The same command sends again."
                );
                return Err(session.interrupted(&next));
            }
        }
        if connected && scanned && !waiting && meter.is_none() {
            waiting = true;
            screen.note(&format!("waiting for {who} to accept"))?;
        }
        if let Some(meter) = &mut meter {
            meter.show(session, screen)?;
        }
    }
}

pub(super) fn tell_left_out(left_out: &[PathBuf], screen: &mut Screen) -> Result<(), Failure> {
    for path in left_out.iter().take(NAMED) {
        let path = inert(&path.to_string_lossy());
        screen.note(&format!("left out: {path} (a link or special file)"))?;
    }
    match left_out.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => screen.note(&format!("left out: {more} more")),
    }
}

/// The paths to offer. What is no file yet becomes one, for as long as the directory lives.
fn paths(home: &Home, content: Content) -> Result<(Vec<PathBuf>, Option<TempDir>), Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("what is to be sent could not be kept for sending: {error}. Nothing was sent.");
        Failure::new(Exit::NotWritable, text)
    };
    let (name, text) = match content {
        Content::Paths(paths) => return Ok((paths, None)),
        Content::Text(text) if text.is_empty() => {
            return Err(Failure::new(Exit::Usage, "there is no text to send: --text TEXT"));
        }
        Content::Text(text) => ("text.txt", Some(text)),
        Content::StandardInput => ("stdin", None),
    };
    let spool = spool(home)?;
    let path = spool.path().join(name);
    let mut file = File::create_new(&path).map_err(failed)?;
    match text {
        Some(text) => writeln!(file, "{text}").map_err(failed)?,
        None => {
            std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(failed)?;
        }
    }
    Ok((vec![path], Some(spool)))
}
