//! From a whole manifest to consent: the rules are asked, the disk, and the user where the rules say so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::patience::{ASK_AGAIN, MAX_ASKED, PATIENCE};
use super::receiving::{Incoming, State};
use super::{Closing, Node, Purpose};
use crate::identity::PeerId;
use crate::storage::{Examined, StorageError, Work};
use crate::transfer::{Entry, Found, Manifest, Places, Receiver, Terms, TransferId, is_journaled};
use crate::wire::{Accepted, Answer, Control, EntrySet, Way};
use crate::{
    Acceptance, AnswerError, Conflict, Decision, Event, Refusal, Standing, Strangers, TransferFailure, Why,
};

impl Node {
    /// Whether the rules let a peer offer anything now.
    pub(super) fn permitted(
        &mut self,
        now: Instant,
        from: PeerId,
        standing: Standing,
    ) -> Result<(), Refusal> {
        let expected = self.rules.expected.contains(&from) || self.codes.expects(from);
        let unexpected = self.rules.only_expected && !expected;
        if self.rules.into.is_none() || unexpected || self.contacts.is_blocked(from) {
            return Err(Refusal::Declined);
        }
        if self.closing != Closing::No {
            return Err(Refusal::Busy);
        }
        if standing != Standing::Stranger {
            return Ok(());
        }
        self.asked.retain(|_, asked| now.saturating_duration_since(*asked) < ASK_AGAIN);
        match self.rules.strangers {
            Strangers::Refuse => Err(Refusal::Stranger),
            Strangers::Ask if self.asked.contains_key(&from) || self.asked.len() >= MAX_ASKED => {
                Err(Refusal::Declined)
            }
            Strangers::Ask | Strangers::Accept => Ok(()),
        }
    }

    /// The whole manifest is here: the rules are asked, then the disk.
    pub(super) fn manifest_whole(&mut self, now: Instant, transfer: TransferId) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let State::Listing { head, entries, allowed, .. } = &mut incoming.state else { return };
        let name: String = head.name.chars().filter(|char| !char.is_control()).collect();
        let manifest = Manifest::new(name, std::mem::take(entries));
        let honest = |manifest: &Manifest| {
            manifest.bytes() == head.bytes && u32::try_from(manifest.entries().len()) == Ok(head.entries)
        };
        let Some(manifest) = manifest.ok().filter(honest).filter(|_| *allowed) else {
            return self.refuse_offer(now, transfer, Refusal::BadManifest);
        };
        let manifest = Arc::new(manifest);
        if !self.recover(transfer, &manifest) {
            self.look_at_offer(now, transfer, manifest);
        }
    }

    /// An offer that is new here: the disk is asked how it would fit.
    pub(super) fn look_at_offer(&mut self, now: Instant, transfer: TransferId, manifest: Arc<Manifest>) {
        match self.rules.into.clone() {
            Some(into) => self.examine(transfer, manifest, into, None),
            None => self.refuse_offer(now, transfer, Refusal::Declined),
        }
    }

    pub(super) fn examine(
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
        let Some(incoming) = self.no_longer_busy(transfer) else { return self.run_ending(now, transfer) };
        let State::Examining { manifest, acceptance } = &mut incoming.state else { return };
        let (manifest, acceptance) = (Arc::clone(manifest), acceptance.take());
        let from = incoming.from;
        let result = result.map(|examined| unfound(&manifest, examined, incoming.found.as_ref()));
        let standing = self.standing(from);
        let examined = match result {
            Ok(examined) => examined,
            Err(error) => {
                if acceptance.is_some() {
                    let (why, resumable) =
                        (TransferFailure::Disk(Some(error)), self.unfinished.contains(transfer));
                    self.event(Event::Failed { transfer, why, kept: 0, resumable });
                } else {
                    let examined = Examined { free: 0, existing: Vec::new(), alternatives: Vec::new() };
                    let decision = Decision::Refused(Refusal::NotWritable);
                    let code = self.codes.of(from);
                    self.event(Event::Offered {
                        transfer,
                        from,
                        standing,
                        manifest,
                        examined,
                        decision,
                        code,
                    });
                }
                return self.refuse_offer(now, transfer, Refusal::NotWritable);
            }
        };
        if let Some(acceptance) = acceptance {
            return self.prepare(now, transfer, &manifest, &examined, acceptance);
        }
        // The manifest and the disk took their time, and the rules may be others by now.
        if let Err(why) = self.permitted(now, from, standing) {
            return self.refuse_offer(now, transfer, why);
        }
        let code = self.codes.of(from);
        // An output has room, and nothing in the way.
        let examined =
            if self.rules.output { Examined { free: u64::MAX, ..unoccupied(examined) } } else { examined };
        let taken = !examined.existing.is_empty() && self.rules.conflict == Conflict::Refuse;
        let decision = if self.rules.output && !is_single(&manifest) {
            Decision::Refused(Refusal::Declined)
        } else if examined.free < needed(&manifest, &examined, self.rules.conflict) {
            Decision::Refused(Refusal::NoSpace)
        } else if self.rules.ask_always
            || (code.is_some() && self.rules.strangers != Strangers::Accept)
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
            code,
        };
        self.event(offered);
        match decision {
            Decision::Refused(why) => self.refuse_offer(now, transfer, why),
            Decision::Ask => {
                if standing == Standing::Stranger {
                    self.asked.insert(from, now);
                }
                let until = now.checked_add(PATIENCE).unwrap_or(now);
                if let Some(incoming) = self.incoming.get_mut(&transfer) {
                    incoming.state = State::Asked { manifest, until };
                    incoming.shown = true;
                }
                self.timers.set_earlier(Why::Offer, until);
            }
            Decision::Accepted => {
                let into = self.folder_for(transfer).unwrap_or_default();
                let acceptance = Acceptance { into, name: None, conflict: self.rules.conflict };
                self.prepare(now, transfer, &manifest, &examined, acceptance);
            }
        }
    }

    /// The user takes an offer.
    pub(super) fn accept_offer(&mut self, transfer: TransferId, how: Acceptance) -> Result<(), AnswerError> {
        let Some(Incoming { state: State::Asked { manifest, .. }, from, .. }) = self.incoming.get(&transfer)
        else {
            return Err(AnswerError::Unknown);
        };
        let (manifest, from) = (Arc::clone(manifest), *from);
        if how.name.as_deref().is_some_and(|name| manifest.with_top(name).is_none()) {
            return Err(AnswerError::BadName);
        }
        // Whoever was answered well may ask again.
        self.asked.remove(&from);
        // What was free when the user was asked need not be free now.
        let into = self.folder_for(transfer).filter(|_| self.is_begun(transfer)).unwrap_or(how.into.clone());
        self.examine(transfer, manifest, into.clone(), Some(Acceptance { into, ..how }));
        Ok(())
    }

    /// Whether something of a transfer is on the disk, from an attempt before.
    fn is_begun(&self, transfer: TransferId) -> bool {
        self.incoming.get(&transfer).is_some_and(|incoming| incoming.found.is_some())
    }

    /// Where an offer goes by rule: what was begun goes on where it was begun.
    fn folder_for(&self, transfer: TransferId) -> Option<PathBuf> {
        let begun = self.unfinished.folder(transfer).filter(|_| self.is_begun(transfer));
        begun.or_else(|| self.rules.into.clone())
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
        let output = self.rules.output;
        if output && !is_single(manifest) {
            return self.refuse_offer(now, transfer, Refusal::Declined);
        }
        if !output && examined.free < needed(manifest, examined, how.conflict) {
            let resumable = self.unfinished.contains(transfer);
            self.event(Event::Failed { transfer, why: TransferFailure::DiskFull, kept: 0, resumable });
            return self.refuse_offer(now, transfer, Refusal::NoSpace);
        }
        let mut places = Places::default();
        if let (Some(name), Some(top)) = (&how.name, manifest.tops().next()) {
            places.0.insert(top.path.top().to_owned(), name.clone());
        }
        let mut skip = EntrySet::default();
        match how.conflict {
            _ if output => {}
            Conflict::Refuse if !examined.existing.is_empty() => {
                let (why, resumable) = (TransferFailure::WouldOverwrite, self.unfinished.contains(transfer));
                self.event(Event::Failed { transfer, why, kept: 0, resumable });
                return self.refuse_offer(now, transfer, Refusal::WouldOverwrite);
            }
            Conflict::Refuse | Conflict::Overwrite => {}
            Conflict::Skip => examined.existing.iter().for_each(|index| skip.insert(*index)),
            Conflict::Rename => {
                for (taken, free) in &examined.alternatives {
                    let original =
                        places.0.iter().find(|(_, name)| *name == taken).map(|(top, _)| top.clone());
                    places.0.insert(original.unwrap_or_else(|| taken.clone()), free.clone());
                }
            }
        }
        let overwrite = how.conflict == Conflict::Overwrite;
        self.take_offer(
            now,
            transfer,
            manifest,
            Terms { into: how.into, places, skip, overwrite, journal: true, output },
        );
    }

    /// There is consent: the offer is kept to be found again, and its directories are made.
    pub(super) fn take_offer(
        &mut self,
        now: Instant,
        transfer: TransferId,
        manifest: &Arc<Manifest>,
        mut terms: Terms,
    ) {
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        let sender = incoming.from;
        let found = incoming.found.as_mut().map(std::mem::take);
        let begun = found.is_some();
        let worth = is_journaled(manifest) && !self.rules.forgetful;
        terms.journal = (begun || worth) && !terms.output && {
            let accepted = Accepted {
                into: terms.into.clone(),
                digest: manifest.digest(),
                places: terms.places.clone(),
                skip: terms.skip.clone(),
                overwrite: terms.overwrite,
            };
            self.keep_record(now, transfer, sender, manifest, Way::Receiving(accepted))
        };
        let journal = terms.journal;
        terms.places = terms.places.on_this_system(manifest);
        let receiver = Receiver::new(transfer, Arc::clone(manifest), terms, found.unwrap_or_default());
        let (into, directories) = (receiver.folder(), receiver.directories());
        let Some(incoming) = self.incoming.get_mut(&transfer) else { return };
        incoming.state = State::Preparing { receiver: Box::new(receiver) };
        incoming.busy = incoming.busy.saturating_add(1);
        if self.rules.output {
            // There is nothing to prepare.
            return self.prepared(now, transfer, Ok(Vec::new()));
        }
        let work = Work::Prepare { transfer, sender, into, directories, journal };
        self.storage.ask(work, Purpose::Prepare(transfer));
    }

    /// Refuses an offer of which nothing has been taken.
    pub(super) fn refuse_offer(&mut self, now: Instant, transfer: TransferId, why: Refusal) {
        let Some(incoming) = self.incoming.get(&transfer) else { return };
        let (link, begun) = (incoming.link, incoming.found.is_some());
        self.say(now, link, &Control::Answer { transfer, answer: Answer::Refuse(why) });
        if begun {
            // What is there from before stays there for another time.
            self.leave_be(now, transfer);
        } else {
            self.incoming.remove(&transfer);
        }
    }

    /// The user refuses an offer. `false`: it does not wait for that.
    pub(super) fn decline_offer(&mut self, now: Instant, transfer: TransferId, why: Refusal) -> bool {
        let asked = self.incoming.get(&transfer).is_some_and(Incoming::is_asked);
        if asked {
            self.refuse_offer(now, transfer, why);
        }
        asked
    }
}

/// Whether an offer is one file and nothing else.
fn is_single(manifest: &Manifest) -> bool {
    matches!(manifest.entries(), [entry] if entry.is_file())
}

fn unoccupied(examined: Examined) -> Examined {
    Examined { existing: Vec::new(), alternatives: Vec::new(), ..examined }
}

/// What would be in the way of an offer: not what is there of itself, from an attempt before.
fn unfound(manifest: &Manifest, mut examined: Examined, found: Option<&Found>) -> Examined {
    if let Some(found) = found {
        examined.existing.retain(|file| !found.placed.contains_key(file));
        examined.free = examined.free.saturating_add(found.bytes(manifest));
        // The outermost names may well be its own.
        examined.alternatives.clear();
    }
    examined
}

/// Bytes that would be written: what is there and would be kept needs no room.
pub(super) fn needed(manifest: &Manifest, examined: &Examined, conflict: Conflict) -> u64 {
    let existing = examined.existing.iter().filter_map(|index| manifest.entry(*index));
    let kept = match conflict {
        Conflict::Skip => existing.map(Entry::size).fold(0, u64::saturating_add),
        Conflict::Refuse | Conflict::Overwrite | Conflict::Rename => 0,
    };
    manifest.bytes().saturating_sub(kept)
}
