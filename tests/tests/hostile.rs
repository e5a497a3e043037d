//! Whatever a stranger sends: an open node does not change, answers little, and goes on with honest peers.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use hither_protocol::{Event, MessageState};
use hither_tests::random::Random;
use hither_tests::{HostId, World};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;

const LIMIT: Duration = Duration::from_secs(120);

/// An address that no host has.
const STRANGER: &str = "10.0.200.1:4919";

/// What an attacker sends.
#[derive(Debug, Clone)]
enum Forged {
    Random(Vec<u8>),
    /// A datagram that was really sent, changed.
    Mutated {
        of: Index,
        bits: Vec<(Index, u8)>,
        cut: Option<Index>,
        appended: Vec<u8>,
    },
    /// Halves of two datagrams that were really sent.
    Spliced(Index, Index),
}

impl Forged {
    fn bytes(&self, real: &[Vec<u8>]) -> Vec<u8> {
        match self {
            Self::Random(bytes) => bytes.clone(),
            Self::Mutated { of, bits, cut, appended } => {
                let mut bytes = of.get(real).clone();
                for (at, change) in bits {
                    let at = at.index(bytes.len());
                    bytes[at] ^= change;
                }
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                bytes.extend_from_slice(appended);
                bytes
            }
            Self::Spliced(first, second) => {
                let (first, second) = (first.get(real), second.get(real));
                let middle = first.len().min(second.len()) / 2;
                [&first[..middle], &second[middle..]].concat()
            }
        }
    }
}

fn forged() -> impl Strategy<Value = Forged> {
    let bits = prop::collection::vec((any::<Index>(), 1..=255_u8), 1..4);
    let appended = prop::collection::vec(any::<u8>(), 0..40);
    let mutated = (any::<Index>(), bits, prop::option::weighted(0.2, any::<Index>()), appended);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..1472).prop_map(Forged::Random),
        4 => mutated.prop_map(|(of, bits, cut, appended)| Forged::Mutated { of, bits, cut, appended }),
        1 => any::<(Index, Index)>().prop_map(|(first, second)| Forged::Spliced(first, second)),
    ]
}

/// Two contacts, ready and quiet. Under one seed they are always the same two.
fn open_nodes() -> (World, HostId, HostId) {
    let mut world = World::new(11);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.capture();
    world.befriend(&[alice, bob]);
    world.run_for(Duration::from_secs(5));
    (world, alice, bob)
}

/// The same two, but bob was started anew: he has other randomness than in [`real`], as a node has at each start.
/// With the same, what was recorded there would be no replay but the very exchange.
fn targets() -> (World, HostId, HostId) {
    let (mut world, alice, bob) = open_nodes();
    world.crash(bob);
    world.restart(bob);
    world.wait_until_ready(bob);
    world.run_for(Duration::from_secs(60));
    (world, alice, bob)
}

fn exchange(world: &mut World, from: HostId, to: HostId, wanted: &str) {
    let peer = world.peer(to);
    world.ask(from, |node, now| node.send_message(now, peer, wanted)).unwrap();
    let is_it = |event: &Event| matches!(event, Event::Message { text, .. } if text == wanted);
    world.expect(to, "the message", LIMIT, is_it);
    let is_receipt =
        |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Delivered, .. });
    world.expect(from, "a receipt", LIMIT, is_receipt);
    assert_eq!(world.host(to).count(is_it), 1);
}

/// Every datagram that went to bob in an exchange of messages and a file between the very nodes of [`open_nodes`].
fn real() -> &'static [Vec<u8>] {
    static REAL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    REAL.get_or_init(|| {
        let (mut world, alice, bob) = open_nodes();
        exchange(&mut world, alice, bob, "hello");
        exchange(&mut world, bob, alice, "hello yourself");
        world.disk(alice).put_file("/home/file", Random::new(1).bytes(20_000));
        let (peer, address) = (world.peer(bob), world.host(bob).address());
        world.ask(alice, |node, now| node.offer(now, peer, vec!["/home/file".into()])).unwrap();
        world.expect(bob, "the file", LIMIT, |event| matches!(event, Event::Finished { .. }));
        let to_bob = world.captured().iter().filter(|datagram| datagram.to == address);
        to_bob.map(|datagram| datagram.data.clone()).filter(|data| !data.is_empty()).collect()
    })
}

/// Sends datagrams to bob in the name of `from` and checks that they change nothing.
fn attack(world: &mut World, bob: HostId, from: SocketAddr, datagrams: impl Iterator<Item = Vec<u8>>) {
    let address = world.host(bob).address();
    let (events, requests) = (world.host(bob).events().len(), world.disk(bob).all_requests());
    for datagram in datagrams {
        world.inject(from, address, &datagram);
        world.run_for(Duration::from_millis(10));
    }
    world.run_for(Duration::from_secs(2));
    let said = &world.host(bob).events()[events..];
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(world.disk(bob).all_requests(), requests, "no storage request");
}

fn expect_little_answered(world: &World, stranger: SocketAddr) {
    let outside = world.outside(stranger);
    assert!(outside.received <= 3 * outside.injected, "more than three times: {outside:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn forged_datagrams_of_a_stranger_change_nothing(forged in prop::collection::vec(forged(), 1..20)) {
        let (mut world, alice, bob) = targets();
        let stranger = STRANGER.parse().unwrap();
        attack(&mut world, bob, stranger, forged.iter().map(|forged| forged.bytes(real())));
        world.run_for(Duration::from_secs(30));
        expect_little_answered(&world, stranger);
        exchange(&mut world, alice, bob, "still there?");
    }

    #[test]
    fn forged_datagrams_in_a_peers_name_change_nothing(forged in prop::collection::vec(forged(), 1..20)) {
        let (mut world, alice, bob) = open_nodes();
        exchange(&mut world, alice, bob, "first");
        world.run_for(Duration::from_secs(2));
        // Taken from this very link: the attacker listens.
        let address = world.host(bob).address();
        let heard = world.captured().iter().filter(|datagram| datagram.to == address && !datagram.data.is_empty());
        let heard: Vec<_> = heard.map(|datagram| datagram.data.clone()).collect();
        let from = world.host(alice).address();
        attack(&mut world, bob, from, forged.iter().map(|forged| forged.bytes(&heard)));
        exchange(&mut world, alice, bob, "second");
    }
}

#[test]
fn real_datagrams_replayed_from_elsewhere_change_nothing_and_are_not_amplified() {
    let (mut world, alice, bob) = targets();
    for (number, datagram) in real().iter().enumerate() {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        let victim = SocketAddr::from(([10, 9, high, low], 4919));
        world.inject(victim, world.host(bob).address(), datagram);
    }
    let stranger = STRANGER.parse().unwrap();
    attack(&mut world, bob, stranger, real().iter().cloned());
    world.run_for(Duration::from_secs(60));
    expect_little_answered(&world, stranger);
    for number in 0..u16::try_from(real().len()).unwrap() {
        let [high, low] = number.to_be_bytes();
        expect_little_answered(&world, SocketAddr::from(([10, 9, high, low], 4919)));
    }
    exchange(&mut world, alice, bob, "still there?");
}
