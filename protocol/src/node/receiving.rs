//! Offers of others: from their first frame through consent to everything in place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::sending::link_failure;
use super::{Node, Purpose};
use crate::identity::PeerId;
use crate::link::{ChannelRead, LinkKey};
use crate::storage::{Examined, StorageError, Work, WriteChunk};
use crate::transfer::hash::Root;
use crate::transfer::{Entry, Manifest, Receiver, RelativePath, TransferId, WriteFailure};
use crate::wire::{
    Answer, CancelReason, ChannelOpen, Chunk, Control, FrameReader, Malformed, OfferHead, SkipSet,
    parse_chunk, parse_open, parse_part,
};
use crate::{
    Acceptance, Conflict, Decision, Event, LinkLoss, Progress, Refusal, Road, Standing, Strangers,
    TransferFailure, Why,
};

/// Offers and transfers of others at once, all together and for one stranger.
const MAX_INCOMING: usize = 64;
const MAX_OF_STRANGER: usize = 2;
/// Entries of one offer, and of a stranger's.
const MAX_ENTRIES: u32 = 1_000_000;
const MAX_ENTRIES_OF_STRANGER: u32 = 20_000;
/// How long an offer waits for the user's answer.
const PATIENCE: Duration = Duration::from_secs(600);
/// Bytes being assembled and written, all together; at this bound chunks are not read.
const MAX_WRITING: u64 = 12 * 1024 * 1024;
/// Bytes and chunks of one write request: large files' writes are shared out among threads, small files' go together.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_CHUNKS: usize = 64;
/// Strangers whose refused offers the user is told of.
const MAX_TOLD: usize = 100;
/// Bytes taken from a channel at once.
const READ: usize = 64 * 1024;

/// An offer of someone else.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) from: PeerId,
    link: LinkKey,
    state: State,
    /// Storage work under way for it.
    busy: usize,
    /// It is over once that work is done: why, and how many files were in place.
    ending: Option<(TransferFailure, u32)>,
}

#[derive(Debug)]
enum State {
    /// The manifest is arriving.
    Listing { head: OfferHead, entries: Vec<Entry>, allowed: bool },
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
struct Batch {
    heads: Vec<Chunk>,
    writes: Vec<WriteChunk>,
    bytes: u64,
}

/// A one-way channel that a peer opened.
#[derive(Debug)]
pub(super) enum Inflow {
    /// Its first frame has not arrived.
    Opening(FrameReader),
    Manifest(TransferId, FrameReader),
    Chunks(TransferId, FrameReader, Option<(Chunk, BytesMut)>),
}

/// Why a channel is read no further.
enum Stop {
    /// The peer broke the protocol.
    Violation,
    /// What it carries is not wanted any more.
    Unwanted,
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Violation
    }
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

    fn until(&self) -> Option<Instant> {
        if let State::Asked { until, .. } = &self.state { Some(*until) } else { None }
    }
}

impl Node {
    /// Reads the one-way channels of a link, as far as there is room.
    pub(super) fn read_channels(&mut self, now: Instant, link: LinkKey, peer: PeerId) {
        for channel in self.links.readable(link) {
            let mut inflow =
                self.inflows.remove(&(link, channel)).unwrap_or(Inflow::Opening(FrameReader::default()));
            let outcome = loop {
                if self.writing >= MAX_WRITING && matches!(inflow, Inflow::Chunks(..)) {
                    self.starved.insert(link);
                    break Ok(true);
                }
                match self.links.read(link, channel, READ) {
                    ChannelRead::Data(data) => {
                        if let Err(stop) = self.inflow(now, link, peer, &mut inflow, data) {
                            break Err(stop);
                        }
                    }
                    ChannelRead::Nothing => break Ok(true),
                    ChannelRead::End => break self.inflow_ended(now, &mut inflow).map(|()| false),
                    ChannelRead::Reset => break Ok(false),
                }
            };
            match outcome {
                Ok(true) => {
                    self.inflows.insert((link, channel), inflow);
                }
                Ok(false) => self.forget(&inflow),
                Err(Stop::Unwanted) => {
                    self.forget(&inflow);
                    self.links.stop(link, channel);
                }
                Err(Stop::Violation) => {
                    self.forget(&inflow);
                    return self.links.fail(now, link);
                }
            }
        }
    }

    /// A channel is gone; so is a chunk that was half assembled.
    pub(super) fn forget(&mut self, inflow: &Inflow) {
        if let Inflow::Chunks(_, _, Some((head, _))) = inflow {
            self.writing = self.writing.saturating_sub(u64::from(head.length));
        }
    }

    fn inflow(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        inflow: &mut Inflow,
        mut data: Bytes,
    ) -> Result<(), Stop> {
        loop {
            match inflow {
                Inflow::Opening(frames) => {
                    let Some(frame) = frames.next(&mut data)? else { return Ok(()) };
                    *inflow = self.channel_opened(now, link, peer, &frame)?;
                }
                Inflow::Manifest(transfer, frames) => {
                    let Some(frame) = frames.next(&mut data)? else { return Ok(()) };
                    self.manifest_part(*transfer, &frame)?;
                }
                Inflow::Chunks(transfer, frames, current) => {
                    if let Some((head, content)) = current {
                        let missing = usize::try_from(head.length).unwrap_or(0).saturating_sub(content.len());
                        let taken = data.split_to(missing.min(data.len()));
                        content.extend_from_slice(&taken);
                        if taken.len() < missing {
                            return Ok(());
                        }
                        let head = *head;
                        let content = current.take().map(|(_, content)| content.freeze()).unwrap_or_default();
                        self.chunk_whole(*transfer, head, content);
                    } else {
                        let Some(frame) = frames.next(&mut data)? else { return Ok(()) };
                        let head = parse_chunk(&frame)?;
                        self.chunk_announced(link, *transfer, &head)?;
                        let room = usize::try_from(head.length).unwrap_or(0);
                        self.writing = self.writing.saturating_add(u64::from(head.length));
                        *current = Some((head, BytesMut::with_capacity(room)));
                        if head.length > 0 && !data.has_remaining() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    fn channel_opened(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        frame: &[u8],
    ) -> Result<Inflow, Stop> {
        match parse_open(frame)? {
            ChannelOpen::Chunks(transfer) => {
                let ours = self.incoming.get(&transfer).is_some_and(|incoming| incoming.link == link);
                if !ours {
                    return Err(Stop::Unwanted);
                }
                Ok(Inflow::Chunks(transfer, FrameReader::default(), None))
            }
            ChannelOpen::Manifest(head) => {
                let transfer = head.transfer;
                if self.incoming.contains_key(&transfer) || self.outgoing.contains_key(&transfer) {
                    return Err(Stop::Violation);
                }
                let stranger = self.standing(peer) == Standing::Stranger;
                let theirs = self.incoming.values().filter(|incoming| incoming.from == peer).count();
                let entries = if stranger { MAX_ENTRIES_OF_STRANGER } else { MAX_ENTRIES };
                let crowded = self.incoming.len() >= MAX_INCOMING || (stranger && theirs >= MAX_OF_STRANGER);
                if crowded || head.entries > entries {
                    let answer = Answer::Refuse(Refusal::Busy);
                    self.say(now, link, &Control::Answer { transfer, answer });
                    return Err(Stop::Unwanted);
                }
                let state = State::Listing { head, entries: Vec::new(), allowed: true };
                let incoming = Incoming { from: peer, link, state, busy: 0, ending: None };
                self.incoming.insert(transfer, incoming);
                Ok(Inflow::Manifest(transfer, FrameReader::default()))
            }
        }
    }

    fn manifest_part(&mut self, transfer: TransferId, frame: &[u8]) -> Result<(), Stop> {
        let incoming = self.incoming.get_mut(&transfer).ok_or(Stop::Unwanted)?;
        let State::Listing { head, entries, allowed } = &mut incoming.state else {
            return Err(Stop::Unwanted);
        };
        match parse_part(frame)? {
            Some(part) => entries.extend(part),
            None => *allowed = false,
        }
        let most = usize::try_from(head.entries).unwrap_or(usize::MAX);
        if entries.len() > most { Err(Stop::Violation) } else { Ok(()) }
    }

    fn inflow_ended(&mut self, now: Instant, inflow: &mut Inflow) -> Result<(), Stop> {
        match inflow {
            Inflow::Manifest(transfer, frames) if !frames.is_inside() => self.manifest_whole(now, *transfer),
            Inflow::Chunks(_, frames, None) if !frames.is_inside() => {}
            _ => return Err(Stop::Violation),
        }
        Ok(())
    }

    /// The whole manifest is here: the rules are asked, then the disk.
    fn manifest_whole(&mut self, now: Instant, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Listing { head, entries, allowed } = &mut incoming.state else { return };
        let from = incoming.from;
        let name: String = head.name.chars().filter(|char| !char.is_control()).collect();
        let manifest = Manifest::new(name, std::mem::take(entries));
        let honest = |manifest: &Manifest| {
            manifest.bytes() == head.bytes && u32::try_from(manifest.entries().len()) == Ok(head.entries)
        };
        let Some(manifest) = manifest.ok().filter(honest).filter(|_| *allowed) else {
            return self.refuse_offer(now, transfer, Refusal::BadManifest);
        };
        let manifest = Arc::new(manifest);
        let standing = self.standing(from);
        let unexpected = self.rules.only_expected
            && standing != Standing::Expected
            && !self.rules.expected.contains(&from);
        let into = match &self.rules.into {
            Some(into) if !unexpected => into.clone(),
            _ => return self.refuse_offer(now, transfer, Refusal::Declined),
        };
        if standing == Standing::Stranger && self.rules.strangers == Strangers::Refuse {
            if self.told.len() < MAX_TOLD && self.told.insert(from) {
                let examined = Examined { free: 0, existing: Vec::new(), alternatives: Vec::new() };
                let decision = Decision::Refused(Refusal::Stranger);
                self.event(Event::Offered { transfer, from, standing, manifest, examined, decision });
            }
            return self.refuse_offer(now, transfer, Refusal::Stranger);
        }
        self.examine(transfer, manifest, into, None);
    }

    fn examine(
        &mut self,
        transfer: TransferId,
        manifest: Arc<Manifest>,
        into: PathBuf,
        acceptance: Option<Acceptance>,
    ) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let name = acceptance.as_ref().and_then(|acceptance| acceptance.name.as_deref());
        let looked_for =
            name.and_then(|name| manifest.with_top(name)).map_or(Arc::clone(&manifest), Arc::new);
        incoming.state = State::Examining { manifest, acceptance };
        incoming.busy = incoming.busy.saturating_add(1);
        self.storage.ask(Work::Examine { into, manifest: looked_for }, Purpose::Examine(transfer));
    }

    pub(super) fn examined(
        &mut self,
        now: Instant,
        transfer: TransferId,
        result: Result<Examined, StorageError>,
    ) {
        let Some(incoming) = self.no_longer_busy(transfer) else { return };
        let State::Examining { manifest, acceptance } = &mut incoming.state else { return };
        let (manifest, acceptance) = (Arc::clone(manifest), acceptance.take());
        let from = incoming.from;
        let standing = self.standing(from);
        let examined = match result {
            Ok(examined) => examined,
            Err(StorageError::Full) => return self.refuse_offer(now, transfer, Refusal::NoSpace),
            Err(error) => {
                self.refuse_offer(now, transfer, Refusal::NotWritable);
                let why = TransferFailure::Disk(Some(error));
                return self.event(Event::Failed { transfer, why, kept: 0 });
            }
        };
        if let Some(acceptance) = acceptance {
            return self.prepare(now, transfer, &manifest, &examined, acceptance);
        }
        let taken = !examined.existing.is_empty() && self.rules.conflict == Conflict::Refuse;
        let decision = if examined.free < manifest.bytes() {
            Decision::Refused(Refusal::NoSpace)
        } else if self.rules.ask_always
            || (standing == Standing::Stranger && self.rules.strangers == Strangers::Ask)
            || (taken && self.rules.ask_conflicts)
        {
            Decision::Ask
        } else if taken {
            Decision::Refused(Refusal::WouldOverwrite)
        } else {
            Decision::Accepted
        };
        let offered = Event::Offered {
            transfer,
            from,
            standing,
            manifest: Arc::clone(&manifest),
            examined: examined.clone(),
            decision,
        };
        self.event(offered);
        match decision {
            Decision::Refused(why) => self.refuse_offer(now, transfer, why),
            Decision::Ask => {
                let until = now.checked_add(PATIENCE).unwrap_or(now);
                if let Some(incoming) = self.incoming.get_mut(&transfer) {
                    incoming.state = State::Asked { manifest, until };
                }
                self.timers.set_earlier(Why::Offer, until);
            }
            Decision::Accepted => {
                let into = self.rules.into.clone().unwrap_or_default();
                let acceptance = Acceptance { into, name: None, conflict: self.rules.conflict };
                self.prepare(now, transfer, &manifest, &examined, acceptance);
            }
        }
    }

    /// The user takes an offer. `false`: it does not wait for that.
    pub(super) fn accept_offer(&mut self, transfer: TransferId, how: Acceptance) -> bool {
        let Some(Incoming { state: State::Asked { manifest, .. }, .. }) = self.incoming.get(&transfer) else {
            return false;
        };
        let manifest = Arc::clone(manifest);
        // What was free when the user was asked need not be free now.
        self.examine(transfer, manifest, how.into.clone(), Some(how));
        true
    }

    /// An offer is accepted: what it would collide with is settled, then its directories are made.
    fn prepare(
        &mut self,
        now: Instant,
        transfer: TransferId,
        manifest: &Arc<Manifest>,
        examined: &Examined,
        how: Acceptance,
    ) {
        let mut renamed = BTreeMap::new();
        if let (Some(name), Some(top)) = (&how.name, manifest.tops().next()) {
            renamed.insert(top.path.top().to_owned(), name.clone());
        }
        let mut skip = SkipSet::default();
        match how.conflict {
            Conflict::Refuse if !examined.existing.is_empty() => {
                self.event(Event::Failed { transfer, why: TransferFailure::WouldOverwrite, kept: 0 });
                return self.refuse_offer(now, transfer, Refusal::WouldOverwrite);
            }
            Conflict::Refuse | Conflict::Overwrite => {}
            Conflict::Skip => examined.existing.iter().for_each(|index| skip.insert(*index)),
            Conflict::Rename => {
                for (taken, free) in &examined.alternatives {
                    let original =
                        renamed.iter().find(|(_, name)| *name == taken).map(|(top, _)| top.clone());
                    renamed.insert(original.unwrap_or_else(|| taken.clone()), free.clone());
                }
            }
        }
        let overwrite = how.conflict == Conflict::Overwrite;
        let receiver =
            Receiver::new(transfer, Arc::clone(manifest), how.into, renamed, skip.clone(), overwrite);
        let (into, directories) = (receiver.folder(), receiver.directories());
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        incoming.state = State::Preparing { receiver: Box::new(receiver), skip };
        incoming.busy = incoming.busy.saturating_add(1);
        self.storage.ask(Work::Prepare { into, directories }, Purpose::Prepare(transfer));
    }

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
        self.say(now, link, &Control::Answer { transfer, answer: Answer::Accept(skip) });
        self.event(Event::Started { transfer, bytes });
    }

    fn chunk_announced(&mut self, link: LinkKey, transfer: TransferId, head: &Chunk) -> Result<(), Stop> {
        let incoming = self.incoming.get_mut(&transfer).ok_or(Stop::Unwanted)?;
        if incoming.link != link {
            return Err(Stop::Violation);
        }
        match &mut incoming.state {
            State::Receiving { receiver, .. } => receiver.announce(head).map_err(|_| Stop::Violation),
            State::Ending { .. } => Err(Stop::Unwanted),
            _ => Err(Stop::Violation),
        }
    }

    fn chunk_whole(&mut self, transfer: TransferId, head: Chunk, content: Bytes) {
        let receiving = self.incoming.get_mut(&transfer).map(|incoming| &mut incoming.state);
        let Some(State::Receiving { receiver, batch, .. }) = receiving else {
            self.writing = self.writing.saturating_sub(u64::from(head.length));
            return;
        };
        let Some(write) = receiver.write(&head, content) else { return };
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
        let Some(incoming) = self.no_longer_busy(transfer) else { return self.run_ending(transfer) };
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
        let road = self.links.road(incoming.link).unwrap_or(Road::Direct);
        let (bytes, _) = receiver.progress();
        let took = now.saturating_duration_since(since);
        self.event(Event::Finished { transfer, bytes, took, road, root, paths: receiver.tops() });
    }

    /// Refuses an offer of which nothing has been taken.
    pub(super) fn refuse_offer(&mut self, now: Instant, transfer: TransferId, why: Refusal) {
        let Some(incoming) = self.incoming.remove(&transfer) else { return };
        self.say(now, incoming.link, &Control::Answer { transfer, answer: Answer::Refuse(why) });
    }

    /// The user refuses an offer. `false`: it does not wait for that.
    pub(super) fn decline_offer(&mut self, now: Instant, transfer: TransferId, why: Refusal) -> bool {
        let asked = self.incoming.get(&transfer).is_some_and(|incoming| incoming.until().is_some());
        if asked {
            self.refuse_offer(now, transfer, why);
        }
        asked
    }

    /// Offers that nobody answered are refused.
    pub(super) fn expire_offers(&mut self, now: Instant) {
        let over = |incoming: &Incoming| incoming.until().is_some_and(|until| until <= now);
        let expired: Vec<_> =
            self.incoming.iter().filter(|(_, incoming)| over(incoming)).map(|(id, _)| *id).collect();
        for transfer in expired {
            self.event(Event::Failed { transfer, why: TransferFailure::Refused(Refusal::Declined), kept: 0 });
            self.refuse_offer(now, transfer, Refusal::Declined);
        }
        let next = self.incoming.values().filter_map(Incoming::until).min();
        self.timers.set(Why::Offer, next);
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
    fn end_incoming(&mut self, transfer: TransferId, why: TransferFailure) {
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
        incoming.state = State::Ending { discard };
        incoming.ending = Some((why, placed));
        self.run_ending(transfer);
    }

    /// Goes on with an ending, once nothing is under way any more.
    fn run_ending(&mut self, transfer: TransferId) {
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
    fn no_longer_busy(&mut self, transfer: TransferId) -> Option<&mut Incoming> {
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
    pub(super) fn cancelled_by_peer(
        &mut self,
        now: Instant,
        link: LinkKey,
        transfer: TransferId,
        reason: CancelReason,
    ) {
        let why = match reason {
            CancelReason::Cancelled => TransferFailure::CancelledByPeer,
            CancelReason::SourceChanged => TransferFailure::SourceChanged(None),
            CancelReason::Mismatch => TransferFailure::Mismatch,
            CancelReason::DiskFull => TransferFailure::DiskFull,
            CancelReason::DiskFailed => TransferFailure::Disk(None),
            CancelReason::WouldOverwrite => TransferFailure::WouldOverwrite,
            CancelReason::Violation => TransferFailure::Violation,
        };
        if self.outgoing_cancelled(link, transfer, why.clone()) {
            return;
        }
        if self.incoming.get(&transfer).is_some_and(|incoming| incoming.link == link) {
            self.end_incoming(transfer, why);
        }
        let _ = now;
    }

    pub(super) fn lose_incoming(&mut self, _now: Instant, link: LinkKey, why: LinkLoss, cancelled: bool) {
        let on_link = |incoming: &Incoming| incoming.link == link;
        let lost: Vec<_> =
            self.incoming.iter().filter(|(_, incoming)| on_link(incoming)).map(|(id, _)| *id).collect();
        for transfer in lost {
            self.end_incoming(transfer, link_failure(why, cancelled));
        }
    }
}
