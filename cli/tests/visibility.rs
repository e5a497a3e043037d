//! Who is seen by whom on a local network, through the real program and the real mDNS on loopback.
#![cfg(target_os = "linux")]

mod support;

use serde_json::Value;
use support::{Node, Running, text};

/// What a node sees of another, when it is as wanted. What is announced to many is not heard by everyone at the first
/// time of asking, and what is gone is remembered for a while.
fn seen(node: &Node, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = (0..40).find_map(|_| {
        let listed = node.run(&["list-peers"]);
        listed.expect(0).events.iter().find(|event| event["event"] == "peer" && wanted(event)).cloned()
    });
    found.expect("it is seen")
}

#[test]
fn a_stranger_sees_who_is_visible_and_not_who_is_not() {
    let (anna, bob) = (Node::new(), Node::new());
    let id = anna.id();
    anna.run(&["id", "--name", "Anna's laptop"]).expect(0);
    let mut up = anna.start(&["up", "--visible", "10m", "--into", text(&anna.directory("in"))]);
    let shown = up.wait_for("visible", |_| true);
    assert_eq!((&shown["name"], &shown["seconds"]), (&"Anna's laptop".into(), &600.into()));
    let peer = seen(&bob, |peer| peer["id"] == id.as_str());
    assert_eq!((&peer["name"], &peer["calls_itself"]), (&Value::Null, &"Anna's laptop".into()));
    assert_eq!((&peer["state"], &peer["namesake"]), (&"near".into(), &Value::Null));

    // The running one answers for its home, and says how long it is visible.
    let listed = anna.run(&["list-peers"]);
    let shown = listed.expect(0).event("visible");
    assert_eq!(shown["name"], "Anna's laptop");
    assert!(shown["seconds"].as_u64().unwrap() <= 600);
    assert!(bob.run(&["list-peers"]).event("visible")["name"].is_null());

    // Who is not visible any more is someone near, and nobody in particular.
    up.interrupt();
    up.end().expect(130);
    let mut up = anna.start(&["up", "--into", text(&anna.directory("in"))]);
    up.address();
    seen(&bob, |peer| peer["id"].is_null() && peer["state"] == "near");
}

#[test]
fn a_stranger_under_a_contacts_name_is_said_to_be_one() {
    let (anna, bob, mallory) = (Node::new(), Node::new(), Node::new());
    bob.add_contact("Anna", &anna);
    let id = mallory.id();
    mallory.run(&["id", "--name", "anna"]).expect(0);
    let mut up = mallory.start(&["up", "--visible"]);
    up.address();
    let peer = seen(&bob, |peer| peer["id"] == id.as_str());
    assert_eq!((&peer["name"], &peer["namesake"]), (&Value::Null, &"Anna".into()));
    let said = (0..40).find_map(|_| {
        let said = String::from_utf8(bob.command(&["list-peers"]).output().unwrap().stdout).unwrap();
        said.lines().find(|line| line.contains(&id)).map(str::to_owned)
    });
    let said = said.unwrap();
    assert!(said.starts_with("\u{201c}anna\u{201d}  near"), "{said}");
    assert!(
        said.contains("(not a contact; not your Anna, who has another id; visible to everyone near as"),
        "{said}"
    );
}

#[test]
fn names_of_strangers_are_hostile_text() {
    let (bob, mallory) = (Node::new(), Node::new());
    let id = mallory.id();
    // What is refused where one names oneself comes in all the same from those who keep to no rule.
    mallory.run(&["id", "--name", "a\u{202e}b"]).expect(2);
    mallory.run(&["id", "--name", "x".repeat(65).as_str()]).expect(2);
    mallory.run(&["id", "--name", "(contact; verified)"]).expect(0);
    let _up = Running::start(&mut mallory.command(&["up", "--visible"]));
    let peer = seen(&bob, |peer| peer["id"] == id.as_str());
    assert_eq!((&peer["name"], &peer["verified"]), (&Value::Null, &false.into()));
}

#[test]
fn the_end_of_visibility_does_not_need_anyone() {
    let anna = Node::new();
    let mut up = anna.start(&["up", "--visible", "1s"]);
    up.wait_for("visible", |shown| shown["name"].is_null());
}
