//! A peer and, where known, one place to reach it: `hi1…` or `hi1…@192.168.1.7:4242`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::keys::PeerId;
use super::text::ParsePeerIdError;

/// Whom to dial and, optionally, where. The address is a hint: the handshake proves the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// Who must answer.
    pub peer: PeerId,
    /// Where to ask first. Never port 0, unspecified or multicast when it was parsed from text.
    pub address: Option<SocketAddr>,
}

impl From<PeerId> for PeerAddress {
    fn from(peer: PeerId) -> Self {
        Self { peer, address: None }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => self.peer.fmt(f),
            Some(address) => write!(f, "{}@{address}", self.peer),
        }
    }
}

/// Why a text is no peer address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsePeerAddressError {
    /// What stands before the `@`, or alone, is no id.
    Id(ParsePeerIdError),
    /// What stands after the `@` is no IP address with a port. Host names are not looked up.
    NotAnAddress,
    /// An IP address without a port.
    NoPort,
    /// Port 0, or an address that stands for no single machine.
    Unreachable,
}

impl fmt::Display for ParsePeerAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(error) => error.fmt(f),
            Self::NotAnAddress => f.write_str(
                "after the @ comes an IP address and a port, such as 192.168.1.7:4242 or [2001:db8::7]:4242; \
                 names are not looked up",
            ),
            Self::NoPort => {
                f.write_str("the port is missing, such as :4242 (an IPv6 address goes in [ ] then)")
            }
            Self::Unreachable => f.write_str("no single machine can be reached at this address"),
        }
    }
}

impl std::error::Error for ParsePeerAddressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Id(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ParsePeerIdError> for ParsePeerAddressError {
    fn from(error: ParsePeerIdError) -> Self {
        Self::Id(error)
    }
}

impl FromStr for PeerAddress {
    type Err = ParsePeerAddressError;

    fn from_str(text: &str) -> Result<Self, ParsePeerAddressError> {
        let Some((id, address)) = text.trim().split_once('@') else {
            return Ok(Self { peer: text.parse()?, address: None });
        };
        Ok(Self { peer: id.parse()?, address: Some(parse_address(address)?) })
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, ParsePeerAddressError> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let only_ip = bare.parse::<IpAddr>().is_ok();
        return Err(if only_ip {
            ParsePeerAddressError::NoPort
        } else {
            ParsePeerAddressError::NotAnAddress
        });
    };
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(ParsePeerAddressError::Unreachable);
    }
    Ok(address)
}
