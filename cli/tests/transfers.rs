//! Files between two homes on loopback, through the real program.

mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use support::{Node, Running, listing, send, text};

/// Bytes that no two places of the file share.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn a_file_arrives_as_it_was_and_its_root_is_its_blake3() {
    let (alice, bob) = (Node::new(), Node::new());
    let content = noise(3_000_001);
    let file = alice.file("photo.jpg", &content);
    let into = bob.path("in");
    let (sender, receiver) = send(&alice, &[text(&file)], &bob, &["--yes", "--into", text(&into)]);
    sender.expect(0);
    receiver.expect(0);
    let placed = into.join("photo.jpg");
    assert_eq!(fs::read(&placed).unwrap(), content);
    let root = blake3::hash(&content).to_string();
    for done in [sender.event("done"), receiver.event("done")] {
        assert_eq!(done["root"], root);
        assert_eq!(done["bytes"], 3_000_001);
        assert_eq!(done["road"], "LAN");
    }
    assert_eq!(receiver.event("done")["paths"][0], text(&placed));
    let offer = receiver.event("offer");
    assert_eq!(
        (&offer["name"], &offer["files"], &offer["bytes"]),
        (&"photo.jpg".into(), &1.into(), &3_000_001.into())
    );
    assert_eq!(offer["from"], alice.id());
    assert_eq!(offer["transfer"], sender.event("done")["transfer"]);
}

#[test]
#[cfg(unix)]
fn a_directory_arrives_whole() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("trip/a.txt", "a");
    alice.file("trip/empty.txt", "");
    alice.file("trip/deep/er/b.bin", noise(100_000));
    alice.directory("trip/nothing");
    let run = alice.file("trip/run.sh", "#!/bin/sh\n");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", alice.path("trip/link")).unwrap();
    let into = bob.directory("in");
    let trip = alice.path("trip");
    let (sender, receiver) = send(&alice, &[text(&trip)], &bob, &["--yes", "--into", text(&into)]);
    sender.expect(0);
    receiver.expect(0);
    assert_eq!(
        listing(&into),
        ["trip/a.txt", "trip/deep/er/b.bin", "trip/empty.txt", "trip/nothing/", "trip/run.sh"]
    );
    assert_eq!(fs::read(into.join("trip/deep/er/b.bin")).unwrap(), noise(100_000));
    let mode = |name: &str| fs::metadata(into.join("trip").join(name)).unwrap().permissions().mode();
    assert_eq!((mode("run.sh") & 0o100, mode("a.txt") & 0o111), (0o100, 0));
    assert_eq!(receiver.event("done")["root"], sender.event("done")["root"]);
}

#[test]
fn what_is_left_out_is_said() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("d/a", "a");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/", alice.path("d/link")).unwrap();
    let mut receiver = bob.start(&["receive", "--yes", "--into", text(&bob.path("in"))]);
    let address = receiver.address();
    let sender =
        Running::start(&mut alice.command(&["send", text(&alice.path("d")), "--to", &address])).end();
    sender.expect(0);
    assert!(!cfg!(unix) || sender.errors.contains("left out: "), "{}", sender.errors);
    for said in ["offering d to ", "1 file, 1 B", "done: 1 B in ", "LAN, root "] {
        assert!(sender.errors.contains(said), "{said}: {}", sender.errors);
    }
    receiver.end().expect(0);
}

#[test]
fn several_paths_go_together() {
    let (alice, bob) = (Node::new(), Node::new());
    let (one, two) = (alice.file("one", "1"), alice.file("two", "2"));
    let into = bob.path("in");
    let (sender, receiver) = send(&alice, &[text(&one), text(&two)], &bob, &["--yes", "--into", text(&into)]);
    sender.expect(0);
    assert_eq!(receiver.expect(0).event("done")["paths"].as_array().unwrap().len(), 2);
    assert_eq!(listing(&into), ["one", "two"]);
}

#[test]
fn standard_input_goes_to_standard_output_byte_for_byte() {
    let (alice, bob) = (Node::new(), Node::new());
    let mut receiver = Running::start(&mut bob.command(&["receive", "--yes", "-o", "-"]));
    let line = receiver.wait_for_note("@127.");
    let address = line.split_whitespace().last().unwrap();
    let mut command = alice.command(&["send", "-", "--to", address]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let content = "first\u{1b}[31m line\nsecond\u{0}";
    child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let ended = receiver.end();
    ended.expect(0);
    assert_eq!(ended.words, content);
    assert_eq!(listing(&bob.path("home/state")), Vec::<String>::new());
    bob.run(&["receive", "-o", "-"]).expect_error(2, "--json");
}

#[test]
#[cfg(unix)]
fn an_archive_goes_from_pipe_to_pipe() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("dir/a.txt", "a");
    alice.file("dir/deep/b.bin", noise(1_000_000));
    let out = bob.directory("out");
    let mut unpack = Command::new("tar");
    let mut unpack = unpack.arg("x").arg("-C").arg(&out).stdin(Stdio::piped()).spawn().unwrap();
    let mut command = bob.command(&["receive", "--yes", "-o", "-"]);
    let mut receiver = Running::start_into(&mut command, unpack.stdin.take().unwrap().into());
    let line = receiver.wait_for_note("@127.");
    let address = line.split_whitespace().last().unwrap();
    let mut pack = Command::new("tar");
    let mut pack =
        pack.arg("c").arg("-C").arg(alice.path(".")).arg("dir").stdout(Stdio::piped()).spawn().unwrap();
    let mut command = alice.command(&["send", "-", "--name", "dir.tar", "--to", address]);
    let sent = command.stdin(pack.stdout.take().unwrap()).output().unwrap();
    let said = String::from_utf8(sent.stderr).unwrap();
    assert!(sent.status.success() && said.contains("offering dir.tar to "), "{said}");
    receiver.wait_for_note("offers dir.tar");
    receiver.end().expect(0);
    assert!(pack.wait().unwrap().success() && unpack.wait().unwrap().success());
    assert_eq!(listing(&out), ["dir/a.txt", "dir/deep/b.bin"]);
    assert_eq!(fs::read(out.join("dir/deep/b.bin")).unwrap(), noise(1_000_000));
}

#[test]
fn a_name_for_what_is_no_file_is_the_one_it_arrives_under() {
    let (alice, bob) = (Node::new(), Node::new());
    let into = bob.path("in");
    let text_of = ["--text", "buy milk", "--name", "list.txt"];
    let (sender, receiver) = send(&alice, &text_of, &bob, &["--yes", "--into", text(&into)]);
    sender.expect(0);
    assert_eq!(receiver.expect(0).event("offer")["name"], "list.txt");
    assert_eq!(listing(&into), ["list.txt"]);
    // Nothing is read, nor anyone looked for, under a name that cannot be.
    alice.run(&["send", "-", "--name", "../list", "--to", &bob.id()]).expect_error(2, "names a folder");
}

#[test]
fn a_line_of_text_is_printed_where_that_is_asked_for() {
    let (alice, bob) = (Node::new(), Node::new());
    let mut receiver = Running::start(&mut bob.command(&["receive", "--yes", "-o", "-"]));
    let line = receiver.wait_for_note("@127.");
    let address = line.split_whitespace().last().unwrap();
    alice.run(&["send", "--text", "buy milk", "--to", address]).expect(0);
    let ended = receiver.end();
    assert_eq!(ended.expect(0).words, "buy milk");
}

#[test]
fn a_limit_on_either_side_holds() {
    for (sends, receives) in [(&["--limit", "1MB/s"][..], &[][..]), (&[], &["--limit-down", "1MB/s"])] {
        let (alice, bob) = (Node::new(), Node::new());
        let file = alice.file("film", noise(3_000_000));
        let into = bob.path("in");
        let receive = [&["--yes", "--into", text(&into)], receives].concat();
        let (sender, receiver) = send(&alice, &[&[text(&file)], sends].concat(), &bob, &receive);
        for ended in [sender, receiver] {
            // It cannot be faster; how much slower it is is up to the machine.
            let seconds = ended.expect(0).event("done")["seconds"].as_f64().unwrap();
            assert!(seconds > 2.8, "3 MB at 1 MB/s in {seconds} s");
            let progress = ended.event("progress");
            for field in ["transfer", "done", "total", "rate", "road"] {
                assert!(!progress[field].is_null(), "{progress}");
            }
        }
    }
}

#[test]
fn what_did_not_have_to_travel_is_told_on_both_sides() {
    let (alice, bob) = (Node::new(), Node::new());
    let (one, two) = (alice.file("one", noise(5_000)), alice.file("two", "new"));
    bob.file("in/one", "here already");
    let into = bob.path("in");
    let receive = ["--yes", "--skip", "--into", text(&into)];
    let (sender, receiver) = send(&alice, &[text(&one), text(&two)], &bob, &receive);
    for ended in [sender, receiver] {
        let done = ended.expect(0).event("done");
        assert_eq!((&done["bytes"], &done["resumed"]), (&3.into(), &5_000.into()));
    }
}

#[test]
fn a_line_of_text_goes_to_a_file_of_a_chosen_name() {
    let (alice, bob) = (Node::new(), Node::new());
    let to = bob.path("note.txt");
    let (sender, receiver) = send(&alice, &["--text", "buy milk"], &bob, &["--yes", "-o", text(&to)]);
    sender.expect(0);
    assert_eq!(receiver.expect(0).event("done")["paths"][0], text(&to));
    assert_eq!(fs::read_to_string(&to).unwrap(), "buy milk\n");
    alice.run(&["send", "--text", "", "--to", &bob.id()]).expect_error(2, "no text");
}

#[test]
fn what_exists_is_replaced_kept_or_left_as_the_flags_say() {
    for (flag, files, content) in [
        ("--overwrite", &["a.txt"][..], "new"),
        ("--rename", &["a (1).txt", "a.txt"][..], "old"),
        ("--skip", &["a.txt"][..], "old"),
    ] {
        let (alice, bob) = (Node::new(), Node::new());
        let file = alice.file("a.txt", "new");
        bob.file("in/a.txt", "old");
        let into = bob.path("in");
        let (sender, receiver) = send(&alice, &[text(&file)], &bob, &["--yes", flag, "--into", text(&into)]);
        sender.expect(0);
        receiver.expect(0);
        assert_eq!(listing(&into), files, "{flag}");
        assert_eq!(fs::read_to_string(into.join("a.txt")).unwrap(), content, "{flag}");
    }
}

#[test]
#[cfg(unix)]
fn a_stranger_gets_nowhere_without_yes_and_up_stays() {
    let (alice, bob) = (Node::new(), Node::new());
    let into = bob.directory("in");
    let mut up = bob.start(&["up", "--into", text(&into)]);
    let address = up.address();
    let file = alice.file("a.txt", "a");
    let refused = alice.run(&["send", text(&file), "--to", &address]);
    refused.expect_error(3, "takes nothing from people who are not contacts");
    up.wait_for("offer", |offer| offer["from"] == alice.id());
    up.interrupt();
    up.end().expect_error(130, "hither up");
    assert_eq!(listing(&into), Vec::<String>::new());

    bob.add_contact("Alice", &alice);
    bob.run(&["rules", "contacts", "accept"]).expect(0);
    let mut up = bob.start(&["up", "--into", text(&into)]);
    let address = up.address();
    alice.run(&["send", text(&file), "--to", &address]).expect(0);
    assert_eq!(up.wait_for("offer", |_| true)["contact"], "Alice");
    up.wait_for("done", |_| true);
    assert_eq!(listing(&into), ["a.txt"]);
    // The same again is in the way of itself, and no reason to end.
    alice.run(&["send", text(&file), "--to", &address]).expect_error(3, "exists at");
    assert_eq!(up.wait_for("error", |_| true)["code"], 10);
    alice.run(&["msg", &address, "still there?"]).expect(0);
    up.wait_for("message", |message| message["contact"] == "Alice");
}

#[cfg(unix)]
#[test]
fn links_arrive_as_links_and_directories_keep_their_times() {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("trip/deep/er/b.bin", noise(100_000));
    symlink("deep/er", alice.path("trip/short")).unwrap();
    symlink("../er/b.bin", alice.path("trip/deep/odd")).unwrap();
    symlink("/etc/passwd", alice.path("trip/out")).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for name in ["trip/deep/er", "trip/deep", "trip"] {
        fs::File::open(alice.path(name)).unwrap().set_modified(time).unwrap();
    }
    let into = bob.directory("in");
    let trip = alice.path("trip");
    let mut receiver = Running::start(&mut bob.command(&["receive", "--yes", "--into", text(&into)]));
    let line = receiver.wait_for_note("@127.");
    let address = line.split_whitespace().last().unwrap();
    let sender = Running::start(&mut alice.command(&["send", "--links", text(&trip), "--to", address])).end();
    sender.expect(0);
    let receiver = receiver.end();
    receiver.expect(0);
    assert!(sender.errors.contains("trip/out (a link out of what is sent"), "{}", sender.errors);
    assert!(receiver.errors.contains("link to deep/er"), "{}", receiver.errors);
    assert_eq!(fs::read(into.join("trip/short/b.bin")).unwrap(), noise(100_000));
    assert_eq!(fs::read_link(into.join("trip/deep/odd")).unwrap().to_str(), Some("../er/b.bin"));
    assert!(!into.join("trip/out").is_symlink());
    for name in ["trip/deep/er", "trip/deep", "trip"] {
        assert_eq!(fs::metadata(into.join(name)).unwrap().modified().unwrap(), time, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_alone_is_not_sent_as_a_link() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("real", "x");
    std::os::unix::fs::symlink("real", alice.path("alias")).unwrap();
    let mut receiver = bob.start(&["receive", "--yes", "--into", text(&bob.path("in"))]);
    let address = receiver.address();
    let refused = alice.run(&["send", "--links", text(&alice.path("alias")), "--to", &address]);
    refused.expect_error(2, "is itself a link");
    // Without --links it is what it leads to.
    alice.run(&["send", text(&alice.path("alias")), "--to", &address]).expect(0);
    receiver.end().expect(0);
    assert_eq!(fs::read(bob.path("in/alias")).unwrap(), b"x");
    alice.run(&["send", "--links", "-", "--to", &address]).expect_error(2, "--links is for paths");
}
