//! Our offers and their transfers, over whichever link reaches the peer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::ending::RECONNECT;
use super::limits::{Piece, channels as channels_for};
use super::patience::{ANSWER, STALL};
use super::pausing::Paused;
use super::unfinished::is_text;
use super::{Closing, Node, Purpose};
use crate::identity::PeerId;
use crate::link::{ChannelId, LinkKey};
use crate::storage::{HashedChunk, ReadChunk, ScanError, Scanned, StorageError, StreamChunk, Work};
use crate::transfer::hash::Root;
use crate::transfer::{Manifest, ReadFailure, Sender, StreamSender, TransferId, is_journaled};
use crate::wire::{CancelReason, Chunk, Control, Wanted, Way, encode_offer, encode_open_chunks, encode_part};
use crate::{Event, LinkLoss, Progress, Refusal, Road, TransferFailure, Unreachable, Why};

/// How long until a peer that was lost is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// An offer of ours.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) to: PeerId,
    state: State,
    /// The outermost paths, as they were named.
    paths: Vec<PathBuf>,
    /// Whether symbolic links go as such.
    links: bool,
    /// What they hold, once scanned.
    offer: Option<Offer>,
    pub(super) paused: Paused,
    /// It was accepted once, and is to go on after a loss: until when, and when it is tried next.
    again: Option<Again>,
    /// What it comes to, once everything was sent.
    root: Option<Root>,
    /// When it last went on.
    moved: Instant,
    /// Pieces that its link had sent when it seemed to stand still.
    flowed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Again {
    until: Instant,
    next: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Scanning,
    /// Scanned; there is no link yet, or none any more.
    Waiting,
    /// The manifest is on its way, or there.
    Offered {
        link: LinkKey,
        channel: Option<ChannelId>,
        sent: usize,
        whole: bool,
    },
    /// Accepted.
    Sending {
        link: LinkKey,
        /// The link that carries the chunks, once the first channel is to be opened.
        bulk: Option<LinkKey>,
        sender: Box<Source>,
        channels: Vec<ChannelId>,
        since: Instant,
    },
    /// Everything is sent; the receiver's word is awaited.
    Completing {
        link: LinkKey,
        bulk: Option<LinkKey>,
        bytes: u64,
        resumed: u64,
        since: Instant,
    },
}

/// What is sent.
#[derive(Debug)]
enum Source {
    Files(Sender),
    Stream(StreamSender),
}

impl Source {
    fn progress(&self) -> (u64, u64) {
        match self {
            Self::Files(sender) => sender.progress(),
            // Nobody knows how much there will be.
            Self::Stream(stream) => (stream.handed(), 0),
        }
    }

    fn resumed(&self) -> u64 {
        match self {
            Self::Files(sender) => sender.resumed(),
            Self::Stream(_) => 0,
        }
    }

    fn next_read(&mut self, transfer: TransferId, most: u64) -> Option<(Work, Purpose)> {
        Some(match self {
            Self::Files(sender) => {
                let batch = sender.next_read(most)?;
                (Work::Read(batch.clone()), Purpose::Read(transfer, batch))
            }
            Self::Stream(stream) => {
                let offset = stream.next_read(most)?;
                (Work::ReadStream { transfer, offset }, Purpose::ReadStream(transfer))
            }
        })
    }

    fn take_chunk(&mut self) -> Option<(Chunk, Bytes)> {
        match self {
            Self::Files(sender) => sender.take_chunk(),
            Self::Stream(stream) => stream.take_chunk(),
        }
    }

    fn root(&self) -> Option<Root> {
        match self {
            Self::Files(sender) => sender.root(),
            Self::Stream(stream) => stream.root(),
        }
    }

    /// Whether it waits for what feeds it, and for nothing else.
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_waiting())
    }
}

#[derive(Debug, Clone)]
struct Offer {
    manifest: Arc<Manifest>,
    sources: Vec<Arc<PathBuf>>,
    /// What a receiver must know of the wire version.
    revision: u16,
}

impl Offer {
    fn new(manifest: Arc<Manifest>, sources: Vec<Arc<PathBuf>>) -> Self {
        let links = manifest.links().next().is_some();
        let revision = if manifest.is_stream() { 2 } else { u16::from(links) };
        Self { manifest, sources, revision }
    }
}

impl Outgoing {
    /// A stream of this manifest.
    pub(super) fn stream(now: Instant, to: PeerId, manifest: Arc<Manifest>) -> Self {
        Self {
            state: State::Waiting,
            offer: Some(Offer::new(manifest, Vec::new())),
            ..Self::new(now, to, Vec::new(), false)
        }
    }

    pub(super) fn new(now: Instant, to: PeerId, paths: Vec<PathBuf>, links: bool) -> Self {
        Self {
            to,
            state: State::Scanning,
            paths,
            links,
            offer: None,
            paused: Paused::default(),
            again: None,
            root: None,
            moved: now,
            flowed: 0,
        }
    }

    /// When it is given up or tried again, unless it goes on.
    pub(super) fn until(&self) -> Option<Instant> {
        match &self.state {
            // A search for the peer has its own end, and reading this disk its own errors.
            State::Scanning => None,
            State::Waiting => {
                let again = self.again?;
                if self.paused.here {
                    None
                } else {
                    Some(again.next.map_or(again.until, |at| at.min(again.until)))
                }
            }
            State::Offered { .. } => self.moved.checked_add(ANSWER),
            State::Sending { sender, .. } if self.paused.is_paused() || sender.is_waiting() => None,
            State::Sending { .. } | State::Completing { .. } => self.moved.checked_add(STALL),
        }
    }

    pub(super) fn link(&self) -> Option<LinkKey> {
        match &self.state {
            State::Scanning | State::Waiting => None,
            State::Offered { link, .. } | State::Sending { link, .. } | State::Completing { link, .. } => {
                Some(*link)
            }
        }
    }

    /// Does not wait for the next attempt.
    pub(super) fn try_now(&mut self, now: Instant) {
        if let (State::Waiting, Some(again)) = (&self.state, &mut self.again) {
            again.until = now.checked_add(RECONNECT).unwrap_or(now);
            again.next = Some(now);
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// The link that carries its chunks.
    pub(super) fn bulk(&self) -> Option<LinkKey> {
        match &self.state {
            State::Sending { bulk, .. } | State::Completing { bulk, .. } => *bulk,
            State::Scanning | State::Waiting | State::Offered { .. } => None,
        }
    }

    /// Whether everything is sent, and only the receiver's word missing.
    pub(super) fn is_completing(&self) -> bool {
        matches!(self.state, State::Completing { .. })
    }

    pub(super) fn progress(&self, road: impl Fn(LinkKey) -> Option<Road>) -> Progress {
        let offered = self.offer.as_ref().map_or(0, |offer| offer.manifest.bytes());
        let (done, total) = match &self.state {
            State::Scanning | State::Waiting | State::Offered { .. } => (0, offered),
            State::Sending { sender, .. } => sender.progress(),
            State::Completing { bytes, .. } => (*bytes, *bytes),
        };
        Progress { peer: self.to, sending: true, done, total, road: self.link().and_then(road) }
    }

    fn is_stream(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.manifest.is_stream())
    }

    /// Bytes that the receiver has, as far as this side knows.
    pub(super) fn done(&self) -> Option<u64> {
        match &self.state {
            State::Sending { sender, .. } => Some(sender.resumed().saturating_add(sender.progress().0)),
            State::Completing { bytes, resumed, .. } => Some(resumed.saturating_add(*bytes)),
            _ => None,
        }
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
        outgoing.state = State::Waiting;
        outgoing.offer = Some(Offer::new(Arc::clone(&manifest), sources));
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
            if outgoing.is_waiting() && !outgoing.paused.here {
                outgoing.state = State::Offered { link, channel: None, sent: 0, whole: false };
                outgoing.moved = now;
            }
        }
    }

    /// Offers a transfer of ours anew over another link than the one it is on.
    pub(super) fn offer_over(&mut self, now: Instant, transfer: TransferId, link: LinkKey) {
        self.release(transfer);
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        if outgoing.offer.is_some() {
            outgoing.state = State::Offered { link, channel: None, sent: 0, whole: false };
            outgoing.moved = now;
        }
    }

    pub(super) fn fail_waiting_offers(&mut self, now: Instant, peer: PeerId, why: Unreachable) {
        let mut failed = Vec::new();
        for (transfer, outgoing) in &mut self.outgoing {
            if outgoing.to != peer || !outgoing.is_waiting() {
                continue;
            }
            match &mut outgoing.again {
                Some(again) => again.next = now.checked_add(RETRY),
                None => failed.push(*transfer),
            }
        }
        self.timers.set_earlier(Why::Offer, now.checked_add(RETRY).unwrap_or(now));
        for transfer in failed {
            self.end_outgoing(transfer, TransferFailure::Unreachable(why));
        }
    }

    pub(super) fn offer_accepted(
        &mut self,
        now: Instant,
        link: LinkKey,
        transfer: TransferId,
        wanted: Wanted,
    ) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        match (&outgoing.state, outgoing.offer.clone()) {
            (State::Offered { link: on, whole: true, .. }, Some(offer)) if *on == link => {
                let Offer { manifest, sources, .. } = offer;
                let sender = if manifest.is_stream() {
                    wanted.is_from_the_start().then(|| {
                        let skipped = wanted.skip.contains(0);
                        let stream = if skipped { StreamSender::skipped() } else { StreamSender::default() };
                        Source::Stream(stream)
                    })
                } else {
                    Sender::new(transfer, Arc::clone(&manifest), sources, wanted).map(Source::Files)
                };
                let Some(sender) = sender else { return self.links.fail(now, link) };
                let sender = Box::new(sender);
                let ((_, bytes), resumed) = (sender.progress(), sender.resumed());
                let (to, paths, links) = (outgoing.to, outgoing.paths.clone(), outgoing.links);
                let paused = outgoing.paused.here;
                outgoing.state =
                    State::Sending { link, bulk: None, sender, channels: Vec::new(), since: now };
                outgoing.moved = now;
                outgoing.again = Some(Again { until: now, next: None });
                self.open_stream_beside(now, link, to, bytes);
                self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
                let worth = is_journaled(&manifest) && !self.rules.forgetful;
                if worth && paths.iter().all(|path| is_text(path)) {
                    self.keep_record(now, transfer, to, &manifest, Way::Sending { paths, links });
                }
                if paused {
                    self.say(now, link, &Control::Pause { transfer });
                }
                self.event(Event::Started { transfer, bytes, resumed });
            }
            _ => self.links.fail(now, link),
        }
    }

    pub(super) fn offer_refused(&mut self, now: Instant, link: LinkKey, transfer: TransferId, why: Refusal) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer).filter(|it| it.link() == Some(link)) else {
            return;
        };
        let known = outgoing.again.is_some() || self.unfinished.contains(transfer);
        if why == Refusal::Busy && known && matches!(outgoing.state, State::Offered { .. }) {
            // The receiver is still winding up the attempt before.
            let next = now.checked_add(RETRY);
            let until = outgoing.again.map(|again| again.until).filter(|until| *until > now);
            let until = until.or_else(|| now.checked_add(RECONNECT)).unwrap_or(now);
            outgoing.again = Some(Again { until, next });
            self.release(transfer);
            self.timers.set_earlier(Why::Offer, next.unwrap_or(now));
            return;
        }
        self.end_outgoing(transfer, TransferFailure::Refused(why));
    }

    /// The receiver has everything.
    pub(super) fn receiver_has_it(
        &mut self,
        now: Instant,
        link: LinkKey,
        transfer: TransferId,
        theirs: Root,
    ) {
        let Some(outgoing) = self.outgoing.get(&transfer).filter(|it| it.link() == Some(link)) else {
            return;
        };
        let (bytes, resumed, since) = match (&outgoing.state, &outgoing.offer) {
            (State::Completing { bytes, resumed, since, .. }, _) => (*bytes, *resumed, *since),
            // It had everything before the link was lost, and its word for that was lost with it.
            (State::Offered { .. }, Some(offer))
                if outgoing.root.is_some() || self.unfinished.contains(transfer) =>
            {
                (0, offer.manifest.bytes(), now)
            }
            _ => return,
        };
        if outgoing.root.is_some_and(|root| root != theirs) {
            return self.end_outgoing(transfer, TransferFailure::Mismatch);
        }
        let paths = outgoing.paths.clone();
        let road = self.road(link).unwrap_or(Road::Direct);
        let took = now.saturating_duration_since(since);
        self.release(transfer);
        self.outgoing.remove(&transfer);
        self.forget_record(transfer);
        self.event(Event::Finished { transfer, bytes, resumed, took, road, root: theirs, paths });
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
        let Source::Files(sender) = sender.as_mut() else { return };
        if let Err(failure) = sender.handle_read(asked, results) {
            self.reading_failed(now, link, transfer, failure);
        }
    }

    pub(super) fn stream_read(
        &mut self,
        now: Instant,
        transfer: TransferId,
        result: Result<StreamChunk, StorageError>,
    ) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        let State::Sending { link, sender, .. } = &mut outgoing.state else { return };
        let link = *link;
        let Source::Stream(stream) = sender.as_mut() else { return };
        // However long that took, the other side has not stood still.
        outgoing.moved = now;
        self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
        if let Err(failure) = stream.handle_read(result) {
            self.reading_failed(now, link, transfer, failure);
        }
    }

    fn reading_failed(&mut self, now: Instant, link: LinkKey, transfer: TransferId, failure: ReadFailure) {
        {
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

    /// How many transfers are sent over each link.
    fn sending(&self) -> BTreeMap<LinkKey, usize> {
        let mut sending = BTreeMap::new();
        for outgoing in self.outgoing.values() {
            if let State::Sending { link, .. } = &outgoing.state {
                let count: &mut usize = sending.entry(*link).or_default();
                *count = count.saturating_add(1);
            }
        }
        sending
    }

    /// Sends what can be sent.
    pub(super) fn run_outgoing(&mut self, now: Instant) {
        let (mut complete, mut too_old) = (Vec::new(), Vec::new());
        let sending = self.sending();
        let read_ahead = self.shares.read_ahead(sending.values().sum());
        for (transfer, outgoing) in &mut self.outgoing {
            match &mut outgoing.state {
                State::Scanning | State::Waiting | State::Completing { .. } => {}
                State::Offered { whole: true, .. } => {}
                State::Offered { link, channel, sent, whole } => {
                    let Some(offer) = &outgoing.offer else { continue };
                    if offer.revision > 0 && channel.is_none() {
                        match self.revisions.get(link) {
                            Some(known) if *known >= offer.revision => {}
                            Some(_) => {
                                too_old.push(*transfer);
                                continue;
                            }
                            // Its hello is on its way.
                            None => continue,
                        }
                    }
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
                State::Sending { .. } if outgoing.paused.is_paused() => {}
                State::Sending { link, bulk, sender, channels, since } => {
                    while let Some((work, purpose)) = sender.next_read(*transfer, read_ahead) {
                        self.storage.ask(work, purpose);
                    }
                    let Some(road) =
                        bulk.or_else(|| self.streams.road(now, outgoing.to, *link, sender.progress().1))
                    else {
                        continue;
                    };
                    *bulk = Some(road);
                    let (_, bytes) = sender.progress();
                    let worth = channels_for(bytes, sending.get(link).copied().unwrap_or(1));
                    // What others need for a fair part is given back between two chunks.
                    if channels.len() > worth
                        && let Some(place) = channels.iter().position(|channel| {
                            self.links.is_writable(road, *channel)
                                && !self.shares.has_rest(*transfer, *channel)
                        })
                    {
                        self.links.finish(road, channels.remove(place));
                    }
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
                        match self.shares.next_piece(now, *transfer, *channel, || sender.take_chunk()) {
                            Piece::Ready(pieces) => {
                                blocked = 0;
                                outgoing.moved = now;
                                self.links.write(road, *channel, pieces);
                            }
                            Piece::Elsewhere => blocked = blocked.saturating_add(1),
                            Piece::None => break,
                        }
                    }
                    while let Some((work, purpose)) = sender.next_read(*transfer, read_ahead) {
                        self.storage.ask(work, purpose);
                    }
                    let flushed = channels.iter().all(|channel| {
                        self.links.is_writable(road, *channel) && !self.shares.has_rest(*transfer, *channel)
                    });
                    if let Some(root) = flushed.then(|| sender.root()).flatten() {
                        for channel in channels.iter() {
                            self.links.finish(road, *channel);
                        }
                        let bytes = bytes.max(sender.progress().0);
                        complete.push((*transfer, *link, *bulk, root, bytes, sender.resumed(), *since));
                    }
                }
            }
        }
        for transfer in too_old {
            self.end_outgoing(transfer, TransferFailure::PeerTooOld);
        }
        for (transfer, link, bulk, root, bytes, resumed, since) in complete {
            self.shares.forget(transfer);
            if let Some(outgoing) = self.outgoing.get_mut(&transfer) {
                outgoing.state = State::Completing { link, bulk, bytes, resumed, since };
                outgoing.root = Some(root);
                outgoing.moved = now;
            }
            self.say(now, link, &Control::Complete { transfer, root });
        }
    }

    /// Ends a transfer of ours on this side. Where it had begun and nobody gave it up for good, sending the same
    /// again goes on with it.
    pub(super) fn end_outgoing(&mut self, transfer: TransferId, why: TransferFailure) {
        if let Some(done) = self.done_of(transfer) {
            self.note_done(transfer, done);
        }
        self.release(transfer);
        if self.outgoing.remove(&transfer).is_none() {
            return;
        }
        let over = matches!(
            why,
            TransferFailure::Cancelled
                | TransferFailure::CancelledByPeer
                | TransferFailure::Refused(Refusal::Declined | Refusal::BadManifest)
                | TransferFailure::Violation
        );
        if over {
            self.forget_record(transfer);
        }
        let resumable = self.unfinished.contains(transfer);
        self.event(Event::Failed { transfer, why, kept: 0, resumable });
    }

    /// Takes a transfer of ours off its link.
    fn release(&mut self, transfer: TransferId) {
        self.shares.forget(transfer);
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        match std::mem::replace(&mut outgoing.state, State::Waiting) {
            State::Offered { link, channel: Some(channel), whole: false, .. } => {
                self.links.reset(link, channel);
            }
            State::Sending { bulk: Some(bulk), channels, .. } => {
                for channel in channels {
                    self.links.reset(bulk, channel);
                }
            }
            State::Scanning => outgoing.state = State::Scanning,
            State::Sending { bulk: None, .. }
            | State::Waiting
            | State::Offered { .. }
            | State::Completing { .. } => {}
        }
    }

    /// Whether what was handed to the link goes on to the receiver, since this was last asked: a slow road or a
    /// receiver's limit may take long over it.
    pub(super) fn still_flows(&mut self, now: Instant, transfer: TransferId) -> bool {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return false };
        let Some(link) = outgoing.bulk() else { return false };
        let sent = self.links.sent(link);
        let flows = sent != outgoing.flowed;
        if flows {
            outgoing.flowed = sent;
            outgoing.moved = now;
        }
        flows
    }

    /// A transfer of ours has waited long enough: for its next attempt, or for good.
    pub(super) fn wait_no_longer(&mut self, now: Instant, transfer: TransferId) {
        let Some(outgoing) = self.outgoing.get_mut(&transfer) else { return };
        let to = outgoing.to;
        let link = outgoing.link();
        match (&outgoing.state, &mut outgoing.again) {
            (State::Waiting, Some(again)) if again.until > now => {
                again.next = None;
                match self.links.to(to) {
                    Some(link) => self.start_waiting_offers(now, to, link),
                    None => self.seek(now, to),
                }
            }
            (State::Waiting, _) => {
                self.end_outgoing(transfer, TransferFailure::LinkLost(LinkLoss::TimedOut));
            }
            _ => {
                if let Some(link) = link {
                    self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Stalled });
                }
                self.end_outgoing(transfer, TransferFailure::TimedOut);
            }
        }
    }

    /// The user here stops a transfer of ours for good.
    pub(super) fn cancel_outgoing(&mut self, now: Instant, transfer: TransferId) -> bool {
        let Some(outgoing) = self.outgoing.get(&transfer) else { return false };
        if let Some(link) = outgoing.link() {
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Cancelled });
        }
        self.end_outgoing(transfer, TransferFailure::Cancelled);
        true
    }

    /// This program ends: what has begun is left to be gone on with, what was only offered is taken back.
    pub(super) fn stop_outgoing(&mut self, now: Instant, transfer: TransferId) {
        let Some(outgoing) = self.outgoing.get(&transfer) else { return };
        let begun = self.unfinished.contains(transfer);
        if let Some(link) = outgoing.link().filter(|_| !begun) {
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Cancelled });
        }
        let why = if begun { TransferFailure::LinkLost(LinkLoss::Ours) } else { TransferFailure::Cancelled };
        self.end_outgoing(transfer, why);
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

    pub(super) fn lose_outgoing(&mut self, now: Instant, link: LinkKey, why: LinkLoss, cancelled: bool) {
        let on_link = |outgoing: &Outgoing| outgoing.link() == Some(link);
        let lost: Vec<_> =
            self.outgoing.iter().filter(|(_, it)| on_link(it)).map(|(id, it)| (*id, it.to)).collect();
        for (transfer, to) in lost {
            let Some(outgoing) = self.outgoing.get_mut(&transfer) else { continue };
            let begun = outgoing.again.is_some() || self.unfinished.contains(transfer);
            let stream = outgoing.is_stream();
            if !begun || stream || why == LinkLoss::Closed || self.closing != Closing::No {
                self.end_outgoing(transfer, link_failure(why, cancelled && !begun));
                continue;
            }
            let until = outgoing.again.map(|again| again.until).filter(|until| *until > now);
            let until = until.or_else(|| now.checked_add(RECONNECT)).unwrap_or(now);
            outgoing.again = Some(Again { until, next: Some(now) });
            let Progress { done, total, .. } = outgoing.progress(|_| None);
            if let Some(done) = outgoing.done() {
                self.note_done(transfer, done);
            }
            self.release(transfer);
            self.timers.set_earlier(Why::Offer, now);
            self.event(Event::Suspended { transfer, done, total });
            if self.links.to(to).is_none() {
                self.seek(now, to);
            }
        }
    }

    /// Bytes that the receiver of a transfer has, as far as is known here.
    pub(super) fn done_of(&self, transfer: TransferId) -> Option<u64> {
        if let Some(outgoing) = self.outgoing.get(&transfer) {
            return outgoing.done();
        }
        match self.incoming.get(&transfer) {
            Some(incoming) => incoming.done(),
            None => self.fetched(transfer),
        }
    }
}

/// What a lost link means for a transfer over it.
pub(super) fn link_failure(why: LinkLoss, cancelled: bool) -> TransferFailure {
    if cancelled { TransferFailure::CancelledByPeer } else { TransferFailure::LinkLost(why) }
}
