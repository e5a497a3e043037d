//! The end of shares and fetches: everyone is told, what is partial goes, and only then the user hears of it.

use std::time::Instant;

use super::{Content, Job, Node, Origin, Share, Stage};
use crate::storage::Work;
use crate::transfer::TransferId;
use crate::wire::Leaving;
use crate::{Event, TransferFailure};

impl Node {
    /// The user ends a share or a fetch, or does not want it after all.
    pub(in crate::node) fn stop_share(&mut self, now: Instant, id: TransferId) -> bool {
        let Some(share) = self.sharing.shares.get(&id) else { return false };
        match share.stage {
            Stage::Fetching(_) => self.end_share(now, id, TransferFailure::Cancelled),
            Stage::Ending { .. } => {}
            Stage::Making(_) | Stage::Offering => {
                self.part_with_askers(now, id);
                self.remove_share(id);
            }
        }
        true
    }

    pub(in crate::node) fn stop_all_shares(&mut self, now: Instant) {
        for id in self.sharing.ids() {
            self.stop_share(now, id);
        }
    }

    /// Ends a share before it is what it was to be: what is whole stays, what is partial goes, and only then is the
    /// user told.
    pub(super) fn end_share(&mut self, now: Instant, id: TransferId, why: TransferFailure) {
        self.part_with_askers(now, id);
        self.part_with_sources(now, id, Leaving::Stopped);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        if matches!(share.stage, Stage::Ending { .. }) {
            return;
        }
        let made = share.fetch().map(|fetch| fetch.take_made()).unwrap_or_default();
        let (mut discard, mut kept) = (None, 0);
        if let Some(Content { origin: Origin::Landing(landing), .. }) = &share.content {
            kept = landing.placed();
            discard = Some(Work::Discard {
                transfer: id,
                sender: self.me.peer_id(),
                into: landing.folder(),
                partials: landing.partials(),
                directories: made.directories,
            });
        }
        share.stage = Stage::Ending { discard, why, kept };
        if let Some(root) = share.root {
            self.sharing.by_root.remove(&root);
        }
        self.shares.wrote(id, made.waiting);
        self.shares.forget(id);
        self.feed_starved();
        self.run_share_ending(id);
    }

    /// Clears up after a share that is over once nothing is under way for it.
    pub(super) fn run_share_ending(&mut self, id: TransferId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Stage::Ending { discard, why, kept } = &mut share.stage else { return };
        if share.busy > 0 {
            return;
        }
        if let Some(work) = discard.take() {
            return self.ask_for_share(id, work, Job::Discard);
        }
        let (why, kept) = (why.clone(), *kept);
        self.remove_share(id);
        self.event(Event::Failed { transfer: id, why, kept, resumable: false });
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
