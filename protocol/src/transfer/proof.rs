//! Proofs that a chunk belongs to a file of which only the size and the root are known.
//!
//! A proof is the values of the chunk's siblings in BLAKE3's tree, from the lowest up to the root (the BLAKE3 paper,
//! section 2.1; the idea is Bao's). Whoever has a file, or a part of it with its proofs, can make them.

#[cfg(test)]
mod tests;

use std::ops::Range;

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

/// What a proof says of claimed values: see [`FileTree::claim`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Chunks whose claimed values are right. They can be proven to others now.
    pub(crate) proven: Vec<Range<u64>>,
    /// Some claimed value is wrong.
    pub(crate) refuted: bool,
}

/// What a claim comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is not known yet whether it is right.
    Open,
    /// All chunks of the file are claimed, and make its root.
    Proven,
    /// All chunks of the file are claimed, and do not make its root: none of them is believed.
    Refuted,
}

/// The values of a file's tree, as far as they are known: 64 bytes for each chunk. What is in it has been verified or
/// was computed here.
#[derive(Debug)]
pub(crate) struct FileTree {
    size: u64,
    rows: Rows,
    root: Option<Root>,
    /// Values of chunks that an attempt before has noted, until they are proven.
    claims: Rows,
}

/// The chunks' values, then their parents', and so on up to the two below the root. An odd one at the end of a row
/// stands in the next row too: that is BLAKE3's tree, whose left subtrees are the largest that are whole. All zeros
/// stand for a value that is not known, which no hash is in practice.
#[derive(Debug, Default)]
struct Rows(Vec<Vec<[u8; VALUE]>>);

impl FileTree {
    /// The tree of a file of which nothing is known but its size.
    pub(crate) fn new(size: u64) -> Self {
        Self { size, rows: Rows::default(), root: None, claims: Rows::default() }
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
        } else if let Some(root) = self.rows.insert(chunks, chunk, value.0) {
            self.root = Some(root);
        }
    }

    /// A chunk is on this disk with a value that was proven once, in an attempt before, without its siblings. It
    /// counts as known only when a proof of another chunk leads past it, or when all chunks make the root.
    pub(crate) fn claim(&mut self, chunk: u64, value: ChunkValue) -> Claim {
        let chunks = hash::chunk_count(self.size);
        let root = if chunks == 1 { Some(Root(value.0)) } else { self.claims.insert(chunks, chunk, value.0) };
        let Some(root) = root else { return Claim::Open };
        let claims = std::mem::take(&mut self.claims);
        if self.root != Some(root) {
            return Claim::Refuted;
        }
        self.rows = claims;
        Claim::Proven
    }

    /// Takes a chunk's value and its proof if they lead to the root.
    pub(crate) fn verify(
        &mut self,
        chunk: u64,
        value: ChunkValue,
        proof: &[u8],
    ) -> Result<Settled, BadProof> {
        let chunks = hash::chunk_count(self.size);
        let root = self.root.ok_or(BadProof)?;
        if chunk >= chunks || !proof.len().is_multiple_of(VALUE) || proof.len() / VALUE > MAX_PROOF {
            return Err(BadProof);
        }
        if chunks == 1 {
            let fits = proof.is_empty() && value.0 == root.0;
            return if fits { Ok(Settled::default()) } else { Err(BadProof) };
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
        let mut settled = Settled::default();
        for (row, at, value) in proven {
            self.rows.set(chunks, row, at, value);
            match self.claims.get(row, at) {
                None => {}
                Some(claimed) if claimed == value => settled.proven.push(self.believe(row, at)),
                Some(_) => settled.refuted = true,
            }
        }
        Ok(settled)
    }

    /// Takes over all that is claimed below a value that was proven. Gives the chunks.
    fn believe(&mut self, row: usize, at: u64) -> Range<u64> {
        let chunks = hash::chunk_count(self.size);
        let (mut first, mut end) = (at, at.saturating_add(1));
        for row in (0..=row).rev() {
            for at in first..end {
                if let Some(value) = self.claims.take(row, at) {
                    self.rows.set(chunks, row, at, value);
                }
            }
            if row > 0 {
                (first, end) = (first.saturating_mul(2), end.saturating_mul(2));
            }
        }
        first..end.min(chunks)
    }

    /// A chunk's value, if it is known.
    pub(crate) fn value(&self, chunk: u64) -> Option<ChunkValue> {
        if hash::chunk_count(self.size) == 1 {
            return self.root.filter(|_| chunk == 0).map(|root| ChunkValue(root.0));
        }
        self.rows.get(0, chunk).map(ChunkValue)
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
                proof.extend_from_slice(&self.rows.get(row, sibling)?);
            }
            (row, at, length) = (row.saturating_add(1), at / 2, length.div_ceil(2));
        }
        Some(proof)
    }
}

impl Rows {
    /// Adds a chunk's value, and its parents' as far as both children are known. Gives the root once it is.
    fn insert(&mut self, chunks: u64, chunk: u64, value: [u8; VALUE]) -> Option<Root> {
        self.set(chunks, 0, chunk, value);
        let (mut row, mut at, mut length) = (0_usize, chunk, chunks);
        while length > 1 {
            let left = at & !1;
            let value = if left.saturating_add(1) == length {
                self.get(row, left)
            } else {
                match (self.get(row, left), self.get(row, left.saturating_add(1))) {
                    (Some(left), Some(right)) if length == 2 => return Some(merge_root(&left, &right)),
                    (Some(left), Some(right)) => Some(merge(&left, &right)),
                    _ => None,
                }
            };
            (row, at, length) = (row.saturating_add(1), at / 2, length.div_ceil(2));
            self.set(chunks, row, at, value?);
        }
        None
    }

    fn get(&self, row: usize, at: u64) -> Option<[u8; VALUE]> {
        let value = self.0.get(row)?.get(usize::try_from(at).ok()?)?;
        (*value != [0; VALUE]).then_some(*value)
    }

    fn take(&mut self, row: usize, at: u64) -> Option<[u8; VALUE]> {
        let value = self.get(row, at)?;
        if let Some(place) = self.place(row, at) {
            *place = [0; VALUE];
        }
        Some(value)
    }

    fn set(&mut self, chunks: u64, row: usize, at: u64, value: [u8; VALUE]) {
        if self.0.is_empty() {
            // Only now: a share of many small files has no rows at all.
            let mut length = chunks;
            while length > 1 {
                self.0.push(vec![[0; VALUE]; usize::try_from(length).unwrap_or(0)]);
                length = length.div_ceil(2);
            }
        }
        if let Some(place) = self.place(row, at) {
            *place = value;
        }
    }

    fn place(&mut self, row: usize, at: u64) -> Option<&mut [u8; VALUE]> {
        self.0.get_mut(row)?.get_mut(usize::try_from(at).ok()?)
    }
}

fn merge(left: &[u8; VALUE], right: &[u8; VALUE]) -> [u8; VALUE] {
    hazmat::merge_subtrees_non_root(left, right, Mode::Hash)
}

fn merge_root(left: &[u8; VALUE], right: &[u8; VALUE]) -> Root {
    Root(*hazmat::merge_subtrees_root(left, right, Mode::Hash).as_bytes())
}
