//! The people whose nodes they are: they publish where they are, and look for each other.

use std::time::Duration;

use hither_protocol::dht::{
    BlindedId, BlindedIdentity, Content, Introduced, Item, LookupId, Period, RecordKind, StoreId, Target,
};
use hither_protocol::entropy::{Entropy, Seed, Stream};
use hither_protocol::identity::Identity;
use hither_protocol::noise::quic::NetworkId;

use super::{Outcome, PeerIndex, Swarm};
use crate::random::Random;

/// Whose node it is.
pub(super) struct Owner {
    pub(super) identity: Identity,
    pub(super) random: Stream,
}

impl Swarm {
    pub(super) fn owner(&mut self, index: PeerIndex) -> &mut Owner {
        let seed = self.seed;
        self.peers[index.0].owner.get_or_insert_with(|| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&Random::named(seed, &[0x0a, index.0 as u64]).bytes(32));
            let mut entropy = Entropy::new(Seed::new(bytes));
            let identity = Identity::generate(&mut entropy.stream("identity"));
            Owner { identity, random: entropy.stream("records") }
        })
    }

    /// Publishes where a node is, under the names of this day and of the one that is nearer of those beside it.
    pub fn publish(&mut self, index: PeerIndex) -> Vec<StoreId> {
        let (unix_time, address) = (self.unix_time(), self.address(index));
        let (key, by) = (self.dht(index).key(), self.dht(index).introducers());
        let owner = self.owner(index);
        let content = match by.is_empty() {
            true => Content::addresses(&[address], None),
            false => Content::addresses(&[], Some(Introduced { key, by })),
        };
        let periods = [Period::of(unix_time), Period::nearer_neighbour(unix_time)];
        let records: Vec<Item> = periods
            .into_iter()
            .map(|period| {
                let identity = BlindedIdentity::new(
                    &owner.identity,
                    RecordKind::Addresses,
                    period,
                    &NetworkId::default(),
                );
                let good_for = Duration::from_secs(3600);
                let record = identity.sign(unix_time, good_for, &content, &mut owner.random);
                Item::Record(record.expect("an address can be published"))
            })
            .collect();
        records.into_iter().map(|record| self.store(index, record)).collect()
    }

    /// Has everyone publish where they are, over a time.
    pub fn publish_all(&mut self, over: Duration) {
        let up = self.up();
        let each = over / u32::try_from(up.len().max(1)).expect("not so many");
        for index in up {
            self.publish(index);
            self.run_for(each);
        }
    }

    /// Begins to look for the owner of a node.
    pub fn look_for(&mut self, index: PeerIndex, whom: PeerIndex) -> LookupId {
        let id = self.blinded(whom);
        self.find(index, id.target())
    }

    /// Where the record of the owner of a node lies today.
    pub fn target_of(&mut self, whom: PeerIndex) -> Target {
        self.blinded(whom).target()
    }

    pub(super) fn blinded(&mut self, whom: PeerIndex) -> BlindedId {
        let period = Period::of(self.unix_time());
        let peer = self.owner(whom).identity.peer_id();
        BlindedId::new(&peer, RecordKind::Addresses, period, &NetworkId::default())
    }

    /// What came of it; `None` in the outcome where the owner was not found at this address.
    pub fn looked(&mut self, index: PeerIndex, lookup: LookupId, whom: PeerIndex) -> Option<Outcome> {
        let (mut outcome, items) = self.outcome(index, lookup)?;
        let (unix_time, address) = (self.unix_time(), self.address(whom));
        let peer = self.owner(whom).identity.peer_id();
        let found = items.iter().any(|item| {
            let Item::Record(record) = item else { return false };
            // The day may have changed since the search began.
            let id = BlindedId::new(&peer, RecordKind::Addresses, record.period(), &NetworkId::default());
            assert!(record.period().0.abs_diff(Period::of(unix_time).0) <= 1, "a record of another day");
            matches!(id.open(record), Ok(Content::Addresses { at, .. }) if at.contains(&address))
        });
        if !found {
            outcome.found_in = None;
        }
        Some(outcome)
    }
}
