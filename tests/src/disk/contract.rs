//! What a node promises about its storage requests, checked: a request that breaks it is a mistake in the node.

use std::collections::BTreeMap;
use std::path::Path;

use hither_protocol::storage::{Change, FinishFile, PartialFile, Work};
use hither_protocol::transfer::hash::chunk_length;
use hither_protocol::transfer::journal::StoredChunk;
use hither_protocol::transfer::{FileIdentity, TransferId};

use super::bytes_of;
use super::transfers::{Known, Open};

/// Most bytes of content that a node may ask for at once.
const MOST_AT_ONCE: u64 = 32 * 1024 * 1024;

/// Checks a new request against those still under way, and against what the work before came to.
///
/// # Panics
///
/// When the request breaks what `hither_protocol::storage` documents.
pub(super) fn check<'a>(
    work: &Work,
    pending: impl Iterator<Item = &'a Work> + Clone,
    open: &BTreeMap<TransferId, Open>,
) {
    check_sizes(work);
    let bytes: u64 = pending.clone().map(bytes_of).sum::<u64>() + bytes_of(work);
    assert!(bytes <= MOST_AT_ONCE, "asked for {bytes} bytes at once");
    for other in pending {
        let rests = rests_on(work, other);
        assert!(
            !rests,
            "asked for work that rests on work still under way: {} after {}",
            brief(work),
            brief(other)
        );
    }
    check_order(work, open);
}

fn check_sizes(work: &Work) {
    match work {
        Work::Commit(changes) => {
            for change in changes {
                let (key, value) = match change {
                    Change::Put(record) | Change::PutNew(record) => (&record.key, record.value.len()),
                    Change::Remove { key, .. } => (key, 0),
                };
                assert!(key.len() <= 64, "a key of {} bytes", key.len());
                assert!(value <= 1024 * 1024, "a value of {value} bytes");
            }
        }
        Work::Read(chunks) => {
            for chunk in chunks {
                assert_eq!(
                    chunk_length(chunk.size, chunk.offset),
                    Some(chunk.length),
                    "no whole chunk: {chunk:?}"
                );
            }
        }
        Work::Write(chunks) => {
            for chunk in chunks {
                let length = chunk_length(chunk.size, chunk.offset).map(|length| length as usize);
                assert_eq!(
                    length,
                    Some(chunk.data.len()),
                    "no whole chunk at {} of {}",
                    chunk.offset,
                    chunk.size
                );
            }
        }
        _ => {}
    }
}

fn rests_on(work: &Work, other: &Work) -> bool {
    match (whole_transfer(work), whole_transfer(other)) {
        // What begins, ends or looks at a transfer is alone.
        (Some(transfer), _) => touches(other, transfer),
        (_, Some(transfer)) => touches(work, transfer),
        (None, None) => match (work, other) {
            (Work::Checkpoint { transfer, .. }, Work::Checkpoint { transfer: other, .. }) => {
                transfer == other
            }
            (Work::Finish(_), Work::Write(_) | Work::Checkpoint { .. } | Work::Finish(_))
            | (Work::Write(_) | Work::Checkpoint { .. }, Work::Finish(_)) => {
                let names = names(other);
                self::names(work).iter().any(|name| names.contains(name))
            }
            _ => false,
        },
    }
}

fn whole_transfer(work: &Work) -> Option<TransferId> {
    match work {
        Work::Prepare { transfer, .. }
        | Work::Recover { transfer, .. }
        | Work::Check { transfer }
        | Work::Seal { transfer, .. }
        | Work::Close { transfer, .. }
        | Work::Discard { transfer, .. } => Some(*transfer),
        _ => None,
    }
}

fn touches(work: &Work, transfer: TransferId) -> bool {
    whole_transfer(work) == Some(transfer)
        || matches!(work, Work::Checkpoint { transfer: other, .. } if *other == transfer)
        || names(work).iter().any(|(of, _)| *of == transfer)
}

/// The files that are written, made durable or put in place.
fn names(work: &Work) -> Vec<(TransferId, FileIdentity)> {
    match work {
        Work::Write(chunks) => chunks.iter().map(|chunk| (chunk.transfer, chunk.target.identity)).collect(),
        Work::Finish(files) => files.iter().map(|file| (file.transfer, file.target.identity)).collect(),
        Work::Checkpoint { transfer, files, .. } => {
            files.iter().map(|file| (*transfer, file.identity)).collect()
        }
        _ => Vec::new(),
    }
}

/// What must have been done, with success, before this is asked for.
fn check_order(work: &Work, open: &BTreeMap<TransferId, Open>) {
    match work {
        Work::Prepare { transfer, sender, into, .. } => {
            if let Some(open) = open.get(transfer) {
                assert!(!open.prepared, "asked to prepare what is prepared: {}", brief(work));
                assert!(open.recovery.is_none(), "asked to add to a journal before all of it was checked");
                assert_eq!(open.into, *into, "a transfer has one folder");
                assert_eq!(open.sender, *sender, "a transfer has one sender");
            }
        }
        Work::Recover { transfer, .. } => {
            assert!(!open.contains_key(transfer), "asked to recover what is open: {}", brief(work));
        }
        Work::Check { transfer } => {
            let recovery = open.get(transfer).and_then(|open| open.recovery.as_ref());
            assert!(recovery.is_some(), "asked to check what was not recovered, or has been checked");
        }
        Work::Write(chunks) => {
            for chunk in chunks {
                let open = prepared(open, chunk.transfer, &chunk.into);
                if let Some(known) = known(open, &chunk.target) {
                    assert!(!known.placed, "asked to write a file that is in place: {:?}", chunk.target);
                    // Of a stream more and more is known.
                    assert!(known.size <= chunk.size, "a file has one size: {:?}", chunk.target);
                }
            }
        }
        Work::Checkpoint { transfer, into, files, chunks } => {
            let open = prepared(open, *transfer, into);
            assert!(open.journal.is_some(), "asked to note chunks of a transfer without a journal");
            for chunk in chunks {
                check_stored(open, files, chunk);
            }
        }
        Work::Finish(files) => {
            for file in files {
                check_whole(prepared(open, file.transfer, &file.into), file);
            }
        }
        Work::Seal { transfer, into, .. } => {
            let open = prepared(open, *transfer, into);
            let unplaced = open.files.values().find(|known| !known.placed);
            assert!(unplaced.is_none(), "asked to make links before everything is in place: {unplaced:?}");
        }
        Work::Load
        | Work::Commit(_)
        | Work::Scan { .. }
        | Work::ReadStream { .. }
        | Work::Output(_)
        | Work::Read(_)
        | Work::ReadBack(_)
        | Work::Examine { .. }
        | Work::Close { .. }
        | Work::Discard { .. } => {}
    }
}

fn prepared<'a>(open: &'a BTreeMap<TransferId, Open>, transfer: TransferId, into: &Path) -> &'a Open {
    let open = open.get(&transfer).filter(|open| open.prepared);
    let Some(open) = open else { panic!("asked for work on {transfer}, which is not prepared") };
    assert_eq!(open.into, into, "a transfer has one folder");
    open
}

fn known<'a>(open: &'a Open, target: &PartialFile) -> Option<&'a Known> {
    let known = open.files.get(&target.identity)?;
    assert_eq!(known.path, target.path, "a file has one place");
    Some(known)
}

fn check_stored(open: &Open, files: &[PartialFile], chunk: &StoredChunk) {
    let file = files.iter().find(|file| file.identity == chunk.file);
    let Some(file) = file else { panic!("asked to note a chunk of a file that is not listed: {chunk:?}") };
    let known = known(open, file).filter(|known| !known.placed);
    let written = known.and_then(|known| known.values.get(&chunk.index));
    assert_eq!(written, Some(&chunk.value), "asked to note a chunk that was not written: {chunk:?}");
}

fn check_whole(open: &Open, file: &FinishFile) {
    let root = known(open, &file.target).filter(|known| !known.placed).and_then(Known::root);
    let Some(root) = root else { panic!("asked to put a file in place that is not whole: {file:?}") };
    assert_eq!(root, file.root, "asked to put a file in place under another root: {file:?}");
}

fn brief(work: &Work) -> String {
    let mut text = format!("{work:?}");
    text.truncate(text.floor_char_boundary(300));
    text
}
