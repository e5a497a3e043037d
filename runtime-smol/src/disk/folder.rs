//! The folder that a transfer goes into, and the directories below it: nothing is opened but relative to the
//! folder, one part of the path at a time, and no part may be a symbolic link.
//!
//! `cap-std` is used for that on every system: it keeps to what is below a directory handle and has the Windows
//! half too. It would follow links that stay inside the folder, so each part is opened by itself, without
//! following: a link inside the folder was not put there by the transfer, and where it leads later is anyone's
//! guess. The folder itself was named by the user and may well be, or lie behind, a link.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hither_protocol::storage::StorageError;
use hither_protocol::transfer::RelativePath;

use super::cache::Cache;
use super::{storage_error, system};

/// Most directories that are kept open.
const MOST_OPEN: usize = 64;

/// From this many directories on, one sync of their file system is cheaper than one of each.
const SYNC_EACH: usize = 16;

/// A folder, and a directory below it; `None` for the folder itself.
type Key = (PathBuf, Option<RelativePath>);

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
    /// Does something in the directory that holds `path`. Where a directory is no longer there, a handle that was
    /// kept may be to blame, so it is opened anew, once.
    pub(super) fn in_parent<T>(
        &self,
        into: &Path,
        path: &RelativePath,
        mut work: impl FnMut(&Dir) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        allowed_here(path)?;
        let parent = path.parent();
        let first = self.directory(into, parent.as_ref()).and_then(|dir| work(&dir));
        let result = match first {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.close(into);
                self.directory(into, parent.as_ref()).and_then(|dir| work(&dir))
            }
            other => other,
        };
        result.map_err(storage_error)
    }

    /// Makes the folder and the directories below it that do not exist, durably, and gives the latter. If one
    /// cannot be made, those made before it are removed.
    pub(super) fn prepare(
        &self,
        into: &Path,
        directories: &[RelativePath],
    ) -> Result<Vec<RelativePath>, StorageError> {
        make_folder(into).map_err(storage_error)?;
        self.close(into);
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
                self.remove_empty(into, &made);
                Err(error)
            }
        }
    }

    /// Makes the names of `paths` durable.
    pub(super) fn sync_parents(&self, into: &Path, paths: &[RelativePath]) -> Result<(), StorageError> {
        // A path stands for its parent here, so that parents need not exist as paths of their own.
        let mut seen = BTreeSet::new();
        let one_of_each: Vec<_> = paths.iter().filter(|path| seen.insert(path.parent())).collect();
        if one_of_each.len() > SYNC_EACH && cfg!(any(target_os = "linux", target_os = "android")) {
            let folder = self.directory(into, None).map_err(storage_error)?;
            let folder = folder.try_clone().map_err(storage_error)?.into_std_file();
            let device = system::device(&folder);
            system::sync_device(&folder).map_err(storage_error)?;
            // Directories of other file systems that are mounted below the folder.
            return one_of_each.into_iter().try_for_each(|path| {
                self.in_parent(into, path, |parent| {
                    let file = parent.try_clone()?.into_std_file();
                    if system::device(&file) == device { Ok(()) } else { system::sync_names(parent) }
                })
            });
        }
        one_of_each.into_iter().try_for_each(|path| self.in_parent(into, path, system::sync_names))
    }

    /// Removes directories that are empty; children are listed after their parents.
    pub(super) fn remove_empty(&self, into: &Path, directories: &[RelativePath]) {
        for path in directories.iter().rev() {
            self.lock().remove(&(into.to_owned(), Some(path.clone())));
            // One that is not empty, or is no longer there, is as it should be.
            let _ = self.in_parent(into, path, |parent| parent.remove_dir(path.name()));
        }
    }

    /// Closes a folder's handles.
    pub(super) fn close(&self, into: &Path) {
        self.lock().retain(|(of, _)| of != into);
    }

    fn directory(&self, into: &Path, path: Option<&RelativePath>) -> io::Result<Arc<Dir>> {
        let key = (into.to_owned(), path.cloned());
        if let Some(dir) = self.lock().get(&key) {
            return Ok(dir);
        }
        let dir = match path {
            None => Dir::open_ambient_dir(into, ambient_authority())?,
            Some(path) => {
                let parent = self.directory(into, path.parent().as_ref())?;
                open_directory(&parent, path.name())?
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

/// Refuses names that this system would take for others.
fn allowed_here(path: &RelativePath) -> Result<(), StorageError> {
    if cfg!(windows) && path.components().any(system::windows_reinterprets) {
        return Err(StorageError::Denied);
    }
    Ok(())
}

/// Opens the directory `name`. A link or a file of that name gives `AlreadyExists`: the name is taken.
pub(super) fn open_directory(parent: &Dir, name: &str) -> io::Result<Dir> {
    parent.open_dir_nofollow(name).map_err(|error| match parent.symlink_metadata(name) {
        Ok(metadata) if !metadata.is_dir() => io::ErrorKind::AlreadyExists.into(),
        _ => error,
    })
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
fn make_folder(into: &Path) -> io::Result<()> {
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
