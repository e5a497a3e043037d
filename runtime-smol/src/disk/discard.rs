//! Gives a transfer up: removes what it has made, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hither_protocol::identity::PeerId;
use hither_protocol::storage::{PartialFile, StorageError, partial_name};
use hither_protocol::transfer::journal::{BadJournal, journal_name};
use hither_protocol::transfer::{RelativePath, TransferId};

use super::Parts;
use super::journals::{self, OpenError, ReadError, Reading};
use super::partials::remove_regular;
use super::recover::{partials_in, remove_partial};

/// Removes partial files, directories that are empty, and last the journal: as long as it is there, what is left
/// can be found. Whatever cannot be removed is left.
pub(super) fn discard(
    Parts { folders, partials, journals }: Parts<'_>,
    transfer: TransferId,
    sender: PeerId,
    into: &Path,
    files: &[PartialFile],
    directories: &[RelativePath],
) {
    let journal = journals.get(transfer, into);
    let held = journal.as_deref().map(journals::lock);
    let opened = match &held {
        Some(_) => Err(OpenError::Disk(StorageError::Missing)),
        None => journals::open(folders, transfer, into),
    };
    let file = held.as_ref().map(|journal| &journal.file).or(opened.as_ref().ok());
    let listed = file.map(|file| listed(file, transfer, sender));
    // Where the name is another's, of this machine or not, so may be what goes by such names.
    let theirs = matches!(opened, Err(OpenError::InUse)) || matches!(listed, Some(None));
    for file in files {
        if !theirs || partials.is_known(transfer, file.identity) {
            let name = partial_name(transfer, file.identity);
            let _ = folders.in_parent(into, &file.path, |parent| Ok(remove_regular(parent, &name)));
        }
    }
    partials.close(transfer);
    let mut made: BTreeSet<RelativePath> = directories.iter().cloned().collect();
    if let Some(Some(listed)) = listed {
        for directory in std::iter::once(None).chain(listed.keys().map(Some)) {
            for name in partials_in(folders, transfer, into, directory).1 {
                remove_partial(folders, into, directory, &name);
            }
        }
        made.extend(listed.into_iter().filter(|(_, made)| *made).map(|(path, _)| path));
    }
    // In order parents come before what is in them.
    folders.remove_empty(into, made.iter());
    if file.is_some() && !theirs {
        let name = journal_name(transfer);
        let _ = folders.in_directory(into, None, |folder| Ok(remove_regular(folder, &name)));
    }
    drop(held);
    drop(journals.take(transfer));
    folders.close(into);
}

/// Lets go of a transfer. With `complete` its journal goes too. That is not synced: a journal that comes back after
/// a power failure says only what is true.
pub(super) fn close(
    Parts { folders, partials, journals }: Parts<'_>,
    transfer: TransferId,
    into: &Path,
    complete: bool,
) {
    partials.close(transfer);
    if complete {
        journals.remove(folders, transfer, into);
    }
    drop(journals.take(transfer));
    folders.close(into);
}

/// The directories that a journal lists, and whether the transfer made them. `None`: it is another sender's.
fn listed(
    file: &std::fs::File,
    transfer: TransferId,
    sender: PeerId,
) -> Option<BTreeMap<RelativePath, bool>> {
    let mut reading = Reading::new(transfer, sender);
    let mut directories: BTreeMap<RelativePath, bool> = BTreeMap::new();
    let mut next = reading.begin(file);
    loop {
        match next {
            Ok(Some(batch)) => {
                for (path, made) in batch.directories {
                    *directories.entry(path).or_default() |= made;
                }
            }
            Err(ReadError::Bad(BadJournal::Foreign)) => return None,
            Ok(None) | Err(_) => return Some(directories),
        }
        next = reading.next(file);
    }
}
