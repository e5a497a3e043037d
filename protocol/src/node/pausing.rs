//! Transfers that stand still because a person wants it, and that go on again.

use std::time::Instant;

use super::receiving::State;
use super::{AnswerError, Node};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::transfer::TransferId;
use crate::wire::{Control, Way};
use crate::{Event, TransferState};

/// Receivers' transfers that are waited for, at most.
const MAX_ASKED: usize = 64;

/// Who wants a transfer to stand still.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Paused {
    pub(super) here: bool,
    pub(super) there: bool,
}

impl Paused {
    pub(super) fn is_paused(self) -> bool {
        self.here || self.there
    }
}

impl Node {
    /// User in: let a transfer stand still until [`Node::resume`], across restarts too.
    pub fn pause(&mut self, now: Instant, transfer: TransferId) -> Result<(), AnswerError> {
        let link = self.pause_here(transfer, true);
        let known = link.is_some() || self.unfinished.contains(transfer);
        self.note_paused(transfer, true);
        if let Some(Some(link)) = link {
            self.say(now, link, &Control::Pause { transfer });
        }
        self.turn(now);
        if known { Ok(()) } else { Err(AnswerError::Unknown) }
    }

    /// User in: whatever waits for a peer tries again now. It does so by itself where the node's addresses change.
    pub fn resume_waiting(&mut self, now: Instant) {
        let waiting = self.transfers().into_iter().filter(|it| it.state == TransferState::Waiting);
        for view in waiting.collect::<Vec<_>>() {
            // One may have ended by what was done for another.
            let _ = self.resume(now, view.transfer);
        }
    }

    /// User in: go on with a transfer that stands still, or was interrupted: its peer is looked for. A transfer of
    /// ours is offered again; the sender of another is asked to.
    pub fn resume(&mut self, now: Instant, transfer: TransferId) -> Result<(), AnswerError> {
        let record = self.unfinished.get(transfer).map(|record| (record.peer, record.way.clone()));
        let link = self.pause_here(transfer, false);
        self.note_paused(transfer, false);
        let known = link.is_some() || record.is_some();
        if let Some(Some(link)) = link {
            self.say(now, link, &Control::Resume { transfer });
        } else if let Some(outgoing) = self.outgoing.get_mut(&transfer) {
            outgoing.try_now(now);
            self.timers.set_earlier(crate::Why::Offer, now);
        } else if let Some((peer, way)) = record {
            match way {
                Way::Sending { paths, links } => {
                    // Whatever is wrong with it is told by events, or was told when it was first offered.
                    let _ = self.offer_paths(now, peer, paths, links);
                }
                Way::Receiving(_) => self.ask_to_resume(now, peer, transfer),
                Way::Fetching(ticket, accepted) => {
                    // The same: and it is told by events what comes of it.
                    let _ = self.get(now, &ticket, &[], accepted.into);
                }
                Way::Complete(_) => {}
            }
        }
        self.turn(now);
        if known { Ok(()) } else { Err(AnswerError::Unknown) }
    }

    /// Notes what the user here wants. `Some`: it is under way; with the link it is on.
    fn pause_here(&mut self, transfer: TransferId, paused: bool) -> Option<Option<LinkKey>> {
        if let Some(outgoing) = self.outgoing.get_mut(&transfer) {
            outgoing.paused.here = paused;
            return Some(outgoing.link());
        }
        if self.pause_fetch(transfer, paused) {
            return Some(None);
        }
        let incoming = self.incoming.get_mut(&transfer)?;
        incoming.paused.here = paused;
        (!incoming.is_suspended()).then_some(Some(incoming.link))
    }

    /// A transfer that the user here had paused is accepted again: it stands still all the same.
    pub(super) fn keep_paused(&mut self, now: Instant, transfer: TransferId, link: LinkKey) {
        if self.unfinished.get(transfer).is_some_and(|record| record.paused) {
            if let Some(incoming) = self.incoming.get_mut(&transfer) {
                incoming.paused.here = true;
            }
            self.say(now, link, &Control::Pause { transfer });
        }
    }

    /// Looks for the sender of an interrupted transfer, to ask for the rest.
    pub(super) fn ask_to_resume(&mut self, now: Instant, from: PeerId, transfer: TransferId) {
        if self.unfinished.get(transfer).is_some_and(|record| record.paused) {
            return;
        }
        if self.asked_for.len() < MAX_ASKED {
            self.asked_for.insert((from, transfer));
        }
        match self.links.to(from) {
            Some(link) => self.ask_over(now, from, link),
            None => self.seek(now, from),
        }
    }

    /// A link to a peer is up: what is wanted of it is said.
    pub(super) fn ask_over(&mut self, now: Instant, peer: PeerId, link: LinkKey) {
        let wanted: Vec<_> = self.asked_for.iter().filter(|(from, _)| *from == peer).copied().collect();
        for (from, transfer) in wanted {
            self.asked_for.remove(&(from, transfer));
            self.say(now, link, &Control::Resume { transfer });
        }
    }

    /// The other side wants a transfer to stand still, or to go on.
    pub(super) fn paused_by_peer(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        transfer: TransferId,
        paused: bool,
    ) {
        if let Some(outgoing) = self.outgoing.get_mut(&transfer) {
            if outgoing.to != peer {
                return;
            }
            let changed = std::mem::replace(&mut outgoing.paused.there, paused) != paused;
            let elsewhere = outgoing.link().is_some_and(|on| on != link);
            if changed {
                self.event(Event::Paused { transfer, paused });
            }
            if !paused && elsewhere {
                // The receiver was started anew and knows nothing of the other link.
                self.offer_over(now, transfer, link);
            }
            return;
        }
        if let Some(incoming) = self.incoming.get_mut(&transfer) {
            if incoming.link == link && matches!(incoming.state, State::Receiving { .. }) {
                incoming.moves(now);
                if std::mem::replace(&mut incoming.paused.there, paused) != paused {
                    self.event(Event::Paused { transfer, paused });
                }
            }
            return;
        }
        let Some(record) = self.unfinished.get(transfer).filter(|record| record.peer == peer) else { return };
        if let Way::Sending { paths, links } = &record.way
            && !paused
            && !record.paused
        {
            let (paths, links) = (paths.clone(), *links);
            // Whatever is wrong with it is told by events, or was told when it was first offered.
            let _ = self.offer_paths(now, peer, paths, links);
        }
    }
}
