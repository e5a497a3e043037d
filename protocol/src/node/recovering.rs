//! Going on with a transfer that was interrupted: what the disk has of it is looked at before anything is answered.

use std::sync::Arc;
use std::time::Instant;

use super::receiving::State;
use super::{Node, Purpose};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::storage::{Checked, RecoverError, StorageError, Work};
use crate::transfer::{Found, Manifest, Terms, TransferId};
use crate::wire::{Accepted, Answer, Control, Way};
use crate::{Event, LinkLoss, Refusal, TransferFailure};

impl Node {
    /// The records are there: senders of what was interrupted are asked to go on, where offers are taken at all.
    pub(super) fn ask_for_unfinished(&mut self, now: Instant) {
        if self.rules.into.is_none() {
            return;
        }
        let receiving = self.unfinished.iter().filter(|(_, it)| matches!(it.way, Way::Receiving(_)));
        let wanted: Vec<_> = receiving.map(|(transfer, record)| (record.peer, transfer)).collect();
        for (from, transfer) in wanted {
            self.ask_to_resume(now, from, transfer);
        }
    }

    /// An offer of that name was begun before, or has been completed: what is to be done about its head. `true`: it
    /// is dealt with.
    pub(super) fn offered_again(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        transfer: TransferId,
    ) -> bool {
        if let Some(root) = self.unfinished.complete(transfer, peer) {
            self.say(now, link, &Control::Received { transfer, root });
            return true;
        }
        let Some(incoming) = self.incoming.get(&transfer).filter(|incoming| incoming.from == peer) else {
            return false;
        };
        if incoming.is_suspended() {
            self.incoming.remove(&transfer);
            return false;
        }
        let begun =
            matches!(incoming.state, State::Preparing { .. } | State::Receiving { .. } | State::Ending(_));
        if incoming.link == link && !begun {
            return false;
        }
        // The sender was started anew, or came over another link, before the old one was known to be lost, or lost
        // the one that carried the chunks: what is under way is wound up, and the sender tries again in a moment.
        self.end_incoming(now, transfer, TransferFailure::LinkLost(LinkLoss::TimedOut));
        self.say(now, link, &Control::Answer { transfer, answer: Answer::Refuse(Refusal::Busy) });
        true
    }

    /// Looks for what is there of an offer whose manifest is whole. `false`: it was not begun before.
    pub(super) fn recover(&mut self, transfer: TransferId, manifest: &Arc<Manifest>) -> bool {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return false };
        let sender = incoming.from;
        let Some(accepted) = self.unfinished.accepted(transfer, sender).filter(|_| !self.rules.output) else {
            return false;
        };
        incoming.state = State::Recovering { manifest: Arc::clone(manifest) };
        incoming.busy = incoming.busy.saturating_add(1);
        let work = Work::Recover {
            transfer,
            sender,
            into: accepted.into.clone(),
            manifest: Arc::clone(manifest),
            places: accepted.places.clone().on_this_system(manifest),
        };
        self.storage.ask(work, Purpose::Recover(transfer));
        true
    }

    pub(super) fn recovered(&mut self, now: Instant, transfer: TransferId, result: Result<(), RecoverError>) {
        let Some(incoming) = self.no_longer_busy(transfer) else { return self.run_ending(now, transfer) };
        let State::Recovering { manifest } = &incoming.state else { return };
        let (manifest, from) = (Arc::clone(manifest), incoming.from);
        match result {
            Ok(()) => {
                incoming.found = Some(Found::default());
                self.check_more(transfer);
            }
            Err(RecoverError::InUse) => self.refuse_offer(now, transfer, Refusal::Busy),
            Err(RecoverError::Disk(error)) => {
                let answer = Answer::Refuse(Refusal::NotWritable);
                let link = incoming.link;
                incoming.shown = true;
                self.say(now, link, &Control::Answer { transfer, answer });
                self.end_incoming(now, transfer, TransferFailure::Disk(Some(error)));
            }
            // Whoever moved the folder away gets to say where it goes now.
            Err(problem @ RecoverError::Missing) => {
                self.forget_record(transfer);
                self.event(Event::StartsOver { transfer, from, problem });
                self.look_at_offer(now, transfer, manifest);
            }
            Err(problem @ RecoverError::Journal(_)) => {
                self.event(Event::StartsOver { transfer, from, problem });
                self.go_on(now, transfer, &manifest);
            }
        }
    }

    fn check_more(&mut self, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        incoming.busy = incoming.busy.saturating_add(1);
        self.storage.ask(Work::Check { transfer }, Purpose::Check(transfer));
    }

    pub(super) fn checked(
        &mut self,
        now: Instant,
        transfer: TransferId,
        result: Result<Checked, StorageError>,
    ) {
        let Some(incoming) = self.no_longer_busy(transfer) else { return self.run_ending(now, transfer) };
        let State::Recovering { manifest } = &incoming.state else { return };
        let manifest = Arc::clone(manifest);
        let checked = match result {
            Ok(checked) => checked,
            Err(error) => {
                incoming.shown = true;
                let (link, answer) = (incoming.link, Answer::Refuse(Refusal::NotWritable));
                self.say(now, link, &Control::Answer { transfer, answer });
                return self.end_incoming(now, transfer, TransferFailure::Disk(Some(error)));
            }
        };
        let (from, more) = (incoming.from, checked.more);
        let found = incoming.found.get_or_insert_default();
        found.add(&manifest, &checked);
        if more {
            return self.check_more(transfer);
        }
        let (held, lost, changed) = (found.bytes(&manifest), found.lost, found.changed);
        if let Some(into) = self.unfinished.folder(transfer) {
            let bytes = manifest.bytes();
            self.event(Event::Resuming { transfer, from, into, held, bytes, lost, changed });
        }
        self.go_on(now, transfer, &manifest);
    }

    /// What is there is known. The same offer needs no second consent; one that has changed does.
    fn go_on(&mut self, now: Instant, transfer: TransferId, manifest: &Arc<Manifest>) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let from = incoming.from;
        let Some(accepted) = self.unfinished.accepted(transfer, from).cloned() else { return };
        // The disk took its time, and the rules may be others by now.
        let standing = self.standing(from);
        if let Err(why) = self.permitted(now, from, standing) {
            return self.refuse_offer(now, transfer, why);
        }
        if accepted.digest == manifest.digest() {
            let Accepted { into, places, skip, overwrite, .. } = accepted;
            let terms = Terms { into, places, skip, overwrite, journal: true, output: false };
            return self.take_offer(now, transfer, manifest, terms);
        }
        self.examine(transfer, Arc::clone(manifest), accepted.into, None);
    }
}
