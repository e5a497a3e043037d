//! Codes between nodes: who meets by one, what it costs to try, and what nobody learns.

use std::time::Duration;

use hither_protocol::{Code, CodeFailure, CodeFor, CodeId, CodeOptions, Decision, EnterFor, Event};
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::{HostId, World, for_seeds};

const SOON: Duration = Duration::from_secs(20);

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
    let how = hither_protocol::Acceptance {
        into: RECEIVED.into(),
        name: None,
        conflict: hither_protocol::Conflict::Refuse,
    };
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
