//! `hither get`: fetches what a ticket stands for from everyone who has some of it, and gives what it has meanwhile.

use std::path::{Path, PathBuf};

use hither_protocol::transfer::Ticket;
use hither_protocol::{Event, GetError, Rules, Standing};

use super::failure;
use super::inbox::{Inbox, Manner, Outcome};
use super::meter::road_of;
use super::receive::absolute;
use super::session::{Next, Part, Session};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::screen::{self, Screen};

pub(super) fn run(
    global: &Global,
    home: &Home,
    tickets: &[Ticket],
    into: Option<&PathBuf>,
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
    let manner = Manner::new(global, into);
    let session = Session::open(global, home, "get", Part::Reaching, Rules::default(), screen)?;
    let outcome = get(&session, ticket, others, manner, screen);
    session.close();
    outcome
}

fn get(
    session: &Session,
    ticket: &Ticket,
    others: &[Ticket],
    manner: Manner,
    screen: &mut Screen,
) -> Result<(), Failure> {
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
                Event::Failed { transfer, why, kept, .. } if transfer == ours => {
                    return Err(failure::get(&why, &who, kept));
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
                Event::Offered { transfer, from, manifest, into, examined, decision, .. }
                    if transfer == ours =>
                {
                    offered = true;
                    // Whoever shares it, what it holds is seen for the first time here.
                    let standing = Standing::Stranger;
                    let event =
                        Event::Offered { transfer, from, standing, manifest, into, examined, decision };
                    match inbox.handle(event, session, screen)? {
                        Outcome::Failed(failure) => return Err(failure),
                        Outcome::Open | Outcome::Finished(_) => {}
                    }
                }
                event => match inbox.handle(event, session, screen)? {
                    Outcome::Finished(_) => return Ok(()),
                    Outcome::Failed(failure) => return Err(failure),
                    Outcome::Open => {}
                },
            },
            Next::Told(..) | Next::Tick => {}
            Next::Interrupted => {
                let next =
                    "What arrived whole stays, nothing partial is left. The same command fetches again.";
                return Err(session.interrupted(next));
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
