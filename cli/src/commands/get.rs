//! `hither get`: fetches what a ticket stands for from everyone who has some of it, and gives what it has meanwhile.

use std::path::{Path, PathBuf};

use hither_protocol::transfer::{Ticket, TransferId};
use hither_protocol::{Event, GetError, Rules, Standing, TransferView};

use super::failure::{self, End, Side};
use super::inbox::{Inbox, Manner, Outcome};
use super::meter::road_of;
use super::receive::absolute;
use super::session::{Next, Part, Session};
use super::{Typed, course, offer, share};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::screen::{self, Screen};

pub(super) fn run(
    global: &Global,
    home: &Home,
    tickets: &[Ticket],
    into: Option<&PathBuf>,
    stay: bool,
    typed: &Typed,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let Some((ticket, others)) = tickets.split_first() else {
        return Err(Failure::new(
            Exit::Usage,
            "give the ticket that `hither share` printed: hither get TICKET",
        ));
    };
    if others
        .iter()
        .any(|other| (other.root, other.kind, other.bytes) != (ticket.root, ticket.kind, ticket.bytes))
    {
        let text = "these tickets are not of the same content: fetch them one after the other";
        return Err(Failure::new(Exit::Usage, text));
    }
    let into = absolute(into.map_or(Path::new("."), PathBuf::as_path))?;
    let manner = Manner { again: Some(typed.line().to_owned()), ..Manner::new(global, into) };
    let part = if stay { Part::Reachable } else { Part::Reaching };
    let session = Session::open(global, home, "get", part, Rules::default(), screen)?;
    let outcome = fetch(&session, ticket, others, manner, stay, screen);
    session.close();
    outcome
}

/// Goes on with a fetch that was interrupted, where it was begun.
pub(super) fn rest(
    session: &Session,
    view: &TransferView,
    ticket: &Ticket,
    manner: Manner,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let into = view.paths.first().cloned().unwrap_or_default();
    fetch(session, ticket, &[], Manner { into, ..manner }, false, screen)
}

fn fetch(
    session: &Session,
    ticket: &Ticket,
    others: &[Ticket],
    manner: Manner,
    stay: bool,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let (ours, files) = get(session, ticket, others, manner, screen)?;
    if stay { give(session, ticket, ours, files, screen) } else { Ok(()) }
}

/// What was fetched is given to others until Ctrl-C.
fn give(
    session: &Session,
    ticket: &Ticket,
    ours: TransferId,
    files: u64,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let own = Ticket::new(ticket.root, ticket.kind, ticket.bytes, session.me(), &[]);
    share::print(&own, files, session, screen)?;
    loop {
        match session.next()? {
            Next::Event(event) => share::given(&event, ours, session, screen)?,
            Next::Told(..) | Next::Tick => {}
            Next::Interrupted => {
                let next = "Everything had arrived and stays; it is given to nobody any more. `hither share` gives it \
                            again, under the same root.";
                return Err(session.interrupted(next));
            }
        }
    }
}

/// Fetches it. Gives its name here, and how many files it has.
fn get(
    session: &Session,
    ticket: &Ticket,
    others: &[Ticket],
    manner: Manner,
    screen: &mut Screen,
) -> Result<(TransferId, u64), Failure> {
    let again = manner.again.clone().unwrap_or_default();
    let mut files = 0;
    let (asked, others, into) = (ticket.clone(), others.to_vec(), manner.into.clone());
    let ours = session.ask(move |node, now| {
        for other in &others {
            other.addresses().iter().for_each(|address| node.add_address(now, other.peer, *address));
        }
        let peers: Vec<_> = others.iter().map(|other| other.peer).collect();
        node.get(now, &asked, &peers, into)
    });
    let ours = ours.map_err(refused)?;
    let who = session.who(ticket.peer);
    let mut inbox = Inbox::new(manner);
    let mut offered = false;
    loop {
        match session.next()? {
            Next::Event(event) => match event {
                Event::Failed { transfer, why, kept, resumable } if transfer == ours => {
                    let left = if resumable { course::left(session, transfer) } else { None };
                    let end = End { side: Side::Receiving, who: &who, kept, left, again: Some(&again) };
                    return Err(failure::get(&why, &end));
                }
                Event::SourceChanged { transfer, peer, path } if transfer == ours => {
                    let (transfer, contact) = (transfer.to_string(), session.contact(peer));
                    let path = path.as_str().to_owned();
                    screen.event(&screen::Event::SourceChanged { transfer, peer, contact, path })?;
                }
                Event::Connected { peer, address, road } => {
                    let who = session.who(peer);
                    screen.note(&format!("reached {who} at {address} ({})", road_of(road).name()))?;
                }
                Event::SourceDropped { transfer, peer, why } if transfer == ours => {
                    let (transfer, contact) = (transfer.to_string(), session.contact(peer));
                    screen.event(&screen::Event::Dropped { transfer, peer, contact, why })?;
                }
                Event::Lonely { transfer } if transfer == ours => {
                    screen.event(&screen::Event::Waiting { transfer: transfer.to_string() })?;
                }
                Event::Offered { transfer, from, manifest, examined, decision, .. } if transfer == ours => {
                    offered = true;
                    files = offer::files(&manifest);
                    // Whoever shares it, what it holds is seen for the first time here.
                    let standing = Standing::Stranger;
                    let event =
                        Event::Offered { transfer, from, standing, manifest, examined, decision, code: None };
                    match inbox.handle(event, session, screen)? {
                        Outcome::Failed(failure) => return Err(failure),
                        Outcome::Open | Outcome::Finished => {}
                    }
                }
                event => {
                    if let Event::Resuming { transfer, .. } = &event {
                        files = session.transfer(*transfer).map_or(0, |view| view.files.into());
                    }
                    match inbox.handle(event, session, screen)? {
                        Outcome::Finished => return Ok((ours, files)),
                        Outcome::Failed(failure) => return Err(failure),
                        Outcome::Open => {}
                    }
                }
            },
            Next::Told(transfer, paused) => course::told(transfer, paused, screen)?,
            Next::Tick => {}
            Next::Interrupted => {
                let next = match course::left(session, ours) {
                    Some(left) => format!("{} are kept here. {}", left.part(), left.next(&again)),
                    None => {
                        "What arrived whole stays, nothing partial is left. The same command fetches again."
                            .to_owned()
                    }
                };
                return Err(session.interrupted(&next));
            }
        }
        if offered && !inbox.is_busy() {
            return Err(Failure::new(Exit::Refused, "refused; nothing was received."));
        }
        inbox.tick(session, screen)?;
    }
}

fn refused(error: GetError) -> Failure {
    let (exit, text) = match error {
        GetError::Oneself => (Exit::Usage, "this ticket is your own; nothing was fetched"),
        GetError::Blocked => (
            Exit::Usage,
            "this contact is blocked; nothing was fetched. `hither contacts unblock NAME` lets them back in",
        ),
        GetError::Already => (Exit::Usage, "this is fetched or shared here already"),
        GetError::TooMany => (Exit::Fault, "too many transfers at once; nothing was fetched"),
    };
    Failure::new(exit, text)
}
