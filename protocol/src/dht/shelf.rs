//! Room for so many items of a kind: which of them makes room for another, and whose time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::address::Prefix;

/// Items by their keys, each with a time at which something is to be done about it.
pub(super) struct Shelf<K, V> {
    kept: BTreeMap<K, Kept<V>>,
    times: BTreeSet<(Instant, K)>,
    room: usize,
    room_of_prefix: usize,
}

/// What is kept of an item.
pub(super) struct Kept<V> {
    pub(super) value: V,
    /// Whose neighbourhood its place is counted to, if to any.
    pub(super) prefix: Option<Prefix>,
    pub(super) until: Instant,
}

/// So many of those for which it holds may be there.
pub(super) type Group<'a, K, V> = (usize, &'a dyn Fn(&K, &Kept<V>) -> bool);

impl<K: Ord + Copy, V> Shelf<K, V> {
    /// With room for so many, and for so many of one prefix.
    pub(super) fn new(room: usize, room_of_prefix: usize) -> Self {
        Self { kept: BTreeMap::new(), times: BTreeSet::new(), room, room_of_prefix }
    }

    pub(super) fn get(&self, key: &K) -> Option<&Kept<V>> {
        self.kept.get(key)
    }

    pub(super) fn range(&self, from: K, to: K) -> impl Iterator<Item = &Kept<V>> {
        self.kept.range(from..=to).map(|(_, kept)| kept)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept<V>> {
        self.kept.values()
    }

    /// Puts something new there, if in each group that is full the least is worth less than it: `group`, its prefix, all.
    /// Those go.
    pub(super) fn insert<W: Ord>(
        &mut self,
        key: K,
        new: Kept<V>,
        group: Option<Group<'_, K, V>>,
        worth: impl Fn(&K, &V) -> W,
    ) -> bool {
        let prefix = new.prefix;
        let of_prefix = |_: &K, kept: &Kept<V>| prefix.is_some() && kept.prefix == prefix;
        let all: [Group<'_, K, V>; 2] = [(self.room_of_prefix, &of_prefix), (self.room, &|_, _| true)];
        let new_worth = worth(&key, &new.value);
        let mut gone = Vec::new();
        for (room, belongs) in group.into_iter().chain(all) {
            if self.kept.len().saturating_sub(gone.len()) < room {
                continue;
            }
            let members =
                || self.kept.iter().filter(|(key, kept)| belongs(key, kept) && !gone.contains(*key));
            if members().count() < room {
                continue;
            }
            match members().map(|(key, kept)| (worth(key, &kept.value), *key)).min() {
                Some((least, key)) if least < new_worth => gone.push(key),
                _ => return false,
            }
        }
        gone.iter().for_each(|key| self.remove(key));
        self.times.insert((new.until, key));
        self.kept.insert(key, new);
        true
    }

    /// Puts another value in the place of one that is there. It is counted to the prefix it came from, if that has room.
    pub(super) fn replace(&mut self, key: &K, new: Kept<V>) {
        let of_prefix = self.kept.values().filter(|kept| kept.prefix == new.prefix).count();
        let movable = new.prefix.is_none() || of_prefix < self.room_of_prefix;
        self.put_off(key, new.until);
        if let Some(kept) = self.kept.get_mut(key) {
            kept.value = new.value;
            if movable {
                kept.prefix = new.prefix;
            }
        }
    }

    /// Changes what is there, and when something is to be done about it.
    pub(super) fn change(&mut self, key: &K, until: Instant, change: impl FnOnce(&mut V)) {
        self.put_off(key, until);
        if let Some(kept) = self.kept.get_mut(key) {
            change(&mut kept.value);
        }
    }

    fn put_off(&mut self, key: &K, until: Instant) {
        if let Some(kept) = self.kept.get_mut(key) {
            self.times.remove(&(kept.until, *key));
            self.times.insert((until, *key));
            kept.until = until;
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.times.remove(&(kept.until, *key));
        }
    }

    /// One whose time has come.
    pub(super) fn due(&self, now: Instant) -> Option<K> {
        self.times.first().filter(|(time, _)| *time <= now).map(|(_, key)| *key)
    }

    /// The first time to come.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.times.first().map(|(time, _)| *time)
    }
}
