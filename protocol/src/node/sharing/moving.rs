//! Pieces on the move: asked for as the schedule says, proven, written, put in place; and what comes of a fetch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::consent::{Fetch, Made, State};
use super::{Content, Job, Node, Origin, Stage};
use crate::entropy::Stream;
use crate::identity::PeerId;
use crate::node::inflow::Stop;
use crate::storage::{StorageError, Work, WriteChunk};
use crate::transfer::pieces::Pieces;
use crate::transfer::schedule::{Arrival, Say, Schedule};
use crate::transfer::{RelativePath, TransferId};
use crate::wire::{Leaving, PieceHead, What, runs};
use crate::{DropReason, Event, TransferFailure};

/// Bytes and pieces of one write request.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_PIECES: usize = 64;
/// Pieces that others are told of together, or after this time.
const TELL_PIECES: usize = 16;
const TELL_AFTER: Duration = Duration::from_millis(200);
/// How long a fetch waits while nobody who is there has what is missing: for a sharer to come back; and where all of
/// them are there and do not have it, for others.
const LONELY: Duration = Duration::from_secs(600);
const HOPELESS: Duration = Duration::from_secs(60);

/// A fetch whose pieces move.
pub(super) struct Moving {
    pub(super) schedule: Schedule,
    /// Whether the schedule may have something to say.
    pub(super) dirty: bool,
    /// Directories that were made.
    made: Vec<RelativePath>,
    /// Pieces that will be written together.
    writes: Vec<WriteChunk>,
    writing: Vec<(u32, PeerId)>,
    bytes: u64,
    /// Pieces that others were not told of, and since when.
    fresh: Vec<u32>,
    fresh_since: Option<Instant>,
    /// Since when nobody who is there has what is missing.
    lonely: Option<Instant>,
    /// Whether the user was told so.
    told: bool,
    /// When what is written is to be made durable and put in place.
    pub(super) due: Option<Instant>,
}

impl Moving {
    /// `held` need not be fetched.
    pub(super) fn new(
        now: Instant,
        pieces: Arc<Pieces>,
        held: impl Iterator<Item = u32>,
        made: Vec<RelativePath>,
        random: Stream,
    ) -> Self {
        Self {
            schedule: Schedule::new(pieces, held, random),
            dirty: true,
            made,
            writes: Vec::new(),
            writing: Vec::new(),
            bytes: 0,
            fresh: Vec::new(),
            fresh_since: None,
            lonely: None,
            told: false,
            // Files that were all there but for their names.
            due: Some(now),
        }
    }

    pub(super) fn is_lonely(&self) -> bool {
        self.lonely.is_some()
    }

    pub(super) fn peers(&self) -> Vec<PeerId> {
        self.schedule.peers().collect()
    }

    pub(super) fn take_made(&mut self) -> Made {
        self.writes.clear();
        self.writing.clear();
        Made { directories: std::mem::take(&mut self.made), waiting: std::mem::take(&mut self.bytes) }
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        let tell = self.fresh_since.and_then(|since| since.checked_add(TELL_AFTER));
        self.schedule.poll_timeout().into_iter().chain(tell).chain(self.due).min()
    }
}

impl Fetch {
    /// Others are to be told of pieces that can be had here.
    fn tell(&mut self, now: Instant, pieces: impl Iterator<Item = u32>) {
        if let Some(moving) = self.moving() {
            let before = moving.fresh.len();
            moving.fresh.extend(pieces);
            if moving.fresh.len() > before {
                moving.fresh_since.get_or_insert(now);
            }
        }
    }
}

impl Node {
    /// A piece is announced: whether it may come. Its proof is checked before its bytes are taken.
    pub(super) fn piece_announced(
        &mut self,
        now: Instant,
        id: TransferId,
        peer: PeerId,
        head: &PieceHead,
    ) -> Result<(), Stop> {
        let share = self.sharing.shares.get_mut(&id).ok_or(Stop::Unwanted)?;
        let Stage::Fetching(fetch) = &mut share.stage else { return Err(Stop::Unwanted) };
        let (Some(moving), Some(content)) = (fetch.moving(), &mut share.content) else {
            return Err(Stop::Unwanted);
        };
        if !moving.schedule.knows(peer) {
            return Err(Stop::Unwanted);
        }
        moving.schedule.heard(now, peer);
        let place = content.pieces.place(head.piece).filter(|place| place.length == head.length);
        let tree = place.and_then(|place| Some((place, content.trees.get_mut(&place.file)?)));
        let settled = tree.and_then(|(place, tree)| {
            Some((place.file, tree.verify(place.chunk, head.value, &head.proof).ok()?))
        });
        if let Some((file, settled)) = settled {
            if settled.refuted {
                // What an attempt before has noted is not what belongs to the root.
                fetch.failed = Some(TransferFailure::Mismatch);
            } else if let Origin::Landing(landing) = &mut content.origin
                && let Some(range) = content.pieces.of_file(file).filter(|_| !settled.proven.is_empty())
            {
                let proven = settled.proven.into_iter().flatten();
                let pieces = proven.filter_map(|chunk| range.start.checked_add(u32::try_from(chunk).ok()?));
                let fresh = pieces.filter(|piece| landing.show(*piece, &content.trees));
                fetch.tell(now, fresh);
            }
            return Ok(());
        }
        self.drop_source(now, id, peer, DropReason::WrongContent);
        Err(Stop::Unwanted)
    }

    /// Some bytes of a piece came.
    pub(super) fn piece_moves(&mut self, now: Instant, id: TransferId, peer: PeerId) {
        let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch());
        if let Some(moving) = fetch.and_then(Fetch::moving) {
            moving.schedule.heard(now, peer);
        }
    }

    /// All bytes of an announced piece are here.
    pub(super) fn piece_whole(
        &mut self,
        now: Instant,
        id: TransferId,
        peer: PeerId,
        head: &PieceHead,
        data: Bytes,
    ) -> Result<(), Stop> {
        let share = self.sharing.shares.get_mut(&id).ok_or(Stop::Unwanted)?;
        let Stage::Fetching(fetch) = &mut share.stage else { return Err(Stop::Unwanted) };
        let root = fetch.ticket.root;
        let State::Moving(moving) = &mut fetch.state else { return Err(Stop::Unwanted) };
        moving.dirty = true;
        let (arrival, say) = moving.schedule.arrived(now, peer, head.piece);
        match arrival {
            Arrival::Late => return Ok(()),
            Arrival::Unasked => {
                self.drop_source(now, id, peer, DropReason::Misleading);
                return Err(Stop::Unwanted);
            }
            Arrival::Wanted => {}
        }
        let Some(Content { origin: Origin::Landing(landing), .. }) = &mut share.content else {
            return Ok(());
        };
        if let Some(write) = landing.write(head.piece, data, head.value) {
            let bytes = u64::from(head.length);
            self.shares.writes(id, bytes);
            moving.bytes = moving.bytes.saturating_add(bytes);
            moving.writes.push(write);
            moving.writing.push((head.piece, peer));
        }
        let full = moving.bytes >= BATCH_BYTES || moving.writes.len() >= BATCH_PIECES;
        self.tell_sources(now, root, say);
        if full {
            self.flush_pieces(id);
        }
        Ok(())
    }

    pub(super) fn flush_pieces(&mut self, id: TransferId) {
        let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch());
        let Some(moving) = fetch.and_then(Fetch::moving) else { return };
        if moving.writes.is_empty() {
            return;
        }
        let (writes, pieces) = (std::mem::take(&mut moving.writes), std::mem::take(&mut moving.writing));
        moving.bytes = 0;
        self.ask_for_share(id, Work::Write(writes), Job::Write(pieces));
    }

    /// Pieces were written, or not.
    pub(super) fn pieces_written(
        &mut self,
        now: Instant,
        id: TransferId,
        pieces: Vec<(u32, PeerId)>,
        results: Vec<Result<(), StorageError>>,
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        if let Some(content) = &share.content {
            let bytes = pieces.iter().map(|(piece, _)| u64::from(content.pieces.length(*piece)));
            self.shares.wrote(id, bytes.fold(0, u64::saturating_add));
        }
        self.feed_starved();
        for ((piece, from), result) in pieces.into_iter().zip(results) {
            let Some(share) = self.sharing.shares.get_mut(&id) else { return };
            let Some(Content { origin: Origin::Landing(landing), pieces, trees, .. }) = &mut share.content
            else {
                return;
            };
            let place = pieces.place(piece);
            let value = place.and_then(|place| trees.get(&place.file)?.value(place.chunk));
            let moving = match &mut share.stage {
                Stage::Fetching(fetch) => fetch.moving(),
                Stage::Making(_) | Stage::Offering | Stage::Ending(_) => None,
            };
            let Some(moving) = moving else {
                // It ends; what is kept for another time is noted all the same.
                if result.is_ok() {
                    landing.written(piece, value);
                }
                continue;
            };
            moving.dirty = true;
            let why = match result {
                Ok(()) => {
                    moving.schedule.held(piece);
                    landing.written(piece, value);
                    moving.fresh.push(piece);
                    moving.fresh_since.get_or_insert(now);
                    continue;
                }
                Err(StorageError::Mismatch) => {
                    moving.schedule.wrong(from, piece);
                    self.drop_source(now, id, from, DropReason::WrongContent);
                    continue;
                }
                Err(StorageError::Full) => TransferFailure::DiskFull,
                Err(error) => TransferFailure::Disk(Some(error)),
            };
            return self.end_share(now, id, why);
        }
    }

    /// Files were put in place, or not.
    pub(super) fn fetched_finished(
        &mut self,
        id: TransferId,
        files: &[u32],
        results: Vec<Result<(), StorageError>>,
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(Content { origin: Origin::Landing(landing), .. }) = &mut share.content else { return };
        let mut failed = None;
        for (file, result) in files.iter().zip(results) {
            match result {
                Ok(()) => landing.finished(*file),
                Err(StorageError::Exists) => failed = Some(TransferFailure::WouldOverwrite),
                Err(StorageError::Full) => failed = Some(TransferFailure::DiskFull),
                Err(error) => failed = Some(TransferFailure::Disk(Some(error))),
            }
        }
        match &mut share.stage {
            Stage::Fetching(fetch) => fetch.failed = failed,
            Stage::Ending(_) | Stage::Making(_) | Stage::Offering => {}
        }
    }

    /// Asks for what can be asked for, writes what has gathered, and ends what is whole.
    pub(super) fn run_moving(&mut self, now: Instant, id: TransferId) {
        self.flush_pieces(id);
        self.settle_fetch(now, id);
        let busy = !self.shares.has_room(id);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let under_way = share.busy > 0;
        let Stage::Fetching(fetch) = &mut share.stage else { return };
        if let Some(why) = fetch.failed.take() {
            return self.end_share(now, id, why);
        }
        let root = fetch.ticket.root;
        let (State::Moving(moving), Some(content)) = (&mut fetch.state, &share.content) else { return };
        let Origin::Landing(landing) = &content.origin else { return };
        if busy || fetch.paused {
            // While this disk is behind, nothing can be expected of anyone.
            moving.schedule.excuse(now);
        }
        let done = moving.schedule.is_done() && landing.is_complete() && !under_way;
        let due = moving.fresh.len() >= TELL_PIECES
            || (done && !moving.fresh.is_empty())
            || moving.fresh_since.is_some_and(|since| now.saturating_duration_since(since) >= TELL_AFTER);
        if !fetch.paused && std::mem::take(&mut moving.dirty) {
            let say = moving.schedule.say(now);
            let stuck = moving.schedule.is_stuck() && !under_way;
            let newly = stuck && moving.lonely.is_none();
            moving.lonely = if stuck { moving.lonely.or(Some(now)) } else { None };
            moving.told &= stuck;
            self.tell_sources(now, root, say);
            if newly {
                self.look_around(now, id);
            }
        }
        if due {
            self.tell_fresh(now, id);
        }
        if done {
            self.part_with_sources(now, id, Leaving::Done);
            return self.close_fetch(now, id);
        }
        let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch());
        let next = fetch.and_then(|fetch| fetch.next_time());
        self.wake_sharing(next.filter(|at| *at > now));
    }

    fn tell_fresh(&mut self, now: Instant, id: TransferId) {
        let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch());
        let Some(moving) = fetch.and_then(Fetch::moving) else { return };
        moving.fresh_since = None;
        let fresh = std::mem::take(&mut moving.fresh);
        self.announce_pieces(now, id, &fresh);
    }

    fn tell_sources(&mut self, now: Instant, root: crate::transfer::hash::Root, say: Vec<Say>) {
        for say in say {
            let (peer, what) = match say {
                Say::Ask(peer, pieces) => (peer, What::Ask(runs(pieces))),
                Say::Cancel(peer, pieces) => (peer, What::Cancel(runs(pieces))),
            };
            if let Some(link) = self.links.to(peer) {
                self.say_of(now, link, root, what);
            }
        }
    }

    /// Time: who says nothing is asked no more for now, and a fetch that nobody can go on with is given up.
    pub(super) fn fetch_timeout(&mut self, now: Instant, id: TransferId) {
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        if let Some(why) = fetch.is_late(now) {
            return self.end_share(now, id, why);
        }
        let (root, retry) = (fetch.ticket.root, fetch.retry <= now);
        let there = |peer: &PeerId| fetch.dropped.contains_key(peer) || self.links.to(*peer).is_some();
        let patience = if fetch.named.iter().all(there) { HOPELESS } else { LONELY };
        let mut again = retry && matches!(fetch.state, State::Seeking);
        if let Some(moving) = fetch.moving() {
            let (say, silent) = moving.schedule.handle_timeout(now);
            moving.dirty = true;
            let over = moving.lonely.is_some_and(|since| now.saturating_duration_since(since) >= patience);
            let lonely = retry && moving.lonely.is_some();
            let tell = lonely && !moving.told;
            moving.told |= lonely;
            again |= lonely;
            self.tell_sources(now, root, say);
            for peer in silent {
                self.drop_source(now, id, peer, DropReason::Silent);
            }
            if tell && !over {
                self.event(Event::Lonely { transfer: id });
            }
            if over {
                let Some(Stage::Fetching(fetch)) = self.sharing.shares.get(&id).map(|share| &share.stage)
                else {
                    return;
                };
                let why = self.loneliness(fetch);
                return self.end_share(now, id, why);
            }
        }
        if again {
            self.look_around(now, id);
        } else if retry && let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch())
        {
            fetch.retry = now.checked_add(super::consent::RETRY).unwrap_or(now);
        }
    }
}
