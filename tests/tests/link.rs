//! The link model: what it does to datagrams, and that it always does the same under one seed.

use std::time::Duration;

use hither_tests::link::{Dropped, Fate, Link, LinkConfig, Loss};
use hither_tests::random::Random;

const MS: Duration = Duration::from_millis(1);

fn link(config: LinkConfig) -> Link {
    Link::new(config, Random::new(7))
}

/// Sends `count` datagrams of 1000 bytes, one each `every`.
fn send(link: &mut Link, count: u32, every: Duration) -> Vec<Fate> {
    (0..count).map(|n| link.send(every * n, 1000)).collect()
}

fn arrivals(fates: &[Fate]) -> Vec<Duration> {
    let times = fates.iter().flat_map(|fate| match *fate {
        Fate::Dropped(_) => vec![],
        Fate::Arrives(at) => vec![at],
        Fate::Twice(first, second) => vec![first, second],
    });
    times.collect()
}

fn lost(fates: &[Fate]) -> usize {
    fates.iter().filter(|fate| **fate == Fate::Dropped(Dropped::Lost)).count()
}

#[test]
fn the_generator_gives_the_published_sequence() {
    // The reference code of xoshiro256++ and SplitMix64, started from 0.
    let mut random = Random::new(0);
    let expected = [0x53175d61490b23df, 0x61da6f3dc380d507, 0x5c0fdf91ec9a7bfc, 0x02eebf8c3bbe5e1a];
    assert_eq!(expected.map(|_| random.number()), expected);
}

#[test]
fn a_perfect_link_only_delays() {
    let fates = send(&mut link(LinkConfig::default()), 3, MS);
    assert_eq!(fates, [MS, MS * 2, MS * 3].map(Fate::Arrives));
}

#[test]
fn the_rate_spaces_datagrams_and_the_queue_drops_what_does_not_fit() {
    // A datagram of 1000 bytes takes one millisecond; three of them may wait.
    let config = LinkConfig { rate: Some(1_000_000), queue: 3000, ..LinkConfig::default() };
    let mut link = link(config);
    let fates = send(&mut link, 5, Duration::ZERO);
    assert_eq!(fates[..3], [MS * 2, MS * 3, MS * 4].map(Fate::Arrives));
    assert_eq!(fates[3..], [Fate::Dropped(Dropped::QueueFull); 2]);
    assert_eq!(link.send(MS, 1000), Fate::Arrives(MS * 5), "there is room again once one has left");
    assert_eq!(link.send(MS * 100, 500), Fate::Arrives(Duration::from_micros(101_500)));
}

#[test]
fn jitter_never_reorders() {
    let config = LinkConfig { jitter: MS * 50, ..LinkConfig::default() };
    let arrivals = arrivals(&send(&mut link(config), 1000, MS));
    assert!(arrivals.is_sorted());
    assert!((0..1000).zip(&arrivals).any(|(n, at)| *at > MS * n + MS * 40), "there is jitter");
    assert!((0..1000).zip(&arrivals).all(|(n, at)| *at >= MS * n + MS));
}

#[test]
fn reordering_holds_some_back() {
    let config = LinkConfig { reorder: 0.1, reorder_by: MS * 5, ..LinkConfig::default() };
    let arrivals = arrivals(&send(&mut link(config), 1000, MS));
    let late = (0..1000).zip(&arrivals).filter(|(n, at)| **at > MS * *n + MS).count();
    assert!(!arrivals.is_sorted());
    assert!((70..130).contains(&late), "{late} of 1000 were held back, not about a tenth");
}

#[test]
fn loss_has_the_probability_asked_for_and_is_the_same_each_time() {
    let config = LinkConfig { loss: Loss::Each(0.05), ..LinkConfig::default() };
    let first = send(&mut link(config.clone()), 10_000, MS);
    assert!((430..570).contains(&lost(&first)), "{} of 10,000 were lost, not about 500", lost(&first));
    assert_eq!(first, send(&mut link(config.clone()), 10_000, MS));
    let other = send(&mut Link::new(config, Random::new(8)), 10_000, MS);
    assert_ne!(first, other);
}

#[test]
fn loss_in_runs_has_runs_of_the_mean_length_asked_for() {
    let config = LinkConfig { loss: Loss::Runs { begin: 0.01, end: 0.2 }, ..LinkConfig::default() };
    let fates = send(&mut link(config), 50_000, MS);
    let runs = fates.chunk_by(|a, b| a == b).filter(|run| lost(run) > 0).count();
    let mean = lost(&fates) as f64 / runs as f64;
    assert!((4.5..5.5).contains(&mean), "runs of {mean} on average, not about 5");
    assert!((380..580).contains(&runs), "{runs} runs, not about 480");
}

#[test]
fn duplicates_arrive_twice() {
    let config = LinkConfig { duplicate: 0.2, jitter: MS, ..LinkConfig::default() };
    let fates = send(&mut link(config), 1000, MS);
    let twice =
        fates.iter().filter(|fate| matches!(fate, Fate::Twice(first, second) if first <= second)).count();
    assert!((150..250).contains(&twice), "{twice} of 1000 arrived twice, not about a fifth");
}

#[test]
fn what_is_too_large_is_dropped() {
    let mut link = link(LinkConfig::lan());
    assert!(matches!(link.send(MS, 1472), Fate::Arrives(_)));
    assert_eq!(link.send(MS, 1473), Fate::Dropped(Dropped::TooLarge));
}

#[test]
fn a_link_that_is_down_carries_nothing() {
    let mut link = link(LinkConfig::lan());
    link.set_up(false);
    assert_eq!(link.send(MS, 10), Fate::Dropped(Dropped::Down));
    link.set_up(true);
    assert!(matches!(link.send(MS, 10), Fate::Arrives(_)));
}
