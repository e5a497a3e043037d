//! Pieces that were fetched on their way to the disk: what to write where, which files are whole, what is in place,
//! and from where what is here can be read for others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::bits::Bits;
use super::hash::{ChunkValue, Root};
use super::journal::StoredChunk;
use super::pieces::{Pieces, Place};
use super::proof::FileTree;
use super::recalled::Recalled;
use super::unsaved::Unsaved;
use super::{Entry, Manifest, Places, RelativePath, Terms, TransferId};
use crate::storage::{FinishFile, PartialFile, ReadBack, ReadChunk, Work, WriteChunk};
use crate::wire::EntrySet;

/// Files put in place together: they share their flushes to disk.
const FINISH_FILES: usize = 512;
/// Bytes of files put in place together.
const FINISH_BYTES: u64 = 64 * 1024 * 1024;

/// Where fetched pieces go.
#[derive(Debug)]
pub(crate) struct Landing {
    id: TransferId,
    manifest: Arc<Manifest>,
    pieces: Arc<Pieces>,
    into: Arc<PathBuf>,
    places: Places,
    skip: EntrySet,
    overwrite: bool,
    /// Whether what is stored is noted, to be found again.
    journal: bool,
    unsaved: Unsaved,
    /// Pieces that are on the disk.
    held: Bits,
    /// Those of them that can be proven to others.
    here: Bits,
    /// Files some of whose pieces were sent to the disk, and how many are not there yet.
    begun: BTreeMap<u32, u32>,
    whole: Vec<u32>,
    whole_bytes: u64,
    finishing: BTreeSet<u32>,
    placed: BTreeSet<u32>,
    wanted: usize,
    written: u64,
    total: u64,
    resumed: u64,
}

/// How a piece can be read.
#[derive(Debug)]
pub(crate) enum Readable {
    /// From a file in place.
    Placed(ReadChunk),
    /// From a partial file.
    Partial(ReadBack),
    /// Its file is just being put in place.
    Soon,
    /// It is not here.
    No,
}

impl Landing {
    /// `recalled` is what is on the disk from before; its values are claimed of `trees`.
    pub(crate) fn new(
        id: TransferId,
        manifest: Arc<Manifest>,
        pieces: Arc<Pieces>,
        terms: Terms,
        recalled: Option<Recalled>,
        trees: &BTreeMap<u32, FileTree>,
    ) -> Self {
        let Terms { into, places, skip, overwrite, journal, output: _ } = terms;
        let wanted = manifest.files().filter(|(file, _)| !skip.contains(*file));
        let (count, total) = wanted.fold((0_usize, 0_u64), |(count, total), (_, entry)| {
            (count.saturating_add(1), total.saturating_add(entry.size()))
        });
        let nothing = || Bits::new(pieces.count());
        let mut landing = Self {
            id,
            held: nothing(),
            here: nothing(),
            manifest,
            pieces,
            into: Arc::new(into),
            places,
            skip,
            overwrite,
            journal,
            unsaved: Unsaved::default(),
            begun: BTreeMap::new(),
            whole: Vec::new(),
            whole_bytes: 0,
            finishing: BTreeSet::new(),
            placed: BTreeSet::new(),
            wanted: count,
            written: 0,
            total,
            resumed: 0,
        };
        if let Some(recalled) = recalled {
            landing.take(&recalled, trees);
        }
        landing
    }

    fn take(&mut self, recalled: &Recalled, trees: &BTreeMap<u32, FileTree>) {
        let pieces = Arc::clone(&self.pieces);
        for file in pieces.files() {
            if self.skip.contains(file) {
                continue;
            }
            let placed = recalled.placed.contains(&file);
            let range = pieces.of_file(file).unwrap_or_default();
            let mut left = range.end.saturating_sub(range.start);
            for piece in range.filter(|piece| placed || recalled.held.contains(*piece)) {
                left = left.saturating_sub(1);
                self.held.insert(piece);
                self.resumed = self.resumed.saturating_add(u64::from(pieces.length(piece)));
                self.show(piece, trees);
            }
            let size = self.manifest.entry(file).map_or(0, Entry::size);
            if placed {
                self.placed.insert(file);
            } else if left == 0 {
                self.begun.insert(file, left);
                self.whole.push(file);
                self.whole_bytes = self.whole_bytes.saturating_add(size);
            } else if pieces.of_file(file).is_some_and(|mut range| range.any(|it| self.held.contains(it))) {
                self.begun.insert(file, left);
            }
        }
        self.total = self.total.saturating_sub(self.resumed);
    }

    /// A piece that is here is there for others as soon as it can be proven to them. Whether that is new.
    pub(crate) fn show(&mut self, piece: u32, trees: &BTreeMap<u32, FileTree>) -> bool {
        let known =
            |place: Place| trees.get(&place.file).is_some_and(|tree| tree.value(place.chunk).is_some());
        let provable = self.held.contains(piece) && self.pieces.place(piece).is_some_and(known);
        provable && self.here.insert(piece)
    }

    /// The directories, under their names here.
    pub(crate) fn directories(&self) -> Vec<RelativePath> {
        let entries = self.manifest.entries().iter();
        entries.filter(|entry| !entry.is_file()).map(|entry| self.path(&entry.path)).collect()
    }

    /// The pieces that need not be fetched: they are not wanted, or here from before.
    pub(crate) fn settled(&self) -> impl Iterator<Item = u32> {
        let files = self.pieces.files().filter(|file| self.skip.contains(*file));
        let skipped = files.filter_map(|file| self.pieces.of_file(file)).flatten();
        skipped.chain((0..self.pieces.count()).filter(|piece| self.held.contains(*piece)))
    }

    /// Files in place whose pieces cannot be proven to others before they are read again.
    pub(crate) fn unread(&self) -> impl Iterator<Item = u32> {
        let unread = |piece| self.held.contains(piece) && !self.here.contains(piece);
        let files = self.placed.iter().copied();
        files.filter(move |file| self.pieces.of_file(*file).is_some_and(|mut range| range.any(unread)))
    }

    /// The write for a piece whose bytes are here.
    pub(crate) fn write(&mut self, piece: u32, data: Bytes, expected: ChunkValue) -> Option<WriteChunk> {
        let Place { file, size, offset, .. } = self.pieces.place(piece)?;
        let range = self.pieces.of_file(file)?;
        self.begun.entry(file).or_insert(range.end.saturating_sub(range.start));
        let (into, target) = (Arc::clone(&self.into), self.target(file)?);
        Some(WriteChunk { transfer: self.id, into, target, size, offset, data, expected })
    }

    /// A piece was verified and written; `value` is its own.
    pub(crate) fn written(&mut self, piece: u32, value: Option<ChunkValue>) {
        let Some(place) = self.pieces.place(piece) else { return };
        if !self.held.insert(piece) {
            return;
        }
        self.here.insert(piece);
        self.written = self.written.saturating_add(u64::from(place.length));
        let Some(left) = self.begun.get_mut(&place.file) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.whole.push(place.file);
            self.whole_bytes = self.whole_bytes.saturating_add(place.size);
        } else if self.journal
            && let (Some(value), Some(entry)) = (value, self.manifest.entry(place.file))
        {
            let chunk = StoredChunk { file: entry.identity(), index: place.chunk, value };
            self.unsaved.add(place.file, chunk, u64::from(place.length));
        }
    }

    /// Whether what is stored is noted, to be found again.
    pub(crate) fn has_journal(&self) -> bool {
        self.journal
    }

    /// Whether something is written that would be fetched again after a crash.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.journal && !(self.unsaved.is_empty() && self.whole.is_empty())
    }

    /// Pieces to make durable now: there are many, or it is time. One such request is under way at a time.
    pub(crate) fn next_checkpoint(&mut self, now: bool) -> Option<Work> {
        let (begun, whole) = (&self.begun, &self.whole);
        let open = |file: u32| begun.get(&file).is_some_and(|left| *left > 0) && !whole.contains(&file);
        let (files, chunks) = self.unsaved.next(now, open)?;
        let files = files.into_iter().filter_map(|file| self.target(file)).collect();
        Some(Work::Checkpoint { transfer: self.id, into: Arc::clone(&self.into), files, chunks })
    }

    /// Pieces are durable, or not.
    pub(crate) fn checkpointed(&mut self) {
        self.unsaved.saved();
    }

    /// Whole files to put in place now: they are many enough, or the last, or it is time.
    pub(crate) fn next_finish(&mut self, roots: &BTreeMap<u32, Root>, now: bool) -> Option<Vec<FinishFile>> {
        let waiting = self.whole.len().saturating_add(self.finishing.len()).saturating_add(self.placed.len());
        let many = self.whole.len() >= FINISH_FILES || self.whole_bytes >= FINISH_BYTES;
        if self.whole.is_empty() || !(now || many || waiting == self.wanted) {
            return None;
        }
        // A file is not renamed while its chunks are being made durable under the old name.
        let whole = std::mem::take(&mut self.whole);
        let (busy, numbers): (Vec<_>, Vec<_>) =
            whole.into_iter().partition(|file| self.unsaved.is_saving(*file));
        let size = |file: &u32| self.manifest.entry(*file).map_or(0, Entry::size);
        self.whole_bytes = busy.iter().map(size).fold(0, u64::saturating_add);
        self.whole = busy;
        self.finishing.extend(numbers.iter().copied());
        let files = numbers.into_iter().filter_map(|file| {
            let entry = self.manifest.entry(file)?;
            Some(FinishFile {
                transfer: self.id,
                into: Arc::clone(&self.into),
                target: self.target(file)?,
                root: *roots.get(&file)?,
                modified: entry.modified,
                executable: entry.executable,
                overwrite: self.overwrite,
            })
        });
        let files: Vec<_> = files.collect();
        (!files.is_empty()).then_some(files)
    }

    /// A file was put in place.
    pub(crate) fn finished(&mut self, file: u32) {
        self.finishing.remove(&file);
        self.begun.remove(&file);
        self.placed.insert(file);
    }

    /// Whether everything that is wanted is in place.
    pub(crate) fn is_complete(&self) -> bool {
        self.placed.len() == self.wanted
    }

    /// How a piece can be read for someone else.
    pub(crate) fn readable(&self, piece: u32) -> Readable {
        if self.here.contains(piece) { self.source(piece) } else { Readable::No }
    }

    /// A file in place is not any more what was put there: it is not there for others. Whether that is new.
    pub(crate) fn lose(&mut self, file: u32) -> bool {
        let pieces = self.pieces.of_file(file).unwrap_or_default();
        pieces.filter(|piece| self.here.remove(*piece)).count() > 0
    }

    /// How a piece of a file in place can be read here, to learn its value.
    pub(crate) fn rereadable(&self, piece: u32) -> Option<ReadChunk> {
        match self.source(piece) {
            Readable::Placed(chunk) => Some(chunk),
            Readable::Partial(_) | Readable::Soon | Readable::No => None,
        }
    }

    fn source(&self, piece: u32) -> Readable {
        let Some(Place { file, size, offset, length, .. }) = self.pieces.place(piece) else {
            return Readable::No;
        };
        let Some(entry) = self.manifest.entry(file) else { return Readable::No };
        let (transfer, path) = (self.id, self.path(&entry.path));
        if self.finishing.contains(&file) {
            Readable::Soon
        } else if self.placed.contains(&file) {
            let source = Arc::new(self.into.join(path.as_str()));
            Readable::Placed(ReadChunk {
                transfer,
                file,
                source,
                size,
                modified: entry.modified,
                offset,
                length,
            })
        } else {
            let Some(target) = self.target(file) else { return Readable::No };
            let into = Arc::clone(&self.into);
            Readable::Partial(ReadBack { transfer, into, target, size, offset, length })
        }
    }

    /// The pieces that are here, verified.
    pub(crate) fn here(&self) -> &Bits {
        &self.here
    }

    /// Bytes that were here before.
    pub(crate) fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Files in place.
    pub(crate) fn placed(&self) -> u32 {
        u32::try_from(self.placed.len()).unwrap_or(u32::MAX)
    }

    /// Bytes written, and bytes to write in all, besides those that were here before.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.written, self.total)
    }

    /// Where the outermost entries are.
    pub(crate) fn tops(&self) -> Vec<PathBuf> {
        self.manifest.tops().map(|entry: &Entry| self.into.join(self.path(&entry.path).as_str())).collect()
    }

    /// Where a file is, or will be.
    pub(crate) fn path_of(&self, file: u32) -> Option<PathBuf> {
        self.manifest.entry(file).map(|entry| self.into.join(self.path(&entry.path).as_str()))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.into.to_path_buf()
    }

    /// Every file that is not in place and may have a partial one.
    pub(crate) fn partials(&self) -> Vec<PartialFile> {
        self.begun.keys().filter_map(|file| self.target(*file)).collect()
    }

    fn target(&self, file: u32) -> Option<PartialFile> {
        let entry = self.manifest.entry(file)?;
        Some(PartialFile { file, identity: entry.identity(), path: self.path(&entry.path) })
    }

    fn path(&self, path: &RelativePath) -> RelativePath {
        self.places.of(path)
    }
}
