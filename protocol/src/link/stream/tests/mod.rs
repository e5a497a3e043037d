//! Two ends of a stream that keep to the rules.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "tests, of numbers that are known"
)]

mod hostile;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::StreamLink;
use crate::entropy::{Entropy, Seed};
use crate::identity::{Identity, PeerId};
use crate::link::kind::{Change, Channels};
use crate::link::{ChannelId, ChannelRead, CloseCode};
use crate::noise::quic::{Ciphers, NetworkId, QuicCrypto};
use crate::noise::stream::StreamCrypto;
use crate::{LinkLoss, StreamOutput};

const MIB: usize = 1024 * 1024;
const BROKEN: Change = Change::Lost { why: LinkLoss::Broken, cancelled: false };

fn identity(number: u8) -> Arc<Identity> {
    let mut entropy = Entropy::new(Seed::new([number; 32]));
    Arc::new(Identity::generate(&mut entropy.stream("identity")))
}

fn peer(number: u8) -> PeerId {
    identity(number).peer_id()
}

/// Under one number always the same identity; `start` tells its ephemeral keys apart.
fn crypto(number: u8, start: u8, ciphers: Ciphers) -> StreamCrypto {
    let ephemerals = Entropy::new(Seed::new([number ^ start; 32])).stream("ephemerals");
    QuicCrypto::new(identity(number), NetworkId::default(), ciphers, ephemerals).streams()
}

/// A frame of control messages.
fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at.wrapping_mul(31) ^ (at >> 8)).wrapping_add(seed) % 251) as u8).collect()
}

/// Alice (1) dials bob (2).
struct Pair {
    now: Instant,
    alice: StreamLink,
    bob: StreamLink,
}

impl Pair {
    fn new(alice: Ciphers, bob: Ciphers) -> Self {
        let now = Instant::now();
        let at = "127.0.0.1:9".parse().unwrap();
        let mut dialling = StreamLink::dialled(now, at, peer(2), &crypto(1, 0, alice)).unwrap();
        dialling.opened();
        Self { now, alice: dialling, bob: StreamLink::accepted(now, at, &crypto(2, 0, bob)) }
    }

    fn up() -> Self {
        let mut pair = Self::new(Ciphers::with_aes(), Ciphers::with_aes());
        pair.carry();
        assert_eq!(pair.alice.pump(), [Change::Up(peer(2))]);
        assert_eq!(pair.bob.pump(), [Change::Up(peer(1))]);
        pair
    }

    /// Carries everything there is, both ways.
    fn carry(&mut self) {
        self.carry_in(&mut |_| usize::MAX);
    }

    /// The same in pieces: given what is left, how much of it arrives next.
    fn carry_in(&mut self, piece: &mut dyn FnMut(usize) -> usize) {
        loop {
            let there = output(&mut self.alice, self.now);
            deliver(&mut self.bob, self.now, &there, piece);
            let back = output(&mut self.bob, self.now);
            deliver(&mut self.alice, self.now, &back, piece);
            if there.is_empty() && back.is_empty() {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.alice.handle_timeout(self.now);
        self.bob.handle_timeout(self.now);
        self.carry();
    }
}

fn output(link: &mut StreamLink, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    link.fill(now, &mut out);
    out
}

fn deliver(link: &mut StreamLink, now: Instant, bytes: &[u8], piece: &mut dyn FnMut(usize) -> usize) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now_arriving, later) = rest.split_at(piece(rest.len()).clamp(1, rest.len()));
        link.arrived(now, now_arriving);
        rest = later;
    }
}

fn write(link: &mut StreamLink, channel: ChannelId, data: Vec<u8>) {
    link.write(channel, &mut std::iter::once(Bytes::from(data)));
}

/// Reads all there is of a channel; whether it ended, and how.
fn read(link: &mut StreamLink, channel: ChannelId) -> (Vec<u8>, Option<bool>) {
    let mut all = Vec::new();
    loop {
        match link.read(channel, 10_000) {
            ChannelRead::Data(data) => all.extend_from_slice(&data),
            ChannelRead::Nothing => return (all, None),
            ChannelRead::End => return (all, Some(true)),
            ChannelRead::Reset => return (all, Some(false)),
        }
    }
}

/// Says something of everything, in both directions, in pieces; gives what each side heard.
fn talk(piece: &mut dyn FnMut(usize) -> usize) -> Vec<Vec<u8>> {
    let mut pair = Pair::new(Ciphers::with_aes(), Ciphers::with_aes());
    pair.carry_in(piece);
    let mut heard = Vec::new();
    assert!(pair.alice.send_control(frame(b"hello")));
    let [big, small] = [pair.alice.open().unwrap(), pair.alice.open().unwrap()];
    write(&mut pair.alice, big, pattern(200_000, 1));
    write(&mut pair.alice, small, pattern(10, 2));
    pair.alice.finish(small);
    let back = pair.bob.open().unwrap();
    write(&mut pair.bob, back, pattern(70_000, 3));
    assert!(pair.bob.send_control(frame(&pattern(60_000, 4))));
    pair.carry_in(piece);
    pair.alice.finish(big);
    pair.bob.reset(back);
    pair.carry_in(piece);
    for link in [&mut pair.alice, &mut pair.bob] {
        while let Some(frame) = link.next_control().unwrap() {
            heard.push(frame);
        }
        for channel in link.readable() {
            let (data, end) = read(link, channel);
            heard.push(data);
            heard.push(vec![match end {
                None => 0,
                Some(true) => 1,
                Some(false) => 2,
            }]);
        }
    }
    pair.alice.close(pair.now, CloseCode::Done);
    pair.carry_in(piece);
    assert_eq!(pair.bob.pump().last(), Some(&Change::Lost { why: LinkLoss::Closed, cancelled: false }));
    heard
}

#[test]
fn what_is_said_arrives_whole_under_every_pair_of_ciphers() {
    for alice in [Ciphers::with_aes(), Ciphers::portable()] {
        for bob in [Ciphers::with_aes(), Ciphers::portable()] {
            let mut pair = Pair::new(alice, bob);
            pair.carry();
            let channel = pair.alice.open().unwrap();
            write(&mut pair.alice, channel, pattern(3 * MIB, 1));
            pair.alice.finish(channel);
            pair.carry();
            let opened = pair.bob.readable();
            assert_eq!(opened.len(), 1);
            assert!(read(&mut pair.bob, opened[0]) == (pattern(3 * MIB, 1), Some(true)));
        }
    }
    let expected: [Vec<u8>; 8] = [
        pattern(60_000, 4),
        vec![],
        vec![2],
        b"hello".to_vec(),
        pattern(200_000, 1),
        vec![1],
        pattern(10, 2),
        vec![1],
    ];
    assert!(talk(&mut |_| usize::MAX) == expected);
}

#[test]
fn a_stream_that_ends_without_a_last_record_is_a_loss() {
    let mut pair = Pair::up();
    let channel = pair.alice.open().unwrap();
    write(&mut pair.alice, channel, pattern(1000, 1));
    pair.alice.finish(channel);
    let bytes = output(&mut pair.alice, pair.now);
    pair.bob.arrived(pair.now, &bytes[..bytes.len() - 1]);
    pair.bob.closed();
    assert_eq!(pair.bob.pump(), [BROKEN]);
    let opened = pair.bob.readable();
    assert_eq!(read(&mut pair.bob, opened[0]), (pattern(1000, 1), None), "no end where none was proven");
}

#[test]
fn goodbyes_are_said_and_heard() {
    for (code, cancelled) in [(CloseCode::Done, false), (CloseCode::Interrupted, true)] {
        let mut pair = Pair::up();
        pair.alice.close(pair.now, code);
        assert!(pair.alice.is_closed() && !pair.alice.is_drained());
        pair.carry();
        assert_eq!(pair.bob.pump(), [Change::Lost { why: LinkLoss::Closed, cancelled }]);
        assert!(pair.bob.is_drained(), "bob closes the stream");
        pair.alice.closed();
        assert_eq!(pair.alice.pump(), []);
        assert!(pair.alice.is_drained());
    }
    // Gently: what waits is said before. Both at once: nobody waits for the other.
    let mut pair = Pair::up();
    assert!(pair.alice.send_control(frame(b"last words")));
    pair.alice.close_gently();
    pair.bob.close_gently();
    let [there, back] = [&mut pair.alice, &mut pair.bob].map(|link| output(link, pair.now));
    pair.bob.arrived(pair.now, &there);
    pair.alice.arrived(pair.now, &back);
    pair.carry();
    assert!(pair.alice.is_drained() && pair.bob.is_drained());
    let mut pair = Pair::up();
    assert!(pair.alice.send_control(frame(b"last words")));
    pair.alice.close_gently();
    pair.carry();
    assert_eq!(pair.bob.next_control(), Ok(Some(b"last words".to_vec())));
    // Nobody has to wait for ever for an answer to a goodbye.
    let mut pair = Pair::up();
    pair.alice.close(pair.now, CloseCode::Done);
    output(&mut pair.alice, pair.now);
    pair.alice.handle_timeout(pair.now + super::FAREWELL);
    assert_eq!(pair.alice.fill(pair.now, &mut Vec::new()).0, StreamOutput::Close);
}

#[test]
fn sixteen_channels_are_open_at_once_and_ended_ones_make_room() {
    let mut pair = Pair::up();
    let channels: Vec<_> = (0..16).map(|_| pair.alice.open().unwrap()).collect();
    assert_eq!(pair.alice.open(), None);
    pair.alice.finish(channels[3]);
    pair.alice.reset(channels[4]);
    pair.carry();
    assert!(pair.alice.open().is_some() && pair.alice.open().is_some());
    assert_eq!(pair.alice.open(), None);
    pair.carry();
    assert_eq!(pair.bob.pump(), [], "nobody has read that two have ended");
}

#[test]
fn a_small_channel_and_control_do_not_wait_behind_a_big_one() {
    let mut pair = Pair::up();
    let [big, small] = [pair.alice.open().unwrap(), pair.alice.open().unwrap()];
    write(&mut pair.alice, big, pattern(8 * MIB, 1));
    write(&mut pair.alice, small, pattern(100, 2));
    pair.alice.finish(small);
    let batch = output(&mut pair.alice, pair.now);
    assert!(batch.len() < MIB, "{} bytes at once", batch.len());
    // Two records at most are before it.
    pair.bob.arrived(pair.now, &batch[..3 * 65_536]);
    assert_eq!(read(&mut pair.bob, small), (pattern(100, 2), Some(true)));
    // Bulk waits; a word passes it.
    assert!(pair.alice.send_control(frame(b"quick")));
    pair.bob.arrived(pair.now, &batch[3 * 65_536..]);
    let next = output(&mut pair.alice, pair.now);
    pair.bob.arrived(pair.now, &next[..100]);
    assert_eq!(pair.bob.next_control(), Ok(Some(b"quick".to_vec())));
}

#[test]
fn who_does_not_read_stops_the_stream_and_goes_on_later() {
    let mut pair = Pair::up();
    let channel = pair.alice.open().unwrap();
    write(&mut pair.alice, channel, pattern(12 * MIB, 1));
    pair.alice.finish(channel);
    assert!(!pair.alice.is_writable(channel));
    let mut taken = 0;
    while pair.bob.has_room() {
        let bytes = output(&mut pair.alice, pair.now);
        taken += bytes.len();
        pair.bob.arrived(pair.now, &bytes);
    }
    assert!((4 * MIB..5 * MIB).contains(&taken), "{taken} bytes were taken");
    let mut all = Vec::new();
    loop {
        let (data, end) = read(&mut pair.bob, channel);
        all.extend_from_slice(&data);
        if end == Some(true) {
            break;
        }
        assert!(pair.bob.has_room());
        let bytes = output(&mut pair.alice, pair.now);
        assert!(!bytes.is_empty());
        pair.bob.arrived(pair.now, &bytes);
    }
    assert!(all == pattern(12 * MIB, 1));
}

#[test]
fn a_stopped_channel_is_dropped_at_both_ends() {
    let mut pair = Pair::up();
    let channel = pair.alice.open().unwrap();
    write(&mut pair.alice, channel, pattern(3 * MIB, 1));
    let first = output(&mut pair.alice, pair.now);
    pair.bob.arrived(pair.now, &first);
    pair.bob.stop(channel);
    assert_eq!(pair.bob.readable(), []);
    pair.carry();
    assert!(!pair.alice.is_writable(channel));
    assert_eq!(pair.bob.readable(), [], "what was on its way is not wanted either");
    assert_eq!((pair.alice.pump(), pair.bob.pump()), (vec![], vec![]));
    // Written to all the same, it takes no room.
    write(&mut pair.alice, channel, pattern(1000, 1));
    assert!(output(&mut pair.alice, pair.now).is_empty());
}

#[test]
fn control_messages_that_nobody_reads_are_bounded() {
    let mut pair = Pair::up();
    let mut sent = 0;
    while pair.alice.send_control(frame(&[0; 60_000])) {
        sent += 60_000;
    }
    assert!((3 * MIB..5 * MIB).contains(&sent));
}

#[test]
fn silence_is_noticed_and_signs_of_life_are_sent() {
    let mut pair = Pair::up();
    for _ in 0..60 {
        pair.pass(Duration::from_secs(10));
    }
    assert_eq!((pair.alice.pump(), pair.bob.pump()), (vec![], vec![]), "ten quiet minutes");
    let mut waited = Duration::ZERO;
    while pair.alice.pump().is_empty() {
        pair.now = pair.alice.timeout().unwrap();
        waited += Duration::from_secs(10);
        pair.alice.handle_timeout(pair.now);
        output(&mut pair.alice, pair.now);
        assert!(waited < Duration::from_secs(60));
    }
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
}

#[test]
fn whom_this_side_does_not_read_it_does_not_take_for_silent() {
    let mut pair = Pair::up();
    let channel = pair.alice.open().unwrap();
    write(&mut pair.alice, channel, pattern(8 * MIB, 1));
    while pair.bob.has_room() {
        let bytes = output(&mut pair.alice, pair.now);
        pair.bob.arrived(pair.now, &bytes);
    }
    for _ in 0..60 {
        pair.now += Duration::from_secs(10);
        pair.bob.handle_timeout(pair.now);
    }
    assert_eq!(pair.bob.pump(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_bytes_gives_the_same(pieces in prop::collection::vec(1_usize..70_000, 1..40), small in any::<bool>()) {
        let mut next = pieces.iter().cycle();
        let most = if small { 37 } else { usize::MAX };
        let split = talk(&mut |_| (*next.next().unwrap()).min(most));
        prop_assert!(split == talk(&mut |_| usize::MAX));
    }
}
