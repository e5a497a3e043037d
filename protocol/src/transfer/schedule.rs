//! Which piece to ask of whom, where several peers have parts of a share: rarest first, with an endgame.
//!
//! The rules are BitTorrent's, whose experience is the largest there is (Cohen, "Incentives Build Robustness in
//! BitTorrent", 2003, section 2.4): rarest first, so that everything stays in the world when a peer leaves; ties
//! broken by chance, so that getters differ in what they have; and an endgame, in which the last pieces are asked of
//! several peers, so that the slowest one does not decide when it ends.
//!
//! The machine knows nothing of links or disks: it is told what happens and says what to ask.

mod peer;
mod rarity;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::peer::{MIN_WINDOW, Peer};
use self::rarity::{MAX_PEERS, Rarity};
use super::bits::Bits;
use super::pieces::Pieces;
use crate::entropy::Stream;
use crate::identity::PeerId;

/// Bytes asked of everyone together and not yet here.
pub(crate) const MAX_ASKED: u64 = 16 * 1024 * 1024;
/// What a small piece counts as, in bytes: this bounds how many are asked for.
const MIN_WEIGHT: u64 = 4096;
/// Pieces asked for one after the other before chance chooses again: disks and messages like neighbours.
const RUN: u32 = 16;
/// Peers that a piece is asked of at a time, in the endgame.
const MAX_COPIES: usize = 3;
/// How long nothing is asked of a peer that said nothing.
const PAUSE: Duration = Duration::from_secs(10);
/// Silences in a row after which a peer is let go.
const MAX_SILENCES: u32 = 3;
/// Pieces that a peer may refuse after it announced them.
const MAX_REFUSED: usize = 64;

/// The schedule of one download.
pub(crate) struct Schedule {
    pieces: Arc<Pieces>,
    rarity: Rarity,
    held: Bits,
    /// The pieces under way, and whom each is asked of.
    asked: BTreeMap<u32, Vec<PeerId>>,
    peers: BTreeMap<PeerId, Peer>,
    /// Bytes asked for and not here, each copy counted.
    bytes: u64,
    /// Who is asked first next time.
    turn: Option<PeerId>,
    random: Stream,
}

/// Something to say to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Say {
    /// Send these pieces.
    Ask(PeerId, Vec<u32>),
    /// These are here by now.
    Cancel(PeerId, Vec<u32>),
}

/// What a piece that arrived is to the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was waited for: check it and say [`Schedule::held`] or [`Schedule::wrong`].
    Wanted,
    /// It was asked for once and is here already, or was given up.
    Late,
    /// It was never asked for.
    Unasked,
}

/// A peer that announced more than it has, and was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misleading;

impl Schedule {
    /// Nothing is here yet but `held`, and nobody has anything. Ties are broken by `random`.
    pub(crate) fn new(pieces: Arc<Pieces>, held: impl IntoIterator<Item = u32>, random: Stream) -> Self {
        let count = pieces.count();
        let mut schedule = Self {
            pieces,
            rarity: Rarity::new(count),
            held: Bits::new(count),
            asked: BTreeMap::new(),
            peers: BTreeMap::new(),
            bytes: 0,
            turn: None,
            random,
        };
        for piece in held {
            schedule.rarity.set_free(piece, false);
            schedule.held.insert(piece);
        }
        schedule
    }

    /// A peer may be asked from now on; it is not known to have anything. `false`: there are as many as can be.
    pub(crate) fn join(&mut self, now: Instant, peer: PeerId) -> bool {
        if self.peers.contains_key(&peer) {
            return true;
        }
        let taken = self.peers.values().fold(0_u64, |taken, peer| taken | 1_u64.unbounded_shl(peer.slot));
        let slot = taken.trailing_ones();
        if slot >= MAX_PEERS {
            return false;
        }
        self.peers.insert(peer, Peer::new(now, slot));
        true
    }

    /// A peer is gone: what it was asked for is asked of others.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.free_all(peer);
        if let Some(gone) = self.peers.remove(&peer) {
            self.rarity.remove_peer(gone.slot);
        }
    }

    /// A peer has everything.
    pub(crate) fn has_all(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.full = true;
        }
    }

    /// A peer has a piece.
    pub(crate) fn has(&mut self, peer: PeerId, piece: u32) {
        if let Some(peer) = self.peers.get(&peer)
            && !peer.refused.contains(&piece)
        {
            self.rarity.add(peer.slot, piece);
        }
    }

    /// Part of a chunk came from a peer: it is not silent.
    pub(crate) fn heard(&mut self, now: Instant, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.heard = now;
        }
    }

    /// Nobody could be heard meanwhile, since this side was busy.
    pub(crate) fn excuse(&mut self, now: Instant) {
        self.peers.values_mut().for_each(|peer| peer.heard = now);
    }

    /// A piece came from a peer. Who else was asked for it is told that it is here.
    pub(crate) fn arrived(&mut self, now: Instant, from: PeerId, piece: u32) -> (Arrival, Vec<Say>) {
        let weight = self.weight(piece);
        let Some(peer) = self.peers.get_mut(&from) else { return (Arrival::Late, Vec::new()) };
        if peer.owed < weight {
            return (Arrival::Unasked, Vec::new());
        }
        peer.owed = peer.owed.saturating_sub(weight);
        peer.delivered(now, weight);
        if !self.unask(from, piece) {
            return (Arrival::Late, Vec::new());
        }
        let others = self.asked.get(&piece).cloned().unwrap_or_default();
        let mut say = Vec::new();
        for other in others {
            self.unask(other, piece);
            say.push(Say::Cancel(other, vec![piece]));
        }
        // From here on it is neither free nor asked: it is being checked.
        self.asked.remove(&piece);
        (Arrival::Wanted, say)
    }

    /// A piece that arrived is verified and kept.
    pub(crate) fn held(&mut self, piece: u32) {
        self.held.insert(piece);
    }

    /// A piece that arrived from a peer is not what it should be: the peer is asked for nothing more.
    pub(crate) fn wrong(&mut self, peer: PeerId, piece: u32) {
        if !self.held.contains(piece) && !self.asked.contains_key(&piece) {
            self.rarity.set_free(piece, true);
        }
        self.leave(peer);
    }

    /// A peer does not send a piece that it was asked for: it does not have it.
    pub(crate) fn refused(&mut self, now: Instant, from: PeerId, piece: u32) -> Result<(), Misleading> {
        let weight = self.weight(piece);
        let Some(peer) = self.peers.get_mut(&from) else { return Ok(()) };
        if !peer.asked.contains(&piece) {
            return Ok(());
        }
        peer.heard = now;
        peer.owed = peer.owed.saturating_sub(weight);
        peer.refused.insert(piece);
        let (slot, refusals) = (peer.slot, peer.refused.len());
        self.rarity.remove(slot, piece);
        self.give_back(from, piece);
        if refusals > MAX_REFUSED {
            self.leave(from);
            return Err(Misleading);
        }
        Ok(())
    }

    /// A peer does not have these any more, though it said that it has.
    pub(crate) fn retracted(&mut self, now: Instant, from: PeerId, pieces: Range<u32>) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let slot = peer.slot;
        peer.heard = now;
        if std::mem::take(&mut peer.full) {
            (0..self.pieces.count()).for_each(|piece| self.rarity.add(slot, piece));
        }
        for piece in pieces {
            self.rarity.remove(slot, piece);
            // What was read before it changed may still come: it stays owed.
            self.give_back(from, piece);
        }
    }

    /// Whether a peer has anything at all, as far as it said.
    pub(crate) fn has_any(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.full || self.rarity.has_any(peer.slot))
    }

    /// What to say now. Asks as long as there is room.
    pub(crate) fn say(&mut self, now: Instant) -> Vec<Say> {
        let mut asks: BTreeMap<PeerId, Vec<u32>> = BTreeMap::new();
        loop {
            // Everyone in turn, one run each, so that what is rare is not all asked of the first.
            let mut any = false;
            for peer in self.in_turn() {
                let ask = self.ask(now, peer);
                any |= !ask.is_empty();
                asks.entry(peer).or_default().extend(ask);
            }
            if !any {
                break;
            }
        }
        self.turn = self.in_turn().get(1).copied();
        asks.into_iter()
            .filter(|(_, pieces)| !pieces.is_empty())
            .map(|(peer, pieces)| Say::Ask(peer, pieces))
            .collect()
    }

    /// Everyone, the one whose turn it is first.
    fn in_turn(&self) -> Vec<PeerId> {
        let from = self.turn;
        let later = self.peers.keys().filter(|peer| from.is_none_or(|from| **peer >= from));
        let sooner = self.peers.keys().filter(|peer| from.is_some_and(|from| **peer < from));
        later.chain(sooner).copied().collect()
    }

    /// Up to one run of pieces to ask of a peer.
    fn ask(&mut self, now: Instant, id: PeerId) -> Vec<u32> {
        let mut chosen = Vec::new();
        let Some(peer) = self.peers.get_mut(&id) else { return chosen };
        if peer.paused.is_some_and(|until| until > now) {
            return chosen;
        }
        peer.paused = None;
        for _ in 0..RUN {
            let Some(piece) = self.choose(id).or_else(|| self.choose_again(id)) else { break };
            let weight = self.weight(piece);
            let Some(peer) = self.peers.get_mut(&id) else { break };
            if !peer.has_room(weight) || self.bytes.saturating_add(weight) > MAX_ASKED {
                break;
            }
            if peer.asked.is_empty() {
                peer.heard = now;
            }
            peer.asked.insert(piece);
            peer.bytes = peer.bytes.saturating_add(weight);
            peer.owed = peer.owed.saturating_add(weight);
            peer.run = match peer.run {
                Some((next, left)) if next == piece => {
                    Some((piece.saturating_add(1), left.saturating_sub(1)))
                }
                _ => Some((piece.saturating_add(1), RUN)),
            };
            self.bytes = self.bytes.saturating_add(weight);
            self.rarity.set_free(piece, false);
            self.asked.entry(piece).or_default().push(id);
            chosen.push(piece);
        }
        chosen
    }

    /// A piece nobody is asked for.
    fn choose(&mut self, id: PeerId) -> Option<u32> {
        let peer = self.peers.get(&id)?;
        let of = peer.of();
        if let Some((next, 1..)) = peer.run
            && self.rarity.is_rarest(of, next)
            && !peer.refused.contains(&next)
        {
            return Some(next);
        }
        let count = u64::from(self.pieces.count()).max(1);
        let from = u32::try_from(self.random.number().checked_rem(count)?).ok()?;
        let peer = self.peers.get(&id)?;
        self.rarity.rarest(of, from, |piece| peer.refused.contains(&piece))
    }

    /// In the endgame: a piece that others are asked for already, and that as few as possible are.
    fn choose_again(&mut self, id: PeerId) -> Option<u32> {
        if !self.is_endgame() {
            return None;
        }
        let peer = self.peers.get(&id)?;
        let may = |(piece, of): &(&u32, &Vec<PeerId>)| {
            let has = peer.full || self.rarity.has(peer.slot, **piece);
            has && of.len() < MAX_COPIES && !of.contains(&id) && !peer.refused.contains(*piece)
        };
        self.asked.iter().filter(may).min_by_key(|(_, of)| of.len()).map(|(piece, _)| *piece)
    }

    /// Whether there is nothing left to ask for that is not asked of someone: only then may one piece be asked of
    /// several peers.
    pub(crate) fn is_endgame(&self) -> bool {
        let refused = |peer: &Peer, piece| peer.refused.contains(&piece);
        self.peers
            .values()
            .all(|peer| self.rarity.rarest(peer.of(), 0, |piece| refused(peer, piece)).is_none())
    }

    /// Peers that were asked and say nothing: what they were asked for is asked of others, and they themselves after
    /// a while. Gives what to tell them, and those that are let go.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> (Vec<Say>, Vec<PeerId>) {
        let silent = |peer: &Peer| peer.silent_at().is_some_and(|at| at <= now);
        let late: Vec<_> = self.peers.iter().filter(|(_, peer)| silent(peer)).map(|(id, _)| *id).collect();
        let (mut say, mut gone) = (Vec::new(), Vec::new());
        for id in late {
            let freed = self.free_all(id);
            say.push(Say::Cancel(id, freed.into_iter().collect()));
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.silences = peer.silences.saturating_add(1);
            peer.window = MIN_WINDOW;
            peer.span = None;
            peer.paused = now.checked_add(PAUSE);
            if peer.silences >= MAX_SILENCES {
                self.leave(id);
                gone.push(id);
            }
        }
        (say, gone)
    }

    /// When to come back.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let times = self.peers.values().flat_map(|peer| peer.silent_at().into_iter().chain(peer.paused));
        times.min()
    }

    /// Whether everything is here.
    pub(crate) fn is_done(&self) -> bool {
        self.held.is_full()
    }

    /// Whether nothing is under way and nobody who is there has anything that is missing.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.is_done() && self.asked.is_empty() && self.is_endgame()
    }

    /// Everyone who may be asked.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers.keys().copied()
    }

    /// Whether a peer may be asked.
    pub(crate) fn knows(&self, peer: PeerId) -> bool {
        self.peers.contains_key(&peer)
    }

    fn weight(&self, piece: u32) -> u64 {
        u64::from(self.pieces.length(piece)).max(MIN_WEIGHT)
    }

    /// Takes a piece off what a peer is asked for. Whether it was on it.
    fn unask(&mut self, id: PeerId, piece: u32) -> bool {
        let weight = self.weight(piece);
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        if !peer.asked.remove(&piece) {
            return false;
        }
        peer.bytes = peer.bytes.saturating_sub(weight);
        self.bytes = self.bytes.saturating_sub(weight);
        if let Some(of) = self.asked.get_mut(&piece) {
            of.retain(|other| *other != id);
        }
        true
    }

    /// A peer will not send a piece: it is free again where nobody else is asked for it.
    fn give_back(&mut self, id: PeerId, piece: u32) {
        if self.unask(id, piece) && self.asked.get(&piece).is_some_and(Vec::is_empty) {
            self.asked.remove(&piece);
            self.rarity.set_free(piece, true);
        }
    }

    /// Everything that a peer was asked for is free again where nobody else is asked for it. Gives what it was.
    fn free_all(&mut self, id: PeerId) -> BTreeSet<u32> {
        let asked = self.peers.get(&id).map(|peer| peer.asked.clone()).unwrap_or_default();
        for piece in &asked {
            self.give_back(id, *piece);
        }
        asked
    }
}
