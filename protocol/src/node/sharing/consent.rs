//! A fetch from its ticket to its first piece: asked for, shown to the user, examined, prepared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::moving::Moving;
use super::outline::Listing;
use super::rereading::Rereading;
use super::{Content, Job, Node, Origin};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::node::consent::needed;
use crate::node::patience::{LISTING, PATIENCE};
use crate::storage::{Examined, StorageError, Work};
use crate::transfer::landing::Landing;
use crate::transfer::pieces::Pieces;
use crate::transfer::recalled::Recalled;
use crate::transfer::{Places, RelativePath, Terms, Ticket, TransferId, is_journaled};
use crate::wire::{Accepted, EntrySet, Way};
use crate::{Acceptance, AnswerError, Conflict, Decision, Event, Refusal, TransferFailure};

/// Between two attempts with those who could not be asked.
pub(super) const RETRY: Duration = Duration::from_secs(10);

/// A fetch.
pub(in crate::node) struct Fetch {
    pub(super) ticket: Ticket,
    /// Those whom the ticket and the user named.
    pub(super) named: BTreeSet<PeerId>,
    /// Everyone who has or may have some of it, and the link over which it was asked.
    pub(super) sources: BTreeMap<PeerId, Option<LinkKey>>,
    /// Those who are asked for nothing any more, and whether for wrong content.
    pub(super) dropped: BTreeMap<PeerId, bool>,
    pub(super) into: PathBuf,
    pub(super) state: State,
    /// Since when it is in this state.
    pub(super) since: Instant,
    /// When those who could not be asked are tried again.
    pub(super) retry: Instant,
    /// Whether a source said that files of it have changed.
    pub(super) changed: bool,
    /// Why it cannot go on, found while other work was under way.
    pub(super) failed: Option<TransferFailure>,
    /// What is on the disk from an attempt before, where that was looked for.
    pub(super) recalled: Option<Recalled>,
    /// Whether the user wants it to stand still.
    pub(super) paused: bool,
}

/// How far it is.
pub(super) enum State {
    /// Its outline is asked for.
    Seeking,
    /// Its outline is arriving.
    Listing(Listing),
    /// It was begun before: the disk is asked what is there.
    Recovering,
    /// The disk is asked how it would fit; with an acceptance once there is one.
    Examining(Option<Acceptance>),
    /// The user is asked.
    Asked,
    /// Directories are being made.
    Preparing {
        /// Whether something is there from an attempt before.
        again: bool,
    },
    /// Pieces are asked for and arrive.
    Moving(Box<Moving>),
    /// Everything is in place, and its journal is being removed.
    Closing,
}

/// What a fetch has made, or holds in memory.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) directories: Vec<RelativePath>,
    /// Bytes that wait to be written.
    pub(super) waiting: u64,
}

impl Fetch {
    pub(super) fn new(now: Instant, ticket: Ticket, named: BTreeSet<PeerId>, into: PathBuf) -> Self {
        Self {
            ticket,
            sources: named.iter().map(|peer| (*peer, None)).collect(),
            named,
            dropped: BTreeMap::new(),
            into,
            state: State::Seeking,
            since: now,
            retry: now.checked_add(RETRY).unwrap_or(now),
            changed: false,
            failed: None,
            recalled: None,
            paused: false,
        }
    }

    /// Whether it waits for somebody to come.
    pub(super) fn waits(&self) -> bool {
        match &self.state {
            State::Seeking => true,
            State::Moving(moving) => moving.is_lonely(),
            _ => false,
        }
    }

    /// Whether a peer's outline is believed, if it fits the root: names, times and modes are not under the root of a
    /// single file, so a stranger who happens to have the file does not choose them.
    pub(super) fn may_outline(&self, peer: PeerId) -> bool {
        self.named.contains(&peer) && !self.dropped.contains_key(&peer)
    }

    pub(super) fn moving(&mut self) -> Option<&mut Moving> {
        match &mut self.state {
            State::Moving(moving) => Some(moving),
            _ => None,
        }
    }

    pub(super) fn take_made(&mut self) -> Made {
        self.moving().map(Moving::take_made).unwrap_or_default()
    }

    /// When it is to be looked at again.
    pub(super) fn next_time(&self) -> Option<Instant> {
        match &self.state {
            State::Seeking | State::Listing(_) => Some(self.retry),
            State::Asked => self.since.checked_add(PATIENCE),
            State::Recovering | State::Examining(_) | State::Preparing { .. } | State::Closing => None,
            State::Moving(moving) => moving.next_time().into_iter().chain([self.retry]).min(),
        }
    }

    /// Whether it has waited too long for someone.
    pub(super) fn is_late(&self, now: Instant) -> Option<TransferFailure> {
        let waited = now.saturating_duration_since(self.since);
        match &self.state {
            State::Seeking | State::Listing(_) if waited >= LISTING => Some(TransferFailure::TimedOut),
            State::Asked if waited >= PATIENCE => Some(TransferFailure::Refused(Refusal::Declined)),
            _ => None,
        }
    }
}

impl Node {
    pub(super) fn fetch_examined(
        &mut self,
        now: Instant,
        id: TransferId,
        result: Result<Examined, StorageError>,
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(Content { manifest, pieces, .. }) = &share.content else { return };
        let (manifest, pieces) = (Arc::clone(manifest), Arc::clone(pieces));
        let Some(fetch) = share.fetch() else { return };
        let State::Examining(acceptance) = &mut fetch.state else { return };
        let acceptance = acceptance.take();
        let examined = match result {
            Ok(examined) => unrecalled(&pieces, examined, fetch.recalled.as_ref()),
            Err(error) => return self.end_share(now, id, TransferFailure::Disk(Some(error))),
        };
        if let Some(acceptance) = acceptance {
            return self.prepare_fetch(now, id, &examined, acceptance);
        }
        fetch.state = State::Asked;
        fetch.since = now;
        let (from, until) = (fetch.ticket.peer, fetch.next_time());
        let standing = self.standing(from);
        self.wake_sharing(until);
        let decision = Decision::Ask;
        self.event(Event::Offered { transfer: id, from, standing, manifest, examined, decision, code: None });
    }

    /// The user takes it.
    pub(super) fn fetch_accepted(&mut self, id: TransferId, how: Acceptance) -> Result<(), AnswerError> {
        let share = self.sharing.shares.get_mut(&id).ok_or(AnswerError::Unknown)?;
        let manifest = share.content.as_ref().map(|content| Arc::clone(&content.manifest));
        let manifest = manifest.ok_or(AnswerError::Unknown)?;
        let fetch = share.fetch().filter(|fetch| matches!(fetch.state, State::Asked));
        let fetch = fetch.ok_or(AnswerError::Unknown)?;
        let renamed = how.name.as_deref().map(|name| manifest.with_top(name).ok_or(AnswerError::BadName));
        let manifest = renamed.transpose()?.map_or(manifest, Arc::new);
        let into = how.into.clone();
        // What was free when the user was asked need not be free now.
        fetch.state = State::Examining(Some(how));
        self.ask_for_share(id, Work::Examine { into, manifest }, Job::Examine);
        Ok(())
    }

    /// What it would collide with is settled, then its directories are made.
    fn prepare_fetch(&mut self, now: Instant, id: TransferId, examined: &Examined, how: Acceptance) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(content) = &share.content else { return };
        let manifest = Arc::clone(&content.manifest);
        if examined.free < needed(&manifest, examined, how.conflict) {
            return self.end_share(now, id, TransferFailure::DiskFull);
        }
        let mut places = Places::default();
        if let (Some(name), Some(top)) = (&how.name, manifest.tops().next()) {
            places.0.insert(top.path.top().to_owned(), name.clone());
        }
        let mut skip = EntrySet::default();
        match how.conflict {
            Conflict::Refuse if !examined.existing.is_empty() => {
                return self.end_share(now, id, TransferFailure::WouldOverwrite);
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
        self.take_fetch(
            now,
            id,
            Terms { into: how.into, places, skip, overwrite, journal: true, output: false },
        );
    }

    /// There is consent: the fetch is kept to be found again, and its directories are made.
    pub(super) fn take_fetch(&mut self, now: Instant, id: TransferId, mut terms: Terms) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(manifest) = share.content.as_ref().map(|content| Arc::clone(&content.manifest)) else {
            return;
        };
        let Some(fetch) = share.fetch() else { return };
        let (recalled, ticket) = (fetch.recalled.take(), fetch.ticket.clone());
        let kept = self.unfinished.contains(id);
        fetch.state = State::Preparing { again: recalled.is_some() };
        let worth = is_journaled(&manifest) && !self.rules.forgetful;
        terms.journal = (kept || worth) && {
            let accepted = Accepted {
                into: terms.into.clone(),
                digest: manifest.digest(),
                places: terms.places.clone(),
                skip: terms.skip.clone(),
                overwrite: terms.overwrite,
            };
            let from = ticket.peer;
            self.keep_record(now, id, from, &manifest, Way::Fetching(Box::new(ticket), accepted))
        };
        let journal = terms.journal;
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(content) = &mut share.content else { return };
        let pieces = Arc::clone(&content.pieces);
        let landing = Landing::new(id, manifest, pieces, terms, recalled, &content.trees);
        share.rereading = Rereading::new(landing.unread());
        let (into, directories) = (landing.folder(), landing.directories());
        content.origin = Origin::Landing(Box::new(landing));
        let sender = self.me.peer_id();
        let work = Work::Prepare { transfer: id, sender, into, directories, journal };
        self.ask_for_share(id, work, Job::Prepare);
    }

    pub(super) fn fetch_prepared(
        &mut self,
        now: Instant,
        id: TransferId,
        result: Result<Vec<RelativePath>, StorageError>,
    ) {
        let random = self.entropy.stream("schedule");
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let made = match result {
            Ok(made) => made,
            Err(StorageError::Full) => return self.end_share(now, id, TransferFailure::DiskFull),
            Err(error) => return self.end_share(now, id, TransferFailure::Disk(Some(error))),
        };
        if let super::Stage::Ending(ending) = &mut share.stage {
            // It was given up meanwhile: the directories that were made for it go again.
            ending.made = made;
            return;
        }
        let Some(Content { origin: Origin::Landing(landing), pieces, .. }) = &share.content else { return };
        let moving = Moving::new(now, Arc::clone(pieces), landing.settled(), made, random);
        let ((_, bytes), resumed) = (landing.progress(), landing.resumed());
        let Some(fetch) = share.fetch() else { return };
        fetch.state = State::Moving(Box::new(moving));
        fetch.since = now;
        // Everyone is asked what they have: what they said before is not kept.
        fetch.sources.values_mut().for_each(|asked| *asked = None);
        self.event(Event::Started { transfer: id, bytes, resumed });
        self.look_around(now, id);
    }
}

/// What would be in the way of a fetch: not what is there of itself, from an attempt before.
fn unrecalled(pieces: &Pieces, mut examined: Examined, recalled: Option<&Recalled>) -> Examined {
    if let Some(recalled) = recalled {
        examined.existing.retain(|file| !recalled.placed.contains(file));
        examined.free = examined.free.saturating_add(recalled.bytes(pieces));
        // The outermost names may well be its own.
        examined.alternatives.clear();
    }
    examined
}
