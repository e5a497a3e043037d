//! The routing table: nodes that have answered, by how much of their ids they share with one's own.
//!
//! A node gets in by answering a request of ours and in no other way, so nobody can write into the table from outside.
//! Whoever is there stays as long as it answers: old nodes are likelier to live on than new ones (Maymounkov and
//! Mazières, 2002, section 4.1). No owner of a few addresses can have many places.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::address::Prefix;
use super::id::{Contact, NodeId, Target};

/// Nodes of a bucket, nodes that store an item, and nodes that must have answered before a search is over: k.
pub const K: usize = 20;
/// Nodes that wait for a place in a bucket.
const SPARE: usize = 8;
/// Nodes of a bucket that others named. The rest is for those who came by themselves or were to be begun with: liars name
/// their like and nobody else, so whatever is open to names becomes theirs, but among those who ask they are no more than
/// among all. Where a fifth of all lie, half a bucket for names made two thirds of a table liars; this makes it a third.
const NAMED: usize = 3;
/// Nodes of a bucket that came by themselves with which there are enough: a search begins on seven paths with one of
/// them each.
const CAME: usize = 7;
/// Nodes of one prefix in one bucket, and in all.
const OF_PREFIX_IN_BUCKET: usize = 2;
const OF_PREFIX: usize = 3;
/// Requests in a row without an answer after which a node makes room for another.
const FAILURES: u8 = 2;

/// The nodes that are known to answer.
#[derive(Debug)]
pub(super) struct Table {
    me: NodeId,
    buckets: BTreeMap<usize, Bucket>,
    /// How many nodes are in them.
    len: usize,
    /// Those of the nodes that are at global addresses, which are counted.
    counted: BTreeMap<Prefix, Vec<Contact>>,
}

#[derive(Debug, Default)]
struct Bucket {
    nodes: Vec<Entry>,
    /// Those that answered when there was no room, the latest last.
    spare: Vec<Entry>,
}

/// A node of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) contact: Contact,
    /// When it last answered.
    pub(super) answered: Instant,
    /// When it was last asked to show that it is there.
    pub(super) checked: Instant,
    pub(super) round_trip: Duration,
    /// Requests since it last answered that it did not answer.
    pub(super) failures: u8,
    /// Whether nobody had to name it: it has asked this node something, or was one to begin with.
    pub(super) came: bool,
}

impl Bucket {
    /// Whether there is no place for one that others named.
    fn is_closed_to_names(&self) -> bool {
        self.nodes.iter().filter(|it| !it.came && it.failures == 0).count() >= NAMED
    }

    /// Has someone wait for a place; of too many the one that waits longest leaves.
    fn wait(&mut self, entry: Entry) {
        self.spare.retain(|it| it.contact != entry.contact);
        self.spare.push(entry);
        if self.spare.len() > SPARE {
            self.spare.remove(0);
        }
    }

    /// Whether there is no place for anyone.
    fn is_full(&self) -> bool {
        self.nodes.len() >= K && self.nodes.iter().all(|it| it.failures == 0)
    }
}

impl Table {
    pub(super) fn new(me: NodeId) -> Self {
        Self { me, buckets: BTreeMap::new(), len: 0, counted: BTreeMap::new() }
    }

    /// Another id is one's own now: everyone takes the place that this gives.
    pub(super) fn rebase(&mut self, me: NodeId) {
        if me == self.me {
            return;
        }
        let old = std::mem::replace(self, Self::new(me)).buckets;
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for bucket in old.into_values() {
            first.extend(bucket.nodes);
            then.extend(bucket.spare);
        }
        for entry in first.into_iter().chain(then) {
            self.place(entry);
        }
    }

    /// A node has answered. Gives the one that had to make room, if one had.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        contact: Contact,
        round_trip: Duration,
        came: bool,
    ) -> Option<Entry> {
        if let Some(entry) = self.find(&contact) {
            entry.answered = now;
            entry.checked = now;
            entry.failures = 0;
            entry.round_trip = entry.round_trip.saturating_mul(3).saturating_add(round_trip) / 4;
            return None;
        }
        self.place(Entry { contact, answered: now, checked: now, round_trip, failures: 0, came })
    }

    /// A node has not answered. Gives those that have lost their places by that.
    pub(super) fn failed(&mut self, contact: &Contact) -> Vec<Entry> {
        let Some(entry) = self.failing(contact).filter(|entry| entry.failures >= FAILURES) else {
            return Vec::new();
        };
        let (at, mut gone) = (self.bucket_of(contact), vec![entry]);
        self.remove(contact);
        // Room for one that waits, the one that answered last first.
        while let Some(next) = self.buckets.get_mut(&at).and_then(|it| it.spare.pop()) {
            gone.extend(self.place(next));
            if self.contains(&next.contact) {
                break;
            }
        }
        gone
    }

    fn failing(&mut self, contact: &Contact) -> Option<Entry> {
        let bucket = self.buckets.get_mut(&self.bucket_of(contact))?;
        bucket.spare.retain(|entry| entry.contact != *contact);
        let entry = bucket.nodes.iter_mut().find(|entry| entry.contact == *contact)?;
        entry.failures = entry.failures.saturating_add(1);
        Some(*entry)
    }

    /// Takes an entry in, in its bucket or waiting for a place there. Gives the one that had to make room.
    fn place(&mut self, entry: Entry) -> Option<Entry> {
        let at = self.bucket_of(&entry.contact);
        if at >= super::id::BITS {
            return None;
        }
        if !entry.came && self.buckets.get(&at).is_some_and(Bucket::is_closed_to_names) {
            return None;
        }
        // One owner of an address speaks with one voice: another key there takes over only where the old one is silent.
        if let Some(other) = self.at_address(entry.contact.address().ip()) {
            if other.failures == 0 {
                return None;
            }
            let gone = other.contact;
            self.remove(&gone);
        }
        if !self.has_room_for(&entry.contact) {
            return None;
        }
        let bucket = self.buckets.entry(at).or_default();
        let named = bucket.nodes.iter().filter(|it| !it.came).count();
        let only_for_named = !entry.came && named >= NAMED;
        if only_for_named || bucket.nodes.len() >= K {
            let silent = bucket.nodes.iter().filter(|it| it.failures > 0 && !(only_for_named && it.came));
            let Some(worst) = silent.max_by_key(|it| it.failures).copied() else {
                if !only_for_named {
                    bucket.wait(entry);
                }
                return None;
            };
            self.remove(&worst.contact);
            self.push(at, entry);
            return Some(worst);
        }
        self.push(at, entry);
        None
    }

    fn push(&mut self, at: usize, entry: Entry) {
        let bucket = self.buckets.entry(at).or_default();
        bucket.spare.retain(|it| it.contact != entry.contact);
        bucket.nodes.push(entry);
        self.len = self.len.saturating_add(1);
        if let Some(prefix) = Prefix::counted(entry.contact.address().ip()) {
            self.counted.entry(prefix).or_default().push(entry.contact);
        }
    }

    /// Whether the prefix of an address has not had its share.
    fn has_room_for(&self, contact: &Contact) -> bool {
        let Some(prefix) = Prefix::counted(contact.address().ip()) else { return true };
        let Some(those) = self.counted.get(&prefix) else { return true };
        let at = self.bucket_of(contact);
        let in_bucket = those.iter().filter(|it| self.bucket_of(it) == at).count();
        those.len() < OF_PREFIX && in_bucket < OF_PREFIX_IN_BUCKET
    }

    /// The node at a global address, of which there is one at most.
    fn at_address(&self, address: IpAddr) -> Option<&Entry> {
        let those = self.counted.get(&Prefix::counted(address)?)?;
        self.entry(those.iter().find(|it| it.address().ip() == address)?)
    }

    /// Someone is not to be asked any more.
    pub(super) fn remove(&mut self, contact: &Contact) {
        let Some(bucket) = self.buckets.get_mut(&self.bucket_of(contact)) else { return };
        bucket.spare.retain(|entry| entry.contact != *contact);
        let Some(position) = bucket.nodes.iter().position(|entry| entry.contact == *contact) else { return };
        bucket.nodes.remove(position);
        self.len = self.len.saturating_sub(1);
        if let Some(prefix) = Prefix::counted(contact.address().ip())
            && let Some(those) = self.counted.get_mut(&prefix)
        {
            those.retain(|it| it != contact);
            if those.is_empty() {
                self.counted.remove(&prefix);
            }
        }
    }

    fn bucket_of(&self, contact: &Contact) -> usize {
        self.me.distance(&contact.id().target()).common_bits()
    }

    fn find(&mut self, contact: &Contact) -> Option<&mut Entry> {
        let at = self.bucket_of(contact);
        self.buckets.get_mut(&at)?.nodes.iter_mut().find(|entry| entry.contact == *contact)
    }

    fn entry(&self, contact: &Contact) -> Option<&Entry> {
        self.buckets.get(&self.bucket_of(contact))?.nodes.iter().find(|entry| entry.contact == *contact)
    }

    /// Whether a node is in it.
    pub(super) fn contains(&self, contact: &Contact) -> bool {
        self.entry(contact).is_some()
    }

    /// Whether someone would get a place who came by themselves.
    pub(super) fn wants(&self, contact: &Contact) -> bool {
        if self.contains(contact) || self.buckets.get(&self.bucket_of(contact)).is_some_and(Bucket::is_full) {
            return false;
        }
        let taken = self.at_address(contact.address().ip()).is_some_and(|it| it.failures == 0);
        !taken && self.has_room_for(contact)
    }

    /// Whether its bucket has few who came by themselves.
    pub(super) fn has_few_like(&self, contact: &Contact) -> bool {
        let bucket = self.buckets.get(&self.bucket_of(contact));
        bucket.is_none_or(|it| it.nodes.iter().filter(|it| it.came && it.failures == 0).count() < CAME)
    }

    /// The nodes nearest to `target`, the nearest first; those that have not answered of late come after all others.
    pub(super) fn nearest(&self, target: &Target, most: usize) -> Vec<Contact> {
        self.nearest_of(target, most, |_| true)
    }

    /// The nodes nearest to `target` of those that nobody named, the nearest first.
    pub(super) fn nearest_unnamed(&self, target: &Target, most: usize) -> Vec<Contact> {
        self.nearest_of(target, most, |it| it.came && it.failures == 0)
    }

    fn nearest_of(&self, target: &Target, most: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Contact> {
        // Where the target would stand, all are nearer to it than those who have more in common with this node; of the
        // rest, those with more.
        let at = self.me.distance(target).common_bits();
        let ring = |bits: usize| bits.min(at.saturating_add(1));
        let mut all = Vec::with_capacity(most.saturating_mul(2));
        let (mut good, mut last) = (0_usize, None);
        for (bits, bucket) in self.buckets.range(at..).chain(self.buckets.range(..at).rev()) {
            if good >= most && last != Some(ring(*bits)) {
                break;
            }
            last = Some(ring(*bits));
            for entry in bucket.nodes.iter().filter(|it| wanted(it)) {
                good = good.saturating_add(usize::from(entry.failures == 0));
                all.push((entry.failures > 0, entry.contact.distance(target), &entry.contact));
            }
        }
        all.sort_unstable();
        all.into_iter().map(|(_, _, contact)| *contact).take(most).collect()
    }

    /// Everyone in it.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.values().flat_map(|bucket| &bucket.nodes)
    }

    /// Those who have answered everything of late.
    pub(super) fn good(&self) -> impl Iterator<Item = &Entry> {
        self.entries().filter(|it| it.failures == 0)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The node that has been silent for longest, if for longer than `since`; it is taken to be asked now.
    pub(super) fn take_stale(&mut self, now: Instant, older_than: Duration) -> Option<Contact> {
        let nodes = self.buckets.values_mut().flat_map(|bucket| &mut bucket.nodes);
        let stalest = nodes.min_by_key(|entry| entry.answered.max(entry.checked))?;
        let since = stalest.answered.max(stalest.checked);
        if now.saturating_duration_since(since) < older_than {
            return None;
        }
        stalest.checked = now;
        Some(stalest.contact)
    }

    /// The network may have changed, or time has passed unseen: nobody counts as heard of.
    pub(super) fn doubt_all(&mut self) {
        for entry in self.buckets.values_mut().flat_map(|bucket| &mut bucket.nodes) {
            entry.failures = entry.failures.max(1);
        }
    }
}
