//! The disk, on real directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hither_protocol::storage::{
    Done, Examined, FinishFile, HashedChunk, ReadBack, ReadChunk, ScanError, Scanned, StorageError, Work,
    WriteChunk, partial_name,
};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue, chunk_count, chunk_length, chunk_value};
use hither_protocol::transfer::{BadPath, Entry, EntryKind, Manifest, RelativePath, TransferId};
use hither_runtime_smol::disk::Disk;
use tempfile::TempDir;

const TRANSFER: TransferId = TransferId([7; 16]);

fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).unwrap()
}

/// Bytes in which no two chunks are the same.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 17)) as u8).collect()
}

fn scan(paths: &[&Path]) -> Result<Scanned, ScanError> {
    match Disk::new().perform(Work::Scan { paths: paths.iter().map(|path| path.to_path_buf()).collect() }) {
        Done::Scanned(result) => result,
        other => panic!("{other:?}"),
    }
}

fn prepare(disk: &Disk, into: &Path, directories: &[&str]) -> Result<Vec<RelativePath>, StorageError> {
    let directories = directories.iter().map(|text| path(text)).collect();
    match disk.perform(Work::Prepare { into: into.into(), directories }) {
        Done::Prepared(result) => result,
        other => panic!("{other:?}"),
    }
}

fn examine(into: &Path, entries: &[Entry]) -> Result<Examined, StorageError> {
    let manifest = Arc::new(Manifest::new("test".into(), entries.to_vec()).unwrap());
    match Disk::new().perform(Work::Examine { into: into.into(), manifest }) {
        Done::Examined(result) => result,
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> Entry {
    Entry { path: path(text), kind: EntryKind::File(1), modified: 0, executable: false }
}

fn directory(text: &str) -> Entry {
    Entry { path: path(text), kind: EntryKind::Directory, modified: 0, executable: false }
}

fn chunks(into: &Path, number: u32, name: &str, data: &[u8]) -> Vec<WriteChunk> {
    let size = data.len() as u64;
    (0..chunk_count(size))
        .map(|index| {
            let offset = index * CHUNK;
            let length = chunk_length(size, offset).unwrap() as usize;
            let data = &data[offset as usize..][..length];
            WriteChunk {
                transfer: TRANSFER,
                file: number,
                into: Arc::new(into.into()),
                path: path(name),
                size,
                offset,
                data: data.to_vec().into(),
                expected: chunk_value(size, offset, data),
            }
        })
        .collect()
}

fn write(disk: &Disk, chunks: Vec<WriteChunk>) -> Vec<Result<(), StorageError>> {
    match disk.perform(Work::Write(chunks)) {
        Done::Written(results) => results,
        other => panic!("{other:?}"),
    }
}

fn to_finish(into: &Path, number: u32, name: &str) -> FinishFile {
    FinishFile {
        transfer: TRANSFER,
        file: number,
        into: Arc::new(into.into()),
        path: path(name),
        modified: 1_000_000_000_123,
        executable: false,
        overwrite: false,
    }
}

fn finish(disk: &Disk, files: Vec<FinishFile>) -> Vec<Result<(), StorageError>> {
    match disk.perform(Work::Finish(files)) {
        Done::Finished(results) => results,
        other => panic!("{other:?}"),
    }
}

fn to_read_back(chunk: &WriteChunk) -> ReadBack {
    ReadBack {
        transfer: chunk.transfer,
        file: chunk.file,
        into: chunk.into.clone(),
        path: chunk.path.clone(),
        size: chunk.size,
        offset: chunk.offset,
        length: chunk.data.len() as u32,
    }
}

fn read_back(disk: &Disk, chunk: &WriteChunk) -> Result<HashedChunk, StorageError> {
    match disk.perform(Work::ReadBack(vec![to_read_back(chunk)])) {
        Done::Read(mut results) => results.remove(0),
        other => panic!("{other:?}"),
    }
}

fn put(disk: &Disk, into: &Path, number: u32, name: &str, data: &[u8]) -> Result<(), StorageError> {
    for result in write(disk, chunks(into, number, name, data)) {
        result?;
    }
    finish(disk, vec![to_finish(into, number, name)]).remove(0)
}

fn to_read(scanned: &Scanned, number: usize) -> Vec<ReadChunk> {
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

fn read(disk: &Disk, chunks: Vec<ReadChunk>) -> Vec<Result<HashedChunk, StorageError>> {
    match disk.perform(Work::Read(chunks)) {
        Done::Read(results) => results,
        other => panic!("{other:?}"),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether permissions stop this process: they do not stop root.
fn permissions_count() -> bool {
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

#[test]
fn whole_trees_travel() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let top = from.path().join("top");
    fs::create_dir_all(top.join("empty")).unwrap();
    fs::create_dir_all(top.join("deep/er")).unwrap();
    let big = content(3 * CHUNK as usize + 17);
    let exact = content(2 * CHUNK as usize);
    fs::write(top.join("big"), &big).unwrap();
    fs::write(top.join("deep/er/exact"), &exact).unwrap();
    fs::write(top.join("none"), "").unwrap();
    fs::write(top.join("ünïcode 🎈"), "x").unwrap();

    let scanned = scan(&[&top]).unwrap();
    let listed: Vec<_> = scanned.entries.iter().map(|entry| entry.path.as_str().to_owned()).collect();
    let expected = [
        "top",
        "top/big",
        "top/deep",
        "top/deep/er",
        "top/deep/er/exact",
        "top/empty",
        "top/none",
        "top/ünïcode 🎈",
    ];
    assert_eq!(listed, expected);
    assert!(Manifest::new("top".into(), scanned.entries.clone()).is_ok());

    let (source, sink) = (Disk::new(), Disk::new());
    let into = to.path().join("not/yet");
    let directories = scanned.entries.iter().filter(|entry| !entry.is_file()).map(|entry| entry.path.clone());
    let directories: Vec<_> = directories.collect();
    let prepared = sink.perform(Work::Prepare { into: into.clone(), directories: directories.clone() });
    assert!(matches!(prepared, Done::Prepared(Ok(made)) if made == directories));
    let mut finishing = Vec::new();
    for (number, entry) in scanned.entries.iter().enumerate().filter(|(_, entry)| entry.is_file()) {
        let asked = to_read(&scanned, number);
        let answers = read(&source, asked.clone());
        // Chunks may be written in any order.
        for (chunk, answer) in asked.into_iter().zip(answers).rev() {
            let answer = answer.unwrap();
            assert_eq!(answer.value, chunk_value(chunk.size, chunk.offset, &answer.data));
            let written = write(
                &sink,
                vec![WriteChunk {
                    transfer: TRANSFER,
                    file: chunk.file,
                    into: Arc::new(into.clone()),
                    path: entry.path.clone(),
                    size: chunk.size,
                    offset: chunk.offset,
                    data: answer.data,
                    expected: answer.value,
                }],
            );
            assert_eq!(written, [Ok(())]);
        }
        finishing.push(FinishFile {
            modified: entry.modified,
            executable: entry.executable,
            ..to_finish(&into, number as u32, entry.path.as_str())
        });
    }
    assert!(finish(&sink, finishing).iter().all(Result::is_ok));

    assert_eq!(fs::read(into.join("top/big")).unwrap(), big);
    assert_eq!(fs::read(into.join("top/deep/er/exact")).unwrap(), exact);
    let again = scan(&[&into.join("top")]).unwrap();
    assert_eq!(
        again.entries.iter().filter(|entry| entry.is_file()).collect::<Vec<_>>(),
        scanned.entries.iter().filter(|entry| entry.is_file()).collect::<Vec<_>>(),
        "names, sizes, times and permissions are the same"
    );
    assert_eq!(
        names(&into.join("top")),
        ["big", "deep", "empty", "none", "ünïcode 🎈"],
        "nothing partial is left"
    );
}

#[test]
fn many_small_files_and_few_handles() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let directories: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let refs: Vec<&str> = directories.iter().map(String::as_str).collect();
    prepare(&disk, to.path(), &refs).unwrap();
    let name = |number: u32| format!("d{}/f{number}", number % 40);
    // More than are kept open, so that some are opened again to be finished.
    let all = 0..600_u32;
    for number in all.clone() {
        let data = content(number as usize);
        assert_eq!(write(&disk, chunks(to.path(), number, &name(number), &data)), [Ok(())]);
    }
    let files = all.clone().map(|number| to_finish(to.path(), number, &name(number))).collect();
    assert!(finish(&disk, files).iter().all(Result::is_ok));
    for number in all {
        assert_eq!(fs::read(to.path().join(name(number))).unwrap(), content(number as usize));
    }
    assert_eq!(names(&to.path().join("d0")).len(), 15);
}

#[test]
fn several_threads_write_one_file() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let data = content(8 * CHUNK as usize + 1);
    let all = chunks(to.path(), 0, "file", &data);
    std::thread::scope(|scope| {
        for chunk in all {
            scope.spawn(|| assert_eq!(write(&disk, vec![chunk]), [Ok(())]));
        }
    });
    assert_eq!(finish(&disk, vec![to_finish(to.path(), 0, "file")]), [Ok(())]);
    assert_eq!(fs::read(to.path().join("file")).unwrap(), data);
}

#[cfg(unix)]
#[test]
fn permissions_and_times_are_set() {
    use std::os::unix::fs::PermissionsExt;
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let mode = |name: &str| fs::metadata(to.path().join(name)).unwrap().permissions().mode() & 0o777;
    fs::write(to.path().join("plain"), "").unwrap();
    let usual = mode("plain");

    for number in [0, 1] {
        write(&disk, chunks(to.path(), number, &format!("f{number}"), b"x"));
        assert_eq!(mode(&partial_name(TRANSFER, number)), 0o600, "private while it is partial");
    }
    let executable = FinishFile { executable: true, modified: -1500, ..to_finish(to.path(), 1, "f1") };
    assert_eq!(finish(&disk, vec![to_finish(to.path(), 0, "f0"), executable]), [Ok(()), Ok(())]);
    assert_eq!(mode("f0"), usual, "as any program would make it");
    assert_eq!(mode("f1"), usual | (usual & 0o444) >> 2, "executable for those who may read it");
    let scanned = scan(&[&to.path().join("f0"), &to.path().join("f1")]).unwrap();
    assert_eq!(scanned.entries[0].modified, 1_000_000_000_123);
    assert_eq!(scanned.entries[1].modified, -1500, "before 1970");
    assert!(scanned.entries[1].executable && !scanned.entries[0].executable);
}

#[test]
fn wrong_content_is_not_written() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let mut bad = chunks(to.path(), 0, "file", b"right");
    bad[0].data = b"wrong".as_slice().into();
    assert_eq!(write(&disk, bad), [Err(StorageError::Mismatch)]);
    let mut long = chunks(to.path(), 0, "file", b"right");
    long[0].size = 4;
    assert_eq!(write(&disk, long), [Err(StorageError::Mismatch)], "a chunk of another length");
    let mut other = chunks(to.path(), 0, "file", b"right");
    other[0].expected = ChunkValue([0; 32]);
    assert_eq!(write(&disk, other), [Err(StorageError::Mismatch)]);
    assert_eq!(names(to.path()), [""; 0], "not even a partial file");
}

#[test]
fn a_taken_name_stays_as_it_is() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    fs::write(to.path().join("file"), "old").unwrap();
    fs::create_dir(to.path().join("directory")).unwrap();
    assert_eq!(put(&disk, to.path(), 0, "file", b"new"), Err(StorageError::Exists));
    assert_eq!(fs::read(to.path().join("file")).unwrap(), b"old");

    let overwrite = FinishFile { overwrite: true, ..to_finish(to.path(), 0, "file") };
    assert_eq!(finish(&disk, vec![overwrite]), [Ok(())], "the partial file was kept");
    assert_eq!(fs::read(to.path().join("file")).unwrap(), b"new");

    write(&disk, chunks(to.path(), 1, "directory", b"new"));
    let overwrite = FinishFile { overwrite: true, ..to_finish(to.path(), 1, "directory") };
    assert_eq!(finish(&disk, vec![overwrite]), [Err(StorageError::Exists)]);
    assert!(to.path().join("directory").is_dir());
}

#[test]
fn one_failure_of_a_batch_is_its_own() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    fs::write(to.path().join("f3"), "old").unwrap();
    for number in 0..20 {
        write(&disk, chunks(to.path(), number, &format!("f{number}"), b"new"));
    }
    let files = (0..21).map(|number| to_finish(to.path(), number, &format!("f{number}"))).collect();
    for (number, result) in finish(&disk, files).into_iter().enumerate() {
        let expected = match number {
            3 => Err(StorageError::Exists),
            20 => Err(StorageError::Missing),
            _ => Ok(()),
        };
        assert_eq!(result, expected, "file {number}");
    }
}

#[cfg(unix)]
#[test]
fn links_in_the_folder_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let (outside, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(outside.path().join("victim"), "precious").unwrap();
    fs::create_dir(to.path().join("real")).unwrap();
    symlink(outside.path(), to.path().join("out")).unwrap();
    symlink("real", to.path().join("in")).unwrap();
    symlink(outside.path().join("victim"), to.path().join("file")).unwrap();
    symlink(outside.path().join("new"), to.path().join("dangling")).unwrap();
    let disk = Disk::new();

    for link in ["out", "in"] {
        assert_eq!(prepare(&disk, to.path(), &[link]), Err(StorageError::Exists));
        assert_eq!(prepare(&disk, to.path(), &[&format!("{link}/sub")]), Err(StorageError::Exists));
        assert_eq!(put(&disk, to.path(), 0, &format!("{link}/victim"), b"x"), Err(StorageError::Exists));
    }
    for link in ["file", "dangling"] {
        assert_eq!(put(&disk, to.path(), 1, link, b"x"), Err(StorageError::Exists));
        // Replaced is the link, not what it leads to.
        let overwrite = FinishFile { overwrite: true, ..to_finish(to.path(), 1, link) };
        assert_eq!(finish(&disk, vec![overwrite]), [Ok(())]);
        assert!(fs::symlink_metadata(to.path().join(link)).unwrap().is_file());
    }
    // A link under the very name of the partial file.
    symlink(outside.path().join("victim"), to.path().join(partial_name(TRANSFER, 2))).unwrap();
    assert_eq!(put(&disk, to.path(), 2, "third", b"x"), Err(StorageError::Exists));

    // A directory that becomes a link while its handle is kept: the handle's directory gets the file.
    prepare(&disk, to.path(), &["real/sub"]).unwrap();
    write(&disk, chunks(to.path(), 3, "real/sub/a", b"x"));
    fs::rename(to.path().join("real/sub"), to.path().join("moved")).unwrap();
    symlink(outside.path(), to.path().join("real/sub")).unwrap();
    let _ = put(&disk, to.path(), 4, "real/sub/b", b"x");

    let discard = Work::Discard {
        transfer: TRANSFER,
        into: to.path().into(),
        partials: vec![(3, path("real/sub/victim")), (9, path("out/victim"))],
        directories: vec![path("out"), path("real/sub")],
    };
    assert!(matches!(disk.perform(discard), Done::Discarded));
    assert_eq!(names(outside.path()), ["victim"]);
    assert_eq!(fs::read(outside.path().join("victim")).unwrap(), b"precious");
}

#[test]
fn a_partial_file_of_someone_else_is_left_alone() {
    let to = TempDir::new().unwrap();
    let foreign = to.path().join(partial_name(TRANSFER, 0));
    fs::write(&foreign, "theirs").unwrap();
    let disk = Disk::new();
    assert_eq!(put(&disk, to.path(), 0, "file", b"ours"), Err(StorageError::Exists));
    let discard = Work::Discard {
        transfer: TRANSFER,
        into: to.path().into(),
        partials: vec![(0, path("file"))],
        directories: vec![],
    };
    disk.perform(discard);
    assert_eq!(fs::read(foreign).unwrap(), b"theirs");
}

#[test]
fn discard_removes_its_own_and_nothing_else() {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("before")).unwrap();
    let disk = Disk::new();
    let made = prepare(&disk, to.path(), &["before", "new", "new/empty", "new/full"]).unwrap();
    assert_eq!(made, [path("new"), path("new/empty"), path("new/full")]);
    write(&disk, chunks(to.path(), 0, "new/empty/a", b"x"));
    write(&disk, chunks(to.path(), 1, "b", &content(CHUNK as usize + 1))[..1].to_vec());
    fs::write(to.path().join("new/full/mine"), "x").unwrap();
    let discard = Work::Discard {
        transfer: TRANSFER,
        into: to.path().into(),
        partials: vec![(0, path("new/empty/a")), (1, path("b")), (2, path("before/never"))],
        directories: made,
    };
    disk.perform(discard);
    assert_eq!(names(to.path()), ["before", "new"]);
    assert_eq!(names(&to.path().join("new")), ["full"]);
    assert_eq!(names(&to.path().join("new/full")), ["mine"]);
}

#[test]
fn what_cannot_be_prepared_leaves_nothing() {
    let to = TempDir::new().unwrap();
    fs::write(to.path().join("blocked"), "x").unwrap();
    let disk = Disk::new();
    assert_eq!(prepare(&disk, to.path(), &["new", "new/er", "blocked"]), Err(StorageError::Exists));
    assert_eq!(names(to.path()), ["blocked"]);
    let below = to.path().join("blocked/folder");
    assert!(prepare(&disk, &below, &[]).is_err());
}

#[test]
fn a_folder_that_was_made_anew_is_found() {
    let to = TempDir::new().unwrap();
    let into = to.path().join("into");
    let disk = Disk::new();
    prepare(&disk, &into, &["sub"]).unwrap();
    put(&disk, &into, 0, "sub/a", b"x").unwrap();
    fs::remove_dir_all(&into).unwrap();
    fs::create_dir_all(into.join("sub")).unwrap();
    assert_eq!(put(&disk, &into, 1, "sub/b", b"x"), Ok(()));
    assert_eq!(names(&into.join("sub")), ["b"]);
}

#[test]
fn a_read_only_folder_is_denied() {
    if !permissions_count() {
        return;
    }
    let to = TempDir::new().unwrap();
    let into = to.path().join("into");
    fs::create_dir(&into).unwrap();
    let mut permissions = fs::metadata(&into).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&into, permissions).unwrap();
    assert_eq!(examine(&into, &[file("a")]), Err(StorageError::Denied));
    assert_eq!(examine(&into.join("deeper"), &[file("a")]), Err(StorageError::Denied));
    assert_eq!(put(&Disk::new(), &into, 0, "a", b"x"), Err(StorageError::Denied));
}

/// Mounts a small file system, where this process may; says why not otherwise.
#[cfg(target_os = "linux")]
fn small_disk(options: &str) -> Option<(TempDir, impl Drop)> {
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(&self.0).status();
        }
    }
    let place = TempDir::new().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(place.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!("skipped: this process may not mount a tmpfs");
        return None;
    }
    let unmount = Unmount(place.path().to_owned());
    Some((place, unmount))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_says_so() {
    let Some((place, _mounted)) = small_disk("size=1m") else { return };
    let disk = Disk::new();
    let results = write(&disk, chunks(place.path(), 0, "file", &content(2 << 20)));
    assert_eq!(results.first(), Some(&Ok(())));
    assert_eq!(results.last(), Some(&Err(StorageError::Full)));
    assert!(examine(place.path(), &[file("a")]).unwrap().free < 1 << 20);
    let discard = Work::Discard {
        transfer: TRANSFER,
        into: place.path().into(),
        partials: vec![(0, path("file"))],
        directories: vec![],
    };
    disk.perform(discard);
    assert_eq!(names(place.path()), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_is_denied() {
    let Some((place, _mounted)) = small_disk("ro") else { return };
    assert_eq!(examine(place.path(), &[file("a")]), Err(StorageError::Denied));
    assert_eq!(examine(&place.path().join("below"), &[file("a")]), Err(StorageError::Denied));
    assert_eq!(put(&Disk::new(), place.path(), 0, "a", b"x"), Err(StorageError::Denied));
    assert_eq!(prepare(&Disk::new(), place.path(), &["a"]), Err(StorageError::Denied));
}

#[test]
fn a_changed_source_is_noticed() {
    let from = TempDir::new().unwrap();
    let source = from.path().join("file");
    let data = content(3 * CHUNK as usize);
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let reset = || {
        fs::write(&source, &data).unwrap();
        fs::File::options().write(true).open(&source).unwrap().set_modified(old).unwrap();
        scan(&[&source]).unwrap()
    };
    let changed = |result: &Result<HashedChunk, StorageError>| matches!(result, Err(StorageError::Changed));

    let scanned = reset();
    let disk = Disk::new();
    assert!(read(&disk, to_read(&scanned, 0)).iter().all(Result::is_ok));

    // Before the first read: shorter, longer, newer, something else, gone.
    fs::write(&source, "short").unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed));
    fs::write(&source, content(4 * CHUNK as usize)).unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed));
    fs::write(&source, &data).unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed), "newer, of the same size");
    fs::remove_file(&source).unwrap();
    assert!(matches!(read(&Disk::new(), to_read(&scanned, 0))[0], Err(StorageError::Missing)));
    fs::create_dir(&source).unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed));
    fs::remove_dir(&source).unwrap();

    // Between two reads of one handle.
    let scanned = reset();
    let disk = Disk::new();
    let all = to_read(&scanned, 0);
    assert!(read(&disk, all[..1].to_vec())[0].is_ok());
    fs::write(&source, &data).unwrap();
    assert!(changed(&read(&disk, all[1..2].to_vec())[0]));
}

#[cfg(unix)]
#[test]
fn a_source_that_became_a_link_is_not_followed() {
    use std::os::unix::fs::symlink;
    let from = TempDir::new().unwrap();
    let place = from.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("file"), "public").unwrap();
    let scanned = scan(&[&place.join("file")]).unwrap();
    fs::rename(place.join("file"), from.path().join("other")).unwrap();
    symlink(from.path().join("other"), place.join("file")).unwrap();
    assert!(matches!(read(&Disk::new(), to_read(&scanned, 0))[0], Err(StorageError::Changed)));

    // A directory on the way, too.
    if cfg!(target_os = "linux") {
        fs::remove_file(place.join("file")).unwrap();
        fs::rename(from.path().join("other"), place.join("file")).unwrap();
        assert!(read(&Disk::new(), to_read(&scanned, 0))[0].is_ok());
        fs::rename(&place, from.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &place).unwrap();
        assert!(matches!(read(&Disk::new(), to_read(&scanned, 0))[0], Err(StorageError::Changed)));
    }
}

#[cfg(unix)]
#[test]
fn scans_leave_out_what_is_neither_file_nor_directory() {
    use std::os::unix::fs::symlink;
    let from = TempDir::new().unwrap();
    let top = from.path().join("top");
    fs::create_dir(&top).unwrap();
    fs::write(top.join("file"), "x").unwrap();
    symlink("file", top.join("link")).unwrap();
    symlink("/", top.join("root")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    let scanned = scan(&[&top]).unwrap();
    assert_eq!(
        scanned.entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(),
        ["top", "top/file"]
    );
    let left: Vec<_> = scanned.left_out.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(left, ["link", "root", "socket"]);

    // A path itself may be a link, and keeps its own name.
    symlink("top", from.path().join("alias")).unwrap();
    let scanned = scan(&[&from.path().join("alias")]).unwrap();
    assert_eq!(scanned.entries[1].path.as_str(), "alias/file");
    assert_eq!(scanned.sources[1], fs::canonicalize(top.join("file")).unwrap());
    assert!(matches!(scan(&[&top.join("socket")]), Err(ScanError::NotAFile(_))));
    symlink("nowhere", from.path().join("broken")).unwrap();
    assert!(matches!(
        scan(&[&from.path().join("broken")]),
        Err(ScanError::Unreadable(_, StorageError::Missing))
    ));
}

#[test]
fn scans_name_the_top_after_its_path() {
    let from = TempDir::new().unwrap();
    let top = from.path().join("top");
    fs::create_dir_all(top.join("sub")).unwrap();
    for path in [top.join("."), top.join("sub/.."), from.path().join("top/")] {
        assert_eq!(scan(&[&path]).unwrap().entries[0].path.as_str(), "top", "{path:?}");
    }
    assert!(matches!(scan(&[&top, &top]), Err(ScanError::Duplicate(_))));
    let root = top.ancestors().last().unwrap();
    assert!(matches!(scan(&[root]), Err(ScanError::BadName(_, BadPath::Empty))));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_cannot_be_sent_are_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let from = TempDir::new().unwrap();
    let top = from.path().join("top");
    fs::create_dir(&top).unwrap();
    type Expected = fn(&ScanError) -> bool;
    let cases: [(&[u8], Expected); 4] = [
        (b"\xff\xfe", |error| matches!(error, ScanError::NotUnicode(_))),
        (b"esc\x1b[31m", |error| matches!(error, ScanError::BadName(_, BadPath::Control))),
        (b"line\nbreak", |error| matches!(error, ScanError::BadName(_, BadPath::Control))),
        (b"back\\slash", |error| matches!(error, ScanError::BadName(_, BadPath::Separator))),
    ];
    for (name, expected) in cases {
        let bad = top.join(OsStr::from_bytes(name));
        fs::write(&bad, "x").unwrap();
        for path in [&top, &bad] {
            let error = scan(&[path]).unwrap_err();
            assert!(expected(&error), "{error:?}");
        }
        fs::remove_file(bad).unwrap();
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    if !permissions_count() {
        return;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let from = TempDir::new().unwrap();
        let secret = from.path().join("secret");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        let expected = fs::canonicalize(&secret).unwrap();
        assert!(matches!(
            scan(&[from.path()]),
            Err(ScanError::Unreadable(path, StorageError::Denied)) if path == expected
        ));
    }
}

#[test]
fn an_offer_is_examined_without_writing() {
    let to = TempDir::new().unwrap();
    let into = to.path().join("into");
    let offer = [
        directory("photos"),
        file("photos/a.jpg"),
        file("photos/b.jpg"),
        directory("photos/deep"),
        file("photos/deep/c"),
        directory("blocked"),
        file("blocked/d"),
        file("report.tar.pdf"),
        file(".hidden"),
        file("free"),
    ];
    let nothing = examine(&into, &offer).unwrap();
    assert_eq!((nothing.existing, nothing.alternatives), (vec![], vec![]));
    assert!(nothing.free > 0);
    assert!(!into.exists(), "looking makes nothing");

    fs::create_dir_all(into.join("photos/deep")).unwrap();
    fs::create_dir(into.join("photos (1)")).unwrap();
    for name in ["photos/b.jpg", "photos/deep/c", "blocked", "report.tar.pdf", ".hidden"] {
        fs::write(into.join(name), "x").unwrap();
    }
    let found = examine(&into, &offer).unwrap();
    assert_eq!(found.existing, [2, 4, 6, 7, 8], "what is below a file cannot be put there either");
    let alternatives: Vec<(&str, &str)> =
        found.alternatives.iter().map(|(name, other)| (name.as_str(), other.as_str())).collect();
    let expected = [
        ("photos", "photos (2)"),
        ("blocked", "blocked (1)"),
        ("report.tar.pdf", "report.tar (1).pdf"),
        (".hidden", ".hidden (1)"),
    ];
    assert_eq!(alternatives, expected);

    // Neither another name of the offer, nor one that is too long.
    let long = "é".repeat(126) + ".md";
    fs::write(into.join(&long), "x").unwrap();
    fs::write(into.join("free"), "x").unwrap();
    let found = examine(&into, &[file("free"), file("free (1)"), file(&long)]).unwrap();
    assert_eq!(found.alternatives[0], ("free".into(), "free (2)".into()));
    assert_eq!(found.alternatives[1].1, "é".repeat(124) + " (1).md");
    assert!(RelativePath::new([found.alternatives[1].1.as_str()]).is_ok());
    let file_as_folder = examine(&into.join("blocked"), &offer);
    assert_eq!(file_as_folder, Err(StorageError::Denied));
}

#[cfg(unix)]
#[test]
fn links_count_as_taken_and_are_not_followed() {
    let (outside, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(outside.path().join("a"), "x").unwrap();
    std::os::unix::fs::symlink(outside.path(), to.path().join("top")).unwrap();
    let found = examine(to.path(), &[directory("top"), file("top/a"), file("top/b")]).unwrap();
    assert_eq!(found.existing, [1, 2]);
    assert_eq!(found.alternatives, [("top".to_owned(), "top (1)".to_owned())]);
}

#[test]
fn records_are_not_its_work() {
    assert!(matches!(Disk::new().perform(Work::Load), Done::Loaded(Err(StorageError::Unsupported))));
}

#[test]
fn what_was_written_can_be_read_back_until_it_is_in_place() {
    let to = tempfile::tempdir().unwrap();
    let (disk, other) = (Disk::new(), Disk::new());
    let data: Vec<u8> = (0..2 * CHUNK + 5).map(|at| (at % 251) as u8).collect();
    let chunks = chunks(to.path(), 0, "film", &data);
    assert!(matches!(read_back(&disk, &chunks[0]), Err(StorageError::Missing)), "nothing was written yet");
    assert_eq!(write(&disk, vec![chunks[2].clone()]), [Ok(())]);
    let back = read_back(&disk, &chunks[2]).unwrap();
    assert_eq!((back.data, back.value), (chunks[2].data.clone(), chunks[2].expected));
    // What was not written is not what it should be, or not there at all.
    assert!(read_back(&disk, &chunks[0]).is_ok_and(|back| back.value != chunks[0].expected));
    assert!(
        matches!(read_back(&other, &chunks[2]), Err(StorageError::Missing)),
        "of this disk's own making only"
    );
    assert_eq!(write(&disk, vec![chunks[0].clone(), chunks[1].clone()]), [Ok(()), Ok(())]);
    assert_eq!(finish(&disk, vec![to_finish(to.path(), 0, "film")]), [Ok(())]);
    assert!(matches!(read_back(&disk, &chunks[2]), Err(StorageError::Missing)), "it has another name now");
}
