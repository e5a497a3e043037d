//! What goes wrong, how it ends on both sides, and what is left: through the real program on loopback.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::{Node, listing, send, text};

/// More than moves before a test has acted; it takes no room on the sender's disk.
const HUGE: u64 = 4 << 30;

#[test]
fn only_the_expected_peer_may_send() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    let (file, other) = (alice.file("a.txt", "a"), carol.file("c.txt", "c"));
    let into = bob.path("in");
    let mut receiver = bob.start(&["receive", "--from", &alice.id(), "--into", text(&into)]);
    let address = receiver.address();
    carol.run(&["send", text(&other), "--to", &address]).expect_error(3, "refused");
    alice.run(&["send", text(&file), "--to", &address]).expect(0);
    receiver.end().expect(0);
    assert_eq!(listing(&into), ["a.txt"]);
}

#[test]
fn a_name_that_is_taken_is_refused_on_both_sides() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a.txt", "new");
    bob.file("in/a.txt", "old");
    let into = bob.path("in");
    // --yes is no word on overwriting.
    let (sender, receiver) = send(&alice, &[text(&file)], &bob, &["--yes", "--into", text(&into)]);
    sender.expect_error(3, "--overwrite, --rename or --skip");
    receiver.expect_error(10, "--overwrite, --rename or --skip");
    let (sender, receiver) = send(&alice, &[text(&file)], &bob, &["--yes", "-o", text(&into.join("a.txt"))]);
    sender.expect_error(3, "exists");
    receiver.expect_error(10, "--overwrite");
    assert_eq!(fs::read_to_string(into.join("a.txt")).unwrap(), "old");
    assert_eq!(listing(&into), ["a.txt"]);
}

#[test]
fn a_directory_does_not_fit_into_a_file() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("d/a", "a");
    let (sender, receiver) =
        send(&alice, &[text(&alice.path("d"))], &bob, &["--yes", "-o", text(&bob.path("x"))]);
    sender.expect(3);
    receiver.expect_error(2, "--into");
    assert!(!bob.path("x").exists());
}

#[test]
fn a_peer_that_is_not_there_is_said_to_be_so() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a", "a");
    let id = bob.id();
    alice
        .run(&["send", text(&file), "--to", &id])
        .expect_error(5, "was not found on this network nor, by their id, beyond it");
    alice.run(&["send", text(&file), "--to", &format!("{id}@127.0.0.1:1")]).expect_error(5, "did not answer");
}

#[test]
fn another_peer_at_the_address_is_not_mistaken_for_the_right_one() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    let file = alice.file("a", "a");
    let mut receiver = carol.start(&["receive", "--yes", "--into", text(&carol.path("in"))]);
    let address = receiver.address();
    let (_, at) = address.split_once('@').unwrap();
    alice
        .run(&["send", text(&file), "--to", &format!("{}@{at}", bob.id())])
        .expect_error(5, "did not answer");
    assert_eq!(listing(&carol.path("in")), Vec::<String>::new());
}

#[test]
fn a_mistyped_id_is_a_mistake_and_its_place_is_named() {
    let (alice, bob) = (Node::new(), Node::new());
    let mut id: Vec<char> = bob.id().chars().collect();
    id[19] = if id[19] == 'q' { 'p' } else { 'q' };
    let id: String = id.into_iter().collect();
    alice.run(&["msg", &id, "hello"]).expect_error(2, "20");
}

#[test]
fn a_path_that_is_not_there_is_a_mistake() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.run(&["send", text(&alice.path("nothing")), "--to", &bob.id()]).expect_error(2, "there is no ");
}

#[test]
#[cfg(unix)]
fn names_that_cannot_be_sent_are_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (alice, bob) = (Node::new(), Node::new());
    let directory = alice.directory("d");
    fs::write(directory.join("a\u{1b}b"), "").unwrap();
    let (directory, id) = (text(&directory).to_owned(), bob.id());
    alice.run(&["send", &directory, "--to", &id]).expect_error(2, "control character");
    let directory = alice.directory("e");
    fs::write(directory.join(OsStr::from_bytes(b"a\xffb")), "").unwrap();
    alice.run(&["send", text(&directory), "--to", &id]).expect_error(2, "not Unicode");
    let argument = directory.join(OsStr::from_bytes(b"a\xffb"));
    let arguments = [OsStr::new("send"), argument.as_os_str(), OsStr::new("--to"), OsStr::new(&id)];
    alice.run(&arguments).expect_error(2, "not UTF-8");
}

#[test]
fn a_home_is_used_by_one_at_a_time() {
    let bob = Node::new();
    let mut receiver = bob.start(&["receive"]);
    receiver.address();
    bob.run(&["contacts"]).expect_error(2, "`hither receive`");
    bob.run(&["id"]).expect(0);
}

#[test]
fn a_file_that_grows_while_it_is_sent_stops_the_transfer_and_what_arrived_is_kept() {
    use std::io::Write;
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.hollow_file("growing", HUGE);
    let into = bob.path("in");
    let mut receiver = bob.start(&["receive", "--yes", "--into", text(&into)]);
    let address = receiver.address();
    let sender = alice.start(&["send", text(&file), "--to", &address]);
    receiver.wait_for_progress();
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"more").unwrap();
    sender.end().expect_error(8, "changed or vanished while it was sent");
    receiver.end().expect_error(8, " are kept here");
    let names = listing(&into);
    assert!(names.len() == 2 && names.iter().all(|name| name.starts_with(".hither-")), "{names:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_or_read_only_is_said_to_be_so() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("a", vec![7; 3 << 20]);
    for (options, there, here) in
        [("size=1m", "does not fit", "does not fit"), ("ro", "cannot be written", "cannot be written")]
    {
        let Some(mount) = Mount::new(bob.directory("small"), options) else {
            eprintln!("skipped: mounting a small disk takes root's rights");
            return;
        };
        let (sender, receiver) = send(&alice, &[text(&file)], &bob, &["--yes", "--into", text(&mount.0)]);
        sender.expect_error(3, there);
        receiver.expect_error(9, here);
        assert_eq!(listing(&mount.0), Vec::<String>::new());
    }
}

/// A small disk in memory.
struct Mount(PathBuf);

impl Mount {
    fn new(at: PathBuf, options: &str) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "hither-test"]).arg(&at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
