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
/// recognisable only to those who know its id; that of a code says where its sides meet, and a one-time key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Instance name.
    pub instance: String,
    /// Host name, without `.local.`.
    pub host: String,
    /// The TXT record: keys and values.
    pub text: Vec<(String, String)>,
}
