//! What is sent: the cases and their content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use blake3::Hash;

use crate::figures::content::{self, Content};

/// Of all content.
pub(super) const SEED: u64 = 1;

/// What is sent in one transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Case {
    /// One large file.
    Big,
    /// 10,000 files of 4 KiB.
    Small,
    /// One file of 64 bytes: what a transfer costs beside its content.
    Tiny,
    /// 100,000 files of one byte: what is remembered of each file.
    Many,
}

impl Case {
    pub(super) const ALL: &[Self] = &[Self::Big, Self::Small, Self::Tiny, Self::Many];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Big => "big",
            Self::Small => "small",
            Self::Tiny => "tiny",
            Self::Many => "many",
        }
    }

    /// Whether it is there for Hither's memory alone.
    pub(super) fn is_for_memory(self) -> bool {
        self == Self::Many
    }

    /// Over its table; `size` is that of the large file, in bytes.
    pub(super) fn title(self, size: u64) -> String {
        match self {
            Self::Big => format!("One file of {} MiB", size >> 20),
            Self::Small => "10,000 files of 4 KiB, in 100 directories".into(),
            Self::Tiny => "One file of 64 bytes, whole process".into(),
            Self::Many => "100,000 files of one byte, in 100 directories".into(),
        }
    }

    /// Makes what is to be sent below `path`, which is on the disk before this returns; `size` is that of the large
    /// file, in bytes.
    pub(super) fn make(self, path: &Path, size: u64) -> io::Result<Data> {
        let source = path.join(self.name());
        let mut random = Content::new(SEED);
        match self {
            Self::Big => random.write(&source, size)?,
            Self::Small => tree(&mut random, &source, 100, 4096)?,
            Self::Tiny => random.write(&source, 64)?,
            Self::Many => tree(&mut random, &source, 1000, 1)?,
        }
        rustix::fs::sync();
        let hash = content::hash(&source)?;
        Ok(Data { source, hash })
    }
}

/// 100 directories of so many files each.
fn tree(random: &mut Content, root: &Path, files: usize, size: u64) -> io::Result<()> {
    fs::create_dir(root)?;
    for directory in 0..100 {
        let directory = root.join(format!("directory-{directory:02}"));
        fs::create_dir(&directory)?;
        for file in 0..files {
            random.write(&directory.join(format!("file-{file:03}")), size)?;
        }
    }
    Ok(())
}

/// What is sent, and what must arrive.
pub(super) struct Data {
    source: PathBuf,
    hash: Hash,
}

impl Data {
    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// Reads all that is to be sent, so that none of it comes from the disk.
    pub(super) fn warm(&self) -> io::Result<()> {
        if content::hash(&self.source)? == self.hash {
            Ok(())
        } else {
            Err(io::Error::other("the source changed"))
        }
    }

    /// Whether it is in that directory, whole.
    pub(super) fn is_in(&self, directory: &Path) -> io::Result<bool> {
        let there = directory.join(self.source.file_name().unwrap_or_default());
        Ok(content::hash(&there)? == self.hash)
    }
}
