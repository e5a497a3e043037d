//! What an interrupted transfer has on the receiving disk, checked piece by piece.

use std::collections::BTreeMap;

use super::Manifest;
use super::hash::{Root, Tree, chunk_count, run_bytes};
use crate::storage::Checked;

/// What was found of the files of one manifest.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files some of whose chunks are there, or all.
    pub(crate) open: BTreeMap<u32, Tree>,
    /// Files in place.
    pub(crate) placed: BTreeMap<u32, Root>,
    /// Bytes that were promised and are not there.
    pub(crate) lost: u64,
    /// Files that were begun and have changed since at the sender.
    pub(crate) changed: u32,
}

impl Found {
    /// Adds what a look at the disk found; what does not fit the manifest is passed over.
    pub(crate) fn add(&mut self, manifest: &Manifest, checked: &Checked) {
        for (file, index, value) in &checked.chunks {
            let Some(entry) = manifest.entry(*file).filter(|entry| entry.is_file()) else { continue };
            if *index >= chunk_count(entry.size()) {
                continue;
            }
            let tree = self.open.entry(*file).or_insert_with(|| Tree::new(entry.size()));
            // A chunk may be noted twice: it was written again in between.
            if !tree.contains(*index) {
                tree.insert(*index, *value);
            }
        }
        for (file, root) in &checked.placed {
            if manifest.entry(*file).is_some_and(super::Entry::is_file) {
                self.placed.insert(*file, *root);
            }
        }
        self.lost = self.lost.saturating_add(checked.lost);
        self.changed = self.changed.saturating_add(checked.changed);
    }

    /// Forgets partial files of those in place, and those from which no more than `runs` runs can be told.
    pub(crate) fn settle(&mut self, mut runs: usize) {
        let placed = &self.placed;
        self.open.retain(|file, tree| {
            let count = tree.runs().len();
            let kept = !placed.contains_key(file) && count > 0 && count <= runs;
            if kept {
                runs = runs.saturating_sub(count);
            }
            kept
        });
    }

    /// Bytes that need not travel again.
    pub(crate) fn bytes(&self, manifest: &Manifest) -> u64 {
        let size = |file: &u32| manifest.entry(*file).map_or(0, super::Entry::size);
        let placed = self.placed.keys().map(size);
        let partial = self.open.iter().flat_map(|(file, tree)| {
            let size = size(file);
            tree.runs().into_iter().map(move |(first, count)| run_bytes(size, first, count))
        });
        placed.chain(partial).fold(0, u64::saturating_add)
    }
}
