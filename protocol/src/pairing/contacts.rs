//! Contacts, by id and by name.

use std::collections::BTreeMap;

use crate::identity::PeerId;
use crate::storage::{Change, Record, Table};
use crate::wire::{encode_contact, parse_contact};
use crate::{Contact, ContactError};

/// Contacts at most.
const MAX_CONTACTS: usize = 10_000;
/// Bytes of a name.
const MAX_NAME: usize = 64;

/// Everyone the user knows.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    by_peer: BTreeMap<PeerId, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    name: String,
    blocked: bool,
}

impl Contacts {
    /// Takes a record as it was loaded. A damaged one is passed over.
    pub(crate) fn load(&mut self, record: &Record) {
        if let (Ok(peer), Ok((name, blocked))) =
            (PeerId::from_bytes(&record.key), parse_contact(&record.value))
        {
            self.by_peer.insert(peer, Known { name, blocked });
        }
    }

    /// Adds or renames.
    pub(crate) fn add(&mut self, me: PeerId, peer: PeerId, name: &str) -> Result<Change, ContactError> {
        let name = name.trim();
        if peer == me {
            return Err(ContactError::Oneself);
        }
        // A name must not pass for an id, a flag or a topic where one is typed.
        let confusing = name.to_ascii_lowercase().starts_with("hi1") || name.starts_with(['-', '#', '@']);
        let odd = name.contains(char::is_control) || name.contains('@');
        if name.is_empty() || name.len() > MAX_NAME || confusing || odd {
            return Err(ContactError::BadName);
        }
        if self.by_name(name).is_some_and(|other| other != peer) {
            return Err(ContactError::NameTaken);
        }
        if self.by_peer.len() >= MAX_CONTACTS && !self.by_peer.contains_key(&peer) {
            return Err(ContactError::TooMany);
        }
        let blocked = self.is_blocked(peer);
        self.by_peer.insert(peer, Known { name: name.to_owned(), blocked });
        Ok(put(peer, name, blocked))
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Result<Change, ContactError> {
        self.by_peer.remove(&peer).ok_or(ContactError::Unknown)?;
        Ok(Change::Remove { table: Table::Contacts, key: peer.as_bytes().to_vec() })
    }

    pub(crate) fn block(&mut self, peer: PeerId, blocked: bool) -> Result<Change, ContactError> {
        let known = self.by_peer.get_mut(&peer).ok_or(ContactError::Unknown)?;
        known.blocked = blocked;
        Ok(put(peer, &known.name, blocked))
    }

    /// Names are found whatever their case.
    pub(crate) fn by_name(&self, name: &str) -> Option<PeerId> {
        let name = name.to_lowercase();
        self.by_peer.iter().find(|(_, known)| known.name.to_lowercase() == name).map(|(peer, _)| *peer)
    }

    pub(crate) fn contains(&self, peer: PeerId) -> bool {
        self.by_peer.get(&peer).is_some_and(|known| !known.blocked)
    }

    pub(crate) fn is_blocked(&self, peer: PeerId) -> bool {
        self.by_peer.get(&peer).is_some_and(|known| known.blocked)
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.by_peer.keys().copied()
    }

    /// All, by name.
    pub(crate) fn list(&self) -> Vec<Contact> {
        let mut all: Vec<_> = self
            .by_peer
            .iter()
            .map(|(peer, known)| Contact { peer: *peer, name: known.name.clone(), blocked: known.blocked })
            .collect();
        all.sort_by_key(|contact| contact.name.to_lowercase());
        all
    }
}

fn put(peer: PeerId, name: &str, blocked: bool) -> Change {
    let key = peer.as_bytes().to_vec();
    Change::Put(Record { table: Table::Contacts, key, value: encode_contact(name, blocked) })
}
