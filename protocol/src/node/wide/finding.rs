//! Peers that are looked for in the table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::calling::may_call;
use super::{For, Wide};
use crate::dht::{BlindedId, Content, LookupId, Period, Record, RecordKind, publishable};
use crate::identity::PeerId;
use crate::node::Node;

/// How long known addresses and the local network have before the table is asked.
const NEARER_FIRST: Duration = Duration::from_millis(700);
/// How long until a search that found nothing is made again, while the peer is still wanted.
const AGAIN: Duration = Duration::from_secs(3);
/// Between two searches for those whom something waits for, once they were not found.
const REVISIT: Duration = Duration::from_secs(10 * 60);

/// Who is looked for.
#[derive(Debug, Default)]
pub(super) struct Finding {
    peers: BTreeMap<PeerId, Sought>,
    revisit_at: Option<Instant>,
}

#[derive(Debug)]
struct Sought {
    /// When to search next; `None` while a search is under way.
    at: Option<Instant>,
    lookup: Option<LookupId>,
    /// The newest record that was read.
    newest: u64,
    /// Whether the table has been searched without success.
    missed: bool,
    /// When it was last called through others.
    called: Option<Instant>,
}

impl Finding {
    /// A peer is wanted.
    fn want(&mut self, at: Instant, peer: PeerId) {
        self.peers.entry(peer).or_insert(Sought {
            at: Some(at),
            lookup: None,
            newest: 0,
            missed: false,
            called: None,
        });
    }

    /// A search is over.
    pub(super) fn over(&mut self, now: Instant, peer: PeerId, lookup: LookupId, found: bool) {
        if let Some(sought) = self.peers.get_mut(&peer).filter(|it| it.lookup == Some(lookup)) {
            sought.lookup = None;
            sought.missed |= !found;
            sought.at = now.checked_add(AGAIN);
        }
    }

    /// Others can be found now.
    pub(super) fn soon(&mut self, now: Instant) {
        for sought in self.peers.values_mut() {
            sought.at = sought.at.map(|_| now);
        }
    }

    /// Whom Mainline is to be asked for as well.
    pub(super) fn missed(&self) -> impl Iterator<Item = PeerId> {
        self.peers.iter().filter(|(_, it)| it.missed).map(|(peer, _)| *peer)
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        self.peers.values().filter_map(|it| it.at).chain(self.revisit_at).min()
    }
}

impl Node {
    /// Looks for a peer beyond the local network too, soon.
    pub(in crate::node) fn look_wide(&mut self, now: Instant, peer: PeerId) {
        let known = !self.dialler.addresses(peer).is_empty();
        if let Some(wide) = &mut self.wide {
            let at = if known { now.checked_add(NEARER_FIRST).unwrap_or(now) } else { now };
            wide.finding.want(at, peer);
        }
    }

    pub(super) fn run_finding(&mut self, now: Instant, wide: &mut Wide) {
        let gone: Vec<PeerId> =
            wide.finding.peers.keys().copied().filter(|peer| !self.dialler.is_wanted(*peer)).collect();
        for peer in gone {
            if let Some(lookup) = wide.finding.peers.remove(&peer).and_then(|it| it.lookup) {
                wide.purposes.remove(&lookup);
                wide.dht.stop(lookup);
            }
        }
        let unix_time = self.unix_time(now);
        let due = |it: &Sought| it.at.is_some_and(|at| at <= now);
        let due: Vec<PeerId> =
            wide.finding.peers.iter().filter(|(_, it)| due(it)).map(|(peer, _)| *peer).collect();
        for peer in due {
            let id = BlindedId::new(&peer, RecordKind::Addresses, Period::of(unix_time), &wide.network);
            let lookup = wide.dht.find(now, id.target());
            if let Some(lookup) = lookup {
                wide.purposes.insert(lookup, For::Peer(peer));
            }
            if let Some(sought) = wide.finding.peers.get_mut(&peer) {
                sought.lookup = lookup;
                sought.at = if lookup.is_some() { None } else { now.checked_add(AGAIN) };
            }
        }
        self.run_revisits(now, wide);
    }

    /// Those whom messages wait for are looked for now and then, wherever they have come up.
    fn run_revisits(&mut self, now: Instant, wide: &mut Wide) {
        let at = *wide.finding.revisit_at.get_or_insert_with(|| now.checked_add(REVISIT).unwrap_or(now));
        if at > now {
            return;
        }
        wide.finding.revisit_at = now.checked_add(REVISIT);
        let waiting: Vec<PeerId> = self.chat.awaited().collect();
        for peer in waiting {
            if self.links.to(peer).is_none() && !self.dialler.is_wanted(peer) {
                wide.finding.want(now, peer);
                self.dialler.want(now, peer);
            }
        }
    }

    /// A record of a peer was found.
    pub(super) fn record_found(&mut self, now: Instant, wide: &mut Wide, peer: PeerId, record: &Record) {
        let id = BlindedId::new(&peer, record.kind(), record.period(), &wide.network);
        let Ok(Content::Addresses { at, introduced }) = id.open(record) else { return };
        if let Some(sought) = wide.finding.peers.get_mut(&peer) {
            if record.sequence() < sought.newest {
                return;
            }
            let known = record.sequence() == sought.newest;
            sought.newest = record.sequence();
            // Also where there is a newer record: whoever signs them may make many.
            if let Some(introduced) = introduced
                && may_call(now, sought.called)
            {
                sought.called = Some(now);
                wide.call(now, peer, &introduced);
            }
            if known {
                return;
            }
        }
        let only_loopback = wide.only_loopback;
        let at: Vec<SocketAddr> =
            at.into_iter().filter(|address| publishable(*address, only_loopback)).collect();
        // The first named is tried first.
        for address in at.into_iter().rev() {
            self.dialler.learn(now, peer, address);
        }
    }
}
