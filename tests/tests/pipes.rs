//! Streams and outputs between nodes.

use std::path::Path;
use std::time::Duration;

use hither_protocol::storage::StorageError;
use hither_protocol::transfer::hash::{CHUNK, Root};
use hither_protocol::transfer::{RelativePath, TransferId};
use hither_protocol::{Event, LinkLoss, TransferFailure};
use hither_tests::disk::{Kind, Timing};
use hither_tests::link::LinkConfig;
use hither_tests::random::Random;
use hither_tests::{HostId, World};

const LIMIT: Duration = Duration::from_secs(600);
const MIB: usize = 1024 * 1024;

/// Alice is fed something; bob is her contact, and she is his.
struct Case {
    world: World,
    alice: HostId,
    bob: HostId,
}

impl Case {
    fn new(seed: u64, road: LinkConfig, bytes: usize, output: bool) -> Self {
        let mut world = World::new(seed);
        let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
        world.connect(alice, bob, road);
        world.befriend(&[alice, bob]);
        world.disk(alice).set_input(Random::new(seed).bytes(bytes));
        let mut rules = world.host(bob).config.rules.clone();
        rules.output = output;
        world.ask(bob, |node, _| node.set_rules(rules));
        Self { world, alice, bob }
    }

    fn offer(&mut self) -> TransferId {
        let (peer, name) = (self.world.peer(self.bob), RelativePath::new(["s"]).unwrap());
        self.world.ask(self.alice, |node, now| node.offer_stream(now, peer, &name)).unwrap()
    }

    fn expect_finished(&mut self, bytes: u64, root: Root) {
        for host in [self.alice, self.bob] {
            let is_over = |event: &Event| matches!(event, Event::Finished { .. } | Event::Failed { .. });
            let event = self.world.expect(host, "the end", LIMIT, is_over);
            let Event::Finished { bytes: moved, root: its, .. } = event else { panic!("{event:?}") };
            assert_eq!((moved, its), (bytes, root));
        }
    }

    fn expect_failure(&mut self, host: HostId) -> TransferFailure {
        let is_failure = |event: &Event| matches!(event, Event::Failed { .. });
        let Event::Failed { why, resumable, .. } = self.world.expect(host, "a failure", LIMIT, is_failure)
        else {
            unreachable!()
        };
        assert!(!resumable, "a stream cannot be gone on with");
        why
    }
}

fn roads() -> [LinkConfig; 3] {
    [LinkConfig::lan(), LinkConfig::wifi(), LinkConfig::lossy()]
}

#[test]
fn a_stream_arrives_as_a_file() {
    let chunk = CHUNK as usize;
    for (seed, bytes) in (0..).zip([0, 1, chunk, chunk + 1, 4 * chunk, 5 * MIB + 3]) {
        for road in roads() {
            let mut case = Case::new(seed, road, bytes, false);
            let content = Random::new(seed).bytes(bytes);
            case.offer();
            case.expect_finished(bytes as u64, Root(*blake3::hash(&content).as_bytes()));
            let disk = case.world.disk(case.bob);
            assert!(disk.content("/received/s").is_some_and(|there| *there == content));
            assert_eq!(disk.list("/received").len(), 1, "nothing else is left");
        }
    }
}

#[test]
fn a_stream_goes_to_an_output_in_order() {
    for (seed, road) in (0..).zip(roads()) {
        let mut case = Case::new(seed, road, 6 * MIB + 1, true);
        let content = Random::new(seed).bytes(6 * MIB + 1);
        case.offer();
        case.expect_finished(content.len() as u64, Root(*blake3::hash(&content).as_bytes()));
        assert!(case.world.disk(case.bob).output() == content);
        assert_eq!(case.world.disk(case.bob).list("/received").len(), 0);
    }
}

#[test]
fn a_file_goes_to_an_output_in_order_over_any_road_and_a_slow_reader_bounds_memory() {
    for (seed, road) in (0..).zip(roads()) {
        let mut case = Case::new(seed, road, 0, true);
        let content = Random::new(seed).bytes(24 * MIB + 1);
        case.world.disk(case.alice).put_file("/home/film", content.clone());
        let timing = Timing { rate: 2_000_000, ..Timing::default() };
        case.world.disk(case.bob).set_timing(timing);
        let peer = case.world.peer(case.bob);
        case.world.ask(case.alice, |node, now| node.offer(now, peer, vec!["/home/film".into()])).unwrap();
        case.expect_finished(content.len() as u64, Root(*blake3::hash(&content).as_bytes()));
        assert!(case.world.disk(case.bob).output() == content);
        assert!(case.world.disk(case.bob).peak_outstanding() <= 16 * MIB as u64);
    }
}

#[test]
fn a_stream_whose_content_is_damaged_is_not_put_in_place() {
    let mut case = Case::new(1, LinkConfig::lan(), 3 * MIB, false);
    case.world.disk(case.alice).corrupt_read(5);
    case.offer();
    for host in [case.bob, case.alice] {
        assert_eq!(case.expect_failure(host), TransferFailure::Mismatch);
    }
    case.world.run_for(Duration::from_secs(5));
    assert_eq!(case.world.disk(case.bob).list("/received").len(), 0);
}

#[test]
fn an_output_whose_reader_has_gone_ends_both_sides() {
    let mut case = Case::new(2, LinkConfig::lan(), 3 * MIB, true);
    case.world.disk(case.bob).fail(Kind::Output, 2, StorageError::Closed);
    case.offer();
    assert_eq!(case.expect_failure(case.bob), TransferFailure::Disk(Some(StorageError::Closed)));
    assert_eq!(case.expect_failure(case.alice), TransferFailure::Disk(None));
}

#[test]
fn a_stream_whose_link_is_lost_is_over_on_both_sides() {
    let mut case = Case::new(3, LinkConfig::dsl(), 20 * MIB, false);
    let transfer = case.offer();
    let bob = case.bob;
    case.world.expect_until("a part of it", LIMIT, |world| {
        let progress = world.host(bob).node().and_then(|node| node.progress(transfer));
        progress.is_some_and(|progress| progress.done > MIB as u64)
    });
    case.world.partition(case.alice, case.bob);
    for host in [case.alice, case.bob] {
        assert_eq!(case.expect_failure(host), TransferFailure::LinkLost(LinkLoss::TimedOut));
    }
    case.world.run_for(Duration::from_secs(5));
    assert!(case.world.disk(case.bob).list("/received").is_empty());
    assert_eq!(case.world.host(case.alice).node().unwrap().transfers(), []);
}

#[test]
fn an_offer_of_several_files_does_not_go_to_an_output() {
    let mut case = Case::new(4, LinkConfig::lan(), 0, true);
    case.world.disk(case.alice).put_file(Path::new("/home/d/a"), "a");
    let peer = case.world.peer(case.bob);
    case.world.ask(case.alice, |node, now| node.offer(now, peer, vec!["/home/d".into()])).unwrap();
    let why = case.expect_failure(case.alice);
    assert_eq!(why, TransferFailure::Refused(hither_protocol::Refusal::Declined));
    assert!(case.world.disk(case.bob).output().is_empty());
}
