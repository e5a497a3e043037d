//! Codes between two homes on loopback, through the real program.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use support::person::{Person, Watcher};
use support::{Ended, Node, Running, listing, text};

/// Starts `hither ARGUMENTS`, which makes a code, and gives the code.
fn make(node: &Node, arguments: &[&str]) -> (Running, String) {
    let mut running = node.start(arguments);
    let code = code_of(&mut running);
    (running, code)
}

fn code_of(running: &mut Running) -> String {
    running.wait_for("code", |_| true)["code"].as_str().unwrap().to_owned()
}

/// Starts `hither receive` with a code.
fn receive(node: &Node, code: &str) -> Running {
    node.start(&["receive", "--yes", "--into", text(&node.path("in")), code])
}

/// The code with another last word.
fn wrong(code: &str) -> String {
    let (start, last) = code.rsplit_once('-').unwrap();
    format!("{start}-{}", if last == "zoo" { "zero" } else { "zoo" })
}

/// No word of the code that is secret is in anything but the `code` event: not in what the program says about it, nor
/// in what goes wrong.
#[track_caller]
fn says_no_secret(ended: &Ended, code: &str) {
    let (_, secret) = code.split_once('-').unwrap();
    let events = ended.events.iter().filter(|event| event["event"] != "code");
    let said = events.map(ToString::to_string).chain([ended.errors.clone(), ended.words.clone()]);
    for line in said {
        assert!(!line.contains(secret), "{line}");
    }
}

#[test]
fn a_file_goes_to_whoever_has_the_code() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", [7; 100_000]);
    let (sender, code) = make(&alice, &["send", text(&file)]);
    assert_eq!(code.split('-').count(), 3);
    let receiver = receive(&bob, &code).end();
    let sender = sender.end();
    for (ended, other) in [(&sender, &bob), (&receiver, &alice)] {
        ended.expect(0);
        assert_eq!(ended.event("code_proven")["id"], other.id());
        assert_eq!(ended.event("done")["bytes"], 100_000);
        says_no_secret(ended, &code);
    }
    assert_eq!(receiver.event("offer")["from"], alice.id());
    assert_eq!(fs::read(bob.path("in/film")).unwrap(), [7; 100_000]);
    // Nobody became a contact by it.
    assert!(bob.run(&["contacts"]).events.is_empty());
}

#[test]
fn the_words_for_people_name_the_line_of_the_other_side_and_no_more_than_that() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let mut sender = Running::start(&mut alice.command(&["send", text(&file), "--expire", "30m"]));
    sender.wait_for_note("On the other side, on this network, within 30 min:");
    let line = sender.wait_for_note("hither receive ");
    let code = line.trim().strip_prefix("hither receive ").unwrap().to_owned();
    sender.wait_for_note("the same command gives the same code");
    let into = bob.path("in");
    let arguments = ["receive", "--yes", "--into", text(&into), &code];
    let receiver = Running::start(&mut bob.command(&arguments)).end();
    receiver.expect(0);
    says_no_secret(&receiver, &code);
    assert!(receiver.errors.contains("for 10 s at most"), "{}", receiver.errors);
    assert!(receiver.errors.contains("the code is right: this is hi1"), "{}", receiver.errors);
    let sender = sender.end();
    sender.expect(0);
    assert_eq!(sender.words, code, "standard output holds the code alone");
    assert_eq!(sender.errors.matches(&code).count(), 1, "{}", sender.errors);
}

#[test]
fn a_wrong_code_costs_an_attempt_and_both_sides_say_so() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (mut sender, code) = make(&alice, &["send", text(&file)]);
    let refused = receive(&bob, &wrong(&code)).end();
    refused.expect_error(4, "at least one word is wrong. The other side is told");
    says_no_secret(&refused, &wrong(&code));
    let attempt = sender.wait_for("code_attempt", |_| true);
    assert_eq!(attempt["left"], 2);
    receive(&bob, &code).end().expect(0);
    says_no_secret(sender.end().expect(0), &code);
}

#[test]
fn three_wrong_codes_burn_it_and_it_stays_burnt() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (mut sender, code) = make(&alice, &["send", text(&file)]);
    for left in [2, 1] {
        receive(&bob, &wrong(&code)).end().expect_error(4, "at least one word is wrong");
        sender.wait_for("code_attempt", |attempt| attempt["left"] == left);
        if left == 2 {
            // Neither is forgotten over a restart, nor is the code another.
            sender.interrupt();
            sender.end().expect(130);
            let again;
            (sender, again) = make(&alice, &["send", text(&file)]);
            assert_eq!(again, code);
            assert_eq!(sender.wait_for("code", |_| true)["left"], 2);
        }
    }
    let third = receive(&bob, &wrong(&code)).end();
    third.expect_error(4, "this code is burnt");
    let burnt = sender.end();
    burnt.expect_error(4, "three wrong codes were tried");
    assert_eq!(burnt.events.iter().rfind(|it| it["event"] == "code_attempt").unwrap()["left"], 0);
    says_no_secret(&burnt, &code);
    let (sender, other) = make(&alice, &["send", text(&file)]);
    assert_ne!(other, code);
    sender.interrupt();
    sender.end().expect(130);
}

#[test]
fn a_mistyped_word_is_recognised_before_anything_is_sent() {
    let bob = Node::new();
    let words = Running::start(&mut bob.command(&["receive", "abandon-zebta-zoo"])).end();
    words.expect(2);
    assert!(words.errors.contains("word 2 is not one"), "{}", words.errors);
    assert!(words.errors.contains("did you mean \"zebra\"?"), "{}", words.errors);
    assert!(!bob.path("home").exists());
    let json = bob.run(&["receive", "abandon-zebta-zoo"]);
    json.expect_error(2, "word 2 is not one");
    assert!(!json.event("error").to_string().contains("zebra"));
}

#[test]
fn nobody_with_that_code_is_said_after_a_stated_time() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (sender, code) = make(&alice, &["send", text(&file)]);
    sender.interrupt();
    sender.end().expect(130);
    let nobody = receive(&bob, &code).end();
    nobody.expect_error(5, "nobody was found on this network in 10 s");
    says_no_secret(&nobody, &code);
}

#[test]
fn without_a_terminal_what_comes_by_a_code_needs_yes() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (sender, code) = make(&alice, &["send", text(&file)]);
    bob.run(&["receive", &code]).expect_error(2, "--yes takes it");
    receive(&bob, &code).end().expect(0);
    let sender = sender.end();
    assert!(!sender.expect(0).events.iter().any(|event| event["event"] == "code_attempt"));
}

#[test]
fn several_can_receive_by_one_code() {
    let (alice, bob, carol, dave) = (Node::new(), Node::new(), Node::new(), Node::new());
    let file = alice.file("film", [1; 300_000]);
    let (mut sender, code) = make(&alice, &["send", text(&file), "--receivers", "2"]);
    let both = [receive(&bob, &code), receive(&carol, &code)];
    for ended in both.map(Running::end) {
        ended.expect(0);
    }
    for node in [&bob, &carol] {
        assert_eq!(fs::read(node.path("in/film")).unwrap(), [1; 300_000]);
        sender.wait_for("code_proven", |proven| proven["id"] == node.id());
    }
    let sender = sender.end();
    sender.expect(0);
    assert_eq!(sender.events.iter().filter(|event| event["event"] == "done").count(), 2);
    // It was for two.
    let third = receive(&dave, &code).end();
    assert!(matches!(third.code, Some(4 | 5)), "{third:#?}");
    assert!(!dave.path("in").exists());
}

#[test]
fn a_code_that_was_used_is_said_to_be_while_its_maker_is_there() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    let file = alice.hollow_file("film", 200_000_000);
    let (sender, code) = make(&alice, &["--limit", "2MB/s", "send", text(&file)]);
    let mut receiver = receive(&bob, &code);
    receiver.wait_for_progress();
    receive(&carol, &code).end().expect_error(4, "used already");
    sender.interrupt();
    sender.end().expect(130);
    receiver.end().expect(7);
}

#[test]
fn an_interrupted_transfer_by_code_goes_on_with_ids() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.hollow_file("film", 40_000_000);
    let (sender, code) = make(&alice, &["--limit", "10MB/s", "send", text(&file)]);
    let mut receiver = receive(&bob, &code);
    receiver.wait_for("progress", |progress| progress["done"].as_u64().unwrap() > 8_000_000);
    receiver.interrupt();
    let stopped = receiver.end();
    stopped.expect(130);
    says_no_secret(&stopped, &code);
    let text_of = stopped.event("error")["text"].as_str().unwrap().to_owned();
    assert!(text_of.contains(&format!("--from {}`", alice.id())), "{text_of}");
    sender.end().expect_error(7, &format!("--to {} ", bob.id()));
    let into = bob.path("in");
    let again = bob.start(&["receive", "--into", text(&into), "--from", &alice.id()]);
    let sender = alice.run(&["send", "--to", &bob.id(), text(&file)]);
    sender.expect(0);
    let again = again.end();
    again.expect(0);
    assert!(again.event("done")["resumed"].as_u64().unwrap() > 0, "{again:#?}");
}

#[test]
fn the_receiver_can_make_the_code() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let into = bob.path("in");
    let receive = ["receive", "--new-code", "--words", "4", "--yes", "--into", text(&into)];
    let (receiver, code) = make(&bob, &receive);
    assert_eq!(code.split('-').count(), 4);
    alice.run(&["receive", "--yes", &code]).expect_error(2, "made for something else");
    let sender = alice.run(&["send", text(&file), "--code", &code]);
    sender.expect(0);
    let receiver = receiver.end();
    receiver.expect(0);
    says_no_secret(&sender, &code);
    says_no_secret(&receiver, &code);
    assert_eq!(listing(&into), ["film"]);
}

#[test]
fn text_and_standard_input_go_by_code_too() {
    let (alice, bob) = (Node::new(), Node::new());
    let (sender, code) = make(&alice, &["send", "--text", "hello"]);
    receive(&bob, &code).end().expect(0);
    sender.end().expect(0);
    assert_eq!(fs::read_to_string(bob.path("in/text.txt")).unwrap(), "hello\n");

    let mut command = alice.command(&["send", "-", "--name", "n.txt", "--json"]);
    let mut feed = Feed::start(command.stdin(Stdio::piped()), "from a pipe");
    let code = code_of(&mut feed.0);
    // To standard output, where the code is no part of it.
    let mut command = bob.command(&["receive", "--yes", "-o", "-", &code]);
    let receiver = Running::start(&mut command).end();
    receiver.expect(0);
    assert_eq!(receiver.words, "from a pipe");
    feed.0.end().expect(0);
}

/// A program that is fed something and then the end of it.
struct Feed(Running);

impl Feed {
    fn start(command: &mut std::process::Command, content: &str) -> Self {
        let (read, mut write) = std::io::pipe().unwrap();
        let running = Running::start(command.stdin(read));
        command.stdin(Stdio::null());
        write.write_all(content.as_bytes()).unwrap();
        Self(running)
    }
}

#[test]
fn a_code_made_for_standard_output_stands_aside() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let arguments = ["receive", "--new-code", "--yes", "-o", "-", "--quiet"];
    let mut receiver = Running::start(&mut bob.command(&arguments));
    let code = receiver.wait_for_note("-");
    alice.run(&["send", text(&file), "--code", &code]).expect(0);
    let receiver = receiver.end();
    receiver.expect(0);
    assert_eq!(receiver.words, "film");
}

#[test]
fn links_go_as_links_by_code_too() {
    let (alice, bob) = (Node::new(), Node::new());
    alice.file("d/real", "x");
    std::os::unix::fs::symlink("real", alice.path("d/alias")).unwrap();
    let (sender, code) = make(&alice, &["send", "--links", text(&alice.path("d"))]);
    receive(&bob, &code).end().expect(0);
    sender.end().expect(0);
    assert_eq!(fs::read_link(bob.path("in/d/alias")).unwrap(), std::path::Path::new("real"));
}

#[test]
fn a_code_from_someone_else_than_was_named_brings_nothing() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (sender, code) = make(&alice, &["send", text(&file)]);
    let into = bob.path("in");
    let refused = bob.run(&["receive", "--yes", "--into", text(&into), "--from", &carol.id(), &code]);
    refused.expect_error(3, &format!("this is {} and not {}", alice.id(), carol.id()));
    assert_eq!(listing(&into), Vec::<String>::new());
    sender.interrupt();
    sender.end();
}

#[test]
fn a_code_has_its_time() {
    let alice = Node::new();
    let file = alice.file("film", "film");
    let late = alice.run(&["send", text(&file), "--expire", "1s"]);
    late.expect_error(6, "the time of the code is over: nobody has used it");
}

#[test]
fn what_vanishes_before_it_is_sent_by_a_code_is_said_on_both_sides() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (sender, code) = make(&alice, &["send", text(&file)]);
    fs::remove_file(&file).unwrap();
    receive(&bob, &code).end().expect_error(7, "left before anything was offered");
    sender.end().expect_error(2, "there is no ");
}

#[test]
fn two_become_contacts_by_a_code() {
    let (alice, bob) = (Node::new(), Node::new());
    let (maker, code) = make(&alice, &["pair", "--name", "bob"]);
    let typer = bob.run(&["pair", &code, "--name", "alice"]);
    let maker = maker.end();
    let words = |ended: &Ended| ended.expect(0).event("paired")["words"].clone();
    assert_eq!(words(&maker), words(&typer));
    assert_eq!(words(&maker).as_str().unwrap().split(' ').count(), 8);
    says_no_secret(&maker, &code);
    says_no_secret(&typer, &code);
    for (node, name, other) in [(&alice, "bob", &bob), (&bob, "alice", &alice)] {
        let listed = node.run(&["contacts"]);
        let contact = listed.expect(0).event("peer");
        assert_eq!((&contact["name"], &contact["id"]), (&name.into(), &other.id().into()));
    }
    alice.run(&["pair"]).expect_error(2, "--name NAME");
    // Known already: nothing is asked.
    let (maker, code) = make(&alice, &["pair", "--name", "robert"]);
    Person::at(&bob, &["pair", &code]).1.end().expect(0);
    maker.end().expect(0);
    assert_eq!(alice.run(&["contacts"]).event("peer")["name"], "robert");
}

#[test]
fn a_name_is_asked_for_until_it_is_one() {
    let (alice, bob, carol) = (Node::new(), Node::new(), Node::new());
    bob.add_contact("carol", &carol);
    let (maker, code) = make(&alice, &["pair", "--name", "bob"]);
    let (mut person, mut typer) = Person::at(&bob, &["pair", &code]);
    typer.wait_for_note("Both screens show the same words");
    for answer in ["", "#x", "Carol", "alice"] {
        typer.wait_for_text("What do you call them?");
        person.types(answer);
    }
    let typer = typer.end();
    typer.expect(0);
    assert!(typer.errors.contains("a name does not start with"), "{}", typer.errors);
    assert!(typer.errors.contains("is another contact already"), "{}", typer.errors);
    maker.end().expect(0);
    bob.run(&["msg", "alice", "", "x"]).expect(5);
}

#[test]
fn strangers_who_met_are_asked_whether_to_stay_in_contact() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    for (answer, contacts) in [("", 0), ("alice", 1)] {
        let (sender, code) = make(&alice, &["send", text(&file)]);
        let into = bob.path(format!("in{contacts}"));
        let (mut person, mut receiver) = Person::at(&bob, &["receive", &code, "--into", text(&into)]);
        receiver.wait_for_text("Take it? [Y/n]");
        person.types("");
        receiver.wait_for_text("Keep them as one?");
        person.types(answer);
        receiver.end().expect(0);
        // A program is not asked.
        sender.end().expect(0);
        assert_eq!(listing(&into), ["film"]);
        assert_eq!(bob.run(&["contacts"]).events.len(), contacts);
    }
}

#[test]
fn a_code_is_typed_at_the_prompt_with_tab() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let (mut sender, code) = make(&alice, &["send", text(&file)]);
    let into = bob.path("in");
    let mut bob = Watcher::at(&bob, &["receive", "--into", text(&into)]);
    bob.sees("code: ");
    bob.person.types("zebta zoo zoo");
    bob.sees("did you mean \"zebra\"?");
    bob.sees("code: ");
    bob.person.types(&wrong(&code));
    bob.sees("at least one word is wrong");
    sender.wait_for("code_attempt", |_| true);
    bob.sees("code: ");
    for word in code.split('-') {
        // Of three letters a word may be the beginning of another.
        let end = if word.len() > 3 { "\t" } else { "-" };
        write!(bob.person.0, "{}{end}", &word[..word.len().min(4)]).unwrap();
        bob.sees(&format!("{word}-"));
    }
    bob.person.types("");
    bob.sees("Take it? [Y/n]");
    bob.person.types("y");
    bob.sees("Keep them as one?");
    bob.person.types("");
    assert_eq!(bob.end(), Some(0));
    sender.end().expect(0);
    assert_eq!(listing(&into), ["film"]);
}

#[test]
fn offers_come_while_a_code_could_be_typed() {
    let (alice, bob) = (Node::new(), Node::new());
    let file = alice.file("film", "film");
    let into = bob.directory("in");
    let mut bob = Watcher::at(&bob, &["receive", "--into", text(&into)]);
    let seen = bob.sees("code: ");
    let address = seen.split_whitespace().find(|word| word.contains("@127.")).unwrap();
    write!(bob.person.0, "aban").unwrap();
    bob.sees("aban");
    let sender = alice.start(&["send", text(&file), "--to", address]);
    bob.sees("Take it? [Y/n]");
    bob.person.types("n");
    sender.end().expect(3);
    bob.sees("code: ");
    bob.interrupt();
    assert_eq!(bob.end(), Some(130));
    assert_eq!(listing(&into), Vec::<String>::new());
}
