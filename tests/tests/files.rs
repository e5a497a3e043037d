//! Files between nodes: what arrives is what was sent, and what does not arrive leaves nothing behind.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hither_protocol::storage::StorageError;
use hither_protocol::transfer::TransferId;
use hither_protocol::transfer::hash::{CHUNK, Root};
use hither_protocol::{Conflict, Event, LinkLoss, Refusal, TransferFailure};
use hither_tests::disk::{Item, Kind, Timing};
use hither_tests::host::RECEIVED;
use hither_tests::link::{LinkConfig, Loss};
use hither_tests::random::Random;
use hither_tests::sample::put_tree;
use hither_tests::{HostId, World, for_seeds};

const LIMIT: Duration = Duration::from_secs(300);
const MIB: u64 = 1024 * 1024;

/// Bytes of content that may be in storage requests at once, at either end.
const MOST_OUTSTANDING: u64 = 16 * MIB;

/// Alice has something at `/home`; bob is her contact, and she is his.
struct Case {
    world: World,
    alice: HostId,
    bob: HostId,
}

impl Case {
    fn new(seed: u64, config: LinkConfig) -> Self {
        let mut world = World::new(seed);
        let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
        world.connect(alice, bob, config);
        world.befriend(&[alice, bob]);
        Self { world, alice, bob }
    }

    /// With a file of so many bytes at `/home/film`.
    fn with_film(seed: u64, config: LinkConfig, bytes: u64) -> Self {
        let mut case = Self::new(seed, config);
        case.world.disk(case.alice).put_file("/home/film", Random::new(seed).bytes(bytes as usize));
        case
    }

    fn offer(&mut self, name: &str) -> TransferId {
        let (peer, path) = (self.world.peer(self.bob), PathBuf::from("/home").join(name));
        self.world.ask(self.alice, |node, now| node.offer(now, peer, vec![path])).unwrap()
    }

    /// Offers the film and lets time pass until about a quarter of it has arrived.
    fn offer_film_and_reach_a_quarter(&mut self) -> TransferId {
        let (transfer, bob) = (self.offer("film"), self.bob);
        self.world.expect_until("a quarter of it", LIMIT, |world| {
            let progress = world.host(bob).node().and_then(|node| node.progress(transfer));
            progress.is_some_and(|progress| progress.done > 0 && progress.done * 4 >= progress.total)
        });
        transfer
    }

    fn expect_finished(&mut self, host: HostId) -> Event {
        self.world.expect(host, "the end", LIMIT, |event| matches!(event, Event::Finished { .. }))
    }

    fn expect_failure(&mut self, host: HostId) -> TransferFailure {
        let is_failure = |event: &Event| matches!(event, Event::Failed { .. });
        let Event::Failed { why, .. } = self.world.expect(host, "a failure", LIMIT, is_failure) else {
            unreachable!()
        };
        why
    }

    fn sent(&mut self, name: &str) -> BTreeMap<PathBuf, Item> {
        self.world.disk(self.alice).list(PathBuf::from("/home").join(name))
    }

    fn received(&mut self) -> BTreeMap<PathBuf, Item> {
        self.world.disk(self.bob).list(RECEIVED)
    }

    fn expect_film_arrived(&mut self) {
        for host in [self.alice, self.bob] {
            self.expect_finished(host);
        }
        self.world.run_for(Duration::from_secs(1));
        let film = self.world.disk(self.alice).file("/home/film").cloned().map(Item::File);
        assert_eq!(self.received().into_iter().next_back(), film.map(|film| ("film".into(), film)));
        assert_eq!(self.received().len(), 1);
    }

    fn expect_nothing_left(&mut self) {
        self.world.run_for(Duration::from_secs(10));
        assert_eq!(self.received(), BTreeMap::new());
    }
}

fn roads() -> [LinkConfig; 6] {
    [
        LinkConfig::lan(),
        LinkConfig::wifi(),
        LinkConfig::dsl(),
        LinkConfig::lossy(),
        LinkConfig { reorder: 0.05, duplicate: 0.05, ..LinkConfig::lan() },
        LinkConfig { loss: Loss::Runs { begin: 0.005, end: 0.2 }, reorder: 0.02, ..LinkConfig::wifi() },
    ]
}

#[test]
fn a_file_arrives_as_it_was_sent_and_its_root_is_its_hash() {
    for (seed, road) in (0..).zip(roads()) {
        let mut case = Case::with_film(seed, road, 5 * CHUNK + 17);
        let transfer = case.offer("film");
        let hash = blake3::hash(&case.world.disk(case.alice).content("/home/film").unwrap());
        for (host, at) in [(case.alice, "/home/film"), (case.bob, "/received/film")] {
            let Event::Finished { transfer: which, bytes, root, paths, .. } = case.expect_finished(host)
            else {
                unreachable!()
            };
            assert_eq!((which, bytes, root), (transfer, 5 * CHUNK + 17, Root(*hash.as_bytes())));
            assert_eq!(paths, [PathBuf::from(at)]);
        }
        let film = case.world.disk(case.alice).file("/home/film").cloned();
        assert_eq!(case.world.disk(case.bob).file("/received/film"), film.as_ref());
    }
}

#[test]
fn a_directory_arrives_as_it_was_sent() {
    for (seed, road) in (0..).zip(roads()) {
        let mut case = Case::new(seed, road);
        put_tree(case.world.disk(case.alice), "/home/album", 60, 60_000, &mut Random::new(seed));
        case.offer("album");
        for host in [case.alice, case.bob] {
            case.expect_finished(host);
        }
        let received = case.world.disk(case.bob).list("/received/album");
        assert!(received == case.sent("album"), "{:?}", received.keys().collect::<Vec<_>>());
        assert_eq!(case.world.disk(case.bob).partials(), [] as [PathBuf; 0]);
    }
}

#[test]
fn what_arrived_survives_a_crash_right_after_the_end() {
    for_seeds(5, |seed| {
        let mut case = Case::with_film(seed, LinkConfig::lan(), 3 * CHUNK);
        case.offer("film");
        case.expect_finished(case.alice);
        case.world.crash(case.bob);
        let film = case.world.disk(case.alice).content("/home/film");
        assert_eq!(case.world.disk(case.bob).content("/received/film"), film);
    });
}

#[test]
fn a_link_that_is_down_for_five_seconds_delays_only() {
    for_seeds(5, |seed| {
        let mut case = Case::with_film(seed, LinkConfig::lossy(), 4 * MIB);
        case.offer_film_and_reach_a_quarter();
        case.world.partition(case.alice, case.bob);
        case.world.run_for(Duration::from_secs(5));
        case.world.heal(case.alice, case.bob);
        case.expect_film_arrived();
    });
}

#[test]
fn a_disk_that_gets_full_fails_the_transfer_on_both_sides_and_is_cleared() {
    for_seeds(5, |seed| {
        let mut case = Case::with_film(seed, LinkConfig::dsl(), 4 * MIB);
        case.offer_film_and_reach_a_quarter();
        case.world.disk(case.bob).set_free(CHUNK);
        assert_eq!(case.expect_failure(case.alice), TransferFailure::DiskFull);
        assert_eq!(case.expect_failure(case.bob), TransferFailure::DiskFull);
        case.expect_nothing_left();
    });
}

#[test]
fn what_does_not_fit_is_refused_before_a_byte_moves() {
    let mut case = Case::with_film(1, LinkConfig::lan(), MIB);
    case.world.disk(case.bob).set_free(MIB - 1);
    case.offer("film");
    assert_eq!(case.expect_failure(case.alice), TransferFailure::Refused(Refusal::NoSpace));
    assert_eq!(case.world.disk(case.bob).requests(Kind::Write), 0);
}

#[test]
fn a_disk_that_fails_once_fails_the_transfer_and_is_cleared() {
    let mut case = Case::with_film(1, LinkConfig::dsl(), 2 * MIB);
    case.world.disk(case.bob).fail(Kind::Write, 1, StorageError::Other("I/O error".into()));
    case.offer("film");
    let why = case.expect_failure(case.bob);
    assert_eq!(why, TransferFailure::Disk(Some(StorageError::Other("I/O error".into()))));
    assert_eq!(case.expect_failure(case.alice), TransferFailure::Disk(None), "not in the other's words");
    case.expect_nothing_left();
}

#[test]
fn a_file_that_changes_while_it_is_sent_fails_the_transfer() {
    for_seeds(5, |seed| {
        let mut case = Case::with_film(seed, LinkConfig::dsl(), 20 * MIB);
        let transfer = case.offer_film_and_reach_a_quarter();
        case.world.disk(case.alice).put_file("/home/film", "another film");
        let why = case.expect_failure(case.alice);
        assert_eq!(why, TransferFailure::SourceChanged(Some("/home/film".into())));
        assert!(matches!(case.expect_failure(case.bob), TransferFailure::SourceChanged(_)));
        assert_eq!(case.world.disk(case.bob).content("/received/film"), None);
        case.world.ask(case.bob, |node, now| node.cancel(now, transfer)).unwrap();
        case.expect_nothing_left();
    });
}

#[test]
fn content_that_is_damaged_on_the_way_is_never_put_in_place() {
    let mut case = Case::with_film(1, LinkConfig::lan(), 2 * MIB);
    case.world.disk(case.alice).corrupt_read(3);
    case.offer("film");
    assert_eq!(case.expect_failure(case.bob), TransferFailure::Mismatch);
    assert_eq!(case.expect_failure(case.alice), TransferFailure::Mismatch);
    case.expect_nothing_left();
}

#[test]
fn a_taken_name_is_refused_and_what_has_it_stays() {
    let mut case = Case::with_film(1, LinkConfig::lan(), MIB);
    case.world.disk(case.bob).put_file("/received/film", "mine");
    case.offer("film");
    assert_eq!(case.expect_failure(case.alice), TransferFailure::Refused(Refusal::WouldOverwrite));
    assert_eq!(**case.world.disk(case.bob).content("/received/film").unwrap(), *b"mine");
    assert_eq!(case.world.disk(case.bob).requests(Kind::Write), 0);
}

#[test]
fn a_taken_name_is_gone_around_where_the_rules_say_so() {
    let mut case = Case::with_film(1, LinkConfig::lan(), MIB);
    case.world.disk(case.bob).put_file("/received/film", "mine");
    let mut rules = case.world.host(case.bob).config.rules.clone();
    rules.conflict = Conflict::Rename;
    case.world.ask(case.bob, |node, _| node.set_rules(rules));
    case.offer("film");
    let Event::Finished { paths, .. } = case.expect_finished(case.bob) else { unreachable!() };
    assert_eq!(paths, [PathBuf::from("/received/film (1)")]);
    assert_eq!(**case.world.disk(case.bob).content("/received/film").unwrap(), *b"mine");
    let film = case.world.disk(case.alice).content("/home/film");
    assert_eq!(case.world.disk(case.bob).content("/received/film (1)"), film);
}

#[test]
fn a_stranger_is_refused_and_the_disk_is_not_touched() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.add_host(name));
    world.add_contact(alice, bob);
    world.wait_until_ready(bob);
    world.disk(alice).put_file("/home/film", "film");
    let mut case = Case { world, alice, bob };
    case.offer("film");
    assert_eq!(case.expect_failure(alice), TransferFailure::Refused(Refusal::Stranger));
    case.expect_nothing_left();
    let disk = case.world.disk(bob);
    assert_eq!([Kind::Prepare, Kind::Write, Kind::Finish].map(|kind| disk.requests(kind)), [0; 3]);
}

#[test]
fn either_side_can_stop_a_transfer() {
    for sender_stops in [true, false] {
        let mut case = Case::with_film(1, LinkConfig::dsl(), 4 * MIB);
        let transfer = case.offer_film_and_reach_a_quarter();
        let (stops, other) = if sender_stops { (case.alice, case.bob) } else { (case.bob, case.alice) };
        case.world.ask(stops, |node, now| node.cancel(now, transfer)).unwrap();
        assert_eq!(case.expect_failure(stops), TransferFailure::Cancelled);
        assert_eq!(case.expect_failure(other), TransferFailure::CancelledByPeer);
        case.expect_nothing_left();
    }
}

#[test]
fn a_receiver_that_crashes_and_stays_away_is_given_up_after_ten_minutes() {
    for_seeds(5, |seed| {
        let mut case = Case::with_film(seed, LinkConfig::dsl(), 4 * MIB);
        case.offer_film_and_reach_a_quarter();
        case.world.crash(case.bob);
        case.world.run_for(Duration::from_secs(600));
        let why = case.expect_failure(case.alice);
        assert!(matches!(why, TransferFailure::LinkLost(LinkLoss::TimedOut | LinkLoss::Broken)), "{why:?}");
        assert_eq!(case.world.disk(case.bob).content("/received/film"), None);
    });
}

#[test]
fn a_slow_disk_slows_the_sender_and_no_queue_grows() {
    let mut case = Case::with_film(1, LinkConfig::lan(), 48 * MIB);
    let slow = Timing { request: Duration::from_millis(5), rate: 10 * MIB, ..Timing::default() };
    case.world.disk(case.bob).set_timing(slow);
    case.offer("film");
    case.expect_film_arrived();
    for host in [case.alice, case.bob] {
        let peak = case.world.disk(host).peak_outstanding();
        assert!((1..=MOST_OUTSTANDING).contains(&peak), "{peak} bytes under way at once");
    }
}

/// A directory with links in it: to a file, up, to nothing, and out of it.
fn with_links(seed: u64) -> Case {
    let mut case = Case::new(seed, LinkConfig::lan());
    let disk = case.world.disk(case.alice);
    put_tree(disk, "/home/album", 20, 60_000, &mut Random::new(seed));
    for (at, target) in [("one", "sub/x"), ("in/up", "../one"), ("dangling", "nowhere"), ("in/here", ".")] {
        disk.put_link(PathBuf::from("/home/album").join(at), target);
    }
    disk.put_link("/home/album/in/out", "../../secret");
    disk.put_link("/home/album/etc", "/etc/passwd");
    case
}

impl Case {
    fn set_conflict(&mut self, conflict: Conflict) {
        let mut rules = self.world.host(self.bob).config.rules.clone();
        rules.conflict = conflict;
        self.world.ask(self.bob, |node, _| node.set_rules(rules));
    }

    fn offer_with_links(&mut self, name: &str) -> TransferId {
        let (peer, path) = (self.world.peer(self.bob), PathBuf::from("/home").join(name));
        self.world.ask(self.alice, |node, now| node.offer_with_links(now, peer, vec![path])).unwrap()
    }
}

#[test]
fn links_arrive_as_links_where_they_are_asked_for() {
    let mut case = with_links(1);
    case.offer_with_links("album");
    for host in [case.alice, case.bob] {
        case.expect_finished(host);
    }
    let mut sent = case.sent("album");
    for out in ["etc", "in/out"] {
        assert!(matches!(sent.remove(&PathBuf::from(out)), Some(Item::Link(_))));
    }
    assert_eq!(case.world.disk(case.bob).list("/received/album"), sent);
    assert_eq!(sent.values().filter(|item| matches!(item, Item::Link(_))).count(), 4);
}

#[test]
fn links_do_not_travel_where_nobody_asks_for_them() {
    let mut case = with_links(2);
    case.offer("album");
    for host in [case.alice, case.bob] {
        case.expect_finished(host);
    }
    let received = case.received();
    assert!(received.values().all(|item| !matches!(item, Item::Link(_))));
}

#[test]
fn links_that_are_there_already_are_no_conflict_and_others_are_kept_or_replaced() {
    for (conflict, expected) in [(Conflict::Skip, "mine"), (Conflict::Overwrite, "sub/x")] {
        let mut case = with_links(3);
        let disk = case.world.disk(case.bob);
        disk.put_link("/received/album/one", "mine");
        disk.put_link("/received/album/dangling", "nowhere");
        case.set_conflict(conflict);
        case.offer_with_links("album");
        for host in [case.alice, case.bob] {
            case.expect_finished(host);
        }
        let received = case.world.disk(case.bob).list("/received/album");
        assert_eq!(received[&PathBuf::from("one")], Item::Link(expected.into()));
        assert_eq!(received[&PathBuf::from("dangling")], Item::Link("nowhere".into()));
    }
}

#[test]
fn a_link_that_cannot_be_made_for_a_full_disk_ends_the_transfer_and_sending_again_goes_on() {
    let mut case = with_links(4);
    case.world.disk(case.bob).fail(Kind::Seal, 0, StorageError::Full);
    case.offer_with_links("album");
    assert_eq!(case.expect_failure(case.bob), TransferFailure::DiskFull);
    assert_eq!(case.expect_failure(case.alice), TransferFailure::DiskFull);
    case.world.run_for(Duration::from_secs(2));
    case.set_conflict(Conflict::Skip);
    case.offer_with_links("album");
    for host in [case.alice, case.bob] {
        case.expect_finished(host);
    }
    let links = case.received().values().filter(|item| matches!(item, Item::Link(_))).count();
    assert_eq!(links, 4);
}
