//! One end of a stream against whoever knows no rule.

use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::record::{Note, write_alive, write_close, write_control, write_data, write_note};
use super::super::{HANDSHAKE, StreamLink};
use super::{BROKEN, Pair, crypto, frame, output, peer};
use crate::StreamOutput;
use crate::link::ChannelId;
use crate::link::kind::{Change, Channels};
use crate::noise::quic::Ciphers;
use crate::noise::stream::{Sealer, StreamSession};

/// A client that has proven itself and seals whatever it likes, towards bob.
fn rogue() -> (Instant, StreamLink, Sealer) {
    let now = Instant::now();
    let mut bob =
        StreamLink::accepted(now, "127.0.0.1:9".parse().unwrap(), &crypto(2, 0, Ciphers::portable()));
    let (mut session, hello) = StreamSession::dial(&crypto(1, 0, Ciphers::portable()), peer(2)).unwrap();
    bob.arrived(now, &hello);
    let mut sealer = session.read(&output(&mut bob, now)).unwrap().unwrap().sealer;
    say(now, &mut bob, &mut sealer, write_alive);
    assert_eq!(bob.pump(), [Change::Up(peer(1))]);
    (now, bob, sealer)
}

fn say(now: Instant, bob: &mut StreamLink, sealer: &mut Sealer, write: impl FnOnce(&mut Vec<u8>)) {
    let mut record = Vec::new();
    sealer.seal(&mut record, write).unwrap();
    bob.arrived(now, &record);
}

#[test]
fn a_replayed_first_message_proves_nobody() {
    let mut pair = Pair::new(Ciphers::with_aes(), Ciphers::with_aes());
    let first = output(&mut pair.alice, pair.now);
    // Bob was started anew: he has other ephemeral keys. So has whoever replays: none.
    let at = "127.0.0.1:9".parse().unwrap();
    let mut bob = StreamLink::accepted(pair.now, at, &crypto(2, 99, Ciphers::with_aes()));
    bob.arrived(pair.now, &first);
    let reply = output(&mut bob, pair.now);
    assert!(!reply.is_empty(), "it is answered: it cannot be told from a first one");
    assert!(bob.send_control(frame(b"a secret")), "but nothing is said");
    assert!(output(&mut bob, pair.now).is_empty());
    assert_eq!((bob.pump(), bob.peer()), (vec![], None));
    bob.handle_timeout(pair.now + HANDSHAKE);
    assert_eq!(bob.pump(), [], "nobody ever hears of it");
    assert_eq!(bob.fill(pair.now, &mut Vec::new()).0, StreamOutput::Close);
}

#[test]
fn a_first_message_of_whoever_does_not_know_the_id_is_not_answered() {
    let now = Instant::now();
    let at = "127.0.0.1:9".parse().unwrap();
    // Dialled to somebody else.
    let mut alice = StreamLink::dialled(now, at, peer(3), &crypto(1, 0, Ciphers::with_aes())).unwrap();
    alice.opened();
    let mut bob = StreamLink::accepted(now, at, &crypto(2, 0, Ciphers::with_aes()));
    bob.arrived(now, &output(&mut alice, now));
    let mut out = Vec::new();
    assert_eq!(bob.fill(now, &mut out).0, StreamOutput::Close);
    assert!(out.is_empty());
    alice.closed();
    assert_eq!(alice.pump(), [Change::Failed { other_version: false }]);
}

#[test]
fn records_out_of_place_end_the_stream() {
    type Tamper = fn(&[Vec<u8>]) -> Vec<u8>;
    let tampered: [Tamper; 4] = [
        |records| [&records[1][..], &records[0]].concat(),
        |records| [&records[0][..], &records[0]].concat(),
        |records| [&records[1][..], &records[2]].concat(),
        |records| [&records[0][..], &records[2]].concat(),
    ];
    for tampered in tampered {
        let mut pair = Pair::up();
        let records: Vec<_> = (0..3_u8)
            .map(|number| {
                assert!(pair.alice.send_control(frame(&[number; 100])));
                output(&mut pair.alice, pair.now)
            })
            .collect();
        pair.bob.arrived(pair.now, &tampered(&records));
        assert_eq!(pair.bob.pump(), [BROKEN]);
        let mut heard = Vec::new();
        while let Some(frame) = pair.bob.next_control().unwrap() {
            heard.push(frame);
        }
        assert!(heard.is_empty() || heard == [vec![0; 100]], "nothing but what came in its place: {heard:?}");
    }
}

#[test]
fn lengths_that_no_record_has_end_the_stream() {
    for length in 0..=16_u16 {
        let mut pair = Pair::up();
        pair.bob.arrived(pair.now, &length.to_be_bytes());
        assert_eq!(pair.bob.pump(), [BROKEN]);
    }
    let mut pair = Pair::new(Ciphers::with_aes(), Ciphers::with_aes());
    pair.bob.arrived(pair.now, &u16::MAX.to_be_bytes());
    pair.bob.arrived(pair.now, &[0; 70_000]);
    assert_eq!(pair.bob.fill(pair.now, &mut Vec::new()).0, StreamOutput::Close, "no message is so long");
}

#[test]
fn breaches_of_someone_proven_end_the_stream_and_are_answered() {
    type Breach = Vec<Vec<u8>>;
    let note = |note| {
        let mut record = Vec::new();
        write_note(note, &mut record);
        record
    };
    let data = |channel, bytes: &[u8]| {
        let mut record = Vec::new();
        write_data(channel, &mut record);
        record.extend_from_slice(bytes);
        record
    };
    let mut empty_control = Vec::new();
    write_control(&mut empty_control);
    let open = |count: u32| (0..count).map(|number| note(Note::Open(number))).collect::<Breach>();
    let breaches: [Breach; 16] = [
        vec![vec![8, 0, 0, 0, 0]],
        vec![vec![255]],
        vec![vec![0, 0]],
        vec![empty_control],
        vec![vec![3, 0, 0, 0]],
        vec![vec![3, 0, 0, 0, 0, 0]],
        vec![data(0, b"x")],
        vec![note(Note::Open(0)), data(0, b"")],
        vec![note(Note::Open(1))],
        vec![note(Note::Open(0)), note(Note::Open(0))],
        vec![note(Note::End(0))],
        vec![note(Note::Open(0)), note(Note::End(0)), data(0, b"x")],
        vec![note(Note::Open(0)), note(Note::Reset(0)), note(Note::End(0))],
        vec![note(Note::Stop(0))],
        vec![note(Note::Open(0)), note(Note::Open(u32::MAX))],
        open(17),
    ];
    for breach in breaches {
        let (now, mut bob, mut sealer) = rogue();
        for record in &breach {
            assert_eq!(bob.pump(), []);
            say(now, &mut bob, &mut sealer, |out| out.extend_from_slice(record));
        }
        assert_eq!(bob.pump(), [BROKEN], "{breach:?}");
        assert!(bob.is_closed());
        assert!(!output(&mut bob, now).is_empty(), "the rogue is told");
        // Whatever else it says is not heeded.
        say(now, &mut bob, &mut sealer, |out| write_close(0, out));
        assert_eq!(bob.pump(), []);
    }
}

#[test]
fn many_small_pieces_count_for_what_they_take() {
    let (now, mut bob, mut sealer) = rogue();
    say(now, &mut bob, &mut sealer, |out| write_note(Note::Open(0), out));
    let mut pieces = 0;
    while bob.has_room() {
        pieces += 1;
        say(now, &mut bob, &mut sealer, |out| {
            write_data(0, out);
            out.push(1);
        });
    }
    assert!(pieces < 70_000, "{pieces} pieces of one byte");
}

#[test]
fn whoever_is_not_told_that_channels_are_unwanted_is_not_read_for_ever() {
    let (now, mut bob, mut sealer) = rogue();
    let mut opened = 0;
    // It opens and resets channels, and does not read what it is told of them.
    while bob.has_room() && opened < 1_000_000 {
        say(now, &mut bob, &mut sealer, |out| write_note(Note::Open(opened), out));
        bob.stop(ChannelId(u64::from(opened)));
        say(now, &mut bob, &mut sealer, |out| write_note(Note::Reset(opened), out));
        opened += 1;
    }
    assert!(opened <= 1024, "{opened} channels");
    output(&mut bob, now);
    assert!(bob.has_room());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_bit_is_never_believed(at in any::<Index>(), bit in 0..8_u8, which in 0..3_usize) {
        let mut pair = Pair::new(Ciphers::with_aes(), Ciphers::portable());
        let change = |bytes: &mut Vec<u8>, now| {
            if which == now {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        };
        let mut first = output(&mut pair.alice, pair.now);
        change(&mut first, 0);
        pair.bob.arrived(pair.now, &first);
        let mut second = output(&mut pair.bob, pair.now);
        if !second.is_empty() {
            change(&mut second, 1);
            pair.alice.arrived(pair.now, &second);
        }
        if pair.alice.peer().is_some() {
            pair.alice.send_control(frame(b"hello"));
            let mut third = output(&mut pair.alice, pair.now);
            change(&mut third, 2);
            pair.bob.arrived(pair.now, &third);
        }
        // A length that grew waits for what never comes; nothing else is left.
        prop_assert_eq!(pair.bob.next_control(), Ok(None));
        if which < 2 {
            prop_assert_eq!(pair.bob.peer(), None);
        }
        for link in [&mut pair.alice, &mut pair.bob] {
            link.closed();
            let changes = link.pump();
            prop_assert!(!matches!(changes.as_slice(), [.., Change::Up(_)]), "{:?}", changes);
        }
    }

    #[test]
    fn garbage_of_strangers_is_never_answered(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        let now = Instant::now();
        let mut bob = StreamLink::accepted(now, "127.0.0.1:9".parse().unwrap(), &crypto(2, 0, Ciphers::portable()));
        bob.arrived(now, &bytes);
        prop_assert!(output(&mut bob, now).is_empty());
        prop_assert_eq!(bob.pump(), []);
    }

    #[test]
    fn garbage_of_someone_proven_never_panics(records in prop::collection::vec(prop::collection::vec(0..9_u8, 1..12), 1..40)) {
        let (now, mut bob, mut sealer) = rogue();
        for record in &records {
            say(now, &mut bob, &mut sealer, |out| out.extend_from_slice(record));
            for channel in bob.readable() {
                bob.read(channel, 100);
            }
            let _ = bob.next_control();
            output(&mut bob, now);
        }
    }
}
