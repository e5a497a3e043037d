//! Who else has or fetches it: introduced to each other, asked, lost and looked for again, or dropped and named.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use super::consent::{Fetch, RETRY, State};
use super::{Node, Stage};
use crate::identity::PeerId;
use crate::link::{LinkKey, road};
use crate::transfer::{TransferId, is_dialable};
use crate::wire::{Have, Leaving, MAX_OTHER_ADDRESSES, MAX_OTHERS, Other, Run, What};
use crate::{DropReason, Event, LinkLoss, Road, TransferFailure, Unreachable};

/// Those whom one fetch knows to have or fetch the same.
const MAX_SOURCES: usize = 64;
/// Those of whom one asker is told.
const MAX_TOLD: usize = 64;

impl Fetch {
    /// Whether someone was asked what they have, over a link that is there.
    fn was_asked(&self, peer: PeerId) -> bool {
        self.sources.get(&peer).is_some_and(Option::is_some)
    }

    /// Whether someone who fetches the same may be asked too; from now on it is known.
    pub(super) fn meets(&mut self, peer: PeerId) -> bool {
        let known = self.sources.contains_key(&peer);
        if self.dropped.contains_key(&peer) || (!known && self.sources.len() >= MAX_SOURCES) {
            return false;
        }
        self.sources.entry(peer).or_insert(None);
        self.moving().is_some()
    }
}

impl Node {
    /// Asks those who are linked, and looks for the others.
    pub(super) fn look_around(&mut self, now: Instant, id: TransferId) {
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        fetch.retry = now.checked_add(RETRY).unwrap_or(now);
        let (sources, retry) = (fetch.sources.keys().copied().collect::<Vec<_>>(), fetch.retry);
        self.wake_sharing(Some(retry));
        for peer in sources {
            if self.links.to(peer).is_some() {
                self.seek_from(now, id, peer);
            } else if !self.dialler.is_wanted(peer) && !self.contacts.is_blocked(peer) {
                self.seek(now, peer);
            }
        }
    }

    /// Asks a linked peer what it has, once a link.
    pub(super) fn seek_from(&mut self, now: Instant, id: TransferId, peer: PeerId) {
        let Some(link) = self.links.to(peer) else { return };
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        let outline = matches!(fetch.state, State::Seeking) && fetch.may_outline(peer);
        let root = fetch.ticket.root;
        let moving = matches!(fetch.state, State::Moving(_));
        let Some(asked) = fetch.sources.get_mut(&peer).filter(|asked| asked.is_none() && (outline || moving))
        else {
            return;
        };
        *asked = Some(link);
        if moving {
            self.links.widen(link, self.shares.window());
        }
        self.say_of(now, link, root, What::Seek { outline });
    }

    /// Tells a new asker of the others, and them of it. Local addresses are told to those on local addresses only.
    pub(super) fn introduce(&mut self, now: Instant, id: TransferId, newcomer: PeerId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let mut known: BTreeSet<PeerId> = share.askers.keys().copied().collect();
        if let Some(fetch) = share.fetch() {
            known.extend(fetch.moving().map(|moving| moving.peers()).unwrap_or_default());
        }
        known.remove(&newcomer);
        let place = |node: &Self, peer| node.links.to(peer).and_then(|link| node.links.address(link));
        let Some(theirs) = place(self, newcomer) else { return };
        let mut others = Vec::new();
        for other in known {
            let Some(address) = place(self, other) else { continue };
            if may_tell(address, theirs) && others.len() < MAX_OTHERS {
                others.push(Other { peer: other, addresses: vec![address] });
            }
            if may_tell(theirs, address) {
                self.tell_of(now, id, other, vec![Other { peer: newcomer, addresses: vec![theirs] }]);
            }
        }
        self.tell_of(now, id, newcomer, others);
    }

    fn tell_of(&mut self, now: Instant, id: TransferId, to: PeerId, others: Vec<Other>) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let (Some(root), Some(asker)) = (share.root, share.askers.get_mut(&to)) else { return };
        if others.is_empty() || asker.told >= MAX_TOLD {
            return;
        }
        asker.told = asker.told.saturating_add(others.len());
        let link = asker.link;
        self.say_of(now, link, root, What::Others(others));
    }

    /// A source names others. They are hints: who is there proves itself, and what they send is checked.
    pub(super) fn others_heard(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        id: TransferId,
        others: Vec<Other>,
    ) {
        let me = self.peer_id();
        let Some(near) = self.links.address(link) else { return };
        for Other { peer: other, addresses } in others {
            let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else {
                return;
            };
            if !fetch.sources.contains_key(&peer) || fetch.dropped.contains_key(&peer) {
                return;
            }
            if other == me || self.contacts.is_blocked(other) {
                continue;
            }
            let known = fetch.sources.contains_key(&other);
            let moving = fetch.meets(other);
            if known || !fetch.sources.contains_key(&other) {
                continue;
            }
            // Nobody elsewhere sends this machine to look around on its own network.
            let addresses =
                addresses.into_iter().filter(|address| is_dialable(*address) && may_tell(*address, near));
            for address in addresses.take(MAX_OTHER_ADDRESSES) {
                self.dialler.learn(now, other, address);
            }
            // Before there is consent nobody is dialled for it but those who were named.
            match self.links.to(other) {
                _ if !moving => {}
                Some(_) => self.seek_from(now, id, other),
                None => self.seek(now, other),
            }
        }
    }

    /// A source says what it has.
    pub(super) fn have_heard(&mut self, now: Instant, peer: PeerId, id: TransferId, have: Have) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(count) = share.content.as_ref().map(|content| content.pieces.count()) else { return };
        let Some(fetch) = share.fetch() else { return };
        if !fetch.was_asked(peer) || fetch.dropped.contains_key(&peer) {
            return;
        }
        let Some(moving) = fetch.moving() else { return };
        moving.dirty = true;
        if !moving.schedule.join(now, peer) {
            return;
        }
        match have {
            Have::All => moving.schedule.has_all(peer),
            Have::Pieces(pieces) => pieces.into_iter().for_each(|piece| moving.schedule.has(peer, piece)),
            Have::Bits(first, bytes) => {
                let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (1 << bit) != 0));
                for (piece, set) in (first..count).zip(bits) {
                    if set {
                        moving.schedule.has(peer, piece);
                    }
                }
            }
        }
    }

    /// A source does not have what it was asked for.
    pub(super) fn lack_heard(&mut self, now: Instant, peer: PeerId, id: TransferId, runs: &[Run]) {
        for piece in runs.iter().flat_map(|run| run.pieces()) {
            let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch());
            let Some(moving) = fetch.and_then(Fetch::moving) else { return };
            moving.dirty = true;
            if moving.schedule.refused(now, peer, piece).is_err() {
                return self.drop_source(now, id, peer, DropReason::Misleading);
            }
        }
    }

    /// Files of a source are not any more what they were: nothing of them is asked of it.
    pub(super) fn changed_heard(&mut self, now: Instant, peer: PeerId, id: TransferId, runs: &[Run]) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let (Some(content), Stage::Fetching(fetch)) = (&share.content, &mut share.stage) else { return };
        if !fetch.was_asked(peer) || fetch.dropped.contains_key(&peer) {
            return;
        }
        let Some(moving) = fetch.moving() else { return };
        moving.dirty = true;
        let mut paths = Vec::new();
        let files = runs.iter().filter_map(|run| content.pieces.place(run.first));
        let files: BTreeSet<u32> = files.map(|place| place.file).collect();
        for file in files {
            let Some(range) = content.pieces.of_file(file) else { continue };
            moving.schedule.retracted(now, peer, range);
            paths.extend(content.manifest.entry(file).map(|entry| entry.path.clone()));
        }
        let empty = !moving.schedule.has_any(peer);
        fetch.changed |= !paths.is_empty();
        for path in paths {
            self.event(Event::SourceChanged { transfer: id, peer, path });
        }
        // Who has nothing of it is not waited for.
        if empty && let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) {
            fetch.sources.remove(&peer);
            if let Some(moving) = fetch.moving() {
                moving.schedule.leave(peer);
            }
            self.end_if_nobody_is_left(now, id, None);
        }
    }

    /// A peer is no part of it any more.
    pub(super) fn leave_heard(&mut self, now: Instant, peer: PeerId, id: TransferId, why: Leaving) {
        if matches!(why, Leaving::Done | Leaving::Stopped) {
            self.asker_left(id, peer, why == Leaving::Done);
        }
        if why == Leaving::Done {
            return;
        }
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        if let Some(asked) = fetch.sources.get_mut(&peer) {
            *asked = None;
        }
        if let Some(moving) = fetch.moving() {
            moving.schedule.leave(peer);
            moving.dirty = true;
        }
        // Who is busy is asked again; who does not have it is not.
        if why != Leaving::Busy {
            fetch.sources.remove(&peer);
            self.end_if_nobody_is_left(now, id, None);
        }
    }

    /// A link is up: who may have what is fetched is asked.
    pub(in crate::node) fn sharing_linked(&mut self, now: Instant, peer: PeerId) {
        for id in self.sharing.ids() {
            self.seek_from(now, id, peer);
        }
    }

    /// A link is lost, and with it who asked over it. Another link to the peer takes over what it was asked.
    pub(in crate::node) fn sharing_lost(&mut self, now: Instant, link: LinkKey, peer: PeerId) {
        let inflows = self.inflows.iter().filter(|((owner, _), _)| *owner == link);
        let carried: BTreeSet<TransferId> = inflows.filter_map(|(_, inflow)| inflow.pieces_of()).collect();
        for id in self.sharing.ids() {
            let Some(share) = self.sharing.shares.get_mut(&id) else { continue };
            match share.askers.get_mut(&peer) {
                Some(asker) if asker.link == link => self.asker_left(id, peer, false),
                Some(asker) => asker.lose_road(link),
                None => {}
            }
            self.outline_ended(now, id, peer, false);
            let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else {
                continue;
            };
            let Some(asked) = fetch.sources.get_mut(&peer) else { continue };
            // What goes on over another link is left alone; what was under way on this one is asked for again.
            if *asked != Some(link) && !carried.contains(&id) {
                continue;
            }
            *asked = None;
            if let Some(moving) = fetch.moving() {
                moving.schedule.leave(peer);
                moving.dirty = true;
            }
            if self.links.to(peer).is_some() {
                self.seek_from(now, id, peer);
            } else if self.closing == crate::node::Closing::No {
                self.seek(now, peer);
            }
        }
    }

    /// A peer could not be reached.
    pub(in crate::node) fn sharing_unreachable(&mut self, now: Instant, peer: PeerId, why: Unreachable) {
        for id in self.sharing.ids() {
            let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else {
                continue;
            };
            if !fetch.sources.contains_key(&peer) {
                continue;
            }
            // Others are hints, and looked for once; the sharers are looked for until the fetch is given up.
            if !fetch.named.contains(&peer) {
                fetch.sources.remove(&peer);
            }
            self.end_if_nobody_is_left(now, id, Some(why));
        }
    }

    /// Before anything has moved, a fetch ends when there is nobody to hope for.
    pub(super) fn end_if_nobody_is_left(&mut self, now: Instant, id: TransferId, why: Option<Unreachable>) {
        let Some(share) = self.sharing.shares.get(&id) else { return };
        let Stage::Fetching(fetch) = &share.stage else { return };
        let moving = matches!(fetch.state, State::Moving(_));
        if !moving && !matches!(fetch.state, State::Seeking) {
            return;
        }
        let hope = |peer: &PeerId| {
            (moving && fetch.named.contains(peer))
                || self.links.to(*peer).is_some()
                || self.dialler.is_wanted(*peer)
        };
        if fetch.sources.keys().any(hope) {
            return;
        }
        let wrong = fetch.dropped.values().any(|wrong| *wrong);
        let why = match why {
            _ if wrong => TransferFailure::Mismatch,
            _ if fetch.changed => TransferFailure::SourceChanged(None),
            Some(why) if !moving => TransferFailure::Unreachable(why),
            _ => TransferFailure::NobodyHasIt,
        };
        self.end_share(now, id, why);
    }

    /// Asks a peer for nothing more, and says why.
    pub(super) fn drop_source(&mut self, now: Instant, id: TransferId, peer: PeerId, why: DropReason) {
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        if fetch.dropped.insert(peer, why == DropReason::WrongContent).is_some() {
            return;
        }
        fetch.sources.remove(&peer);
        let root = fetch.ticket.root;
        if let Some(moving) = fetch.moving() {
            moving.schedule.leave(peer);
            moving.dirty = true;
        }
        if let Some(link) = self.links.to(peer) {
            self.say_of(now, link, root, What::Leave(Leaving::Stopped));
        }
        self.asker_left(id, peer, false);
        self.event(Event::SourceDropped { transfer: id, peer, why });
        self.end_if_nobody_is_left(now, id, None);
    }

    /// Everyone who was asked is told that nothing more is wanted.
    pub(super) fn part_with_sources(&mut self, now: Instant, id: TransferId, why: Leaving) {
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        let root = fetch.ticket.root;
        let asked: Vec<_> =
            fetch.sources.iter().filter(|(_, asked)| asked.is_some()).map(|(peer, _)| *peer).collect();
        for peer in asked {
            if let Some(link) = self.links.to(peer) {
                self.say_of(now, link, root, What::Leave(why));
            }
        }
    }

    /// Why nothing more comes of a fetch that nobody can go on with.
    pub(super) fn loneliness(&self, fetch: &Fetch) -> TransferFailure {
        if fetch.dropped.values().any(|wrong| *wrong) {
            TransferFailure::Mismatch
        } else if fetch.changed {
            TransferFailure::SourceChanged(None)
        } else if fetch.sources.keys().any(|peer| self.links.to(*peer).is_some()) {
            TransferFailure::NobodyHasIt
        } else {
            TransferFailure::LinkLost(LinkLoss::TimedOut)
        }
    }

    /// The road to those who are asked: the nearest, where there are several.
    pub(super) fn best_road(&self, fetch: &Fetch) -> Option<Road> {
        let roads =
            fetch.sources.keys().filter_map(|peer| self.links.to(*peer)).filter_map(|link| self.road(link));
        roads.min_by_key(|road| match road {
            Road::Lan => 0,
            Road::Direct => 1,
        })
    }
}

/// Whether an address means something to someone at the other: local ones to local ones only.
pub(in crate::node) fn may_tell(address: SocketAddr, to: SocketAddr) -> bool {
    road(address) == Road::Direct || road(to) == Road::Lan
}
