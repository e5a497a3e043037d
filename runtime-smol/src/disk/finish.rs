//! Puts whole files in place.
//!
//! Permissions and times are set first, so that the sync that makes the content durable covers them too. Then the
//! content of the whole batch is made durable, the journal is told, and only then does any file take its name: after
//! a crash at any point, a name leads to a whole file or to none. Then the names are made durable, once for each
//! directory, and only then is it said that the files are there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::Dir;
use hither_protocol::storage::{FinishFile, StorageError, partial_name};
use hither_protocol::transfer::journal::Batch;
use hither_protocol::transfer::{RelativePath, TransferId};

use super::Parts;
use super::folder::Folders;
use super::journals;
use super::partials::Partials;
use super::syncing::{Place, sync_contents, together};
use super::system;

/// Puts the files in place; a result for each, in order.
pub(super) fn finish(
    Parts { folders, partials, journals }: Parts<'_>,
    files: &[FinishFile],
) -> Vec<Result<(), StorageError>> {
    let mut results: Vec<_> = files.iter().map(|file| dress(folders, partials, file)).collect();
    let mut by_transfer: BTreeMap<(TransferId, &Path), Vec<usize>> = BTreeMap::new();
    for (at, file) in files.iter().enumerate().filter(|(at, _)| results[*at].is_ok()) {
        by_transfer.entry((file.transfer, &file.into)).or_default().push(at);
    }
    for ((transfer, into), whole) in by_transfer {
        let of: Vec<_> = whole.iter().map(|at| &files[*at]).collect();
        let stored = store(Parts { folders, partials, journals }, transfer, into, &of);
        whole.into_iter().zip(stored).for_each(|(at, result)| results[at] = result);
    }
    for (file, result) in files.iter().zip(&mut results) {
        // Open files are in the way of a new name on some systems, and not needed any more on any.
        drop(partials.take_open(file.transfer, file.target.identity));
        if result.is_ok() {
            *result = place(folders, file);
            if result.is_ok() {
                partials.forget(file.transfer, file.target.identity);
            }
        }
    }
    sync_names(folders, files, &mut results);
    results
}

/// Sets what else a file has but content. A file system that cannot keep times or permissions is no reason to do
/// without the file.
fn dress(folders: &Folders, partials: &Partials, file: &FinishFile) -> Result<(), StorageError> {
    let (transfer, identity) = (file.transfer, file.target.identity);
    partials.sound(transfer, identity)?;
    if file.executable {
        let open = partials.handle(folders, transfer, &file.into, &file.target)?;
        let _ = system::make_executable(&open);
    }
    let name = partial_name(transfer, identity);
    let dressed = folders.in_parent(&file.into, &file.target.path, |parent| {
        system::set_modified(parent, &name, file.modified)
    });
    match dressed {
        Err(StorageError::Missing) => Err(StorageError::Missing),
        _ => Ok(()),
    }
}

/// Makes the content of a transfer's files durable, and notes them in its journal.
fn store(
    Parts { folders, partials, journals }: Parts<'_>,
    transfer: TransferId,
    into: &Path,
    files: &[&FinishFile],
) -> Vec<Result<(), StorageError>> {
    let places: Vec<_> = files.iter().map(|file| Place { transfer, into, file: &file.target }).collect();
    let sync = || sync_contents(folders, partials, &places, File::sync_all);
    let Some(journal) = journals.get(transfer, into) else { return sync().0 };
    let mut journal = journals::lock(&journal);
    let note = |results: Option<&[Result<(), StorageError>]>| {
        let sound = |at: &usize| results.is_none_or(|results| results[*at].is_ok());
        let placed = files.iter().enumerate().filter(|(at, _)| sound(at));
        let placed = placed.map(|(_, file)| (file.target.identity, file.root)).collect();
        Batch { placed, ..Batch::default() }
    };
    let (mut results, noted);
    if together(files.len()) && !files.iter().any(|file| file.overwrite) {
        // One sync makes both durable: see the order in `checkpoint`.
        results = Vec::new();
        noted = journal.append(&note(None), |file| {
            let (synced, devices) = sync();
            results = synced;
            if devices.contains(&system::device(file)?) { Ok(()) } else { file.sync_data() }
        });
        results.resize(files.len(), Ok(()));
    } else {
        results = sync().0;
        noted = journal.append(&note(Some(&results)), File::sync_data);
    }
    if let Err(error) = noted {
        results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(error.clone()));
    }
    results
}

fn place(folders: &Folders, file: &FinishFile) -> Result<(), StorageError> {
    let from = partial_name(file.transfer, file.target.identity);
    let to = file.target.path.name();
    folders.in_parent(&file.into, &file.target.path, |parent| {
        if !file.overwrite {
            return system::rename_new(parent, &from, to);
        }
        parent.rename(&from, parent, to).map_err(|error| match error.kind() {
            // A file does not replace a directory.
            ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => {
                io::Error::from(ErrorKind::AlreadyExists)
            }
            // Which Windows says in other words.
            ErrorKind::PermissionDenied if cfg!(windows) && is_directory(parent, to) => {
                io::Error::from(ErrorKind::AlreadyExists)
            }
            _ => error,
        })
    })
}

fn is_directory(parent: &Dir, name: &str) -> bool {
    parent.symlink_metadata(name).is_ok_and(|metadata| metadata.is_dir())
}

fn sync_names(folders: &Folders, files: &[FinishFile], results: &mut [Result<(), StorageError>]) {
    let mut placed: BTreeMap<&Path, Vec<&RelativePath>> = BTreeMap::new();
    for (file, result) in files.iter().zip(results.iter()) {
        if result.is_ok() {
            placed.entry(&file.into).or_default().push(&file.target.path);
        }
    }
    for (into, paths) in placed {
        if let Err(error) = folders.sync_parents(into, paths) {
            for (file, result) in files.iter().zip(results.iter_mut()) {
                if file.into.as_path() == into && result.is_ok() {
                    *result = Err(error.clone());
                }
            }
        }
    }
}
