//! Interrupted fetches: whatever happens to whom, at any moment, the same ticket brings the rest, and what was noted is
//! not asked for again.

use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::transfer::hash::CHUNK;
use hither_protocol::transfer::{Ticket, TransferId};
use hither_protocol::{Acceptance, Conflict, Event, TransferFailure, TransferState};
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::random::Random;
use hither_tests::sample::put_tree;
use hither_tests::{HostId, World, for_seeds};

const LIMIT: Duration = Duration::from_secs(3600);
const MIB: u64 = 1024 * 1024;
/// Bytes a second on every road.
const RATE: u64 = 4 * MIB;
/// Bytes that may be asked of one peer and not be here.
const ASKED: u64 = 4 * MIB;

struct Case {
    world: World,
    sharers: Vec<HostId>,
    bob: HostId,
    tickets: Vec<Ticket>,
    get: TransferId,
}

impl Case {
    /// Sharers of the same thing at `/home/thing`, and someone who fetches it.
    fn new(seed: u64, sharers: usize, put: impl Fn(&mut World, HostId)) -> Self {
        let mut world = World::new(seed);
        world.set_default_link(LinkConfig { rate: Some(RATE), ..LinkConfig::lan() });
        let names = ["alice", "carol", "dave"];
        let sharers: Vec<HostId> = names.iter().take(sharers).map(|name| world.add_host(name)).collect();
        let bob = world.add_host("bob");
        let mut case = Self { world, sharers, bob, tickets: Vec::new(), get: TransferId([0; 16]) };
        case.world.wait_until_ready(bob);
        for at in 0..case.sharers.len() {
            let host = case.sharers[at];
            case.world.wait_until_ready(host);
            put(&mut case.world, host);
            let ticket = case.share(host);
            case.tickets.push(ticket);
        }
        case
    }

    fn film(seed: u64, sharers: usize, bytes: u64) -> Self {
        Self::new(seed, sharers, |world, host| {
            world.disk(host).put_file("/home/thing", Random::new(seed).bytes(bytes as usize));
        })
    }

    fn share(&mut self, host: HostId) -> Ticket {
        self.world.ask(host, |node, now| node.share(now, vec![PathBuf::from("/home/thing")])).unwrap();
        let event =
            self.world.expect(host, "the ticket", LIMIT, |event| matches!(event, Event::Shared { .. }));
        let Event::Shared { ticket, .. } = event else { unreachable!() };
        ticket.at(&[self.world.host(host).address()])
    }

    /// The command that the getter types, the same again each time.
    fn get(&mut self) {
        let tickets = self.tickets.clone();
        self.get = self
            .world
            .ask(self.bob, |node, now| {
                let (first, others) = tickets.split_first().expect("somebody shares it");
                for other in others {
                    other.addresses().iter().for_each(|at| node.add_address(now, other.peer, *at));
                }
                let others: Vec<_> = others.iter().map(|ticket| ticket.peer).collect();
                node.get(now, first, &others, RECEIVED.into())
            })
            .unwrap();
    }

    /// Lets one thing happen after the other until `met`, and says yes where that is asked.
    fn run(&mut self, limit: Duration, mut met: impl FnMut(&World) -> bool) -> bool {
        let bob = self.bob;
        let until = self.world.now() + limit;
        let asked = |world: &World| world.host(bob).count(|event| matches!(event, Event::Offered { .. }));
        loop {
            let before = asked(&self.world);
            let left = until.saturating_sub(self.world.now());
            let mut done = false;
            let moved = self.world.run_until(left, |world| {
                done = met(world);
                done || asked(world) > before
            });
            if done || !moved {
                return done;
            }
            self.accept();
        }
    }

    fn accept(&mut self) {
        let get = self.get;
        let how = Acceptance { into: RECEIVED.into(), name: None, conflict: Conflict::Refuse };
        let _ = self.world.ask(self.bob, |node, now| node.accept(now, get, how));
    }

    fn is_finished(world: &World, host: HostId) -> bool {
        world.host(host).count(|event| matches!(event, Event::Finished { .. })) > 0
    }

    fn expect_all_there(&mut self) {
        let bob = self.bob;
        let done = self.run(LIMIT, |world| Self::is_finished(world, bob));
        assert!(done, "it comes to an end: {}", self.world.situation());
        self.expect_equal();
    }

    fn expect_equal(&mut self) {
        self.world.run_for(Duration::from_secs(5));
        let sent = self.world.disk(self.sharers[0]).list("/home");
        let received = self.world.disk(self.bob).list(RECEIVED);
        assert_eq!(received, sent, "equal, and neither journal nor partial file left");
        let transfers = self.world.host(self.bob).node().expect("it is up").transfers();
        assert_eq!(transfers, [], "no record of it is left");
    }

    fn back(&mut self) {
        self.world.restart(self.bob);
        self.world.wait_until_ready(self.bob);
        self.get();
    }

    /// Bytes that the getter has, as far as its node knows.
    fn done(&self) -> u64 {
        let views = self.world.host(self.bob).node().map(|node| node.transfers()).unwrap_or_default();
        views.iter().map(|view| view.done).max().unwrap_or(0)
    }

    /// What the sharers have sent, in bytes.
    fn given(&self) -> u64 {
        let events = self.sharers.iter().flat_map(|host| self.world.host(*host).events());
        let given = events.filter_map(|seen| match &seen.event {
            Event::Taken { bytes, .. } => Some(*bytes),
            _ => None,
        });
        given.sum()
    }
}

#[test]
fn killed_at_any_moment_the_same_ticket_brings_the_rest() {
    for tree in [false, true] {
        let make = || {
            let mut case = Case::new(1, 1, |world, host| {
                let mut random = Random::new(1);
                if tree {
                    put_tree(world.disk(host), "/home/thing", 90, 300_000, &mut random);
                } else {
                    world.disk(host).put_file("/home/thing", random.bytes((14 * MIB + 5) as usize));
                }
            });
            case.get();
            case
        };
        let mut case = make();
        let (mut moments, bob) = (0_u64, case.bob);
        case.run(LIMIT, |world| {
            moments += 1;
            Case::is_finished(world, bob)
        });
        case.expect_equal();
        let mut random = Random::new(7);
        // Beginning and end, where most is decided, and some in between.
        let early = (0..6).map(|at| at * 7);
        let late = (1..7).map(|at| moments.saturating_sub(at * 2));
        let between = (0..14).map(|_| random.below(moments)).collect::<Vec<_>>();
        for moment in early.chain(late).chain(between) {
            for power in [false, true] {
                let mut case = make();
                let (mut passed, bob) = (0, case.bob);
                case.run(LIMIT, |_| {
                    passed += 1;
                    passed > moment
                });
                assert!(!Case::is_finished(&case.world, bob), "{moment} of {moments}");
                if power {
                    case.world.crash(bob)
                } else {
                    case.world.kill(bob)
                }
                case.world.run_for(Duration::from_secs(60));
                let before = case.given();
                // Between the last file's name and the end of the record there is nothing left to fetch.
                let whole =
                    case.world.disk(bob).list(RECEIVED) == case.world.disk(case.sharers[0]).list("/home");
                case.back();
                if whole {
                    let there = |event: &Event| {
                        matches!(
                            event,
                            Event::Finished { .. }
                                | Event::Failed { why: TransferFailure::WouldOverwrite, .. }
                        )
                    };
                    assert!(case.run(LIMIT, |world| world.host(bob).count(there) > 0));
                    case.expect_equal();
                } else {
                    case.expect_all_there();
                }
                let total: u64 = case.tickets[0].bytes;
                let most = total + RATE + RATE / 2 + ASKED;
                assert!(case.given() <= most, "{moment}: {} sent of {total}, {before} before", case.given());
            }
        }
    }
}

#[test]
fn whatever_happens_to_whom_everything_arrives_in_the_end() {
    for_seeds(12, |seed| {
        let mut random = Random::new(seed);
        let sharers = 1 + (seed % 2) as usize;
        let mut case = if seed % 3 == 0 {
            Case::new(seed, sharers, |world, host| {
                put_tree(world.disk(host), "/home/thing", 120, 600_000, &mut Random::new(seed));
            })
        } else {
            Case::film(seed, sharers, 30 * MIB)
        };
        let bob = case.bob;
        case.get();
        for _ in 0..1 + random.below(4) {
            let time = random.duration(Duration::from_secs(4));
            case.run(time, |world| Case::is_finished(world, bob));
            if Case::is_finished(&case.world, bob) {
                break;
            }
            let away = random.duration(Duration::from_secs(60));
            match random.below(6) {
                0 => {
                    case.world.kill(bob);
                    case.world.run_for(away);
                    case.back();
                }
                1 => {
                    case.world.crash(bob);
                    case.world.run_for(away);
                    case.back();
                }
                2 => {
                    case.world.shut_down(bob);
                    case.world.run_for(away);
                    case.back();
                }
                3 => {
                    let alice = case.sharers[0];
                    case.world.kill(alice);
                    case.run(away, |_| false);
                    case.world.restart(alice);
                    case.world.wait_until_ready(alice);
                    case.share(alice);
                    // One that had not begun gives up when nobody can be asked.
                    if case.world.host(bob).node().is_some_and(|node| node.progress(case.get).is_none()) {
                        case.get();
                    }
                }
                4 => {
                    let alice = case.sharers[0];
                    case.world.partition(alice, bob);
                    case.run(away * 3, |_| false);
                    case.world.heal(alice, bob);
                    if case.world.host(bob).node().is_some_and(|node| node.progress(case.get).is_none()) {
                        case.get();
                    }
                }
                _ => {
                    let get = case.get;
                    let paused = case.world.ask(bob, |node, now| node.pause(now, get)).is_ok();
                    case.run(away * 10, |_| false);
                    if paused {
                        let _ = case.world.ask(bob, |node, now| node.resume(now, get));
                    }
                }
            }
        }
        case.expect_all_there();
    });
}

#[test]
fn what_is_there_is_said_and_not_asked_for_again() {
    for power in [false, true] {
        let mut case = Case::film(3, 1, 40 * MIB);
        let bob = case.bob;
        case.get();
        assert!(case.run(LIMIT, |world| {
            let views = world.host(bob).node().map(|node| node.transfers()).unwrap_or_default();
            views.iter().any(|view| view.done > 18 * MIB)
        }));
        let (done, get) = (case.done(), case.get);
        if power {
            case.world.crash(bob)
        } else {
            case.world.kill(bob)
        }
        case.world.run_for(Duration::from_secs(60));
        case.world.restart(bob);
        case.world.wait_until_ready(bob);
        let views = case.world.host(bob).node().unwrap().transfers();
        assert_eq!(views.len(), 1, "it is listed");
        assert_eq!((views[0].transfer, views[0].state), (get, TransferState::Interrupted));
        assert_eq!(views[0].ticket.as_ref().map(|ticket| ticket.root), Some(case.tickets[0].root));
        // By its name, as `transfers resume` does.
        case.world.ask(bob, |node, now| node.resume(now, get)).unwrap();
        let again =
            case.world.expect(bob, "it is looked at", LIMIT, |event| matches!(event, Event::Resuming { .. }));
        let Event::Resuming { transfer, held, bytes, lost, .. } = again else { unreachable!() };
        assert_eq!((transfer, bytes, lost), (get, 40 * MIB, 0));
        assert!(held + RATE + RATE / 2 >= done, "{done} were there, {held} were found");
        case.expect_all_there();
        let end = case.world.expect(bob, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
        let Event::Finished { bytes, resumed, .. } = end else { unreachable!() };
        assert_eq!((bytes, resumed), (40 * MIB - held, held));
        let offers = case.world.host(bob).count(|event| matches!(event, Event::Offered { .. }));
        assert_eq!(offers, 1, "consent is asked for once");
    }
}

#[test]
fn a_program_that_ends_in_order_keeps_all_that_it_has() {
    let mut case = Case::film(4, 1, 30 * MIB);
    let bob = case.bob;
    case.get();
    case.run(Duration::from_secs(4), |_| false);
    let done = case.done();
    assert!(done > 8 * MIB, "{done}");
    case.world.shut_down(bob);
    case.world.run_for(Duration::from_secs(10));
    let failed = |event: &Event| {
        matches!(event, Event::Failed { why: TransferFailure::LinkLost(_), resumable: true, .. })
    };
    assert_eq!(case.world.host(bob).count(failed), 1);
    case.back();
    let again = case
        .world
        .expect(bob, "it goes on", LIMIT, |event| matches!(event, Event::Started { resumed: 1.., .. }));
    let Event::Started { resumed, .. } = again else { unreachable!() };
    assert!(resumed >= done, "{done} were there, {resumed} were found");
    case.expect_all_there();
}

#[test]
fn one_that_is_given_up_leaves_nothing() {
    for running in [false, true] {
        let mut case = Case::film(5, 1, 30 * MIB);
        let bob = case.bob;
        case.get();
        case.run(Duration::from_secs(4), |_| false);
        let get = case.get;
        if !running {
            case.world.kill(bob);
            case.world.restart(bob);
            case.world.wait_until_ready(bob);
        }
        case.world.ask(bob, |node, now| node.cancel(now, get)).unwrap();
        case.world.run_for(Duration::from_secs(5));
        assert_eq!(case.world.disk(bob).list(RECEIVED).len(), 0, "no partial file and no journal");
        assert_eq!(case.world.host(bob).node().unwrap().transfers(), []);
    }
}

#[test]
fn what_was_damaged_meanwhile_is_found_out_and_fetched_again() {
    let mut case = Case::film(6, 1, 24 * MIB);
    let bob = case.bob;
    case.get();
    case.run(Duration::from_secs(4), |_| false);
    case.world.kill(bob);
    let partial = case.world.disk(bob).list(RECEIVED).into_keys();
    let partial = partial.into_iter().find(|path| path.to_string_lossy().ends_with(".part")).unwrap();
    // Somewhere in the middle of the whole, where it may or may not have been.
    for at in 0..24 {
        case.world.disk(bob).flip(PathBuf::from(RECEIVED).join(&partial), (at * MIB + 77) as usize, 3);
    }
    case.back();
    let again =
        case.world.expect(bob, "it is looked at", LIMIT, |event| matches!(event, Event::Resuming { .. }));
    let Event::Resuming { lost, held, .. } = again else { unreachable!() };
    assert!(lost >= 4 * CHUNK && held > 0, "{lost} lost, {held} held");
    case.expect_all_there();
}

#[test]
fn whoever_goes_on_gives_to_others_what_it_had_before() {
    // Small files in place, and a large one of which a part is there.
    let mut case = Case::new(8, 1, |world, host| {
        for name in ["a", "b", "c"] {
            let path = format!("/home/thing/{name}");
            world.disk(host).put_file(path, Random::new(name.len() as u64 + 9).bytes(5 * MIB as usize + 1));
        }
        world.disk(host).put_file("/home/thing/z", Random::new(3).bytes(20 * MIB as usize));
    });
    let (alice, bob) = (case.sharers[0], case.bob);
    case.get();
    case.run(Duration::from_secs(6), |_| false);
    case.world.kill(bob);
    case.back();
    case.world.expect(bob, "it goes on", LIMIT, |event| matches!(event, Event::Started { resumed: 1.., .. }));
    let carol = case.world.add_host("carol");
    case.world.wait_until_ready(carol);
    let ticket = case.tickets[0].clone();
    let get = case.world.ask(carol, |node, now| node.get(now, &ticket, &[], RECEIVED.into())).unwrap();
    case.world.expect(carol, "what it is", LIMIT, |event| matches!(event, Event::Offered { .. }));
    let how = Acceptance { into: RECEIVED.into(), name: None, conflict: Conflict::Refuse };
    case.world.ask(carol, |node, now| node.accept(now, get, how)).unwrap();
    case.world.expect(carol, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
    let dropped = case.world.host(carol).count(|event| matches!(event, Event::SourceDropped { .. }));
    assert_eq!(dropped, 0, "what is announced can be had");
    case.expect_all_there();
    assert_eq!(case.world.disk(carol).list(RECEIVED), case.world.disk(alice).list("/home"));
    let carol_peer = case.world.peer(carol);
    let from_bob = case.world.ask(bob, move |node, now| node.cancel(now, case.get));
    assert!(from_bob.is_ok());
    case.world.run_for(Duration::from_secs(2));
    let given: u64 = case
        .world
        .host(bob)
        .events()
        .iter()
        .filter_map(|seen| match &seen.event {
            Event::Taken { peer, bytes, .. } if *peer == carol_peer => Some(*bytes),
            _ => None,
        })
        .sum();
    assert!(given > 2 * MIB, "{given}");
}
