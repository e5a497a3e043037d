//! Peers that speak another version, and connections that are lost: the real program against real sockets.

use std::net::UdpSocket;

mod support;

use support::{Node, text};

/// Answers every first packet as QUIC says a server of other versions does (RFC 8999, section 6: Version Negotiation),
/// until the test ends. Gives its address.
fn peer_of_another_version() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let packet = &packet[..length];
            let (to, rest) = packet[5..].split_at(1 + usize::from(packet[5]));
            let by = &rest[..1 + usize::from(rest[0])];
            let answer = [&[0xc0, 0, 0, 0, 0], by, to, &[0x48, 0x69, 0xff, 0xff]].concat();
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

#[test]
fn a_peer_of_another_version_is_told_apart_from_no_peer() {
    let (alice, bob) = (Node::new(), Node::new());
    let peer = format!("{}@{}", bob.id(), peer_of_another_version());
    let file = alice.file("a.txt", "a");
    alice.run(&["send", text(&file), "--to", &peer]).expect_error(11, "version");
    alice.run(&["msg", &peer, "hello"]).expect_error(11, "version");
}

#[test]
#[cfg(unix)]
fn a_receiver_that_is_killed_is_a_lost_connection_that_is_sought_again() {
    let (alice, bob) = (Node::new(), Node::new());
    let into = bob.directory("in");
    let mut receiver = bob.start(&["receive", "--yes", "--into", text(&into)]);
    let file = alice.hollow_file("film", 20_000_000_000);
    let mut sender = alice.start(&["send", text(&file), "--to", &receiver.address()]);
    receiver.wait_for_progress();
    sender.wait_for_progress();
    // Dropped, it is killed: no goodbye.
    drop(receiver);
    sender.wait_for("suspended", |suspended| suspended["total"] == 20_000_000_000_u64);
    sender.interrupt();
    sender.end().expect_error(130, "To go on: ");
    assert!(!into.join("film").exists());
}

#[cfg(unix)]
#[test]
fn the_second_interrupt_does_not_wait_for_anything() {
    let (alice, bob) = (Node::new(), Node::new());
    let into = bob.directory("in");
    let mut receiver = bob.start(&["receive", "--yes", "--into", text(&into)]);
    let file = alice.hollow_file("film", 20_000_000_000);
    let mut sender = alice.start(&["send", text(&file), "--to", &receiver.address()]);
    sender.wait_for_progress();
    sender.interrupt();
    sender.interrupt();
    sender.end().expect(130);
}
