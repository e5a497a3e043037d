//! What differs between operating systems: positional reads and writes, permissions and times, renaming without
//! replacing, and making directories durable; in [`open`], opening without following links.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
#[cfg(any(windows, test))]
use std::time::Duration;
use std::time::SystemTime;

use cap_std::fs::Dir;

mod open;

pub(super) use open::{
    create_new, is_link_error, is_named, is_sole, open_directory, open_folder, open_regular, open_source,
};

/// Modification time in Unix milliseconds, rounded down. 0 where the file system keeps none.
pub(super) fn modified_millis(metadata: &Metadata) -> i64 {
    metadata.modified().map_or(0, millis)
}

fn millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            let millis = before.duration().as_nanos().div_ceil(1_000_000);
            i64::try_from(millis).map_or(i64::MIN, |millis| -millis)
        }
    }
}

/// The same for what a directory says of a file.
pub(super) fn modified_millis_of(metadata: &cap_std::fs::Metadata) -> i64 {
    metadata.modified().map_or(0, |time| millis(time.into_std()))
}

/// Unix milliseconds as the system's time, where it can hold them.
#[cfg(any(windows, test))]
fn system_time(millis: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// Fills `buffer` from `offset` as far as the file reaches; gives the bytes read.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let at = offset.saturating_add(filled as u64);
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, &mut buffer[filled..], at);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, &mut buffer[filled..], at);
        match read {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `data` at `offset`.
pub(super) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, data, offset);
    #[cfg(windows)]
    {
        let (mut data, mut offset) = (data, offset);
        while !data.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(file, data, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    data = &data[count..];
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether this process may read `path`, without opening it.
pub(super) fn may_read(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    rustix::fs::access(path, rustix::fs::Access::READ_OK)?;
    #[cfg(windows)]
    let _ = path;
    Ok(())
}

/// Whether this process may make files in the directory `path`, without making any. Windows does not tell.
pub(super) fn may_write_in(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    #[cfg(windows)]
    let _ = path;
    Ok(())
}

/// Whether the owner may execute the file.
pub(super) fn is_executable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0;
    #[cfg(windows)]
    {
        let _ = metadata;
        false
    }
}

/// Lets everyone execute a file who may read it.
pub(super) fn make_executable(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        file.set_permissions(std::fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
    }
    #[cfg(windows)]
    {
        let _ = file;
        Ok(())
    }
}

/// Sets when a file was modified, by its name in a directory, following no link.
pub(super) fn set_modified(parent: &Dir, name: &str, millis: i64) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT, utimensat};
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: millis.div_euclid(1000),
                #[allow(clippy::useless_conversion, reason = "32 bits on some systems")]
                tv_nsec: (millis.rem_euclid(1000) * 1_000_000).try_into().unwrap_or_default(),
            },
        };
        Ok(utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
    #[cfg(windows)]
    {
        let file = open_regular(parent, name)?;
        let Some(time) = system_time(millis) else { return Ok(()) };
        file.set_times(std::fs::FileTimes::new().set_modified(time))
    }
}

/// Sets when a directory was modified, by its name in another. Windows would want a handle with other rights.
pub(super) fn set_directory_modified(parent: &Dir, name: &str, millis: i64) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { set_modified(parent, name, millis) }
}

/// Sets when a symbolic link was modified; not what it leads to.
pub(super) fn set_link_modified(parent: &Dir, name: &str, millis: i64) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { set_modified(parent, name, millis) }
}

/// Makes a symbolic link unless something has the name; then the error is `AlreadyExists`. `false`: the file system
/// knows no links, or this user may make none. Windows tells links to directories from others.
pub(super) fn make_link(parent: &Dir, name: &str, target: &str, directory: bool) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let _ = directory;
        match rustix::fs::symlinkat(target, parent, name) {
            Ok(()) => Ok(true),
            // No permission in the directory would be ACCES.
            Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(windows)]
    {
        /// ERROR_PRIVILEGE_NOT_HELD: without developer mode only administrators make links.
        const NOT_ALLOWED: i32 = 1314;
        /// ERROR_INVALID_FUNCTION: FAT knows none.
        const NOT_KNOWN: i32 = 1;
        if target
            .split('/')
            .any(|part| !matches!(part, "." | "..") && hither_protocol::transfer::windows_reinterprets(part))
        {
            return Ok(false);
        }
        let target = target.replace('/', "\\");
        let made =
            if directory { parent.symlink_dir(target, name) } else { parent.symlink_file(target, name) };
        match made {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(NOT_ALLOWED | NOT_KNOWN)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What a symbolic link holds, where that is Unicode.
pub(super) fn read_link(parent: &Dir, name: &str) -> io::Result<String> {
    #[cfg(unix)]
    let held = rustix::fs::readlinkat(parent, name, Vec::new())?
        .into_string()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    #[cfg(windows)]
    let held = parent
        .read_link_contents(name)?
        .into_os_string()
        .into_string()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(held)
}

/// Renames within `folder` unless something has the new name; then the error is `AlreadyExists`.
pub(super) fn rename_new(folder: &Dir, from: &str, to: &str) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios"))]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // The kernel or the file system does not know the flag.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match folder.hard_link(from, folder, to) {
        Ok(()) => return folder.remove_file(from),
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            return Err(error);
        }
        // No hard links here, as on most memory cards.
        Err(_) => {}
    }
    // Someone who makes a file of this name between the two calls loses it. Nothing better exists there.
    match folder.symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => folder.rename(from, folder, to),
        Err(error) => Err(error),
    }
}

/// Makes the names in a directory durable. Windows keeps them in its journal by itself.
pub(super) fn sync_names(folder: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    match rustix::fs::fsync(folder) {
        // Some network and FUSE file systems do not sync directories.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => Ok(()),
        // The handle only stands for a place.
        Err(rustix::io::Errno::BADF) => Ok(rustix::fs::fsync(reopened(folder)?)?),
        Err(error) => Err(error.into()),
    }
    #[cfg(windows)]
    {
        let _ = folder;
        Ok(())
    }
}

/// Whether one call can make everything on a file system durable.
pub(super) const SYNCS_WHOLE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Makes everything on the file system of a directory durable, where [`SYNCS_WHOLE`].
pub(super) fn sync_whole(folder: &Dir) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match rustix::fs::syncfs(folder) {
        Err(rustix::io::Errno::BADF) => Ok(rustix::fs::syncfs(reopened(folder)?)?),
        result => Ok(result?),
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    sync_names(folder)
}

/// A handle that can be synced, of a directory whose handle cannot.
#[cfg(unix)]
fn reopened(folder: &Dir) -> io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(folder, ".", flags, Mode::empty())?)
}

/// Which file system a directory or file is on; 0 where that makes no difference.
#[cfg(unix)]
pub(super) fn device(at: impl std::os::fd::AsFd) -> io::Result<u64> {
    #[allow(clippy::useless_conversion, reason = "32 bits, and signed, on some systems")]
    Ok(rustix::fs::fstat(at)?.st_dev.try_into().unwrap_or_default())
}

/// Which file system a directory or file is on; 0 where that makes no difference.
#[cfg(windows)]
pub(super) fn device<T>(_at: T) -> io::Result<u64> {
    Ok(0)
}

#[cfg(test)]
mod tests;
