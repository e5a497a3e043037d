//! Hellos: which key answers at an address?
//!
//! Their MACs keep networks apart, and prove nothing else: the key in a reply is proven by the first request to it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use subtle::ConstantTimeEq;

use super::{MIN_REQUEST, Transaction};
use crate::dht::id::NodeKey;
use crate::dht::statistics::Reason;
use crate::noise::quic::NetworkId;

/// The first byte of a hello.
pub(super) const HELLO: u8 = 0x12;
/// The first byte of the reply to one.
pub(super) const HELLO_REPLY: u8 = 0x13;

const MAC: usize = 16;
/// Bytes of an address: 16 of IP, 2 of port.
const ADDRESS: usize = 18;
/// Bytes of a reply before its MAC.
const REPLY_BODY: usize = 1 + 8 + 32 + ADDRESS;

/// Makes and reads the greetings of one network.
pub(super) struct Greetings {
    hello: [u8; 32],
    reply: [u8; 32],
}

impl Greetings {
    pub(super) fn new(network: &NetworkId) -> Self {
        Self {
            hello: blake3::derive_key("hither v1 dht hello", &network.0),
            reply: blake3::derive_key("hither v1 dht hello reply", &network.0),
        }
    }

    /// A hello, as long as any request.
    pub(super) fn hello(&self, transaction: Transaction) -> Vec<u8> {
        let mut datagram = vec![HELLO];
        datagram.extend_from_slice(&transaction.0);
        datagram.extend_from_slice(&mac(&self.hello, &datagram));
        datagram.resize(MIN_REQUEST, 0);
        datagram
    }

    pub(super) fn parse_hello(&self, datagram: &[u8]) -> Result<Transaction, Reason> {
        let (body, rest) = datagram.split_first_chunk::<{ 1 + 8 }>().ok_or(Reason::TooShort)?;
        let (given, zeros) = rest.split_first_chunk::<MAC>().ok_or(Reason::TooShort)?;
        match datagram.len() {
            MIN_REQUEST => {}
            ..MIN_REQUEST => return Err(Reason::TooShort),
            _ => return Err(Reason::TooLong),
        }
        if !bool::from(mac(&self.hello, body).ct_eq(given)) {
            return Err(Reason::OtherNetwork);
        }
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(Reason::Malformed);
        }
        let [_, transaction @ ..] = *body;
        Ok(Transaction(transaction))
    }

    /// The reply to a hello from an address.
    pub(super) fn reply(&self, transaction: Transaction, key: &NodeKey, from: SocketAddr) -> Vec<u8> {
        let mut datagram = vec![HELLO_REPLY];
        datagram.extend_from_slice(&transaction.0);
        datagram.extend_from_slice(&key.0);
        datagram.extend_from_slice(&mapped(from));
        datagram.extend_from_slice(&mac(&self.reply, &datagram));
        datagram
    }

    pub(super) fn parse_reply(&self, datagram: &[u8]) -> Result<(Transaction, NodeKey, SocketAddr), Reason> {
        let (body, given) = datagram.split_first_chunk::<REPLY_BODY>().ok_or(Reason::TooShort)?;
        let given: &[u8; MAC] = given.try_into().map_err(|_| match given.len() {
            ..MAC => Reason::TooShort,
            _ => Reason::TooLong,
        })?;
        if !bool::from(mac(&self.reply, body).ct_eq(given)) {
            return Err(Reason::OtherNetwork);
        }
        let [_, fields @ ..] = body;
        let (transaction, fields) = fields.split_first_chunk().ok_or(Reason::TooShort)?;
        let (key, fields) = fields.split_first_chunk().ok_or(Reason::TooShort)?;
        let (ip, port) = fields.split_first_chunk::<16>().ok_or(Reason::TooShort)?;
        let port = u16::from_be_bytes(*port.first_chunk().ok_or(Reason::TooShort)?);
        let observed = SocketAddr::new(IpAddr::from(*ip).to_canonical(), port);
        Ok((Transaction(*transaction), NodeKey(*key), observed))
    }
}

/// An address in as many bytes whatever its kind: 16 of IP, those of IPv4 in IPv6 clothes, 2 of port.
pub(in crate::dht) fn mapped(address: SocketAddr) -> [u8; ADDRESS] {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let mut bytes = [0; ADDRESS];
    let all = ip.octets().into_iter().chain(address.port().to_be_bytes());
    bytes.iter_mut().zip(all).for_each(|(byte, value)| *byte = value);
    bytes
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; MAC] {
    let mut mac = [0; MAC];
    blake3::Hasher::new_keyed(key).update(bytes).finalize_xof().fill(&mut mac);
    mac
}
