//! How long is waited for whom, and what happens then.

use std::time::{Duration, Instant};

use super::Node;
use super::receiving::{Incoming, State};
use super::sending::Outgoing;
use crate::{Event, Refusal, TransferFailure, Why};

/// How long a manifest may take to arrive.
pub(super) const LISTING: Duration = Duration::from_secs(300);
/// How long an accepted transfer may stand still, though its link lives. No wait is shorter than these two.
pub(super) const STALL: Duration = Duration::from_secs(300);
/// How long an offer waits for the user's answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// How long an offer of ours waits for its answer: longer than the other side waits for its user.
pub(super) const ANSWER: Duration = Duration::from_secs(900);
/// How long a stranger whose offer was not taken cannot offer again.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// Strangers who have asked and wait for an answer, or got none; when there are as many, nobody new may ask.
pub(super) const MAX_ASKED: usize = 1_000;

impl Node {
    /// Offers and transfers that do not go on are given up.
    pub(super) fn run_out_of_patience(&mut self, now: Instant) {
        let over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        let expired: Vec<_> =
            self.incoming.iter().filter(|(_, it)| over(it.until())).map(|(id, _)| *id).collect();
        for transfer in expired {
            match self.incoming.get(&transfer).map(|incoming| &incoming.state) {
                Some(State::Listing { .. }) => self.refuse_offer(now, transfer, Refusal::BadManifest),
                Some(State::Asked { .. }) => {
                    let why = TransferFailure::Refused(Refusal::Declined);
                    let resumable = self.unfinished.contains(transfer);
                    self.event(Event::Failed { transfer, why, kept: 0, resumable });
                    self.refuse_offer(now, transfer, Refusal::Declined);
                }
                Some(State::Suspended { .. }) => self.give_up_suspended(transfer),
                _ => self.stall_incoming(now, transfer),
            }
        }
        let stalled: Vec<_> =
            self.outgoing.iter().filter(|(_, it)| over(it.until())).map(|(id, _)| *id).collect();
        for transfer in stalled {
            if !self.still_flows(now, transfer) {
                self.wait_no_longer(now, transfer);
            }
        }
        let waiting = self.incoming.values().filter_map(Incoming::until);
        self.timers.set(Why::Offer, waiting.chain(self.outgoing.values().filter_map(Outgoing::until)).min());
    }
}
