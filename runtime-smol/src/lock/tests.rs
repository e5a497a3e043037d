use std::fs::File;
use std::path::Path;

#[cfg(unix)]
use super::Answer;
use super::Locked;

fn open(path: &Path) -> File {
    File::options().create(true).truncate(false).write(true).open(path).unwrap()
}

#[test]
fn one_at_a_time_within_a_process_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let first = Locked::new(open(&path)).unwrap();
    assert!(first.is_some());
    assert!(Locked::new(open(&path)).unwrap().is_none());
    drop(first);
    assert!(Locked::new(open(&path)).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn one_at_a_time_where_the_file_system_knows_no_locks() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("file"), directory.path().join("link"));
    let lock = |path: &Path| Locked::with(open(path), |_| Ok(Answer::Unknown)).unwrap();
    let first = lock(&path);
    assert!(first.is_some());
    std::fs::hard_link(&path, &other).unwrap();
    assert!(lock(&path).is_none());
    assert!(lock(&other).is_none(), "under another name");
    assert!(lock(&directory.path().join("another file")).is_some());
    drop(first);
    assert!(lock(&path).is_some());
}
