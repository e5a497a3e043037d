//! What a person reads, and what a script reads.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hither_cli::exit::{Exit, Failure};
use hither_cli::screen::{
    Check, CheckState, Course, Delivery, Event, NodeRow, Pauser, PeerRow, PeerState, Progress, Road, Screen,
    Transfer, TransferState, left, rate, size,
};
use hither_protocol::Trust;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn show(events: &[Event], json: bool, quiet: bool) -> (String, String) {
    let (out, err) = (Paper::default(), Paper::default());
    let mut screen = Screen::to(Box::new(out.clone()), Box::new(err.clone()), json, quiet);
    events.iter().for_each(|event| screen.event(event).unwrap());
    (out.text(), err.text())
}

fn id() -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([1; 32])).stream("test")).peer_id()
}

fn progress_of(transfer: &str, done: u64, rate: u64) -> Event {
    let (transfer, name) = (transfer.into(), "film.mp4".into());
    Event::Progress(Progress { transfer, name, done, total: 10_000_000, rate, road: Some(Road::Lan) })
}

fn progress(done: u64, rate: u64) -> Event {
    progress_of("t1", done, rate)
}

fn transfer(name: &str) -> Transfer {
    Transfer {
        transfer: "a7a7a7a7a7a7".into(),
        sending: false,
        peer: id(),
        contact: None,
        name: name.into(),
        done: 1,
        total: 2,
        state: TransferState::Interrupted,
        folder: Some("d".into()),
    }
}

#[test]
fn interruptions_say_how_much_is_there_and_what_comes() {
    let said: Vec<String> = all_events().into_iter().map(|(event, _)| event.human()).collect();
    for line in [
        "connection lost at 41 %: 410 MB of 1.0 GB of film are here; trying again (Ctrl-C stops; it can be resumed)",
        "resuming: 410 MB of 1.0 GB are here already, in d; 1 file has changed at the sender since and travels from the \
         start; 2.0 MB that had arrived are not there any more and travel again",
        "film starts over: gone",
        "bob paused the transfer: it stands still until they let it go on",
    ] {
        assert!(said.iter().any(|found| found == line), "{line}: {said:#?}");
    }
    let row = Event::Transfer(transfer("film")).human();
    assert_eq!(row, format!("a7a7a7a7  interrupted  film  1 B of 2 B (50 %)  from {}  into d", id()));
}

fn all_events() -> Vec<(Event, Value)> {
    let id_text = id().to_string();
    vec![
        (Event::Id { id: id() }, json!({"event": "id", "id": id_text})),
        (
            Event::Ready { id: id(), addresses: vec!["127.0.0.1:4242".parse().unwrap()] },
            json!({"event": "ready", "id": id_text, "addresses": ["127.0.0.1:4242"]}),
        ),
        (
            Event::Node(NodeRow {
                id: "0af1".into(),
                address: "203.0.113.5:4242".parse().unwrap(),
                rtt: Duration::from_millis(250),
                seen: 7,
                good: true,
            }),
            json!({"event": "node", "id": "0af1", "address": "203.0.113.5:4242", "rtt": 0.25, "seen": 7, "state": "good"}),
        ),
        (
            Event::Check(Check::new("network", CheckState::Warn, "not joined").with("nodes", 0)),
            json!({"event": "doctor", "check": "network", "state": "warn", "text": "not joined", "nodes": 0}),
        ),
        (
            Event::Bootstrap { addresses: vec!["203.0.113.5:4242".parse().unwrap()] },
            json!({"event": "bootstrap", "addresses": ["203.0.113.5:4242"]}),
        ),
        (
            Event::Offer {
                transfer: "t1".into(),
                from: id(),
                contact: None,
                name: "a".into(),
                files: 2,
                bytes: 3,
            },
            json!({"event": "offer", "transfer": "t1", "from": id_text, "contact": null, "name": "a", "files": 2, "bytes": 3}),
        ),
        (
            progress(1, 2),
            json!({"event": "progress", "transfer": "t1", "done": 1, "total": 10_000_000, "rate": 2, "stage": "moving", "road": "LAN"}),
        ),
        (
            Event::Done {
                transfer: "t1".into(),
                bytes: 3,
                took: Duration::from_millis(1500),
                root: "00ff".into(),
                paths: vec![PathBuf::from("d/a")],
                resumed: 1,
                road: Road::Lan,
            },
            json!({
                "event": "done", "transfer": "t1", "bytes": 3, "seconds": 1.5, "root": "00ff", "paths": ["d/a"],
                "resumed": 1, "road": "LAN",
            }),
        ),
        (
            Event::Message {
                id: "m1".into(),
                from: id(),
                contact: Some("bob".into()),
                text: "hi".into(),
                topic: None,
            },
            json!({"event": "message", "id": "m1", "from": id_text, "contact": "bob", "text": "hi", "topic": null}),
        ),
        (
            Event::Sent { id: "m1".into(), state: Delivery::Waiting },
            json!({"event": "sent", "id": "m1", "state": "waiting"}),
        ),
        (
            Event::Peer(PeerRow {
                road: Some(Road::Direct),
                rtt: Some(Duration::from_millis(250)),
                seen: Some(7),
                addresses: vec!["127.0.0.1:1".parse().unwrap()],
                verified: true,
                trust: Some(Trust { into: "/in".into(), up_to: Some(9) }),
                ..PeerRow::new(Some(id()), Some("bob".into()), PeerState::Near)
            }),
            json!({
                "event": "peer", "id": id_text, "name": "bob", "state": "near", "road": "direct", "rtt": 0.25, "seen": 7,
                "addresses": ["127.0.0.1:1"], "verified": true, "trust": {"into": "/in", "up_to": 9}, "calls_itself": null, "namesake": null,
            }),
        ),
        (
            Event::Course(Course::Suspended {
                transfer: "t1".into(),
                name: "film".into(),
                sending: false,
                done: 410_000_000,
                total: 1_000_000_000,
            }),
            json!({"event": "suspended", "transfer": "t1", "done": 410_000_000, "total": 1_000_000_000}),
        ),
        (
            Event::Course(Course::Resuming {
                transfer: "t1".into(),
                name: String::new(),
                into: Some("d".into()),
                done: 410_000_000,
                total: 1_000_000_000,
                lost: 2_000_000,
                changed: 1,
            }),
            json!({
                "event": "resuming", "transfer": "t1", "done": 410_000_000, "total": 1_000_000_000, "lost": 2_000_000,
                "changed": 1,
            }),
        ),
        (
            Event::Course(Course::Restarting {
                transfer: "t1".into(),
                name: "film".into(),
                why: "gone".into(),
            }),
            json!({"event": "restarting", "transfer": "t1", "why": "gone"}),
        ),
        (
            Event::Course(Course::Paused {
                transfer: "t1".into(),
                paused: true,
                by: Pauser::Peer("bob".into()),
            }),
            json!({"event": "paused", "transfer": "t1", "paused": true, "by": "peer"}),
        ),
        (
            Event::Transfer(transfer("film")),
            json!({
                "event": "transfer", "transfer": "a7a7a7a7a7a7", "way": "receiving", "peer": id_text, "contact": null,
                "name": "film", "done": 1, "total": 2, "state": "interrupted", "folder": "d",
            }),
        ),
        (
            Event::Error(Failure::new(Exit::TimedOut, "nothing came")),
            json!({"event": "error", "code": 6, "name": "timed_out", "text": "nothing came"}),
        ),
    ]
}

#[test]
fn json_lines_are_as_documented() {
    for quiet in [false, true] {
        for (event, mut expected) in all_events() {
            let (out, err) = show(&[event], true, quiet);
            assert_eq!(err, "");
            assert_eq!(out.matches('\n').count(), 1);
            let found: Value = serde_json::from_str(&out).unwrap();
            assert!(found["time"].as_u64().unwrap() > 1_600_000_000_000);
            expected["time"] = found["time"].clone();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn json_of_hostile_text_is_safe_to_look_at_and_still_the_same() {
    let text = "a\u{1b}[2J\u{9b}\u{202e}\u{200b}\u{e0041}\n\"é";
    let event = Event::Message { id: "m".into(), from: id(), contact: None, text: text.into(), topic: None };
    let line = event.json(0);
    assert!(!line.chars().any(hither_cli::inert::is_hostile), "{line}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], text);
}

#[test]
fn data_goes_to_standard_output_and_the_rest_to_standard_error() {
    for (event, expected) in all_events() {
        let data = ["id", "message", "peer", "node", "doctor", "bootstrap", "transfer"];
        let data = expected["event"].as_str().is_some_and(|event| data.contains(&event));
        let (out, err) = show(std::slice::from_ref(&event), false, false);
        assert_eq!((out.is_empty(), err.is_empty()), (!data, data), "{expected}");
        let (out, err) = show(&[event], false, true);
        assert_eq!(out.is_empty(), !data, "{expected}");
        assert_eq!(err.is_empty(), expected["event"] != "error", "{expected}");
    }
}

#[test]
fn what_a_peer_says_is_inert() {
    let evil = "x\u{1b}[2J\r\n\u{202e}";
    let offer = Event::Offer {
        transfer: "t".into(),
        from: id(),
        contact: Some(evil.into()),
        name: evil.into(),
        files: 1,
        bytes: 1,
    };
    let message = Event::Message {
        id: "m".into(),
        from: id(),
        contact: None,
        text: evil.into(),
        topic: Some(evil.into()),
    };
    let peer = Event::Peer(PeerRow::new(None, Some(evil.into()), PeerState::Known));
    let suspended =
        Course::Suspended { transfer: "t".into(), name: evil.into(), sending: true, done: 0, total: 0 };
    let paused = Course::Paused { transfer: "t".into(), paused: false, by: Pauser::Peer(evil.into()) };
    let (suspended, paused) = (Event::Course(suspended), Event::Course(paused));
    for event in [offer, message, peer, Event::Transfer(transfer(evil)), suspended, paused] {
        assert!(!event.human().chars().any(hither_cli::inert::is_hostile), "{}", event.human());
        assert!(event.human().contains(r"x\u{1b}[2J\r\n\u{202e}"));
    }
}

#[test]
fn progress_without_a_terminal_is_a_line_now_and_then_for_each_transfer() {
    let each = |step: u64| ["t1", "t2"].map(|transfer| progress_of(transfer, step * 100_000, 5_200_000));
    let events: Vec<Event> = (0..100).flat_map(each).collect();
    let (out, err) = show(&events, false, false);
    assert_eq!(out, "");
    let first = "  0% 0 B/10.0 MB  5.2 MB/s  1 s left  LAN  film.mp4";
    assert_eq!(err.lines().take(2).collect::<Vec<_>>(), [first; 2]);
    assert!(err.lines().count() < 20);
    assert_eq!(progress(5_000_000, 0).human(), " 50% 5.0 MB/10.0 MB  0 B/s  waiting  LAN  film.mp4");
    assert_eq!(progress(u64::MAX, 1).human().split_whitespace().next(), Some("100%"));
}

#[test]
fn progress_on_a_terminal_is_one_line_with_a_bar() {
    let drawn = |done, total| {
        let name = "a\u{1b}[2J".into();
        Progress { transfer: "t".into(), name, done, total, rate: 1_000_000, road: Some(Road::Direct) }
            .drawn()
    };
    assert_eq!(
        drawn(0, 8_000_000),
        r"  0% [>               ] 0 B/8.0 MB  1.0 MB/s  8 s left  direct  a\u{1b}[2J"
    );
    assert!(
        drawn(4_000_000, 8_000_000).starts_with(" 50% [========>       ] 4.0 MB/8.0 MB  1.0 MB/s  4 s left")
    );
    assert!(drawn(7_999_999, 8_000_000).starts_with(" 99% [===============>] "));
    for (done, total) in [(8, 8), (9, 8), (0, 0), (u64::MAX, u64::MAX)] {
        assert!(drawn(done, total).starts_with("100% [================] "), "{done} of {total}");
    }
}

#[test]
fn errors_carry_no_colour_where_there_is_no_terminal() {
    let (_, err) = show(&[Event::Error(Failure::new(Exit::Fault, "it broke"))], false, false);
    assert_eq!(err, "error: it broke\n");
}

#[test]
fn a_question_without_a_terminal_names_the_flag_that_answers_it() {
    let mut screen = Screen::to(Box::new(Paper::default()), Box::new(Paper::default()), true, false);
    let failure = screen.ask("Receive 3 files?", true, "--yes", || true).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.text.contains("--yes"));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut screen = Screen::to(Box::new(Full), Box::new(Paper::default()), false, false);
    assert_eq!(screen.event(&Event::Id { id: id() }).unwrap_err().exit, Exit::NotWritable);
}

#[test]
fn sizes_and_times_read_well() {
    for (bytes, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (5_200_000, "5.2 MB"),
        (99_949_999, "99.9 MB"),
        (99_950_000, "100 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"),
        (4 << 40, "4.4 TB"),
        (u64::MAX, "18.4 EB"),
    ] {
        assert_eq!(size(bytes), text);
    }
    assert_eq!(rate(1_500), "1.5 kB/s");
    for (seconds, text) in
        [(0, "<1 s"), (59, "59 s"), (125, "2 min 5 s"), (4800, "1 h 20 min"), (180_000, "2 d 2 h")]
    {
        assert_eq!(left(seconds), text);
    }
}
