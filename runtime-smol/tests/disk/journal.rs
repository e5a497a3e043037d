//! How journals are made and added to.

use crate::common::*;
use crate::offer::Offer;

#[test]
fn a_journal_is_there_before_the_first_byte_and_gone_after_the_last() {
    let offer = Offer::new(&[("top/a", 1000), ("top/deep/b", 3 * CHUNK as usize + 5), ("c", 0)]);
    let disk = Disk::new();
    assert_eq!(offer.prepare(&disk), Ok(vec![path("top"), path("top/deep")]));
    assert!(offer.journal().is_file());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(offer.journal()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    offer.complete(&disk, &Checked::default());
    assert_eq!(names(offer.folder()), ["c", "top"]);
}

#[test]
fn only_one_disk_receives_a_transfer() {
    let offer = Offer::new(&[("a", 2 * CHUNK as usize)]);
    let (first, second) = (Disk::new(), Disk::new());
    offer.prepare(&first).unwrap();
    offer.store(&first, "a", |index| index == 0);
    assert_eq!(offer.recover(&second), Err(RecoverError::InUse));
    assert!(matches!(offer.prepare(&second), Err(StorageError::Other(why)) if why.contains("another")));
    discard(&second, offer.folder(), vec![offer.target("a")], vec![]);
    assert!(offer.partial("a").exists() && offer.journal().exists(), "it is not the second one's to discard");
    offer.store(&first, "a", |index| index == 1);
    offer.close(&first, false);
    assert_eq!(offer.recover(&second), Ok(()));
    assert_eq!(offer.recover(&first), Err(RecoverError::InUse));
}

#[test]
fn a_new_journal_takes_the_place_of_an_old_one() {
    let offer = Offer::new(&[("a", 2 * CHUNK as usize)]);
    offer.prepare(&Disk::new()).unwrap();
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |index| index == 0);
    drop(disk);
    // A fresh start: what is left in the partial file is nobody's.
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |index| index == 1);
    assert!(fs::read(offer.partial("a")).unwrap()[..CHUNK as usize].iter().all(|byte| *byte == 0));
    drop(disk);
    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(found.chunks, offer.found("a", [1]));
    offer.complete(&disk, &found);
}

#[test]
fn the_journal_of_another_sender_is_left_alone() {
    let offer = Offer::new(&[("a", 2 * CHUNK as usize)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |_| true);
    offer.close(&disk, false);
    let before = fs::read(offer.journal()).unwrap();
    let stranger = peer(2);
    assert_eq!(offer.recover_from(&disk, stranger), Err(RecoverError::Journal(BadJournal::Foreign)));
    let prepare = Work::Prepare {
        transfer: TRANSFER,
        sender: stranger,
        into: offer.folder().into(),
        directories: vec![],
        journal: true,
    };
    assert!(matches!(disk.perform(prepare), Done::Prepared(Err(StorageError::Exists))));
    let discard = Work::Discard {
        transfer: TRANSFER,
        sender: stranger,
        into: offer.folder().into(),
        partials: vec![offer.target("a")],
        directories: vec![],
    };
    disk.perform(discard);
    assert_eq!(fs::read(offer.journal()).unwrap(), before);
    assert_eq!(offer.check(&disk).chunks, offer.found("a", [0, 1]));
}

#[test]
fn a_checkpoint_needs_a_journal() {
    let offer = Offer::new(&[("a", 1)]);
    let disk = Disk::new();
    offer.write(&disk, "a", |_| true);
    assert_eq!(offer.note(&disk, "a", |_| true), Err(StorageError::Missing));
    assert_eq!(offer.recover(&disk), Err(RecoverError::Missing));
    assert!(matches!(
        disk.perform(Work::Check { transfer: TRANSFER }),
        Done::Checked(Err(StorageError::Missing))
    ));
}

#[test]
fn nothing_is_added_before_everything_is_checked() {
    let offer = Offer::new(&[("a", 2 * CHUNK as usize)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |index| index == 0);
    let disk = {
        drop(disk);
        Disk::new()
    };
    offer.recover(&disk).unwrap();
    let before = fs::read(offer.journal()).unwrap();
    assert_eq!(offer.note(&disk, "a", |_| true), Err(StorageError::Unsupported));
    assert_eq!(fs::read(offer.journal()).unwrap(), before);
}
