use crate::common::*;

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
    let prepared = sink.perform(Work::Prepare {
        transfer: TRANSFER,
        sender: sender(),
        into: into.clone(),
        directories: directories.clone(),
        journal: false,
    });
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
                    into: Arc::new(into.clone()),
                    target: target(chunk.file, entry.path.as_str()),
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

/// Windows lets nobody remove a folder that is open.
#[cfg(unix)]
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

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_is_denied() {
    let Some((place, _mounted)) = small_disk("ro") else { return };
    assert_eq!(examine(place.path(), &[file("a")]), Err(StorageError::Denied));
    assert_eq!(examine(&place.path().join("below"), &[file("a")]), Err(StorageError::Denied));
    assert_eq!(put(&Disk::new(), place.path(), 0, "a", b"x"), Err(StorageError::Denied));
    assert_eq!(prepare(&Disk::new(), place.path(), &["a"]), Err(StorageError::Denied));
}
