//! Whom to dial when, and who is recognised near.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::unreachable,
    reason = "tests, of numbers that are known"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Dialler, Nearby};
use crate::entropy::{Entropy, Seed};
use crate::identity::{Identity, PeerId};
use crate::link::LinkKey;
use crate::{OpenName, Sighting, Unreachable};

const UNIX: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn peer(number: u8) -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity")).peer_id()
}

fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 4919))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn nearby(number: u8) -> Nearby {
    Nearby::new(peer(number), Entropy::new(Seed::new([number; 32])).stream("nearby"))
}

/// What others see of someone at these addresses.
fn sighting(of: u8, unix_time: u64, addresses: Vec<SocketAddr>) -> Sighting {
    let mut theirs = nearby(of);
    theirs.set_addresses(unix_time, addresses.clone());
    let said = theirs.take_announcement().unwrap();
    Sighting { instance: said.instance, addresses, text: said.text }
}

#[test]
fn addresses_are_dialled_a_quarter_of_a_second_apart_the_newest_first() {
    let now = Instant::now();
    let mut dialler = Dialler::new(seconds(10));
    dialler.learn(now, peer(1), at(1));
    dialler.learn(now, peer(1), at(2));
    dialler.want(now, peer(1));
    assert_eq!(dialler.next_dial(now), Some((peer(1), at(2))));
    dialler.dialled(peer(1), at(2), LinkKey(0));
    assert_eq!(dialler.next_dial(now), None);
    let later = now + Duration::from_millis(250);
    assert_eq!(dialler.next_time(), Some(later));
    assert_eq!(dialler.next_dial(later), Some((peer(1), at(1))));
    dialler.dialled(peer(1), at(1), LinkKey(1));
    assert_eq!(dialler.reached(peer(1), LinkKey(1)), [LinkKey(0)], "the other is not needed");
    assert!(!dialler.is_wanted(peer(1)));
}

#[test]
fn a_dial_that_failed_is_tried_again_until_the_time_is_over() {
    let start = Instant::now();
    let mut dialler = Dialler::new(seconds(10));
    dialler.learn(start, peer(1), at(1));
    dialler.want(start, peer(1));
    let (mut now, mut dials) = (start, 0);
    let given_up = loop {
        if let Some((peer, address)) = dialler.next_dial(now) {
            dials += 1;
            dialler.dialled(peer, address, LinkKey(dials));
            dialler.failed(now, peer, LinkKey(dials), false);
        }
        let given_up = dialler.give_up(now);
        if let [one] = given_up.as_slice() {
            break one.why;
        }
        let next = dialler.next_time().unwrap();
        assert!(next > now, "time goes on");
        now = next;
    };
    assert_eq!((given_up, now), (Unreachable::NoAnswer, start + seconds(10)));
    assert!((8..=11).contains(&dials), "{dials}");
    assert_eq!(dialler.next_time(), None);
}

#[test]
fn who_has_no_address_is_not_found_and_who_speaks_otherwise_is_given_up_at_once() {
    let now = Instant::now();
    let mut dialler = Dialler::new(seconds(10));
    dialler.want(now, peer(1));
    dialler.learn(now, peer(2), at(2));
    dialler.want(now, peer(2));
    dialler.next_dial(now);
    dialler.dialled(peer(2), at(2), LinkKey(0));
    dialler.failed(now, peer(2), LinkKey(0), true);
    let given_up = dialler.give_up(now);
    assert!(
        matches!(given_up.as_slice(), [one] if one.why == Unreachable::OtherVersion && one.peer == peer(2))
    );
    let given_up = dialler.give_up(now + seconds(10));
    assert!(matches!(given_up.as_slice(), [one] if one.why == Unreachable::NotFound));
}

#[test]
fn an_address_learnt_during_a_search_is_dialled_at_once() {
    let now = Instant::now();
    let mut dialler = Dialler::new(seconds(10));
    dialler.want(now, peer(1));
    assert_eq!(dialler.next_dial(now), None);
    dialler.learn(now + seconds(3), peer(1), at(1));
    assert_eq!(dialler.next_dial(now + seconds(3)), Some((peer(1), at(1))));
}

#[test]
fn addresses_of_one_peer_are_bounded() {
    let now = Instant::now();
    let mut dialler = Dialler::new(seconds(10));
    for number in 0..100 {
        dialler.learn(now, peer(1), at(number));
    }
    assert_eq!(dialler.addresses(peer(1)).len(), 16);
    assert_eq!(dialler.addresses(peer(1))[0], at(99));
}

#[test]
fn strangers_do_not_push_out_what_is_known_of_a_peer_that_is_searched_for() {
    let now = Instant::now();
    let mut dialler = Dialler::new(seconds(10));
    let everyone: Vec<PeerId> = (0..5000_u16)
        .map(|number| {
            let mut seed = [3; 32];
            seed[..2].copy_from_slice(&number.to_le_bytes());
            Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("identity")).peer_id()
        })
        .collect();
    let friend = *everyone.iter().min().unwrap();
    dialler.learn(now, friend, at(1));
    for stranger in everyone.iter().filter(|other| **other != friend) {
        dialler.learn(now, *stranger, at(2));
    }
    assert_eq!(dialler.addresses(friend), [at(1)], "the id with the smallest number is no worse than others");
}

#[test]
fn a_contact_is_recognised_where_it_is_and_a_stranger_is_not() {
    let mut mine = nearby(0);
    let seen = sighting(1, UNIX, vec![at(1)]);
    assert_eq!(mine.sighted(UNIX, &seen, [peer(2), peer(1)].into_iter()), Some((peer(1), vec![at(1)])));
    assert_eq!(nearby(0).sighted(UNIX, &seen, [peer(2)].into_iter()), None);
}

#[test]
fn an_announcement_is_good_for_its_address_and_about_its_time_only() {
    let known = || [peer(1)].into_iter();
    let real = sighting(1, UNIX, vec![at(1)]);
    let elsewhere = Sighting { addresses: vec![at(2)], ..real.clone() };
    assert_eq!(nearby(0).sighted(UNIX, &elsewhere, known()), None);
    let both = Sighting { addresses: vec![at(2), at(1)], ..real.clone() };
    assert_eq!(nearby(0).sighted(UNIX, &both, known()), Some((peer(1), vec![at(1)])));
    assert!(nearby(0).sighted(UNIX + 5 * MINUTE, &real, known()).is_some());
    assert_eq!(nearby(0).sighted(UNIX + 20 * MINUTE, &real, known()), None);
}

#[test]
fn who_is_wanted_later_is_found_in_what_was_seen_before() {
    let mut mine = nearby(0);
    let seen = sighting(1, UNIX, vec![at(1)]);
    mine.sighted(UNIX, &seen, std::iter::empty());
    assert_eq!(mine.look_for(peer(1)), [at(1)]);
    assert_eq!(mine.vanished(&seen.instance), Some((Some(peer(1)), vec![at(1)])));
    assert!(mine.look_for(peer(1)).is_empty());
}

#[test]
fn many_unknown_instances_do_not_hide_a_contact() {
    let mut mine = nearby(0);
    for number in 0..1000 {
        let noise = Sighting { instance: format!("noise {number}"), ..sighting(2, UNIX, vec![at(2)]) };
        mine.sighted(UNIX, &noise, [peer(1)].into_iter());
    }
    assert!(mine.seen().count() <= 256);
    let found = mine.sighted(UNIX, &sighting(1, UNIX, vec![at(1)]), [peer(1)].into_iter());
    assert_eq!(found, Some((peer(1), vec![at(1)])));
}

#[test]
fn damaged_announcements_are_passed_over() {
    let mut mine = nearby(0);
    let good = sighting(1, UNIX, vec![at(1)]);
    for (key, value) in
        [("s", ""), ("s", "zz"), ("s", "+123456789abcdef"), ("m", ""), ("m", "é"), ("m", ",,,")]
    {
        let mut bad = good.clone();
        bad.text.retain(|(name, _)| name != key);
        bad.text.push((key.into(), value.into()));
        assert_eq!(mine.sighted(UNIX, &bad, [peer(1)].into_iter()), None, "{key}={value}");
    }
}

#[test]
fn an_announcement_changes_with_its_epoch_and_goes_by_other_names_elsewhere() {
    let mut mine = nearby(0);
    mine.set_addresses(UNIX, vec![at(1)]);
    let first = mine.take_announcement().unwrap();
    let now = Instant::now();
    mine.tick(now, UNIX + 1);
    assert_eq!(mine.take_announcement(), None);
    let next = mine.next_epoch().unwrap();
    assert!(next > UNIX && next <= UNIX + 5 * MINUTE);
    mine.tick(now, next);
    let second = mine.take_announcement().unwrap();
    assert_eq!(second.instance, first.instance);
    assert_ne!(second.text, first.text);
    mine.set_addresses(next, vec![at(2)]);
    let third = mine.take_announcement().unwrap();
    assert!(third.instance != first.instance && third.host != first.host);
}

/// What others see of someone who shows themselves under a name.
fn open_sighting(of: u8, name: &str, addresses: Vec<SocketAddr>) -> Sighting {
    let mut theirs = nearby(of);
    theirs.set_addresses(UNIX, addresses.clone());
    theirs.show(UNIX, Some((OpenName::new(name).unwrap(), Instant::now() + seconds(60))));
    let said = theirs.take_announcement().unwrap();
    Sighting { instance: said.instance, addresses, text: said.text }
}

fn replaced(sighting: &Sighting, key: &str, value: &str) -> Sighting {
    let mut other = sighting.clone();
    other.text.retain(|(name, _)| name != key);
    other.text.push((key.into(), value.into()));
    other
}

/// Who is seen in an announcement by someone who knows nobody, and under which name.
fn seen_by_a_stranger(sighting: &Sighting) -> (Option<PeerId>, Option<String>) {
    let mut mine = nearby(0);
    assert_eq!(mine.sighted(UNIX, sighting, std::iter::empty()), None, "nobody is recognised");
    let peer = mine.seen().find_map(|(peer, _)| peer);
    let name = peer.and_then(|peer| mine.name_of(peer)).map(|name| name.as_str().to_owned());
    (peer, name)
}

#[test]
fn who_shows_themselves_is_seen_by_strangers_and_nothing_of_it_before_or_after() {
    let mut theirs = nearby(1);
    let now = Instant::now();
    theirs.set_addresses(UNIX, vec![at(1)]);
    let before = theirs.take_announcement().unwrap();
    theirs.show(UNIX, Some((OpenName::new(" Anna ").unwrap(), now + seconds(60))));
    let open = theirs.take_announcement().unwrap();
    assert!(!theirs.tick(now + seconds(59), UNIX + 59_000));
    assert_eq!(theirs.take_announcement(), None);
    assert!(theirs.tick(now + seconds(60), UNIX + 60_000), "it is over, and says so once");
    assert!(!theirs.tick(now + seconds(60), UNIX + 60_000));
    let after = theirs.take_announcement().unwrap();
    let seen = |said: &crate::Announcement| {
        let said = said.clone();
        seen_by_a_stranger(&Sighting { instance: said.instance, addresses: vec![at(1)], text: said.text })
    };
    assert_eq!(seen(&open), (Some(peer(1)), Some("Anna".to_owned())));
    assert_eq!(seen(&before), (None, None));
    assert_eq!(seen(&after), (None, None));
    for (one, other) in [(&before, &open), (&open, &after), (&before, &after)] {
        assert!(one.instance != other.instance && one.host != other.host);
        let salt = |said: &crate::Announcement| said.text.iter().find(|(key, _)| key == "s").cloned();
        assert_ne!(salt(one), salt(other));
    }
}

#[test]
fn an_open_id_is_believed_only_where_it_was_said_and_not_for_another() {
    let open = open_sighting(1, "Anna", vec![at(1)]);
    let elsewhere = Sighting { addresses: vec![at(2)], ..open.clone() };
    assert_eq!(seen_by_a_stranger(&elsewhere), (None, None));
    // Someone who has the id of another and not even its MACs, and someone who says that of the one who reads it.
    assert_eq!(seen_by_a_stranger(&replaced(&open, "i", &peer(2).to_string())), (None, None));
    assert_eq!(seen_by_a_stranger(&open_sighting(0, "me", vec![at(1)])), (None, None));
    // A contact is recognised as before, whatever name and id are said beside it.
    let mut mine = nearby(0);
    let lying = replaced(&open, "i", &peer(2).to_string());
    assert_eq!(mine.sighted(UNIX, &lying, [peer(1)].into_iter()), Some((peer(1), vec![at(1)])));
    assert_eq!(mine.name_of(peer(1)), None);
    assert_eq!(mine.name_of(peer(2)), None);
}

#[test]
fn names_that_are_none_are_not_taken() {
    let open = open_sighting(1, "Anna", vec![at(1)]);
    let long = "x".repeat(65);
    for name in ["", "  ", "a\u{1b}[2J", "a\nb", long.as_str()] {
        assert_eq!(seen_by_a_stranger(&replaced(&open, "n", name)), (None, None), "{name:?}");
    }
    for id in ["", "hi1", "x"] {
        assert_eq!(seen_by_a_stranger(&replaced(&open, "i", id)), (None, None), "{id:?}");
    }
}

#[test]
fn many_who_show_themselves_do_not_hide_a_contact() {
    let mut mine = nearby(0);
    mine.sighted(UNIX, &sighting(1, UNIX, vec![at(1)]), [peer(1)].into_iter());
    for number in 0..1000 {
        let noise = Sighting { instance: format!("noise {number}"), ..open_sighting(2, "Eve", vec![at(2)]) };
        mine.sighted(UNIX, &noise, [peer(1)].into_iter());
    }
    assert!(mine.seen().count() <= 256);
    assert!(mine.seen().any(|(seen, _)| seen == Some(peer(1))));
}
