//! Codes between nodes: who meets by one, what it costs to try, and what nobody learns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::storage::Table;
use hither_protocol::{
    Acceptance, Announcement, Code, CodeFailure, CodeFor, CodeId, CodeOptions, Conflict, Decision, EnterFor,
    Event, Sighting, Strangers, Surroundings,
};
use hither_tests::disk::Kind;
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::{HostId, World, for_seeds};

const SOON: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// A sender with a file to send, and a receiver; neither knows the other.
fn strangers(seed: u64) -> (World, HostId, HostId) {
    let mut world = World::new(seed);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.disk(alice).put_file("/home/film", vec![7; 100_000]);
    for host in [alice, bob] {
        world.wait_until_ready(host);
    }
    (world, alice, bob)
}

fn sends(paths: &[&str]) -> CodeFor {
    CodeFor::Send { paths: paths.iter().map(Into::into).collect() }
}

/// Makes a code and waits until it is good. Its words.
fn make(world: &mut World, host: HostId, purpose: CodeFor, options: CodeOptions) -> (CodeId, String) {
    let id = world.ask(host, |node, now| node.make_code(now, purpose, options)).unwrap();
    world.expect(
        host,
        "the code",
        SOON,
        |event| matches!(event, Event::CodeReady { id: ready, .. } if *ready == id),
    );
    let code = world.host(host).node().unwrap().code(id).unwrap();
    (id, code.to_string())
}

fn make_for_film(world: &mut World, alice: HostId) -> (CodeId, String) {
    make(world, alice, sends(&["/home/film"]), CodeOptions::default())
}

fn enter(world: &mut World, host: HostId, code: &str, purpose: EnterFor) -> CodeId {
    let code = Code::parse(code).unwrap();
    world.ask(host, |node, now| node.enter_code(now, code, purpose)).unwrap()
}

/// The code with its last word changed.
fn wrong(code: &str) -> String {
    let (start, last) = code.rsplit_once('-').unwrap();
    format!("{start}-{}", if last == "zoo" { "zero" } else { "zoo" })
}

fn accept(world: &mut World, bob: HostId) {
    let event = world.expect(bob, "the offer", SOON, |event| matches!(event, Event::Offered { .. }));
    let Event::Offered { transfer, decision, code, .. } = event else { unreachable!() };
    assert_eq!(decision, Decision::Ask, "a code is no consent");
    assert!(code.is_some());
    let how = Acceptance { into: RECEIVED.into(), name: None, conflict: Conflict::Refuse };
    world.ask(bob, |node, now| node.accept(now, transfer, how)).unwrap();
}

fn expect_finished(world: &mut World, hosts: &[HostId]) {
    for host in hosts {
        world.expect(*host, "the end", SOON, |event| matches!(event, Event::Finished { .. }));
    }
}

fn expect_failed(world: &mut World, host: HostId, id: CodeId, why: CodeFailure) {
    let event = world.expect(
        host,
        "a failure",
        SOON,
        |event| matches!(event, Event::CodeFailed { id: of, .. } if *of == id),
    );
    let Event::CodeFailed { why: told, .. } = event else { unreachable!() };
    assert_eq!(told, why);
}

#[test]
fn a_file_goes_to_whoever_types_the_code() {
    for_seeds(5, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let (made, code) = make_for_film(&mut world, alice);
        let entered = enter(&mut world, bob, &code, EnterFor::Receive);
        let event = world.expect(bob, "proof", SOON, |event| matches!(event, Event::CodeProven { .. }));
        let Event::CodeProven { id, peer, transfer } = event else { unreachable!() };
        assert_eq!((id, peer, transfer), (entered, world.peer(alice), None));
        let event = world.expect(alice, "proof", SOON, |event| matches!(event, Event::CodeProven { .. }));
        let Event::CodeProven { id, peer, transfer } = event else { unreachable!() };
        assert_eq!((id, peer, transfer.is_some()), (made, world.peer(bob), true));
        accept(&mut world, bob);
        expect_finished(&mut world, &[alice, bob]);
        assert_eq!(*world.disk(bob).content(format!("{RECEIVED}/film")).unwrap(), vec![7; 100_000]);
        world.expect(alice, "that it is used", SOON, |event| matches!(event, Event::CodeUsed { .. }));
    });
}

/// A host that takes what comes by a code without being asked.
fn trusting(world: &mut World, name: &str) -> HostId {
    let host = world.add_host_with(name, |setup| setup.config.rules.strangers = Strangers::Accept);
    world.wait_until_ready(host);
    host
}

fn expect_attempt(world: &mut World, host: HostId, left: u8) {
    let is = |event: &Event| matches!(event, Event::CodeAttempt { .. });
    let event = world.expect(host, "that somebody tried", SOON, is);
    assert!(matches!(event, Event::CodeAttempt { left: told, .. } if told == left), "{event:?}");
}

fn expect_burnt(world: &mut World, host: HostId) {
    world.expect(host, "that it is burnt", SOON, |event| matches!(event, Event::CodeBurnt { .. }));
}

/// The card that a host has on the local network.
fn card(world: &World, host: HostId) -> Announcement {
    let cards = || world.host(host).announced().iter().filter(|it| it.text.iter().any(|(key, _)| key == "c"));
    assert_eq!(cards().count(), 1);
    cards().next().unwrap().clone()
}

fn value(card: &Announcement, wanted: &str) -> String {
    card.text.iter().find(|(key, _)| key == wanted).unwrap().1.clone()
}

/// Lets a host see a card that somebody forged: of `place`, with this key, at this address.
fn forge(world: &mut World, victim: HostId, instance: &str, place: &str, key: &str, at: SocketAddr) {
    let text = [("v", "1"), ("c", place), ("k", key)];
    let text = text.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let sighting = Sighting { instance: instance.to_owned(), addresses: vec![at], text };
    world.ask(victim, |node, now| node.handle_surroundings(now, Surroundings::Sighted(sighting)));
}

/// The how-manieth one-time key of a forger, as a card says it.
fn forged_key(number: u32) -> String {
    let seed = blake3::derive_key("hither tests v1 forged", &number.to_le_bytes());
    let key = Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("card")).peer_id();
    key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn roads_that_lose_and_mix_up_are_no_obstacle() {
    for_seeds(5, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        world.connect(alice, bob, LinkConfig { reorder: 0.1, duplicate: 0.05, ..LinkConfig::lossy() });
        let (_, code) = make_for_film(&mut world, alice);
        enter(&mut world, bob, &code, EnterFor::Receive);
        accept(&mut world, bob);
        expect_finished(&mut world, &[alice, bob]);
    });
}

#[test]
fn the_first_byte_comes_in_the_fifth_round_trip() {
    const ONE_WAY: Duration = Duration::from_millis(100);
    let (mut world, alice, _) = strangers(1);
    let bob = trusting(&mut world, "carol");
    world.connect(alice, bob, LinkConfig { latency: ONE_WAY, ..LinkConfig::default() });
    // One packet: what is measured is the way to the first byte, not the bytes.
    world.disk(alice).put_file("/home/note", vec![1; 64]);
    let (_, code) = make(&mut world, alice, sends(&["/home/note"]), CodeOptions::default());
    world.run_for(Duration::from_secs(1));
    let begun = world.now();
    enter(&mut world, bob, &code, EnterFor::Receive);
    let written = |world: &World| world.host(bob).disk.requests(Kind::Write) > 0;
    world.expect_until("the first byte", SOON, written);
    // The handshake, CPace, the proofs with the offer behind the second, consent with the first chunk behind it. The
    // card had been seen before: asking for it is the fifth.
    let took = world.now() - begun;
    assert!(took > ONE_WAY * 2 * 3 && took < ONE_WAY * 2 * 4 + Duration::from_millis(80), "{took:?}");
}

#[test]
fn a_wrong_code_costs_one_attempt_and_both_are_told() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let (_, code) = make_for_film(&mut world, alice);
        let entered = enter(&mut world, bob, &wrong(&code), EnterFor::Receive);
        expect_attempt(&mut world, alice, 2);
        expect_failed(&mut world, bob, entered, CodeFailure::WrongCode);
        for host in [alice, bob] {
            let met = |event: &Event| matches!(event, Event::Connected { .. } | Event::CodeProven { .. });
            assert_eq!(world.host(host).count(met), 0, "nobody learns who the other is");
        }
        enter(&mut world, bob, &code, EnterFor::Receive);
        accept(&mut world, bob);
        expect_finished(&mut world, &[alice, bob]);
        assert_eq!(world.host(alice).count(|event| matches!(event, Event::CodeAttempt { .. })), 1);
    });
}

#[test]
fn three_wrong_codes_burn_it_for_the_right_one_too() {
    let (mut world, alice, bob) = strangers(1);
    let (id, code) = make_for_film(&mut world, alice);
    for (left, why) in [(2, CodeFailure::WrongCode), (1, CodeFailure::WrongCode), (0, CodeFailure::Burnt)] {
        let entered = enter(&mut world, bob, &wrong(&code), EnterFor::Receive);
        expect_attempt(&mut world, alice, left);
        expect_failed(&mut world, bob, entered, why);
    }
    expect_burnt(&mut world, alice);
    assert!(world.host(alice).node().unwrap().code(id).is_none());
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::Burnt);
    assert_eq!(world.disk(alice).records(Table::Codes).count(), 0);
    let (_, another) = make_for_film(&mut world, alice);
    assert_ne!(another, code);
}

#[test]
fn whoever_burns_a_code_is_told_though_its_maker_ends_at_that() {
    for_seeds(40, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let (_, code) = make_for_film(&mut world, alice);
        for left in [2, 1] {
            let entered = enter(&mut world, bob, &wrong(&code), EnterFor::Receive);
            expect_attempt(&mut world, alice, left);
            expect_failed(&mut world, bob, entered, CodeFailure::WrongCode);
        }
        // What is said last is overtaken now and then.
        world.connect(alice, bob, LinkConfig { reorder: 0.5, ..LinkConfig::lan() });
        let entered = enter(&mut world, bob, &wrong(&code), EnterFor::Receive);
        expect_burnt(&mut world, alice);
        world.ask(alice, |node, now| node.close(now));
        expect_failed(&mut world, bob, entered, CodeFailure::Burnt);
    });
}

#[test]
fn a_code_expires_and_late_ones_are_told() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    world.run_for(HOUR);
    world.expect(alice, "that its time is over", SOON, |event| matches!(event, Event::CodeExpired { .. }));
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::Expired);
    world.run_for(HOUR);
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::NotFound);
    assert_eq!(world.disk(alice).records(Table::Codes).count(), 0);
}

#[test]
fn a_code_is_used_once() {
    let (mut world, alice, bob) = strangers(1);
    let carol = world.add_host("carol");
    world.wait_until_ready(carol);
    let (_, code) = make_for_film(&mut world, alice);
    enter(&mut world, bob, &code, EnterFor::Receive);
    accept(&mut world, bob);
    expect_finished(&mut world, &[alice, bob]);
    let entered = enter(&mut world, carol, &code, EnterFor::Receive);
    expect_failed(&mut world, carol, entered, CodeFailure::AlreadyUsed);
    assert_eq!(world.host(alice).count(|event| matches!(event, Event::CodeProven { .. })), 1);
    // What is made for the same purpose now is another code.
    let (_, another) = make_for_film(&mut world, alice);
    assert_ne!(another, code);
}

#[test]
fn several_receivers_at_once_are_served_and_one_more_is_not() {
    let (mut world, alice, _) = strangers(1);
    // More than are answered without a Retry packet.
    let hosts: Vec<_> = (0..41).map(|number| trusting(&mut world, &format!("receiver {number}"))).collect();
    let options = CodeOptions { receivers: 40, ..CodeOptions::default() };
    let (_, code) = make(&mut world, alice, sends(&["/home/film"]), options);
    for host in &hosts {
        enter(&mut world, *host, &code, EnterFor::Receive);
    }
    let served = |world: &World| {
        let finished =
            |host: &&HostId| world.host(**host).count(|event| matches!(event, Event::Finished { .. })) == 1;
        hosts.iter().filter(finished).count()
    };
    world.expect_until("forty files", Duration::from_secs(120), |world| served(world) == 40);
    world.expect(alice, "that it is used", SOON, |event| matches!(event, Event::CodeUsed { .. }));
    world.run_for(SOON);
    assert_eq!(served(&world), 40);
    let told =
        |host: &&HostId| world.host(**host).count(|event| matches!(event, Event::CodeFailed { .. })) == 1;
    assert_eq!(hosts.iter().filter(told).count(), 1);
    assert_eq!(world.host(alice).count(|event| matches!(event, Event::CodeAttempt { .. })), 0);
}

#[test]
fn two_senders_whose_codes_begin_alike_are_told_apart() {
    let (mut world, alice, bob) = strangers(3);
    let carol = world.add_host("carol");
    world.wait_until_ready(carol);
    let public = |code: &str| code.split('-').next().unwrap().to_owned();
    let mut made = BTreeMap::new();
    for number in 0..16 {
        let (_, code) =
            make(&mut world, alice, sends(&[&format!("/home/film{number}")]), CodeOptions::default());
        world.disk(alice).put_file(format!("/home/film{number}"), vec![7; 100]);
        made.insert(public(&code), code);
    }
    // Carol draws until hers begins like one of these.
    let twin = loop {
        let (id, code) = make(&mut world, carol, sends(&["/home/other"]), CodeOptions::default());
        if let Some(twin) = made.get(&public(&code)) {
            break twin.clone();
        }
        world.ask(carol, |node, now| node.withdraw_code(now, id));
    };
    let entered = enter(&mut world, bob, &twin, EnterFor::Receive);
    let event = world.expect(bob, "proof", SOON, |event| matches!(event, Event::CodeProven { .. }));
    let Event::CodeProven { id, peer, .. } = event else { unreachable!() };
    assert_eq!((id, peer), (entered, world.peer(alice)));
    // Whichever was asked first: hers has lost no more than that one attempt.
    assert!(world.host(carol).count(|event| matches!(event, Event::CodeAttempt { .. })) <= 1);
    assert_eq!(world.host(carol).count(|event| matches!(event, Event::Connected { .. })), 0);
}

#[test]
fn nobody_in_between_reads_who_meets_or_about_what() {
    let (mut world, alice, bob) = strangers(1);
    world.capture();
    let (_, code) = make_for_film(&mut world, alice);
    let announced = format!("{:?}", world.host(alice).announced());
    enter(&mut world, bob, &code, EnterFor::Receive);
    accept(&mut world, bob);
    expect_finished(&mut world, &[alice, bob]);
    let secret = code.split_once('-').unwrap().1;
    let mut known: Vec<Vec<u8>> = vec![b"film".to_vec(), secret.as_bytes().to_vec()];
    known.extend(secret.split('-').map(|word| word.as_bytes().to_vec()));
    for host in [alice, bob] {
        let peer = world.peer(host);
        known.extend([peer.as_bytes().to_vec(), peer.to_string().into_bytes()]);
        known.push(peer.noise_public().as_bytes().to_vec());
    }
    assert!(world.captured().len() > 10);
    for datagram in world.captured() {
        for text in &known {
            assert!(!datagram.data.windows(text.len()).any(|window| window == text));
        }
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!announced.contains(secret) && !announced.contains(&hex(world.peer(alice).as_bytes())));
    // Nor does anyone who reads a log.
    for host in [alice, bob] {
        let said = format!("{:?}", world.host(host).events());
        assert!(!said.contains(secret) && !said.contains(&code));
    }
}

#[test]
fn cards_go_by_names_that_lead_nowhere() {
    let (mut world, alice, _) = strangers(1);
    make_for_film(&mut world, alice);
    make(&mut world, alice, CodeFor::Receive, CodeOptions::default());
    let announced = world.host(alice).announced().to_vec();
    assert_eq!(announced.len(), 3, "the node itself, and two codes");
    let names: std::collections::BTreeSet<_> =
        announced.iter().flat_map(|it| [it.instance.clone(), it.host.clone()]).collect();
    assert_eq!(names.len(), 6);
    let keys: std::collections::BTreeSet<_> =
        announced.iter().flat_map(|it| it.text.iter()).filter(|(key, _)| key == "k").collect();
    assert_eq!(keys.len(), 2);
    // On another network by others.
    let elsewhere = Surroundings::Addresses(vec!["10.0.77.1:4919".parse().unwrap()]);
    world.ask(alice, |node, now| node.handle_surroundings(now, elsewhere));
    assert!(
        world
            .host(alice)
            .announced()
            .iter()
            .all(|it| !names.contains(&it.instance) && !names.contains(&it.host))
    );
}

#[test]
fn a_forged_card_learns_nothing_and_stops_nobody() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let mallory = world.add_host("mallory");
        world.wait_until_ready(mallory);
        let (_, code) = make_for_film(&mut world, alice);
        // Mallory answers for a key of her own, at the place of alice's code.
        make(&mut world, mallory, CodeFor::Receive, CodeOptions::default());
        let (place, key) = (value(&card(&world, alice), "c"), value(&card(&world, mallory), "k"));
        let at = world.host(mallory).address();
        world.partition(alice, bob);
        enter(&mut world, bob, &code, EnterFor::Receive);
        forge(&mut world, bob, "0000000000000000", &place, &key, at);
        expect_attempt(&mut world, mallory, 2);
        world.heal(alice, bob);
        accept(&mut world, bob);
        expect_finished(&mut world, &[alice, bob]);
        let told = |event: &Event| matches!(event, Event::Connected { .. } | Event::CodeProven { .. });
        assert_eq!(world.host(mallory).count(told), 0, "she does not learn who it was");
    });
}

#[test]
fn a_thousand_forged_cards_do_not_hide_one_that_was_there() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    world.run_for(Duration::from_secs(1));
    let place = value(&card(&world, alice), "c");
    enter(&mut world, bob, &code, EnterFor::Receive);
    for number in 0..1000 {
        let at = SocketAddr::from(([10, 0, 200, 1], 1000 + u16::try_from(number).unwrap()));
        forge(&mut world, bob, &format!("{number:016}"), &place, &forged_key(number), at);
    }
    accept(&mut world, bob);
    expect_finished(&mut world, &[alice, bob]);
}

#[test]
fn a_thousand_forged_cards_before_the_true_one_are_given_up_in_time() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    let place = value(&card(&world, alice), "c");
    world.partition(alice, bob);
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    let begun = world.counts().datagrams;
    for number in 0..1000 {
        let at = SocketAddr::from(([10, 0, 200, 1], 1000 + u16::try_from(number).unwrap()));
        forge(&mut world, bob, &format!("{number:016}"), &place, &forged_key(number), at);
    }
    world.heal(alice, bob);
    // Some of them are dialled, a few packets each, and no more than the first 256.
    let is = |event: &Event| matches!(event, Event::CodeFailed { .. });
    let event = world.expect(bob, "an end", Duration::from_secs(71), is);
    assert!(
        matches!(event, Event::CodeFailed { id, why: CodeFailure::TooMany } if id == entered),
        "{event:?}"
    );
    assert!(world.counts().datagrams - begun < 256 * 8);
    assert_eq!(world.host(alice).count(|event| matches!(event, Event::CodeAttempt { .. })), 0);
}

#[test]
fn what_was_recorded_is_worth_nothing_when_it_is_said_again() {
    let (mut world, alice, bob) = strangers(1);
    world.capture();
    let options = CodeOptions { receivers: 9, ..CodeOptions::default() };
    let (id, code) = make(&mut world, alice, sends(&["/home/film"]), options);
    enter(&mut world, bob, &code, EnterFor::Receive);
    accept(&mut world, bob);
    expect_finished(&mut world, &[alice, bob]);
    world.run_for(Duration::from_secs(60));
    let (from, to) = (world.host(bob).address(), world.host(alice).address());
    let recorded: Vec<_> =
        world.captured().iter().filter(|it| it.to == to).map(|it| it.data.clone()).collect();
    world.crash(bob);
    world.run_for(Duration::from_secs(60));
    world.forbid(alice, "that somebody tried", |event| {
        matches!(event, Event::CodeAttempt { .. } | Event::CodeProven { .. } | Event::Connected { .. })
    });
    for source in [from, "10.0.200.1:4919".parse().unwrap()] {
        for datagram in &recorded {
            world.inject(source, to, datagram);
        }
        world.run_for(Duration::from_secs(60));
    }
    let left = world.host(alice).node().unwrap().code(id);
    assert_eq!(left.map(|text| text.to_string()), Some(code), "it is as good as before");
}

#[test]
fn attackers_in_parallel_have_three_guesses_together() {
    for_seeds(3, |seed| {
        let (mut world, alice, _) = strangers(seed);
        let attackers: Vec<_> =
            (0..8).map(|number| trusting(&mut world, &format!("attacker {number}"))).collect();
        let (_, code) = make_for_film(&mut world, alice);
        for attacker in &attackers {
            enter(&mut world, *attacker, &wrong(&code), EnterFor::Receive);
        }
        expect_burnt(&mut world, alice);
        world.run_for(SOON);
        assert_eq!(world.host(alice).count(|event| matches!(event, Event::CodeAttempt { .. })), 3);
        let told = |why| {
            let is =
                move |event: &Event| matches!(event, Event::CodeFailed { why: told, .. } if *told == why);
            attackers.iter().map(|host| world.host(*host).count(is)).sum::<usize>()
        };
        assert_eq!((told(CodeFailure::WrongCode), told(CodeFailure::Burnt)), (2, 6));
    });
}

#[test]
fn two_attackers_and_the_right_one_in_parallel() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let attackers = ["mallory", "eve"].map(|name| trusting(&mut world, name));
        let (_, code) = make_for_film(&mut world, alice);
        for attacker in attackers {
            enter(&mut world, attacker, &wrong(&code), EnterFor::Receive);
        }
        enter(&mut world, bob, &code, EnterFor::Receive);
        accept(&mut world, bob);
        expect_finished(&mut world, &[alice, bob]);
        for attacker in attackers {
            let learnt = |event: &Event| matches!(event, Event::Connected { .. } | Event::Offered { .. });
            assert_eq!(world.host(attacker).count(learnt), 0);
        }
    });
}

#[test]
fn a_sender_started_anew_between_attempts_counts_on() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let (id, code) = make_for_film(&mut world, alice);
        for left in [2, 1, 0] {
            enter(&mut world, bob, &wrong(&code), EnterFor::Receive);
            expect_attempt(&mut world, alice, left);
            // Whatever is not durable is lost with the power.
            world.crash(alice);
            world.run_for(SOON);
            world.restart(alice);
            world.wait_until_ready(alice);
            if left > 0 {
                let again = world.ask(alice, |node, now| {
                    node.make_code(now, sends(&["/home/film"]), CodeOptions::default())
                });
                assert_eq!(again, Ok(id));
                let event = world.expect(
                    alice,
                    "the same code",
                    SOON,
                    |event| matches!(event, Event::CodeReady { left: told, .. } if *told == left),
                );
                assert!(matches!(event, Event::CodeReady { id: ready, .. } if ready == id));
                assert_eq!(*world.host(alice).node().unwrap().code(id).unwrap(), code);
            }
        }
        let (_, another) = make_for_film(&mut world, alice);
        assert_ne!(another, code, "a burnt one is never good again");
    });
}

#[test]
fn power_that_fails_in_the_middle_of_an_attempt_costs_that_attempt() {
    for_seeds(10, |seed| {
        let (mut world, alice, bob) = strangers(seed);
        let (id, code) = make_for_film(&mut world, alice);
        enter(&mut world, bob, &code, EnterFor::Receive);
        // Somewhere on the way, another place with each seed.
        world.run_for(Duration::from_micros(200 * seed));
        world.crash(alice);
        let met = world.host(alice).count(|event| matches!(event, Event::CodeProven { .. })) > 0;
        world.restart(alice);
        world.wait_until_ready(alice);
        if met {
            return;
        }
        let again =
            world.ask(alice, |node, now| node.make_code(now, sends(&["/home/film"]), CodeOptions::default()));
        assert_eq!(again, Ok(id));
        let is = |event: &Event| matches!(event, Event::CodeReady { left: 2..=3, .. });
        world.expect(alice, "the code", SOON, is);
    });
}

#[test]
fn a_sender_who_is_gone_is_not_found_or_does_not_answer() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    world.run_for(Duration::from_secs(1));
    world.partition(alice, bob);
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::NoAnswer);
    world.heal(alice, bob);
    world.kill(alice);
    world.run_for(Duration::from_secs(1));
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::NotFound);
}

#[test]
fn a_receiver_may_make_the_code_and_a_sender_type_it() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make(&mut world, bob, CodeFor::Receive, CodeOptions::default());
    let entered = enter(&mut world, alice, &code, EnterFor::Send { paths: vec!["/home/film".into()] });
    let event = world.expect(alice, "proof", SOON, |event| matches!(event, Event::CodeProven { .. }));
    let Event::CodeProven { id, peer, transfer } = event else { unreachable!() };
    assert_eq!((id, peer, transfer.is_some()), (entered, world.peer(bob), true));
    accept(&mut world, bob);
    expect_finished(&mut world, &[alice, bob]);
}

#[test]
fn a_message_goes_by_a_code_too() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make(&mut world, alice, sends(&[]), CodeOptions::default());
    enter(&mut world, bob, &code, EnterFor::Receive);
    let event = world.expect(alice, "proof", SOON, |event| matches!(event, Event::CodeProven { .. }));
    let Event::CodeProven { peer, transfer, .. } = event else { unreachable!() };
    assert_eq!(transfer, None);
    world.ask(alice, |node, now| node.send_message(now, peer, "hello")).unwrap();
    let is = |event: &Event| matches!(event, Event::Message { text, .. } if text == "hello");
    world.expect(bob, "the message", SOON, is);
}

#[test]
fn two_pair_and_become_contacts_by_their_own_word_only() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make(&mut world, alice, CodeFor::Pair, CodeOptions::default());
    enter(&mut world, bob, &code, EnterFor::Pair);
    for (host, other) in [(alice, bob), (bob, alice)] {
        let event = world.expect(host, "proof", SOON, |event| matches!(event, Event::CodeProven { .. }));
        assert!(matches!(event, Event::CodeProven { peer, .. } if peer == world.peer(other)));
        assert!(world.host(host).node().unwrap().contacts().is_empty());
    }
    world.befriend(&[alice, bob]);
    let to = world.peer(bob);
    world.ask(alice, |node, now| node.send_message(now, to, "hello")).unwrap();
    world.expect(bob, "the message", SOON, |event| matches!(event, Event::Message { .. }));
}

#[test]
fn a_code_for_something_else_is_said_to_be_and_stays_good() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    let entered = enter(&mut world, bob, &code, EnterFor::Pair);
    expect_failed(&mut world, bob, entered, CodeFailure::DifferentPurpose);
    world.expect(alice, "that it did not fit", SOON, |event| {
        matches!(event, Event::CodeFailed { why: CodeFailure::DifferentPurpose, .. })
    });
    enter(&mut world, bob, &code, EnterFor::Receive);
    accept(&mut world, bob);
    expect_finished(&mut world, &[alice, bob]);
    assert_eq!(world.host(alice).count(|event| matches!(event, Event::CodeAttempt { .. })), 0);
}

#[test]
fn one_node_has_several_codes_at_once_for_several_things() {
    let (mut world, alice, bob) = strangers(1);
    let carol = world.add_host("carol");
    world.wait_until_ready(carol);
    world.disk(carol).put_file("/home/song", vec![9; 1000]);
    let (_, film) = make_for_film(&mut world, alice);
    let (_, inbox) = make(&mut world, alice, CodeFor::Receive, CodeOptions::default());
    let (_, pair) = make(&mut world, bob, CodeFor::Pair, CodeOptions::default());
    enter(&mut world, bob, &film, EnterFor::Receive);
    enter(&mut world, carol, &inbox, EnterFor::Send { paths: vec!["/home/song".into()] });
    enter(&mut world, carol, &pair, EnterFor::Pair);
    accept(&mut world, bob);
    accept(&mut world, alice);
    expect_finished(&mut world, &[alice, alice, bob, carol]);
    let proven = |host| world.host(host).count(|event| matches!(event, Event::CodeProven { .. }));
    assert_eq!((proven(alice), proven(bob), proven(carol)), (2, 2, 2));
}

#[test]
fn a_code_typed_where_it_was_made_is_said_to_be_ones_own() {
    let (mut world, alice, _) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    let entered = enter(&mut world, alice, &code, EnterFor::Receive);
    expect_failed(&mut world, alice, entered, CodeFailure::Oneself);
}

#[test]
fn a_code_that_is_withdrawn_is_good_no_more() {
    let (mut world, alice, bob) = strangers(1);
    let (id, code) = make_for_film(&mut world, alice);
    world.ask(alice, |node, now| node.withdraw_code(now, id));
    world.run_for(Duration::from_secs(1));
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::NotFound);
    assert_eq!(world.disk(alice).records(Table::Codes).count(), 0);
    assert_eq!(world.host(alice).announced().len(), 1);
}

#[test]
fn a_transfer_by_code_goes_on_when_the_link_breaks() {
    let (mut world, alice, _) = strangers(1);
    let bob = trusting(&mut world, "carol");
    world.disk(alice).put_file("/home/series", vec![5; 40_000_000]);
    world.connect(alice, bob, LinkConfig::dsl());
    let (_, code) = make(&mut world, alice, sends(&["/home/series"]), CodeOptions::default());
    enter(&mut world, bob, &code, EnterFor::Receive);
    world.expect(bob, "the beginning", SOON, |event| matches!(event, Event::Started { .. }));
    world.run_for(Duration::from_secs(2));
    world.partition(alice, bob);
    world.expect(bob, "the loss", Duration::from_secs(60), |event| matches!(event, Event::Suspended { .. }));
    world.heal(alice, bob);
    for host in [alice, bob] {
        let is = |event: &Event| matches!(event, Event::Finished { .. });
        world.expect(host, "the end", Duration::from_secs(600), is);
    }
}

#[test]
fn no_code_where_attempts_cannot_be_counted() {
    let (mut world, alice, bob) = strangers(1);
    let (_, code) = make_for_film(&mut world, alice);
    world.disk(alice).fail(Kind::Commit, 0, hither_protocol::storage::StorageError::Full);
    let entered = enter(&mut world, bob, &code, EnterFor::Receive);
    expect_failed(&mut world, bob, entered, CodeFailure::Busy);
    assert_eq!(world.host(bob).count(|event| matches!(event, Event::CodeProven { .. })), 0);
}
