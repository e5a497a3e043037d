//! What is wrong with a disk, on request of a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hither_protocol::storage::{Done, RecoverError, ScanError, StorageError, Work};

use super::content::Item;
use super::{Disk, Timing};

/// The kinds of [`Work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Work::Load`].
    Load,
    /// [`Work::Commit`].
    Commit,
    /// [`Work::Scan`].
    Scan,
    /// [`Work::Read`].
    Read,
    /// [`Work::ReadBack`].
    ReadBack,
    /// [`Work::Examine`].
    Examine,
    /// [`Work::Prepare`].
    Prepare,
    /// [`Work::Write`].
    Write,
    /// [`Work::Checkpoint`].
    Checkpoint,
    /// [`Work::Finish`].
    Finish,
    /// [`Work::ReadStream`].
    ReadStream,
    /// [`Work::Output`].
    Output,
    /// [`Work::Seal`].
    Seal,
    /// [`Work::Recover`].
    Recover,
    /// [`Work::Check`].
    Check,
    /// [`Work::Close`].
    Close,
    /// [`Work::Discard`].
    Discard,
}

impl Kind {
    /// The kind of a piece of work.
    pub fn of(work: &Work) -> Self {
        match work {
            Work::Load => Self::Load,
            Work::Commit(_) => Self::Commit,
            Work::Scan { .. } => Self::Scan,
            Work::Read(_) => Self::Read,
            Work::ReadBack(_) => Self::ReadBack,
            Work::Examine { .. } => Self::Examine,
            Work::Prepare { .. } => Self::Prepare,
            Work::Write(_) => Self::Write,
            Work::Checkpoint { .. } => Self::Checkpoint,
            Work::Finish(_) => Self::Finish,
            Work::ReadStream { .. } => Self::ReadStream,
            Work::Output(_) => Self::Output,
            Work::Seal { .. } => Self::Seal,
            Work::Recover { .. } => Self::Recover,
            Work::Check { .. } => Self::Check,
            Work::Close { .. } => Self::Close,
            Work::Discard { .. } => Self::Discard,
        }
    }
}

/// What tests can make go wrong.
impl Disk {
    /// How long requests take from now on.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// How many bytes of content fit in all; `None` for as many as one likes.
    pub fn set_capacity(&mut self, capacity: Option<u64>) {
        self.faults.capacity = capacity;
    }

    /// Leaves so many bytes free.
    pub fn set_free(&mut self, free: u64) {
        self.faults.capacity = Some(self.tree.used() + free);
    }

    /// Whether files can be written. Records can.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.faults.read_only = read_only;
    }

    /// Nothing at or below this path may be read or written from now on.
    pub fn deny(&mut self, path: impl AsRef<Path>) {
        self.faults.denied.insert(path.as_ref().to_path_buf());
    }

    /// After `pass` more requests of this kind, one fails.
    pub fn fail(&mut self, kind: Kind, pass: u64, error: StorageError) {
        self.faults.failures.push((kind, pass, error));
    }

    /// Whether another program has a file locked: the journal of a transfer that it receives.
    pub fn set_in_use(&mut self, path: impl AsRef<Path>, in_use: bool) {
        let path = path.as_ref().to_path_buf();
        if in_use {
            self.faults.in_use.insert(path);
        } else {
            self.faults.in_use.remove(&path);
        }
    }

    /// Flips a bit of a file, durably and without a trace in its times: what lies there went bad, or somebody
    /// changed it.
    ///
    /// # Panics
    ///
    /// When there is no such file, or it is shorter.
    pub fn flip(&mut self, path: impl AsRef<Path>, byte: usize, bit: u32) {
        self.edit(path.as_ref(), |content| content[byte] ^= 1 << (bit % 8));
    }

    /// Cuts a file off, durably and without a trace in its times.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    pub fn cut(&mut self, path: impl AsRef<Path>, length: usize) {
        self.edit(path.as_ref(), |content| content.truncate(length));
    }

    fn edit(&mut self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut file = self.tree.file(path).expect("there is such a file").clone();
        edit(Arc::make_mut(&mut file.content));
        self.put(path, Item::File(file));
    }

    /// After `pass` more chunks, one is read with a bit changed after it was hashed.
    pub fn corrupt_read(&mut self, pass: u64) {
        self.faults.corruptions.push(pass);
    }
}

/// The faults that a disk has.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) capacity: Option<u64>,
    pub(super) read_only: bool,
    pub(super) denied: BTreeSet<PathBuf>,
    in_use: BTreeSet<PathBuf>,
    /// Kind, how many of that kind pass before, the error.
    pub(super) failures: Vec<(Kind, u64, StorageError)>,
    /// How many chunks pass before each that is corrupted.
    pub(super) corruptions: Vec<u64>,
}

impl Faults {
    /// The error that the next request of this kind is to fail with.
    pub(super) fn next_failure(&mut self, kind: Kind) -> Option<StorageError> {
        let mut due = None;
        self.failures.retain_mut(|(of, left, error)| {
            if *of != kind {
                return true;
            }
            if *left == 0 && due.is_none() {
                due = Some(error.clone());
                return false;
            }
            *left = left.saturating_sub(1);
            true
        });
        due
    }

    /// Whether the next chunk read is to be corrupted.
    pub(super) fn next_corruption(&mut self) -> bool {
        let mut due = false;
        self.corruptions.retain_mut(|left| {
            let now = *left == 0;
            due |= now;
            *left = left.saturating_sub(1);
            !now
        });
        due
    }

    pub(super) fn is_in_use(&self, path: &Path) -> bool {
        self.in_use.contains(path)
    }

    pub(super) fn check_readable(&self, path: &Path) -> Result<(), StorageError> {
        let denied = path.ancestors().any(|at| self.denied.contains(at));
        if denied { Err(StorageError::Denied) } else { Ok(()) }
    }

    pub(super) fn check_writable(&self, path: &Path) -> Result<(), StorageError> {
        if self.read_only { Err(StorageError::Denied) } else { self.check_readable(path) }
    }
}

/// The result of work that fails as a whole with `error`.
pub(super) fn failed(work: &Work, error: StorageError) -> Done {
    match work {
        Work::Load => Done::Loaded(Err(error)),
        Work::Commit(_) => Done::Committed(Err(error)),
        Work::Scan { paths, .. } => {
            Done::Scanned(Err(ScanError::Unreadable(paths.first().cloned().unwrap_or_default(), error)))
        }
        Work::Read(chunks) => Done::Read(chunks.iter().map(|_| Err(error.clone())).collect()),
        Work::ReadBack(chunks) => Done::Read(chunks.iter().map(|_| Err(error.clone())).collect()),
        Work::Examine { .. } => Done::Examined(Err(error)),
        Work::Prepare { .. } => Done::Prepared(Err(error)),
        Work::Write(chunks) => Done::Written(chunks.iter().map(|_| Err(error.clone())).collect()),
        Work::Finish(files) => Done::Finished(files.iter().map(|_| Err(error.clone())).collect()),
        Work::ReadStream { .. } => Done::StreamRead(Err(error)),
        Work::Output(chunks) => Done::Written(chunks.iter().map(|_| Err(error.clone())).collect()),
        Work::Seal { links, .. } => Done::Sealed(links.iter().map(|_| Err(error.clone())).collect()),
        Work::Checkpoint { .. } => Done::Checkpointed(Err(error)),
        Work::Recover { .. } => Done::Recovered(Err(RecoverError::Disk(error))),
        Work::Check { .. } => Done::Checked(Err(error)),
        Work::Close { .. } => Done::Closed,
        Work::Discard { .. } => Done::Discarded,
    }
}
