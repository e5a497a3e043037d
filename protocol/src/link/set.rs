//! All links of a node: datagrams in and out, dialling, answering, and who waits for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use noq_proto::{
    ClientConfig, ConnectionError, ConnectionHandle, ConnectionId, DatagramEvent, Endpoint, FourTuple,
    Incoming, ServerConfig, TransportConfig, VarInt,
};

use super::config::{Clock, WIDE, transport_config};
use super::quic::{Change, QuicLink};
use super::{ChannelId, ChannelRead, CloseCode, LinkEvent, LinkKey, Timers};
use crate::entropy::Entropy;
use crate::identity::PeerId;
use crate::noise::quic::{self, QuicCrypto};
use crate::wire::Malformed;
use crate::{LinkLoss, Received, Transmit, Why};

/// Links at most, those under way included; more are not answered.
const MAX_LINKS: usize = 512;
/// Answers of the endpoint itself that wait to be sent; more are dropped, as the network might.
const MAX_ANSWERS: usize = 64;
/// First packets of strangers answered without proof of address, for each second.
const INITIALS_PER_SECOND: u32 = 32;
/// Links to one peer; the oldest makes room for the newest.
const MAX_OF_PEER: usize = 4;
/// Links on which nobody has proven themselves yet: from so many on, addresses must prove themselves first, and no
/// more than so many are begun.
const HALF_OPEN: usize = 64;
const MAX_HALF_OPEN: usize = 128;
/// Such links from one address.
const HALF_OPEN_OF_ADDRESS: usize = 32;
/// How long closing waits for what was said to arrive.
const LINGER: Duration = Duration::from_secs(3);

/// The links of a node.
pub(crate) struct Links {
    endpoint: Endpoint,
    crypto: QuicCrypto,
    transport: Arc<TransportConfig>,
    first_ids: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
    clock: Arc<Clock>,
    links: BTreeMap<LinkKey, QuicLink>,
    keys: BTreeMap<usize, LinkKey>,
    next: u64,
    by_peer: BTreeMap<PeerId, Vec<LinkKey>>,
    /// Links whose state may have changed since they were last looked at.
    touched: BTreeSet<LinkKey>,
    /// Links that may have something to send, in turn.
    sending: VecDeque<LinkKey>,
    answers: VecDeque<(Transmit, Vec<u8>)>,
    events: VecDeque<LinkEvent>,
    initials: (Option<Instant>, u32),
    closing: Option<Instant>,
}

impl Links {
    pub(crate) fn new(crypto: QuicCrypto, entropy: &mut Entropy, max_datagram: u16, unix_time: u64) -> Self {
        let clock = Arc::new(Clock::new(unix_time));
        let transport = Arc::new(transport_config(max_datagram));
        let mut server = ServerConfig::new(crypto.server(), quic::token_key(entropy));
        server.transport_config(Arc::clone(&transport)).time_source(Arc::clone(&clock) as _);
        server.max_incoming(64).incoming_buffer_size(64 * 1024).incoming_buffer_size_total(1024 * 1024);
        let mut config = quic::endpoint_config(entropy);
        // What we are willing to receive; what is sent is bound by probing each path.
        let _ = config.max_udp_payload_size(65_527);
        let first_ids = quic::initial_connection_ids(entropy.stream("first connection ids"));
        Self {
            endpoint: Endpoint::new(Arc::new(config), Some(Arc::new(server)), true),
            crypto,
            transport,
            first_ids,
            clock,
            links: BTreeMap::new(),
            keys: BTreeMap::new(),
            next: 0,
            by_peer: BTreeMap::new(),
            touched: BTreeSet::new(),
            sending: VecDeque::new(),
            answers: VecDeque::new(),
            events: VecDeque::new(),
            initials: (None, 0),
            closing: None,
        }
    }

    pub(crate) fn set_clock(&self, unix_time: u64) {
        self.clock.set(unix_time);
    }

    pub(crate) fn mix(&self, fresh: &[u8; 32]) {
        self.crypto.mix(fresh);
    }

    /// Takes what arrived, datagram by datagram.
    pub(crate) fn handle_datagram(&mut self, now: Instant, received: Received, mut data: BytesMut) {
        let path = FourTuple::new(received.remote, received.local);
        let segment = received.segment_size.max(1);
        while !data.is_empty() {
            let datagram = data.split_to(segment.min(data.len()));
            let mut answer = Vec::new();
            match self.endpoint.handle(now, path, received.ecn, datagram, &mut answer) {
                Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                    let Some(key) = self.keys.get(&handle.0).copied() else { continue };
                    if let Some(link) = self.links.get_mut(&key) {
                        link.connection.handle_event(event);
                        self.touched.insert(key);
                    }
                }
                Some(DatagramEvent::NewConnection(incoming)) => self.answer(now, incoming),
                Some(DatagramEvent::Response(transmit)) => self.queue_answer(transmit, answer),
                None => {}
            }
        }
    }

    /// Answers a first packet; asks for proof of address when there are many.
    fn answer(&mut self, now: Instant, incoming: Incoming) {
        let (since, count) = self.initials;
        let fresh = since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1));
        self.initials = if fresh { (Some(now), 1) } else { (since, count.saturating_add(1)) };
        let from = incoming.remote_address().ip();
        let begun = || self.links.values().filter(|link| link.peer.is_none() && link.dialled.is_none());
        let half_open = begun().count();
        let from_there = begun().filter(|link| link.address().is_some_and(|at| at.ip() == from)).count();
        if self.closing.is_some()
            || self.links.len() >= MAX_LINKS
            || half_open >= MAX_HALF_OPEN
            || from_there >= HALF_OPEN_OF_ADDRESS
        {
            self.endpoint.ignore(incoming);
            return;
        }
        let mut answer = Vec::new();
        let many = self.initials.1 > INITIALS_PER_SECOND || half_open >= HALF_OPEN;
        if many && !incoming.remote_address_validated() {
            match self.endpoint.retry(incoming, &mut answer) {
                Ok(transmit) => self.queue_answer(transmit, answer),
                Err(error) => self.endpoint.ignore(error.into_incoming()),
            }
            return;
        }
        // Whoever cannot write a first packet for us gets no answer at all.
        if let Ok((handle, connection)) = self.endpoint.accept(incoming, now, &mut answer, None) {
            self.add(handle, connection, None);
        }
    }

    fn queue_answer(&mut self, transmit: noq_proto::Transmit, mut data: Vec<u8>) {
        if self.answers.len() < MAX_ANSWERS {
            data.truncate(transmit.size);
            self.answers.push_back((convert(&transmit), data));
        }
    }

    /// Dials a peer at an address.
    pub(crate) fn dial(&mut self, now: Instant, peer: PeerId, address: SocketAddr) -> Option<LinkKey> {
        if self.closing.is_some() || self.links.len() >= MAX_LINKS {
            return None;
        }
        let mut config = ClientConfig::new(self.crypto.client(peer));
        config.version(quic::WIRE_VERSION).transport_config(Arc::clone(&self.transport));
        config.initial_dst_cid_provider(Arc::clone(&self.first_ids));
        let (handle, connection) = self.endpoint.connect(now, config, address, "").ok()?;
        Some(self.add(handle, connection, Some(peer)))
    }

    fn add(
        &mut self,
        handle: ConnectionHandle,
        connection: noq_proto::Connection,
        dialled: Option<PeerId>,
    ) -> LinkKey {
        let key = LinkKey(self.next);
        self.next = self.next.saturating_add(1);
        self.keys.insert(handle.0, key);
        self.links.insert(key, QuicLink::new(handle, connection, dialled));
        self.touched.insert(key);
        key
    }

    /// The next datagrams to send.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
        timers: &mut Timers,
    ) -> Option<Transmit> {
        if let Some((transmit, data)) = self.answers.pop_front() {
            buffer.extend_from_slice(&data);
            return Some(transmit);
        }
        while let Some(key) = self.sending.pop_front() {
            let Some(link) = self.links.get_mut(&key) else { continue };
            let transmit = link.connection.poll_transmit(now, max_segments, buffer);
            timers.set(Why::Link(key.0), link.connection.poll_timeout());
            if let Some(transmit) = transmit {
                self.sending.push_back(key);
                return Some(convert(&transmit));
            }
            // Sending may have been the last thing a closing connection had to do.
            if link.connection.is_drained() {
                self.touched.insert(key);
            }
        }
        None
    }

    /// A link's timer has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, number: u64) {
        let key = LinkKey(number);
        if let Some(link) = self.links.get_mut(&key) {
            link.connection.handle_timeout(now);
            self.touched.insert(key);
        }
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
        let handle = link.handle;
        while let Some(event) = link.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                link.connection.handle_event(event);
            }
        }
        for change in link.pump() {
            match change {
                Change::Up(peer) => {
                    self.by_peer.entry(peer).or_default().push(key);
                    self.events.push_back(LinkEvent::Up { link: key, peer });
                }
                Change::Down(reason) => self.events.extend(down(key, link, &reason)),
                Change::Finished => link.close(now, CloseCode::Done),
            }
        }
        while let Some(event) = link.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                link.connection.handle_event(event);
            }
        }
        if link.connection.is_closed() {
            forget_peer(&mut self.by_peer, link.peer, key);
        }
        if link.connection.is_drained() {
            self.links.remove(&key);
            self.keys.remove(&handle.0);
            timers.set(Why::Link(key.0), None);
            return;
        }
        timers.set(Why::Link(key.0), link.connection.poll_timeout());
        if !self.sending.contains(&key) {
            self.sending.push_back(key);
        }
    }

    /// Whether nothing has changed since the links were last looked at.
    pub(crate) fn is_quiet(&self) -> bool {
        self.touched.is_empty() && self.events.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// The link to use for a peer: the newest, since a peer that was started anew does not know the others.
    pub(crate) fn to(&self, peer: PeerId) -> Option<LinkKey> {
        self.by_peer.get(&peer)?.last().copied()
    }

    /// Links to a peer.
    pub(crate) fn count(&self, peer: PeerId) -> usize {
        self.by_peer.get(&peer).map_or(0, Vec::len)
    }

    /// All links.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Closes a peer's oldest link if it has too many.
    pub(crate) fn keep_newest(&mut self, now: Instant, peer: PeerId) {
        if self.count(peer) <= MAX_OF_PEER {
            return;
        }
        if let Some(oldest) = self.by_peer.get(&peer).and_then(|links| links.first()).copied() {
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
        let window = most.and_then(|most| u32::try_from(most).ok()).unwrap_or(WIDE).min(WIDE);
        self.with(link, |found| found.connection.set_receive_window(VarInt::from_u32(window)));
    }

    /// Everyone with a link.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.by_peer.keys().copied()
    }

    /// Who is at the other end of a link that is up.
    pub(crate) fn peer(&self, link: LinkKey) -> Option<PeerId> {
        self.links.get(&link).filter(|link| !link.connection.is_closed())?.peer
    }

    pub(crate) fn address(&self, link: LinkKey) -> Option<SocketAddr> {
        self.links.get(&link)?.address()
    }

    pub(crate) fn round_trip(&self, link: LinkKey) -> Option<Duration> {
        self.links.get(&link)?.connection.rtt(noq_proto::PathId::ZERO)
    }

    /// How many pieces of channels a link has sent so far.
    pub(crate) fn sent(&mut self, link: LinkKey) -> u64 {
        self.links.get_mut(&link).map_or(0, |found| found.connection.stats().frame_tx.stream)
    }

    /// Sends a control message.
    pub(crate) fn send_control(&mut self, now: Instant, link: LinkKey, frame: Vec<u8>) {
        let Some(found) = self.links.get_mut(&link) else { return };
        if !found.send_control(frame) {
            self.fail(now, link);
        }
        self.touched.insert(link);
    }

    pub(crate) fn next_control(&mut self, link: LinkKey) -> Result<Option<Vec<u8>>, Malformed> {
        self.links.get_mut(&link).map_or(Ok(None), QuicLink::next_control)
    }

    pub(crate) fn readable(&self, link: LinkKey) -> Vec<ChannelId> {
        self.links.get(&link).map(QuicLink::readable).unwrap_or_default()
    }

    pub(crate) fn read(&mut self, link: LinkKey, channel: ChannelId, most: usize) -> ChannelRead {
        self.with(link, |found| found.read(channel, most)).unwrap_or(ChannelRead::Reset)
    }

    pub(crate) fn stop(&mut self, link: LinkKey, channel: ChannelId) {
        self.with(link, |found| found.stop(channel));
    }

    pub(crate) fn open(&mut self, link: LinkKey) -> Option<ChannelId> {
        let opened = self.links.get_mut(&link)?.open()?;
        self.touched.insert(link);
        Some(opened)
    }

    pub(crate) fn is_writable(&self, link: LinkKey, channel: ChannelId) -> bool {
        self.links.get(&link).is_some_and(|found| found.is_writable(channel))
    }

    pub(crate) fn write(
        &mut self,
        link: LinkKey,
        channel: ChannelId,
        pieces: impl IntoIterator<Item = Bytes>,
    ) {
        self.with(link, |found| found.write(channel, pieces));
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

    /// Gives up a dial that is not needed any more.
    pub(crate) fn abandon(&mut self, now: Instant, link: LinkKey) {
        self.with(link, |found| found.close(now, CloseCode::Done));
    }

    /// Closes a link whose peer broke the protocol.
    pub(crate) fn fail(&mut self, now: Instant, link: LinkKey) {
        let Some(found) = self.links.get_mut(&link) else { return };
        if found.connection.is_closed() {
            return;
        }
        found.close(now, CloseCode::Violation);
        if let Some(peer) = found.peer {
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
            if link.peer.is_some() {
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
            if !link.connection.is_closed() {
                link.close(now, code);
                self.touched.insert(*key);
            }
        }
    }

    /// Whether every link has said its goodbye.
    pub(crate) fn is_drained(&self) -> bool {
        self.answers.is_empty()
            && self.touched.is_empty()
            && self.sending.is_empty()
            && self.links.values().all(|link| link.connection.is_closed())
    }

    fn with<R>(&mut self, link: LinkKey, act: impl FnOnce(&mut QuicLink) -> R) -> Option<R> {
        let found = self.links.get_mut(&link)?;
        self.touched.insert(link);
        Some(act(found))
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

fn down(key: LinkKey, link: &QuicLink, reason: &ConnectionError) -> Option<LinkEvent> {
    let Some(peer) = link.peer else {
        let other_version = *reason == ConnectionError::VersionMismatch;
        return link.dialled.map(|peer| LinkEvent::Failed { link: key, peer, other_version });
    };
    let interrupted = VarInt::from_u32(CloseCode::Interrupted.number());
    let mut cancelled = false;
    let why = match reason {
        ConnectionError::ApplicationClosed(close) => {
            cancelled = close.error_code == interrupted;
            LinkLoss::Closed
        }
        ConnectionError::LocallyClosed => LinkLoss::Ours,
        ConnectionError::TimedOut => LinkLoss::TimedOut,
        _ => LinkLoss::Broken,
    };
    Some(LinkEvent::Down { link: key, peer, why, cancelled })
}

fn convert(transmit: &noq_proto::Transmit) -> Transmit {
    Transmit {
        remote: transmit.destination,
        local: transmit.src_ip,
        ecn: transmit.ecn,
        size: transmit.size,
        segment_size: transmit.segment_size,
    }
}
