//! How transfers of others end before they are whole: what can be gone on with is kept, durably; the rest is
//! removed; and only then is the user told.

use std::time::{Duration, Instant};

use super::inflow::Inflow;
use super::receiving::State;
use super::sending::link_failure;
use super::{Closing, Node, Purpose};
use crate::link::LinkKey;
use crate::storage::{StorageError, Work};
use crate::transfer::{Receiver, RelativePath, TransferId};
use crate::wire::{CancelReason, Chunk, Control};
use crate::{Event, LinkLoss, TransferFailure, Why};

/// How long a transfer whose link was lost waits for it to come back.
pub(super) const RECONNECT: Duration = Duration::from_secs(600);

/// A transfer that is ending on this side.
#[derive(Debug, Default)]
pub(super) struct Ending {
    receiver: Option<Box<Receiver>>,
    /// Directories that this transfer made.
    pub(super) made: Vec<RelativePath>,
    next: Step,
    /// What the user is told at the end, if they know of it.
    why: Option<TransferFailure>,
}

/// What is still to be done, in order, each step once nothing is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Step {
    /// What is written is made durable.
    Save,
    /// The files are let go of.
    Close,
    /// What was made is removed.
    Discard,
    #[default]
    Over,
    /// The same, and all is kept for another time.
    Kept,
}

impl Ending {
    pub(super) fn progress(&self) -> (u64, u64) {
        self.receiver.as_ref().map_or((0, 0), |receiver| receiver.progress())
    }

    /// Chunks were written meanwhile; failures make no difference any more.
    pub(super) fn written(&mut self, chunks: &[Chunk], results: Vec<Result<(), StorageError>>) {
        if let Some(receiver) = &mut self.receiver {
            for (head, result) in chunks.iter().zip(results) {
                let _ = receiver.handle_written(head, result);
            }
        }
    }

    pub(super) fn checkpointed(&mut self, result: Result<(), StorageError>) {
        if let Some(receiver) = &mut self.receiver {
            let _ = receiver.handle_checkpoint(result);
        }
    }

    pub(super) fn finished(&mut self, results: Vec<Result<(), StorageError>>) {
        if let Some(receiver) = &mut self.receiver {
            let _ = receiver.handle_finished(results);
        }
    }
}

impl Node {
    /// Ends a transfer on this side, so that it can be gone on with later where that is possible.
    pub(super) fn end_incoming(&mut self, now: Instant, transfer: TransferId, why: TransferFailure) {
        self.wind_up(now, transfer, why, true);
    }

    /// Ends a transfer on this side for good: files in place stay, all else goes.
    pub(super) fn discard_incoming(&mut self, now: Instant, transfer: TransferId, why: TransferFailure) {
        self.wind_up(now, transfer, why, false);
    }

    /// Lets go of what an attempt before has left, as it is. The user is told nothing.
    pub(super) fn leave_be(&mut self, now: Instant, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        incoming.state = State::Ending(Ending { next: Step::Close, ..Ending::default() });
        self.run_ending(now, transfer);
    }

    fn wind_up(&mut self, now: Instant, transfer: TransferId, why: TransferFailure, keep: bool) {
        self.flush_batch(transfer);
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        if matches!(incoming.state, State::Ending(_)) {
            return;
        }
        incoming.settled();
        let found = incoming.found.is_some();
        let ending = match std::mem::replace(&mut incoming.state, State::Ending(Ending::default())) {
            State::Receiving { receiver, made, .. } => {
                let next = if keep && receiver.has_journal() { Step::Save } else { Step::Discard };
                Ending { receiver: Some(receiver), made, next, why: Some(why) }
            }
            State::Preparing { receiver } => {
                let next = if keep && found && receiver.has_journal() { Step::Close } else { Step::Discard };
                Ending { receiver: Some(receiver), next, why: Some(why), ..Ending::default() }
            }
            State::Listing { .. }
            | State::Recovering { .. }
            | State::Examining { .. }
            | State::Asked { .. }
            | State::Suspended { .. }
            | State::Ending(_) => {
                let record = self.unfinished.contains(transfer);
                let next = match (record, keep) {
                    (false, _) => Step::Over,
                    (true, true) => Step::Close,
                    (true, false) => Step::Discard,
                };
                let why = (incoming.shown || found).then_some(why);
                Ending { next, why, ..Ending::default() }
            }
        };
        incoming.state = State::Ending(ending);
        self.drop_inflows(transfer);
        self.run_ending(now, transfer);
    }

    /// Goes on with an ending, once nothing is under way any more.
    pub(super) fn run_ending(&mut self, now: Instant, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Ending(ending) = &mut incoming.state else { return };
        if incoming.busy > 0 {
            return;
        }
        let sender = incoming.from;
        let folder = ending.receiver.as_ref().map(|receiver| receiver.folder());
        let folder = folder.or_else(|| self.unfinished.folder(transfer));
        let work = match (ending.next, folder) {
            (Step::Save, _) => {
                ending.next = Step::Close;
                let checkpoint = ending.receiver.as_mut().and_then(|receiver| receiver.next_checkpoint(true));
                let Some(work) = checkpoint else { return self.run_ending(now, transfer) };
                (work, Purpose::Checkpoint(transfer))
            }
            (Step::Close, Some(into)) => {
                ending.next = Step::Kept;
                (Work::Close { transfer, into, complete: false }, Purpose::Close(transfer))
            }
            (Step::Discard, Some(into)) => {
                ending.next = Step::Over;
                let partials = ending.receiver.as_ref().map(|receiver| receiver.partials());
                let (partials, directories) = (partials.unwrap_or_default(), ending.made.clone());
                let work = Work::Discard { transfer, sender, into, partials, directories };
                (work, Purpose::Discard(transfer))
            }
            (step, _) => return self.ended(now, transfer, step == Step::Kept || step == Step::Close),
        };
        incoming.busy = 1;
        self.storage.ask(work.0, work.1);
    }

    fn ended(&mut self, now: Instant, transfer: TransferId, kept: bool) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Ending(ending) = &mut incoming.state else { return };
        let (done, total) = ending.progress();
        let placed = ending.receiver.as_ref().map_or(0, |receiver| receiver.placed());
        let resumed = ending.receiver.as_ref().map_or(0, |receiver| receiver.resumed());
        let begun = ending.receiver.is_some();
        let why = ending.why.take();
        let lost = matches!(why, Some(TransferFailure::LinkLost(loss)) if loss != LinkLoss::Closed);
        let from = incoming.from;
        if kept && begun {
            self.note_done(transfer, resumed.saturating_add(done));
        }
        if !kept {
            self.forget_record(transfer);
        }
        if kept && lost && self.closing == Closing::No {
            let until = now.checked_add(RECONNECT).unwrap_or(now);
            if let Some(incoming) = self.incoming.get_mut(&transfer) {
                incoming.state = State::Suspended { until, done, total };
                incoming.found = None;
            }
            self.timers.set_earlier(Why::Offer, until);
            self.event(Event::Suspended { transfer, done, total });
            self.ask_to_resume(now, from, transfer);
            return;
        }
        self.incoming.remove(&transfer);
        if let Some(why) = why {
            self.event(Event::Failed { transfer, why, kept: placed, resumable: kept });
        }
    }

    /// The sender did not come back in time.
    pub(super) fn give_up_suspended(&mut self, transfer: TransferId) {
        self.incoming.remove(&transfer);
        let why = TransferFailure::LinkLost(LinkLoss::TimedOut);
        self.event(Event::Failed { transfer, why, kept: 0, resumable: true });
    }

    /// Files were let go of, or removed.
    pub(super) fn let_go(&mut self, now: Instant, transfer: TransferId) {
        if self.no_longer_busy(transfer).is_none() {
            self.run_ending(now, transfer);
        }
    }

    /// Something for a transfer that is ending.
    pub(super) fn with_ending(&mut self, transfer: TransferId, act: impl FnOnce(&mut Ending)) {
        if let Some(State::Ending(ending)) =
            self.incoming.get_mut(&transfer).map(|incoming| &mut incoming.state)
        {
            act(ending);
        }
    }

    /// The sender has stood still for too long.
    pub(super) fn stall_incoming(&mut self, now: Instant, transfer: TransferId) {
        if let Some(link) = self.incoming.get(&transfer).map(|incoming| incoming.link) {
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Stalled });
        }
        self.end_incoming(now, transfer, TransferFailure::TimedOut);
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

    /// The user here stops a transfer of someone else's for good.
    pub(super) fn cancel_incoming(&mut self, now: Instant, transfer: TransferId) -> bool {
        let Some(incoming) = self.incoming.get(&transfer) else { return false };
        if !incoming.is_suspended() {
            let link = incoming.link;
            self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Cancelled });
        }
        self.discard_incoming(now, transfer, TransferFailure::Cancelled);
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
            CancelReason::Stalled => TransferFailure::TimedOut,
        };
        if self.outgoing_cancelled(link, transfer, why.clone()) {
            return;
        }
        if self.incoming.get(&transfer).is_some_and(|incoming| incoming.link == link) {
            match reason {
                CancelReason::Cancelled | CancelReason::Violation => {
                    self.discard_incoming(now, transfer, why);
                }
                _ => self.end_incoming(now, transfer, why),
            }
        }
    }

    pub(super) fn lose_incoming(&mut self, now: Instant, link: LinkKey, why: LinkLoss, cancelled: bool) {
        let lost = self.incoming.iter().filter(|(_, it)| it.link == link && !it.is_suspended());
        let lost: Vec<_> = lost.map(|(transfer, _)| *transfer).collect();
        for transfer in lost {
            let begun = self.incoming.get(&transfer).is_some_and(|incoming| {
                matches!(incoming.state, State::Preparing { .. } | State::Receiving { .. })
            });
            let why = link_failure(why, cancelled && !begun);
            self.end_incoming(now, transfer, why);
        }
    }
}
