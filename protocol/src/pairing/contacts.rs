//! Contacts, by id and by name.

use std::collections::BTreeMap;

use crate::identity::PeerId;
use crate::storage::{Change, Record, Table};
use crate::wire::ContactRecord;
use crate::{Contact, ContactError, Trust};

/// Contacts at most.
const MAX_CONTACTS: usize = 10_000;
/// Bytes of a name.
const MAX_NAME: usize = 64;

/// Everyone the user knows.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    by_peer: BTreeMap<PeerId, ContactRecord>,
}

impl Contacts {
    /// Takes a record as it was loaded. A damaged one is passed over.
    pub(crate) fn load(&mut self, record: &Record) {
        if let (Ok(peer), Ok(known)) = (PeerId::from_bytes(&record.key), ContactRecord::parse(&record.value))
        {
            self.by_peer.insert(peer, known);
        }
    }

    /// Adds or renames.
    pub(crate) fn add(&mut self, me: PeerId, peer: PeerId, name: &str) -> Result<Change, ContactError> {
        let name = fit(me, peer, name)?;
        if self.by_name(name).is_some_and(|other| other != peer) {
            return Err(ContactError::NameTaken);
        }
        if self.by_peer.len() >= MAX_CONTACTS && !self.by_peer.contains_key(&peer) {
            return Err(ContactError::TooMany);
        }
        let new = || ContactRecord { name: String::new(), blocked: false, verified: false, trust: None };
        let known = self.by_peer.entry(peer).or_insert_with(new);
        name.clone_into(&mut known.name);
        Ok(put(peer, known))
    }

    /// Gives a name, and with it the place of whoever had it, to another peer. What was promised to the old key (that
    /// it was verified, what it is trusted with) is not promised to the new one.
    pub(crate) fn replace(
        &mut self,
        me: PeerId,
        peer: PeerId,
        name: &str,
    ) -> Result<Vec<Change>, ContactError> {
        let name = fit(me, peer, name)?;
        let former = self.by_name(name).filter(|former| *former != peer);
        let mut changes: Vec<Change> =
            former.map(|former| self.remove(former)).transpose()?.into_iter().collect();
        changes.push(self.add(me, peer, name)?);
        Ok(changes)
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Result<Change, ContactError> {
        self.by_peer.remove(&peer).ok_or(ContactError::Unknown)?;
        Ok(Change::Remove { table: Table::Contacts, key: peer.as_bytes().to_vec() })
    }

    /// Blocking ends trust: unblocking alone does not bring it back.
    pub(crate) fn block(&mut self, peer: PeerId, blocked: bool) -> Result<Change, ContactError> {
        self.change(peer, |known| {
            known.blocked = blocked;
            known.trust.take_if(|_| blocked);
        })
    }

    pub(crate) fn verify(&mut self, peer: PeerId, verified: bool) -> Result<Change, ContactError> {
        self.change(peer, |known| known.verified = verified)
    }

    pub(crate) fn trust(&mut self, peer: PeerId, trust: Option<Trust>) -> Result<Change, ContactError> {
        if trust.as_ref().is_some_and(|trust| trust.into.to_str().is_none()) {
            return Err(ContactError::BadFolder);
        }
        self.change(peer, |known| known.trust = trust)
    }

    fn change(&mut self, peer: PeerId, how: impl FnOnce(&mut ContactRecord)) -> Result<Change, ContactError> {
        let known = self.by_peer.get_mut(&peer).ok_or(ContactError::Unknown)?;
        how(known);
        Ok(put(peer, known))
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

    /// What is taken of a contact without asking.
    pub(crate) fn trusted(&self, peer: PeerId) -> Option<&Trust> {
        self.by_peer.get(&peer).filter(|known| !known.blocked).and_then(|known| known.trust.as_ref())
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.by_peer.keys().copied()
    }

    /// All, by name.
    pub(crate) fn list(&self) -> Vec<Contact> {
        let contact = |(peer, known): (&PeerId, &ContactRecord)| {
            let ContactRecord { name, blocked, verified, trust } = known.clone();
            Contact { peer: *peer, name, blocked, verified, trust }
        };
        let mut all: Vec<_> = self.by_peer.iter().map(contact).collect();
        all.sort_by_key(|contact| contact.name.to_lowercase());
        all
    }
}

/// A name that a contact can have.
fn fit(me: PeerId, peer: PeerId, name: &str) -> Result<&str, ContactError> {
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
    Ok(name)
}

fn put(peer: PeerId, known: &ContactRecord) -> Change {
    Change::Put(Record { table: Table::Contacts, key: peer.as_bytes().to_vec(), value: known.encode() })
}
