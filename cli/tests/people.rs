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
