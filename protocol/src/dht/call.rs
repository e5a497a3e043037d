//! Calls: what somebody tells whom they want to reach, by way of an introducer that can read nothing of it.

use std::net::SocketAddr;

use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::content::{plain, read_address, write_address};
use super::id::NodeKey;
use super::message::Nonce;
use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};
use crate::noise::handshake::Handshake;
use crate::noise::quic::NetworkId;

/// Bytes of a sealed call: all are alike.
pub const SEALED_CALL: usize = 144;
/// Addresses of whoever calls at most: one of each family.
pub const MAX_CALL_AT: usize = 2;

/// Bytes of what is sealed: what Noise N adds is a key and a tag.
const ROOM: usize = SEALED_CALL - 32 - 16;

/// Who calls, and from where. It names no identity: that is for the handshake to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Names it. Whoever is called sends a ping with it, which shows where they can be reached.
    pub nonce: Nonce,
    /// The key of the calling node, under which it is sent that ping.
    pub key: NodeKey,
    /// Where others see that node: [`MAX_CALL_AT`] at most.
    pub at: Vec<SocketAddr>,
}

/// A call that only whoever is called can read. Whoever wrote it knows their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedCall(pub [u8; SEALED_CALL]);

impl Call {
    /// Seals it for `to`, whom introducers know by `known_as`. Of the addresses the first count.
    pub fn seal(
        &self,
        to: &PeerId,
        known_as: &NodeKey,
        network: &NetworkId,
        random: &mut Stream,
    ) -> Option<SealedCall> {
        let mut content = [self.nonce.0.as_slice(), &self.key.0].concat();
        self.at.iter().take(MAX_CALL_AT).for_each(|address| write_address(&mut content, plain(*address)));
        content.resize(ROOM, 0);
        let ephemeral = StaticSecret::from(*Zeroizing::new(random.bytes()));
        let prologue = prologue(to, known_as, network);
        let mut sealed = Vec::with_capacity(SEALED_CALL);
        Handshake::n_initiator(&prologue, to.noise_public(), ephemeral).write(&content, &mut sealed).ok()?;
        sealed.try_into().ok().map(SealedCall)
    }

    /// Reads a call to `identity`. `None`: it is none.
    pub fn open(
        sealed: &SealedCall,
        identity: &Identity,
        known_as: &NodeKey,
        network: &NetworkId,
    ) -> Option<Self> {
        let prologue = prologue(&identity.peer_id(), known_as, network);
        let content = Handshake::n_responder(&prologue, identity.noise_secret()).read(&sealed.0).ok()?;
        let (nonce, rest) = content.split_first_chunk()?;
        let (key, mut rest) = rest.split_first_chunk()?;
        let mut at = Vec::new();
        while rest.iter().any(|byte| *byte != 0) {
            at.push(read_address(&mut rest)?);
        }
        (at.len() <= MAX_CALL_AT).then_some(Self { nonce: Nonce(*nonce), key: NodeKey(*key), at })
    }
}

/// All parts but the label have a fixed length.
fn prologue(to: &PeerId, known_as: &NodeKey, network: &NetworkId) -> Vec<u8> {
    [b"hither v1 dht call".as_slice(), &network.0, to.as_bytes(), &known_as.0].concat()
}
