//! The receiving side of one transfer, once it is accepted: what may arrive, what to write, what to put in place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::found::Found;
use super::hash::{self, CHUNK, Root, Tree};
use super::journal::StoredChunk;
use super::stream::{StreamReceiver, stream_size};
use super::unsaved::Unsaved;
use super::{Manifest, Places, RelativePath, TransferId};
use crate::storage::{FinishFile, MakeLink, PartialFile, StorageError, Work, WriteChunk};
use crate::wire::{Chunk, ChunkRun, EntrySet, MAX_RUNS, Wanted};

/// Files put in place together: they share their flushes to disk. More are while others are being put in place: what
/// has come by then is next, so that a slow disk gets large batches and a quick one gets them soon.
const FINISH_FILES: usize = 512;
const MOST_FINISH_FILES: usize = 4096;
/// Bytes of files put in place together.
const FINISH_BYTES: u64 = 64 * 1024 * 1024;
/// Chunks of one file that may arrive ahead of one that is missing.
const MAX_AHEAD: usize = 4096;
/// Chunks that wait for one before them, on their way to an output: 8 MiB.
const MOST_HELD: usize = 32;
/// What is smaller, and of no more files, is not worth a journal: it is sent anew.
const JOURNAL_BYTES: u64 = 4 * 1024 * 1024;
const JOURNAL_ENTRIES: usize = 64;

/// The receiving side of one transfer.
#[derive(Debug)]
pub(crate) struct Receiver {
    id: TransferId,
    manifest: Arc<Manifest>,
    into: Arc<PathBuf>,
    places: Places,
    skip: EntrySet,
    overwrite: bool,
    /// Whether what is stored is noted, to be found again.
    journal: bool,
    open: BTreeMap<u32, OpenFile>,
    unsaved: Unsaved,
    whole: Vec<u32>,
    whole_bytes: u64,
    /// How many are just being put in place.
    finishing: usize,
    roots: BTreeMap<u32, Root>,
    /// Files in place; `found` of them were from before.
    placed: u32,
    found: EntrySet,
    wanted: u32,
    written: u64,
    total: u64,
    resumed: u64,
    /// Whether links and directories were seen to.
    sealed: bool,
    /// What it is, if it is a stream.
    stream: Option<StreamReceiver>,
    /// What is held back so that it comes in order, where it goes to the program's output.
    output: Option<Outlet>,
}

/// Chunks on their way to an output that takes them in order.
#[derive(Debug, Default)]
struct Outlet {
    next: u64,
    held: BTreeMap<u64, (Chunk, Bytes)>,
}

/// Whether an offer is worth a journal, on both sides.
pub(crate) fn is_journaled(manifest: &Manifest) -> bool {
    manifest.bytes() > JOURNAL_BYTES || manifest.entries().len() > JOURNAL_ENTRIES
}

/// How an offer is taken.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) into: PathBuf,
    pub(crate) places: Places,
    pub(crate) skip: EntrySet,
    pub(crate) overwrite: bool,
    pub(crate) journal: bool,
    /// To the program's output, not to files: a single file only.
    pub(crate) output: bool,
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

impl OpenFile {
    fn new(tree: Tree) -> Self {
        let arrived = tree.runs().first().filter(|(first, _)| *first == 0).map_or(0, |(_, count)| *count);
        Self { tree, arrived, ahead: BTreeSet::new() }
    }

    /// A chunk is announced; each may be once, and none that was here before.
    fn announce(&mut self, index: u64) -> Result<(), Violation> {
        if index < self.arrived || self.tree.contains(index) || !self.ahead.insert(index) {
            return Err(Violation);
        }
        // Everything that is there or was announced is passed over.
        while self.ahead.remove(&self.arrived)
            || (self.tree.root().is_none() && self.tree.contains(self.arrived))
        {
            self.arrived = self.arrived.saturating_add(1);
        }
        if self.ahead.len() > MAX_AHEAD { Err(Violation) } else { Ok(()) }
    }
}

/// Where a chunk stands in the order of those that go to an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It comes next.
    Next,
    /// Others come before it, and it can wait here.
    Ahead,
    /// So much waits for others already that it has to wait on its link.
    TooFarAhead,
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
    /// `found` is what is on the disk from before.
    pub(crate) fn new(id: TransferId, manifest: Arc<Manifest>, terms: Terms, mut found: Found) -> Self {
        let Terms { into, places, skip, overwrite, journal, output } = terms;
        found.placed.retain(|file, _| !skip.contains(*file));
        found.open.retain(|file, _| !skip.contains(*file));
        found.settle(MAX_RUNS);
        let files = manifest.files().filter(|(index, _)| !skip.contains(*index));
        let (count, bytes) = files.fold((0_u32, 0_u64), |(count, bytes), (_, entry)| {
            (count.saturating_add(1), bytes.saturating_add(entry.size()))
        });
        let resumed = found.bytes(&manifest);
        let mut receiver = Self {
            id,
            manifest,
            into: Arc::new(into),
            places,
            skip,
            overwrite,
            journal,
            open: BTreeMap::new(),
            unsaved: Unsaved::default(),
            whole: Vec::new(),
            whole_bytes: 0,
            finishing: 0,
            roots: BTreeMap::new(),
            placed: 0,
            found: EntrySet::default(),
            wanted: count,
            written: 0,
            total: bytes.saturating_sub(resumed),
            resumed,
            sealed: false,
            stream: None,
            output: output.then(Outlet::default),
        };
        if receiver.manifest.is_stream() {
            receiver.stream = Some(StreamReceiver::default());
        }
        receiver.take(found);
        receiver
    }

    fn take(&mut self, found: Found) {
        for (file, root) in found.placed {
            self.found.insert(file);
            self.placed = self.placed.saturating_add(1);
            self.roots.insert(file, root);
        }
        for (file, tree) in found.open {
            match tree.root() {
                Some(root) => self.file_whole(file, root),
                None => drop(self.open.insert(file, OpenFile::new(tree))),
            }
        }
    }

    /// What is to be said to the sender.
    pub(crate) fn wanted(&self) -> Wanted {
        let mut runs = Vec::new();
        for (file, open) in &self.open {
            let of = open.tree.runs().into_iter();
            runs.extend(of.map(|(first, count)| ChunkRun { file: *file, first, count }));
        }
        for file in &self.whole {
            let size = self.manifest.entry(*file).map_or(0, super::Entry::size);
            runs.push(ChunkRun { file: *file, first: 0, count: hash::chunk_count(size) });
        }
        runs.sort_by_key(|run| (run.file, run.first));
        Wanted { skip: self.skip.clone(), held: self.found.clone(), runs }
    }

    /// Whether it can be found again.
    pub(crate) fn has_journal(&self) -> bool {
        self.journal
    }

    /// Bytes that were here before.
    pub(crate) fn resumed(&self) -> u64 {
        self.resumed
    }

    /// The directories of the offer, under their names here.
    pub(crate) fn directories(&self) -> Vec<RelativePath> {
        let entries = self.manifest.entries().iter();
        entries.filter(|entry| entry.is_directory()).map(|entry| self.places.of(&entry.path)).collect()
    }

    /// A chunk is announced: whether it may arrive. Each may once.
    pub(crate) fn announce(&mut self, chunk: &Chunk) -> Result<(), Violation> {
        if let Some(stream) = &mut self.stream {
            return if self.skip.contains(chunk.file) { Err(Violation) } else { stream.announce(chunk) };
        }
        let entry = self.manifest.entry(chunk.file).filter(|entry| entry.is_file()).ok_or(Violation)?;
        let length = hash::chunk_length(entry.size(), chunk.offset).ok_or(Violation)?;
        if length != chunk.length || self.skip.contains(chunk.file) || self.roots.contains_key(&chunk.file) {
            return Err(Violation);
        }
        let index = chunk.offset / CHUNK;
        let new = || OpenFile::new(Tree::new(entry.size()));
        self.open.entry(chunk.file).or_insert_with(new).announce(index)
    }

    /// A chunk's bytes are all here: what can be written now. Where the order counts, that is what is next.
    pub(crate) fn arrived(&mut self, head: Chunk, content: Bytes) -> Vec<(Chunk, Bytes)> {
        let Some(outlet) = &mut self.output else { return vec![(head, content)] };
        outlet.held.insert(head.offset, (head, content));
        let mut ready = Vec::new();
        while let Some(next) = outlet.held.remove(&outlet.next) {
            outlet.next = outlet.next.saturating_add(u64::from(next.0.length));
            let empty = next.0.length == 0;
            ready.push(next);
            if empty {
                break;
            }
        }
        ready
    }

    /// Whether it goes to the program's output.
    pub(crate) fn is_output(&self) -> bool {
        self.output.is_some()
    }

    /// Whether it is a stream: its sender may wait for what feeds it.
    pub(crate) fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether more of an announced chunk may be read, where order counts: the next one, as long as the disk takes what
    /// is here, and others up to a bound. `None`: the order does not count.
    pub(crate) fn order(&self, chunk: &Chunk) -> Option<Order> {
        let outlet = self.output.as_ref()?;
        Some(if chunk.offset == outlet.next {
            Order::Next
        } else if outlet.held.len() < MOST_HELD {
            Order::Ahead
        } else {
            Order::TooFarAhead
        })
    }

    /// The write for an announced chunk whose bytes are all here.
    pub(crate) fn write(&self, chunk: &Chunk, data: Bytes) -> Option<WriteChunk> {
        let entry = self.manifest.entry(chunk.file)?;
        Some(WriteChunk {
            transfer: self.id,
            into: Arc::clone(&self.into),
            target: self.target(chunk.file)?,
            size: if self.stream.is_some() {
                stream_size(chunk.offset, chunk.length, chunk.last)
            } else {
                entry.size()
            },
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
        if let Some(stream) = &mut self.stream {
            if let Some(root) = stream.handle_written() {
                self.file_whole(chunk.file, root);
            }
            return Ok(());
        }
        let Some(open) = self.open.get_mut(&chunk.file) else { return Ok(()) };
        let index = chunk.offset / CHUNK;
        open.tree.insert(index, chunk.value);
        if let Some(root) = open.tree.root() {
            self.open.remove(&chunk.file);
            self.file_whole(chunk.file, root);
        } else if self.journal
            && let Some(entry) = self.manifest.entry(chunk.file)
        {
            let stored = StoredChunk { file: entry.identity(), index, value: chunk.value };
            self.unsaved.add(chunk.file, stored, u64::from(chunk.length));
        }
        Ok(())
    }

    fn file_whole(&mut self, file: u32, root: Root) {
        self.roots.insert(file, root);
        if self.output.is_some() {
            self.placed = self.placed.saturating_add(1);
            return;
        }
        self.whole.push(file);
        let size = self.manifest.entry(file).map_or(0, super::Entry::size);
        self.whole_bytes = self.whole_bytes.saturating_add(size);
    }

    /// Whether something is written that would be sent again after a crash.
    pub(crate) fn is_unsaved(&self) -> bool {
        !self.unsaved.is_empty() || !self.whole.is_empty()
    }

    /// Chunks to make durable now: there are many, or it is time. One such request is under way at a time.
    pub(crate) fn next_checkpoint(&mut self, now: bool) -> Option<Work> {
        let (files, chunks) = self.unsaved.next(now, |file| self.open.contains_key(&file))?;
        let files = files.into_iter().filter_map(|file| self.target(file)).collect();
        Some(Work::Checkpoint { transfer: self.id, into: Arc::clone(&self.into), files, chunks })
    }

    /// Chunks are durable, or not.
    pub(crate) fn handle_checkpoint(&mut self, result: Result<(), StorageError>) -> Result<(), WriteFailure> {
        self.unsaved.saved();
        result.map_err(WriteFailure::from)
    }

    /// Whole files to put in place now: they are many enough, or the last, or it is time.
    pub(crate) fn next_finish(&mut self, now: bool) -> Option<Vec<FinishFile>> {
        let all = self.roots.len() == usize::try_from(self.wanted).unwrap_or(usize::MAX);
        let most = if self.finishing == 0 { FINISH_FILES } else { MOST_FINISH_FILES };
        let many = self.whole.len() >= most || self.whole_bytes >= FINISH_BYTES;
        if !(many || (self.finishing == 0 && (all || now))) {
            return None;
        }
        // A file is not renamed while its chunks are being made durable under the old name.
        let whole = std::mem::take(&mut self.whole);
        let (busy, ready): (Vec<_>, Vec<_>) =
            whole.into_iter().partition(|file| self.unsaved.is_saving(*file));
        let size = |file: &u32| self.manifest.entry(*file).map_or(0, super::Entry::size);
        self.whole_bytes = busy.iter().map(size).fold(0, u64::saturating_add);
        self.whole = busy;
        let files = ready.into_iter().filter_map(|file| {
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
        (!files.is_empty()).then_some(files)
    }

    /// Files were put in place, or not.
    pub(crate) fn handle_finished(
        &mut self,
        results: Vec<Result<(), StorageError>>,
    ) -> Result<(), WriteFailure> {
        let mut outcome = Ok(());
        self.finishing = self.finishing.saturating_sub(results.len());
        for result in results {
            match result {
                Ok(()) => self.placed = self.placed.saturating_add(1),
                Err(error) => outcome = Err(WriteFailure::from(error)),
            }
        }
        outcome
    }

    /// What is to be done once everything is in place and the root is the sender's: once, where there is anything.
    pub(crate) fn next_seal(&mut self) -> Option<Work> {
        if std::mem::replace(&mut self.sealed, true) {
            return None;
        }
        let links: Vec<_> = self.links().collect();
        let entries = self.manifest.entries().iter().filter(|entry| entry.is_directory());
        let directories: Vec<_> =
            entries.map(|entry| (self.places.of(&entry.path), entry.modified)).collect();
        let into = self.into.to_path_buf();
        let (transfer, overwrite) = (self.id, self.overwrite);
        let empty = links.is_empty() && directories.is_empty();
        (!empty).then_some(Work::Seal { transfer, into, links, directories, overwrite })
    }

    /// Links were made, or not. Gives those that cannot be made here.
    pub(crate) fn handle_sealed(
        &self,
        results: Vec<Result<bool, StorageError>>,
    ) -> Result<Vec<PathBuf>, WriteFailure> {
        let mut left_out = Vec::new();
        for (link, result) in self.links().zip(results) {
            if !result.map_err(WriteFailure::from)? {
                left_out.push(self.into.join(link.path.as_str()));
            }
        }
        Ok(left_out)
    }

    /// The links that are wanted.
    fn links(&self) -> impl Iterator<Item = MakeLink> {
        let wanted = self.manifest.links().filter(|(number, ..)| !self.skip.contains(*number));
        wanted.map(|(_, entry, target)| {
            let (path, identity) = (self.places.of(&entry.path), entry.identity());
            MakeLink { path, identity, target: target.clone(), modified: entry.modified }
        })
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
        if self.output.is_some() {
            return Vec::new();
        }
        let stream = self.stream.as_ref().map(|_| &0);
        let begun = self.open.keys().chain(self.roots.keys()).chain(stream);
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
