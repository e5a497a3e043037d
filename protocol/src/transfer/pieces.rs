//! The chunks of all files of a share in one row: a piece is a chunk's number in it.

use std::ops::Range;

use super::Manifest;
use super::hash::{self, CHUNK};

/// Most pieces of what is shared or fetched: 256 GiB in whole chunks. What is kept in memory for each bounds it.
pub const MAX_PIECES: u32 = 1 << 20;

/// Where each piece of a manifest's files is. Files come in the manifest's order; an empty one has one piece.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// Each file's first piece, its number in the manifest, and its size.
    files: Vec<(u32, u32, u64)>,
    count: u32,
}

/// One piece's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The entry's number.
    pub(crate) file: u32,
    /// The file's size, in bytes.
    pub(crate) size: u64,
    /// The chunk's number in its file.
    pub(crate) chunk: u64,
    /// Where it begins in its file, in bytes.
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) length: u32,
}

impl Pieces {
    /// Numbers the pieces; `None` where there are more than [`MAX_PIECES`].
    pub(crate) fn new(manifest: &Manifest) -> Option<Self> {
        let mut files = Vec::new();
        let mut count = 0_u32;
        for (number, entry) in manifest.files() {
            files.push((count, number, entry.size()));
            let chunks = u32::try_from(hash::chunk_count(entry.size())).ok()?;
            count = count.checked_add(chunks).filter(|count| *count <= MAX_PIECES)?;
        }
        Some(Self { files, count })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Where a piece is.
    pub(crate) fn place(&self, piece: u32) -> Option<Place> {
        if piece >= self.count {
            return None;
        }
        let after = self.files.partition_point(|(first, ..)| *first <= piece);
        let (first, file, size) = *self.files.get(after.checked_sub(1)?)?;
        let chunk = u64::from(piece.checked_sub(first)?);
        let offset = chunk.checked_mul(CHUNK)?;
        Some(Place { file, size, chunk, offset, length: hash::chunk_length(size, offset)? })
    }

    /// A piece's length in bytes; 0 where there is no such piece.
    pub(crate) fn length(&self, piece: u32) -> u32 {
        self.place(piece).map_or(0, |place| place.length)
    }

    /// The pieces of the file of that number.
    pub(crate) fn of_file(&self, file: u32) -> Option<Range<u32>> {
        let at = self.files.binary_search_by_key(&file, |(_, number, _)| *number).ok()?;
        let (first, ..) = *self.files.get(at)?;
        let end = self.files.get(at.checked_add(1)?).map_or(self.count, |(next, ..)| *next);
        Some(first..end)
    }

    /// The numbers of the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = u32> {
        self.files.iter().map(|(_, number, _)| *number)
    }
}
