//! The journals of transfers, as files in the tree: their bytes are the protocol's own format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hither_protocol::identity::PeerId;
use hither_protocol::storage::{RecoverError, StorageError};
use hither_protocol::transfer::hash::{ChunkValue, Root};
use hither_protocol::transfer::journal::{
    BadJournal, Batch, JournalReader, encode_batch, encode_head, journal_name,
};
use hither_protocol::transfer::{FileIdentity, RelativePath, TransferId};

use super::Disk;
use super::content::{File, Item};
use super::transfers::Journal;

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// All that a journal says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) directories: Vec<(RelativePath, bool)>,
    pub(super) chunks: BTreeMap<FileIdentity, BTreeMap<u64, ChunkValue>>,
    pub(super) placed: BTreeMap<FileIdentity, Root>,
    /// Bytes of it that are sound.
    pub(super) sound: usize,
}

impl Disk {
    /// Begins a journal, in place of an old one, and makes it and its name durable.
    pub(super) fn create_journal(
        &mut self,
        transfer: TransferId,
        sender: PeerId,
        into: &Path,
        first: &Batch,
    ) -> Result<Journal, StorageError> {
        let path = into.join(journal_name(transfer));
        self.faults.check_writable(&path)?;
        if self.faults.is_in_use(&path) {
            return Err(StorageError::Other("another program is receiving this transfer".into()));
        }
        self.tree.remove(&path);
        let modified = self.next_time();
        let file = File { content: Arc::default(), modified, executable: false };
        self.tree.put(&path, Item::File(file));
        let mut journal = Journal { path: path.clone(), end: 0 };
        let mut bytes = encode_head(transfer, sender);
        bytes.extend(encode_batch(first));
        if let Err(error) = self.append_bytes(&mut journal, &bytes) {
            self.tree.remove(&path);
            return Err(error);
        }
        self.tree.sync_path(&path);
        Ok(journal)
    }

    /// Adds a batch, durably.
    pub(super) fn append(&mut self, journal: &mut Journal, batch: &Batch) -> Result<(), StorageError> {
        self.append_bytes(journal, &encode_batch(batch))
    }

    fn append_bytes(&mut self, journal: &mut Journal, bytes: &[u8]) -> Result<(), StorageError> {
        let path = journal.path.clone();
        self.faults.check_writable(&path)?;
        let length = self.tree.file(&path).ok_or(StorageError::Missing)?.content.len();
        // What a batch left that was cut short or failed must not stand before the next.
        if length > journal.end {
            self.tree.truncate(&path, journal.end);
        }
        let fits = usize::try_from(self.free()).unwrap_or(usize::MAX).min(bytes.len());
        let modified = self.next_time();
        self.tree.write(&path, journal.end, &bytes[..fits], modified);
        if fits < bytes.len() {
            return Err(StorageError::Full);
        }
        self.tree.sync(&path);
        if self.tree.has_stopped() {
            return Err(StorageError::Other("stopped".into()));
        }
        journal.end += bytes.len();
        Ok(())
    }

    /// Reads a transfer's journal as far as it is sound.
    pub(super) fn read_journal(
        &self,
        transfer: TransferId,
        sender: PeerId,
        path: &Path,
    ) -> Result<Said, RecoverError> {
        self.faults.check_readable(path).map_err(RecoverError::Disk)?;
        let content = &self.tree.file(path).ok_or(RecoverError::Missing)?.content;
        let mut reader = JournalReader::new(transfer, sender);
        let mut said = Said::default();
        'pieces: for piece in content.chunks(PIECE) {
            reader.feed(piece);
            loop {
                match reader.next_batch() {
                    Ok(Some(batch)) => said.add(batch),
                    Ok(None) => break,
                    Err(bad) if !reader.is_ours() => return Err(RecoverError::Journal(bad)),
                    Err(_) => break 'pieces,
                }
            }
        }
        if !reader.is_ours() {
            return Err(RecoverError::Journal(BadJournal::Damaged));
        }
        said.sound = usize::try_from(reader.sound()).expect("no longer than the file");
        Ok(said)
    }
}

impl Said {
    fn add(&mut self, batch: Batch) {
        self.directories.extend(batch.directories);
        for chunk in batch.chunks {
            self.chunks.entry(chunk.file).or_default().insert(chunk.index, chunk.value);
        }
        self.placed.extend(batch.placed);
    }
}

/// Where a transfer's journal is.
pub(super) fn journal_path(into: &Path, transfer: TransferId) -> PathBuf {
    into.join(journal_name(transfer))
}
