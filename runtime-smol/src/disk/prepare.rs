//! Makes what a transfer needs before its first byte: the folder, the journal, the directories.

use std::path::Path;

use hither_protocol::identity::PeerId;
use hither_protocol::storage::StorageError;
use hither_protocol::transfer::journal::Batch;
use hither_protocol::transfer::{RelativePath, TransferId};

use super::Parts;
use super::folder::make_folder;
use super::{journals, storage_error};

/// Makes them, durably, and gives the directories that did not exist. The journal knows of them before they do.
pub(super) fn prepare(
    Parts { folders, partials, journals }: Parts<'_>,
    transfer: TransferId,
    sender: PeerId,
    into: &Path,
    directories: &[RelativePath],
    journal: bool,
) -> Result<Vec<RelativePath>, StorageError> {
    make_folder(into).map_err(storage_error)?;
    folders.close(into);
    if !journal {
        return folders.make(into, directories);
    }
    let missing = folders.missing(into, directories)?;
    let used = directories.iter().map(|path| (path.clone(), missing.contains(path)));
    let open = journals.get(transfer, into).filter(|open| journals::lock(open).is_recovered());
    if let Some(open) = open {
        journals::lock(&open).list(used)?;
        return folders.make(into, directories);
    }
    partials.close(transfer);
    let batch = Batch { directories: used.collect(), ..Batch::default() };
    journals.create(folders, transfer, sender, into, &batch)?;
    let made = folders.make(into, directories);
    if made.is_err() {
        journals.remove(folders, transfer, into);
    }
    made
}
