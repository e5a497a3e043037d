//! The world: time, order, and the same run under the same seed, driven with datagrams that no node answers.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use hither_tests::disk::Item;
use hither_tests::link::{LinkConfig, Loss};
use hither_tests::random::Random;
use hither_tests::{World, for_seeds};

/// Sends noise between three hosts over a bad link, with a cut and a crash in the middle.
fn noise(seed: u64) -> World {
    let mut world = World::new(seed);
    let hosts = ["a", "b", "c"].map(|name| world.add_host(name));
    world.connect(hosts[0], hosts[1], LinkConfig { duplicate: 0.1, reorder: 0.1, ..LinkConfig::lossy() });
    let mut random = Random::new(seed);
    for round in 0..300_u64 {
        let [from, to] = [0, 1].map(|n| hosts[((round + n) % 3) as usize]);
        let data = random.bytes(1 + (round as usize * 37) % 1400);
        let [from, to] = [from, to].map(|host| world.host(host).address());
        world.inject(from, to, &data);
        world.run_for(Duration::from_millis(1));
        match round {
            100 => world.partition(hosts[0], hosts[1]),
            150 => world.heal(hosts[0], hosts[1]),
            200 => world.crash(hosts[2]),
            250 => world.restart(hosts[2]),
            _ => {}
        }
    }
    world.run_for(Duration::from_secs(1));
    world
}

#[test]
fn the_same_seed_gives_the_same_transcript_and_another_seed_another() {
    for_seeds(4, |seed| {
        let (first, again, other) = (noise(seed), noise(seed), noise(seed + 1000));
        assert_eq!(first.transcript(), again.transcript());
        assert_eq!(first.counts(), again.counts());
        assert_ne!(first.transcript(), other.transcript());
    });
}

#[test]
fn one_bit_in_one_datagram_changes_the_transcript() {
    let run = |bit: u8| {
        let mut world = World::new(0);
        let [a, b] = ["a", "b"].map(|name| world.add_host(name)).map(|host| world.host(host).address());
        world.inject(a, b, &[0x40, bit]);
        world.run_for(Duration::from_secs(1));
        world.transcript()
    };
    assert_eq!(run(0), run(0));
    assert_ne!(run(0), run(1));
}

#[test]
fn what_cannot_arrive_is_counted() {
    let mut world = World::new(1);
    let [a, b] = ["a", "b"].map(|name| world.add_host(name));
    let [from, to] = [a, b].map(|host| world.host(host).address());
    world.run_for(Duration::from_secs(2));
    let before = world.counts().dropped;
    let dropped = |world: &mut World| {
        world.run_for(Duration::from_secs(1));
        world.counts().dropped - before
    };
    world.inject(from, to, &[0; 2000]);
    assert_eq!(dropped(&mut world), 1, "too large for Ethernet");
    world.inject(from, to, &[0; 100]);
    world.partition(a, b);
    assert_eq!(dropped(&mut world), 2, "on its way when the link went down");
    world.heal(a, b);
    world.inject(from, "203.0.113.9:1".parse().unwrap(), &[0; 100]);
    assert_eq!(dropped(&mut world), 3, "nobody has that address");
    assert_eq!(world.outside("203.0.113.9:1".parse().unwrap()).received, 100);
    world.crash(b);
    world.inject(from, to, &[0; 100]);
    assert_eq!(dropped(&mut world), 4, "the host is down");
}

#[test]
fn a_node_that_is_killed_says_nothing_and_starts_anew_as_who_it_was_on_what_it_wrote() {
    let mut world = World::new(1);
    let [a, b] = ["a", "b"].map(|name| world.add_host(name));
    world.befriend(&[a, b]);
    let (peer, path) = (world.peer(b), PathBuf::from("/home/film"));
    world.disk(a).put_file(&path, Random::new(1).bytes(8 << 20));
    world.ask(a, |node, now| node.offer(now, peer, vec![path])).unwrap();
    world.expect_until("some of it", Duration::from_secs(60), |world| {
        world
            .host(b)
            .disk
            .partials()
            .iter()
            .any(|partial| world.host(b).disk.content(partial).is_some_and(|content| content.len() > 1 << 20))
    });
    let (written, sent) = (world.host(b).disk.list("/"), world.counts().datagrams);
    world.kill(b);
    assert!(!world.host(b).is_up());
    assert_eq!(world.counts().datagrams, sent, "no goodbye");
    let partial = world.host(b).disk.partials().remove(0);
    let before = written.keys().find(|at| partial.ends_with(at)).expect("it was there before");
    let Item::File(before) = &written[before] else { panic!("{before:?}") };
    let after = world.host(b).disk.content(&partial).unwrap();
    assert!(after.len() >= before.content.len(), "all that was written is there");
    world.restart(b);
    world.wait_until_ready(b);
    assert_eq!(world.peer(b), peer);
    let known = world.host(b).node().map(|node| node.contacts().len());
    assert_eq!(known, Some(1), "its records are there");
}

#[test]
fn time_passes_as_far_as_it_is_let_and_no_further() {
    let mut world = World::new(1);
    world.add_host("a");
    world.run_for(Duration::from_secs(3600));
    assert_eq!(world.now(), Duration::from_secs(3600));
    assert!(!world.run_until(Duration::from_secs(1), |_| false));
    assert!(world.run_until(Duration::from_secs(1), |_| true));
    assert_eq!(world.now(), Duration::from_secs(3601));
}

#[test]
fn hosts_have_identities_of_their_own_that_the_seed_decides() {
    let peers = |seed| {
        let mut world = World::new(seed);
        ["a", "b"].map(|name| world.add_host(name)).map(|host| world.peer(host))
    };
    assert_eq!(peers(1), peers(1));
    assert_ne!(peers(1)[0], peers(1)[1]);
    assert_ne!(peers(1)[0], peers(2)[0]);
}

#[test]
fn the_first_seed_that_fails_ends_the_run() {
    let runs = Cell::new(0);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        for_seeds(10, |seed| {
            runs.set(runs.get() + 1);
            assert!(seed < 3, "as it should");
        });
    }));
    if std::env::var(hither_tests::seeds::VARIABLE).is_err() {
        assert!(failed.is_err());
        assert_eq!(runs.get(), 4);
    }
}

#[test]
fn burst_loss_is_a_link_like_any_other() {
    let mut world = World::new(5);
    let [a, b] = ["a", "b"].map(|name| world.add_host(name));
    world.connect(a, b, LinkConfig { loss: Loss::Runs { begin: 1.0, end: 0.0 }, ..LinkConfig::default() });
    let [from, to] = [a, b].map(|host| world.host(host).address());
    world.run_for(Duration::from_secs(2));
    let before = world.counts();
    (0..10).for_each(|_| world.inject(from, to, &[0; 10]));
    assert_eq!(world.counts().dropped - before.dropped, 10);
}
