//! Files that are being received: each chunk is written, once it has proven right, to a partial file beside the
//! file's final name.
//!
//! A sync that fails is not forgotten. The kernel tells of lost writes once and counts the pages as written, so a
//! later sync that succeeds would prove nothing: a file whose sync failed stays failed, is neither noted in a
//! journal nor put in place, until its transfer is closed. What the journal says of it was durable before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use cap_std::fs::Dir;
use hither_protocol::storage::{HashedChunk, PartialFile, ReadBack, StorageError, WriteChunk, partial_name};
use hither_protocol::transfer::hash::{CHUNK, chunk_length, chunk_value};
use hither_protocol::transfer::{FileIdentity, RelativePath, TransferId};

use super::cache::Cache;
use super::folder::Folders;
use super::{storage_error, system};

/// Most partial files that are kept open.
const MOST_OPEN: usize = 256;

/// What names a partial file.
type Key = (TransferId, FileIdentity);

/// The partial files that this disk has made, or found again.
#[derive(Debug, Default)]
pub(super) struct Partials {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: Cache<Key, Arc<File>>,
    /// Every partial file not yet put in place or removed, open or not. One that is not among them is left over
    /// from before, and nobody answers for what is in it.
    known: BTreeMap<Key, Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether its name is durable.
    named: bool,
    /// Why its content is not, and cannot be.
    failed: Option<StorageError>,
}

impl Default for State {
    fn default() -> Self {
        Self { open: Cache::new(MOST_OPEN), known: BTreeMap::new() }
    }
}

impl Partials {
    /// Hashes one chunk and writes it if it is the one that is expected.
    pub(super) fn write(&self, folders: &Folders, chunk: &WriteChunk) -> Result<(), StorageError> {
        let length = u32::try_from(chunk.data.len()).ok();
        if length.is_none() || chunk_length(chunk.size, chunk.offset) != length {
            return Err(StorageError::Mismatch);
        }
        if chunk_value(chunk.size, chunk.offset, &chunk.data) != chunk.expected {
            return Err(StorageError::Mismatch);
        }
        let file = self.to_write(folders, chunk)?;
        system::write_all_at(&file, &chunk.data, chunk.offset).map_err(storage_error)
    }

    fn to_write(&self, folders: &Folders, chunk: &WriteChunk) -> Result<Arc<File>, StorageError> {
        let key = (chunk.transfer, chunk.target.identity);
        let mut state = self.lock();
        if let Some(file) = state.open.get(&key) {
            return Ok(file);
        }
        let known = state.known.contains_key(&key);
        let open = |known| {
            let name = partial_name(key.0, key.1);
            let open =
                |parent: &Dir| if known { system::open_regular(parent, &name) } else { make(parent, &name) };
            folders.in_parent(&chunk.into, &chunk.target.path, open).map(Arc::new)
        };
        if chunk.size > CHUNK {
            // The state is held while the file is made, so that two threads with two chunks of it make one file.
            let file = open(known)?;
            state.known.entry(key).or_default();
            state.open.insert(key, file.clone());
            Ok(file)
        } else {
            // This is its only chunk: nobody else makes it, and nobody needs its handle again.
            drop(state);
            let file = open(known)?;
            self.lock().known.entry(key).or_default();
            Ok(file)
        }
    }

    /// Whether there is such a partial file, and nothing wrong with it.
    pub(super) fn sound(&self, transfer: TransferId, file: FileIdentity) -> Result<(), StorageError> {
        let state = self.lock();
        let known = state.known.get(&(transfer, file)).ok_or(StorageError::Missing)?;
        known.failed.clone().map_or(Ok(()), Err)
    }

    /// Reads back and hashes a chunk that was written.
    pub(super) fn read(&self, folders: &Folders, chunk: &ReadBack) -> Result<HashedChunk, StorageError> {
        self.sound(chunk.transfer, chunk.target.identity)?;
        let file = self.handle(folders, chunk.transfer, &chunk.into, &chunk.target)?;
        let length = usize::try_from(chunk.length).map_err(|_| StorageError::Unsupported)?;
        let mut data = BytesMut::zeroed(length);
        if system::read_at(&file, &mut data, chunk.offset).map_err(storage_error)? < length {
            return Err(StorageError::Changed);
        }
        let data = data.freeze();
        let value = chunk_value(chunk.size, chunk.offset, &data);
        Ok(HashedChunk { data, value })
    }

    /// The handle of a partial file.
    pub(super) fn handle(
        &self,
        folders: &Folders,
        transfer: TransferId,
        into: &Path,
        file: &PartialFile,
    ) -> Result<Arc<File>, StorageError> {
        if let Some(open) = self.lock().open.get(&(transfer, file.identity)) {
            return Ok(open);
        }
        let name = partial_name(transfer, file.identity);
        folders.in_parent(into, &file.path, |parent| system::open_regular(parent, &name)).map(Arc::new)
    }

    /// The handle of a partial file if it is open; it is not kept any longer.
    pub(super) fn take_open(&self, transfer: TransferId, file: FileIdentity) -> Option<Arc<File>> {
        self.lock().open.remove(&(transfer, file))
    }

    /// Its content could not be made durable.
    pub(super) fn fail(&self, transfer: TransferId, file: FileIdentity, why: &StorageError) {
        if let Some(known) = self.lock().known.get_mut(&(transfer, file)) {
            known.failed.get_or_insert_with(|| why.clone());
        }
    }

    /// Whether its name needs to be made durable.
    pub(super) fn is_unnamed(&self, transfer: TransferId, file: FileIdentity) -> bool {
        self.lock().known.get(&(transfer, file)).is_some_and(|known| !known.named)
    }

    /// Its name is durable.
    pub(super) fn set_named(&self, transfer: TransferId, file: FileIdentity) {
        if let Some(known) = self.lock().known.get_mut(&(transfer, file)) {
            known.named = true;
        }
    }

    /// Takes up a partial file that is left from before, if it is one that may be written; one that is longer than
    /// it should be is cut.
    pub(super) fn adopt(
        &self,
        folders: &Folders,
        transfer: TransferId,
        into: &Path,
        file: &PartialFile,
        size: u64,
    ) -> Result<Arc<File>, StorageError> {
        let name = partial_name(transfer, file.identity);
        let open = folders.in_parent(into, &file.path, |parent| {
            let open = system::open_regular(parent, &name)?;
            if !system::is_sole(&open) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if open.metadata()?.len() > size {
                open.set_len(size)?;
            }
            Ok(open)
        })?;
        self.lock().known.entry((transfer, file.identity)).or_default();
        Ok(Arc::new(open))
    }

    /// Whether it is one that was made or taken up.
    pub(super) fn is_known(&self, transfer: TransferId, file: FileIdentity) -> bool {
        self.lock().known.contains_key(&(transfer, file))
    }

    /// The partial file is one no longer: it has its name.
    pub(super) fn forget(&self, transfer: TransferId, file: FileIdentity) {
        self.lock().known.remove(&(transfer, file));
    }

    /// Closes a transfer's files.
    pub(super) fn close(&self, transfer: TransferId) {
        let mut state = self.lock();
        state.open.retain(|(of, _)| *of != transfer);
        state.known.retain(|(of, _), _| *of != transfer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file. One that was left from before is replaced, never written to: it may be linked to from elsewhere.
/// Anything else of that name stays.
fn make(parent: &Dir, name: &str) -> io::Result<File> {
    match system::create_new(parent, name, false) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && remove_regular(parent, name) => {
            system::create_new(parent, name, false)
        }
        result => result,
    }
}

/// Removes a file or a symbolic link that was left from before; the link, not what it leads to.
pub(super) fn remove_leftover(parent: &Dir, name: &str) {
    if parent.symlink_metadata(name).is_ok_and(|metadata| metadata.is_file() || metadata.is_symlink()) {
        let _ = parent.remove_file(name);
    }
}

/// Removes a file if it is a regular one; says whether it did.
pub(super) fn remove_regular(parent: &Dir, name: &str) -> bool {
    parent.symlink_metadata(name).is_ok_and(|metadata| metadata.is_file()) && parent.remove_file(name).is_ok()
}

/// The identity in the name of a partial file of a transfer.
pub(super) fn identity_in(transfer: TransferId, name: &str) -> Option<FileIdentity> {
    let digits = name.strip_prefix(".hither-")?.strip_suffix(".part")?;
    let digits = digits.strip_prefix(transfer.to_string().as_str())?.strip_prefix('-')?;
    let number = (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok())??;
    let identity = FileIdentity(number.to_be_bytes());
    // Nothing but the very name: no sign, no capitals.
    (partial_name(transfer, identity) == name).then_some(identity)
}

/// Paths of files whose names a sync of their directories makes durable.
pub(super) fn paths<'a>(files: impl IntoIterator<Item = &'a PartialFile>) -> Vec<RelativePath> {
    files.into_iter().map(|file| file.path.clone()).collect()
}
