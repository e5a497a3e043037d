use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::{Config, Event, Rules};
use tempfile::TempDir;

use super::{Streams, listen};
use crate::interfaces::Used;
use crate::runtime::{Options, Runtime};

const MIB: usize = 1024 * 1024;
const LONG: Option<Duration> = Some(Duration::from_secs(60));

fn loopback() -> String {
    if_addrs::get_if_addrs().unwrap().into_iter().find(|found| found.is_loopback()).unwrap().name
}

fn identity(number: u8) -> Identity {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("test"))
}

fn start(home: &Path, number: u8, other: u8, port: u16) -> Runtime {
    let rules = Rules {
        into: Some(home.join("received")),
        expected: [identity(other).peer_id()].into(),
        ..Rules::default()
    };
    let config = Config { aes: crate::has_aes(), rules, ..Config::default() };
    std::fs::create_dir_all(home.join("received")).unwrap();
    let home = home.join("home");
    let options =
        Options { home, interface: Some(loopback()), port, discovery: None, mainline: None, config };
    Runtime::start(options, identity(number)).unwrap()
}

fn at(runtime: &Runtime) -> SocketAddr {
    runtime.bound_addresses().iter().copied().find(SocketAddr::is_ipv4).unwrap()
}

/// Sends 40 MiB from one to the other, and gives what arrived.
fn send(from: &Runtime, to: &Runtime, home: &Path, received: &Path) -> Vec<u8> {
    let content: Vec<u8> = (0..40 * MIB).map(|at| (at / 3 % 251) as u8).collect();
    let path = home.join("film");
    std::fs::write(&path, &content).unwrap();
    let (peer, address) = (to.ask(|node, _| node.peer_id()), at(to));
    from.ask(move |node, now| {
        node.add_address(now, peer, address);
        node.offer(now, peer, vec![path]).unwrap()
    });
    for runtime in [to, from] {
        loop {
            match runtime.next_event(LONG) {
                Some(Event::Finished { .. }) => break,
                Some(Event::Failed { why, .. }) => panic!("the transfer failed: {why:?}"),
                Some(_) => {}
                None => panic!("no end after a minute"),
            }
        }
    }
    let arrived = std::fs::read(received.join("received").join("film")).unwrap();
    assert!(arrived == content, "what arrived is what was sent");
    content
}

/// The connections of this machine's loopback to and from a port, as the kernel tells.
#[cfg(target_os = "linux")]
fn connections(port: u16) -> usize {
    let established = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, state, ..] = fields.as_slice() else { return false };
        *state == "01" && local.ends_with(&format!(":{port:04X}"))
    };
    std::fs::read_to_string("/proc/net/tcp").unwrap().lines().filter(established).count()
}

#[test]
fn a_large_file_goes_over_a_stream_on_loopback() {
    let (alice_home, bob_home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (alice, bob) = (start(alice_home.path(), 1, 2, 0), start(bob_home.path(), 2, 1, 0));
    send(&alice, &bob, alice_home.path(), bob_home.path());
    #[cfg(target_os = "linux")]
    assert_eq!(connections(at(&bob).port()), 1, "the stream is still there");
    let port = at(&bob).port();
    bob.close(Duration::from_secs(5));
    alice.close(Duration::from_secs(5));
    #[cfg(target_os = "linux")]
    assert_eq!(connections(port), 0);
    // The port is free again at once.
    assert!(listen(SocketAddr::from(([127, 0, 0, 1], port)), None).is_ok());
}

#[test]
fn a_port_that_another_program_has_for_tcp_costs_only_the_streams() {
    let (alice_home, bob_home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    // A port that is free for UDP, and taken for TCP by someone who never answers.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    if UdpSocket::bind(("127.0.0.1", port)).is_err() {
        println!("skipped: the port is in use");
        return;
    }
    let (alice, bob) = (start(alice_home.path(), 1, 2, 0), start(bob_home.path(), 2, 1, port));
    assert_eq!(at(&bob).port(), port);
    send(&alice, &bob, alice_home.path(), bob_home.path());
}

#[test]
fn whoever_knocks_and_says_nothing_sensible_is_let_go() {
    let home = TempDir::new().unwrap();
    let bob = start(home.path(), 2, 1, 0);
    let begun = Instant::now();
    let mut knocks: Vec<TcpStream> = (0..6).map(|_| TcpStream::connect(at(&bob)).unwrap()).collect();
    for (number, knock) in knocks.iter_mut().enumerate() {
        knock.write_all(&[0xff; 5000][..1000 * number]).unwrap();
    }
    for mut knock in knocks.drain(1..) {
        knock.set_read_timeout(LONG).unwrap();
        // Closed, or reset since it was not read to its end. Nothing is said.
        assert!(matches!(knock.read(&mut [0; 10]), Ok(0) | Err(_)));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "those who say something wrong go before the time is over"
    );
    bob.ask(|node, _| node.peer_id());
}

#[test]
fn streams_keep_to_loopback() {
    let streams =
        Streams::bind(&Used::look(Some(&loopback())).unwrap(), vec![SocketAddr::from(([127, 0, 0, 1], 0))]);
    // RFC 5737: nobody's address.
    assert!(streams.connect(SocketAddr::from(([192, 0, 2, 1], 9))).is_err());
}
