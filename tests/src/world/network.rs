//! What goes from host to host: datagrams over links, announcements over a local network.

use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::{Announcement, EcnCodepoint, Sighting, Surroundings};

use super::World;
use super::drive::Happening;
use crate::host::HostId;
use crate::link::Fate;

/// How long it takes until an announcement is heard.
const HEARD_AFTER: Duration = Duration::from_millis(20);

/// A datagram on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// When it was sent.
    pub at: Duration,
    /// By which address.
    pub from: SocketAddr,
    /// To which.
    pub to: SocketAddr,
    /// What was in it.
    pub data: Vec<u8>,
}

/// What went to and came from an address that no host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outside {
    /// Bytes that nodes sent there.
    pub received: u64,
    /// Bytes that were injected in its name.
    pub injected: u64,
}

impl World {
    /// Sends a datagram in the name of `from`. Where that is a host's address it takes that host's link, with all
    /// that a link does; otherwise it arrives at once.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        let sender = self.by_address.get(&from).copied();
        if sender.is_none() {
            self.outside.entry(from).or_default().injected += data.len() as u64;
        }
        self.route(from, sender, to, None, data);
    }

    /// What went to and came from an address that no host has.
    pub fn outside(&self, address: SocketAddr) -> Outside {
        self.outside.get(&address).copied().unwrap_or_default()
    }

    /// Keeps a copy of every datagram from now on.
    pub fn capture(&mut self) {
        self.captured.get_or_insert_default();
    }

    /// The datagrams kept since [`World::capture`].
    pub fn captured(&self) -> &[Captured] {
        self.captured.as_deref().unwrap_or_default()
    }

    pub(super) fn route(
        &mut self,
        from: SocketAddr,
        sender: Option<HostId>,
        remote: SocketAddr,
        ecn: Option<EcnCodepoint>,
        data: &[u8],
    ) {
        self.counts.datagrams += 1;
        self.counts.bytes += data.len() as u64;
        if let Some(captured) = &mut self.captured {
            captured.push(Captured { at: self.now, from, to: remote, data: data.to_vec() });
        }
        let now = self.now;
        let to = self.by_address.get(&remote).copied();
        let fate = to.map(|to| match sender {
            Some(sender) => self.link(sender, to).send(now, data.len()),
            None => Fate::Arrives(now),
        });
        self.transcript.datagram(now, from, remote, data, fate);
        let Some(to) = to else {
            self.counts.dropped += 1;
            self.outside.entry(remote).or_default().received += data.len() as u64;
            return;
        };
        let port = remote.port();
        let mut arrive =
            |at| self.schedule(at, Happening::Datagram { from, sender, to, port, ecn, data: data.to_vec() });
        match fate {
            Some(Fate::Arrives(at)) => arrive(at),
            Some(Fate::Twice(first, second)) => {
                arrive(first);
                arrive(second);
            }
            Some(Fate::Dropped(_)) | None => self.counts.dropped += 1,
        }
    }

    /// Lets `only`, or every other host on the same local network, hear what a host announces.
    pub(super) fn tell_of(&mut self, of: HostId, only: Option<HostId>) {
        let announced = self.host(of).announced.clone();
        self.tell_of_these(of, only, announced);
    }

    /// The same of some of what it announces.
    pub(super) fn tell_of_these(&mut self, of: HostId, only: Option<HostId>, announced: Vec<Announcement>) {
        let address = self.host(of).address;
        for Announcement { instance, text, .. } in announced {
            let sighting = Sighting { instance, addresses: vec![address], text };
            self.tell(of, only, &Surroundings::Sighted(sighting));
        }
    }

    /// Lets every other host on the same local network know that a service is gone.
    pub(super) fn tell_gone(&mut self, of: HostId, instance: String) {
        self.tell(of, None, &Surroundings::Vanished { instance });
    }

    fn tell(&mut self, from: HostId, only: Option<HostId>, what: &Surroundings) {
        let segment = self.host(from).segment;
        for to in self.hosts() {
            let hears = to != from && segment.is_some() && self.host(to).segment == segment;
            if hears && only.is_none_or(|only| only == to) {
                self.schedule(self.now + HEARD_AFTER, Happening::Nearby { from, to, what: what.clone() });
            }
        }
    }
}
