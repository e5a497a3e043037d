use crate::common::*;
use crate::offer::{Offer, reserved};

#[test]
fn discard_removes_its_own_and_nothing_else() {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("before")).unwrap();
    let disk = Disk::new();
    let made = prepare(&disk, to.path(), &["before", "new", "new/empty", "new/full"]).unwrap();
    assert_eq!(made, [path("new"), path("new/empty"), path("new/full")]);
    write(&disk, chunks(to.path(), 0, "new/empty/a", b"x"));
    write(&disk, chunks(to.path(), 1, "b", &content(CHUNK as usize + 1))[..1].to_vec());
    fs::write(to.path().join("new/full/mine"), "x").unwrap();
    let partials = vec![target(0, "new/empty/a"), target(1, "b"), target(2, "before/never")];
    discard(&disk, to.path(), partials, made);
    assert_eq!(names(to.path()), ["before", "new"]);
    assert_eq!(names(&to.path().join("new")), ["full"]);
    assert_eq!(names(&to.path().join("new/full")), ["mine"]);
}

#[test]
fn what_cannot_be_prepared_leaves_nothing() {
    let to = TempDir::new().unwrap();
    fs::write(to.path().join("blocked"), "x").unwrap();
    let disk = Disk::new();
    assert_eq!(prepare(&disk, to.path(), &["new", "new/er", "blocked"]), Err(StorageError::Exists));
    assert_eq!(names(to.path()), ["blocked"]);
    let below = to.path().join("blocked/folder");
    assert!(prepare(&disk, &below, &[]).is_err());
}

#[test]
fn discard_after_a_restart_finds_everything_by_the_journal() {
    let offer = Offer::new(&[("top/a", 3 * CHUNK as usize), ("top/deep/b", 700), ("theirs/c", 5), ("d", 5)]);
    fs::create_dir(offer.at("theirs")).unwrap();
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    for name in ["top/a", "top/deep/b", "theirs/c", "d"] {
        offer.write(&disk, name, |_| true);
    }
    assert_eq!(offer.finish(&disk, &["d"]), [Ok(())]);
    drop(disk);
    let other = partial_name(TransferId([8; 16]), FileIdentity([1; 16]));
    let kept = [".hither-notes", &other, &journal_name(TransferId([8; 16]))];
    for name in kept {
        fs::write(offer.at(name), "theirs").unwrap();
    }
    offer.discard(&Disk::new());
    let mut left = names(offer.folder());
    left.retain(|name| !kept.contains(&name.as_str()));
    assert_eq!(left, ["d", "theirs"], "what is in place stays, and what was there before");
    assert_eq!(names(&offer.at("theirs")), [""; 0]);
    assert_eq!(reserved(offer.folder()).len(), 3);
}

#[test]
fn discard_removes_what_a_damaged_journal_still_says() {
    let offer = Offer::new(&[("top/a", 700), ("b", 5)]);
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "top/a", |_| true);
    drop(disk);
    let journal = fs::read(offer.journal()).unwrap();
    fs::write(offer.journal(), &journal[..journal.len() - 1]).unwrap();
    offer.discard(&Disk::new());
    assert_eq!(names(offer.folder()), [""; 0]);

    offer.prepare(&Disk::new()).unwrap();
    fs::write(offer.journal(), "").unwrap();
    offer.discard(&Disk::new());
    assert_eq!(names(offer.folder()), ["top"], "nothing tells who made it");
}
