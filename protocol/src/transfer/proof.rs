//! Proofs that a chunk belongs to a file of which only the size and the root are known.
//!
//! A proof is the values of the chunk's siblings in BLAKE3's tree, from the lowest up to the root (the BLAKE3 paper,
//! section 2.1; the idea is Bao's). Whoever has a file, or a part of it with its proofs, can make them.

#[cfg(test)]
mod tests;

use blake3::hazmat::{self, Mode};

use super::hash::{self, ChunkValue, Root};

/// Bytes of a value.
const VALUE: usize = 32;
/// Values in the longest proof: for as many chunks as [`MAX_PIECES`](super::pieces::MAX_PIECES), and for any more that
/// a u64 can count.
pub(crate) const MAX_PROOF: usize = 64;

/// A proof does not show what it should: the length is not that of this place, or the values do not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadProof;

/// The values of a file's tree, as far as they are known: 64 bytes for each chunk. What is in it has been verified or
/// was computed here.
#[derive(Debug)]
pub(crate) struct FileTree {
    size: u64,
    /// The chunks' values, then their parents', and so on up to the two below the root. An odd one at the end of a row
    /// stands in the next row too: that is BLAKE3's tree, whose left subtrees are the largest that are whole. All zeros
    /// stand for a value that is not known, which no hash is in practice.
    rows: Vec<Vec<[u8; VALUE]>>,
    root: Option<Root>,
}

impl FileTree {
    /// The tree of a file of which nothing is known but its size.
    pub(crate) fn new(size: u64) -> Self {
        Self { size, rows: Vec::new(), root: None }
    }

    /// The tree of a file whose root is known.
    pub(crate) fn with_root(size: u64, root: Root) -> Self {
        Self { root: Some(root), ..Self::new(size) }
    }

    /// The file's root, if it is known.
    pub(crate) fn root(&self) -> Option<Root> {
        self.root
    }

    /// The value of a chunk was computed here. The root is known once every chunk's is.
    pub(crate) fn insert(&mut self, chunk: u64, value: ChunkValue) {
        let chunks = hash::chunk_count(self.size);
        if chunks == 1 {
            self.root = Some(Root(value.0));
            return;
        }
        self.set(0, chunk, value.0);
        // Up as far as both children are known.
        let (mut row, mut at, mut length) = (0_usize, chunk, chunks);
        while length > 1 {
            let left = at & !1;
            let value = if left.saturating_add(1) == length {
                self.get(row, left)
            } else {
                match (self.get(row, left), self.get(row, left.saturating_add(1))) {
                    (Some(left), Some(right)) if length == 2 => {
                        self.root = Some(merge_root(&left, &right));
                        return;
                    }
                    (Some(left), Some(right)) => Some(merge(&left, &right)),
                    _ => None,
                }
            };
            let Some(value) = value else { return };
            (row, at, length) = (row.saturating_add(1), at / 2, length.div_ceil(2));
            self.set(row, at, value);
        }
    }

    /// Takes a chunk's value and its proof if they lead to the root.
    pub(crate) fn verify(&mut self, chunk: u64, value: ChunkValue, proof: &[u8]) -> Result<(), BadProof> {
        let chunks = hash::chunk_count(self.size);
        let root = self.root.ok_or(BadProof)?;
        if chunk >= chunks || !proof.len().is_multiple_of(VALUE) || proof.len() / VALUE > MAX_PROOF {
            return Err(BadProof);
        }
        if chunks == 1 {
            return if proof.is_empty() && value.0 == root.0 { Ok(()) } else { Err(BadProof) };
        }
        let mut siblings = proof.chunks_exact(VALUE).filter_map(|bytes| <[u8; VALUE]>::try_from(bytes).ok());
        let mut proven = vec![(0, chunk, value.0)];
        let (mut row, mut at, mut length, mut value) = (0_usize, chunk, chunks, value.0);
        loop {
            let sibling = at ^ 1;
            if sibling < length {
                let other = siblings.next().ok_or(BadProof)?;
                proven.push((row, sibling, other));
                let (left, right) = if at < sibling { (&value, &other) } else { (&other, &value) };
                if length == 2 {
                    if merge_root(left, right) != root || siblings.next().is_some() {
                        return Err(BadProof);
                    }
                    break;
                }
                value = merge(left, right);
            }
            (row, at, length) = (row.saturating_add(1), at / 2, length.div_ceil(2));
            proven.push((row, at, value));
        }
        for (row, at, value) in proven {
            self.set(row, at, value);
        }
        Ok(())
    }

    /// A chunk's value, if it is known.
    pub(crate) fn value(&self, chunk: u64) -> Option<ChunkValue> {
        if hash::chunk_count(self.size) == 1 {
            return self.root.filter(|_| chunk == 0).map(|root| ChunkValue(root.0));
        }
        self.get(0, chunk).map(ChunkValue)
    }

    /// The proof of a chunk, if all that it takes is known.
    pub(crate) fn proof(&self, chunk: u64) -> Option<Vec<u8>> {
        let chunks = hash::chunk_count(self.size);
        if chunk >= chunks {
            return None;
        }
        let mut proof = Vec::new();
        let (mut row, mut at, mut length) = (0_usize, chunk, chunks);
        while length > 1 {
            let sibling = at ^ 1;
            if sibling < length {
                proof.extend_from_slice(&self.get(row, sibling)?);
            }
            (row, at, length) = (row.saturating_add(1), at / 2, length.div_ceil(2));
        }
        Some(proof)
    }

    fn get(&self, row: usize, at: u64) -> Option<[u8; VALUE]> {
        let value = self.rows.get(row)?.get(usize::try_from(at).ok()?)?;
        (*value != [0; VALUE]).then_some(*value)
    }

    fn set(&mut self, row: usize, at: u64, value: [u8; VALUE]) {
        if self.rows.is_empty() {
            // Only now: a share of many small files has no rows at all.
            let mut length = hash::chunk_count(self.size);
            while length > 1 {
                self.rows.push(vec![[0; VALUE]; usize::try_from(length).unwrap_or(0)]);
                length = length.div_ceil(2);
            }
        }
        let place = self.rows.get_mut(row).and_then(|row| row.get_mut(usize::try_from(at).ok()?));
        if let Some(place) = place {
            *place = value;
        }
    }
}

fn merge(left: &[u8; VALUE], right: &[u8; VALUE]) -> [u8; VALUE] {
    hazmat::merge_subtrees_non_root(left, right, Mode::Hash)
}

fn merge_root(left: &[u8; VALUE], right: &[u8; VALUE]) -> Root {
    Root(*hazmat::merge_subtrees_root(left, right, Mode::Hash).as_bytes())
}
