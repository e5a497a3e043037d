//! The sending side of one transfer, once it is accepted: reads ahead, hands out chunks, and knows the root.
//!
//! What the receiver has already is read too, beside what it lacks, and hashed: the root at the end is over
//! everything, so a transfer that was interrupted a dozen times is as sure as one that was not.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::hash::{self, CHUNK, Root, Tree, chunk_count, run_bytes};
use super::{Entry, Manifest, TransferId};
use crate::storage::{HashedChunk, ReadChunk, StorageError};
use crate::wire::{Chunk, Wanted};

/// Bytes of one request: large files' reads can be shared out among threads, small files' go together.
const BATCH_BYTES: u64 = 512 * 1024;
/// Chunks of one request.
const BATCH_CHUNKS: usize = 64;
/// Bytes that are being read only to be hashed, at most.
const HASH_AHEAD: u64 = 1024 * 1024;

/// A chunk: its file's number, and its own in the file.
type Place = (u32, u64);

/// The sending side of one transfer.
#[derive(Debug)]
pub(crate) struct Sender {
    id: TransferId,
    manifest: Arc<Manifest>,
    sources: Vec<Arc<PathBuf>>,
    wanted: Wanted,
    /// What the receiver has of files that it has in part: first chunk and count.
    runs: BTreeMap<u32, Vec<(u64, u64)>>,
    /// The next chunk to read and send, and the next one to read and hash.
    missing: Option<Place>,
    held: Option<Place>,
    /// Bytes asked for and not handed to the link; a chunk counts as one byte at least.
    ahead: u64,
    hashing: u64,
    reading: usize,
    ready: VecDeque<(Chunk, Bytes)>,
    trees: BTreeMap<u32, Tree>,
    roots: BTreeMap<u32, Root>,
    handed: u64,
    total: u64,
    resumed: u64,
}

/// Why sending cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// The file is not as it was offered.
    Changed(PathBuf),
    /// It cannot be read.
    Disk(StorageError),
}

impl Sender {
    /// `sources` has one path for each entry of the manifest. `None`: the receiver says that it has what there is
    /// not.
    pub(crate) fn new(
        id: TransferId,
        manifest: Arc<Manifest>,
        sources: Vec<Arc<PathBuf>>,
        wanted: Wanted,
    ) -> Option<Self> {
        let mut runs: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        for run in &wanted.runs {
            let entry = manifest.entry(run.file).filter(|entry| entry.is_file())?;
            if run.first.checked_add(run.count)? > chunk_count(entry.size()) {
                return None;
            }
            runs.entry(run.file).or_default().push((run.first, run.count));
        }
        let (mut total, mut resumed) = (0_u64, 0_u64);
        for (file, entry) in manifest.files().filter(|(file, _)| !wanted.skip.contains(*file)) {
            let has = if wanted.held.contains(file) {
                entry.size()
            } else {
                let runs = runs.get(&file).map(Vec::as_slice).unwrap_or_default();
                let bytes = runs.iter().map(|(first, count)| run_bytes(entry.size(), *first, *count));
                bytes.fold(0, u64::saturating_add)
            };
            resumed = resumed.saturating_add(has);
            total = total.saturating_add(entry.size().saturating_sub(has));
        }
        let mut sender = Self {
            id,
            manifest,
            sources,
            wanted,
            runs,
            missing: None,
            held: None,
            ahead: 0,
            hashing: 0,
            reading: 0,
            ready: VecDeque::new(),
            trees: BTreeMap::new(),
            roots: BTreeMap::new(),
            handed: 0,
            total,
            resumed,
        };
        sender.missing = sender.missing_from((0, 0));
        sender.held = sender.held_from((0, 0));
        Some(sender)
    }

    /// The next chunks to read together, while there is room ahead: first what is to be sent.
    /// `most` bounds the bytes that are read and not yet taken: so much memory a transfer needs, whatever its size.
    pub(crate) fn next_read(&mut self, most: u64) -> Option<Vec<ReadChunk>> {
        let mut batch = Vec::new();
        while let Some(place) = self.missing.filter(|_| self.ahead < most && has_room(&batch)) {
            let Some(chunk) = self.read(place) else { break };
            self.ahead = self.ahead.saturating_add(weight(chunk.length));
            batch.push(chunk);
            self.missing = self.missing_from(after(place));
        }
        if batch.is_empty() {
            while let Some(place) = self.held.filter(|_| self.hashing < HASH_AHEAD && has_room(&batch)) {
                let Some(chunk) = self.read(place) else { break };
                self.hashing = self.hashing.saturating_add(weight(chunk.length));
                batch.push(chunk);
                self.held = self.held_from(after(place));
            }
        }
        self.reading = self.reading.saturating_add(batch.len());
        (!batch.is_empty()).then_some(batch)
    }

    fn read(&self, (file, index): Place) -> Option<ReadChunk> {
        let entry = self.manifest.entry(file)?;
        let source = self.sources.get(usize::try_from(file).ok()?)?;
        let offset = index.checked_mul(CHUNK)?;
        Some(ReadChunk {
            transfer: self.id,
            file,
            source: Arc::clone(source),
            size: entry.size(),
            modified: entry.modified,
            offset,
            length: hash::chunk_length(entry.size(), offset)?,
        })
    }

    /// The result of a read.
    pub(crate) fn handle_read(
        &mut self,
        asked: Vec<ReadChunk>,
        results: Vec<Result<HashedChunk, StorageError>>,
    ) -> Result<(), ReadFailure> {
        self.reading = self.reading.saturating_sub(asked.len());
        for (asked, result) in asked.into_iter().zip(results) {
            let chunk = match result {
                Ok(chunk) if u32::try_from(chunk.data.len()) == Ok(asked.length) => chunk,
                Ok(_) | Err(StorageError::Changed | StorageError::Missing) => {
                    return Err(ReadFailure::Changed(asked.source.to_path_buf()));
                }
                Err(error) => return Err(ReadFailure::Disk(error)),
            };
            let index = asked.offset / CHUNK;
            let tree = self.trees.entry(asked.file).or_insert_with(|| Tree::new(asked.size));
            tree.insert(index, chunk.value);
            if let Some(root) = tree.root() {
                self.trees.remove(&asked.file);
                self.roots.insert(asked.file, root);
            }
            if self.is_held(asked.file, index) {
                self.hashing = self.hashing.saturating_sub(weight(asked.length));
                continue;
            }
            let head = Chunk {
                file: asked.file,
                length: asked.length,
                offset: asked.offset,
                value: chunk.value,
                last: false,
            };
            self.ready.push_back((head, chunk.data));
        }
        Ok(())
    }

    /// The next chunk for the link.
    pub(crate) fn take_chunk(&mut self) -> Option<(Chunk, Bytes)> {
        let (head, data) = self.ready.pop_front()?;
        self.ahead = self.ahead.saturating_sub(weight(head.length));
        self.handed = self.handed.saturating_add(u64::from(head.length));
        Some((head, data))
    }

    /// The root of it all, once every chunk was read and handed to the link.
    pub(crate) fn root(&self) -> Option<Root> {
        let read = self.missing.is_none() && self.held.is_none() && self.reading == 0;
        (read && self.ready.is_empty()).then(|| hash::collection_root(&self.manifest, &self.roots))
    }

    /// Bytes handed to the link, and bytes to hand to it in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.handed, self.total)
    }

    /// Bytes that the receiver had before.
    pub(crate) fn resumed(&self) -> u64 {
        self.resumed
    }

    fn is_held(&self, file: u32, index: u64) -> bool {
        self.wanted.held.contains(file) || self.run_at(file, index).is_some_and(|(first, _)| first <= index)
    }

    /// The first run of a file that ends after chunk `index`.
    fn run_at(&self, file: u32, index: u64) -> Option<(u64, u64)> {
        let runs = self.runs.get(&file)?;
        let at = runs.partition_point(|(first, count)| first.saturating_add(*count) <= index);
        runs.get(at).copied()
    }

    /// The first chunk at or after a place that the receiver lacks.
    fn missing_from(&self, (mut file, mut index): Place) -> Option<Place> {
        loop {
            let entry = self.manifest.entry(file)?;
            if self.travels(file, entry) && !self.wanted.held.contains(file) {
                while let Some((first, count)) = self.run_at(file, index)
                    && first <= index
                {
                    index = first.saturating_add(count);
                }
                if index < chunk_count(entry.size()) {
                    return Some((file, index));
                }
            }
            (file, index) = (file.checked_add(1)?, 0);
        }
    }

    /// The first chunk at or after a place that the receiver has.
    fn held_from(&self, (mut file, mut index): Place) -> Option<Place> {
        loop {
            let entry = self.manifest.entry(file)?;
            if self.travels(file, entry) {
                if self.wanted.held.contains(file) {
                    if index < chunk_count(entry.size()) {
                        return Some((file, index));
                    }
                } else if let Some((first, _)) = self.run_at(file, index) {
                    return Some((file, index.max(first)));
                }
            }
            (file, index) = (file.checked_add(1)?, 0);
        }
    }

    fn travels(&self, file: u32, entry: &Entry) -> bool {
        entry.is_file() && !self.wanted.skip.contains(file)
    }
}

fn after((file, index): Place) -> Place {
    (file, index.saturating_add(1))
}

fn weight(length: u32) -> u64 {
    u64::from(length).max(1)
}

/// Whether a request can take another chunk.
fn has_room(batch: &[ReadChunk]) -> bool {
    let bytes = batch.iter().map(|chunk| weight(chunk.length)).fold(0, u64::saturating_add);
    bytes < BATCH_BYTES && batch.len() < BATCH_CHUNKS
}
