//! All links of a node, of either kind: who has which, and what is done on their channels.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::datagrams::Datagrams;
use super::kind::{Change, Channels, Kind};
use super::streams::Streams;
use super::{ChannelId, ChannelRead, CloseCode, LinkEvent, LinkKey, Timers};
use crate::entropy::Entropy;
use crate::identity::PeerId;
use crate::noise::quic::QuicCrypto;
use crate::wire::Malformed;
use crate::{LinkLoss, Why};

/// Links at most, those under way included; more are not answered.
pub(super) const MAX_LINKS: usize = 512;
/// Links of one kind to one peer; the oldest makes room for the newest.
const MAX_OF_PEER: usize = 4;
/// How long closing waits for what was said to arrive.
const LINGER: Duration = Duration::from_secs(3);

/// The links of a node.
pub(crate) struct Links {
    pub(super) datagrams: Datagrams,
    pub(super) streams: Streams,
    pub(super) links: BTreeMap<LinkKey, Kind>,
    next: u64,
    by_peer: BTreeMap<PeerId, Vec<LinkKey>>,
    /// Links whose state may have changed since they were last looked at.
    pub(super) touched: BTreeSet<LinkKey>,
    events: VecDeque<LinkEvent>,
    pub(super) closing: Option<Instant>,
}

impl Links {
    pub(crate) fn new(crypto: QuicCrypto, entropy: &mut Entropy, max_datagram: u16, unix_time: u64) -> Self {
        Self {
            streams: Streams::new(crypto.streams()),
            datagrams: Datagrams::new(crypto, entropy, max_datagram, unix_time),
            links: BTreeMap::new(),
            next: 0,
            by_peer: BTreeMap::new(),
            touched: BTreeSet::new(),
            events: VecDeque::new(),
            closing: None,
        }
    }

    pub(super) fn insert(&mut self, link: Kind) -> LinkKey {
        let key = LinkKey(self.next);
        self.next = self.next.saturating_add(1);
        self.links.insert(key, link);
        self.touched.insert(key);
        key
    }

    /// Links of a kind that others began and on which nobody has proven themselves yet: all, and those from one
    /// address.
    pub(super) fn half_open(&self, streams: bool, from: IpAddr) -> (usize, usize) {
        let begun = || self.links.values().filter(|it| it.is_half_open() && it.is_stream() == streams);
        let from_there = begun().filter(|it| it.get().address().is_some_and(|at| at.ip() == from));
        (begun().count(), from_there.count())
    }

    /// A link's timer has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, number: u64) {
        self.with(LinkKey(number), |link| link.handle_timeout(now));
    }

    /// Looks at every touched link; gives those to read from and write to.
    pub(crate) fn pump(&mut self, now: Instant, timers: &mut Timers) -> Vec<LinkKey> {
        let touched: Vec<_> = std::mem::take(&mut self.touched).into_iter().collect();
        for key in &touched {
            self.pump_one(now, *key, timers);
        }
        touched
    }

    fn pump_one(&mut self, now: Instant, key: LinkKey, timers: &mut Timers) {
        let Some(link) = self.links.get_mut(&key) else { return };
        let changes = match link {
            Kind::Quic(link) => {
                self.datagrams.settle(link);
                link.pump()
            }
            Kind::Stream(link) => {
                self.streams.settle(key, link);
                link.pump()
            }
        };
        for change in changes {
            let peer = link.get().peer().or(link.get().dialled());
            match (change, peer) {
                (Change::Up(peer), _) => {
                    self.by_peer.entry(peer).or_default().push(key);
                    self.events.push_back(LinkEvent::Up { link: key, peer });
                }
                (Change::Lost { why, cancelled }, Some(peer)) => {
                    self.events.push_back(LinkEvent::Down { link: key, peer, why, cancelled });
                }
                (Change::Failed { other_version }, Some(peer)) => {
                    self.events.push_back(LinkEvent::Failed { link: key, peer, other_version });
                }
                (Change::Finished, _) => link.get_mut().close(now, CloseCode::Done),
                (Change::Met { ours, theirs, session }, _) => {
                    self.events.push_back(LinkEvent::Met { link: key, ours, theirs, session });
                }
                (Change::Parted, _) => self.events.push_back(LinkEvent::Parted { link: key }),
                (Change::Lost { .. } | Change::Failed { .. }, None) => {}
            }
        }
        if let Kind::Quic(link) = link {
            self.datagrams.settle(link);
        }
        if link.get().is_closed() {
            forget_peer(&mut self.by_peer, link.get().peer(), key);
        }
        timers.set(Why::Link(key.0), link.get_mut().timeout());
        match link {
            link if link.get().is_drained() => {
                if let Some(link) = link.quic() {
                    self.datagrams.forget(link.handle);
                }
                self.links.remove(&key);
                timers.set(Why::Link(key.0), None);
            }
            Kind::Quic(_) => self.datagrams.may_send(key),
            Kind::Stream(_) => {}
        }
    }

    /// Whether nothing has changed since the links were last looked at.
    pub(crate) fn is_quiet(&self) -> bool {
        self.touched.is_empty() && self.events.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// The link to use for a peer: the newest, since a peer that was started anew does not know the others. A stream,
    /// in which a word waits behind what was written before it, only where there is nothing else.
    pub(crate) fn to(&self, peer: PeerId) -> Option<LinkKey> {
        let links = self.by_peer.get(&peer)?;
        links.iter().rev().find(|key| !self.is_stream(**key)).or(links.last()).copied()
    }

    /// Links to a peer.
    pub(crate) fn count(&self, peer: PeerId) -> usize {
        self.by_peer.get(&peer).map_or(0, Vec::len)
    }

    /// All links.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Closes a peer's oldest link of a kind of which it has too many.
    pub(crate) fn keep_newest(&mut self, now: Instant, peer: PeerId) {
        let too_old = |streams: bool| {
            let of_kind = |key: &&LinkKey| self.is_stream(**key) == streams;
            self.by_peer.get(&peer)?.iter().rev().filter(of_kind).nth(MAX_OF_PEER).copied()
        };
        for oldest in [too_old(false), too_old(true)].into_iter().flatten() {
            forget_peer(&mut self.by_peer, Some(peer), oldest);
            self.with(oldest, |found| found.close(now, CloseCode::Done));
            self.events.push_back(LinkEvent::Down {
                link: oldest,
                peer,
                why: LinkLoss::Ours,
                cancelled: false,
            });
        }
    }

    /// Takes more at once over a link: there is consent to what comes. `most` is a bound on it, in bytes.
    pub(crate) fn widen(&mut self, link: LinkKey, most: Option<u64>) {
        self.with(link, |found| found.widen(most));
    }

    /// Everyone with a link.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.by_peer.keys().copied()
    }

    /// Who is at the other end of a link that is up.
    pub(crate) fn peer(&self, link: LinkKey) -> Option<PeerId> {
        self.get(link).filter(|link| !link.is_closed())?.peer()
    }

    pub(crate) fn address(&self, link: LinkKey) -> Option<SocketAddr> {
        self.get(link)?.address()
    }

    /// Where a link's peer could be dialled again, as far as the link tells.
    pub(crate) fn home(&self, link: LinkKey) -> Option<SocketAddr> {
        self.get(link)?.home()
    }

    pub(crate) fn round_trip(&self, link: LinkKey) -> Option<Duration> {
        self.get(link)?.round_trip()
    }

    /// How many pieces of channels a link has sent so far.
    pub(crate) fn sent(&mut self, link: LinkKey) -> u64 {
        self.links.get_mut(&link).map_or(0, |found| found.get_mut().sent())
    }

    /// Sends a control message.
    pub(crate) fn send_control(&mut self, now: Instant, link: LinkKey, frame: Vec<u8>) {
        if self.with(link, |found| found.send_control(frame)) == Some(false) {
            self.fail(now, link);
        }
    }

    pub(crate) fn next_control(&mut self, link: LinkKey) -> Result<Option<Vec<u8>>, Malformed> {
        self.links.get_mut(&link).map_or(Ok(None), |found| found.get_mut().next_control())
    }

    pub(crate) fn readable(&self, link: LinkKey) -> Vec<ChannelId> {
        self.get(link).map(|found| found.readable()).unwrap_or_default()
    }

    pub(crate) fn read(&mut self, link: LinkKey, channel: ChannelId, most: usize) -> ChannelRead {
        self.with(link, |found| found.read(channel, most)).unwrap_or(ChannelRead::Reset)
    }

    pub(crate) fn stop(&mut self, link: LinkKey, channel: ChannelId) {
        self.with(link, |found| found.stop(channel));
    }

    pub(crate) fn open(&mut self, link: LinkKey) -> Option<ChannelId> {
        // Only where one was opened: asking again and again is no change.
        let opened = self.links.get_mut(&link)?.get_mut().open()?;
        self.touched.insert(link);
        Some(opened)
    }

    pub(crate) fn is_writable(&self, link: LinkKey, channel: ChannelId) -> bool {
        self.get(link).is_some_and(|found| found.is_writable(channel))
    }

    pub(crate) fn write(
        &mut self,
        link: LinkKey,
        channel: ChannelId,
        pieces: impl IntoIterator<Item = Bytes>,
    ) {
        self.with(link, |found| found.write(channel, &mut pieces.into_iter()));
    }

    pub(crate) fn finish(&mut self, link: LinkKey, channel: ChannelId) {
        self.with(link, |found| found.finish(channel));
    }

    pub(crate) fn reset(&mut self, link: LinkKey, channel: ChannelId) {
        self.with(link, |found| found.reset(channel));
    }

    /// Looks at a link again, since something it waits for may have changed.
    pub(crate) fn touch(&mut self, link: LinkKey) {
        if self.links.contains_key(&link) {
            self.touched.insert(link);
        }
    }

    /// Whether a link is between one-time keys: it carries steps of a code and nothing else.
    pub(crate) fn is_one_time(&self, link: LinkKey) -> bool {
        matches!(self.links.get(&link), Some(Kind::Quic(found)) if found.is_one_time() && !found.is_closed())
    }

    /// Whoever holds the one-time key at a link's other end has proven to be this peer: it is a link like any other now.
    pub(crate) fn adopt(&mut self, link: LinkKey, peer: PeerId) {
        let Some(found) = self.links.get_mut(&link).and_then(Kind::quic) else { return };
        if found.is_closed() || !found.is_one_time() {
            return;
        }
        found.adopt(peer);
        self.by_peer.entry(peer).or_default().push(link);
        self.events.push_back(LinkEvent::Up { link, peer });
        self.touched.insert(link);
    }

    /// Closes a link once the control messages that wait have arrived.
    pub(crate) fn part(&mut self, link: LinkKey) {
        self.with(link, |found| found.close_gently());
    }

    /// Gives up a dial that is not needed any more.
    pub(crate) fn abandon(&mut self, now: Instant, link: LinkKey) {
        self.with(link, |found| found.close(now, CloseCode::Done));
    }

    /// Closes a link whose peer broke the protocol.
    pub(crate) fn fail(&mut self, now: Instant, link: LinkKey) {
        let Some(found) = self.links.get_mut(&link).map(Kind::get_mut) else { return };
        if found.is_closed() {
            return;
        }
        found.close(now, CloseCode::Violation);
        if let Some(peer) = found.peer() {
            forget_peer(&mut self.by_peer, Some(peer), link);
            self.events.push_back(LinkEvent::Down { link, peer, why: LinkLoss::Broken, cancelled: false });
        }
        self.touched.insert(link);
    }

    /// Closes every link to a peer.
    pub(crate) fn close_peer(&mut self, now: Instant, peer: PeerId) {
        for key in self.by_peer.remove(&peer).unwrap_or_default() {
            self.with(key, |found| found.close(now, CloseCode::Done));
            self.events.push_back(LinkEvent::Down { link: key, peer, why: LinkLoss::Ours, cancelled: false });
        }
    }

    /// Closes every link once what was said has arrived, and answers nobody new. Gives when to come again, to let go
    /// of those that have not said goodbye by then.
    pub(crate) fn close(&mut self, now: Instant) -> Option<Instant> {
        if self.closing.is_some() {
            self.close_all(now, CloseCode::Interrupted);
            return None;
        }
        self.closing = Some(now);
        for (key, link) in &mut self.links {
            // What was said last over a link that closes already is still to arrive, whoever is at its end.
            let parting = matches!(link, Kind::Quic(found) if found.is_parting());
            let link = link.get_mut();
            if link.peer().is_some() || parting {
                link.close_gently();
            } else {
                link.close(now, CloseCode::Done);
            }
            self.touched.insert(*key);
        }
        now.checked_add(LINGER)
    }

    fn close_all(&mut self, now: Instant, code: CloseCode) {
        for (key, link) in &mut self.links {
            if !link.get().is_closed() {
                link.get_mut().close(now, code);
                self.touched.insert(*key);
            }
        }
    }

    /// Whether every link has said its goodbye.
    pub(crate) fn is_drained(&self) -> bool {
        self.touched.is_empty()
            && self.datagrams.is_silent()
            && self.links.values().all(|link| link.get().has_parted())
    }

    pub(super) fn is_stream(&self, link: LinkKey) -> bool {
        self.links.get(&link).is_some_and(Kind::is_stream)
    }

    fn get(&self, link: LinkKey) -> Option<&dyn Channels> {
        self.links.get(&link).map(Kind::get)
    }

    fn with<R>(&mut self, link: LinkKey, act: impl FnOnce(&mut dyn Channels) -> R) -> Option<R> {
        let found = self.links.get_mut(&link)?;
        self.touched.insert(link);
        Some(act(found.get_mut()))
    }
}

fn forget_peer(by_peer: &mut BTreeMap<PeerId, Vec<LinkKey>>, peer: Option<PeerId>, link: LinkKey) {
    let Some(peer) = peer else { return };
    if let Some(links) = by_peer.get_mut(&peer) {
        links.retain(|other| *other != link);
        if links.is_empty() {
            by_peer.remove(&peer);
        }
    }
}
