//! What a program is fed and what it feeds: one stream in, one out, each moved by a thread of its own, since it may wait
//! for ever for whoever is at the other end.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use bytes::{Bytes, BytesMut};
use hither_protocol::storage::{StorageError, StreamChunk, WriteChunk};
use hither_protocol::transfer::hash::{CHUNK, chunk_value};
use hither_protocol::transfer::stream_size;

use crate::disk::storage_error;

/// Bytes of a chunk.
const WHOLE: usize = CHUNK as usize;

/// The streams of a program, such as standard input and output.
#[derive(Default)]
pub struct Pipes {
    /// Is read for the stream that the node offers.
    pub input: Option<Box<dyn Read + Send>>,
    /// Takes what is received, where the rules say so.
    pub output: Option<Box<dyn Write + Send>>,
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes")
            .field("input", &self.input.is_some())
            .field("output", &self.output.is_some())
            .finish()
    }
}

/// A stream that is read chunk by chunk.
pub(crate) struct Input {
    stream: Box<dyn Read + Send>,
    /// The first byte of the next chunk, once there is one: only then is it known that the one before is not the last.
    next: Option<u8>,
    read: u64,
    ended: bool,
}

impl Input {
    pub(crate) fn new(stream: Box<dyn Read + Send>) -> Self {
        Self { stream, next: None, read: 0, ended: false }
    }

    /// The next chunk: a whole one, unless it is the last.
    pub(crate) fn chunk(&mut self, offset: u64) -> Result<StreamChunk, StorageError> {
        if offset != self.read || self.ended {
            return Err(StorageError::Unsupported);
        }
        let mut data = BytesMut::with_capacity(WHOLE);
        data.extend(self.next.take());
        let begun = data.len();
        data.resize(WHOLE, 0);
        let filled = self.fill(&mut data[begun..]).map_err(storage_error)?;
        data.truncate(begun + filled);
        if data.len() == WHOLE {
            let mut next = [0];
            if self.fill(&mut next).map_err(storage_error)? > 0 {
                self.next = Some(next[0]);
            }
        }
        let last = self.next.is_none();
        let length = u32::try_from(data.len()).map_err(|_| StorageError::Unsupported)?;
        let data: Bytes = data.freeze();
        let value = chunk_value(stream_size(offset, length, last), offset, &data);
        self.read = self.read.saturating_add(u64::from(length));
        self.ended = last;
        Ok(StreamChunk { data, value, last })
    }

    /// Reads as far as `buffer` and the stream reach.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// A stream that takes checked chunks.
pub(crate) struct Output {
    stream: Box<dyn Write + Send>,
    /// Why it takes no more: what came behind a gap would be worse than nothing.
    failed: Option<StorageError>,
}

impl Output {
    pub(crate) fn new(stream: Box<dyn Write + Send>) -> Self {
        Self { stream, failed: None }
    }

    /// Checks each chunk and appends it.
    pub(crate) fn append(&mut self, chunks: &[WriteChunk]) -> Vec<Result<(), StorageError>> {
        chunks.iter().map(|chunk| self.append_one(chunk)).collect()
    }

    fn append_one(&mut self, chunk: &WriteChunk) -> Result<(), StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = if chunk_value(chunk.size, chunk.offset, &chunk.data) == chunk.expected {
            self.stream.write_all(&chunk.data).and_then(|()| self.stream.flush()).map_err(|error| match error
                .kind()
            {
                ErrorKind::BrokenPipe => StorageError::Closed,
                _ => storage_error(error),
            })
        } else {
            Err(StorageError::Mismatch)
        };
        self.failed = written.as_ref().err().cloned();
        written
    }
}

#[cfg(test)]
mod tests;
