//! Contacts who are trusted to send without asking: what they send is in their folder, and nothing was replaced there.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::{Conflict, Decision, Event, FromContacts, Trust};
use hither_tests::{HostId, World, for_seeds};

const LIMIT: Duration = Duration::from_secs(60);

/// Bob, who asks about what contacts send and is there to answer, trusts alice with ten kilobytes.
fn trusting(seed: u64) -> (World, HostId, HostId) {
    let mut world = World::new(seed);
    let alice = world.add_host("alice");
    let bob = world.add_host_with("bob", |setup| {
        let rules = &mut setup.config.rules;
        (rules.contacts, rules.attended, rules.conflict) = (FromContacts::Ask, true, Conflict::Overwrite);
    });
    world.befriend(&[alice, bob]);
    let peer = world.peer(alice);
    let trust = Trust { into: "/alices".into(), up_to: Some(10_000) };
    world.ask(bob, |node, now| node.trust_contact(now, peer, Some(trust))).unwrap();
    (world, alice, bob)
}

fn send(world: &mut World, from: HostId, to: HostId, content: &[u8]) {
    world.disk(from).put_file("/home/note", content.to_vec());
    let peer = world.peer(to);
    world.ask(from, |node, now| node.offer(now, peer, vec!["/home/note".into()])).unwrap();
}

fn decision(world: &mut World, of: HostId) -> Decision {
    let event = world.expect(of, "an offer", LIMIT, |event| matches!(event, Event::Offered { .. }));
    let Event::Offered { decision, .. } = event else { unreachable!() };
    decision
}

#[test]
fn what_is_covered_arrives_by_itself_and_replaces_nothing() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob) = trusting(seed);
        for content in ["first", "second"] {
            send(&mut world, alice, bob, content.as_bytes());
            for host in [alice, bob] {
                world.expect(host, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
            }
        }
        let found = world.disk(bob).list("/alices");
        let names: Vec<&PathBuf> = found.keys().collect();
        assert_eq!(found.len(), 2, "{names:?}");
        assert!(world.disk(bob).list("/received").is_empty());
    });
}

#[test]
fn it_holds_after_a_restart_and_for_the_size_only() {
    for_seeds(3, |seed| {
        let (mut world, alice, bob) = trusting(seed);
        world.run_for(LIMIT);
        world.crash(bob);
        world.restart(bob);
        world.wait_until_ready(bob);
        send(&mut world, alice, bob, &[7; 10_001]);
        assert_eq!(decision(&mut world, bob), Decision::Ask);
        let peer = world.peer(bob);
        world.disk(alice).put_file("/home/other", vec![7; 10_000]);
        world.ask(alice, |node, now| node.offer(now, peer, vec!["/home/other".into()])).unwrap();
        assert_eq!(decision(&mut world, bob), Decision::Accepted);
    });
}
