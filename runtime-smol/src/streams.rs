//! The byte streams: a TCP listener on the address and port of each UDP socket, and the streams that are open.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hither_protocol::{LinkId, Node, StreamInput, StreamOutput};
use smol::{Async, Timer};
use socket2::{Domain, Protocol, Socket, Type};

use crate::interfaces::{self, Used};

/// Bytes of one read: enough to be worth the call, few enough that datagrams do not wait.
const READ: usize = 256 * 1024;
/// Writes for each stream, and streams that are taken, in one turn of the loop.
const WRITES: usize = 4;
const TAKEN: usize = 16;
/// Streams that wait to be taken.
const BACKLOG: i32 = 64;
/// How long nobody is taken when the system has no room for one more.
const REST: Duration = Duration::from_secs(1);

/// The streams of a node.
#[derive(Debug)]
pub(crate) struct Streams {
    listeners: Vec<Listener>,
    open: BTreeMap<LinkId, Stream>,
    /// Where the UDP sockets are bound.
    bound: Vec<SocketAddr>,
    interface: Option<String>,
    only_loopback: bool,
    /// What was just read, of whichever stream.
    input: Vec<u8>,
    /// Until it is over, nobody is taken.
    rest: Option<Timer>,
}

#[derive(Debug)]
struct Listener {
    socket: Async<TcpListener>,
    address: SocketAddr,
    /// Somebody may wait: nothing has said otherwise since the system said so.
    ready: bool,
}

#[derive(Debug)]
struct Stream {
    socket: Async<TcpStream>,
    connecting: bool,
    readable: bool,
    writable: bool,
    /// The other side takes nothing any more. What it said before can still be read.
    deaf: bool,
    output: Vec<u8>,
    written: usize,
}

/// What has become of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    Still,
    Gone,
}

impl Streams {
    /// Listens where the UDP sockets are `bound`. Where another program has the port, streams come only from here.
    pub(crate) fn bind(used: &Used, bound: Vec<SocketAddr>) -> Self {
        let interface = used.name.as_deref();
        let listeners = bound.iter().filter_map(|address| listen(*address, interface).ok()).collect();
        Self {
            listeners,
            open: BTreeMap::new(),
            bound,
            interface: interface.map(str::to_owned),
            only_loopback: used.only_loopback,
            input: vec![0; READ],
            rest: None,
        }
    }

    /// Carries what there is to carry, a bounded amount for each stream. Says whether there may be more.
    pub(crate) fn turn(&mut self, node: &mut Node, now: Instant) -> bool {
        let mut more = self.take(node, now);
        while let Some((link, remote)) = node.poll_stream_dial() {
            more = true;
            match self.connect(remote) {
                Ok(socket) => drop(self.open.insert(link, Stream::new(socket, true))),
                Err(_) => node.handle_stream(now, link, StreamInput::Closed),
            }
        }
        let Self { open, input, .. } = self;
        open.retain(|link, stream| {
            let steps = [stream.write(node, now, *link), stream.read(node, now, *link, input)];
            more |= steps.iter().any(|step| *step != Step::Still);
            !steps.contains(&Step::Gone)
        });
        more
    }

    /// Takes streams that others open.
    fn take(&mut self, node: &mut Node, now: Instant) -> bool {
        let mut more = false;
        if self.rest.is_some() {
            return false;
        }
        for listener in self.listeners.iter_mut().filter(|listener| listener.ready) {
            for _ in 0..TAKEN {
                match listener.socket.get_ref().accept() {
                    Ok((socket, remote)) => {
                        more = true;
                        // What the node does not take is closed by being dropped.
                        let ready = socket.set_nonblocking(true).and_then(|()| socket.set_nodelay(true));
                        let socket = ready.and_then(|()| Async::new_nonblocking(socket));
                        if let Ok(socket) = socket
                            && let Some(link) = node.accept_stream(now, remote)
                        {
                            self.open.insert(link, Stream::new(socket, false));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.ready = false;
                        break;
                    }
                    // It was gone before it was taken.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::ConnectionAborted
                                | io::ErrorKind::ConnectionReset
                                | io::ErrorKind::Interrupted
                        ) => {}
                    // No file descriptor or no memory is left: asking again at once would only spin. Or Android took the
                    // socket away, as it does in the background; one that still has its port was not.
                    Err(_) => {
                        if let Ok(fresh) = listen(listener.address, self.interface.as_deref()) {
                            *listener = fresh;
                        }
                        self.rest = Some(Timer::after(REST));
                        return more;
                    }
                }
            }
        }
        more
    }

    /// Begins to connect, from the addresses and the interface that the UDP sockets have.
    fn connect(&self, remote: SocketAddr) -> io::Result<Async<TcpStream>> {
        if self.only_loopback && !remote.ip().is_loopback() {
            return Err(io::ErrorKind::HostUnreachable.into());
        }
        let socket = new_socket(remote, self.interface.as_deref())?;
        let local = self.bound.iter().find(|local| local.is_ipv4() == remote.is_ipv4());
        if let Some(local) = local.filter(|local| !local.ip().is_unspecified()) {
            socket.bind(&SocketAddr::new(local.ip(), 0).into())?;
        }
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&remote.into()) {
            Ok(()) => {}
            Err(error) if is_under_way(&error) => {}
            Err(error) => return Err(error),
        }
        Async::new_nonblocking(socket.into())
    }

    /// Something may have come, and there may be room, though the system was not asked.
    pub(crate) fn try_again(&mut self) {
        self.listeners.iter_mut().for_each(|listener| listener.ready = true);
        for stream in self.open.values_mut().filter(|stream| !stream.connecting) {
            (stream.readable, stream.writable) = (true, true);
        }
    }

    /// Ready when there may be something to do.
    pub(crate) fn poll(&mut self, node: &Node, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = false;
        let resting = self.rest.as_mut().is_some_and(|rest| Pin::new(rest).poll(context).is_pending());
        if !resting {
            self.rest = None;
            for listener in &mut self.listeners {
                listener.ready |= listener.socket.poll_readable(context).is_ready();
                ready |= listener.ready;
            }
        }
        for (link, stream) in &mut self.open {
            ready |= stream.poll(node, *link, context);
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Stream {
    fn new(socket: Async<TcpStream>, connecting: bool) -> Self {
        Self {
            socket,
            connecting,
            readable: !connecting,
            writable: !connecting,
            deaf: false,
            output: Vec::new(),
            written: 0,
        }
    }

    fn write(&mut self, node: &mut Node, now: Instant, link: LinkId) -> Step {
        if self.connecting {
            return self.connected(node, now, link);
        }
        let mut step = Step::Still;
        for _ in 0..WRITES {
            if self.written == self.output.len() {
                self.output.clear();
                self.written = 0;
                match node.poll_stream(now, link, &mut self.output) {
                    StreamOutput::Idle => return step,
                    StreamOutput::Close => return Step::Gone,
                    StreamOutput::Write => {}
                }
            }
            if self.deaf {
                self.output.clear();
                return step;
            }
            if !self.writable {
                return step;
            }
            match self.socket.get_ref().write(self.output.get(self.written..).unwrap_or_default()) {
                Ok(written) => {
                    self.written += written;
                    step = Step::Moved;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.deaf = true,
            }
        }
        step
    }

    /// Looks whether a connection has come about.
    fn connected(&mut self, node: &mut Node, now: Instant, link: LinkId) -> Step {
        // The node may have given it up meanwhile.
        if node.poll_stream(now, link, &mut self.output) == StreamOutput::Close {
            return Step::Gone;
        }
        if !self.writable {
            return Step::Still;
        }
        let socket = self.socket.get_ref();
        let input = match socket.take_error().and_then(|error| error.map_or(Ok(()), Err)) {
            Ok(()) if socket.peer_addr().is_ok() => StreamInput::Opened,
            Ok(()) => {
                self.writable = false;
                return Step::Still;
            }
            Err(_) => StreamInput::Closed,
        };
        (self.connecting, self.readable) = (false, true);
        node.handle_stream(now, link, input);
        if matches!(input, StreamInput::Closed) { Step::Gone } else { Step::Moved }
    }

    fn read(&mut self, node: &mut Node, now: Instant, link: LinkId, input: &mut [u8]) -> Step {
        if !self.readable || !node.wants_stream(link) {
            return Step::Still;
        }
        match self.socket.get_ref().read(input) {
            Ok(read) if read > 0 => {
                node.handle_stream(now, link, StreamInput::Data(input.get(..read).unwrap_or_default()));
                Step::Moved
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Step::Still
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Step::Moved,
            Ok(_) | Err(_) => {
                node.handle_stream(now, link, StreamInput::Closed);
                Step::Gone
            }
        }
    }

    fn poll(&mut self, node: &Node, link: LinkId, context: &mut Context<'_>) -> bool {
        let mut ready = false;
        if (self.connecting || self.written < self.output.len()) && !self.deaf {
            self.writable |= self.socket.poll_writable(context).is_ready();
            ready |= self.writable;
        }
        if !self.connecting && node.wants_stream(link) {
            self.readable |= self.socket.poll_readable(context).is_ready();
            ready |= self.readable;
        }
        ready
    }
}

fn listen(address: SocketAddr, interface: Option<&str>) -> io::Result<Listener> {
    let socket = new_socket(address, interface)?;
    // So that a port can be used again at once after a restart. On Windows it would let two programs share one.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener { socket: Async::new_nonblocking(socket.into())?, address, ready: false })
}

/// A socket that keeps to the interface as the UDP sockets do.
fn new_socket(address: SocketAddr, interface: Option<&str>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    interfaces::keep_to(&socket, interface);
    Ok(socket)
}

fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests;
