//! Transfers of others, once there is consent: every chunk checked, every file put in place, every end cleared up.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::inflow::{Inflow, Stop};
use super::patience::{LISTING, STALL};
use super::sending::link_failure;
use super::{Node, Purpose};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::storage::{StorageError, Work, WriteChunk};
use crate::transfer::hash::Root;
use crate::transfer::{Entry, Manifest, Receiver, RelativePath, TransferId, WriteFailure};
use crate::wire::{Answer, CancelReason, Chunk, Control, OfferHead, SkipSet};
use crate::{Acceptance, Event, LinkLoss, Progress, Refusal, Road, Standing, TransferFailure, Why};

/// Bytes that a manifest may take, and a stranger's.
const MANIFEST: usize = 256 * 1024 * 1024;
const MANIFEST_OF_STRANGER: usize = 4 * 1024 * 1024;
/// Bytes and chunks of one write request: large files' writes are shared out among threads, small files' go together.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_CHUNKS: usize = 64;

/// An offer of someone else.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) from: PeerId,
    pub(super) link: LinkKey,
    /// Whether it takes one of the places that strangers have.
    stranger: bool,
    pub(super) state: State,
    /// Whether the user was told of it.
    pub(super) shown: bool,
    /// When something of it last arrived.
    moved: Instant,
    /// Storage work under way for it.
    pub(super) busy: usize,
    /// It is over once that work is done: why, and how many files were in place.
    ending: Option<(TransferFailure, u32)>,
}

#[derive(Debug)]
pub(super) enum State {
    /// The manifest is arriving.
    Listing { head: OfferHead, entries: Vec<Entry>, allowed: bool, bytes: usize, until: Instant },
    /// The disk is asked how it would fit; with an acceptance once there is one.
    Examining { manifest: Arc<Manifest>, acceptance: Option<Acceptance> },
    /// The user is asked.
    Asked { manifest: Arc<Manifest>, until: Instant },
    /// Directories are being made.
    Preparing { receiver: Box<Receiver>, skip: SkipSet },
    /// Bytes are moving.
    Receiving {
        receiver: Box<Receiver>,
        made: Vec<RelativePath>,
        batch: Batch,
        theirs: Option<Root>,
        since: Instant,
    },
    /// Nothing is left but to wait for what is under way.
    Ending { discard: Option<Work> },
}

/// Chunks that will be written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    heads: Vec<Chunk>,
    writes: Vec<WriteChunk>,
    bytes: u64,
}

impl Incoming {
    pub(super) fn progress(&self, road: Option<Road>) -> Progress {
        let (done, total) = match &self.state {
            State::Listing { head, .. } => (0, head.bytes),
            State::Examining { manifest, .. } | State::Asked { manifest, .. } => (0, manifest.bytes()),
            State::Preparing { receiver, .. } | State::Receiving { receiver, .. } => receiver.progress(),
            State::Ending { .. } => (0, 0),
        };
        Progress { peer: self.from, sending: false, done, total, road }
    }

    /// An offer whose head has arrived.
    pub(super) fn listing(
        now: Instant,
        from: PeerId,
        link: LinkKey,
        standing: Standing,
        head: OfferHead,
    ) -> Self {
        let stranger = standing == Standing::Stranger;
        let until = now.checked_add(LISTING).unwrap_or(now);
        let state = State::Listing { head, entries: Vec::new(), allowed: true, bytes: 0, until };
        Self { from, link, stranger, state, shown: false, moved: now, busy: 0, ending: None }
    }

    /// Adds a part of the manifest that took `bytes`; `None` holds a name that is not allowed. `false`: it is more
    /// than was announced, or than a manifest may take.
    pub(super) fn list(&mut self, part: Option<Vec<Entry>>, size: usize) -> bool {
        let most = if self.stranger { MANIFEST_OF_STRANGER } else { MANIFEST };
        let State::Listing { head, entries, allowed, bytes, .. } = &mut self.state else { return false };
        match part {
            Some(part) => entries.extend(part),
            None => *allowed = false,
        }
        // What an entry takes in memory beside its name counts too.
        let memory = entries.len().saturating_mul(size_of::<Entry>());
        *bytes = bytes.saturating_add(size);
        let announced = usize::try_from(head.entries).unwrap_or(usize::MAX);
        entries.len() <= announced && bytes.saturating_add(memory) <= most
    }

    pub(super) fn is_listing(&self) -> bool {
        matches!(self.state, State::Listing { .. })
    }

    /// Something of it arrived, or was written.
    fn moves(&mut self, now: Instant) {
        self.moved = now;
    }

    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    pub(super) fn is_strangers(&self) -> bool {
        self.stranger
    }

    /// When it is refused, unless it goes on.
    pub(super) fn until(&self) -> Option<Instant> {
        match &self.state {
            State::Asked { until, .. } | State::Listing { until, .. } => Some(*until),
            // While this disk works, nothing can be expected of the sender.
            State::Receiving { .. } if self.busy == 0 => self.moved.checked_add(STALL),
            _ => None,
        }
    }
}

impl Node {
    pub(super) fn prepared(
        &mut self,
        now: Instant,
        transfer: TransferId,
        result: Result<Vec<RelativePath>, StorageError>,
    ) {
        let Some(incoming) = self.no_longer_busy(transfer) else {
            // It was given up meanwhile: the directories that were made for it go again.
            if let (Ok(made), Some(incoming)) = (result, self.incoming.get_mut(&transfer))
                && let State::Ending { discard: Some(Work::Discard { directories, .. }) } =
                    &mut incoming.state
            {
                *directories = made;
            }
            return self.run_ending(transfer);
        };
        let link = incoming.link;
        let state = std::mem::replace(&mut incoming.state, State::Ending { discard: None });
        let State::Preparing { receiver, skip } = state else { return };
        let made = match result {
            Ok(made) => made,
            Err(error) => {
                let refusal =
                    if error == StorageError::Full { Refusal::NoSpace } else { Refusal::NotWritable };
                let why = match error {
                    StorageError::Full => TransferFailure::DiskFull,
                    error => TransferFailure::Disk(Some(error)),
                };
                self.event(Event::Failed { transfer, why, kept: 0 });
                return self.refuse_offer(now, transfer, refusal);
            }
        };
        let (_, bytes) = receiver.progress();
        let batch = Batch::default();
        incoming.state = State::Receiving { receiver, made, batch, theirs: None, since: now };
        incoming.shown = true;
        incoming.moves(now);
        self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
        self.links.widen(link);
        self.say(now, link, &Control::Answer { transfer, answer: Answer::Accept(skip) });
        self.event(Event::Started { transfer, bytes });
    }

    pub(super) fn chunk_announced(
        &mut self,
        peer: PeerId,
        transfer: TransferId,
        head: &Chunk,
    ) -> Result<(), Stop> {
        let incoming = self.incoming.get_mut(&transfer).ok_or(Stop::Unwanted)?;
        if incoming.from != peer {
            return Err(Stop::Violation);
        }
        match &mut incoming.state {
            State::Receiving { receiver, .. } => receiver.announce(head).map_err(|_| Stop::Violation),
            State::Ending { .. } => Err(Stop::Unwanted),
            _ => Err(Stop::Violation),
        }
    }

    pub(super) fn chunk_whole(&mut self, transfer: TransferId, head: Chunk, content: Bytes) {
        let receiving = self.incoming.get_mut(&transfer).map(|incoming| &mut incoming.state);
        let Some(State::Receiving { receiver, batch, .. }) = receiving else { return };
        let Some(write) = receiver.write(&head, content) else { return };
        self.writing = self.writing.saturating_add(u64::from(head.length));
        batch.heads.push(head);
        batch.writes.push(write);
        batch.bytes = batch.bytes.saturating_add(u64::from(head.length));
        if batch.bytes >= BATCH_BYTES || batch.writes.len() >= BATCH_CHUNKS {
            self.flush_batch(transfer);
        }
    }

    fn flush_batch(&mut self, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Receiving { batch, .. } = &mut incoming.state else { return };
        let Batch { heads, writes, .. } = std::mem::take(batch);
        if !writes.is_empty() {
            incoming.busy = incoming.busy.saturating_add(1);
            self.storage.ask(Work::Write(writes), Purpose::Write(transfer, heads));
        }
    }

    pub(super) fn chunks_written(
        &mut self,
        now: Instant,
        transfer: TransferId,
        chunks: &[Chunk],
        results: Vec<Result<(), StorageError>>,
    ) {
        let bytes = chunks.iter().map(|head| u64::from(head.length)).fold(0, u64::saturating_add);
        self.writing = self.writing.saturating_sub(bytes);
        let Some(incoming) = self.no_longer_busy(transfer) else { return self.run_ending(transfer) };
        incoming.moves(now);
        self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Receiving { receiver, .. } = &mut incoming.state else { return };
        for (head, result) in chunks.iter().zip(results) {
            if let Err(failure) = receiver.handle_written(head, result) {
                return self.fail_incoming(now, transfer, failure);
            }
        }
        if let Some(files) = receiver.next_finish() {
            incoming.busy = incoming.busy.saturating_add(1);
            self.storage.ask(Work::Finish(files), Purpose::Finish(transfer));
        }
    }

    pub(super) fn files_finished(
        &mut self,
        now: Instant,
        transfer: TransferId,
        results: Vec<Result<(), StorageError>>,
    ) {
        let whole = results.iter().filter(|result| result.is_ok()).count();
        let Some(incoming) = self.no_longer_busy(transfer) else {
            if let Some(Incoming { ending: Some((_, kept)), .. }) = self.incoming.get_mut(&transfer) {
                *kept = kept.saturating_add(u32::try_from(whole).unwrap_or(u32::MAX));
            }
            return self.run_ending(transfer);
        };
        incoming.moves(now);
        let State::Receiving { receiver, .. } = &mut incoming.state else { return };
        if let Err(failure) = receiver.handle_finished(results) {
            self.fail_incoming(now, transfer, failure);
        }
    }

    /// The sender says that it has sent everything, and what the root is.
    pub(super) fn sender_complete(&mut self, now: Instant, link: LinkKey, transfer: TransferId, root: Root) {
        let Some(incoming) = self.incoming.get_mut(&transfer).filter(|incoming| incoming.link == link) else {
            return;
        };
        match &mut incoming.state {
            State::Receiving { theirs, .. } => *theirs = Some(root),
            State::Ending { .. } => {}
            _ => self.links.fail(now, link),
        }
    }

    /// Writes what has gathered, and ends what is whole.
    pub(super) fn run_incoming(&mut self, now: Instant) {
        let mut whole = Vec::new();
        let mut gathered = Vec::new();
        for (transfer, incoming) in &self.incoming {
            let State::Receiving { receiver, batch, theirs: Some(theirs), .. } = &incoming.state else {
                if let State::Receiving { batch, .. } = &incoming.state
                    && !batch.writes.is_empty()
                {
                    gathered.push(*transfer);
                }
                continue;
            };
            if !batch.writes.is_empty() {
                gathered.push(*transfer);
            }
            if let Some(root) = receiver.root().filter(|_| incoming.busy == 0) {
                whole.push((*transfer, root, *theirs));
            }
        }
        for transfer in gathered {
            self.flush_batch(transfer);
        }
        for (transfer, root, theirs) in whole {
            if root == theirs {
                self.finish_incoming(now, transfer, root);
            } else {
                self.fail_incoming(now, transfer, WriteFailure::Mismatch);
            }
        }
    }

    fn finish_incoming(&mut self, now: Instant, transfer: TransferId, root: Root) {
        let Some(incoming) = self.incoming.remove(&transfer) else { return };
        let State::Receiving { receiver, since, .. } = incoming.state else { return };
        self.say(now, incoming.link, &Control::Received { transfer, root });
        let road = self.road(incoming.link).unwrap_or(Road::Direct);
        let (bytes, _) = receiver.progress();
        let took = now.saturating_duration_since(since);
        self.event(Event::Finished { transfer, bytes, took, road, root, paths: receiver.tops() });
    }

    fn fail_incoming(&mut self, now: Instant, transfer: TransferId, failure: WriteFailure) {
        let (reason, why) = match failure {
            WriteFailure::Mismatch => (CancelReason::Mismatch, TransferFailure::Mismatch),
            WriteFailure::Full => (CancelReason::DiskFull, TransferFailure::DiskFull),
            WriteFailure::Exists => (CancelReason::WouldOverwrite, TransferFailure::WouldOverwrite),
            WriteFailure::Disk(error) => (CancelReason::DiskFailed, TransferFailure::Disk(Some(error))),
        };
        if let Some(incoming) = self.incoming.get(&transfer) {
            let link = incoming.link;
            self.say(now, link, &Control::Cancel { transfer, reason });
        }
        self.end_incoming(transfer, why);
    }

    /// Ends a transfer on this side: what is whole stays, what is partial goes, and only then is the user told.
    pub(super) fn end_incoming(&mut self, transfer: TransferId, why: TransferFailure) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let state = std::mem::replace(&mut incoming.state, State::Ending { discard: None });
        let (discard, placed) = match state {
            State::Ending { discard } => {
                incoming.state = State::Ending { discard };
                return;
            }
            State::Receiving { receiver, made, batch, .. } => {
                self.writing = self.writing.saturating_sub(batch.bytes);
                (Some((receiver.folder(), receiver.partials(), made)), receiver.placed())
            }
            State::Preparing { receiver, .. } => (Some((receiver.folder(), Vec::new(), Vec::new())), 0),
            State::Listing { .. } | State::Examining { .. } | State::Asked { .. } => (None, 0),
        };
        let discard = discard.map(|(into, partials, directories)| Work::Discard {
            transfer,
            into,
            partials,
            directories,
        });
        let shown = incoming.shown || discard.is_some();
        incoming.state = State::Ending { discard };
        incoming.ending = shown.then_some((why, placed));
        self.drop_inflows(transfer);
        self.run_ending(transfer);
    }

    /// The sender has stood still for too long.
    pub(super) fn stall_incoming(&mut self, now: Instant, transfer: TransferId) {
        if let Some(link) = self.incoming.get(&transfer).map(|incoming| incoming.link) {
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Stalled });
        }
        self.end_incoming(transfer, TransferFailure::TimedOut);
    }

    /// Wants nothing more of a transfer's channels, nor keeps what they have begun.
    fn drop_inflows(&mut self, transfer: TransferId) {
        let over = |inflow: &Inflow| inflow.transfer() == Some(transfer);
        let ended: Vec<_> =
            self.inflows.iter().filter(|(_, inflow)| over(inflow)).map(|(place, _)| *place).collect();
        for place in ended {
            self.inflows.remove(&place);
            self.links.stop(place.0, place.1);
        }
    }

    /// Goes on with an ending, once nothing is under way any more.
    pub(super) fn run_ending(&mut self, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Ending { discard } = &mut incoming.state else { return };
        if incoming.busy > 0 {
            return;
        }
        if let Some(work) = discard.take() {
            incoming.busy = 1;
            return self.storage.ask(work, Purpose::Discard(transfer));
        }
        let ending = incoming.ending.take();
        self.incoming.remove(&transfer);
        if let Some((why, kept)) = ending {
            self.event(Event::Failed { transfer, why, kept });
        }
    }

    pub(super) fn discarded(&mut self, transfer: TransferId) {
        let _ = self.no_longer_busy(transfer);
        self.run_ending(transfer);
    }

    /// One piece of storage work is done. Gives the transfer, unless it is ending.
    pub(super) fn no_longer_busy(&mut self, transfer: TransferId) -> Option<&mut Incoming> {
        let incoming = self.incoming.get_mut(&transfer)?;
        incoming.busy = incoming.busy.saturating_sub(1);
        (!matches!(incoming.state, State::Ending { .. })).then_some(incoming)
    }

    /// The user here stops a transfer of someone else's.
    pub(super) fn cancel_incoming(&mut self, now: Instant, transfer: TransferId) -> bool {
        let Some(incoming) = self.incoming.get(&transfer) else { return false };
        let link = incoming.link;
        self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Cancelled });
        self.end_incoming(transfer, TransferFailure::Cancelled);
        true
    }

    /// The other side gives a transfer up.
    pub(super) fn cancelled_by_peer(&mut self, link: LinkKey, transfer: TransferId, reason: CancelReason) {
        let why = match reason {
            CancelReason::Cancelled => TransferFailure::CancelledByPeer,
            CancelReason::SourceChanged => TransferFailure::SourceChanged(None),
            CancelReason::Mismatch => TransferFailure::Mismatch,
            CancelReason::DiskFull => TransferFailure::DiskFull,
            CancelReason::DiskFailed => TransferFailure::Disk(None),
            CancelReason::WouldOverwrite => TransferFailure::WouldOverwrite,
            CancelReason::Violation => TransferFailure::Violation,
            CancelReason::Stalled => TransferFailure::TimedOut,
        };
        if self.outgoing_cancelled(link, transfer, why.clone()) {
            return;
        }
        if self.incoming.get(&transfer).is_some_and(|incoming| incoming.link == link) {
            self.end_incoming(transfer, why);
        }
    }

    pub(super) fn lose_incoming(&mut self, link: LinkKey, why: LinkLoss, cancelled: bool) {
        let on_link = |incoming: &Incoming| incoming.link == link;
        let lost: Vec<_> =
            self.incoming.iter().filter(|(_, incoming)| on_link(incoming)).map(|(id, _)| *id).collect();
        for transfer in lost {
            self.end_incoming(transfer, link_failure(why, cancelled));
        }
    }
}
