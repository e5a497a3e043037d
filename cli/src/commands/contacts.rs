//! `hither contacts`: lists and changes the contacts.

use hither_protocol::identity::PeerId;
use hither_protocol::{Contact, Rules, Trust};

use super::failure;
use super::receive::absolute;
use super::session::{Part, Session};
use crate::args::{ContactName, ContactsCommand, Global, Peer, Size};
use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::inert::inert;
use crate::screen::{Event, PeerRow, PeerState, Screen, taken};

pub(super) fn run(
    global: &Global,
    home: &Home,
    command: &ContactsCommand,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let session = Session::open(global, home, "contacts", Part::None, Rules::default(), screen)?;
    let outcome = change(&session, command, screen);
    session.close();
    outcome
}

fn change(session: &Session, command: &ContactsCommand, screen: &mut Screen) -> Result<(), Failure> {
    let named = |name: &ContactName| session.resolve(&Peer::Contact(name.clone()));
    match command {
        ContactsCommand::List(_) => list(session, screen),
        ContactsCommand::Add(add) => {
            let note = format!(
                "{} is a contact now; what they send goes by your rules (`hither rules`).",
                inert(add.name.as_str())
            );
            set_name(session, add.id, add.name.as_str())?;
            tell(session, add.id, &note, screen)
        }
        ContactsCommand::Rename(rename) => {
            let peer = named(&rename.name)?;
            set_name(session, peer, rename.new_name.as_str())?;
            let (old, new) = (inert(rename.name.as_str()), inert(rename.new_name.as_str()));
            tell(session, peer, &format!("{old} is called {new} now."), screen)
        }
        ContactsCommand::Remove(remove) => {
            let (peer, name) = (named(&remove.name)?, remove.name.as_str());
            let removed = session.ask(move |node, now| node.remove_contact(now, peer));
            removed.map_err(|error| failure::contact(error, name))?;
            session.settle()?;
            screen.note(&format!("{} is no contact any more: {peer}", inert(name)))
        }
        ContactsCommand::Trust(trust) => {
            let peer = named(&trust.name)?;
            refuse_blocked(session, peer)?;
            let into = absolute(&trust.into)?;
            let up_to = trust.up_to.map(Size::bytes);
            let name = inert(trust.name.as_str());
            let note = format!("what {name} sends {}.", taken(&into, up_to));
            let given = Trust { into, up_to };
            set_trust(session, peer, Some(given))?;
            tell(session, peer, &note, screen)
        }
        ContactsCommand::Untrust(untrust) => {
            let peer = named(&untrust.name)?;
            set_trust(session, peer, None)?;
            let name = inert(untrust.name.as_str());
            tell(session, peer, &format!("what {name} sends goes by your rules again."), screen)
        }
        ContactsCommand::Block(block) => {
            let peer = session.resolve(&block.peer)?;
            if session.contact(peer).is_none() {
                // Only contacts can be blocked, so a stranger becomes one with a name to know it by.
                set_name(session, peer, &stranger_name(peer))?;
            }
            set_blocked(session, peer, true)?;
            tell(session, peer, "blocked: nothing is taken from them, and nothing is sent to them.", screen)
        }
        ContactsCommand::Unblock(unblock) => {
            let peer = session.resolve(&unblock.peer)?;
            set_blocked(session, peer, false)?;
            tell(session, peer, "not blocked any more: what they send goes by your rules.", screen)
        }
    }
}

fn list(session: &Session, screen: &mut Screen) -> Result<(), Failure> {
    if session.contacts().is_empty() {
        screen.note(
            "no contacts yet: `hither contacts add NAME ID`; `hither id` prints an id on the other side",
        )?;
    }
    session.contacts().iter().try_for_each(|contact| screen.event(&event(contact)))
}

fn set_name(session: &Session, peer: PeerId, name: &str) -> Result<(), Failure> {
    let wanted = name.to_owned();
    let added = session.ask(move |node, now| node.add_contact(now, peer, &wanted));
    added.map_err(|error| failure::contact(error, name))?;
    session.settle()
}

fn set_trust(session: &Session, peer: PeerId, trust: Option<Trust>) -> Result<(), Failure> {
    let changed = session.ask(move |node, now| node.trust_contact(now, peer, trust));
    changed.map_err(|error| failure::contact(error, &session.who(peer)))?;
    session.settle()
}

fn refuse_blocked(session: &Session, peer: PeerId) -> Result<(), Failure> {
    let blocked = session.contacts().iter().any(|contact| contact.peer == peer && contact.blocked);
    if !blocked {
        return Ok(());
    }
    let name = session.who(peer);
    let text = format!("{name} is blocked. Nothing was changed; first `hither contacts unblock {name}`.");
    Err(Failure::new(Exit::Usage, text))
}

fn set_blocked(session: &Session, peer: PeerId, blocked: bool) -> Result<(), Failure> {
    let changed = session.ask(move |node, now| node.block_contact(now, peer, blocked));
    changed.map_err(|error| failure::contact(error, &session.who(peer)))?;
    session.settle()
}

/// The note for people, the contact as it is now for scripts.
fn tell(session: &Session, peer: PeerId, note: &str, screen: &mut Screen) -> Result<(), Failure> {
    if !screen.is_json() {
        return screen.note(note);
    }
    let contacts = session.ask(|node, _| node.contacts());
    contacts
        .iter()
        .filter(|contact| contact.peer == peer)
        .try_for_each(|contact| screen.event(&event(contact)))
}

fn event(contact: &Contact) -> Event {
    let state = if contact.blocked { PeerState::Blocked } else { PeerState::Known };
    Event::Peer(PeerRow {
        verified: contact.verified,
        trust: contact.trust.clone(),
        ..PeerRow::new(Some(contact.peer), Some(contact.name.clone()), state)
    })
}

fn stranger_name(peer: PeerId) -> String {
    let id = peer.to_string();
    format!("blocked-{}", id.get(3..15).unwrap_or(&id))
}
