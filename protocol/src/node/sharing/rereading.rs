//! Files that an attempt before has put in place: read and hashed again as soon as somebody could be given of them.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::{Content, Job, Node, Origin};
use crate::Event;
use crate::storage::{HashedChunk, StorageError, Work};
use crate::transfer::TransferId;
use crate::transfer::proof::{Claim, FileTree};

/// Bytes of one read request; one is under way at a time, so that whoever waits for pieces does not wait for this.
const BATCH_BYTES: u64 = 2 * 1024 * 1024;
const BATCH_PIECES: usize = 64;

/// What is still to be read of them.
#[derive(Debug, Default)]
pub(super) struct Rereading {
    files: VecDeque<u32>,
    rest: Range<u32>,
    busy: bool,
}

impl Rereading {
    pub(super) fn new(files: impl Iterator<Item = u32>) -> Self {
        Self { files: files.collect(), ..Self::default() }
    }
}

impl Node {
    pub(super) fn run_rereading(&mut self, id: TransferId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let reading = &mut share.rereading;
        let Some(Content { origin: Origin::Landing(landing), pieces, .. }) = &share.content else { return };
        if reading.busy || share.askers.is_empty() {
            return;
        }
        while reading.rest.is_empty() {
            let Some(file) = reading.files.pop_front() else { return };
            reading.rest = pieces.of_file(file).unwrap_or_default();
        }
        let (mut chunks, mut numbers, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
        while bytes < BATCH_BYTES
            && numbers.len() < BATCH_PIECES
            && let Some(piece) = reading.rest.next()
        {
            let Some(chunk) = landing.rereadable(piece) else { continue };
            bytes = bytes.saturating_add(u64::from(chunk.length));
            chunks.push(chunk);
            numbers.push(piece);
        }
        if !chunks.is_empty() {
            reading.busy = true;
            self.ask_for_share(id, Work::Read(chunks), Job::Reread(numbers));
        }
    }

    pub(super) fn reread(
        &mut self,
        now: Instant,
        id: TransferId,
        numbers: &[u32],
        results: Vec<Result<HashedChunk, StorageError>>,
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        share.rereading.busy = false;
        let Some(Content { origin: Origin::Landing(landing), pieces, trees, roots, .. }) = &mut share.content
        else {
            return;
        };
        let (mut fresh, mut changed) = (Vec::new(), None);
        for (piece, result) in numbers.iter().zip(results) {
            let Some(place) = pieces.place(*piece) else { continue };
            let Some(tree) = trees.get_mut(&place.file) else { continue };
            let claim = result.map(|chunk| tree.claim(place.chunk, chunk.value));
            match claim {
                Ok(Claim::Open) => {}
                Ok(Claim::Proven) => {
                    let file = pieces.of_file(place.file).unwrap_or_default();
                    fresh.extend(file.filter(|piece| landing.show(*piece, trees)));
                }
                // It is not what was put there: it is given to nobody.
                Ok(Claim::Refuted) | Err(_) => {
                    if let Some(root) = roots.get(&place.file) {
                        *tree = FileTree::with_root(place.size, *root);
                    }
                    share.rereading.rest = 0..0;
                    changed = landing.path_of(place.file);
                    break;
                }
            }
        }
        self.announce_pieces(now, id, &fresh);
        if let Some(path) = changed {
            self.event(Event::ShareChanged { share: id, path });
        }
        self.run_rereading(id);
    }
}
