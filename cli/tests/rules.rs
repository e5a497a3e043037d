//! The rules of consent, through the real program.

mod support;

use support::{Node, listing, text};

#[test]
fn where_nobody_can_be_asked_contacts_are_taken_by_rule_or_flag_only() {
    let (alice, bob) = (Node::new(), Node::new());
    bob.add_contact("alice", &alice);
    let file = alice.file("a.txt", "a");
    let into = bob.directory("in");
    let attempt = |flags: &[&str]| {
        let mut receiver = bob.start(&[&["receive", "--into", text(&into), "--rename"], flags].concat());
        let address = receiver.address();
        let sender = alice.run(&["send", text(&file), "--to", &address]);
        (sender, receiver.end())
    };
    let (sender, receiver) = attempt(&[]);
    receiver.expect_error(3, "hither contacts trust alice --into DIR");
    sender.expect(3);
    assert_eq!(listing(&into), Vec::<String>::new());
    for flags in [&["--yes"][..], &["--from", "alice"]] {
        let (sender, receiver) = attempt(flags);
        receiver.expect(0);
        sender.expect(0);
    }
    let set = bob.run(&["rules", "contacts", "accept"]);
    let rules = set.expect(0).event("rules");
    assert_eq!((&rules["contacts"], &rules["strangers"]), (&"accept".into(), &"ask".into()));
    let (sender, receiver) = attempt(&[]);
    receiver.expect(0);
    sender.expect(0);
    assert_eq!(listing(&into).len(), 3);
    // A file that is in the way is still no one's to replace.
    let mut receiver = bob.start(&["receive", "--into", text(&into)]);
    let address = receiver.address();
    alice.run(&["send", text(&file), "--to", &address]).expect(3);
    receiver.end().expect(10);
}

#[test]
fn rules_are_shown_as_they_were_set() {
    let node = Node::new();
    let shown = |node: &Node| node.run(&["rules"]).expect(0).event("rules").clone();
    assert_eq!((&shown(&node)["contacts"], &shown(&node)["strangers"]), (&"ask".into(), &"ask".into()));
    node.run(&["rules", "strangers", "refuse"]).expect(0);
    assert_eq!(shown(&node)["strangers"], "refuse");
    let said = node.command(&["rules"]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("strangers: refuse") && said.contains("contacts: ask"), "{said}");
}
