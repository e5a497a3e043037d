//! `hither transfers`: with a node of its own, and through the program that is running on the same home.

mod support;

use std::fs;

use serde_json::Value;
use support::{Ended, Node, Running, listing, text};

const SIZE: usize = 24 << 20;
const SLOW: [&str; 2] = ["--limit", "4MB/s"];

struct Pair {
    alice: Node,
    bob: Node,
}

impl Pair {
    fn new() -> Self {
        let (alice, bob) = (Node::new(), Node::new());
        alice.file("film.mkv", vec![7; SIZE]);
        bob.directory("in");
        Self { alice, bob }
    }

    fn receive(&self) -> Running {
        self.bob.start(&["receive", "--yes", "--into", text(&self.bob.path("in"))])
    }

    fn send(&self, address: &str) -> Running {
        let film = self.alice.path("film.mkv");
        self.alice.start(&[&["send", text(&film), "--to", address][..], &SLOW].concat())
    }

    /// Under way, with the id that both know it by.
    fn begun(&self) -> (Running, Running, String) {
        let mut receiver = self.receive();
        let mut sender = self.send(&receiver.address());
        for side in [&mut sender, &mut receiver] {
            side.wait_for("progress", |progress| progress["done"].as_u64().unwrap() > 9 << 20);
        }
        let id = receiver.wait_for("offer", |_| true)["transfer"].as_str().unwrap().to_owned();
        (sender, receiver, id)
    }

    /// Interrupted on both sides.
    fn interrupted(&self) -> String {
        let (sender, receiver, id) = self.begun();
        sender.kill();
        receiver.kill();
        id
    }
}

#[track_caller]
fn states(ended: &Ended) -> Vec<&str> {
    ended.expect(0);
    let transfers = ended.events.iter().filter(|event| event["event"] == "transfer");
    transfers.map(|event| event["state"].as_str().unwrap()).collect()
}

#[test]
fn nothing_is_listed_and_cleaned_where_there_is_nothing() {
    let alice = Node::new();
    assert!(alice.run(&["transfers"]).expect(0).events.is_empty());
    assert!(alice.run(&["transfers", "clean"]).expect(0).events.is_empty());
    for act in ["pause", "resume", "cancel"] {
        alice.run(&["transfers", act, "a7"]).expect_error(2, "no transfer begins with a7");
    }
    alice.run(&["transfers", "pause", "film"]).expect_error(2, "digits that its id begins with");
}

#[test]
fn a_transfer_under_way_is_listed_paused_and_resumed_through_either_side() {
    let pair = Pair::new();
    let (mut sender, mut receiver, id) = pair.begun();
    for (here, own, other) in [(&pair.alice, 0, 1), (&pair.bob, 1, 0)] {
        let sides = [&mut sender, &mut receiver];
        let row = here.run(&["transfers", "list"]);
        assert_eq!(states(&row), ["active"]);
        let row = row.event("transfer");
        assert_eq!((&row["transfer"], &row["name"]), (&id.clone().into(), &"film.mkv".into()));
        assert_eq!(row["way"], if own == 0 { "sending" } else { "receiving" });
        assert_eq!(row["total"], SIZE);
        assert_eq!(states(&here.run(&["transfers", "pause", &id[..6]])), ["paused"]);
        let paused = |state: bool, by: &'static str| {
            move |event: &Value| event["paused"] == state && event["by"] == by
        };
        sides[own].wait_for("paused", paused(true, "here"));
        sides[other].wait_for("paused", paused(true, "peer"));
        for node in [&pair.alice, &pair.bob] {
            assert_eq!(states(&node.run(&["transfers"])), ["paused"]);
        }
        assert_eq!(states(&here.run(&["transfers", "resume", &id])), ["active"]);
        sides[own].wait_for("paused", paused(false, "here"));
        sides[other].wait_for("paused", paused(false, "peer"));
    }
    sender.end().expect(0);
    receiver.end().expect(0);
    assert_eq!(listing(&pair.bob.path("in")), ["film.mkv"]);
}

#[test]
fn a_transfer_under_way_is_given_up_through_the_receiving_side() {
    let pair = Pair::new();
    let (sender, receiver, id) = pair.begun();
    assert_eq!(states(&pair.bob.run(&["transfers", "cancel", &id[..8]])), ["cancelled"]);
    assert_eq!(listing(&pair.bob.path("in")), Vec::<String>::new());
    receiver.end().expect_error(3, "given up here. Nothing partial was left");
    sender.end().expect_error(3, "for good");
    for node in [&pair.alice, &pair.bob] {
        assert!(states(&node.run(&["transfers"])).is_empty());
    }
}

#[test]
fn a_transfer_under_way_is_given_up_through_the_sending_side() {
    let pair = Pair::new();
    let (sender, receiver, id) = pair.begun();
    assert_eq!(states(&pair.alice.run(&["transfers", "cancel", &id])), ["cancelled"]);
    sender.end().expect_error(3, "given up here");
    receiver.end().expect_error(3, "for good");
    assert_eq!(listing(&pair.bob.path("in")), Vec::<String>::new());
}

#[test]
fn what_was_interrupted_is_given_up_without_the_other_side() {
    let pair = Pair::new();
    let id = pair.interrupted();
    assert_eq!(listing(&pair.bob.path("in")).len(), 2);
    let row = pair.bob.run(&["transfers"]);
    assert_eq!(states(&row), ["interrupted"]);
    assert_eq!(states(&pair.bob.run(&["transfers", "cancel", &id[..1]])), ["cancelled"]);
    assert_eq!(listing(&pair.bob.path("in")), Vec::<String>::new());
    assert!(states(&pair.bob.run(&["transfers"])).is_empty());
    pair.bob.run(&["transfers", "cancel", &id]).expect_error(2, "no transfer begins with");
}

#[test]
fn clean_asks_and_removes_only_what_hither_made() {
    let pair = Pair::new();
    pair.interrupted();
    let mine = pair.bob.file("in/mine.part", "mine");
    let hidden = pair.bob.file("in/.hither-mine", "mine");
    pair.bob.run(&["transfers", "clean"]).expect_error(2, "--yes");
    assert_eq!(listing(&pair.bob.path("in")).len(), 4);
    let mut command = pair.bob.command(&["transfers", "clean", "--yes"]);
    let said = Running::start(&mut command).end();
    said.expect(0);
    assert!(said.errors.contains("film.mkv (from ") && said.errors.contains(text(&pair.bob.path("in"))));
    assert_eq!(listing(&pair.bob.path("in")), [".hither-mine", "mine.part"]);
    assert!(mine.exists() && hidden.exists());
    assert_eq!(states(&pair.alice.run(&["transfers", "clean", "--yes"])), ["cancelled"]);
    assert_eq!(fs::metadata(pair.alice.path("film.mkv")).unwrap().len(), SIZE as u64);
}

#[test]
fn the_sender_resumes_as_it_would_send() {
    let pair = Pair::new();
    let id = pair.interrupted();
    let mut receiver = pair.receive();
    let address = receiver.address();
    let (_, at) = address.split_once('@').unwrap();
    let sender = pair.alice.run(&["transfers", "resume", &id[..4], "--at", at]);
    let done = sender.expect(0).event("done");
    assert!(done["resumed"].as_u64().unwrap() > 0);
    receiver.end().expect(0);
    assert_eq!(listing(&pair.bob.path("in")), ["film.mkv"]);
}

#[test]
#[cfg(unix)]
fn the_receiver_asks_a_sender_that_stays_for_the_rest() {
    let pair = Pair::new();
    let id = pair.interrupted();
    let mut up = pair.alice.start(&["up", "--into", text(&pair.alice.directory("got"))]);
    let address = up.address();
    let (_, at) = address.split_once('@').unwrap();
    let receiver = pair.bob.run(&["transfers", "resume", &id, "--at", at]);
    assert!(receiver.expect(0).event("done")["resumed"].as_u64().unwrap() > 0);
    assert_eq!(listing(&pair.bob.path("in")), ["film.mkv"]);
    up.interrupt();
    up.end().expect(130);
}

#[test]
fn a_sender_that_is_not_there_is_no_loss() {
    let pair = Pair::new();
    let id = pair.interrupted();
    let asked = pair.bob.run(&["transfers", "resume", &id]);
    asked.expect_error(5, "it goes on by itself when");
    assert_eq!(listing(&pair.bob.path("in")).len(), 2);
    pair.alice.run(&["transfers", "resume", &id]).expect_error(5, "nothing is lost");
}

#[test]
fn what_was_paused_before_waits_until_it_is_resumed() {
    let pair = Pair::new();
    let id = pair.interrupted();
    assert_eq!(states(&pair.bob.run(&["transfers", "pause", &id])), ["paused"]);
    let mut receiver = pair.receive();
    let mut sender = pair.send(&receiver.address());
    sender.wait_for("paused", |event| event["paused"] == true && event["by"] == "peer");
    assert_eq!(states(&pair.bob.run(&["transfers", "resume", &id])), ["active"]);
    sender.end().expect(0);
    receiver.wait_for("done", |_| true);
    receiver.end().expect(0);
}
