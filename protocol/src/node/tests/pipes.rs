//! Streams: how long they may take, and to whom they go.

use std::time::Duration;

use super::bench::{Bench, file, id, path};
use crate::link::LinkKey;
use crate::transfer::hash::{CHUNK, Root};
use crate::transfer::{Entry, EntryKind, TransferId};
use crate::wire::{Answer, Chunk, Control, Wanted};
use crate::{Event, TransferFailure};

const LONG: Duration = Duration::from_secs(3600);

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::Failed { .. })
}

/// A node that offers a stream to a contact of this revision.
fn offering(revision: u16, content: &[u8]) -> (Bench, usize, LinkKey, TransferId) {
    let mut bench = Bench::new(|_| {});
    bench.files.insert("stream".into(), content.to_vec());
    let bob = bench.add();
    let to = bench.peer(bob);
    bench.node.add_contact(bench.now, to, "bob").unwrap();
    bench.peers[bob].revision = Some(revision);
    let link = bench.link(bob);
    let transfer = bench.node.offer_stream(bench.now, to, &path("s")).unwrap();
    bench.settle();
    (bench, bob, link, transfer)
}

#[test]
fn a_program_that_knows_no_streams_is_offered_none() {
    let (bench, bob, link, transfer) = offering(1, b"x");
    assert_eq!(bench.peers[bob].links.readable(link), []);
    let told = |event: &Event| matches!(event, Event::Failed { transfer: of, why: TransferFailure::PeerTooOld, .. } if *of == transfer);
    assert_eq!(bench.count(told), 1, "{:?}", bench.events);
}

#[test]
fn a_stream_whose_source_says_nothing_for_an_hour_is_not_given_up() {
    let (mut bench, bob, link, transfer) = offering(2, b"x");
    bench.hold_kind = Some("read stream");
    bench.say(bob, link, &Control::Answer { transfer, answer: Answer::Accept(Wanted::default()) });
    bench.run_for(LONG);
    assert_eq!(bench.count(is_failed), 0, "{:?}", bench.events);
    // Once everything was sent, the receiver's word is not waited for as long.
    bench.hold_kind = None;
    bench.release();
    bench.run_for(LONG);
    let timed_out = |event: &Event| matches!(event, Event::Failed { why: TransferFailure::TimedOut, .. });
    assert_eq!(bench.count(timed_out), 1, "{:?}", bench.events);
}

#[test]
fn a_stream_that_its_receiver_keeps_by_another_name_is_not_read() {
    let (mut bench, bob, link, transfer) = offering(2, b"x");
    let mut wanted = Wanted::default();
    wanted.skip.insert(0);
    bench.say(bob, link, &Control::Answer { transfer, answer: Answer::Accept(wanted) });
    assert!(!bench.asked.contains(&"read stream"));
    let complete = Control::Complete { transfer, root: Root([0; 32]) };
    assert!(bench.peers[bob].heard.contains(&(link, complete)), "{:?}", bench.peers[bob].heard);
}

#[test]
fn who_says_that_it_has_some_of_a_stream_from_before_breaks_the_protocol() {
    let (mut bench, bob, link, transfer) = offering(2, b"x");
    let mut wanted = Wanted::default();
    wanted.held.insert(0);
    bench.say(bob, link, &Control::Answer { transfer, answer: Answer::Accept(wanted) });
    assert_eq!(bench.peers[bob].down, [link]);
}

/// A node that has accepted a stream, of which a whole chunk came.
fn receiving() -> (Bench, usize, LinkKey, Root) {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![Entry { kind: EntryKind::Stream, ..file("s", 0) }]);
    assert!(bench.accepted(bob, id(1)), "{:?}", bench.answers(bob, id(1)));
    let content = vec![7; CHUNK as usize];
    let value = crate::transfer::hash::chunk_value(CHUNK + 1, 0, &content);
    let head = Chunk { file: 0, length: CHUNK as u32, offset: 0, value, last: false };
    bench.begin_chunk(bob, link, id(1), &head, &content);
    bench.run_for(Duration::from_secs(1));
    (bench, bob, link, Root(*blake3::hash(&content).as_bytes()))
}

#[test]
fn a_stream_that_stands_still_is_waited_for_until_its_end_was_said() {
    let (mut bench, bob, link, root) = receiving();
    bench.run_for(LONG);
    assert_eq!(bench.count(is_failed), 0, "{:?}", bench.events);
    bench.say(bob, link, &Control::Complete { transfer: id(1), root });
    bench.run_for(LONG);
    assert_eq!(bench.count(is_failed), 1, "its last chunk never came: {:?}", bench.events);
}

#[test]
fn a_chunk_behind_the_last_ends_the_link() {
    let (mut bench, bob, link, _) = receiving();
    let value = crate::transfer::hash::chunk_value(CHUNK + 1, CHUNK, b"x");
    let tail = |offset| Chunk { file: 0, length: 1, offset, value, last: true };
    bench.begin_chunk(bob, link, id(1), &tail(CHUNK), b"x");
    assert_eq!(bench.peers[bob].down, []);
    bench.begin_chunk(bob, link, id(1), &tail(CHUNK + 1), b"x");
    assert_eq!(bench.peers[bob].down, [link]);
}

#[test]
fn another_root_for_a_stream_is_a_mismatch() {
    let mut bench = Bench::new(|rules| rules.output = true);
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![Entry { kind: EntryKind::Stream, ..file("s", 0) }]);
    let value = crate::transfer::hash::chunk_value(1, 0, b"x");
    bench.begin_chunk(bob, link, id(1), &Chunk { file: 0, length: 1, offset: 0, value, last: true }, b"x");
    bench.say(bob, link, &Control::Complete { transfer: id(1), root: Root([9; 32]) });
    let told = |event: &Event| matches!(event, Event::Failed { why: TransferFailure::Mismatch, .. });
    assert_eq!(bench.count(told), 1, "{:?}", bench.events);
    assert!(bench.asked.contains(&"output") && !bench.asked.contains(&"write"));
}
