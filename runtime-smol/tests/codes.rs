//! A file by a code between two whole runtimes, over real mDNS and real sockets.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::{Duration, Instant};

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::{Code, CodeFor, CodeOptions, Config, EnterFor, Event, Rules, Strangers};
use hither_runtime_smol::{Options, Runtime};
use tempfile::TempDir;

const INSIDE: &str = "HITHER_TEST_IN_NAMESPACE";
const TEST: &str = "a_file_goes_by_a_code_at_once";

/// Runs the test in a network namespace with nothing but loopback: mDNS joins its group everywhere. False when this
/// already is in one, or when the system has none to give, which is said.
fn in_namespace() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--", "sh", "-c"])
        .arg("ip link set lo up && ip link set lo multicast on && exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    match output {
        Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        _ => println!("skipped: this system gives no network namespace"),
    }
    false
}

fn start(number: u8, home: &TempDir) -> Runtime {
    let identity = Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("test"));
    let into = Some(home.path().join("received"));
    let rules = Rules { into, strangers: Strangers::Accept, ..Rules::default() };
    let config = Config { rules, ..Config::default() };
    let home = home.path().join("home");
    Runtime::start(
        Options {
            home,
            interface: Some("lo".into()),
            port: 0,
            discovery: Some(Duration::ZERO),
            mainline: None,
            config,
        },
        identity,
    )
    .unwrap()
}

fn until(runtime: &Runtime, wanted: impl Fn(&Event) -> bool) {
    loop {
        let event = runtime.next_event(Some(Duration::from_secs(30))).expect("an event within half a minute");
        assert!(!matches!(event, Event::CodeFailed { .. } | Event::Failed { .. }), "{event:?}");
        if wanted(&event) {
            return;
        }
    }
}

#[test]
fn a_file_goes_by_a_code_at_once() {
    if !in_namespace() {
        return;
    }
    let mut soonest = Duration::MAX;
    for number in 0..3 {
        let [ours, theirs] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        let note = ours.path().join("note");
        std::fs::write(&note, [7; 64]).unwrap();
        let sender = start(2 * number + 1, &ours);
        until(&sender, |event| matches!(event, Event::Ready));
        let purpose = CodeFor::Send { paths: vec![note] };
        let id = sender.ask(move |node, now| node.make_code(now, purpose, CodeOptions::default())).unwrap();
        until(&sender, |event| matches!(event, Event::CodeReady { .. }));
        let words = sender.ask(move |node, _| node.code(id)).unwrap();
        // As long as it takes to say a word, and no longer: within a second of the announcement.
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        let receiver = start(2 * number + 2, &theirs);
        let code = Code::parse(&words).unwrap_or_else(|bad| panic!("{bad}"));
        receiver.ask(move |node, now| node.enter_code(now, code, EnterFor::Receive)).unwrap();
        until(&receiver, |event| matches!(event, Event::Finished { .. }));
        soonest = soonest.min(begun.elapsed());
        assert_eq!(std::fs::read(theirs.path().join("received/note")).unwrap(), [7; 64]);
        until(&sender, |event| matches!(event, Event::Finished { .. }));
        receiver.close(Duration::from_secs(5));
        sender.close(Duration::from_secs(5));
    }
    println!("from start to file: {soonest:?}");
    assert!(soonest < Duration::from_millis(300), "{soonest:?}");
}
