//! The records under which this node is found.

use std::time::{Duration, Instant};

use super::{Stored, Wide};
use crate::dht::{BlindedIdentity, Content, Introduced, Item, Period, RecordKind, publishable};
use crate::node::Node;

/// How long records of addresses are good.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);
/// Between two times that they are published.
const EVERY: Duration = Duration::from_secs(20 * 60);
/// The same when nobody took them.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a change may settle before it is published: several of them often come together.
const SETTLE: Duration = Duration::from_millis(500);

/// When what is published.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    at: Option<Instant>,
    sequence: u64,
    /// Copies of the records that were published last.
    copies: usize,
}

impl Publishing {
    /// Something has changed.
    pub(super) fn soon(&mut self, now: Instant) {
        self.at = now.checked_add(SETTLE);
    }

    pub(super) fn stored(&mut self, now: Instant, copies: usize) {
        self.copies = self.copies.max(copies);
        if copies == 0 {
            let again = now.checked_add(AGAIN);
            self.at = self.at.min(again).or(again);
        }
    }

    pub(super) fn copies(&self) -> usize {
        self.copies
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        self.at
    }
}

impl Node {
    pub(super) fn run_publishing(&mut self, now: Instant, wide: &mut Wide) {
        if wide.publishing.at.is_none_or(|at| at > now) {
            return;
        }
        wide.publishing.at = None;
        let mut at = wide.dht.reachable();
        at.retain(|address| publishable(*address, wide.only_loopback));
        let introduced = Introduced { key: wide.dht.key(), by: wide.dht.introducers() };
        let introduced = Some(introduced).filter(|it| !it.by.is_empty());
        if (at.is_empty() && introduced.is_none()) || !wide.config.publish {
            return;
        }
        wide.publishing.at = now.checked_add(EVERY);
        wide.publishing.copies = 0;
        let unix_time = self.unix_time(now);
        // Never the same twice, whatever the clock does.
        let sequence = unix_time.max(wide.publishing.sequence.saturating_add(1));
        wide.publishing.sequence = sequence;
        let content = Content::addresses(&at, introduced);
        for period in [Period::of(unix_time), Period::nearer_neighbour(unix_time)] {
            let identity = BlindedIdentity::new(&wide.me, RecordKind::Addresses, period, &wide.network);
            let Ok(record) = identity.sign(sequence, GOOD_FOR, &content, &mut wide.random) else { continue };
            wide.world.publish(&identity, &record);
            if let Some(store) = wide.dht.store(now, Item::Record(record)) {
                wide.stores.insert(store, Stored::Record);
            }
        }
    }
}
