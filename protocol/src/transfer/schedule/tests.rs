//! The schedule against a model that remembers every request, with peers that lie, stall, refuse and leave.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::string_slice,
    reason = "tests, of numbers and texts that are known"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::peer::MAX_WINDOW;
use super::*;
use crate::entropy::{Entropy, Seed};
use crate::identity::Identity;
use crate::transfer::hash::CHUNK;
use crate::transfer::{Entry, EntryKind, Manifest, RelativePath};

static PEERS: LazyLock<Vec<PeerId>> = LazyLock::new(|| {
    let mut stream = Entropy::new(Seed::new([3; 32])).stream("peers");
    (0..65).map(|_| Identity::generate(&mut stream).peer_id()).collect()
});

fn pieces(sizes: &[u64]) -> Arc<Pieces> {
    let entry = |(number, size): (usize, &u64)| Entry {
        path: RelativePath::new([format!("{number}").as_str()]).unwrap(),
        kind: EntryKind::File(*size),
        modified: 0,
        executable: false,
    };
    let entries = sizes.iter().enumerate().map(entry).collect();
    Arc::new(Pieces::new(&Manifest::new("share".into(), entries).unwrap()).unwrap())
}

fn schedule(pieces: &Arc<Pieces>, seed: u8) -> Schedule {
    let random = Entropy::new(Seed::new([seed; 32])).stream("schedule");
    Schedule::new(Arc::clone(pieces), [], random)
}

/// The world around a schedule, and what must hold in it.
struct Model {
    pieces: Arc<Pieces>,
    schedule: Schedule,
    now: Instant,
    /// What each peer who is there has announced.
    has: BTreeMap<PeerId, BTreeSet<u32>>,
    /// What is asked of each.
    asked: BTreeMap<PeerId, BTreeSet<u32>>,
    /// Arrived, not yet verified.
    checking: BTreeSet<u32>,
    held: BTreeSet<u32>,
    refused: BTreeSet<(PeerId, u32)>,
}

/// What the world may do to a schedule. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Join(usize),
    Leave(usize),
    Announce(usize, Vec<u32>),
    AnnounceAll(usize),
    Deliver(usize, usize),
    DeliverWrong(usize, usize),
    Refuse(usize, usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..6_usize;
    prop_oneof![
        2 => peer.clone().prop_map(Step::Join),
        1 => peer.clone().prop_map(Step::Leave),
        4 => (peer.clone(), prop::collection::vec(any::<u32>(), 1..12)).prop_map(|(p, v)| Step::Announce(p, v)),
        1 => peer.clone().prop_map(Step::AnnounceAll),
        12 => (peer.clone(), any::<usize>()).prop_map(|(p, n)| Step::Deliver(p, n)),
        1 => (peer.clone(), any::<usize>()).prop_map(|(p, n)| Step::DeliverWrong(p, n)),
        1 => (peer, any::<usize>()).prop_map(|(p, n)| Step::Refuse(p, n)),
        1 => (0..60_u64).prop_map(Step::Wait),
    ]
}

impl Model {
    fn new(sizes: &[u64], seed: u8) -> Self {
        let pieces = pieces(sizes);
        Self {
            schedule: schedule(&pieces, seed),
            pieces,
            now: Instant::now(),
            has: BTreeMap::new(),
            asked: BTreeMap::new(),
            checking: BTreeSet::new(),
            held: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join(peer) => self.join(PEERS[peer]),
            Step::Leave(peer) => {
                self.schedule.leave(PEERS[peer]);
                self.forget(PEERS[peer]);
            }
            Step::Announce(peer, numbers) => {
                for number in numbers {
                    self.announce(PEERS[peer], number % self.pieces.count());
                }
            }
            Step::AnnounceAll(peer) => self.announce_all(PEERS[peer]),
            Step::Deliver(peer, number) => {
                if let Some(piece) = self.pick(PEERS[peer], number) {
                    self.deliver(PEERS[peer], piece);
                    self.checking.remove(&piece);
                    self.schedule.held(piece);
                    self.held.insert(piece);
                }
            }
            Step::DeliverWrong(peer, number) => {
                if let Some(piece) = self.pick(PEERS[peer], number) {
                    self.deliver(PEERS[peer], piece);
                    self.checking.remove(&piece);
                    self.schedule.wrong(PEERS[peer], piece);
                    self.forget(PEERS[peer]);
                }
            }
            Step::Refuse(peer, number) => {
                if let Some(piece) = self.pick(PEERS[peer], number) {
                    self.asked.get_mut(&PEERS[peer]).unwrap().remove(&piece);
                    self.has.get_mut(&PEERS[peer]).unwrap().remove(&piece);
                    self.refused.insert((PEERS[peer], piece));
                    if self.schedule.refused(self.now, PEERS[peer], piece).is_err() {
                        self.forget(PEERS[peer]);
                    }
                }
            }
            Step::Wait(seconds) => self.wait(Duration::from_secs(seconds)),
        }
        self.carry_out();
    }

    fn join(&mut self, peer: PeerId) {
        assert!(self.schedule.join(self.now, peer));
        self.has.entry(peer).or_default();
        self.asked.entry(peer).or_default();
    }

    fn forget(&mut self, peer: PeerId) {
        self.has.remove(&peer);
        self.asked.remove(&peer);
        self.refused.retain(|(other, _)| *other != peer);
    }

    fn announce(&mut self, peer: PeerId, piece: u32) {
        self.schedule.has(peer, piece);
        if !self.refused.contains(&(peer, piece))
            && let Some(has) = self.has.get_mut(&peer)
        {
            has.insert(piece);
        }
    }

    fn announce_all(&mut self, peer: PeerId) {
        self.schedule.has_all(peer);
        if let Some(has) = self.has.get_mut(&peer) {
            has.extend((0..self.pieces.count()).filter(|piece| !self.refused.contains(&(peer, *piece))));
        }
    }

    fn pick(&self, peer: PeerId, number: usize) -> Option<u32> {
        let asked = self.asked.get(&peer).filter(|asked| !asked.is_empty())?;
        asked.iter().nth(number % asked.len()).copied()
    }

    fn deliver(&mut self, from: PeerId, piece: u32) {
        let (arrival, say) = self.schedule.arrived(self.now, from, piece);
        assert_eq!(arrival, Arrival::Wanted, "what is asked of a peer is wanted of it");
        self.asked.get_mut(&from).unwrap().remove(&piece);
        self.checking.insert(piece);
        let told: BTreeSet<_> = say
            .into_iter()
            .map(|say| match say {
                Say::Cancel(peer, pieces) if pieces == [piece] => peer,
                other => panic!("{other:?}"),
            })
            .collect();
        let others = self.asked.iter_mut().filter_map(|(peer, asked)| asked.remove(&piece).then_some(*peer));
        assert_eq!(told, others.collect(), "everyone else who was asked is told, and nobody else");
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.schedule.poll_timeout().filter(|next| *next <= end) {
            assert!(next >= self.now || self.schedule.say(self.now).is_empty());
            self.now = self.now.max(next);
            let before: BTreeSet<_> = self.has.keys().copied().collect();
            let (say, gone) = self.schedule.handle_timeout(self.now);
            for peer in &gone {
                assert!(before.contains(peer));
                self.forget(*peer);
            }
            for say in say {
                // Of whom nothing came in time, nothing is waited for, and they are told.
                let Say::Cancel(peer, pieces) = say else { panic!("nothing is asked yet") };
                if let Some(asked) = self.asked.get_mut(&peer) {
                    assert_eq!(std::mem::take(asked), pieces.into_iter().collect());
                }
            }
            self.carry_out();
        }
        self.now = end;
    }

    /// Takes what the schedule says now, and checks it against all that was said before.
    fn carry_out(&mut self) {
        let mut copied = false;
        for say in self.schedule.say(self.now) {
            let Say::Ask(peer, wanted) = say else { panic!("only arrivals cancel") };
            for piece in wanted {
                copied |= self.asked.values().any(|asked| asked.contains(&piece));
                assert!(self.has[&peer].contains(&piece), "asked of a peer that has it");
                assert!(!self.held.contains(&piece) && !self.checking.contains(&piece), "asked though here");
                assert!(self.asked.get_mut(&peer).unwrap().insert(piece), "asked twice of one peer");
            }
        }
        // What was asked since has only made less free, so it is the endgame still.
        assert!(!copied || self.is_endgame(), "a piece was asked for twice outside of the endgame");
        self.check();
    }

    fn is_endgame(&self) -> bool {
        let missing = |piece: &u32| !self.held.contains(piece) && !self.checking.contains(piece);
        let is_asked = |piece: &u32| self.asked.values().any(|asked| asked.contains(piece));
        let is_had = |piece: &u32| self.has.values().any(|has| has.contains(piece));
        !(0..self.pieces.count()).any(|piece| missing(&piece) && !is_asked(&piece) && is_had(&piece))
    }

    fn check(&self) {
        let mut copies: BTreeMap<u32, usize> = BTreeMap::new();
        let mut together = 0;
        for asked in self.asked.values() {
            let bytes: u64 = asked.iter().map(|piece| self.weight(*piece)).sum();
            assert!(bytes <= MAX_WINDOW, "{bytes} asked of one peer");
            together += bytes;
            asked.iter().for_each(|piece| *copies.entry(*piece).or_default() += 1);
        }
        assert!(together <= MAX_ASKED, "{together} asked of all");
        assert_eq!(together, self.schedule.bytes);
        assert_eq!(self.schedule.is_endgame(), self.is_endgame());
        let most = copies.values().max().copied().unwrap_or(0);
        assert!(most <= MAX_COPIES);
        for piece in 0..self.pieces.count() {
            let elsewhere = self.held.contains(&piece) || self.checking.contains(&piece);
            let free = !elsewhere && !copies.contains_key(&piece);
            assert_eq!(self.schedule.rarity.is_free(piece), free);
        }
        assert_eq!(copies.keys().collect::<Vec<_>>(), self.schedule.asked.keys().collect::<Vec<_>>());
        assert_eq!(self.schedule.is_done(), self.held.len() as u32 == self.pieces.count());
    }

    fn weight(&self, piece: u32) -> u64 {
        u64::from(self.pieces.length(piece)).max(MIN_WEIGHT)
    }
}

/// File sizes: of no byte, of less than a chunk, of many.
fn sizes() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![Just(0), 1..CHUNK, CHUNK..40 * CHUNK], 1..6)
}

proptest! {
    /// Whatever peers do: no piece is asked for twice at a time but in the endgame, never more than so much of one
    /// peer or of all; and once the peers who are there have everything together and answer, it ends.
    #[test]
    fn the_schedule_keeps_its_promises(sizes in sizes(), seed in any::<u8>(), steps in prop::collection::vec(step(), 0..200)) {
        let mut model = Model::new(&sizes, seed);
        for step in steps {
            model.take(step);
        }
        // From here on three honest peers, new to the schedule, have a third each and answer.
        for (number, peer) in PEERS.iter().enumerate().skip(10).take(3) {
            model.join(*peer);
            for piece in (0..model.pieces.count()).filter(|piece| *piece as usize % 3 == number % 3) {
                model.announce(*peer, piece);
            }
        }
        let honest = &PEERS[10..13];
        model.carry_out();
        let mut rounds = 0;
        while !model.schedule.is_done() {
            rounds += 1;
            prop_assert!(rounds < 2000, "{} of {}", model.held.len(), model.pieces.count());
            let asked: Vec<_> = honest.iter().filter_map(|peer| Some((*peer, model.pick(*peer, rounds)?))).collect();
            if asked.is_empty() {
                // What is missing is asked of peers that say nothing.
                prop_assert!(!model.schedule.is_stuck());
                model.wait(Duration::from_secs(31));
            }
            for (peer, piece) in asked {
                if model.asked[&peer].contains(&piece) {
                    model.deliver(peer, piece);
                    model.checking.remove(&piece);
                    model.schedule.held(piece);
                    model.held.insert(piece);
                    model.carry_out();
                }
            }
        }
    }
}

#[test]
fn the_rarest_is_asked_for_first() {
    let pieces = pieces(&[CHUNK * 40]);
    let now = Instant::now();
    for seed in 0..20 {
        let mut schedule = schedule(&pieces, seed);
        for (number, peer) in PEERS.iter().enumerate().take(4) {
            schedule.join(now, *peer);
            for piece in 0..40 {
                // Piece 17 is with the first peer only, 30 with two of them.
                if !(piece == 17 && number > 0 || piece == 30 && number > 1) {
                    schedule.has(*peer, piece);
                }
            }
        }
        let asks = schedule.say(now);
        let first = |peer: PeerId| {
            asks.iter().find_map(|say| match say {
                Say::Ask(of, pieces) if *of == peer => pieces.first().copied(),
                _ => None,
            })
        };
        assert_eq!(first(PEERS[0]), Some(17));
        let of_first =
            |say: &Say| matches!(say, Say::Ask(peer, pieces) if *peer == PEERS[0] && pieces[1] == 30);
        assert!(first(PEERS[1]) == Some(30) || asks.iter().any(of_first), "{asks:?}");
    }
}

#[test]
fn getters_do_not_all_ask_for_the_same() {
    let pieces = pieces(&[CHUNK * 10_000]);
    let now = Instant::now();
    let first = |seed| {
        let mut schedule = schedule(&pieces, seed);
        schedule.join(now, PEERS[0]);
        schedule.has_all(PEERS[0]);
        schedule.say(now)
    };
    let different: BTreeSet<String> = (0..20).map(|seed| format!("{:?}", first(seed))).collect();
    assert!(different.len() >= 19);
    assert_eq!(first(1), first(1), "the same seed chooses the same");
}

#[test]
fn a_peer_that_says_nothing_is_asked_again_later_and_let_go_in_the_end() {
    let pieces = pieces(&[CHUNK * 4]);
    let mut now = Instant::now();
    let mut schedule = schedule(&pieces, 1);
    schedule.join(now, PEERS[0]);
    schedule.has_all(PEERS[0]);
    let mut asked = 0;
    let gone = loop {
        asked += schedule.say(now).len();
        now = schedule.poll_timeout().expect("somebody is waited for");
        let (_, gone) = schedule.handle_timeout(now);
        if !gone.is_empty() {
            break gone;
        }
    };
    assert_eq!((gone, asked), (vec![PEERS[0]], 3));
    assert!(schedule.is_stuck());
    assert_eq!(schedule.poll_timeout(), None);
}

#[test]
fn what_nobody_asked_for_is_told_from_what_comes_late() {
    let pieces = pieces(&[CHUNK]);
    let now = Instant::now();
    let mut schedule = schedule(&pieces, 1);
    for peer in &PEERS[..2] {
        schedule.join(now, *peer);
        schedule.has_all(*peer);
    }
    let asks = schedule.say(now);
    for peer in &PEERS[..2] {
        assert!(asks.contains(&Say::Ask(*peer, vec![0])), "in the endgame both are asked: {asks:?}");
    }
    assert_eq!(schedule.arrived(now, PEERS[0], 0).0, Arrival::Wanted);
    assert_eq!(schedule.arrived(now, PEERS[1], 0).0, Arrival::Late, "it was on its way");
    assert_eq!(schedule.arrived(now, PEERS[1], 0).0, Arrival::Unasked, "once is enough");
    assert_eq!(schedule.arrived(now, PEERS[0], 5).0, Arrival::Unasked);
}

#[test]
fn no_more_peers_than_can_be_kept_and_their_places_are_used_again() {
    let pieces = pieces(&[CHUNK * 3]);
    let now = Instant::now();
    let mut schedule = schedule(&pieces, 1);
    for peer in &PEERS[..64] {
        assert!(schedule.join(now, *peer));
        schedule.has(*peer, 1);
    }
    assert!(!schedule.join(now, PEERS[64]));
    schedule.leave(PEERS[20]);
    assert!(schedule.join(now, PEERS[64]));
    assert!(!schedule.rarity.has(20, 1), "the new one has not announced it");
}

/// Were anything looked at piece by piece at each event, this would take hours.
#[test]
fn a_million_pieces_and_64_peers_are_no_burden() {
    let pieces = pieces(&[CHUNK * u64::from(crate::transfer::pieces::MAX_PIECES)]);
    let count = pieces.count();
    let mut now = Instant::now();
    let mut schedule = schedule(&pieces, 9);
    for (number, peer) in PEERS.iter().enumerate().take(64) {
        assert!(schedule.join(now, *peer));
        if number == 0 {
            schedule.has_all(*peer);
        } else {
            (0..count).step_by(61).for_each(|piece| schedule.has(*peer, piece + number as u32 % 61));
        }
    }
    let mut arrived = 0;
    while arrived < 20_000 {
        let asks = schedule.say(now);
        assert!(!asks.is_empty());
        now += Duration::from_millis(10);
        for say in asks {
            let Say::Ask(peer, wanted) = say else { continue };
            for piece in wanted {
                assert_eq!(schedule.arrived(now, peer, piece).0, Arrival::Wanted);
                schedule.held(piece);
                arrived += 1;
            }
        }
    }
    schedule.leave(PEERS[5]);
    assert!(!schedule.is_done() && !schedule.is_stuck());
}
