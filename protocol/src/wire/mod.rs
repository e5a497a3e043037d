//! The wire: Cap'n Proto to domain types and back. What a peer sent is parsed once, here, into types that cannot
//! be wrong.
//!
//! Every message is a frame: its length as a little-endian `u32`, then one Cap'n Proto message, unpacked, in the
//! standard stream framing. PROTOCOL.md says the same in prose.

mod code;
mod control;
mod dht;
mod envelope;
mod frame;
mod nodes;
pub(crate) mod record;
mod records;
mod share;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use code::{CodeIdentity, CodeRefusal, CodeStep, Proof, StoredCode, Wants};
pub(crate) use control::{
    Answer, CancelReason, ChunkRun, Control, EntrySet, MAX_RUNS, REVISION, ReceiptState, Wanted,
};
pub(crate) use dht::{BadQuery, encode_query, encode_response, parse_query, parse_response};
pub(crate) use envelope::{Content, Envelope, NewContent};
pub(crate) use frame::FrameReader;
pub(crate) use nodes::RememberedNodes;
pub(crate) use records::{
    Accepted, ContactRecord, PeerCount, QueuedRecord, UnfinishedRecord, Way, encode_kept,
};
pub(crate) use share::{
    Have, Leaving, MAX_ASK, MAX_BITS, MAX_LISTED, MAX_OTHER_ADDRESSES, MAX_OTHERS, Other, OutlineHead,
    PieceHead, Run, Share, What, encode_piece, encode_roots, parse_piece, parse_roots, runs,
};
pub(crate) use transfer::{
    ChannelOpen, Chunk, OfferHead, encode_chunk, encode_offer, encode_open_chunks, encode_open_outline,
    encode_open_pieces, encode_part, parse_chunk, parse_open, parse_part, parse_part_of_offer,
};

use capnp::message::{HeapAllocator, ReaderOptions, TypedReader};
use capnp::serialize::BufferSegments;

/// Bytes that are not what they should be. The link they came over is closed: an honest peer sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<capnp::Error> for Malformed {
    fn from(_: capnp::Error) -> Self {
        Self
    }
}

impl From<capnp::NotInSchema> for Malformed {
    fn from(_: capnp::NotInSchema) -> Self {
        Self
    }
}

impl From<std::str::Utf8Error> for Malformed {
    fn from(_: std::str::Utf8Error) -> Self {
        Self
    }
}

/// Reads one message. The traversal limit is four times what can have been sent, so pointers that share a target
/// cannot multiply work; nesting goes no deeper than the schema does.
pub(crate) fn read<T: capnp::traits::Owned>(
    bytes: &[u8],
) -> Result<TypedReader<BufferSegments<&[u8]>, T>, Malformed> {
    let mut rest = bytes;
    let message = read_front(&mut rest)?;
    if rest.is_empty() { Ok(message) } else { Err(Malformed) }
}

/// Reads one message that is filled up with zeros.
pub(crate) fn read_padded<T: capnp::traits::Owned>(
    bytes: &[u8],
) -> Result<TypedReader<BufferSegments<&[u8]>, T>, Malformed> {
    let mut rest = bytes;
    let message = read_front(&mut rest)?;
    if rest.iter().all(|byte| *byte == 0) { Ok(message) } else { Err(Malformed) }
}

/// Reads one message off the front of what is left.
fn read_front<'a, T: capnp::traits::Owned>(
    rest: &mut &'a [u8],
) -> Result<TypedReader<BufferSegments<&'a [u8]>, T>, Malformed> {
    let words = rest.len().div_ceil(8);
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(words.saturating_mul(4).max(64))).nesting_limit(8);
    Ok(capnp::serialize::read_message_from_flat_slice(rest, options)?.into_typed())
}

/// Encodes one message without a frame.
pub(crate) fn encode_bare<T: capnp::traits::Owned>(fill: impl FnOnce(T::Builder<'_>)) -> Vec<u8> {
    encode_within::<T>(32, fill)
}

/// Encodes one message without a frame. If it has so many words at most it is in one segment.
fn encode_within<T: capnp::traits::Owned>(words: u32, fill: impl FnOnce(T::Builder<'_>)) -> Vec<u8> {
    let mut message = capnp::message::Builder::new(HeapAllocator::new().first_segment_words(words));
    fill(message.init_root::<T::Builder<'_>>());
    capnp::serialize::write_message_to_words(&message)
}

/// Encodes one message with its frame.
fn encode<T: capnp::traits::Owned>(fill: impl FnOnce(T::Builder<'_>)) -> Vec<u8> {
    let bare = encode_bare::<T>(fill);
    let mut framed = Vec::with_capacity(bare.len().saturating_add(4));
    framed.extend_from_slice(&u32::try_from(bare.len()).unwrap_or(u32::MAX).to_le_bytes());
    framed.extend_from_slice(&bare);
    framed
}

/// Exactly `N` bytes.
pub(crate) fn exact<const N: usize>(data: &[u8]) -> Result<[u8; N], Malformed> {
    data.try_into().map_err(|_| Malformed)
}
