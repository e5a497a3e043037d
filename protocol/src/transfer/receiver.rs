//! The receiving side of one transfer, once it is accepted: what may arrive, what to write, what to put in place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::hash::{self, CHUNK, Root, Tree};
use super::{Manifest, Places, RelativePath, TransferId};
use crate::storage::{FinishFile, PartialFile, StorageError, WriteChunk};
use crate::wire::{Chunk, EntrySet};

/// Files put in place together: they share their flushes to disk.
const FINISH_FILES: usize = 512;
/// Bytes of files put in place together.
const FINISH_BYTES: u64 = 64 * 1024 * 1024;
/// Chunks of one file that may arrive ahead of one that is missing.
const MAX_AHEAD: usize = 4096;

/// The receiving side of one transfer.
#[derive(Debug)]
pub(crate) struct Receiver {
    id: TransferId,
    manifest: Arc<Manifest>,
    into: Arc<PathBuf>,
    places: Places,
    skip: EntrySet,
    overwrite: bool,
    open: BTreeMap<u32, OpenFile>,
    whole: Vec<u32>,
    whole_bytes: u64,
    finishing: usize,
    roots: BTreeMap<u32, Root>,
    /// Files in place.
    placed: u32,
    wanted: u32,
    written: u64,
    total: u64,
}

/// A file some of whose chunks have arrived.
#[derive(Debug)]
struct OpenFile {
    tree: Tree,
    /// Every chunk before this one was announced.
    arrived: u64,
    /// Chunks after it that were announced too.
    ahead: BTreeSet<u64>,
}

/// What a peer may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation;

/// Why receiving cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WriteFailure {
    /// Content did not verify.
    Mismatch,
    /// The disk is full.
    Full,
    /// A name was taken in the meantime.
    Exists,
    /// The disk failed.
    Disk(StorageError),
}

impl Receiver {
    pub(crate) fn new(
        id: TransferId,
        manifest: Arc<Manifest>,
        into: PathBuf,
        places: Places,
        skip: EntrySet,
        overwrite: bool,
    ) -> Self {
        let wanted = manifest.files().filter(|(index, _)| !skip.contains(*index));
        let (count, total) = wanted.fold((0_u32, 0_u64), |(count, total), (_, entry)| {
            (count.saturating_add(1), total.saturating_add(entry.size()))
        });
        Self {
            id,
            manifest,
            into: Arc::new(into),
            places,
            skip,
            overwrite,
            open: BTreeMap::new(),
            whole: Vec::new(),
            whole_bytes: 0,
            finishing: 0,
            roots: BTreeMap::new(),
            placed: 0,
            wanted: count,
            written: 0,
            total,
        }
    }

    /// The directories of the offer, under their names here.
    pub(crate) fn directories(&self) -> Vec<RelativePath> {
        let entries = self.manifest.entries().iter();
        entries.filter(|entry| !entry.is_file()).map(|entry| self.places.of(&entry.path)).collect()
    }

    /// A chunk is announced: whether it may arrive. Each may once.
    pub(crate) fn announce(&mut self, chunk: &Chunk) -> Result<(), Violation> {
        let entry = self.manifest.entry(chunk.file).filter(|entry| entry.is_file()).ok_or(Violation)?;
        let length = hash::chunk_length(entry.size(), chunk.offset).ok_or(Violation)?;
        if length != chunk.length || self.skip.contains(chunk.file) || self.roots.contains_key(&chunk.file) {
            return Err(Violation);
        }
        let index = chunk.offset / CHUNK;
        let file = self.open.entry(chunk.file).or_insert_with(|| OpenFile {
            tree: Tree::new(entry.size()),
            arrived: 0,
            ahead: BTreeSet::new(),
        });
        if index < file.arrived || !file.ahead.insert(index) || file.ahead.len() > MAX_AHEAD {
            return Err(Violation);
        }
        while file.ahead.remove(&file.arrived) {
            file.arrived = file.arrived.saturating_add(1);
        }
        Ok(())
    }

    /// The write for an announced chunk whose bytes are all here.
    pub(crate) fn write(&self, chunk: &Chunk, data: Bytes) -> Option<WriteChunk> {
        let entry = self.manifest.entry(chunk.file)?;
        Some(WriteChunk {
            transfer: self.id,
            into: Arc::clone(&self.into),
            target: self.target(chunk.file)?,
            size: entry.size(),
            offset: chunk.offset,
            data,
            expected: chunk.value,
        })
    }

    /// A chunk is written, or not.
    pub(crate) fn handle_written(
        &mut self,
        chunk: &Chunk,
        result: Result<(), StorageError>,
    ) -> Result<(), WriteFailure> {
        result.map_err(WriteFailure::from)?;
        self.written = self.written.saturating_add(u64::from(chunk.length));
        let Some(file) = self.open.get_mut(&chunk.file) else { return Ok(()) };
        file.tree.insert(chunk.offset / CHUNK, chunk.value);
        if let Some(root) = file.tree.root() {
            self.open.remove(&chunk.file);
            self.roots.insert(chunk.file, root);
            self.whole.push(chunk.file);
            let size = self.manifest.entry(chunk.file).map_or(0, super::Entry::size);
            self.whole_bytes = self.whole_bytes.saturating_add(size);
        }
        Ok(())
    }

    /// Whole files to put in place now, if they are many enough or the last.
    pub(crate) fn next_finish(&mut self) -> Option<Vec<FinishFile>> {
        let all = self.roots.len() == usize::try_from(self.wanted).unwrap_or(usize::MAX);
        let many = self.whole.len() >= FINISH_FILES || self.whole_bytes >= FINISH_BYTES;
        if self.whole.is_empty() || !(all || many) {
            return None;
        }
        self.whole_bytes = 0;
        let numbers = std::mem::take(&mut self.whole);
        let files = numbers.into_iter().filter_map(|file| {
            let entry = self.manifest.entry(file)?;
            Some(FinishFile {
                transfer: self.id,
                into: Arc::clone(&self.into),
                target: self.target(file)?,
                root: *self.roots.get(&file)?,
                modified: entry.modified,
                executable: entry.executable,
                overwrite: self.overwrite,
            })
        });
        let files: Vec<_> = files.collect();
        self.finishing = self.finishing.saturating_add(files.len());
        Some(files)
    }

    /// Files were put in place, or not.
    pub(crate) fn handle_finished(
        &mut self,
        results: Vec<Result<(), StorageError>>,
    ) -> Result<(), WriteFailure> {
        self.finishing = self.finishing.saturating_sub(results.len());
        let mut outcome = Ok(());
        for result in results {
            match result {
                Ok(()) => self.placed = self.placed.saturating_add(1),
                Err(error) => outcome = Err(WriteFailure::from(error)),
            }
        }
        outcome
    }

    /// The root of it all, once everything is in place.
    pub(crate) fn root(&self) -> Option<Root> {
        (self.placed == self.wanted).then(|| hash::collection_root(&self.manifest, &self.roots))
    }

    /// Files in place.
    pub(crate) fn placed(&self) -> u32 {
        self.placed
    }

    /// Bytes written, and bytes to write in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.written, self.total)
    }

    /// Where the outermost entries are.
    pub(crate) fn tops(&self) -> Vec<PathBuf> {
        self.manifest.tops().map(|entry| self.into.join(self.places.of(&entry.path).as_str())).collect()
    }

    /// The folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.into.to_path_buf()
    }

    /// Every file that is not in place and may have a partial one.
    pub(crate) fn partials(&self) -> Vec<PartialFile> {
        let begun = self.open.keys().chain(self.roots.keys());
        begun.filter_map(|file| self.target(*file)).collect()
    }

    fn target(&self, file: u32) -> Option<PartialFile> {
        let entry = self.manifest.entry(file)?;
        Some(PartialFile { file, identity: entry.identity(), path: self.places.of(&entry.path) })
    }
}

impl From<StorageError> for WriteFailure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Mismatch => Self::Mismatch,
            StorageError::Full => Self::Full,
            StorageError::Exists => Self::Exists,
            other => Self::Disk(other),
        }
    }
}
