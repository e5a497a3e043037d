//! Transfers that are interrupted and gone on with: through the real program on loopback, killed, stopped, and with
//! what it left on the disk damaged.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Node, Running, listing, text};

/// Large enough to be caught on its way at the rate of [`SLOW`].
const SIZE: usize = 24 << 20;
const SLOW: [&str; 2] = ["--limit", "4MB/s"];

/// Bytes that no two places of the file share.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

/// A sender with a film, a receiver, and what they are told.
struct Pair {
    alice: Node,
    bob: Node,
    film: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let (alice, bob) = (Node::new(), Node::new());
        let film = noise(SIZE);
        alice.file("film.mkv", &film);
        bob.directory("in");
        Self { alice, bob, film }
    }

    fn receive(&self, more: &[&str]) -> Running {
        let into = self.bob.path("in");
        self.bob.start(&[&["receive", "--yes", "--into", text(&into)], more].concat())
    }

    fn send(&self, address: &str, more: &[&str]) -> Running {
        let film = self.alice.path("film.mkv");
        self.alice.start(&[&["send", text(&film), "--to", address], more].concat())
    }

    /// Both are at it, and something of the film is durable.
    fn begun(&self) -> (Running, Running) {
        let mut receiver = self.receive(&[]);
        let sender = self.send(&receiver.address(), &SLOW);
        wait_for_bytes(&mut receiver, 9 << 20);
        (sender, receiver)
    }

    #[track_caller]
    fn has_arrived(&self) {
        assert_eq!(listing(&self.bob.path("in")), ["film.mkv"]);
        assert_eq!(fs::read(self.bob.path("in/film.mkv")).unwrap(), self.film);
    }

    fn transfers(&self, node: &Node) -> Vec<Value> {
        let ended = node.run(&["transfers"]);
        ended.expect(0);
        ended.events.into_iter().filter(|event| event["event"] == "transfer").collect()
    }
}

fn wait_for_bytes(receiver: &mut Running, bytes: u64) {
    receiver.wait_for("progress", |progress| progress["done"].as_u64().unwrap() >= bytes);
}

/// The port at which a node is, so that it can be there again.
fn port(address: &str) -> String {
    address.rsplit(':').next().unwrap().to_owned()
}

#[track_caller]
fn assert_resumed(done: &Value) {
    let (bytes, resumed) = (done["bytes"].as_u64().unwrap(), done["resumed"].as_u64().unwrap());
    assert!(resumed > 0 && bytes + resumed == SIZE as u64, "{done}");
}

fn part_of(directory: &Path, ending: &str) -> std::path::PathBuf {
    let mut names = listing(directory);
    names.retain(|name| name.starts_with(".hither-") && name.ends_with(ending));
    assert_eq!(names.len(), 1, "{names:?}");
    directory.join(&names[0])
}

#[test]
fn a_killed_receiver_goes_on_where_it_was_when_both_are_started_again() {
    let pair = Pair::new();
    let (sender, receiver) = pair.begun();
    receiver.kill();
    sender.kill();
    let listed = pair.transfers(&pair.bob);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0]["state"], &listed[0]["way"]), (&"interrupted".into(), &"receiving".into()));
    assert_eq!((&listed[0]["name"], &listed[0]["total"]), (&"film.mkv".into(), &SIZE.into()));
    assert_eq!(listed[0]["folder"], text(&pair.bob.path("in")));

    let mut receiver = pair.receive(&[]);
    // From another folder, by another name for the same path.
    let mut command = pair.alice.command(&["send", "film.mkv", "--to", &receiver.address(), "--json"]);
    let sender = Running::start(command.current_dir(pair.alice.path(""))).end();
    let receiver = receiver.end();
    for ended in [sender.expect(0), receiver.expect(0)] {
        assert_resumed(ended.event("done"));
        assert_eq!(ended.event("done")["transfer"], listed[0]["transfer"]);
        let resuming = ended.event("resuming");
        assert_eq!((&resuming["done"], &resuming["total"]), (&ended.event("done")["resumed"], &SIZE.into()));
    }
    assert!(!receiver.events.iter().any(|event| event["event"] == "offer"), "no second consent");
    pair.has_arrived();
    assert_eq!(pair.transfers(&pair.bob).len() + pair.transfers(&pair.alice).len(), 0);
}

#[test]
fn a_killed_sender_is_waited_for() {
    let pair = Pair::new();
    let mut receiver = pair.receive(&[]);
    let address = receiver.address();
    let sender = pair.send(&address, &SLOW);
    wait_for_bytes(&mut receiver, 9 << 20);
    sender.kill();
    let sender = pair.send(&address, &[]).end();
    receiver.wait_for("suspended", |_| true);
    let receiver = receiver.end();
    assert_resumed(sender.expect(0).event("done"));
    assert_resumed(receiver.expect(0).event("done"));
    pair.has_arrived();
}

#[test]
fn a_killed_receiver_is_found_again_by_the_sender_that_stayed() {
    let pair = Pair::new();
    let mut receiver = pair.receive(&[]);
    let address = receiver.address();
    let mut sender = pair.send(&address, &SLOW);
    wait_for_bytes(&mut receiver, 9 << 20);
    receiver.kill();
    let receiver =
        pair.bob.start_at(&port(&address), &["receive", "--yes", "--into", text(&pair.bob.path("in"))]);
    sender.wait_for("resuming", |_| true);
    assert_resumed(sender.end().expect(0).event("done"));
    assert_resumed(receiver.end().expect(0).event("done"));
    pair.has_arrived();
}

#[test]
#[cfg(unix)]
fn ctrl_c_at_either_side_is_heard_by_the_other_and_can_be_gone_on_with() {
    let pair = Pair::new();
    for stop_sender in [true, false] {
        let (mut sender, receiver) = pair.begun();
        wait_for_bytes(&mut sender, 1);
        if stop_sender {
            sender.interrupt();
        } else {
            receiver.interrupt();
        }
        let (sender, receiver) = (sender.end(), receiver.end());
        let (stopped, other) = if stop_sender { (&sender, &receiver) } else { (&receiver, &sender) };
        stopped.expect_error(130, "To go on: `hither --home ");
        other.expect_error(7, "stopped; it can be resumed");
        other.expect_error(7, "To go on: `hither --home ");
        other.expect_error(7, " of 25.2 MB of film.mkv ");
        part_of(&pair.bob.path("in"), ".part");
    }
    let mut receiver = pair.receive(&[]);
    assert_resumed(pair.send(&receiver.address(), &[]).end().expect(0).event("done"));
    receiver.wait_for("done", |_| true);
    receiver.end().expect(0);
    pair.has_arrived();
}

#[test]
fn a_source_that_changed_meanwhile_travels_from_the_start_and_that_is_said() {
    let mut pair = Pair::new();
    let (sender, receiver) = pair.begun();
    sender.kill();
    receiver.kill();
    pair.film.reverse();
    pair.film.push(7);
    pair.alice.file("film.mkv", &pair.film);
    let mut receiver = pair.receive(&[]);
    let sender = pair.send(&receiver.address(), &[]).end();
    let receiver = receiver.end();
    assert_eq!(sender.expect(0).event("done")["resumed"], 0);
    assert_eq!(receiver.expect(0).event("resuming")["changed"], 1);
    receiver.event("offer");
    pair.has_arrived();
}

#[test]
fn a_damaged_journal_means_from_the_start_and_is_said() {
    let pair = Pair::new();
    let (sender, receiver) = pair.begun();
    sender.kill();
    receiver.kill();
    let journal = part_of(&pair.bob.path("in"), ".journal");
    fs::write(&journal, "not a journal").unwrap();
    let mut receiver = pair.receive(&[]);
    let sender = pair.send(&receiver.address(), &[]).end();
    let receiver = receiver.end();
    assert_eq!(sender.expect(0).event("done")["resumed"], 0);
    let restarting = receiver.expect(0).event("restarting");
    assert!(restarting["why"].as_str().unwrap().contains("damaged"), "{restarting}");
    pair.has_arrived();
}

#[test]
fn a_partial_file_that_was_damaged_travels_again_where_it_was() {
    use std::io::{Seek, SeekFrom, Write};
    let pair = Pair::new();
    let (sender, receiver) = pair.begun();
    sender.kill();
    receiver.kill();
    let part = part_of(&pair.bob.path("in"), ".part");
    let mut file = fs::OpenOptions::new().write(true).open(part).unwrap();
    file.seek(SeekFrom::Start(1 << 20)).unwrap();
    file.write_all(b"damage").unwrap();
    drop(file);
    let mut receiver = pair.receive(&[]);
    let sender = pair.send(&receiver.address(), &[]).end();
    let receiver = receiver.end();
    assert_resumed(sender.expect(0).event("done"));
    assert!(receiver.expect(0).event("resuming")["lost"].as_u64().unwrap() > 0);
    pair.has_arrived();
}

#[test]
fn a_folder_that_is_gone_is_said_and_the_offer_is_asked_anew() {
    let pair = Pair::new();
    let (sender, receiver) = pair.begun();
    sender.kill();
    receiver.kill();
    fs::remove_dir_all(pair.bob.path("in")).unwrap();
    let mut receiver = pair.receive(&[]);
    let sender = pair.send(&receiver.address(), &[]).end();
    let receiver = receiver.end();
    assert_eq!(sender.expect(0).event("done")["resumed"], 0);
    receiver.expect(0).event("restarting");
    receiver.event("offer");
    pair.has_arrived();
}

#[test]
fn a_file_by_another_name_is_gone_on_with() {
    let pair = Pair::new();
    let to = pair.bob.path("in/mine.mkv");
    let start = || pair.bob.start(&["receive", "--yes", "-o", text(&to)]);
    let mut receiver = start();
    let sender = pair.send(&receiver.address(), &SLOW);
    wait_for_bytes(&mut receiver, 9 << 20);
    sender.kill();
    receiver.kill();
    let mut receiver = start();
    pair.send(&receiver.address(), &[]).end().expect(0);
    assert_resumed(receiver.end().expect(0).event("done"));
    assert_eq!(listing(&pair.bob.path("in")), ["mine.mkv"]);
    assert_eq!(fs::read(to).unwrap(), pair.film);
}

#[test]
#[cfg(unix)]
fn what_goes_to_a_pipe_leaves_nothing() {
    let pair = Pair::new();
    let mut receiver = Running::start(&mut pair.bob.command(&["receive", "--yes", "-o", "-"]));
    let address = receiver.wait_for_note("@127.").split_whitespace().last().unwrap().to_owned();
    let mut sender = pair.send(&address, &SLOW);
    wait_for_bytes(&mut sender, 9 << 20);
    receiver.interrupt();
    receiver.end().expect(130);
    assert_ne!(sender.end().code, Some(0));
    assert_eq!(listing(&pair.bob.path("home/state")), Vec::<String>::new());
    assert_eq!(pair.transfers(&pair.bob), Vec::<Value>::new());
}

#[test]
fn two_receivers_into_one_folder_do_not_disturb_each_other() {
    let (pair, carol, dave) = (Pair::new(), Node::new(), Node::new());
    let into = pair.bob.path("in");
    let mut receivers =
        [pair.receive(&[]), carol.start(&["receive", "--yes", "--rename", "--into", text(&into)])];
    let addresses = receivers.each_mut().map(Running::address);
    let song = dave.file("song.flac", noise(SIZE / 2));
    let senders = [
        pair.send(&addresses[0], &SLOW),
        dave.start(&[&["send", text(&song), "--to", &addresses[1]][..], &SLOW].concat()),
    ];
    for receiver in &mut receivers {
        wait_for_bytes(receiver, 2 << 20);
    }
    for sender in senders {
        sender.end().expect(0);
    }
    for receiver in receivers {
        receiver.end().expect(0);
    }
    assert_eq!(listing(&into), ["film.mkv", "song.flac"]);
    assert_eq!(fs::read(into.join("film.mkv")).unwrap(), pair.film);
    assert_eq!(fs::read(into.join("song.flac")).unwrap(), noise(SIZE / 2));
}
