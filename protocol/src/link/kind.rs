//! What every kind of link can do, and the kinds there are.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::quic::QuicLink;
use super::stream::StreamLink;
use super::{ChannelId, ChannelRead, CloseCode};
use crate::LinkLoss;
use crate::identity::PeerId;
use crate::wire::Malformed;

/// Bytes of control messages that may wait for a peer who does not read them.
pub(super) const CONTROL_BACKLOG: usize = 4 * 1024 * 1024;
/// One-way channels that a peer may have open.
pub(super) const MAX_CHANNELS: u32 = 16;

/// A control channel both ways and one-way channels, each an ordered stream of bytes, to one peer.
pub(super) trait Channels {
    /// Whom it was dialled to, if it was dialled.
    fn dialled(&self) -> Option<PeerId>;
    /// Who is at the other end, once proven.
    fn peer(&self) -> Option<PeerId>;
    /// Where the other end is now.
    fn address(&self) -> Option<SocketAddr>;
    /// Where the other end could be dialled, as far as this link tells.
    fn home(&self) -> Option<SocketAddr>;
    /// The smoothed round trip, where it is known.
    fn round_trip(&self) -> Option<Duration>;

    /// Queues a control frame. `false`: the peer does not read, and the link is beyond use.
    fn send_control(&mut self, frame: Vec<u8>) -> bool;
    /// The next control frame that arrived.
    fn next_control(&mut self) -> Result<Option<Vec<u8>>, Malformed>;

    /// One-way channels with something to read.
    fn readable(&self) -> Vec<ChannelId>;
    /// Reads from a one-way channel.
    fn read(&mut self, channel: ChannelId, most: usize) -> ChannelRead;
    /// Wants nothing more of a one-way channel.
    fn stop(&mut self, channel: ChannelId);
    /// Takes more at once: there is consent to what comes. `most` is a bound on it, in bytes.
    fn widen(&mut self, most: Option<u64>);
    /// How many pieces of channels it has sent so far.
    fn sent(&mut self) -> u64;

    /// Opens a one-way channel, if the peer allows one more now.
    fn open(&mut self) -> Option<ChannelId>;
    /// Whether a one-way channel would take more now.
    fn is_writable(&self, channel: ChannelId) -> bool;
    /// Writes to a one-way channel. What does not fit waits, and the channel is not writable meanwhile.
    fn write(&mut self, channel: ChannelId, pieces: &mut dyn Iterator<Item = Bytes>);
    /// Ends a one-way channel after what was written.
    fn finish(&mut self, channel: ChannelId);
    /// Ends a one-way channel at once; what was written need not arrive.
    fn reset(&mut self, channel: ChannelId);

    /// Closes once the control messages that wait have arrived.
    fn close_gently(&mut self);
    /// Closes now.
    fn close(&mut self, now: Instant, code: CloseCode);
    /// Whether it is of no use any more.
    fn is_closed(&self) -> bool;
    /// Whether everything is said that will be: a stream that nobody reads any more may not even take that it is over.
    fn has_parted(&self) -> bool;
    /// Whether nothing is left to do for it.
    fn is_drained(&self) -> bool;
    /// When it wants to be woken.
    fn timeout(&mut self) -> Option<Instant>;
    /// It is `now`.
    fn handle_timeout(&mut self, now: Instant);
}

/// A link.
pub(super) enum Kind {
    Quic(Box<QuicLink>),
    Stream(Box<StreamLink>),
}

impl Kind {
    pub(super) fn get(&self) -> &dyn Channels {
        match self {
            Self::Quic(link) => link.as_ref(),
            Self::Stream(link) => link.as_ref(),
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut dyn Channels {
        match self {
            Self::Quic(link) => link.as_mut(),
            Self::Stream(link) => link.as_mut(),
        }
    }

    pub(super) fn quic(&mut self) -> Option<&mut QuicLink> {
        match self {
            Self::Quic(link) => Some(link),
            Self::Stream(_) => None,
        }
    }

    pub(super) fn stream(&mut self) -> Option<&mut StreamLink> {
        match self {
            Self::Quic(_) => None,
            Self::Stream(link) => Some(link),
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Whether someone else began it and has not proven who they are.
    pub(super) fn is_half_open(&self) -> bool {
        let link = self.get();
        link.peer().is_none() && link.dialled().is_none()
    }
}

/// What became of a link after its events were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The peer has proven itself.
    Up(PeerId),
    /// It is between two one-time keys, and both have proven theirs: ours, theirs, and what no other link has.
    Met { ours: PeerId, theirs: PeerId, session: [u8; 32] },
    /// It was, or was to be, between two one-time keys, and is gone.
    Parted,
    /// It was up and is gone.
    Lost { why: LinkLoss, cancelled: bool },
    /// It was dialled and never came up.
    Failed { other_version: bool },
    /// Everything was said: it can be closed.
    Finished,
}
