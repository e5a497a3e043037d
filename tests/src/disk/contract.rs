//! What a node promises about its storage requests, checked: a request that breaks it is a mistake in the node.

use std::path::Path;

use hither_protocol::storage::{Change, Work};
use hither_protocol::transfer::TransferId;
use hither_protocol::transfer::hash::chunk_length;

use super::tree::Tree;

/// Checks a new request against those still under way.
///
/// # Panics
///
/// When the request breaks what `hither_protocol::storage` documents.
pub(super) fn check<'a>(work: &Work, mut pending: impl Iterator<Item = &'a Work>, tree: &Tree) {
    check_sizes(work);
    if let Some(other) = pending.find(|other| rests_on(work, other, tree)) {
        panic!("asked for work that rests on work still under way: {} after {}", brief(work), brief(other));
    }
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

fn rests_on(work: &Work, other: &Work, tree: &Tree) -> bool {
    match (work, other) {
        (Work::Discard { transfer, .. }, other) => names(other).any(|(of, _)| of == *transfer),
        (work, Work::Discard { transfer, .. }) => names(work).any(|(of, _)| of == *transfer),
        (Work::Finish(_), Work::Write(_) | Work::Finish(_)) | (Work::Write(_), Work::Finish(_)) => {
            names(work).any(|name| names(other).any(|other| other == name))
        }
        (Work::Write(chunks), Work::Prepare { into, directories }) => chunks.iter().any(|chunk| {
            let folder = folder_of(&chunk.into, chunk.path.parent().as_ref().map(|path| path.as_str()));
            let made = directories.iter().map(|path| folder_of(into, Some(path.as_str())));
            !tree.is_directory(&folder) && made.chain([into.clone()]).any(|made| made == folder)
        }),
        _ => false,
    }
}

/// The files that are written or put in place.
fn names(work: &Work) -> Box<dyn Iterator<Item = (TransferId, u32)> + '_> {
    match work {
        Work::Write(chunks) => Box::new(chunks.iter().map(|chunk| (chunk.transfer, chunk.file))),
        Work::Finish(files) => Box::new(files.iter().map(|file| (file.transfer, file.file))),
        _ => Box::new(std::iter::empty()),
    }
}

fn folder_of(into: &Path, below: Option<&str>) -> std::path::PathBuf {
    below.map_or_else(|| into.to_path_buf(), |below| into.join(below))
}

fn brief(work: &Work) -> String {
    let mut text = format!("{work:?}");
    text.truncate(text.floor_char_boundary(300));
    text
}
