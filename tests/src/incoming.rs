//! An offer as the disk of its receiver sees it: every request for it, made by hand, without a node.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::storage::{
    Checked, Done, FinishFile, MakeLink, PartialFile, RecoverError, StorageError, StorageId, StorageRequest,
    Work, WriteChunk, partial_name,
};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue, Root, chunk_count, chunk_length, chunk_value};
use hither_protocol::transfer::journal::{StoredChunk, journal_name};
use hither_protocol::transfer::{
    Entry, EntryKind, FileIdentity, LinkTarget, Manifest, Places, RelativePath, TransferId,
};

use crate::disk::Disk;

/// The modification time of every file that is offered.
pub const MODIFIED: i64 = 42;

/// A path, from its components joined by `/`.
///
/// # Panics
///
/// When it is none.
pub fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).expect("a path")
}

/// Asks a disk for work and carries it out at once.
pub fn run(disk: &mut Disk, work: Work) -> Done {
    let id = submit(disk, work);
    disk.complete(id).expect("nothing came between")
}

/// Asks a disk for work and leaves it under way.
pub fn submit(disk: &mut Disk, work: Work) -> StorageId {
    let id = StorageId(disk.all_requests());
    disk.submit(Duration::ZERO, StorageRequest { id, work });
    id
}

/// Somebody who sends.
pub fn sender(number: u8) -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity")).peer_id()
}

/// An offer that goes into `/in`.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// What it is called.
    pub transfer: TransferId,
    /// Who sends it.
    pub sender: PeerId,
    /// Where it goes.
    pub into: Arc<PathBuf>,
    /// What is in it.
    pub manifest: Arc<Manifest>,
    /// Every file's content, by its number.
    pub contents: BTreeMap<u32, Vec<u8>>,
    /// Every chunk's hash, by its file and its number in it.
    pub values: BTreeMap<(u32, u64), ChunkValue>,
}

impl Incoming {
    /// Files of this content, and the directories that they are in.
    pub fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut contents = BTreeMap::new();
        for (name, content) in files {
            let ends = name.match_indices('/').map(|(end, _)| &name[..end]);
            for directory in ends.map(path) {
                if entries.iter().all(|entry| entry.path != directory) {
                    let kind = EntryKind::Directory;
                    entries.push(Entry { path: directory, kind, modified: 0, executable: false });
                }
            }
            let number = u32::try_from(entries.len()).expect("few");
            let kind = EntryKind::File(content.len() as u64);
            entries.push(Entry { path: path(name), kind, modified: MODIFIED, executable: true });
            contents.insert(number, content.clone());
        }
        let mut offer = Self {
            transfer: TransferId([5; 16]),
            sender: sender(1),
            into: Arc::new("/in".into()),
            manifest: Arc::new(Manifest::new("all".into(), entries).expect("a manifest")),
            contents,
            values: BTreeMap::new(),
        };
        let value = |chunk: (u32, u64)| chunk_value(offer.size(chunk.0), chunk.1 * CHUNK, offer.chunk(chunk));
        offer.values = offer.chunks().into_iter().map(|chunk| (chunk, value(chunk))).collect();
        offer
    }

    /// The numbers of its files.
    pub fn files(&self) -> Vec<u32> {
        self.contents.keys().copied().collect()
    }

    /// Every chunk: the file, and the number in it.
    pub fn chunks(&self) -> Vec<(u32, u64)> {
        let chunks = self.contents.keys().flat_map(|file| (0..self.count(*file)).map(|index| (*file, index)));
        chunks.collect()
    }

    /// How many chunks a file has.
    pub fn count(&self, file: u32) -> u64 {
        chunk_count(self.size(file))
    }

    /// What a chunk is to be.
    pub fn chunk(&self, (file, index): (u32, u64)) -> &[u8] {
        let from = usize::try_from(index * CHUNK).expect("small");
        let length = chunk_length(self.size(file), index * CHUNK).expect("there is such a chunk") as usize;
        &self.contents[&file][from..from + length]
    }

    /// What its hash is to be.
    pub fn value(&self, chunk: (u32, u64)) -> ChunkValue {
        self.values[&chunk]
    }

    /// A file's hash.
    pub fn root(&self, file: u32) -> Root {
        Root(*blake3::hash(&self.contents[&file]).as_bytes())
    }

    /// A file, while it is not whole.
    pub fn target(&self, file: u32) -> PartialFile {
        let entry = self.manifest.entry(file).expect("there is such a file");
        PartialFile { file, identity: entry.identity(), path: entry.path.clone() }
    }

    /// Where it is then.
    pub fn partial(&self, file: u32) -> PathBuf {
        self.place(file).with_file_name(partial_name(self.transfer, self.target(file).identity))
    }

    /// Where it will be.
    pub fn place(&self, file: u32) -> PathBuf {
        self.into.join(self.target(file).path.as_str())
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        self.into.join(journal_name(self.transfer))
    }

    /// Makes the folder and the directories.
    pub fn prepare(&self, journal: bool) -> Work {
        let entries = self.manifest.entries().iter().filter(|entry| !entry.is_file());
        let directories = entries.map(|entry| entry.path.clone()).collect();
        let (transfer, sender, into) = (self.transfer, self.sender, self.into.to_path_buf());
        Work::Prepare { transfer, sender, into, directories, journal }
    }

    /// Writes chunks.
    pub fn write(&self, chunks: &[(u32, u64)]) -> Work {
        let writes = chunks.iter().map(|&(file, index)| WriteChunk {
            transfer: self.transfer,
            into: self.into.clone(),
            target: self.target(file),
            size: self.size(file),
            offset: index * CHUNK,
            data: Bytes::copy_from_slice(self.chunk((file, index))),
            expected: self.value((file, index)),
        });
        Work::Write(writes.collect())
    }

    /// Makes chunks durable.
    pub fn checkpoint(&self, chunks: &[(u32, u64)]) -> Work {
        let mut files: Vec<u32> = chunks.iter().map(|(file, _)| *file).collect();
        files.sort_unstable();
        files.dedup();
        let stored = chunks.iter().map(|&(file, index)| StoredChunk {
            file: self.target(file).identity,
            index,
            value: self.value((file, index)),
        });
        Work::Checkpoint {
            transfer: self.transfer,
            into: self.into.clone(),
            files: files.into_iter().map(|file| self.target(file)).collect(),
            chunks: stored.collect(),
        }
    }

    /// Puts files in place.
    pub fn finish(&self, files: &[u32], overwrite: bool) -> Work {
        let files = files.iter().map(|&file| FinishFile {
            transfer: self.transfer,
            into: self.into.clone(),
            target: self.target(file),
            root: self.root(file),
            modified: MODIFIED,
            executable: true,
            overwrite,
        });
        Work::Finish(files.collect())
    }

    /// Makes links.
    pub fn seal(&self, links: &[(&str, &str)], overwrite: bool) -> Work {
        let links = links.iter().map(|(at, target)| MakeLink {
            path: path(at),
            identity: FileIdentity([0xee; 16]),
            target: LinkTarget::parse(target).expect("a target"),
            modified: MODIFIED,
        });
        let (transfer, into) = (self.transfer, self.into.to_path_buf());
        Work::Seal { transfer, into, links: links.collect(), directories: Vec::new(), overwrite }
    }

    /// Opens what is there of it.
    pub fn recover(&self) -> Work {
        Work::Recover {
            transfer: self.transfer,
            sender: self.sender,
            into: self.into.to_path_buf(),
            manifest: self.manifest.clone(),
            places: Places::default(),
        }
    }

    /// Looks at some of it.
    pub fn check(&self) -> Work {
        Work::Check { transfer: self.transfer }
    }

    /// Lets go of it.
    pub fn close(&self, complete: bool) -> Work {
        Work::Close { transfer: self.transfer, into: self.into.to_path_buf(), complete }
    }

    /// Gives it up.
    pub fn discard(&self, directories: &[&str]) -> Work {
        Work::Discard {
            transfer: self.transfer,
            sender: self.sender,
            into: self.into.to_path_buf(),
            partials: self.files().into_iter().map(|file| self.target(file)).collect(),
            directories: directories.iter().map(|name| path(name)).collect(),
        }
    }

    /// Recovers it and checks all of it: what was found in all, and how many requests that took.
    pub fn recover_all(&self, disk: &mut Disk) -> Result<(Checked, u32), RecoverError> {
        recovered(run(disk, self.recover()))?;
        let mut all = Checked::default();
        let mut checks = 0;
        loop {
            let found = checked(run(disk, self.check())).map_err(RecoverError::Disk)?;
            all.chunks.extend(found.chunks);
            all.placed.extend(found.placed);
            all.lost += found.lost;
            all.changed += found.changed;
            checks += 1;
            if !found.more {
                return Ok((all, checks));
            }
        }
    }

    fn size(&self, file: u32) -> u64 {
        self.contents[&file].len() as u64
    }
}

/// What came of a [`Work::Prepare`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn prepared(done: Done) -> Result<Vec<RelativePath>, StorageError> {
    let Done::Prepared(result) = done else { panic!("{done:?}") };
    result
}

/// What came of a [`Work::Write`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn written(done: Done) -> Vec<Result<(), StorageError>> {
    let Done::Written(result) = done else { panic!("{done:?}") };
    result
}

/// What came of a [`Work::Checkpoint`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn checkpointed(done: Done) -> Result<(), StorageError> {
    let Done::Checkpointed(result) = done else { panic!("{done:?}") };
    result
}

/// What came of a [`Work::Seal`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn sealed(done: Done) -> Vec<Result<bool, StorageError>> {
    let Done::Sealed(result) = done else { panic!("{done:?}") };
    result
}

/// What came of a [`Work::Finish`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn finished(done: Done) -> Vec<Result<(), StorageError>> {
    let Done::Finished(result) = done else { panic!("{done:?}") };
    result
}

/// What came of a [`Work::Recover`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn recovered(done: Done) -> Result<(), RecoverError> {
    let Done::Recovered(result) = done else { panic!("{done:?}") };
    result
}

/// What came of a [`Work::Check`].
///
/// # Panics
///
/// When it is of another kind of work.
pub fn checked(done: Done) -> Result<Checked, StorageError> {
    let Done::Checked(result) = done else { panic!("{done:?}") };
    result
}
