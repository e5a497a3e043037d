//! `hither share`: hashes paths, prints the ticket, and gives them to whoever has it until Ctrl-C.

use std::path::PathBuf;

use hither_protocol::transfer::{Ticket, TransferId};
use hither_protocol::{Event, Rules};

use super::failure::{self, End, Side};
use super::meter::Meter;
use super::offer;
use super::receive::absolute;
use super::send::tell_left_out;
use super::session::{Next, Part, Session};
use crate::args::Global;
use crate::exit::Failure;
use crate::home::Home;
use crate::screen::{self, Screen};

pub(super) fn run(
    global: &Global,
    home: &Home,
    paths: &[PathBuf],
    screen: &mut Screen,
) -> Result<(), Failure> {
    // So that what is shared and what is said to have changed stay the same.
    let paths = paths.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
    let session = Session::open(global, home, "share", Part::Reachable, Rules::default(), screen)?;
    let outcome = share(&session, paths, screen);
    session.close();
    outcome
}

fn share(session: &Session, paths: Vec<PathBuf>, screen: &mut Screen) -> Result<(), Failure> {
    let ours = session.ask(move |node, now| node.share(now, paths)).map_err(failure::offer)?;
    screen.note("hashing what is shared; the ticket comes when that is done (Ctrl-C ends it)")?;
    let mut meter = None;
    loop {
        match session.next()? {
            Next::Event(Event::Hashing { share, manifest }) if share == ours => {
                meter = Some(Meter::of_hashing(share, manifest.name().to_owned()));
            }
            Next::Event(Event::Shared { share, ticket, manifest, left_out }) if share == ours => {
                meter = None;
                screen.over(&share.to_string());
                tell_left_out(&left_out, false, screen)?;
                print(&ticket, offer::files(&manifest), session, screen)?;
            }
            Next::Event(Event::Failed { transfer, why, kept, .. }) if transfer == ours => {
                let end = End { side: Side::Sending, who: "nobody", kept, left: None, again: None };
                return Err(failure::transfer(&why, &end));
            }
            Next::Event(event) => given(&event, ours, session, screen)?,
            Next::Told(..) | Next::Tick => {}
            Next::Interrupted if meter.is_some() => {
                return Err(session.interrupted("Nothing was shared, and nothing of yours was changed."));
            }
            Next::Interrupted => {
                let next = "Nothing is shared any more; the same command shares it again, under the same ticket where \
                            address and content stay the same.";
                return Err(session.interrupted(next));
            }
        }
        if let Some(meter) = &mut meter {
            meter.show(session, screen)?;
        }
    }
}

/// Prints a ticket that leads here.
pub(super) fn print(
    ticket: &Ticket,
    files: u64,
    session: &Session,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let addresses = session.addresses();
    let ticket = ticket.at(&addresses);
    if addresses.is_empty() {
        screen.note("This machine is on no network now; the ticket names no address.")?;
    }
    screen.event(&screen::Event::Ticket {
        ticket: ticket.to_string(),
        root: ticket.root.to_string(),
        bytes: ticket.bytes,
        files,
    })?;
    screen.note("On the other side, with the ticket:")?;
    screen.note(&format!("    hither get {ticket}"))?;
    screen.note("Whoever has the ticket can fetch it, as long as this runs (Ctrl-C ends it).")
}

/// Tells who takes what is here. Other events mean nothing.
pub(super) fn given(
    event: &Event,
    ours: TransferId,
    session: &Session,
    screen: &mut Screen,
) -> Result<(), Failure> {
    match event {
        Event::Taking { share, peer } if *share == ours => {
            let contact = session.contact(*peer);
            screen.event(&screen::Event::Taking { share: share.to_string(), peer: *peer, contact })
        }
        Event::Taken { share, peer, bytes, whole } if *share == ours => {
            let (peer, bytes, whole) = (*peer, *bytes, *whole);
            let contact = session.contact(peer);
            screen.event(&screen::Event::Taken { share: share.to_string(), peer, contact, bytes, whole })
        }
        Event::ShareChanged { share, path } if *share == ours => {
            screen.event(&screen::Event::Changed { share: share.to_string(), path: path.clone() })
        }
        _ => Ok(()),
    }
}
