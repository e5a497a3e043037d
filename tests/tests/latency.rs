//! How long small things take: round trips, counted in virtual time.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::Event;
use hither_tests::World;
use hither_tests::link::LinkConfig;

const ONE_WAY: Duration = Duration::from_millis(50);

#[test]
fn a_small_file_takes_three_round_trips_and_its_goodbye_one() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.connect(alice, bob, LinkConfig { latency: ONE_WAY, ..LinkConfig::default() });
    world.befriend(&[alice, bob]);
    world.disk(alice).put_file("/home/note", vec![7; 64]);
    let (peer, address) = (world.peer(bob), world.host(bob).address());
    let begun = world.now();
    world.ask(alice, |node, now| node.add_address(now, peer, address));
    world.ask(alice, |node, now| node.offer(now, peer, vec![PathBuf::from("/home/note")])).unwrap();
    world.expect(alice, "the end", Duration::from_secs(60), |event| matches!(event, Event::Finished { .. }));
    // The handshake; the offer and its answer; the chunk and its receipt. The rest is the disk's and the pacing's.
    let took = world.now() - begun;
    assert!(took < ONE_WAY * 7, "{took:?}");

    // Whoever says goodbye is not kept waiting by an acknowledgement that is held back.
    let begun = world.now();
    world.ask(alice, |node, now| node.close(now));
    world.expect_until("alice is gone", Duration::from_secs(60), |world| {
        world.host(alice).node().is_none_or(hither_protocol::Node::is_drained)
    });
    let took = world.now() - begun;
    assert!(took < ONE_WAY * 2 + Duration::from_millis(10), "{took:?}");
}
