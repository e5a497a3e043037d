//! Links between one-time keys whose other side keeps to no rule.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, file, id, identity};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::transfer::Manifest;
use crate::wire::{CodeRefusal, CodeStep, Control, Proof, encode_offer};
use crate::{CodeFor, CodeId, CodeOptions, Event, LinkLoss};

const SHORTLY: Duration = Duration::from_millis(60);

/// A node with a code, and the one-time key on its card.
fn with_code() -> (Bench, CodeId, PeerId) {
    let mut bench = Bench::new(|_| {});
    while bench.node.poll_announcement().is_some() {}
    let made = bench.node.make_code(bench.now, CodeFor::Receive, CodeOptions::default()).unwrap();
    bench.settle();
    let cards = bench.node.poll_announcement().unwrap();
    let text = cards.iter().flat_map(|card| &card.text).find(|(key, _)| key == "k").unwrap().1.clone();
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
    (bench, made, PeerId::from_bytes(&bytes).unwrap())
}

/// A link to that key under a one-time key of a scripted peer.
fn meet(bench: &mut Bench, number: usize, key: PeerId) -> LinkKey {
    let (ours, at) = (Arc::new(identity(5000 + number)), bench.at());
    let link = bench.peers[number].links.dial_one_time(bench.now, &ours, key, at).unwrap();
    bench.run_for(SHORTLY);
    assert!(bench.peers[number].up.contains(&link), "they meet");
    link
}

fn is_told(event: &Event) -> bool {
    !matches!(event, Event::Ready | Event::CodeReady { .. } | Event::NearbyChanged)
}

#[test]
fn nothing_but_steps_of_a_code_is_taken_before_it_is_proven() {
    let hello = Control::Hello { agent: "eve".into(), revision: 0 };
    let proof = || Proof { confirmation: [1; 32], identity: vec![1; 100] };
    let messages = [
        hello.encode(),
        Control::Pause { transfer: id(1) }.encode(),
        Control::Code(CodeStep::Reply([1; 32])).encode(),
        Control::Code(CodeStep::Proven(proof())).encode(),
        Control::Code(CodeStep::Refuse(CodeRefusal::Burnt)).encode(),
        // Out of turn, no share at all, longer than any, and nothing that parses.
        Control::Code(CodeStep::Prove(proof())).encode(),
        Control::Code(CodeStep::Begin([0; 32])).encode(),
        Control::Hello { agent: "x".repeat(60), revision: 0 }.encode().repeat(40),
        vec![9; 500],
    ];
    for message in messages {
        let (mut bench, made, key) = with_code();
        let number = bench.add();
        let link = meet(&mut bench, number, key);
        bench.say_raw(number, link, message);
        assert!(bench.peers[number].down.contains(&link), "it is closed");
        assert_eq!(bench.count(is_told), 0, "{:?}", bench.events.last());
        assert!(bench.node.code(made).is_some());
    }
}

#[test]
fn nothing_is_read_from_channels_of_such_a_link_and_it_does_not_last() {
    let (mut bench, _, key) = with_code();
    let number = bench.add();
    let link = meet(&mut bench, number, key);
    let manifest = Manifest::new("offer".into(), vec![file("a", 1)]).unwrap();
    bench.open_raw(number, link, encode_offer(id(1), &manifest));
    assert!(!bench.asked.contains(&"examine"));
    bench.run_for(Duration::from_secs(61));
    assert!(bench.peers[number].down.contains(&link));
    assert_eq!(bench.count(is_told), 0, "{:?}", bench.events.last());
}

#[test]
fn whoever_breaks_off_after_the_reply_has_cost_an_attempt_and_before_it_none() {
    let (mut bench, made, key) = with_code();
    let share = curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED.0;
    let begin = Control::Code(CodeStep::Begin(share));
    for left in [2, 1] {
        let number = bench.add();
        let link = meet(&mut bench, number, key);
        bench.say(number, link, &begin);
        let replied = |(_, said): &(LinkKey, Control)| matches!(said, Control::Code(CodeStep::Reply(_)));
        assert!(bench.peers[number].heard.iter().any(replied));
        // Said twice, it is somebody who keeps to no rule.
        bench.say(number, link, &begin);
        let told = |event: &Event| matches!(event, Event::CodeAttempt { id, left: of } if (*id, *of) == (made, left));
        assert_eq!(bench.count(told), 1);
    }
    let number = bench.add();
    let link = meet(&mut bench, number, key);
    let now = bench.now;
    bench.peers[number].links.abandon(now, link);
    bench.run_for(Duration::from_secs(61));
    assert_eq!(bench.count(|event| matches!(event, Event::CodeAttempt { .. })), 2);
    assert!(bench.node.code(made).is_some());
}

#[test]
fn a_step_of_a_code_on_any_other_link_closes_it() {
    let mut bench = Bench::new(|_| {});
    let (number, link) = bench.contact();
    bench.say(number, link, &Control::Code(CodeStep::Begin([1; 32])));
    let broken = |event: &Event| matches!(event, Event::Disconnected { why: LinkLoss::Broken, .. });
    assert_eq!(bench.count(broken), 1);
}

#[test]
fn whoever_does_not_know_the_key_is_not_answered_under_it() {
    let (mut bench, made, key) = with_code();
    bench.node.withdraw_code(bench.now, made);
    bench.settle();
    let number = bench.add();
    let (ours, at) = (Arc::new(identity(5000)), bench.at());
    let link = bench.peers[number].links.dial_one_time(bench.now, &ours, key, at).unwrap();
    bench.run_for(Duration::from_secs(5));
    assert!(!bench.peers[number].up.contains(&link));
    // The node's own id is answered for as ever.
    bench.link(number);
}

#[test]
fn a_crowd_at_a_code_leaves_room_for_others() {
    let (mut bench, made, key) = with_code();
    for round in 0..70 {
        let number = bench.add();
        let (ours, at) = (Arc::new(identity(7000 + round)), bench.at());
        let link = bench.peers[number].links.dial_one_time(bench.now, &ours, key, at).unwrap();
        bench.run_for(SHORTLY);
        assert_eq!(bench.peers[number].down.contains(&link), round >= 64, "{round}");
    }
    bench.contact();
    // Those who say nothing do not last.
    bench.run_for(Duration::from_secs(10));
    let number = bench.add();
    meet(&mut bench, number, key);
    assert!(bench.node.code(made).is_some());
}

#[test]
fn links_of_a_code_from_one_address_are_few() {
    let (mut bench, _, key) = with_code();
    let number = bench.add();
    let at = bench.at();
    for round in 0..60 {
        let ours = Arc::new(identity(6000 + round));
        bench.peers[number].links.dial_one_time(bench.now, &ours, key, at);
    }
    bench.run_for(Duration::from_secs(5));
    assert!(bench.peers[number].up.len() <= 32, "{}", bench.peers[number].up.len());
    // Others still come.
    bench.contact();
}
