//! Contacts who are trusted to send without asking, through the real program.

mod support;

use support::{Node, listing, text};

#[test]
fn a_trusted_contact_sends_into_their_folder_and_replaces_nothing() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let theirs = bob.path("alices");
    bob.run(&["contacts", "trust", "Alice", "--into", text(&theirs), "--up-to", "1KB"]).expect(0);
    let listed = bob.run(&["contacts"]);
    let trust = &listed.expect(0).event("peer")["trust"];
    assert_eq!((&trust["into"], &trust["up_to"]), (&text(&theirs).into(), &1000.into()));

    let into = bob.directory("in");
    let mut up = bob.start(&["up", "--overwrite", "--into", text(&into)]);
    let address = up.address();
    for content in ["first", "second"] {
        alice.run(&["send", text(&alice.file("a.txt", content)), "--to", &address]).expect(0);
    }
    let refused = alice.run(&["send", text(&alice.file("large", [0; 1001])), "--to", &address]);
    refused.expect(3);
    up.wait_for("error", |error| error["text"].as_str().unwrap().contains("there is no terminal to ask at"));
    drop(up);
    assert_eq!(listing(&theirs), ["a (1).txt", "a.txt"]);
    assert_eq!(std::fs::read_to_string(theirs.join("a.txt")).unwrap(), "first");
    assert_eq!(listing(&into), Vec::<String>::new());

    // A folder that is named for what comes now counts more.
    let mut receiver = bob.start(&["receive", "--into", text(&into)]);
    let address = receiver.address();
    alice.run(&["send", text(&alice.file("b.txt", "b")), "--to", &address]).expect(0);
    receiver.end().expect(0);
    assert_eq!(listing(&into), ["b.txt"]);
}

#[test]
fn trust_is_for_contacts_who_are_not_blocked_and_ends() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.run(&["contacts", "trust", "alice", "--into", "."]).expect_error(2, "there is no contact alice");
    bob.add_contact("alice", &alice);
    bob.run(&["contacts", "trust", "alice"]).expect_error(2, "--into");
    bob.run(&["contacts", "trust", "alice", "--into", ".", "--up-to", "much"]).expect_error(2, "a size is");
    bob.run(&["contacts", "trust", "alice", "--into", "."]).expect(0);
    bob.run(&["contacts", "untrust", "alice"]).expect(0);
    assert!(bob.run(&["contacts"]).event("peer")["trust"].is_null());
    bob.run(&["contacts", "trust", "alice", "--into", "."]).expect(0);
    bob.run(&["contacts", "block", "alice"]).expect(0);
    bob.run(&["contacts", "trust", "alice", "--into", "."]).expect_error(2, "contacts unblock alice");
    bob.run(&["contacts", "unblock", "alice"]).expect(0);
    assert!(bob.run(&["contacts"]).event("peer")["trust"].is_null());
}

#[test]
fn what_is_taken_without_asking_is_said_where_it_is_decided() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let theirs = bob.directory("alices");
    let given =
        bob.command(&["contacts", "trust", "alice", "--into", text(&theirs), "--up-to", "2GB"]).output();
    let said = String::from_utf8(given.unwrap().stderr).unwrap();
    let sentence = format!("what alice sends goes into {} without asking, up to 2.0 GB.", text(&theirs));
    assert!(said.contains(&sentence), "{said}");
    let mut up = support::Running::start(&mut bob.command(&["up", "--into", text(&bob.directory("in"))]));
    let address = up.wait_for_note("@127.").split_whitespace().last().unwrap().to_owned();
    alice.run(&["send", text(&alice.file("a.txt", "a")), "--to", &address]).expect(0);
    up.wait_for_note(&format!("into {}", text(&theirs)));
    up.wait_for_note("taken without asking, as they may send up to 2.0 GB");
}
