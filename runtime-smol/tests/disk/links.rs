use crate::common::*;
use crate::offer::Offer;

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

#[test]
fn nothing_of_an_interrupted_transfer_is_reached_through_a_link() {
    use std::os::unix::fs::symlink;
    let offer = Offer::new(&[("top/a", 2 * CHUNK as usize), ("top/b", 600), ("top/sub/c", 600)]);
    let outside = TempDir::new().unwrap();
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    for name in ["top/a", "top/b", "top/sub/c"] {
        offer.store(&disk, name, |_| true);
    }
    drop(disk);
    // The same content, but behind links: one file, one hard-linked file, one directory.
    let victims = ["a", "b"].map(|name| outside.path().join(name));
    fs::rename(offer.partial("top/a"), &victims[0]).unwrap();
    symlink(&victims[0], offer.partial("top/a")).unwrap();
    fs::hard_link(offer.partial("top/b"), &victims[1]).unwrap();
    let elsewhere = outside.path().join("sub");
    fs::rename(offer.at("top/sub"), &elsewhere).unwrap();
    symlink(&elsewhere, offer.at("top/sub")).unwrap();

    let disk = Disk::new();
    let found = offer.check(&disk);
    assert_eq!(found.chunks, []);
    assert_eq!(found.lost, 2 * CHUNK + 600 + 600);
    assert_eq!(found.changed, 1, "the hard link's name");
    assert_eq!(write(&disk, offer.chunks("top/a")), [Err(StorageError::Exists), Err(StorageError::Exists)]);
    assert_eq!(write(&disk, offer.chunks("top/sub/c")), [Err(StorageError::Exists)]);
    assert_eq!(write(&disk, offer.chunks("top/b")), [Ok(())]);
    offer.discard(&disk);
    assert_eq!(names(outside.path()), ["a", "b", "sub"]);
    assert_eq!(names(&elsewhere).len(), 1);
    assert_eq!(fs::read(&victims[0]).unwrap(), offer.contents[1]);
    assert_eq!(fs::read(&victims[1]).unwrap(), offer.contents[2]);
    assert_eq!(names(&offer.at("top")).len(), 2, "the links are not Hither's");
}

#[test]
fn a_journal_is_not_followed_where_it_leads() {
    use std::os::unix::fs::symlink;
    let offer = Offer::new(&[("a", 600)]);
    let outside = TempDir::new().unwrap();
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "a", |_| true);
    offer.close(&disk, false);
    let victim = outside.path().join("journal");
    fs::rename(offer.journal(), &victim).unwrap();
    let before = fs::read(&victim).unwrap();
    let blocked = || {
        assert_eq!(offer.recover(&disk), Err(RecoverError::Journal(BadJournal::Damaged)));
        assert_eq!(offer.prepare(&disk), Err(StorageError::Exists));
        offer.discard(&disk);
        assert!(fs::symlink_metadata(offer.journal()).is_ok());
        assert_eq!(fs::read(&victim).unwrap(), before);
    };
    symlink(&victim, offer.journal()).unwrap();
    blocked();
    fs::remove_file(offer.journal()).unwrap();
    fs::hard_link(&victim, offer.journal()).unwrap();
    blocked();
    fs::remove_file(offer.journal()).unwrap();
    fs::create_dir(offer.journal()).unwrap();
    blocked();
    fs::remove_dir(offer.journal()).unwrap();
    // A pipe that nobody writes to is not waited for.
    let made = std::process::Command::new("mkfifo").arg(offer.journal()).status();
    if made.is_ok_and(|status| status.success()) {
        blocked();
    }
}
