//! What a peer says last counts, also where its goodbye arrives along with it.

use bytes::BytesMut;

use super::bench::{Bench, file, id};
use crate::link::LinkKey;
use crate::wire::{CancelReason, Control};
use crate::{Event, LinkId, Received, StreamInput, StreamOutput, TransferFailure};

fn is_source_changed(event: &Event) -> bool {
    matches!(event, Event::Failed { why: TransferFailure::SourceChanged(None), .. })
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

#[test]
fn a_word_and_a_goodbye_in_one_piece_of_a_stream_are_both_heard() {
    let mut bench = Bench::new(|_| {});
    let (bob, _) = bench.contact();
    let (now, me, at) = (bench.now, bench.node.peer_id(), bench.at());
    let link = bench.peers[bob].links.dial_stream(now, me, at).unwrap();
    assert_eq!(bench.peers[bob].links.poll_stream_dial(), Some((link, at)));
    let theirs = bench.node.accept_stream(now, bench.peers[bob].at()).unwrap();
    bench.peers[bob].links.handle_stream(now, link, StreamInput::Opened);
    exchange(&mut bench, bob, link, theirs);
    bench.offer(bob, link, id(1), vec![file("a", 1 << 20)]);
    exchange(&mut bench, bob, link, theirs);
    assert!(bench.accepted(bob, id(1)));
    give_up(&mut bench, bob, link);
    bench.peers[bob].links.close(now);
    assert!(carry(&mut bench, bob, link, theirs));
    bench.settle();
    assert_eq!(bench.count(is_source_changed), 1, "{:?}", bench.events);
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
