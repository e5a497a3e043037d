//! One hash over everything that happens in a world, so that two runs can be compared at a glance.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::Event;
use hither_protocol::storage::{StorageId, Work};

use crate::host::HostId;
use crate::link::Fate;

/// What happened so far, in order. Equal transcripts mean equal runs.
#[derive(Debug, Default)]
pub struct Transcript {
    hasher: blake3::Hasher,
}

impl Transcript {
    /// A datagram was sent, and this is what becomes of it.
    pub fn datagram(
        &mut self,
        at: Duration,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
        fate: Option<Fate>,
    ) {
        self.line(at, format_args!("datagram {from} {to} {fate:?}"));
        self.bytes(data);
    }

    /// A host asked its disk for something.
    pub fn request(&mut self, at: Duration, host: HostId, id: StorageId, work: &Work) {
        let Work::Write(chunks) = work else {
            return self.line(at, format_args!("request {host} {} {work:?}", id.0));
        };
        self.line(at, format_args!("request {host} {} write {}", id.0, chunks.len()));
        for chunk in chunks {
            self.line(at, format_args!("{} {:?}", chunk.transfer, chunk.target));
            self.line(at, format_args!("{} {:?}", chunk.offset, chunk.expected));
            self.bytes(&chunk.data);
        }
    }

    /// A disk handed a result back.
    pub fn result(&mut self, at: Duration, host: HostId, id: StorageId, summary: &str) {
        self.line(at, format_args!("result {host} {} {summary}", id.0));
    }

    /// A node told its user something.
    pub fn event(&mut self, at: Duration, host: HostId, event: &Event) {
        self.line(at, format_args!("event {host} {event:?}"));
    }

    /// Anything else: a start, a crash, a sighting.
    pub fn note(&mut self, at: Duration, host: HostId, what: fmt::Arguments<'_>) {
        self.line(at, format_args!("note {host} {what}"));
    }

    /// The hash so far.
    pub fn hash(&self) -> blake3::Hash {
        self.hasher.finalize()
    }

    fn line(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        // The length goes in front, so that no two different sequences of lines are the same bytes.
        self.bytes(format!("{} {what}", at.as_nanos()).as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }
}
