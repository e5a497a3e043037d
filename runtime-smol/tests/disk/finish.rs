use crate::common::*;

#[test]
fn many_small_files_and_few_handles() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let directories: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let refs: Vec<&str> = directories.iter().map(String::as_str).collect();
    prepare(&disk, to.path(), &refs).unwrap();
    let name = |number: u32| format!("d{}/f{number}", number % 40);
    // More than are kept open, so that some are opened again to be finished.
    let all = 0..600_u32;
    for number in all.clone() {
        let data = content(number as usize);
        assert_eq!(write(&disk, chunks(to.path(), number, &name(number), &data)), [Ok(())]);
    }
    let files = all.clone().map(|number| to_finish(to.path(), number, &name(number))).collect();
    assert!(finish(&disk, files).iter().all(Result::is_ok));
    for number in all {
        assert_eq!(fs::read(to.path().join(name(number))).unwrap(), content(number as usize));
    }
    assert_eq!(names(&to.path().join("d0")).len(), 15);
}

#[cfg(unix)]
#[test]
fn permissions_and_times_are_set() {
    use std::os::unix::fs::PermissionsExt;
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    let mode = |name: &str| fs::metadata(to.path().join(name)).unwrap().permissions().mode() & 0o777;
    fs::write(to.path().join("plain"), "").unwrap();
    let usual = mode("plain");

    for number in [0, 1] {
        write(&disk, chunks(to.path(), number, &format!("f{number}"), b"x"));
        assert_eq!(mode(&partial(number)), usual);
    }
    let executable = FinishFile { executable: true, modified: -1500, ..to_finish(to.path(), 1, "f1") };
    assert_eq!(finish(&disk, vec![to_finish(to.path(), 0, "f0"), executable]), [Ok(()), Ok(())]);
    assert_eq!(mode("f0"), usual, "as any program would make it");
    assert_eq!(mode("f1"), usual | (usual & 0o444) >> 2, "executable for those who may read it");
    let scanned = scan(&[&to.path().join("f0"), &to.path().join("f1")]).unwrap();
    assert_eq!(scanned.entries[0].modified, 1_000_000_000_123);
    assert_eq!(scanned.entries[1].modified, -1500, "before 1970");
    assert!(scanned.entries[1].executable && !scanned.entries[0].executable);
}

#[test]
fn a_taken_name_stays_as_it_is() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    fs::write(to.path().join("file"), "old").unwrap();
    fs::create_dir(to.path().join("directory")).unwrap();
    assert_eq!(put(&disk, to.path(), 0, "file", b"new"), Err(StorageError::Exists));
    assert_eq!(fs::read(to.path().join("file")).unwrap(), b"old");

    let overwrite = FinishFile { overwrite: true, ..to_finish(to.path(), 0, "file") };
    assert_eq!(finish(&disk, vec![overwrite]), [Ok(())], "the partial file was kept");
    assert_eq!(fs::read(to.path().join("file")).unwrap(), b"new");

    write(&disk, chunks(to.path(), 1, "directory", b"new"));
    let overwrite = FinishFile { overwrite: true, ..to_finish(to.path(), 1, "directory") };
    assert_eq!(finish(&disk, vec![overwrite]), [Err(StorageError::Exists)]);
    assert!(to.path().join("directory").is_dir());
}

#[test]
fn one_failure_of_a_batch_is_its_own() {
    let to = TempDir::new().unwrap();
    let disk = Disk::new();
    fs::write(to.path().join("f3"), "old").unwrap();
    for number in 0..20 {
        write(&disk, chunks(to.path(), number, &format!("f{number}"), b"new"));
    }
    let files = (0..21).map(|number| to_finish(to.path(), number, &format!("f{number}"))).collect();
    for (number, result) in finish(&disk, files).into_iter().enumerate() {
        let expected = match number {
            3 => Err(StorageError::Exists),
            20 => Err(StorageError::Missing),
            _ => Ok(()),
        };
        assert_eq!(result, expected, "file {number}");
    }
}
