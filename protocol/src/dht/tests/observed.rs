//! What others see of this node, and how many of them it takes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::dht::observed::Observed;

/// Somebody in a prefix of their own.
fn observer(number: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(20, number, 1, 1).into(), 4242)
}

fn seen(number: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(9, 9, 9, number).into(), 4919)
}

fn agreed(observed: &Observed) -> Vec<SocketAddr> {
    observed.agreed().collect()
}

/// Those of the votes that there are, as the rule has it: what the machine itself has needs two of them, all else more
/// than half; where there is only one vote, that is enough.
fn by_the_rule(votes: &BTreeMap<u8, u8>, own: u8) -> Vec<SocketAddr> {
    let of = |address: u8| votes.values().filter(|it| **it == address).count();
    let enough = votes.len().min(2);
    let most = votes.values().copied().find(|it| of(*it) >= enough && of(*it) * 2 > votes.len());
    let agreed = Some(own).filter(|own| of(*own) >= enough).or(most);
    agreed.map(seen).into_iter().collect()
}

#[test]
fn a_nat_that_takes_another_port_for_everyone_leaves_no_address_to_tell() {
    let (now, mut observed) = (Instant::now(), Observed::new(false));
    observed.observed(now, observer(1), seen(1));
    assert_eq!(agreed(&observed), [seen(1)], "the first has nobody to disagree with");
    observed.observed(now, observer(2), seen(2));
    observed.observed(now, observer(3), seen(3));
    assert!(agreed(&observed).is_empty());
}

#[test]
fn neighbours_are_one_observer() {
    let (now, mut observed) = (Instant::now(), Observed::new(false));
    for last in 1..10 {
        observed.observed(now, SocketAddr::new(Ipv4Addr::new(30, 1, 1, last).into(), 4242), seen(6));
    }
    for number in 1..3 {
        observed.observed(now, observer(number), seen(1));
    }
    assert_eq!(agreed(&observed), [seen(1)]);
}

#[test]
fn what_was_seen_long_ago_does_not_count() {
    let (start, mut observed) = (Instant::now(), Observed::new(false));
    for number in 0..5 {
        observed.observed(start, observer(number), seen(1));
    }
    let later = start + Duration::from_secs(31 * 60);
    assert!(observed.observed(later, observer(9), seen(2)));
    assert_eq!(agreed(&observed), [seen(2)]);
}

proptest! {
    #[test]
    fn only_the_last_word_of_each_counts_and_for_half_an_hour(
        words in prop::collection::vec((0..9u8, 0..4u8, prop::bool::weighted(0.2)), 1..60),
        own in 0..4u8,
    ) {
        let (mut now, mut observed) = (Instant::now(), Observed::new(false));
        observed.set_own(vec![seen(own)]);
        let mut votes: BTreeMap<u8, (u8, Instant)> = BTreeMap::new();
        for (by, of, wait) in words {
            now += if wait { Duration::from_secs(20 * 60) } else { Duration::ZERO };
            let (before, first) = (agreed(&observed), votes.is_empty());
            let told = observed.observed(now, observer(by), seen(of));
            // What somebody says again is no reason to count.
            if votes.get(&by).is_none_or(|(it, _)| *it != of) {
                votes.retain(|_, (_, at)| now - *at < Duration::from_secs(30 * 60));
            }
            votes.insert(by, (of, now));
            let votes = votes.iter().map(|(by, (of, _))| (*by, *of)).collect();
            prop_assert_eq!(agreed(&observed), by_the_rule(&votes, own));
            prop_assert!(first || told == (agreed(&observed) != before), "who asks is told of every change");
        }
    }
}

/// Somebody far away who sees addresses of IPv6.
fn observer_v6(number: u16) -> SocketAddr {
    SocketAddr::from(([0x2a00, number, 1, 1, 0, 0, 0, 1], 4242))
}

#[test]
fn whether_there_is_a_nat_is_seen_in_each_family() {
    let now = Instant::now();
    let near = SocketAddr::from(([192, 168, 1, 2], 4919));
    let (unique, v6) = (super::v6(1), SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], 4919)));
    let seen_by = |observed: &mut Observed, seen: SocketAddr| {
        for number in 1..=2 {
            let by = if seen.is_ipv4() { observer(number) } else { observer_v6(number.into()) };
            observed.observed(now, by, seen);
        }
    };
    let strangers = |observed: &mut Observed| (50..53).for_each(|it| observed.heard(now, observer_v6(it)));
    let mut observed = Observed::new(false);
    observed.set_own(vec![near, v6]);
    assert_eq!(observed.is_behind_nat(true), None, "nobody in the world has said");
    seen_by(&mut observed, seen(1));
    assert_eq!(observed.is_behind_nat(true), Some(true), "whatever its own network can do");

    // IPv6 without a NAT, and IPv4 behind one.
    observed.set_own(vec![near, unique]);
    seen_by(&mut observed, unique);
    assert_eq!(observed.is_behind_nat(false), Some(true), "a firewall may keep out strangers");
    strangers(&mut observed);
    assert_eq!(observed.is_behind_nat(false), Some(false));
    seen_by(&mut observed, seen(1));
    assert_eq!(observed.is_behind_nat(false), Some(true), "who has only IPv4 does not get in");

    let mut public = Observed::new(true);
    public.set_own(vec![near]);
    seen_by(&mut public, seen(1));
    assert_eq!(public.is_behind_nat(false), Some(false), "its owner says so");
}

#[test]
fn another_ip_is_another_network_and_another_port_is_not() {
    let (now, mut observed) = (Instant::now(), Observed::new(false));
    let elsewhere = |observed: &mut Observed, seen: SocketAddr, by: std::ops::Range<u8>| {
        for number in by {
            observed.observed(now, observer(number), seen);
        }
        observed.was_elsewhere()
    };
    assert!(!elsewhere(&mut observed, seen(9), 0..1), "one alone");
    assert!(!elsewhere(&mut observed, seen(1), 0..3), "has said nothing that counts");
    let port = SocketAddr::new(seen(1).ip(), 5);
    assert!(!elsewhere(&mut observed, port, 0..3));
    assert!(elsewhere(&mut observed, seen(2), 0..3));
    assert!(!elsewhere(&mut observed, seen(2), 0..3), "that was said");
}
