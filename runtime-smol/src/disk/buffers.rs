//! Buffers for chunks that are read: taken from a pool, handed out as [`Bytes`], back in the pool when the last
//! reader drops them.
//!
//! A fresh 256 KiB buffer costs zeroing and page faults each time, about as much as hashing a tenth of it; a
//! transfer needs thousands.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hither_protocol::transfer::hash::CHUNK;

/// Most buffers that wait for use: 16 MiB of chunks.
const MOST: usize = 64;

/// The pool.
#[derive(Debug, Default, Clone)]
pub(super) struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Buffers {
    /// A buffer of `length` bytes, whatever is in them.
    pub(super) fn take(&self, length: usize) -> Buffer {
        // Smaller ones are cheap for any allocator, and a pooled one would hold more memory than it shows.
        if length.saturating_mul(2) < chunk() {
            return Buffer { bytes: vec![0; length], length, pool: None };
        }
        let pooled = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = pooled.unwrap_or_else(|| vec![0; chunk()]);
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Buffer { bytes, length, pool: Some(self.clone()) }
    }
}

/// A buffer that goes back where it came from.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    pool: Option<Buffers>,
}

impl Buffer {
    /// To be filled.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// Shared from here on.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MOST && self.bytes.len() == chunk() {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

fn chunk() -> usize {
    usize::try_from(CHUNK).unwrap_or(usize::MAX)
}
