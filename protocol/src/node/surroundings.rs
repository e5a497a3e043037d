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

/// What to announce on the local network as `_hither._udp.local.`, in place of what was announced before.
///
/// It names no person: instance and host are random and change with the network, the text is recognisable only
/// to those who know this node's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Instance name.
    pub instance: String,
    /// Host name, without `.local.`.
    pub host: String,
    /// The TXT record: keys and values.
    pub text: Vec<(String, String)>,
}
