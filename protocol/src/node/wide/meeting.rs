//! The notes of codes: left in the table by whoever made one, looked for by whoever typed it.
//!
//! A note takes work, so that a flood of false ones costs more than it hides. The work is done in slices between other
//! things. Codes of fewer words than [`WIDE_WORDS`] are for the local network only: here everyone can guess.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calling::may_call;
use super::{For, Stored, Wide};
use crate::dht::{Contact, Hour, Item, LookupId, MeetAt, Meeting, Note, Search, WANTED_WORK, publishable};
use crate::identity::{Identity, PeerId};
use crate::node::Node;
use crate::pairing::{Card, Found, Place};

/// Tries of one slice of work, and the time between two slices.
const SLICE: u32 = 4096;
const BETWEEN: Duration = Duration::from_millis(1);
/// Between two times that a note is left.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// The same when nobody took it.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks for the notes of a code.
const LOOK: Duration = Duration::from_millis(2500);
/// Makers that are called for one code before any is called again; whoever was called longest ago makes room.
const MAX_CALLED: usize = 32;

/// Notes that are left and looked for.
#[derive(Default)]
pub(super) struct Notes {
    left: BTreeMap<PeerId, Left>,
    wanted: BTreeMap<Place, Wanted>,
}

/// A note that is left.
struct Left {
    place: Place,
    key: Arc<Identity>,
    /// The work that was found, by hour.
    work: BTreeMap<Hour, u32>,
    search: Option<(Hour, Search)>,
    sequence: u64,
    at: Instant,
}

struct Wanted {
    at: Option<Instant>,
    pending: usize,
    lookups: Vec<LookupId>,
    hours: Vec<Hour>,
    /// Who was called when, and the number of the note that said by whom.
    called: BTreeMap<PeerId, (Instant, u64)>,
}

impl Notes {
    /// A code was made.
    pub(in crate::node) fn leave(&mut self, now: Instant, place: Place, key: &Arc<Identity>) {
        let left =
            Left { place, key: Arc::clone(key), work: BTreeMap::new(), search: None, sequence: 0, at: now };
        self.left.insert(key.peer_id(), left);
    }

    /// It is good no more. The notes run out.
    pub(in crate::node) fn withdraw(&mut self, key: PeerId) {
        self.left.remove(&key);
    }

    /// The keys of those that are good.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<Identity>> {
        self.left.values().map(|it| &it.key)
    }

    /// A code was typed.
    pub(in crate::node) fn look_for(&mut self, now: Instant, place: Place) {
        self.wanted.entry(place).or_insert_with(|| Wanted::new(now));
    }

    /// One of the searches for a place is over.
    pub(super) fn looked(&mut self, now: Instant, place: Place) {
        if let Some(wanted) = self.wanted.get_mut(&place) {
            wanted.pending = wanted.pending.saturating_sub(1);
            if wanted.pending == 0 {
                wanted.at = now.checked_add(LOOK);
            }
        }
    }

    pub(super) fn stored(&mut self, now: Instant, copies: usize) {
        if copies == 0 {
            for left in self.left.values_mut() {
                left.at = left.at.min(now.checked_add(AGAIN).unwrap_or(now));
            }
        }
    }

    /// This node is reached elsewhere, or others can be found at last.
    pub(super) fn soon(&mut self, now: Instant) {
        for left in self.left.values_mut() {
            left.at = now;
        }
        for wanted in self.wanted.values_mut() {
            wanted.at = wanted.at.map(|_| now);
        }
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        let left = self.left.values().map(|it| it.at);
        left.chain(self.wanted.values().filter_map(|it| it.at)).min()
    }
}

impl Node {
    /// A code that was made is to be found everywhere.
    pub(in crate::node) fn leave_note(&mut self, now: Instant, place: Place, key: &Arc<Identity>) {
        if let Some(wide) = &mut self.wide {
            wide.notes.leave(now, place, key);
            wide.set_introduced(now);
        }
    }

    /// It is not any more.
    pub(in crate::node) fn withdraw_note(&mut self, now: Instant, key: PeerId) {
        if let Some(wide) = &mut self.wide {
            wide.notes.withdraw(key);
            wide.set_introduced(now);
        }
    }

    /// A code that was typed is looked for everywhere.
    pub(in crate::node) fn look_for_notes(&mut self, now: Instant, place: Place) {
        if let Some(wide) = &mut self.wide {
            wide.notes.look_for(now, place);
        }
    }

    /// Nobody looks for it any more.
    pub(in crate::node) fn stop_looking_for_notes(&mut self, place: Place) {
        let Some(wide) = &mut self.wide else { return };
        for lookup in wide.notes.wanted.remove(&place).map(|it| it.lookups).unwrap_or_default() {
            wide.purposes.remove(&lookup);
            wide.dht.stop(lookup);
        }
    }

    pub(super) fn run_notes(&mut self, now: Instant, wide: &mut Wide) {
        let keys: Vec<PeerId> =
            wide.notes.left.iter().filter(|(_, it)| it.at <= now).map(|(key, _)| *key).collect();
        for key in keys {
            self.run_note(now, wide, key);
        }
        let due = |it: &Wanted| it.at.is_some_and(|at| at <= now);
        let places: Vec<Place> =
            wide.notes.wanted.iter().filter(|(_, it)| due(it)).map(|(place, _)| *place).collect();
        for place in places {
            self.look_at(now, wide, place);
        }
    }

    /// Goes on with the work of a note, or leaves it when that is done.
    fn run_note(&mut self, now: Instant, wide: &mut Wide, key: PeerId) {
        let unix_time = self.unix_time(now);
        let hours = [Hour::of(unix_time), Hour::nearer_neighbour(unix_time)];
        let at = meet_at(wide);
        let Some(left) = wide.notes.left.get_mut(&key) else { return };
        if at.addresses().is_empty() {
            // There is nowhere to be met; it is tried again when there is.
            left.at = now.checked_add(EVERY).unwrap_or(now);
            return;
        }
        left.work.retain(|hour, _| hours.contains(hour));
        if let Some(hour) = hours.into_iter().find(|hour| !left.work.contains_key(hour)) {
            let (network, place) = (wide.network, left.place);
            let begin = || Meeting::new(place.0, hour, &network).search(&key, WANTED_WORK);
            let (_, mut search) =
                left.search.take().filter(|(it, _)| *it == hour).unwrap_or_else(|| (hour, begin()));
            match search.advance(SLICE) {
                Some(work) => {
                    left.work.insert(hour, work);
                }
                None => left.search = Some((hour, search)),
            }
            left.at = now.checked_add(BETWEEN).unwrap_or(now);
            return;
        }
        left.at = now.checked_add(EVERY).unwrap_or(now);
        left.sequence = unix_time.max(left.sequence.saturating_add(1));
        for (hour, work) in left.work.clone() {
            let meeting = Meeting::new(left.place.0, hour, &wide.network);
            let note = meeting.seal(&left.key, work, left.sequence, &at, &mut wide.random);
            if let Ok(note) = note
                && let Some(store) = wide.dht.store(now, Item::Note(note))
            {
                wide.stores.insert(store, Stored::Note);
            }
        }
    }

    /// Looks for the notes of this hour and of those beside it.
    fn look_at(&mut self, now: Instant, wide: &mut Wide, place: Place) {
        let hour = Hour::of(self.unix_time(now));
        let hours = [hour, hour.previous(), hour.next()];
        let mut lookups = Vec::new();
        for hour in hours {
            let target = Meeting::new(place.0, hour, &wide.network).target();
            if let Some(lookup) = wide.dht.find(now, target) {
                wide.purposes.insert(lookup, For::Code(place));
                lookups.push(lookup);
            }
        }
        if let Some(wanted) = wide.notes.wanted.get_mut(&place) {
            wanted.at = lookups.is_empty().then(|| now.checked_add(LOOK)).flatten();
            wanted.pending = lookups.len();
            wanted.lookups = lookups;
            wanted.hours = hours.to_vec();
        }
    }

    /// A note lies at a place where somebody looks.
    pub(super) fn note_found(&mut self, now: Instant, wide: &mut Wide, place: Place, note: &Note) {
        let Ok(at) = Meeting::new(place.0, note.hour(), &wide.network).open(note) else { return };
        if wide.notes.left.contains_key(&note.key()) {
            return;
        }
        let card = Card { key: note.key() };
        match at {
            MeetAt::Addresses(mut addresses) => {
                addresses.retain(|address: &SocketAddr| publishable(*address, wide.only_loopback));
                if !addresses.is_empty() {
                    self.card_found(now, &Found { place, card, addresses });
                }
            }
            MeetAt::Through { key, by } => {
                let Some(wanted) = wide.notes.wanted.get_mut(&place) else { return };
                if wanted.may_call(now, card.key, note.sequence()) {
                    wide.call_maker(now, place, card, key, &by);
                }
            }
        }
    }
}

impl Wanted {
    fn new(now: Instant) -> Self {
        Self { at: Some(now), pending: 0, lookups: Vec::new(), hours: Vec::new(), called: BTreeMap::new() }
    }

    /// Whether a maker is to be called now, as this note of theirs says: not by an older one than before.
    fn may_call(&mut self, now: Instant, maker: PeerId, sequence: u64) -> bool {
        let may = match self.called.get(&maker) {
            Some((last, number)) => sequence >= *number && may_call(now, Some(*last)),
            None => self.make_room(now),
        };
        if may {
            self.called.insert(maker, (now, sequence));
        }
        may
    }

    /// Whether there is room for one more who is called.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.called.len() < MAX_CALLED {
            return true;
        }
        let longest = self.called.iter().min_by_key(|(_, (last, _))| *last);
        let Some((maker, (last, _))) = longest.map(|(maker, called)| (*maker, *called)) else { return true };
        let rested = may_call(now, Some(last));
        if rested {
            self.called.remove(&maker);
        }
        rested
    }
}

/// Where this node can be met: behind a NAT through those who introduce it, those of IPv4 first, which every caller has;
/// else at its addresses.
fn meet_at(wide: &Wide) -> MeetAt {
    let mut by: Vec<SocketAddr> = wide.dht.introducers().iter().map(Contact::address).collect();
    by.sort_by_key(SocketAddr::is_ipv6);
    if by.is_empty() {
        let mut at = wide.dht.reachable();
        at.retain(|address| publishable(*address, wide.only_loopback));
        return MeetAt::Addresses(at);
    }
    MeetAt::Through { key: wide.dht.key(), by }
}
