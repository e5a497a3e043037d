//! What the tests of the disk share.

pub(crate) use std::fs;
pub(crate) use std::path::{Path, PathBuf};
pub(crate) use std::sync::Arc;
pub(crate) use std::time::{Duration, SystemTime};

pub(crate) use hither_protocol::identity::{Identity, PeerId};
#[cfg(unix)]
pub(crate) use hither_protocol::storage::MakeLink;
pub(crate) use hither_protocol::storage::{
    Checked, Done, Examined, FinishFile, HashedChunk, PartialFile, ReadBack, ReadChunk, RecoverError,
    ScanError, Scanned, StorageError, Work, WriteChunk, partial_name,
};
pub(crate) use hither_protocol::transfer::hash::{
    CHUNK, ChunkValue, Root, chunk_count, chunk_length, chunk_value,
};
pub(crate) use hither_protocol::transfer::journal::{BadJournal, StoredChunk, journal_name};
pub(crate) use hither_protocol::transfer::{
    BadManifest, BadPath, Entry, EntryKind, FileIdentity, LinkTarget, Manifest, Places, RelativePath,
    TransferId,
};
pub(crate) use hither_runtime_smol::disk::Disk;
pub(crate) use tempfile::TempDir;

pub(crate) const TRANSFER: TransferId = TransferId([7; 16]);

pub(crate) fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).unwrap()
}

/// Bytes in which no two chunks are the same.
pub(crate) fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 17)) as u8).collect()
}

pub(crate) fn scan(paths: &[&Path]) -> Result<Scanned, ScanError> {
    match Disk::new()
        .perform(Work::Scan { paths: paths.iter().map(|path| path.to_path_buf()).collect(), links: false })
    {
        Done::Scanned(result) => result,
        other => panic!("{other:?}"),
    }
}

/// The same with symbolic links.
#[cfg(unix)]
pub(crate) fn scan_links(paths: &[&Path]) -> Result<Scanned, ScanError> {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    match Disk::new().perform(Work::Scan { paths, links: true }) {
        Done::Scanned(result) => result,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn link(text: &str, target: &str) -> Entry {
    Entry { kind: EntryKind::Link(LinkTarget::parse(target).unwrap()), ..file(text) }
}

pub(crate) fn prepare(
    disk: &Disk,
    into: &Path,
    directories: &[&str],
) -> Result<Vec<RelativePath>, StorageError> {
    let directories = directories.iter().map(|text| path(text)).collect();
    let work = Work::Prepare {
        transfer: TRANSFER,
        sender: sender(),
        into: into.into(),
        directories,
        journal: false,
    };
    match disk.perform(work) {
        Done::Prepared(result) => result,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn examine(into: &Path, entries: &[Entry]) -> Result<Examined, StorageError> {
    let manifest = Arc::new(Manifest::new("test".into(), entries.to_vec()).unwrap());
    match Disk::new().perform(Work::Examine { into: into.into(), manifest }) {
        Done::Examined(result) => result,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn file(text: &str) -> Entry {
    Entry { path: path(text), kind: EntryKind::File(1), modified: 0, executable: false }
}

pub(crate) fn directory(text: &str) -> Entry {
    Entry { path: path(text), kind: EntryKind::Directory, modified: 0, executable: false }
}

/// Who sends.
pub(crate) fn sender() -> PeerId {
    peer(1)
}

/// The first peer whose secret begins with `first`.
pub(crate) fn peer(first: u8) -> PeerId {
    let mut secrets = (0..=u8::MAX).map(|second| [[first; 16], [second; 16]].concat().try_into().unwrap());
    secrets.find_map(|secret| Identity::from_secret(&secret).ok()).unwrap().peer_id()
}

/// A file whose identity is made from its number.
pub(crate) fn target(number: u32, name: &str) -> PartialFile {
    let mut identity = [0xab; 16];
    identity[..4].copy_from_slice(&number.to_be_bytes());
    PartialFile { file: number, identity: FileIdentity(identity), path: path(name) }
}

/// What its partial file is called.
#[cfg(unix)]
pub(crate) fn partial(number: u32) -> String {
    partial_name(TRANSFER, target(number, "any").identity)
}

pub(crate) fn discard(disk: &Disk, into: &Path, partials: Vec<PartialFile>, directories: Vec<RelativePath>) {
    let work =
        Work::Discard { transfer: TRANSFER, sender: sender(), into: into.into(), partials, directories };
    assert!(matches!(disk.perform(work), Done::Discarded));
}

pub(crate) fn chunks(into: &Path, number: u32, name: &str, data: &[u8]) -> Vec<WriteChunk> {
    let size = data.len() as u64;
    (0..chunk_count(size))
        .map(|index| {
            let offset = index * CHUNK;
            let length = chunk_length(size, offset).unwrap() as usize;
            let data = &data[offset as usize..][..length];
            WriteChunk {
                transfer: TRANSFER,
                into: Arc::new(into.into()),
                target: target(number, name),
                size,
                offset,
                data: data.to_vec().into(),
                expected: chunk_value(size, offset, data),
            }
        })
        .collect()
}

pub(crate) fn write(disk: &Disk, chunks: Vec<WriteChunk>) -> Vec<Result<(), StorageError>> {
    match disk.perform(Work::Write(chunks)) {
        Done::Written(results) => results,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn to_finish(into: &Path, number: u32, name: &str) -> FinishFile {
    FinishFile {
        transfer: TRANSFER,
        into: Arc::new(into.into()),
        target: target(number, name),
        root: Root([0; 32]),
        modified: 1_000_000_000_123,
        executable: false,
        overwrite: false,
    }
}

pub(crate) fn finish(disk: &Disk, files: Vec<FinishFile>) -> Vec<Result<(), StorageError>> {
    match disk.perform(Work::Finish(files)) {
        Done::Finished(results) => results,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn put(
    disk: &Disk,
    into: &Path,
    number: u32,
    name: &str,
    data: &[u8],
) -> Result<(), StorageError> {
    for result in write(disk, chunks(into, number, name, data)) {
        result?;
    }
    finish(disk, vec![to_finish(into, number, name)]).remove(0)
}

pub(crate) fn to_read(scanned: &Scanned, number: usize) -> Vec<ReadChunk> {
    let entry = &scanned.entries[number];
    (0..chunk_count(entry.size()))
        .map(|index| ReadChunk {
            transfer: TRANSFER,
            file: number as u32,
            source: Arc::new(scanned.sources[number].clone()),
            size: entry.size(),
            modified: entry.modified,
            offset: index * CHUNK,
            length: chunk_length(entry.size(), index * CHUNK).unwrap(),
        })
        .collect()
}

pub(crate) fn read(disk: &Disk, chunks: Vec<ReadChunk>) -> Vec<Result<HashedChunk, StorageError>> {
    match disk.perform(Work::Read(chunks)) {
        Done::Read(results) => results,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether permissions stop this process: they do not stop root.
pub(crate) fn permissions_count() -> bool {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let mut permissions = fs::metadata(&inner).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&inner, permissions).unwrap();
    let count = fs::write(inner.join("x"), "x").is_err();
    if !count {
        println!("skipped: this process may write where permissions say no (is it root?)");
    }
    count
}

/// Mounts a small file system in memory, where this process may; says why not otherwise.
#[cfg(target_os = "linux")]
pub(crate) fn small_disk(options: &str) -> Option<(TempDir, impl Drop + use<>)> {
    mounted(&["-t", "tmpfs", "-o", options, "tmpfs"])
}

/// Mounts what the arguments of `mount` say, where this process may; says why not otherwise.
#[cfg(target_os = "linux")]
pub(crate) fn mounted(arguments: &[&str]) -> Option<(TempDir, impl Drop + use<>)> {
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let place = TempDir::new().unwrap();
    let mount = std::process::Command::new("mount").args(arguments).arg(place.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: this process may not mount {arguments:?}");
        return None;
    }
    let unmount = Unmount(place.path().to_owned());
    Some((place, unmount))
}
