use crate::common::*;

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
fn hithers_own_files_are_left_out() {
    let from = TempDir::new().unwrap();
    let top = from.path().join("top");
    let own = [partial_name(TRANSFER, FileIdentity([1; 16])), journal_name(TRANSFER)];
    fs::create_dir_all(top.join(".hither-x.part/below")).unwrap();
    for name in ["file", ".hither-notes", &own[0], &own[1]] {
        fs::write(top.join(name), "x").unwrap();
    }
    let scanned = scan(&[&top]).unwrap();
    let listed: Vec<_> = scanned.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(listed, ["top", "top/.hither-notes", "top/file"]);
    let left: Vec<_> =
        scanned.left_out.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(left, [own[0].as_str(), &own[1], ".hither-x.part"]);
    let named = scan(&[&top.join(&own[0])]);
    assert!(
        matches!(named, Err(ScanError::BadName(_, BadPath::Reserved))),
        "whoever names one is told: {named:?}"
    );
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
