//! Walks what is to be offered.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use hither_protocol::storage::{ScanError, Scanned, is_reserved};
use hither_protocol::transfer::{BadPath, Entry, EntryKind, LinkTarget, RelativePath};
use walkdir::WalkDir;

use super::{storage_error, system};

/// Most entries of an offer.
const MOST: usize = hither_protocol::storage::MAX_ENTRIES as usize;

/// Lists every file and directory below `paths`. Only a path itself may be a symbolic link; what it leads to is
/// offered under the link's name. With `links`, links below are listed too where they lead to what is below the same
/// path, or would; a path itself is none then. The sources of files hold no symbolic links. Hither's own files are left
/// out.
pub(super) fn scan(paths: &[PathBuf], links: bool) -> Result<Scanned, ScanError> {
    let mut scanned = Scanned { entries: Vec::new(), sources: Vec::new(), left_out: Vec::new() };
    let mut tops = BTreeSet::new();
    for path in paths {
        if links && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            if paths.len() == 1 {
                return Err(ScanError::OnlyALink(path.clone()));
            }
            scanned.left_out.push(path.clone());
            continue;
        }
        let root = fs::canonicalize(path).map_err(|error| unreadable(path, error))?;
        let top = top_name(path, &root)?;
        if !tops.insert(top.clone()) {
            return Err(ScanError::Duplicate(path.clone()));
        }
        walk(path, &root, top, links, &mut scanned)?;
    }
    if links
        && scanned.entries.is_empty()
        && let Some(link) = paths.first()
    {
        return Err(ScanError::OnlyALink(link.clone()));
    }
    Ok(scanned)
}

/// What a path is called in the offer: its own last part, or for `.`, `..` and the like, that of where it leads.
fn top_name(path: &Path, root: &Path) -> Result<RelativePath, ScanError> {
    let name = match path.components().next_back() {
        Some(std::path::Component::Normal(name)) => name,
        _ => root.file_name().ok_or_else(|| ScanError::BadName(path.to_owned(), BadPath::Empty))?,
    };
    RelativePath::new([unicode(path, name)?]).map_err(|why| ScanError::BadName(path.to_owned(), why))
}

fn walk(
    path: &Path,
    root: &Path,
    top: RelativePath,
    links: bool,
    scanned: &mut Scanned,
) -> Result<(), ScanError> {
    // The directories from the root to where the walk is.
    let mut parents: Vec<RelativePath> = Vec::new();
    let mut walk = WalkDir::new(root).follow_links(false).sort_by_file_name().into_iter();
    while let Some(found) = walk.next() {
        let found = found.map_err(|error| {
            let at = error.path().unwrap_or(path).to_owned();
            let error = error.into_io_error().unwrap_or_else(|| std::io::ErrorKind::Other.into());
            unreadable(&at, error)
        })?;
        let is_ours = match found.depth() {
            0 => is_reserved(top.as_str()),
            _ => found.file_name().to_str().is_some_and(is_reserved),
        };
        if is_ours {
            if found.file_type().is_dir() {
                walk.skip_current_dir();
            }
            scanned.left_out.push(found.into_path());
            continue;
        }
        let metadata = fs::symlink_metadata(found.path()).map_err(|error| unreadable(found.path(), error))?;
        let target = if links && metadata.is_symlink() { target(found.path()) } else { None };
        let Some(kind) = target.map(EntryKind::Link).or_else(|| kind(&metadata)) else {
            if found.depth() == 0 {
                return Err(ScanError::NotAFile(path.to_owned()));
            }
            scanned.left_out.push(found.into_path());
            continue;
        };
        if scanned.entries.len() >= MOST {
            return Err(ScanError::TooMany);
        }
        parents.truncate(found.depth());
        let relative = match parents.last() {
            None => top.clone(),
            Some(parent) => {
                let name = unicode(found.path(), found.file_name())?;
                RelativePath::new(parent.components().chain([name]))
                    .map_err(|why| ScanError::BadName(found.path().to_owned(), why))?
            }
        };
        if let EntryKind::Link(target) = &kind
            && target.leads(&relative).is_none()
        {
            scanned.left_out.push(found.into_path());
            continue;
        }
        if kind == EntryKind::Directory {
            parents.push(relative.clone());
        } else if matches!(kind, EntryKind::File(_)) {
            // Better to say so now than in the middle of the transfer.
            system::may_read(found.path()).map_err(|error| unreadable(found.path(), error))?;
        }
        scanned.entries.push(Entry {
            path: relative,
            executable: matches!(kind, EntryKind::File(_)) && system::is_executable(&metadata),
            kind,
            modified: system::modified_millis(&metadata),
        });
        scanned.sources.push(found.into_path());
    }
    Ok(())
}

fn kind(metadata: &Metadata) -> Option<EntryKind> {
    if metadata.is_dir() {
        Some(EntryKind::Directory)
    } else if metadata.is_file() {
        Some(EntryKind::File(metadata.len()))
    } else {
        None
    }
}

/// Where a symbolic link leads; `None`: it cannot be sent.
fn target(link: &Path) -> Option<LinkTarget> {
    let held = fs::read_link(link).ok()?.into_os_string().into_string().ok()?;
    LinkTarget::parse(&if cfg!(windows) { held.replace('\\', "/") } else { held }).ok()
}

fn unicode<'a>(path: &Path, name: &'a OsStr) -> Result<&'a str, ScanError> {
    name.to_str().ok_or_else(|| ScanError::NotUnicode(path.to_owned()))
}

fn unreadable(path: &Path, error: std::io::Error) -> ScanError {
    ScanError::Unreadable(path.to_owned(), storage_error(error))
}
