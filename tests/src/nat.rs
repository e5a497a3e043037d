//! A home router: what it does to the datagrams of the host behind it, after RFC 4787.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long a way stays open on which nothing goes out: what many routers do, if less than RFC 4787 asks for.
pub const OPEN_FOR: Duration = Duration::from_secs(30);
/// The first port of those that a symmetric router takes.
const FIRST_PORT: u16 = 20_000;

/// Which kind of router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatKind {
    /// One port for all, and everyone gets in.
    FullCone,
    /// One port for all, and only those get in who were written to.
    PortRestricted,
    /// A port of its own for everyone who is written to, by which nobody else gets in.
    Symmetric,
}

/// A router, and the ways that it keeps open.
#[derive(Debug)]
pub(crate) struct Nat {
    kind: NatKind,
    /// Whom was written to last when, by which port.
    ways: BTreeMap<(u16, SocketAddr), Duration>,
    next_port: u16,
}

impl Nat {
    pub(crate) fn new(kind: NatKind) -> Self {
        Self { kind, ways: BTreeMap::new(), next_port: FIRST_PORT }
    }

    /// Forgets whom it lets in.
    pub(crate) fn restart(&mut self) {
        self.ways.clear();
    }

    /// The address of the host itself, behind the router.
    pub(crate) fn inside(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 1, 2)), port)
    }

    /// Something goes out to `remote`: by which port, where `own` is the host's.
    pub(crate) fn pass_out(&mut self, now: Duration, own: u16, remote: SocketAddr) -> u16 {
        self.ways.retain(|_, at| now - *at < OPEN_FOR);
        let port = match self.kind {
            NatKind::FullCone | NatKind::PortRestricted => own,
            NatKind::Symmetric => {
                let open = self.ways.keys().find(|(_, to)| *to == remote).map(|(port, _)| *port);
                open.unwrap_or_else(|| {
                    self.next_port += 1;
                    self.next_port
                })
            }
        };
        self.ways.insert((port, remote), now);
        port
    }

    /// Whether something of `remote` that comes to a port gets in.
    pub(crate) fn lets_in(&self, now: Duration, port: u16, remote: SocketAddr) -> bool {
        let mut open = self.ways.iter().filter(|(_, at)| now - **at < OPEN_FOR);
        match self.kind {
            NatKind::FullCone => open.any(|((way, _), _)| *way == port),
            NatKind::PortRestricted | NatKind::Symmetric => open.any(|(way, _)| *way == (port, remote)),
        }
    }
}
