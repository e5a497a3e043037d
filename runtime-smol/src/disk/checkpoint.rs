//! Makes chunks durable, and notes them in the journal.
//!
//! The order, and why. Whatever the journal says must be true after a power failure at any moment, so each step is
//! durable before the next begins:
//!
//! 1. The journal lists the directories that the transfer makes, before it makes any: one that exists after a
//!    failure and is not listed would never be removed. A listed one that does not exist does no harm.
//! 2. A checkpoint syncs the partial files' content. A failure now leaves chunks that the journal does not know:
//!    they travel again.
//! 3. It syncs the directories of partial files that are new. Content without a name would be lost, and a journal
//!    that promised it would not be true.
//! 4. It appends to the journal and syncs that. Cut short, the last batch fails its check: as after 2.
//! 5. A file takes its name (see [`finish`](super::finish)) once its content is durable, and the journal says that
//!    it is whole. A failure now leaves it under its partial name or its own. The journal's word counts only for a
//!    file whose partial name is gone, so it may become durable before the content, in one sync with it; but not
//!    where a file is there already that is to be replaced, and could be taken for the new one.
//! 6. The names are made durable, and only then is the file said to be there.
//!
//! Besides, what the journal says of content is hashed again before it is believed: disks lie.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use hither_protocol::storage::{PartialFile, StorageError};
use hither_protocol::transfer::TransferId;
use hither_protocol::transfer::journal::{Batch, StoredChunk};

use super::Parts;
use super::journals;
use super::partials::paths;
use super::syncing::{Place, sync_contents};

/// Makes the chunks durable, then notes them.
pub(super) fn checkpoint(
    Parts { folders, partials, journals }: Parts<'_>,
    transfer: TransferId,
    into: &Path,
    files: &[PartialFile],
    chunks: Vec<StoredChunk>,
) -> Result<(), StorageError> {
    let journal = journals.get(transfer, into).ok_or(StorageError::Missing)?;
    let places: Vec<_> = files.iter().map(|file| Place { transfer, into, file }).collect();
    let (synced, _) = sync_contents(folders, partials, &places, File::sync_data);
    let mut unsound = BTreeSet::new();
    let mut outcome = Ok(());
    for (file, result) in files.iter().zip(synced) {
        if let Err(error) = result
            // One that was put in place meanwhile is durable.
            && partials.is_known(transfer, file.identity)
        {
            unsound.insert(file.identity);
            outcome = Err(error);
        }
    }
    let sound = |file: &&PartialFile| !unsound.contains(&file.identity);
    let new = files.iter().filter(sound).filter(|file| partials.is_unnamed(transfer, file.identity));
    let new: Vec<_> = new.collect();
    folders.sync_parents(into, &paths(new.iter().copied()))?;
    new.iter().for_each(|file| partials.set_named(transfer, file.identity));
    // What another file has lost is no reason to lose what this one has.
    let chunks: Vec<_> = chunks.into_iter().filter(|chunk| !unsound.contains(&chunk.file)).collect();
    if !chunks.is_empty() {
        journals::lock(&journal).append(&Batch { chunks, ..Batch::default() }, File::sync_data)?;
    }
    outcome
}
