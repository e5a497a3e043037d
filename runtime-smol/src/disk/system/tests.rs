use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{rename_new, system_time};

#[test]
fn times_before_and_after_1970() {
    let epoch = SystemTime::UNIX_EPOCH;
    assert_eq!(system_time(1500), Some(epoch + Duration::from_millis(1500)));
    assert_eq!(system_time(-1500), Some(epoch - Duration::from_millis(1500)));
}

#[test]
fn a_rename_never_replaces() {
    let place = tempfile::TempDir::new().unwrap();
    let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
    dir.write("a", "a").unwrap();
    dir.write("b", "b").unwrap();
    let error = rename_new(&dir, "a", "b").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(dir.read("b").unwrap(), b"b");
    rename_new(&dir, "a", "c").unwrap();
    assert_eq!(dir.read("c").unwrap(), b"a");
    assert!(!dir.exists("a"));
}
