//! The UDP sockets: one port, an IPv4 and an IPv6 socket, many datagrams for each system call.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hither_protocol::{EcnCodepoint, Received, Transmit};
use noq_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use smol::Async;
use socket2::{Domain, Protocol, Socket, Type};

use crate::interfaces::{self, Used};

/// What the kernel may hold for each socket and direction, where it lets us: 25 ms at 10 Gbit/s.
const KERNEL_BUFFER: usize = 4 << 20;
/// The most that one receive can give: several datagrams that arrived together, or one of the largest size.
const SLOT: usize = 1 << 16;
/// Receives for each system call.
const SLOTS: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };
/// The most bytes of one segmented send: it is one datagram to the kernel until late, so IP's 65,535 less IPv6's
/// and UDP's headers bound it.
const SEND: usize = 65_535 - 40 - 8;
/// Segments of Ethernet's size that fit into one send.
const SEGMENTS: NonZeroUsize = NonZeroUsize::new(SEND / 1452).unwrap();
/// How often another port is tried when the one that the system gave for one address is taken on the next.
const PORT_TRIES: usize = 16;
/// How often at most a socket that gives errors is opened anew.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// The sockets of a node.
#[derive(Debug)]
pub(crate) struct Sockets {
    sockets: Vec<Bound>,
    slots: Vec<BytesMut>,
    meta: Vec<RecvMeta>,
    interface: Option<String>,
    only_loopback: bool,
}

#[derive(Debug)]
struct Bound {
    socket: Async<UdpSocket>,
    state: UdpSocketState,
    address: SocketAddr,
    /// There may be something to receive: nothing has said otherwise since the system said so.
    readable: bool,
    /// When it was last opened anew.
    renewed: Option<Instant>,
}

/// What became of a transmit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way, or lost as any datagram may be.
    Yes,
    /// The kernel takes no more now: try again when it does, from this byte of the buffer on.
    Blocked(usize),
}

impl Sockets {
    /// Binds to the wildcard addresses or, with an interface's name, to that interface's addresses and the
    /// interface itself. `port` 0 is any.
    pub(crate) fn bind(used: &Used, port: u16) -> io::Result<Self> {
        let interface = used.name.as_deref();
        let everywhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let addresses = if interface.is_some() { used.addresses.as_slice() } else { &everywhere };
        let mut tries = if port == 0 { PORT_TRIES } else { 1 };
        let sockets = loop {
            tries -= 1;
            match bind_all(addresses, interface, port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                other => break other?,
            }
        };
        Ok(Self {
            sockets,
            slots: (0..SLOTS).map(|_| BytesMut::zeroed(SLOT)).collect(),
            meta: vec![RecvMeta::default(); SLOTS],
            interface: used.name.clone(),
            only_loopback: used.only_loopback,
        })
    }

    /// The addresses as bound, wildcards included.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|bound| bound.address).collect()
    }

    /// How many datagrams may go out in one transmit now. It shrinks to one when the system turns out not to
    /// segment after all (`in_parts`), so it is asked each time.
    pub(crate) fn max_segments(&self) -> NonZeroUsize {
        let supported = self.sockets.iter().map(|bound| bound.state.max_gso_segments()).min();
        supported.map_or(NonZeroUsize::MIN, |supported| supported.min(SEGMENTS))
    }

    /// Sends one transmit from its byte `from` on, without waiting. Segments that are too large to go out in one
    /// send, as on paths with more than Ethernet's size, go out in several.
    pub(crate) fn send(&self, transmit: &Transmit, data: &[u8], from: usize) -> Sent {
        if self.only_loopback && !transmit.remote.ip().is_loopback() {
            return Sent::Yes;
        }
        let Some(bound) = self.socket_for(transmit) else { return Sent::Yes };
        let source = transmit.local.filter(|_| bound.address.ip().is_unspecified());
        let allowed = || bound.state.max_gso_segments();
        in_parts(data, from, transmit.segment_size, allowed, |contents| {
            let outgoing = noq_udp::Transmit {
                destination: transmit.remote,
                ecn: transmit.ecn.and_then(|mark| noq_udp::EcnCodepoint::from_bits(mark as u8)),
                contents,
                segment_size: transmit.segment_size,
                src_ip: source,
            };
            bound.state.try_send(UdpSockRef::from(bound.socket.get_ref()), &outgoing)
        })
    }

    /// Receives one batch from each socket that may have something, and hands it on. Says whether there may be
    /// more.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(Received, BytesMut)) -> bool {
        let mut more = false;
        for bound in &mut self.sockets {
            if !bound.readable {
                continue;
            }
            let mut buffers: Vec<IoSliceMut<'_>> =
                self.slots.iter_mut().map(|slot| IoSliceMut::new(slot)).collect();
            let socket = UdpSockRef::from(bound.socket.get_ref());
            match bound.state.recv(socket, &mut buffers, &mut self.meta) {
                Ok(count) => {
                    more = true;
                    for (slot, meta) in self.slots.iter_mut().zip(&self.meta).take(count) {
                        each(received(meta), contents(slot, meta.len));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => bound.readable = false,
                // Windows and some others report here that an earlier datagram was not taken (ICMP): it is
                // gone from the queue, and says nothing that can be trusted.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset
                            | io::ErrorKind::ConnectionRefused
                            | io::ErrorKind::Interrupted
                    ) =>
                {
                    more = true;
                }
                // Wait for the system to say that there is something, on another socket where this one was taken away.
                Err(_) => {
                    bound.readable = false;
                    bound.renew(self.interface.as_deref());
                }
            }
        }
        more
    }

    /// Something may have come, though the system was not asked.
    pub(crate) fn try_again(&mut self) {
        self.sockets.iter_mut().for_each(|bound| bound.readable = true);
    }

    /// Ready when there may be something to receive.
    pub(crate) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for bound in &mut self.sockets {
            if bound.readable || bound.socket.poll_readable(context).is_ready() {
                bound.readable = true;
                ready = Poll::Ready(());
            }
        }
        ready
    }

    /// Ready when the socket of a transmit that was blocked may take it.
    pub(crate) fn poll_writable(&self, transmit: &Transmit, context: &mut Context<'_>) -> Poll<()> {
        match self.socket_for(transmit) {
            Some(bound) => bound.socket.poll_writable(context).map(|_| ()),
            None => Poll::Ready(()),
        }
    }

    /// The socket bound to the local address, or else the first of the family.
    fn socket_for(&self, transmit: &Transmit) -> Option<&Bound> {
        let family =
            || self.sockets.iter().filter(|bound| bound.address.is_ipv4() == transmit.remote.is_ipv4());
        family().find(|bound| Some(bound.address.ip()) == transmit.local).or_else(|| family().next())
    }
}

impl Bound {
    /// Opens the socket anew. Android takes the sockets of an app away that is in the background, or whose network is gone
    /// (ECONNABORTED): they are deaf from then on. One that still has its port was not taken away, and stays.
    fn renew(&mut self, interface: Option<&str>) {
        if self.renewed.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return;
        }
        self.renewed = Some(Instant::now());
        if let Ok(fresh) = bind_one(self.address, interface) {
            (self.socket, self.state) = (fresh.socket, fresh.state);
        }
    }
}

/// Sends `data` from its byte `from` on: each time as many segments as `allowed` says then.
fn in_parts(
    data: &[u8],
    from: usize,
    segment: Option<usize>,
    allowed: impl Fn() -> NonZeroUsize,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> Sent {
    let mut sent = from;
    while let Some(rest) = data.get(sent..).filter(|rest| !rest.is_empty()) {
        let segments = allowed();
        let most = match segment {
            Some(size) if size > 0 => (SEND / size).clamp(1, segments.get()) * size,
            _ => rest.len(),
        };
        let contents = rest.get(..most).unwrap_or(rest);
        match send(contents) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Blocked(sent),
            // The system does not segment after all (EIO, as some Android devices give), and noq-udp has noticed: nothing
            // of it went out, so it goes out again in what is allowed now.
            Err(_) if allowed() < segments => {}
            // A datagram that is larger than the path carries (EMSGSIZE: a probe for that very thing), a route that is
            // gone, a neighbour that does not answer: all the same to the node as a loss on the way.
            Ok(()) | Err(_) => sent += contents.len(),
        }
    }
    Sent::Yes
}

fn bind_all(addresses: &[IpAddr], interface: Option<&str>, port: u16) -> io::Result<Vec<Bound>> {
    let mut port = port;
    let mut sockets: Vec<Bound> = Vec::with_capacity(addresses.len());
    let mut failure = None;
    for ip in addresses {
        match bind_one(SocketAddr::new(*ip, port), interface) {
            Ok(bound) => {
                port = bound.address.port();
                sockets.push(bound);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            // A machine without IPv6, or an address that has just gone: the others will do.
            Err(error) => failure = Some(error),
        }
    }
    match (sockets.is_empty(), failure) {
        (false, _) => Ok(sockets),
        (true, Some(error)) => Err(error),
        (true, None) => Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            match interface {
                Some(name) => format!("there is no network interface {name:?} with an address"),
                None => "there is no address to bind to".into(),
            },
        )),
    }
}

fn bind_one(address: SocketAddr, interface: Option<&str>) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    interfaces::keep_to(&socket, interface);
    // The system may allow less.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.bind(&address.into())?;
    let socket: UdpSocket = socket.into();
    let address = socket.local_addr()?;
    // noq-udp turns on what matters: segmentation both ways, ECN, packet information, no fragmentation. It leaves
    // SO_TIMESTAMPNS off, which would cost the ECN marks of coalesced receives (noq #774).
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(Bound { socket: Async::new_nonblocking(socket)?, state, address, readable: false, renewed: None })
}

fn received(meta: &RecvMeta) -> Received {
    Received {
        local: meta.dst_ip,
        remote: meta.addr,
        ecn: meta.ecn.and_then(|mark| EcnCodepoint::from_bits(mark as u8)),
        segment_size: meta.stride,
    }
}

/// What was received into a slot. The node may keep it for long, as part of a stream that has gaps, so it is
/// never less than half of the memory that it holds: a small receive is copied out, which is cheap because it is
/// small, and only a large one takes the slot with it.
fn contents(slot: &mut BytesMut, length: usize) -> BytesMut {
    if length <= SLOT / 2 {
        return BytesMut::from(&slot[..length.min(slot.len())]);
    }
    let mut full = std::mem::replace(slot, BytesMut::zeroed(SLOT));
    full.truncate(length);
    full
}

#[cfg(test)]
mod tests;
