//! The local network as a rendezvous: the cards of codes, as service instances of their own.
//!
//! Each card goes by random names that no other card and no other announcement of the node has, so that it links to
//! nothing else. Where they lie is no secret from anyone on the network; what a card says names nobody.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::entropy::Stream;
use crate::identity::PeerId;
use crate::pairing::{Card, Found, Meet, Place};
use crate::{Announcement, Sighting};

/// Cards of others kept in mind; the oldest makes room.
const MAX_SEEN: usize = 256;
/// Addresses of one that are looked at.
const MAX_ADDRESSES: usize = 8;

/// Cards on the local network, one's own and others'.
pub(crate) struct Cards {
    random: Stream,
    own: BTreeMap<(Place, Card), Announcement>,
    changed: bool,
    /// How many look for each place.
    wanted: BTreeMap<Place, u32>,
    /// By their instances' names.
    seen: BTreeMap<String, Seen>,
    sightings: u64,
}

struct Seen {
    found: Found,
    /// When it was last seen, among all.
    order: u64,
}

impl Cards {
    pub(crate) fn new(random: Stream) -> Self {
        Self {
            random,
            own: BTreeMap::new(),
            changed: false,
            wanted: BTreeMap::new(),
            seen: BTreeMap::new(),
            sightings: 0,
        }
    }

    /// What a pairing machine wants. Gives what is known already.
    pub(crate) fn meet(&mut self, meet: Meet) -> Vec<Found> {
        match meet {
            Meet::Publish(place, card) => {
                let announcement = self.announcement(place, card);
                self.own.insert((place, card), announcement);
                self.changed = true;
            }
            Meet::Withdraw(place, card) => self.changed |= self.own.remove(&(place, card)).is_some(),
            Meet::LookFor(place) => {
                let count = self.wanted.entry(place).or_default();
                *count = count.saturating_add(1);
                let mut there: Vec<_> = self.seen.values().filter(|it| it.found.place == place).collect();
                there.sort_by_key(|it| it.order);
                return there.into_iter().map(|it| it.found.clone()).collect();
            }
            Meet::Stop(place) => {
                if let Some(count) = self.wanted.get_mut(&place) {
                    *count = count.saturating_sub(1);
                    self.wanted.retain(|_, count| *count > 0);
                }
            }
        }
        Vec::new()
    }

    /// The node has other addresses: its cards go by other names there.
    pub(crate) fn rename(&mut self) {
        let own: Vec<_> = self.own.keys().copied().collect();
        for (place, card) in own {
            let announcement = self.announcement(place, card);
            self.own.insert((place, card), announcement);
            self.changed = true;
        }
    }

    /// Whether other cards are to be announced than before. Asked once.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What is to be announced.
    pub(crate) fn announcements(&self) -> impl Iterator<Item = Announcement> {
        self.own.values().cloned()
    }

    /// Whether an instance is a card, or says so.
    pub(crate) fn is_card(sighting: &Sighting) -> bool {
        sighting.text.iter().any(|(key, _)| key == "c")
    }

    /// An instance was seen. Gives it if it is a card that is looked for.
    pub(crate) fn sighted(&mut self, sighting: &Sighting) -> Option<Found> {
        let value = |key: &str| sighting.text.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let place = Place(unhex(value("c")?)?);
        let key = PeerId::from_bytes(&unhex::<32>(value("k")?)?).ok()?;
        let card = Card { key };
        if self.own.keys().any(|(_, own)| *own == card) {
            return None;
        }
        let addresses: Vec<SocketAddr> = sighting.addresses.iter().take(MAX_ADDRESSES).copied().collect();
        let found = Found { place, card, addresses };
        self.sightings = self.sightings.saturating_add(1);
        if self.seen.len() >= MAX_SEEN && !self.seen.contains_key(&sighting.instance) {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.order).map(|(name, _)| name.clone());
            self.seen.remove(&oldest?);
        }
        let seen = Seen { found: found.clone(), order: self.sightings };
        self.seen.insert(sighting.instance.clone(), seen);
        self.wanted.contains_key(&place).then_some(found)
    }

    /// An instance is gone.
    pub(crate) fn vanished(&mut self, instance: &str) {
        self.seen.remove(instance);
    }

    fn announcement(&mut self, place: Place, card: Card) -> Announcement {
        let text = [("v", "1".into()), ("c", hex(&place.0)), ("k", hex(card.key.as_bytes()))];
        Announcement {
            instance: hex(&self.random.bytes::<8>()),
            host: format!("h{}", hex(&self.random.bytes::<8>())),
            text: text.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let [high, low] = *pair;
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}
