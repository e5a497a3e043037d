//! A handshake between two nodes in memory: the processor time of each side.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::storage::{Done, StorageRequest, Work};
use hither_protocol::{Config, Event, Node, Received};
use hither_runtime_smol::has_aes;

use super::{Failure, Row, micros, percentile, usage};
use crate::host::EPOCH;

const SEED: u64 = 1;
const HANDSHAKES: u64 = 1000;
/// Handshakes before those that count, for caches and the clock of the processor.
const WARM_UP: u64 = 100;
/// Datagrams after which two nodes that are not connected never will be.
const MOST_DATAGRAMS: usize = 100;

pub(super) fn measure() -> Result<Row, Failure> {
    eprintln!("{HANDSHAKES} handshakes in memory ...");
    let (mut dialling, mut answering) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + HANDSHAKES {
        let (dialler, answerer) = handshake(number)?;
        if number >= WARM_UP {
            dialling.push(dialler);
            answering.push(answerer);
        }
    }
    dialling.sort();
    answering.sort();
    let median = |sorted: &[Duration]| micros(percentile(sorted, 50).unwrap_or_default());
    let (dialling, answering) = (median(&dialling), median(&answering));
    let case = format!("a handshake, processor time (median of {HANDSHAKES}, in memory)");
    let measured = format!("dialling side {dialling:.0} µs, answering side {answering:.0} µs");
    Ok(Row::plain(case, measured).seed(SEED))
}

/// From dialling until both sides know each other; what both sides spent on it.
fn handshake(number: u64) -> Result<(Duration, Duration), Failure> {
    let now = Instant::now();
    let mut dialler = Side::new("dialler", number, 1, now);
    let mut answerer = Side::new("answerer", number, 2, now);
    let (peer, address) = (answerer.node.peer_id(), answerer.address);
    dialler.spend(|node| {
        node.add_address(now, peer, address);
        node.connect(now, peer);
    });
    dialler.drive(now);
    for _ in 0..MOST_DATAGRAMS {
        if dialler.connected && answerer.connected {
            return Ok((dialler.spent, answerer.spent));
        }
        if let Some(datagram) = dialler.sent.pop_front() {
            answerer.take(now, dialler.address, &datagram);
        } else if let Some(datagram) = answerer.sent.pop_front() {
            dialler.take(now, answerer.address, &datagram);
        } else {
            break;
        }
    }
    Err("two nodes in memory do not connect".into())
}

/// A node, where it is, what it has to send and what it spent.
struct Side {
    node: Node,
    address: SocketAddr,
    sent: VecDeque<Vec<u8>>,
    spent: Duration,
    connected: bool,
}

impl Side {
    /// A node with its records loaded, which is not part of the handshake.
    fn new(name: &str, number: u64, port: u16, now: Instant) -> Self {
        let seed = |purpose: &str| {
            let input = format!("{SEED} {number} {name} {purpose}");
            Seed::new(blake3::derive_key("hither figures v1 seed", input.as_bytes()))
        };
        let identity = Identity::generate(&mut Entropy::new(seed("identity")).stream("identity"));
        let config = Config { aes: has_aes(), ..Config::default() };
        let mut side = Self {
            node: Node::new(config, identity, seed("node"), now, EPOCH),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            sent: VecDeque::new(),
            spent: Duration::ZERO,
            connected: false,
        };
        side.drive(now);
        side.spent = Duration::ZERO;
        side
    }

    fn spend<R>(&mut self, does: impl FnOnce(&mut Node) -> R) -> R {
        let before = usage::thread_time();
        let result = does(&mut self.node);
        self.spent += usage::thread_time().saturating_sub(before);
        result
    }

    fn take(&mut self, now: Instant, remote: SocketAddr, datagram: &[u8]) {
        let received = Received { local: None, remote, ecn: None, segment_size: datagram.len() };
        let data = BytesMut::from(datagram);
        self.spend(|node| node.handle_datagram(now, received, data));
        self.drive(now);
    }

    /// Does all that the node wants after an input. Its disk is empty and its datagrams are kept.
    fn drive(&mut self, now: Instant) {
        while let Some(StorageRequest { id, work }) = self.spend(Node::poll_storage) {
            let done = match work {
                Work::Load => Done::Loaded(Ok(Vec::new())),
                Work::Commit(changes) => Done::Committed(Ok(vec![true; changes.len()])),
                // Nobody offers anything.
                _ => Done::Discarded,
            };
            self.spend(|node| node.handle_storage(now, id, done));
        }
        loop {
            let mut buffer = Vec::new();
            if self.spend(|node| node.poll_transmit(now, NonZeroUsize::MIN, &mut buffer)).is_none() {
                break;
            }
            self.sent.push_back(buffer);
        }
        while self.spend(Node::poll_announcement).is_some() {}
        while let Some(event) = self.spend(Node::poll_event) {
            self.connected |= matches!(event, Event::Connected { .. });
        }
    }
}
