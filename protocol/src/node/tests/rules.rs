//! Consent, and what the user is told.

use hither_schema::transfer_capnp::open;

use super::bench::{Bench, file, id};
use crate::chat::MessageId;
use crate::link::LinkKey;
use crate::transfer::TransferId;
use crate::wire::{
    Answer, CancelReason, ChunkRun, Control, EntrySet, Envelope, MAX_RUNS, NewContent, ReceiptState, Wanted,
};
use crate::{Event, MessageState, Refusal, Strangers, TransferFailure};

/// The head of an offer that may lie.
pub(super) fn offer_head(transfer: TransferId, entries: u32, bytes: u64) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let mut offer = message.init_root::<open::Builder<'_>>().init_manifest();
    offer.set_transfer(&transfer.0);
    offer.set_name("offer");
    offer.set_entries(entries);
    offer.set_bytes(bytes);
    let content = capnp::serialize::write_message_to_words(&message);
    [&u32::try_from(content.len()).unwrap().to_le_bytes()[..], &content].concat()
}

fn message(bench: &Bench, from: usize, id: u8, text: &str) -> Control {
    let new = NewContent {
        id: MessageId([id; 16]),
        recipient: bench.node.peer_id(),
        sequence: u64::from(id),
        parents: Vec::new(),
        time: 0,
        text,
    };
    Control::Message(Envelope::seal(&bench.peers[from].identity, &new))
}

fn is_message(event: &Event) -> bool {
    matches!(event, Event::Message { .. })
}

fn receipts(bench: &Bench, peer: usize) -> Vec<ReceiptState> {
    let heard = bench.peers[peer].heard.iter();
    heard
        .filter_map(|(_, said)| if let Control::Receipt { state, .. } = said { Some(*state) } else { None })
        .collect()
}

#[test]
fn a_message_that_comes_twice_is_shown_once_and_gets_two_receipts() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    let hello = message(&bench, bob, 1, "hello");
    bench.hold = true;
    bench.say(bob, link, &hello);
    bench.say(bob, link, &hello);
    bench.release();
    assert_eq!(bench.count(is_message), 1);
    assert_eq!(receipts(&bench, bob), [ReceiptState::Stored; 2]);
}

#[test]
fn a_blocked_contact_with_a_link_cannot_write_any_more() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    let peer = bench.peer(bob);
    bench.node.send_message(bench.now, peer, "hello").unwrap();
    bench.settle();
    bench.node.block_contact(bench.now, peer, true).unwrap();
    bench.settle();
    let hello = message(&bench, bob, 1, "hello");
    bench.say(bob, link, &hello);
    assert_eq!(bench.count(is_message), 0, "{:?}", bench.events);
}

#[test]
fn a_blocked_contact_with_a_link_cannot_send_files_any_more() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Accept);
    let (bob, link) = bench.contact();
    let peer = bench.peer(bob);
    bench.node.block_contact(bench.now, peer, true).unwrap();
    bench.run_for(std::time::Duration::from_secs(1));
    assert!(bench.peers[bob].down.contains(&link), "the link that was up is closed");
    if let Some(link) = bench.dial(bob) {
        bench.run_for(std::time::Duration::from_secs(1));
        assert!(bench.peers[bob].down.contains(&link), "so is every new one");
    }
    assert!(!bench.asked.contains(&"prepare"));
}

#[test]
fn an_offer_to_a_blocked_contact_does_not_wait_for_ever() {
    let mut bench = Bench::new(|_| {});
    let bob = bench.add();
    let peer = bench.peer(bob);
    bench.node.add_contact(bench.now, peer, "bob").unwrap();
    bench.node.block_contact(bench.now, peer, true).unwrap();
    bench.settle();
    let Ok(transfer) = bench.node.offer(bench.now, peer, vec!["/home/film".into()]) else { return };
    bench.settle();
    // He comes by himself while he is looked for.
    bench.dial(bob);
    bench.run_for(std::time::Duration::from_secs(700));
    let is_over = |event: &Event| matches!(event, Event::Failed { transfer: of, .. } if *of == transfer);
    assert_eq!(bench.count(is_over), 1, "{:?}", bench.events);
}

#[test]
fn a_stranger_may_ask_only_once_by_message() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    let (stranger, link) = bench.stranger();
    for number in 1..5 {
        let spam = message(&bench, stranger, number, "buy this");
        bench.say(stranger, link, &spam);
    }
    assert_eq!(bench.count(is_message), 1);
}

#[test]
fn a_strangers_question_that_is_said_again_is_received_and_not_refused() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    let (stranger, link) = bench.stranger();
    let question = message(&bench, stranger, 1, "may I?");
    // The receipt was lost with a link, say.
    bench.say(stranger, link, &question);
    bench.say(stranger, link, &question);
    assert_eq!(bench.count(is_message), 1);
    assert_eq!(receipts(&bench, stranger), [ReceiptState::Stored; 2]);
}

#[test]
fn a_stranger_may_ask_only_once_by_offer() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    let (stranger, link) = bench.stranger();
    for number in 1..20 {
        bench.offer(stranger, link, id(number), vec![file("a", 5)]);
        bench.say(stranger, link, &Control::Cancel { transfer: id(number), reason: CancelReason::Cancelled });
    }
    let prompts = bench.count(|event| matches!(event, Event::Offered { .. }));
    assert!(prompts <= 2, "{prompts} prompts");
}

#[test]
fn the_user_is_not_told_of_the_end_of_an_offer_they_never_saw() {
    let mut bench = Bench::new(|_| {});
    let (stranger, link) = bench.stranger();
    for number in 1..6 {
        bench.open_raw(stranger, link, offer_head(id(number), 1, 5));
        bench.say(stranger, link, &Control::Cancel { transfer: id(number), reason: CancelReason::Cancelled });
    }
    let told = bench.count(|event| matches!(event, Event::Failed { .. } | Event::Offered { .. }));
    assert_eq!(told, 0, "{:?}", bench.events);
}

#[test]
fn an_offer_withdrawn_while_the_user_is_asked_can_be_answered_no_more() {
    let mut bench = Bench::new(|rules| rules.ask_always = true);
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![file("a", 5)]);
    bench.say(bob, link, &Control::Cancel { transfer: id(1), reason: CancelReason::Cancelled });
    let how = crate::Acceptance { into: "/received".into(), name: None, conflict: crate::Conflict::Refuse };
    assert!(bench.node.accept(bench.now, id(1), how).is_err());
    let is_cancelled =
        |event: &Event| matches!(event, Event::Failed { why: TransferFailure::CancelledByPeer, .. });
    assert_eq!(bench.count(is_cancelled), 1);
}

#[test]
fn a_name_that_leaves_the_folder_is_not_taken_for_another() {
    let mut bench = Bench::new(|rules| rules.ask_always = true);
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![file("a", 0)]);
    let name = Some("../b".to_owned());
    let how = crate::Acceptance { into: "/received".into(), name, conflict: crate::Conflict::Refuse };
    let taken = bench.node.accept(bench.now, id(1), how);
    bench.settle();
    assert!(taken.is_err() || !bench.accepted(bob, id(1)), "it goes to another name than the user said");
}

#[test]
fn what_is_there_already_needs_no_space() {
    let mut bench = Bench::new(|rules| rules.conflict = crate::Conflict::Skip);
    bench.examined = crate::storage::Examined { free: 10, existing: vec![0], alternatives: Vec::new() };
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![file("film", 1000), file("new", 10)]);
    assert!(bench.accepted(bob, id(1)), "{:?}", bench.answers(bob, id(1)));
}

#[test]
fn the_largest_acceptance_fits_a_frame() {
    let mut all = EntrySet::default();
    all.insert(crate::storage::MAX_ENTRIES - 1);
    let runs = (0..).step_by(2).take(MAX_RUNS).map(|first| ChunkRun { file: 0, first, count: 1 }).collect();
    let skip = Wanted { skip: all.clone(), held: all, runs };
    let framed = Control::Answer { transfer: id(1), answer: Answer::Accept(skip) }.encode();
    let mut bytes = bytes::Bytes::from(framed);
    let frame = crate::wire::FrameReader::default().next(&mut bytes);
    assert!(matches!(frame, Ok(Some(_))), "{frame:?}");
}

#[test]
fn a_message_whose_link_is_lost_before_the_receipt_is_said_to_wait_or_sent_again() {
    let mut bench = Bench::new(|_| {});
    let (bob, _) = bench.contact();
    let peer = bench.peer(bob);
    bench.peers[bob].cut = true;
    bench.node.send_message(bench.now, peer, "hello").unwrap();
    bench.run_for(std::time::Duration::from_secs(120));
    let is_waiting = |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Waiting, .. });
    assert_eq!(bench.count(is_waiting), 1, "{:?}", bench.events);
}

#[test]
fn a_peer_that_comes_back_on_a_new_link_is_answered_on_it() {
    let mut bench = Bench::new(|_| {});
    let (bob, _) = bench.contact();
    let again = bench.restart(bob);
    let new = bench.link(again);
    let peer = bench.peer(bob);
    bench.node.send_message(bench.now, peer, "hello").unwrap();
    bench.run_for(std::time::Duration::from_secs(5));
    let got =
        bench.peers[again].heard.iter().any(|(on, said)| *on == new && matches!(said, Control::Message(_)));
    assert!(got, "the message goes over the link that works");
}

#[test]
fn an_offer_that_nobody_answers_is_refused_after_ten_minutes() {
    let mut bench = Bench::new(|rules| rules.ask_always = true);
    let (bob, link): (usize, LinkKey) = bench.contact();
    bench.offer(bob, link, id(1), vec![file("a", 5)]);
    bench.run_for(std::time::Duration::from_secs(599));
    assert_eq!(bench.answers(bob, id(1)), []);
    bench.run_for(std::time::Duration::from_secs(2));
    assert_eq!(bench.answers(bob, id(1)), [Answer::Refuse(Refusal::Declined)]);
    assert!(bench.node.incoming.is_empty());
}

/// The node offers a file of a kilobyte to a contact, who says only what the test lets them say.
fn sending() -> (Bench, usize, LinkKey, TransferId) {
    let mut bench = Bench::new(|_| {});
    bench.files.insert("film".into(), vec![1; 1000]);
    let (bob, link) = bench.contact();
    let to = bench.peer(bob);
    let transfer = bench.node.offer(bench.now, to, vec!["/home/film".into()]).unwrap();
    bench.settle();
    (bench, bob, link, transfer)
}

const LONG: std::time::Duration = std::time::Duration::from_secs(3600);

#[test]
fn an_offer_of_ours_that_is_never_answered_comes_to_an_end() {
    let (mut bench, _, _, _) = sending();
    bench.run_for(LONG);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 1, "{:?}", bench.events);
}

#[test]
fn a_transfer_of_ours_whose_end_is_never_confirmed_comes_to_an_end() {
    let (mut bench, bob, link, transfer) = sending();
    bench.say(bob, link, &Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) });
    bench.run_for(LONG);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 1, "{:?}", bench.events);
}

#[test]
fn a_file_of_which_nothing_ever_arrives_comes_to_an_end() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![file("film", 1000)]);
    assert!(bench.accepted(bob, id(1)));
    bench.run_for(LONG);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 1, "{:?}", bench.events);
}

#[test]
fn files_put_in_place_while_a_transfer_is_stopped_are_counted_as_kept() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    let entries: Vec<_> =
        (0..600).map(|number| file(&format!("{number}"), 0)).chain([file("z", 5)]).collect();
    bench.offer(bob, link, id(1), entries);
    assert!(bench.accepted(bob, id(1)));
    let value = crate::transfer::hash::chunk_value(0, 0, &[]);
    let mut bytes = crate::wire::encode_open_chunks(id(1));
    for file in 0..600 {
        let head = crate::wire::Chunk { file, length: 0, offset: 0, value, last: false };
        bytes.extend(crate::wire::encode_chunk(&head));
    }
    // The disk is slow from the moment that files are to be put in place.
    bench.hold_kind = Some("finish");
    bench.open_raw(bob, link, bytes);
    assert_eq!(bench.held.len(), 1, "{:?}", bench.asked);
    bench.node.cancel(bench.now, id(1)).unwrap();
    bench.release();
    let kept = bench.events.iter().find_map(|event| match event {
        Event::Failed { kept, .. } => Some(*kept),
        _ => None,
    });
    assert!(kept.is_some_and(|kept| kept >= 512), "{kept:?} of 512 and more");
}

#[test]
fn what_the_rules_say_when_consent_is_due_counts_and_not_what_they_said_before() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.hold_kind = Some("examine");
    bench.offer(bob, link, id(1), vec![file("a", 5)]);
    let peer = bench.peer(bob);
    bench.node.remove_contact(bench.now, peer).unwrap();
    bench.release();
    assert_eq!(bench.answers(bob, id(1)), [Answer::Refuse(Refusal::Stranger)]);
    assert!(!bench.asked.contains(&"prepare"));
}

#[test]
fn a_stranger_who_offers_twice_at_once_asks_once() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    let (stranger, link) = bench.stranger();
    bench.hold_kind = Some("examine");
    bench.offer(stranger, link, id(1), vec![file("a", 5)]);
    bench.offer(stranger, link, id(2), vec![file("b", 5)]);
    bench.release();
    assert_eq!(bench.count(|event| matches!(event, Event::Offered { .. })), 1);
    assert_eq!(bench.answers(stranger, id(2)), [Answer::Refuse(Refusal::Declined)]);
}
