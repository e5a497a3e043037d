//! What differs between operating systems: positional reads and writes, opening without following links,
//! permissions, renaming without replacing, and making directories durable.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;

/// Modification time in Unix milliseconds, rounded down. 0 where the file system keeps none.
pub(super) fn modified_millis(metadata: &Metadata) -> i64 {
    let Ok(time) = metadata.modified() else { return 0 };
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            let millis = before.duration().as_nanos().div_ceil(1_000_000);
            i64::try_from(millis).map_or(i64::MIN, |millis| -millis)
        }
    }
}

/// Unix milliseconds as the system's time, where it can hold them.
pub(super) fn system_time(millis: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// Whether Windows would take a name for something else: a device, another stream, or a name without its end.
///
/// Source: "Naming Files, Paths, and Namespaces", Microsoft Learn.
pub(super) fn windows_reinterprets(component: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = component.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|port| {
        stem.strip_prefix(port).is_some_and(|rest| {
            let mut rest = rest.chars();
            matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    });
    component.contains(['<', '>', ':', '"', '|', '?', '*'])
        || component.ends_with(['.', ' '])
        || DEVICES.contains(&stem.as_str())
        || numbered
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

/// Opens a file for reading, refusing symbolic links: every part of the path on Linux (a scan gives paths without
/// any), the last part elsewhere. Never waits for the other end of a pipe.
pub(super) fn open_source(path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(file) => return Ok(file.into()),
            // Before Linux 5.6, or kept away by a sandbox.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    #[cfg(unix)]
    {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        Ok(openat(CWD, path, flags, Mode::empty())?.into())
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        std::fs::OpenOptions::new().read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
    }
}

/// Whether an error of [`open_source`] says that a symbolic link is in the way.
pub(super) fn is_link_error(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(windows)]
    {
        let _ = error;
        false
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

/// Gives a file the permissions that any program's new file would have.
pub(super) fn open_up(file: &File, executable: bool) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if executable { 0o777 } else { 0o666 };
        file.set_permissions(std::fs::Permissions::from_mode(mode & !umask()))
    }
    #[cfg(windows)]
    {
        let _ = (file, executable);
        Ok(())
    }
}

/// What the user wants to have cleared from new files' permissions.
///
/// POSIX lets it be read only by setting it. It is read once, and what stands there for that moment is the
/// strictest value, so that a file made meanwhile by another thread is too private rather than too open.
#[cfg(unix)]
fn umask() -> u32 {
    static UMASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UMASK.get_or_init(|| {
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        rustix::process::umask(before);
        #[allow(clippy::useless_conversion, reason = "16 bits on some systems")]
        before.as_raw_mode().into()
    })
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
    {
        use rustix::fs::{Mode, OFlags, fsync, openat};
        // The handle may be one that only stands for a place (O_PATH) and cannot be synced.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(folder, ".", flags, Mode::empty())?;
        match fsync(directory) {
            // Some network and FUSE file systems do not sync directories.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(windows)]
    {
        let _ = folder;
        Ok(())
    }
}

/// Which file system a file is on, where one call can make a whole file system durable.
pub(super) fn device(file: &File) -> Option<u64> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return file.metadata().ok().map(|metadata| std::os::unix::fs::MetadataExt::dev(&metadata));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = file;
        None
    }
}

/// Makes everything on the file system of `file` durable.
pub(super) fn sync_device(file: &File) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Ok(rustix::fs::syncfs(file)?);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    file.sync_all()
}
