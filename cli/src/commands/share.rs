//! `hither share`: hashes paths, prints the ticket, and gives them to whoever has it until Ctrl-C.

use std::path::PathBuf;

use hither_protocol::transfer::TransferId;
use hither_protocol::{Event, Rules};

use super::failure::{self, End, Side};
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
    screen.note("hashing what is shared; the ticket comes when that is done")?;
    loop {
        match session.next()? {
            Next::Event(event) => shown(event, ours, session, screen)?,
            Next::Told(..) | Next::Tick => {}
            Next::Interrupted => {
                let next = "Nothing is shared any more; the same command shares it again, under the same ticket where \
                            address and content stay the same.";
                return Err(session.interrupted(next));
            }
        }
    }
}

fn shown(event: Event, ours: TransferId, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
    match event {
        Event::Shared { share, ticket, manifest, left_out } if share == ours => {
            tell_left_out(&left_out, false, screen)?;
            let addresses = session.addresses();
            let ticket = ticket.at(&addresses);
            if addresses.is_empty() {
                screen.note("This machine is on no network now; the ticket names no address.")?;
            }
            screen.event(&screen::Event::Ticket {
                ticket: ticket.to_string(),
                root: ticket.root.to_string(),
                bytes: ticket.bytes,
                files: offer::files(&manifest),
            })?;
            screen.note("On the other side, with the ticket:")?;
            screen.note(&format!("    hither get {ticket}"))?;
            screen.note("Whoever has the ticket can fetch it, as long as this runs (Ctrl-C ends it).")
        }
        Event::Taking { share, peer } if share == ours => {
            let contact = session.contact(peer);
            screen.event(&screen::Event::Taking { share: share.to_string(), peer, contact })
        }
        Event::Taken { share, peer, bytes, whole } if share == ours => {
            let contact = session.contact(peer);
            screen.event(&screen::Event::Taken { share: share.to_string(), peer, contact, bytes, whole })
        }
        Event::ShareChanged { share, path } if share == ours => {
            screen.event(&screen::Event::Changed { share: share.to_string(), path })
        }
        Event::Failed { transfer, why, kept, .. } if transfer == ours => {
            let end = End { side: Side::Sending, who: "nobody", kept, left: None, again: None };
            Err(failure::transfer(&why, &end))
        }
        _ => Ok(()),
    }
}
