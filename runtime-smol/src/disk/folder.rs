//! The folder that a transfer goes into, and the directories below it: nothing is opened but relative to the
//! folder, one part of the path at a time, and no part may be a symbolic link.
//!
//! A link inside the folder was not put there by the transfer, and where it leads later is anyone's guess. The
//! folder itself was named by the user and may well be, or lie behind, a link.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hither_protocol::storage::{StorageError, is_reserved};
use hither_protocol::transfer::{RelativePath, windows_reinterprets};

use super::cache::Cache;
use super::{storage_error, system};

/// Most directories that are kept open.
const MOST_OPEN: usize = 64;

/// From this many directories on, one sync of their file system is cheaper than one of each.
const SYNC_EACH: usize = 16;

/// A folder, and a directory below it; nothing for the folder itself.
type Key = (Box<str>, std::ffi::OsString);

/// Open directories.
#[derive(Debug)]
pub(super) struct Folders {
    open: Mutex<Cache<Key, Arc<Dir>>>,
}

impl Default for Folders {
    fn default() -> Self {
        Self { open: Mutex::new(Cache::new(MOST_OPEN)) }
    }
}

impl Folders {
    /// Does something in the directory that holds `path`. Where something is not there, a handle that was kept may
    /// be to blame, so it is opened anew, once.
    pub(super) fn in_parent<T>(
        &self,
        into: &Path,
        path: &RelativePath,
        work: impl FnMut(&Dir) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        allowed_here(path)?;
        self.in_directory(into, path.parent().as_ref(), work)
    }

    /// Does something in a directory; `None` is the folder itself.
    pub(super) fn in_directory<T>(
        &self,
        into: &Path,
        path: Option<&RelativePath>,
        mut work: impl FnMut(&Dir) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        let first = self.directory(into, path).and_then(|dir| work(&dir));
        let result = match first {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.close(into);
                self.directory(into, path).and_then(|dir| work(&dir))
            }
            other => other,
        };
        result.map_err(storage_error)
    }

    /// Which of the directories are not there. A name that something else has is [`StorageError::Exists`].
    pub(super) fn missing(
        &self,
        into: &Path,
        directories: &[RelativePath],
    ) -> Result<BTreeSet<RelativePath>, StorageError> {
        let mut missing = BTreeSet::new();
        for path in directories {
            let below_missing = path.parent().is_some_and(|parent| missing.contains(&parent));
            let is_there = |parent: &Dir| match parent.symlink_metadata(path.name()) {
                Ok(metadata) if metadata.is_dir() => Ok(true),
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            };
            if below_missing || !self.in_parent(into, path, is_there)? {
                allowed_here(path)?;
                missing.insert(path.clone());
            }
        }
        Ok(missing)
    }

    /// Makes the directories that do not exist, durably, and gives them. If one cannot be made, those made before
    /// it are removed.
    pub(super) fn make(
        &self,
        into: &Path,
        directories: &[RelativePath],
    ) -> Result<Vec<RelativePath>, StorageError> {
        let mut made = Vec::new();
        let result = directories
            .iter()
            .try_for_each(|path| {
                if self.in_parent(into, path, |parent| make_directory(parent, path.name()))? {
                    made.push(path.clone());
                }
                Ok(())
            })
            .and_then(|()| self.sync_parents(into, &made));
        match result {
            Ok(()) => Ok(made),
            Err(error) => {
                self.remove_empty(into, made.iter());
                Err(error)
            }
        }
    }

    /// Makes the names of `paths` durable.
    pub(super) fn sync_parents<'a>(
        &self,
        into: &Path,
        paths: impl IntoIterator<Item = &'a RelativePath>,
    ) -> Result<(), StorageError> {
        // A path stands for its parent here, so that parents need not exist as paths of their own.
        let one_of_each: BTreeMap<_, _> = paths.into_iter().map(|path| (path.parent(), path)).collect();
        if one_of_each.len() > SYNC_EACH && system::SYNCS_WHOLE {
            // Directories of other file systems may be mounted below the folder.
            let mut devices = BTreeSet::new();
            return one_of_each.into_values().try_for_each(|path| {
                self.in_parent(into, path, |parent| {
                    if devices.insert(system::device(parent)?) { system::sync_whole(parent) } else { Ok(()) }
                })
            });
        }
        one_of_each.into_values().try_for_each(|path| self.in_parent(into, path, system::sync_names))
    }

    /// Removes directories that are empty; children are listed after their parents.
    pub(super) fn remove_empty<'a>(
        &self,
        into: &Path,
        directories: impl DoubleEndedIterator<Item = &'a RelativePath>,
    ) {
        for path in directories.rev() {
            self.lock().remove(&key(into, Some(path)));
            // One that is not empty, or is no longer there, is as it should be.
            let _ = self.in_parent(into, path, |parent| parent.remove_dir(path.name()));
        }
    }

    /// Closes a folder's handles.
    pub(super) fn close(&self, into: &Path) {
        self.lock().retain(|(_, of)| of != into.as_os_str());
    }

    fn directory(&self, into: &Path, path: Option<&RelativePath>) -> io::Result<Arc<Dir>> {
        let key = key(into, path);
        if let Some(dir) = self.lock().get(&key) {
            return Ok(dir);
        }
        let dir = match path {
            None => system::open_folder(into)?,
            Some(path) => {
                let parent = self.directory(into, path.parent().as_ref())?;
                system::open_directory(&parent, path.name())?
            }
        };
        let dir = Arc::new(dir);
        self.lock().insert(key, dir.clone());
        Ok(dir)
    }

    fn lock(&self) -> MutexGuard<'_, Cache<Key, Arc<Dir>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(into: &Path, path: Option<&RelativePath>) -> Key {
    (path.map(RelativePath::as_str).unwrap_or_default().into(), into.as_os_str().to_owned())
}

/// Refuses names that this system would take for others, and those of Hither's own files.
fn allowed_here(path: &RelativePath) -> Result<(), StorageError> {
    let reserved = |name: &str| name.starts_with('.') && is_reserved(&name.to_ascii_lowercase());
    if path.components().any(|name| reserved(name) || cfg!(windows) && windows_reinterprets(name)) {
        return Err(StorageError::Denied);
    }
    Ok(())
}

/// Makes a directory unless there is one; says whether it did.
fn make_directory(parent: &Dir, name: &str) -> io::Result<bool> {
    match parent.create_dir(name) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if parent.symlink_metadata(name)?.is_dir() { Ok(false) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Makes the folder and what is above it, durably.
pub(super) fn make_folder(into: &Path) -> io::Result<()> {
    let missing: Vec<_> =
        into.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(into)?;
    for path in missing {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = Dir::open_ambient_dir(parent.unwrap_or(Path::new(".")), ambient_authority())?;
        system::sync_names(&parent)?;
    }
    Ok(())
}
