//! Files that are being sent: reads chunks of them, and notices when they change.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hither_protocol::storage::{HashedChunk, ReadChunk, StorageError};
use hither_protocol::transfer::TransferId;
use hither_protocol::transfer::hash::{CHUNK, chunk_value};

use super::buffers::Buffers;
use super::cache::Cache;
use super::{storage_error, system};

/// Most source files that are kept open. With the partial files and folders this stays far below the 1024 that a
/// process may have by default.
const MOST_OPEN: usize = 128;

/// Open source files, by transfer and entry.
#[derive(Debug)]
pub(super) struct Sources {
    open: Mutex<Cache<(TransferId, u32), Arc<File>>>,
    buffers: Buffers,
}

impl Default for Sources {
    fn default() -> Self {
        Self { open: Mutex::new(Cache::new(MOST_OPEN)), buffers: Buffers::default() }
    }
}

impl Sources {
    /// Reads and hashes one chunk. A file that is not what the scan saw, before or after the read, gives
    /// [`StorageError::Changed`].
    pub(super) fn read(&self, chunk: &ReadChunk) -> Result<HashedChunk, StorageError> {
        let file = self.file(chunk)?;
        let length = usize::try_from(chunk.length).map_err(|_| StorageError::Unsupported)?;
        let mut buffer = self.buffers.take(length);
        let read = system::read_at(&file, buffer.as_mut(), chunk.offset).map_err(storage_error)?;
        // After every chunk, not only the last: chunks are read by several threads, and the last one of the file
        // need not be the last one to be read. It costs a thousandth of the read.
        if read < length || !is_unchanged(&file, chunk) {
            self.lock().remove(&(chunk.transfer, chunk.file));
            return Err(StorageError::Changed);
        }
        let data = buffer.freeze();
        let value = chunk_value(chunk.size, chunk.offset, &data);
        if chunk.offset.saturating_add(u64::from(chunk.length)) >= chunk.size {
            self.lock().remove(&(chunk.transfer, chunk.file));
        }
        Ok(HashedChunk { data, value })
    }

    /// Closes a transfer's files.
    pub(super) fn close(&self, transfer: TransferId) {
        self.lock().retain(|(of, _)| *of != transfer);
    }

    fn file(&self, chunk: &ReadChunk) -> Result<Arc<File>, StorageError> {
        let key = (chunk.transfer, chunk.file);
        if let Some(file) = self.lock().get(&key) {
            return Ok(file);
        }
        let file = system::open_source(&chunk.source).map_err(|error| {
            if system::is_link_error(&error) { StorageError::Changed } else { storage_error(error) }
        })?;
        if !is_unchanged(&file, chunk) {
            return Err(StorageError::Changed);
        }
        let file = Arc::new(file);
        // A file of one chunk is not asked for again.
        if chunk.size > CHUNK {
            self.lock().insert(key, file.clone());
        }
        Ok(file)
    }

    fn lock(&self) -> MutexGuard<'_, Cache<(TransferId, u32), Arc<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_unchanged(file: &File, chunk: &ReadChunk) -> bool {
    file.metadata().is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.len() == chunk.size
            && system::modified_millis(&metadata) == chunk.modified
    })
}
