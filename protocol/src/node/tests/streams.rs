//! Byte streams that others open, and more of them than there is room for.

use std::net::SocketAddr;
use std::time::Duration;

use super::bench::Bench;
use crate::{LinkId, StreamInput, StreamOutput};

fn from(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 3, host], 1000))
}

fn poll(bench: &mut Bench, link: LinkId) -> StreamOutput {
    let now = bench.now;
    bench.node.poll_stream(now, link, &mut Vec::new())
}

#[test]
fn half_open_streams_are_bounded_and_make_room_after_ten_seconds() {
    let mut bench = Bench::new(|_| {});
    let now = bench.now;
    let mut taken = Vec::new();
    for host in 0..10 {
        for number in 0..9 {
            let link = bench.node.accept_stream(now, from(host));
            assert_eq!(link.is_some(), host < 8 && number < 8, "stream {number} of host {host}");
            taken.extend(link);
        }
    }
    assert_eq!(taken.len(), 64);
    // Those who say nothing go, and so do those who say too little.
    bench.node.handle_stream(now, taken[0], StreamInput::Data(&[0]));
    bench.run_for(Duration::from_millis(9_900));
    assert_eq!(poll(&mut bench, taken[0]), StreamOutput::Idle);
    bench.run_for(Duration::from_millis(200));
    for link in taken {
        assert_eq!(poll(&mut bench, link), StreamOutput::Close);
        assert_eq!(poll(&mut bench, link), StreamOutput::Close, "its name is gone");
    }
    let now = bench.now;
    assert!(bench.node.accept_stream(now, from(1)).is_some());
    assert_eq!(bench.count(|_| true), 1, "of all that the user saw nothing but Ready: {:?}", bench.events);
}

#[test]
fn streams_that_are_gone_make_room_at_once() {
    let mut bench = Bench::new(|_| {});
    for _ in 0..100 {
        let now = bench.now;
        let link = bench.node.accept_stream(now, from(1)).expect("there is room");
        bench.node.handle_stream(now, link, StreamInput::Data(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(poll(&mut bench, link), StreamOutput::Close);
        let link = bench.node.accept_stream(now, from(1)).expect("there is room");
        bench.node.handle_stream(now, link, StreamInput::Closed);
    }
}

#[test]
fn whatever_is_said_of_streams_that_are_not_there_changes_nothing() {
    let mut bench = Bench::new(|_| {});
    let (_, link) = bench.contact();
    let now = bench.now;
    // The number of a link over datagrams is no stream's.
    for number in [link.0, 7, u64::MAX] {
        for input in [StreamInput::Opened, StreamInput::Data(b"x"), StreamInput::Closed] {
            bench.node.handle_stream(now, LinkId(number), input);
        }
        assert!(!bench.node.wants_stream(LinkId(number)));
        assert_eq!(poll(&mut bench, LinkId(number)), StreamOutput::Close);
    }
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.peers[0].down, []);
}
