//! Carrying out each kind of work as `hither_protocol::storage` documents it; here what is not about a transfer that
//! is received.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hither_protocol::storage::{
    Change, Done, Examined, HashedChunk, ReadBack, ReadChunk, Record, ScanError, Scanned, StorageError,
    StreamChunk, Table, Work, WriteChunk, partial_name,
};
use hither_protocol::transfer::hash::{CHUNK, chunk_value};
use hither_protocol::transfer::{Entry, EntryKind, LinkTarget, Manifest, RelativePath, stream_size};

use super::Disk;
use super::content::Item;

impl Disk {
    pub(super) fn carry_out(&mut self, work: &Work) -> Done {
        match work {
            Work::Load => Done::Loaded(Ok(self.load())),
            Work::Commit(changes) => {
                Done::Committed(Ok(changes.iter().map(|change| self.change(change)).collect()))
            }
            Work::Scan { paths, links } => Done::Scanned(self.scan(paths, *links)),
            Work::Read(chunks) => Done::Read(chunks.iter().map(|chunk| self.read(chunk)).collect()),
            Work::ReadBack(chunks) => Done::Read(chunks.iter().map(|chunk| self.read_back(chunk)).collect()),
            Work::Examine { into, manifest } => Done::Examined(self.examine(into, manifest)),
            Work::Prepare { transfer, sender, into, directories, journal } => {
                Done::Prepared(self.prepare(*transfer, *sender, into, directories, *journal))
            }
            Work::Write(chunks) => Done::Written(chunks.iter().map(|chunk| self.write(chunk)).collect()),
            Work::Checkpoint { transfer, into, files, chunks } => {
                Done::Checkpointed(self.checkpoint(*transfer, into, files, chunks))
            }
            Work::Finish(files) => Done::Finished(self.finish_files(files)),
            Work::ReadStream { offset, .. } => Done::StreamRead(self.read_stream(*offset)),
            Work::Output(chunks) => {
                Done::Written(chunks.iter().map(|chunk| self.append_to_output(chunk)).collect())
            }
            Work::Seal { into, links, overwrite, .. } => {
                Done::Sealed(self.make_links(into, links, *overwrite))
            }
            Work::Recover { transfer, sender, into, manifest, places } => {
                Done::Recovered(self.recover(*transfer, *sender, into, manifest, places))
            }
            Work::Check { transfer } => Done::Checked(self.check(*transfer)),
            Work::Close { transfer, into, complete } => {
                self.close(*transfer, into, *complete);
                Done::Closed
            }
            Work::Discard { transfer, sender, into, partials, directories } => {
                self.give_up(*transfer, *sender, into, partials, directories);
                Done::Discarded
            }
        }
    }

    /// What the program is fed stands in a file of its own.
    fn read_stream(&mut self, offset: u64) -> Result<StreamChunk, StorageError> {
        let from = usize::try_from(offset).map_err(|_| StorageError::Unsupported)?;
        let rest = self.input.get(from..).ok_or(StorageError::Unsupported)?;
        let data = rest.get(..CHUNK as usize).unwrap_or(rest);
        let last = data.len() == rest.len();
        let length = u32::try_from(data.len()).map_err(|_| StorageError::Unsupported)?;
        let value = chunk_value(stream_size(offset, length, last), offset, data);
        let mut data = data.to_vec();
        if self.faults.next_corruption()
            && let Some(byte) = data.first_mut()
        {
            *byte ^= 1;
        }
        Ok(StreamChunk { data: Bytes::from(data), value, last })
    }

    fn append_to_output(&mut self, chunk: &WriteChunk) -> Result<(), StorageError> {
        if chunk_value(chunk.size, chunk.offset, &chunk.data) != chunk.expected {
            return Err(StorageError::Mismatch);
        }
        assert_eq!(chunk.offset, self.output.len() as u64, "what goes to an output is in order");
        self.output.extend_from_slice(&chunk.data);
        Ok(())
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

    fn scan(&self, paths: &[PathBuf], links: bool) -> Result<Scanned, ScanError> {
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
                // There is nothing else for a link to lead to.
                Some(Item::Link(_)) if links => return Err(ScanError::OnlyALink(path.clone())),
                Some(item) => self.scan_item(parent, path, item, links, &mut found)?,
            }
            for (at, item) in self.tree.below(path) {
                self.scan_item(parent, at, item, links, &mut found)?;
            }
        }
        Ok(found)
    }

    fn scan_item(
        &self,
        parent: &Path,
        at: &Path,
        item: &Item,
        links: bool,
        found: &mut Scanned,
    ) -> Result<(), ScanError> {
        let unreadable = |error| ScanError::Unreadable(at.to_path_buf(), error);
        self.faults.check_readable(at).map_err(unreadable)?;
        let below = at.strip_prefix(parent).unwrap_or(at);
        let names =
            below.iter().map(|name| name.to_str().ok_or_else(|| ScanError::NotUnicode(at.to_path_buf())));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let path = RelativePath::new(names).map_err(|bad| ScanError::BadName(at.to_path_buf(), bad))?;
        let target = match item {
            Item::Link(target) if links => LinkTarget::parse(target).ok(),
            _ => None,
        };
        let (kind, modified, executable) = match item {
            Item::Link(_) if target.as_ref().is_some_and(|target| target.leads(&path).is_some()) => {
                (EntryKind::Link(target.expect("it leads somewhere")), 0, false)
            }
            Item::Special | Item::Link(_) => {
                found.left_out.push(at.to_path_buf());
                return Ok(());
            }
            Item::Directory => (EntryKind::Directory, 0, false),
            Item::File(file) => (EntryKind::File(file.content.len() as u64), file.modified, file.executable),
        };
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
        let place = chunk.into.join(chunk.target.path.as_str());
        let path = place.with_file_name(partial_name(chunk.transfer, chunk.target.identity));
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
        let is_there = |entry: &Entry| {
            let held = self.tree.get(&into.join(entry.path.as_str()));
            entry.target().is_some_and(|target| held == Some(&Item::Link(target.as_str().into())))
        };
        let entries = (0..).zip(manifest.entries()).filter(|(_, entry)| !entry.is_directory());
        let existing = entries.filter(|(_, entry)| is_taken(entry.path.as_str()) && !is_there(entry));
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
