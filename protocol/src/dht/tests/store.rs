//! What is kept, for how long, for whom there is room.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{DAY, HOUR, NOON, identity, little, much, random, record, signer};
use crate::dht::{
    BlindedId, Content, Hour, Item, MIN_WORK, MeetAt, Meeting, NOTE_STAY, NOTES_OF_PAGE, NOTES_OF_PREFIX,
    NOTES_OF_TARGET, NodeId, Note, Period, RECORDS_OF_PREFIX, Record, RecordKind, Refusal, Store, Target,
};
use crate::noise::quic::NetworkId;

const ME: [u8; 32] = [0; 32];
const HALF_DAY: u64 = 43_200_000;

/// A store, and the time on its clocks.
struct Bench {
    store: Store,
    start: Instant,
    passed: Duration,
    /// Unix milliseconds at the start.
    unix_ms: u64,
}

impl Bench {
    fn new(store: Store) -> Self {
        Self { store, start: Instant::now(), passed: Duration::ZERO, unix_ms: NOON }
    }

    fn now(&self) -> Instant {
        self.start + self.passed
    }

    fn unix_ms(&self) -> u64 {
        self.unix_ms + self.passed.as_millis() as u64
    }

    fn wait(&mut self, time: Duration) {
        self.passed += time;
        self.store.forget_expired(self.now());
    }

    fn put_from(&mut self, from: IpAddr, item: Item) -> Result<(), Refusal> {
        let (now, unix_ms) = (self.now(), self.unix_ms());
        self.store.put(now, unix_ms, &NodeId::from_bytes(ME), from, item)
    }

    /// From a network that is counted nowhere.
    fn put(&mut self, record: &Record) -> Result<(), Refusal> {
        self.put_from([10, 0, 0, 1].into(), Item::Record(record.clone()))
    }

    fn put_note(&mut self, note: &Note) -> Result<(), Refusal> {
        self.put_from([10, 0, 0, 1].into(), Item::Note(note.clone()))
    }

    fn items(&self, target: Target) -> Vec<Item> {
        self.store.get(self.now(), &target, 0).items
    }

    fn holds(&self, record: &Record) -> bool {
        self.items(record.target()) == [Item::Record(record.clone())]
    }

    /// The number of what lies there under the key of an item.
    fn sequence(&self, item: &Item) -> Option<u64> {
        match item {
            Item::Record(record) => self.items(record.target()).iter().find_map(|item| match item {
                Item::Record(record) => Some(record.sequence()),
                Item::Note(_) => None,
            }),
            Item::Note(note) => {
                let notes = self.notes(note.target());
                notes.iter().find(|other| other.key() == note.key()).map(Note::sequence)
            }
        }
    }

    /// Every note at a target, in the order in which they are given out.
    fn notes(&self, target: Target) -> Vec<Note> {
        let mut notes = Vec::new();
        for page in 0..=u8::MAX {
            let stored = self.store.get(self.now(), &target, page);
            assert!(stored.items.len() <= NOTES_OF_PAGE);
            assert!(!stored.more || stored.items.len() == NOTES_OF_PAGE);
            for item in stored.items {
                match item {
                    Item::Note(note) => notes.push(note),
                    Item::Record(_) => panic!("a record among notes"),
                }
            }
            if !stored.more {
                break;
            }
        }
        notes
    }
}

fn meeting(place: u8) -> Meeting {
    Meeting::new([place; 16], Hour::of(NOON), &NetworkId::default())
}

fn note_with(meeting: &Meeting, of: u8, sequence: u64, bits: u32) -> Note {
    let key = identity(of);
    let work = meeting.search(&key.peer_id(), bits).advance(u32::MAX).unwrap();
    meeting.seal(&key, work, sequence, &MeetAt::Addresses(vec![super::v4(1)]), &mut random(of)).unwrap()
}

fn bundle(of: u8, sequence: u64) -> Record {
    let content = Content::Bundle { mailboxes: Vec::new(), prekey: None, devices: Vec::new() };
    let signer = signer(&identity(of), RecordKind::Bundle, DAY);
    signer.sign(sequence, HOUR * 6, &content, &mut random(of)).unwrap()
}

#[test]
fn a_newer_record_takes_the_place_of_an_older_and_never_the_other_way() {
    let mut bench = Bench::new(Store::new());
    let (old, new) = (record(1, 5), record(1, 6));
    assert_eq!(bench.put(&old), Ok(()));
    assert!(bench.holds(&old));
    assert_eq!(bench.put(&new), Ok(()));
    assert!(bench.holds(&new));
    assert_eq!(bench.put(&old), Err(Refusal::Older));
    assert!(bench.holds(&new));
    assert_eq!(bench.put(&new), Ok(()), "it is there, and that is what was asked for");
    assert_eq!(bench.store.conflicting(), 0);
    assert_eq!(bench.store.len(), 1);
    assert!(!bench.store.get(bench.now(), &new.target(), 0).more);
    assert!(bench.store.get(bench.now(), &new.target(), 1).items.is_empty());
}

#[test]
fn another_record_of_the_same_number_is_refused_and_counted() {
    let mut bench = Bench::new(Store::new());
    let signer = signer(&identity(1), RecordKind::Addresses, DAY);
    let first = signer.sign(5, HOUR, &little(), &mut random(1)).unwrap();
    let second = signer.sign(5, HOUR, &much(), &mut random(2)).unwrap();
    assert_eq!(first.target(), second.target());
    assert_eq!(bench.put(&first), Ok(()));
    assert_eq!(bench.put(&second), Err(Refusal::Older));
    assert!(bench.holds(&first));
    assert_eq!(bench.store.conflicting(), 1);
}

#[test]
fn what_ran_out_cannot_be_brought_back() {
    let mut bench = Bench::new(Store::new());
    let (older, good, newer) = (record(1, 4), record(1, 5), record(1, 6));
    assert_eq!(bench.put(&good), Ok(()));
    bench.wait(HOUR / 2);
    assert_eq!(bench.put(&good), Ok(()));
    bench.wait(HOUR / 2 - Duration::from_millis(1));
    assert!(bench.holds(&good));
    // That it was brought again has not made it stay longer.
    bench.wait(Duration::from_millis(1));
    assert!(bench.items(good.target()).is_empty());
    assert!(bench.store.is_empty());
    assert_eq!(bench.put(&good), Err(Refusal::Expired));
    assert_eq!(bench.put(&older), Err(Refusal::Older));
    assert!(bench.store.is_empty());
    assert_eq!(bench.put(&newer), Ok(()));
    bench.wait(HOUR);
    // Until the day is over it is remembered; then the day itself keeps it out.
    let left = DAY.left(bench.unix_ms()).unwrap();
    bench.wait(left - Duration::from_millis(1));
    assert_eq!(bench.put(&newer), Err(Refusal::Expired));
    assert!(bench.store.next_time().is_some());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.store.next_time(), None, "nothing is remembered any more");
    assert_eq!(bench.put(&newer), Err(Refusal::Expired));
    assert_eq!(bench.store.next_time(), None);
}

#[test]
fn what_is_past_is_not_given_out_though_nobody_has_tidied_up() {
    let mut bench = Bench::new(Store::new());
    let (good, note) = (record(1, 5), note_with(&meeting(1), 1, 1, MIN_WORK));
    bench.put(&good).unwrap();
    bench.put_note(&note).unwrap();
    assert_eq!(bench.store.next_time(), Some(bench.now() + HOUR));
    bench.passed += HOUR;
    assert!(bench.items(good.target()).is_empty());
    assert!(bench.items(note.target()).is_empty());
}

#[test]
fn others_can_keep_a_bundle_and_not_beyond_its_day() {
    let mut bench = Bench::new(Store::new());
    let bundle = bundle(1, 5);
    // It is noon, and the day after tomorrow the day is over for everyone.
    for _ in 0..7 {
        assert_eq!(bench.put(&bundle), Ok(()));
        bench.wait(HOUR * 5);
        assert!(bench.holds(&bundle));
    }
    assert_eq!(bench.put(&bundle), Ok(()));
    bench.wait(HOUR - Duration::from_millis(1));
    assert!(bench.holds(&bundle));
    bench.wait(Duration::from_millis(1));
    assert!(bench.store.is_empty());
    assert_eq!(bench.put(&bundle), Err(Refusal::Expired));
}

#[test]
fn only_the_day_that_it_is_and_those_beside_it_count() {
    let owner = identity(1);
    for kind in [RecordKind::Addresses, RecordKind::Bundle] {
        for (day, expected) in [
            (Period(DAY.0 - 2), Err(Refusal::Expired)),
            (DAY.previous(), Ok(())),
            (DAY, Ok(())),
            (DAY.next(), Ok(())),
            (Period(DAY.0 + 2), Err(Refusal::Expired)),
        ] {
            let content = match kind {
                RecordKind::Addresses => little(),
                RecordKind::Bundle => {
                    Content::Bundle { mailboxes: Vec::new(), prekey: None, devices: Vec::new() }
                }
            };
            let record = signer(&owner, kind, day).sign(1, HOUR, &content, &mut random(1)).unwrap();
            let mut bench = Bench::new(Store::new());
            assert_eq!(bench.put(&record), expected);
            assert_eq!(bench.holds(&record), expected.is_ok());
        }
    }
}

#[test]
fn a_reader_finds_a_record_across_the_change_of_day() {
    let mut bench = Bench::new(Store::new());
    let owner = identity(1);
    bench.passed = Duration::from_millis(HALF_DAY) - Duration::from_secs(60);
    let published = bench.unix_ms();
    assert_eq!(Period::of(published), DAY);
    for day in [Period::of(published), Period::nearer_neighbour(published)] {
        let signer = signer(&owner, RecordKind::Addresses, day);
        bench.put(&signer.sign(published, HOUR, &little(), &mut random(1)).unwrap()).unwrap();
    }
    for (wait, day) in [(0, DAY), (120, DAY.next())] {
        bench.wait(Duration::from_secs(wait));
        assert_eq!(Period::of(bench.unix_ms()), day);
        let network = NetworkId::default();
        let reader = BlindedId::new(&owner.peer_id(), RecordKind::Addresses, day, &network);
        match bench.items(reader.target()).as_slice() {
            [Item::Record(record)] => assert_eq!(reader.open(record), Ok(little())),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_prefix_has_so_many_places() {
    let mut bench = Bench::new(Store::new());
    let mut records: Vec<_> = (0..=RECORDS_OF_PREFIX + 1).map(|of| record(of as u8, 1)).collect();
    // The nearest to the node first, so that none makes room for a later one.
    let me = NodeId::from_bytes(ME);
    records.sort_by_key(|record| me.distance(&record.target()));
    let spare = records.pop().unwrap();
    let far = records.pop().unwrap();
    for (host, record) in (0..).zip(&records) {
        assert_eq!(bench.put_from([198, 51, 100, host].into(), Item::Record(record.clone())), Ok(()));
    }
    let crowded: IpAddr = [198, 51, 100, 250].into();
    assert_eq!(bench.put_from(crowded, Item::Record(far.clone())), Err(Refusal::Full));
    assert!(records.iter().all(|record| bench.holds(record)));
    // From next door there is room, and at home nobody counts.
    assert_eq!(bench.put_from([198, 51, 101, 1].into(), Item::Record(far.clone())), Ok(()));
    assert_eq!(bench.put_from([127, 0, 0, 1].into(), Item::Record(spare)), Ok(()));
    // What is there already can be renewed.
    let newer = identity_of(&records[0]);
    assert_eq!(bench.put_from(crowded, Item::Record(record(newer, 2))), Ok(()));
    assert_eq!(bench.store.len(), RECORDS_OF_PREFIX + 2);
    // Whoever has moved into a crowded neighbourhood can renew too, counted where it was.
    let moved = identity_of(&far);
    assert_eq!(bench.put_from(crowded, Item::Record(record(moved, 2))), Ok(()));
    assert_eq!(bench.store.len(), RECORDS_OF_PREFIX + 2);
}

fn identity_of(wanted: &Record) -> u8 {
    (0..=u8::MAX).find(|of| record(*of, 1).target() == wanted.target()).unwrap()
}

#[test]
fn a_crowd_from_one_prefix_makes_room_within_itself() {
    let mut bench = Bench::new(Store::new());
    let me = NodeId::from_bytes(ME);
    let mut records: Vec<_> = (0..=RECORDS_OF_PREFIX).map(|of| record(of as u8, 1)).collect();
    records.sort_by_key(|record| std::cmp::Reverse(me.distance(&record.target())));
    let honest = record(200, 1);
    bench.put_from([203, 0, 113, 1].into(), Item::Record(honest.clone())).unwrap();
    for record in &records {
        assert_eq!(bench.put_from([198, 51, 100, 1].into(), Item::Record(record.clone())), Ok(()));
    }
    assert!(bench.holds(&honest));
    assert!(!bench.holds(&records[0]), "the farthest of its own went");
    assert!(records[1..].iter().all(|record| bench.holds(record)));
}

#[test]
fn when_all_is_full_the_farthest_goes_for_a_nearer_one() {
    let mut bench = Bench::new(Store::with_room(8, 8));
    let me = NodeId::from_bytes(ME);
    let mut records: Vec<_> = (0..10).map(|of| record(of, 1)).collect();
    records.sort_by_key(|record| me.distance(&record.target()));
    for record in &records[1..9] {
        assert_eq!(bench.put(record), Ok(()));
    }
    assert_eq!(bench.put(&records[9]), Err(Refusal::Full));
    assert_eq!(bench.put(&records[0]), Ok(()));
    assert_eq!(bench.store.len(), 8);
    assert!(records[..8].iter().all(|record| bench.holds(record)));
    // What has run out goes before anything that is there, however near it is.
    let mut bench = Bench::new(Store::with_room(2, 2));
    bench.put(&records[0]).unwrap();
    bench.wait(HOUR);
    bench.put(&records[8]).unwrap();
    assert_eq!(bench.put(&records[9]), Ok(()));
    assert!(bench.holds(&records[8]) && bench.holds(&records[9]));
    assert_eq!(bench.store.len(), 2);
}

#[test]
fn a_flood_of_little_work_does_not_displace_a_stronger_note() {
    let mut bench = Bench::new(Store::new());
    let meeting = meeting(1);
    let count = NOTES_OF_TARGET as u8;
    // Both before the flood and into it.
    let early = note_with(&meeting, 200, 1, MIN_WORK + 3);
    let late = note_with(&meeting, 201, 1, MIN_WORK + 3);
    bench.put_note(&early).unwrap();
    let weak = (0..).map(|of| note_with(&meeting, of, 1, MIN_WORK));
    let weak: Vec<_> =
        weak.filter(|note| note.strength() < MIN_WORK + 3).take(usize::from(count) + 8).collect();
    let mut refused = 0;
    for note in &weak {
        refused += usize::from(bench.put_note(note) == Err(Refusal::Full));
    }
    assert!(refused >= 1);
    assert_eq!(bench.put_note(&late), Ok(()));
    let notes = bench.notes(meeting.target());
    assert_eq!(notes.len(), NOTES_OF_TARGET);
    let strengths: Vec<_> = notes.iter().map(Note::strength).collect();
    assert!(strengths.is_sorted_by(|first, second| first >= second), "the strongest first");
    let first = &notes[..2];
    assert!(first.contains(&early) && first.contains(&late));
    // Of those that are as strong as each other, those that came first have stayed.
    let least = strengths.last().copied().unwrap();
    let kept = weak.iter().filter(|note| note.strength() == least);
    let kept: Vec<_> = kept.map(|note| notes.contains(note)).collect();
    assert!(kept.is_sorted_by(|first, second| first >= second), "{kept:?}");
}

#[test]
fn a_maker_has_one_note_at_a_place_and_renews_it() {
    let mut bench = Bench::new(Store::new());
    let meeting = meeting(1);
    let (older, good, newer) = (
        note_with(&meeting, 1, 1, MIN_WORK),
        note_with(&meeting, 1, 2, MIN_WORK),
        note_with(&meeting, 1, 3, MIN_WORK + 1),
    );
    assert_eq!(bench.put_note(&good), Ok(()));
    assert_eq!(bench.put_note(&good), Ok(()));
    assert_eq!(bench.put_note(&older), Err(Refusal::Older));
    let key = identity(1);
    let other = meeting.seal(&key, good.work(), 2, &MeetAt::Addresses(Vec::new()), &mut random(9)).unwrap();
    assert_eq!(bench.put_note(&other), Err(Refusal::Older));
    assert_eq!(bench.store.conflicting(), 1);
    assert_eq!(bench.notes(meeting.target()), [good]);
    bench.wait(NOTE_STAY / 2);
    assert_eq!(bench.put_note(&newer), Ok(()));
    assert_eq!(bench.notes(meeting.target()), [newer]);
    bench.wait(NOTE_STAY - Duration::from_millis(1));
    assert_eq!(bench.store.len(), 1);
    bench.wait(Duration::from_millis(1));
    assert!(bench.store.is_empty() && bench.store.next_time().is_none());
}

#[test]
fn only_the_hour_that_it_is_and_those_beside_it_count() {
    let hour = Hour::of(NOON);
    for (hour, expected) in [
        (Hour(hour.0 - 2), Err(Refusal::Expired)),
        (hour.previous(), Ok(())),
        (hour.next(), Ok(())),
        (Hour(hour.0 + 2), Err(Refusal::Expired)),
    ] {
        let meeting = Meeting::new([1; 16], hour, &NetworkId::default());
        let mut bench = Bench::new(Store::new());
        assert_eq!(bench.put_note(&note_with(&meeting, 1, 1, MIN_WORK)), expected);
    }
    // One of the hour before is not kept longer than anyone looks for it.
    let meeting = Meeting::new([1; 16], hour.previous(), &NetworkId::default());
    let mut bench = Bench::new(Store::new());
    bench.passed = HOUR / 2;
    bench.put_note(&note_with(&meeting, 1, 1, MIN_WORK)).unwrap();
    bench.wait(HOUR / 2);
    assert!(bench.store.is_empty());
}

#[test]
fn one_prefix_fills_half_of_a_place_at_most() {
    let mut bench = Bench::new(Store::new());
    let meeting = meeting(1);
    let notes: Vec<_> = (0..=NOTES_OF_PREFIX as u8).map(|of| note_with(&meeting, of, 1, MIN_WORK)).collect();
    for (host, note) in (0..).zip(&notes) {
        // Whether the last is taken depends on its strength, how many there are does not.
        let _ = bench.put_from([0x2001, 0xdb8, 0, 0, host, 0, 0, 1].into(), Item::Note(note.clone()));
    }
    assert_eq!(bench.notes(meeting.target()).len(), NOTES_OF_PREFIX);
    let elsewhere = note_with(&meeting, 100, 1, MIN_WORK);
    assert_eq!(bench.put_from([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1].into(), Item::Note(elsewhere)), Ok(()));
}

/// What a run of the property below puts: owners 0..12 with three numbers each, two of the last; four notes each at
/// three places.
static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| {
    let signed = |of: u8, sequence| Item::Record(record(of, sequence));
    let other = |of: u8| {
        let signer = signer(&identity(of), RecordKind::Addresses, DAY);
        Item::Record(signer.sign(3, HOUR / 3, &much(), &mut random(99)).unwrap())
    };
    let records = (0..12).flat_map(|of| [signed(of, 1), signed(of, 2), signed(of, 3), other(of)]);
    let notes = (0..3).flat_map(|place| {
        (0..4).map(move |of| Item::Note(note_with(&meeting(place), of, 1 + u64::from(of), MIN_WORK)))
    });
    records.chain(notes).collect()
});

proptest! {
    /// Whatever comes in whatever order: there is never more than there is room for, numbers never go back while
    /// something is there, and in the end nothing is left, not even a time.
    #[test]
    fn bounds_hold_in_any_order(steps in prop::collection::vec((0usize..60, 0u64..600), 1..200)) {
        let mut bench = Bench::new(Store::with_room(6, 5));
        for (which, seconds) in steps {
            let item = ITEMS[which % ITEMS.len()].clone();
            let before = bench.sequence(&item);
            let put = bench.put_from([10, 0, 0, 1].into(), item.clone());
            prop_assert!(put.is_err() || bench.sequence(&item).is_some());
            if put.is_ok() {
                prop_assert!(bench.sequence(&item) >= before);
            }
            prop_assert!(bench.store.len() <= 11);
            bench.wait(Duration::from_secs(seconds));
            prop_assert!(bench.store.next_time().is_none_or(|time| time > bench.now()));
        }
        bench.wait(HOUR * 24 * 3);
        prop_assert!(bench.store.is_empty());
        prop_assert_eq!(bench.store.next_time(), None);
    }

    /// Whoever publishes, stores and reads, with clocks up to twelve hours from the publisher's: they meet.
    #[test]
    fn any_three_clocks_meet(at in 0..2 * HALF_DAY, storer in -43_200_000i64..=43_200_000, reader in -43_200_000i64..=43_200_000) {
        let owner = identity(1);
        let published = NOON - HALF_DAY + at;
        let mut bench = Bench::new(Store::new());
        bench.unix_ms = published.checked_add_signed(storer).unwrap();
        for day in [Period::of(published), Period::nearer_neighbour(published)] {
            let signer = signer(&owner, RecordKind::Addresses, day);
            let record = signer.sign(published, HOUR, &little(), &mut random(1)).unwrap();
            prop_assert_eq!(bench.put(&record), Ok(()));
        }
        // As long as those two are the days to publish, until noon that is, and the record stays.
        let waited = (2 * HALF_DAY - (published + HALF_DAY) % (2 * HALF_DAY)).min(3_600_000) - 1;
        bench.wait(Duration::from_millis(waited));
        let day = Period::of((published + waited).checked_add_signed(reader).unwrap());
        let reader = BlindedId::new(&owner.peer_id(), RecordKind::Addresses, day, &NetworkId::default());
        let found = bench.items(reader.target());
        let Some(Item::Record(record)) = found.first() else {
            return Err(TestCaseError::fail("nothing is found"));
        };
        prop_assert_eq!(reader.open(record), Ok(little()));
    }
}
