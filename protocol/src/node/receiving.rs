//! Transfers of others, once there is consent: every chunk checked, every file put in place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::ending::Ending;
use super::patience::{LISTING, STALL};
use super::pausing::Paused;
use super::{Node, Purpose};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::node::inflow::Stop;
use crate::storage::{StorageError, Work, WriteChunk};
use crate::transfer::hash::Root;
use crate::transfer::{Entry, Found, Manifest, Order, Receiver, RelativePath, TransferId, WriteFailure};
use crate::wire::{Answer, CancelReason, Chunk, Control, OfferHead};
use crate::{Acceptance, Event, Progress, Refusal, Road, Standing, TransferFailure, Why};

/// Bytes that a manifest may take, and a stranger's.
const MANIFEST: usize = 256 * 1024 * 1024;
const MANIFEST_OF_STRANGER: usize = 4 * 1024 * 1024;
/// Bytes and chunks of one write request: large files' writes are shared out among threads, small files' go together.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_CHUNKS: usize = 64;
/// How long something written waits, at most, to be made durable and put in place.
const SETTLE: Duration = Duration::from_secs(1);

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
    /// When what is written is to be made durable.
    due: Option<Instant>,
    /// What is on the disk from an attempt before, where that was looked for.
    pub(super) found: Option<Found>,
    pub(super) paused: Paused,
    /// Storage work under way for it.
    pub(super) busy: usize,
}

#[derive(Debug)]
pub(super) enum State {
    /// The manifest is arriving.
    Listing { head: OfferHead, entries: Vec<Entry>, allowed: bool, bytes: usize, until: Instant },
    /// It was begun before: the disk is asked what is there.
    Recovering { manifest: Arc<Manifest> },
    /// The disk is asked how it would fit; with an acceptance once there is one.
    Examining { manifest: Arc<Manifest>, acceptance: Option<Acceptance> },
    /// The user is asked.
    Asked { manifest: Arc<Manifest>, until: Instant },
    /// Directories are being made.
    Preparing { receiver: Box<Receiver> },
    /// Bytes are moving.
    Receiving {
        receiver: Box<Receiver>,
        made: Vec<RelativePath>,
        batch: Batch,
        theirs: Option<Root>,
        since: Instant,
    },
    /// Nothing is left but to wait for what is under way.
    Ending(Ending),
    /// The link was lost; the sender is expected to come back.
    Suspended { until: Instant, done: u64, total: u64 },
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
            State::Recovering { manifest }
            | State::Examining { manifest, .. }
            | State::Asked { manifest, .. } => (0, manifest.bytes()),
            State::Preparing { receiver, .. } | State::Receiving { receiver, .. } => receiver.progress(),
            State::Ending(ending) => ending.progress(),
            State::Suspended { done, total, .. } => (*done, *total),
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
        let until = now.checked_add(LISTING).unwrap_or(now);
        Self {
            from,
            link,
            stranger: standing == Standing::Stranger,
            state: State::Listing { head, entries: Vec::new(), allowed: true, bytes: 0, until },
            shown: false,
            moved: now,
            due: None,
            found: None,
            paused: Paused::default(),
            busy: 0,
        }
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
    pub(super) fn moves(&mut self, now: Instant) {
        self.moved = now;
    }

    /// Nothing of it waits to be made durable in its turn any more.
    pub(super) fn settled(&mut self) {
        self.due = None;
    }

    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    pub(super) fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended { .. })
    }

    pub(super) fn is_strangers(&self) -> bool {
        self.stranger
    }

    /// Bytes that are here, from before and from now.
    pub(super) fn done(&self) -> Option<u64> {
        match &self.state {
            State::Receiving { receiver, .. } => {
                Some(receiver.resumed().saturating_add(receiver.progress().0))
            }
            _ => None,
        }
    }

    /// When it is refused, unless it goes on.
    pub(super) fn until(&self) -> Option<Instant> {
        match &self.state {
            State::Asked { until, .. } | State::Listing { until, .. } | State::Suspended { until, .. } => {
                Some(*until)
            }
            // While this disk works, nothing can be expected of the sender.
            State::Receiving { receiver, theirs, .. } if self.busy == 0 && !self.paused.is_paused() => {
                // What feeds a stream may take its time, until the sender says that it was all.
                let waits = receiver.is_stream() && theirs.is_none();
                self.moved.checked_add(STALL).filter(|_| !waits)
            }
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
                && let State::Ending(ending) = &mut incoming.state
            {
                ending.made = made;
            }
            return self.run_ending(now, transfer);
        };
        let link = incoming.link;
        let made = match result {
            Ok(made) => made,
            Err(error) => {
                let refusal =
                    if error == StorageError::Full { Refusal::NoSpace } else { Refusal::NotWritable };
                let why = match error {
                    StorageError::Full => TransferFailure::DiskFull,
                    error => TransferFailure::Disk(Some(error)),
                };
                self.say(now, link, &Control::Answer { transfer, answer: Answer::Refuse(refusal) });
                return self.end_incoming(now, transfer, why);
            }
        };
        let state = std::mem::replace(&mut incoming.state, State::Ending(Ending::default()));
        let State::Preparing { receiver } = state else { return };
        let ((_, bytes), resumed) = (receiver.progress(), receiver.resumed());
        let wanted = receiver.wanted();
        let batch = Batch::default();
        incoming.state = State::Receiving { receiver, made, batch, theirs: None, since: now };
        incoming.shown = true;
        incoming.moves(now);
        self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
        self.links.widen(link, self.shares.window());
        self.say(now, link, &Control::Answer { transfer, answer: Answer::Accept(wanted) });
        self.event(Event::Started { transfer, bytes, resumed });
        self.keep_paused(now, transfer, link);
        // Files that were all there but for their names.
        self.settle(now, transfer, true);
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
            State::Ending(_) | State::Suspended { .. } => Err(Stop::Unwanted),
            _ => Err(Stop::Violation),
        }
    }

    /// How many bytes of a transfer's chunks may be read now, of one that has begun or of the next one's head.
    pub(super) fn readable_of(&mut self, now: Instant, transfer: TransferId, begun: Option<&Chunk>) -> usize {
        let receiving = self.incoming.get(&transfer).map(|incoming| &incoming.state);
        let order = match (receiving, begun) {
            (Some(State::Receiving { receiver, .. }), Some(head)) => receiver.order(head),
            // Only its head says whether it is what the others wait for.
            (Some(State::Receiving { receiver, .. }), None) if receiver.is_output() => Some(Order::Ahead),
            _ => None,
        };
        match order {
            None => self.shares.readable(now, transfer, begun.is_some()),
            Some(Order::Next) => self.shares.readable(now, transfer, false),
            Some(Order::Ahead) => self.shares.readable(now, transfer, true),
            Some(Order::TooFarAhead) => 0,
        }
    }

    pub(super) fn chunk_whole(&mut self, transfer: TransferId, head: Chunk, content: Bytes) {
        let receiving = self.incoming.get_mut(&transfer).map(|incoming| &mut incoming.state);
        let Some(State::Receiving { receiver, batch, .. }) = receiving else { return };
        for (head, content) in receiver.arrived(head, content) {
            let Some(write) = receiver.write(&head, content) else { return };
            self.shares.writes(transfer, u64::from(head.length));
            batch.heads.push(head);
            batch.writes.push(write);
            batch.bytes = batch.bytes.saturating_add(u64::from(head.length));
        }
        if batch.bytes >= BATCH_BYTES || batch.writes.len() >= BATCH_CHUNKS {
            self.flush_batch(transfer);
        }
    }

    pub(super) fn flush_batch(&mut self, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Receiving { batch, receiver, .. } = &mut incoming.state else { return };
        let output = receiver.is_output();
        let Batch { heads, writes, .. } = std::mem::take(batch);
        if !writes.is_empty() {
            incoming.busy = incoming.busy.saturating_add(1);
            let work = if output { Work::Output(writes) } else { Work::Write(writes) };
            self.storage.ask(work, Purpose::Write(transfer, heads));
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
        self.shares.wrote(transfer, bytes);
        let Some(incoming) = self.no_longer_busy(transfer) else {
            self.with_ending(transfer, |ending| ending.written(chunks, results));
            return self.run_ending(now, transfer);
        };
        incoming.moves(now);
        self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Receiving { receiver, .. } = &mut incoming.state else { return };
        let mut outcome = Ok(());
        for (head, result) in chunks.iter().zip(results) {
            outcome = outcome.and(receiver.handle_written(head, result));
        }
        match outcome {
            Ok(()) => self.settle(now, transfer, false),
            Err(failure) => self.fail_incoming(now, transfer, failure),
        }
    }

    /// Makes durable, and puts in place, what is to be; everything that is written, if it is `due`.
    fn settle(&mut self, now: Instant, transfer: TransferId, due: bool) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Receiving { receiver, .. } = &mut incoming.state else {
            // Whatever it ends with sees to what is written.
            incoming.due = None;
            return;
        };
        if let Some(work) = receiver.next_checkpoint(due) {
            incoming.busy = incoming.busy.saturating_add(1);
            self.storage.ask(work, Purpose::Checkpoint(transfer));
        }
        if let Some(files) = receiver.next_finish(due) {
            incoming.busy = incoming.busy.saturating_add(1);
            self.storage.ask(Work::Finish(files), Purpose::Finish(transfer));
        }
        if !receiver.is_unsaved() {
            incoming.due = None;
        } else if incoming.due.is_none_or(|at| at <= now) {
            incoming.due = now.checked_add(SETTLE);
            self.timers.set_earlier(Why::Settle, incoming.due.unwrap_or(now));
        }
    }

    /// It is time for some transfers to make durable what they have written.
    pub(super) fn settle_due(&mut self, now: Instant) {
        let due = |incoming: &Incoming| incoming.due.is_some_and(|at| at <= now);
        let transfers: Vec<_> =
            self.incoming.iter().filter(|(_, it)| due(it)).map(|(transfer, _)| *transfer).collect();
        for transfer in transfers {
            self.settle(now, transfer, true);
        }
        self.timers.set(Why::Settle, self.incoming.values().filter_map(|incoming| incoming.due).min());
    }

    pub(super) fn checkpointed(
        &mut self,
        now: Instant,
        transfer: TransferId,
        result: Result<(), StorageError>,
    ) {
        let Some(incoming) = self.no_longer_busy(transfer) else {
            self.with_ending(transfer, |ending| ending.checkpointed(result));
            return self.run_ending(now, transfer);
        };
        let State::Receiving { receiver, .. } = &mut incoming.state else { return };
        match receiver.handle_checkpoint(result) {
            Ok(()) => {
                self.note_progress(now, transfer);
                self.settle(now, transfer, false);
            }
            Err(failure) => self.fail_incoming(now, transfer, failure),
        }
    }

    pub(super) fn files_finished(
        &mut self,
        now: Instant,
        transfer: TransferId,
        results: Vec<Result<(), StorageError>>,
    ) {
        let Some(incoming) = self.no_longer_busy(transfer) else {
            self.with_ending(transfer, |ending| ending.finished(results));
            return self.run_ending(now, transfer);
        };
        incoming.moves(now);
        let State::Receiving { receiver, .. } = &mut incoming.state else { return };
        match receiver.handle_finished(results) {
            Ok(()) => self.settle(now, transfer, false),
            Err(failure) => self.fail_incoming(now, transfer, failure),
        }
    }

    /// The sender says that it has sent everything, and what the root is.
    pub(super) fn sender_complete(&mut self, now: Instant, link: LinkKey, transfer: TransferId, root: Root) {
        let Some(incoming) = self.incoming.get_mut(&transfer).filter(|incoming| incoming.link == link) else {
            return;
        };
        match &mut incoming.state {
            State::Receiving { theirs, .. } => {
                *theirs = Some(root);
                // From here on a stream is waited for no longer than files are.
                incoming.moves(now);
                self.timers.set_earlier(Why::Offer, now.checked_add(STALL).unwrap_or(now));
            }
            State::Ending(_) | State::Suspended { .. } => {}
            _ => self.links.fail(now, link),
        }
    }

    /// Writes what has gathered, and ends what is whole.
    pub(super) fn run_incoming(&mut self, now: Instant) {
        let mut whole = Vec::new();
        let mut gathered = Vec::new();
        for (transfer, incoming) in &self.incoming {
            let State::Receiving { receiver, batch, theirs, .. } = &incoming.state else { continue };
            if !batch.writes.is_empty() {
                gathered.push(*transfer);
            }
            if let (Some(theirs), Some(root), 0) = (theirs, receiver.root(), incoming.busy) {
                whole.push((*transfer, root, *theirs));
            }
        }
        for transfer in gathered {
            self.flush_batch(transfer);
        }
        for (transfer, root, theirs) in whole {
            if root == theirs {
                if !self.seal(transfer) {
                    self.finish_incoming(now, transfer, root);
                }
            } else {
                if let Some(link) = self.incoming.get(&transfer).map(|incoming| incoming.link) {
                    let reason = CancelReason::Mismatch;
                    self.say(now, link, &Control::Cancel { transfer, reason });
                }
                // What verified chunk by chunk and not as a whole is no ground to build on.
                self.discard_incoming(now, transfer, TransferFailure::Mismatch);
            }
        }
    }

    /// Sees to links and directories, where there are any and that was not done yet.
    fn seal(&mut self, transfer: TransferId) -> bool {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return false };
        let State::Receiving { receiver, .. } = &mut incoming.state else { return false };
        let Some(work) = receiver.next_seal() else { return false };
        incoming.busy = incoming.busy.saturating_add(1);
        self.storage.ask(work, Purpose::Seal(transfer));
        true
    }

    pub(super) fn sealed(
        &mut self,
        now: Instant,
        transfer: TransferId,
        results: Vec<Result<bool, StorageError>>,
    ) {
        let Some(incoming) = self.no_longer_busy(transfer) else { return self.run_ending(now, transfer) };
        incoming.moves(now);
        let State::Receiving { receiver, .. } = &incoming.state else { return };
        match receiver.handle_sealed(results) {
            Ok(links) if links.is_empty() => {}
            Ok(links) => self.event(Event::LinksLeftOut { transfer, links }),
            Err(failure) => self.fail_incoming(now, transfer, failure),
        }
    }

    fn finish_incoming(&mut self, now: Instant, transfer: TransferId, root: Root) {
        let Some(incoming) = self.incoming.remove(&transfer) else { return };
        self.shares.forget(transfer);
        let State::Receiving { receiver, since, .. } = incoming.state else { return };
        if receiver.has_journal() {
            let into = receiver.folder();
            self.complete_record(transfer, root);
            self.storage.ask(Work::Close { transfer, into, complete: true }, Purpose::Close(transfer));
        }
        self.say(now, incoming.link, &Control::Received { transfer, root });
        let road = self.road(incoming.link).unwrap_or(Road::Direct);
        let (bytes, _) = receiver.progress();
        let (took, resumed) = (now.saturating_duration_since(since), receiver.resumed());
        self.event(Event::Finished { transfer, bytes, resumed, took, road, root, paths: receiver.tops() });
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
        self.end_incoming(now, transfer, why);
    }

    /// One piece of storage work is done. Gives the transfer, unless it is ending.
    pub(super) fn no_longer_busy(&mut self, transfer: TransferId) -> Option<&mut Incoming> {
        let incoming = self.incoming.get_mut(&transfer)?;
        incoming.busy = incoming.busy.saturating_sub(1);
        (!matches!(incoming.state, State::Ending(_))).then_some(incoming)
    }
}
