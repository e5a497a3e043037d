//! What a peer says last counts, also where its goodbye arrives along with it.

use std::time::Duration;

use bytes::BytesMut;

use super::bench::{Bench, file, id};
use crate::link::LinkKey;
use crate::transfer::hash::{CHUNK, chunk_value};
use crate::wire::{CancelReason, Chunk, Control};
use crate::{Event, LinkId, Received, StreamInput, StreamOutput, TransferFailure};

fn is_source_changed(event: &Event) -> bool {
    matches!(event, Event::Failed { why: TransferFailure::SourceChanged(None), .. })
}

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::Failed { .. })
}

/// The peer says that it gives its transfer up.
fn give_up(bench: &mut Bench, number: usize, link: LinkKey) {
    let cancel = Control::Cancel { transfer: id(1), reason: CancelReason::SourceChanged };
    bench.peers[number].links.send_control(bench.now, link, cancel.encode());
}

/// What a peer has to say now, datagram by datagram.
fn datagrams(bench: &mut Bench, number: usize) -> Vec<Vec<u8>> {
    let (now, peer) = (bench.now, &mut bench.peers[number]);
    peer.work(now);
    std::iter::from_fn(|| peer.transmit(now)).map(|(_, data)| data).collect()
}

#[test]
fn a_word_and_a_goodbye_in_one_receive_are_both_heard() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(1), vec![file("a", 1 << 20)]);
    assert!(bench.accepted(bob, id(1)));
    give_up(&mut bench, bob, link);
    let mut said = datagrams(&mut bench, bob);
    let (now, me) = (bench.now, bench.node.peer_id());
    bench.peers[bob].links.close_peer(now, me);
    said.extend(datagrams(&mut bench, bob));
    let [word, goodbye] = said.as_slice() else { panic!("{} datagrams", said.len()) };
    // As generic receive offload joins them: all of one size but the last, which may be shorter.
    assert!(goodbye.len() <= word.len());
    let received =
        Received { local: None, remote: bench.peers[bob].at(), ecn: None, segment_size: word.len() };
    bench.node.handle_datagram(bench.now, received, BytesMut::from(said.concat().as_slice()));
    bench.settle();
    assert_eq!(bench.count(is_source_changed), 1, "{:?}", bench.events);
}

/// A peer that has a stream to the node beside its other link.
fn beside() -> (Bench, usize, LinkKey, LinkKey, LinkId) {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    let (now, me, at) = (bench.now, bench.node.peer_id(), bench.at());
    let stream = bench.peers[bob].links.dial_stream(now, me, at).unwrap();
    assert_eq!(bench.peers[bob].links.poll_stream_dial(), Some((stream, at)));
    let theirs = bench.node.accept_stream(now, bench.peers[bob].at()).unwrap();
    bench.peers[bob].links.handle_stream(now, stream, StreamInput::Opened);
    exchange(&mut bench, bob, stream, theirs);
    (bench, bob, link, stream, theirs)
}

#[test]
fn a_word_and_a_goodbye_in_one_piece_of_a_stream_are_both_heard() {
    let (mut bench, bob, _, stream, theirs) = beside();
    bench.offer(bob, stream, id(1), vec![file("a", 1 << 20)]);
    exchange(&mut bench, bob, stream, theirs);
    assert!(bench.accepted(bob, id(1)));
    give_up(&mut bench, bob, stream);
    bench.peers[bob].links.close(bench.now);
    assert!(carry(&mut bench, bob, stream, theirs));
    bench.settle();
    assert_eq!(bench.count(is_source_changed), 1, "{:?}", bench.events);
}

/// A transfer over a peer's link, of which a chunk is on its way over the stream beside it.
fn receiving_beside() -> (Bench, usize, LinkKey, LinkKey, LinkId) {
    let (mut bench, bob, link, stream, theirs) = beside();
    let size = 4 * CHUNK;
    bench.offer(bob, link, id(1), vec![file("a", size)]);
    assert!(bench.accepted(bob, id(1)));
    let value = chunk_value(size, 0, &[7; CHUNK as usize]);
    let head = Chunk { file: 0, length: CHUNK as u32, offset: 0, value, last: false };
    bench.begin_chunk(bob, stream, id(1), &head, b"some of it");
    exchange(&mut bench, bob, stream, theirs);
    (bench, bob, link, stream, theirs)
}

/// The same, and the peer has closed the stream in order.
fn closed_beside() -> (Bench, usize, LinkKey) {
    let (mut bench, bob, link, stream, theirs) = receiving_beside();
    let now = bench.now;
    bench.peers[bob].links.abandon(now, stream);
    assert!(carry(&mut bench, bob, stream, theirs));
    (bench, bob, link)
}

#[test]
fn a_stream_that_is_closed_in_order_leaves_it_to_the_other_link_to_say_why() {
    let (mut bench, bob, link) = closed_beside();
    bench.settle();
    assert_eq!(bench.count(is_failed), 0, "{:?}", bench.events);
    give_up(&mut bench, bob, link);
    bench.settle();
    assert_eq!(bench.count(is_source_changed), 1, "{:?}", bench.events);
}

#[test]
fn what_a_stream_carried_that_is_closed_in_order_without_a_word_is_not_waited_for_for_ever() {
    let (mut bench, ..) = closed_beside();
    bench.run_for(Duration::from_secs(3600));
    assert_eq!(bench.count(is_failed), 1, "{:?}", bench.events);
}

#[test]
fn a_stream_that_breaks_ends_what_it_carried_at_once() {
    let (mut bench, _, _, _, theirs) = receiving_beside();
    bench.node.handle_stream(bench.now, theirs, StreamInput::Closed);
    bench.settle();
    let ended = |event: &Event| is_failed(event) || matches!(event, Event::Suspended { .. });
    assert_eq!(bench.count(ended), 1, "{:?}", bench.events);
}

/// Carries everything to and fro until nobody has anything to say.
fn exchange(bench: &mut Bench, number: usize, link: LinkKey, theirs: LinkId) {
    for _ in 0..100 {
        let moved = carry(bench, number, link, theirs);
        bench.settle();
        if !moved {
            return;
        }
    }
    panic!("it never settles");
}

/// Carries all that both sides of a stream have to say, each in one piece. `false`: there was nothing.
fn carry(bench: &mut Bench, number: usize, link: LinkKey, theirs: LinkId) -> bool {
    let now = bench.now;
    let there = all(|buffer| bench.peers[number].links.poll_stream(now, link, buffer));
    if !there.is_empty() {
        bench.node.handle_stream(now, theirs, StreamInput::Data(&there));
    }
    let back = all(|buffer| bench.node.poll_stream(now, theirs, buffer));
    if !back.is_empty() {
        bench.peers[number].links.handle_stream(now, link, StreamInput::Data(&back));
    }
    !there.is_empty() || !back.is_empty()
}

fn all(mut poll: impl FnMut(&mut Vec<u8>) -> StreamOutput) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..100 {
        let mut buffer = Vec::new();
        if poll(&mut buffer) != StreamOutput::Write {
            return all;
        }
        all.append(&mut buffer);
    }
    panic!("it never has said all");
}
