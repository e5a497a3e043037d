//! The disk: carries out a node's file work with plain blocking calls, on whatever threads call it.
//!
//! It knows nothing of the runtime around it; another runtime can use it as it is. Records are not its work:
//! they come in an order, see [`crate::records`].

mod buffers;
mod cache;
mod error;
mod examine;
mod finish;
mod folder;
mod partials;
mod scan;
mod sources;
mod system;

use std::path::Path;

use hither_protocol::storage::{Done, StorageError, Work};
use hither_protocol::transfer::{RelativePath, TransferId};

pub(crate) use error::storage_error;

use folder::Folders;
use partials::Partials;
use sources::Sources;

/// Carries out file work. Any number of threads may call it at once.
#[derive(Debug, Default)]
pub struct Disk {
    sources: Sources,
    folders: Folders,
    partials: Partials,
}

impl Disk {
    /// A disk without open files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does one piece of work, start to end, and gives its result. Blocks as long as the disk does.
    ///
    /// [`Work::Load`] and [`Work::Commit`] are not for this disk: their result is [`StorageError::Unsupported`].
    pub fn perform(&self, work: Work) -> Done {
        match work {
            Work::Load => Done::Loaded(Err(StorageError::Unsupported)),
            Work::Commit(_) => Done::Committed(Err(StorageError::Unsupported)),
            Work::Scan { paths } => Done::Scanned(scan::scan(&paths)),
            Work::Read(chunks) => Done::Read(chunks.iter().map(|chunk| self.sources.read(chunk)).collect()),
            Work::ReadBack(chunks) => {
                let read = |chunk| self.partials.read(&self.folders, chunk);
                Done::Read(chunks.iter().map(read).collect())
            }
            Work::Examine { into, manifest } => Done::Examined(examine::examine(&into, &manifest)),
            Work::Prepare { into, directories } => Done::Prepared(self.folders.prepare(&into, &directories)),
            Work::Write(chunks) => {
                Done::Written(chunks.iter().map(|chunk| self.partials.write(&self.folders, chunk)).collect())
            }
            Work::Finish(files) => Done::Finished(finish::finish(&self.folders, &self.partials, &files)),
            Work::Discard { transfer, into, partials, directories } => {
                self.discard(transfer, &into, &partials, &directories);
                Done::Discarded
            }
        }
    }

    /// Removes what a transfer has made, as far as that is possible.
    fn discard(
        &self,
        transfer: TransferId,
        into: &Path,
        partials: &[(u32, RelativePath)],
        directories: &[RelativePath],
    ) {
        self.sources.close(transfer);
        for (file, path) in partials {
            self.partials.remove(&self.folders, transfer, *file, into, path);
        }
        self.partials.close(transfer);
        self.folders.remove_empty(into, directories);
        self.folders.close(into);
    }
}
