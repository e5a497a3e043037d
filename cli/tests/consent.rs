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
