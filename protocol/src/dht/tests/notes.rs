//! Notes: who can leave, find and read them, and what they cost.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::{NOON, identity, random, v4, v6};
use crate::dht::{BadNote, Hour, MAX_NOTE, MIN_WORK, MeetAt, Meeting, NodeKey, Note};
use crate::identity::Identity;
use crate::noise::quic::NetworkId;

const PLACE: [u8; 16] = [5; 16];

fn meeting() -> Meeting {
    Meeting::new(PLACE, Hour::of(NOON), &NetworkId::default())
}

fn work(meeting: &Meeting, key: &Identity) -> u32 {
    meeting.search(&key.peer_id(), MIN_WORK).advance(u32::MAX).unwrap()
}

fn note(of: u8, addresses: &[SocketAddr]) -> Note {
    note_of(of, &MeetAt::Addresses(addresses.to_vec()))
}

fn note_of(of: u8, at: &MeetAt) -> Note {
    let key = identity(of);
    meeting().seal(&key, work(&meeting(), &key), 3, at, &mut random(of)).unwrap()
}

fn through(by: &[SocketAddr]) -> MeetAt {
    MeetAt::Through { key: NodeKey([7; 32]), by: by.to_vec() }
}

#[test]
fn whoever_knows_the_place_reads_where_the_maker_is() {
    let addresses = [v4(1), v6(1), v6(2)];
    let sealed = note(1, &addresses);
    let note = Note::parse(&sealed.encode()).unwrap();
    assert_eq!(note, sealed);
    assert_eq!(note.target(), meeting().target());
    assert_eq!((note.key(), note.sequence()), (identity(1).peer_id(), 3));
    assert!(note.strength() >= MIN_WORK);
    assert_eq!(meeting().open(&note), Ok(MeetAt::Addresses(addresses.to_vec())));
    assert!(!note.encode().windows(16).any(|part| part == PLACE));
}

#[test]
fn all_notes_have_one_size_and_say_what_fits_and_may_be_said() {
    let private = "192.168.1.7:1".parse().unwrap();
    let loopback = "127.0.0.1:1".parse().unwrap();
    let cases = [
        (vec![], vec![]),
        (vec![private, loopback, v4(1)], vec![v4(1)]),
        (vec![loopback], vec![loopback]),
        (vec![v6(1), v6(2), v6(3), v4(1), v4(2), v4(3)], vec![v6(1), v6(2), v4(1), v4(2)]),
        ((1..=9).map(v4).collect(), (1..=8).map(v4).collect()),
    ];
    for (known, said) in cases {
        let note = note(1, &known);
        assert_eq!(note.encode().len(), MAX_NOTE);
        assert_eq!(meeting().open(&note), Ok(MeetAt::Addresses(said)));
    }
}

#[test]
fn a_maker_whom_nobody_reaches_names_those_who_introduce_it() {
    let private = "192.168.1.7:1".parse().unwrap();
    let cases = [
        (vec![v4(1), v4(2), v4(3)], vec![v4(1), v4(2), v4(3)]),
        (vec![v4(1), v6(1)], vec![v4(1)]),
        (vec![v6(1), v6(2)], vec![v6(1)]),
        (vec![private, v4(1)], vec![v4(1)]),
    ];
    for (known, said) in cases {
        let note = note_of(1, &through(&known));
        assert_eq!(note.encode().len(), MAX_NOTE);
        assert_eq!(meeting().open(&Note::parse(&note.encode()).unwrap()), Ok(through(&said)));
    }
    assert_eq!(meeting().open(&note_of(1, &through(&[]))), Err(BadNote::Content));
}

#[test]
fn notes_of_other_places_hours_and_networks_are_others() {
    let hour = Hour::of(NOON);
    let others = [
        Meeting::new([6; 16], hour, &NetworkId::default()),
        Meeting::new(PLACE, hour.next(), &NetworkId::default()),
        Meeting::new(PLACE, hour, &NetworkId([1; 32])),
    ];
    let note = note(1, &[v4(1)]);
    for other in others {
        assert_ne!(other.target(), meeting().target());
        assert_eq!(other.open(&note), Err(BadNote::Another));
    }
}

#[test]
fn a_changed_byte_is_refused_wherever_it_is() {
    let bytes = note(1, &[v4(1)]).encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Note::parse(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
    for end in 0..bytes.len() {
        assert!(Note::parse(&bytes[..end]).is_err());
    }
    assert_eq!(Note::parse(&[0; MAX_NOTE + 1]), Err(BadNote::TooLarge));
}

#[test]
fn a_note_without_work_or_with_anothers_is_refused() {
    let (key, other) = (identity(1), identity(2));
    let meeting = meeting();
    let good = note(1, &[v4(1)]);
    let (hour, sealed, signature) = (good.hour(), good.sealed().to_vec(), *good.signature());
    let too_little = (0..).find(|number| {
        // The first number that a search would pass over.
        meeting.search(&key.peer_id(), MIN_WORK).advance(number + 1).is_none()
    });
    let too_little = too_little.unwrap();
    assert_eq!(meeting.seal(&key, too_little, 1, &through(&[v4(1)]), &mut random(1)), Err(BadNote::Work));
    let parts = |mark, key: &Identity, work| {
        Note::from_parts(mark, hour, key.peer_id(), work, 3, sealed.clone(), signature)
    };
    assert_eq!(parts(*good.mark(), &key, good.work()), Ok(good.clone()));
    assert_eq!(parts(*good.mark(), &key, too_little), Err(BadNote::Work));
    // What was found for one key or place is nothing for another.
    assert_eq!(parts(*good.mark(), &other, good.work()), Err(BadNote::Work));
    assert_eq!(parts([9; 16], &key, good.work()), Err(BadNote::Work));
    // Work of one's own does not give another's signature.
    assert_eq!(parts(*good.mark(), &other, work(&meeting, &other)), Err(BadNote::Signature));
    let later = Hour(u64::from(u32::MAX) + 1);
    let out_of_time = Note::from_parts(*good.mark(), later, key.peer_id(), good.work(), 3, sealed, signature);
    assert_eq!(out_of_time, Err(BadNote::Malformed));
}

#[test]
fn a_search_comes_to_the_same_in_any_slices() {
    let meeting = meeting();
    let key = identity(1).peer_id();
    let whole = meeting.search(&key, MIN_WORK).advance(u32::MAX).unwrap();
    let mut sliced = meeting.search(&key, MIN_WORK);
    assert_eq!((0..).find_map(|_| sliced.advance(1000)).unwrap(), whole);
    // It goes on from there, to another.
    assert!(sliced.advance(u32::MAX).unwrap() > whole);
    assert_eq!(meeting.search(&key, MIN_WORK).advance(0), None);
    assert_eq!(meeting.search(&key, MIN_WORK).advance(whole), None);
}

#[test]
fn hours_and_their_neighbours() {
    let hour = 3_600_000;
    assert_eq!(Hour::nearer_neighbour(hour * 3), Hour(2));
    assert_eq!(Hour::nearer_neighbour(hour * 3 + hour / 2), Hour(4));
    assert_eq!(Hour(3).left(hour * 5), None);
    assert_eq!(Hour(3).left(hour * 5 - 1), Some(Duration::from_millis(1)));
    assert_eq!(Hour(3).left(hour * 2), Some(Duration::from_millis(hour * 3)));
    assert_eq!(Hour(3).left(hour * 2 - 1), None);
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_no_note_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Note::parse(&bytes).is_err());
    }
}
