//! `hither msg`: one message, delivered now, or kept and delivered later.

use std::time::{Duration, Instant};

use hither_protocol::chat::MessageId;
use hither_protocol::identity::PeerId;
use hither_protocol::{Event, MessageState, Rules};

use super::failure;
use super::session::{Next, Part, Session};
use crate::args::{Global, Peer};
use crate::exit::Failure;
use crate::home::Home;
use crate::screen::{self, Delivery, Screen};

/// How long a peer that answers may take to say that it has the message.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(
    global: &Global,
    home: &Home,
    to: &Peer,
    text: &str,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let session = Session::open(global, home, "msg", Part::reaching(to), Rules::default(), screen)?;
    let outcome = deliver(&session, to, text, screen);
    session.close();
    outcome
}

fn deliver(session: &Session, to: &Peer, text: &str, screen: &mut Screen) -> Result<(), Failure> {
    let peer = session.recipient(to)?;
    let text = text.to_owned();
    let sent = session.ask(move |node, now| node.send_message(now, peer, &text)).map_err(failure::send)?;
    let who = session.who(peer);
    let started = Instant::now();
    let mut unreachable = None;
    loop {
        match session.next()? {
            Next::Event(Event::MessageSent { id, to, state }) => {
                show_state(session, id, to, state, screen)?;
                if id == sent {
                    return match state {
                        MessageState::Delivered => Ok(()),
                        MessageState::Waiting => Err(failure::kept(unreachable, &who)),
                        MessageState::Refused => Err(failure::message_refused(&who)),
                    };
                }
            }
            Next::Event(Event::Unreachable { peer: lost, why }) if lost == peer => unreachable = Some(why),
            Next::Event(Event::Disconnected { peer: lost, .. }) if lost == peer => {
                session.ask(move |node, now| node.connect(now, peer));
            }
            Next::Event(_) | Next::Told(..) | Next::Tick => {}
            Next::Interrupted => {
                session.settle_anyway();
                return Err(
                    session.interrupted("The message is kept; it will be delivered when hither runs again.")
                );
            }
        }
        if started.elapsed() > PATIENCE {
            session.settle()?;
            show_state(session, sent, peer, MessageState::Waiting, screen)?;
            return Err(failure::unconfirmed(&who));
        }
    }
}

/// Tells what became of a message of ours. That one waits is told by the failure, except in JSON.
pub(super) fn show_state(
    session: &Session,
    id: MessageId,
    to: PeerId,
    state: MessageState,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let event = |state| screen::Event::Sent { id: id.to_string(), state };
    match state {
        MessageState::Delivered => screen.event(&event(Delivery::Delivered)),
        MessageState::Waiting if screen.is_json() => screen.event(&event(Delivery::Waiting)),
        MessageState::Waiting => Ok(()),
        MessageState::Refused => {
            screen.note(&format!("{} does not take a message of yours; it is not kept", session.who(to)))
        }
    }
}
