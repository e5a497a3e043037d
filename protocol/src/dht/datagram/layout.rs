//! What stands where in a request and in a reply.

use super::Transaction;
use crate::dht::id::NodeId;
use crate::dht::message::Cookie;
use crate::noise::quic::NetworkId;

/// The first byte of a request.
pub(super) const REQUEST: u8 = 0x10;
/// The first byte of a reply.
pub(super) const REPLY: u8 = 0x11;
/// Bytes before the Noise message in a reply.
pub(super) const REPLY_HEADER: usize = 1 + 8;
/// More bytes than any contact takes: 50 as it is packed, and what rounding up to words adds.
pub(super) const LONGEST_CONTACT: usize = 56;

const LABEL: &[u8] = b"hither v1 dht";
/// Changes with the format of what is encrypted.
const VERSION: u8 = 1;

/// What is not encrypted of a request.
pub(super) struct Header {
    pub(super) transaction: Transaction,
    pub(super) responder: NodeId,
    /// [`Cookie::NONE`] stands for none.
    pub(super) cookie: Cookie,
}

impl Cookie {
    /// Stands where there is no cookie.
    pub(in crate::dht) const NONE: Self = Self([0; 16]);
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![REQUEST];
        bytes.extend_from_slice(&self.transaction.0);
        bytes.extend_from_slice(self.responder.as_bytes());
        bytes.extend_from_slice(&self.cookie.0);
        bytes
    }

    /// The header, its bytes, and the Noise message behind them.
    pub(super) fn parse(datagram: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let (bytes, message) = datagram.split_first_chunk::<{ 1 + 8 + 32 + 16 }>()?;
        let (_, fields) = bytes.split_first()?;
        let (transaction, fields) = fields.split_first_chunk()?;
        let (responder, fields) = fields.split_first_chunk()?;
        let cookie = fields.first_chunk()?;
        let (transaction, cookie) = (Transaction(*transaction), Cookie(*cookie));
        Some((Self { transaction, responder: NodeId::from_bytes(*responder), cookie }, bytes, message))
    }
}

/// What both sides hash before the first message. All parts but the label have a fixed length.
pub(super) fn prologue(network: &NetworkId, header: &[u8]) -> Vec<u8> {
    let mut prologue = LABEL.to_vec();
    prologue.push(VERSION);
    prologue.extend_from_slice(&network.0);
    prologue.extend_from_slice(header);
    prologue
}

pub(super) fn reply_header(transaction: Transaction) -> Vec<u8> {
    let mut bytes = vec![REPLY];
    bytes.extend_from_slice(&transaction.0);
    bytes
}

/// Which request it is said to answer, and the Noise message.
pub(super) fn parse_reply_header(datagram: &[u8]) -> Option<(Transaction, &[u8])> {
    let (_, rest) = datagram.split_first()?;
    let (transaction, message) = rest.split_first_chunk()?;
    Some((Transaction(*transaction), message))
}

/// A message with its length before it, and zeros behind it up to a length of the whole. `None`: it is too long for any
/// datagram.
pub(super) fn frame(message: &[u8], at_least: usize) -> Option<Vec<u8>> {
    let mut framed = u16::try_from(message.len()).ok()?.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed.resize(framed.len().max(at_least), 0);
    Some(framed)
}

/// The message in a frame. What is behind it must be zeros.
pub(super) fn unframe(framed: &[u8]) -> Option<&[u8]> {
    let (length, rest) = framed.split_first_chunk()?;
    let (message, padding) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    padding.iter().all(|byte| *byte == 0).then_some(message)
}
