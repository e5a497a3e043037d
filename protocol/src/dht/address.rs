//! What an address says about where it counts, and who is likely to own its neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Nowhere that a datagram could go: unspecified, multicast, broadcast, reserved.
    None,
    /// On this machine.
    Loopback,
    /// In one network: RFC 1918, RFC 6598 (carriers' NATs), RFC 4193, link-local.
    Private,
    /// Everywhere.
    Global,
}

impl Scope {
    /// The scope of an address. IPv4 addresses in IPv6 clothes count as what they are.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }

    /// Whether someone in this scope can speak of addresses of `other` to those who hear it: what is private or
    /// loopback means something else, or nothing, at the other end of a global road.
    pub fn may_name(self, other: Self) -> bool {
        match self {
            Self::None => false,
            Self::Loopback => matches!(other, Self::Loopback | Self::Private | Self::Global),
            Self::Private => matches!(other, Self::Private | Self::Global),
            Self::Global => other == Self::Global,
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Scope {
    let [a, b, ..] = address.octets();
    match (a, b) {
        (0 | 224.., _) => Scope::None,
        (127, _) => Scope::Loopback,
        (10, _) | (172, 16..=31) | (192, 168) | (169, 254) | (100, 64..=127) => Scope::Private,
        _ => Scope::Global,
    }
}

fn of_v6(address: Ipv6Addr) -> Scope {
    if address.is_unspecified() || address.is_multicast() {
        Scope::None
    } else if address.is_loopback() {
        Scope::Loopback
    } else if address.is_unique_local() || address.is_unicast_link_local() {
        Scope::Private
    } else {
        Scope::Global
    }
}

/// The neighbourhood of a global address, which one owner can have whole: a /24 of IPv4, a /56 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// The first 24 bits.
    V4([u8; 3]),
    /// The first 56 bits.
    V6([u8; 7]),
}

impl Prefix {
    /// The prefix of any address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }

    /// The prefix whose places are counted: none for loopback and private addresses, whose owners know each other.
    pub fn counted(address: IpAddr) -> Option<Self> {
        (Scope::of(address) == Scope::Global).then(|| Self::of(address))
    }
}
