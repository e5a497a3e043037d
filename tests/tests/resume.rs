//! Interrupted transfers: whatever happens to whom, at any moment, in the end everything is there, nothing else is,
//! and what was noted did not travel again.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::transfer::TransferId;
use hither_protocol::{Event, TransferState};
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::random::Random;
use hither_tests::sample::put_tree;
use hither_tests::{HostId, World, for_seeds};

const LIMIT: Duration = Duration::from_secs(3600);
const MIB: u64 = 1024 * 1024;
/// Bytes a second on the road between the two.
const RATE: u64 = 4 * MIB;

/// What can happen to a transfer.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// The sender's or the receiver's program is killed.
    KillSender,
    KillReceiver,
    /// The receiver's power fails.
    Crash,
    /// The network is gone for minutes.
    Partition,
    /// One of them ends their program in order.
    StopSender,
    StopReceiver,
    /// A person lets it stand still for a while.
    Pause,
}

const BLOWS: [Blow; 7] = [
    Blow::KillSender,
    Blow::KillReceiver,
    Blow::Crash,
    Blow::Partition,
    Blow::StopSender,
    Blow::StopReceiver,
    Blow::Pause,
];

struct Case {
    world: World,
    alice: HostId,
    bob: HostId,
    path: PathBuf,
    transfer: TransferId,
}

impl Case {
    fn new(seed: u64, put: impl FnOnce(&mut World, HostId)) -> Self {
        let mut world = World::new(seed);
        let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
        world.connect(alice, bob, LinkConfig { rate: Some(RATE), ..LinkConfig::lan() });
        world.befriend(&[alice, bob]);
        put(&mut world, alice);
        let path = PathBuf::from("/home/thing");
        let mut case = Self { world, alice, bob, path, transfer: TransferId([0; 16]) };
        case.send();
        case
    }

    /// The command that the sender types, the same again each time.
    fn send(&mut self) {
        let (peer, path) = (self.world.peer(self.bob), self.path.clone());
        self.transfer = self.world.ask(self.alice, |node, now| node.offer(now, peer, vec![path])).unwrap();
    }

    /// Bytes that the receiver has, as far as its node knows.
    fn done(&self) -> u64 {
        let views = self.world.host(self.bob).node().map(|node| node.transfers()).unwrap_or_default();
        views.iter().map(|view| view.done).max().unwrap_or(0)
    }

    fn is_finished(&self, host: HostId) -> bool {
        self.world.host(host).count(|event| matches!(event, Event::Finished { .. })) > 0
    }

    fn strike(&mut self, blow: Blow, random: &mut Random) {
        let (alice, bob) = (self.alice, self.bob);
        let world = &mut self.world;
        match blow {
            Blow::KillSender => {
                world.kill(alice);
                world.run_for(random.duration(Duration::from_secs(60)));
                world.restart(alice);
                world.wait_until_ready(alice);
                self.send();
            }
            Blow::KillReceiver => {
                world.kill(bob);
                world.run_for(random.duration(Duration::from_secs(60)));
                world.restart(bob);
            }
            Blow::Crash => {
                world.crash(bob);
                world.run_for(random.duration(Duration::from_secs(60)));
                world.restart(bob);
            }
            Blow::Partition => {
                world.partition(alice, bob);
                world.run_for(random.duration(Duration::from_secs(400)));
                world.heal(alice, bob);
            }
            Blow::StopSender => {
                world.shut_down(alice);
                world.run_for(random.duration(Duration::from_secs(60)));
                world.restart(alice);
                world.wait_until_ready(alice);
                self.send();
            }
            Blow::StopReceiver => {
                world.shut_down(bob);
                world.run_for(random.duration(Duration::from_secs(60)));
                world.restart(bob);
                world.wait_until_ready(bob);
                let unsent = |world: &World| {
                    let views = world.host(alice).node().map(|node| node.transfers()).unwrap_or_default();
                    views.iter().all(|view| view.state == TransferState::Interrupted)
                };
                // Whoever was told that the other side stopped sends again; a small thing is not offered twice.
                if unsent(world) && !self.is_finished(alice) {
                    self.send();
                }
            }
            Blow::Pause => {
                let transfer = self.transfer;
                let host = if random.chance(0.5) { alice } else { bob };
                let paused = world.ask(host, |node, now| node.pause(now, transfer)).is_ok();
                world.run_for(random.duration(Duration::from_secs(900)));
                if paused {
                    let _ = world.ask(host, |node, now| node.resume(now, transfer));
                }
            }
        }
    }

    fn expect_all_there(&mut self) {
        let (alice, bob) = (self.alice, self.bob);
        self.world.expect_until("both sides have finished", LIMIT, |world| {
            [alice, bob]
                .iter()
                .all(|host| world.host(*host).count(|event| matches!(event, Event::Finished { .. })) > 0)
        });
        self.world.run_for(Duration::from_secs(5));
        let sent = self.world.disk(alice).list("/home");
        assert_eq!(
            self.world.disk(bob).list(RECEIVED),
            sent,
            "equal, and neither journal nor partial file left"
        );
        for host in [alice, bob] {
            let transfers = self.world.host(host).node().expect("it is up").transfers();
            assert_eq!(transfers, [], "no record of it is left");
        }
    }
}

#[test]
fn whatever_happens_at_any_moment_everything_arrives_in_the_end() {
    for_seeds(16, |seed| {
        let mut random = Random::new(seed);
        let mut case = Case::new(seed, |world, alice| {
            let mut random = Random::new(seed);
            if seed % 2 == 0 {
                let bytes = random.bytes(30 * MIB as usize);
                world.disk(alice).put_file("/home/thing", bytes);
            } else {
                put_tree(world.disk(alice), "/home/thing", 150, 300_000, &mut random);
            }
        });
        for _ in 0..1 + random.below(4) {
            case.world.run_for(random.duration(Duration::from_secs(4)));
            if case.is_finished(case.alice) && case.is_finished(case.bob) {
                break;
            }
            let blow = BLOWS[random.below(BLOWS.len() as u64) as usize];
            case.strike(blow, &mut random);
        }
        case.expect_all_there();
    });
}

/// Kills the receiver once a part has arrived; gives how much it had, and how much it found again.
fn interrupted(seed: u64, blow: Blow) -> (u64, u64) {
    let mut case = Case::new(seed, |world, alice| {
        world.disk(alice).put_file("/home/thing", Random::new(seed).bytes(40 * MIB as usize));
    });
    let (alice, bob) = (case.alice, case.bob);
    case.world.expect_until("a part of it", LIMIT, |world| {
        let views = world.host(bob).node().map(|node| node.transfers()).unwrap_or_default();
        views.iter().any(|view| view.done > 15 * MIB + seed * MIB / 4)
    });
    let done = case.done();
    if matches!(blow, Blow::Partition) {
        // Long enough for both to give the link up.
        case.world.partition(alice, bob);
        case.world.run_for(Duration::from_secs(60 + seed * 40));
        case.world.heal(alice, bob);
    } else {
        case.strike(blow, &mut Random::new(seed));
    }
    let again = case.world.expect(
        bob,
        "it goes on",
        LIMIT,
        |event| matches!(event, Event::Started { resumed, .. } if *resumed > 0),
    );
    let Event::Started { bytes, resumed, .. } = again else { unreachable!() };
    assert_eq!(bytes + resumed, 40 * MIB, "both say how much is left");
    case.world.expect(
        alice,
        "the sender knows it too",
        LIMIT,
        |event| matches!(event, Event::Started { resumed: theirs, .. } if *theirs == resumed),
    );
    case.expect_all_there();
    (done, resumed)
}

#[test]
fn no_more_travels_again_than_what_was_in_flight() {
    for seed in 0..3 {
        for blow in [Blow::KillSender, Blow::StopReceiver, Blow::StopSender, Blow::Partition] {
            let (done, resumed) = interrupted(seed, blow);
            assert!(
                resumed >= done,
                "{blow:?}: {done} were there, {resumed} were found: all of it was wound up"
            );
        }
        for blow in [Blow::KillReceiver, Blow::Crash] {
            let (done, resumed) = interrupted(seed, blow);
            let in_flight = RATE + RATE / 2;
            assert!(resumed + in_flight >= done, "{blow:?}: {done} were there, {resumed} were found");
        }
    }
}

#[test]
fn a_source_that_changed_is_taken_from_the_start_and_said() {
    let mut case = Case::new(1, |world, alice| {
        world.disk(alice).put_file("/home/thing/a", Random::new(1).bytes(20 * MIB as usize));
        world.disk(alice).put_file("/home/thing/b", Random::new(2).bytes(20 * MIB as usize));
    });
    let (alice, bob) = (case.alice, case.bob);
    case.world.run_for(Duration::from_secs(7));
    case.world.kill(alice);
    case.world.disk(alice).put_file("/home/thing/b", Random::new(3).bytes(21 * MIB as usize));
    case.world.run_for(Duration::from_secs(60));
    case.world.restart(alice);
    case.world.wait_until_ready(alice);
    case.send();
    let resuming =
        case.world.expect(bob, "it is looked at", LIMIT, |event| matches!(event, Event::Resuming { .. }));
    let Event::Resuming { held, changed, .. } = resuming else { unreachable!() };
    assert_eq!((held, changed), (20 * MIB, 1), "one file is there, the other has changed");
    case.expect_all_there();
}

#[test]
fn a_transfer_given_up_while_interrupted_leaves_nothing() {
    let mut case = Case::new(1, |world, alice| {
        put_tree(world.disk(alice), "/home/thing", 50, 900_000, &mut Random::new(1));
    });
    let (alice, bob, transfer) = (case.alice, case.bob, case.transfer);
    case.world.run_for(Duration::from_secs(2));
    case.world.kill(bob);
    case.world.kill(alice);
    case.world.restart(bob);
    case.world.wait_until_ready(bob);
    case.world.ask(bob, |node, now| node.cancel(now, transfer)).unwrap();
    case.world.run_for(Duration::from_secs(5));
    let left = case.world.disk(bob).list(RECEIVED);
    let hidden = left.keys().filter(|path| path.to_string_lossy().contains(".hither-"));
    assert_eq!(hidden.count(), 0, "files that were whole stay, and no partial file or journal: {left:?}");
}
