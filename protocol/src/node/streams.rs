//! Byte streams beside other links: opened where much is to be sent on a local network, closed when it was.
//!
//! Only chunks go over them. A stream that cannot be opened costs a moment of waiting, and then everything goes over the
//! link that is there. A channel never moves from one link to another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Node;
use super::inflow::Inflow;
use super::sending::Outgoing;
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::transfer::TransferId;
use crate::{LinkLoss, Road, TransferFailure, Why};

/// Bytes that are worth a stream.
const WORTH: u64 = 16 * 1024 * 1024;
/// How long chunks wait for a stream that is being opened: many round trips of a local network.
const WAIT: Duration = Duration::from_millis(150);
/// How long a stream is kept that nothing uses: the next file may follow at once.
const SPARE: Duration = Duration::from_secs(10);

/// The streams that this node has opened beside other links.
#[derive(Debug, Default)]
pub(super) struct Streams {
    beside: BTreeMap<PeerId, Beside>,
    /// Links beside which no stream could be opened.
    refused: BTreeSet<LinkKey>,
}

#[derive(Debug)]
struct Beside {
    link: LinkKey,
    stream: LinkKey,
    up: bool,
    /// While it is being opened: how long chunks wait for it. Afterwards: how long it is kept unused.
    until: Option<Instant>,
}

impl Streams {
    /// Which link is to carry the chunks of a transfer of so many bytes over `link`. `None`: that is not decided yet.
    /// What is small does not stand in line behind what is large.
    pub(super) fn road(&self, now: Instant, peer: PeerId, link: LinkKey, bytes: u64) -> Option<LinkKey> {
        match self.beside.get(&peer).filter(|_| bytes >= WORTH) {
            Some(Beside { up: true, stream, .. }) => Some(*stream),
            Some(Beside { until: Some(until), .. }) if now < *until => None,
            _ => Some(link),
        }
    }

    /// A link is up.
    pub(super) fn up(&mut self, link: LinkKey) {
        if let Some(beside) = self.beside.values_mut().find(|beside| beside.stream == link) {
            beside.up = true;
            beside.until = None;
        }
    }

    /// A link is gone, or never came up.
    pub(super) fn gone(&mut self, link: LinkKey) {
        self.refused.remove(&link);
        let refused = self.beside.values().find(|beside| beside.stream == link && !beside.up);
        self.refused.extend(refused.map(|beside| beside.link));
        self.beside.retain(|_, beside| beside.stream != link);
    }
}

impl Node {
    /// Opens a stream beside a link over which so much is to be sent, if it is worth it there.
    pub(super) fn open_stream_beside(&mut self, now: Instant, link: LinkKey, peer: PeerId, bytes: u64) {
        let known = self.streams.beside.contains_key(&peer) || self.streams.refused.contains(&link);
        if known || self.shares.is_limited() || bytes < WORTH || self.road(link) != Some(Road::Lan) {
            return;
        }
        let Some(address) = self.links.address(link) else { return };
        if let Some(stream) = self.links.dial_stream(now, peer, address) {
            let until = now.checked_add(WAIT);
            self.streams.beside.insert(peer, Beside { link, stream, up: false, until });
        }
    }

    /// Lets go of streams that nothing has used for a while.
    pub(super) fn run_streams(&mut self, now: Instant) {
        let mut wake: Option<Instant> = None;
        let mut spare = Vec::new();
        let streams = self.streams.beside.values().map(|beside| beside.stream);
        let serving: BTreeSet<LinkKey> = streams.filter(|link| self.serves_over(*link)).collect();
        for (peer, beside) in &mut self.streams.beside {
            if beside.up {
                let sends = self.outgoing.values().any(|outgoing| outgoing.bulk() == Some(beside.stream));
                let used = sends || serving.contains(&beside.stream);
                // The last link to a peer is kept like any other.
                let last = self.links.to(*peer) == Some(beside.stream);
                beside.until = match beside.until {
                    _ if used || last => None,
                    None => now.checked_add(SPARE),
                    until => until,
                };
                if beside.until.is_some_and(|until| until <= now) {
                    spare.push(beside.stream);
                    continue;
                }
            }
            let waits = beside.until.filter(|until| *until > now);
            wake = waits.into_iter().chain(wake).min();
        }
        for stream in spare {
            self.streams.gone(stream);
            self.links.abandon(now, stream);
        }
        self.timers.set(Why::Stream, wake);
    }

    /// A link is lost that carried chunks of transfers whose own link may still be there. What was on its way is
    /// lost: what has arrived is wound up, and the rest is offered again over the link that is left.
    pub(super) fn lose_bulk(&mut self, now: Instant, link: LinkKey, why: LinkLoss) {
        // Whoever closes a stream in order says over the other link why: that all has arrived, that the transfer is
        // given up, or goodbye. That word is on its way.
        let in_order = why == LinkLoss::Closed;
        let carried = |outgoing: &Outgoing| {
            let awaits_word = in_order && outgoing.is_completing();
            outgoing.bulk() == Some(link) && outgoing.link() != Some(link) && !awaits_word
        };
        let sent: Vec<_> = self.outgoing.iter().filter(|(_, outgoing)| carried(outgoing)).collect();
        let sent: Vec<_> =
            sent.into_iter().map(|(transfer, outgoing)| (*transfer, outgoing.link())).collect();
        for (transfer, own) in sent {
            if let Some(own) = own {
                self.offer_over(now, transfer, own);
            }
        }
        if in_order {
            return;
        }
        let inflows = self.inflows.iter().filter(|((owner, _), _)| *owner == link);
        let received: BTreeSet<TransferId> = inflows.filter_map(|(_, it)| Inflow::chunks_of(it)).collect();
        for transfer in received {
            if self.incoming.get(&transfer).is_some_and(|incoming| incoming.link != link) {
                self.end_incoming(now, transfer, TransferFailure::LinkLost(why));
            }
        }
    }
}
