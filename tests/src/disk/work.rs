//! Carrying out each kind of work as `hither_protocol::storage` documents it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hither_protocol::storage::{
    Change, Done, Examined, FinishFile, HashedChunk, ReadBack, ReadChunk, Record, ScanError, Scanned,
    StorageError, Table, Work, WriteChunk, partial_name,
};
use hither_protocol::transfer::hash::chunk_value;
use hither_protocol::transfer::{Entry, EntryKind, Manifest, RelativePath};

use super::tree::{File, Item};
use super::{Disk, Partial};

impl Disk {
    pub(super) fn carry_out(&mut self, work: &Work) -> Done {
        match work {
            Work::Load => Done::Loaded(Ok(self.load())),
            Work::Commit(changes) => {
                Done::Committed(Ok(changes.iter().map(|change| self.change(change)).collect()))
            }
            Work::Scan { paths } => Done::Scanned(self.scan(paths)),
            Work::Read(chunks) => Done::Read(chunks.iter().map(|chunk| self.read(chunk)).collect()),
            Work::ReadBack(chunks) => Done::Read(chunks.iter().map(|chunk| self.read_back(chunk)).collect()),
            Work::Examine { into, manifest } => Done::Examined(self.examine(into, manifest)),
            Work::Prepare { into, directories } => Done::Prepared(self.prepare(into, directories)),
            Work::Write(chunks) => Done::Written(chunks.iter().map(|chunk| self.write(chunk)).collect()),
            Work::Finish(files) => Done::Finished(self.finish_files(files)),
            Work::Discard { into, partials, directories, transfer } => {
                for (file, path) in partials {
                    self.partials.remove(&(*transfer, *file));
                    self.discard(&beside(&into.join(path.as_str()), &partial_name(*transfer, *file)));
                }
                for directory in directories.iter().rev() {
                    let path = into.join(directory.as_str());
                    if self.tree.is_directory(&path) && self.tree.below(&path).next().is_none() {
                        self.discard(&path);
                    }
                }
                Done::Discarded
            }
        }
    }

    fn load(&self) -> Vec<Record> {
        let loaded = self.records.iter().filter(|((table, _), _)| *table != Table::Inbox);
        loaded
            .map(|((table, key), value)| Record { table: *table, key: key.clone(), value: value.clone() })
            .collect()
    }

    fn change(&mut self, change: &Change) -> bool {
        match change {
            Change::Put(record) => {
                self.records.insert((record.table, record.key.clone()), record.value.clone());
            }
            Change::PutNew(record) => {
                let key = (record.table, record.key.clone());
                if self.records.contains_key(&key) {
                    return false;
                }
                self.records.insert(key, record.value.clone());
            }
            Change::Remove { table, key } => {
                self.records.remove(&(*table, key.clone()));
            }
        }
        true
    }

    fn scan(&self, paths: &[PathBuf]) -> Result<Scanned, ScanError> {
        let mut found = Scanned { entries: Vec::new(), sources: Vec::new(), left_out: Vec::new() };
        let mut names = BTreeMap::new();
        for path in paths {
            let name = path.file_name().ok_or_else(|| ScanError::NotAFile(path.clone()))?;
            if names.insert(name, path).is_some() {
                return Err(ScanError::Duplicate(path.clone()));
            }
            let parent = path.parent().unwrap_or(path);
            match self.tree.get(path) {
                None => return Err(ScanError::Unreadable(path.clone(), StorageError::Missing)),
                Some(Item::Special) => return Err(ScanError::NotAFile(path.clone())),
                Some(item) => self.scan_item(parent, path, item, &mut found)?,
            }
            for (at, item) in self.tree.below(path) {
                self.scan_item(parent, at, item, &mut found)?;
            }
        }
        Ok(found)
    }

    fn scan_item(&self, parent: &Path, at: &Path, item: &Item, found: &mut Scanned) -> Result<(), ScanError> {
        let unreadable = |error| ScanError::Unreadable(at.to_path_buf(), error);
        self.faults.check_readable(at).map_err(unreadable)?;
        let (kind, modified, executable) = match item {
            Item::Special => {
                found.left_out.push(at.to_path_buf());
                return Ok(());
            }
            Item::Directory => (EntryKind::Directory, 0, false),
            Item::File(file) => (EntryKind::File(file.content.len() as u64), file.modified, file.executable),
        };
        let below = at.strip_prefix(parent).unwrap_or(at);
        let names =
            below.iter().map(|name| name.to_str().ok_or_else(|| ScanError::NotUnicode(at.to_path_buf())));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let path = RelativePath::new(names).map_err(|bad| ScanError::BadName(at.to_path_buf(), bad))?;
        found.entries.push(Entry { path, kind, modified, executable });
        found.sources.push(at.to_path_buf());
        Ok(())
    }

    fn read(&mut self, chunk: &ReadChunk) -> Result<HashedChunk, StorageError> {
        self.faults.check_readable(&chunk.source)?;
        let file = self.tree.file(&chunk.source).ok_or(StorageError::Missing)?;
        if file.content.len() as u64 != chunk.size || file.modified != chunk.modified {
            return Err(StorageError::Changed);
        }
        let from = usize::try_from(chunk.offset).map_err(|_| StorageError::Changed)?;
        let data = file.content.get(from..from + chunk.length as usize).ok_or(StorageError::Changed)?;
        let value = chunk_value(chunk.size, chunk.offset, data);
        let mut data = data.to_vec();
        if self.faults.next_corruption()
            && let Some(byte) = data.first_mut()
        {
            *byte ^= 1;
        }
        Ok(HashedChunk { data: Bytes::from(data), value })
    }

    fn read_back(&mut self, chunk: &ReadBack) -> Result<HashedChunk, StorageError> {
        let place = chunk.into.join(chunk.path.as_str());
        let path = beside(&place, &partial_name(chunk.transfer, chunk.file));
        self.faults.check_readable(&path)?;
        let file = self.tree.file(&path).ok_or(StorageError::Missing)?;
        let from = usize::try_from(chunk.offset).map_err(|_| StorageError::Changed)?;
        let data = file.content.get(from..from + chunk.length as usize).ok_or(StorageError::Changed)?;
        let value = chunk_value(chunk.size, chunk.offset, data);
        Ok(HashedChunk { data: Bytes::from(data.to_vec()), value })
    }

    fn examine(&self, into: &Path, manifest: &Manifest) -> Result<Examined, StorageError> {
        self.faults.check_writable(into)?;
        let is_taken = |path: &str| self.tree.get(&into.join(path)).is_some();
        let existing = manifest.files().filter(|(_, entry)| is_taken(entry.path.as_str()));
        let taken = manifest.tops().filter(|entry| is_taken(entry.path.as_str()));
        let alternatives = taken.filter_map(|entry| {
            let free = (1..=u32::MAX).map(|n| numbered(entry, n)).find(|name| !is_taken(name))?;
            Some((entry.path.as_str().to_owned(), free))
        });
        Ok(Examined {
            free: self.free(),
            existing: existing.map(|(number, _)| number).collect(),
            alternatives: alternatives.collect(),
        })
    }

    fn prepare(
        &mut self,
        into: &Path,
        directories: &[RelativePath],
    ) -> Result<Vec<RelativePath>, StorageError> {
        let mut folders: Vec<&Path> = into.ancestors().collect();
        folders.reverse();
        for folder in folders {
            self.make_directory(folder)?;
        }
        let mut made = Vec::new();
        for directory in directories {
            match self.make_directory(&into.join(directory.as_str())) {
                Ok(true) => made.push(directory.clone()),
                Ok(false) => {}
                Err(error) => {
                    // The result names no directories, so nobody else could clear them away.
                    made.iter().rev().for_each(|path| self.discard(&into.join(path.as_str())));
                    return Err(error);
                }
            }
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
        self.tree.put(path.to_path_buf(), Item::Directory);
        Ok(true)
    }

    fn write(&mut self, chunk: &WriteChunk) -> Result<(), StorageError> {
        let place = chunk.into.join(chunk.path.as_str());
        let path = beside(&place, &partial_name(chunk.transfer, chunk.file));
        self.faults.check_writable(&path)?;
        if chunk_value(chunk.size, chunk.offset, &chunk.data) != chunk.expected {
            return Err(StorageError::Mismatch);
        }
        if !path.parent().is_some_and(|parent| self.tree.is_directory(parent)) {
            return Err(StorageError::Missing);
        }
        let before = self.tree.file(&path).map_or(0, |file| file.content.len() as u64);
        let end = chunk.offset + chunk.data.len() as u64;
        if end.saturating_sub(before) > self.free() {
            return Err(StorageError::Full);
        }
        let offset = usize::try_from(chunk.offset).map_err(|_| StorageError::Full)?;
        let modified = self.next_time();
        self.tree.write(&path, offset, &chunk.data, modified);
        let partial = self.partials.entry((chunk.transfer, chunk.file)).or_default();
        *partial = Partial { size: chunk.size, ..std::mem::take(partial) };
        partial.written.insert(chunk.offset, chunk.data.len() as u64);
        Ok(())
    }

    pub(super) fn finish_files(&mut self, files: &[FinishFile]) -> Vec<Result<(), StorageError>> {
        for file in files {
            let (partial, _) = names(file);
            if let Some(known) = self.partials.get(&(file.transfer, file.file)) {
                let written: u64 = known.written.values().sum();
                assert_eq!(written, known.size, "asked to put a file in place that is not whole: {file:?}");
            }
            self.tree.sync(&partial);
        }
        files.iter().map(|file| self.finish_file(file)).collect()
    }

    fn finish_file(&mut self, file: &FinishFile) -> Result<(), StorageError> {
        let (partial, place) = names(file);
        self.faults.check_writable(&place)?;
        let content = self.tree.file(&partial).ok_or(StorageError::Missing)?.content.clone();
        match self.tree.get(&place) {
            Some(Item::File(_)) if file.overwrite => {}
            Some(_) => return Err(StorageError::Exists),
            None => {}
        }
        let whole = File { content, modified: file.modified, executable: file.executable };
        self.tree.put(partial.clone(), Item::File(whole));
        self.tree.rename(&partial, &place);
        self.tree.sync(&partial);
        self.tree.sync(&place);
        self.partials.remove(&(file.transfer, file.file));
        Ok(())
    }

    fn discard(&mut self, path: &Path) {
        if self.faults.check_writable(path).is_ok() {
            self.tree.remove(path);
        }
    }
}

/// Where the partial file is, and where the file will be.
fn names(file: &FinishFile) -> (PathBuf, PathBuf) {
    let place = file.into.join(file.path.as_str());
    (beside(&place, &partial_name(file.transfer, file.file)), place)
}

fn beside(place: &Path, name: &str) -> PathBuf {
    place.with_file_name(name)
}

/// `photos (1)`, `letter (1).txt`.
fn numbered(entry: &Entry, number: u32) -> String {
    let name = entry.path.as_str();
    match name.rsplit_once('.') {
        Some((stem, extension)) if entry.is_file() && !stem.is_empty() => {
            format!("{stem} ({number}).{extension}")
        }
        _ => format!("{name} ({number})"),
    }
}

/// A file's content, shared.
pub(super) fn content_of(item: Option<&Item>) -> Option<Arc<Vec<u8>>> {
    match item {
        Some(Item::File(file)) => Some(file.content.clone()),
        _ => None,
    }
}
