//! Our offers and their transfers, over whichever link reaches the peer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::patience::{ANSWER, STALL};
use super::{Node, Purpose};
use crate::identity::PeerId;
use crate::link::{ChannelId, LinkKey};
use crate::storage::{HashedChunk, ReadChunk, ScanError, Scanned, StorageError, Work};
use crate::transfer::hash::Root;
use crate::transfer::{Manifest, ReadFailure, Sender, TransferId};
use crate::wire::{
    CancelReason, Control, SkipSet, encode_chunk, encode_offer, encode_open_chunks, encode_part,
};
use crate::{Event, LinkLoss, Progress, Refusal, Road, TransferFailure, Unreachable, Why};

/// Channels that one transfer's chunks are spread over, so that a long fat path is not bound by one's window.
const CHANNELS: usize = 4;
/// Bytes that are worth another channel.
const CHANNEL_WORTH: u64 = 4 * 1024 * 1024;

/// An offer of ours.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) to: PeerId,
    state: State,
    /// The outermost paths, as scanned.
    paths: Vec<PathBuf>,
    /// When it last went on.
    moved: Instant,
}

#[derive(Debug)]
enum State {
    Scanning,
    /// Scanned; there is no link yet.
    Waiting(Offer),
    /// The manifest is on its way, or there.
    Offered {
        link: LinkKey,
        offer: Offer,
        channel: Option<ChannelId>,
        sent: usize,
        whole: bool,
    },
    /// Accepted.
    Sending {
        link: LinkKey,
        /// The link that carries the chunks, once the first channel is to be opened.
        bulk: Option<LinkKey>,
        sender: Sender,
        channels: Vec<ChannelId>,
        since: Instant,
    },
    /// Everything is sent; the receiver's word is awaited.
    Completing {
        link: LinkKey,
        bulk: Option<LinkKey>,
        root: Root,
        bytes: u64,
        since: Instant,
    },
}

#[derive(Debug, Clone)]
struct Offer {
    manifest: Arc<Manifest>,
    sources: Vec<Arc<PathBuf>>,
}

impl Outgoing {
    pub(super) fn new(now: Instant, to: PeerId, paths: Vec<PathBuf>) -> Self {
        Self { to, state: State::Scanning, paths, moved: now }
    }

    /// When it is given up, unless it goes on.
    pub(super) fn until(&self) -> Option<Instant> {
        match &self.state {
            // A search for the peer has its own end, and reading this disk its own errors.
            State::Scanning | State::Waiting(_) => None,
            State::Offered { .. } => self.moved.checked_add(ANSWER),
            State::Sending { .. } | State::Completing { .. } => self.moved.checked_add(STALL),
        }
    }

    pub(super) fn link(&self) -> Option<LinkKey> {
        match &self.state {
            State::Scanning | State::Waiting(_) => None,
            State::Offered { link, .. } | State::Sending { link, .. } | State::Completing { link, .. } => {
                Some(*link)
            }
        }
    }

    /// The link that carries its chunks.
    pub(super) fn bulk(&self) -> Option<LinkKey> {
        match &self.state {
            State::Sending { bulk, .. } | State::Completing { bulk, .. } => *bulk,
            State::Scanning | State::Waiting(_) | State::Offered { .. } => None,
        }
    }

    /// Whether everything is sent, and only the receiver's word missing.
    pub(super) fn is_completing(&self) -> bool {
        matches!(self.state, State::Completing { .. })
    }

    pub(super) fn progress(&self, road: impl Fn(LinkKey) -> Option<Road>) -> Progress {
        let (done, total) = match &self.state {
            State::Scanning => (0, 0),
            State::Waiting(offer) | State::Offered { offer, .. } => (0, offer.manifest.bytes()),
            State::Sending { sender, .. } => sender.progress(),
            State::Completing { bytes, .. } => (*bytes, *bytes),
        };
        Progress { peer: self.to, sending: true, done, total, road: self.link().and_then(road) }
    }
}

impl Node {
    pub(super) fn scanned(&mut self, now: Instant, transfer: TransferId, result: Result<Scanned, ScanError>) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        let scanned = match result {
            Ok(scanned) => scanned,
            Err(error) => return self.end_outgoing(transfer, TransferFailure::Scan(error)),
        };
        let name = match outgoing.paths.as_slice() {
            [_] => scanned.entries.first().map(|entry| entry.path.name().to_owned()).unwrap_or_default(),
            paths => format!("{} items", paths.len()),
        };
        let Ok(manifest) = Manifest::new(name, scanned.entries) else {
            return self.end_outgoing(transfer, TransferFailure::Scan(ScanError::TooMany));
        };
        let manifest = Arc::new(manifest);
        let sources = scanned.sources.into_iter().map(Arc::new).collect();
        let to = outgoing.to;
        outgoing.state = State::Waiting(Offer { manifest: Arc::clone(&manifest), sources });
        self.event(Event::Offering { transfer, manifest, left_out: scanned.left_out });
        match self.links.to(to) {
            Some(link) => self.start_waiting_offers(now, to, link),
            None => self.seek(now, to),
        }
    }

    /// A link to a peer is up: what waited for it begins.
    pub(super) fn start_waiting_offers(&mut self, now: Instant, peer: PeerId, link: LinkKey) {
        self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
        for outgoing in self.outgoing.values_mut().filter(|outgoing| outgoing.to == peer) {
            if let State::Waiting(offer) = &outgoing.state {
                let offer = offer.clone();
                outgoing.state = State::Offered { link, offer, channel: None, sent: 0, whole: false };
                outgoing.moved = now;
            }
        }
    }

    pub(super) fn fail_waiting_offers(&mut self, peer: PeerId, why: Unreachable) {
        let waiting =
            |outgoing: &Outgoing| outgoing.to == peer && matches!(outgoing.state, State::Waiting(_));
        let failed: Vec<_> =
            self.outgoing.iter().filter(|(_, outgoing)| waiting(outgoing)).map(|(id, _)| *id).collect();
        for transfer in failed {
            self.end_outgoing(transfer, TransferFailure::Unreachable(why));
        }
    }

    pub(super) fn offer_accepted(
        &mut self,
        now: Instant,
        link: LinkKey,
        transfer: TransferId,
        skip: SkipSet,
    ) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        match &outgoing.state {
            State::Offered { link: on, offer, whole: true, .. } if *on == link => {
                let Offer { manifest, sources } = offer.clone();
                let sender = Sender::new(transfer, manifest, sources, skip);
                let (_, bytes) = sender.progress();
                outgoing.state =
                    State::Sending { link, bulk: None, sender, channels: Vec::new(), since: now };
                outgoing.moved = now;
                let to = outgoing.to;
                self.open_stream_beside(now, link, to, bytes);
                self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
                self.event(Event::Started { transfer, bytes });
            }
            _ => self.links.fail(now, link),
        }
    }

    pub(super) fn offer_refused(&mut self, link: LinkKey, transfer: TransferId, why: Refusal) {
        if self.outgoing.get(&transfer).and_then(Outgoing::link) == Some(link) {
            self.end_outgoing(transfer, TransferFailure::Refused(why));
        }
    }

    /// The receiver has everything.
    pub(super) fn receiver_has_it(
        &mut self,
        now: Instant,
        link: LinkKey,
        transfer: TransferId,
        theirs: Root,
    ) {
        let Some(outgoing) = self.outgoing.get(&transfer) else { return };
        let State::Completing { link: on, root, bytes, since, .. } = outgoing.state else { return };
        if on != link {
            return;
        }
        if root != theirs {
            return self.end_outgoing(transfer, TransferFailure::Mismatch);
        }
        let paths = outgoing.paths.clone();
        let road = self.road(link).unwrap_or(Road::Direct);
        let took = now.saturating_duration_since(since);
        self.outgoing.remove(&transfer);
        self.event(Event::Finished { transfer, bytes, took, road, root, paths });
    }

    pub(super) fn chunks_read(
        &mut self,
        now: Instant,
        transfer: TransferId,
        asked: Vec<ReadChunk>,
        results: Vec<Result<HashedChunk, StorageError>>,
    ) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        let State::Sending { link, sender, .. } = &mut outgoing.state else { return };
        let link = *link;
        if let Err(failure) = sender.handle_read(asked, results) {
            let (reason, why) = match failure {
                ReadFailure::Changed(path) => {
                    (CancelReason::SourceChanged, TransferFailure::SourceChanged(Some(path)))
                }
                ReadFailure::Disk(error) => (CancelReason::DiskFailed, TransferFailure::Disk(Some(error))),
            };
            self.say(now, link, &Control::Cancel { transfer, reason });
            self.end_outgoing(transfer, why);
        }
    }

    /// Sends what can be sent.
    pub(super) fn run_outgoing(&mut self, now: Instant) {
        let mut complete = Vec::new();
        for (transfer, outgoing) in &mut self.outgoing {
            match &mut outgoing.state {
                State::Scanning | State::Waiting(_) | State::Completing { .. } => {}
                State::Offered { whole: true, .. } => {}
                State::Offered { link, offer, channel, sent, whole } => {
                    let Some(open) = channel.or_else(|| self.links.open(*link)) else { continue };
                    if channel.is_none() {
                        *channel = Some(open);
                        let head = encode_offer(*transfer, &offer.manifest);
                        self.links.write(*link, open, [Bytes::from(head)]);
                    }
                    while self.links.is_writable(*link, open) {
                        let rest = offer.manifest.entries().get(*sent..).unwrap_or_default();
                        if rest.is_empty() {
                            self.links.finish(*link, open);
                            *whole = true;
                            break;
                        }
                        let (frame, count) = encode_part(rest);
                        self.links.write(*link, open, [Bytes::from(frame)]);
                        *sent = sent.saturating_add(count);
                    }
                }
                State::Sending { link, bulk, sender, channels, since } => {
                    while let Some(batch) = sender.next_read() {
                        self.storage.ask(Work::Read(batch.clone()), Purpose::Read(*transfer, batch));
                    }
                    let Some(road) = bulk.or_else(|| self.streams.road(now, outgoing.to, *link)) else {
                        continue;
                    };
                    *bulk = Some(road);
                    let (_, bytes) = sender.progress();
                    let worth = usize::try_from(bytes / CHANNEL_WORTH).unwrap_or(CHANNELS).clamp(1, CHANNELS);
                    while channels.len() < worth && bytes > 0 || channels.is_empty() {
                        let Some(channel) = self.links.open(road) else { break };
                        self.links.write(road, channel, [Bytes::from(encode_open_chunks(*transfer))]);
                        channels.push(channel);
                    }
                    let mut blocked = 0;
                    for channel in channels.iter().cycle() {
                        if blocked >= channels.len() {
                            break;
                        }
                        if !self.links.is_writable(road, *channel) {
                            blocked = blocked.saturating_add(1);
                            continue;
                        }
                        let Some((head, data)) = sender.take_chunk() else { break };
                        blocked = 0;
                        outgoing.moved = now;
                        self.links.write(road, *channel, [Bytes::from(encode_chunk(&head)), data]);
                    }
                    while let Some(batch) = sender.next_read() {
                        self.storage.ask(Work::Read(batch.clone()), Purpose::Read(*transfer, batch));
                    }
                    let flushed = channels.iter().all(|channel| self.links.is_writable(road, *channel));
                    if let Some(root) = flushed.then(|| sender.root()).flatten() {
                        for channel in channels.iter() {
                            self.links.finish(road, *channel);
                        }
                        complete.push((*transfer, *link, *bulk, root, bytes, *since));
                    }
                }
            }
        }
        for (transfer, link, bulk, root, bytes, since) in complete {
            if let Some(outgoing) = self.outgoing.get_mut(&transfer) {
                outgoing.state = State::Completing { link, bulk, root, bytes, since };
                outgoing.moved = now;
            }
            self.say(now, link, &Control::Complete { transfer, root });
        }
    }

    /// Ends a transfer of ours on this side.
    pub(super) fn end_outgoing(&mut self, transfer: TransferId, why: TransferFailure) {
        let Some(outgoing) = self.outgoing.remove(&transfer) else { return };
        match outgoing.state {
            State::Offered { link, channel: Some(channel), whole: false, .. } => {
                self.links.reset(link, channel);
            }
            State::Sending { bulk: Some(bulk), channels, .. } => {
                for channel in channels {
                    self.links.reset(bulk, channel);
                }
            }
            _ => {}
        }
        self.event(Event::Failed { transfer, why, kept: 0 });
    }

    /// The receiver has stood still for too long.
    pub(super) fn stall_outgoing(&mut self, now: Instant, transfer: TransferId) {
        if let Some(link) = self.outgoing.get(&transfer).and_then(Outgoing::link) {
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Stalled });
        }
        self.end_outgoing(transfer, TransferFailure::TimedOut);
    }

    /// The user here stops a transfer of ours.
    pub(super) fn cancel_outgoing(&mut self, now: Instant, transfer: TransferId) -> bool {
        let Some(outgoing) = self.outgoing.get(&transfer) else { return false };
        if let Some(link) = outgoing.link() {
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Cancelled });
        }
        self.end_outgoing(transfer, TransferFailure::Cancelled);
        true
    }

    /// The receiver gives up a transfer of ours. `false`: it is none of ours on this link.
    pub(super) fn outgoing_cancelled(
        &mut self,
        link: LinkKey,
        transfer: TransferId,
        why: TransferFailure,
    ) -> bool {
        let ours = self.outgoing.get(&transfer).and_then(Outgoing::link) == Some(link);
        if ours {
            self.end_outgoing(transfer, why);
        }
        ours
    }

    pub(super) fn lose_outgoing(&mut self, link: LinkKey, why: LinkLoss, cancelled: bool) {
        let on_link = |outgoing: &Outgoing| outgoing.link() == Some(link);
        let lost: Vec<_> =
            self.outgoing.iter().filter(|(_, outgoing)| on_link(outgoing)).map(|(id, _)| *id).collect();
        for transfer in lost {
            self.end_outgoing(transfer, link_failure(why, cancelled));
        }
    }
}

/// What a lost link means for a transfer over it.
pub(super) fn link_failure(why: LinkLoss, cancelled: bool) -> TransferFailure {
    if cancelled { TransferFailure::CancelledByPeer } else { TransferFailure::LinkLost(why) }
}
