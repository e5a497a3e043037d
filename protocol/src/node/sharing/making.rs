//! Paths that are to be shared, until their root is known: scanned, then every chunk read and hashed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Content, Job, Origin, Stage};
use crate::node::Node;
use crate::storage::{HashedChunk, ReadChunk, ScanError, Scanned, StorageError, Work};
use crate::transfer::hash::{CHUNK, collection_root};
use crate::transfer::landing::Readable;
use crate::transfer::pieces::Pieces;
use crate::transfer::proof::FileTree;
use crate::transfer::{Manifest, Shared, Ticket, TransferId};
use crate::{Event, TransferFailure};

/// Bytes asked of the disk and not yet hashed; a chunk counts as one byte at least.
const AHEAD: u64 = 4 * 1024 * 1024;
/// Bytes and chunks of one request.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_CHUNKS: usize = 64;

/// How far it is.
#[derive(Debug)]
pub(super) struct Making {
    paths: usize,
    left_out: Vec<PathBuf>,
    /// The next piece to hash.
    next: u32,
    ahead: u64,
    hashed: u64,
}

impl Making {
    pub(super) fn new(paths: usize) -> Self {
        Self { paths, left_out: Vec::new(), next: 0, ahead: 0, hashed: 0 }
    }

    /// Bytes hashed.
    pub(super) fn hashed(&self) -> u64 {
        self.hashed
    }
}

impl Node {
    pub(super) fn share_scanned(&mut self, id: TransferId, result: Result<Scanned, ScanError>) {
        let Some(share) = self.sharing.shares.get(&id) else { return };
        let Stage::Making(making) = &share.stage else { return };
        let scanned = match result {
            Ok(scanned) => scanned,
            Err(error) => return self.fail_making(id, TransferFailure::Scan(error)),
        };
        let name = match making.paths {
            1 => scanned.entries.first().map(|entry| entry.path.name().to_owned()).unwrap_or_default(),
            paths => format!("{paths} items"),
        };
        let Ok(manifest) = Manifest::new(name, scanned.entries) else {
            return self.fail_making(id, TransferFailure::Scan(ScanError::TooMany));
        };
        let pieces = Pieces::new(&manifest).filter(|pieces| self.sharing.has_room_for(pieces));
        let Some(pieces) = pieces else { return self.fail_making(id, TransferFailure::TooLarge) };
        let trees = manifest.files().map(|(file, entry)| (file, FileTree::new(entry.size()))).collect();
        let sources = scanned.sources.into_iter().map(Arc::new).collect();
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let manifest = Arc::new(manifest);
        share.content = Some(Content {
            manifest: Arc::clone(&manifest),
            roots: BTreeMap::new(),
            pieces: Arc::new(pieces),
            trees,
            origin: Origin::Sources(sources, BTreeSet::new()),
        });
        if let Stage::Making(making) = &mut share.stage {
            making.left_out = scanned.left_out;
        }
        self.event(Event::Hashing { share: id, manifest });
    }

    /// Reads on while there is room, and ends when everything is hashed.
    pub(super) fn run_making(&mut self, id: TransferId) {
        loop {
            let Some(share) = self.sharing.shares.get_mut(&id) else { return };
            let (Stage::Making(making), Some(content)) = (&mut share.stage, &share.content) else { return };
            let mut batch = Vec::new();
            let mut bytes = 0_u64;
            while making.ahead < AHEAD
                && bytes < BATCH_BYTES
                && batch.len() < BATCH_CHUNKS
                && let Readable::Placed(chunk) = content.readable(id, making.next)
            {
                let weight = u64::from(chunk.length).max(1);
                bytes = bytes.saturating_add(weight);
                making.ahead = making.ahead.saturating_add(weight);
                making.next = making.next.saturating_add(1);
                batch.push(chunk);
            }
            if batch.is_empty() {
                if making.ahead == 0 && making.next == content.pieces.count() {
                    self.made(id);
                }
                return;
            }
            self.ask_for_share(id, Work::Read(batch.clone()), Job::Hash(batch));
        }
    }

    pub(super) fn share_hashed(
        &mut self,
        id: TransferId,
        asked: Vec<ReadChunk>,
        results: Vec<Result<HashedChunk, StorageError>>,
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let (Stage::Making(making), Some(content)) = (&mut share.stage, &mut share.content) else { return };
        for (asked, result) in asked.into_iter().zip(results) {
            making.ahead = making.ahead.saturating_sub(u64::from(asked.length).max(1));
            let why = match result {
                Ok(chunk) => {
                    making.hashed = making.hashed.saturating_add(u64::from(asked.length));
                    if let Some(tree) = content.trees.get_mut(&asked.file) {
                        tree.insert(asked.offset / CHUNK, chunk.value);
                    }
                    continue;
                }
                Err(StorageError::Changed | StorageError::Missing) => {
                    TransferFailure::SourceChanged(Some(asked.source.to_path_buf()))
                }
                Err(error) => TransferFailure::Disk(Some(error)),
            };
            return self.fail_making(id, why);
        }
    }

    /// Everything is hashed: there is a root, and with it a ticket.
    fn made(&mut self, id: TransferId) {
        let me = self.peer_id();
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let (Stage::Making(making), Some(content)) = (&mut share.stage, &mut share.content) else { return };
        let left_out = std::mem::take(&mut making.left_out);
        content.roots = content.trees.iter().filter_map(|(file, tree)| Some((*file, tree.root()?))).collect();
        let manifest = Arc::clone(&content.manifest);
        let root = collection_root(&manifest, &content.roots);
        let kind = match manifest.entries() {
            [entry] if entry.is_file() => Shared::File,
            _ => Shared::Collection,
        };
        let ticket = Ticket::new(root, kind, manifest.bytes(), me, &[]);
        share.root = Some(root);
        share.stage = Stage::Offering;
        self.sharing.by_root.insert(root, id);
        self.event(Event::Shared { share: id, ticket, manifest, left_out });
    }

    fn fail_making(&mut self, id: TransferId, why: TransferFailure) {
        self.remove_share(id);
        self.event(Event::Failed { transfer: id, why, kept: 0, resumable: false });
    }
}
