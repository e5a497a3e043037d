//! All links over byte streams: opening them, answering, and carrying their bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::kind::{Channels, Kind};
use super::set::MAX_LINKS;
use super::stream::StreamLink;
use super::{LinkKey, Links};
use crate::identity::PeerId;
use crate::noise::stream::StreamCrypto;
use crate::{StreamInput, StreamOutput};

/// Streams that others opened and on which nobody has proven themselves yet; more are not taken.
const MAX_HALF_OPEN: usize = 64;
/// Such streams from one address.
const HALF_OPEN_OF_ADDRESS: usize = 8;

/// What all streams share.
pub(super) struct Streams {
    crypto: StreamCrypto,
    /// Streams that the runtime has not been asked to open yet.
    dials: VecDeque<(LinkKey, SocketAddr)>,
}

impl Streams {
    pub(super) fn new(crypto: StreamCrypto) -> Self {
        Self { crypto, dials: VecDeque::new() }
    }

    /// A stream that came to its end before the runtime heard of it needs no closing.
    pub(super) fn settle(&mut self, key: LinkKey, link: &mut StreamLink) {
        if link.is_closed() && self.dials.iter().any(|(dialled, _)| *dialled == key) {
            self.dials.retain(|(dialled, _)| *dialled != key);
            link.forget();
        }
    }
}

impl Links {
    /// A stream was opened from `remote`. `None`: there are too many.
    pub(crate) fn accept_stream(&mut self, now: Instant, remote: SocketAddr) -> Option<LinkKey> {
        let (half_open, from_there) = self.half_open(true, remote.ip());
        let full = half_open >= MAX_HALF_OPEN || from_there >= HALF_OPEN_OF_ADDRESS;
        if self.closing.is_some() || self.links.len() >= MAX_LINKS || full {
            return None;
        }
        let link = StreamLink::accepted(now, remote, &self.streams.crypto);
        Some(self.insert(Kind::Stream(Box::new(link))))
    }

    /// Opens a stream to a peer.
    pub(crate) fn dial_stream(&mut self, now: Instant, peer: PeerId, address: SocketAddr) -> Option<LinkKey> {
        if self.closing.is_some() || self.links.len() >= MAX_LINKS {
            return None;
        }
        let link = StreamLink::dialled(now, address, peer, &self.streams.crypto)?;
        let key = self.insert(Kind::Stream(Box::new(link)));
        self.streams.dials.push_back((key, address));
        Some(key)
    }

    /// The next stream that the runtime is to open.
    pub(crate) fn poll_stream_dial(&mut self) -> Option<(LinkKey, SocketAddr)> {
        self.streams.dials.pop_front()
    }

    /// Something happened to a stream.
    pub(crate) fn handle_stream(&mut self, now: Instant, key: LinkKey, input: StreamInput<'_>) {
        let Some(link) = self.links.get_mut(&key).and_then(Kind::stream) else { return };
        match input {
            StreamInput::Opened => link.opened(),
            StreamInput::Data(data) => link.arrived(now, data),
            StreamInput::Closed => link.closed(),
        }
        self.touched.insert(key);
    }

    /// What to do with a stream.
    pub(crate) fn poll_stream(&mut self, now: Instant, key: LinkKey, buffer: &mut Vec<u8>) -> StreamOutput {
        let Some(link) = self.links.get_mut(&key).and_then(Kind::stream) else {
            return StreamOutput::Close;
        };
        let (output, moved) = link.fill(now, buffer);
        if moved {
            self.touched.insert(key);
        }
        output
    }

    /// Whether a stream's bytes are wanted now.
    pub(crate) fn stream_has_room(&self, key: LinkKey) -> bool {
        match self.links.get(&key) {
            Some(Kind::Stream(link)) => link.has_room(),
            _ => false,
        }
    }
}
