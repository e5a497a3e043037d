//! The addresses of this machine's network interfaces.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::Socket;

/// The interfaces that a node uses, as they were when it looked.
#[derive(Debug)]
pub(crate) struct Used {
    /// The only one, where there is one.
    pub(crate) name: Option<String>,
    /// The IP addresses that a node binds to or is reached at: of the one interface, loopback included, or of every one
    /// that is up, without loopback. IPv6 link-local addresses (RFC 4291, 2.5.6) are left out: they mean nothing without
    /// an interface's number.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether the only one is loopback.
    pub(crate) only_loopback: bool,
}

impl Used {
    /// Looks at the interface of this name, or at all.
    pub(crate) fn look(name: Option<&str>) -> io::Result<Self> {
        let all = if_addrs::get_if_addrs()?;
        let used = |found: &&if_addrs::Interface| match name {
            Some(name) => found.name == name,
            None => found.is_oper_up() && !found.is_loopback(),
        };
        let used: Vec<_> = all.iter().filter(used).collect();
        let mut addresses: Vec<IpAddr> = used.iter().map(|found| found.ip()).collect();
        addresses.sort();
        addresses.dedup();
        addresses.retain(|ip| !is_link_local_v6(ip));
        let only_loopback = name.is_some() && used.iter().any(|found| found.is_loopback());
        Ok(Self { name: name.map(str::to_owned), addresses, only_loopback })
    }

    /// The socket addresses at which a node with sockets at `bound` can be reached.
    pub(crate) fn reachable(&self, bound: &[SocketAddr]) -> Vec<SocketAddr> {
        let reachable = |ip: &IpAddr| {
            let mut sockets = bound.iter().filter(|socket| socket.is_ipv4() == ip.is_ipv4());
            let socket = sockets.find(|socket| socket.ip().is_unspecified() || socket.ip() == *ip)?;
            Some(SocketAddr::new(*ip, socket.port()))
        };
        self.addresses.iter().filter_map(reachable).collect()
    }
}

/// Keeps a socket to an interface, as far as the system lets anyone: an address alone does not do that on Linux; the
/// device does, and may be set by anyone since 5.7. Where it cannot be, the address has to do.
pub(crate) fn keep_to(socket: &Socket, interface: Option<&str>) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = interface {
        let _ = socket.bind_device(Some(name.as_bytes()));
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, interface);
}

fn is_link_local_v6(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
