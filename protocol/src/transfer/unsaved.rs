//! Chunks that are written and not yet noted in a journal as durable.

use std::collections::BTreeSet;

use super::journal::StoredChunk;

/// Bytes made durable together: so much, and what is in flight, may have to travel again after a crash.
const CHECKPOINT_BYTES: u64 = 32 * 1024 * 1024;

/// The chunks, and those that are being made durable.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    chunks: Vec<(u32, StoredChunk)>,
    bytes: u64,
    /// Files whose chunks are being made durable.
    saving: BTreeSet<u32>,
}

impl Unsaved {
    /// A chunk of the file of that number was written.
    pub(super) fn add(&mut self, file: u32, chunk: StoredChunk, bytes: u64) {
        self.chunks.push((file, chunk));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether there is nothing that would be sent again after a crash.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether chunks of a file are just being made durable under its partial name.
    pub(super) fn is_saving(&self, file: u32) -> bool {
        self.saving.contains(&file)
    }

    /// What to make durable: there is much, or it is time. One such request is under way at a time. A file that is
    /// not `open` any more is made durable when it is put in place.
    pub(super) fn next(
        &mut self,
        now: bool,
        open: impl Fn(u32) -> bool,
    ) -> Option<(BTreeSet<u32>, Vec<StoredChunk>)> {
        if !(now || self.bytes >= CHECKPOINT_BYTES) || !self.saving.is_empty() {
            return None;
        }
        self.bytes = 0;
        let chunks = std::mem::take(&mut self.chunks).into_iter().filter(|(file, _)| open(*file));
        let (files, chunks): (BTreeSet<u32>, Vec<StoredChunk>) = chunks.unzip();
        self.saving.clone_from(&files);
        (!chunks.is_empty()).then_some((files, chunks))
    }

    /// They are durable, or not.
    pub(super) fn saved(&mut self) {
        self.saving.clear();
    }
}
