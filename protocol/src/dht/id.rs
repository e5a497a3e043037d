//! Names in the table's space: nodes' ids, the places of what is stored, and the distance between them.
//!
//! A node's id is never believed: it is computed from the node's key and the address at which it answers. For global
//! addresses its first 21 bits follow from the address as BEP-42 has it, so that one address can stand at a few places
//! only; the rest is a hash of the key, whose last three bits take the part of BEP-42's random number.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::address::Scope;

/// Bits in a name.
pub const BITS: usize = 256;

/// The X25519 key under which a node of the table answers. It is made anew at every start and in every network, and is
/// not the user's identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub [u8; 32]);

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

/// Where something is stored or looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub [u8; 32]);

/// How far two names are from each other: their exclusive or, compared as a number (Maymounkov and Mazières, 2002).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 32]);

impl NodeId {
    /// The id of whoever holds `key` and answers at `address`.
    pub fn new(key: &NodeKey, address: IpAddr) -> Self {
        let mut id = tail(key);
        let [.., last] = id;
        if Scope::of(address) == Scope::Global {
            let bound = bound_to(address, last & 7);
            let [first, second, third, ..] = &mut id;
            let [a, b, c, _] = bound.to_be_bytes();
            (*first, *second, *third) = (a, b, (c & 0xf8) | (*third & 7));
        }
        Self(id)
    }

    /// Takes the 32 bytes that a request names.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether whoever holds `key` can have this id, at whatever address.
    pub fn belongs_to(&self, key: &NodeKey) -> bool {
        let [_, _, third, rest @ ..] = self.0;
        let [_, _, own_third, own_rest @ ..] = tail(key);
        // Where the id is bound to no address all of it is the hash; the two cannot be told apart, and need not be.
        third & 7 == own_third & 7 && rest == own_rest
    }

    /// As a place of the space.
    pub fn target(&self) -> Target {
        Target(self.0)
    }

    /// How far it is from `target`.
    pub fn distance(&self, target: &Target) -> Distance {
        let mut distance = self.0;
        for (byte, other) in distance.iter_mut().zip(target.0) {
            *byte ^= other;
        }
        Distance(distance)
    }
}

impl Distance {
    /// How many leading bits the two have in common.
    pub fn common_bits(&self) -> usize {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        let next = self.0.get(zeros).map_or(0, |byte| byte.leading_zeros());
        zeros.saturating_mul(8).saturating_add(usize::try_from(next).unwrap_or(0))
    }
}

/// The bits that follow from a key.
fn tail(key: &NodeKey) -> [u8; 32] {
    blake3::derive_key("hither v1 dht node id", &key.0)
}

/// The first bits of an id at an address: BEP-42's CRC32-C over the masked address and three bits of choice.
fn bound_to(address: IpAddr, choice: u8) -> u32 {
    let choice = choice & 7;
    match address {
        IpAddr::V4(v4) => {
            let mut octets = v4.octets();
            for (octet, mask) in octets.iter_mut().zip([0x03, 0x0f, 0x3f, 0xff]) {
                *octet &= mask;
            }
            let [first, ..] = &mut octets;
            *first |= choice << 5;
            crc32c(&octets)
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h, ..] = v6.octets();
            let mut octets = [a, b, c, d, e, f, g, h];
            for (octet, mask) in octets.iter_mut().zip([0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff]) {
                *octet &= mask;
            }
            let [first, ..] = &mut octets;
            *first |= choice << 5;
            crc32c(&octets)
        }
    }
}

/// CRC32-C (RFC 3720, appendix B.4), bit by bit: it is over eight bytes at most.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// Someone who can be asked: a key, and the address at which whoever holds it is said to answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    id: NodeId,
    key: NodeKey,
    address: SocketAddr,
}

impl Contact {
    /// A contact, where nobody could be asked at such an address `None`.
    pub fn new(key: NodeKey, address: SocketAddr) -> Option<Self> {
        let usable = address.port() != 0 && Scope::of(address.ip()) != Scope::None;
        usable.then(|| Self { id: NodeId::new(&key, address.ip()), key, address })
    }

    /// Where it stands.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its key.
    pub fn key(&self) -> NodeKey {
        self.key
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far it is from `target`.
    pub fn distance(&self, target: &Target) -> Distance {
        self.id.distance(target)
    }
}

fn short(bytes: &[u8; 32], name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(")?;
    bytes.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str("…)")
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, "NodeKey", f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, "NodeId", f)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, "Target", f)
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, "Distance", f)
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.id, self.address)
    }
}
