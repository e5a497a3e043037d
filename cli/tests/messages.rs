//! Messages between two homes on loopback, through the real program.

mod support;

use support::{Node, Running};

#[test]
fn a_message_is_delivered_and_shown() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("Alice", &alice);
    let mut up = bob.start(&["up", "--into", support::text(&bob.directory("in"))]);
    let address = up.address();
    let sent = alice.run(&["msg", &address, "hello", "there"]);
    sent.expect(0);
    assert_eq!(sent.event("sent")["state"], "delivered");
    let message = up.wait_for("message", |_| true);
    assert_eq!(message["text"], "hello there");
    assert_eq!(message["from"], alice.id());
    assert_eq!(message["id"], sent.event("sent")["id"]);
    assert_eq!(message["contact"], "Alice");
}

#[test]
fn a_message_to_someone_away_is_kept_and_delivered_by_a_later_run() {
    let (alice, bob) = (Node::new(), Node::new());
    let kept = alice.run(&["msg", &bob.id(), "first"]);
    kept.expect_error(5, "Kept: it will be delivered when");
    assert_eq!(kept.event("sent")["state"], "waiting");
    bob.add_contact("alice", &alice);
    let mut up = bob.start(&["up"]);
    let address = up.address();
    alice.run(&["msg", &address, "second"]).expect(0);
    up.wait_for("message", |message| message["text"] == "first");
    up.wait_for("message", |message| message["text"] == "second");
}

#[test]
fn a_stranger_is_heard_only_by_those_who_say_yes() {
    let (alice, bob) = (Node::new(), Node::new());
    let mut up = bob.start(&["up"]);
    let address = up.address();
    alice.run(&["msg", &address, "who is there?"]).expect_error(3, "not among their contacts");
    drop(up);
    let mut up = bob.start(&["up", "--yes"]);
    let address = up.address();
    alice.run(&["msg", &address, "may I?"]).expect(0);
    let message = up.wait_for("message", |_| true);
    assert_eq!((&message["text"], &message["contact"]), (&"may I?".into(), &serde_json::Value::Null));
}

#[test]
fn receive_shows_messages_and_goes_on_waiting() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let file = alice.file("a.txt", "a");
    let into = bob.directory("in");
    let mut receiver = bob.start(&["receive", "--yes", "--into", support::text(&into)]);
    let address = receiver.address();
    alice.run(&["msg", &address, "it comes"]).expect(0);
    receiver.wait_for("message", |message| message["text"] == "it comes");
    alice.run(&["send", support::text(&file), "--to", &address]).expect(0);
    receiver.end().expect(0);
}

#[test]
fn what_a_message_holds_cannot_move_the_cursor() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let evil = "a\u{1b}[2Jb\rc\nd\u{202e}e\u{7}";
    let mut receiver = Running::start(&mut bob.command(&[
        "receive",
        "--yes",
        "--into",
        support::text(&bob.directory("in")),
    ]));
    let line = receiver.wait_for_note("@127.");
    let address = line.split_whitespace().last().unwrap();
    alice.run(&["msg", address, evil]).expect(0);
    let file = alice.file("a.txt", "a");
    alice.run(&["send", support::text(&file), "--to", address]).expect(0);
    let ended = receiver.end();
    ended.expect(0);
    assert_eq!(ended.words, r"alice: a\u{1b}[2Jb\rc\nd\u{202e}e\u{7}");
}

#[test]
fn a_message_to_oneself_or_of_nothing_is_a_mistake() {
    let alice = Node::new();
    let id = alice.id();
    alice.run(&["msg", &id, "me"]).expect_error(2, "your own");
    alice.run(&["msg", &id]).expect_error(2, "no message");
    alice.run(&["msg", &id, ""]).expect_error(2, "no message");
}
