//! Pieces that were fetched on their way to the disk: what to write where, which files are whole, what is in place,
//! and from where what is here can be read for others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::bits::Bits;
use super::hash::{ChunkValue, Root};
use super::pieces::{Pieces, Place};
use super::{Entry, Manifest, Places, RelativePath, TransferId};
use crate::storage::{FinishFile, PartialFile, ReadBack, ReadChunk, WriteChunk};
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
    /// Pieces that are on the disk.
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
    pub(crate) fn new(
        id: TransferId,
        manifest: Arc<Manifest>,
        pieces: Arc<Pieces>,
        into: PathBuf,
        places: Places,
        skip: EntrySet,
        overwrite: bool,
    ) -> Self {
        let wanted = manifest.files().filter(|(file, _)| !skip.contains(*file));
        let (count, total) = wanted.fold((0_usize, 0_u64), |(count, total), (_, entry)| {
            (count.saturating_add(1), total.saturating_add(entry.size()))
        });
        let here = Bits::new(pieces.count());
        Self {
            id,
            manifest,
            pieces,
            into: Arc::new(into),
            places,
            skip,
            overwrite,
            here,
            begun: BTreeMap::new(),
            whole: Vec::new(),
            whole_bytes: 0,
            finishing: BTreeSet::new(),
            placed: BTreeSet::new(),
            wanted: count,
            written: 0,
            total,
        }
    }

    /// The directories, under their names here.
    pub(crate) fn directories(&self) -> Vec<RelativePath> {
        let entries = self.manifest.entries().iter();
        entries.filter(|entry| !entry.is_file()).map(|entry| self.path(&entry.path)).collect()
    }

    /// The pieces that are not wanted.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = u32> {
        let files = self.pieces.files().filter(|file| self.skip.contains(*file));
        files.filter_map(|file| self.pieces.of_file(file)).flatten()
    }

    /// The write for a piece whose bytes are here.
    pub(crate) fn write(&mut self, piece: u32, data: Bytes, expected: ChunkValue) -> Option<WriteChunk> {
        let Place { file, size, offset, .. } = self.pieces.place(piece)?;
        let range = self.pieces.of_file(file)?;
        self.begun.entry(file).or_insert(range.end.saturating_sub(range.start));
        let (into, target) = (Arc::clone(&self.into), self.target(file)?);
        Some(WriteChunk { transfer: self.id, into, target, size, offset, data, expected })
    }

    /// A piece was verified and written.
    pub(crate) fn written(&mut self, piece: u32) {
        let Some(place) = self.pieces.place(piece) else { return };
        if !self.here.insert(piece) {
            return;
        }
        self.written = self.written.saturating_add(u64::from(place.length));
        let Some(left) = self.begun.get_mut(&place.file) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.whole.push(place.file);
            self.whole_bytes = self.whole_bytes.saturating_add(place.size);
        }
    }

    /// Whole files to put in place now, if they are many enough or the last.
    pub(crate) fn next_finish(&mut self, roots: &BTreeMap<u32, Root>) -> Option<Vec<FinishFile>> {
        let waiting = self.whole.len().saturating_add(self.finishing.len()).saturating_add(self.placed.len());
        let many = self.whole.len() >= FINISH_FILES || self.whole_bytes >= FINISH_BYTES;
        if self.whole.is_empty() || !(many || waiting == self.wanted) {
            return None;
        }
        self.whole_bytes = 0;
        let numbers = std::mem::take(&mut self.whole);
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
        Some(files.collect())
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
        let Some(Place { file, size, offset, length, .. }) = self.pieces.place(piece) else {
            return Readable::No;
        };
        let Some(entry) = self.manifest.entry(file).filter(|_| self.here.contains(piece)) else {
            return Readable::No;
        };
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

    /// Files in place.
    pub(crate) fn placed(&self) -> u32 {
        u32::try_from(self.placed.len()).unwrap_or(u32::MAX)
    }

    /// Bytes written, and bytes to write in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.written, self.total)
    }

    /// Where the outermost entries are.
    pub(crate) fn tops(&self) -> Vec<PathBuf> {
        self.manifest.tops().map(|entry: &Entry| self.into.join(self.path(&entry.path).as_str())).collect()
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
