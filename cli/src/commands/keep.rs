//! Keeping someone as a contact who was met by a code.

use hither_protocol::identity::PeerId;
use hither_protocol::{ContactError, complete_word};

use super::failure;
use super::session::{Session, is_interrupted};
use crate::args::ContactName;
use crate::exit::Failure;
use crate::inert::inert;
use crate::screen::Screen;

/// Offers, at a terminal, to keep a stranger. Without an answer nobody is kept.
pub(super) fn offer(peer: PeerId, session: &Session, screen: &mut Screen) -> Result<(), Failure> {
    if session.contact(peer).is_some() || !screen.can_ask() {
        return Ok(());
    }
    let proposal = proposal(peer);
    screen.note(&format!("{peer} is not a contact."))?;
    let prompt = format!("Keep them as one? A name for them, y for {proposal}, or nothing for no: ");
    while let Some(typed) = screen.ask_line(&prompt, || !is_interrupted())? {
        let name = match typed.to_ascii_lowercase().as_str() {
            "" | "n" | "no" => return Ok(()),
            "y" | "yes" => proposal.clone(),
            _ => typed,
        };
        if let Some(name) = valid(&name, screen)?
            && add(peer, name.as_str(), session, screen)?
        {
            let name = inert(name.as_str());
            return screen.note(&format!("{name} is a contact now: what they send is taken."));
        }
    }
    Ok(())
}

/// The name, or what is wrong with it is told.
pub(super) fn valid(name: &str, screen: &mut Screen) -> Result<Option<ContactName>, Failure> {
    match name.parse::<ContactName>() {
        Ok(name) => Ok(Some(name)),
        Err(why) => screen.note(&format!("{why}: another one, please.")).map(|()| None),
    }
}

/// Adds a contact. `false`: the name is another's, or cannot be one, which is told; another may do.
pub(super) fn add(peer: PeerId, name: &str, session: &Session, screen: &mut Screen) -> Result<bool, Failure> {
    let wanted = name.to_owned();
    match session.ask(move |node, now| node.add_contact(now, peer, &wanted)) {
        Ok(()) => session.settle().map(|()| true),
        Err(error @ (ContactError::NameTaken | ContactError::BadName)) if screen.can_ask() => {
            screen.note(&failure::contact(error, name).text).map(|()| false)
        }
        Err(error) => Err(failure::contact(error, name)),
    }
}

/// A name for someone who has none: two words that follow from the id, and say nothing.
pub(super) fn proposal(peer: PeerId) -> String {
    let words = complete_word("");
    let hash = blake3::hash(peer.as_bytes());
    let word = |at: usize| {
        let bytes = [hash.as_bytes()[at], hash.as_bytes()[at + 1]];
        words[usize::from(u16::from_le_bytes(bytes)) % words.len()]
    };
    format!("{}-{}", word(0), word(2))
}
