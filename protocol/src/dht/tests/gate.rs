//! Buckets and cookies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::datagram::{start, stream};
use crate::dht::gate::Gate;
use crate::dht::{Cookie, Reason};

const SECOND: Duration = Duration::from_secs(1);

/// How many of so many requests at one moment are let in.
fn admitted(gate: &mut Gate, now: Instant, from: impl Fn(u32) -> IpAddr, count: u32) -> usize {
    (0..count).filter(|number| gate.admit(now, from(*number), false).is_ok()).count()
}

/// The same, a thousand times a second for ten seconds, each time a request.
fn admitted_in_ten_seconds(gate: &mut Gate, mut now: Instant, from: impl Fn(u32) -> IpAddr) -> usize {
    let mut count = 0;
    for number in 0..10_000 {
        now += SECOND / 1000;
        count += usize::from(gate.admit(now, from(number), false).is_ok());
    }
    count
}

fn one(_: u32) -> IpAddr {
    IpAddr::from([203, 0, 113, 7])
}

fn one_prefix(number: u32) -> IpAddr {
    IpAddr::from([203, 0, 113, number.to_be_bytes()[3]])
}

fn everywhere(number: u32) -> IpAddr {
    let [_, b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    IpAddr::from([20, b, c, d])
}

#[test]
fn an_address_has_a_burst_and_then_twenty_a_second() {
    let mut gate = Gate::new(start(), &mut stream(1));
    assert_eq!(admitted(&mut gate, start(), one, 1000), 100);
    assert_eq!(gate.admit(start(), one(0), false), Err(Reason::AddressRate));
    assert_eq!(admitted(&mut gate, start() + SECOND, one, 1000), 20);
    // What it was refused costs it nothing more.
    assert_eq!(admitted(&mut gate, start() + 60 * SECOND, one, 1000), 100);
    let mut gate = Gate::new(start(), &mut stream(1));
    assert!((299..=300).contains(&admitted_in_ten_seconds(&mut gate, start(), one)));
}

#[test]
fn a_prefix_is_worth_three_addresses_and_others_do_not_feel_it() {
    let mut gate = Gate::new(start(), &mut stream(1));
    assert_eq!(admitted(&mut gate, start(), one_prefix, 10_000), 300);
    assert_eq!(gate.admit(start(), IpAddr::from([203, 0, 113, 250]), false), Err(Reason::PrefixRate));
    assert_eq!(gate.admit(start(), IpAddr::from([203, 0, 114, 250]), false), Ok(()));
    let mut gate = Gate::new(start(), &mut stream(1));
    assert!((899..=900).contains(&admitted_in_ten_seconds(&mut gate, start(), one_prefix)));
}

#[test]
fn a_prefix_of_ipv6_is_56_bits() {
    let mut gate = Gate::new(start(), &mut stream(1));
    let inside = |number: u32| {
        let low = u128::from(number).wrapping_mul(0x0000_0001_0000_0001) & ((1 << 72) - 1);
        IpAddr::V6(Ipv6Addr::from_bits(Ipv6Addr::new(0x2a00, 1, 2, 0x300, 0, 0, 0, 0).to_bits() | low))
    };
    assert_eq!(admitted(&mut gate, start(), inside, 10_000), 300);
    let next = IpAddr::V6(Ipv6Addr::new(0x2a00, 1, 2, 0x400, 0, 0, 0, 1));
    assert_eq!(gate.admit(start(), next, false), Ok(()));
}

#[test]
fn a_flood_from_everywhere_is_bounded_and_those_with_cookies_do_not_feel_it() {
    let mut gate = Gate::new(start(), &mut stream(1));
    assert_eq!(admitted(&mut gate, start(), everywhere, 100_000), 1000);
    assert_eq!(gate.admit(start(), one(0), false), Err(Reason::TotalRate));
    assert_eq!(gate.admit(start(), one(0), true), Ok(()));
    assert_eq!(admitted(&mut gate, start() + SECOND, everywhere, 100_000), 500);
    let proven = (0..100_000).filter(|number| gate.admit(start(), everywhere(*number), true).is_ok());
    assert_eq!(proven.count(), 999, "nor are those without bound");
}

#[test]
fn who_forges_an_address_takes_nothing_from_its_owners_cookie() {
    let mut gate = Gate::new(start(), &mut stream(1));
    admitted(&mut gate, start(), one, 1000);
    assert_eq!(gate.admit(start(), one(0), false), Err(Reason::AddressRate));
    assert_eq!(gate.admit(start(), one(0), true), Ok(()));
}

#[test]
fn many_nodes_can_run_on_one_machine() {
    for local in [[127, 0, 0, 1], [192, 168, 1, 2], [10, 0, 0, 1]] {
        let mut gate = Gate::new(start(), &mut stream(1));
        let local = IpAddr::from(local);
        assert_eq!(admitted(&mut gate, start(), |_| local, 10_000), 1000);
        let other = IpAddr::from([10, 200, 0, 1]);
        assert_eq!(gate.admit(start(), other, false), Ok(()), "others of the same kind have their own");
        assert_eq!(gate.admit(start(), one(0), false), Ok(()), "and so has the world");
    }
    let mut gate = Gate::new(start(), &mut stream(1));
    let private = |number: u32| IpAddr::V4(Ipv4Addr::from_bits((10 << 24) | number));
    assert_eq!(admitted(&mut gate, start(), private, 100_000), 2000, "all together are bounded");
}

#[test]
fn ipv4_in_ipv6_clothes_is_the_same_address() {
    let mut gate = Gate::new(start(), &mut stream(1));
    let mapped = |_| IpAddr::V6(Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped());
    assert_eq!(admitted(&mut gate, start(), mapped, 60), 60);
    assert_eq!(admitted(&mut gate, start(), one, 60), 40);
    let (plain, mapped) = (SocketAddr::new(one(0), 9), SocketAddr::new(mapped(0), 9));
    assert!(gate.is_proven(start(), plain, &gate.cookie(start(), mapped)));
}

#[test]
fn memory_is_bounded_and_floods_do_not_clear_buckets_that_are_empty() {
    let mut gate = Gate::new(start(), &mut stream(1));
    let mut now = start();
    assert_eq!(admitted(&mut gate, now, one, 100), 100);
    let mut largest = 0;
    for number in 0..200_000 {
        now += SECOND / 100_000;
        let _ = gate.admit(now, everywhere(number), number % 2 == 0);
        largest = largest.max(gate.kept());
    }
    assert!(largest <= 4 * 1100, "{largest} buckets");
    // Four seconds have passed since it was emptied: 80 tokens have flowed in, and no more.
    assert_eq!(admitted(&mut gate, now + 2 * SECOND, one, 100), 80);
    // An hour later, what is full is gone.
    let _ = gate.admit(now + 3600 * SECOND, one(0), false);
    let _ = gate.admit(now + 3600 * SECOND, one(0), true);
    assert_eq!(gate.kept(), 4);
}

#[test]
fn a_cookie_is_good_for_half_an_hour_at_least_and_an_hour_at_most() {
    let gate = Gate::new(start(), &mut stream(1));
    let (minute, from) = (60 * SECOND, SocketAddr::new(one(0), 4242));
    for given in 0..70 {
        let given = start() + given * minute;
        let cookie = gate.cookie(given, from);
        for later in 0..=30 {
            assert!(gate.is_proven(given + later * minute, from, &cookie));
        }
        assert!(!gate.is_proven(given + 60 * minute, from, &cookie));
        assert!(!gate.is_proven(given + 600 * minute, from, &cookie));
    }
}

#[test]
fn a_cookie_is_of_one_address_and_one_gate() {
    let (gate, other) = (Gate::new(start(), &mut stream(1)), Gate::new(start(), &mut stream(2)));
    let from = SocketAddr::new(one(0), 4242);
    let cookie = gate.cookie(start(), from);
    assert!(gate.is_proven(start(), from, &cookie));
    assert!(!other.is_proven(start(), from, &cookie));
    assert!(!gate.is_proven(start(), SocketAddr::new(one(0), 4243), &cookie));
    assert!(!gate.is_proven(start(), SocketAddr::new(one_prefix(8), 4242), &cookie));
    assert!(!gate.is_proven(start(), from, &Cookie([0; 16])));
    for bit in 0..128 {
        let mut changed = cookie;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!gate.is_proven(start(), from, &changed));
    }
}

#[test]
fn after_it_is_renewed_no_cookie_is_known_again() {
    let mut random = stream(1);
    let (now, from) = (Instant::now(), super::v4(1));
    let mut gate = Gate::new(now, &mut random);
    let cookie = gate.cookie(now, from);
    assert!(gate.is_proven(now, from, &cookie));
    gate.renew(&mut random);
    assert!(!gate.is_proven(now, from, &cookie));
    assert_ne!(gate.cookie(now, from), cookie);
}
