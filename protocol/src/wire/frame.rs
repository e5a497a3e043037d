//! Frames out of a byte stream, whatever pieces it comes in.

use bytes::{Buf, Bytes};

use super::Malformed;

/// The longest frame, in bytes, its length not counted.
pub(crate) const MAX_FRAME: usize = 192 * 1024;

/// Cuts a stream into frames. Holds at most one frame.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    held: Vec<u8>,
    wanted: Option<usize>,
}

impl FrameReader {
    /// Takes bytes from the front of `input` until a frame is whole, and gives it.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, Malformed> {
        loop {
            let wanted = self.wanted.unwrap_or(4);
            let take = wanted.saturating_sub(self.held.len()).min(input.len());
            self.held.extend_from_slice(input.get(..take).unwrap_or_default());
            input.advance(take);
            if self.held.len() < wanted {
                return Ok(None);
            }
            let whole = std::mem::take(&mut self.held);
            if self.wanted.take().is_some() {
                return Ok(Some(whole));
            }
            let length = u32::from_le_bytes(super::exact(&whole)?);
            let length = usize::try_from(length).map_err(|_| Malformed)?;
            if length == 0 || length > MAX_FRAME {
                return Err(Malformed);
            }
            self.wanted = Some(length);
        }
    }

    /// Bytes that the next step takes: reading no more than these ends exactly where a frame does.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted.unwrap_or(4).saturating_sub(self.held.len())
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.wanted.is_some() || !self.held.is_empty()
    }
}
