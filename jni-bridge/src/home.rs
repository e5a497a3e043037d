//! The directory of one node, as the command line lays it out too: its key, its records, and who is using it.

use std::io;
use std::path::{Path, PathBuf};

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, KeyFile};
use hither_runtime_smol::lock::Locked;
use hither_runtime_smol::private;
use zeroize::Zeroizing;

use crate::failure::{Failure, Reason};

/// The directories of one node. This process is the only one on them while this lives.
#[derive(Debug)]
pub(crate) struct Home {
    data: PathBuf,
    _lock: Locked,
}

impl Home {
    /// Opens the home, and makes what is not there of it, for its owner only.
    pub(crate) fn open(data: PathBuf) -> Result<Self, Failure> {
        for directory in [&data, &data.join("state")] {
            private::make_directory(directory).map_err(|error| Failure::unusable(directory, &error))?;
        }
        let path = data.join("lock");
        let file = private::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| Failure::unusable(&path, &error))?;
        let locked = Locked::new(file).map_err(|error| Failure::unusable(&path, &error))?;
        let in_use = || format!("another node is using {}; close it first", data.display());
        let lock = locked.ok_or_else(|| Failure::new(Reason::InUse, in_use()))?;
        Ok(Self { _lock: lock, data })
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
        match private::read(&path) {
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
        private::write_new(path, &bytes).map_err(|error| Failure::unusable(path, &error))?;
        Ok(identity)
    }
}

#[cfg(test)]
mod tests;
