//! What the surroundings tell a node, and what a node tells them.

use std::net::SocketAddr;

/// What the surroundings tell. All of it is a hint: only a handshake proves who is where.
#[derive(Debug, Clone)]
pub enum Surroundings {
    /// The addresses at which this node's sockets can be reached now, wildcards resolved to interfaces'.
    Addresses(Vec<SocketAddr>),
    /// A service instance was seen, or seen anew, on the local network.
    Sighted(Sighting),
    /// A service instance is gone.
    Vanished {
        /// Its instance name.
        instance: String,
    },
    /// The wall clock: Unix milliseconds. Told at least when it jumped.
    Clock(u64),
}

/// A service instance on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its instance name.
    pub instance: String,
    /// Where it says it is.
    pub addresses: Vec<SocketAddr>,
    /// Its TXT record: keys and values.
    pub text: Vec<(String, String)>,
}

/// A service instance to announce on the local network as `_hither._udp.local.`.
///
/// It names no person: instance and host are random and change with the network. The text of the node's own is
/// recognisable only to those who know its id, and only while the user shows the node openly are id and name in it; that
/// of a code says where its sides meet, and a one-time key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Instance name.
    pub instance: String,
    /// Host name, without `.local.`.
    pub host: String,
    /// The TXT record: keys and values.
    pub text: Vec<(String, String)>,
}

/// A name by which someone shows themselves to everyone on the local network: 1 to 64 bytes without control characters.
/// Someone else's is their own word: show it through something that makes the rest of what deceives inert, and never as
/// the name of someone who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenName(String);

impl OpenName {
    /// Longest, in bytes.
    pub const MAX: usize = 64;

    /// The name, without spaces around it.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let name = name.trim();
        let odd = name.is_empty() || name.len() > Self::MAX || name.contains(char::is_control);
        if odd { Err(BadName) } else { Ok(Self(name.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name is empty, longer than [`OpenName::MAX`] bytes or holds control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadName;

impl std::fmt::Display for BadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a name has 1 to {} bytes and no control characters", OpenName::MAX)
    }
}

impl std::error::Error for BadName {}
