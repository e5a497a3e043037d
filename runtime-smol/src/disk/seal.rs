//! What comes after the last file is in place: symbolic links, and the times of directories.
//!
//! Links come last, so that nothing of the transfer can go through one, whatever they lead to.

use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::Dir;
use hither_protocol::storage::{MakeLink, StorageError, partial_name};
use hither_protocol::transfer::{RelativePath, TransferId};

use super::folder::Folders;
use super::partials::remove_leftover;
use super::system;

/// Makes the links, durably, then gives directories their times. For each link: whether it is there; `false` where
/// none can be made.
pub(super) fn seal(
    folders: &Folders,
    transfer: TransferId,
    into: &Path,
    links: &[MakeLink],
    directories: &[(RelativePath, i64)],
    overwrite: bool,
) -> Vec<Result<bool, StorageError>> {
    let mut results: Vec<_> =
        links.iter().map(|link| make(folders, transfer, into, link, overwrite)).collect();
    let there = links.iter().zip(&results).filter(|(_, result)| **result == Ok(true));
    if let Err(error) = folders.sync_parents(into, there.map(|(link, _)| &link.path)) {
        results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(error.clone()));
    }
    // What is in a directory comes before it. A file system that keeps no times is no reason to do without it.
    for (path, modified) in directories.iter().rev() {
        let _ = folders
            .in_parent(into, path, |parent| system::set_directory_modified(parent, path.name(), *modified));
    }
    results
}

fn make(
    folders: &Folders,
    transfer: TransferId,
    into: &Path,
    link: &MakeLink,
    overwrite: bool,
) -> Result<bool, StorageError> {
    let directory = cfg!(windows) && leads_to_directory(folders, into, link);
    let (name, target) = (link.path.name(), link.target.as_str());
    let waiting = partial_name(transfer, link.identity);
    folders.in_parent(into, &link.path, |parent| {
        if is_there(parent, name, target) {
            return Ok(true);
        }
        let made = match system::make_link(parent, name, target, directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && overwrite => {
                remove_leftover(parent, &waiting);
                let made = system::make_link(parent, &waiting, target, directory)?;
                if made {
                    replace(parent, &waiting, name)?;
                }
                made
            }
            made => made?,
        };
        if made {
            // One that cannot have a time does without.
            let _ = system::set_link_modified(parent, name, link.modified);
        }
        Ok(made)
    })
}

/// Gives a link the name of something else, which is gone then. A link does not replace a directory.
fn replace(parent: &Dir, waiting: &str, name: &str) -> io::Result<()> {
    parent.rename(waiting, parent, name).map_err(|error| {
        let _ = parent.remove_file(waiting);
        match error.kind() {
            ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => ErrorKind::AlreadyExists.into(),
            _ => error,
        }
    })
}

/// Whether a name is a symbolic link that leads to just this.
pub(super) fn is_there(parent: &Dir, name: &str, target: &str) -> bool {
    let there = system::read_link(parent, name);
    there.is_ok_and(|there| if cfg!(windows) { there.replace('\\', "/") == target } else { there == target })
}

/// Windows wants to know. What is not there is taken for a file.
fn leads_to_directory(folders: &Folders, into: &Path, link: &MakeLink) -> bool {
    link.target.leads(&link.path).is_some_and(|path| {
        let look = |parent: &Dir| Ok(parent.symlink_metadata(path.name())?.is_dir());
        folders.in_parent(into, &path, look).unwrap_or(false)
    })
}
