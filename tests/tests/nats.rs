//! Nodes behind home routers: found by their ids, called through others, and reached where two routers allow it.

use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::dht::{
    BlindedIdentity, Contact, Content, Introduced, Mode, NodeKey, Period, RecordKind,
};
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::noise::quic::NetworkId;
use hither_protocol::{
    Acceptance, Code, CodeFor, CodeOptions, Conflict, EnterFor, Event, MessageState, NetworkView,
    Unreachable, WIDE_WORDS, WideConfig, WorldAnswer, WorldRequest,
};
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::nat::NatKind;
use hither_tests::world::Captured;
use hither_tests::{HostId, World, for_seeds};

const LATER: Duration = Duration::from_secs(60);
/// Until everyone has found their place.
const SETTLED: Duration = Duration::from_secs(40);

/// Nodes that everyone can reach, so many of them, and one behind each of these routers.
fn network<const N: usize>(
    seed: u64,
    public: usize,
    routers: [Option<NatKind>; N],
) -> (World, Vec<HostId>, [HostId; N]) {
    let mut world = World::new(seed);
    world.set_default_link(LinkConfig::dsl());
    let mut nodes: Vec<HostId> = Vec::new();
    let mut add = |name: String, nat: Option<NatKind>| {
        let bootstrap = nodes.first().map(|first| world.host(*first).address()).into_iter().collect();
        let host = world.add_host_with(&name, |setup| {
            setup.segment = None;
            setup.nat = nat;
            setup.config.wide = Some(WideConfig { publish: true, public: false, mainline: false, bootstrap });
        });
        world.wait_until_ready(host);
        nodes.push(host);
        host
    };
    for number in 0..public {
        add(format!("node {number}"), None);
    }
    let mut number = 0;
    let people = routers.map(|nat| {
        number += 1;
        add(format!("{number} behind {nat:?}"), nat)
    });
    world.run_for(SETTLED);
    world.befriend(&people);
    nodes.truncate(public);
    (world, nodes, people)
}

fn say(world: &mut World, from: HostId, to: HostId, text: &str) {
    let peer = world.peer(to);
    world.ask(from, |node, now| node.send_message(now, peer, text)).unwrap();
}

fn expect_message(world: &mut World, from: HostId, to: HostId, text: &str) {
    say(world, from, to, text);
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

fn view(world: &World, host: HostId) -> NetworkView {
    world.host(host).node().unwrap().network().unwrap()
}

#[test]
fn two_behind_routers_reach_each_other_by_their_ids() {
    for_seeds(5, |seed| {
        let routers = [Some(NatKind::PortRestricted), Some(NatKind::PortRestricted)];
        let (mut world, nodes, [alice, bob]) = network(seed, 4, routers);
        for host in [alice, bob] {
            let view = view(&world, host);
            assert_eq!((view.mode, view.introducers.len()), (Mode::Client, 2), "{view:?}");
            assert!(view.reachable.is_empty());
        }
        let introduced: usize = nodes.iter().map(|node| view(&world, *node).introduces).sum();
        assert_eq!(introduced, 4);
        expect_message(&mut world, alice, bob, "through two routers");
        expect_message(&mut world, bob, alice, "and back");
    });
}

#[test]
fn a_file_goes_straight_between_two_routers() {
    let routers = [Some(NatKind::PortRestricted), Some(NatKind::PortRestricted)];
    let (mut world, nodes, [alice, bob]) = network(1, 3, routers);
    world.disk(alice).put_file("/home/film", vec![7; 3 << 20]);
    let peer = world.peer(bob);
    world.capture();
    world.ask(alice, |node, now| node.offer(now, peer, vec!["/home/film".into()])).unwrap();
    world.expect(bob, "the end", LATER, |event| matches!(event, Event::Finished { .. }));
    assert_eq!(world.disk(bob).content(format!("{RECEIVED}/film")).unwrap().len(), 3 << 20);
    // Those in between pass on a call, and nothing else.
    let public: Vec<_> = nodes.iter().map(|node| world.host(*node).address()).collect();
    let past_them = |it: &Captured| public.contains(&it.from) || public.contains(&it.to);
    let bytes: usize = world.captured().iter().filter(|it| past_them(it)).map(|it| it.data.len()).sum();
    assert!(bytes < 100_000, "{bytes}");
}

#[test]
fn a_code_leads_through_two_routers() {
    for_seeds(3, |seed| {
        let routers = [Some(NatKind::PortRestricted), Some(NatKind::PortRestricted)];
        let (mut world, _, [alice, bob]) = network(seed, 4, routers);
        world.disk(alice).put_file("/home/film", vec![7; 100_000]);
        let purpose = CodeFor::Send { paths: vec!["/home/film".into()] };
        let options = CodeOptions { words: WIDE_WORDS, ..CodeOptions::default() };
        let id = world.ask(alice, |node, now| node.make_code(now, purpose, options)).unwrap();
        world.expect(alice, "the code", LATER, |event| matches!(event, Event::CodeReady { .. }));
        let code = Code::parse(&world.host(alice).node().unwrap().code(id).unwrap()).unwrap();
        world.run_for(Duration::from_secs(5));
        world.ask(bob, |node, now| node.enter_code(now, code, EnterFor::Receive)).unwrap();
        let event = world.expect(bob, "the offer", LATER, |event| matches!(event, Event::Offered { .. }));
        let Event::Offered { transfer, .. } = event else { unreachable!() };
        let how = Acceptance { into: RECEIVED.into(), name: None, conflict: Conflict::Refuse };
        world.ask(bob, |node, now| node.accept(now, transfer, how)).unwrap();
        world.expect(bob, "the end", LATER, |event| matches!(event, Event::Finished { .. }));
        assert_eq!(world.disk(bob).content(format!("{RECEIVED}/film")).unwrap().len(), 100_000);
    });
}

#[test]
fn who_does_not_publish_is_introduced_while_a_code_of_theirs_is_good() {
    let (mut world, nodes, [alice]) = network(1, 3, [Some(NatKind::PortRestricted)]);
    let bootstrap = vec![world.host(nodes[0]).address()];
    let hidden = world.add_host_with("hidden", |setup| {
        setup.segment = None;
        setup.nat = Some(NatKind::PortRestricted);
        setup.config.wide = Some(WideConfig { publish: false, public: false, mainline: false, bootstrap });
    });
    world.run_for(SETTLED);
    assert!(view(&world, hidden).introducers.is_empty());
    world.disk(hidden).put_file("/home/film", vec![7; 100]);
    let purpose = CodeFor::Send { paths: vec!["/home/film".into()] };
    let options = CodeOptions { words: WIDE_WORDS, ..CodeOptions::default() };
    let id = world.ask(hidden, |node, now| node.make_code(now, purpose, options)).unwrap();
    world.run_for(Duration::from_secs(5));
    assert_eq!(view(&world, hidden).introducers.len(), 2);
    // It is called by the code, and not by its id.
    let peer = world.peer(hidden);
    world.ask(alice, |node, now| node.connect(now, peer));
    let not_found = |event: &Event| matches!(event, Event::Unreachable { why: Unreachable::NotFound, .. });
    world.expect(alice, "that it is not found", LATER, not_found);
    world.ask(hidden, |node, now| node.withdraw_code(now, id));
    world.run_for(Duration::from_secs(5));
    assert!(view(&world, hidden).introducers.is_empty());
}

#[test]
fn whoever_is_seen_at_another_port_by_everyone_is_reached_by_whom_they_can_reach() {
    for_seeds(3, |seed| {
        let routers = [Some(NatKind::Symmetric), None, Some(NatKind::FullCone)];
        let (mut world, _, [alice, carol, bob]) = network(seed, 4, routers);
        expect_message(&mut world, carol, alice, "by one whom all can reach");
        expect_message(&mut world, bob, alice, "by one whose router lets everyone in");
    });
    for_seeds(3, |seed| {
        let routers = [Some(NatKind::Symmetric), Some(NatKind::FullCone)];
        let (mut world, _, [alice, bob]) = network(seed, 4, routers);
        expect_message(&mut world, alice, bob, "the other way round");
    });
}

#[test]
fn two_routers_that_allow_no_way_are_given_up_in_time() {
    let routers = [Some(NatKind::Symmetric), Some(NatKind::PortRestricted)];
    let (mut world, _, [alice, bob]) = network(1, 4, routers);
    for (from, to) in [(alice, bob), (bob, alice)] {
        let peer = world.peer(to);
        world.ask(from, |node, now| node.connect(now, peer));
        let given_up = |event: &Event| matches!(event, Event::Unreachable { peer: who, why: Unreachable::NoAnswer } if *who == peer);
        world.expect(from, "that there is no way", LATER, given_up);
    }
}

#[test]
fn the_way_stays_open_though_nothing_happens_for_hours() {
    let routers = [Some(NatKind::PortRestricted), Some(NatKind::PortRestricted), Some(NatKind::FullCone)];
    let (mut world, _, [alice, bob, carol]) = network(1, 6, routers);
    world.run_for(Duration::from_secs(3 * 3600));
    expect_message(&mut world, alice, bob, "are you still there?");
    expect_message(&mut world, alice, carol, "and you?");
}

#[test]
fn those_who_introduce_may_leave() {
    for_seeds(3, |seed| {
        let routers = [Some(NatKind::PortRestricted), Some(NatKind::PortRestricted)];
        let (mut world, nodes, [alice, bob]) = network(seed, 6, routers);
        let by = view(&world, bob).introducers;
        for node in nodes {
            if by.contains(&world.host(node).address()) {
                world.kill(node);
            }
        }
        world.run_for(Duration::from_secs(60));
        let now = view(&world, bob).introducers;
        assert!(now.len() == 2 && now.iter().all(|it| !by.contains(it)), "{now:?}");
        expect_message(&mut world, alice, bob, "by way of others");
    });
}

#[test]
fn who_introduces_a_friend_reaches_them() {
    for_seeds(3, |seed| {
        let (mut world, nodes, [bob]) = network(seed, 1, [Some(NatKind::PortRestricted)]);
        world.befriend(&[nodes[0], bob]);
        expect_message(&mut world, nodes[0], bob, "you are called by the one who would call you");
    });
}

#[test]
fn a_router_that_gets_another_address_is_found_there() {
    for_seeds(3, |seed| {
        let routers = [Some(NatKind::PortRestricted), Some(NatKind::PortRestricted)];
        let (mut world, _, [alice, bob]) = network(seed, 6, routers);
        world.readdress(bob, SocketAddr::from(([9, 9, seed as u8, 9], 4919)));
        world.run_for(LATER);
        expect_message(&mut world, alice, bob, "you have moved");
    });
}

#[test]
fn whoever_signs_many_records_has_nobody_call_more_than_every_two_seconds() {
    const SEARCHED: u32 = 10;
    let mut world = World::new(1);
    let alice = world.add_host_with("alice", |setup| {
        setup.segment = None;
        let bootstrap = Vec::new();
        setup.config.wide = Some(WideConfig { publish: false, public: false, mainline: true, bootstrap });
    });
    world.wait_until_ready(alice);
    let mut random = Entropy::new(Seed::new([7; 32])).stream("mallory");
    let mallory = Identity::generate(&mut random);
    // They need not take part: an address is enough, whosever it is.
    let victims: [SocketAddr; 3] = [1, 2, 3].map(|number| SocketAddr::from(([9, number, 1, 1], 53)));
    let by = [1, 2, 3]
        .map(|number| Contact::new(NodeKey([number; 32]), victims[usize::from(number) - 1]).unwrap());
    let content = Content::addresses(&[], Some(Introduced { key: NodeKey([6; 32]), by: by.to_vec() }));
    let peer = mallory.peer_id();
    world.ask(alice, |node, now| node.connect(now, peer));
    let period = Period::of(world.host(alice).unix_time(world.now()));
    let signer = BlindedIdentity::new(&mallory, RecordKind::Addresses, period, &NetworkId::default());
    let (mut sequence, mut asked) = (0, None);
    for _ in 0..SEARCHED * 10 {
        while let Some((id, request)) = world.ask(alice, |node, _| node.poll_worldwide()) {
            if matches!(request, WorldRequest::Get { key } if key == *signer.id().key()) {
                asked = Some(id);
            } else {
                let over = WorldAnswer::Over { reached: true };
                world.ask(alice, |node, now| node.handle_worldwide(now, id, over));
            }
        }
        // Fifty newer ones every tenth of a second.
        if let Some(id) = asked {
            let mut records = Vec::new();
            for _ in 0..50 {
                sequence += 1;
                let record = signer.sign(sequence, Duration::from_secs(60), &content, &mut random).unwrap();
                records.push((sequence, record.encode()));
            }
            world.ask(alice, |node, now| node.handle_worldwide(now, id, WorldAnswer::Values(records)));
        }
        world.run_for(Duration::from_millis(100));
    }
    assert!(asked.is_some(), "it was looked for");
    for victim in victims {
        let received = world.outside(victim).received;
        let calls = received / 400;
        assert!(
            (3..=u64::from(SEARCHED / 2)).contains(&calls),
            "{calls} calls, {received} bytes to {victim}"
        );
    }
}

#[test]
fn who_does_not_publish_is_introduced_by_nobody() {
    let mut world = World::new(1);
    world.set_default_link(LinkConfig::dsl());
    let first = world.add_host_with("first", |setup| {
        setup.segment = None;
        let bootstrap = Vec::new();
        setup.config.wide = Some(WideConfig { publish: true, public: false, mainline: false, bootstrap });
    });
    let bootstrap = vec![world.host(first).address()];
    let hidden = world.add_host_with("hidden", |setup| {
        setup.segment = None;
        setup.nat = Some(NatKind::PortRestricted);
        setup.config.wide = Some(WideConfig { publish: false, public: false, mainline: false, bootstrap });
    });
    world.run_for(SETTLED);
    assert!(view(&world, hidden).introducers.is_empty());
    assert_eq!(view(&world, first).introduces, 0);
}
