//! Opening files and directories: relative to a directory, following no link, and nothing but what is expected.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// Opens a file for reading, refusing symbolic links: every part of the path on Linux (a scan gives paths without
/// any), the last part elsewhere. Never waits for the other end of a pipe.
pub(in crate::disk) fn open_source(path: &Path) -> io::Result<File> {
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
        // Opens directories too, so that one in a file's place is seen as what it is, not as a file that is kept away.
        const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
        let flags = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
    }
}

/// Whether an error of [`open_source`] says that a symbolic link is in the way.
pub(in crate::disk) fn is_link_error(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(windows)]
    {
        let _ = error;
        false
    }
}

/// Opens the folder that a user named: links lead where they lead.
pub(in crate::disk) fn open_folder(path: &Path) -> io::Result<Dir> {
    #[cfg(unix)]
    {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        match openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(handle) => return Ok(Dir::from_std_file(handle.into())),
            // May be entered but not listed: a handle that only stands for the place will have to do.
            Err(rustix::io::Errno::ACCESS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Dir::open_ambient_dir(path, ambient_authority())
}

/// Opens the directory `name` in another. A link or a file of that name gives `AlreadyExists`: the name is taken.
pub(in crate::disk) fn open_directory(parent: &Dir, name: &str) -> io::Result<Dir> {
    #[cfg(unix)]
    {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(parent, name, flags, Mode::empty()) {
            Ok(handle) => return Ok(Dir::from_std_file(handle.into())),
            Err(rustix::io::Errno::ACCESS) => {}
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    cap_fs_ext::DirExt::open_dir_nofollow(parent, name).map_err(|error| match parent.symlink_metadata(name) {
        Ok(metadata) if !metadata.is_dir() => io::ErrorKind::AlreadyExists.into(),
        _ => error,
    })
}

/// Makes a file, for reading and writing. Whatever has the name already gives `AlreadyExists`. A private one is for
/// its owner only, others are for those whom the user lets read new files.
pub(in crate::disk) fn create_new(parent: &Dir, name: &str, private: bool) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if private { 0o600 } else { 0o666 });
        Ok(openat(parent, name, flags, mode)?.into())
    }
    #[cfg(windows)]
    {
        let _ = private;
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(parent.open_with(name, &options)?.into_std())
    }
}

/// Opens a regular file for reading and writing. Anything else of that name gives `AlreadyExists`.
pub(in crate::disk) fn open_regular(parent: &Dir, name: &str) -> io::Result<File> {
    #[cfg(unix)]
    let file: File = {
        use rustix::fs::{Mode, OFlags, openat};
        // Never waits for the other end of a pipe.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match openat(parent, name, flags, Mode::empty()) {
            Ok(handle) => handle.into(),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::ISDIR | rustix::io::Errno::NXIO) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Err(error) => return Err(error.into()),
        }
    };
    #[cfg(windows)]
    let file = {
        use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).write(true).follow(FollowSymlinks::No);
        parent.open_with(name, &options)?.into_std()
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::AlreadyExists.into()) }
}

/// Whether a file has no name but one: what is written to it is written to nothing else.
pub(in crate::disk) fn is_sole(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) == 1);
    #[cfg(windows)]
    {
        let _ = file;
        true
    }
}

/// Whether an open file is still the one of that name.
pub(in crate::disk) fn is_named(file: &File, parent: &Dir, name: &str) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{AtFlags, fstat, statat};
        let at = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        matches!((fstat(file), at), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }
    #[cfg(windows)]
    {
        let _ = file;
        parent.exists(name)
    }
}
