//! Byte streams between hosts: what TCP makes of a link. Nothing is lost or reordered; what waits, waits in a window.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use hither_protocol::{LinkId, StreamInput, StreamOutput};

use super::World;
use super::drive::Happening;
use crate::host::HostId;
use crate::random::Random;

/// Bytes that may be on their way or wait at the other end, in each direction.
const WINDOW: usize = 1024 * 1024;
/// Until what could not pass is sent again.
const AGAIN: Duration = Duration::from_millis(200);
/// Bytes at the beginning of each direction that are kept on record.
const HEAD: usize = 4096;

/// Names a stream of a world, in the order they were dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub usize);

/// All streams there ever were.
#[derive(Debug, Default)]
pub(super) struct Streams {
    all: Vec<Stream>,
    /// Which host's which stream is what: the stream, and the end of it.
    ends: BTreeMap<(HostId, LinkId), (StreamId, usize)>,
    /// A bit of the next segment between these two is turned.
    corrupt: Vec<(HostId, HostId)>,
    lose_dials: bool,
}

/// A stream: who dialled, then who answered.
#[derive(Debug)]
struct Stream {
    ends: [End; 2],
    open: bool,
    random: Random,
}

/// One end, and what is on its way to it.
#[derive(Debug)]
struct End {
    /// Whose it is; nobody's where a test plays the other side.
    host: Option<HostId>,
    boot: u32,
    link: Option<LinkId>,
    address: SocketAddr,
    gone: bool,
    coming: VecDeque<Vec<u8>>,
    unread: Vec<u8>,
    /// Nothing comes after what is here.
    ended: bool,
    /// Bytes that were ever sent to it.
    sent: usize,
    head: Vec<u8>,
    /// The other side waits until this end takes more.
    full: bool,
}

impl End {
    fn new(host: Option<HostId>, boot: u32, link: Option<LinkId>, address: SocketAddr) -> Self {
        Self {
            host,
            boot,
            link,
            address,
            gone: false,
            coming: VecDeque::new(),
            unread: Vec::new(),
            ended: false,
            sent: 0,
            head: Vec::new(),
            full: false,
        }
    }
}

/// What happens to a stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carried {
    /// The dial arrives.
    Dial,
    /// The answer to it arrives.
    Answer { taken: bool },
    /// A segment arrives at this end.
    Segment { end: usize },
    /// The end of it arrives at this end.
    End { end: usize },
    /// This end learns that the other one takes more again.
    Room { end: usize },
}

impl World {
    /// Streams there were so far, in the order they were dialled: whether each was answered.
    pub fn streams(&self) -> Vec<bool> {
        self.streams.all.iter().map(|stream| stream.open).collect()
    }

    /// Whether a stream is closed at both ends.
    pub fn is_over(&self, stream: StreamId) -> bool {
        self.streams.all[stream.0].ends.iter().all(|end| end.gone)
    }

    /// From now on nobody answers to a dial, and nobody refuses it.
    pub fn lose_dials(&mut self) {
        self.streams.lose_dials = true;
    }

    /// Bytes that a stream has carried in both directions.
    pub fn carried(&self, stream: StreamId) -> usize {
        self.streams.all[stream.0].ends.iter().map(|end| end.sent).sum()
    }

    /// What went first to the end that answered (up to four kibibytes).
    pub fn head(&self, stream: StreamId) -> &[u8] {
        &self.streams.all[stream.0].ends[1].head
    }

    /// All streams between two hosts break now, and what was on its way is lost.
    pub fn break_streams(&mut self, a: HostId, b: HostId) {
        for number in 0..self.streams.all.len() {
            let stream = &mut self.streams.all[number];
            let hosts = stream.ends.each_ref().map(|end| end.host);
            if hosts != [Some(a), Some(b)] && hosts != [Some(b), Some(a)] {
                continue;
            }
            for end in 0..2 {
                let stream = &mut self.streams.all[number].ends[end];
                stream.coming.clear();
                stream.unread.clear();
                self.end_at(StreamId(number), end);
            }
        }
    }

    /// Turns a bit of the next segment that passes from one host to another.
    pub fn corrupt_stream(&mut self, from: HostId, to: HostId) {
        self.streams.corrupt.push((from, to));
    }

    /// Dials a host's node from an address that no host has. `None`: the node does not take it.
    pub fn dial_raw(&mut self, from: SocketAddr, to: HostId) -> Option<StreamId> {
        let link = self.ask(to, |node, now| node.accept_stream(now, from))?;
        let (id, boot, address) =
            (StreamId(self.streams.all.len()), self.host(to).boots, self.host(to).address);
        let ends = [End::new(None, 0, None, from), End::new(Some(to), boot, Some(link), address)];
        let random = Random::named(self.seed, &[0x57ea, id.0 as u64]);
        self.streams.all.push(Stream { ends, open: true, random });
        self.streams.ends.insert((to, link), (id, 1));
        Some(id)
    }

    /// Sends bytes over a stream that was dialled by [`World::dial_raw`]; they arrive at once.
    pub fn send_raw(&mut self, stream: StreamId, data: &[u8]) {
        let end = &mut self.streams.all[stream.0].ends[1];
        end.unread.extend_from_slice(data);
        let host = end.host.expect("a host's");
        self.drive(host);
    }

    /// Closes such a stream.
    pub fn close_raw(&mut self, stream: StreamId) {
        self.end_at(stream, 1);
    }

    /// What arrived at its dialling end, and whether the node closed it.
    pub fn raw(&self, stream: StreamId) -> (&[u8], bool) {
        let ends = &self.streams.all[stream.0].ends;
        (&ends[0].unread, ends[1].gone)
    }

    /// Nothing more will arrive at an end.
    fn end_at(&mut self, stream: StreamId, end: usize) {
        let end = &mut self.streams.all[stream.0].ends[end];
        end.ended = true;
        let host = end.host;
        if let Some(host) = host.filter(|host| self.host(*host).is_up()) {
            self.drive(host);
        }
    }

    /// What a node wants of its streams. Whether it wanted anything.
    pub(super) fn poll_streams(&mut self, id: HostId) -> bool {
        let Some(node) = self.hosts[id.0].node.as_mut() else { return false };
        if let Some((link, address)) = node.poll_stream_dial() {
            self.dial(id, link, address);
            return true;
        }
        let host = self.streams.ends.range((id, LinkId(0))..=(id, LinkId(u64::MAX)));
        let ends: Vec<_> = host.map(|((_, link), place)| (*link, *place)).collect();
        ends.into_iter().any(|(link, (stream, end))| self.poll_stream(id, link, stream, end))
    }

    fn dial(&mut self, from: HostId, link: LinkId, address: SocketAddr) {
        self.transcript.note(self.now, from, format_args!("dial {link:?} {address}"));
        let id = StreamId(self.streams.all.len());
        let (to, boot) = (self.by_address.get(&address).copied(), self.host(from).boots);
        let source = SocketAddr::new(self.host(from).address.ip(), 40_000 + (id.0 % 20_000) as u16);
        let ends = [End::new(Some(from), boot, Some(link), source), End::new(to, 0, None, address)];
        let random = Random::named(self.seed, &[0x57ea, id.0 as u64]);
        self.streams.all.push(Stream { ends, open: false, random });
        self.streams.ends.insert((from, link), (id, 0));
        if let Some(to) = to.filter(|_| !self.streams.lose_dials) {
            let at = self.now + self.link(from, to).latency();
            self.schedule(at, Happening::Stream(id, Carried::Dial));
        }
    }

    /// Something happens to a stream.
    pub(super) fn carry(&mut self, id: StreamId, what: Carried) {
        let [from, to] = self.streams.all[id.0].ends.each_ref().map(|end| end.host);
        let (Some(from), Some(to)) = (from, to) else { return };
        let up = match what {
            Carried::Dial
            | Carried::Segment { end: 1 }
            | Carried::End { end: 1 }
            | Carried::Room { end: 1 } => self.link(from, to).is_up(),
            _ => self.link(to, from).is_up(),
        };
        if !up {
            return self.schedule(self.now + AGAIN, Happening::Stream(id, what));
        }
        match what {
            Carried::Dial => {
                let address = self.streams.all[id.0].ends[0].address;
                let open = self.host(to).is_up() && self.host(to).streams;
                let link = if open { self.accept(to, id, address) } else { None };
                let at = self.now + self.link(to, from).latency();
                self.schedule(at, Happening::Stream(id, Carried::Answer { taken: link.is_some() }));
            }
            Carried::Answer { taken } => {
                let end = &self.streams.all[id.0].ends[0];
                let (Some(link), boot, gone) = (end.link, end.boot, end.gone) else { return };
                if self.host(from).boots != boot || !self.host(from).is_up() || gone {
                    return;
                }
                if taken {
                    self.streams.all[id.0].open = true;
                    self.ask(from, |node, now| node.handle_stream(now, link, StreamInput::Opened));
                } else {
                    self.end_at(id, 0);
                }
            }
            Carried::Room { end } => {
                self.arrived(id, end);
            }
            Carried::Segment { end } => {
                let here = &mut self.streams.all[id.0].ends[end];
                let Some(data) = here.coming.pop_front() else { return };
                here.unread.extend_from_slice(&data);
                self.arrived(id, end);
            }
            Carried::End { end } => {
                self.streams.all[id.0].ends[end].ended = true;
                self.arrived(id, end);
            }
        }
    }

    fn accept(&mut self, to: HostId, id: StreamId, from: SocketAddr) -> Option<LinkId> {
        let boot = self.host(to).boots;
        let now = self.instant(self.now);
        let link = self.hosts[to.0].node.as_mut()?.accept_stream(now, from)?;
        let end = &mut self.streams.all[id.0].ends[1];
        (end.boot, end.link) = (boot, Some(link));
        self.streams.ends.insert((to, link), (id, 1));
        self.drive(to);
        Some(link)
    }

    /// A host that was started anew knows nothing of its old streams, and says so.
    fn arrived(&mut self, id: StreamId, end: usize) {
        let here = &self.streams.all[id.0].ends[end];
        let Some(host) = here.host else { return };
        if !self.host(host).is_up() {
            return;
        }
        if self.host(host).boots == here.boot && !here.gone {
            return self.drive(host);
        }
        let other = 1 - end;
        if !self.streams.all[id.0].ends[other].ended {
            self.schedule_end(id, other);
        }
    }

    fn schedule_room(&mut self, id: StreamId, end: usize) {
        let ends = &self.streams.all[id.0].ends;
        let (Some(from), Some(to)) = (ends[1 - end].host, ends[end].host) else { return };
        let at = self.now + self.link(from, to).latency();
        self.schedule(at, Happening::Stream(id, Carried::Room { end }));
    }

    fn schedule_end(&mut self, id: StreamId, end: usize) {
        let ends = &self.streams.all[id.0].ends;
        let (Some(from), Some(to)) = (ends[1 - end].host, ends[end].host) else { return };
        let now = self.now;
        let at = self.link(from, to).stream(now, 0);
        self.schedule(at, Happening::Stream(id, Carried::End { end }));
    }

    fn poll_stream(&mut self, host: HostId, link: LinkId, id: StreamId, end: usize) -> bool {
        let now = self.instant(self.now);
        let boot = self.host(host).boots;
        let Some(node) = self.hosts[host.0].node.as_mut() else { return false };
        let stream = &mut self.streams.all[id.0];
        let [here, there] = match end {
            0 => stream.ends.each_mut(),
            _ => {
                let [a, b] = stream.ends.each_mut();
                [b, a]
            }
        };
        if here.gone || here.boot != boot {
            self.streams.ends.remove(&(host, link));
            return true;
        }
        if !here.unread.is_empty() && node.wants_stream(link) {
            // In pieces of any size, as they would be read.
            let most = here.unread.len().min(64 * 1024) as u64;
            let piece = 1 + (stream.random.number() % most) as usize;
            let data: Vec<u8> = here.unread.drain(..piece).collect();
            self.transcript.note(self.now, host, format_args!("stream {link:?} {}", blake3::hash(&data)));
            node.handle_stream(now, link, StreamInput::Data(&data));
            let full = std::mem::take(&mut here.full);
            if full {
                self.schedule_room(id, 1 - end);
            }
            return true;
        }
        if here.ended && here.unread.is_empty() && here.coming.is_empty() {
            here.gone = true;
            node.handle_stream(now, link, StreamInput::Closed);
            self.streams.ends.remove(&(host, link));
            return true;
        }
        let on_its_way = there.coming.iter().map(Vec::len).sum::<usize>() + there.unread.len();
        if there.host.is_some() && on_its_way >= WINDOW {
            there.full = true;
            return false;
        }
        let mut data = Vec::new();
        match node.poll_stream(now, link, &mut data) {
            StreamOutput::Idle => return false,
            StreamOutput::Close => {
                here.gone = true;
                self.streams.ends.remove(&(host, link));
                self.schedule_end(id, 1 - end);
            }
            StreamOutput::Write => self.send_segment(host, id, 1 - end, data),
        }
        true
    }

    fn send_segment(&mut self, from: HostId, id: StreamId, end: usize, mut data: Vec<u8>) {
        assert!(!data.is_empty(), "there is something to write");
        self.counts.streamed += data.len() as u64;
        let there = &mut self.streams.all[id.0].ends[end];
        there.sent += data.len();
        let missing = HEAD.saturating_sub(there.head.len()).min(data.len());
        there.head.extend_from_slice(&data[..missing]);
        let Some(to) = there.host else {
            there.unread.extend_from_slice(&data);
            return;
        };
        if let Some(at) = self.streams.corrupt.iter().position(|pair| *pair == (from, to)) {
            self.streams.corrupt.remove(at);
            let middle = data.len() / 2;
            data[middle] ^= 1;
        }
        let now = self.now;
        let at = self.link(from, to).stream(now, data.len() as u64);
        self.streams.all[id.0].ends[end].coming.push_back(data);
        self.schedule(at, Happening::Stream(id, Carried::Segment { end }));
    }
}
