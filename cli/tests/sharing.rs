//! Tickets between homes on loopback, through the real program.

mod support;

use std::fs;

use support::{Node, Running, listing, text};

/// Bytes that no two places of the file share.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

/// A node that shares paths, and the ticket.
fn share(node: &Node, paths: &[&str]) -> (Running, String) {
    let mut share = node.start(&[&["share"], paths].concat());
    let ticket = share.wait_for("ticket", |_| true)["ticket"].as_str().unwrap().to_owned();
    (share, ticket)
}

/// Who shares, by the ticket: a home that is in use cannot be asked.
fn sharer(ticket: &str) -> String {
    ticket.parse::<hither_protocol::transfer::Ticket>().unwrap().peer.to_string()
}

#[test]
fn a_ticket_brings_the_file_and_says_who_took_it() {
    let (alice, bob) = (Node::new(), Node::new());
    let content = noise(3_000_001);
    let file = alice.file("photo.jpg", &content);
    let (mut share, ticket) = share(&alice, &[text(&file)]);
    let root = blake3::hash(&content).to_string();
    let said = share.wait_for("ticket", |_| true);
    assert_eq!(
        (&said["root"], &said["bytes"], &said["files"]),
        (&root.as_str().into(), &3_000_001.into(), &1.into())
    );
    let into = bob.path("in");
    let got = bob.run(&["get", &ticket, "--yes", "--into", text(&into)]);
    let done = got.expect(0).event("done");
    assert_eq!((&done["root"], &done["bytes"]), (&root.as_str().into(), &3_000_001.into()));
    assert_eq!(done["paths"][0], text(&into.join("photo.jpg")));
    assert_eq!(got.event("offer")["from"], sharer(&ticket));
    assert!(fs::read(into.join("photo.jpg")).unwrap() == content);
    assert_eq!(listing(&into), ["photo.jpg"]);
    let taken = share.wait_for("taken", |_| true);
    assert_eq!(
        (&taken["whole"], &taken["bytes"], &taken["peer"]),
        (&true.into(), &3_000_001.into(), &bob.id().into())
    );
}

#[test]
fn a_directory_is_shared_with_several_at_once() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    alice.file("trip/a.txt", "a");
    alice.file("trip/empty.txt", "");
    alice.file("trip/deep/b.bin", noise(1_000_000));
    alice.directory("trip/nothing");
    let (_share, ticket) = share(&alice, &[text(&alice.path("trip"))]);
    let [first, second] = [&bob, &carol].map(|node| {
        let into = node.directory("in");
        node.start(&["get", &ticket, "--yes", "--into", text(&into)])
    });
    for (running, node) in [(first, &bob), (second, &carol)] {
        running.end().expect(0);
        let files = ["trip/a.txt", "trip/deep/b.bin", "trip/empty.txt", "trip/nothing/"];
        assert_eq!(listing(&node.path("in")), files);
        assert!(fs::read(node.path("in/trip/deep/b.bin")).unwrap() == noise(1_000_000));
    }
}

#[test]
fn what_exists_is_replaced_kept_or_left_as_the_flags_say() {
    let alice = Node::new();
    let file = alice.file("a.txt", "new");
    let (_share, ticket) = share(&alice, &[text(&file)]);
    for (flag, code, files, content) in [
        ("--overwrite", 0, &["a.txt"][..], "new"),
        ("--rename", 0, &["a (1).txt", "a.txt"][..], "old"),
        ("--skip", 0, &["a.txt"][..], "old"),
        ("--quiet", 10, &["a.txt"][..], "old"),
    ] {
        let bob = Node::new();
        bob.file("in/a.txt", "old");
        let into = bob.path("in");
        bob.run(&["get", &ticket, "--yes", flag, "--into", text(&into)]).expect(code);
        assert_eq!(listing(&into), files, "{flag}");
        assert_eq!(fs::read_to_string(into.join("a.txt")).unwrap(), content, "{flag}");
    }
}

#[test]
fn nothing_is_taken_without_yes_where_there_is_no_terminal() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "a");
    let (_share, ticket) = share(&alice, &[text(&file)]);
    let into = bob.directory("in");
    bob.run(&["get", &ticket, "--into", text(&into)]).expect_error(2, "--yes");
    assert_eq!(listing(&into), Vec::<String>::new());
}

#[test]
fn a_ticket_that_leads_nowhere_says_why() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "a");
    let (share, ticket) = share(&alice, &[text(&file)]);
    drop(share);
    bob.run(&["get", &ticket, "--yes"]).expect_error(5, "hither share");
    let mut typo = ticket.clone();
    typo.replace_range(30..31, if &ticket[30..31] == "q" { "p" } else { "q" });
    bob.run(&["get", &typo]).expect_error(2, "mistyped at character 31");
    bob.run(&["get", &ticket[..ticket.len() - 3]]).expect_error(2, "3 characters of the ticket are missing");
    bob.run(&["get"]).expect_error(2, "hither get TICKET");
    bob.run(&["share"]).expect_error(2, "say what to share");
    bob.run(&["share", text(&bob.path("nothing"))]).expect_error(2, "there is no");
}

#[test]
fn several_tickets_of_the_same_are_asked_together() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    let content = noise(20_000_000);
    let (one, other) = (alice.file("film", &content), bob.file("film", &content));
    let ((mut first, ticket), (mut second, again)) =
        (share(&alice, &[text(&one)]), share(&bob, &[text(&other)]));
    let into = carol.path("in");
    carol.run(&["get", &ticket, &again, "--yes", "--into", text(&into)]).expect(0);
    assert!(fs::read(into.join("film")).unwrap() == content);
    for share in [&mut first, &mut second] {
        assert!(share.wait_for("taken", |_| true)["bytes"].as_u64().unwrap() > 0);
    }
    let different = alice.file("other", "x");
    drop(first);
    let (_third, other) = self::share(&alice, &[text(&different)]);
    carol.run(&["get", &ticket, &other, "--yes"]).expect_error(2, "not of the same content");
}

#[test]
#[cfg(unix)]
fn a_file_that_changes_is_not_given_any_more_and_whoever_had_it_is_named() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", noise(40_000_000));
    let (mut share, ticket) = share(&alice, &[text(&file)]);
    fs::write(&file, "other").unwrap();
    let got = bob.run(&["get", &ticket, "--yes", "--into", text(&bob.path("in"))]);
    got.expect(5);
    let dropped = got.event("dropped");
    assert_eq!((&dropped["why"], &dropped["peer"]), (&"misleading".into(), &sharer(&ticket).into()));
    assert_eq!(share.wait_for("changed", |_| true)["path"], text(&file));
    assert_eq!(listing(&bob.path("in")), Vec::<String>::new());
    share.interrupt();
    share.end().expect_error(130, "Nothing is shared any more");
}
