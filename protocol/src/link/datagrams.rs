//! All links over QUIC: datagrams in and out, dialling and answering.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use noq_proto::{
    ClientConfig, ConnectionHandle, ConnectionId, DatagramEvent, Endpoint, FourTuple, Incoming, ServerConfig,
    TransportConfig,
};

use super::config::{Clock, transport_config};
use super::kind::Kind;
use super::quic::QuicLink;
use super::set::MAX_LINKS;
use super::{LinkKey, Links, Timers};
use crate::entropy::{Entropy, Stream};
use crate::identity::{Identity, PeerId};
use crate::noise::quic::{self, QuicCrypto};
use crate::{Received, Transmit, Why};

/// Answers of the endpoint itself that wait to be sent; more are dropped, as the network might.
const MAX_ANSWERS: usize = 64;
/// First packets of strangers answered without proof of address, for each second.
const INITIALS_PER_SECOND: u32 = 32;
/// Links on which nobody has proven themselves yet: from so many on, addresses must prove themselves first, and no
/// more than so many are begun.
const HALF_OPEN: usize = 64;
const MAX_HALF_OPEN: usize = 128;
/// Such links from one address.
const HALF_OPEN_OF_ADDRESS: usize = 32;

/// What all QUIC connections share.
pub(super) struct Datagrams {
    endpoint: Endpoint,
    server: Arc<ServerConfig>,
    crypto: QuicCrypto,
    transport: Arc<TransportConfig>,
    first_ids: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
    tagged_ids: Stream,
    clock: Arc<Clock>,
    keys: BTreeMap<usize, LinkKey>,
    /// Links that may have something to send, in turn.
    sending: VecDeque<LinkKey>,
    answers: VecDeque<(Transmit, Vec<u8>)>,
    initials: (Option<Instant>, u32),
}

impl Datagrams {
    pub(super) fn new(crypto: QuicCrypto, entropy: &mut Entropy, max_datagram: u16, unix_time: u64) -> Self {
        let clock = Arc::new(Clock::new(unix_time));
        let transport = Arc::new(transport_config(max_datagram));
        let mut server = ServerConfig::new(crypto.server(), quic::token_key(entropy));
        server.transport_config(Arc::clone(&transport)).time_source(Arc::clone(&clock) as _);
        server.max_incoming(64).incoming_buffer_size(64 * 1024).incoming_buffer_size_total(1024 * 1024);
        let mut config = crypto.endpoint_config(entropy);
        // What we are willing to receive; what is sent is bound by probing each path.
        let _ = config.max_udp_payload_size(65_527);
        let first_ids = quic::initial_connection_ids(entropy.stream("first connection ids"));
        let server = Arc::new(server);
        Self {
            endpoint: Endpoint::new(Arc::new(config), Some(Arc::clone(&server)), true),
            server,
            crypto,
            transport,
            first_ids,
            tagged_ids: entropy.stream("tagged connection ids"),
            clock,
            keys: BTreeMap::new(),
            sending: VecDeque::new(),
            answers: VecDeque::new(),
            initials: (None, 0),
        }
    }

    /// Lets a connection and its endpoint say to each other what they have to.
    pub(super) fn settle(&mut self, link: &mut QuicLink) {
        while let Some(event) = link.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(link.handle, event) {
                link.connection.handle_event(event);
            }
        }
    }

    /// A link may have something to send.
    pub(super) fn may_send(&mut self, key: LinkKey) {
        if !self.sending.contains(&key) {
            self.sending.push_back(key);
        }
    }

    /// A connection is drained.
    pub(super) fn forget(&mut self, handle: ConnectionHandle) {
        self.keys.remove(&handle.0);
    }

    /// Whether nothing is left to send.
    pub(super) fn is_silent(&self) -> bool {
        self.answers.is_empty() && self.sending.is_empty()
    }

    fn queue_answer(&mut self, transmit: noq_proto::Transmit, mut data: Vec<u8>) {
        if self.answers.len() < MAX_ANSWERS {
            data.truncate(transmit.size);
            self.answers.push_back((convert(&transmit), data));
        }
    }
}

impl Links {
    pub(crate) fn set_clock(&self, unix_time: u64) {
        self.datagrams.clock.set(unix_time);
    }

    pub(crate) fn mix(&self, fresh: &[u8; 32]) {
        self.datagrams.crypto.mix(fresh);
    }

    /// Takes what arrived, datagram by datagram.
    pub(crate) fn handle_datagram(&mut self, now: Instant, received: Received, mut data: BytesMut) {
        let path = FourTuple::new(received.remote, received.local);
        let segment = received.segment_size.max(1);
        while !data.is_empty() {
            let datagram = data.split_to(segment.min(data.len()));
            let mut answer = Vec::new();
            match self.datagrams.endpoint.handle(now, path, received.ecn, datagram, &mut answer) {
                Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                    let Some(key) = self.datagrams.keys.get(&handle.0).copied() else { continue };
                    if let Some(link) = self.links.get_mut(&key).and_then(Kind::quic) {
                        link.connection.handle_event(event);
                        self.touched.insert(key);
                    }
                }
                Some(DatagramEvent::NewConnection(incoming)) => self.answer(now, incoming),
                Some(DatagramEvent::Response(transmit)) => self.datagrams.queue_answer(transmit, answer),
                None => {}
            }
        }
    }

    /// Answers a first packet; asks for proof of address when there are many.
    fn answer(&mut self, now: Instant, incoming: Incoming) {
        let (since, count) = self.datagrams.initials;
        let fresh = since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1));
        self.datagrams.initials = if fresh { (Some(now), 1) } else { (since, count.saturating_add(1)) };
        let from = incoming.remote_address().ip();
        let (half_open, from_there) = self.half_open(false, from);
        if self.closing.is_some()
            || self.links.len() >= MAX_LINKS
            || half_open >= MAX_HALF_OPEN
            || from_there >= HALF_OPEN_OF_ADDRESS
        {
            self.datagrams.endpoint.ignore(incoming);
            return;
        }
        let mut answer = Vec::new();
        let one_time = self.datagrams.crypto.dialled(&incoming.orig_dst_cid());
        let many = self.datagrams.initials.1 > INITIALS_PER_SECOND || half_open >= HALF_OPEN;
        if many && !incoming.remote_address_validated() {
            self.datagrams.crypto.retry_as(one_time);
            match self.datagrams.endpoint.retry(incoming, &mut answer) {
                Ok(transmit) => self.datagrams.queue_answer(transmit, answer),
                Err(error) => self.datagrams.endpoint.ignore(error.into_incoming()),
            }
            self.datagrams.crypto.retry_as(None);
            return;
        }
        let server = one_time.and_then(|identity| self.datagrams.crypto.server_as(&identity)).map(|crypto| {
            let mut server = ServerConfig::clone(&self.datagrams.server);
            server.crypto = crypto;
            Arc::new(server)
        });
        // Whoever cannot write a first packet for us gets no answer at all.
        if let Ok((handle, connection)) = self.datagrams.endpoint.accept(incoming, now, &mut answer, server) {
            self.add(handle, connection, None, one_time);
        }
    }

    /// Answers under a one-time key too, from now on.
    pub(crate) fn answer_for(&mut self, identity: &Arc<Identity>) {
        self.datagrams.crypto.answer_for(identity);
    }

    /// Answers under a one-time key no more.
    pub(crate) fn answer_no_more_for(&mut self, identity: &PeerId) {
        self.datagrams.crypto.answer_no_more_for(identity);
    }

    /// Dials a peer at an address.
    pub(crate) fn dial(&mut self, now: Instant, peer: PeerId, address: SocketAddr) -> Option<LinkKey> {
        let config = ClientConfig::new(self.datagrams.crypto.client(peer));
        let first_ids = Arc::clone(&self.datagrams.first_ids);
        self.dial_with(now, config, first_ids, (peer, None), address)
    }

    /// Dials someone's one-time key under one of ours. Nothing but steps of a code go over the link, until it is adopted.
    pub(crate) fn dial_one_time(
        &mut self,
        now: Instant,
        ours: &Arc<Identity>,
        theirs: PeerId,
        address: SocketAddr,
    ) -> Option<LinkKey> {
        let config = ClientConfig::new(self.datagrams.crypto.client_as(ours, theirs));
        let first_id = quic::tagged_id(&theirs, &mut self.datagrams.tagged_ids);
        self.dial_with(now, config, Arc::new(move || first_id), (theirs, Some(ours.peer_id())), address)
    }

    fn dial_with(
        &mut self,
        now: Instant,
        mut config: ClientConfig,
        first_ids: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
        (peer, one_time): (PeerId, Option<PeerId>),
        address: SocketAddr,
    ) -> Option<LinkKey> {
        if self.closing.is_some() || self.links.len() >= MAX_LINKS {
            return None;
        }
        config.version(quic::WIRE_VERSION).transport_config(Arc::clone(&self.datagrams.transport));
        config.initial_dst_cid_provider(first_ids);
        let (handle, connection) = self.datagrams.endpoint.connect(now, config, address, "").ok()?;
        Some(self.add(handle, connection, Some(peer), one_time))
    }

    fn add(
        &mut self,
        handle: ConnectionHandle,
        connection: noq_proto::Connection,
        dialled: Option<PeerId>,
        one_time: Option<PeerId>,
    ) -> LinkKey {
        let link = Kind::Quic(Box::new(QuicLink::new(handle, connection, dialled, one_time)));
        let key = self.insert(link);
        self.datagrams.keys.insert(handle.0, key);
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
        if let Some((transmit, data)) = self.datagrams.answers.pop_front() {
            buffer.extend_from_slice(&data);
            return Some(transmit);
        }
        while let Some(key) = self.datagrams.sending.pop_front() {
            let Some(link) = self.links.get_mut(&key).and_then(Kind::quic) else { continue };
            let transmit = link.poll_transmit(now, max_segments, buffer);
            timers.set(Why::Link(key.0), link.connection.poll_timeout());
            if let Some(transmit) = transmit {
                self.datagrams.sending.push_back(key);
                return Some(convert(&transmit));
            }
            // Sending may have been the last thing a closing connection had to do.
            if link.connection.is_drained() {
                self.touched.insert(key);
            }
        }
        None
    }
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
