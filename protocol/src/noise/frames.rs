//! Handshake messages in a stream of bytes, QUIC's CRYPTO or another: each with its length before it.

use std::cmp::Ordering;

use super::agreement::HandshakeError;

/// The longest handshake message, in bytes. A real one has a few hundred.
pub(super) const MAX_FRAME: usize = 4096;

/// Puts the pieces of a message together again: two bytes of length, big-endian, then the message.
#[derive(Default)]
pub(super) struct Frames {
    buffered: Vec<u8>,
}

impl Frames {
    /// Takes bytes in; gives a message when it is whole. Never holds more than one message.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, HandshakeError> {
        if self.buffered.len().saturating_add(bytes.len()) > MAX_FRAME.saturating_add(2) {
            return Err(HandshakeError::Malformed);
        }
        self.buffered.extend_from_slice(bytes);
        let Some((length, body)) = self.buffered.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MAX_FRAME {
            return Err(HandshakeError::Malformed);
        }
        match body.len().cmp(&length) {
            Ordering::Less => Ok(None),
            Ordering::Equal => {
                let message = body.to_vec();
                self.buffered.clear();
                Ok(Some(message))
            }
            Ordering::Greater => Err(HandshakeError::Unexpected),
        }
    }
}

/// Writes one message with its length before it.
pub(super) fn framed(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), HandshakeError>,
) -> Result<Vec<u8>, HandshakeError> {
    let mut out = vec![0; 2];
    write(&mut out)?;
    let (length, body) = out.split_first_chunk_mut::<2>().ok_or(HandshakeError::Malformed)?;
    if body.len() > MAX_FRAME {
        return Err(HandshakeError::Malformed);
    }
    *length = u16::try_from(body.len()).map_err(|_| HandshakeError::Malformed)?.to_be_bytes();
    Ok(out)
}
