//! The addresses of this machine's network interfaces.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::Socket;

/// The IP addresses that a node binds to or is reached at.
///
/// With an interface's name: that interface's, loopback included. Without: those of every interface that is up,
/// without loopback. IPv6 link-local addresses (RFC 4291, 2.5.6) are left out: they mean nothing without an
/// interface's number.
pub(crate) fn addresses(interface: Option<&str>) -> io::Result<Vec<IpAddr>> {
    let all = if_addrs::get_if_addrs()?;
    let wanted = all.iter().filter(|found| match interface {
        Some(name) => found.name == name,
        None => found.is_oper_up() && !found.is_loopback(),
    });
    let mut found: Vec<IpAddr> = wanted.map(if_addrs::Interface::ip).collect();
    found.sort();
    found.dedup();
    found.retain(|ip| !is_link_local_v6(ip));
    Ok(found)
}

/// Whether `name` is a loopback interface.
pub(crate) fn is_loopback(name: &str) -> bool {
    if_addrs::get_if_addrs()
        .is_ok_and(|all| all.iter().any(|found| found.name == name && found.is_loopback()))
}

/// The socket addresses at which the node can be reached.
pub(crate) fn reachable(interface: Option<&str>, bound: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for ip in addresses(interface)? {
        let port = bound.iter().find(|socket| {
            socket.is_ipv4() == ip.is_ipv4() && (socket.ip().is_unspecified() || socket.ip() == ip)
        });
        if let Some(socket) = port {
            found.push(SocketAddr::new(ip, socket.port()));
        }
    }
    Ok(found)
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
