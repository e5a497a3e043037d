//! Several peers at once, restarts and lost links: nobody waits for ever, and nobody is starved.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::storage::Table;
use hither_protocol::transfer::hash::CHUNK;
use hither_protocol::{Conflict, Event, MessageState};
use hither_tests::disk::Timing;
use hither_tests::link::LinkConfig;
use hither_tests::random::Random;
use hither_tests::{HostId, World};

const LIMIT: Duration = Duration::from_secs(300);
const MIB: u64 = 1024 * 1024;

fn befriended(seed: u64, names: &[&str], config: LinkConfig) -> (World, Vec<HostId>) {
    let mut world = World::new(seed);
    world.set_default_link(config);
    let hosts: Vec<HostId> = names.iter().map(|name| world.add_host(name)).collect();
    world.befriend(&hosts);
    (world, hosts)
}

fn put(world: &mut World, host: HostId, name: &str, bytes: u64) {
    let path = PathBuf::from("/home").join(name);
    world.disk(host).put_file(path, Random::new(bytes).bytes(bytes as usize));
}

fn offer(world: &mut World, from: HostId, to: HostId, name: &str) {
    let (peer, path) = (world.peer(to), PathBuf::from("/home").join(name));
    world.ask(from, |node, now| node.offer(now, peer, vec![path])).unwrap();
}

fn send(world: &mut World, from: HostId, to: HostId, text: &str) {
    let to = world.peer(to);
    world.ask(from, |node, now| node.send_message(now, to, text)).unwrap();
}

fn is_finished(event: &Event) -> bool {
    matches!(event, Event::Finished { .. })
}

fn is_state(event: &Event, wanted: MessageState) -> bool {
    matches!(event, Event::MessageSent { state, .. } if *state == wanted)
}

#[test]
fn many_large_files_from_several_peers_at_once_all_arrive() {
    let names = ["bob", "a", "b", "c", "d", "e", "f", "g", "h"];
    let (mut world, hosts) = befriended(1, &names, LinkConfig::dsl());
    let (bob, senders) = hosts.split_first().unwrap();
    for (number, sender) in senders.iter().enumerate() {
        for film in 0..2 {
            let name = format!("film {number} {film}");
            put(&mut world, *sender, &name, 17 * MIB);
            offer(&mut world, *sender, *bob, &name);
        }
    }
    world.expect_until("everything has arrived", LIMIT, |world| {
        world.host(*bob).count(is_finished) == 2 * senders.len()
    });
}

#[test]
fn two_senders_share_a_slow_disk() {
    let (mut world, hosts) = befriended(1, &["bob", "alice", "carol"], LinkConfig::lan());
    let [bob, alice, carol] = hosts.try_into().unwrap();
    let slow = Timing { request: Duration::from_millis(5), rate: 10 * MIB, ..Timing::default() };
    world.disk(bob).set_timing(slow);
    for (host, name) in [(alice, "hers"), (carol, "carols")] {
        put(&mut world, host, name, 48 * MIB);
        offer(&mut world, host, bob, name);
    }
    world.expect_until("one has arrived", LIMIT, |world| world.host(bob).count(is_finished) == 1);
    let first = world.now();
    world.expect_until("both have arrived", LIMIT, |world| world.host(bob).count(is_finished) == 2);
    let rest = world.now() - first;
    assert!(rest < first / 2, "the first took {first:?}, the other {rest:?} more");
}

#[test]
fn a_peer_that_was_killed_and_started_again_is_answered_at_once() {
    let (mut world, hosts) = befriended(1, &["alice", "bob"], LinkConfig::lan());
    let [alice, bob] = hosts.try_into().unwrap();
    send(&mut world, bob, alice, "first");
    let delivered = |event: &Event| is_state(event, MessageState::Delivered);
    world.expect(bob, "a receipt", LIMIT, delivered);
    world.crash(bob);
    world.restart(bob);
    world.wait_until_ready(bob);
    world.run_for(Duration::from_secs(1));
    send(&mut world, bob, alice, "second");
    world.expect(bob, "a receipt over the new link", Duration::from_secs(5), delivered);
}

#[test]
fn an_offer_to_a_peer_that_was_killed_and_started_again_takes_the_new_link() {
    let (mut world, hosts) = befriended(1, &["alice", "bob"], LinkConfig::lan());
    let [alice, bob] = hosts.try_into().unwrap();
    send(&mut world, bob, alice, "first");
    world.expect(bob, "a receipt", LIMIT, |event| is_state(event, MessageState::Delivered));
    world.crash(bob);
    world.restart(bob);
    world.wait_until_ready(bob);
    let peer = world.peer(alice);
    world.ask(bob, |node, now| node.connect(now, peer));
    world.run_for(Duration::from_secs(2));
    put(&mut world, alice, "film", MIB);
    offer(&mut world, alice, bob, "film");
    world
        .expect(alice, "the end", LIMIT, |event| is_finished(event) || matches!(event, Event::Failed { .. }));
    assert_eq!(world.host(alice).count(is_finished), 1, "{}", world.situation());
}

#[test]
fn a_message_whose_link_is_lost_is_said_to_wait() {
    let (mut world, hosts) = befriended(1, &["alice", "bob"], LinkConfig::lan());
    let [alice, bob] = hosts.try_into().unwrap();
    send(&mut world, alice, bob, "first");
    world.expect(alice, "a receipt", LIMIT, |event| is_state(event, MessageState::Delivered));
    world.partition(alice, bob);
    send(&mut world, alice, bob, "second");
    world.expect(alice, "that it waits", LIMIT, |event| is_state(event, MessageState::Waiting));
}

#[test]
fn messages_of_both_sides_at_the_same_instant_arrive_once_each() {
    for seed in 0..20 {
        let (mut world, hosts) = befriended(seed, &["alice", "bob"], LinkConfig::lossy());
        let [alice, bob] = hosts.try_into().unwrap();
        send(&mut world, alice, bob, "hers");
        send(&mut world, bob, alice, "his");
        for (host, text) in [(alice, "his"), (bob, "hers")] {
            let wanted = move |event: &Event| matches!(event, Event::Message { text: it, .. } if it == text);
            world.expect(host, "the message", LIMIT, wanted);
            world.expect(host, "a receipt", LIMIT, |event| is_state(event, MessageState::Delivered));
        }
        world.run_for(LIMIT);
        for host in [alice, bob] {
            assert_eq!(world.host(host).count(|event| matches!(event, Event::Message { .. })), 1);
            assert_eq!(world.disk(host).records(Table::Outbox).count(), 0);
        }
    }
}

#[test]
fn files_of_both_sides_at_the_same_instant_arrive() {
    for seed in 0..20 {
        let (mut world, hosts) = befriended(seed, &["alice", "bob"], LinkConfig::lossy());
        let [alice, bob] = hosts.try_into().unwrap();
        for (host, other, name) in [(alice, bob, "hers"), (bob, alice, "his")] {
            put(&mut world, host, name, CHUNK + 1);
            offer(&mut world, host, other, name);
        }
        for host in [alice, bob] {
            for _ in 0..2 {
                let over = |event: &Event| is_finished(event) || matches!(event, Event::Failed { .. });
                let end = world.expect(host, "an end", LIMIT, over);
                assert!(is_finished(&end), "seed {seed}: {end:?}");
            }
        }
    }
}

#[test]
fn transfers_whose_links_were_lost_leave_room_for_the_next() {
    let (mut world, hosts) = befriended(1, &["alice", "bob"], LinkConfig::dsl());
    let [alice, bob] = hosts.try_into().unwrap();
    put(&mut world, alice, "film", 20 * MIB);
    let mut rules = world.host(bob).config.rules.clone();
    rules.conflict = Conflict::Rename;
    world.ask(bob, |node, _| node.set_rules(rules));
    // More chunks are under way at their losses, all together, than may be at once.
    for _ in 0..20 {
        offer(&mut world, alice, bob, "film");
        world.run_for(Duration::from_secs(5));
        world.partition(alice, bob);
        world.run_for(Duration::from_secs(90));
        world.heal(alice, bob);
        world.run_for(Duration::from_secs(5));
    }
    offer(&mut world, alice, bob, "film");
    world.expect(bob, "the film", LIMIT, is_finished);
}

#[test]
fn only_directories_and_only_empty_files_arrive() {
    let (mut world, hosts) = befriended(1, &["alice", "bob"], LinkConfig::wifi());
    let [alice, bob] = hosts.try_into().unwrap();
    world.disk(alice).put_directory("/home/folders/inner");
    put(&mut world, alice, "empty", 0);
    for name in ["folders", "empty"] {
        offer(&mut world, alice, bob, name);
        world.expect(alice, "the end", LIMIT, is_finished);
        world.expect(bob, "the end", LIMIT, is_finished);
        let sent = world.disk(alice).list(PathBuf::from("/home").join(name));
        assert_eq!(world.disk(bob).list(PathBuf::from("/received").join(name)), sent);
    }
}

#[test]
fn what_is_all_there_already_is_skipped_and_that_is_an_end_too() {
    let (mut world, hosts) = befriended(1, &["alice", "bob"], LinkConfig::lan());
    let [alice, bob] = hosts.try_into().unwrap();
    let mut rules = world.host(bob).config.rules.clone();
    rules.conflict = Conflict::Skip;
    world.ask(bob, |node, _| node.set_rules(rules));
    put(&mut world, alice, "album/a", 1000);
    put(&mut world, alice, "album/b", 2 * CHUNK);
    for _ in 0..2 {
        offer(&mut world, alice, bob, "album");
        world.expect(alice, "the end", LIMIT, is_finished);
        world.expect(bob, "the end", LIMIT, is_finished);
    }
}
