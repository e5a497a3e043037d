//! What happens next, and what a node makes of it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::BytesMut;
use hither_protocol::storage::{StorageId, StorageRequest};
use hither_protocol::{EcnCodepoint, Received, Surroundings, Transmit};

use super::World;
use super::streams::{Carried, StreamId};
use crate::disk;
use crate::host::{HostId, Seen};

/// As many datagrams as a node may put into one transmit.
const MAX_SEGMENTS: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");

/// How often a node may be polled after one input before it is a loop.
const POLLS: u32 = 1_000_000;

/// Something that is to happen to a host.
#[derive(Debug)]
pub(super) enum Happening {
    /// A datagram arrives, over a link where its sender is a host.
    Datagram {
        from: SocketAddr,
        sender: Option<HostId>,
        to: HostId,
        /// By which port of the router, where its host is behind one.
        port: u16,
        ecn: Option<EcnCodepoint>,
        data: Vec<u8>,
    },
    /// A storage request is done, if the host was not started anew since.
    Storage { host: HostId, boot: u32, id: StorageId },
    /// A service is seen or gone, over the link from `from`.
    Nearby { from: HostId, to: HostId, what: Surroundings },
    /// Something happens to a byte stream.
    Stream(StreamId, Carried),
}

impl World {
    pub(super) fn schedule(&mut self, at: Duration, happening: Happening) {
        self.queue.insert((at, self.next_number), happening);
        self.next_number += 1;
    }

    /// Lets the next thing happen, unless that is after `limit`: then it is `limit` now, and this is false.
    pub(super) fn step(&mut self, limit: Duration) -> bool {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timer = self.timers.first().copied();
        let next = queued.into_iter().chain(timer.map(|(at, _)| at)).min();
        let Some(next) = next.filter(|next| *next <= limit) else {
            self.now = self.now.max(limit);
            return false;
        };
        self.now = self.now.max(next);
        match timer {
            Some((at, id)) if queued.is_none_or(|queued| at < queued) => self.wake(id),
            _ => self.happen(),
        }
        true
    }

    fn wake(&mut self, id: HostId) {
        let now = self.instant(self.now);
        let host = &mut self.hosts[id.0];
        self.guard.step(self.now, host.timer.map(|(_, why)| (id, why)));
        self.counts.timeouts += 1;
        if let Some(node) = &mut host.node {
            node.handle_timeout(now);
        }
        self.drive(id);
    }

    fn happen(&mut self) {
        self.guard.step(self.now, None);
        let Some((_, happening)) = self.queue.pop_first() else { return };
        match happening {
            Happening::Datagram { from, sender, to, port, ecn, data } => {
                let (now, nat) = (self.now, &self.host(to).nat);
                if nat.as_ref().is_none_or(|nat| nat.lets_in(now, port, from)) {
                    self.deliver(from, sender, to, ecn, data);
                } else {
                    self.counts.dropped += 1;
                }
            }
            Happening::Storage { host, boot, id } => self.hand_back(host, boot, id),
            Happening::Stream(stream, what) => self.carry(stream, what),
            Happening::Nearby { from, to, what } => {
                if self.host(to).is_up() && self.link(from, to).is_up() {
                    self.transcript.note(self.now, to, format_args!("{what:?}"));
                    self.ask(to, |node, now| node.handle_surroundings(now, what));
                }
            }
        }
    }

    /// Datagrams of one size from one sender that arrive at the same time are handed over together, as a kernel does.
    fn deliver(
        &mut self,
        from: SocketAddr,
        sender: Option<HostId>,
        to: HostId,
        ecn: Option<EcnCodepoint>,
        mut data: Vec<u8>,
    ) {
        let segment_size = data.len();
        // What comes through a router is looked at one by one.
        while self.host(to).nat.is_none()
            && data.len().is_multiple_of(segment_size.max(1))
            && data.len() / segment_size.max(1) < 64
        {
            let Some(next) = self.queue.first_entry() else { break };
            let belongs = next.key().0 <= self.now
                && matches!(next.get(), Happening::Datagram { from: f, to: t, ecn: e, data: more, .. }
                    if (*f, *t, *e) == (from, to, ecn) && !more.is_empty() && more.len() <= segment_size);
            if !belongs {
                break;
            }
            if let Happening::Datagram { data: more, .. } = next.remove() {
                data.extend_from_slice(&more);
            }
        }
        let on_its_way = sender.is_none_or(|sender| self.link(sender, to).is_up());
        if !on_its_way || !self.host(to).is_up() {
            self.counts.dropped += data.len().div_ceil(segment_size.max(1)) as u64;
            return;
        }
        let local = Some(self.host(to).own_address().ip());
        let received = Received { local, remote: from, ecn, segment_size };
        self.ask(to, |node, now| node.handle_datagram(now, received, BytesMut::from(data.as_slice())));
    }

    fn hand_back(&mut self, id: HostId, boot: u32, request: StorageId) {
        let host = &mut self.hosts[id.0];
        if host.boots != boot || host.node.is_none() {
            return;
        }
        let Some(done) = host.disk.complete(request) else { return };
        self.transcript.result(self.now, id, request, &disk::summary(&done));
        self.ask(id, |node, now| node.handle_storage(now, request, done));
    }

    /// Carries out all that a node wants after an input, and asks when it wants to be woken.
    ///
    /// # Panics
    ///
    /// When the node never stops wanting something, or wants what its contract rules out.
    pub(super) fn drive(&mut self, id: HostId) {
        for _ in 0..POLLS {
            let polled = self.poll_storage(id)
                || self.poll_transmit(id)
                || self.poll_streams(id)
                || self.poll_event(id)
                || self.poll_announcement(id);
            if !polled {
                return self.poll_timeout(id);
            }
        }
        panic!("{:?} never stops wanting something", self.host(id));
    }

    fn poll_storage(&mut self, id: HostId) -> bool {
        let (now, host) = (self.now, &mut self.hosts[id.0]);
        let Some(request) = host.node.as_mut().and_then(|node| node.poll_storage()) else { return false };
        let StorageRequest { id: request_id, work } = &request;
        self.transcript.request(now, id, *request_id, work);
        self.counts.requests += 1;
        let (request_id, boot) = (*request_id, host.boots);
        let done = host.disk.submit(now, request);
        self.schedule(done, Happening::Storage { host: id, boot, id: request_id });
        true
    }

    fn poll_transmit(&mut self, id: HostId) -> bool {
        let now = self.instant(self.now);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let node = self.hosts[id.0].node.as_mut();
        let transmit = node.and_then(|node| node.poll_transmit(now, MAX_SEGMENTS, &mut buffer));
        if let Some(transmit) = transmit {
            self.transmit(id, &transmit, &buffer);
        }
        self.buffer = buffer;
        transmit.is_some()
    }

    fn transmit(&mut self, id: HostId, transmit: &Transmit, buffer: &[u8]) {
        assert_eq!(transmit.size, buffer.len(), "a transmit's size is what was written");
        let segment = transmit.segment_size.unwrap_or(buffer.len()).max(1);
        assert!(
            buffer.len().div_ceil(segment) <= MAX_SEGMENTS.get(),
            "more datagrams than allowed: {transmit:?}"
        );
        let now = self.now;
        let host = &mut self.hosts[id.0];
        let from = match &mut host.nat {
            Some(nat) => {
                let port = nat.pass_out(now, host.address.port(), transmit.remote);
                let outside = SocketAddr::new(host.address.ip(), port);
                self.by_address.insert(outside, id);
                outside
            }
            None => transmit.local.map_or(host.address, |ip| SocketAddr::new(ip, host.address.port())),
        };
        for datagram in buffer.chunks(segment) {
            self.route(from, Some(id), transmit.remote, transmit.ecn, datagram);
        }
    }

    fn poll_event(&mut self, id: HostId) -> bool {
        let (at, host) = (self.now, &mut self.hosts[id.0]);
        let Some(event) = host.node.as_mut().and_then(|node| node.poll_event()) else { return false };
        self.transcript.event(at, id, &event);
        if let Some(forbidden) = host.forbidden.iter().find(|forbidden| (forbidden.is)(&event)) {
            panic!("{host:?} must never say {}, but said {event:?}", forbidden.what);
        }
        host.events.push(Seen { at, boot: host.boots, event });
        true
    }

    fn poll_announcement(&mut self, id: HostId) -> bool {
        let host = &mut self.hosts[id.0];
        let Some(announced) = host.node.as_mut().and_then(|node| node.poll_announcement()) else {
            return false;
        };
        let old = std::mem::replace(&mut host.announced, announced.clone());
        for old in &old {
            if !announced.iter().any(|it| it.instance == old.instance) {
                self.tell_gone(id, old.instance.clone());
            }
        }
        let new: Vec<_> = announced.into_iter().filter(|it| !old.contains(it)).collect();
        self.tell_of_these(id, None, new);
        true
    }

    fn poll_timeout(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        if let Some((at, _)) = host.timer.take() {
            self.timers.remove(&(at, id));
        }
        if let Some((at, why)) = host.node.as_mut().and_then(|node| node.poll_timeout()) {
            // A time that has passed means now.
            let at = at.saturating_duration_since(self.start).max(self.now);
            host.timer = Some((at, why));
            self.timers.insert((at, id));
        }
    }

    /// Starts a host's node and tells it where it is and who is near.
    pub(super) fn boot(&mut self, id: HostId) {
        let now = self.instant(self.now);
        let unix_time = self.host(id).unix_time(self.now);
        self.transcript.note(self.now, id, format_args!("start"));
        let host = self.host_mut(id);
        host.boot(id, now, unix_time);
        let addresses = Surroundings::Addresses(vec![host.own_address()]);
        self.ask(id, |node, now| node.handle_surroundings(now, addresses));
        for other in self.hosts() {
            self.tell_of(other, Some(id));
        }
    }

    /// A host's node is gone.
    pub(super) fn halt(&mut self, id: HostId) {
        if let Some((at, _)) = self.hosts[id.0].timer {
            self.timers.remove(&(at, id));
        }
        for announced in self.hosts[id.0].halt() {
            self.tell_gone(id, announced.instance);
        }
    }
}
