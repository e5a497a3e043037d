//! Journals that a power failure cut short, or that are not what they should be.

use crate::common::*;
use crate::offer::Offer;

const FIVE: usize = 4 * CHUNK as usize + 77;

/// A transfer with two notes of chunks: 0 and 1, then 2 and 4. Gives where the second begins, and the journal.
fn noted_twice(offer: &Offer) -> (usize, Vec<u8>) {
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.store(&disk, "top/a", |index| index < 2);
    let begin = fs::metadata(offer.journal()).unwrap().len() as usize;
    offer.store(&disk, "top/a", |index| index == 2 || index == 4);
    (begin, fs::read(offer.journal()).unwrap())
}

#[test]
fn a_journal_cut_anywhere_holds_what_was_before_the_cut() {
    // Some hundred syncs: in memory where there is such a place.
    let place = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let offer = Offer::into(place, &[("top/a", FIVE)]);
    let (begin, journal) = noted_twice(&offer);
    for cut in begin..=journal.len() {
        fs::write(offer.journal(), &journal[..cut]).unwrap();
        let disk = Disk::new();
        let found = offer.check(&disk);
        let whole = cut == journal.len();
        let expected = if whole { vec![0, 1, 2, 4] } else { vec![0, 1] };
        assert_eq!(found.chunks, offer.found("top/a", expected), "cut at {cut}");
        assert_eq!((found.lost, found.changed), (0, 0));
        let sound = if whole { cut } else { begin };
        assert_eq!(fs::metadata(offer.journal()).unwrap().len(), sound as u64);
        // What is added comes after what is sound.
        offer.store(&disk, "top/a", |index| index == 3);
        drop(disk);
        assert_eq!(offer.check(&Disk::new()).chunks.len(), found.chunks.len() + 1, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_ends_what_is_read() {
    let offer = Offer::new(&[("top/a", FIVE)]);
    let (begin, journal) = noted_twice(&offer);
    for at in (begin..journal.len()).step_by(5) {
        let mut flipped = journal.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped.extend_from_slice(&journal[begin..]);
        fs::write(offer.journal(), flipped).unwrap();
        let found = offer.check(&Disk::new());
        assert_eq!(found.chunks, offer.found("top/a", [0, 1]), "flipped at {at}");
        assert_eq!(fs::metadata(offer.journal()).unwrap().len(), begin as u64);
    }
}

#[test]
fn a_journal_that_does_not_begin_as_one_is_damaged() {
    let offer = Offer::new(&[("top/a", FIVE)]);
    let (_, journal) = noted_twice(&offer);
    let head = 12 + u32::from_le_bytes(journal[..4].try_into().unwrap()) as usize;
    let disk = Disk::new();
    for cut in [0, 3, 11, 12, head - 1] {
        fs::write(offer.journal(), &journal[..cut]).unwrap();
        assert_eq!(offer.recover(&disk), Err(RecoverError::Journal(BadJournal::Damaged)), "cut at {cut}");
        assert_eq!(fs::metadata(offer.journal()).unwrap().len(), cut as u64, "it is left as it is");
    }
    for at in 4..head {
        let mut flipped = journal.clone();
        flipped[at] ^= 0x10;
        fs::write(offer.journal(), flipped).unwrap();
        assert_eq!(offer.recover(&disk), Err(RecoverError::Journal(BadJournal::Damaged)), "flipped at {at}");
    }
    fs::write(offer.journal(), vec![0xff; 100_000]).unwrap();
    assert_eq!(offer.recover(&disk), Err(RecoverError::Journal(BadJournal::Damaged)));
    // A fresh start takes its place.
    offer.complete(&disk, &Checked::default());
}

#[test]
fn a_journal_of_another_version_is_not_read() {
    let offer = Offer::new(&[("top/a", FIVE)]);
    let (_, mut journal) = noted_twice(&offer);
    let length = u32::from_le_bytes(journal[..4].try_into().unwrap()) as usize;
    // Behind the frame's prefix, the segment's length and the root's pointer.
    let version = 12 + 8 + 8;
    assert_eq!(journal[version], 1);
    journal[version] = 2;
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 journal frame");
    hasher.update(&journal[12..12 + length]).finalize_xof().fill(&mut journal[4..12]);
    fs::write(offer.journal(), &journal).unwrap();
    let disk = Disk::new();
    assert_eq!(offer.recover(&disk), Err(RecoverError::Journal(BadJournal::OtherVersion)));
    offer.complete(&disk, &Checked::default());
}

#[test]
fn another_transfers_journal_is_foreign() {
    let offer = Offer::new(&[("top/a", FIVE)]);
    offer.prepare(&Disk::new()).unwrap();
    let other = TransferId([8; 16]);
    fs::rename(offer.journal(), offer.at(&journal_name(other))).unwrap();
    let work = Work::Recover {
        transfer: other,
        sender: sender(),
        into: offer.folder().into(),
        manifest: offer.manifest.clone(),
        places: Places::default(),
    };
    let expected = RecoverError::Journal(BadJournal::Foreign);
    assert!(matches!(Disk::new().perform(work), Done::Recovered(Err(error)) if error == expected));
}

#[test]
fn a_large_file_is_checked_piece_by_piece() {
    let size = 200 * 1024 * 1024 + 1;
    let mut offer = Offer::new(&[("a", 1)]);
    let entry = Entry { path: path("a"), kind: EntryKind::File(size), modified: 0, executable: false };
    offer.manifest = Arc::new(Manifest::new("test".into(), vec![entry]).unwrap());
    // A file of zeroes takes no room.
    offer.contents = vec![vec![0; size as usize]];
    let disk = Disk::new();
    offer.prepare(&disk).unwrap();
    offer.write(&disk, "a", |index| index == 0);
    fs::File::options().write(true).open(offer.partial("a")).unwrap().set_len(size).unwrap();
    offer.note(&disk, "a", |_| true).unwrap();
    drop(disk);

    let disk = Disk::new();
    assert_eq!(offer.recover(&disk), Ok(()));
    let mut calls = Vec::new();
    loop {
        let found = offer.check_some(&disk);
        calls.push(found.chunks.len());
        assert_eq!(found.lost, 0);
        if !found.more {
            break;
        }
    }
    let most = 64 * 1024 * 1024 / CHUNK as usize;
    assert!(calls.len() >= 4 && calls.iter().all(|chunks| *chunks <= most), "{calls:?}");
    assert_eq!(calls.iter().sum::<usize>() as u64, chunk_count(size));
    assert_eq!(offer.check_some(&disk), Checked::default(), "there is no more");
}
