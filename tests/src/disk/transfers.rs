//! What a program holds open for the transfers that it receives. All of it is gone when the program is.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use hither_protocol::identity::PeerId;
use hither_protocol::storage::{PartialFile, partial_name};
use hither_protocol::transfer::hash::{ChunkValue, Root, Tree, chunk_count};
use hither_protocol::transfer::{FileIdentity, RelativePath, TransferId};

/// A transfer whose folder is prepared, or whose journal is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sender: PeerId,
    pub(super) into: PathBuf,
    pub(super) journal: Option<Journal>,
    /// Directories that it uses, and whether it made them.
    pub(super) directories: BTreeMap<RelativePath, bool>,
    pub(super) files: BTreeMap<FileIdentity, Known>,
    /// Until all of the journal was checked.
    pub(super) recovery: Option<Recovery>,
    /// Whether it was prepared since it was opened: then it can be written.
    pub(super) prepared: bool,
}

/// A journal that batches can be added to.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub(super) path: PathBuf,
    /// Bytes of whole, sound frames: the next one goes there.
    pub(super) end: usize,
}

/// What is known of a file: what was written, or found by looking.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) path: RelativePath,
    pub(super) size: u64,
    /// By number of the chunk.
    pub(super) values: BTreeMap<u64, ChunkValue>,
    /// Whether it has its name.
    pub(super) placed: bool,
}

/// A look at what a journal says.
#[derive(Debug)]
pub(super) struct Recovery {
    /// What is still to be looked at.
    pub(super) looks: VecDeque<Look>,
    /// Partial files that fit the manifest.
    pub(super) fitting: Vec<PathBuf>,
}

/// A file that a journal says something of.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) target: PartialFile,
    pub(super) size: u64,
    pub(super) modified: i64,
    /// Where it was about to take its name.
    pub(super) root: Option<Root>,
    /// Chunks to look at, with their values; without one where only the root can say whether it is right.
    pub(super) chunks: BTreeMap<u64, Option<ChunkValue>>,
    /// Chunks that were looked at and have no value but this.
    pub(super) unsure: Vec<(u64, ChunkValue)>,
}

impl Open {
    pub(super) fn new(sender: PeerId, into: &Path) -> Self {
        Self {
            sender,
            into: into.to_path_buf(),
            journal: None,
            directories: BTreeMap::new(),
            files: BTreeMap::new(),
            recovery: None,
            prepared: false,
        }
    }

    /// What is known of a file, which has this size.
    pub(super) fn file(&mut self, target: &PartialFile, size: u64) -> &mut Known {
        let new = || Known { path: target.path.clone(), size, values: BTreeMap::new(), placed: false };
        self.files.entry(target.identity).or_insert_with(new)
    }

    /// Adds directories that the transfer uses.
    pub(super) fn add_directories(&mut self, directories: &[(RelativePath, bool)]) {
        for (path, made) in directories {
            *self.directories.entry(path.clone()).or_default() |= made;
        }
    }
}

impl Known {
    /// The file's hash, once all of it is there.
    pub(super) fn root(&self) -> Option<Root> {
        if self.values.len() as u64 != chunk_count(self.size) {
            return None;
        }
        let mut tree = Tree::new(self.size);
        self.values.iter().for_each(|(index, value)| tree.insert(*index, *value));
        tree.root()
    }
}

/// Where a partial file is.
pub(super) fn partial_path(into: &Path, transfer: TransferId, target: &PartialFile) -> PathBuf {
    place(into, target).with_file_name(partial_name(transfer, target.identity))
}

/// Where the file will be.
pub(super) fn place(into: &Path, target: &PartialFile) -> PathBuf {
    into.join(target.path.as_str())
}
