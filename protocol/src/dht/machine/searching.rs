//! Searches: which are under way, and what their answers lead to.

use std::ops::Bound::{Excluded, Unbounded};
use std::time::Instant;

use super::asking::{Purpose, count};
use super::{Dht, DhtEvent, LookupId, MAX_LOOKUPS};
use crate::dht::id::{Contact, Target};
use crate::dht::lookup::{Given, Lookup};
use crate::dht::message::{Answer, Cookie, Item, Request};
use crate::dht::statistics::Reason;
use crate::dht::table::K;

/// Pages of notes that are read of one node: all that it stores at a place.
const MAX_PAGE: u8 = 11;

impl Dht {
    /// Looks for what is stored at a place, on other nodes and here. `None`: too many searches are under way.
    pub fn find(&mut self, now: Instant, target: Target) -> Option<LookupId> {
        let lookup = self.start(target, true)?;
        for item in self.store.get(now, &target, 0).items {
            self.events.push_back(DhtEvent::Found { lookup, item });
        }
        self.go_on(now);
        Some(lookup)
    }

    /// Looks for the nodes nearest to a place.
    pub fn find_nodes(&mut self, now: Instant, target: Target) -> Option<LookupId> {
        let lookup = self.start(target, false)?;
        self.go_on(now);
        Some(lookup)
    }

    /// A search is not wanted any more. Nothing follows.
    pub fn stop(&mut self, lookup: LookupId) {
        self.lookups.remove(&lookup);
    }

    pub(super) fn start(&mut self, target: Target, items: bool) -> Option<LookupId> {
        if self.lookups.len() >= MAX_LOOKUPS {
            return None;
        }
        let id = LookupId(self.fresh());
        let mut lookup = Lookup::new(target, items);
        self.seed(&mut lookup);
        self.lookups.insert(id, lookup);
        Some(id)
    }

    /// Somebody is known at last: searches that had nobody to ask begin.
    pub(super) fn seed_lookups(&mut self) {
        let mut lookups = std::mem::take(&mut self.lookups);
        lookups.values_mut().for_each(|lookup| self.seed(lookup));
        self.lookups = lookups;
    }

    fn seed(&self, lookup: &mut Lookup) {
        let target = lookup.target();
        lookup.seed(&self.table.nearest_unnamed(&target, K), &self.table.nearest(&target, K));
    }

    pub(super) fn run_lookups(&mut self, now: Instant) {
        let mut after = LookupId(0);
        while let Some(id) = self.lookups.range((Excluded(after), Unbounded)).next().map(|(id, _)| *id) {
            after = id;
            while let Some(lookup) = self.lookups.get_mut(&id)
                && let Some(contact) = lookup.next(now)
            {
                let target = lookup.target();
                let items = lookup.wants_items();
                let request =
                    if items { Request::Get { target, page: 0 } } else { Request::FindNode(target) };
                self.ask(now, contact, request, Purpose::Lookup(id));
            }
            let nobody = self.is_empty() && self.is_joining();
            if self.lookups.get(&id).is_some_and(|it| it.is_over() && !(nobody && it.asked() == 0)) {
                self.end_lookup(now, id);
            }
        }
    }

    pub(super) fn lookup_failed(&mut self, now: Instant, id: LookupId, contact: &Contact) {
        if let Some(lookup) = self.lookups.get_mut(&id) {
            lookup.failed(contact);
        }
        self.go_on(now);
    }

    pub(super) fn lookup_answered(
        &mut self,
        now: Instant,
        id: LookupId,
        contact: &Contact,
        cookie: Cookie,
        answer: Answer,
    ) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let (items, more, nodes) = match answer {
            Answer::Nodes(nodes) => (Vec::new(), false, nodes),
            Answer::Found { items, more, nodes } => (items, more, nodes),
            Answer::Done | Answer::Stored | Answer::Refused(_) | Answer::At(_) => {
                return lookup.failed(contact);
            }
        };
        let target = lookup.target();
        let given = items.len();
        let items: Vec<Item> = items.into_iter().filter(|item| item.target() == target).collect();
        self.statistics.refuse_many(Reason::OffTarget, count(given.saturating_sub(items.len())));
        let found = match items.first() {
            None => Given::Nothing,
            Some(Item::Note(_)) => Given::Notes,
            Some(Item::Record(_)) => Given::Record,
        };
        lookup.answered(contact, cookie, &nodes, found);
        let page = lookup.next_page(contact, more && !items.is_empty(), MAX_PAGE);
        self.events.extend(items.into_iter().map(|item| DhtEvent::Found { lookup: id, item }));
        if let Some(page) = page {
            self.ask(now, *contact, Request::Get { target, page }, Purpose::Lookup(id));
        }
    }

    fn end_lookup(&mut self, now: Instant, id: LookupId) {
        let Some(lookup) = self.lookups.remove(&id) else { return };
        let nearest = lookup.nearest();
        if self.upkeep.ended(now, id, !nearest.is_empty()) {
            self.events.push_back(DhtEvent::Joined);
        }
        if self.storing_searched(now, id, &nearest) {
            return;
        }
        self.events.push_back(DhtEvent::Over {
            lookup: id,
            found_in: lookup.found_in(),
            asked: lookup.asked(),
            answered: nearest.len(),
        });
    }
}
