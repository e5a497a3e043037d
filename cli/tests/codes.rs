//! Codes between two homes on loopback, through the real program.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use support::{Ended, Node, Running, listing, text};

/// Starts `hither ARGUMENTS`, which makes a code, and gives the code.
fn make(node: &Node, arguments: &[&str]) -> (Running, String) {
    let mut running = node.start(arguments);
    let code = running.wait_for("code", |_| true)["code"].as_str().unwrap().to_owned();
    (running, code)
}

fn receive(node: &Node, code: &str) -> Running {
    node.start(&["receive", "--yes", "--into", text(&node.path("in")), code])
}

/// The code with another last word.
fn wrong(code: &str) -> String {
    let (start, last) = code.rsplit_once('-').unwrap();
    format!("{start}-{}", if last == "zoo" { "zero" } else { "zoo" })
}

/// No word of the code that is secret is in anything but the `code` event: not in what the program says about it, nor
/// in what goes wrong.
#[track_caller]
fn says_no_secret(ended: &Ended, code: &str) {
    let (_, secret) = code.split_once('-').unwrap();
    let events = ended.events.iter().filter(|event| event["event"] != "code");
    let said = events.map(ToString::to_string).chain([ended.errors.clone(), ended.words.clone()]);
    for line in said {
        assert!(!line.contains(secret), "{line}");
    }
}

#[test]
fn a_file_goes_to_whoever_has_the_code() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", [7; 100_000]);
    let (sender, code) = make(&alice, &["send", text(&file)]);
    assert_eq!(code.split('-').count(), 3);
    let receiver = receive(&bob, &code).end();
    let sender = sender.end();
    for (ended, other) in [(&sender, &bob), (&receiver, &alice)] {
        ended.expect(0);
        assert_eq!(ended.event("code_proven")["id"], other.id());
        assert_eq!(ended.event("done")["bytes"], 100_000);
        says_no_secret(ended, &code);
    }
    assert_eq!(receiver.event("offer")["from"], alice.id());
    assert_eq!(fs::read(bob.path("in/film")).unwrap(), [7; 100_000]);
    // It is used up, and nobody became a contact by it.
    assert!(bob.run(&["contacts"]).events.is_empty());
}
