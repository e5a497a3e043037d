//! The records, on real files.

use hither_protocol::storage::{Change, Done, Record, StorageError, Table, Work};
use hither_runtime_smol::records::{FILE_NAME, Records};
use tempfile::TempDir;

fn record(table: Table, key: &str, value: &str) -> Record {
    Record { table, key: key.into(), value: value.into() }
}

fn commit(records: &mut Records, changes: Vec<Change>) -> Result<Vec<bool>, StorageError> {
    match records.perform(Work::Commit(changes)) {
        Done::Committed(result) => result,
        other => panic!("{other:?}"),
    }
}

fn load(records: &mut Records) -> Result<Vec<Record>, StorageError> {
    match records.perform(Work::Load) {
        Done::Loaded(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_outlive_their_program() {
    let home = TempDir::new().unwrap();
    let home = home.path().join("made/anew");
    let mut records = Records::new(home.clone());
    assert_eq!(load(&mut records), Ok(vec![]));
    let (a, b) = (record(Table::Contacts, "a", "1"), record(Table::Outbox, "a", "2"));
    let c = record(Table::Inbox, "a", "3");
    let changes = vec![Change::Put(a.clone()), Change::Put(b.clone()), Change::Put(c.clone())];
    assert_eq!(commit(&mut records, changes), Ok(vec![true; 3]));
    drop(records);

    let mut records = Records::new(home);
    assert_eq!(load(&mut records), Ok(vec![a.clone(), b.clone()]), "all but the inbox, which only grows");
    assert_eq!(commit(&mut records, vec![Change::PutNew(c)]), Ok(vec![false]), "but it is there");
    let changes = vec![
        Change::Remove { table: Table::Contacts, key: a.key },
        Change::Remove { table: Table::Contacts, key: b"never".to_vec() },
    ];
    assert_eq!(commit(&mut records, changes), Ok(vec![true, true]));
    assert_eq!(load(&mut records), Ok(vec![b]));
}

#[test]
fn put_new_leaves_what_exists() {
    let home = TempDir::new().unwrap();
    let mut records = Records::new(home.path().into());
    let changes = vec![
        Change::PutNew(record(Table::Peers, "a", "first")),
        Change::PutNew(record(Table::Peers, "a", "second")),
        Change::Put(record(Table::Peers, "b", "first")),
        Change::Put(record(Table::Peers, "b", "second")),
    ];
    assert_eq!(commit(&mut records, changes), Ok(vec![true, false, true, true]));
    let expected = vec![record(Table::Peers, "a", "first"), record(Table::Peers, "b", "second")];
    assert_eq!(load(&mut records), Ok(expected));
}

#[test]
fn folded_commits_see_one_another() {
    let home = TempDir::new().unwrap();
    let mut records = Records::new(home.path().into());
    let put = |value| vec![Change::PutNew(record(Table::Inbox, "a", value))];
    let remove = vec![Change::Remove { table: Table::Inbox, key: b"a".to_vec() }];
    let results = records.commit(&[put("1"), put("2"), remove, put("3")]).unwrap();
    assert_eq!(results, [[true], [false], [true], [true]]);
}

#[test]
fn one_program_at_a_time() {
    let home = TempDir::new().unwrap();
    let mut first = Records::new(home.path().into());
    load(&mut first).unwrap();
    let mut second = Records::new(home.path().into());
    assert!(matches!(load(&mut second), Err(StorageError::Other(why)) if why.contains("another")));
    drop(first);
    assert_eq!(load(&mut second), Ok(vec![]), "it is tried again");
}

#[test]
fn a_damaged_file_is_an_error_and_stays() {
    let home = TempDir::new().unwrap();
    let path = home.path().join(FILE_NAME);
    std::fs::write(&path, vec![0x5a; 100_000]).unwrap();
    assert!(load(&mut Records::new(home.path().into())).is_err());
    assert_eq!(std::fs::read(path).unwrap(), vec![0x5a; 100_000]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let home = TempDir::new().unwrap();
    let home = home.path().join("home");
    load(&mut Records::new(home.clone())).unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.join(FILE_NAME)), 0o600);
    assert_eq!(mode(home), 0o700);
}
