//! What a node keeps for others: records and notes, within bounds.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::address::Prefix;
use super::id::{NodeId, Target};
use super::message::{Item, NOTES_OF_PAGE, Refusal};
use super::note::Note;
use super::record::{Record, RecordKind};
use super::shelf::{Group, Kept, Shelf};

/// Records at most, those that ran out and are remembered included: 4 MiB with all that is kept of them.
pub const MAX_RECORDS: usize = 4096;
/// Records that came from one /24 or /56 at most.
pub const RECORDS_OF_PREFIX: usize = 64;
/// Notes at most: 1 MiB.
pub const MAX_NOTES: usize = 2048;
/// Notes that came from one /24 or /56 at most.
pub const NOTES_OF_PREFIX: usize = 16;
/// Notes with one target at most: as many as whoever looks for them may try.
pub const NOTES_OF_TARGET: usize = 32;
/// How long a note stays. Its maker leaves a newer one before that.
pub const NOTE_STAY: Duration = Duration::from_secs(60 * 60);

/// What a node keeps for others.
///
/// How long something stays counts from when it arrives, so clocks need not agree to the minute. What names a time, a
/// record its day and a note its hour, may be one off. Both are kept no longer than anyone would look for them.
///
/// A record that ran out cannot be brought back: as long as its day is not over, what is remembered of it is its number.
pub struct Store {
    records: Shelf<Target, KeptRecord>,
    notes: Shelf<(Target, [u8; 32]), KeptNote>,
    arrivals: u64,
    conflicting: u64,
}

/// What lies at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// One record, or a page of notes.
    pub items: Vec<Item>,
    /// Whether there are more pages.
    pub more: bool,
}

struct KeptRecord {
    /// `None` when it ran out.
    record: Option<Record>,
    sequence: u64,
    /// When nobody takes the record for a present one any more.
    forget: Instant,
}

struct KeptNote {
    note: Note,
    strength: u32,
    /// Counts those that came before.
    arrival: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::with_room(MAX_RECORDS, MAX_NOTES)
    }
}

impl Store {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// With room for so many.
    pub(super) fn with_room(records: usize, notes: usize) -> Self {
        Self {
            records: Shelf::new(records, RECORDS_OF_PREFIX),
            notes: Shelf::new(notes, NOTES_OF_PREFIX),
            arrivals: 0,
            conflicting: 0,
        }
    }

    /// Keeps an item that came from an address. Where there is no room, what is farthest from `me` goes for what is
    /// nearer; of notes with one target the weakest goes for a stronger one.
    pub fn put(
        &mut self,
        now: Instant,
        unix_ms: u64,
        me: &NodeId,
        from: IpAddr,
        item: Item,
    ) -> Result<(), Refusal> {
        self.forget_expired(now);
        let prefix = Prefix::counted(from);
        match item {
            Item::Record(record) => self.put_record(now, unix_ms, me, prefix, record),
            Item::Note(note) => self.put_note(now, unix_ms, me, prefix, note),
        }
    }

    fn put_record(
        &mut self,
        now: Instant,
        unix_ms: u64,
        me: &NodeId,
        prefix: Option<Prefix>,
        record: Record,
    ) -> Result<(), Refusal> {
        let left = record.period().left(unix_ms).ok_or(Refusal::Expired)?;
        let (target, sequence) = (record.target(), record.sequence());
        let until = later(now, record.ttl().min(left));
        if let Some(old) = self.records.get(&target) {
            if sequence < old.value.sequence {
                return Err(Refusal::Older);
            }
            if sequence == old.value.sequence {
                return match &old.value.record {
                    None => Err(Refusal::Expired),
                    Some(kept) if *kept != record => {
                        self.conflicting = self.conflicting.saturating_add(1);
                        Err(Refusal::Older)
                    }
                    Some(kept) => {
                        // Others bring bundles again for owners who are away. Addresses only their owner says anew:
                        // whoever recorded them must not keep them alive.
                        if kept.kind() == RecordKind::Bundle {
                            self.records.change(&target, until, |_| {});
                        }
                        Ok(())
                    }
                };
            }
        }
        let known = self.records.get(&target).is_some();
        let value = KeptRecord { record: Some(record), sequence, forget: later(now, left) };
        let new = Kept { value, prefix, until };
        if known {
            self.records.replace(&target, new);
            return Ok(());
        }
        let worth =
            |target: &Target, kept: &KeptRecord| (kept.record.is_some(), Reverse(me.distance(target)));
        if self.records.insert(target, new, None, worth) { Ok(()) } else { Err(Refusal::Full) }
    }

    fn put_note(
        &mut self,
        now: Instant,
        unix_ms: u64,
        me: &NodeId,
        prefix: Option<Prefix>,
        note: Note,
    ) -> Result<(), Refusal> {
        let left = note.hour().left(unix_ms).ok_or(Refusal::Expired)?;
        let target = note.target();
        let key = (target, *note.key().as_bytes());
        let until = later(now, NOTE_STAY.min(left));
        let mut arrival = self.arrivals;
        let old = self.notes.get(&key).map(|old| &old.value);
        if let Some(old) = old {
            if note == old.note {
                return Ok(());
            }
            if note.sequence() == old.note.sequence() {
                self.conflicting = self.conflicting.saturating_add(1);
                return Err(Refusal::Older);
            }
            if note.sequence() < old.note.sequence() {
                return Err(Refusal::Older);
            }
            arrival = old.arrival;
        }
        let known = old.is_some();
        let value = KeptNote { strength: note.strength(), note, arrival };
        let new = Kept { value, prefix, until };
        if known {
            self.notes.replace(&key, new);
            return Ok(());
        }
        let same = |(other, _): &(Target, [u8; 32]), _: &Kept<KeptNote>| *other == target;
        let group: Option<Group<'_, _, _>> = Some((NOTES_OF_TARGET, &same));
        let worth = |(target, _): &(Target, [u8; 32]), kept: &KeptNote| {
            (Reverse(me.distance(target)), kept.strength, Reverse(kept.arrival))
        };
        if !self.notes.insert(key, new, group, worth) {
            return Err(Refusal::Full);
        }
        self.arrivals = self.arrivals.saturating_add(1);
        Ok(())
    }

    /// What lies at a target: its record, or else a page of its notes, the strongest first and of equal ones the first
    /// to come.
    pub fn get(&self, now: Instant, target: &Target, page: u8) -> Stored {
        let record = self.records.get(target).filter(|kept| kept.until > now);
        if let Some(record) = record.and_then(|kept| kept.value.record.as_ref()) {
            let items = if page == 0 { vec![Item::Record(record.clone())] } else { Vec::new() };
            return Stored { items, more: false };
        }
        let (first, last) = ((*target, [0; 32]), (*target, [u8::MAX; 32]));
        let mut notes: Vec<_> = self.notes.range(first, last).filter(|kept| kept.until > now).collect();
        notes.sort_by_key(|kept| (Reverse(kept.value.strength), kept.value.arrival));
        let first = usize::from(page).saturating_mul(NOTES_OF_PAGE);
        let items = notes.iter().skip(first).take(NOTES_OF_PAGE);
        let items = items.map(|kept| Item::Note(kept.value.note.clone())).collect();
        Stored { items, more: notes.len() > first.saturating_add(NOTES_OF_PAGE) }
    }

    /// Takes away what ran out.
    pub fn forget_expired(&mut self, now: Instant) {
        while let Some(target) = self.records.due(now) {
            match self.records.get(&target).map(|kept| kept.value.forget) {
                Some(forget) if forget > now => {
                    self.records.change(&target, forget, |kept| kept.record = None);
                }
                _ => self.records.remove(&target),
            }
        }
        while let Some(key) = self.notes.due(now) {
            self.notes.remove(&key);
        }
    }

    /// When [`Store::forget_expired`] has something to do next.
    pub fn next_time(&self) -> Option<Instant> {
        [self.records.next_time(), self.notes.next_time()].into_iter().flatten().min()
    }

    /// How many items there are to be had.
    pub fn len(&self) -> usize {
        let records = self.records.iter().filter(|kept| kept.value.record.is_some()).count();
        records.saturating_add(self.notes.iter().count())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often something was refused that had the number of what is there, and was not the same. An honest owner
    /// never signs two of one number.
    pub fn conflicting(&self) -> u64 {
        self.conflicting
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
