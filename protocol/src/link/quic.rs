//! One link over QUIC: a control channel both ways and one-way channels, each an ordered stream of bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::time::{Duration, Instant};

use bytes::Bytes;
use noq_proto::{
    Connection, ConnectionError, ConnectionHandle, Dir, Event, PathId, ReadError, Side, StreamEvent,
    StreamId, VarInt, WriteError,
};

use super::config::WIDE;
use super::kind::{CONTROL_BACKLOG, Change, Channels};
use super::{ChannelId, ChannelRead, CloseCode};
use crate::LinkLoss;
use crate::identity::PeerId;
use crate::wire::{FrameReader, Malformed};

/// What the exporter is asked for that codes are bound to.
const SESSION: &[u8] = b"hither v1 code session";
/// Bytes of one channel's turn where several wait for room.
const SLICE: usize = 16 * 1024;

/// One connection and what waits on its streams.
pub(super) struct QuicLink {
    pub(super) handle: ConnectionHandle,
    pub(super) connection: Connection,
    dialled: Option<PeerId>,
    /// The one-time key of ours that it is a link of, until it is adopted.
    one_time: Option<PeerId>,
    peer: Option<PeerId>,
    control: Option<StreamId>,
    control_in: FrameReader,
    control_rest: Bytes,
    control_out: VecDeque<Bytes>,
    control_backlog: usize,
    incoming: BTreeSet<StreamId>,
    readable: BTreeSet<StreamId>,
    outgoing: BTreeMap<StreamId, VecDeque<Bytes>>,
    /// Which one-way channel is the first to get room, and whether there is some again.
    turn: Bound<StreamId>,
    room: bool,
    closing: Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// Once the control messages that wait are acknowledged.
    Asked,
    /// The last of them is about to be sent.
    Finishing,
    Finished,
}

impl QuicLink {
    pub(super) fn new(
        handle: ConnectionHandle,
        connection: Connection,
        dialled: Option<PeerId>,
        one_time: Option<PeerId>,
    ) -> Self {
        Self {
            handle,
            connection,
            dialled,
            one_time,
            peer: None,
            control: None,
            control_in: FrameReader::default(),
            control_rest: Bytes::new(),
            control_out: VecDeque::new(),
            control_backlog: 0,
            incoming: BTreeSet::new(),
            readable: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            turn: Bound::Unbounded,
            room: false,
            closing: Closing::No,
        }
    }

    /// Looks at what happened and carries on what was waiting for it.
    pub(super) fn pump(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => changes.extend(self.connected()),
                Event::ConnectionLost { reason } => changes.extend(self.lost(&reason)),
                Event::Stream(event) => self.stream_event(event, &mut changes),
                Event::HandshakeDataReady
                | Event::HandshakeConfirmed
                | Event::DatagramReceived
                | Event::DatagramsUnblocked
                | Event::Path(_)
                | Event::NatTraversal(_) => {}
            }
        }
        self.flush_control();
        if std::mem::take(&mut self.room) {
            self.flush_waiting();
        }
        if self.closing == Closing::Asked && self.control_out.is_empty() {
            let finished = self.control.map(|stream| self.connection.send_stream(stream).finish());
            self.closing = Closing::Finishing;
            if !matches!(finished, Some(Ok(()))) {
                changes.push(Change::Finished);
            }
        }
        changes
    }

    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
    ) -> Option<noq_proto::Transmit> {
        let transmit = self.connection.poll_transmit(now, max_segments, buffer)?;
        if self.closing == Closing::Finishing {
            // The acknowledgement of a single packet may be held back for 25 ms, that of a second one may not
            // (RFC 9000, 13.2.1 and 13.2.2).
            self.closing = Closing::Finished;
            self.connection.ping();
        }
        Some(transmit)
    }

    fn connected(&mut self) -> Option<Change> {
        let identity = self.connection.crypto_session().peer_identity()?;
        let peer = *identity.downcast::<PeerId>().ok()?;
        if self.connection.side() == Side::Client {
            self.control = self.connection.streams().open(Dir::Bi);
            self.raise_control();
        }
        let Some(ours) = self.one_time else {
            self.peer = Some(peer);
            return Some(Change::Up(peer));
        };
        let mut session = [0; 32];
        self.connection.crypto_session().export_keying_material(&mut session, SESSION, &[]).ok()?;
        Some(Change::Met { ours, theirs: peer, session })
    }

    /// Whether it is between one-time keys, and not adopted.
    pub(super) fn is_one_time(&self) -> bool {
        self.one_time.is_some()
    }

    /// Whether it closes once what was said has arrived.
    pub(super) fn is_parting(&self) -> bool {
        self.closing != Closing::No
    }

    /// Whoever holds the one-time key at the other end is this peer.
    pub(super) fn adopt(&mut self, peer: PeerId) {
        self.one_time = None;
        self.dialled = self.dialled.map(|_| peer);
        self.peer = Some(peer);
    }

    fn stream_event(&mut self, event: StreamEvent, changes: &mut Vec<Change>) {
        match event {
            StreamEvent::Opened { dir: Dir::Uni } => {
                while let Some(stream) = self.connection.streams().accept(Dir::Uni) {
                    self.incoming.insert(stream);
                    self.readable.insert(stream);
                }
            }
            StreamEvent::Opened { dir: Dir::Bi } => {
                // The dialling side opens the one there is. Whatever else is opened is not looked at.
                if let Some(stream) = self.connection.streams().accept(Dir::Bi)
                    && self.control.is_none()
                {
                    self.control = Some(stream);
                    self.readable.insert(stream);
                    self.raise_control();
                }
            }
            StreamEvent::Readable { id } => {
                self.readable.insert(id);
            }
            StreamEvent::Writable { .. } => self.room = true,
            StreamEvent::Stopped { id, .. } => {
                self.outgoing.remove(&id);
                // RFC 9000, section 3.5: who is told to stop resets, and the peer can allow another stream.
                let _ = self.connection.send_stream(id).reset(VarInt::from_u32(0));
                // A peer that hears no control messages is no use, and no peer of ours.
                if Some(id) == self.control {
                    changes.push(Change::Finished);
                }
            }
            StreamEvent::Finished { id } => {
                self.outgoing.remove(&id);
                if Some(id) == self.control && matches!(self.closing, Closing::Finishing | Closing::Finished)
                {
                    changes.push(Change::Finished);
                }
            }
            StreamEvent::Available { .. } => {}
        }
    }

    /// Control messages go before bulk.
    fn raise_control(&mut self) {
        if let Some(stream) = self.control {
            let _ = self.connection.send_stream(stream).set_priority(1);
        }
    }

    /// Gives what room there is to the channels that wait for it, in turn and a slice at a time. The QUIC
    /// implementation itself would always tell the one first that was blocked last.
    fn flush_waiting(&mut self) {
        let before = match self.turn {
            Bound::Included(stream) => Bound::Excluded(stream),
            Bound::Excluded(stream) => Bound::Included(stream),
            Bound::Unbounded => Bound::Unbounded,
        };
        let from_turn = self.outgoing.range((self.turn, Bound::Unbounded));
        let rest = self.outgoing.range((Bound::Unbounded, before));
        let rest = rest.take_while(|_| before != Bound::Unbounded);
        let waiting = from_turn.chain(rest).filter(|(_, queue)| !queue.is_empty());
        let mut waiting: VecDeque<StreamId> = waiting.map(|(stream, _)| *stream).collect();
        let mut blocked = 0;
        while blocked < waiting.len()
            && let Some(stream) = waiting.pop_front()
        {
            let Some(queue) = self.outgoing.get_mut(&stream) else { continue };
            let most = if waiting.is_empty() { usize::MAX } else { SLICE };
            let written = write_queue(&mut self.connection, stream, queue, most);
            if written > 0 {
                blocked = 0;
                self.turn = Bound::Excluded(stream);
            }
            if !queue.is_empty() {
                blocked = if written < most { blocked.saturating_add(1) } else { 0 };
                waiting.push_back(stream);
            }
        }
    }

    fn flush_control(&mut self) {
        let Some(stream) = self.control else { return };
        let written = write_queue(&mut self.connection, stream, &mut self.control_out, usize::MAX);
        self.control_backlog = self.control_backlog.saturating_sub(written);
    }

    fn flush(&mut self, stream: StreamId) {
        if let Some(queue) = self.outgoing.get_mut(&stream) {
            write_queue(&mut self.connection, stream, queue, usize::MAX);
        }
    }

    /// What the loss of its connection is to those above.
    fn lost(&self, reason: &ConnectionError) -> Option<Change> {
        if self.one_time.is_some() {
            return Some(Change::Parted);
        }
        if self.peer.is_none() {
            let other_version = *reason == ConnectionError::VersionMismatch;
            return self.dialled.map(|_| Change::Failed { other_version });
        }
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
        Some(Change::Lost { why, cancelled })
    }
}

impl Channels for QuicLink {
    fn dialled(&self) -> Option<PeerId> {
        self.dialled
    }

    fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    fn home(&self) -> Option<SocketAddr> {
        self.address()
    }

    fn round_trip(&self) -> Option<Duration> {
        self.connection.rtt(PathId::ZERO)
    }

    fn widen(&mut self, most: Option<u64>) {
        let window = most.and_then(|most| u32::try_from(most).ok()).unwrap_or(WIDE).min(WIDE);
        self.connection.set_receive_window(VarInt::from_u32(window));
    }

    fn sent(&mut self) -> u64 {
        self.connection.stats().frame_tx.stream
    }

    fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    fn has_parted(&self) -> bool {
        self.connection.is_closed()
    }

    fn is_drained(&self) -> bool {
        self.connection.is_drained()
    }

    fn timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    fn send_control(&mut self, frame: Vec<u8>) -> bool {
        self.control_backlog = self.control_backlog.saturating_add(frame.len());
        self.control_out.push_back(frame.into());
        self.flush_control();
        self.control_backlog <= CONTROL_BACKLOG
    }

    fn next_control(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(stream) = self.control else { return Ok(None) };
        loop {
            if let Some(frame) = self.control_in.next(&mut self.control_rest)? {
                return Ok(Some(frame));
            }
            if !self.readable.contains(&stream) {
                return Ok(None);
            }
            match read_once(&mut self.connection, stream, usize::MAX) {
                ChannelRead::Data(data) => self.control_rest = data,
                ChannelRead::Nothing | ChannelRead::End | ChannelRead::Reset => {
                    self.readable.remove(&stream);
                }
            }
        }
    }

    fn readable(&self) -> Vec<ChannelId> {
        let channels = self.readable.iter().filter(|stream| self.incoming.contains(stream));
        channels.map(|stream| ChannelId((*stream).into())).collect()
    }

    fn read(&mut self, channel: ChannelId, most: usize) -> ChannelRead {
        let stream = id(channel);
        let read = read_once(&mut self.connection, stream, most);
        match read {
            ChannelRead::Data(_) => {}
            ChannelRead::Nothing => {
                self.readable.remove(&stream);
            }
            ChannelRead::End | ChannelRead::Reset => {
                self.readable.remove(&stream);
                self.incoming.remove(&stream);
            }
        }
        read
    }

    fn stop(&mut self, channel: ChannelId) {
        let stream = id(channel);
        let _ = self.connection.recv_stream(stream).stop(VarInt::from_u32(0));
        self.readable.remove(&stream);
        self.incoming.remove(&stream);
    }

    fn open(&mut self) -> Option<ChannelId> {
        let stream = self.connection.streams().open(Dir::Uni)?;
        self.outgoing.insert(stream, VecDeque::new());
        Some(ChannelId(stream.into()))
    }

    fn is_writable(&self, channel: ChannelId) -> bool {
        self.outgoing.get(&id(channel)).is_some_and(VecDeque::is_empty)
    }

    fn write(&mut self, channel: ChannelId, pieces: &mut dyn Iterator<Item = Bytes>) {
        if let Some(queue) = self.outgoing.get_mut(&id(channel)) {
            queue.extend(pieces.filter(|piece| !piece.is_empty()));
            self.flush(id(channel));
        }
    }

    fn finish(&mut self, channel: ChannelId) {
        let _ = self.connection.send_stream(id(channel)).finish();
        self.outgoing.remove(&id(channel));
    }

    fn reset(&mut self, channel: ChannelId) {
        let _ = self.connection.send_stream(id(channel)).reset(VarInt::from_u32(0));
        self.outgoing.remove(&id(channel));
    }

    fn close_gently(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Asked;
        }
    }

    fn close(&mut self, now: Instant, code: CloseCode) {
        self.connection.close(now, VarInt::from_u32(code.number()), Bytes::new());
    }

    fn address(&self) -> Option<SocketAddr> {
        self.connection.network_path(PathId::ZERO).ok().map(|path| path.remote())
    }
}

/// A channel is a stream.
fn id(channel: ChannelId) -> StreamId {
    VarInt::from_u64(channel.0).unwrap_or(VarInt::MAX).into()
}

/// Writes at most so many bytes from the front of a queue; gives how many.
fn write_queue(
    connection: &mut Connection,
    stream: StreamId,
    queue: &mut VecDeque<Bytes>,
    most: usize,
) -> usize {
    let mut bytes = 0_usize;
    while bytes < most
        && let Some(mut front) = queue.pop_front()
    {
        let mut slice = [front.split_to(most.saturating_sub(bytes).min(front.len()))];
        let result = connection.send_stream(stream).write_chunks(&mut slice.as_mut_slice());
        let [unwritten] = slice;
        for rest in [front, unwritten].into_iter().filter(|rest| !rest.is_empty()) {
            queue.push_front(rest);
        }
        match result {
            Ok(count) => bytes = bytes.saturating_add(count),
            Err(WriteError::Blocked) => break,
            Err(WriteError::Stopped(_) | WriteError::ClosedStream) => {
                queue.clear();
                break;
            }
        }
    }
    bytes
}

fn read_once(connection: &mut Connection, stream: StreamId, most: usize) -> ChannelRead {
    let mut receive = connection.recv_stream(stream);
    let Ok(mut chunks) = receive.read(true) else { return ChannelRead::Reset };
    let read = match chunks.next(most) {
        Ok(Some(chunk)) => ChannelRead::Data(chunk.bytes),
        Ok(None) => ChannelRead::End,
        Err(ReadError::Blocked) => ChannelRead::Nothing,
        Err(ReadError::Reset(_)) => ChannelRead::Reset,
    };
    // What has to be sent is found by polling for transmits after every turn.
    let _ = chunks.finalize();
    read
}
