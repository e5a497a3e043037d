use std::fs;

use super::*;

#[test]
fn a_file_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    write_new(&path, b"first").unwrap();
    assert_eq!(write_new(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(read(&path).unwrap().as_slice(), b"first");
    write_over(&path, b"third").unwrap();
    assert_eq!(read(&path).unwrap().as_slice(), b"third");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no drafts are left");
}

#[test]
fn a_draft_that_was_left_behind_is_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let half = |number: u32| {
        let name = format!("key.{}.{number}.new", std::process::id());
        fs::write(directory.path().join(name), "half of a k").unwrap();
    };
    half(0);
    write_new(&path, b"whole").unwrap();
    assert_eq!(read(&path).unwrap().as_slice(), b"whole");
    half(1);
    write_over(&path, b"another").unwrap();
    assert_eq!(read(&path).unwrap().as_slice(), b"another");
    (2..MAX_DRAFTS).for_each(half);
    assert_eq!(write_over(&path, b"more").unwrap_err().kind(), io::ErrorKind::Other);
    assert_eq!(read(&path).unwrap().as_slice(), b"another");
}

#[cfg(unix)]
#[test]
fn what_is_made_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = tempfile::tempdir().unwrap();
    let (room, path) = (directory.path().join("a/b"), directory.path().join("a/b/key"));
    make_directory(&room).unwrap();
    write_new(&path, b"secret").unwrap();
    assert_eq!((mode(&room), mode(&path)), (0o700, 0o600));
    assert!(!tighten(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(tighten(&path).unwrap());
    assert_eq!(mode(&path), 0o600);
}
