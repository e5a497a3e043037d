//! Transfers that are interrupted and gone on with, paused, given up; and what a stranger to them cannot do.

use std::time::Duration;

use super::bench::{Bench, file, id, path};
use crate::link::LinkKey;
use crate::storage::{Checked, RecoverError};
use crate::transfer::hash::{CHUNK, Root, chunk_value};
use crate::transfer::journal::BadJournal;
use crate::transfer::{Entry, EntryKind, TransferId};
use crate::wire::{Answer, CancelReason, Chunk, ChunkRun, Control, Wanted};
use crate::{Event, LinkLoss, Refusal, Surroundings, TransferFailure, TransferState};

/// Longer than a link lives without a sign of life.
const SILENCE: Duration = Duration::from_secs(60);
const SIZE: u64 = 40 * CHUNK;

fn film() -> Vec<Entry> {
    vec![file("film", SIZE)]
}

fn chunk(index: u64) -> (Chunk, Vec<u8>) {
    let content = vec![index as u8; CHUNK as usize];
    let value = chunk_value(SIZE, index * CHUNK, &content);
    (Chunk { file: 0, length: CHUNK as u32, offset: index * CHUNK, value, last: false }, content)
}

/// A contact has begun to send a film: two chunks have arrived.
fn receiving() -> (Bench, usize, LinkKey) {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), film());
    assert!(bench.accepted(bob, id(1)));
    for index in 0..2 {
        let (head, content) = chunk(index);
        bench.begin_chunk(bob, link, id(1), &head, &content);
    }
    bench.checked.chunks = (0..2).map(|index| (0, index, chunk(index).0.value)).collect();
    (bench, bob, link)
}

fn runs(answers: &[Answer]) -> Vec<Vec<ChunkRun>> {
    let accepted = answers.iter().filter_map(|answer| match answer {
        Answer::Accept(Wanted { runs, .. }) => Some(runs.clone()),
        Answer::Refuse(_) => None,
    });
    accepted.collect()
}

fn suspended(bench: &Bench) -> usize {
    bench.count(|event| matches!(event, Event::Suspended { .. }))
}

#[test]
fn what_was_written_is_made_durable_within_a_second() {
    let (mut bench, ..) = receiving();
    assert!(!bench.asked.contains(&"checkpoint"));
    bench.run_for(Duration::from_millis(1100));
    assert!(bench.asked.contains(&"checkpoint"));
}

#[test]
fn a_lost_link_keeps_what_is_there_and_the_same_offer_goes_on() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    assert_eq!(suspended(&bench), 1);
    assert_eq!(bench.asked.iter().filter(|kind| **kind == "close").count(), 1);
    assert!(!bench.asked.contains(&"discard"));
    assert_eq!(bench.node.transfers()[0].state, TransferState::Waiting);

    let link = bench.link(again);
    assert!(
        bench.peers[again].heard.contains(&(link, Control::Resume { transfer: id(1) })),
        "it is asked for"
    );
    bench.offer(again, link, id(1), film());
    assert_eq!(runs(&bench.answers(again, id(1))), [vec![ChunkRun { file: 0, first: 0, count: 2 }]]);
    assert_eq!(bench.count(|event| matches!(event, Event::Offered { .. })), 1, "no second consent");
    assert_eq!(
        bench.count(|event| matches!(event, Event::Started { resumed, .. } if *resumed == 2 * CHUNK)),
        1
    );
    assert_eq!(bench.count(|event| matches!(event, Event::Resuming { held, .. } if *held == 2 * CHUNK)), 1);

    // What is there may not be sent again.
    let (head, content) = chunk(1);
    bench.begin_chunk(again, link, id(1), &head, &content);
    assert!(bench.peers[again].down.contains(&link));
}

#[test]
fn what_waits_goes_on_where_the_node_is_in_another_network() {
    let (mut bench, bob, _) = receiving();
    let wanted = (bench.peer(bob), id(1));
    bench.restart(bob);
    bench.run_for(SILENCE);
    // What was asked when the link was lost came to nothing.
    bench.node.asked_for.clear();
    let mut move_to = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        bench.node.handle_surroundings(bench.now, Surroundings::Addresses(addresses));
        bench.node.asked_for.contains(&wanted)
    };
    assert!(!move_to(&[]), "there is nobody to ask");
    assert!(move_to(&["192.168.7.7:4242"]));
    bench.node.asked_for.clear();
    let same = Surroundings::Addresses(vec!["192.168.7.7:4242".parse().unwrap()]);
    bench.node.handle_surroundings(bench.now, same);
    assert!(bench.node.asked_for.is_empty(), "nothing has changed");
    bench.node.pause(bench.now, id(1)).unwrap();
    bench
        .node
        .handle_surroundings(bench.now, Surroundings::Addresses(vec!["10.0.0.7:4242".parse().unwrap()]));
    assert!(bench.node.asked_for.is_empty(), "what stands still by somebody's wish does so anywhere");
}

#[test]
fn whoever_does_not_come_back_is_waited_for_ten_minutes() {
    let (mut bench, bob, _) = receiving();
    bench.restart(bob);
    bench.run_for(SILENCE);
    bench.run_for(Duration::from_secs(560));
    let failed = |event: &Event| matches!(event, Event::Failed { resumable: true, .. });
    assert_eq!(bench.count(failed), 0);
    bench.run_for(Duration::from_secs(80));
    assert_eq!(bench.count(failed), 1);
    assert_eq!(bench.node.transfers()[0].state, TransferState::Interrupted);
    assert!(!bench.asked.contains(&"discard"));
}

#[test]
fn a_sender_that_was_started_anew_is_put_off_until_the_old_attempt_is_wound_up() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    let link = bench.link(again);
    bench.offer(again, link, id(1), film());
    assert_eq!(bench.answers(again, id(1)), [Answer::Refuse(Refusal::Busy)]);
    bench.offer(again, link, id(1), film());
    assert_eq!(runs(&bench.answers(again, id(1))).len(), 1);
}

#[test]
fn a_transfer_that_was_lost_before_it_was_made_durable_leaves_no_timer_behind() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    let link = bench.link(again);
    bench.offer(again, link, id(1), film());
    assert_eq!(suspended(&bench), 1);
    // The moment comes at which what was written was to be made durable.
    bench.run_for(Duration::from_secs(2));
    bench.offer(again, link, id(1), film());
    assert_eq!(runs(&bench.answers(again, id(1))).len(), 1);
}

#[test]
fn the_name_of_a_transfer_is_nothing_in_another_senders_mouth() {
    let (mut bench, bob, _) = receiving();
    bench.restart(bob);
    bench.run_for(SILENCE);
    let (mallory, link) = bench.contact();
    bench.offer(mallory, link, id(1), film());
    assert!(!bench.asked.contains(&"recover"));
    assert!(bench.peers[mallory].down.contains(&link));
    bench.say(mallory, link, &Control::Resume { transfer: id(1) });
    assert_eq!(bench.node.transfers()[0].state, TransferState::Waiting);
}

#[test]
fn an_interrupted_transfer_of_another_can_be_neither_offered_nor_cancelled() {
    let (mut bench, bob, _) = receiving();
    bench.restart(bob);
    bench.run_for(SILENCE + Duration::from_secs(700));
    let (mallory, link) = bench.contact();
    bench.offer(mallory, link, id(1), film());
    bench.say(mallory, link, &Control::Cancel { transfer: id(1), reason: CancelReason::Cancelled });
    assert!(bench.peers[mallory].down.contains(&link));
    assert_eq!(bench.node.transfers().len(), 1);
    assert!(!bench.asked.contains(&"discard") && !bench.asked.contains(&"recover"));
}

#[test]
fn an_offer_that_has_changed_is_put_to_the_rules_again() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    bench.checked = Checked { changed: 1, ..Checked::default() };
    let link = bench.link(again);
    let more = vec![Entry { modified: 7, ..file("film", SIZE) }, file("virus", 1)];
    let refuse = crate::Rules { into: Some("/received".into()), ask_always: true, ..crate::Rules::default() };
    bench.node.set_rules(refuse);
    bench.offer(again, link, id(1), more);
    assert!(bench.answers(again, id(1)).is_empty(), "the user is asked");
    assert_eq!(bench.count(|event| matches!(event, Event::Resuming { changed: 1, .. })), 1);
    assert_eq!(bench.count(|event| matches!(event, Event::Offered { .. })), 2);
    let closed = |bench: &Bench| bench.asked.iter().filter(|kind| **kind == "close").count();
    let before = closed(&bench);
    bench.node.refuse(bench.now, id(1), Refusal::Declined).unwrap();
    bench.settle();
    assert_eq!(closed(&bench), before + 1, "the journal is let go of, for the next attempt");
    assert!(!bench.asked.contains(&"discard"));
}

#[test]
fn a_damaged_journal_means_from_the_start_and_is_said() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    bench.recovery = Err(RecoverError::Journal(BadJournal::Damaged));
    let link = bench.link(again);
    bench.offer(again, link, id(1), film());
    assert_eq!(runs(&bench.answers(again, id(1))), [Vec::new()]);
    assert_eq!(bench.count(|event| matches!(event, Event::StartsOver { .. })), 1);
}

#[test]
fn a_folder_that_is_gone_is_not_made_again_without_consent() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    bench.recovery = Err(RecoverError::Missing);
    let link = bench.link(again);
    let asking =
        crate::Rules { into: Some("/elsewhere".into()), ask_always: true, ..crate::Rules::default() };
    bench.node.set_rules(asking);
    bench.offer(again, link, id(1), film());
    assert!(bench.answers(again, id(1)).is_empty());
    assert_eq!(bench.count(|event| matches!(event, Event::Offered { .. })), 2);
}

#[test]
fn a_journal_that_another_program_uses_is_left_to_it() {
    let (mut bench, bob, _) = receiving();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    bench.recovery = Err(RecoverError::InUse);
    let link = bench.link(again);
    bench.offer(again, link, id(1), film());
    assert_eq!(bench.answers(again, id(1)), [Answer::Refuse(Refusal::Busy)]);
    assert_eq!(bench.node.transfers().len(), 1);
}

#[test]
fn a_sender_that_cancels_leaves_nothing_here() {
    let (mut bench, bob, link) = receiving();
    bench.say(bob, link, &Control::Cancel { transfer: id(1), reason: CancelReason::Cancelled });
    assert!(bench.asked.contains(&"discard"));
    assert!(bench.node.transfers().is_empty());
}

#[test]
fn a_sender_whose_disk_fails_leaves_what_is_there() {
    let (mut bench, bob, link) = receiving();
    bench.say(bob, link, &Control::Cancel { transfer: id(1), reason: CancelReason::DiskFailed });
    assert!(!bench.asked.contains(&"discard"));
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { resumable: true, .. })), 1);
    assert_eq!(bench.node.transfers().len(), 1);
}

#[test]
fn an_interrupted_transfer_can_be_given_up_without_its_sender() {
    let (mut bench, bob, _) = receiving();
    bench.restart(bob);
    bench.run_for(SILENCE);
    bench.run_for(Duration::from_secs(700));
    bench.node.cancel(bench.now, id(1)).unwrap();
    bench.settle();
    assert!(bench.asked.contains(&"discard"));
    assert!(bench.node.transfers().is_empty());
}

#[test]
fn closing_keeps_what_is_there() {
    let (mut bench, ..) = receiving();
    bench.node.close(bench.now);
    bench.settle();
    assert!(bench.asked.contains(&"checkpoint") && bench.asked.contains(&"close"));
    assert!(!bench.asked.contains(&"discard"));
    assert_eq!(bench.node.transfers().len(), 1);
}

#[test]
fn a_sender_that_did_not_hear_of_the_end_is_told() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    let size = 20 * CHUNK;
    let content = vec![3; size as usize];
    let transfer = TransferId([8; 16]);
    bench.offer(
        bob,
        link,
        transfer,
        vec![Entry { path: path("x"), kind: EntryKind::File(size), ..file("x", size) }],
    );
    for index in 0..20 {
        let at = (index * CHUNK) as usize;
        let data = &content[at..at + CHUNK as usize];
        let value = chunk_value(size, index * CHUNK, data);
        let head = Chunk { file: 0, length: CHUNK as u32, offset: index * CHUNK, value, last: false };
        let channel = bench.begin_chunk(bob, link, transfer, &head, data);
        bench.finish(bob, link, channel);
    }
    let root = Root(*blake3::hash(&content).as_bytes());
    bench.say(bob, link, &Control::Complete { transfer, root });
    bench.run_for(Duration::from_secs(2));
    assert_eq!(bench.count(|event| matches!(event, Event::Finished { .. })), 1);
    assert!(bench.node.transfers().is_empty());
    let again = bench.restart(bob);
    let link = bench.link(again);
    bench.offer(again, link, transfer, vec![file("x", size)]);
    assert!(bench.peers[again].heard.contains(&(link, Control::Received { transfer, root })));
    assert_eq!(bench.count(|event| matches!(event, Event::Offered { .. })), 1);
}

/// The node has begun to send a film to a contact.
fn sending() -> (Bench, usize, LinkKey, TransferId) {
    let mut bench = Bench::new(|_| {});
    bench.files.insert("film".into(), vec![1; SIZE as usize]);
    let (bob, link) = bench.contact();
    let to = bench.peer(bob);
    let transfer = bench.node.offer(bench.now, to, vec!["/home/film".into()]).unwrap();
    bench.settle();
    bench.say(bob, link, &Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) });
    (bench, bob, link, transfer)
}

#[test]
fn the_sender_offers_the_same_transfer_again_when_the_receiver_comes_back() {
    let (mut bench, bob, _, transfer) = sending();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    assert_eq!(suspended(&bench), 1);
    let link = bench.link(again);
    let wanted = Wanted { runs: vec![ChunkRun { file: 0, first: 0, count: 39 }], ..Wanted::default() };
    bench.say(again, link, &Control::Answer { transfer, answer: Answer::Accept(wanted) });
    let is_resumed = |event: &Event| matches!(event, Event::Started { bytes: CHUNK, resumed, .. } if *resumed == 39 * CHUNK);
    assert_eq!(bench.count(is_resumed), 1);
    let root = Root(*blake3::hash(&vec![1; SIZE as usize]).as_bytes());
    assert!(
        bench.peers[again].heard.contains(&(link, Control::Complete { transfer, root })),
        "the root is over what travelled before too"
    );
}

#[test]
fn the_sender_tries_again_when_the_receiver_is_still_busy_with_the_attempt_before() {
    let (mut bench, bob, _, transfer) = sending();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    let link = bench.link(again);
    bench.say(again, link, &Control::Answer { transfer, answer: Answer::Refuse(Refusal::Busy) });
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 0);
    bench.run_for(Duration::from_secs(2));
    bench.say(again, link, &Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) });
    assert_eq!(bench.count(|event| matches!(event, Event::Started { .. })), 2);
}

#[test]
fn the_sender_gives_up_after_ten_minutes_and_sending_the_same_again_is_the_same_transfer() {
    let (mut bench, bob, _, transfer) = sending();
    let again = bench.restart(bob);
    bench.run_for(SILENCE + Duration::from_secs(660));
    let lost = |event: &Event| {
        let why = TransferFailure::LinkLost(LinkLoss::TimedOut);
        matches!(event, Event::Failed { resumable: true, why: it, .. } if *it == why)
    };
    assert_eq!(bench.count(lost), 1, "{:?}", bench.events);
    let to = bench.peer(again);
    assert_eq!(bench.node.offer(bench.now, to, vec!["/home/film".into()]), Ok(transfer));
}

#[test]
fn a_transfer_that_its_receiver_asked_for_is_the_one_that_the_user_sends_again() {
    let (mut bench, bob, _, transfer) = sending();
    let again = bench.restart(bob);
    bench.run_for(SILENCE + Duration::from_secs(660));
    assert_eq!(bench.node.transfers()[0].state, TransferState::Interrupted);
    let link = bench.link(again);
    bench.say(again, link, &Control::Resume { transfer });
    let to = bench.peer(again);
    assert_eq!(bench.node.offer(bench.now, to, vec!["/home/film".into()]), Ok(transfer));
    assert_eq!(bench.node.transfers().len(), 1);
}

#[test]
fn a_receiver_that_was_started_anew_asks_and_is_offered_the_rest_over_its_new_link() {
    let (mut bench, bob, _, transfer) = sending();
    let again = bench.restart(bob);
    let link = bench.link(again);
    bench.say(again, link, &Control::Resume { transfer });
    bench.say(again, link, &Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) });
    assert_eq!(bench.count(|event| matches!(event, Event::Started { .. })), 2);
}

#[test]
fn a_paused_transfer_stands_still_on_either_sides_word_and_goes_on() {
    let (mut bench, bob, link, transfer) = sending();
    bench.say(bob, link, &Control::Pause { transfer });
    assert_eq!(bench.count(|event| matches!(event, Event::Paused { paused: true, .. })), 1);
    assert_eq!(bench.node.transfers()[0].state, TransferState::Paused);
    bench.run_for(Duration::from_secs(1000));
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 0, "nobody runs out of patience");
    bench.say(bob, link, &Control::Resume { transfer });
    assert_eq!(bench.node.transfers()[0].state, TransferState::Active);

    let (mut bench, bob, link) = receiving();
    let transfer = id(1);
    bench.node.pause(bench.now, transfer).unwrap();
    bench.run_for(Duration::from_secs(1000));
    assert_eq!(bench.peers[bob].heard.iter().filter(|(_, it)| *it == Control::Pause { transfer }).count(), 1);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 0);
    bench.node.resume(bench.now, transfer).unwrap();
    bench.run_for(Duration::from_millis(30));
    assert!(bench.peers[bob].heard.contains(&(link, Control::Resume { transfer })));
}

#[test]
fn what_a_person_paused_stays_paused_when_it_is_offered_again() {
    let (mut bench, bob, _) = receiving();
    bench.node.pause(bench.now, id(1)).unwrap();
    let again = bench.restart(bob);
    bench.run_for(SILENCE);
    let link = bench.link(again);
    assert!(!bench.peers[again].heard.contains(&(link, Control::Resume { transfer: id(1) })));
    bench.offer(again, link, id(1), film());
    assert!(bench.peers[again].heard.contains(&(link, Control::Pause { transfer: id(1) })));
}
