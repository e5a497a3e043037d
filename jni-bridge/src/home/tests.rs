use super::Home;
use crate::failure::{Failure, Reason};

fn reason<T>(outcome: Result<T, Failure>) -> Option<Reason> {
    match outcome {
        Err(Failure::Hither(reason, _)) => Some(reason),
        _ => None,
    }
}

#[test]
fn the_key_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let made = Home::open(directory.path().join("home")).unwrap().identity().unwrap();
    let found = Home::open(directory.path().join("home")).unwrap().identity().unwrap();
    assert_eq!(made.peer_id(), found.peer_id());
}

#[test]
fn a_home_has_one_user_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = Home::open(directory.path().into()).unwrap();
    assert_eq!(reason(Home::open(directory.path().into())), Some(Reason::InUse));
    drop(first);
    assert!(Home::open(directory.path().into()).is_ok());
}

#[test]
fn a_home_below_a_file_is_not_writable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    assert_eq!(reason(Home::open(file.join("home"))), Some(Reason::NotWritable));
}

#[test]
fn a_key_that_is_none_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "no key").unwrap();
    let home = Home::open(directory.path().into()).unwrap();
    assert_eq!(reason(home.identity()), Some(Reason::KeyUnusable));
    assert_eq!(std::fs::read(&key).unwrap(), b"no key");
}
