//! A real node against scripted peers: each is a set of links driven by hand, which says whatever a test wants.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::entropy::{Entropy, Seed};
use crate::identity::{Identity, PeerId};
use crate::link::{ChannelId, LinkEvent, LinkKey, Links, Timers};
use crate::noise::quic::{Ciphers, NetworkId, QuicCrypto};
use crate::storage::{
    Checked, Done, Examined, HashedChunk, RecoverError, Scanned, StorageError, StorageRequest, Work,
};
use crate::transfer::hash::chunk_value;
use crate::transfer::{Entry, EntryKind, RelativePath, TransferId};
use crate::wire::{Answer, Chunk, Control, encode_chunk, encode_offer, encode_open_chunks, encode_part};
use crate::{Config, Event, Node, Received, Rules, Transmit, Why};

const SEGMENTS: NonZeroUsize = NonZeroUsize::new(10).unwrap();
/// As long as acknowledgements and pacing take.
const SHORTLY: Duration = Duration::from_millis(30);
const UNIX: u64 = 1_800_000_000_000;

/// Another side that keeps no rule.
pub(super) struct Scripted {
    pub(super) identity: Identity,
    pub(super) links: Links,
    timers: Timers,
    at: SocketAddr,
    /// What it was told over control channels.
    pub(super) heard: Vec<(LinkKey, Control)>,
    pub(super) up: Vec<LinkKey>,
    pub(super) down: Vec<LinkKey>,
    /// Nothing gets through to it any more, or from it.
    pub(super) cut: bool,
    /// It dials and never answers what comes back.
    pub(super) deaf: bool,
    /// It takes nothing from its control channels.
    pub(super) reads_no_control: bool,
    /// What it says it knows of the wire version; `None`: it says no hello.
    pub(super) revision: Option<u16>,
}

/// One real node, its disk in memory, and scripted peers around it. Nothing takes any time on the way.
pub(super) struct Bench {
    pub(super) now: Instant,
    pub(super) node: Node,
    pub(super) events: Vec<Event>,
    pub(super) peers: Vec<Scripted>,
    /// Storage requests that are left unanswered while `hold` is set.
    pub(super) held: VecDeque<StorageRequest>,
    pub(super) hold: bool,
    /// Requests of one kind that are left unanswered.
    pub(super) hold_kind: Option<&'static str>,
    /// Whether the user fetches events.
    pub(super) fetch_events: bool,
    /// What an examination finds.
    pub(super) examined: Examined,
    /// What becomes of looking for an interrupted transfer, and what is found of it.
    pub(super) recovery: Result<(), RecoverError>,
    pub(super) checked: Checked,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// What a scan finds, where that is not a file for each path.
    pub(super) scanned: Option<Vec<Entry>>,
    /// Whether symbolic links can be made.
    pub(super) links_allowed: bool,
    /// Kinds of work that were asked for.
    pub(super) asked: Vec<&'static str>,
    /// How often the node wanted an address proven first.
    pub(super) retries: usize,
    inbox: std::collections::BTreeSet<Vec<u8>>,
    at: SocketAddr,
}

pub(super) fn identity(number: usize) -> Identity {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("identity"))
}

pub(super) fn path(text: &str) -> RelativePath {
    RelativePath::new(text.split('/')).unwrap()
}

pub(super) fn file(name: &str, size: u64) -> Entry {
    Entry { path: path(name), kind: EntryKind::File(size), modified: 0, executable: false }
}

pub(super) fn directory(name: &str) -> Entry {
    Entry { path: path(name), kind: EntryKind::Directory, modified: 0, executable: false }
}

pub(super) fn id(number: u8) -> TransferId {
    TransferId([number; 16])
}

impl Bench {
    /// A node whose rules take offers into a folder.
    pub(super) fn new(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules { into: Some("/received".into()), ..Rules::default() };
        change(&mut rules);
        let config = Config { rules, ..Config::default() };
        let now = Instant::now();
        let mut bench = Self {
            now,
            node: Node::new(config, identity(0), Seed::new([1; 32]), now, UNIX),
            events: Vec::new(),
            peers: Vec::new(),
            held: VecDeque::new(),
            hold: false,
            hold_kind: None,
            fetch_events: true,
            examined: Examined { free: u64::MAX, existing: Vec::new(), alternatives: Vec::new() },
            recovery: Ok(()),
            checked: Checked::default(),
            files: BTreeMap::new(),
            scanned: None,
            links_allowed: true,
            asked: Vec::new(),
            retries: 0,
            inbox: Default::default(),
            at: "10.0.0.1:1".parse().unwrap(),
        };
        bench.settle();
        bench
    }

    /// A scripted peer, without a link yet.
    pub(super) fn add(&mut self) -> usize {
        let number = self.peers.len() + 1;
        let at = format!("10.0.{}.{}:2", number / 250 + 1, number % 250 + 1).parse().unwrap();
        self.peers.push(Scripted::new(number, at));
        number - 1
    }

    /// The program of a peer is killed and started again elsewhere: nothing answers on its old links any more.
    pub(super) fn restart(&mut self, number: usize) -> usize {
        self.peers[number].cut = true;
        let at = format!("10.0.200.{}:2", self.peers.len() + 1).parse().unwrap();
        self.peers.push(Scripted::new(number + 1, at));
        self.peers.len() - 1
    }

    /// A scripted peer that the node knows and that has a link.
    pub(super) fn contact(&mut self) -> (usize, LinkKey) {
        let number = self.add();
        let peer = self.peer(number);
        self.node.add_contact(self.now, peer, &format!("contact {number}")).unwrap();
        (number, self.link(number))
    }

    /// A scripted peer that the node does not know, with a link.
    pub(super) fn stranger(&mut self) -> (usize, LinkKey) {
        let number = self.add();
        (number, self.link(number))
    }

    pub(super) fn peer(&self, number: usize) -> PeerId {
        self.peers[number].identity.peer_id()
    }

    /// Where the node is.
    pub(super) fn at(&self) -> SocketAddr {
        self.at
    }

    /// One more link of a peer to the node.
    pub(super) fn link(&mut self, number: usize) -> LinkKey {
        let link = self.dial(number).unwrap();
        self.run_for(SHORTLY);
        assert!(self.peers[number].up.contains(&link), "the link comes up");
        link
    }

    pub(super) fn dial(&mut self, number: usize) -> Option<LinkKey> {
        let (me, at) = (self.node.peer_id(), self.at);
        self.peers[number].links.dial(self.now, me, at)
    }

    pub(super) fn say(&mut self, number: usize, link: LinkKey, message: &Control) {
        self.peers[number].links.send_control(self.now, link, message.encode());
        self.run_for(SHORTLY);
    }

    /// Whatever bytes, on the control channel.
    pub(super) fn say_raw(&mut self, number: usize, link: LinkKey, bytes: Vec<u8>) {
        self.peers[number].links.send_control(self.now, link, bytes);
        self.run_for(SHORTLY);
    }

    /// A one-way channel with whatever bytes on it.
    pub(super) fn open_raw(&mut self, number: usize, link: LinkKey, bytes: Vec<u8>) -> ChannelId {
        let channel = self.peers[number].links.open(link).expect("a channel");
        self.write(number, link, channel, bytes);
        channel
    }

    pub(super) fn write(&mut self, number: usize, link: LinkKey, channel: ChannelId, bytes: Vec<u8>) {
        self.peers[number].links.write(link, channel, [Bytes::from(bytes)]);
        self.run_for(SHORTLY);
    }

    pub(super) fn finish(&mut self, number: usize, link: LinkKey, channel: ChannelId) {
        self.peers[number].links.finish(link, channel);
        self.run_for(SHORTLY);
    }

    pub(super) fn reset(&mut self, number: usize, link: LinkKey, channel: ChannelId) {
        self.peers[number].links.reset(link, channel);
        self.run_for(SHORTLY);
    }

    /// An honest offer.
    pub(super) fn offer(&mut self, number: usize, link: LinkKey, transfer: TransferId, entries: Vec<Entry>) {
        let manifest = crate::transfer::Manifest::new("offer".into(), entries).unwrap();
        let mut bytes = encode_offer(transfer, &manifest);
        let mut rest = manifest.entries();
        while !rest.is_empty() {
            let (frame, count) = encode_part(rest);
            bytes.extend(frame);
            rest = &rest[count..];
        }
        let channel = self.open_raw(number, link, bytes);
        self.finish(number, link, channel);
    }

    /// The head of a chunk and some of its bytes on a channel of their own.
    pub(super) fn begin_chunk(
        &mut self,
        number: usize,
        link: LinkKey,
        transfer: TransferId,
        head: &Chunk,
        bytes: &[u8],
    ) -> ChannelId {
        let all = [encode_open_chunks(transfer), encode_chunk(head), bytes.to_vec()].concat();
        self.open_raw(number, link, all)
    }

    /// What a peer was answered to an offer.
    pub(super) fn answers(&self, number: usize, transfer: TransferId) -> Vec<Answer> {
        let heard = self.peers[number].heard.iter();
        let answers = heard.filter_map(|(_, message)| match message {
            Control::Answer { transfer: of, answer } if *of == transfer => Some(answer.clone()),
            _ => None,
        });
        answers.collect()
    }

    pub(super) fn accepted(&self, number: usize, transfer: TransferId) -> bool {
        matches!(self.answers(number, transfer).as_slice(), [Answer::Accept(_)])
    }

    pub(super) fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }

    /// Carries everything to and fro until nobody wants anything.
    pub(super) fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never settles");
    }

    fn step(&mut self) -> bool {
        let mut moved = false;
        while let Some(request) = self.node.poll_storage() {
            moved = true;
            self.asked.push(kind(&request.work));
            if self.hold || self.hold_kind == Some(kind(&request.work)) {
                self.held.push_back(request)
            } else {
                self.carry_out(request)
            }
        }
        let mut buffer = Vec::new();
        while let Some(transmit) = self.node.poll_transmit(self.now, SEGMENTS, &mut buffer) {
            moved = true;
            let data = std::mem::take(&mut buffer);
            // RFC 9000, section 17.2.5: a long header whose type is 3.
            self.retries += usize::from(data.first().is_some_and(|first| first & 0xf0 == 0xf0));
            let (now, from) = (self.now, self.at);
            let to = self.peers.iter_mut().find(|peer| peer.at == transmit.remote);
            if let Some(to) = to.filter(|peer| !peer.cut && !peer.deaf) {
                to.links.handle_datagram(now, received(from, &transmit), BytesMut::from(data.as_slice()));
            }
        }
        for number in 0..self.peers.len() {
            moved |= self.peers[number].work(self.now);
            while let Some((transmit, data)) = self.peers[number].transmit(self.now) {
                moved = true;
                if !self.peers[number].cut {
                    let from = self.peers[number].at;
                    let data = BytesMut::from(data.as_slice());
                    self.node.handle_datagram(self.now, received(from, &transmit), data);
                }
            }
        }
        if self.fetch_events {
            while let Some(event) = self.node.poll_event() {
                moved = true;
                self.events.push(event);
            }
        }
        moved
    }

    /// The next chunk of a stream: of what the bench has under the name `stream`.
    fn next_of_stream(&self, offset: u64) -> Result<crate::storage::StreamChunk, StorageError> {
        let rest = &self.files["stream"][offset as usize..];
        let length = rest.len().min(crate::transfer::hash::CHUNK as usize);
        let last = length == rest.len();
        let data = Bytes::copy_from_slice(&rest[..length]);
        let size = crate::transfer::stream_size(offset, length as u32, last);
        Ok(crate::storage::StreamChunk { value: chunk_value(size, offset, &data), data, last })
    }

    /// Lets time pass.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let timers = self.peers.iter().filter_map(|peer| peer.timers.next());
            let next = timers.chain(self.node.poll_timeout()).map(|(at, _)| at).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if self.node.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
                self.node.handle_timeout(self.now);
            }
            for peer in &mut self.peers {
                while let Some(why) = peer.timers.pop(self.now) {
                    if let Why::Link(number) = why {
                        peer.links.handle_timeout(self.now, number);
                    }
                }
            }
        }
        self.now = end;
    }

    /// Answers what was held, and holds no more.
    pub(super) fn release(&mut self) {
        self.hold = false;
        self.hold_kind = None;
        while let Some(request) = self.held.pop_front() {
            self.carry_out(request);
        }
        self.settle();
    }

    fn carry_out(&mut self, request: StorageRequest) {
        let done = match request.work {
            Work::Load => Done::Loaded(Ok(Vec::new())),
            Work::Commit(changes) => Done::Committed(Ok(changes
                .into_iter()
                .map(|change| match change {
                    crate::storage::Change::PutNew(record) => self.inbox.insert(record.key),
                    _ => true,
                })
                .collect())),
            Work::Scan { paths, .. } if self.scanned.is_some() => {
                let entries = self.scanned.clone().unwrap();
                let sources = vec![paths[0].clone(); entries.len()];
                Done::Scanned(Ok(Scanned { entries, sources, left_out: Vec::new() }))
            }
            Work::Scan { paths, .. } => {
                let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
                let entries = paths.iter().map(|path| {
                    let size = self.files.get(&name(path)).map_or(0, Vec::len);
                    file(&name(path), size as u64)
                });
                let entries = entries.collect();
                Done::Scanned(Ok(Scanned { entries, sources: paths, left_out: Vec::new() }))
            }
            Work::Read(chunks) => {
                let read = chunks.into_iter().map(|chunk| {
                    let name = chunk.source.file_name().unwrap().to_str().unwrap();
                    let empty = Vec::new();
                    let whole = self.files.get(name).unwrap_or(&empty);
                    let at = chunk.offset as usize;
                    let data = Bytes::copy_from_slice(&whole[at..at + chunk.length as usize]);
                    let value = chunk_value(chunk.size, chunk.offset, &data);
                    Ok(HashedChunk { data, value })
                });
                Done::Read(read.collect())
            }
            Work::ReadBack(chunks) => Done::Read(chunks.iter().map(|_| Err(StorageError::Missing)).collect()),
            Work::Examine { .. } => Done::Examined(Ok(self.examined.clone())),
            Work::Prepare { directories, .. } => Done::Prepared(Ok(directories)),
            Work::Write(chunks) => {
                let write = chunks.into_iter().map(|chunk| {
                    let value = chunk_value(chunk.size, chunk.offset, &chunk.data);
                    if value == chunk.expected { Ok(()) } else { Err(StorageError::Mismatch) }
                });
                Done::Written(write.collect())
            }
            Work::Finish(files) => Done::Finished(files.iter().map(|_| Ok(())).collect()),
            Work::Seal { links, .. } => Done::Sealed(links.iter().map(|_| Ok(self.links_allowed)).collect()),
            Work::ReadStream { offset, .. } => Done::StreamRead(self.next_of_stream(offset)),
            Work::Output(chunks) => Done::Written(chunks.iter().map(|_| Ok(())).collect()),
            Work::Checkpoint { .. } => Done::Checkpointed(Ok(())),
            Work::Recover { .. } => Done::Recovered(self.recovery.clone()),
            Work::Check { .. } => Done::Checked(Ok(self.checked.clone())),
            Work::Close { .. } => Done::Closed,
            Work::Discard { .. } => Done::Discarded,
        };
        self.node.handle_storage(self.now, request.id, done);
    }
}

impl Scripted {
    fn new(number: usize, at: SocketAddr) -> Self {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        seed[8..10].copy_from_slice(&match at.ip() {
            std::net::IpAddr::V4(ip) => [ip.octets()[2], ip.octets()[3]],
            std::net::IpAddr::V6(_) => [0; 2],
        });
        let mut entropy = Entropy::new(Seed::new(seed));
        let ephemerals = entropy.stream("ephemerals");
        let me = Arc::new(identity(number));
        let crypto = QuicCrypto::new(me, NetworkId::default(), Ciphers::portable(), ephemerals);
        Self {
            identity: identity(number),
            links: Links::new(crypto, &mut entropy, 1452, UNIX),
            timers: Timers::default(),
            at,
            heard: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            cut: false,
            deaf: false,
            reads_no_control: false,
            revision: Some(crate::wire::REVISION),
        }
    }

    /// Reads what arrived; one-way channels of the node are left unread.
    pub(super) fn work(&mut self, now: Instant) -> bool {
        let touched = self.links.pump(now, &mut self.timers);
        while let Some(event) = self.links.poll_event() {
            match event {
                LinkEvent::Up { link, .. } => {
                    // The control channel is there for the node once something was said on it.
                    let hello = match self.revision {
                        Some(revision) => Control::Hello { agent: "scripted".into(), revision },
                        None => Control::Resume { transfer: id(255) },
                    };
                    self.links.send_control(now, link, hello.encode());
                    self.up.push(link);
                }
                LinkEvent::Down { link, .. } | LinkEvent::Failed { link, .. } => self.down.push(link),
                LinkEvent::Met { link, .. } => self.up.push(link),
                LinkEvent::Parted { link } => self.down.push(link),
            }
        }
        for link in touched.iter().filter(|_| !self.reads_no_control) {
            while let Ok(Some(frame)) = self.links.next_control(*link) {
                self.heard.push((*link, Control::parse(&frame).unwrap()));
            }
        }
        !touched.is_empty()
    }

    pub(super) fn at(&self) -> SocketAddr {
        self.at
    }

    pub(super) fn transmit(&mut self, now: Instant) -> Option<(Transmit, Vec<u8>)> {
        let mut buffer = Vec::new();
        let transmit = self.links.poll_transmit(now, SEGMENTS, &mut buffer, &mut self.timers)?;
        Some((transmit, buffer))
    }
}

fn received(from: SocketAddr, transmit: &Transmit) -> Received {
    let segment_size = transmit.segment_size.unwrap_or(transmit.size);
    Received { local: None, remote: from, ecn: transmit.ecn, segment_size }
}

fn kind(work: &Work) -> &'static str {
    match work {
        Work::Load => "load",
        Work::Commit(_) => "commit",
        Work::Scan { .. } => "scan",
        Work::Read(_) => "read",
        Work::ReadBack(_) => "read back",
        Work::Examine { .. } => "examine",
        Work::Prepare { .. } => "prepare",
        Work::Write(_) => "write",
        Work::Finish(_) => "finish",
        Work::ReadStream { .. } => "read stream",
        Work::Output(_) => "output",
        Work::Seal { .. } => "seal",
        Work::Checkpoint { .. } => "checkpoint",
        Work::Recover { .. } => "recover",
        Work::Check { .. } => "check",
        Work::Close { .. } => "close",
        Work::Discard { .. } => "discard",
    }
}
