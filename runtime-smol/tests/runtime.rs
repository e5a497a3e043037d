//! A whole runtime, on loopback.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use hither_protocol::Config;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_runtime_smol::{Options, Runtime, StartError, loopback, max_datagram};
use tempfile::TempDir;

fn identity(number: u8) -> Identity {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("test"))
}

fn options(home: &TempDir) -> Options {
    Options {
        home: home.path().into(),
        interface: loopback(),
        port: 0,
        discovery: None,
        mainline: None,
        config: Config::default(),
    }
}

#[test]
fn a_node_runs_answers_and_ends() {
    let home = TempDir::new().unwrap();
    let expected = identity(1).peer_id();
    let runtime = Runtime::start(options(&home), identity(1)).unwrap();
    assert_eq!(runtime.ask(|node, _| node.peer_id()), expected);
    // From several threads at once, each with its own answer.
    std::thread::scope(|scope| {
        for number in 0..8 {
            let runtime = &runtime;
            scope.spawn(move || {
                for _ in 0..100 {
                    assert_eq!(runtime.ask(move |_, _| number), number);
                }
            });
        }
    });
    let port = runtime.bound_addresses()[0].port();
    assert_ne!(port, 0);
    let addresses = runtime.local_addresses();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == port));

    // What is no datagram of ours does no harm.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for size in [0, 1, 1200, 9000] {
        socket.send_to(&vec![0xff; size], ("127.0.0.1", port)).unwrap();
    }
    assert_eq!(runtime.ask(|node, _| node.peer_id()), expected);

    runtime.close(Duration::from_secs(5));
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_ok(), "the port is free again");
}

#[test]
fn a_runtime_that_is_dropped_ends() {
    let home = TempDir::new().unwrap();
    let runtime = Runtime::start(options(&home), identity(2)).unwrap();
    let events = runtime.events();
    let begun = Instant::now();
    drop(runtime);
    assert!(begun.elapsed() < Duration::from_secs(10));
    while events.recv_blocking().is_ok() {}
    // The records are free for the next one.
    Runtime::start(options(&home), identity(2)).unwrap().close(Duration::from_secs(5));
}

#[test]
fn a_panic_on_the_node_s_thread_leaves_nobody_waiting() {
    let home = TempDir::new().unwrap();
    let runtime = Runtime::start(options(&home), identity(4)).unwrap();
    let ask = |panics: bool| {
        let question = || runtime.ask(move |_, _| assert!(!panics, "as the test wants it"));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(question))
    };
    assert!(ask(false).is_ok());
    assert!(ask(true).is_err());
    assert!(ask(false).is_err());
    while runtime.next_event(None).is_some() {}
}

#[test]
fn starts_that_fail_say_why() {
    let home = TempDir::new().unwrap();
    let runtime = Runtime::start(options(&home), identity(3)).unwrap();
    let port = runtime.bound_addresses()[0].port();
    let taken = Runtime::start(Options { port, ..options(&home) }, identity(3));
    assert!(matches!(taken, Err(StartError::PortTaken(taken)) if taken == port));
    let nowhere = Options { interface: Some("no such one".into()), ..options(&home) };
    assert!(matches!(Runtime::start(nowhere, identity(3)), Err(StartError::NoInterface(_))));
}

#[test]
fn loopback_carries_large_datagrams() {
    assert_eq!(max_datagram(loopback().as_deref()), 8952);
    assert_eq!(max_datagram(None), 1452);
}
