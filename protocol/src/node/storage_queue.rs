//! Storage work that was asked for, in which order it is handed out, and what each piece was for.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::CodeId;
use super::codes::CodeWrite;
use super::sharing::Job;
use crate::chat::ChatTicket;
use crate::storage::{ReadChunk, StorageId, StorageRequest, Work};
use crate::transfer::TransferId;
use crate::wire::Chunk;

/// Reads and writes of chunks that are handed out at once: enough for a few threads to have a next one, few enough
/// that whatever else is asked of a slow disk does not wait long behind them.
const MOVING: usize = 6;

/// What a piece of work was for.
#[derive(Debug)]
pub(super) enum Purpose {
    Load,
    Chat(ChatTicket),
    Contacts,
    /// Records of transfers.
    Records,
    Scan(TransferId),
    Read(TransferId, Vec<ReadChunk>),
    ReadStream(TransferId),
    Examine(TransferId),
    Prepare(TransferId),
    Write(TransferId, Vec<Chunk>),
    Checkpoint(TransferId),
    Finish(TransferId),
    Seal(TransferId),
    Recover(TransferId),
    Check(TransferId),
    Close(TransferId),
    Discard(TransferId),
    Share(TransferId, Job),
    Code(CodeId, CodeWrite),
}

impl Purpose {
    /// The transfer whose chunks it moves, if it does.
    fn moves(&self) -> Option<TransferId> {
        match self {
            Self::Read(transfer, _) | Self::Write(transfer, _) => Some(*transfer),
            _ => None,
        }
    }
}

/// Work to be fetched by the runtime, and work under way. Bounded by those who ask: transfers by their read-ahead
/// and write bounds, conversations by the messages that may be stored at once.
#[derive(Debug, Default)]
pub(super) struct StorageQueue {
    next: u64,
    /// Goes first, in the order it was asked for.
    waiting: VecDeque<StorageRequest>,
    /// Chunks, a transfer at a time in turn.
    chunks: BTreeMap<TransferId, VecDeque<StorageRequest>>,
    /// Whose turn was last.
    last: Option<TransferId>,
    moving: usize,
    purposes: BTreeMap<StorageId, Purpose>,
    /// Commits and removals that are not done.
    lasting: usize,
}

impl StorageQueue {
    pub(super) fn ask(&mut self, work: Work, purpose: Purpose) {
        let id = StorageId(self.next);
        self.next = self.next.saturating_add(1);
        if matches!(work, Work::Commit(_) | Work::Discard { .. }) {
            self.lasting = self.lasting.saturating_add(1);
        }
        let request = StorageRequest { id, work };
        match purpose.moves() {
            Some(transfer) => self.chunks.entry(transfer).or_default().push_back(request),
            None => self.waiting.push_back(request),
        }
        self.purposes.insert(id, purpose);
    }

    pub(super) fn poll(&mut self) -> Option<StorageRequest> {
        if let Some(request) = self.waiting.pop_front() {
            return Some(request);
        }
        if self.moving >= MOVING {
            return None;
        }
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.chunks.range((after, Bound::Unbounded)).chain(&self.chunks).next();
        let transfer = next.map(|(transfer, _)| *transfer)?;
        let queue = self.chunks.get_mut(&transfer)?;
        let request = queue.pop_front();
        if queue.is_empty() {
            self.chunks.remove(&transfer);
        }
        self.last = Some(transfer);
        self.moving = self.moving.saturating_add(1);
        request
    }

    /// A result came back: what for.
    pub(super) fn done(&mut self, id: StorageId) -> Option<Purpose> {
        let purpose = self.purposes.remove(&id)?;
        if purpose.moves().is_some() {
            self.moving = self.moving.saturating_sub(1);
        }
        let lasting = matches!(
            purpose,
            Purpose::Chat(_) | Purpose::Contacts | Purpose::Records | Purpose::Discard(_) | Purpose::Code(..)
        );
        if lasting {
            self.lasting = self.lasting.saturating_sub(1);
        }
        Some(purpose)
    }

    pub(super) fn is_empty(&self) -> bool {
        // What feeds a stream may take for ever.
        self.purposes.values().all(|purpose| matches!(purpose, Purpose::ReadStream(_)))
    }

    /// Whether nothing is to be committed or removed.
    pub(super) fn is_settled(&self) -> bool {
        self.lasting == 0
    }
}
