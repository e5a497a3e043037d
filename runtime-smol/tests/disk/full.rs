//! Disks that are full, or fail.

use std::process::Command;

use crate::common::*;
use crate::offer::Offer;

#[test]
fn a_full_disk_says_so() {
    let Some((place, _mounted)) = small_disk("size=1m") else { return };
    let disk = Disk::new();
    let results = write(&disk, chunks(place.path(), 0, "file", &content(2 << 20)));
    assert_eq!(results.first(), Some(&Ok(())));
    assert_eq!(results.last(), Some(&Err(StorageError::Full)));
    assert!(examine(place.path(), &[file("a")]).unwrap().free < 1 << 20);
    discard(&disk, place.path(), vec![target(0, "file")], vec![]);
    assert_eq!(names(place.path()), [""; 0]);
}

/// Receives as far as there is room; the error that ended it.
fn receive(offer: &Offer, disk: &Disk) -> Result<(), StorageError> {
    offer.prepare(disk)?;
    for name in ["top/a", "top/deep/b"] {
        for chunk in offer.chunks(name) {
            let index = chunk.offset / CHUNK;
            write(disk, vec![chunk]).remove(0)?;
            offer.note(disk, name, |at| at == index)?;
        }
        offer.finish(disk, &[name]).remove(0)?;
    }
    offer.close(disk, true);
    Ok(())
}

/// From no room at all to enough of it, page by page: nothing that was said to be stored is lost, and with room
/// again it goes on to the end.
#[test]
fn a_disk_that_fills_up_at_any_step_loses_nothing() {
    let Some((place, _mounted)) = small_disk("size=2m") else { return };
    let files = [("top/a", 2 * CHUNK as usize + 9), ("top/deep/b", 5000)];
    let offer = Offer::into(place, &files);
    let ballast = offer.at("ballast");
    let mut outcomes = [0; 3];
    for pages in 0..160 {
        let free = fs4::available_space(offer.folder()).unwrap() as usize;
        fs::write(&ballast, vec![1; free.saturating_sub(pages * 4096)]).unwrap();
        let disk = Disk::new();
        let outcome = receive(&offer, &disk);
        let noted = offer.journal().exists();
        drop(disk);
        // Emptied first: a program that is just being started may have a copy of the handle.
        fs::write(&ballast, "").unwrap();
        fs::remove_file(&ballast).unwrap();
        match outcome {
            Ok(()) => outcomes[2] += 1,
            Err(error) => {
                assert_eq!(error, StorageError::Full, "with {pages} pages");
                let disk = Disk::new();
                if noted {
                    let found = offer.check(&disk);
                    assert_eq!((found.lost, found.changed), (0, 0), "with {pages} pages");
                    outcomes[1] += 1;
                    offer.complete(&disk, &found);
                } else {
                    outcomes[0] += 1;
                    offer.complete(&disk, &Checked::default());
                }
            }
        }
        offer.assert_complete();
        fs::remove_dir_all(offer.at("top")).unwrap();
    }
    assert!(outcomes.into_iter().all(|count| count > 0), "{outcomes:?}");
}

/// A disk whose writes are lost, and that tells of it once: a file system in an image whose own disk is full.
#[test]
fn a_sync_that_failed_is_not_forgotten() {
    let Some((outer, _outer)) = small_disk("size=40m") else { return };
    let image = outer.path().join("image");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
    if !made.is_ok_and(|status| status.success()) {
        return println!("skipped: no mkfs.ext4");
    }
    let Some((place, _inner)) = mounted(&["-o", "loop", image.to_str().unwrap()]) else { return };
    let offer = Offer::into(place, &[("a", 16 << 20), ("b", 100)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |index| index < 4);
    offer.write(&disk, "b", |_| true);

    let ballast = outer.path().join("ballast");
    fs::write(&ballast, vec![1; fs4::available_space(outer.path()).unwrap() as usize]).unwrap();
    offer.write(&disk, "a", |index| index >= 4);
    assert!(offer.note(&disk, "a", |index| index >= 4).is_err());
    // There is room again, and the next sync has nothing to complain of: what it lost is lost all the same.
    fs::write(&ballast, "").unwrap();
    fs::remove_file(&ballast).unwrap();
    assert!(fs::File::open(offer.partial("a")).unwrap().sync_all().is_ok());
    assert!(offer.note(&disk, "a", |index| index >= 4).is_err());
    assert!(offer.finish(&disk, &["a"])[0].is_err());
    assert!(!offer.at("a").exists());
    // Other files are not to blame.
    assert_eq!(offer.note(&disk, "b", |_| true), Ok(()));
    drop(disk);
    let found = offer.check(&Disk::new());
    let mut expected = offer.found("a", 0..4);
    expected.extend(offer.found("b", [0]));
    assert_eq!(found.chunks, expected);
}
