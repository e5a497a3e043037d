//! Looks how an offer would fit into a folder, and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hither_protocol::storage::{Examined, StorageError};
use hither_protocol::transfer::{MAX_COMPONENT, Manifest, RelativePath, safe_names};

use super::{seal, storage_error, system};

/// The space, and the names that are taken. [`StorageError::Denied`] where nothing could be written.
pub(super) fn examine(into: &Path, manifest: &Manifest) -> Result<Examined, StorageError> {
    // Under the names that its entries have here.
    let safe = if cfg!(windows) { manifest.with_places(&safe_names(manifest)) } else { None };
    let here = safe.as_ref().unwrap_or(manifest);
    let nearest = nearest(into)?;
    system::may_write_in(nearest).map_err(storage_error)?;
    let free = fs4::available_space(nearest).map_err(storage_error)?;
    let mut examined = Examined { free, existing: Vec::new(), alternatives: Vec::new() };
    match Dir::open_ambient_dir(into, ambient_authority()) {
        Ok(folder) => {
            examined.existing = existing(&folder, here)?;
            examined.alternatives = alternatives(&folder, manifest, here)?;
            Ok(examined)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(examined),
        Err(error) => Err(storage_error(error)),
    }
}

/// The folder, or the nearest directory above it that exists.
fn nearest(into: &Path) -> Result<&Path, StorageError> {
    for path in into.ancestors() {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Ok(path),
            Ok(_) => return Err(StorageError::Denied),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(StorageError::Denied),
            Err(error) => return Err(storage_error(error)),
        }
    }
    Err(StorageError::Missing)
}

/// What is at the place of one of the offer's directories.
enum Place {
    /// A directory; open while the walk is in it.
    Directory(Dir),
    /// Nothing, so nothing is below it either.
    Free,
    /// A file or a link: whatever is to go below it cannot.
    Blocked,
}

fn existing(folder: &Dir, manifest: &Manifest) -> Result<Vec<u32>, StorageError> {
    // The directories from the folder to where the walk is: parents come before children, so those that are not
    // above the entry at hand are mostly done with, and are opened anew if not.
    let mut places: BTreeMap<RelativePath, Place> = BTreeMap::new();
    let mut taken = Vec::new();
    for (number, entry) in (0_u32..).zip(manifest.entries()) {
        let parent = entry.path.parent();
        places.retain(|path, _| is_above(path, &entry.path));
        if let Some(parent) = &parent {
            open_to(folder, parent, &mut places)?;
        }
        let place = parent.as_ref().and_then(|parent| places.get(parent));
        let directory = match place {
            Some(Place::Free) => continue,
            Some(Place::Blocked) => {
                if !entry.is_directory() {
                    taken.push(number);
                }
                continue;
            }
            Some(Place::Directory(directory)) => directory,
            None => folder,
        };
        if entry.is_directory() {
            let place = look(directory, entry.path.name())?;
            places.insert(entry.path.clone(), place);
        } else if let Some(target) = entry.target()
            && seal::is_there(directory, entry.path.name(), target.as_str())
        {
            // It stays as it is.
        } else if is_taken(directory, entry.path.name())? {
            taken.push(number);
        }
    }
    Ok(taken)
}

fn is_above(path: &RelativePath, below: &RelativePath) -> bool {
    below.as_str().strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// Opens what is missing on the way from the folder to `path`.
fn open_to(
    folder: &Dir,
    path: &RelativePath,
    places: &mut BTreeMap<RelativePath, Place>,
) -> Result<(), StorageError> {
    if places.contains_key(path) {
        return Ok(());
    }
    let parent = path.parent();
    if let Some(parent) = &parent {
        open_to(folder, parent, places)?;
    }
    let place = match parent.as_ref().and_then(|parent| places.get(parent)) {
        None => look(folder, path.name())?,
        Some(Place::Directory(directory)) => look(directory, path.name())?,
        Some(Place::Free) => Place::Free,
        Some(Place::Blocked) => Place::Blocked,
    };
    places.insert(path.clone(), place);
    Ok(())
}

fn look(parent: &Dir, name: &str) -> Result<Place, StorageError> {
    match system::open_directory(parent, name) {
        Ok(directory) => Ok(Place::Directory(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::Free),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Place::Blocked),
        Err(error) => Err(storage_error(error)),
    }
}

fn is_taken(directory: &Dir, name: &str) -> Result<bool, StorageError> {
    match directory.symlink_metadata(name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(storage_error(error)),
    }
}

fn alternatives(
    folder: &Dir,
    manifest: &Manifest,
    here: &Manifest,
) -> Result<Vec<(String, String)>, StorageError> {
    let mut used: BTreeSet<String> = here.tops().map(|entry| entry.path.name().to_owned()).collect();
    let mut found = Vec::new();
    for (offered, entry) in manifest.tops().zip(here.tops()) {
        let name = entry.path.name();
        if !is_taken(folder, name)? {
            continue;
        }
        for number in 1_u32.. {
            let other = alternative(name, entry.is_file(), number);
            if !used.contains(&other) && !is_taken(folder, &other)? {
                used.insert(other.clone());
                found.push((offered.path.name().to_owned(), other));
                break;
            }
        }
    }
    Ok(found)
}

/// `photos (1)`, `report (1).pdf`: a file keeps its last extension. Cut so that the result is no longer than a
/// name may be.
fn alternative(name: &str, is_file: bool, number: u32) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if is_file && !stem.is_empty() && extension.len() < 16 => {
            (stem, format!(".{extension}"))
        }
        _ => (name, String::new()),
    };
    let end = format!(" ({number}){extension}");
    let mut length = stem.len().min(MAX_COMPONENT - end.len());
    while !stem.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{end}", &stem[..length])
}
