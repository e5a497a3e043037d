//! A bounded set of open handles: the one that was not used for longest is closed for a new one.

use std::collections::BTreeMap;

/// At most so many values, by key.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    most: usize,
    clock: u64,
    entries: BTreeMap<K, (u64, V)>,
}

impl<K: Ord + Clone, V: Clone> Cache<K, V> {
    /// An empty one.
    pub(super) fn new(most: usize) -> Self {
        Self { most, clock: 0, entries: BTreeMap::new() }
    }

    /// The value of `key`, which counts as used now.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let (used, value) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(value.clone())
    }

    /// Adds one, in place of the one that was not used for longest where they are as many as may be.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            // A scan over some hundred entries costs less than the open(2) that led here.
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        self.entries.insert(key, (self.clock, value));
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// Keeps those that `wanted` says.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&K) -> bool) {
        self.entries.retain(|key, _| wanted(key));
    }
}
