//! The disk: carries out a node's file work with plain blocking calls, on whatever threads call it.
//!
//! It knows nothing of the runtime around it; another runtime can use it as it is. Records are not its work:
//! they come in an order, see [`crate::records`].

mod buffers;
mod cache;
mod checkpoint;
mod discard;
mod error;
mod examine;
mod finish;
mod folder;
mod journals;
mod partials;
mod prepare;
mod recover;
mod runs;
mod scan;
mod seal;
mod sources;
mod syncing;
mod system;

use hither_protocol::storage::{Done, StorageError, Work};

pub(crate) use error::storage_error;

use folder::Folders;
use journals::Journals;
use partials::Partials;
use sources::Sources;

/// Carries out file work. Any number of threads may call it at once.
#[derive(Debug, Default)]
pub struct Disk {
    sources: Sources,
    folders: Folders,
    partials: Partials,
    journals: Journals,
}

/// What receiving needs.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    folders: &'a Folders,
    partials: &'a Partials,
    journals: &'a Journals,
}

impl Disk {
    /// A disk without open files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does one piece of work, start to end, and gives its result. Blocks as long as the disk does.
    ///
    /// [`Work::Load`], [`Work::Commit`], [`Work::ReadStream`] and [`Work::Output`] are not for this disk: their result is
    /// [`StorageError::Unsupported`].
    pub fn perform(&self, work: Work) -> Done {
        match work {
            Work::Load => Done::Loaded(Err(StorageError::Unsupported)),
            Work::Commit(_) => Done::Committed(Err(StorageError::Unsupported)),
            Work::Scan { paths, links } => Done::Scanned(scan::scan(&paths, links)),
            Work::Read(chunks) => Done::Read(chunks.iter().map(|chunk| self.sources.read(chunk)).collect()),
            Work::ReadBack(chunks) => {
                let read = |chunk| self.partials.read(&self.folders, chunk);
                Done::Read(chunks.iter().map(read).collect())
            }
            Work::Examine { into, manifest } => Done::Examined(examine::examine(&into, &manifest)),
            Work::Prepare { transfer, sender, into, directories, journal } => {
                let prepared = prepare::prepare(self.parts(), transfer, sender, &into, &directories, journal);
                Done::Prepared(prepared)
            }
            Work::Write(chunks) => {
                Done::Written(chunks.iter().map(|chunk| self.partials.write(&self.folders, chunk)).collect())
            }
            Work::Checkpoint { transfer, into, files, chunks } => {
                Done::Checkpointed(checkpoint::checkpoint(self.parts(), transfer, &into, &files, chunks))
            }
            Work::Finish(files) => Done::Finished(finish::finish(self.parts(), &files)),
            Work::ReadStream { .. } => Done::StreamRead(Err(StorageError::Unsupported)),
            Work::Output(chunks) => {
                Done::Written(chunks.iter().map(|_| Err(StorageError::Unsupported)).collect())
            }
            Work::Seal { transfer, into, links, directories, overwrite } => {
                let folders = &self.folders;
                Done::Sealed(seal::seal(folders, transfer, &into, &links, &directories, overwrite))
            }
            Work::Recover { transfer, sender, into, manifest, places } => {
                let recovered = recover::recover(self.parts(), transfer, sender, &into, manifest, places);
                Done::Recovered(recovered)
            }
            Work::Check { transfer } => Done::Checked(recover::check(self.parts(), transfer)),
            Work::Close { transfer, into, complete } => {
                self.sources.close(transfer);
                discard::close(self.parts(), transfer, &into, complete);
                Done::Closed
            }
            Work::Discard { transfer, sender, into, partials, directories } => {
                self.sources.close(transfer);
                discard::discard(self.parts(), transfer, sender, &into, &partials, &directories);
                Done::Discarded
            }
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts { folders: &self.folders, partials: &self.partials, journals: &self.journals }
    }
}
