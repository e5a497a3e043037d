//! The records of transfers that were begun and are not complete, and of those that lately were completed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Node, Purpose};
use crate::identity::PeerId;
use crate::storage::{Change, Record, Table, Work};
use crate::transfer::hash::Root;
use crate::transfer::{Manifest, Ticket, TransferId};
use crate::wire::{Accepted, UnfinishedRecord, Way};

/// Transfers kept at most; what is begun beyond that is not found again.
const MAX_KEPT: usize = 512;
/// Completed transfers remembered, so that a sender that did not hear of it is told.
const MAX_COMPLETE: usize = 64;
/// How often the progress of a transfer under way is noted.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// The records as they are on the disk, or on their way there.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    records: BTreeMap<TransferId, UnfinishedRecord>,
    noted: BTreeMap<TransferId, Instant>,
}

impl Unfinished {
    /// Takes a record as it was loaded. A damaged one is passed over.
    pub(super) fn load(&mut self, record: &Record) {
        let id = <[u8; 16]>::try_from(record.key.as_slice());
        if let (Ok(id), Ok(unfinished)) = (id, UnfinishedRecord::parse(&record.value)) {
            self.records.insert(TransferId(id), unfinished);
        }
    }

    /// Transfers that can be gone on with.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TransferId, &UnfinishedRecord)> {
        let open = self.records.iter().filter(|(_, record)| !matches!(record.way, Way::Complete(_)));
        open.map(|(transfer, record)| (*transfer, record))
    }

    pub(super) fn get(&self, transfer: TransferId) -> Option<&UnfinishedRecord> {
        self.records.get(&transfer).filter(|record| !matches!(record.way, Way::Complete(_)))
    }

    pub(super) fn contains(&self, transfer: TransferId) -> bool {
        self.get(transfer).is_some()
    }

    /// The folder that a transfer goes into.
    pub(super) fn folder(&self, transfer: TransferId) -> Option<PathBuf> {
        match &self.get(transfer)?.way {
            Way::Receiving(accepted) | Way::Fetching(_, accepted) => Some(accepted.into.clone()),
            Way::Sending { .. } | Way::Complete(_) => None,
        }
    }

    /// How a transfer of this sender was accepted before.
    pub(super) fn accepted(&self, transfer: TransferId, from: PeerId) -> Option<&Accepted> {
        match self.get(transfer) {
            Some(UnfinishedRecord { peer, way: Way::Receiving(accepted), .. }) if *peer == from => {
                Some(accepted)
            }
            _ => None,
        }
    }

    /// How a fetch was accepted before.
    pub(super) fn fetch(&self, fetch: TransferId) -> Option<&Accepted> {
        match &self.get(fetch)?.way {
            Way::Fetching(_, accepted) => Some(accepted),
            Way::Sending { .. } | Way::Receiving(_) | Way::Complete(_) => None,
        }
    }

    /// The fetch in which this very content was fetched into a folder before, and the ticket it was begun with.
    pub(super) fn fetching(&self, root: Root, into: &Path) -> Option<(TransferId, Ticket)> {
        self.iter().find_map(|(id, record)| match &record.way {
            Way::Fetching(ticket, accepted) if ticket.root == root && accepted.into == into => {
                Some((id, (**ticket).clone()))
            }
            _ => None,
        })
    }

    /// The root of a transfer of this sender that was completed.
    pub(super) fn complete(&self, transfer: TransferId, from: PeerId) -> Option<Root> {
        match self.records.get(&transfer) {
            Some(UnfinishedRecord { peer, way: Way::Complete(root), .. }) if *peer == from => Some(*root),
            _ => None,
        }
    }

    /// The transfer in which these very paths were sent to a peer before.
    pub(super) fn sending(&self, to: PeerId, paths: &[PathBuf]) -> Option<TransferId> {
        let same = |record: &UnfinishedRecord| {
            let sent =
                matches!(&record.way, Way::Sending { paths: before, .. } if before.as_slice() == paths);
            sent && record.peer == to
        };
        self.iter().find(|(_, record)| same(record)).map(|(transfer, _)| transfer)
    }

    fn put(&mut self, transfer: TransferId, record: UnfinishedRecord) -> Option<Change> {
        let value = record.encode()?;
        if self.records.len() >= MAX_KEPT && !self.records.contains_key(&transfer) {
            return None;
        }
        self.records.insert(transfer, record);
        let key = transfer.0.to_vec();
        Some(Change::Put(Record { table: Table::Transfers, key, value }))
    }

    fn remove(&mut self, transfer: TransferId) -> Option<Change> {
        self.noted.remove(&transfer);
        self.records.remove(&transfer)?;
        Some(Change::Remove { table: Table::Transfers, key: transfer.0.to_vec() })
    }

    /// The oldest completed transfer, where there are more than need be remembered.
    fn superfluous(&self) -> Option<TransferId> {
        let complete = || self.records.iter().filter(|(_, record)| matches!(record.way, Way::Complete(_)));
        let many = complete().count() > MAX_COMPLETE;
        complete().min_by_key(|(_, record)| record.begun).map(|(transfer, _)| *transfer).filter(|_| many)
    }
}

/// A path as text where it is one; records hold no others.
pub(super) fn is_text(path: &Path) -> bool {
    path.to_str().is_some()
}

impl Node {
    /// Keeps a transfer that begins, or goes on. `false`: it cannot be found again.
    pub(super) fn keep_record(
        &mut self,
        now: Instant,
        transfer: TransferId,
        peer: PeerId,
        manifest: &Manifest,
        way: Way,
    ) -> bool {
        let before = self.unfinished.get(transfer);
        let record = UnfinishedRecord {
            peer,
            name: manifest.name().to_owned(),
            files: u32::try_from(manifest.files().count()).unwrap_or(u32::MAX),
            bytes: manifest.bytes(),
            done: before.map_or(0, |before| before.done),
            begun: before.map_or_else(|| self.unix_time(now), |before| before.begun),
            paused: before.is_some_and(|before| before.paused),
            way,
        };
        let change = self.unfinished.put(transfer, record);
        let kept = change.is_some();
        self.commit_transfers(change);
        kept
    }

    /// Notes how far a transfer under way has come, now and then.
    pub(super) fn note_progress(&mut self, now: Instant, transfer: TransferId) {
        let recent = |at: &Instant| now.saturating_duration_since(*at) < NOTE_EVERY;
        if self.unfinished.noted.get(&transfer).is_some_and(recent) {
            return;
        }
        self.unfinished.noted.insert(transfer, now);
        if let Some(done) = self.done_of(transfer) {
            self.note_done(transfer, done);
        }
    }

    /// Notes how many bytes the receiver has.
    pub(super) fn note_done(&mut self, transfer: TransferId, done: u64) {
        self.change_record(transfer, |record| record.done = done.min(record.bytes));
    }

    /// Notes whether the user here wants a transfer to stand still.
    pub(super) fn note_paused(&mut self, transfer: TransferId, paused: bool) {
        self.change_record(transfer, |record| record.paused = paused);
    }

    fn change_record(&mut self, transfer: TransferId, change: impl FnOnce(&mut UnfinishedRecord)) {
        let Some(mut record) = self.unfinished.get(transfer).cloned() else { return };
        change(&mut record);
        if self.unfinished.get(transfer) != Some(&record) {
            let change = self.unfinished.put(transfer, record);
            self.commit_transfers(change);
        }
    }

    /// A transfer is complete on the receiving side.
    pub(super) fn complete_record(&mut self, transfer: TransferId, root: Root) {
        self.change_record(transfer, |record| record.way = Way::Complete(root));
        let superfluous = self.unfinished.superfluous().and_then(|oldest| self.unfinished.remove(oldest));
        self.commit_transfers(superfluous);
    }

    /// A transfer is over.
    pub(super) fn forget_record(&mut self, transfer: TransferId) {
        self.asked_for.retain(|(_, asked)| *asked != transfer);
        let change = self.unfinished.remove(transfer);
        self.commit_transfers(change);
    }

    fn commit_transfers(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.storage.ask(Work::Commit(vec![change]), Purpose::Records);
        }
    }
}
