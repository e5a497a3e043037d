//! Messages between nodes, over roads good and bad.

use std::time::Duration;

use hither_protocol::storage::Table;
use hither_protocol::transfer::hash::CHUNK;
use hither_protocol::{Event, LinkLoss, MessageState, SendError, Standing, Unreachable};
use hither_tests::link::LinkConfig;
use hither_tests::random::Random;
use hither_tests::{HostId, World, for_seeds};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(120);

/// Two contacts of each other on one network, linked by `config`.
fn pair(seed: u64, config: LinkConfig) -> (World, HostId, HostId) {
    let mut world = World::new(seed);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.connect(alice, bob, config);
    world.befriend(&[alice, bob]);
    (world, alice, bob)
}

fn send(world: &mut World, from: HostId, to: HostId, text: &str) {
    let to = world.peer(to);
    world.ask(from, |node, now| node.send_message(now, to, text)).unwrap();
}

fn is_state(event: &Event, wanted: MessageState) -> bool {
    matches!(event, Event::MessageSent { state, .. } if *state == wanted)
}

fn is_message(event: &Event, wanted: &str) -> bool {
    matches!(event, Event::Message { text, .. } if text == wanted)
}

fn expect_receipt(world: &mut World, id: HostId) {
    world.expect(id, "a receipt", LATER, |event| is_state(event, MessageState::Delivered));
}

#[test]
fn a_message_is_delivered_once_with_a_receipt() {
    for_seeds(5, |seed| {
        for config in [LinkConfig::lan(), LinkConfig::wifi(), LinkConfig::dsl(), LinkConfig::lossy()] {
            let (mut world, alice, bob) = pair(seed, config);
            send(&mut world, alice, bob, "hello");
            let event = world.expect(bob, "the message", LATER, |event| is_message(event, "hello"));
            let Event::Message { from, standing, .. } = event else { unreachable!() };
            assert_eq!((from, standing), (world.peer(alice), Standing::Contact));
            expect_receipt(&mut world, alice);
            world.run_for(LATER);
            assert_eq!(world.host(bob).count(|event| is_message(event, "hello")), 1);
            assert_eq!(world.host(alice).count(|event| is_state(event, MessageState::Delivered)), 1);
        }
    });
}

#[test]
fn messages_arrive_in_the_order_they_were_sent() {
    for_seeds(5, |seed| {
        let (mut world, alice, bob) = pair(seed, LinkConfig { reorder: 0.2, ..LinkConfig::lossy() });
        for number in 0..50 {
            send(&mut world, alice, bob, &number.to_string());
        }
        let messages = |world: &World| -> Vec<String> {
            let events = world.host(bob).events().iter();
            let texts = events.filter_map(|seen| match &seen.event {
                Event::Message { text, .. } => Some(text.clone()),
                _ => None,
            });
            texts.collect()
        };
        world.expect_until("fifty messages", LATER, |world| messages(world).len() >= 50);
        assert!(messages(&world).into_iter().eq((0..50).map(|number: u32| number.to_string())));
    });
}

#[test]
fn the_longest_message_passes_and_a_longer_one_is_refused() {
    let (mut world, alice, bob) = pair(1, LinkConfig::lossy());
    let to = world.peer(bob);
    let refuse = |world: &mut World, text: &str| {
        world.ask(alice, |node, now| node.send_message(now, to, text)).unwrap_err()
    };
    let longest = "x".repeat(32 * 1024);
    assert_eq!(refuse(&mut world, &format!("{longest}x")), SendError::TooLong);
    assert_eq!(refuse(&mut world, ""), SendError::Empty);
    send(&mut world, alice, bob, &longest);
    world.expect(bob, "the message", LATER, |event| is_message(event, &longest));
}

#[test]
fn a_message_waits_for_its_recipient_even_if_both_are_started_anew() {
    for_seeds(5, |seed| {
        let (mut world, alice, bob) = pair(seed, LinkConfig::lan());
        world.crash(bob);
        world.run_for(SOON);
        send(&mut world, alice, bob, "later");
        world.expect(alice, "the message waits", LATER, |event| is_state(event, MessageState::Waiting));
        world.crash(alice);
        world.run_for(LATER);
        world.restart(alice);
        world.run_for(SOON);
        world.restart(bob);
        world.expect(bob, "the message", LATER, |event| is_message(event, "later"));
        expect_receipt(&mut world, alice);
        world.run_for(LATER);
        assert_eq!(world.host(bob).count(|event| is_message(event, "later")), 1);
        assert_eq!(world.disk(alice).records(Table::Outbox).count(), 0, "nothing waits any more");
    });
}

#[test]
fn a_crash_between_the_message_and_its_receipt_does_not_show_it_twice() {
    for_seeds(5, |seed| {
        let (mut world, alice, bob) = pair(seed, LinkConfig::lan());
        send(&mut world, alice, bob, "once");
        let stored = |world: &World| world.host(bob).disk.records(Table::Inbox).count() == 1;
        world.expect_until("the message is stored", LATER, stored);
        // The receipt is on its way at best: it does not get there.
        world.partition(alice, bob);
        world.crash(bob);
        world.run_for(LATER);
        assert_eq!(world.host(alice).count(|event| is_state(event, MessageState::Delivered)), 0);
        world.restart(bob);
        world.heal(alice, bob);
        expect_receipt(&mut world, alice);
        world.run_for(LATER);
        assert_eq!(world.host(bob).count(|event| is_message(event, "once")), 1);
    });
}

#[test]
fn a_message_written_while_the_link_is_down_arrives_when_it_is_up() {
    for_seeds(5, |seed| {
        let (mut world, alice, bob) = pair(seed, LinkConfig::wifi());
        send(&mut world, alice, bob, "first");
        expect_receipt(&mut world, alice);
        world.partition(alice, bob);
        send(&mut world, alice, bob, "second");
        world.run_for(LATER);
        assert_eq!(world.host(bob).count(|event| is_message(event, "second")), 0);
        world.heal(alice, bob);
        world.expect(bob, "the message", LATER, |event| is_message(event, "second"));
        expect_receipt(&mut world, alice);
    });
}

#[test]
fn a_stranger_is_refused_and_nothing_of_theirs_is_shown_or_kept() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.add_contact(alice, bob);
    world.wait_until_ready(bob);
    world.forbid(bob, "what a stranger wrote", |event| matches!(event, Event::Message { .. }));
    send(&mut world, alice, bob, "buy this");
    world.expect(alice, "a refusal", LATER, |event| is_state(event, MessageState::Refused));
    world.run_for(SOON);
    assert_eq!(world.disk(bob).records(Table::Inbox).count(), 0);
    assert_eq!(world.disk(alice).records(Table::Outbox).count(), 0);
}

#[test]
fn who_is_not_there_is_not_reached() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.befriend(&[alice, bob]);
    world.crash(bob);
    world.run_for(SOON);
    let peer = world.peer(bob);
    world.ask(alice, |node, now| node.connect(now, peer));
    let is_not_found = |event: &Event| matches!(event, Event::Unreachable { peer: who, why: Unreachable::NotFound } if *who == peer);
    world.expect(alice, "that bob is not found", LATER, is_not_found);
}

#[test]
fn an_orderly_end_is_told_to_the_other_side() {
    let (mut world, alice, bob) = pair(1, LinkConfig::lan());
    send(&mut world, alice, bob, "bye");
    expect_receipt(&mut world, alice);
    world.shut_down(bob);
    let is_closed = |event: &Event| matches!(event, Event::Disconnected { why: LinkLoss::Closed, .. });
    world.expect(alice, "that bob is gone", SOON, is_closed);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let run = |seed| {
        let (mut world, alice, bob) = pair(seed, LinkConfig { duplicate: 0.01, ..LinkConfig::lossy() });
        // The same content under every seed: whatever differs is the nodes' and the network's doing.
        world.disk(alice).put_file("/home/film", Random::new(0).bytes(5 * CHUNK as usize));
        let peer = world.peer(bob);
        world.ask(alice, |node, now| node.offer(now, peer, vec!["/home/film".into()])).unwrap();
        send(&mut world, alice, bob, "look");
        for host in [alice, bob] {
            world.expect(host, "the end", LATER, |event| matches!(event, Event::Finished { .. }));
        }
        (world.transcript(), world.counts())
    };
    for_seeds(2, |seed| {
        assert_eq!(run(seed), run(seed));
        assert_ne!(run(seed).0, run(seed + 1000).0);
    });
}

#[test]
fn a_hundred_nodes_write_to_their_neighbours_in_a_ring() {
    let mut world = World::new(1);
    let hosts: Vec<HostId> = (0..100).map(|number| world.add_host(&format!("host {number}"))).collect();
    let ring = || hosts.iter().zip(hosts.iter().cycle().skip(1)).map(|(a, b)| (*a, *b));
    for (a, b) in ring() {
        world.befriend(&[a, b]);
    }
    for (a, b) in ring() {
        send(&mut world, a, b, &format!("from {a}"));
    }
    for (a, b) in ring() {
        world.expect(b, "a message", LATER, |event| is_message(event, &format!("from {a}")));
        expect_receipt(&mut world, a);
    }
    for host in &hosts {
        assert_eq!(world.host(*host).count(|event| matches!(event, Event::Message { .. })), 1);
    }
}
