//! `hither contacts`: lists and changes the contacts.

use hither_protocol::identity::PeerId;
use hither_protocol::{Contact, ContactError, Rules, Trust, safety_words};

use super::failure;
use super::receive::absolute;
use super::session::{Part, Session, is_interrupted};
use crate::args::{ContactName, ContactsAdd, ContactsCommand, Global, Peer, Size};
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
    let outcome = change(&session, global, command, screen);
    session.close();
    outcome
}

fn change(
    session: &Session,
    global: &Global,
    command: &ContactsCommand,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let named = |name: &ContactName| session.resolve(&Peer::Contact(name.clone()));
    match command {
        ContactsCommand::List(_) => list(session, screen),
        ContactsCommand::Add(add) => self::add(session, add, screen),
        ContactsCommand::Verify(verify) => self::verify(session, named(&verify.name)?, global.yes, screen),
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

fn add(session: &Session, add: &ContactsAdd, screen: &mut Screen) -> Result<(), Failure> {
    let name = inert(add.name.as_str());
    let (wanted, peer) = (add.name.as_str().to_owned(), add.id);
    if peer == session.me() {
        return Err(failure::contact(ContactError::Oneself, &wanted));
    }
    let same = |contact: &&Contact| contact.name.to_lowercase() == wanted.to_lowercase();
    let before = session.contacts().iter().find(|contact| contact.peer == peer);
    let note = match session.contacts().iter().find(same).filter(|contact| contact.peer != peer) {
        Some(former) if add.replace => return replace(session, former, add, screen),
        Some(former) => {
            let text = format!(
                "{name} is another contact already, with the id {}. A new id may mean a new device, or someone who \
                 pretends to be {name}: ask them in a way that you trust, and add --replace if it is theirs. Nothing was \
                 changed.",
                former.peer
            );
            return Err(Failure::new(Exit::Usage, text));
        }
        None => match before.filter(|contact| contact.name != wanted) {
            Some(before) => format!("{} is called {name} now.", inert(&before.name)),
            None => format!("{name} is a contact now; what they send goes by your rules (`hither rules`)."),
        },
    };
    set_name(session, peer, &wanted)?;
    tell(session, peer, &note, screen)
}

/// The name of a contact goes to another id.
fn replace(
    session: &Session,
    former: &Contact,
    add: &ContactsAdd,
    screen: &mut Screen,
) -> Result<(), Failure> {
    // Whoever is blocked stays so until that is taken back by name.
    refuse_blocked(session, former.peer)?;
    let (peer, wanted) = (add.id, add.name.as_str().to_owned());
    let replaced = session.ask(move |node, now| node.replace_contact(now, peer, &wanted));
    replaced.map_err(|error| failure::contact(error, add.name.as_str()))?;
    session.settle()?;
    screen.event(&Event::KeyChanged {
        name: add.name.as_str().to_owned(),
        from: former.peer,
        to: peer,
        verified: former.verified,
        trusted: former.trust.is_some(),
    })?;
    tell(session, peer, "Messages that wait for the old id stay with it.", screen)
}

/// Shows the words, and keeps what the user says of them.
fn verify(session: &Session, peer: PeerId, yes: bool, screen: &mut Screen) -> Result<(), Failure> {
    let words = safety_words(&session.me(), &peer);
    let name = session.who(peer);
    screen.event(&Event::Safety { peer, contact: session.contact(peer), words })?;
    screen.note(&format!(
        "{name} sees the same words by `hither contacts verify` with the name they gave you. Compare them where you know \
         that it is {name}: face to face, or by a call in which you know the voice."
    ))?;
    let question = "Are all of them the same on both sides?";
    let same = yes
        || match screen.ask(question, false, "--yes", || !is_interrupted())? {
            Some(same) => same,
            None => return Err(session.interrupted("Nothing was changed.")),
        };
    let changed = session.ask(move |node, now| node.verify_contact(now, peer, same));
    changed.map_err(|error| failure::contact(error, &name))?;
    session.settle()?;
    let note = if same {
        format!("{name} is verified: this is their key.")
    } else {
        format!(
            "{name} is not verified. If the words differ, one of you has the key of somebody else: compare what `hither \
             id` prints there with `hither contacts` here, and send nothing until then."
        )
    };
    tell(session, peer, &note, screen)
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
