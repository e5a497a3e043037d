//! BLAKE3 in pieces: every chunk is a subtree of the standard hash, so each is checked as it arrives and the
//! root is what `b3sum` prints.
//!
//! Source: the BLAKE3 paper, section 2.1 (the tree) and `blake3::hazmat`.

use std::collections::BTreeMap;

use blake3::hazmat::{self, HasherExt, Mode};

/// Bytes in every chunk of a file but its last. A power of two times 1024, so that a chunk is one whole subtree.
pub const CHUNK: u64 = 256 * 1024;

/// A chunk's chaining value, or the file's root where the chunk is the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkValue(pub [u8; 32]);

/// A file's BLAKE3 hash, or a whole transfer's: see [`collection_root`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(pub [u8; 32]);

impl std::fmt::Display for Root {
    /// 64 hexadecimal digits, as `b3sum` prints them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", blake3::Hash::from_bytes(self.0))
    }
}

/// How many chunks a file of `size` bytes has: an empty one has one, empty.
pub fn chunk_count(size: u64) -> u64 {
    size.div_ceil(CHUNK).max(1)
}

/// The length of the chunk at `offset` in a file of `size` bytes; `None` where no chunk begins there.
pub fn chunk_length(size: u64, offset: u64) -> Option<u32> {
    if !offset.is_multiple_of(CHUNK) || (offset >= size && offset != 0) {
        return None;
    }
    u32::try_from(size.checked_sub(offset)?.min(CHUNK)).ok()
}

/// Hashes the chunk that begins at `offset` of a file of `size` bytes. A pure function: whoever has a thread to
/// spare runs it.
pub fn chunk_value(size: u64, offset: u64, data: &[u8]) -> ChunkValue {
    if size <= CHUNK {
        return ChunkValue(*blake3::hash(data).as_bytes());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset);
    hasher.update(data);
    ChunkValue(hasher.finalize_non_root())
}

/// A file's tree while its chunks come in, in any order: whole subtrees are merged at once, so a file whose
/// chunks arrive in order needs a handful of values whatever its size.
#[derive(Debug)]
pub struct Tree {
    size: u64,
    /// Subtrees by (first chunk, chunks covered).
    parts: BTreeMap<(u64, u64), [u8; 32]>,
    root: Option<Root>,
}

impl Tree {
    /// The empty tree of a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { size, parts: BTreeMap::new(), root: None }
    }

    /// Adds the value of chunk number `index`, once each.
    pub fn insert(&mut self, index: u64, value: ChunkValue) {
        let chunks = chunk_count(self.size);
        if chunks == 1 {
            self.root = Some(Root(value.0));
            return;
        }
        let (mut first, mut count, mut value) = (index, 1_u64, value.0);
        loop {
            let Some((parent_first, parent_count, left_count)) = parent(chunks, first, count) else { return };
            let (left, right) =
                ((parent_first, left_count), (parent_first + left_count, parent_count - left_count));
            let sibling = if first == parent_first { right } else { left };
            let Some(other) = self.parts.remove(&sibling) else {
                self.parts.insert((first, count), value);
                return;
            };
            let (left, right) = if first == parent_first { (value, other) } else { (other, value) };
            if parent_count == chunks {
                self.root = Some(Root(*hazmat::merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()));
                return;
            }
            value = hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash);
            (first, count) = (parent_first, parent_count);
        }
    }

    /// Whether a chunk is in.
    pub fn contains(&self, index: u64) -> bool {
        let before = self.parts.range(..=(index, u64::MAX)).next_back();
        self.root.is_some() || before.is_some_and(|((first, count), _)| index.saturating_sub(*first) < *count)
    }

    /// The chunks that are in, as runs: the first one's number and how many, in order.
    pub fn runs(&self) -> Vec<(u64, u64)> {
        if self.root.is_some() {
            return vec![(0, chunk_count(self.size))];
        }
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (first, count) in self.parts.keys() {
            match runs.last_mut() {
                Some((from, length)) if from.saturating_add(*length) == *first => {
                    *length = length.saturating_add(*count);
                }
                _ => runs.push((*first, *count)),
            }
        }
        runs
    }

    /// The root, once every chunk is in.
    pub fn root(&self) -> Option<Root> {
        self.root
    }
}

/// The subtree above the one of `count` chunks from `first`, in a file of `chunks`: (first, count, count on the
/// left). A left subtree is the largest power of two that leaves something on the right (BLAKE3 paper, 2.1).
fn parent(chunks: u64, first: u64, count: u64) -> Option<(u64, u64, u64)> {
    let (mut at, mut size) = (0_u64, chunks);
    while size > 1 {
        let left = 1_u64 << (63 - (size - 1).leading_zeros());
        if (first, count) == (at, left) || (first, count) == (at + left, size - left) {
            return Some((at, size, left));
        }
        if first < at + left {
            size = left;
        } else {
            at += left;
            size -= left;
        }
    }
    None
}

/// Bytes in `count` chunks from number `first` of a file of `size` bytes.
pub fn run_bytes(size: u64, first: u64, count: u64) -> u64 {
    let end = first.saturating_add(count).saturating_mul(CHUNK).min(size);
    end.saturating_sub(first.saturating_mul(CHUNK))
}

/// What stands for a whole transfer: the root of its file where it holds just one, otherwise a hash over every
/// entry's path, kind, size and root or target, in the manifest's order. `roots` holds those of the files that travelled, by
/// number; the others count as kept by the receiver.
pub fn collection_root(manifest: &super::Manifest, roots: &BTreeMap<u32, Root>) -> Root {
    if let [entry] = manifest.entries()
        && entry.is_file()
    {
        return roots.get(&0).copied().unwrap_or(Root([0; 32]));
    }
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 transfer root");
    for (index, entry) in (0..).zip(manifest.entries()) {
        let path = entry.path.as_str().as_bytes();
        hasher.update(&u64::try_from(path.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(path);
        match (&entry.kind, roots.get(&index)) {
            (super::EntryKind::Directory, _) => hasher.update(&[0]),
            // All that it is stands in the manifest, so it counts whether it was made or not.
            (super::EntryKind::Link(target), _) => {
                let target = target.as_str().as_bytes();
                let length = u64::try_from(target.len()).unwrap_or(u64::MAX);
                hasher.update(&[3]).update(&length.to_le_bytes()).update(target)
            }
            (super::EntryKind::File(size), Some(root)) => {
                hasher.update(&[1]).update(&size.to_le_bytes()).update(&root.0)
            }
            // A stream is alone, so its root is that of the transfer.
            (super::EntryKind::File(_) | super::EntryKind::Stream, _) => hasher.update(&[2]),
        };
    }
    Root(*hasher.finalize().as_bytes())
}
