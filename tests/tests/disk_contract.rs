//! The disk model refuses what a node must never ask for.

use hither_protocol::storage::{StorageError, Work};
use hither_protocol::transfer::TransferId;
use hither_protocol::transfer::hash::{CHUNK, Root};
use hither_tests::disk::{Disk, Kind};
use hither_tests::incoming::{Incoming, run, submit};
use hither_tests::random::Random;

/// A disk on which a file of two chunks and a byte is prepared for, with a journal.
fn begun() -> (Disk, Incoming) {
    let mut disk = Disk::new(Random::new(3));
    let offer = Incoming::new(&[("f", Random::new(1).bytes(2 * CHUNK as usize + 1))]);
    run(&mut disk, offer.prepare(true));
    (disk, offer)
}

const ALL: [(u32, u64); 3] = [(0, 0), (0, 1), (0, 2)];

#[test]
#[should_panic(expected = "rests on work still under way")]
fn a_file_is_not_put_in_place_while_it_is_written() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    submit(&mut disk, offer.write(&[(0, 1)]));
    submit(&mut disk, offer.finish(&[0], false));
}

#[test]
#[should_panic(expected = "rests on work still under way")]
fn a_file_is_not_put_in_place_while_it_is_noted() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    submit(&mut disk, offer.checkpoint(&ALL));
    submit(&mut disk, offer.finish(&[0], false));
}

#[test]
#[should_panic(expected = "before everything is in place")]
fn links_are_not_made_before_the_files() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    run(&mut disk, offer.seal(&[("l", "f")], false));
}

#[test]
#[should_panic(expected = "rests on work still under way")]
fn links_are_not_made_while_files_are_put_in_place() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    submit(&mut disk, offer.finish(&[0], false));
    submit(&mut disk, offer.seal(&[("l", "f")], false));
}

#[test]
#[should_panic(expected = "rests on work still under way")]
fn a_transfer_has_one_checkpoint_at_a_time() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    submit(&mut disk, offer.checkpoint(&[(0, 0)]));
    submit(&mut disk, offer.checkpoint(&[(0, 1)]));
}

#[test]
#[should_panic(expected = "rests on work still under way")]
fn a_transfer_is_not_closed_while_it_is_written() {
    let (mut disk, offer) = begun();
    submit(&mut disk, offer.write(&ALL));
    submit(&mut disk, offer.close(false));
}

#[test]
fn chunks_are_written_while_others_of_the_same_file_are_noted() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&[(0, 0)]));
    submit(&mut disk, offer.checkpoint(&[(0, 0)]));
    submit(&mut disk, offer.write(&[(0, 1)]));
}

#[test]
fn two_transfers_do_not_mind_each_other() {
    let (mut disk, offer) = begun();
    let other = Incoming { transfer: TransferId([6; 16]), ..offer.clone() };
    run(&mut disk, other.prepare(true));
    for offer in [&offer, &other] {
        run(&mut disk, offer.write(&ALL));
        submit(&mut disk, offer.checkpoint(&[(0, 0)]));
    }
    let third = Incoming { transfer: TransferId([7; 16]), ..offer };
    submit(&mut disk, third.prepare(true));
}

#[test]
#[should_panic(expected = "not written")]
fn only_chunks_that_were_written_are_noted() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL[..2]));
    run(&mut disk, offer.checkpoint(&ALL));
}

#[test]
#[should_panic(expected = "not written")]
fn chunks_whose_write_is_under_way_are_not_noted() {
    let (mut disk, offer) = begun();
    submit(&mut disk, offer.write(&ALL));
    submit(&mut disk, offer.checkpoint(&ALL));
}

#[test]
#[should_panic(expected = "not written")]
fn chunks_whose_write_failed_are_not_noted() {
    let (mut disk, offer) = begun();
    disk.fail(Kind::Write, 0, StorageError::Full);
    run(&mut disk, offer.write(&ALL));
    run(&mut disk, offer.checkpoint(&ALL));
}

#[test]
#[should_panic(expected = "not written")]
fn chunks_of_files_in_place_are_not_noted() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    run(&mut disk, offer.finish(&[0], false));
    run(&mut disk, offer.checkpoint(&ALL));
}

#[test]
#[should_panic(expected = "not listed")]
fn the_files_of_chunks_are_listed() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    let Work::Checkpoint { transfer, into, chunks, .. } = offer.checkpoint(&ALL) else { panic!() };
    run(&mut disk, Work::Checkpoint { transfer, into, files: vec![], chunks });
}

#[test]
#[should_panic(expected = "without a journal")]
fn nothing_is_noted_without_a_journal() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.close(false));
    run(&mut disk, offer.prepare(false));
    run(&mut disk, offer.write(&ALL));
    run(&mut disk, offer.checkpoint(&ALL));
}

#[test]
#[should_panic(expected = "not whole")]
fn a_file_is_not_put_in_place_before_it_is_whole() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL[1..]));
    run(&mut disk, offer.finish(&[0], false));
}

#[test]
#[should_panic(expected = "under another root")]
fn a_file_is_put_in_place_under_its_own_root() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    let Work::Finish(mut files) = offer.finish(&[0], false) else { panic!() };
    files[0].root = Root([0; 32]);
    run(&mut disk, Work::Finish(files));
}

#[test]
#[should_panic(expected = "is in place")]
fn a_file_in_place_is_not_written() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&ALL));
    run(&mut disk, offer.finish(&[0], false));
    run(&mut disk, offer.write(&[(0, 0)]));
}

#[test]
#[should_panic(expected = "not recovered")]
fn nothing_is_checked_that_was_not_recovered() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.check());
}

#[test]
#[should_panic(expected = "or has been checked")]
fn nothing_is_checked_twice() {
    let (mut disk, offer) = begun();
    disk.kill();
    offer.recover_all(&mut disk).unwrap();
    run(&mut disk, offer.check());
}

#[test]
#[should_panic(expected = "before all of it was checked")]
fn a_journal_is_checked_before_it_is_added_to() {
    let (mut disk, offer) = begun();
    disk.kill();
    run(&mut disk, offer.recover());
    run(&mut disk, offer.prepare(true));
}

#[test]
#[should_panic(expected = "which is not prepared")]
fn what_was_recovered_is_prepared_before_it_is_written() {
    let (mut disk, offer) = begun();
    disk.kill();
    offer.recover_all(&mut disk).unwrap();
    run(&mut disk, offer.write(&ALL));
}

#[test]
#[should_panic(expected = "prepare what is prepared")]
fn a_transfer_is_prepared_once() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.prepare(true));
}

#[test]
#[should_panic(expected = "recover what is open")]
fn what_is_open_is_not_recovered() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.recover());
}

#[test]
fn nothing_follows_an_end_but_a_beginning() {
    let ends: [fn(&Incoming) -> Work; 2] = [|offer| offer.close(false), |offer| offer.discard(&[])];
    let works: [fn(&Incoming) -> Work; 4] = [
        |offer| offer.write(&ALL),
        |offer| offer.checkpoint(&ALL),
        |offer| offer.finish(&[0], false),
        |offer| offer.check(),
    ];
    for end in ends {
        for work in works {
            let refused = std::panic::catch_unwind(|| {
                let (mut disk, offer) = begun();
                run(&mut disk, offer.write(&ALL));
                run(&mut disk, end(&offer));
                run(&mut disk, work(&offer));
            });
            assert!(refused.is_err());
        }
        let (mut disk, offer) = begun();
        run(&mut disk, end(&offer));
        run(&mut disk, offer.prepare(true));
        run(&mut disk, end(&offer));
        run(&mut disk, offer.recover());
    }
}

#[test]
#[should_panic(expected = "bytes at once")]
fn no_more_than_some_mebibytes_are_asked_for_at_once() {
    let (mut disk, offer) = begun();
    for _ in 0..65 {
        submit(&mut disk, offer.write(&ALL[..2]));
    }
}

#[test]
#[should_panic(expected = "one place")]
fn a_file_has_one_place() {
    let (mut disk, offer) = begun();
    run(&mut disk, offer.write(&[(0, 0)]));
    let Work::Write(mut chunks) = offer.write(&[(0, 1)]) else { panic!() };
    chunks[0].target.path = hither_tests::incoming::path("elsewhere");
    run(&mut disk, Work::Write(chunks));
}
