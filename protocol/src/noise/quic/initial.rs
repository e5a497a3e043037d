//! Protection of the packets before there are secrets: Initial and Retry (after RFC 9001, sections 5.2 and 5.8).
//!
//! Where RFC 9001 has a published salt, this mixes in the responder's id: who does not know it can neither make
//! the responder work nor forge its Retry. It is no secrecy against those who do.

use noq_proto::crypto::Keys;
use noq_proto::{ConnectionId, Side};
use subtle::ConstantTimeEq;

use super::secrets::LevelSecrets;
use super::{Cipher, WIRE_VERSION};
use crate::identity::PeerId;

/// The keys of Initial packets to and from `responder`.
pub(super) fn keys(responder: &PeerId, dst_cid: &ConnectionId, side: Side) -> Keys {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 quic initial");
    mix_in(&mut hasher, responder, dst_cid);
    LevelSecrets::initial(hasher.finalize().as_bytes()).keys(Cipher::ChaCha20Poly1305, side)
}

/// The integrity tag of a Retry packet, of which `packet` are the parts.
pub(super) fn retry_tag(responder: &PeerId, orig_dst_cid: &ConnectionId, packet: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 quic retry");
    mix_in(&mut hasher, responder, orig_dst_cid);
    for part in packet {
        hasher.update(part);
    }
    let mut tag = [0; 16];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

/// Whether the Retry packet of this `header` and `payload`, its last 16 bytes the tag, is `responder`'s.
pub(super) fn is_valid_retry(
    responder: &PeerId,
    orig_dst_cid: &ConnectionId,
    header: &[u8],
    payload: &[u8],
) -> bool {
    payload
        .split_last_chunk::<16>()
        .is_some_and(|(token, tag)| retry_tag(responder, orig_dst_cid, &[header, token]).ct_eq(tag).into())
}

fn mix_in(hasher: &mut blake3::Hasher, responder: &PeerId, cid: &ConnectionId) {
    hasher.update(&WIRE_VERSION.to_be_bytes());
    hasher.update(responder.as_bytes());
    // At most 20 bytes (RFC 9000, section 17.2); counted, so that what follows cannot be taken for part of it.
    hasher.update(&[u8::try_from(cid.len()).unwrap_or(u8::MAX)]);
    hasher.update(cid);
}
