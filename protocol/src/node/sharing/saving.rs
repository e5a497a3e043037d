//! What was fetched is made durable, noted, and put in place, now and then; and a fetch that is whole is closed.

use std::time::{Duration, Instant};

use super::consent::{Fetch, State};
use super::{Content, Job, Node, Origin, Stage};
use crate::storage::{StorageError, Work};
use crate::transfer::TransferId;
use crate::{Event, Road, TransferFailure};

/// How long something written waits, at most, to be made durable and put in place.
const SETTLE: Duration = Duration::from_secs(1);

impl Node {
    /// Makes durable, and puts in place, what is to be; everything that is written, if it is `due`.
    pub(super) fn settle_fetch(&mut self, now: Instant, id: TransferId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Stage::Fetching(fetch) = &mut share.stage else { return };
        let Some(Content { origin: Origin::Landing(landing), roots, .. }) = &mut share.content else {
            return;
        };
        let State::Moving(moving) = &mut fetch.state else { return };
        let due = moving.due.is_some_and(|at| at <= now);
        let checkpoint = landing.next_checkpoint(due);
        let finish = landing.next_finish(roots, due);
        if !landing.is_unsaved() {
            moving.due = None;
        } else if moving.due.is_none_or(|at| at <= now) {
            moving.due = now.checked_add(SETTLE);
        }
        if let Some(work) = checkpoint {
            self.ask_for_share(id, work, Job::Checkpoint);
        }
        if let Some(files) = finish {
            let numbers = files.iter().map(|file| file.target.file).collect();
            self.ask_for_share(id, Work::Finish(files), Job::Finish(numbers));
        }
    }

    /// Pieces are durable, or not.
    pub(super) fn fetch_saved(&mut self, now: Instant, id: TransferId, result: Result<(), StorageError>) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(Content { origin: Origin::Landing(landing), .. }) = &mut share.content else { return };
        landing.checkpointed();
        if let (Stage::Fetching(fetch), Err(error)) = (&mut share.stage, result) {
            fetch.failed = Some(match error {
                StorageError::Full => TransferFailure::DiskFull,
                error => TransferFailure::Disk(Some(error)),
            });
        } else {
            self.note_progress(now, id);
        }
    }

    /// Everything is in place: nothing of it is to be found again.
    pub(super) fn close_fetch(&mut self, now: Instant, id: TransferId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Stage::Fetching(fetch) = &mut share.stage else { return };
        let Some(Content { origin: Origin::Landing(landing), .. }) = &share.content else { return };
        fetch.state = State::Closing;
        if landing.has_journal() {
            let into = landing.folder();
            return self.ask_for_share(id, Work::Close { transfer: id, into, complete: true }, Job::Close);
        }
        self.fetch_closed(now, id);
    }

    /// The journal is gone; what was fetched is only served from here on.
    pub(super) fn fetch_closed(&mut self, now: Instant, id: TransferId) {
        let Some(Stage::Fetching(fetch)) = self.sharing.shares.get(&id).map(|share| &share.stage) else {
            return;
        };
        if !matches!(fetch.state, State::Closing) {
            return;
        }
        let road = self.best_road(fetch).unwrap_or(Road::Direct);
        let (root, took) = (fetch.ticket.root, now.saturating_duration_since(fetch.since));
        // After the journal: a record without one can be cleaned up, a journal that nothing names would stay.
        self.forget_record(id);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        share.stage = Stage::Offering;
        let Some(Content { origin: Origin::Landing(landing), .. }) = &share.content else { return };
        let ((bytes, _), resumed, paths) = (landing.progress(), landing.resumed(), landing.tops());
        self.event(Event::Finished { transfer: id, bytes, resumed, took, road, root, paths });
    }

    /// Bytes of a fetch that are here, from before and from now.
    pub(in crate::node) fn fetched(&self, id: TransferId) -> Option<u64> {
        match &self.sharing.shares.get(&id)?.content.as_ref()?.origin {
            Origin::Landing(landing) => Some(landing.resumed().saturating_add(landing.progress().0)),
            Origin::Sources(..) | Origin::Nowhere => None,
        }
    }
}

impl Fetch {
    /// Whether something of it may be on the disk, from before or from now.
    pub(super) fn has_begun(&self) -> bool {
        match &self.state {
            State::Recovering | State::Moving(_) | State::Closing => true,
            State::Preparing { again } => *again,
            State::Examining(_) | State::Asked => self.recalled.is_some(),
            State::Seeking | State::Listing(_) => false,
        }
    }
}
