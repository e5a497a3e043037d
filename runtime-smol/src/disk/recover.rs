//! Finds out what an interrupted transfer has on the disk: what its journal says, checked piece by piece.
//!
//! First the chunks: each that the journal notes is read and hashed. Then the directories: partial files of the
//! transfer that fit nothing any more go, the others are taken up to be written to. Then the files that are said to
//! be in place. Memory is needed for files and for gaps between chunks, not for chunks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use hither_protocol::identity::PeerId;
use hither_protocol::storage::{Checked, PartialFile, RecoverError, StorageError};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue, Root, chunk_count, chunk_length, chunk_value};
use hither_protocol::transfer::journal::{BadJournal, Batch, Lookup, StoredChunk};
use hither_protocol::transfer::{Entry, Manifest, Places, RelativePath, TransferId};

use super::Parts;
use super::cache::Cache;
use super::folder::Folders;
use super::journals::{self, Journal, OpenError, ReadError, Reading};
use super::partials::{Partials, identity_in, remove_regular};
use super::runs::Runs;
use super::{storage_error, system};

/// Bytes of content that one call looks at.
const AT_ONCE: u64 = 64 * 1024 * 1024;
/// What looking at anything counts as, in bytes of content.
const LOOK: u64 = 4096;
/// Partial files that are kept open meanwhile.
const MOST_OPEN: usize = 64;
/// How far a modification time may be off, in milliseconds: FAT keeps even seconds.
const COARSE: u64 = 2000;

/// What is left to be checked of a transfer, and what was found.
#[derive(Debug)]
pub(super) struct Recovery {
    manifest: Arc<Manifest>,
    places: Places,
    lookup: Lookup,
    reading: Reading,
    stage: Stage,
    /// Chunks of the batch at hand.
    batch: std::vec::IntoIter<StoredChunk>,
    directories: BTreeMap<RelativePath, bool>,
    /// Files that were whole, by number.
    placed: BTreeMap<u32, Root>,
    /// Chunks that the journal notes, by file.
    noted: BTreeMap<u32, Runs>,
    /// Those of them that are there.
    held: BTreeMap<u32, Runs>,
    /// Files that have no partial file.
    gone: BTreeSet<u32>,
    open: Cache<u32, Arc<File>>,
}

/// How far a check has come.
#[derive(Debug)]
enum Stage {
    Chunks,
    /// The directories after this one; `None` is before the folder itself.
    Directories(Option<Option<RelativePath>>),
    /// The files after this one.
    Placed(Option<u32>),
}

/// Opens the journal. What it holds is then checked with [`check`].
pub(super) fn recover(
    Parts { folders, partials, journals }: Parts<'_>,
    transfer: TransferId,
    sender: PeerId,
    into: &Path,
    manifest: Arc<Manifest>,
    places: Places,
) -> Result<(), RecoverError> {
    // What this disk knew from before is looked at anew.
    drop(journals.take(transfer));
    partials.close(transfer);
    folders.close(into);
    let file = journals::open(folders, transfer, into).map_err(|error| match error {
        OpenError::InUse => RecoverError::InUse,
        OpenError::Blocked => RecoverError::Journal(BadJournal::Damaged),
        OpenError::Disk(StorageError::Missing) => RecoverError::Missing,
        OpenError::Disk(error) => RecoverError::Disk(error),
    })?;
    let mut reading = Reading::new(transfer, sender);
    let first = reading.begin(&file).map_err(|error| match error {
        ReadError::Bad(why) => RecoverError::Journal(why),
        ReadError::Disk(error) => RecoverError::Disk(error),
    })?;
    let mut recovery = Box::new(Recovery {
        lookup: Lookup::new(&manifest),
        manifest,
        places,
        reading,
        stage: Stage::Chunks,
        batch: Vec::new().into_iter(),
        directories: BTreeMap::new(),
        placed: BTreeMap::new(),
        noted: BTreeMap::new(),
        held: BTreeMap::new(),
        gone: BTreeSet::new(),
        open: Cache::new(MOST_OPEN),
    });
    recovery.take(first.unwrap_or_default());
    let into = into.to_owned();
    journals.insert(transfer, Journal { into, file, end: 0, listed: None, recovery: Some(recovery) });
    Ok(())
}

/// Looks at some more.
pub(super) fn check(parts: Parts<'_>, transfer: TransferId) -> Result<Checked, StorageError> {
    let journal = parts.journals.any(transfer).ok_or(StorageError::Missing)?;
    let mut journal = journals::lock(&journal);
    let Some(mut recovery) = journal.recovery.take() else { return Ok(Checked::default()) };
    let mut looking = Looking {
        folders: parts.folders,
        partials: parts.partials,
        transfer,
        into: &journal.into,
        budget: AT_ONCE,
        found: Checked::default(),
    };
    let done = looking.go_on(&mut recovery, &journal.file);
    let mut found = looking.found;
    match done {
        Ok(false) => {
            found.more = true;
            journal.recovery = Some(recovery);
        }
        Ok(true) => {
            found.lost = recovery.lost();
            journal.end = recovery.reading.sound();
            journal.listed = Some(std::mem::take(&mut recovery.directories));
            // What is reported here is to survive, and the end of the journal may have been written in vain.
            let ended = journal.file.set_len(journal.end).and_then(|()| journal.file.sync_all());
            ended.map_err(storage_error)?;
        }
        Err(error) => {
            journal.recovery = Some(recovery);
            return Err(error);
        }
    }
    Ok(found)
}

impl Recovery {
    fn take(&mut self, batch: Batch) {
        for (path, made) in batch.directories {
            *self.directories.entry(path).or_default() |= made;
        }
        for (identity, root) in batch.placed {
            if let Some(file) = self.lookup.file(identity) {
                self.placed.insert(file, root);
            }
        }
        self.batch = batch.chunks.into_iter();
    }

    /// A file's partial file, and its size.
    fn partial(&self, file: u32) -> Option<(PartialFile, &Entry)> {
        let entry = self.manifest.entry(file)?;
        let partial = PartialFile { file, identity: entry.identity(), path: self.places.of(&entry.path) };
        Some((partial, entry))
    }

    /// Bytes that were promised and are not there.
    fn lost(&self) -> u64 {
        let lost = self.noted.iter().map(|(file, noted)| {
            let size = self.manifest.entry(*file).map_or(0, Entry::size);
            let held = self.held.get(file).map_or(0, |held| bytes(held, size));
            bytes(noted, size).saturating_sub(held)
        });
        lost.fold(0, u64::saturating_add)
    }
}

/// Bytes in chunks of a file.
fn bytes(chunks: &Runs, size: u64) -> u64 {
    let last = chunk_count(size).saturating_sub(1);
    let missing_of_last = if chunks.contains(last) {
        CHUNK.saturating_sub(size.saturating_sub(last.saturating_mul(CHUNK)))
    } else {
        0
    };
    chunks.count().saturating_mul(CHUNK).saturating_sub(missing_of_last)
}

/// One call's look at the disk.
struct Looking<'a> {
    folders: &'a Folders,
    partials: &'a Partials,
    transfer: TransferId,
    into: &'a Path,
    budget: u64,
    found: Checked,
}

impl Looking<'_> {
    /// Whether everything was looked at.
    fn go_on(&mut self, recovery: &mut Recovery, journal: &File) -> Result<bool, StorageError> {
        while self.budget > 0 {
            match &recovery.stage {
                Stage::Chunks => self.next_chunk(recovery, journal)?,
                Stage::Directories(done) => {
                    let done = done.clone();
                    self.next_directory(recovery, done);
                }
                Stage::Placed(done) => {
                    let done = *done;
                    if self.next_placed(recovery, done)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn spend(&mut self, cost: u64) {
        self.budget = self.budget.saturating_sub(cost.max(LOOK));
    }

    fn next_chunk(&mut self, recovery: &mut Recovery, journal: &File) -> Result<(), StorageError> {
        let Some(chunk) = recovery.batch.next() else {
            self.spend(0);
            match recovery.reading.next(journal) {
                Ok(Some(batch)) => recovery.take(batch),
                // Whatever is not sound ends what is read.
                Ok(None) | Err(ReadError::Bad(_)) => recovery.stage = Stage::Directories(None),
                Err(ReadError::Disk(error)) => return Err(error),
            }
            return Ok(());
        };
        let Some(file) = recovery.lookup.chunk(&chunk) else { return Ok(()) };
        recovery.noted.entry(file).or_default().insert(chunk.index);
        if recovery.held.get(&file).is_some_and(|held| held.contains(chunk.index)) {
            return Ok(());
        }
        self.look_at_chunk(recovery, file, chunk.index, chunk.value);
        Ok(())
    }

    fn look_at_chunk(&mut self, recovery: &mut Recovery, file: u32, index: u64, value: ChunkValue) {
        let offset = index.saturating_mul(CHUNK);
        let Some((partial, entry)) = recovery.partial(file) else { return };
        let size = entry.size();
        let Some(length) = chunk_length(size, offset) else { return };
        self.spend(0);
        let Some(open) = self.partial(recovery, &partial, size) else { return };
        self.spend(u64::from(length));
        let mut data = vec![0; length as usize];
        // What cannot be read is not there.
        let read = system::read_at(&open, &mut data, offset).unwrap_or_default();
        if read == data.len() && chunk_value(size, offset, &data) == value {
            recovery.held.entry(file).or_default().insert(index);
            self.found.chunks.push((file, index, value));
        }
    }

    /// The partial file, taken up, if it is there.
    fn partial(&self, recovery: &mut Recovery, partial: &PartialFile, size: u64) -> Option<Arc<File>> {
        if recovery.gone.contains(&partial.file) {
            return None;
        }
        if let Some(open) = recovery.open.get(&partial.file) {
            return Some(open);
        }
        match self.partials.adopt(self.folders, self.transfer, self.into, partial, size) {
            Ok(open) => {
                recovery.open.insert(partial.file, open.clone());
                Some(open)
            }
            Err(_) => {
                recovery.gone.insert(partial.file);
                None
            }
        }
    }

    /// Looks through the directory that comes after `done` for partial files of this transfer.
    fn next_directory(&mut self, recovery: &mut Recovery, done: Option<Option<RelativePath>>) {
        let after = match done {
            None => {
                self.look_through(recovery, None);
                recovery.stage = Stage::Directories(Some(None));
                return;
            }
            Some(None) => Bound::Unbounded,
            Some(Some(path)) => Bound::Excluded(path),
        };
        let next = recovery.directories.range((after, Bound::Unbounded)).next();
        match next.map(|(path, _)| path.clone()) {
            Some(path) => {
                self.look_through(recovery, Some(&path));
                recovery.stage = Stage::Directories(Some(Some(path)));
            }
            None => recovery.stage = Stage::Placed(None),
        }
    }

    fn look_through(&mut self, recovery: &mut Recovery, directory: Option<&RelativePath>) {
        let (count, names) = partials_in(self.folders, self.transfer, self.into, directory);
        self.spend(count.saturating_mul(LOOK / 16));
        for name in names {
            let fits = identity_in(self.transfer, &name)
                .and_then(|identity| recovery.lookup.file(identity))
                .and_then(|file| recovery.partial(file))
                .filter(|(partial, _)| partial.path.parent().as_ref() == directory);
            if let Some((partial, entry)) = fits {
                let size = entry.size();
                if self.partial(recovery, &partial, size).is_some() {
                    continue;
                }
            }
            if remove_partial(self.folders, self.into, directory, &name) {
                self.found.changed = self.found.changed.saturating_add(1);
            }
        }
    }

    /// Looks whether the file that comes after `done` is in place. `true`: there is none.
    fn next_placed(&mut self, recovery: &mut Recovery, done: Option<u32>) -> Result<bool, StorageError> {
        let after = done.map_or(Bound::Unbounded, Bound::Excluded);
        let next = recovery.placed.range((after, Bound::Unbounded)).next();
        let Some((file, root)) = next.map(|(file, root)| (*file, *root)) else {
            self.sync_placed(recovery)?;
            return Ok(true);
        };
        recovery.stage = Stage::Placed(Some(file));
        self.spend(0);
        let Some((partial, entry)) = recovery.partial(file) else { return Ok(false) };
        let size = entry.size();
        let is_partial = self.partials.is_known(self.transfer, partial.identity);
        if !is_partial && self.is_in_place(&partial.path, entry) {
            recovery.noted.remove(&file);
            recovery.held.remove(&file);
            self.found.placed.push((file, root));
            return Ok(false);
        }
        let held = recovery.held.get(&file).map_or(0, Runs::count);
        let noted = recovery.noted.entry(file).or_default();
        *noted = Runs::all(chunk_count(size));
        // It did not come to have its name. The hash of a file of one chunk is that of the chunk.
        if size <= CHUNK && held == 0 {
            self.look_at_chunk(recovery, file, 0, ChunkValue(root.0));
        }
        Ok(false)
    }

    fn is_in_place(&self, path: &RelativePath, entry: &Entry) -> bool {
        let looked = self.folders.in_parent(self.into, path, |parent| {
            let metadata = match parent.symlink_metadata(path.name()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                result => result?,
            };
            Ok(metadata.is_file()
                && metadata.len() == entry.size()
                && system::modified_millis_of(&metadata).abs_diff(entry.modified) <= COARSE)
        });
        looked.unwrap_or(false)
    }

    /// A program that was killed may have left names that are not durable yet.
    fn sync_placed(&self, recovery: &Recovery) -> Result<(), StorageError> {
        let names = recovery.placed.keys().filter(|file| !recovery.noted.contains_key(file));
        let paths: Vec<_> = names.filter_map(|file| recovery.partial(*file)).collect();
        self.folders.sync_parents(self.into, paths.iter().map(|(partial, _)| &partial.path))
    }
}

/// The names of a transfer's partial files in a directory, and how many names there are in all.
pub(super) fn partials_in(
    folders: &Folders,
    transfer: TransferId,
    into: &Path,
    directory: Option<&RelativePath>,
) -> (u64, Vec<String>) {
    let list = |directory: &Dir| {
        let (mut count, mut names) = (0_u64, Vec::new());
        for entry in directory.entries()? {
            count = count.saturating_add(1);
            if let Ok(name) = entry?.file_name().into_string()
                && identity_in(transfer, &name).is_some()
            {
                names.push(name);
            }
        }
        Ok((count, names))
    };
    // One that is not there any more has none.
    folders.in_directory(into, directory, list).unwrap_or_default()
}

/// Removes a partial file; says whether it did.
pub(super) fn remove_partial(
    folders: &Folders,
    into: &Path,
    directory: Option<&RelativePath>,
    name: &str,
) -> bool {
    folders.in_directory(into, directory, |directory| Ok(remove_regular(directory, name))).unwrap_or(false)
}
