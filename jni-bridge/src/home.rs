//! The directory of one node, as the command line lays it out too: its key, its records, and who is using it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs4::FileExt;
use fs4::TryLockError;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, KeyFile};
use zeroize::Zeroizing;

use crate::failure::{Failure, Reason};

/// Longest key file that is read, in bytes.
const MAX_READ: u64 = 64 * 1024;

/// The directories of one node. This process is the only one on them while this lives.
#[derive(Debug)]
pub(crate) struct Home {
    data: PathBuf,
    _lock: File,
}

impl Home {
    /// Opens the home, and makes what is not there of it, for its owner only.
    pub(crate) fn open(data: PathBuf) -> Result<Self, Failure> {
        for directory in [&data, &data.join("state")] {
            make_private_directory(directory).map_err(|error| Failure::unusable(directory, &error))?;
        }
        let path = data.join("lock");
        let file = private_options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| Failure::unusable(&path, &error))?;
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Self { data, _lock: file }),
            Err(TryLockError::WouldBlock) => {
                let text = format!("another node is using {}; close it first", data.display());
                Err(Failure::new(Reason::InUse, text))
            }
            Err(TryLockError::Error(error)) => Err(Failure::unusable(&path, &error)),
        }
    }

    /// The contacts and what else must last.
    pub(crate) fn records(&self) -> PathBuf {
        self.data.join("contacts")
    }

    /// Where accepted offers go if the app names no folder.
    pub(crate) fn received(&self) -> PathBuf {
        self.data.join("received")
    }

    /// What apps lend by a descriptor, and what is to go into one.
    pub(crate) fn lent(&self) -> PathBuf {
        self.data.join("state").join("lent")
    }

    /// What arrives and is to go into a descriptor.
    pub(crate) fn arriving(&self) -> PathBuf {
        self.data.join("state").join("arriving")
    }

    /// The identity, made at first use.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        let path = self.data.join("key");
        match read_bounded(&path) {
            Ok(bytes) => Ok(KeyFile::parse(&bytes)?.open(None)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.first_identity(&path),
            Err(error) => Err(Failure::unusable(&path, &error)),
        }
    }

    fn first_identity(&self, path: &Path) -> Result<Identity, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())
            .map_err(|error| Failure::new(Reason::Internal, format!("no randomness: {error}")))?;
        let identity = Identity::generate(&mut Entropy::new(Seed::new(*seed)).stream("identity"));
        let bytes = KeyFile::encode_plain(&identity);
        write_new(&self.data, path, &bytes).map_err(|error| Failure::unusable(path, &error))?;
        Ok(identity)
    }
}

fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    File::open(path)?.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file whole or not at all, and sees it onto the disk. Only the owner of the lock writes here.
fn write_new(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = directory.join("key.new");
    let written =
        private_options().write(true).create(true).truncate(true).open(&draft).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    let result = written.and_then(|()| fs::rename(&draft, path));
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result?;
    // Windows keeps directory entries safe by itself and opens no directory as a file.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Options that make a file for its owner only.
pub(crate) fn private_options() -> OpenOptions {
    #[allow(unused_mut, reason = "only where files have modes")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory for its owner only, if it is not there.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests;
