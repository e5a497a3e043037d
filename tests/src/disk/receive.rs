//! Work for a transfer that is received: its folder, its chunks, its files, its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hither_protocol::identity::PeerId;
use hither_protocol::storage::{FinishFile, MakeLink, PartialFile, RecoverError, StorageError, WriteChunk};
use hither_protocol::transfer::hash::{CHUNK, chunk_value};
use hither_protocol::transfer::journal::{BadJournal, Batch, StoredChunk};
use hither_protocol::transfer::{RelativePath, TransferId};

use super::Disk;
use super::content::{File, Item};
use super::journal::journal_path;
use super::transfers::{Journal, Open, partial_path, place};

impl Disk {
    /// The folder; the journal, durably; then the directories.
    pub(super) fn prepare(
        &mut self,
        transfer: TransferId,
        sender: PeerId,
        into: &Path,
        directories: &[RelativePath],
        journal: bool,
    ) -> Result<Vec<RelativePath>, StorageError> {
        let mut folders: Vec<&Path> = into.ancestors().collect();
        folders.reverse();
        for folder in folders {
            self.make_directory(folder)?;
        }
        let is_new = |path: &RelativePath| !self.tree.is_directory(&into.join(path.as_str()));
        let listed: Vec<_> = directories.iter().map(|path| (path.clone(), is_new(path))).collect();
        let first = Batch { directories: listed.clone(), ..Batch::default() };
        let begun = self.open.get(&transfer).and_then(|open| open.journal.clone());
        let resumed = begun.is_some();
        let kept = match begun {
            Some(mut old) => {
                self.append(&mut old, &first)?;
                Some(old)
            }
            None if journal => Some(self.create_journal(transfer, sender, into, &first)?),
            None => None,
        };
        let open = self.open.entry(transfer).or_insert_with(|| Open::new(sender, into));
        open.journal.clone_from(&kept);
        let mut made = Vec::new();
        for directory in directories {
            match self.make_directory(&into.join(directory.as_str())) {
                Ok(true) => made.push(directory.clone()),
                Ok(false) => {}
                Err(error) => {
                    // The result names no directories, so nobody else could clear them away.
                    made.iter().rev().for_each(|path| self.discard(&into.join(path.as_str())));
                    if !resumed {
                        self.open.remove(&transfer);
                        kept.iter().for_each(|journal| self.discard(&journal.path));
                    }
                    return Err(error);
                }
            }
        }
        if let Some(open) = self.open.get_mut(&transfer) {
            open.add_directories(&listed);
            open.prepared = true;
        }
        Ok(made)
    }

    /// Whether it had to be made.
    fn make_directory(&mut self, path: &Path) -> Result<bool, StorageError> {
        if self.tree.is_directory(path) {
            return Ok(false);
        }
        self.faults.check_writable(path)?;
        if self.tree.get(path).is_some() {
            return Err(StorageError::Exists);
        }
        if !path.parent().is_some_and(|parent| self.tree.is_directory(parent)) {
            return Err(StorageError::Missing);
        }
        self.tree.put(path, Item::Directory);
        Ok(true)
    }

    pub(super) fn write(&mut self, chunk: &WriteChunk) -> Result<(), StorageError> {
        let path = partial_path(&chunk.into, chunk.transfer, &chunk.target);
        self.faults.check_writable(&path)?;
        if chunk_value(chunk.size, chunk.offset, &chunk.data) != chunk.expected {
            return Err(StorageError::Mismatch);
        }
        if !path.parent().is_some_and(|parent| self.tree.is_directory(parent)) {
            return Err(StorageError::Missing);
        }
        let before = self.tree.file(&path).map(|file| file.content.len() as u64);
        let end = chunk.offset + chunk.data.len() as u64;
        if end.saturating_sub(before.unwrap_or_default()) > self.free() {
            return Err(StorageError::Full);
        }
        let offset = usize::try_from(chunk.offset).map_err(|_| StorageError::Full)?;
        let modified = self.next_time();
        if before.is_none() {
            let file = File { content: Arc::default(), modified, executable: false };
            self.tree.put(&path, Item::File(file));
        }
        self.tree.write(&path, offset, &chunk.data, modified);
        if let Some(open) = self.open.get_mut(&chunk.transfer) {
            let known = open.file(&chunk.target, chunk.size);
            known.size = known.size.max(chunk.size);
            known.values.insert(chunk.offset / CHUNK, chunk.expected);
        }
        Ok(())
    }

    /// The content, the names, the batch: each durable before the next.
    pub(super) fn checkpoint(
        &mut self,
        transfer: TransferId,
        into: &Path,
        files: &[PartialFile],
        chunks: &[StoredChunk],
    ) -> Result<(), StorageError> {
        let open = self.open.get(&transfer).ok_or(StorageError::Missing)?;
        let mut journal = open.journal.clone().ok_or(StorageError::Missing)?;
        let paths: Vec<PathBuf> = files.iter().map(|file| partial_path(into, transfer, file)).collect();
        for path in &paths {
            self.faults.check_writable(path)?;
            self.tree.file(path).ok_or(StorageError::Missing)?;
            self.tree.sync(path);
        }
        let directories: BTreeSet<&Path> = paths.iter().flat_map(|path| path.ancestors().skip(1)).collect();
        directories.into_iter().for_each(|directory| self.tree.sync_names(directory));
        let batch = Batch { chunks: chunks.to_vec(), ..Batch::default() };
        self.append(&mut journal, &batch)?;
        self.keep_journal(transfer, journal);
        Ok(())
    }

    fn keep_journal(&mut self, transfer: TransferId, journal: Journal) {
        if let Some(open) = self.open.get_mut(&transfer) {
            open.journal = Some(journal);
        }
    }

    /// The content of all, a batch in each journal, the names: each durable before the next.
    pub(super) fn finish_files(&mut self, files: &[FinishFile]) -> Vec<Result<(), StorageError>> {
        let mut results: Vec<_> = files.iter().map(|file| self.make_whole(file)).collect();
        let mut batches: BTreeMap<TransferId, Batch> = BTreeMap::new();
        for (file, _) in files.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
            let batch = batches.entry(file.transfer).or_default();
            batch.placed.push((file.target.identity, file.root));
        }
        for (transfer, batch) in batches {
            if let Err(error) = self.note_placed(transfer, &batch) {
                let of = files.iter().zip(&mut results).filter(|(file, _)| file.transfer == transfer);
                of.filter(|(_, result)| result.is_ok()).for_each(|(_, result)| *result = Err(error.clone()));
            }
        }
        let ready: Vec<&FinishFile> =
            files.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(file, _)| file).collect();
        for file in &ready {
            let partial = partial_path(&file.into, file.transfer, &file.target);
            self.tree.rename(&partial, &place(&file.into, &file.target));
            let open = self.open.get_mut(&file.transfer);
            if let Some(known) = open.and_then(|open| open.files.get_mut(&file.target.identity)) {
                known.placed = true;
                known.values.clear();
            }
        }
        for file in ready {
            self.tree.sync_path(&place(&file.into, &file.target));
        }
        results
    }

    /// Everything that must be so before a file may take its name.
    fn make_whole(&mut self, file: &FinishFile) -> Result<(), StorageError> {
        let partial = partial_path(&file.into, file.transfer, &file.target);
        let place = place(&file.into, &file.target);
        self.faults.check_writable(&place)?;
        self.tree.file(&partial).ok_or(StorageError::Missing)?;
        match self.tree.get(&place) {
            Some(Item::File(_)) if file.overwrite => {}
            Some(_) => return Err(StorageError::Exists),
            None => {}
        }
        self.tree.describe(&partial, file.modified, file.executable);
        self.tree.sync(&partial);
        Ok(())
    }

    /// Links, durably. Times of directories are nothing that this disk keeps.
    pub(super) fn make_links(
        &mut self,
        into: &Path,
        links: &[MakeLink],
        overwrite: bool,
    ) -> Vec<Result<bool, StorageError>> {
        links.iter().map(|link| self.make_link(into, link, overwrite)).collect()
    }

    fn make_link(&mut self, into: &Path, link: &MakeLink, overwrite: bool) -> Result<bool, StorageError> {
        let path = into.join(link.path.as_str());
        self.faults.check_writable(&path)?;
        if !path.parent().is_some_and(|parent| self.tree.is_directory(parent)) {
            return Err(StorageError::Missing);
        }
        let made = Item::Link(link.target.as_str().to_owned());
        match self.tree.get(&path) {
            Some(there) if *there == made => {}
            Some(Item::Directory) => return Err(StorageError::Exists),
            Some(_) if !overwrite => return Err(StorageError::Exists),
            _ => self.tree.put(&path, made),
        }
        self.tree.sync_path(&path);
        Ok(true)
    }

    fn note_placed(&mut self, transfer: TransferId, batch: &Batch) -> Result<(), StorageError> {
        let journal = self.open.get(&transfer).and_then(|open| open.journal.clone());
        let Some(mut journal) = journal else { return Ok(()) };
        self.append(&mut journal, batch)?;
        self.keep_journal(transfer, journal);
        Ok(())
    }

    pub(super) fn close(&mut self, transfer: TransferId, into: &Path, complete: bool) {
        let open = self.open.remove(&transfer);
        if !complete {
            return;
        }
        for directory in open.iter().flat_map(|open| open.directories.keys()) {
            // Without its journal, nothing knows of an empty directory that a crash took.
            self.tree.sync_path(&into.join(directory.as_str()));
        }
        let journal = journal_path(into, transfer);
        self.discard(&journal);
        self.tree.sync_path(&journal);
    }

    /// Partial files, then directories, durably; the journal last, as it knows of them.
    pub(super) fn give_up(
        &mut self,
        transfer: TransferId,
        sender: PeerId,
        into: &Path,
        partials: &[PartialFile],
        directories: &[RelativePath],
    ) {
        let mut open = Open::new(sender, into);
        let journal = journal_path(into, transfer);
        let said = self.read_journal(transfer, sender, &journal);
        let foreign = said.as_ref().err() == Some(&RecoverError::Journal(BadJournal::Foreign))
            || self.faults.is_in_use(&journal);
        let said = said.unwrap_or_default();
        open.add_directories(&said.directories);
        open.directories.extend(directories.iter().map(|path| (path.clone(), true)));

        let mut gone: Vec<PathBuf> =
            partials.iter().map(|target| partial_path(into, transfer, target)).collect();
        if !foreign {
            gone.extend(self.partials_of(transfer, &open));
        }
        for path in &gone {
            self.discard(path);
        }
        // Parents come before what is in them.
        let made = open.directories.iter().filter(|(_, made)| **made).rev();
        for (directory, _) in made {
            let path = into.join(directory.as_str());
            if self.tree.is_directory(&path) && self.tree.below(&path).next().is_none() {
                self.discard(&path);
            }
            gone.push(path);
        }
        gone.iter().for_each(|path| self.tree.sync_path(path));
        if !foreign {
            self.discard(&journal);
            self.tree.sync_path(&journal);
        }
        self.open.remove(&transfer);
    }

    /// Removes a file or an empty directory, if it may be written.
    pub(super) fn discard(&mut self, path: &Path) {
        if self.faults.check_writable(path).is_ok() {
            self.tree.remove(path);
        }
    }
}
