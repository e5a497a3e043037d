//! The end of shares and fetches: everyone is told, what can be gone on with is kept and the rest removed, and only
//! then the user hears of it.

use std::time::Instant;

use super::consent::Made;
use super::{Content, Job, Node, Origin, Share, Stage};
use crate::storage::Work;
use crate::transfer::{RelativePath, TransferId};
use crate::wire::Leaving;
use crate::{Event, LinkLoss, Refusal, TransferFailure};

/// A share that is ending.
pub(super) struct Ending {
    next: Step,
    /// Directories that were made for it.
    pub(super) made: Vec<RelativePath>,
    why: TransferFailure,
}

/// What is still to be done, in order, each step once nothing is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What is written is made durable.
    Save,
    /// The files are let go of.
    Close,
    /// What was made is removed.
    Discard,
    Over,
    /// The same, and all is kept for another time.
    Kept,
}

impl Node {
    /// The user ends a share or a fetch, or does not want it after all.
    pub(in crate::node) fn stop_share(&mut self, now: Instant, id: TransferId) -> bool {
        let Some(share) = self.sharing.shares.get(&id) else { return false };
        match share.stage {
            Stage::Fetching(_) => self.end_share(now, id, TransferFailure::Cancelled),
            Stage::Ending(_) => {}
            Stage::Making(_) | Stage::Offering => {
                self.part_with_askers(now, id);
                self.remove_share(id);
            }
        }
        true
    }

    /// The user does not want what a ticket turned out to be. What is there of it from before stays.
    pub(in crate::node) fn refuse_share(&mut self, now: Instant, id: TransferId) -> bool {
        if self.unfinished.fetch(id).is_none() {
            return self.stop_share(now, id);
        }
        let there = self.sharing.shares.contains_key(&id);
        self.end_share(now, id, TransferFailure::Refused(Refusal::Declined));
        there
    }

    /// This program ends: fetches that have begun can be gone on with.
    pub(in crate::node) fn stop_all_shares(&mut self, now: Instant) {
        for id in self.sharing.ids() {
            let fetching = self.sharing.shares.get_mut(&id).is_some_and(|share| share.fetch().is_some());
            if fetching && self.unfinished.contains(id) {
                self.end_share(now, id, TransferFailure::LinkLost(LinkLoss::Ours));
            } else {
                self.stop_share(now, id);
            }
        }
    }

    /// Ends a share before it is what it was to be, so that it can be gone on with later where that is possible; else
    /// what is whole stays and what is partial goes. Only then is the user told.
    pub(super) fn end_share(&mut self, now: Instant, id: TransferId, why: TransferFailure) {
        self.part_with_askers(now, id);
        self.part_with_sources(now, id, Leaving::Stopped);
        // What verified chunk by chunk and not as a whole is no ground to build on.
        let keeps = !matches!(why, TransferFailure::Cancelled | TransferFailure::Mismatch);
        // Nor is nothing at all.
        let keeps = keeps && self.unfinished.contains(id) && self.fetched(id) != Some(0);
        if keeps {
            self.flush_pieces(id);
        }
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        if matches!(share.stage, Stage::Ending(_)) {
            return;
        }
        let Made { directories, waiting } = share.fetch().map(|fetch| fetch.take_made()).unwrap_or_default();
        let begun = share.fetch().is_some_and(|fetch| fetch.has_begun());
        let landing = matches!(&share.content, Some(Content { origin: Origin::Landing(_), .. }));
        let next = match (keeps, begun) {
            (true, true) => Step::Save,
            // Nothing of it is on the disk yet, or nothing that this attempt has opened.
            (true, false) if !landing => Step::Kept,
            _ if landing || self.unfinished.contains(id) => Step::Discard,
            _ => Step::Over,
        };
        share.stage = Stage::Ending(Ending { next, made: directories, why });
        if let Some(root) = share.root {
            self.sharing.by_root.remove(&root);
        }
        self.shares.wrote(id, waiting);
        self.shares.forget(id);
        self.feed_starved();
        self.run_share_ending(id);
    }

    /// Goes on with an ending, once nothing is under way any more.
    pub(super) fn run_share_ending(&mut self, id: TransferId) {
        let sender = self.me.peer_id();
        let recorded = self.unfinished.folder(id);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Stage::Ending(ending) = &mut share.stage else { return };
        if share.busy > 0 {
            return;
        }
        let landing = match &mut share.content {
            Some(Content { origin: Origin::Landing(landing), .. }) => Some(landing),
            _ => None,
        };
        let folder = landing.as_ref().map(|landing| landing.folder()).or(recorded);
        let (work, job) = match (ending.next, folder) {
            (Step::Save, _) => {
                ending.next = Step::Close;
                let Some(work) = landing.and_then(|landing| landing.next_checkpoint(true)) else {
                    return self.run_share_ending(id);
                };
                (work, Job::Checkpoint)
            }
            (Step::Close, Some(into)) => {
                ending.next = Step::Kept;
                (Work::Close { transfer: id, into, complete: false }, Job::Close)
            }
            (Step::Discard, Some(into)) => {
                ending.next = Step::Over;
                let partials = landing.map(|landing| landing.partials()).unwrap_or_default();
                let directories = std::mem::take(&mut ending.made);
                (Work::Discard { transfer: id, sender, into, partials, directories }, Job::Discard)
            }
            (step, _) => return self.share_ended(id, step == Step::Kept || step == Step::Close),
        };
        self.ask_for_share(id, work, job);
    }

    fn share_ended(&mut self, id: TransferId, kept: bool) {
        let done = self.fetched(id);
        let Some(share) = self.remove_share(id) else { return };
        let Stage::Ending(Ending { why, .. }) = share.stage else { return };
        let placed = match &share.content {
            Some(Content { origin: Origin::Landing(landing), .. }) => landing.placed(),
            _ => 0,
        };
        if !kept {
            self.forget_record(id);
        } else if let Some(done) = done {
            self.note_done(id, done);
        }
        self.event(Event::Failed { transfer: id, why, kept: placed, resumable: kept });
    }

    pub(super) fn remove_share(&mut self, id: TransferId) -> Option<Share> {
        let share = self.sharing.shares.remove(&id)?;
        if let Some(root) = share.root
            && self.sharing.by_root.get(&root) == Some(&id)
        {
            self.sharing.by_root.remove(&root);
        }
        Some(share)
    }
}
