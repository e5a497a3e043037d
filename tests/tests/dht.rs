//! Nodes that find each other through the table, far from any local network.

use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::dht::Mode;
use hither_protocol::{
    Acceptance, Code, CodeFor, CodeOptions, Conflict, Decision, EnterFor, Event, MessageState, Strangers,
    Surroundings, Unreachable, WIDE_WORDS, WideConfig, WorldAnswer, WorldRequest,
};
use hither_tests::disk::Kind;
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::{HostId, World, for_seeds};

const SOON: Duration = Duration::from_secs(20);
const LATER: Duration = Duration::from_secs(120);

/// How a host takes part, told of these.
fn wide(bootstrap: &[SocketAddr]) -> WideConfig {
    WideConfig { publish: true, public: false, mainline: false, bootstrap: bootstrap.to_vec() }
}

/// A host somewhere in the world, on nobody's local network.
fn far(world: &mut World, name: &str, wide: WideConfig) -> HostId {
    let host = world.add_host_with(name, |setup| {
        setup.segment = None;
        setup.config.wide = Some(wide);
    });
    world.wait_until_ready(host);
    host
}

fn address(world: &World, host: HostId) -> SocketAddr {
    world.host(host).address()
}

/// Alice, Bob and `others`, each told of the first one only.
fn network(seed: u64, others: usize) -> (World, HostId, HostId, Vec<HostId>) {
    let mut world = World::new(seed);
    world.set_default_link(LinkConfig::dsl());
    let mut hosts: Vec<HostId> = Vec::new();
    for number in 0..others + 2 {
        let known: Vec<_> = hosts.first().map(|host| address(&world, *host)).into_iter().collect();
        hosts.push(far(&mut world, &format!("host {number}"), wide(&known)));
    }
    world.run_for(SOON);
    let (alice, bob) = (hosts[0], hosts[1]);
    world.befriend(&[alice, bob]);
    (world, alice, bob, hosts.split_off(2))
}

fn expect_message(world: &mut World, from: HostId, to: HostId, text: &str) {
    let peer = world.peer(to);
    world.ask(from, |node, now| node.send_message(now, peer, text)).unwrap();
    world.expect(
        to,
        "the message",
        LATER,
        |event| matches!(event, Event::Message { text: it, .. } if it == text),
    );
    let delivered =
        |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Delivered, .. });
    world.expect(from, "a receipt", LATER, delivered);
}

#[test]
fn a_message_arrives_by_the_id_alone_in_networks_of_two_three_and_five() {
    for others in [0, 1, 3] {
        for_seeds(3, |seed| {
            let (mut world, alice, bob, _) = network(seed, others);
            expect_message(&mut world, bob, alice, "from afar");
            expect_message(&mut world, alice, bob, "and back");
        });
    }
}

#[test]
fn nodes_that_know_no_one_else_find_each_other_through_a_third() {
    for_seeds(3, |seed| {
        let (mut world, _, bob, others) = network(seed, 4);
        let carol = others[3];
        world.befriend(&[bob, carol]);
        // They were told of the first host only, which goes away once they have been there.
        world.kill(HostId(0));
        world.run_for(Duration::from_secs(60));
        expect_message(&mut world, bob, carol, "without whom we met by");
    });
}

#[test]
fn who_is_not_published_is_not_found() {
    let (mut world, alice, _, _) = network(1, 2);
    let hidden = WideConfig { publish: false, ..wide(&[address(&world, alice)]) };
    let dave = far(&mut world, "dave", hidden);
    world.befriend(&[alice, dave]);
    world.run_for(SOON);
    let peer = world.peer(dave);
    world.ask(alice, |node, now| node.connect(now, peer));
    world.expect(
        alice,
        "that dave is not found",
        LATER,
        |event| matches!(event, Event::Unreachable { peer: who, why: Unreachable::NotFound } if *who == peer),
    );
}

#[test]
fn everyone_on_the_way_knows_where_all_are_and_joins_in() {
    let (mut world, alice, _, others) = network(1, 6);
    world.run_for(LATER);
    for host in std::iter::once(alice).chain(others) {
        let view = world.host(host).node().unwrap().network().unwrap();
        assert_eq!(view.mode, Mode::Server, "{view:?}");
        assert_eq!(view.reachable, [address(&world, host)]);
        assert!(view.nodes.len() >= 5, "{}", view.nodes.len());
        assert!(view.copies >= 5, "{}", view.copies);
    }
    assert!(world.ask(alice, |node, now| node.find_oneself(now)));
    let found = |event: &Event| matches!(event, Event::FoundOneself { found_in: Some(_), .. });
    world.expect(alice, "that it is found", SOON, found);
}

#[test]
fn remembered_nodes_lead_back_into_the_network() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob, others) = network(seed, 4);
        let carol = others[0];
        world.befriend(&[bob, carol]);
        world.run_for(Duration::from_secs(11 * 60));
        // The one whom all were told of is gone for good, and nobody is told of anybody again.
        world.kill(alice);
        for host in [bob, carol] {
            world.kill(host);
            world.host_mut(host).config.wide = Some(wide(&[]));
            world.restart(host);
            world.wait_until_ready(host);
        }
        world.run_for(Duration::from_secs(30));
        expect_message(&mut world, bob, carol, "as before");
    });
}

#[test]
fn whoever_has_another_address_is_found_there() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob, _) = network(seed, 3);
        expect_message(&mut world, alice, bob, "here");
        let new = world.readdress(bob, SocketAddr::from(([9, 9, seed as u8, 9], 4919)));
        world.run_for(Duration::from_secs(60));
        let view = world.host(bob).node().unwrap().network().unwrap();
        assert_eq!(view.reachable, [new]);
        expect_message(&mut world, alice, bob, "and there");
    });
}

#[test]
fn the_same_addresses_told_again_make_no_other_node() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob, others) = network(seed, 3);
        let hosts = [&[alice, bob], others.as_slice()].concat();
        for host in &hosts {
            let addresses = vec![address(&world, *host)];
            let told = Surroundings::Addresses(addresses);
            world.ask(*host, |node, now| node.handle_surroundings(now, told));
        }
        world.run_for(Duration::from_secs(1800));
        for host in hosts {
            let statistics = world.host(host).node().unwrap().network().unwrap().statistics;
            assert!(!statistics.refused().any(|(why, _)| why == "for another key"), "{host:?}");
        }
    });
}

#[test]
fn whoever_answers_first_and_knows_nobody_does_not_keep_a_node_from_the_rest() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob, others) = network(seed, 3);
        let alone = far(&mut world, "alone", wide(&[]));
        world.run_for(SOON);
        let known = [address(&world, alone), address(&world, alice)];
        let new = world.add_host_with("new", |setup| {
            setup.segment = None;
            setup.config.wide = Some(wide(&known));
        });
        world.connect(new, alone, LinkConfig::lan());
        world.connect(new, alice, LinkConfig { latency: Duration::from_millis(400), ..LinkConfig::dsl() });
        world.wait_until_ready(new);
        world.run_for(SOON);
        let nodes = world.host(new).node().unwrap().network().unwrap().nodes;
        for host in [&[alone, alice, bob], others.as_slice()].concat() {
            let at = address(&world, host);
            assert!(nodes.iter().any(|node| node.contact.address() == at), "{host:?} is not known");
        }
    });
}

#[test]
fn a_code_of_five_words_meets_across_the_world() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob, others) = network(seed, 3);
        let carol = others[2];
        world.disk(bob).put_file("/home/film", vec![7; 100_000]);
        let purpose = CodeFor::Send { paths: vec!["/home/film".into()] };
        let options = CodeOptions { words: WIDE_WORDS, ..CodeOptions::default() };
        let id = world.ask(bob, |node, now| node.make_code(now, purpose, options)).unwrap();
        world.expect(bob, "the code", SOON, |event| matches!(event, Event::CodeReady { .. }));
        let code = world.host(bob).node().unwrap().code(id).unwrap().to_string();
        world.run_for(Duration::from_secs(5));
        let typed = Code::parse(&code).unwrap();
        world.ask(carol, |node, now| node.enter_code(now, typed, EnterFor::Receive)).unwrap();
        let event = world.expect(carol, "the offer", SOON, |event| matches!(event, Event::Offered { .. }));
        let Event::Offered { transfer, decision, .. } = event else { unreachable!() };
        assert_eq!(decision, Decision::Ask);
        let how = Acceptance { into: RECEIVED.into(), name: None, conflict: Conflict::Refuse };
        world.ask(carol, |node, now| node.accept(now, transfer, how)).unwrap();
        world.expect(carol, "the end", SOON, |event| matches!(event, Event::Finished { .. }));
        assert_eq!(*world.disk(carol).content(format!("{RECEIVED}/film")).unwrap(), vec![7; 100_000]);
        let _ = alice;
    });
}

#[test]
fn the_first_byte_from_afar_comes_four_round_trips_after_the_search() {
    const ONE_WAY: Duration = Duration::from_millis(100);
    let (mut world, _, bob, others) = network(1, 3);
    let known = address(&world, others[0]);
    let carol = world.add_host_with("carol", |setup| {
        setup.segment = None;
        setup.config.wide = Some(wide(&[known]));
        setup.config.rules.strangers = Strangers::Accept;
    });
    world.wait_until_ready(carol);
    world.connect(bob, carol, LinkConfig { latency: ONE_WAY, ..LinkConfig::default() });
    // One packet: what is measured is the way to the first byte, not the bytes.
    world.disk(bob).put_file("/home/note", vec![1; 64]);
    let purpose = CodeFor::Send { paths: vec!["/home/note".into()] };
    let options = CodeOptions { words: WIDE_WORDS, ..CodeOptions::default() };
    let id = world.ask(bob, |node, now| node.make_code(now, purpose, options)).unwrap();
    world.expect(bob, "the code", SOON, |event| matches!(event, Event::CodeReady { .. }));
    let code = Code::parse(&world.host(bob).node().unwrap().code(id).unwrap()).unwrap();
    world.run_for(SOON);
    world.ask(carol, |node, now| node.enter_code(now, code, EnterFor::Receive)).unwrap();
    world.expect(carol, "the other side", SOON, |event| matches!(event, Event::CodeFound { .. }));
    let found = world.now();
    let written = |world: &World| world.host(carol).disk.requests(Kind::Write) > 0;
    world.expect_until("the first byte", SOON, written);
    // The handshake, CPace, the proofs with the offer behind the second, consent with the first chunk behind it.
    let took = world.now() - found;
    assert!(took > ONE_WAY * 2 * 3 && took < ONE_WAY * 2 * 4 + Duration::from_millis(80), "{took:?}");
}

#[test]
fn codes_of_three_words_stay_on_the_local_network() {
    let (mut world, _, bob, others) = network(1, 2);
    let purpose = CodeFor::Send { paths: vec!["/home/film".into()] };
    world.disk(bob).put_file("/home/film", vec![7; 100]);
    let id = world.ask(bob, |node, now| node.make_code(now, purpose, CodeOptions::default())).unwrap();
    world.expect(bob, "the code", SOON, |event| matches!(event, Event::CodeReady { .. }));
    let code = Code::parse(&world.host(bob).node().unwrap().code(id).unwrap()).unwrap();
    world.run_for(SOON);
    for host in others {
        let view = world.host(host).node().unwrap().network().unwrap();
        // Each stores the records of the others, for two days each, and nothing else.
        assert!(view.stored <= 8, "{}", view.stored);
    }
    let _ = code;
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let run = || {
        let (mut world, alice, bob, _) = network(3, 3);
        expect_message(&mut world, alice, bob, "again");
        (world.transcript(), world.counts())
    };
    assert_eq!(run(), run());
}

/// Mainline as a table that answers at once.
#[test]
fn mainline_leads_to_those_whom_nothing_nearer_knows() {
    let mut world = World::new(1);
    let by_mainline = || WideConfig { mainline: true, public: true, ..wide(&[]) };
    let alice = far(&mut world, "alice", by_mainline());
    let bob = far(&mut world, "bob", by_mainline());
    world.befriend(&[alice, bob]);
    let mut items = std::collections::BTreeMap::new();
    let mut topics: std::collections::BTreeMap<[u8; 20], Vec<SocketAddr>> = std::collections::BTreeMap::new();
    for _ in 0..60 {
        world.run_for(Duration::from_secs(1));
        for host in [alice, bob] {
            let from = address(&world, host);
            while let Some((id, request)) = world.ask(host, |node, _| node.poll_worldwide()) {
                let answers = match request {
                    WorldRequest::Put { key, sequence, value, .. } => {
                        items.insert(key, (sequence, value));
                        vec![WorldAnswer::Stored(true)]
                    }
                    WorldRequest::Get { key } => items
                        .get(&key)
                        .map(|item| WorldAnswer::Values(vec![item.clone()]))
                        .into_iter()
                        .collect(),
                    WorldRequest::Announce { topic, port } => {
                        topics.entry(topic).or_default().push(SocketAddr::new(from.ip(), port.get()));
                        vec![WorldAnswer::Stored(true)]
                    }
                    WorldRequest::Find { topic } => topics
                        .get(&topic)
                        .map(|peers| WorldAnswer::Peers(peers.clone()))
                        .into_iter()
                        .collect(),
                };
                for answer in answers.into_iter().chain([WorldAnswer::Over { reached: true }]) {
                    world.ask(host, |node, now| node.handle_worldwide(now, id, answer));
                }
            }
        }
    }
    // Each is told where it can be reached by the other only, which Mainline has led it to.
    let view = world.host(alice).node().unwrap().network().unwrap();
    assert_eq!(view.nodes.len(), 1, "{view:?}");
    expect_message(&mut world, alice, bob, "hello, world");
}

#[test]
fn mainline_is_not_asked_again_at_once_when_it_has_nothing() {
    let mut world = World::new(1);
    let by_mainline = WideConfig { mainline: true, ..wide(&[]) };
    let alice = far(&mut world, "alice", by_mainline.clone());
    let bob = far(&mut world, "bob", WideConfig { publish: false, ..by_mainline });
    world.befriend(&[alice, bob]);
    let peer = world.peer(bob);
    world.crash(bob);
    world.ask(alice, |node, now| node.send_message(now, peer, "are you there?")).unwrap();
    let mut gets = 0;
    for _ in 0..60 {
        world.run_for(Duration::from_secs(1));
        while let Some((id, request)) = world.ask(alice, |node, _| node.poll_worldwide()) {
            gets += usize::from(matches!(request, WorldRequest::Get { .. }));
            assert!(gets <= 10, "for two days, every 15 s");
            world
                .ask(alice, |node, now| node.handle_worldwide(now, id, WorldAnswer::Over { reached: false }));
        }
    }
    assert!(gets > 0);
}
