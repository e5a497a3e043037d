//! The sending side of one transfer, once it is accepted: reads ahead, hands out chunks, and knows the root.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::hash::{self, CHUNK, Root, Tree};
use super::{Manifest, TransferId};
use crate::storage::{HashedChunk, ReadChunk, StorageError};
use crate::wire::{Chunk, SkipSet};

/// Bytes of one request: large files' reads can be shared out among threads, small files' go together.
const BATCH_BYTES: u64 = 512 * 1024;
/// Chunks of one request.
const BATCH_CHUNKS: usize = 64;

/// The sending side of one transfer.
#[derive(Debug)]
pub(crate) struct Sender {
    id: TransferId,
    manifest: Arc<Manifest>,
    sources: Vec<Arc<PathBuf>>,
    skip: SkipSet,
    /// The next chunk to read.
    cursor: Option<(u32, u64)>,
    /// Bytes asked for and not handed to the link; a chunk counts as one byte at least.
    ahead: u64,
    reading: usize,
    ready: VecDeque<(Chunk, Bytes)>,
    trees: BTreeMap<u32, Tree>,
    roots: BTreeMap<u32, Root>,
    handed: u64,
    total: u64,
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
    /// `sources` has one path for each entry of the manifest.
    pub(crate) fn new(
        id: TransferId,
        manifest: Arc<Manifest>,
        sources: Vec<Arc<PathBuf>>,
        skip: SkipSet,
    ) -> Self {
        let wanted = manifest.files().filter(|(index, _)| !skip.contains(*index));
        let total = wanted.map(|(_, entry)| entry.size()).fold(0, u64::saturating_add);
        let mut sender = Self {
            id,
            manifest,
            sources,
            skip,
            cursor: None,
            ahead: 0,
            reading: 0,
            ready: VecDeque::new(),
            trees: BTreeMap::new(),
            roots: BTreeMap::new(),
            handed: 0,
            total,
        };
        sender.cursor = sender.first_from(0);
        sender
    }

    /// The next chunks to read together, while fewer than `most` bytes are read and not yet taken: so much memory a
    /// transfer needs, whatever its size.
    pub(crate) fn next_read(&mut self, most: u64) -> Option<Vec<ReadChunk>> {
        let mut batch = Vec::new();
        let mut bytes = 0_u64;
        while let Some((file, offset)) = self.cursor
            && self.ahead < most
            && bytes < BATCH_BYTES
            && batch.len() < BATCH_CHUNKS
        {
            let (Some(entry), Some(source)) = (self.manifest.entry(file), self.source(file)) else { break };
            let size = entry.size();
            let Some(length) = hash::chunk_length(size, offset) else { break };
            batch.push(ReadChunk {
                transfer: self.id,
                file,
                source: Arc::clone(source),
                size,
                modified: entry.modified,
                offset,
                length,
            });
            let weight = u64::from(length).max(1);
            bytes = bytes.saturating_add(weight);
            self.ahead = self.ahead.saturating_add(weight);
            let next = offset.saturating_add(CHUNK);
            self.cursor =
                if next < size { Some((file, next)) } else { self.first_from(file.saturating_add(1)) };
        }
        self.reading = self.reading.saturating_add(batch.len());
        (!batch.is_empty()).then_some(batch)
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
            let tree = self.trees.entry(asked.file).or_insert_with(|| Tree::new(asked.size));
            tree.insert(asked.offset / CHUNK, chunk.value);
            if let Some(root) = tree.root() {
                self.trees.remove(&asked.file);
                self.roots.insert(asked.file, root);
            }
            let head =
                Chunk { file: asked.file, length: asked.length, offset: asked.offset, value: chunk.value };
            self.ready.push_back((head, chunk.data));
        }
        Ok(())
    }

    /// The next chunk for the link.
    pub(crate) fn take_chunk(&mut self) -> Option<(Chunk, Bytes)> {
        let (head, data) = self.ready.pop_front()?;
        self.ahead = self.ahead.saturating_sub(u64::from(head.length).max(1));
        self.handed = self.handed.saturating_add(u64::from(head.length));
        Some((head, data))
    }

    /// The root of it all, once every chunk was read and handed to the link.
    pub(crate) fn root(&self) -> Option<Root> {
        let done = self.cursor.is_none() && self.reading == 0 && self.ready.is_empty();
        done.then(|| hash::collection_root(&self.manifest, &self.roots))
    }

    /// Bytes handed to the link, and bytes to hand to it in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.handed, self.total)
    }

    fn source(&self, file: u32) -> Option<&Arc<PathBuf>> {
        self.sources.get(usize::try_from(file).ok()?)
    }

    /// The first chunk of the first wanted file numbered `from` or higher.
    fn first_from(&self, from: u32) -> Option<(u32, u64)> {
        let start = usize::try_from(from).ok()?;
        let rest = self.manifest.entries().get(start..)?;
        let mut files = (from..).zip(rest).filter(|(_, entry)| entry.is_file());
        files.find(|(index, _)| !self.skip.contains(*index)).map(|(index, _)| (index, 0))
    }
}
