//! The disk model: every kind of work as documented, what a crash leaves, and faults.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hither_protocol::storage::{
    Change, Done, Examined, FinishFile, ReadChunk, Record, ScanError, StorageError, StorageId,
    StorageRequest, Table, Work, WriteChunk, partial_name,
};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue, chunk_value};
use hither_protocol::transfer::{BadPath, Entry, EntryKind, Manifest, RelativePath, TransferId};
use hither_tests::disk::{Disk, File, Item, Kind, Timing};
use hither_tests::for_seeds;
use hither_tests::random::Random;

const TRANSFER: TransferId = TransferId([5; 16]);

fn disk() -> Disk {
    Disk::new(Random::new(3))
}

fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).unwrap()
}

/// Asks for work and carries it out at once.
fn run(disk: &mut Disk, work: Work) -> Done {
    let id = StorageId(disk.all_requests());
    disk.submit(Duration::ZERO, StorageRequest { id, work });
    disk.complete(id).unwrap()
}

fn write(file: u32, name: &str, content: &[u8]) -> Work {
    let size = content.len() as u64;
    let chunks = content.chunks(CHUNK as usize).enumerate().map(|(n, data)| {
        let offset = n as u64 * CHUNK;
        let expected = chunk_value(size, offset, data);
        let (data, into) = (Bytes::copy_from_slice(data), Arc::new("/in".into()));
        WriteChunk { transfer: TRANSFER, file, into, path: path(name), size, offset, data, expected }
    });
    Work::Write(chunks.collect())
}

fn finish(file: u32, name: &str, overwrite: bool) -> FinishFile {
    let (into, modified, executable) = (Arc::new("/in".into()), 42, true);
    FinishFile { transfer: TRANSFER, file, into, path: path(name), modified, executable, overwrite }
}

fn prepare(directories: &[&str]) -> Work {
    Work::Prepare { into: "/in".into(), directories: directories.iter().map(|name| path(name)).collect() }
}

fn record(key: &str, value: &str) -> Record {
    Record { table: Table::Outbox, key: key.into(), value: value.into() }
}

fn prepared(done: Done) -> Result<Vec<RelativePath>, StorageError> {
    let Done::Prepared(result) = done else { panic!("{done:?}") };
    result
}

fn written(done: Done) -> Vec<Result<(), StorageError>> {
    let Done::Written(results) = done else { panic!("{done:?}") };
    results
}

fn finished(done: Done) -> Vec<Result<(), StorageError>> {
    let Done::Finished(results) = done else { panic!("{done:?}") };
    results
}

#[test]
fn records_are_put_kept_removed_and_loaded() {
    let mut disk = disk();
    let inbox = Record { table: Table::Inbox, key: vec![1], value: vec![] };
    let changes = vec![
        Change::Put(record("a", "1")),
        Change::PutNew(record("a", "2")),
        Change::PutNew(record("b", "3")),
        Change::Put(record("a", "4")),
        Change::Put(record("c", "5")),
        Change::Remove { table: Table::Outbox, key: "c".into() },
        Change::PutNew(inbox),
    ];
    let Done::Committed(Ok(made)) = run(&mut disk, Work::Commit(changes)) else { panic!() };
    assert_eq!(made, [true, false, true, true, true, true, true]);
    let Done::Loaded(Ok(records)) = run(&mut disk, Work::Load) else { panic!() };
    assert_eq!(records, [record("a", "4"), record("b", "3")], "all but the inbox");
    assert_eq!(disk.records(Table::Inbox).count(), 1);
}

#[test]
fn records_are_worked_on_in_order_and_the_rest_is_not() {
    let mut disk = disk();
    disk.set_timing(Timing { jitter: Duration::from_secs(1), ..Timing::default() });
    let mut times = |work: fn() -> Work| -> Vec<Duration> {
        let first = disk.all_requests();
        let ids = (first..first + 50).map(StorageId);
        ids.map(|id| disk.submit(Duration::ZERO, StorageRequest { id, work: work() })).collect()
    };
    assert!(times(|| Work::Commit(vec![])).is_sorted());
    assert!(!times(|| Work::Scan { paths: vec![] }).is_sorted());
}

#[test]
fn a_scan_lists_parents_first_and_leaves_special_files_out() {
    let mut disk = disk();
    disk.put_file("/home/b/z", "zz");
    disk.put_file("/home/b/a/x", "");
    disk.put_file("/home/b/a.txt", "text");
    disk.put_special("/home/b/link");
    disk.put_file("/home/one", "1");
    disk.set_executable("/home/one");
    let paths = vec!["/home/b".into(), "/home/one".into()];
    let Done::Scanned(Ok(found)) = run(&mut disk, Work::Scan { paths }) else { panic!() };
    let entries: Vec<_> = found.entries.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
    let file = EntryKind::File;
    let directory = EntryKind::Directory;
    let expected = [
        ("b", directory),
        ("b/a", directory),
        ("b/a/x", file(0)),
        ("b/a.txt", file(4)),
        ("b/z", file(2)),
        ("one", file(1)),
    ];
    assert_eq!(entries, expected);
    assert_eq!(found.sources[2], Path::new("/home/b/a/x"));
    assert_eq!(found.left_out, [Path::new("/home/b/link")]);
    assert_eq!(found.entries.iter().filter(|entry| entry.executable).count(), 1);
}

#[test]
fn a_scan_says_what_cannot_be_offered() {
    let mut disk = disk();
    disk.put_file("/a/x", "");
    disk.put_file("/b/x", "");
    disk.put_file("/c/bad\u{7}name", "");
    disk.put_special("/device");
    disk.put_file("/secret/s", "");
    disk.deny("/secret");
    let mut scan = |paths: &[&str]| {
        let paths = paths.iter().map(PathBuf::from).collect();
        let Done::Scanned(result) = run(&mut disk, Work::Scan { paths }) else { panic!() };
        result.unwrap_err()
    };
    assert_eq!(scan(&["/none"]), ScanError::Unreadable("/none".into(), StorageError::Missing));
    assert_eq!(scan(&["/secret"]), ScanError::Unreadable("/secret".into(), StorageError::Denied));
    assert_eq!(scan(&["/a/x", "/b/x"]), ScanError::Duplicate("/b/x".into()));
    assert_eq!(scan(&["/device"]), ScanError::NotAFile("/device".into()));
    assert_eq!(scan(&["/c"]), ScanError::BadName("/c/bad\u{7}name".into(), BadPath::Control));
}

#[test]
fn a_chunk_is_read_only_while_the_file_is_as_it_was() {
    let mut disk = disk();
    let content = Random::new(1).bytes(CHUNK as usize + 100);
    disk.put_file("/f", content.clone());
    let size = content.len() as u64;
    let modified = disk.file("/f").unwrap().modified;
    let source = Arc::new(PathBuf::from("/f"));
    let chunk = ReadChunk { transfer: TRANSFER, file: 0, source, size, modified, offset: CHUNK, length: 100 };
    let read = |disk: &mut Disk| {
        let Done::Read(mut results) = run(disk, Work::Read(vec![chunk.clone()])) else { panic!() };
        results.remove(0)
    };
    let good = read(&mut disk).unwrap();
    assert_eq!(good.data, content[CHUNK as usize..]);
    assert_eq!(good.value, chunk_value(size, CHUNK, &good.data));

    disk.corrupt_read(1);
    assert_eq!(read(&mut disk).unwrap().data, good.data);
    let bad = read(&mut disk).unwrap();
    assert_ne!(bad.value, chunk_value(size, CHUNK, &bad.data), "the receiver can tell");
    assert_eq!(read(&mut disk).unwrap().data, good.data);

    disk.put_file("/f", content);
    assert_eq!(read(&mut disk).unwrap_err(), StorageError::Changed);
    disk.remove("/f");
    assert_eq!(read(&mut disk).unwrap_err(), StorageError::Missing);
}

#[test]
fn an_offer_is_examined_without_a_trace() {
    let mut disk = disk();
    disk.put_file("/in/photos/a", "12345");
    disk.put_file("/in/letter.txt", "");
    disk.put_file("/in/letter (1).txt", "");
    disk.set_free(1000);
    let entry = |name, kind| Entry { path: path(name), kind, modified: 0, executable: false };
    let entries = vec![
        entry("photos", EntryKind::Directory),
        entry("photos/a", EntryKind::File(5)),
        entry("photos/b", EntryKind::File(5)),
        entry("letter.txt", EntryKind::File(5)),
        entry("new", EntryKind::File(5)),
    ];
    let manifest = Arc::new(Manifest::new("all".into(), entries).unwrap());
    let before = disk.list("/");
    let examine = |into: &str| Work::Examine { into: into.into(), manifest: manifest.clone() };
    let Done::Examined(Ok(examined)) = run(&mut disk, examine("/in")) else { panic!() };
    let alternatives = [("photos", "photos (1)"), ("letter.txt", "letter (2).txt")];
    let alternatives = alternatives.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    assert_eq!(examined, Examined { free: 1000, existing: vec![1, 3], alternatives });
    let Done::Examined(Ok(examined)) = run(&mut disk, examine("/not/there")) else { panic!() };
    assert_eq!(examined, Examined { free: 1000, existing: vec![], alternatives: vec![] });
    assert_eq!(disk.list("/"), before);
    disk.set_read_only(true);
    assert!(matches!(run(&mut disk, examine("/in")), Done::Examined(Err(StorageError::Denied))));
}

#[test]
fn directories_are_made_once_and_named() {
    let mut disk = disk();
    assert_eq!(prepared(run(&mut disk, prepare(&["a"]))).unwrap(), [path("a")]);
    assert_eq!(prepared(run(&mut disk, prepare(&["a", "a/b"]))).unwrap(), [path("a/b")]);
    disk.put_file("/in/file", "");
    let before = disk.list("/");
    assert_eq!(prepared(run(&mut disk, prepare(&["c", "file"]))).unwrap_err(), StorageError::Exists);
    assert_eq!(disk.list("/"), before, "nothing is left where it fails");
}

#[test]
fn chunks_are_written_out_of_order_and_put_in_place() {
    let mut disk = disk();
    let content = Random::new(1).bytes(3 * CHUNK as usize + 7);
    run(&mut disk, prepare(&["a"]));
    let Work::Write(mut chunks) = write(4, "a/f", &content) else { panic!() };
    chunks.reverse();
    assert_eq!(written(run(&mut disk, Work::Write(chunks))), vec![Ok(()); 4]);
    assert_eq!(disk.partials(), [Path::new("/in/a").join(partial_name(TRANSFER, 4))]);
    assert_eq!(finished(run(&mut disk, Work::Finish(vec![finish(4, "a/f", false)]))), [Ok(())]);
    let expected = File { content: Arc::new(content), modified: 42, executable: true };
    assert_eq!(disk.file("/in/a/f"), Some(&expected));
    assert_eq!(disk.partials(), [] as [PathBuf; 0]);
}

#[test]
fn what_does_not_verify_is_not_written() {
    let mut disk = disk();
    run(&mut disk, prepare(&[]));
    let Work::Write(mut chunks) = write(0, "f", b"content") else { panic!() };
    chunks[0].expected = ChunkValue([0; 32]);
    assert_eq!(written(run(&mut disk, Work::Write(chunks))), [Err(StorageError::Mismatch)]);
    assert_eq!(disk.partials(), [] as [PathBuf; 0]);
}

#[test]
fn a_taken_name_is_kept_unless_it_may_be_replaced() {
    let mut disk = disk();
    disk.put_file("/in/f", "old");
    run(&mut disk, write(0, "f", b"new"));
    let result = finished(run(&mut disk, Work::Finish(vec![finish(0, "f", false)])));
    assert_eq!(result, [Err(StorageError::Exists)]);
    assert_eq!(**disk.content("/in/f").unwrap(), *b"old");
    assert_eq!(finished(run(&mut disk, Work::Finish(vec![finish(0, "f", true)]))), [Ok(())]);
    assert_eq!(**disk.content("/in/f").unwrap(), *b"new");
    let missing = finished(run(&mut disk, Work::Finish(vec![finish(1, "g", false)])));
    assert_eq!(missing, [Err(StorageError::Missing)]);
}

#[test]
fn discarding_removes_partial_files_and_empty_directories_only() {
    let mut disk = disk();
    run(&mut disk, prepare(&["a", "a/b", "c"]));
    run(&mut disk, write(0, "a/b/f", b"x"));
    run(&mut disk, write(1, "c/g", b"y"));
    disk.put_file("/in/c/mine", "mine");
    let partials = vec![(0, path("a/b/f")), (1, path("c/g")), (2, path("never"))];
    let directories = vec![path("a"), path("a/b"), path("c")];
    run(&mut disk, Work::Discard { transfer: TRANSFER, into: "/in".into(), partials, directories });
    assert_eq!(disk.list("/in").into_keys().collect::<Vec<_>>(), [Path::new("c"), Path::new("c/mine")]);
}

#[test]
fn a_full_disk_takes_no_more_and_frees_what_is_removed() {
    let mut disk = disk();
    run(&mut disk, prepare(&[]));
    disk.set_free(10);
    assert_eq!(written(run(&mut disk, write(0, "f", &[1; 8]))), [Ok(())]);
    assert_eq!(written(run(&mut disk, write(1, "g", &[1; 3]))), [Err(StorageError::Full)]);
    assert_eq!(disk.free(), 2);
    let partials = vec![(0, path("f")), (1, path("g"))];
    let directories = vec![];
    run(&mut disk, Work::Discard { transfer: TRANSFER, into: "/in".into(), partials, directories });
    assert_eq!(disk.free(), 10);
}

#[test]
fn requests_fail_when_they_are_to() {
    let mut disk = disk();
    disk.fail(Kind::Commit, 1, StorageError::Full);
    let mut commit = |key| {
        let Done::Committed(result) = run(&mut disk, Work::Commit(vec![Change::Put(record(key, ""))])) else {
            panic!()
        };
        result
    };
    assert_eq!(commit("a"), Ok(vec![true]));
    assert_eq!(commit("b"), Err(StorageError::Full));
    assert_eq!(commit("c"), Ok(vec![true]));
    let keys: Vec<_> = disk.records(Table::Outbox).map(|(key, _)| key.to_vec()).collect();
    assert_eq!(keys, [b"a", b"c"], "a commit that fails changes nothing");
    disk.set_read_only(true);
    assert_eq!(prepared(run(&mut disk, prepare(&[]))).unwrap_err(), StorageError::Denied);
}

#[test]
fn bytes_take_their_time_and_are_counted_while_they_are_under_way() {
    let mut disk = disk();
    run(&mut disk, prepare(&[]));
    let timing = Timing { request: Duration::from_millis(1), jitter: Duration::ZERO, rate: 1000 };
    disk.set_timing(timing);
    let ids = [StorageId(100), StorageId(101)];
    let first = disk.submit(Duration::ZERO, StorageRequest { id: ids[0], work: write(0, "f", &[1; 500]) });
    let second = disk.submit(Duration::ZERO, StorageRequest { id: ids[1], work: write(1, "g", &[1; 500]) });
    assert_eq!((first, second), (Duration::from_millis(501), Duration::from_millis(1001)));
    assert_eq!(disk.outstanding(), 1000);
    ids.into_iter().for_each(|id| drop(disk.complete(id)));
    assert_eq!((disk.outstanding(), disk.peak_outstanding()), (0, 1000));
}

#[test]
fn a_crash_keeps_what_is_durable_and_may_lose_the_rest() {
    let outcomes = std::cell::RefCell::new(std::collections::BTreeSet::new());
    for_seeds(40, |seed| {
        let mut disk = Disk::new(Random::new(seed));
        run(&mut disk, prepare(&["a", "b"]));
        run(&mut disk, write(0, "a/kept", b"kept"));
        run(&mut disk, Work::Finish(vec![finish(0, "a/kept", false)]));
        run(&mut disk, write(1, "b/lost", b"lost"));
        run(&mut disk, Work::Commit(vec![Change::Put(record("kept", ""))]));
        disk.crash();
        assert_eq!(**disk.content("/in/a/kept").unwrap(), *b"kept");
        assert_eq!(disk.records(Table::Outbox).count(), 1);
        let left = disk.content(Path::new("/in/b").join(partial_name(TRANSFER, 1)));
        assert!(left.as_ref().is_none_or(|left| b"lost".starts_with(left)));
        outcomes.borrow_mut().insert(left.map(|left| left.len()));
        let used = |item: Item| match item {
            Item::File(file) => file.content.len() as u64,
            _ => 0,
        };
        assert_eq!(disk.free(), (1 << 40) - disk.list("/").into_values().map(used).sum::<u64>());
    });
    if std::env::var(hither_tests::seeds::VARIABLE).is_err() {
        let outcomes = outcomes.into_inner();
        assert!(
            outcomes.contains(&None) && outcomes.contains(&Some(4)) && outcomes.len() > 2,
            "{outcomes:?}"
        );
    }
}

#[test]
fn a_crash_reaches_commits_in_their_order() {
    for_seeds(40, |seed| {
        let mut disk = Disk::new(Random::new(seed));
        for key in 0..4_u8 {
            let record = Record { table: Table::Peers, key: vec![key], value: vec![] };
            let work = Work::Commit(vec![Change::Put(record)]);
            disk.submit(Duration::ZERO, StorageRequest { id: StorageId(u64::from(9 - key)), work });
        }
        disk.crash();
        assert!(disk.complete(StorageId(9)).is_none());
        let keys: Vec<u8> = disk.records(Table::Peers).map(|(key, _)| key[0]).collect();
        assert!(keys.iter().copied().eq(0..keys.len() as u8), "a later one without an earlier: {keys:?}");
    });
}

#[test]
#[should_panic(expected = "rests on work still under way")]
fn a_file_is_not_put_in_place_while_it_is_written() {
    let mut disk = disk();
    run(&mut disk, prepare(&[]));
    disk.submit(Duration::ZERO, StorageRequest { id: StorageId(100), work: write(0, "f", b"x") });
    run(&mut disk, Work::Finish(vec![finish(0, "f", false)]));
}

#[test]
#[should_panic(expected = "not whole")]
fn a_file_is_not_put_in_place_before_it_is_whole() {
    let mut disk = disk();
    run(&mut disk, prepare(&[]));
    let Work::Write(mut chunks) = write(0, "f", &[1; CHUNK as usize + 1]) else { panic!() };
    chunks.truncate(1);
    run(&mut disk, Work::Write(chunks));
    run(&mut disk, Work::Finish(vec![finish(0, "f", false)]));
}
