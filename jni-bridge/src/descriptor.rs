//! Files that an app knows by a descriptor only, as Android's Storage Access Framework gives them.
//!
//! The descriptor stays the app's: it is duplicated, and can be closed as soon as the call returns.
//!
//! - What is sent is named by a path where it has one that this process can open, and copied into the home where it has
//!   none (a pipe, a document of another app): so it can be read from any place, hashed again, and gone on with.
//! - What is received goes into the home, and once it is whole and verified into the descriptor: a document never holds
//!   what was not checked, and what was interrupted can be gone on with.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use hither_protocol::storage::StorageError;
use hither_protocol::transfer::{RelativePath, TransferId};
use hither_protocol::{Event, TransferFailure, TransferView};
use hither_runtime_smol::private;
use smol::channel::Sender;

use crate::failure::{Failure, Reason};

/// A duplicate of what an app has given.
#[derive(Debug)]
pub(crate) struct Given(File);

impl Given {
    /// Duplicates a descriptor.
    #[cfg(unix)]
    pub(crate) fn new(descriptor: i32) -> Result<Self, Failure> {
        use std::os::fd::BorrowedFd;
        if descriptor < 0 {
            return Err(Failure::new(Reason::InvalidDescriptor, format!("{descriptor} is no descriptor")));
        }
        // SAFETY: it is not -1, and is used in this call only, while the app keeps it open. If the app does not, the
        // system says so, or another file of the app's is duplicated: no memory depends on it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let owned = borrowed.try_clone_to_owned().map_err(|error| {
            Failure::new(Reason::InvalidDescriptor, format!("{descriptor} is no open descriptor: {error}"))
        })?;
        let file = File::from(owned);
        match file.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                Err(Failure::new(Reason::InvalidDescriptor, format!("{descriptor} is a directory")))
            }
            Ok(_) => Ok(Self(file)),
            Err(error) => Err(Failure::new(Reason::InvalidDescriptor, error.to_string())),
        }
    }

    /// There are none here.
    #[cfg(not(unix))]
    pub(crate) fn new(_: i32) -> Result<Self, Failure> {
        Err(Failure::new(Reason::Unsupported, "this system has no descriptors"))
    }

    /// The path under which this very file can be opened, where there is one.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn path(&self) -> Option<PathBuf> {
        use std::os::fd::AsRawFd;
        use std::os::unix::fs::MetadataExt;
        let this = self.0.metadata().ok().filter(fs::Metadata::is_file)?;
        let path = fs::read_link(format!("/proc/self/fd/{}", self.0.as_raw_fd())).ok()?;
        let that = File::open(&path).and_then(|file| file.metadata()).ok()?;
        ((this.dev(), this.ino()) == (that.dev(), that.ino())).then_some(path)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn path(&self) -> Option<PathBuf> {
        None
    }

    /// Copies all of it into a new file.
    fn copy_to(&self, path: &Path) -> io::Result<()> {
        let mut copy = private::options().write(true).create_new(true).open(path)?;
        let is_file = self.0.metadata()?.is_file();
        if is_file {
            // The place up to which the app has read is the app's.
            io::copy(&mut FromStart { file: &self.0, offset: 0 }, &mut copy)?;
        } else {
            io::copy(&mut &self.0, &mut copy)?;
        }
        copy.sync_all()
    }

    /// Makes a file's content its own.
    fn fill_from(&self, path: &Path) -> io::Result<()> {
        let mut content = File::open(path)?;
        if self.0.metadata()?.is_file() {
            self.0.set_len(0)?;
            io::Seek::rewind(&mut &self.0)?;
            io::copy(&mut content, &mut &self.0)?;
            self.0.sync_all()
        } else {
            io::copy(&mut content, &mut &self.0).map(|_| ())
        }
    }
}

/// Reads a file from its start, and leaves the place alone that its descriptor shares with others.
struct FromStart<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.offset)?;
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(self.file, buffer, self.offset)?;
        self.offset = self.offset.saturating_add(read as u64);
        Ok(read)
    }
}

/// What is sent, below a directory of its own: for each lent file a directory with a link or a copy in it.
#[derive(Debug)]
pub(crate) struct Lent {
    room: PathBuf,
    /// The directories in use.
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// By transfer.
    by: BTreeMap<TransferId, PathBuf>,
    /// Those that no transfer has yet.
    fresh: Vec<PathBuf>,
}

impl Lent {
    pub(crate) fn new(room: PathBuf) -> Self {
        Self { room, used: Mutex::default() }
    }

    /// Has a file offered under a name. It takes as long as copying does where it has to be copied.
    pub(crate) fn offer(
        &self,
        given: Given,
        name: &str,
        offer: impl FnOnce(PathBuf) -> Result<TransferId, Failure>,
    ) -> Result<TransferId, Failure> {
        RelativePath::new([name]).map_err(|error| Failure::new(Reason::InvalidName, error.to_string()))?;
        let path = given.path();
        if let Some(path) = path.as_ref().filter(|path| path.file_name().is_some_and(|last| last == name)) {
            return offer(path.clone());
        }
        let directory = self.directory()?;
        let entry = directory.join(name);
        let made = match &path {
            Some(path) => link(path, &entry),
            None => given.copy_to(&entry),
        };
        // Together with what is known by then, so that an end that comes at once finds it.
        let outcome = made.map_err(|error| Failure::unusable(&entry, &error));
        let mut used = lock(&self.used);
        let outcome = outcome.and_then(|()| offer(entry));
        used.fresh.retain(|fresh| *fresh != directory);
        match outcome {
            Ok(transfer) => {
                used.by.insert(transfer, directory);
                Ok(transfer)
            }
            Err(failure) => {
                let _ = fs::remove_dir_all(&directory);
                Err(failure)
            }
        }
    }

    /// A new directory.
    fn directory(&self) -> Result<PathBuf, Failure> {
        private::make_directory(&self.room).map_err(|error| Failure::unusable(&self.room, &error))?;
        let mut used = lock(&self.used);
        for number in 0_u32.. {
            let directory = self.room.join(number.to_string());
            match fs::create_dir(&directory) {
                Ok(()) => {
                    used.fresh.push(directory.clone());
                    return Ok(directory);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::unusable(&directory, &error)),
            }
        }
        Err(Failure::new(Reason::TooMany, "too many descriptors are lent"))
    }

    /// A transfer needs its file no more.
    pub(crate) fn over(&self, transfer: TransferId) {
        if let Some(directory) = lock(&self.used).by.remove(&transfer) {
            let _ = fs::remove_dir_all(directory);
        }
    }

    /// Removes what none of these transfers, which are all, needs.
    pub(crate) fn sweep(&self, transfers: &[TransferView]) {
        let mut used = lock(&self.used);
        used.by.retain(|transfer, _| transfers.iter().any(|view| view.transfer == *transfer));
        let Ok(found) = fs::read_dir(&self.room) else { return };
        for directory in found.flatten().map(|entry| entry.path()) {
            let known = used.fresh.contains(&directory) || used.by.values().any(|it| *it == directory);
            let recorded = transfers.iter().flat_map(|view| &view.paths).any(|it| it.starts_with(&directory));
            if !known && !recorded {
                let _ = fs::remove_dir_all(directory);
            }
        }
    }
}

#[cfg(unix)]
fn link(path: &Path, entry: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(path, entry)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What is received into descriptors, below a directory of its own: for each transfer a directory.
#[derive(Debug)]
pub(crate) struct Arriving {
    room: PathBuf,
    into: Mutex<BTreeMap<TransferId, Given>>,
}

impl Arriving {
    pub(crate) fn new(room: PathBuf) -> Self {
        Self { room, into: Mutex::default() }
    }

    /// Has an offer taken into a descriptor.
    pub(crate) fn accept(
        &self,
        transfer: TransferId,
        given: Given,
        accept: impl FnOnce(PathBuf) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // Held until it is known, so that an end that comes at once finds it.
        let mut into = lock(&self.into);
        accept(self.room.join(transfer.to_string()))?;
        into.insert(transfer, given);
        Ok(())
    }

    /// A transfer is whole. Where it is to go into a descriptor it is told once it is there, else at once.
    pub(crate) fn finished(&self, event: Event, late: &Sender<Event>) -> Option<Event> {
        let Event::Finished { transfer, paths, .. } = &event else { return Some(event) };
        let Some(given) = lock(&self.into).remove(transfer) else { return Some(event) };
        let (transfer, path) = (*transfer, paths.first().cloned().unwrap_or_default());
        let (directory, told) = (self.room.join(transfer.to_string()), late.clone());
        // A pipe takes it as slowly as whoever reads there: that holds up nothing else.
        let delivered = Builder::new().name("hither-deliver".into()).spawn(move || {
            let event = deliver(event, &given, &path, &directory);
            // The app must find the end of the pipe when it is told.
            drop(given);
            // Fails only when nobody is left to tell.
            let _ = told.try_send(event);
        });
        delivered.err().map(|error| failed(transfer, error.to_string()))
    }

    /// A transfer came to nothing, for now or for ever.
    pub(crate) fn failed(&self, transfer: TransferId, resumable: bool) {
        if !resumable && lock(&self.into).remove(&transfer).is_some() {
            let _ = fs::remove_dir_all(self.room.join(transfer.to_string()));
        }
    }
}

fn deliver(event: Event, given: &Given, path: &Path, directory: &Path) -> Event {
    let Event::Finished { transfer, bytes, resumed, took, road, root, .. } = event else { return event };
    match given.fill_from(path) {
        Ok(()) => {
            let _ = fs::remove_dir_all(directory);
            Event::Finished { transfer, bytes, resumed, took, road, root, paths: Vec::new() }
        }
        Err(error) => failed(transfer, format!("{error}; what arrived is {}", path.display())),
    }
}

/// The content is here and could not be written where the app wants it.
fn failed(transfer: TransferId, text: String) -> Event {
    let why = TransferFailure::Disk(Some(StorageError::Other(text)));
    Event::Failed { transfer, why, kept: 1, resumable: false }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests;
