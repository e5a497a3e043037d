//! Items that this node has others store.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::asking::Purpose;
use super::{Dht, DhtEvent, LookupId, MAX_STORING, StoreId};
use crate::dht::id::{Contact, Target};
use crate::dht::message::{Cookie, Item, Request};
use crate::dht::table::K;

/// How long those who store something are asked again without a search for nearer ones.
const SETTLED_FOR: Duration = Duration::from_secs(65 * 60);
/// So many of them may have left before there is a search.
const MAY_LEAVE: usize = K / 4;
/// Places whose storers are remembered.
const MAX_STORERS: usize = 64;

/// An item on its way.
#[derive(Debug)]
pub(super) struct Storing {
    item: Item,
    searching: Option<LookupId>,
    pending: BTreeSet<Contact>,
    stored: Vec<Contact>,
    failed: usize,
    /// Whether the nodes were remembered rather than searched for.
    remembered: bool,
}

/// Who stored something at a place.
#[derive(Debug)]
pub(super) struct Storers {
    nodes: Vec<Contact>,
    searched: Instant,
}

impl Dht {
    /// Has the nodes nearest to an item's place store it. `None`: too much is on its way.
    pub fn store(&mut self, now: Instant, item: Item) -> Option<StoreId> {
        if self.storing.len() >= MAX_STORING {
            return None;
        }
        let id = StoreId(self.fresh());
        let target = item.target();
        let mut storing = Storing {
            item,
            searching: None,
            pending: BTreeSet::new(),
            stored: Vec::new(),
            failed: 0,
            remembered: false,
        };
        let settled = |it: &&Storers| now.saturating_duration_since(it.searched) < SETTLED_FOR;
        let remembered = self.storers.get(&target).filter(settled).map(|it| it.nodes.clone());
        match remembered {
            Some(nodes) => {
                storing.remembered = true;
                self.storing.insert(id, storing);
                self.put_to(now, id, &nodes);
            }
            None => {
                storing.searching = Some(self.start(target, false)?);
                self.storing.insert(id, storing);
            }
        }
        self.go_on(now);
        Some(id)
    }

    /// A search is over; gives whether it was for storers.
    pub(super) fn storing_searched(
        &mut self,
        now: Instant,
        lookup: LookupId,
        nearest: &[(Contact, Cookie)],
    ) -> bool {
        let Some((id, storing)) = self.storing.iter_mut().find(|(_, it)| it.searching == Some(lookup)) else {
            return false;
        };
        let id = *id;
        storing.searching = None;
        storing.remembered = false;
        storing.stored.clear();
        storing.failed = 0;
        let nodes: Vec<Contact> = nearest.iter().map(|(contact, _)| *contact).collect();
        self.put_to(now, id, &nodes);
        true
    }

    fn put_to(&mut self, now: Instant, id: StoreId, nodes: &[Contact]) {
        let Some(storing) = self.storing.get_mut(&id) else { return };
        let item = storing.item.clone();
        storing.pending = nodes.iter().copied().collect();
        // A node that is among the nearest itself stores what it has others store.
        let own = self.is_server() && self.is_among_nearest(&item.target(), nodes);
        if own {
            let (unix_time, me) = (self.unix_time(now), self.me);
            let _ = self.store.put(now, unix_time, &me, std::net::Ipv4Addr::LOCALHOST.into(), item.clone());
        }
        for contact in nodes {
            self.ask(now, *contact, Request::Put(item.clone()), Purpose::Put { store: id, again: false });
        }
        self.finish_storing(now, id);
    }

    fn is_among_nearest(&self, target: &Target, nodes: &[Contact]) -> bool {
        let farthest = nodes.iter().map(|it| it.distance(target)).max();
        nodes.len() < K || farthest.is_some_and(|farthest| self.me.distance(target) < farthest)
    }

    /// The cookie was not good; there is a new one.
    pub(super) fn put_again(&mut self, now: Instant, id: StoreId, contact: Contact) {
        let Some(storing) = self.storing.get(&id) else { return };
        let item = storing.item.clone();
        self.ask(now, contact, Request::Put(item), Purpose::Put { store: id, again: true });
    }

    pub(super) fn put_done(&mut self, now: Instant, id: StoreId, contact: &Contact, stored: bool) {
        let Some(storing) = self.storing.get_mut(&id) else { return };
        if !storing.pending.remove(contact) {
            return;
        }
        if stored {
            storing.stored.push(*contact);
        } else {
            storing.failed = storing.failed.saturating_add(1);
        }
        self.finish_storing(now, id);
    }

    fn finish_storing(&mut self, now: Instant, id: StoreId) {
        let Some(storing) = self.storing.get_mut(&id).filter(|it| it.pending.is_empty()) else { return };
        let target = storing.item.target();
        if storing.remembered && storing.failed > MAY_LEAVE {
            // Too many have left: the nearest are others now.
            self.storers.remove(&target);
            if let Some(lookup) = self.start(target, false) {
                if let Some(storing) = self.storing.get_mut(&id) {
                    storing.searching = Some(lookup);
                }
                return;
            }
        }
        let Some(storing) = self.storing.remove(&id) else { return };
        let copies = storing.stored.len();
        if !storing.remembered && copies > 0 {
            if self.storers.len() >= MAX_STORERS {
                let oldest = self.storers.iter().min_by_key(|(_, it)| it.searched).map(|(target, _)| *target);
                oldest.and_then(|oldest| self.storers.remove(&oldest));
            }
            self.storers.insert(target, Storers { nodes: storing.stored, searched: now });
        }
        self.events.push_back(DhtEvent::Stored { store: id, copies });
    }
}
