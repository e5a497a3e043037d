//! Limits hold, and whoever moves bytes at the same time gets a fair part.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::transfer::TransferId;
use hither_protocol::{Event, Limits};
use hither_tests::disk::Timing;
use hither_tests::link::LinkConfig;
use hither_tests::{HostId, World};

const MIB: u64 = 1024 * 1024;
const LIMIT: Duration = Duration::from_secs(300);
const SECOND: Duration = Duration::from_secs(1);

/// 50 Mbit/s behind 80 ms of queue.
fn line() -> LinkConfig {
    LinkConfig {
        latency: Duration::from_millis(10),
        rate: Some(6_250_000),
        queue: 500_000,
        max_datagram: 1472,
        ..LinkConfig::default()
    }
}

/// Alice sends, the others are her contacts and receive.
struct Case {
    world: World,
    alice: HostId,
    others: Vec<HostId>,
}

impl Case {
    fn new(seed: u64, config: &LinkConfig, others: usize) -> Self {
        let mut world = World::new(seed);
        let alice = world.add_host("alice");
        let others: Vec<_> = (0..others).map(|number| world.add_host(&format!("other {number}"))).collect();
        for other in &others {
            world.connect(alice, *other, config.clone());
            world.befriend(&[alice, *other]);
        }
        Self { world, alice, others }
    }

    fn limit(&mut self, host: HostId, send: u64, receive: u64) {
        let limits = Limits { send: NonZeroU64::new(send), receive: NonZeroU64::new(receive) };
        self.world.ask(host, |node, now| node.set_limits(now, limits));
    }

    /// Offers a file of so many bytes, all its own.
    fn offer(&mut self, to: usize, name: &str, bytes: u64) -> TransferId {
        let path = PathBuf::from("/home").join(name);
        let mut content = vec![0; bytes as usize];
        content[..name.len()].copy_from_slice(name.as_bytes());
        self.world.disk(self.alice).put_file(&path, content);
        let peer = self.world.peer(self.others[to]);
        self.world.ask(self.alice, |node, now| node.offer(now, peer, vec![path])).unwrap()
    }

    /// Bytes that are written at the receiver.
    fn received(&self, at: usize, transfer: TransferId) -> u64 {
        let node = self.world.host(self.others[at]).node().unwrap();
        node.progress(transfer).map_or(0, |progress| progress.done)
    }

    /// Bytes on the wire so far, in datagrams and in streams.
    fn wire(&self) -> u64 {
        self.world.counts().bytes + self.world.counts().streamed
    }

    /// Bytes that were written at the receiver within so much time.
    fn received_within(&mut self, time: Duration, transfers: &[(usize, TransferId)]) -> Vec<u64> {
        let done = |case: &Self| -> Vec<u64> {
            transfers.iter().map(|(at, transfer)| case.received(*at, *transfer)).collect()
        };
        let before = done(self);
        self.world.run_for(time);
        done(self).into_iter().zip(before).map(|(after, before)| after - before).collect()
    }

    fn expect_started(&mut self, transfer: TransferId) {
        self.world.expect(
            self.alice,
            "the start",
            LIMIT,
            |event| matches!(event, Event::Started { transfer: which, .. } if *which == transfer),
        );
    }

    /// How long it takes from offer to end.
    fn time_of(&mut self, to: usize, name: &str, bytes: u64) -> Duration {
        let begun = self.world.now();
        let transfer = self.offer(to, name, bytes);
        self.world.expect(
            self.alice,
            "the end of the small one",
            LIMIT,
            |event| matches!(event, Event::Finished { transfer: which, .. } if *which == transfer),
        );
        self.world.now() - begun
    }
}

/// The largest is at most so many times the smallest.
fn assert_fair(parts: &[u64], factor: f64) {
    let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
    assert!(*least > 0 && *most as f64 <= *least as f64 * factor, "{parts:?}");
}

fn assert_within_5_percent(found: u64, wanted: u64) {
    assert!(found.abs_diff(wanted) * 20 <= wanted, "{found} where {wanted} was wanted");
}

#[test]
fn two_large_transfers_to_one_peer_progress_alike() {
    for seed in 0..3 {
        let mut case = Case::new(seed, &line(), 1);
        let first = case.offer(0, "first", 64 * MIB);
        case.world.run_for(2 * SECOND);
        let second = case.offer(0, "second", 64 * MIB);
        case.world.run_for(2 * SECOND);
        let parts = case.received_within(5 * SECOND, &[(0, first), (0, second)]);
        assert_fair(&parts, 1.3);
        assert!(parts.iter().sum::<u64>() > 5 * 5_000_000, "the line is used: {parts:?}");
    }
}

#[test]
fn large_transfers_of_different_sizes_progress_alike() {
    let mut case = Case::new(1, &line(), 1);
    let sizes = [("a", 20), ("b", 24), ("c", 64), ("d", 64), ("e", 18)];
    let all: Vec<_> = sizes.map(|(name, mib)| (0, case.offer(0, name, mib * MIB))).to_vec();
    case.world.run_for(SECOND);
    let parts = case.received_within(3 * SECOND, &all);
    assert_fair(&parts, 1.8);
}

#[test]
fn a_small_file_is_not_stuck_behind_a_large_one() {
    for seed in 0..3 {
        let alone = Case::new(seed, &line(), 1).time_of(0, "small", 100_000);
        let mut case = Case::new(seed, &line(), 1);
        // The link is there in both cases.
        let large = case.offer(0, "large", 256 * MIB);
        case.expect_started(large);
        case.world.run_for(4 * SECOND);
        let beside = case.time_of(0, "small", 100_000);
        assert!(beside <= alone * 5, "{alone:?} alone, {beside:?} beside a large one");
        assert!(case.received(0, large) > 0, "the large one still goes on");
    }
}

#[test]
fn a_small_file_passes_by_as_many_large_ones_as_may_be_on_a_link() {
    let mut case = Case::new(1, &line(), 1);
    let large: Vec<_> =
        (0..14).map(|number| (0, case.offer(0, &format!("large {number}"), 24 * MIB))).collect();
    case.world.run_for(4 * SECOND);
    let small = case.time_of(0, "small", 100_000);
    assert!(small < 4 * SECOND, "{small:?}");
    let parts = case.received_within(6 * SECOND, &large);
    assert_fair(&parts, 2.0);
}

#[test]
fn a_small_file_is_not_stuck_behind_a_large_one_that_waits_for_a_slow_disk() {
    let mut case = Case::new(1, &LinkConfig::lan(), 1);
    let slow = Timing { request: Duration::from_millis(5), rate: 10 * MIB, ..Timing::default() };
    case.world.disk(case.others[0]).set_timing(slow);
    let large = case.offer(0, "large", 64 * MIB);
    case.expect_started(large);
    case.world.run_for(2 * SECOND);
    // What the disk has been given already is bounded, and comes first.
    let small = case.time_of(0, "small", 100_000);
    assert!(small < 2 * SECOND, "{small:?}");
}

#[test]
fn a_limit_on_sending_holds() {
    for rate in [50_000, 1_000_000, 5_000_000] {
        let mut case = Case::new(1, &LinkConfig::lan(), 1);
        case.limit(case.alice, rate, 0);
        let transfer = case.offer(0, "film", 64 * MIB);
        case.expect_started(transfer);
        let (begun, sent) = (case.wire(), rate * 10);
        case.world.run_for(10 * SECOND);
        // On the wire, with all that comes on top.
        let wire = case.wire() - begun;
        assert!(wire <= sent * 107 / 100 && wire >= sent * 97 / 100, "{wire} on the wire of {sent}");
        let node = case.world.host(case.alice).node().unwrap();
        assert_within_5_percent(node.progress(transfer).unwrap().done, sent);
        let received = case.received(0, transfer);
        assert!(received <= sent * 101 / 100 && received + 1024 * 1024 >= sent, "{received} of {sent}");
    }
}

#[test]
fn a_limit_on_receiving_holds_the_sender() {
    for rate in [50_000, 1_000_000, 5_000_000] {
        let mut case = Case::new(1, &LinkConfig::lan(), 1);
        case.limit(case.others[0], 0, rate);
        let transfer = case.offer(0, "film", 64 * MIB);
        case.expect_started(transfer);
        let (begun, sent) = (case.wire(), rate * 10);
        let received = case.received_within(10 * SECOND, &[(0, transfer)])[0];
        assert!(
            received <= sent * 105 / 100 && received + 512 * 1024 >= sent * 95 / 100,
            "{received} of {sent}"
        );
        let wire = case.wire() - begun;
        let window = (rate / 4).max(512 * 1024);
        assert!(wire <= sent * 107 / 100 + window, "{wire} on the wire of {sent}");
    }
}

#[test]
fn transfers_share_one_limit() {
    for limited_sender in [true, false] {
        let mut case = Case::new(1, &LinkConfig::lan(), 1);
        let rate = 2_000_000;
        let host = if limited_sender { case.alice } else { case.others[0] };
        case.limit(host, rate, rate);
        let all = [(0, case.offer(0, "first", 32 * MIB)), (0, case.offer(0, "second", 32 * MIB))];
        case.world.run_for(2 * SECOND);
        let parts = case.received_within(10 * SECOND, &all);
        assert_fair(&parts, 1.15);
        assert_within_5_percent(parts.iter().sum(), rate * 10);
    }
}

#[test]
fn transfers_to_several_peers_share_one_limit() {
    let mut case = Case::new(1, &LinkConfig::lan(), 3);
    let rate = 3_000_000;
    case.limit(case.alice, rate, 0);
    let all: Vec<_> = (0..3).map(|to| (to, case.offer(to, &format!("film {to}"), 32 * MIB))).collect();
    case.world.run_for(2 * SECOND);
    let parts = case.received_within(10 * SECOND, &all);
    assert_fair(&parts, 1.15);
    assert_within_5_percent(parts.iter().sum(), rate * 10);
}

#[test]
fn a_small_file_is_not_stuck_behind_a_large_one_under_a_limit() {
    for limited_sender in [true, false] {
        let times = [false, true].map(|beside| {
            let mut case = Case::new(1, &LinkConfig::lan(), 1);
            let host = if limited_sender { case.alice } else { case.others[0] };
            case.limit(host, 500_000, 500_000);
            if beside {
                case.offer(0, "large", 64 * MIB);
                case.world.run_for(4 * SECOND);
            }
            case.time_of(0, "small", 100_000)
        });
        assert!(times[1] <= times[0] * 5, "{times:?}");
    }
}

#[test]
fn a_limit_can_be_changed_and_lifted_while_bytes_move() {
    let mut case = Case::new(1, &LinkConfig::lan(), 1);
    for host in [case.alice, case.others[0]] {
        case.limit(host, 500_000, 500_000);
    }
    let transfer = case.offer(0, "film", 64 * MIB);
    case.expect_started(transfer);
    case.world.run_for(5 * SECOND);
    for host in [case.alice, case.others[0]] {
        case.limit(host, 2_000_000, 2_000_000);
    }
    case.world.run_for(SECOND);
    let faster = case.received_within(5 * SECOND, &[(0, transfer)])[0];
    assert!(faster > 9_000_000, "{faster}");
    for host in [case.alice, case.others[0]] {
        case.limit(host, 0, 0);
    }
    case.world.expect(case.others[0], "the end", 3 * SECOND, |event| matches!(event, Event::Finished { .. }));
    let film = case.world.disk(case.alice).content("/home/film");
    assert_eq!(case.world.disk(case.others[0]).content("/received/film"), film);
}

#[test]
fn messages_pass_by_a_limited_transfer() {
    let mut case = Case::new(1, &line(), 1);
    let bob = case.others[0];
    case.limit(case.alice, 20_000, 20_000);
    case.limit(bob, 20_000, 20_000);
    let transfer = case.offer(0, "film", 8 * MIB);
    case.expect_started(transfer);
    case.world.run_for(10 * SECOND);
    let begun = case.world.now();
    let (to, from) = (case.world.peer(bob), case.alice);
    case.world.ask(from, |node, now| node.send_message(now, to, "hello")).unwrap();
    case.world.expect(bob, "the message", LIMIT, |event| matches!(event, Event::Message { .. }));
    assert!(case.world.now() - begun < SECOND, "{:?}", case.world.now() - begun);
}

#[test]
fn a_limit_under_which_a_chunk_takes_longer_than_patience_still_moves() {
    // A chunk of each takes six minutes where the sender is limited; what is on its way, a quarter of an hour where
    // the receiver is.
    for (limited_sender, rate, bytes) in [(true, 1_500, 300_000), (false, 5_000, 4_000_000)] {
        let mut case = Case::new(1, &line(), 1);
        let host = if limited_sender { case.alice } else { case.others[0] };
        case.limit(host, rate, rate);
        let all = [(0, case.offer(0, "first", bytes)), (0, case.offer(0, "second", bytes))];
        case.world.run_for(Duration::from_secs(bytes * 2 / rate));
        for (_, transfer) in all {
            case.world.expect(
                case.others[0],
                "the end",
                LIMIT,
                |event| matches!(event, Event::Finished { transfer: which, .. } if *which == transfer),
            );
        }
    }
}
