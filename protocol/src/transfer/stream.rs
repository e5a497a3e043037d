//! Streams: content whose size nobody knows before its end. Its chunks and its root are those of a file, but they go in
//! order, and the last says that it is.

use std::collections::VecDeque;

use blake3::hazmat::{self, Mode};
use bytes::Bytes;

use super::hash::{CHUNK, ChunkValue, Root};
use super::receiver::Violation;
use super::sender::ReadFailure;
use crate::storage::{StorageError, StreamChunk};
use crate::wire::Chunk;

/// The size to hash and write a stream's chunk with, as [`chunk_value`](super::hash::chunk_value) takes it: of the last
/// chunk the stream's, of another one that shows that there is more.
pub fn stream_size(offset: u64, length: u32, last: bool) -> u64 {
    let more = if last { u64::from(length) } else { CHUNK.saturating_add(1) };
    offset.saturating_add(more)
}

/// A stream's tree of hashes while its chunks come in, in order: a handful of values, however many chunks.
///
/// Source: the BLAKE3 paper, section 5.1.2 (incremental hashing with a stack).
#[derive(Debug, Default)]
pub(crate) struct StreamTree {
    /// Whole subtrees, the largest first: one for each bit of the number of chunks that are in them.
    stack: Vec<[u8; 32]>,
    merged: u64,
    /// The newest chunk's, until it is known whether another comes: the root is made another way.
    newest: Option<[u8; 32]>,
}

impl StreamTree {
    /// Adds the value of the next chunk.
    pub(crate) fn push(&mut self, value: ChunkValue) {
        let Some(mut value) = self.newest.replace(value.0) else { return };
        self.merged = self.merged.saturating_add(1);
        for _ in 0..self.merged.trailing_zeros() {
            let Some(left) = self.stack.pop() else { break };
            value = hazmat::merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        self.stack.push(value);
    }

    /// The root, if no more comes.
    pub(crate) fn root(&self) -> Option<Root> {
        let mut right = self.newest?;
        let Some((first, others)) = self.stack.split_first() else { return Some(Root(right)) };
        for left in others.iter().rev() {
            right = hazmat::merge_subtrees_non_root(left, &right, Mode::Hash);
        }
        Some(Root(*hazmat::merge_subtrees_root(first, &right, Mode::Hash).as_bytes()))
    }
}

/// The sending side of a stream: one chunk is read at a time, and no more than is taken.
#[derive(Debug, Default)]
pub(crate) struct StreamSender {
    tree: StreamTree,
    read: u64,
    handed: u64,
    /// Bytes that are read and not handed to the link.
    ahead: u64,
    reading: bool,
    ended: bool,
    ready: VecDeque<(Chunk, Bytes)>,
    /// The receiver keeps what it has by that name.
    skipped: bool,
}

impl StreamSender {
    /// One that the receiver does not want.
    pub(crate) fn skipped() -> Self {
        Self { ended: true, skipped: true, ..Self::default() }
    }

    /// Where the next chunk begins that is to be read now; at most `most` bytes wait to be taken.
    pub(crate) fn next_read(&mut self, most: u64) -> Option<u64> {
        if self.reading || self.ended || self.ahead >= most {
            return None;
        }
        self.reading = true;
        Some(self.read)
    }

    /// The result of a read.
    pub(crate) fn handle_read(
        &mut self,
        result: Result<StreamChunk, StorageError>,
    ) -> Result<(), ReadFailure> {
        self.reading = false;
        let StreamChunk { data, value, last } = result.map_err(ReadFailure::Disk)?;
        let length = u32::try_from(data.len()).map_err(|_| ReadFailure::Disk(StorageError::Unsupported))?;
        self.tree.push(value);
        let head = Chunk { file: 0, length, offset: self.read, value, last };
        self.read = self.read.saturating_add(u64::from(length));
        self.ahead = self.ahead.saturating_add(u64::from(length));
        self.ended = last;
        self.ready.push_back((head, data));
        Ok(())
    }

    /// Whether it waits for what feeds it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.reading && self.ready.is_empty()
    }

    /// The next chunk for the link.
    pub(crate) fn take_chunk(&mut self) -> Option<(Chunk, Bytes)> {
        let (head, data) = self.ready.pop_front()?;
        self.ahead = self.ahead.saturating_sub(u64::from(head.length));
        self.handed = self.handed.saturating_add(u64::from(head.length));
        Some((head, data))
    }

    /// The root, once everything was handed to the link.
    pub(crate) fn root(&self) -> Option<Root> {
        if self.skipped {
            return Some(Root([0; 32]));
        }
        (self.ended && self.ready.is_empty()).then(|| self.tree.root()).flatten()
    }

    /// Bytes handed to the link.
    pub(crate) fn handed(&self) -> u64 {
        self.handed
    }
}

/// The receiving side of a stream: what may come next, and when it is whole.
#[derive(Debug, Default)]
pub(crate) struct StreamReceiver {
    tree: StreamTree,
    announced: u64,
    chunks: u64,
    written: u64,
    ended: bool,
}

impl StreamReceiver {
    /// A chunk is announced: nothing but the next may come.
    pub(crate) fn announce(&mut self, chunk: &Chunk) -> Result<(), Violation> {
        let length = u64::from(chunk.length);
        let whole = length == CHUNK || (chunk.last && length < CHUNK && (length > 0 || chunk.offset == 0));
        let next = self.announced.checked_add(length).filter(|_| whole && !self.ended).ok_or(Violation)?;
        if chunk.file != 0 || chunk.offset != self.announced {
            return Err(Violation);
        }
        self.tree.push(chunk.value);
        self.announced = next;
        self.chunks = self.chunks.saturating_add(1);
        self.ended = chunk.last;
        Ok(())
    }

    /// A chunk is written. The root, once all are.
    pub(crate) fn handle_written(&mut self) -> Option<Root> {
        self.written = self.written.saturating_add(1);
        (self.ended && self.written == self.chunks).then(|| self.tree.root()).flatten()
    }
}
