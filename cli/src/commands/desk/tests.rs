use hither_protocol::Trust;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;

use super::*;
use crate::screen::{CheckState, PeerState};

const ID: TransferId = TransferId([0xa7; 16]);

fn row() -> Transfer {
    Transfer {
        transfer: ID.to_string(),
        sending: true,
        peer: Identity::generate(&mut Entropy::new(Seed::new([1; 32])).stream("test")).peer_id(),
        contact: Some("Bob".into()),
        name: "film\n\u{1b}\"".into(),
        done: 1,
        total: 2,
        state: TransferState::Interrupted,
        folder: None,
    }
}

fn home() -> (tempfile::TempDir, Home) {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::open(Some(directory.path())).unwrap();
    (directory, home)
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_written_is_read() {
    for request in [
        Request::List,
        Request::Peers,
        Request::Doctor,
        Request::Pause(ID),
        Request::Resume(ID),
        Request::Cancel(ID),
    ] {
        assert_eq!(Request::parse(&request.value().to_string()), Some(request));
    }
    let failure = Failure::new(Exit::Usage, "no");
    let stranger = PeerRow {
        calls_itself: Some("\u{202e}\n".into()),
        addresses: vec!["[::1]:1".parse().unwrap()],
        ..PeerRow::new(Some(row().peer), None, PeerState::Near)
    };
    let contact = PeerRow {
        verified: true,
        trust: Some(Trust { into: "/in".into(), up_to: None }),
        rtt: Some(Duration::from_millis(250)),
        ..PeerRow::new(Some(row().peer), Some("Bob".into()), PeerState::Connected)
    };
    let visible = Some((OpenName::new("Anna").unwrap(), Duration::from_secs(9)));
    let peers = vec![stranger, contact, PeerRow::new(None, None, PeerState::Near)];
    let nodes = vec![NodeRow {
        id: "ab".repeat(32),
        address: "203.0.113.5:4242".parse().unwrap(),
        rtt: Duration::from_millis(250),
        seen: 7,
        good: false,
    }];
    let around = Answer::Around(Around { peers, nodes: Some(nodes), visible });
    let alone = Answer::Around(Around { peers: Vec::new(), nodes: None, visible: None });
    let check = Check::new("network", CheckState::Warn, "\u{1b}\n").with("nodes", 3).with("all", vec!["a"]);
    let checks = Answer::Checks(vec![check, Check::new("mode", CheckState::Ok, "")]);
    for answer in
        [around, alone, checks, Answer::Transfers(vec![row()]), Answer::Done, Answer::Failed(failure)]
    {
        let line = answer.value().to_string();
        assert!(!line.contains('\n'));
        assert_eq!(Answer::parse(&line), Some(answer));
    }
}

#[test]
fn what_is_no_request_or_answer_is_none() {
    let id = ID.to_string();
    let upper = format!(r#"{{"do":"pause","transfer":"{}"}}"#, id.to_uppercase());
    for text in [
        "",
        "1",
        "{}",
        r#"{"do":"pause"}"#,
        r#"{"do":"format"}"#,
        r#"{"do":"pause","transfer":"a7"}"#,
        &upper,
    ] {
        assert_eq!(Request::parse(text), None, "{text}");
    }
    let short = r#"{"transfers":[{"transfer":"a7"}]}"#;
    for text in ["", "[]", "{}", r#"{"done":false}"#, r#"{"failed":{"code":77,"text":"x"}}"#, short] {
        assert_eq!(Answer::parse(text), None, "{text}");
    }
    for name in ["asked", "../a.asked", &format!("{id}x.asked"), &id, "a7.asked"] {
        assert_eq!(parse_name(name), None, "{name}");
    }
}

#[test]
fn a_second_command_is_answered_by_the_one_that_has_the_home() {
    let (_directory, home) = home();
    let _lock = home.lock("up").unwrap();
    let mut desk = Desk::new(&home);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&home, "transfers", Request::Pause(ID)));
        let (ticket, request) = loop {
            if let Some(next) = desk.next() {
                break next;
            }
        };
        assert_eq!(request, Request::Pause(ID));
        desk.answer(&ticket, &Answer::Transfers(vec![row()]));
        let Ok(Holder::Theirs(answer)) = asking.join().unwrap() else { panic!("not answered") };
        assert_eq!(answer, Answer::Transfers(vec![row()]));
    });
    assert_eq!(names(&home.desk()), Vec::<String>::new());
}

#[test]
fn one_who_waits_for_a_removal_is_answered_after_it_or_at_the_end() {
    let (_directory, home) = home();
    private::make_directory(&home.desk()).unwrap();
    let mut desk = Desk::new(&home);
    let ticket = Ticket::new().unwrap();
    desk.answer_once_removed(ticket.clone(), ID);
    desk.answer_removed(|_| false);
    assert_eq!(names(&home.desk()), Vec::<String>::new());
    desk.answer_all();
    assert_eq!(names(&home.desk()), [format!("{}.answered", ticket.0)]);
}

#[test]
fn a_home_that_is_free_is_taken() {
    let (_directory, home) = home();
    assert!(matches!(ask(&home, "transfers", Request::List), Ok(Holder::Ours(_))));
    assert!(!home.desk().exists());
}

#[test]
fn a_holder_that_ends_leaves_the_home_to_the_one_who_asks() {
    let (_directory, home) = home();
    let lock = home.lock("msg").unwrap();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&home, "transfers", Request::List));
        while !fs::read_dir(home.desk()).is_ok_and(|mut names| names.next().is_some()) {
            std::thread::yield_now();
        }
        drop(lock);
        assert!(matches!(asking.join().unwrap(), Ok(Holder::Ours(_))));
    });
    assert_eq!(names(&home.desk()), Vec::<String>::new());
}

#[test]
fn old_large_and_strange_files_are_not_acted_on() {
    let (_directory, home) = home();
    private::make_directory(&home.desk()).unwrap();
    let mut desk = Desk::new(&home);
    let put = |kind: &str, text: &str| {
        let path = Ticket::new().unwrap().file(&home.desk(), kind);
        fs::write(&path, text).unwrap();
        path
    };
    let line = Request::List.value().to_string();
    let old = put(ASKED, &line);
    let past = SystemTime::now() - STALE - Duration::from_secs(1);
    File::options().write(true).open(&old).unwrap().set_modified(past).unwrap();
    let large = put(ASKED, &format!("{line}{}", " ".repeat(2000)));
    let draft = put(DRAFT, &line);
    let foreign = home.desk().join("notes.txt");
    fs::write(&foreign, &line).unwrap();
    assert!(desk.next().is_none());
    assert!(!old.exists() && !large.exists() && draft.exists() && foreign.exists());
    // The large one is told that it is not understood.
    assert_eq!(names(&home.desk()).iter().filter(|name| name.ends_with(".answered")).count(), 1);
    #[cfg(unix)]
    {
        let secret = home.desk().join("secret");
        fs::write(&secret, &line).unwrap();
        let link = Ticket::new().unwrap().file(&home.desk(), ASKED);
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        desk.looked = None;
        assert!(desk.next().is_none());
        assert!(secret.exists());
    }
}
