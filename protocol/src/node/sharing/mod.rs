//! Content known by its root: what is shared with whoever has the ticket, and what is fetched from everyone who has
//! some of it.
//!
//! - `making`: paths are scanned and hashed until their root is known
//! - `serving`: whoever names the root gets its outline and pieces, everyone in turn
//! - `outline`: what a root stands for, sent and received, and checked against the root
//! - `consent`: a fetch from its ticket to its first piece: shown to the user, examined, prepared
//! - `recovering`: a fetch that was begun before: what the disk has of it is looked at
//! - `moving`: the schedule's questions, pieces that arrive, files put in place
//! - `saving`: what has arrived is made durable and noted
//! - `rereading`: files in place from before are hashed again for others
//! - `meeting`: who else has or fetches it, and links to them that come and go
//! - `ending`: the end of it
//! - `inflow`: the one-way channels that carry outlines and pieces

mod consent;
mod ending;
mod inflow;
mod making;
mod meeting;
mod moving;
mod outline;
mod recovering;
mod rereading;
mod saving;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub(super) use self::consent::Fetch;
use self::ending::Ending;
pub(super) use self::inflow::ShareInflow;
use self::making::Making;
#[cfg(test)]
pub(super) use self::meeting::may_tell;
use self::rereading::Rereading;
use self::serving::Asker;
use super::{Closing, Node, OfferError, Purpose};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::storage::{Done, ReadChunk, Work};
use crate::transfer::hash::Root;
use crate::transfer::landing::{Landing, Readable};
use crate::transfer::pieces::Pieces;
use crate::transfer::proof::FileTree;
use crate::transfer::{MAX_PIECES, Manifest, Ticket, TransferId};
use crate::wire::{Control, Leaving, Share as Said, What};
use crate::{AnswerError, GetError, Progress, TransferState, Why};

/// What is shared or fetched at once.
const MAX_SHARES: usize = 64;

/// All that is shared and fetched.
#[derive(Default)]
pub(super) struct Sharing {
    shares: BTreeMap<TransferId, Share>,
    by_root: BTreeMap<Root, TransferId>,
    /// Bytes being read for others.
    reading: u64,
    /// Who was read for last.
    turn: Option<(TransferId, PeerId)>,
}

/// One thing that is shared, or fetched and with that shared.
struct Share {
    /// Known from the start where it is fetched, and once everything is hashed where it is not.
    root: Option<Root>,
    content: Option<Content>,
    stage: Stage,
    askers: BTreeMap<PeerId, Asker>,
    rereading: Rereading,
    /// Storage work under way for it that must end before it does.
    busy: usize,
}

enum Stage {
    /// Paths are being scanned or hashed.
    Making(Making),
    /// It is there for others, in so far as it is here.
    Offering,
    Fetching(Box<Fetch>),
    /// Nothing is left but to wait for what is under way.
    Ending(Ending),
}

/// What the root stands for, and where it is on this disk.
struct Content {
    manifest: Arc<Manifest>,
    /// Of each file, by its number.
    roots: BTreeMap<u32, Root>,
    pieces: Arc<Pieces>,
    trees: BTreeMap<u32, FileTree>,
    origin: Origin,
}

enum Origin {
    /// The paths that were shared, one for each entry, and the files that are not any more what was hashed.
    Sources(Vec<Arc<PathBuf>>, BTreeSet<u32>),
    /// Where it was or is fetched to.
    Landing(Box<Landing>),
    /// Not on this disk yet.
    Nowhere,
}

/// What a piece of storage work was for.
#[derive(Debug)]
pub(super) enum Job {
    Scan,
    Hash(Vec<ReadChunk>),
    Recover,
    Check,
    Examine,
    Prepare,
    /// Pieces and who sent them.
    Write(Vec<(u32, PeerId)>),
    Checkpoint,
    /// Numbers of files.
    Finish(Vec<u32>),
    /// Pieces of files in place from before.
    Reread(Vec<u32>),
    /// Pieces for someone who asked.
    Read(Reading),
    Close,
    Discard,
}

impl Job {
    /// Whether a share does not end before it is done.
    fn holds_up(&self) -> bool {
        !matches!(self, Self::Read(..) | Self::Reread(..))
    }
}

/// Pieces that are being read for a peer.
#[derive(Debug)]
pub(super) struct Reading {
    peer: PeerId,
    pieces: Vec<u32>,
    bytes: u64,
    /// Whether from partial files.
    back: bool,
}

impl Sharing {
    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    fn ids(&self) -> Vec<TransferId> {
        self.shares.keys().copied().collect()
    }

    /// Pieces of all content that is here or to be.
    fn pieces(&self) -> u32 {
        let contents = self.shares.values().filter_map(|share| share.content.as_ref());
        contents.map(|content| content.pieces.count()).fold(0, u32::saturating_add)
    }

    /// Whether so many more pieces can be kept in mind.
    fn has_room_for(&self, pieces: &Pieces) -> bool {
        self.pieces().saturating_add(pieces.count()) <= MAX_PIECES
    }
}

impl Share {
    fn new(root: Option<Root>, stage: Stage) -> Self {
        Self { root, content: None, stage, askers: BTreeMap::new(), rereading: Rereading::default(), busy: 0 }
    }

    fn fetch(&mut self) -> Option<&mut Fetch> {
        match &mut self.stage {
            Stage::Fetching(fetch) => Some(fetch),
            _ => None,
        }
    }
}

impl Content {
    /// How a piece can be read here.
    fn readable(&self, id: TransferId, piece: u32) -> Readable {
        match &self.origin {
            Origin::Nowhere => Readable::No,
            Origin::Landing(landing) => landing.readable(piece),
            Origin::Sources(sources, gone) => {
                let chunk = self.pieces.place(piece).filter(|place| !gone.contains(&place.file));
                let chunk = chunk.and_then(|place| {
                    Some(ReadChunk {
                        transfer: id,
                        file: place.file,
                        source: Arc::clone(sources.get(usize::try_from(place.file).ok()?)?),
                        size: place.size,
                        modified: self.manifest.entry(place.file)?.modified,
                        offset: place.offset,
                        length: place.length,
                    })
                });
                chunk.map_or(Readable::No, Readable::Placed)
            }
        }
    }
}

impl Node {
    /// User in: share files and directories with whoever has the ticket, which comes in [`Event::Shared`](crate::Event::Shared) once all is
    /// hashed. [`Node::cancel`] ends it.
    pub fn share(&mut self, now: Instant, paths: Vec<PathBuf>) -> Result<TransferId, OfferError> {
        if paths.is_empty() {
            return Err(OfferError::Nothing);
        }
        if self.sharing.shares.len() >= MAX_SHARES || self.closing != Closing::No {
            return Err(OfferError::TooMany);
        }
        let id = TransferId(self.ids.bytes());
        self.sharing.shares.insert(id, Share::new(None, Stage::Making(Making::new(paths.len()))));
        self.ask_for_share(id, Work::Scan { paths, links: false }, Job::Scan);
        self.turn(now);
        Ok(id)
    }

    /// User in: fetch what a ticket stands for, from its sharer, from those named in `also`, and from whoever they
    /// know. What it is comes in [`Event::Offered`](crate::Event::Offered); then [`Node::accept`] begins, and what is here is there for
    /// others who fetch it.
    pub fn get(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        also: &[PeerId],
        into: PathBuf,
    ) -> Result<TransferId, GetError> {
        let me = self.peer_id();
        if ticket.peer == me && also.iter().all(|peer| *peer == me) {
            return Err(GetError::Oneself);
        }
        if self.sharing.by_root.contains_key(&ticket.root) {
            return Err(GetError::Already);
        }
        if self.sharing.shares.len() >= MAX_SHARES || self.closing != Closing::No {
            return Err(GetError::TooMany);
        }
        for address in ticket.addresses() {
            self.dialler.learn(now, ticket.peer, *address);
        }
        let named: BTreeSet<PeerId> =
            also.iter().copied().chain([ticket.peer]).filter(|peer| *peer != me).collect();
        if named.iter().all(|peer| self.contacts.is_blocked(*peer)) {
            return Err(GetError::Blocked);
        }
        // The same into the same folder is the same fetch: it goes on where it was interrupted.
        let before = self.unfinished.fetching(ticket.root, &into);
        let before = before.filter(|(id, _)| !self.sharing.shares.contains_key(id));
        let (id, named) = match before {
            Some((id, old)) => {
                self.note_paused(id, false);
                old.addresses().iter().for_each(|address| self.dialler.learn(now, old.peer, *address));
                (id, named.into_iter().chain([old.peer].into_iter().filter(|peer| *peer != me)).collect())
            }
            None => (TransferId(self.ids.bytes()), named),
        };
        let fetch = Fetch::new(now, ticket.clone(), named, into);
        self.sharing.shares.insert(id, Share::new(Some(ticket.root), Stage::Fetching(Box::new(fetch))));
        self.sharing.by_root.insert(ticket.root, id);
        self.look_around(now, id);
        self.turn(now);
        Ok(id)
    }

    /// What was said about a root.
    pub(super) fn share_said(&mut self, now: Instant, link: LinkKey, peer: PeerId, said: Said) {
        let Said { root, what } = said;
        let Some(id) = self.sharing.by_root.get(&root).copied() else {
            if matches!(what, What::Seek { .. }) {
                self.say_of(now, link, root, What::Leave(Leaving::Unknown));
            }
            return;
        };
        match what {
            What::Seek { outline } => self.seek_heard(now, link, peer, id, outline),
            What::Have(have) => self.have_heard(now, peer, id, have),
            What::Ask(runs) => self.ask_heard(now, link, peer, id, &runs),
            What::Cancel(runs) => self.cancel_heard(peer, id, &runs),
            What::Lack(runs) => self.lack_heard(now, peer, id, &runs),
            What::Changed(runs) => self.changed_heard(now, peer, id, &runs),
            What::Others(others) => self.others_heard(now, link, peer, id, others),
            What::Leave(why) => self.leave_heard(now, peer, id, why),
        }
    }

    /// Carries on all that is shared and fetched.
    pub(super) fn run_sharing(&mut self, now: Instant) {
        for id in self.sharing.ids() {
            self.run_making(id);
            self.run_moving(now, id);
            self.run_rereading(id);
        }
        self.run_serving(now);
    }

    /// Time: what does not go on is given up or tried again.
    pub(super) fn sharing_timeout(&mut self, now: Instant) {
        for id in self.sharing.ids() {
            self.fetch_timeout(now, id);
        }
        let fetches = self.sharing.shares.values_mut().filter_map(Share::fetch);
        // What is due by now is seen to in this turn.
        let next = fetches.filter_map(|fetch| fetch.next_time()).filter(|at| *at > now).min();
        self.timers.set(Why::Share, next);
    }

    /// Comes back no later than `at`.
    fn wake_sharing(&mut self, at: Option<Instant>) {
        if let Some(at) = at {
            self.timers.set_earlier(Why::Share, at);
        }
    }

    /// A storage result.
    pub(super) fn share_stored(&mut self, now: Instant, id: TransferId, job: Job, result: Done) {
        if job.holds_up()
            && let Some(share) = self.sharing.shares.get_mut(&id)
        {
            share.busy = share.busy.saturating_sub(1);
        }
        match (job, result) {
            (Job::Scan, Done::Scanned(result)) => self.share_scanned(id, result),
            (Job::Hash(asked), Done::Read(results)) => self.share_hashed(id, asked, results),
            (Job::Examine, Done::Examined(result)) => self.fetch_examined(now, id, result),
            (Job::Prepare, Done::Prepared(result)) => self.fetch_prepared(now, id, result),
            (Job::Write(pieces), Done::Written(results)) => self.pieces_written(now, id, pieces, results),
            (Job::Finish(files), Done::Finished(results)) => self.fetched_finished(id, &files, results),
            (Job::Recover, Done::Recovered(result)) => self.fetch_recovered(now, id, result),
            (Job::Check, Done::Checked(result)) => self.fetch_checked(now, id, result),
            (Job::Checkpoint, Done::Checkpointed(result)) => self.fetch_saved(now, id, result),
            (Job::Close, Done::Closed) => self.fetch_closed(now, id),
            (Job::Read(reading), Done::Read(results)) => self.read_for(now, id, &reading, results),
            (Job::Reread(pieces), Done::Read(results)) => self.reread(now, id, &pieces, results),
            (_, _) => {}
        }
        self.run_share_ending(id);
    }

    fn ask_for_share(&mut self, id: TransferId, work: Work, job: Job) {
        if job.holds_up()
            && let Some(share) = self.sharing.shares.get_mut(&id)
        {
            share.busy = share.busy.saturating_add(1);
        }
        self.storage.ask(work, Purpose::Share(id, job));
    }

    /// Says something about a root.
    fn say_of(&mut self, now: Instant, link: LinkKey, root: Root, what: What) {
        self.say(now, link, &Control::Share(Said { root, what }));
    }

    /// Where a share stands.
    pub(super) fn share_progress(&self, id: TransferId) -> Option<Progress> {
        let share = self.sharing.shares.get(&id)?;
        let (done, total) = match (&share.stage, &share.content) {
            (Stage::Making(making), content) => {
                (making.hashed(), content.as_ref().map_or(0, |content| content.manifest.bytes()))
            }
            (_, Some(Content { origin: Origin::Landing(landing), .. })) => landing.progress(),
            (Stage::Offering, Some(content)) => (content.manifest.bytes(), content.manifest.bytes()),
            (Stage::Fetching(fetch), _) => (0, fetch.ticket.bytes),
            _ => (0, 0),
        };
        let (peer, sending) = match &share.stage {
            Stage::Fetching(fetch) => (fetch.ticket.peer, false),
            _ => (self.peer_id(), true),
        };
        let road = match &share.stage {
            Stage::Fetching(fetch) => self.best_road(fetch),
            _ => None,
        };
        Some(Progress { peer, sending, done, total, road })
    }

    /// How a fetch stands. `None`: there is none of that name now.
    pub(super) fn fetch_state(&self, id: TransferId) -> Option<TransferState> {
        let Stage::Fetching(fetch) = &self.sharing.shares.get(&id)?.stage else { return None };
        Some(if fetch.waits() { TransferState::Waiting } else { TransferState::Active })
    }

    /// What is being fetched.
    pub(super) fn fetches(&self) -> impl Iterator<Item = &TransferId> {
        let fetches = self.sharing.shares.iter();
        fetches.filter(|(_, share)| matches!(share.stage, Stage::Fetching(_))).map(|(id, _)| id)
    }

    /// The user lets a fetch stand still, or go on. `false`: there is none of that name.
    pub(super) fn pause_fetch(&mut self, id: TransferId, paused: bool) -> bool {
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(Share::fetch) else { return false };
        fetch.paused = paused;
        if let Some(moving) = fetch.moving() {
            moving.dirty = true;
        }
        true
    }

    /// The user takes what a ticket turned out to be. `None`: it is none of those that wait for this.
    pub(super) fn accept_share(
        &mut self,
        id: TransferId,
        how: crate::Acceptance,
    ) -> Option<Result<(), AnswerError>> {
        self.sharing.shares.contains_key(&id).then(|| self.fetch_accepted(id, how))
    }
}
