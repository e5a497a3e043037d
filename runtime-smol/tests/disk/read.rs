use crate::common::*;

#[test]
fn a_changed_source_is_noticed() {
    let from = TempDir::new().unwrap();
    let source = from.path().join("file");
    let data = content(3 * CHUNK as usize);
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let reset = || {
        fs::write(&source, &data).unwrap();
        fs::File::options().write(true).open(&source).unwrap().set_modified(old).unwrap();
        scan(&[&source]).unwrap()
    };
    let changed = |result: &Result<HashedChunk, StorageError>| matches!(result, Err(StorageError::Changed));

    let scanned = reset();
    let disk = Disk::new();
    assert!(read(&disk, to_read(&scanned, 0)).iter().all(Result::is_ok));

    // Before the first read: shorter, longer, newer, something else, gone.
    fs::write(&source, "short").unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed));
    fs::write(&source, content(4 * CHUNK as usize)).unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed));
    fs::write(&source, &data).unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed), "newer, of the same size");
    fs::remove_file(&source).unwrap();
    assert!(matches!(read(&Disk::new(), to_read(&scanned, 0))[0], Err(StorageError::Missing)));
    fs::create_dir(&source).unwrap();
    assert!(read(&Disk::new(), to_read(&scanned, 0)).iter().all(changed));
    fs::remove_dir(&source).unwrap();

    // Between two reads of one handle.
    let scanned = reset();
    let disk = Disk::new();
    let all = to_read(&scanned, 0);
    assert!(read(&disk, all[..1].to_vec())[0].is_ok());
    fs::write(&source, &data).unwrap();
    assert!(changed(&read(&disk, all[1..2].to_vec())[0]));
}

#[cfg(unix)]
#[test]
fn a_source_that_became_a_link_is_not_followed() {
    use std::os::unix::fs::symlink;
    let from = TempDir::new().unwrap();
    let place = from.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("file"), "public").unwrap();
    let scanned = scan(&[&place.join("file")]).unwrap();
    fs::rename(place.join("file"), from.path().join("other")).unwrap();
    symlink(from.path().join("other"), place.join("file")).unwrap();
    assert!(matches!(read(&Disk::new(), to_read(&scanned, 0))[0], Err(StorageError::Changed)));

    // A directory on the way, too.
    if cfg!(target_os = "linux") {
        fs::remove_file(place.join("file")).unwrap();
        fs::rename(from.path().join("other"), place.join("file")).unwrap();
        assert!(read(&Disk::new(), to_read(&scanned, 0))[0].is_ok());
        fs::rename(&place, from.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &place).unwrap();
        assert!(matches!(read(&Disk::new(), to_read(&scanned, 0))[0], Err(StorageError::Changed)));
    }
}

fn read_back(disk: &Disk, chunk: &WriteChunk) -> Result<HashedChunk, StorageError> {
    let back = ReadBack {
        transfer: chunk.transfer,
        into: chunk.into.clone(),
        target: chunk.target.clone(),
        size: chunk.size,
        offset: chunk.offset,
        length: u32::try_from(chunk.data.len()).unwrap(),
    };
    match disk.perform(Work::ReadBack(vec![back])) {
        Done::Read(mut results) => results.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_can_be_read_back_until_it_is_in_place() {
    let to = TempDir::new().unwrap();
    let (disk, other) = (Disk::new(), Disk::new());
    let data = content(2 * usize::try_from(CHUNK).unwrap() + 5);
    let chunks = chunks(to.path(), 0, "film", &data);
    assert!(matches!(read_back(&disk, &chunks[0]), Err(StorageError::Missing)), "nothing was written yet");
    assert_eq!(write(&disk, vec![chunks[2].clone()]), [Ok(())]);
    let back = read_back(&disk, &chunks[2]).unwrap();
    assert_eq!((back.data, back.value), (chunks[2].data.clone(), chunks[2].expected));
    assert!(
        matches!(read_back(&other, &chunks[2]), Err(StorageError::Missing)),
        "of this disk's own making only"
    );
    assert_eq!(write(&disk, vec![chunks[0].clone(), chunks[1].clone()]), [Ok(()), Ok(())]);
    assert_eq!(finish(&disk, vec![to_finish(to.path(), 0, "film")]), [Ok(())]);
    assert!(matches!(read_back(&disk, &chunks[2]), Err(StorageError::Missing)), "it has another name now");
}
