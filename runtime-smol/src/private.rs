//! Files and directories that are their owner's alone: keys, contacts, and what is under way.

#[cfg(windows)]
mod access;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Longest file that is read, in bytes: keys and passphrases are short.
const MAX_READ: u64 = 64 * 1024;
/// Drafts of one file that may be in the way.
const MAX_DRAFTS: u32 = 64;

/// Reads a short file that may be secret: what is longer than 64 KiB is cut off.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    File::open(path)?.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that must not exist, whole or not at all, and sees it onto the disk.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = write_draft(path, bytes)?;
    // Unlike a rename, a link does not replace a file that came meanwhile.
    let result = fs::hard_link(&draft, path).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        _ if path.try_exists()? => Err(io::ErrorKind::AlreadyExists.into()),
        _ => fs::rename(&draft, path),
    });
    let _ = fs::remove_file(&draft);
    result?;
    sync_directory(path)
}

/// Writes a file, whole or not at all, in place of what is there.
pub fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A file that is a link elsewhere, as some keep their settings, is changed there.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let draft = write_draft(&path, bytes)?;
    let result = fs::rename(&draft, &path);
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result?;
    sync_directory(&path)
}

/// Writes a file beside the one that it is to become, and sees it onto the disk. Gives its name.
fn write_draft(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let (draft, mut file) = open_draft(path)?;
    let write = |file: &mut File| {
        // Before anything is in it.
        #[cfg(windows)]
        access::keep_to_owner(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    if let Err(error) = write(&mut file) {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    Ok(draft)
}

/// The first draft of a file that nobody has: another may be of a process that was ended in the middle, or of one of the
/// same number, as in two containers.
fn open_draft(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..MAX_DRAFTS {
        let draft = path.with_file_name(format!("{name}.{}.{number}.new", std::process::id()));
        match options().write(true).create_new(true).open(&draft) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (draft, file)),
        }
    }
    Err(io::Error::other(format!("there are {MAX_DRAFTS} drafts of it: remove them")))
}

/// Options that make a file for its owner only. On Windows files inherit the access list of their directory.
#[cfg(unix)]
pub fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// On Windows files inherit the access list of their directory; a file that must be its owner's whatever that list says
/// is given one of its own (`write_draft`).
#[cfg(not(unix))]
pub fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Makes a directory for its owner only, if it is not there.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    #[cfg(windows)]
    let is_new = !path.try_exists()?;
    builder.create(path)?;
    #[cfg(windows)]
    if is_new {
        access::keep_to_owner(path)?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_directory(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Windows keeps directory entries safe by itself and opens no directory as a file.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Takes a file out of others' reach; whether that was needed.
#[cfg(unix)]
pub fn tighten(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(false);
    }
    permissions.set_mode(0o600);
    fs::set_permissions(path, permissions)?;
    Ok(true)
}

/// Takes a file out of others' reach; whether that was needed.
#[cfg(windows)]
pub fn tighten(path: &Path) -> io::Result<bool> {
    if !access::is_open_to_others(path)? {
        return Ok(false);
    }
    access::keep_to_owner(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
