//! Files that are being received: each chunk is written, once it has proven right, to a partial file beside the
//! file's final name.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use hither_protocol::storage::{FinishFile, HashedChunk, ReadBack, StorageError, WriteChunk, partial_name};
use hither_protocol::transfer::hash::{chunk_length, chunk_value};
use hither_protocol::transfer::{RelativePath, TransferId};

use super::cache::Cache;
use super::folder::Folders;
use super::{storage_error, system};

/// Most partial files that are kept open.
const MOST_OPEN: usize = 256;

/// The partial files that this disk has made.
#[derive(Debug, Default)]
pub(super) struct Partials {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: Cache<(TransferId, u32), Arc<File>>,
    /// Every partial file that was made and not yet put in place or removed, open or not: only those are opened
    /// again. A file of that name that someone else put there is left alone.
    made: BTreeSet<(TransferId, u32)>,
}

impl Default for State {
    fn default() -> Self {
        Self { open: Cache::new(MOST_OPEN), made: BTreeSet::new() }
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
        let file = {
            // Held while the file is made, so that two threads with two chunks of it make one file.
            let mut state = self.lock();
            let key = (chunk.transfer, chunk.file);
            match state.open.get(&key) {
                Some(file) => file,
                None => state.open(folders, key, &chunk.into, &chunk.path)?,
            }
        };
        system::write_all_at(&file, &chunk.data, chunk.offset).map_err(storage_error)
    }

    /// Reads back and hashes a chunk that was written.
    pub(super) fn read(&self, folders: &Folders, chunk: &ReadBack) -> Result<HashedChunk, StorageError> {
        let file = {
            let mut state = self.lock();
            let key = (chunk.transfer, chunk.file);
            match state.open.get(&key) {
                Some(file) => file,
                None if !state.made.contains(&key) => return Err(StorageError::Missing),
                None => state.open(folders, key, &chunk.into, &chunk.path)?,
            }
        };
        let length = usize::try_from(chunk.length).map_err(|_| StorageError::Unsupported)?;
        let mut data = BytesMut::zeroed(length);
        if system::read_at(&file, &mut data, chunk.offset).map_err(storage_error)? < length {
            return Err(StorageError::Changed);
        }
        let data = data.freeze();
        let value = chunk_value(chunk.size, chunk.offset, &data);
        Ok(HashedChunk { data, value })
    }

    /// The handle of a partial file, which is not kept any longer.
    pub(super) fn take(&self, folders: &Folders, file: &FinishFile) -> Result<Arc<File>, StorageError> {
        let mut state = self.lock();
        let key = (file.transfer, file.file);
        if !state.made.contains(&key) {
            return Err(StorageError::Missing);
        }
        match state.open.remove(&key) {
            Some(open) => Ok(open),
            None => folders
                .in_parent(&file.into, &file.path, |parent| open_again(parent, &partial_name(key.0, key.1))),
        }
    }

    /// The partial file is one no longer: it has its name.
    pub(super) fn forget(&self, transfer: TransferId, file: u32) {
        self.lock().made.remove(&(transfer, file));
    }

    /// Removes a partial file if this disk has made it.
    pub(super) fn remove(
        &self,
        folders: &Folders,
        transfer: TransferId,
        file: u32,
        into: &Path,
        path: &RelativePath,
    ) {
        let made = {
            let mut state = self.lock();
            state.open.remove(&(transfer, file));
            state.made.remove(&(transfer, file))
        };
        if made {
            let name = partial_name(transfer, file);
            // Whatever keeps it from being removed keeps it from being removed a second time.
            let _ = folders.in_parent(into, path, |parent| parent.remove_file(&name));
        }
    }

    /// Closes a transfer's files.
    pub(super) fn close(&self, transfer: TransferId) {
        let mut state = self.lock();
        state.open.retain(|(of, _)| *of != transfer);
        state.made.retain(|(of, _)| *of != transfer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(
        &mut self,
        folders: &Folders,
        key: (TransferId, u32),
        into: &Path,
        path: &RelativePath,
    ) -> Result<Arc<File>, StorageError> {
        let name = partial_name(key.0, key.1);
        let file = if self.made.contains(&key) {
            folders.in_parent(into, path, |parent| open_again(parent, &name))?
        } else {
            let file = folders.in_parent(into, path, |parent| make(parent, &name))?;
            self.made.insert(key);
            file
        };
        self.open.insert(key, file.clone());
        Ok(file)
    }
}

/// Makes the file, for its owner's eyes only while it is incomplete.
fn make(parent: &Dir, name: &str) -> io::Result<Arc<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(Arc::new(parent.open_with(name, &options)?.into_std()))
}

fn open_again(parent: &Dir, name: &str) -> io::Result<Arc<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).follow(FollowSymlinks::No);
    let file = parent.open_with(name, &options)?.into_std();
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    Ok(Arc::new(file))
}
