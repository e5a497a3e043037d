//! Serving: whoever names the root gets what it asks for, everyone in turn and no faster than their links take it.
//!
//! The root is the permission: strangers may ask too. Whoever does not name a root learns nothing, not even whether
//! anything is shared.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;

use super::outline::OutlineOut;
use super::{Content, Job, Node, Origin, Reading, Share};
use crate::Event;
use crate::identity::PeerId;
use crate::link::{ChannelId, LinkKey};
use crate::storage::{HashedChunk, StorageError, Work};
use crate::transfer::TransferId;
use crate::transfer::landing::Readable;
use crate::wire::{
    Have, Leaving, MAX_ASK, MAX_BITS, MAX_LISTED, PieceHead, Run, What, encode_open_pieces, encode_piece,
    runs,
};

/// Peers that may ask at once, all shares together.
const MAX_ASKERS: usize = 64;
/// Pieces that one peer may have asked for and not got.
const MAX_WANTED: usize = 2 * MAX_ASK as usize;
/// Bytes being read, and bytes read and not yet handed to links: divided among those who ask, a piece for each at
/// least.
const AHEAD: u64 = 8 * 1024 * 1024;
const LEAST_AHEAD: u64 = 256 * 1024;
/// Bytes and pieces of one read request.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_PIECES: usize = 64;

/// Someone who fetches from here.
pub(super) struct Asker {
    pub(super) link: LinkKey,
    wanted: VecDeque<u32>,
    /// Pieces being read for it, and their bytes.
    reading: BTreeSet<u32>,
    reading_bytes: u64,
    ready: VecDeque<(PieceHead, Bytes)>,
    ready_bytes: u64,
    /// The link that carries its pieces, and the channel there.
    road: Option<LinkKey>,
    channel: Option<ChannelId>,
    /// Of a piece that is on its way, what is not handed over yet.
    rest: Bytes,
    pub(super) outline: Option<OutlineOut>,
    /// Bytes handed to its link.
    given: u64,
    /// Others that it was told of.
    pub(super) told: usize,
}

impl Asker {
    fn new(link: LinkKey) -> Self {
        Self {
            link,
            wanted: VecDeque::new(),
            reading: BTreeSet::new(),
            reading_bytes: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            road: None,
            channel: None,
            rest: Bytes::new(),
            outline: None,
            given: 0,
            told: 0,
        }
    }

    /// The link is lost, and not the one over which it asks: what is ready goes over another. What was on its way is
    /// asked for again.
    pub(super) fn lose_road(&mut self, link: LinkKey) {
        if self.road == Some(link) {
            self.road = None;
            self.channel = None;
            self.rest.clear();
        }
    }

    /// Whether nothing of it waits for a link.
    fn has_nothing(&self) -> bool {
        self.ready.is_empty() && self.rest.is_empty()
    }

    fn ahead(&self) -> u64 {
        self.reading_bytes.saturating_add(self.ready_bytes)
    }
}

impl Node {
    /// A peer fetches what is here: it is told what there is, now and from now on.
    pub(super) fn seek_heard(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        id: TransferId,
        outline: bool,
    ) {
        let askers =
            self.sharing.shares.values().map(|share| share.askers.len()).fold(0, usize::saturating_add);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(root) = share.root else { return };
        let fetching = share.fetch().is_some_and(|fetch| fetch.meets(peer));
        let has_some =
            share.content.as_ref().is_some_and(|content| !matches!(content.origin, Origin::Nowhere));
        if !has_some {
            return self.say_of(now, link, root, What::Leave(Leaving::Unknown));
        }
        if !share.askers.contains_key(&peer) && askers >= MAX_ASKERS {
            return self.say_of(now, link, root, What::Leave(Leaving::Busy));
        }
        self.forget_asker(id, peer);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let new = !share.askers.contains_key(&peer);
        let asker = share.askers.entry(peer).or_insert_with(|| Asker::new(link));
        asker.link = link;
        if outline {
            asker.outline = Some(OutlineOut::default());
        }
        let haves = share.content.as_ref().map(haves).unwrap_or_default();
        for have in haves {
            self.say_of(now, link, root, What::Have(have));
        }
        if new {
            self.event(Event::Taking { share: id, peer });
        }
        self.introduce(now, id, peer);
        // Whoever fetches the same has some of it, or soon will.
        if fetching {
            self.seek_from(now, id, peer);
        }
    }

    /// Pieces are asked for.
    pub(super) fn ask_heard(
        &mut self,
        now: Instant,
        over: LinkKey,
        peer: PeerId,
        id: TransferId,
        runs: &[Run],
    ) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(count) = share.content.as_ref().map(|content| content.pieces.count()) else { return };
        // Someone who was let go of may not know it yet.
        let Some(asker) = share.askers.get_mut(&peer) else { return };
        asker.wanted.extend(runs.iter().flat_map(|run| run.pieces()));
        let (link, bytes) =
            (asker.link, share.content.as_ref().map_or(0, |content| content.manifest.bytes()));
        let beyond = runs.iter().any(|run| run.pieces().any(|piece| piece >= count));
        if beyond || asker.wanted.len() > MAX_WANTED {
            return self.links.fail(now, over);
        }
        self.open_stream_beside(now, link, peer, bytes);
    }

    /// Pieces are not wanted any more.
    pub(super) fn cancel_heard(&mut self, peer: PeerId, id: TransferId, runs: &[Run]) {
        let asker = self.sharing.shares.get_mut(&id).and_then(|share| share.askers.get_mut(&peer));
        let Some(asker) = asker else { return };
        let named =
            |piece: u32| runs.iter().any(|run| piece.checked_sub(run.first).is_some_and(|at| at < run.count));
        asker.wanted.retain(|piece| !named(*piece));
        asker.reading.retain(|piece| !named(*piece));
    }

    /// Hands to links what they take, and reads on for those whose links have taken it.
    pub(super) fn run_serving(&mut self, now: Instant) {
        let mut turns = Vec::new();
        for (id, share) in &self.sharing.shares {
            turns.extend(share.askers.keys().map(|peer| (*id, *peer)));
        }
        if turns.is_empty() {
            return;
        }
        for (id, peer) in &turns {
            self.send_outline(*id, *peer);
            self.hand_over(now, *id, *peer);
        }
        let idle = |share: &Share| share.askers.values().all(Asker::has_nothing);
        for (id, _) in self.sharing.shares.iter().filter(|(_, share)| idle(share)) {
            self.shares.gives_nothing(*id);
        }
        // One batch for each, beginning with whoever comes after the last who was read for.
        let each =
            AHEAD.checked_div(u64::try_from(turns.len()).unwrap_or(u64::MAX)).unwrap_or(0).max(LEAST_AHEAD);
        let first = turns.iter().position(|turn| Some(*turn) > self.sharing.turn).unwrap_or(0);
        turns.rotate_left(first);
        loop {
            let mut any = false;
            for (id, peer) in &turns {
                if self.sharing.reading < AHEAD {
                    any |= self.read_ahead(now, *id, *peer, each);
                }
            }
            if !any {
                break;
            }
        }
    }

    fn hand_over(&mut self, now: Instant, id: TransferId, peer: PeerId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let (Some(root), Some(asker)) = (share.root, share.askers.get_mut(&peer)) else { return };
        if asker.has_nothing() {
            return;
        }
        let bytes = share.content.as_ref().map_or(0, |content| content.manifest.bytes());
        let road = asker.road.or_else(|| self.streams.road(now, peer, asker.link, bytes));
        let Some(road) = road else { return };
        asker.road = Some(road);
        let Some(channel) = asker.channel.or_else(|| self.links.open(road)) else { return };
        if asker.channel.is_none() {
            asker.channel = Some(channel);
            self.links.write(road, channel, [Bytes::from(encode_open_pieces(root))]);
        }
        while self.links.is_writable(road, channel) && !asker.has_nothing() {
            let most = self.shares.givable(now, id);
            if most == 0 {
                break;
            }
            let mut head = Bytes::new();
            if asker.rest.is_empty()
                && let Some((next, data)) = asker.ready.pop_front()
            {
                asker.ready_bytes = asker.ready_bytes.saturating_sub(u64::from(next.length));
                head = Bytes::from(encode_piece(&next));
                asker.rest = data;
            }
            // A head is not cut: a few bytes more are made up for by what comes next.
            let cut = most.saturating_sub(head.len()).max(1).min(asker.rest.len());
            let data = asker.rest.split_to(cut);
            self.shares.gave(id, head.len().saturating_add(cut));
            asker.given = asker.given.saturating_add(u64::try_from(cut).unwrap_or(u64::MAX));
            self.links.write(road, channel, [head, data]);
        }
    }

    /// Reads some of what a peer wants, up to `most` bytes ahead of its link. Whether there was any.
    fn read_ahead(&mut self, now: Instant, id: TransferId, peer: PeerId, most: u64) -> bool {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return false };
        let (Some(content), Some(asker)) = (&share.content, share.askers.get_mut(&peer)) else {
            return false;
        };
        let mut lacking = Vec::new();
        let (mut placed, mut partial) = ((Vec::new(), Vec::new(), 0_u64), (Vec::new(), Vec::new(), 0_u64));
        while asker.ahead() < most
            && placed.2.saturating_add(partial.2) < BATCH_BYTES
            && placed.1.len().saturating_add(partial.1.len()) < BATCH_PIECES
            && let Some(piece) = asker.wanted.front().copied()
        {
            let (pieces, total, length) = match content.readable(id, piece) {
                Readable::Placed(chunk) => {
                    let length = u64::from(chunk.length);
                    placed.0.push(chunk);
                    (&mut placed.1, &mut placed.2, length)
                }
                Readable::Partial(chunk) => {
                    let length = u64::from(chunk.length);
                    partial.0.push(chunk);
                    (&mut partial.1, &mut partial.2, length)
                }
                Readable::Soon => break,
                Readable::No => {
                    asker.wanted.pop_front();
                    lacking.push(piece);
                    continue;
                }
            };
            asker.wanted.pop_front();
            asker.reading.insert(piece);
            asker.reading_bytes = asker.reading_bytes.saturating_add(length);
            pieces.push(piece);
            *total = total.saturating_add(length);
        }
        let (link, root) = (asker.link, share.root);
        if let Some(root) = root.filter(|_| !lacking.is_empty()) {
            self.say_of(now, link, root, What::Lack(runs(lacking)));
        }
        let mut any = false;
        let work = [
            (Work::Read(placed.0), placed.1, placed.2, false),
            (Work::ReadBack(partial.0), partial.1, partial.2, true),
        ];
        for (work, pieces, bytes, back) in work {
            if !pieces.is_empty() {
                any = true;
                self.sharing.reading = self.sharing.reading.saturating_add(bytes);
                self.ask_for_share(id, work, Job::Read(Reading { peer, pieces, bytes, back }));
            }
        }
        if any {
            self.sharing.turn = Some((id, peer));
        }
        any
    }

    /// Pieces were read for a peer, or not.
    pub(super) fn read_for(
        &mut self,
        now: Instant,
        id: TransferId,
        reading: &Reading,
        results: Vec<Result<HashedChunk, StorageError>>,
    ) {
        let Reading { peer, pieces, bytes, back } = reading;
        self.sharing.reading = self.sharing.reading.saturating_sub(*bytes);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(content) = &share.content else { return };
        let (mut lacking, mut changed) = (Vec::new(), BTreeSet::new());
        let mut asker = share.askers.get_mut(peer);
        if let Some(asker) = &mut asker {
            asker.reading_bytes = asker.reading_bytes.saturating_sub(*bytes);
        }
        for (piece, result) in pieces.iter().zip(results) {
            let ready = prepare(content, *piece, result);
            if ready.is_none() && !back {
                changed.extend(content.pieces.place(*piece).map(|place| place.file));
            }
            let Some(asker) = &mut asker else { continue };
            if !asker.reading.remove(piece) {
                continue;
            }
            match ready {
                Some((head, data)) => {
                    asker.ready_bytes = asker.ready_bytes.saturating_add(u64::from(head.length));
                    asker.ready.push_back((head, data));
                }
                // A partial file that has become whole meanwhile is read where it is now.
                None if *back && !matches!(content.readable(id, *piece), Readable::Partial(_)) => {
                    asker.wanted.push_front(*piece);
                }
                None => lacking.push(*piece),
            }
        }
        let told = asker.map(|asker| asker.link).zip(share.root);
        let lost: Vec<_> = changed
            .into_iter()
            .filter_map(|file| share.content.as_mut().and_then(|content| content.lose(file)))
            .collect();
        for (path, pieces) in lost {
            self.retract(now, id, pieces);
            self.event(Event::ShareChanged { share: id, path });
        }
        if let Some((link, root)) = told.filter(|_| !lacking.is_empty()) {
            self.say_of(now, link, root, What::Lack(runs(lacking)));
        }
    }

    /// Whether a link carries pieces for someone.
    pub(in crate::node) fn serves_over(&self, link: LinkKey) -> bool {
        let mut askers = self.sharing.shares.values().flat_map(|share| share.askers.values());
        askers.any(|asker| asker.road == Some(link))
    }

    /// A peer fetches nothing more from here.
    pub(super) fn asker_left(&mut self, id: TransferId, peer: PeerId, whole: bool) {
        self.forget_asker(id, peer);
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        if let Some(asker) = share.askers.remove(&peer) {
            self.event(Event::Taken { share: id, peer, bytes: asker.given, whole });
        }
    }

    /// Everyone who fetches from here is told that it is over.
    pub(super) fn part_with_askers(&mut self, now: Instant, id: TransferId) {
        let Some(share) = self.sharing.shares.get(&id) else { return };
        let Some(root) = share.root else { return };
        let askers: Vec<_> = share.askers.iter().map(|(peer, asker)| (*peer, asker.link)).collect();
        for (peer, link) in askers {
            self.say_of(now, link, root, What::Leave(Leaving::Stopped));
            self.asker_left(id, peer, false);
        }
    }

    /// Drops what waits for a peer, and ends its channels.
    fn forget_asker(&mut self, id: TransferId, peer: PeerId) {
        // Others of the same share stand in line anew.
        self.shares.gives_nothing(id);
        let asker = self.sharing.shares.get_mut(&id).and_then(|share| share.askers.get_mut(&peer));
        let Some(asker) = asker else { return };
        asker.ready_bytes = 0;
        asker.ready.clear();
        asker.rest.clear();
        asker.wanted.clear();
        asker.reading.clear();
        if let Some(outline) = asker.outline.take() {
            outline.end(&mut self.links, asker.link);
        }
        if let (Some(channel), Some(road)) = (asker.channel.take(), asker.road.take()) {
            self.links.reset(road, channel);
        }
    }

    /// Tells everyone who fetches from here that a file has changed.
    pub(super) fn retract(&mut self, now: Instant, id: TransferId, pieces: Range<u32>) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let Some(root) = share.root else { return };
        for asker in share.askers.values_mut() {
            asker.wanted.retain(|piece| !pieces.contains(piece));
        }
        let links: Vec<LinkKey> = share.askers.values().map(|asker| asker.link).collect();
        for link in links {
            self.say_of(now, link, root, What::Changed(runs(pieces.clone())));
        }
    }

    /// Tells everyone who fetches from here of pieces that have come.
    pub(super) fn announce_pieces(&mut self, now: Instant, id: TransferId, pieces: &[u32]) {
        let Some(share) = self.sharing.shares.get(&id) else { return };
        let Some(root) = share.root else { return };
        let links: Vec<LinkKey> = share.askers.values().map(|asker| asker.link).collect();
        for link in links {
            for pieces in pieces.chunks(MAX_LISTED) {
                self.say_of(now, link, root, What::Have(Have::Pieces(pieces.to_vec())));
            }
        }
    }
}

impl Content {
    /// A file is not any more what was hashed or put there: it is given to nobody. Gives where it is and its pieces,
    /// if that is new.
    fn lose(&mut self, file: u32) -> Option<(PathBuf, Range<u32>)> {
        let path = match &mut self.origin {
            Origin::Sources(sources, gone) => {
                let path = usize::try_from(file).ok().and_then(|at| sources.get(at)).cloned()?;
                gone.insert(file).then(|| path.to_path_buf())
            }
            Origin::Landing(landing) => landing.lose(file).then(|| landing.path_of(file)).flatten(),
            Origin::Nowhere => None,
        };
        Some((path?, self.pieces.of_file(file)?))
    }
}

/// A piece with its proof, if it is what it was when it was hashed or verified.
fn prepare(
    content: &Content,
    piece: u32,
    result: Result<HashedChunk, StorageError>,
) -> Option<(PieceHead, Bytes)> {
    let place = content.pieces.place(piece)?;
    let tree = content.trees.get(&place.file)?;
    let chunk = result.ok().filter(|chunk| tree.value(place.chunk) == Some(chunk.value))?;
    let proof = tree.proof(place.chunk)?;
    Some((PieceHead { piece, length: place.length, value: chunk.value, proof }, chunk.data))
}

/// What is here, in messages of bounded size; at least one.
fn haves(content: &Content) -> Vec<Have> {
    let here = match &content.origin {
        Origin::Sources(_, gone) if gone.is_empty() => return vec![Have::All],
        Origin::Sources(_, gone) => {
            let mut here = crate::transfer::bits::Bits::new(content.pieces.count());
            let files = content.pieces.files().filter(|file| !gone.contains(file));
            files.filter_map(|file| content.pieces.of_file(file)).flatten().for_each(|piece| {
                here.insert(piece);
            });
            here
        }
        Origin::Landing(landing) if landing.here().is_full() => return vec![Have::All],
        Origin::Landing(landing) => landing.here().clone(),
        Origin::Nowhere => return Vec::new(),
    };
    let mut haves = Vec::new();
    let step = u32::try_from(MAX_BITS.saturating_mul(8)).unwrap_or(u32::MAX);
    let mut first = 0_u32;
    while first < content.pieces.count() {
        let bytes = here.bytes(first, MAX_BITS);
        if haves.is_empty() || bytes.iter().any(|byte| *byte != 0) {
            haves.push(Have::Bits(first, bytes));
        }
        first = first.saturating_add(step);
    }
    haves
}
