//! The journals of transfers that are being received: one file each, locked while it is open.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use hither_protocol::identity::PeerId;
use hither_protocol::storage::StorageError;
use hither_protocol::transfer::journal::{
    BadJournal, Batch, JournalReader, encode_batch, encode_head, journal_name,
};
use hither_protocol::transfer::{RelativePath, TransferId};

use crate::lock::Locked;

use super::folder::Folders;
use super::partials::remove_regular;
use super::recover::Recovery;
use super::{storage_error, system};

/// Bytes of a journal that are read at once.
const PIECE: usize = 64 * 1024;

/// The journals that are open.
#[derive(Debug, Default)]
pub(super) struct Journals {
    open: Mutex<BTreeMap<TransferId, Arc<Mutex<Journal>>>>,
}

/// A journal.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) into: PathBuf,
    pub(super) file: Locked,
    /// Where the next batch goes: everything before it is sound, and what is behind it counts for nothing.
    pub(super) end: u64,
    /// Directories that it lists, and whether the transfer made them; only of a journal that was recovered.
    pub(super) listed: Option<BTreeMap<RelativePath, bool>>,
    /// What is left to be checked. Until it is, nothing can be added.
    pub(super) recovery: Option<Box<Recovery>>,
}

/// Why there is no journal to open.
#[derive(Debug)]
pub(super) enum OpenError {
    /// Another program has it open.
    InUse,
    /// Something else has its name.
    Blocked,
    /// Not there, or the disk has failed.
    Disk(StorageError),
}

impl Journals {
    /// The open journal of a transfer into a folder.
    pub(super) fn get(&self, transfer: TransferId, into: &Path) -> Option<Arc<Mutex<Journal>>> {
        let journal = self.any(transfer)?;
        let same = lock(&journal).into == into;
        same.then_some(journal)
    }

    /// The open journal of a transfer.
    pub(super) fn any(&self, transfer: TransferId) -> Option<Arc<Mutex<Journal>>> {
        self.lock().get(&transfer).cloned()
    }

    /// Keeps a journal open.
    pub(super) fn insert(&self, transfer: TransferId, journal: Journal) {
        self.lock().insert(transfer, Arc::new(Mutex::new(journal)));
    }

    /// Takes a journal out; it closes, and loses its lock, with the last who has it.
    pub(super) fn take(&self, transfer: TransferId) -> Option<Arc<Mutex<Journal>>> {
        self.lock().remove(&transfer)
    }

    /// Makes a new journal with its first batch, durably, in place of an old one.
    pub(super) fn create(
        &self,
        folders: &Folders,
        transfer: TransferId,
        sender: PeerId,
        into: &Path,
        batch: &Batch,
    ) -> Result<(), StorageError> {
        drop(self.take(transfer));
        self.remove_old(folders, transfer, sender, into)?;
        let name = journal_name(transfer);
        let file = folders.in_directory(into, None, |folder| system::create_new(folder, &name, true))?;
        // It was just made: nobody else has it.
        let file = Locked::new(file).map_err(storage_error)?.ok_or(StorageError::Exists)?;
        let written = begin(&file, transfer, sender, batch)
            .map_err(storage_error)
            .and_then(|end| folders.in_directory(into, None, system::sync_names).map(|()| end));
        match written {
            Ok(end) => {
                let into = into.to_owned();
                self.insert(transfer, Journal { into, file, end, listed: None, recovery: None });
                Ok(())
            }
            Err(error) => {
                let _ = folders.in_directory(into, None, |folder| folder.remove_file(&name));
                Err(error)
            }
        }
    }

    /// Removes an open journal, then closes it: until it is gone, nobody else can have it.
    pub(super) fn remove(&self, folders: &Folders, transfer: TransferId, into: &Path) {
        if let Some(journal) = self.get(transfer, into) {
            let name = journal_name(transfer);
            // Whatever keeps it from being removed keeps it from being removed a second time.
            let _ = folders.in_directory(into, None, |folder| Ok(remove_regular(folder, &name)));
            drop(journal);
        }
        drop(self.take(transfer));
    }

    /// Makes room for a new journal. One that is another sender's stays.
    fn remove_old(
        &self,
        folders: &Folders,
        transfer: TransferId,
        sender: PeerId,
        into: &Path,
    ) -> Result<(), StorageError> {
        let old = match open(folders, transfer, into) {
            Ok(old) => old,
            Err(OpenError::Disk(StorageError::Missing)) => return Ok(()),
            Err(OpenError::Disk(error)) => return Err(error),
            Err(OpenError::Blocked) => return Err(StorageError::Exists),
            Err(OpenError::InUse) => {
                return Err(StorageError::Other(
                    "another program is receiving this into the same folder".into(),
                ));
            }
        };
        let mut reader = Reading::new(transfer, sender);
        if let Err(ReadError::Bad(BadJournal::Foreign)) = reader.begin(&old) {
            return Err(StorageError::Exists);
        }
        // Its lock is held until nobody can find it any more.
        folders.in_directory(into, None, |folder| folder.remove_file(journal_name(transfer)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TransferId, Arc<Mutex<Journal>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Whether it is from before, checked or not.
    pub(super) fn is_recovered(&self) -> bool {
        self.listed.is_some() || self.recovery.is_some()
    }

    /// Appends directories that it does not list yet, or not as made by the transfer.
    pub(super) fn list(
        &mut self,
        directories: impl Iterator<Item = (RelativePath, bool)>,
    ) -> Result<(), StorageError> {
        let listed = self.listed.get_or_insert_default();
        let new = directories.filter(|(path, made)| listed.get(path).is_none_or(|before| *made && !before));
        let directories: Vec<_> = new.collect();
        if directories.is_empty() {
            return Ok(());
        }
        let batch = Batch { directories, ..Batch::default() };
        self.append(&batch, File::sync_data)?;
        self.listed.get_or_insert_default().extend(batch.directories);
        Ok(())
    }

    /// Appends a batch, made durable by `sync`. After an error it is as if that had never been tried.
    pub(super) fn append(
        &mut self,
        batch: &Batch,
        sync: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), StorageError> {
        if self.recovery.is_some() {
            return Err(StorageError::Unsupported);
        }
        let bytes = encode_batch(batch);
        let appended = system::write_all_at(&self.file, &bytes, self.end).and_then(|()| sync(&self.file));
        if let Err(error) = appended {
            // What stands behind the end goes, and the page that the end is in is written anew by the next sync.
            self.file.set_len(self.end).map_err(storage_error)?;
            return Err(storage_error(error));
        }
        self.end = self.end.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

/// A journal of nobody else's.
pub(super) fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the file of a transfer's journal, and locks it.
pub(super) fn open(folders: &Folders, transfer: TransferId, into: &Path) -> Result<Locked, OpenError> {
    let name = journal_name(transfer);
    let opened = folders.in_directory(into, None, |folder: &Dir| {
        let file = system::open_regular(folder, &name)?;
        let Some(file) = Locked::new(file)? else { return Ok(Err(OpenError::InUse)) };
        // Whoever had the lock before may have removed the file meanwhile.
        if !system::is_named(&file, folder, &name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(if system::is_sole(&file) { Ok(file) } else { Err(OpenError::Blocked) })
    });
    opened.unwrap_or_else(|error| {
        Err(if error == StorageError::Exists { OpenError::Blocked } else { OpenError::Disk(error) })
    })
}

/// Writes and syncs how a journal begins; gives its length.
fn begin(file: &File, transfer: TransferId, sender: PeerId, batch: &Batch) -> io::Result<u64> {
    let mut bytes = encode_head(transfer, sender);
    bytes.extend(encode_batch(batch));
    system::write_all_at(file, &bytes, 0)?;
    file.sync_all()?;
    Ok(bytes.len() as u64)
}

/// A journal that is being read, batch by batch.
#[derive(Debug)]
pub(super) struct Reading {
    reader: JournalReader,
    at: u64,
}

/// Why a journal cannot be read on.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It is not sound from here on.
    Bad(BadJournal),
    /// The disk has failed.
    Disk(StorageError),
}

impl Reading {
    /// From the start.
    pub(super) fn new(transfer: TransferId, sender: PeerId) -> Self {
        Self { reader: JournalReader::new(transfer, sender), at: 0 }
    }

    /// The first batch, once it is clear that this is the transfer's journal.
    pub(super) fn begin(&mut self, file: &File) -> Result<Option<Batch>, ReadError> {
        let first = self.next(file);
        match first {
            // No matter what its first batch is like.
            Err(ReadError::Bad(_)) if self.reader.is_ours() => Ok(None),
            Ok(_) if !self.reader.is_ours() => Err(ReadError::Bad(BadJournal::Damaged)),
            other => other,
        }
    }

    /// The next batch; `None` at the end.
    pub(super) fn next(&mut self, file: &File) -> Result<Option<Batch>, ReadError> {
        loop {
            if let Some(batch) = self.reader.next_batch().map_err(ReadError::Bad)? {
                return Ok(Some(batch));
            }
            let mut piece = vec![0; PIECE];
            let read = system::read_at(file, &mut piece, self.at)
                .map_err(|error| ReadError::Disk(storage_error(error)))?;
            if read == 0 {
                return Ok(None);
            }
            self.at = self.at.saturating_add(read as u64);
            self.reader.feed(&piece[..read]);
        }
    }

    /// Bytes that are sound.
    pub(super) fn sound(&self) -> u64 {
        self.reader.sound()
    }
}
