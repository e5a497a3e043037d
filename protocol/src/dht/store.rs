//! placeholder
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;
use super::id::{NodeId, Target};
use super::message::{Item, Refusal};
/// What is kept.
#[derive(Debug, Default)]
pub struct Store { items: BTreeMap<Target, (Item, Instant)> }
/// What lies there.
pub struct Stored { /// items
    pub items: Vec<Item>, /// more
    pub more: bool }
impl Store {
    pub(super) fn put(&mut self, now: Instant, _unix: u64, _me: &NodeId, _from: IpAddr, item: Item) -> Result<(), Refusal> {
        self.items.insert(item.target(), (item, now)); Ok(())
    }
    pub(super) fn get(&self, _now: Instant, target: &Target, _page: u8) -> Stored {
        Stored { items: self.items.get(target).map(|(item, _)| item.clone()).into_iter().collect(), more: false }
    }
    pub(super) fn forget_expired(&mut self, now: Instant) { self.items.retain(|_, (_, at)| now.saturating_duration_since(*at).as_secs() < 3600); }
    pub(super) fn next_time(&self) -> Option<Instant> { None }
    pub(super) fn len(&self) -> usize { self.items.len() }
}
