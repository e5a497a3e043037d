//! Contacts, who is near, and the demo: through the real program on loopback.

mod support;

use support::{Node, text};

#[test]
fn contacts_are_kept_renamed_blocked_and_removed() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.add_contact("Bob", &bob);
    let listed = alice.run(&["contacts"]);
    let peer = listed.expect(0).event("peer");
    assert_eq!(
        (&peer["name"], &peer["id"], &peer["state"]),
        (&"Bob".into(), &bob.id().into(), &"known".into())
    );
    alice.run(&["contacts", "add", "bob", &alice.id()]).expect_error(2, "your own");
    alice.run(&["contacts", "add", "BOB", &Node::new().id()]).expect_error(2, "another contact already");
    alice.run(&["contacts", "rename", "bobb", "Robert"]).expect_error(2, "did you mean Bob?");
    alice.run(&["contacts", "rename", "bob", "Robert"]).expect(0);
    alice.run(&["contacts", "block", "robert"]).expect(0);
    assert_eq!(alice.run(&["contacts", "list"]).event("peer")["state"], "blocked");
    alice.run(&["msg", "Robert", "hello"]).expect_error(2, "contacts unblock Robert");
    alice.run(&["contacts", "unblock", "Robert"]).expect(0);
    alice.run(&["contacts", "remove", "Robert"]).expect(0);
    let listed = alice.run(&["contacts"]);
    assert_eq!(listed.expect(0).events.len(), 0);
    alice.run(&["msg", "Robert", "hello"]).expect_error(2, "there is no contact Robert");
}

#[test]
fn a_stranger_can_be_blocked() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.run(&["contacts", "block", &alice.id()]).expect(0);
    let listed = bob.run(&["contacts"]);
    let peer = listed.expect(0).event("peer");
    assert_eq!((&peer["id"], &peer["state"]), (&alice.id().into(), &"blocked".into()));
    let mut receiver = bob.start(&["receive", "--yes", "--into", text(&bob.path("in"))]);
    let address = receiver.address();
    alice.run(&["send", text(&alice.file("a", "a")), "--to", &address]);
    assert!(!bob.path("in").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_contact_on_the_same_network_needs_only_the_name() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.add_contact("bob", &bob);
    bob.add_contact("alice", &alice);
    let mut up = bob.start(&["up", "--into", text(&bob.directory("in"))]);
    up.address();
    alice.run(&["msg", "BOB", "by name"]).expect(0);
    up.wait_for("message", |message| message["text"] == "by name");
    let near = |node: &Node, wanted: &dyn Fn(&serde_json::Value) -> bool| {
        // What is announced to many is not heard by everyone at the first time of asking.
        (0..30).find_map(|_| {
            let listed = node.run(&["list-peers"]);
            let found = listed.expect(0).events.iter().find(|peer| peer["state"] == "near" && wanted(peer));
            found.cloned()
        })
    };
    let peer = near(&alice, &|peer| peer["name"] == "bob").unwrap();
    assert_eq!(peer["id"], bob.id());
    assert!(peer["addresses"][0].as_str().unwrap().contains(':'));
    assert!(near(&Node::new(), &|peer| peer["id"].is_null() && peer["name"].is_null()).is_some());
}

#[test]
fn the_demo_tells_a_story_with_a_good_end() {
    let demo = Node::new().run(&["demo"]);
    demo.expect(0);
    assert_eq!(demo.events.iter().filter(|event| event["event"] == "message").count(), 2);
    assert_eq!(demo.event("done")["bytes"], 64 << 20);
}

#[test]
fn safety_words_are_the_same_on_both_sides_and_the_mark_is_kept() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.add_contact("bob", &bob);
    bob.add_contact("alice", &alice);
    let unasked = alice.run(&["contacts", "verify", "bob"]);
    unasked.expect_error(2, "--yes");
    assert_eq!(alice.run(&["contacts"]).event("peer")["verified"], false);
    let words = |ended: &support::Ended| ended.event("safety")["words"].clone();
    let verified = bob.run(&["contacts", "verify", "alice", "--yes"]);
    verified.expect(0);
    assert_eq!(words(&verified), words(&unasked));
    assert!(words(&verified).as_array().unwrap().len() >= 6);
    assert_eq!(bob.run(&["contacts"]).event("peer")["verified"], true);
    bob.run(&["contacts", "rename", "alice", "Alice"]).expect(0);
    assert_eq!(bob.run(&["contacts"]).event("peer")["verified"], true);
    let said = String::from_utf8(bob.command(&["contacts"]).output().unwrap().stdout).unwrap();
    assert!(said.contains("(contact; verified)"), "{said}");
}

#[test]
fn a_changed_key_is_never_silent() {
    let (alice, bob, other) = (Node::new(), Node::new(), Node::new());
    alice.add_contact("bob", &bob);
    alice.run(&["contacts", "verify", "bob", "--yes"]).expect(0);
    alice.run(&["contacts", "trust", "bob", "--into", text(&alice.path("bobs"))]).expect(0);
    let refused = alice.run(&["contacts", "add", "Bob", &other.id()]);
    refused.expect_error(2, &bob.id());
    refused.expect_error(2, "--replace");
    assert_eq!(alice.run(&["contacts"]).event("peer")["id"], bob.id());

    let replaced = alice.run(&["contacts", "add", "bob", &other.id(), "--replace"]);
    let changed = replaced.expect(0).event("key_changed");
    assert_eq!((&changed["from"], &changed["to"]), (&bob.id().into(), &other.id().into()));
    assert_eq!((&changed["verified"], &changed["trusted"]), (&true.into(), &true.into()));
    let listed = alice.run(&["contacts"]);
    assert_eq!(listed.events.iter().filter(|event| event["event"] == "peer").count(), 1);
    let peer = listed.event("peer");
    assert_eq!((&peer["id"], &peer["verified"]), (&other.id().into(), &false.into()));
    assert!(peer["trust"].is_null());

    let said = alice.command(&["contacts", "add", "bob", &bob.id(), "--replace"]).output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("the key of bob changed") && said.contains("not verified"), "{said}");
    alice.run(&["contacts", "block", "bob"]).expect(0);
    let blocked = alice.run(&["contacts", "add", "bob", &other.id(), "--replace"]);
    blocked.expect_error(2, "contacts unblock bob");
}

#[test]
fn who_is_blocked_is_not_heard_until_they_are_not() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    bob.run(&["contacts", "block", "alice"]).expect(0);
    let into = bob.directory("in");
    let mut up = bob.start(&["up", "--yes", "--into", text(&into)]);
    let address = up.address();
    assert_ne!(alice.run(&["msg", &address, "hello"]).code, Some(0));
    assert_ne!(alice.run(&["send", text(&alice.file("a", "a")), "--to", &address]).code, Some(0));
    drop(up);
    bob.run(&["contacts", "unblock", "alice"]).expect(0);
    let mut up = bob.start(&["up", "--yes", "--into", text(&into)]);
    let address = up.address();
    alice.run(&["send", text(&alice.file("b", "b")), "--to", &address]).expect(0);
    up.wait_for("done", |_| true);
    assert_eq!(support::listing(&into), ["b"]);
}
