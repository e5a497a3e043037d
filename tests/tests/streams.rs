//! Byte streams beside datagrams: when they are opened, what goes over them, and what happens when they fail.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::transfer::TransferId;
use hither_protocol::{Event, LinkLoss, MessageState, Road, TransferFailure};
use hither_tests::disk::Timing;
use hither_tests::link::{LinkConfig, Loss};
use hither_tests::random::Random;
use hither_tests::world::StreamId;
use hither_tests::{HostId, World, for_seeds};

const LIMIT: Duration = Duration::from_secs(300);
const MIB: u64 = 1024 * 1024;
/// Less than this is not worth a stream.
const WORTH: u64 = 16 * MIB;

/// Alice has a film, bob is her contact, and she is his.
struct Case {
    world: World,
    alice: HostId,
    bob: HostId,
}

impl Case {
    fn new(seed: u64, config: LinkConfig, bytes: u64) -> Self {
        Self::on(seed, config, bytes, Some(0), [false; 2])
    }

    fn on(seed: u64, config: LinkConfig, bytes: u64, segment: Option<u8>, aes: [bool; 2]) -> Self {
        let mut world = World::new(seed);
        let mut add = |name: &str, aes: bool| {
            world.add_host_with(name, |setup| {
                setup.segment = segment;
                setup.config.aes = aes;
            })
        };
        let (alice, bob) = (add("alice", aes[0]), add("bob", aes[1]));
        world.connect(alice, bob, config);
        world.befriend(&[alice, bob]);
        world.disk(alice).put_file("/home/film", Random::new(seed).bytes(bytes as usize));
        let (peer, address) = (world.peer(bob), world.host(bob).address());
        world.ask(alice, |node, now| node.add_address(now, peer, address));
        Self { world, alice, bob }
    }

    fn offer(&mut self) -> TransferId {
        let peer = self.world.peer(self.bob);
        self.world.ask(self.alice, |node, now| node.offer(now, peer, vec!["/home/film".into()])).unwrap()
    }

    fn offer_and_reach_a_quarter(&mut self) -> TransferId {
        let (transfer, bob) = (self.offer(), self.bob);
        self.world.expect_until("a quarter of it", LIMIT, |world| {
            let progress = world.host(bob).node().and_then(|node| node.progress(transfer));
            progress.is_some_and(|progress| progress.done > 0 && progress.done * 4 >= progress.total)
        });
        transfer
    }

    fn expect_arrived(&mut self) {
        for host in [self.alice, self.bob] {
            self.world.expect(host, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
        }
        let film = self.world.disk(self.alice).content("/home/film");
        assert!(self.world.disk(self.bob).content("/received/film") == film, "it is the film");
    }

    fn expect_failure(&mut self, host: HostId) -> TransferFailure {
        let is_failure = |event: &Event| matches!(event, Event::Failed { .. });
        match self.world.expect(host, "a failure", LIMIT, is_failure) {
            Event::Failed { why, .. } => why,
            _ => unreachable!(),
        }
    }

    /// The receiver does not want to go on with it.
    fn give_up(&mut self, transfer: TransferId) {
        if !self.world.host(self.bob).is_up() {
            self.world.restart(self.bob);
            self.world.wait_until_ready(self.bob);
        }
        self.world.ask(self.bob, |node, now| node.cancel(now, transfer)).unwrap();
    }

    fn expect_nothing_left(&mut self) {
        self.world.run_for(Duration::from_secs(10));
        assert_eq!(self.world.disk(self.bob).list("/received"), Default::default());
        assert_eq!(self.world.disk(self.bob).partials(), [] as [PathBuf; 0]);
    }

    /// A message and its receipt; how long that took.
    fn message(&mut self, from: HostId, to: HostId, words: &str) -> Duration {
        let (begun, peer) = (self.world.now(), self.world.peer(to));
        self.world.ask(from, |node, now| node.send_message(now, peer, words)).unwrap();
        let is_it = |event: &Event| matches!(event, Event::Message { text, .. } if text == words);
        self.world.expect(to, "the message", LIMIT, is_it);
        self.world.expect(from, "a receipt", LIMIT, |event| {
            matches!(event, Event::MessageSent { state: MessageState::Delivered, .. })
        });
        self.world.now() - begun
    }
}

#[test]
fn much_goes_over_a_stream_on_a_local_network_under_either_cipher() {
    for (seed, aes) in (0..).zip([[false, false], [true, false], [true, true]]) {
        let mut case = Case::on(seed, LinkConfig::lan(), WORTH + 17, Some(0), aes);
        case.offer();
        case.expect_arrived();
        let counts = case.world.counts();
        assert_eq!(case.world.streams(), [true]);
        assert!(counts.streamed > WORTH, "the chunks went over it: {counts:?}");
        assert!(counts.bytes < WORTH / 16, "and nowhere else: {counts:?}");
        // 125 MB/s is the network's rate.
        assert!(case.world.now() < Duration::from_millis(180), "as fast as it goes: {:?}", case.world.now());
    }
}

#[test]
fn little_goes_without_a_stream() {
    let mut case = Case::new(1, LinkConfig::lan(), WORTH - 1);
    case.offer();
    case.expect_arrived();
    assert!(case.world.streams().is_empty());
}

#[test]
fn nothing_is_streamed_beyond_the_local_network() {
    let mut case = Case::on(1, LinkConfig::lan(), WORTH, None, [true; 2]);
    case.offer();
    case.expect_arrived();
    assert!(case.world.streams().is_empty());
}

#[test]
fn a_stream_that_is_refused_costs_nothing_but_a_round_trip() {
    let mut case = Case::new(1, LinkConfig::lan(), WORTH);
    let bob = case.bob;
    case.world.host_mut(bob).streams = false;
    case.offer();
    case.expect_arrived();
    assert_eq!(case.world.streams(), [false]);
    assert_eq!(case.world.counts().streamed, 0);
}

#[test]
fn a_stream_that_nobody_answers_is_waited_for_only_briefly() {
    let mut case = Case::new(1, LinkConfig::lan(), WORTH);
    let begun = case.world.now();
    case.world.lose_dials();
    case.offer();
    case.expect_arrived();
    let took = case.world.now() - begun;
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert_eq!(case.world.counts().streamed, 0);
    // When it is given up later, nobody is told of it.
    case.world.run_for(Duration::from_secs(30));
    assert_eq!(case.world.host(case.alice).count(|event| matches!(event, Event::Disconnected { .. })), 0);
}

#[test]
fn a_stream_that_breaks_leaves_the_link_and_the_rest_goes_on_over_another() {
    for_seeds(5, |seed| {
        let mut case = Case::new(seed, LinkConfig::lan(), 2 * WORTH);
        case.offer_and_reach_a_quarter();
        case.world.break_streams(case.alice, case.bob);
        case.expect_arrived();
        let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
        assert_eq!(case.world.host(case.alice).count(gone), 0);
        case.message(case.alice, case.bob, "still there?");
        assert_eq!(case.world.streams().len(), 2, "the rest gets a stream of its own");
    });
}

#[test]
fn a_bit_that_is_turned_on_the_way_is_noticed_and_nothing_of_it_is_believed() {
    for_seeds(5, |seed| {
        let mut case = Case::new(seed, LinkConfig::lan(), 2 * WORTH);
        case.offer_and_reach_a_quarter();
        case.world.corrupt_stream(case.alice, case.bob);
        case.expect_arrived();
        case.message(case.alice, case.bob, "still there?");
    });
}

#[test]
fn a_network_that_is_down_for_five_seconds_delays_a_stream_only() {
    for_seeds(5, |seed| {
        let mut case = Case::new(seed, LinkConfig::lan(), 2 * WORTH);
        case.offer_and_reach_a_quarter();
        case.world.partition(case.alice, case.bob);
        case.world.run_for(Duration::from_secs(5));
        case.world.heal(case.alice, case.bob);
        case.expect_arrived();
    });
}

#[test]
fn a_peer_that_is_gone_is_noticed_over_a_stream() {
    let mut case = Case::new(1, LinkConfig::lan(), 2 * WORTH);
    case.offer_and_reach_a_quarter();
    case.world.crash(case.bob);
    case.world.expect(case.alice, "it is noticed", LIMIT, |event| matches!(event, Event::Suspended { .. }));
    case.world.run_for(Duration::from_secs(60));
    case.world.restart(case.bob);
    case.message(case.alice, case.bob, "back?");
    case.expect_arrived();
}

#[test]
fn either_side_can_stop_a_transfer_over_a_stream() {
    for alice_stops in [true, false] {
        for leaves in [true, false] {
            let mut case = Case::new(1, LinkConfig::lan(), 4 * WORTH);
            let transfer = case.offer_and_reach_a_quarter();
            let (stops, other) = if alice_stops { (case.alice, case.bob) } else { (case.bob, case.alice) };
            let (mine, theirs) = if leaves {
                case.world.shut_down(stops);
                (TransferFailure::LinkLost(LinkLoss::Ours), TransferFailure::LinkLost(LinkLoss::Closed))
            } else {
                case.world.ask(stops, |node, now| node.cancel(now, transfer)).unwrap();
                (TransferFailure::Cancelled, TransferFailure::CancelledByPeer)
            };
            assert_eq!(case.expect_failure(stops), mine);
            assert_eq!(case.expect_failure(other), theirs);
            if leaves {
                case.give_up(transfer);
            }
            case.expect_nothing_left();
        }
    }
}

#[test]
fn a_file_that_changes_ends_the_transfer_on_both_sides_though_the_sender_leaves_at_once() {
    for_seeds(5, |seed| {
        let mut case = Case::new(seed, LinkConfig::lan(), 4 * WORTH);
        let alice = case.alice;
        let transfer = case.offer_and_reach_a_quarter();
        case.world.disk(alice).put_file("/home/film", "another film");
        assert!(matches!(case.expect_failure(alice), TransferFailure::SourceChanged(Some(_))));
        let begun = case.world.now();
        case.world.ask(alice, |node, now| node.close(now));
        assert_eq!(case.expect_failure(case.bob), TransferFailure::SourceChanged(None));
        assert!(case.world.now() - begun < Duration::from_secs(1), "{:?}", case.world.now() - begun);
        case.give_up(transfer);
        case.expect_nothing_left();
    });
}

#[test]
fn a_message_is_not_stuck_behind_what_is_streamed() {
    let slow = LinkConfig { rate: Some(10_000_000), ..LinkConfig::lan() };
    let mut case = Case::new(1, slow, 2 * WORTH);
    case.offer_and_reach_a_quarter();
    for (number, (from, to)) in [(case.alice, case.bob), (case.bob, case.alice)].into_iter().enumerate() {
        let took = case.message(from, to, &number.to_string());
        assert!(took < Duration::from_millis(50), "{took:?}");
    }
    case.expect_arrived();
}

#[test]
fn a_slow_disk_stops_a_stream_and_no_queue_grows() {
    let mut case = Case::new(1, LinkConfig::lan(), 3 * WORTH);
    let slow = Timing { request: Duration::from_millis(5), rate: 10 * MIB, ..Timing::default() };
    case.world.disk(case.bob).set_timing(slow);
    case.offer();
    case.expect_arrived();
    assert_eq!(case.world.streams(), [true]);
    for host in [case.alice, case.bob] {
        let peak = case.world.disk(host).peak_outstanding();
        assert!((1..=16 * MIB).contains(&peak), "{peak} bytes under way at once");
    }
}

#[test]
fn a_disk_that_stands_still_for_minutes_loses_no_stream() {
    let mut case = Case::new(1, LinkConfig::lan(), 2 * WORTH);
    case.offer_and_reach_a_quarter();
    let stuck = Timing { request: Duration::from_secs(100), rate: u64::MAX, ..Timing::default() };
    case.world.disk(case.bob).set_timing(stuck);
    case.world.run_for(Duration::from_secs(1));
    case.world.disk(case.bob).set_timing(Timing::default());
    case.expect_arrived();
    assert!(case.world.now() > Duration::from_secs(90), "it stood still");
}

#[test]
fn a_receiver_that_leaves_at_the_end_takes_nothing_back() {
    for_seeds(5, |seed| {
        let mut case = Case::new(seed, LinkConfig::lan(), WORTH);
        let bob = case.bob;
        case.offer();
        case.world.expect(bob, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
        // The word of it is slower than the end of the stream.
        let lossy = LinkConfig { loss: Loss::Each(0.7), ..LinkConfig::lan() };
        case.world.connect(case.alice, bob, lossy);
        case.world.ask(bob, |node, now| node.close(now));
        case.world.expect(case.alice, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
    });
}

#[test]
fn two_transfers_share_a_stream() {
    let mut case = Case::new(1, LinkConfig::lan(), WORTH);
    case.world.disk(case.alice).put_file("/home/other", Random::new(9).bytes(WORTH as usize));
    case.offer();
    let peer = case.world.peer(case.bob);
    case.world.ask(case.alice, |node, now| node.offer(now, peer, vec!["/home/other".into()])).unwrap();
    for host in [case.alice, case.bob] {
        for _ in 0..2 {
            case.world.expect(host, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
        }
    }
    assert_eq!(case.world.streams(), [true]);
    let other = case.world.disk(case.alice).content("/home/other");
    assert!(case.world.disk(case.bob).content("/received/other") == other);
}

#[test]
fn a_stream_is_closed_when_nothing_uses_it() {
    let mut case = Case::new(1, LinkConfig::lan(), WORTH);
    case.offer();
    case.expect_arrived();
    assert!(!case.world.is_over(StreamId(0)));
    case.world.run_for(Duration::from_secs(11));
    assert!(case.world.is_over(StreamId(0)));
    for host in [case.alice, case.bob] {
        assert_eq!(case.world.host(host).count(|event| matches!(event, Event::Disconnected { .. })), 0);
    }
}

/// What an attacker says over streams of its own: bob's user sees nothing of it, and he answers nothing but one
/// message of the handshake.
#[test]
fn what_was_recorded_of_a_stream_is_worth_nothing_when_it_is_said_again() {
    let mut case = Case::new(3, LinkConfig::lan(), WORTH);
    case.offer();
    case.expect_arrived();
    let (bob, recorded) = (case.bob, case.world.head(StreamId(0)).to_vec());
    // Bob is started anew: with the same randomness it would be no replay but the very exchange.
    case.world.crash(bob);
    case.world.restart(bob);
    case.world.wait_until_ready(bob);
    case.world.run_for(Duration::from_secs(60));
    // Announcements go on as ever.
    let said = |event: &Event| !matches!(event, Event::NearbyChanged);
    let (events, requests) = (case.world.host(bob).count(said), case.world.disk(bob).all_requests());
    let mut random = Random::new(1);
    let first = 2 + usize::from(u16::from_be_bytes([recorded[0], recorded[1]]));
    for number in 0..60_u8 {
        let from = format!("10.0.9.{number}:999").parse().unwrap();
        let stream = case.world.dial_raw(from, bob).expect("it is taken");
        let said: Vec<u8> = match number % 4 {
            // As it was, but for what came after the answer.
            0 => recorded[..first].to_vec(),
            // All at once.
            1 => recorded.clone(),
            2 => random.bytes(200),
            // A part of it, and then silence.
            _ => recorded[..usize::from(number) * 3].to_vec(),
        };
        case.world.send_raw(stream, &said);
        let (answer, closed) = case.world.raw(stream);
        assert_eq!(!answer.is_empty(), number % 4 == 0, "only a whole first message is answered");
        assert_eq!(closed, number % 4 == 1 || number % 4 == 2);
        if number % 8 == 0 {
            // What followed does not fit what he answered this time.
            case.world.send_raw(stream, &recorded[first..]);
            assert!(case.world.raw(stream).1);
        } else {
            case.world.run_for(Duration::from_secs(11));
            assert!(case.world.raw(stream).1, "its time is over");
        }
        case.world.close_raw(stream);
    }
    assert_eq!(case.world.host(bob).count(said), events);
    assert_eq!(case.world.disk(bob).all_requests(), requests, "no storage request");
    case.message(case.alice, bob, "still there?");
}

#[test]
fn the_same_seed_gives_the_same_streams() {
    let run = || {
        let mut case = Case::new(7, LinkConfig::lan(), WORTH);
        case.offer();
        case.expect_arrived();
        case.world.transcript()
    };
    assert_eq!(run(), run());
}

#[test]
fn the_end_says_over_which_road() {
    let mut case = Case::new(1, LinkConfig::lan(), WORTH);
    case.offer();
    let is_end = |event: &Event| matches!(event, Event::Finished { road: Road::Lan, .. });
    for host in [case.alice, case.bob] {
        case.world.expect(host, "the end", LIMIT, is_end);
    }
}
