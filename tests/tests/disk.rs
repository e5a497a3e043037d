//! The disk model: every kind of work as documented, what a crash leaves, and faults.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hither_protocol::storage::{
    Change, Done, Examined, ReadChunk, Record, ScanError, StorageError, StorageId, StorageRequest, Table,
    Work,
};
use hither_protocol::transfer::hash::{CHUNK, chunk_value};
use hither_protocol::transfer::{BadPath, Entry, EntryKind, Manifest, TransferId};
use hither_tests::disk::{Disk, Item, Kind, Timing};
use hither_tests::for_seeds;
use hither_tests::incoming::{Incoming, path, prepared, run, sealed};
use hither_tests::random::Random;

fn disk() -> Disk {
    Disk::new(Random::new(3))
}

fn record(key: &str, value: &str) -> Record {
    Record { table: Table::Outbox, key: key.into(), value: value.into() }
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
    assert!(!times(|| Work::Scan { paths: vec![], links: false }).is_sorted());
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
    let Done::Scanned(Ok(found)) = run(&mut disk, Work::Scan { paths, links: false }) else { panic!() };
    let entries: Vec<_> =
        found.entries.iter().map(|entry| (entry.path.as_str(), entry.kind.clone())).collect();
    let file = EntryKind::File;
    let expected = [
        ("b", EntryKind::Directory),
        ("b/a", EntryKind::Directory),
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
fn a_scan_lists_links_where_they_are_asked_for() {
    let mut disk = disk();
    disk.put_file("/home/b/a/x", "");
    disk.put_link("/home/b/a/up", "../c");
    disk.put_link("/home/b/a/out", "../../c");
    disk.put_link("/home/b/far", "/etc/passwd");
    disk.put_link("/home/l", "b");
    let mut scan = |path: &str, links| {
        let paths = vec![path.into()];
        let Done::Scanned(result) = run(&mut disk, Work::Scan { paths, links }) else { panic!() };
        result
    };
    let found = scan("/home/b", true).unwrap();
    let entries: Vec<_> = found.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(entries, ["b", "b/a", "b/a/up", "b/a/x"]);
    assert_eq!(found.entries[2].target().map(|target| target.as_str()), Some("../c"));
    assert_eq!(found.left_out, [Path::new("/home/b/a/out"), Path::new("/home/b/far")]);
    assert_eq!(scan("/home/b", false).unwrap().left_out.len(), 3);
    assert_eq!(scan("/home/l", true).unwrap_err(), ScanError::OnlyALink("/home/l".into()));
}

#[test]
fn a_link_is_made_or_found_and_replaces_a_file_only_where_it_may() {
    let mut disk = disk();
    let offer = Incoming::new(&[("d/f", b"x".to_vec())]);
    run(&mut disk, offer.prepare(false));
    let mut make =
        |at, target, overwrite| sealed(run(&mut disk, offer.seal(&[(at, target)], overwrite))).remove(0);
    assert_eq!(make("d/l", "f", false), Ok(true));
    assert_eq!(make("d/l", "f", false), Ok(true), "it is there");
    assert_eq!(make("d/l", "g", false), Err(StorageError::Exists));
    assert_eq!(make("d/l", "g", true), Ok(true));
    assert_eq!(make("d", "g", true), Err(StorageError::Exists), "never a directory");
    assert_eq!(disk.list("/in")[Path::new("d/l")], Item::Link("g".into()));
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
        let Done::Scanned(result) = run(&mut disk, Work::Scan { paths, links: false }) else { panic!() };
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
    let chunk = ReadChunk {
        transfer: TransferId([5; 16]),
        file: 0,
        source,
        size,
        modified,
        offset: CHUNK,
        length: 100,
    };
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
    assert_eq!(
        prepared(run(&mut disk, Incoming::new(&[("f", vec![])]).prepare(false))).unwrap_err(),
        StorageError::Denied
    );
}

#[test]
fn bytes_take_their_time_and_are_counted_while_they_are_under_way() {
    let mut disk = disk();
    let offer = Incoming::new(&[("f", vec![1; 500]), ("g", vec![2; 500])]);
    prepared(run(&mut disk, offer.prepare(false))).unwrap();
    let timing = Timing { request: Duration::from_millis(1), jitter: Duration::ZERO, rate: 1000 };
    disk.set_timing(timing);
    let ids = [StorageId(100), StorageId(101)];
    let mut ask =
        |id, file| disk.submit(Duration::ZERO, StorageRequest { id, work: offer.write(&[(file, 0)]) });
    let times = (ask(ids[0], 0), ask(ids[1], 1));
    assert_eq!(times, (Duration::from_millis(501), Duration::from_millis(1001)));
    assert_eq!(disk.outstanding(), 1000);
    ids.into_iter().for_each(|id| drop(disk.complete(id)));
    assert_eq!((disk.outstanding(), disk.peak_outstanding()), (0, 1000));
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
