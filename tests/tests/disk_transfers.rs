//! The disk model under a transfer that is received: every kind of work as documented, and what goes wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hither_protocol::storage::{RecoverError, StorageError, Work};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue};
use hither_protocol::transfer::journal::BadJournal;
use hither_tests::disk::{Disk, File, Kind};
use hither_tests::incoming::{
    Incoming, MODIFIED, checked, checkpointed, finished, path, prepared, recovered, run, sender, written,
};
use hither_tests::random::Random;

const CHUNK_BYTES: usize = CHUNK as usize;

fn disk() -> Disk {
    Disk::new(Random::new(3))
}

fn bytes(length: usize) -> Vec<u8> {
    Random::new(length as u64).bytes(length)
}

/// A film of seven chunks and a letter of one, in a directory each.
fn offer() -> Incoming {
    Incoming::new(&[("film/film", bytes(6 * CHUNK_BYTES + 7)), ("mail/letter", bytes(100))])
}

const FILM: u32 = 1;
const LETTER: u32 = 3;

/// With five chunks of the film written, the first three of them noted, and the letter in place.
fn interrupted() -> (Disk, Incoming) {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    let chunks: Vec<_> = (0..5).map(|index| (FILM, index)).collect();
    assert_eq!(written(run(&mut disk, offer.write(&chunks))), vec![Ok(()); 5]);
    assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&chunks[..3]))), Ok(()));
    written(run(&mut disk, offer.write(&[(LETTER, 0)])));
    assert_eq!(finished(run(&mut disk, offer.finish(&[LETTER], false))), [Ok(())]);
    disk.kill();
    (disk, offer)
}

fn found(offer: &Incoming, chunks: &[u64]) -> Vec<(u32, u64, ChunkValue)> {
    chunks.iter().map(|index| (FILM, *index, offer.value((FILM, *index)))).collect()
}

#[test]
fn directories_are_made_once_and_named() {
    let mut disk = disk();
    let one = Incoming::new(&[("a/f", vec![])]);
    assert_eq!(prepared(run(&mut disk, one.prepare(false))).unwrap(), [path("a")]);
    run(&mut disk, one.close(false));
    let two = Incoming::new(&[("a/b/f", vec![])]);
    assert_eq!(prepared(run(&mut disk, two.prepare(false))).unwrap(), [path("a/b")]);
    run(&mut disk, two.close(false));
    disk.put_file("/in/file", "");
    let before = disk.list("/");
    for journal in [false, true] {
        let bad = Incoming::new(&[("c/f", vec![]), ("file/f", vec![])]);
        assert_eq!(prepared(run(&mut disk, bad.prepare(journal))).unwrap_err(), StorageError::Exists);
        assert_eq!(disk.list("/"), before, "nothing is left where it fails");
    }
}

#[test]
fn chunks_are_written_out_of_order_and_put_in_place() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(false))).unwrap();
    let mut chunks = offer.chunks();
    chunks.retain(|(file, _)| *file == FILM);
    chunks.reverse();
    assert_eq!(written(run(&mut disk, offer.write(&chunks))), vec![Ok(()); 7]);
    assert_eq!(disk.partials(), [offer.partial(FILM)]);
    assert_eq!(finished(run(&mut disk, offer.finish(&[FILM], false))), [Ok(())]);
    let content = Arc::new(offer.contents[&FILM].clone());
    let expected = File { content, modified: MODIFIED, executable: true };
    assert_eq!(disk.file("/in/film/film"), Some(&expected));
    assert_eq!(disk.partials(), [] as [PathBuf; 0]);
    assert_eq!(disk.journals(), [] as [PathBuf; 0]);
}

#[test]
fn what_does_not_verify_is_not_written() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(false))).unwrap();
    let Work::Write(mut chunks) = offer.write(&[(LETTER, 0)]) else { panic!() };
    chunks[0].expected = ChunkValue([0; 32]);
    assert_eq!(written(run(&mut disk, Work::Write(chunks))), [Err(StorageError::Mismatch)]);
    assert_eq!(disk.partials(), [] as [PathBuf; 0]);
}

#[test]
fn a_taken_name_is_kept_unless_it_may_be_replaced() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    let place = offer.place(LETTER);
    disk.put_file(&place, "old");
    run(&mut disk, offer.write(&[(LETTER, 0)]));
    let result = finished(run(&mut disk, offer.finish(&[LETTER], false)));
    assert_eq!(result, [Err(StorageError::Exists)]);
    assert_eq!(**disk.content(&place).unwrap(), *b"old");
    assert_eq!(finished(run(&mut disk, offer.finish(&[LETTER], true))), [Ok(())]);
    assert_eq!(**disk.content(&place).unwrap(), offer.contents[&LETTER]);
}

#[test]
fn a_whole_partial_file_that_somebody_removed_is_missing() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.write(&[(LETTER, 0)]));
    disk.remove(offer.partial(LETTER));
    let result = finished(run(&mut disk, offer.finish(&[LETTER], false)));
    assert_eq!(result, [Err(StorageError::Missing)]);
}

#[test]
fn discarding_removes_what_the_transfer_made_and_nothing_else() {
    for known in [true, false] {
        let offer = Incoming::new(&[("a/b/f", bytes(9)), ("c/g", bytes(9)), ("old/h", bytes(9))]);
        let mut disk = disk();
        disk.put_directory("/in/old");
        prepared(run(&mut disk, offer.prepare(true))).unwrap();
        let files = offer.files();
        run(&mut disk, offer.write(&files.iter().map(|file| (*file, 0)).collect::<Vec<_>>()));
        disk.put_file("/in/c/mine", "mine");
        let work = if known {
            offer.discard(&["a", "a/b", "c"])
        } else {
            // After a start, only the journal knows which directories it made.
            disk.kill();
            offer.discard(&[])
        };
        run(&mut disk, work);
        let left = disk.list("/in").into_keys().collect::<Vec<_>>();
        assert_eq!(left, [Path::new("c"), Path::new("c/mine"), Path::new("old")]);
    }
}

#[test]
fn discarding_leaves_the_journal_of_another_sender() {
    let (mut disk, offer) = interrupted();
    let other = Incoming { sender: sender(2), ..offer.clone() };
    let Work::Discard { transfer, sender, into, directories, .. } = other.discard(&[]) else { panic!() };
    run(&mut disk, Work::Discard { transfer, sender, into, partials: vec![], directories });
    assert_eq!(disk.journals(), [offer.journal()]);
    assert_eq!(disk.partials(), [offer.partial(FILM)]);
}

#[test]
fn a_full_disk_takes_no_more_and_frees_what_is_removed() {
    let offer = Incoming::new(&[("f", vec![1; 8]), ("g", vec![1; 3])]);
    let mut disk = disk();
    prepared(run(&mut disk, offer.prepare(false))).unwrap();
    disk.set_free(10);
    assert_eq!(written(run(&mut disk, offer.write(&[(0, 0)]))), [Ok(())]);
    assert_eq!(written(run(&mut disk, offer.write(&[(1, 0)]))), [Err(StorageError::Full)]);
    assert_eq!(disk.free(), 2);
    run(&mut disk, offer.discard(&[]));
    assert_eq!(disk.free(), 10);
}

#[test]
fn what_was_noted_is_found_again_a_few_chunks_at_a_time() {
    let (mut disk, offer) = interrupted();
    disk.kill();
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!(all.chunks, found(&offer, &[0, 1, 2]));
    assert_eq!(all.placed, [(LETTER, offer.root(LETTER))]);
    assert_eq!((all.lost, all.changed), (0, 0));

    // It is added to, and with more noted, more requests look at it.
    assert_eq!(prepared(run(&mut disk, offer.prepare(true))).unwrap(), []);
    let rest: Vec<_> = (3..6).map(|index| (FILM, index)).collect();
    run(&mut disk, offer.write(&rest));
    assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&rest))), Ok(()));
    run(&mut disk, offer.close(false));
    let (all, checks) = offer.recover_all(&mut disk).unwrap();
    assert_eq!(all.chunks, found(&offer, &[0, 1, 2, 3, 4, 5]));
    assert!(checks > 1);

    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.write(&[(FILM, 6)]));
    assert_eq!(finished(run(&mut disk, offer.finish(&[FILM], false))), [Ok(())]);
    run(&mut disk, offer.close(true));
    assert_eq!((disk.journals(), disk.partials()), (vec![], vec![]));
    assert_eq!(**disk.content(offer.place(FILM)).unwrap(), offer.contents[&FILM]);
}

#[test]
fn a_new_journal_takes_the_place_of_an_old_one() {
    let (mut disk, offer) = interrupted();
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.close(false));
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!((all.chunks, all.placed), (vec![], vec![]));
}

#[test]
fn a_chunk_that_changed_on_the_disk_is_not_found_and_the_rest_is() {
    let (mut disk, offer) = interrupted();
    disk.flip(offer.partial(FILM), CHUNK_BYTES + 5, 3);
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!(all.chunks, found(&offer, &[0, 2]));
    assert_eq!(all.lost, CHUNK);
    disk.kill();
    disk.cut(offer.partial(FILM), 2 * CHUNK_BYTES + 1);
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!(all.chunks, found(&offer, &[0]));
    assert_eq!(all.lost, 2 * CHUNK);
}

#[test]
fn a_file_in_place_that_was_changed_or_removed_is_lost() {
    for removed in [true, false] {
        let (mut disk, offer) = interrupted();
        if removed {
            disk.remove(offer.place(LETTER));
        } else {
            disk.put_file(offer.place(LETTER), "new");
        }
        let (all, _) = offer.recover_all(&mut disk).unwrap();
        assert_eq!((all.placed, all.lost), (vec![], 100));
    }
}

#[test]
fn what_its_sender_changed_begins_anew_and_leaves_nothing() {
    let (mut disk, offer) = interrupted();
    let mut changed = Incoming::new(&[("film/film", bytes(CHUNK_BYTES)), ("mail/letter", bytes(100))]);
    changed.transfer = offer.transfer;
    let (all, _) = changed.recover_all(&mut disk).unwrap();
    assert_eq!((all.chunks, all.placed), (vec![], vec![(LETTER, offer.root(LETTER))]));
    assert_eq!((all.lost, all.changed), (0, 1));
    assert_eq!(disk.partials(), [] as [PathBuf; 0]);
}

#[test]
fn a_damaged_journal_holds_up_to_the_damage() {
    let (mut disk, offer) = interrupted();
    let whole = disk.content(offer.journal()).unwrap();
    let mut most = 0;
    for at in 0..whole.len() {
        disk.flip(offer.journal(), at, at as u32);
        match offer.recover_all(&mut disk) {
            Err(error) => {
                let RecoverError::Journal(bad) = error else { panic!("{error:?}") };
                assert_eq!(bad, BadJournal::Damaged);
                assert_eq!(most, 0, "damage further on leaves what stands before it");
            }
            Ok((all, _)) => {
                let begin = found(&offer, &[0, 1, 2]);
                assert!(begin.starts_with(&all.chunks) && all.chunks.len() >= most);
                most = all.chunks.len();
            }
        }
        disk.kill();
        disk.flip(offer.journal(), at, at as u32);
    }
    assert_eq!(most, 3);
    // What is noted after the damage was found is found in turn.
    disk.flip(offer.journal(), whole.len() - 1, 0);
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!((all.chunks.len(), all.placed.len()), (3, 0));
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.write(&[(FILM, 4)]));
    assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 4)]))), Ok(()));
    disk.crash();
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!(all.chunks, found(&offer, &[0, 1, 2, 4]));
}

#[test]
fn a_journal_that_was_cut_off_holds_up_to_there() {
    let (mut disk, offer) = interrupted();
    let length = disk.content(offer.journal()).unwrap().len();
    for at in (0..length).rev() {
        disk.kill();
        disk.cut(offer.journal(), at);
        match offer.recover_all(&mut disk) {
            Err(error) => assert_eq!(error, RecoverError::Journal(BadJournal::Damaged)),
            Ok((all, _)) => assert!(found(&offer, &[0, 1, 2]).starts_with(&all.chunks)),
        }
    }
}

#[test]
fn why_there_is_nothing_to_go_on_from() {
    let (mut disk, offer) = interrupted();
    let other = Incoming { sender: sender(2), ..offer.clone() };
    assert_eq!(recovered(run(&mut disk, other.recover())), Err(RecoverError::Journal(BadJournal::Foreign)));
    disk.set_in_use(offer.journal(), true);
    assert_eq!(recovered(run(&mut disk, offer.recover())), Err(RecoverError::InUse));
    assert!(matches!(prepared(run(&mut disk, offer.prepare(true))), Err(StorageError::Other(_))));
    disk.set_in_use(offer.journal(), false);
    disk.fail(Kind::Recover, 0, StorageError::Denied);
    let denied = Err(RecoverError::Disk(StorageError::Denied));
    assert_eq!(recovered(run(&mut disk, offer.recover())), denied);
    disk.remove("/in");
    assert_eq!(recovered(run(&mut disk, offer.recover())), Err(RecoverError::Missing));
}

#[test]
fn a_check_that_fails_can_be_asked_again() {
    let (mut disk, offer) = interrupted();
    recovered(run(&mut disk, offer.recover())).unwrap();
    disk.fail(Kind::Check, 0, StorageError::Denied);
    assert_eq!(checked(run(&mut disk, offer.check())), Err(StorageError::Denied));
    assert_eq!(checked(run(&mut disk, offer.check())).unwrap().chunks.len(), 3);
}

#[test]
fn a_checkpoint_that_fails_notes_nothing_and_the_next_one_holds() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.write(&[(FILM, 0), (FILM, 1)]));
    disk.fail(Kind::Checkpoint, 0, StorageError::Other("I/O error".into()));
    let first = checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 0)])));
    assert_eq!(first, Err(StorageError::Other("I/O error".into())));
    // With no room for all of a batch, a part of it is left; the next one stands in its place.
    disk.set_free(20);
    let full = checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 0)])));
    assert_eq!((full, disk.free()), (Err(StorageError::Full), 0));
    disk.set_capacity(None);
    assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 1)]))), Ok(()));
    disk.crash();
    let (all, _) = offer.recover_all(&mut disk).unwrap();
    assert_eq!(all.chunks, found(&offer, &[1]));
}

#[test]
fn a_file_is_not_put_in_place_where_the_journal_cannot_say_so() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.write(&[(LETTER, 0)]));
    disk.set_free(5);
    let full = finished(run(&mut disk, offer.finish(&[LETTER], false)));
    assert_eq!(full, [Err(StorageError::Full)]);
    assert_eq!(disk.content(offer.place(LETTER)), None);
    disk.set_capacity(None);
    assert_eq!(finished(run(&mut disk, offer.finish(&[LETTER], false))), [Ok(())]);
}

#[test]
fn a_folder_that_vanishes_is_missed_by_all_work() {
    let (mut disk, offer) = (disk(), offer());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    run(&mut disk, offer.write(&[(FILM, 0), (LETTER, 0)]));
    disk.remove("/in");
    let missing = StorageError::Missing;
    assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 0)]))), Err(missing.clone()));
    assert_eq!(written(run(&mut disk, offer.write(&[(FILM, 1)]))), [Err(missing.clone())]);
    assert_eq!(finished(run(&mut disk, offer.finish(&[LETTER], false))), [Err(missing.clone())]);
    run(&mut disk, offer.close(false));
    assert_eq!(offer.recover_all(&mut disk).unwrap_err(), RecoverError::Missing);

    let (mut disk, offer) = interrupted();
    recovered(run(&mut disk, offer.recover())).unwrap();
    disk.remove("/in");
    assert_eq!(checked(run(&mut disk, offer.check())), Err(missing));
}
