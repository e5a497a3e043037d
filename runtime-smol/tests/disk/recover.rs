//! What is found of an interrupted transfer.

use crate::common::*;
use crate::offer::{MODIFIED, Offer};

const THREE: usize = 2 * CHUNK as usize + 77;

#[test]
fn a_transfer_goes_on_where_it_stopped() {
    let offer =
        Offer::new(&[("top/a", THREE), ("top/b", 500), ("top/c", 4 * CHUNK as usize), ("top/d/e", 0)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "top/a", |index| index != 1);
    offer.store(&disk, "top/c", |index| index < 2);
    offer.write(&disk, "top/c", |index| index == 3);
    offer.write(&disk, "top/b", |_| true);
    assert_eq!(offer.finish(&disk, &["top/b"]), [Ok(())]);
    drop(disk);

    let disk = Disk::new();
    let found = offer.check(&disk);
    let mut expected = offer.found("top/a", [0, 2]);
    expected.extend(offer.found("top/c", [0, 1]));
    assert_eq!(found.chunks, expected, "what was written and not noted does not count");
    assert_eq!(found.placed, [(offer.number("top/b"), offer.root("top/b"))]);
    assert_eq!((found.lost, found.changed), (0, 0));

    // Once more before anything else, then to the end.
    offer.store(&disk, "top/c", |index| index == 2);
    drop(disk);
    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(found.chunks.len(), 5);
    offer.complete(&disk, &found);
}

#[test]
fn what_was_found_needs_no_new_bytes() {
    let offer = Offer::new(&[("a", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |_| true);
    drop(disk);
    let disk = Disk::new();
    assert_eq!(offer.check(&disk).chunks, offer.found("a", 0..3));
    assert_eq!(offer.finish(&disk, &["a"]), [Ok(())]);
    offer.close(&disk, true);
    offer.assert_complete();
}

#[test]
fn the_same_disk_can_recover_what_it_has_open() {
    let offer = Offer::new(&[("a", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |index| index == 1);
    let found = offer.check(&disk);
    assert_eq!(found.chunks, offer.found("a", [1]));
    offer.complete(&disk, &found);
}

#[test]
fn a_chunk_that_changed_on_the_disk_is_lost() {
    let offer = Offer::new(&[("a", THREE), ("b", 5)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |_| true);
    offer.store(&disk, "b", |_| true);
    drop(disk);
    let mut data = fs::read(offer.partial("a")).unwrap();
    data[THREE - 1] ^= 1;
    fs::write(offer.partial("a"), data).unwrap();
    fs::remove_file(offer.partial("b")).unwrap();
    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(found.chunks, offer.found("a", [0, 1]));
    assert_eq!((found.lost, found.changed), (77 + 5, 0));
    offer.complete(&disk, &found);
}

#[test]
fn what_is_lost_and_noted_again_is_lost_no_more() {
    let offer = Offer::new(&[("a", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |_| true);
    offer.note(&disk, "a", |index| index == 1).unwrap();
    drop(disk);
    assert_eq!(offer.check(&Disk::new()).chunks, offer.found("a", 0..3), "each once");
}

#[test]
fn a_partial_file_that_is_too_long_is_cut() {
    let offer = Offer::new(&[("a", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |index| index != 1);
    drop(disk);
    fs::File::options().write(true).open(offer.partial("a")).unwrap().set_len(10 * CHUNK).unwrap();
    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(fs::metadata(offer.partial("a")).unwrap().len(), THREE as u64);
    assert_eq!(found.chunks, offer.found("a", [0, 2]));
    offer.complete(&disk, &found);
}

#[test]
fn a_changed_source_leaves_nothing_behind() {
    let mut offer = Offer::new(&[("top/a", THREE), ("top/b", THREE), ("top/c", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    for name in ["top/a", "top/b"] {
        offer.store(&disk, name, |index| index == 0);
    }
    drop(disk);
    let (old, kept) = (offer.partial("top/a"), offer.partial("top/b"));
    let mut entries = offer.manifest.entries().to_vec();
    entries[1].modified += 1;
    offer.manifest = Arc::new(Manifest::new("test".into(), entries).unwrap());
    // What only looks like a partial file of this transfer.
    let capital = kept.to_str().unwrap().replace(".hither-07", ".hither-0A");
    let other = partial_name(TransferId([8; 16]), FileIdentity([1; 16]));
    for name in [&capital, "x.part", &format!("{other}x"), &other] {
        fs::write(offer.at("top").join(name), "theirs").unwrap();
    }
    let unknown = partial_name(TRANSFER, FileIdentity([0xEE; 16]));
    fs::write(offer.at(&unknown), "old").unwrap();
    fs::create_dir(offer.at(&partial_name(TRANSFER, FileIdentity([0xED; 16])))).unwrap();

    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(found.chunks, offer.found("top/b", [0]));
    assert_eq!((found.changed, found.lost), (2, 0));
    assert!(!old.exists() && kept.exists() && !offer.at(&unknown).exists());
    assert_eq!(names(&offer.at("top")).len(), 5);
}

#[test]
fn files_in_place_are_looked_at() {
    let files: Vec<String> = (0..6).map(|number| format!("top/f{number}")).collect();
    let files: Vec<(&str, usize)> = files.iter().map(|name| (name.as_str(), 100)).collect();
    let offer = Offer::new(&files);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    for (name, _) in &files {
        offer.store(&disk, name, |_| true);
        assert_eq!(offer.finish(&disk, &[name]), [Ok(())]);
    }
    drop(disk);
    let set_modified = |name: &str, millis: i64| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis as u64);
        fs::File::options().write(true).open(offer.at(name)).unwrap().set_modified(time).unwrap();
    };
    fs::write(offer.at("top/f0"), "edited").unwrap();
    set_modified("top/f0", MODIFIED);
    fs::remove_file(offer.at("top/f1")).unwrap();
    set_modified("top/f2", MODIFIED + 60_000);
    // A file system may keep times in steps of two seconds.
    set_modified("top/f3", MODIFIED - 1_900);
    let there = if cfg!(unix) { vec![3, 5] } else { vec![3, 4, 5] };
    #[cfg(unix)]
    {
        fs::rename(offer.at("top/f4"), offer.at("elsewhere")).unwrap();
        std::os::unix::fs::symlink(offer.at("elsewhere"), offer.at("top/f4")).unwrap();
    }
    let found = offer.check(&Disk::new());
    let expected: Vec<_> = there.iter().map(|number| format!("top/f{number}")).collect();
    let expected: Vec<_> = expected.iter().map(|name| (offer.number(name), offer.root(name))).collect();
    assert_eq!(found.placed, expected);
    assert_eq!(found.lost, 100 * (6 - expected.len() as u64));
    assert_eq!(found.chunks, []);
}

#[test]
fn a_file_that_never_got_its_name_is_found_under_its_partial_one() {
    let offer = Offer::new(&[("a", 100), ("b", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.write(&disk, "a", |_| true);
    offer.store(&disk, "b", |_| true);
    fs::write(offer.at("a"), "theirs").unwrap();
    fs::write(offer.at("b"), "theirs").unwrap();
    assert_eq!(offer.finish(&disk, &["a", "b"]), [Err(StorageError::Exists), Err(StorageError::Exists)]);
    drop(disk);
    let disk = Disk::new();
    let found = offer.check(&disk);
    let mut expected = offer.found("a", [0]);
    expected.extend(offer.found("b", 0..3));
    assert_eq!(found.chunks, expected);
    assert_eq!((found.placed.len(), found.lost), (0, 0));
}

#[test]
fn a_large_batch_is_found_in_place_but_for_what_has_no_place() {
    let files: Vec<String> = (0..20).map(|number| format!("d{}/f{number}", number % 3)).collect();
    let sizes: Vec<(&str, usize)> = files.iter().map(|name| (name.as_str(), 100 + name.len())).collect();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let offer = Offer::new(&sizes);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    names.iter().for_each(|name| offer.write(&disk, name, |_| true));
    fs::write(offer.at(names[7]), "theirs").unwrap();
    fs::remove_file(offer.partial(names[9])).unwrap();
    for (at, result) in offer.finish(&disk, &names).into_iter().enumerate() {
        let expected = match at {
            7 => Err(StorageError::Exists),
            9 => Err(StorageError::Missing),
            _ => Ok(()),
        };
        assert_eq!(result, expected, "{}", names[at]);
    }
    drop(disk);
    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(found.placed.len(), 18);
    assert_eq!((found.chunks, found.lost), (offer.found(names[7], [0]), 0));
}

#[test]
fn a_vanished_folder_or_journal_is_missing() {
    let offer = Offer::new(&[("top/a", THREE)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "top/a", |_| true);
    offer.close(&disk, false);
    offer.recover(&disk).unwrap();
    fs::remove_dir_all(offer.at("top")).unwrap();
    let found = offer.check(&disk);
    assert_eq!((found.chunks.len(), found.lost), (0, THREE as u64));
    fs::remove_file(offer.journal()).unwrap();
    assert_eq!(offer.recover(&disk), Err(RecoverError::Missing));
    // Windows lets nobody remove a folder that is open, so there the disk has to be a new one.
    let disk = if cfg!(windows) {
        drop(disk);
        Disk::new()
    } else {
        disk
    };
    fs::remove_dir_all(offer.folder()).unwrap();
    assert_eq!(offer.recover(&disk), Err(RecoverError::Missing));
    fs::write(offer.folder(), "a file").unwrap();
    assert!(matches!(offer.recover(&disk), Err(RecoverError::Disk(_))));
    fs::remove_file(offer.folder()).unwrap();
    fs::create_dir(offer.folder()).unwrap();
}
