//! Going on with a fetch that was interrupted: what the disk has of it is looked at before anything is asked for.

use std::sync::Arc;
use std::time::Instant;

use super::consent::State;
use super::{Content, Job, Node};
use crate::storage::{Checked, RecoverError, StorageError, Work};
use crate::transfer::recalled::Recalled;
use crate::transfer::{Terms, TransferId};
use crate::wire::Accepted;
use crate::{Event, TransferFailure};

impl Node {
    /// What is fetched is known: the disk is asked what it has of it from before, or how it would fit.
    pub(super) fn look_at_fetch(&mut self, id: TransferId) {
        let begun = self.unfinished.fetch(id).cloned();
        let sender = self.me.peer_id();
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(manifest) = share.content.as_ref().map(|content| Arc::clone(&content.manifest)) else {
            return;
        };
        let Some(fetch) = share.fetch() else { return };
        let (work, job) = match begun {
            Some(Accepted { into, places, .. }) => {
                fetch.state = State::Recovering;
                (Work::Recover { transfer: id, sender, into, manifest, places }, Job::Recover)
            }
            None => {
                fetch.state = State::Examining(None);
                (Work::Examine { into: fetch.into.clone(), manifest }, Job::Examine)
            }
        };
        self.ask_for_share(id, work, job);
    }

    pub(super) fn fetch_recovered(&mut self, now: Instant, id: TransferId, result: Result<(), RecoverError>) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(pieces) = share.content.as_ref().map(|content| Arc::clone(&content.pieces)) else { return };
        let Some(fetch) = share.fetch() else { return };
        let from = fetch.ticket.peer;
        match result {
            Ok(()) => {
                fetch.recalled = Some(Recalled::new(&pieces));
                self.ask_for_share(id, Work::Check { transfer: id }, Job::Check);
            }
            Err(RecoverError::InUse) => {
                let problem = "another program fetches this into the same folder".to_owned();
                self.end_share(now, id, TransferFailure::Disk(Some(StorageError::Other(problem))));
            }
            Err(RecoverError::Disk(error)) => self.end_share(now, id, TransferFailure::Disk(Some(error))),
            Err(problem @ RecoverError::Missing) => {
                self.forget_record(id);
                self.event(Event::StartsOver { transfer: id, from, problem });
                self.look_at_fetch(id);
            }
            Err(problem @ RecoverError::Journal(_)) => {
                self.event(Event::StartsOver { transfer: id, from, problem });
                self.go_on_fetching(now, id);
            }
        }
    }

    pub(super) fn fetch_checked(
        &mut self,
        now: Instant,
        id: TransferId,
        result: Result<Checked, StorageError>,
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let super::Stage::Fetching(fetch) = &mut share.stage else { return };
        let (Some(Content { manifest, pieces, roots, trees, .. }), Some(recalled)) =
            (&mut share.content, &mut fetch.recalled)
        else {
            return;
        };
        let checked = match result {
            Ok(checked) => checked,
            Err(error) => return self.end_share(now, id, TransferFailure::Disk(Some(error))),
        };
        recalled.add(pieces, roots, trees, &checked);
        if checked.more {
            return self.ask_for_share(id, Work::Check { transfer: id }, Job::Check);
        }
        let resuming = Event::Resuming {
            transfer: id,
            from: fetch.ticket.peer,
            into: fetch.into.clone(),
            held: recalled.bytes(pieces),
            bytes: manifest.bytes(),
            lost: recalled.lost,
            changed: recalled.changed,
        };
        self.event(resuming);
        self.go_on_fetching(now, id);
    }

    /// What is there is known. The same names and times need no second consent; others do.
    fn go_on_fetching(&mut self, now: Instant, id: TransferId) {
        let Some(accepted) = self.unfinished.fetch(id).cloned() else { return };
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(manifest) = share.content.as_ref().map(|content| Arc::clone(&content.manifest)) else {
            return;
        };
        let Some(fetch) = share.fetch() else { return };
        if accepted.digest == manifest.digest() {
            let Accepted { into, places, skip, overwrite, .. } = accepted;
            return self.take_fetch(
                now,
                id,
                Terms { into, places, skip, overwrite, journal: true, output: false },
            );
        }
        fetch.state = State::Examining(None);
        self.ask_for_share(id, Work::Examine { into: accepted.into, manifest }, Job::Examine);
    }
}
