//! Content for many, from many: everyone gets all of it whatever some of them do, and whoever does wrong is named.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::identity::PeerId;
use hither_protocol::transfer::hash::CHUNK;
use hither_protocol::transfer::{Shared, Ticket, TransferId};
use hither_protocol::{
    Acceptance, Conflict, DropReason, Event, GetError, Limits, LinkLoss, TransferFailure, Unreachable,
};
use hither_tests::disk::{Item, Timing};
use hither_tests::host::RECEIVED;
use hither_tests::link::LinkConfig;
use hither_tests::random::Random;
use hither_tests::sample::put_tree;
use hither_tests::world::StreamId;
use hither_tests::{HostId, World, for_seeds};

const LIMIT: Duration = Duration::from_secs(300);

/// Hosts that know nothing of each other, and a film of so many bytes.
struct Case {
    world: World,
    film: Vec<u8>,
}

impl Case {
    fn new(seed: u64, bytes: u64) -> Self {
        Self { world: World::new(seed), film: Random::new(seed).bytes(bytes as usize) }
    }

    fn host(&mut self, name: &str) -> HostId {
        let host = self.world.add_host(name);
        self.world.wait_until_ready(host);
        host
    }

    /// A host that has the film at `/home/film` and shares it.
    fn sharer(&mut self, name: &str) -> (HostId, Ticket) {
        let host = self.host(name);
        self.world.disk(host).put_file("/home/film", self.film.clone());
        let ticket = self.share(host, "/home/film");
        (host, ticket)
    }

    fn share(&mut self, host: HostId, path: &str) -> Ticket {
        let path = PathBuf::from(path);
        self.world.ask(host, |node, now| node.share(now, vec![path])).unwrap();
        let event =
            self.world.expect(host, "the ticket", LIMIT, |event| matches!(event, Event::Shared { .. }));
        let Event::Shared { ticket, .. } = event else { unreachable!() };
        let at = self.world.host(host).address();
        ticket.at(&[at])
    }

    /// A host begins to fetch and takes what it is offered.
    fn get(&mut self, host: HostId, ticket: &Ticket, also: &[PeerId]) -> TransferId {
        let get = self.world.ask(host, |node, now| node.get(now, ticket, also, RECEIVED.into())).unwrap();
        self.world.expect(
            host,
            "what it is",
            LIMIT,
            |event| matches!(event, Event::Offered { transfer, .. } if *transfer == get),
        );
        self.accept(host, get, Conflict::Refuse);
        get
    }

    fn accept(&mut self, host: HostId, get: TransferId, conflict: Conflict) {
        let how = Acceptance { into: RECEIVED.into(), name: None, conflict };
        self.world.ask(host, |node, now| node.accept(now, get, how)).unwrap();
    }

    fn expect_film(&mut self, host: HostId) {
        let event = self.world.expect(host, "the end", LIMIT, |event| {
            matches!(event, Event::Finished { .. } | Event::Failed { .. })
        });
        assert!(matches!(event, Event::Finished { .. }), "{event:?}");
        assert!(*self.world.disk(host).content("/received/film").unwrap() == self.film);
        assert_eq!(self.world.disk(host).list(RECEIVED).len(), 1, "nothing else is left");
    }

    fn expect_failure(&mut self, host: HostId) -> TransferFailure {
        let limit = Duration::from_secs(1200);
        let event = self.world.expect(host, "the end", limit, |event| {
            matches!(event, Event::Finished { .. } | Event::Failed { .. })
        });
        let Event::Failed { transfer, why, kept: 0, resumable } = event else { panic!("{event:?}") };
        self.world.run_for(Duration::from_secs(1));
        if resumable {
            let left = self.world.disk(host).list(RECEIVED);
            let hidden = |path: &PathBuf| path.to_string_lossy().starts_with(".hither-");
            assert!(left.keys().all(hidden), "partial files and the journal: {left:?}");
            self.world.ask(host, |node, now| node.cancel(now, transfer)).unwrap();
            self.world.run_for(Duration::from_secs(1));
        }
        assert_eq!(self.world.disk(host).list(RECEIVED).len(), 0, "nothing is left");
        why
    }

    /// Lets time pass until a host has so much of it.
    fn expect_part(&mut self, host: HostId, get: TransferId, part: f64) {
        let bytes = self.film.len() as f64;
        self.world.expect_until("a part of it", LIMIT, |world| {
            let progress = world.host(host).node().and_then(|node| node.progress(get));
            progress.is_some_and(|progress| progress.done as f64 >= part * bytes)
        });
    }

    /// What was sent to others from a host, in bytes.
    fn given(&self, host: HostId) -> u64 {
        let events = self.world.host(host).events().iter();
        let given = events.filter_map(|seen| match &seen.event {
            Event::Taken { bytes, .. } => Some(*bytes),
            _ => None,
        });
        given.sum()
    }

    fn dropped(&self, host: HostId) -> Vec<(PeerId, DropReason)> {
        let events = self.world.host(host).events().iter();
        let dropped = events.filter_map(|seen| match &seen.event {
            Event::SourceDropped { peer, why, .. } => Some((*peer, *why)),
            _ => None,
        });
        dropped.collect()
    }
}

#[test]
fn a_ticket_names_the_hash_and_brings_the_file_to_strangers() {
    for_seeds(3, |seed| {
        for bytes in [0, 1, CHUNK, CHUNK + 1, 40 * CHUNK + 17] {
            let mut case = Case::new(seed, bytes);
            let (alice, ticket) = case.sharer("alice");
            assert_eq!(ticket.root.0, *blake3::hash(&case.film).as_bytes());
            assert_eq!(
                (ticket.kind, ticket.bytes, ticket.peer),
                (Shared::File, bytes, case.world.peer(alice))
            );
            let bob = case.host("bob");
            let get = case.get(bob, &ticket, &[]);
            case.expect_film(bob);
            case.world.run_for(Duration::from_secs(1));
            assert_eq!(case.given(alice), bytes, "every byte once");
            let progress = case.world.ask(bob, |node, _| node.progress(get)).unwrap();
            assert_eq!(progress.done, bytes);
        }
    });
}

#[test]
fn a_directory_comes_with_all_that_is_in_it() {
    for_seeds(3, |seed| {
        let mut case = Case::new(seed, 0);
        let (alice, bob) = (case.host("alice"), case.host("bob"));
        put_tree(case.world.disk(alice), "/home/tree", 60, 3 * CHUNK, &mut Random::new(seed));
        let ticket = case.share(alice, "/home/tree");
        assert_eq!(ticket.kind, Shared::Collection);
        case.get(bob, &ticket, &[]);
        case.world.expect(bob, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
        let sent = case.world.disk(alice).list("/home/tree");
        let received = case.world.disk(bob).list("/received/tree");
        assert_eq!(sent, received);
    });
}

#[test]
fn much_comes_over_a_stream_on_a_local_network_and_over_another_when_it_breaks() {
    for breaks in [false, true] {
        let mut case = Case::new(1, 120 * CHUNK);
        let (alice, ticket) = case.sharer("alice");
        let bob = case.host("bob");
        let get = case.get(bob, &ticket, &[]);
        if breaks {
            case.expect_part(bob, get, 0.3);
            assert_eq!(case.world.streams(), [true]);
            case.world.break_streams(alice, bob);
        }
        let begun = case.world.now();
        case.expect_film(bob);
        assert!(case.world.now() - begun < Duration::from_secs(5), "nobody waits for what was lost");
        let counts = case.world.counts();
        assert!(counts.streamed > 119 * CHUNK && counts.bytes < 4 * CHUNK, "{counts:?}");
        assert_eq!(case.world.streams(), vec![true; 1 + usize::from(breaks)]);
        case.world.run_for(Duration::from_secs(15));
        assert!(case.world.is_over(StreamId(0)), "it is not kept for nothing");
    }
}

#[test]
fn a_sharer_with_a_limit_keeps_to_it_whoever_takes() {
    let mut case = Case::new(1, 80 * CHUNK);
    let (alice, ticket) = case.sharer("alice");
    let rate = 4 * CHUNK;
    let limits = Limits { send: NonZeroU64::new(rate), receive: None };
    case.world.ask(alice, |node, now| node.set_limits(now, limits));
    let (bob, carol) = (case.host("bob"), case.host("carol"));
    let get = case.get(bob, &ticket, &[]);
    case.get(carol, &ticket, &[]);
    case.world.run_for(Duration::from_secs(10));
    let gone = |host: HostId, get| {
        case.world.host(host).node().and_then(|node| node.progress(get)).map_or(0, |progress| progress.done)
    };
    assert!(gone(bob, get) > 5 * CHUNK);
    case.expect_film(bob);
    case.expect_film(carol);
    let needed = case.given(alice) / rate;
    assert!(case.world.now() >= Duration::from_secs(needed.saturating_sub(1)), "{:?}", case.world.now());
}

#[test]
fn how_far_the_hashing_is_can_be_asked_and_it_can_be_stopped() {
    let mut case = Case::new(1, 64 * CHUNK);
    let alice = case.host("alice");
    case.world.disk(alice).put_file("/home/film", case.film.clone());
    let slow = Timing { request: Duration::from_millis(100), ..Timing::default() };
    case.world.disk(alice).set_timing(slow);
    let share = case.world.ask(alice, |node, now| node.share(now, vec!["/home/film".into()])).unwrap();
    let hashing =
        |event: &Event| matches!(event, Event::Hashing { manifest, .. } if manifest.bytes() == 64 * CHUNK);
    case.world.expect(alice, "what is hashed", LIMIT, hashing);
    let mut seen = Vec::new();
    while case.world.host(alice).count(|event| matches!(event, Event::Shared { .. })) == 0 {
        let progress = case.world.ask(alice, |node, _| node.progress(share)).unwrap();
        assert_eq!((progress.total, progress.road), (64 * CHUNK, None));
        seen.push(progress.done);
        case.world.run_for(Duration::from_millis(50));
    }
    assert!(seen.is_sorted() && seen.iter().any(|done| *done > 0 && *done < 64 * CHUNK), "{seen:?}");
    let again = case.world.ask(alice, |node, now| node.share(now, vec!["/home/film".into()])).unwrap();
    case.world.run_for(Duration::from_millis(250));
    case.world.ask(alice, |node, now| node.cancel(now, again)).unwrap();
    case.world.run_for(Duration::from_secs(5));
    assert_eq!(case.world.host(alice).count(|event| matches!(event, Event::Shared { .. })), 1);
}

#[test]
fn three_sharers_give_a_part_each() {
    for_seeds(3, |seed| {
        let mut case = Case::new(seed, 200 * CHUNK);
        case.world.set_default_link(LinkConfig::dsl());
        let (sharers, tickets): (Vec<_>, Vec<_>) =
            ["a", "b", "c"].map(|name| case.sharer(name)).into_iter().unzip();
        assert!(tickets.iter().all(|ticket| ticket.root == tickets[0].root));
        let bob = case.host("bob");
        let others: Vec<_> = sharers.iter().map(|host| case.world.peer(*host)).collect();
        for (peer, host) in others.iter().zip(&sharers) {
            let at = case.world.host(*host).address();
            case.world.ask(bob, |node, now| node.add_address(now, *peer, at));
        }
        case.get(bob, &tickets[0], &others);
        case.expect_film(bob);
        case.world.run_for(Duration::from_secs(2));
        let given: Vec<u64> = sharers.iter().map(|host| case.given(*host)).collect();
        assert!(given.iter().all(|given| *given > 30 * CHUNK), "{given:?}");
        assert!(given.iter().sum::<u64>() < 225 * CHUNK, "little comes twice: {given:?}");
    });
}

#[test]
fn getters_complete_each_other_after_the_sharer_has_left() {
    for_seeds(3, |seed| {
        let mut case = Case::new(seed, 120 * CHUNK);
        case.world.set_default_link(LinkConfig::dsl());
        let (alice, ticket) = case.sharer("alice");
        let getters = ["bob", "carol", "dave"].map(|name| case.host(name));
        getters.iter().for_each(|host| case.world.connect(alice, *host, LinkConfig::wifi()));
        let gets = getters.map(|host| case.get(host, &ticket, &[]));
        // Alice leaves as soon as there is one copy of every chunk among the others.
        let film = case.film.clone();
        let is_out = |world: &World| {
            let parts = getters.map(|host| world.host(host).disk.list(RECEIVED));
            film.chunks(CHUNK as usize).enumerate().all(|(number, chunk)| {
                let from = number * CHUNK as usize;
                let has = |item: &Item| match item {
                    Item::File(file) => file.content.get(from..from + chunk.len()) == Some(chunk),
                    _ => false,
                };
                parts.iter().any(|part| part.values().any(has))
            })
        };
        while !is_out(&case.world) {
            assert!(case.world.now() < LIMIT, "one copy gets out");
            case.world.run_for(Duration::from_millis(50));
        }
        let progress = |(host, get): (HostId, TransferId)| {
            let node = case.world.host(host).node();
            node.and_then(|node| node.progress(get)).map_or(0, |progress| progress.done)
        };
        let done: Vec<u64> = getters.into_iter().zip(gets).map(progress).collect();
        assert!(done.iter().any(|done| *done < 120 * CHUNK), "somebody still needs the others: {done:?}");
        case.world.crash(alice);
        for host in getters {
            case.expect_film(host);
        }
    });
}

#[test]
fn a_file_that_is_still_arriving_is_given_to_others() {
    let mut case = Case::new(1, 64 * CHUNK);
    let (alice, ticket) = case.sharer("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| case.host(name));
    [bob, carol].iter().for_each(|host| case.world.connect(alice, *host, LinkConfig::dsl()));
    let gets = [case.get(bob, &ticket, &[]), case.get(carol, &ticket, &[])];
    case.expect_film(bob);
    case.expect_film(carol);
    for (host, get) in [bob, carol].into_iter().zip(gets) {
        case.world.ask(host, |node, now| node.cancel(now, get)).unwrap();
    }
    case.world.run_for(Duration::from_secs(5));
    let given = [alice, bob, carol].map(|host| case.given(host));
    assert!(given[0] < 110 * CHUNK, "the sharer did not have to send two copies: {given:?}");
    assert!(given[1] > 5 * CHUNK && given[2] > 5 * CHUNK, "{given:?}");
}

#[test]
fn whoever_sends_wrong_content_is_dropped_and_named() {
    for_seeds(5, |seed| {
        let mut case = Case::new(seed, 60 * CHUNK);
        let (alice, ticket) = case.sharer("alice");
        let (mallory, _) = case.sharer("mallory");
        // From here on every chunk that mallory reads has a wrong bit by the time it is sent.
        (0..1000).for_each(|pass| case.world.disk(mallory).corrupt_read(pass));
        let bob = case.host("bob");
        let liar = case.world.peer(mallory);
        let at = case.world.host(mallory).address();
        case.world.ask(bob, |node, now| node.add_address(now, liar, at));
        case.get(bob, &ticket, &[liar]);
        case.expect_film(bob);
        assert_eq!(case.dropped(bob), [(liar, DropReason::WrongContent)]);
        assert!(case.world.host(alice).is_up());
    });
}

#[test]
fn where_only_a_liar_has_it_nothing_comes_of_it() {
    let mut case = Case::new(1, 6 * CHUNK);
    let (mallory, ticket) = case.sharer("mallory");
    (0..1000).for_each(|pass| case.world.disk(mallory).corrupt_read(pass));
    let bob = case.host("bob");
    case.get(bob, &ticket, &[]);
    assert_eq!(case.expect_failure(bob), TransferFailure::Mismatch);
    assert_eq!(case.dropped(bob), [(case.world.peer(mallory), DropReason::WrongContent)]);
}

#[test]
fn a_sharer_whose_file_changes_says_so_and_the_others_go_on() {
    let mut case = Case::new(1, 150 * CHUNK);
    let (_, ticket) = case.sharer("alice");
    let (carol, _) = case.sharer("carol");
    let bob = case.host("bob");
    let careless = case.world.peer(carol);
    let at = case.world.host(carol).address();
    case.world.ask(bob, |node, now| node.add_address(now, careless, at));
    // Asked slowly enough that there is something left to ask of both.
    case.world.set_default_link(LinkConfig::dsl());
    case.get(bob, &ticket, &[careless]);
    case.world.disk(carol).put_file("/home/film", vec![0; 5]);
    case.expect_film(bob);
    assert_eq!(case.dropped(bob), [], "whoever says so does nothing wrong");
    let changed = |event: &Event| matches!(event, Event::ShareChanged { .. });
    assert_eq!(case.world.host(carol).count(changed), 1, "the sharer is told, once");
    let told = |event: &Event| matches!(event, Event::SourceChanged { peer, path, .. } if *peer == careless && path.as_str() == "film");
    assert_eq!(case.world.host(bob).count(told), 1, "and so is the getter");
}

#[test]
fn a_file_that_has_changed_where_nobody_else_has_it_is_not_waited_for() {
    for chunks in [8, 300] {
        let mut case = Case::new(1, chunks * CHUNK);
        let (alice, ticket) = case.sharer("alice");
        case.world.disk(alice).put_file("/home/film", vec![0; 5]);
        let bob = case.host("bob");
        case.get(bob, &ticket, &[]);
        let begun = case.world.now();
        assert_eq!(case.expect_failure(bob), TransferFailure::SourceChanged(None));
        assert!(case.world.now() - begun < Duration::from_secs(10));
    }
}

#[test]
fn of_a_directory_in_which_one_file_has_changed_the_others_come() {
    let mut case = Case::new(1, 0);
    let [alice, bob] = ["alice", "bob"].map(|name| case.host(name));
    for (name, byte) in [("a", 1), ("b", 2), ("c", 3)] {
        let content = vec![byte; 40 * CHUNK as usize];
        case.world.disk(alice).put_file(PathBuf::from("/home/dir").join(name), content);
    }
    let ticket = case.share(alice, "/home/dir");
    case.world.disk(alice).put_file("/home/dir/b", vec![9; 40 * CHUNK as usize]);
    case.get(bob, &ticket, &[]);
    let limit = Duration::from_secs(200);
    let event = case.world.expect(bob, "the end", limit, |event| matches!(event, Event::Failed { .. }));
    let Event::Failed { why, kept, resumable, .. } = event else { unreachable!() };
    assert_eq!((why, kept, resumable), (TransferFailure::SourceChanged(None), 2, true));
    assert_eq!(case.dropped(bob), []);
    for (name, byte) in [("a", 1), ("c", 3)] {
        let path = PathBuf::from("/received/dir").join(name);
        assert_eq!(*case.world.disk(bob).content(path).unwrap(), vec![byte; 40 * CHUNK as usize]);
    }
    // Put back as it was, and shared again under the same root, the rest of it comes.
    case.world.disk(alice).put_file("/home/dir/b", vec![2; 40 * CHUNK as usize]);
    let again = case.share(alice, "/home/dir");
    assert_eq!(again.root, ticket.root);
    let get = case.world.ask(bob, |node, now| node.get(now, &again, &[], RECEIVED.into())).unwrap();
    case.world.expect(
        bob,
        "what it is",
        limit,
        |event| matches!(event, Event::Offered { transfer, .. } if *transfer == get),
    );
    case.accept(bob, get, Conflict::Refuse);
    let event = case.world.expect(bob, "the end", limit, |event| matches!(event, Event::Finished { .. }));
    let Event::Finished { resumed, .. } = event else { unreachable!() };
    assert_eq!(resumed, 80 * CHUNK);
    assert_eq!(case.world.disk(bob).list("/received/dir"), case.world.disk(alice).list("/home/dir"));
}

#[test]
fn whoever_stands_still_does_not_hold_up_the_rest() {
    let mut case = Case::new(1, 60 * CHUNK);
    let (_, ticket) = case.sharer("alice");
    let (slow, _) = case.sharer("slow");
    let bob = case.host("bob");
    let still = Timing { request: Duration::from_secs(3600), ..Timing::default() };
    case.world.disk(slow).set_timing(still);
    let peer = case.world.peer(slow);
    let at = case.world.host(slow).address();
    case.world.ask(bob, |node, now| node.add_address(now, peer, at));
    let begun = case.world.now();
    case.get(bob, &ticket, &[peer]);
    case.expect_film(bob);
    let took = case.world.now() - begun;
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_sharer_that_stands_still_for_ever_is_let_go() {
    let mut case = Case::new(1, 4 * CHUNK);
    let (slow, ticket) = case.sharer("slow");
    let still = Timing { request: Duration::from_secs(36_000), ..Timing::default() };
    case.world.disk(slow).set_timing(still);
    let bob = case.host("bob");
    case.get(bob, &ticket, &[]);
    assert_eq!(case.expect_failure(bob), TransferFailure::NobodyHasIt);
    assert_eq!(case.dropped(bob), [(case.world.peer(slow), DropReason::Silent)]);
}

#[test]
fn a_sharer_that_comes_back_in_time_is_gone_on_with() {
    let mut case = Case::new(1, 60 * CHUNK);
    case.world.set_default_link(LinkConfig::dsl());
    let (alice, ticket) = case.sharer("alice");
    let bob = case.host("bob");
    let get = case.get(bob, &ticket, &[]);
    case.expect_part(bob, get, 0.3);
    case.world.crash(alice);
    case.world.expect(bob, "that nobody is left", LIMIT, |event| matches!(event, Event::Lonely { .. }));
    case.world.restart(alice);
    case.world.wait_until_ready(alice);
    case.share(alice, "/home/film");
    case.expect_film(bob);
    let again = case.world.host(bob).count(|event| matches!(event, Event::Lonely { .. }));
    assert_eq!(again, 1);
}

#[test]
fn a_sharer_that_does_not_come_back_is_given_up() {
    let mut case = Case::new(1, 60 * CHUNK);
    case.world.set_default_link(LinkConfig::dsl());
    let (alice, ticket) = case.sharer("alice");
    let bob = case.host("bob");
    let get = case.get(bob, &ticket, &[]);
    case.expect_part(bob, get, 0.3);
    case.world.crash(alice);
    assert_eq!(case.expect_failure(bob), TransferFailure::LinkLost(LinkLoss::TimedOut));
}

#[test]
fn a_ticket_whose_sharer_is_gone_or_shares_no_more_says_so() {
    let mut case = Case::new(1, CHUNK);
    let (alice, ticket) = case.sharer("alice");
    let bob = case.host("bob");
    let share = case.world.ask(alice, |node, now| node.share(now, vec!["/home/film".into()]));
    assert!(share.is_ok());
    let other = Ticket::new(
        hither_protocol::transfer::hash::Root([9; 32]),
        Shared::File,
        5,
        ticket.peer,
        ticket.addresses(),
    );
    case.world.ask(bob, |node, now| node.get(now, &other, &[], RECEIVED.into())).unwrap();
    assert_eq!(case.expect_failure(bob), TransferFailure::NobodyHasIt, "of a root that is not shared");
    case.world.crash(alice);
    case.world.run_for(Duration::from_secs(60));
    case.world.ask(bob, |node, now| node.get(now, &ticket, &[], RECEIVED.into())).unwrap();
    assert_eq!(case.expect_failure(bob), TransferFailure::Unreachable(Unreachable::NoAnswer));
    let me = case.world.peer(bob);
    let own = Ticket::new(ticket.root, Shared::File, 5, me, &[]);
    let oneself = case.world.ask(bob, |node, now| node.get(now, &own, &[], RECEIVED.into()));
    assert_eq!(oneself, Err(GetError::Oneself));
}

#[test]
fn a_ticket_that_says_another_size_or_kind_is_not_believed() {
    for change in [0, 1] {
        let mut case = Case::new(1, CHUNK * 3);
        let (alice, ticket) = case.sharer("alice");
        let bob = case.host("bob");
        let kind = if change == 0 { Shared::Collection } else { Shared::File };
        let bytes = if change == 1 { ticket.bytes - 1 } else { ticket.bytes };
        let wrong = Ticket::new(ticket.root, kind, bytes, ticket.peer, ticket.addresses());
        case.world.ask(bob, |node, now| node.get(now, &wrong, &[], RECEIVED.into())).unwrap();
        assert_eq!(case.expect_failure(bob), TransferFailure::Mismatch);
        assert_eq!(case.dropped(bob), [(case.world.peer(alice), DropReason::WrongContent)]);
    }
}

#[test]
fn what_exists_is_kept_and_not_claimed_to_be_here() {
    let mut case = Case::new(1, 0);
    let [alice, bob] = ["alice", "bob"].map(|name| case.host(name));
    for (name, byte) in [("a", 1), ("b", 2)] {
        case.world.disk(alice).put_file(PathBuf::from("/home/dir").join(name), vec![byte; 100]);
    }
    case.world.disk(bob).put_file("/received/dir/a", b"mine".to_vec());
    let ticket = case.share(alice, "/home/dir");
    let get = case.world.ask(bob, |node, now| node.get(now, &ticket, &[], RECEIVED.into())).unwrap();
    let event = case.world.expect(bob, "what it is", LIMIT, |event| matches!(event, Event::Offered { .. }));
    let Event::Offered { examined, .. } = event else { unreachable!() };
    assert_eq!(examined.existing.len(), 1);
    case.accept(bob, get, Conflict::Skip);
    case.world.expect(bob, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }));
    assert_eq!(*case.world.disk(bob).content("/received/dir/a").unwrap(), b"mine");
    assert_eq!(*case.world.disk(bob).content("/received/dir/b").unwrap(), vec![2; 100]);
    // Carol asks bob alone: of what he kept he gives nothing.
    case.world.crash(alice);
    let carol = case.host("carol");
    let at = case.world.host(bob).address();
    let from_bob = Ticket::new(ticket.root, ticket.kind, ticket.bytes, case.world.peer(bob), &[at]);
    case.get(carol, &from_bob, &[]);
    case.world.expect(carol, "that there is more", LIMIT, |event| matches!(event, Event::Lonely { .. }));
    assert!(case.dropped(carol).is_empty());
}

#[test]
fn giving_up_leaves_nothing_and_others_go_on() {
    let mut case = Case::new(1, 80 * CHUNK);
    case.world.set_default_link(LinkConfig::wifi());
    let (_, ticket) = case.sharer("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| case.host(name));
    let gets = [bob, carol].map(|host| case.get(host, &ticket, &[]));
    case.expect_part(bob, gets[0], 0.3);
    case.world.ask(bob, |node, now| node.cancel(now, gets[0])).unwrap();
    assert_eq!(case.expect_failure(bob), TransferFailure::Cancelled);
    case.expect_film(carol);
}

#[test]
fn a_full_disk_ends_it_with_nothing_left() {
    let mut case = Case::new(1, 80 * CHUNK);
    let (_, ticket) = case.sharer("alice");
    let bob = case.host("bob");
    case.get(bob, &ticket, &[]);
    case.world.disk(bob).set_free(20 * CHUNK);
    assert_eq!(case.expect_failure(bob), TransferFailure::DiskFull);
}

#[test]
fn the_same_seed_fetches_the_same_way() {
    let run = |seed| {
        let mut case = Case::new(seed, 30 * CHUNK);
        let (_, ticket) = case.sharer("alice");
        let [bob, carol] = ["bob", "carol"].map(|name| case.host(name));
        case.get(bob, &ticket, &[]);
        case.get(carol, &ticket, &[]);
        case.expect_film(bob);
        case.expect_film(carol);
        case.world.transcript()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
