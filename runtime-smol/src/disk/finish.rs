//! Puts whole files in place.
//!
//! The order, and why: permissions and times are set first, so that the one sync that makes the content durable
//! covers them too. Then the content of the whole batch is made durable, and only then does any file take its
//! name: after a crash at any point, a name leads to a whole file or to none. Then the names are made durable,
//! once for each directory, and only then is it said that the files are there.
//!
//! A file system with a journal writes it out on every sync, whatever the file's size: some milliseconds on a
//! disk, for a file that took microseconds to write. A batch of many files is therefore synced as a whole where
//! the system can do that. A batch of few is not: it may have unwritten data of other programs waiting that is
//! not ours to wait for.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use hither_protocol::storage::{FinishFile, StorageError, partial_name};
use hither_protocol::transfer::RelativePath;

use super::folder::Folders;
use super::partials::Partials;
use super::{storage_error, system};

/// Batches up to this many files are synced one by one.
const SYNC_EACH: usize = 8;

/// Puts the files in place; a result for each, in order.
pub(super) fn finish(
    folders: &Folders,
    partials: &Partials,
    files: &[FinishFile],
) -> Vec<Result<(), StorageError>> {
    // One open file for each file system, to sync that by.
    let mut devices: BTreeMap<u64, Arc<File>> = BTreeMap::new();
    let mut results: Vec<_> = files
        .iter()
        .map(|file| {
            let open = partials.take(folders, file)?;
            dress(&open, file);
            match system::device(&open) {
                Some(device) if files.len() > SYNC_EACH => {
                    devices.entry(device).or_insert(open);
                    Ok(())
                }
                _ => open.sync_all().map_err(storage_error),
            }
        })
        .collect();
    let synced = devices.into_values().try_for_each(|file| system::sync_device(&file).map_err(storage_error));
    if let Err(error) = synced {
        // Which file it was cannot be told, so none is put in place.
        fail(&mut results, |_| Some(error.clone()));
    }
    for (file, result) in files.iter().zip(&mut results) {
        if result.is_ok() {
            *result = place(folders, file);
            if result.is_ok() {
                partials.forget(file.transfer, file.file);
            }
        }
    }
    sync_names(folders, files, &mut results);
    results
}

/// Sets what else a file has but content. A file system that cannot keep times or permissions is no reason to do
/// without the file.
fn dress(open: &File, file: &FinishFile) {
    if let Some(time) = system::system_time(file.modified) {
        let _ = open.set_times(FileTimes::new().set_modified(time));
    }
    let _ = system::open_up(open, file.executable);
}

fn place(folders: &Folders, file: &FinishFile) -> Result<(), StorageError> {
    let from = partial_name(file.transfer, file.file);
    let to = file.path.name();
    folders.in_parent(&file.into, &file.path, |parent| {
        if !file.overwrite {
            return system::rename_new(parent, &from, to);
        }
        parent.rename(&from, parent, to).map_err(|error| match error.kind() {
            // A file does not replace a directory.
            ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => {
                io::Error::from(ErrorKind::AlreadyExists)
            }
            _ => error,
        })
    })
}

fn sync_names(folders: &Folders, files: &[FinishFile], results: &mut [Result<(), StorageError>]) {
    let mut placed: BTreeMap<&Path, Vec<RelativePath>> = BTreeMap::new();
    for (file, result) in files.iter().zip(results.iter()) {
        if result.is_ok() {
            placed.entry(&file.into).or_default().push(file.path.clone());
        }
    }
    for (into, paths) in placed {
        if let Err(error) = folders.sync_parents(into, &paths) {
            fail(results, |at| {
                files.get(at).filter(|file| file.into.as_path() == into).map(|_| error.clone())
            });
        }
    }
}

/// Replaces the good results that `why` has an error for.
fn fail(results: &mut [Result<(), StorageError>], why: impl Fn(usize) -> Option<StorageError>) {
    for (at, result) in results.iter_mut().enumerate() {
        if result.is_ok()
            && let Some(error) = why(at)
        {
            *result = Err(error);
        }
    }
}
