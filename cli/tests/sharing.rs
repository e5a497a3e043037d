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
    got.expect_error(8, "not any more what the ticket names");
    let changed = got.event("changed");
    assert_eq!((&changed["path"], &changed["peer"]), (&"film".into(), &sharer(&ticket).into()));
    assert_eq!(share.wait_for("changed", |_| true)["path"], text(&file));
    assert_eq!(listing(&bob.path("in")), Vec::<String>::new());
    share.interrupt();
    share.end().expect_error(130, "Nothing is shared any more");
}

#[test]
#[cfg(unix)]
fn how_far_the_hashing_is_is_shown_and_it_can_be_stopped() {
    let alice = Node::new();
    let big = alice.hollow_file("big", 64 << 30);
    let mut share = alice.start(&["share", text(&big)]);
    let progress = share.wait_for("progress", |progress| progress["done"].as_u64() > Some(0));
    assert_eq!((&progress["stage"], &progress["road"]), (&"hashing".into(), &serde_json::Value::Null));
    assert_eq!(progress["total"], 64_u64 << 30);
    share.interrupt();
    share.end().expect_error(130, "Nothing was shared");
}

#[test]
#[cfg(unix)]
fn whoever_stays_gives_it_on_with_a_ticket_of_their_own() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    let content = noise(6_000_000);
    let file = alice.file("film", &content);
    let (first, ticket) = share(&alice, &[text(&file)]);
    let into = bob.path("in");
    let mut stays = bob.start(&["get", &ticket, "--stay", "--yes", "--into", text(&into)]);
    let own = stays.wait_for("ticket", |_| true);
    assert!(fs::read(into.join("film")).unwrap() == content, "the ticket comes once all is there");
    assert_eq!((&own["bytes"], &own["files"]), (&6_000_000.into(), &1.into()));
    let own = own["ticket"].as_str().unwrap().to_owned();
    assert_ne!(own, ticket);
    first.kill();
    let there = carol.path("in");
    let got = carol.run(&["get", &own, "--yes", "--into", text(&there)]);
    assert_eq!(got.expect(0).event("offer")["from"], sharer(&own));
    assert!(fs::read(there.join("film")).unwrap() == content);
    let taken = stays.wait_for("taken", |_| true);
    assert_eq!((&taken["whole"], &taken["bytes"]), (&true.into(), &6_000_000.into()));
    stays.interrupt();
    stays.end().expect_error(130, "stays");
    assert_eq!(listing(&into), ["film"]);
}

/// A fetch of 24 MiB that is under way, some of it durable.
#[cfg(unix)]
fn under_way(alice: &Node, bob: &Node, content: &[u8]) -> (Running, String, Running) {
    let file = alice.file("film", content);
    let (sharer, ticket) = share(alice, &[text(&file)]);
    let into = bob.directory("in");
    let mut get = bob.start(&["get", &ticket, "--yes", "--limit", "4MB/s", "--into", text(&into)]);
    get.wait_for("progress", |progress| progress["done"].as_u64() >= Some(9 << 20));
    (sharer, ticket, get)
}

#[cfg(unix)]
fn transfers(node: &Node) -> Vec<serde_json::Value> {
    let ended = node.run(&["transfers"]);
    ended.expect(0);
    ended.events.into_iter().filter(|event| event["event"] == "transfer").collect()
}

#[test]
#[cfg(unix)]
fn a_get_that_was_killed_goes_on_with_the_same_ticket_or_by_its_name() {
    let content = noise(24 << 20);
    for by_name in [false, true] {
        let (alice, bob) = (Node::new(), Node::new());
        let (_sharer, ticket, get) = under_way(&alice, &bob, &content);
        get.kill();
        let into = bob.path("in");
        let listed = transfers(&bob);
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!((&listed[0]["state"], &listed[0]["way"]), (&"interrupted".into(), &"receiving".into()));
        assert_eq!((&listed[0]["name"], &listed[0]["folder"]), (&"film".into(), &text(&into).into()));
        let id = listed[0]["transfer"].as_str().unwrap();
        let ended = if by_name {
            bob.run(&["transfers", "resume", &id[..8]])
        } else {
            bob.run(&["get", &ticket, "--into", text(&into)])
        };
        let done = ended.expect(0).event("done");
        let (bytes, resumed) = (done["bytes"].as_u64().unwrap(), done["resumed"].as_u64().unwrap());
        assert!(resumed > 0 && bytes + resumed == content.len() as u64, "{done}");
        assert_eq!((&done["transfer"], &ended.event("resuming")["done"]), (&id.into(), &resumed.into()));
        assert!(!ended.events.iter().any(|event| event["event"] == "offer"), "no second consent");
        assert_eq!(listing(&into), ["film"]);
        assert!(fs::read(into.join("film")).unwrap() == content);
        assert_eq!(transfers(&bob).len(), 0);
    }
}

#[test]
#[cfg(unix)]
fn a_get_that_was_stopped_says_how_to_go_on_and_can_be_given_up() {
    let (alice, bob) = (Node::new(), Node::new());
    let (_sharer, _, get) = under_way(&alice, &bob, &noise(24 << 20));
    get.interrupt();
    let ended = get.end();
    ended.expect_error(130, "are kept here. To go on: `hither ");
    let listed = transfers(&bob);
    let id = listed[0]["transfer"].as_str().unwrap();
    bob.run(&["transfers", "cancel", &id[..8]]).expect(0);
    assert_eq!(listing(&bob.path("in")), Vec::<String>::new(), "neither partial file nor journal");
    assert_eq!(transfers(&bob).len(), 0);
}
