//! Files that are locked against others who lock them so.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The files that are locked where the file system knows no locks, as on some memory cards: within this process at least
/// nobody has them twice.
static WITHOUT: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

/// Which file it is, whatever its name: device and number.
type FileId = (u64, u64);

/// A file that is locked. It is given free when this is dropped.
#[derive(Debug)]
pub struct Locked {
    file: File,
    /// Where the file system knows no locks.
    without: Option<FileId>,
}

/// What the system says to a lock.
enum Answer {
    Taken,
    /// Another has it.
    Held,
    /// It knows no locks here.
    Unknown,
}

impl Locked {
    /// Locks a file; `None`: another has it, in this process or another one. Where the file system knows no locks, only
    /// this process is kept away.
    pub fn new(file: File) -> io::Result<Option<Self>> {
        Self::with(file, lock)
    }

    fn with(file: File, lock: impl FnOnce(&File) -> io::Result<Answer>) -> io::Result<Option<Self>> {
        match lock(&file)? {
            Answer::Taken => Ok(Some(Self { file, without: None })),
            Answer::Held => Ok(None),
            Answer::Unknown => {
                let id = file_id(&file)?;
                let is_free = id.is_none_or(|id| without().insert(id));
                // Made only then: to drop it is to give the file free.
                Ok(is_free.then(|| Self { file, without: id }))
            }
        }
    }
}

impl std::ops::Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Locked {
    /// Closing is not enough: a program that is just being started may still have a copy of the handle.
    fn drop(&mut self) {
        if let Some(id) = self.without {
            without().remove(&id);
            return;
        }
        #[cfg(unix)]
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
        #[cfg(windows)]
        let _ = self.file.unlock();
    }
}

fn without() -> MutexGuard<'static, BTreeSet<FileId>> {
    WITHOUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Not `File::try_lock` on Unix: Android's standard library does not have it, though its kernel has flock(2).
#[cfg(unix)]
fn lock(file: &File) -> io::Result<Answer> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Answer::Taken),
        Err(Errno::WOULDBLOCK) => Ok(Answer::Held),
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::INVAL | Errno::NOLCK) => Ok(Answer::Unknown),
        Err(error) => Err(error.into()),
    }
}

#[cfg(windows)]
fn lock(file: &File) -> io::Result<Answer> {
    match file.try_lock() {
        Ok(()) => Ok(Answer::Taken),
        Err(std::fs::TryLockError::WouldBlock) => Ok(Answer::Held),
        Err(std::fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Answer::Unknown)
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(unix)]
#[allow(clippy::useless_conversion, reason = "other widths on some systems")]
fn file_id(file: &File) -> io::Result<Option<FileId>> {
    let stat = rustix::fs::fstat(file)?;
    Ok(Some((stat.st_dev.try_into().unwrap_or_default(), stat.st_ino.try_into().unwrap_or_default())))
}

/// Windows' own file systems all know locks.
#[cfg(windows)]
fn file_id(_: &File) -> io::Result<Option<FileId>> {
    Ok(None)
}

#[cfg(test)]
mod tests;
