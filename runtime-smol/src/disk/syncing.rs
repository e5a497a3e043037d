//! Makes the content of partial files durable, with few calls.
//!
//! A file system with a journal writes it out on every sync, whatever the file's size: some milliseconds on a
//! disk, for a file that took microseconds to write. Many files are therefore synced as a whole where the system
//! can do that. A few are not: there may be unwritten data of other programs waiting that is not ours to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;

use hither_protocol::storage::{PartialFile, StorageError};
use hither_protocol::transfer::TransferId;

use super::folder::Folders;
use super::partials::Partials;
use super::{storage_error, system};

/// Up to this many files are synced one by one.
const SYNC_EACH: usize = 8;

/// A partial file, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its transfer.
    pub(super) transfer: TransferId,
    /// The transfer's folder.
    pub(super) into: &'a Path,
    /// The file.
    pub(super) file: &'a PartialFile,
}

/// Whether so many files are synced together with everything else on their file systems.
pub(super) fn together(files: usize) -> bool {
    files > SYNC_EACH && system::SYNCS_WHOLE
}

/// Makes the files' content durable, each by `sync` where they are few; a result for each, in order, and the file
/// systems that were synced as a whole. What fails once fails every time.
pub(super) fn sync_contents(
    folders: &Folders,
    partials: &Partials,
    places: &[Place<'_>],
    sync: fn(&File) -> io::Result<()>,
) -> (Vec<Result<(), StorageError>>, BTreeSet<u64>) {
    // What came of each file system. Which of its files it was that failed cannot be told.
    let mut devices: BTreeMap<u64, Result<(), StorageError>> = BTreeMap::new();
    let mut parents: BTreeMap<(&Path, Option<&str>), Result<(), StorageError>> = BTreeMap::new();
    let each = places.iter().map(|place| {
        partials.sound(place.transfer, place.file.identity)?;
        if !together(places.len()) {
            let open = partials.handle(folders, place.transfer, place.into, place.file)?;
            return sync(&open).map_err(storage_error);
        }
        let parent = place.file.path.as_str().rsplit_once('/').map(|(parent, _)| parent);
        let sync_parent = || {
            folders.in_parent(place.into, &place.file.path, |parent| {
                let sync = || system::sync_whole(parent).map_err(storage_error);
                Ok(devices.entry(system::device(parent)?).or_insert_with(sync).clone())
            })?
        };
        parents.entry((place.into, parent)).or_insert_with(sync_parent).clone()
    });
    let results: Vec<_> = each.collect();
    for (place, result) in places.iter().zip(&results) {
        if let Err(error) = result {
            partials.fail(place.transfer, place.file.identity, error);
        }
    }
    let whole = devices.into_iter().filter(|(_, outcome)| outcome.is_ok()).map(|(device, _)| device);
    (results, whole.collect())
}
