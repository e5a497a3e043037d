//! What the disk has of a fetch that was interrupted, checked piece by piece.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::Bits;
use super::hash::Root;
use super::pieces::Pieces;
use super::proof::{Claim, FileTree};
use crate::storage::Checked;

/// What was found. The values of its chunks are claimed of their files' trees.
#[derive(Debug)]
pub(crate) struct Recalled {
    /// Pieces in partial files.
    pub(crate) held: Bits,
    /// Files in place.
    pub(crate) placed: BTreeSet<u32>,
    /// Bytes that were promised and are not there.
    pub(crate) lost: u64,
    /// Files that were begun under another time or name.
    pub(crate) changed: u32,
}

impl Recalled {
    /// Nothing yet.
    pub(crate) fn new(pieces: &Pieces) -> Self {
        Self { held: Bits::new(pieces.count()), placed: BTreeSet::new(), lost: 0, changed: 0 }
    }

    /// Adds what a look at the disk found. What does not fit is passed over.
    pub(crate) fn add(
        &mut self,
        pieces: &Pieces,
        roots: &BTreeMap<u32, Root>,
        trees: &mut BTreeMap<u32, FileTree>,
        checked: &Checked,
    ) {
        for (file, chunk, value) in &checked.chunks {
            let (Some(range), Some(tree), Some(root)) =
                (pieces.of_file(*file), trees.get_mut(file), roots.get(file))
            else {
                continue;
            };
            let piece = u32::try_from(*chunk).ok().and_then(|chunk| range.start.checked_add(chunk));
            // A chunk may be noted twice: it was written again in between.
            let Some(piece) = piece.filter(|piece| range.contains(piece) && self.held.insert(*piece)) else {
                continue;
            };
            if tree.claim(*chunk, *value) == Claim::Refuted {
                let size = pieces.place(piece).map_or(0, |place| place.size);
                *tree = FileTree::with_root(size, *root);
                for piece in range {
                    self.held.remove(piece);
                }
                self.lost = self.lost.saturating_add(size);
            }
        }
        let placed = checked.placed.iter().filter(|(file, root)| roots.get(file) == Some(root));
        self.placed.extend(placed.map(|(file, _)| *file));
        self.lost = self.lost.saturating_add(checked.lost);
        self.changed = self.changed.saturating_add(checked.changed);
    }

    /// Bytes that need not be fetched again.
    pub(crate) fn bytes(&self, pieces: &Pieces) -> u64 {
        let here = |file: &u32, piece: u32| self.placed.contains(file) || self.held.contains(piece);
        let files = pieces.files().filter_map(|file| Some((file, pieces.of_file(file)?)));
        let found = files.flat_map(|(file, range)| range.filter(move |piece| here(&file, *piece)));
        found.map(|piece| u64::from(pieces.length(piece))).fold(0, u64::saturating_add)
    }
}
