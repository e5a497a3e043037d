//! What a person at a terminal is asked, and what their answers do: through the real program on a pseudo-terminal.
#![cfg(unix)]

mod support;

use std::fs;
use std::io::Read;

use support::person::Person;
use support::{Node, Running, listing, text};

fn address(receiver: &mut Running) -> String {
    receiver.wait_for_note("@127.").split_whitespace().last().unwrap().to_owned()
}

#[test]
fn an_offer_of_a_stranger_is_shown_and_taken_by_default() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("photo.jpg.exe", "a");
    let into = bob.directory("in");
    let (mut person, mut receiver) = Person::at(&bob, &["receive", "--into", text(&into)]);
    let address = address(&mut receiver);
    let sender = alice.start(&["send", text(&file), "--to", &address]);
    receiver.wait_for_note(&format!("{} offers photo.jpg.exe: 1 file, 1 B", alice.id()));
    receiver.wait_for_note("(not a contact) over LAN");
    receiver.wait_for_note("(!) a program that looks like a document");
    receiver.wait_for_note(" free)");
    receiver.wait_for_text("Take it? [Y/n]");
    person.types("perhaps");
    receiver.wait_for_text("Take it? [Y/n]");
    person.types("");
    receiver.end().expect(0);
    sender.end().expect(0);
    assert_eq!(listing(&into), ["photo.jpg.exe"]);
}

#[test]
fn no_is_no_and_the_wait_goes_on() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "a");
    let into = bob.directory("in");
    let (mut person, mut receiver) = Person::at(&bob, &["receive", "--into", text(&into)]);
    let address = address(&mut receiver);
    let sender = alice.start(&["send", text(&file), "--to", &address]);
    receiver.wait_for_text("Take it? [Y/n]");
    person.types("n");
    sender.end().expect_error(3, "refused");
    receiver.wait_for_note("refused; nothing was received");
    assert_eq!(listing(&into), Vec::<String>::new());
    receiver.interrupt();
    receiver.end().expect(130);
}

#[test]
fn replacing_is_asked_for_even_with_yes_and_is_no_by_default() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "new");
    let kept = bob.file("in/a.txt", "old");
    let into = bob.path("in");
    for (answer, code, content) in [("", 10, "old"), ("y", 0, "new")] {
        let (mut person, mut receiver) = Person::at(&bob, &["receive", "--yes", "--into", text(&into)]);
        let address = address(&mut receiver);
        let sender = alice.start(&["send", text(&file), "--to", &address]);
        receiver.wait_for_note("exists here: a.txt");
        receiver.wait_for_text("Replace what exists? [y/N]");
        person.types(answer);
        receiver.end().expect(code);
        sender.end().expect(if code == 0 { 0 } else { 3 });
        assert_eq!(fs::read_to_string(&kept).unwrap(), content);
    }
}

#[test]
fn a_question_about_an_offer_that_is_gone_is_taken_back() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "a");
    let (_person, mut receiver) = Person::at(&bob, &["receive", "--into", text(&bob.directory("in"))]);
    let address = address(&mut receiver);
    let sender = alice.start(&["send", text(&file), "--to", &address]);
    receiver.wait_for_text("Take it? [Y/n]");
    sender.interrupt();
    sender.end().expect(130);
    receiver.wait_for_note("stopped the transfer");
    receiver.interrupt();
    receiver.end().expect(130);
}

#[test]
fn ctrl_c_at_a_question_is_an_answer() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "a");
    let (_person, mut receiver) = Person::at(&bob, &["receive", "--into", text(&bob.directory("in"))]);
    let address = address(&mut receiver);
    let sender = alice.start(&["send", text(&file), "--to", &address]);
    receiver.wait_for_text("Take it? [Y/n]");
    receiver.interrupt();
    receiver.end().expect(130);
    sender.end().expect(3);
}

#[test]
fn content_is_looked_at_on_a_terminal_without_harm() {
    let (alice, bob) = (Node::new(), Node::new());
    let (mut person, terminal) = Person::and_terminal();
    let mut receiver =
        Running::start_into(&mut bob.command(&["receive", "--yes", "-o", "-"]), terminal.into());
    let address = address(&mut receiver);
    let file = alice.file("note", "Gr\u{fc}\u{df}e\u{1b}[2J\tb\n\u{202e}end\n");
    alice.run(&["send", text(&file), "--to", &address]).expect(0);
    receiver.end().expect(0);
    let (mut seen, mut piece) = (Vec::new(), [0; 256]);
    // The terminal's other side reads an error once nobody holds it any more.
    while let Ok(length @ 1..) = person.0.read(&mut piece) {
        seen.extend_from_slice(&piece[..length]);
    }
    let seen = String::from_utf8(seen).unwrap();
    assert_eq!(seen.replace("\r\n", "\n"), "Gr\u{fc}\u{df}e\\u{1b}[2J\tb\n\\u{202e}end\n");
}

#[test]
fn a_contact_is_asked_about_unless_the_rules_accept_them() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let file = alice.file("a.txt", "a");
    let into = bob.directory("in");
    let (mut person, mut receiver) = Person::at(&bob, &["receive", "--into", text(&into)]);
    let at = address(&mut receiver);
    let sender = alice.start(&["send", text(&file), "--to", &at]);
    receiver.wait_for_text("Take it? [Y/n]");
    person.types("");
    receiver.end().expect(0);
    sender.end().expect(0);
    bob.run(&["rules", "contacts", "accept"]).expect(0);
    let (_person, mut receiver) = Person::at(&bob, &["receive", "--rename", "--into", text(&into)]);
    let at = address(&mut receiver);
    alice.run(&["send", text(&file), "--to", &at]).expect(0);
    receiver.end().expect(0);
    assert_eq!(listing(&into), ["a (1).txt", "a.txt"]);
}

#[test]
fn more_than_a_contact_is_trusted_with_is_asked_about() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let theirs = bob.directory("alices");
    bob.run(&["contacts", "trust", "alice", "--into", text(&theirs), "--up-to", "1KB"]).expect(0);
    let (mut person, mut up) = Person::at(&bob, &["up", "--into", text(&bob.directory("in"))]);
    let at = address(&mut up);
    let sender = alice.start(&["send", text(&alice.file("large", [0; 1001])), "--to", &at]);
    up.wait_for_note("more than the 1.0 kB that they may send without asking");
    up.wait_for_text("Take it? [Y/n]");
    person.types("y");
    sender.end().expect(0);
    up.wait_for_note("done:");
    assert_eq!(listing(&bob.path("in")), ["large"]);
    up.interrupt();
    up.end().expect(130);
}

#[test]
fn where_strangers_are_refused_nobody_is_asked() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.run(&["rules", "strangers", "refuse"]).expect(0);
    let (_person, mut up) = Person::at(&bob, &["up", "--into", text(&bob.directory("in"))]);
    let at = address(&mut up);
    alice.run(&["send", text(&alice.file("a.txt", "a")), "--to", &at]).expect(3);
    alice.run(&["msg", &at, "hello"]).expect(3);
    up.interrupt();
    let ended = up.end();
    ended.expect(130);
    assert!(!ended.errors.contains("Take it?"), "{}", ended.errors);
}

#[test]
fn words_that_differ_take_the_mark_away() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.add_contact("bob", &bob);
    for (answer, verified) in [("y", true), ("", false), ("y", true), ("n", false)] {
        let (mut person, mut running) = Person::at(&alice, &["contacts", "verify", "bob"]);
        running.wait_for_text("Are all of them the same on both sides? [y/N]");
        person.types(answer);
        running.end().expect(0);
        assert_eq!(alice.run(&["contacts"]).event("peer")["verified"], verified, "{answer:?}");
    }
}
