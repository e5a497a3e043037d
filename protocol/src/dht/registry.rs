//! Whom this node introduces: clients behind NATs that keep a way open from it to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::address::Prefix;
use super::id::{Contact, NodeKey};

/// How long a registration is good: three of those that follow it may be lost.
pub const REGISTERED_FOR: Duration = Duration::from_secs(80);
/// Clients that are registered at most.
pub const MAX_REGISTERED: usize = 1024;
/// Those of one /24 or /48: all whom a carrier's NAT has behind one address count as one neighbourhood.
pub const REGISTERED_OF_PREFIX: usize = 64;

/// Clients by their keys. Nobody gets in, or to another address, who has not shown there that the key is theirs: keys are
/// no secrets.
#[derive(Debug, Default)]
pub(super) struct Registry {
    held: BTreeMap<NodeKey, Registered>,
}

#[derive(Debug)]
struct Registered {
    contact: Contact,
    until: Instant,
}

impl Registry {
    /// Somebody wants to be called at an address. Gives whether they are registered there: then it is good for longer.
    pub(super) fn extend(&mut self, now: Instant, contact: &Contact) -> bool {
        let known = self.held.get_mut(&contact.key()).filter(|it| it.contact == *contact && it.until > now);
        known.map(|known| known.until = until(now)).is_some()
    }

    /// Whether there is room for one more like this.
    pub(super) fn has_room(&mut self, now: Instant, contact: &Contact) -> bool {
        self.forget_expired(now);
        let others = || self.held.values().filter(|it| it.contact.key() != contact.key());
        let like = others().filter(|it| is_like(&it.contact, contact)).count();
        like < REGISTERED_OF_PREFIX && others().count() < MAX_REGISTERED
    }

    /// Whoever holds the key was asked at an address, and answered there.
    pub(super) fn proven(&mut self, now: Instant, contact: Contact) {
        if self.has_room(now, &contact) {
            self.held.insert(contact.key(), Registered { contact, until: until(now) });
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
}

/// Whether two are neighbours: in one /24 of IPv4, or one /48 of IPv6, of which many people have a whole one.
fn is_like(one: &Contact, other: &Contact) -> bool {
    let neighbourhood = |it: &Contact| match Prefix::counted(it.address().ip())? {
        Prefix::V6([a, b, c, d, e, f, _]) => Some(Prefix::V6([a, b, c, d, e, f, 0])),
        prefix @ Prefix::V4(_) => Some(prefix),
    };
    neighbourhood(one).is_some_and(|prefix| neighbourhood(other) == Some(prefix))
}

fn until(now: Instant) -> Instant {
    now.checked_add(REGISTERED_FOR).unwrap_or(now)
}
