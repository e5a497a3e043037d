//! Datagrams and streams at the node's edge.

use std::net::{IpAddr, SocketAddr};

/// Explicit congestion notification, as the IP header holds it.
pub use noq_proto::EcnCodepoint;

/// Where a receive came from, for one datagram or several of one size that arrived together.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// The local address it arrived at, where the system tells.
    pub local: Option<IpAddr>,
    /// The sender's address.
    pub remote: SocketAddr,
    /// Its congestion mark.
    pub ecn: Option<EcnCodepoint>,
    /// The size of each datagram in the buffer, in bytes; the last may be shorter.
    pub segment_size: usize,
}

/// One datagram to send, or several of one size to one address (generic segmentation offload).
#[derive(Debug, Clone, Copy)]
pub struct Transmit {
    /// Where to.
    pub remote: SocketAddr,
    /// From which local address, where that matters.
    pub local: Option<IpAddr>,
    /// The congestion mark to send with.
    pub ecn: Option<EcnCodepoint>,
    /// Bytes written to the buffer.
    pub size: usize,
    /// The size of each datagram where there are several; the last may be shorter.
    pub segment_size: Option<usize>,
}

/// Names a byte stream between a node and its runtime. The node chooses the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What happened to a byte stream.
#[derive(Debug, Clone, Copy)]
pub enum StreamInput<'a> {
    /// It is open, as the node wanted.
    Opened,
    /// Bytes arrived, in order and in whatever pieces.
    Data(&'a [u8]),
    /// It could not be opened, or nothing more can arrive: the other side has closed it, or it broke. It is gone, and
    /// its name too.
    Closed,
}

/// What to do with a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamOutput {
    /// Nothing now.
    Idle,
    /// Write what was put into the buffer, then ask again.
    Write,
    /// Close it. It is gone, and its name too.
    Close,
}

/// Why a node wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A link's own timers: loss, pacing, idleness.
    Link(u64),
    /// The next address of a peer is to be dialled, or the search for it given up.
    Dial,
    /// A stream beside a link is waited for no longer, or needed no longer.
    Stream,
    /// What is announced on the local network is to change.
    Announce,
    /// An offer or a transfer that does not go on is given up.
    Offer,
    /// What transfers have written is to be made durable.
    Settle,
    /// Events were fetched: what was not read for want of room is.
    Room,
    /// What is fetched or shared is to be looked at: someone is silent, or to be told, or tried again.
    Share,
    /// A code expires, or somebody who was found or has come by one is waited for no longer.
    Code,
    /// Closing has waited long enough.
    Close,
    /// A limit on bytes a second lets more go.
    Limit,
    /// The table of nodes is to be looked after: a request, a search, what is published.
    Table,
}
