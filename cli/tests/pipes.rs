//! Standard input and output, through the real program.

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Ended, Node, Running, text};

/// Bytes that no two places of the stream share.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

/// A receiver to standard output; gives where it is reached.
fn receiver(bob: &Node, out: Stdio) -> (Running, String) {
    let mut receiver = Running::start_into(&mut bob.command(&["receive", "--yes", "-o", "-"]), out);
    let line = receiver.wait_for_note("@127.");
    let address = line.split_whitespace().last().unwrap().to_owned();
    (receiver, address)
}

fn sender(alice: &Node, to: &str) -> Child {
    let mut command = alice.command(&["send", "-", "--name", "s.bin", "--to", to]);
    command.stdin(Stdio::piped()).spawn().unwrap()
}

fn expect(child: Child, code: i32, says: &str) {
    let ended = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(code), "{errors}");
    assert!(errors.contains(says), "{says}: {errors}");
}

fn hash(path: &std::path::Path) -> blake3::Hash {
    blake3::hash(&fs::read(path).unwrap())
}

#[test]
fn a_large_stream_goes_from_pipe_to_pipe() {
    let (alice, bob) = (Node::new(), Node::new());
    for bytes in [40_000_003, 262_144, 524_288] {
        let content = noise(bytes);
        let out = bob.path("out");
        let (receiver, address) = receiver(&bob, File::create(&out).unwrap().into());
        let mut child = sender(&alice, &address);
        child.stdin.take().unwrap().write_all(&content).unwrap();
        expect(child, 0, &format!("root {}", blake3::hash(&content)));
        receiver.end().expect(0);
        assert_eq!(hash(&out), blake3::hash(&content), "{bytes}");
    }
}

#[test]
fn a_stream_leaves_while_more_of_it_is_to_come() {
    let (alice, bob) = (Node::new(), Node::new());
    let out = bob.path("out");
    let (receiver, address) = receiver(&bob, File::create(&out).unwrap().into());
    let mut child = sender(&alice, &address);
    let mut input = child.stdin.take().unwrap();
    let content = noise(600_000);
    input.write_all(&content).unwrap();
    input.flush().unwrap();
    // Two whole chunks come out before the end is known.
    let until = Instant::now() + Duration::from_secs(20);
    while fs::metadata(&out).unwrap().len() < 524_288 {
        assert!(
            Instant::now() < until,
            "nothing comes before the end: {}",
            fs::metadata(&out).unwrap().len()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(input);
    expect(child, 0, "done");
    receiver.end().expect(0);
    assert_eq!(hash(&out), blake3::hash(&content));
}

#[test]
fn an_empty_stream_arrives_empty() {
    let (alice, bob) = (Node::new(), Node::new());
    let out = bob.path("out");
    let (receiver, address) = receiver(&bob, File::create(&out).unwrap().into());
    let child = sender(&alice, &address);
    expect(child, 0, "done: 0 B");
    receiver.end().expect(0);
    assert_eq!(fs::read(&out).unwrap(), b"");
}

#[test]
fn a_stream_becomes_a_file_that_is_whole_or_not_there() {
    let (alice, bob) = (Node::new(), Node::new());
    let into = bob.directory("in");
    for content in [Vec::new(), noise(1), noise(700_000)] {
        let mut receiver = bob.start(&["receive", "--yes", "--overwrite", "--into", text(&into)]);
        let address = receiver.address();
        let mut child = sender(&alice, &address);
        child.stdin.take().unwrap().write_all(&content).unwrap();
        expect(child, 0, "done");
        let ended: Ended = receiver.end();
        ended.expect(0);
        assert_eq!(ended.event("done")["root"], blake3::hash(&content).to_string());
        assert_eq!(fs::read(into.join("s.bin")).unwrap(), content);
        assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    }
}

#[test]
fn a_file_of_known_size_goes_to_standard_output_in_order() {
    let (alice, bob) = (Node::new(), Node::new());
    let content = noise(30_000_001);
    let file = alice.file("film", &content);
    let out = bob.path("out");
    let (receiver, address) = receiver(&bob, File::create(&out).unwrap().into());
    alice.run(&["send", text(&file), "--to", &address]).expect(0);
    receiver.end().expect(0);
    assert_eq!(hash(&out), blake3::hash(&content));
}

#[test]
fn a_folder_does_not_go_to_standard_output() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("d/a", "a");
    let (receiver, address) = receiver(&bob, Stdio::piped());
    alice.run(&["send", text(&alice.path("d")), "--to", &address]).expect_error(3, "refused");
    let ended = receiver.end();
    ended.expect(2);
    assert!(ended.errors.contains("not a single file"), "{}", ended.errors);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_both_sides() {
    let (alice, bob) = (Node::new(), Node::new());
    let mut head =
        Command::new("head").args(["-c", "1"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (receiver, address) = receiver(&bob, head.stdin.take().unwrap().into());
    let mut child = sender(&alice, &address);
    let mut input = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        // As much as is taken: the other end goes away meanwhile.
        let piece = noise(1_000_000);
        while input.write_all(&piece).is_ok() {}
    });
    let ended = receiver.end();
    ended.expect(9);
    assert!(ended.errors.contains("whoever read standard output went away"), "{}", ended.errors);
    expect(child, 9, "could not be written");
    feeding.join().unwrap();
    let mut first = Vec::new();
    head.stdout.take().unwrap().read_to_end(&mut first).unwrap();
    head.wait().unwrap();
    assert_eq!(first, noise(1));
}

#[cfg(unix)]
#[test]
fn a_sender_that_is_killed_leaves_a_receiver_that_says_so() {
    let (alice, bob) = (Node::new(), Node::new());
    let out = bob.path("out");
    let (receiver, address) = receiver(&bob, File::create(&out).unwrap().into());
    let mut child = sender(&alice, &address);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&noise(600_000)).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while fs::metadata(&out).unwrap().len() < 524_288 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = receiver.end();
    ended.expect(7);
    assert!(ended.errors.contains("cannot be gone on with"), "{}", ended.errors);
    assert_eq!(fs::metadata(&out).unwrap().len(), 524_288);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_sender_whose_input_says_nothing() {
    let (alice, bob) = (Node::new(), Node::new());
    let (receiver, address) = receiver(&bob, Stdio::null());
    let mut command = alice.command(&["send", "-", "--to", &address]);
    // Standard input stays open, and nothing comes.
    let mut sender = Running::start(command.stdin(Stdio::piped()));
    sender.wait_for_note("offering stdin to ");
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    sender.interrupt();
    sender.end().expect(130);
    assert!(begun.elapsed() < Duration::from_secs(10), "nobody waits for the pipe");
    assert_ne!(receiver.end().code, Some(0));
}
