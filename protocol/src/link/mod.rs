//! Links: ordered channels and small messages to one proven peer, with flow control.
//!
//! The machines speak over a link and cannot tell what carries it. There are two kinds, and nothing outside of this
//! module knows them apart but by asking for a stream:
//!
//! - `quic`: a QUIC connection, over datagrams; `datagrams` has all of them, `config` what QUIC is told;
//! - `stream`: records over a byte stream, for much at once on a local network; `streams` has all of them.
//!
//! `kind` is what both can do, `set` all links of a node.

mod config;
mod datagrams;
mod kind;
mod quic;
mod set;
mod stream;
mod streams;
mod timers;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

pub(crate) use set::Links;
pub(crate) use timers::Timers;

use crate::identity::PeerId;
use crate::{LinkLoss, Road};

/// Names a link, once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkKey(pub(crate) u64);

/// Names a one-way channel of a link, among those of its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelId(u64);

/// What reading from a channel gave.
#[derive(Debug)]
pub(crate) enum ChannelRead {
    /// Bytes, in order.
    Data(Bytes),
    /// Nothing now.
    Nothing,
    /// The end, after everything was read.
    End,
    /// The sender gave it up.
    Reset,
}

/// What happened to a link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A peer has proven itself.
    Up { link: LinkKey, peer: PeerId },
    /// An established link is gone.
    Down { link: LinkKey, peer: PeerId, why: LinkLoss, cancelled: bool },
    /// A dial came to nothing.
    Failed { link: LinkKey, peer: PeerId, other_version: bool },
    /// Both sides of a link have proven one-time keys. It can carry steps of a code, and nothing else until it is
    /// adopted.
    Met { link: LinkKey, ours: PeerId, theirs: PeerId, session: [u8; 32] },
    /// Such a link is gone, or came to nothing.
    Parted { link: LinkKey },
}

/// Why a link is closed, as the other side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// Everything is said.
    Done,
    /// The user stopped the program.
    Interrupted,
    /// The other side broke the protocol.
    Violation,
}

impl CloseCode {
    fn number(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::Interrupted => 1,
            Self::Violation => 2,
        }
    }
}

/// Which road an address is on.
pub(crate) fn road(address: SocketAddr) -> Road {
    let local = match address.ip() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
    };
    if local { Road::Lan } else { Road::Direct }
}
