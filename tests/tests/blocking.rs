//! Someone who is blocked: nothing of theirs is taken, and they do not knock without end.

use std::time::Duration;

use hither_protocol::{Event, MessageState};
use hither_tests::{World, for_seeds};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn who_is_blocked_is_told_that_it_waits_and_does_not_dial_again_and_again() {
    for_seeds(3, |seed| {
        let mut world = World::new(seed);
        let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
        world.befriend(&[alice, bob]);
        world.disk(alice).put_file("/home/film", vec![7; 1000]);
        let (hers, his) = (world.peer(alice), world.peer(bob));
        world.ask(bob, |node, now| node.block_contact(now, hers, true)).unwrap();
        world.ask(alice, |node, now| node.send_message(now, his, "hello")).unwrap();
        let is_waiting =
            |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Waiting, .. });
        world.expect(alice, "that it waits", LIMIT, is_waiting);
        world.ask(alice, |node, now| node.offer(now, his, vec!["/home/film".into()])).unwrap();
        world.expect(alice, "the end of the offer", LIMIT, |event| matches!(event, Event::Failed { .. }));
        let before = world.counts().datagrams;
        world.run_for(LIMIT);
        assert!(world.counts().datagrams - before < 20, "they are quiet");
        let taken = |event: &Event| matches!(event, Event::Message { .. } | Event::Offered { .. });
        assert_eq!(world.host(bob).count(taken), 0);

        world.ask(bob, |node, now| node.block_contact(now, hers, false)).unwrap();
        world.ask(alice, |node, now| node.connect(now, his));
        let delivered =
            |event: &Event| matches!(event, Event::MessageSent { state: MessageState::Delivered, .. });
        world.expect(alice, "a receipt", LIMIT, delivered);
    });
}
