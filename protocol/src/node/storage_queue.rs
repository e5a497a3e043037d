//! Storage work that was asked for, and what each piece was for.

use std::collections::{BTreeMap, VecDeque};

use super::sharing::Job;
use crate::chat::ChatTicket;
use crate::storage::{ReadChunk, StorageId, StorageRequest, Work};
use crate::transfer::TransferId;
use crate::wire::Chunk;

/// What a piece of work was for.
#[derive(Debug)]
pub(super) enum Purpose {
    Load,
    Chat(ChatTicket),
    Contacts,
    Scan(TransferId),
    Read(TransferId, Vec<ReadChunk>),
    Examine(TransferId),
    Prepare(TransferId),
    Write(TransferId, Vec<Chunk>),
    Finish(TransferId),
    Discard(TransferId),
    Share(TransferId, Job),
}

/// Work to be fetched by the runtime, and work under way. Bounded by those who ask: transfers by their read-ahead
/// and write bounds, conversations by the messages that may be stored at once.
#[derive(Debug, Default)]
pub(super) struct StorageQueue {
    next: u64,
    waiting: VecDeque<StorageRequest>,
    purposes: BTreeMap<StorageId, Purpose>,
    commits: usize,
}

impl StorageQueue {
    pub(super) fn ask(&mut self, work: Work, purpose: Purpose) {
        let id = StorageId(self.next);
        self.next = self.next.saturating_add(1);
        if matches!(work, Work::Commit(_)) {
            self.commits = self.commits.saturating_add(1);
        }
        self.purposes.insert(id, purpose);
        self.waiting.push_back(StorageRequest { id, work });
    }

    pub(super) fn poll(&mut self) -> Option<StorageRequest> {
        self.waiting.pop_front()
    }

    /// A result came back: what for.
    pub(super) fn done(&mut self, id: StorageId) -> Option<Purpose> {
        let purpose = self.purposes.remove(&id)?;
        if matches!(purpose, Purpose::Chat(_) | Purpose::Contacts) {
            self.commits = self.commits.saturating_sub(1);
        }
        Some(purpose)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.purposes.is_empty()
    }

    pub(super) fn commits(&self) -> usize {
        self.commits
    }
}
