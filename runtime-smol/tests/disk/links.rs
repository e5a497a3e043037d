use crate::common::*;

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
    symlink(outside.path().join("victim"), to.path().join(partial(2))).unwrap();
    assert_eq!(put(&disk, to.path(), 2, "third", b"x"), Err(StorageError::Exists));

    // A directory that becomes a link while its handle is kept: the handle's directory gets the file.
    prepare(&disk, to.path(), &["real/sub"]).unwrap();
    write(&disk, chunks(to.path(), 3, "real/sub/a", b"x"));
    fs::rename(to.path().join("real/sub"), to.path().join("moved")).unwrap();
    symlink(outside.path(), to.path().join("real/sub")).unwrap();
    let _ = put(&disk, to.path(), 4, "real/sub/b", b"x");

    let partials = vec![target(3, "real/sub/victim"), target(9, "out/victim")];
    discard(&disk, to.path(), partials, vec![path("out"), path("real/sub")]);
    assert_eq!(names(outside.path()), ["victim"]);
    assert_eq!(fs::read(outside.path().join("victim")).unwrap(), b"precious");
}
