//! One link over a byte stream: Noise IK, then records in which a control channel and one-way channels take turns.
//!
//! There are no windows of channels. Who does not read a channel stops, after a few mebibytes, the stream with all that
//! is in it: that is its flow control. Nothing can stand still for ever by that as long as what makes room does not
//! depend on what comes over the same stream, and here it is the disk that does: a chunk that has begun is read to its
//! end, and what is unwanted is read and dropped.

mod inbox;
mod outbox;
mod record;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::inbox::Inbox;
use self::outbox::Outbox;
use self::record::{Note, Record, write_close};
use super::config::{IDLE, KEEP_ALIVE};
use super::kind::{Change, Channels};
use super::{ChannelId, ChannelRead, CloseCode};
use crate::identity::PeerId;
use crate::noise::stream::{Opener, Sealer, StreamCrypto, StreamSession};
use crate::wire::Malformed;
use crate::{LinkLoss, StreamOutput};

/// How long a stream may take from its start until its peer has proven itself.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the other side is given to close after the last record.
const FAREWELL: Duration = Duration::from_secs(1);

/// One byte stream, and what waits on its channels.
pub(super) struct StreamLink {
    remote: SocketAddr,
    dialled: Option<PeerId>,
    peer: Option<PeerId>,
    phase: Phase,
    inbox: Inbox,
    outbox: Outbox,
    changes: Vec<Change>,
    /// To be closed once what waits is said.
    gentle: bool,
    /// The end of what is waited for; while the link is up, the next look at its signs of life.
    look: Instant,
    /// Looks in a row without any.
    silent: u32,
    /// Whether anything was sent since the last look.
    spoke: bool,
}

enum Phase {
    /// Dialled, and not open yet.
    Opening { session: Box<StreamSession>, hello: Vec<u8> },
    /// The handshake: what is to be sent of it, and what is to come.
    Shaking { session: Box<StreamSession>, out: Vec<u8> },
    /// The handshake's messages went through. On the answering side the peer is only claimed until a record opens.
    Open { records: Box<Records>, reply: Vec<u8>, claimed: PeerId },
    /// The last record is to be sent, or was; the other side has not closed yet.
    Parting { records: Box<Records>, last: Option<CloseCode> },
    /// It is to be closed.
    Over,
    /// It is closed.
    Gone,
}

struct Records {
    sealer: Sealer,
    opener: Opener,
}

impl StreamLink {
    /// A stream that someone else opened.
    pub(super) fn accepted(now: Instant, remote: SocketAddr, crypto: &StreamCrypto) -> Self {
        let session = Box::new(StreamSession::listen(crypto));
        Self::new(now, remote, None, Phase::Shaking { session, out: Vec::new() })
    }

    /// A stream that is to be opened to `peer`.
    pub(super) fn dialled(
        now: Instant,
        remote: SocketAddr,
        peer: PeerId,
        crypto: &StreamCrypto,
    ) -> Option<Self> {
        // A `PeerId` is of prime order and the payload is short, so writing message 1 does not fail.
        let (session, hello) = StreamSession::dial(crypto, peer).ok()?;
        Some(Self::new(now, remote, Some(peer), Phase::Opening { session: Box::new(session), hello }))
    }

    fn new(now: Instant, remote: SocketAddr, dialled: Option<PeerId>, phase: Phase) -> Self {
        Self {
            remote,
            dialled,
            peer: None,
            phase,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            changes: Vec::new(),
            gentle: false,
            look: now.checked_add(HANDSHAKE).unwrap_or(now),
            silent: 0,
            spoke: false,
        }
    }

    /// What has happened since it was last asked.
    pub(super) fn pump(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// It is open.
    pub(super) fn opened(&mut self) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Opening { session, hello } => Phase::Shaking { session, out: hello },
            other => other,
        };
    }

    /// Bytes arrived, in whatever pieces.
    pub(super) fn arrived(&mut self, now: Instant, mut data: &[u8]) {
        self.silent = 0;
        while !data.is_empty() {
            match &mut self.phase {
                Phase::Shaking { session, .. } => match session.read(data) {
                    Ok(None) => return,
                    Ok(Some(agreed)) => {
                        data = &[];
                        let records = Box::new(Records { sealer: agreed.sealer, opener: agreed.opener });
                        let (reply, claimed) = (agreed.reply, agreed.peer);
                        self.phase = Phase::Open { records, reply, claimed };
                        if self.dialled.is_some() {
                            self.up(now, claimed);
                            // The answering side waits for a record to know that this is no replay.
                            self.outbox.say_alive();
                        }
                    }
                    Err(_) => return self.lost(LinkLoss::Broken, false),
                },
                Phase::Open { records, claimed, .. } => {
                    let claimed = *claimed;
                    match records.opener.next(&mut data) {
                        Ok(None) => return,
                        Ok(Some(plaintext)) => {
                            if self.peer.is_none() {
                                self.up(now, claimed);
                            }
                            let taken = Record::parse(plaintext).and_then(|record| self.take(record));
                            if taken.is_err() {
                                self.report(LinkLoss::Broken, false);
                                self.part(now, CloseCode::Violation);
                            }
                        }
                        // Changed on its way. Nothing that is said over this stream could be believed any more.
                        Err(_) => return self.lost(LinkLoss::Broken, false),
                    }
                }
                Phase::Parting { records, .. } => match records.opener.next(&mut data) {
                    Ok(None) => return,
                    Ok(Some(plaintext)) => {
                        // Both parted at once: nothing is left to wait for.
                        if matches!(Record::parse(plaintext), Ok(Record::Close(_))) {
                            self.phase = Phase::Over;
                        }
                    }
                    Err(_) => self.phase = Phase::Over,
                },
                Phase::Opening { .. } | Phase::Over | Phase::Gone => return,
            }
        }
    }

    fn up(&mut self, now: Instant, peer: PeerId) {
        self.peer = Some(peer);
        self.look = now.checked_add(KEEP_ALIVE).unwrap_or(now);
        self.changes.push(Change::Up(peer));
    }

    fn take(&mut self, record: Record) -> Result<(), Malformed> {
        match record {
            Record::Alive => {}
            Record::Control(data) => self.inbox.control(data),
            Record::Data(channel, data) => self.inbox.data(channel, data)?,
            Record::Note(Note::Open(channel)) => self.inbox.opened(channel)?,
            Record::Note(Note::End(channel)) => self.inbox.ended(channel)?,
            Record::Note(Note::Reset(channel)) => self.inbox.reset(channel)?,
            Record::Note(Note::Stop(channel)) => {
                if !self.outbox.stopped(channel) {
                    return Err(Malformed);
                }
            }
            Record::Close(code) => {
                self.lost(LinkLoss::Closed, code == CloseCode::Interrupted.number());
            }
        }
        Ok(())
    }

    /// The stream itself is closed. Without a last record before, that is a loss and no end.
    pub(super) fn closed(&mut self) {
        self.lost(LinkLoss::Broken, false);
        self.phase = Phase::Gone;
    }

    /// It is of no use any more, for a reason that is not this side's.
    fn lost(&mut self, why: LinkLoss, cancelled: bool) {
        if !self.is_closed() {
            self.report(why, cancelled);
            self.phase = Phase::Over;
        }
    }

    fn report(&mut self, why: LinkLoss, cancelled: bool) {
        if self.peer.is_some() {
            self.changes.push(Change::Lost { why, cancelled });
        } else if self.dialled.is_some() {
            self.changes.push(Change::Failed { other_version: false });
        }
    }

    /// Says a last word, if there is someone to say it to.
    fn part(&mut self, now: Instant, code: CloseCode) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Open { records, .. } if self.peer.is_some() => {
                self.look = now.checked_add(FAREWELL).unwrap_or(now);
                Phase::Parting { records, last: Some(code) }
            }
            parting @ Phase::Parting { .. } => parting,
            Phase::Gone => Phase::Gone,
            _ => Phase::Over,
        };
    }

    /// Whether more bytes are wanted now.
    pub(super) fn has_room(&self) -> bool {
        match self.phase {
            Phase::Shaking { .. } | Phase::Parting { .. } => true,
            Phase::Open { .. } => self.inbox.has_room() && self.outbox.has_room(),
            Phase::Opening { .. } | Phase::Over | Phase::Gone => false,
        }
    }

    /// Puts what is next onto the end of `out`, and says what to do. `true`: something above waited for room that there
    /// is now, or for the end.
    pub(super) fn fill(&mut self, now: Instant, out: &mut Vec<u8>) -> (StreamOutput, bool) {
        let mut moved = false;
        match &mut self.phase {
            Phase::Shaking { out: pending, .. } => out.append(pending),
            Phase::Open { records, reply, .. } => {
                out.append(reply);
                if self.peer.is_some() {
                    match self.outbox.fill(out, &mut records.sealer) {
                        Ok(freed) => moved = freed,
                        Err(_) => self.phase = Phase::Over,
                    }
                    if self.gentle && self.outbox.is_said() {
                        self.part(now, CloseCode::Done);
                        moved = true;
                    }
                }
            }
            Phase::Opening { .. } | Phase::Parting { .. } | Phase::Over | Phase::Gone => {}
        }
        if let Phase::Parting { records, last } = &mut self.phase
            && let Some(code) = last.take()
            && records.sealer.seal(out, |out| write_close(code.number(), out)).is_err()
        {
            self.phase = Phase::Over;
        }
        if !out.is_empty() {
            self.spoke = true;
            return (StreamOutput::Write, moved);
        }
        if matches!(self.phase, Phase::Over) {
            self.phase = Phase::Gone;
            return (StreamOutput::Close, true);
        }
        (StreamOutput::Idle, moved)
    }

    /// The runtime never learned of it: there is nothing to close.
    pub(super) fn forget(&mut self) {
        if matches!(self.phase, Phase::Over) {
            self.phase = Phase::Gone;
        }
    }
}

impl Channels for StreamLink {
    fn dialled(&self) -> Option<PeerId> {
        self.dialled
    }

    fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.remote)
    }

    /// Where it was dialled: who dials comes from any port.
    fn home(&self) -> Option<SocketAddr> {
        self.dialled.map(|_| self.remote)
    }

    fn round_trip(&self) -> Option<Duration> {
        None
    }

    fn send_control(&mut self, frame: Vec<u8>) -> bool {
        self.outbox.control(frame)
    }

    fn next_control(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        self.inbox.next_control()
    }

    fn readable(&self) -> Vec<ChannelId> {
        self.inbox.readable()
    }

    fn read(&mut self, channel: ChannelId, most: usize) -> ChannelRead {
        number(channel).map_or(ChannelRead::Reset, |channel| self.inbox.read(channel, most))
    }

    fn stop(&mut self, channel: ChannelId) {
        if let Some(channel) = number(channel)
            && self.inbox.stop(channel)
        {
            self.outbox.stop(channel);
        }
    }

    /// The bound on what is unread is the same with consent and without: it is small.
    fn widen(&mut self, _: Option<u64>) {}

    fn sent(&mut self) -> u64 {
        self.outbox.sent()
    }

    fn open(&mut self) -> Option<ChannelId> {
        self.outbox.open()
    }

    fn is_writable(&self, channel: ChannelId) -> bool {
        number(channel).is_some_and(|channel| self.outbox.is_writable(channel))
    }

    fn write(&mut self, channel: ChannelId, pieces: &mut dyn Iterator<Item = Bytes>) {
        if let Some(channel) = number(channel) {
            self.outbox.write(channel, pieces);
        }
    }

    fn finish(&mut self, channel: ChannelId) {
        if let Some(channel) = number(channel) {
            self.outbox.finish(channel);
        }
    }

    fn reset(&mut self, channel: ChannelId) {
        if let Some(channel) = number(channel) {
            self.outbox.reset(channel);
        }
    }

    fn close_gently(&mut self) {
        self.gentle = true;
    }

    fn close(&mut self, now: Instant, code: CloseCode) {
        self.part(now, code);
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Parting { .. } | Phase::Over | Phase::Gone)
    }

    fn has_parted(&self) -> bool {
        matches!(self.phase, Phase::Over | Phase::Gone)
    }

    fn is_drained(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    fn timeout(&mut self) -> Option<Instant> {
        (!matches!(self.phase, Phase::Over | Phase::Gone)).then_some(self.look)
    }

    fn handle_timeout(&mut self, now: Instant) {
        if now < self.look {
            return;
        }
        match self.phase {
            Phase::Open { .. } if self.peer.is_some() => {
                self.look = now.checked_add(KEEP_ALIVE).unwrap_or(now);
                // Who is not read cannot be heard.
                self.silent = if self.has_room() { self.silent.saturating_add(1) } else { 0 };
                if KEEP_ALIVE.saturating_mul(self.silent) > IDLE {
                    self.lost(LinkLoss::TimedOut, false);
                } else if !std::mem::take(&mut self.spoke) {
                    self.outbox.say_alive();
                }
            }
            Phase::Opening { .. } | Phase::Shaking { .. } | Phase::Open { .. } => {
                self.lost(LinkLoss::TimedOut, false);
            }
            Phase::Parting { .. } => self.phase = Phase::Over,
            Phase::Over | Phase::Gone => {}
        }
    }
}

/// A channel's number on the wire.
fn number(channel: ChannelId) -> Option<u32> {
    u32::try_from(channel.0).ok()
}
