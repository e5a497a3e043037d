//! Whom this node introduces: clients behind NATs that keep a way open from it to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::address::Prefix;
use super::id::{Contact, NodeKey};

/// How long a registration is good: three of those that follow it may be lost.
pub const REGISTERED_FOR: Duration = Duration::from_secs(80);
/// Clients that are registered at most.
pub const MAX_REGISTERED: usize = 1024;
/// Those of one prefix: all whom a carrier's NAT has behind one address count as one neighbourhood.
pub const REGISTERED_OF_PREFIX: usize = 64;

/// Clients by their keys.
#[derive(Debug, Default)]
pub(super) struct Registry {
    held: BTreeMap<NodeKey, Registered>,
}

#[derive(Debug)]
struct Registered {
    contact: Contact,
    until: Instant,
}

/// What comes of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registering {
    /// It is good.
    Held,
    /// Another address is registered under this key. Whoever asked has to show that the key is theirs.
    Elsewhere,
    /// There is no room.
    Full,
}

impl Registry {
    /// Somebody at an address, to whom the address is proven to belong, wants to be called there. Keys are told to nobody
    /// before they are registered, so whoever comes first is believed.
    pub(super) fn register(&mut self, now: Instant, contact: Contact) -> Registering {
        if let Some(known) = self.held.get_mut(&contact.key()).filter(|it| it.until > now) {
            if known.contact != contact {
                return Registering::Elsewhere;
            }
            known.until = until(now);
            return Registering::Held;
        }
        if self.insert(now, contact) { Registering::Held } else { Registering::Full }
    }

    /// Whoever holds the key was asked there, and answered.
    pub(super) fn proven(&mut self, now: Instant, contact: Contact) {
        if let Some(before) = self.held.remove(&contact.key())
            && !self.insert(now, contact)
        {
            self.held.insert(before.contact.key(), before);
        }
    }

    /// Where whoever is registered under a key can be called.
    pub(super) fn find(&self, now: Instant, key: &NodeKey) -> Option<Contact> {
        self.held.get(key).filter(|it| it.until > now).map(|it| it.contact)
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    /// Throws out those whose time is over.
    pub(super) fn forget_expired(&mut self, now: Instant) {
        self.held.retain(|_, it| it.until > now);
    }

    /// How many are registered, as far as those were thrown out whose time is over.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    fn insert(&mut self, now: Instant, contact: Contact) -> bool {
        self.forget_expired(now);
        let prefix = |it: &Contact| Prefix::counted(it.address().ip());
        let like = self.held.values().filter(|it| prefix(&it.contact) == prefix(&contact)).count();
        let crowded = prefix(&contact).is_some() && like >= REGISTERED_OF_PREFIX;
        if crowded || self.held.len() >= MAX_REGISTERED {
            return false;
        }
        self.held.insert(contact.key(), Registered { contact, until: until(now) });
        true
    }
}

fn until(now: Instant) -> Instant {
    now.checked_add(REGISTERED_FOR).unwrap_or(now)
}
