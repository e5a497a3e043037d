//! What the table must stand, at a scale that every run of the tests affords; `figures -- dht` is the large edition.

use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::dht::{Hour, Item, MeetAt, Meeting, Mode, Note};
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::noise::quic::NetworkId;
use hither_tests::swarm::calls::calls;
use hither_tests::swarm::cases::{self, Searches};
use hither_tests::swarm::{PeerIndex, Setup, Swarm, Wire};

const HOUR: Duration = Duration::from_secs(3600);

fn assert_found(searches: &Searches, percent: f64) {
    assert!(searches.of > 0);
    assert!(searches.percent() >= percent, "{searches:?}");
}

#[test]
fn everyone_is_found_in_a_quiet_network() {
    let searches = cases::quiet(1, Wire::Messages, 300, 300);
    assert_found(&searches, 99.9);
    assert!(searches.rounds.p95 <= 5, "{searches:?}");
    assert!(searches.asked.p50 <= 30, "{searches:?}");
}

#[test]
fn everyone_is_found_through_sealed_datagrams() {
    let searches = cases::quiet(1, Wire::Datagrams, 80, 200);
    assert_found(&searches, 99.9);
    assert!(searches.bytes > 0);
}

#[test]
fn nearly_everyone_is_found_though_a_fifth_lie() {
    let (all, led) = cases::liars(1, 300, 300);
    assert_found(&all, 99.0);
    assert_found(&led, 99.6);
}

#[test]
fn people_are_found_while_nodes_come_and_go() {
    assert_found(&cases::churn(1, 120, 0.3, HOUR, 3), 99.0);
}

#[test]
fn a_network_that_was_parted_grows_together_again() {
    let (parted, healed) = cases::partition(1, 120, 200, Duration::from_secs(15 * 60));
    assert!(parted.percent() < 90.0, "the halves cannot see each other: {parted:?}");
    assert_found(&healed, 99.0);
}

#[test]
fn most_remembered_nodes_may_be_gone() {
    let joined = cases::join(1, 200, 20).expect("it joined");
    assert!(joined <= Duration::from_secs(30), "{joined:?}");
}

#[test]
fn two_networks_do_not_mix() {
    for wire in [Wire::Messages, Wire::Datagrams] {
        let (mixed, found) = cases::two_networks(1, wire, 60, 60);
        assert_eq!(mixed, 0, "{wire:?}");
        assert_found(&found, 99.0);
    }
}

/// How many nodes have the one at an address in their tables.
fn known_by(swarm: &Swarm, at: SocketAddr) -> usize {
    let knows = |index: &PeerIndex| swarm.dht(*index).nodes().iter().any(|it| it.contact.address() == at);
    swarm.up().iter().filter(|index| knows(index)).count()
}

#[test]
fn an_island_is_led_to_the_rest_by_whoever_comes() {
    let mut swarm = Swarm::grown(1, Wire::Messages, 60, |_| Setup::default());
    let first = swarm.add(Setup::default(), &[]);
    let at = swarm.address(first);
    swarm.add(Setup::default(), &[at]);
    swarm.run_for(Duration::from_secs(120));
    assert_eq!(swarm.dht(first).len(), 1);
    swarm.ask(PeerIndex(7), |dht, now| dht.meet(now, at));
    swarm.run_for(Duration::from_secs(5));
    assert!(known_by(&swarm, at) >= 10);
}

#[test]
fn one_search_makes_a_new_node_known() {
    let mut swarm = Swarm::grown(1, Wire::Messages, 200, |_| Setup::default());
    let known = swarm.some_addresses(3);
    let new = swarm.add(Setup::default(), &known);
    swarm.run_for(Duration::from_secs(10));
    let at = swarm.address(new);
    assert_eq!(swarm.dht(new).mode(), Mode::Server);
    assert!(known_by(&swarm, at) >= 10);
    // A second search would be forty more.
    assert!(swarm.sent(new) <= 90, "{}", swarm.sent(new));
}

#[test]
fn an_idle_client_sends_little() {
    let a_minute = cases::idle(1, 100, 3 * HOUR);
    assert!(a_minute <= 10.0, "{a_minute}");
}

#[test]
fn who_is_behind_a_nat_is_in_nobodys_table() {
    let setup = |number| Setup { behind_nat: number % 4 == 3, ..Setup::default() };
    let swarm = Swarm::grown(1, Wire::Messages, 80, setup);
    let hidden: Vec<PeerIndex> = swarm.up().into_iter().filter(|index| index.0 % 4 == 3).collect();
    for index in swarm.up() {
        let mode = if hidden.contains(&index) { Mode::Client } else { Mode::Server };
        assert_eq!(swarm.dht(index).mode(), mode, "{index:?}");
        let known = swarm.dht(index).nodes();
        let is_hidden = |address| hidden.iter().any(|hidden| swarm.address(*hidden) == address);
        assert!(!known.iter().any(|node| is_hidden(node.contact.address())), "{index:?}");
    }
}

#[test]
fn people_behind_nats_reach_each_other_through_those_who_introduce_them() {
    for (wire, nodes, count) in [(Wire::Messages, 200, 60), (Wire::Datagrams, 60, 30)] {
        assert_found(&calls(1, wire, nodes, count), 99.9);
    }
}

#[test]
fn a_flood_of_false_notes_does_not_keep_a_code_from_being_found() {
    let mut swarm = Swarm::grown(1, Wire::Messages, 60, |_| Setup::default());
    let mut entropy = Entropy::new(Seed::new([7; 32]));
    let mut random = entropy.stream("notes");
    let meeting = Meeting::new([9; 16], Hour::of(swarm.unix_time()), &NetworkId::default());
    let mut note = |wanted: u32| -> Note {
        let key = Identity::generate(&mut random);
        let mut search = meeting.search(&key.peer_id(), wanted);
        let work = std::iter::repeat_with(|| search.advance(1 << 16)).flatten().next().unwrap();
        let at = MeetAt::Addresses(vec!["99.1.2.3:4242".parse().unwrap()]);
        meeting.seal(&key, work, 1, &at, &mut random).unwrap()
    };
    // The flood is there first, of as little work as is taken, from many nodes.
    for number in 0..120 {
        let false_note = note(hither_protocol::dht::MIN_WORK);
        swarm.store(PeerIndex(1 + number % 50), Item::Note(false_note));
        swarm.run_for(Duration::from_millis(50));
    }
    let true_note = note(hither_protocol::dht::WANTED_WORK);
    swarm.store(PeerIndex(5), Item::Note(true_note.clone()));
    swarm.run_for(Duration::from_secs(10));
    let lookup = swarm.find(PeerIndex(55), meeting.target());
    swarm.run_for(Duration::from_secs(20));
    let (_, items) = swarm.outcome(PeerIndex(55), lookup).expect("the search is over");
    assert!(items.len() > 8, "the flood is there: {}", items.len());
    assert!(items.contains(&Item::Note(true_note)));
}
