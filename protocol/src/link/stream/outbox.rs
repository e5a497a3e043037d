//! What waits to be sent over a stream: notes first, then control, then the channels in turn.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, Bytes};

use super::record::{HEADER, Note, write_alive, write_control, write_data, write_note};
use crate::link::ChannelId;
use crate::link::kind::{CONTROL_BACKLOG, MAX_CHANNELS};
use crate::noise::stream::{MAX_PLAINTEXT, RecordError, Sealer};

/// Bytes that are encrypted at once: enough to be worth a system call, few enough to keep what is urgent waiting
/// only briefly.
const BATCH: usize = 256 * 1024;
/// A channel takes more while it has less than this waiting.
const WRITABLE: usize = 256 * 1024;
/// Notes that may wait for a peer who does not read them before no more is taken from that peer.
const MAX_NOTES: usize = 1024;

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    alive: bool,
    notes: VecDeque<Note>,
    control: VecDeque<Bytes>,
    control_bytes: usize,
    channels: BTreeMap<u32, Outgoing>,
    /// Channels with something to send, each once, in turn.
    turn: VecDeque<u32>,
    /// The number of the next channel.
    next: u32,
    /// Records of channels that were sent.
    sent: u64,
}

/// A channel that this side opened.
#[derive(Debug, Default)]
struct Outgoing {
    data: VecDeque<Bytes>,
    bytes: usize,
    finishing: bool,
    in_turn: bool,
}

impl Outbox {
    /// How many records of channels were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether there is room for answers to what more would arrive.
    pub(super) fn has_room(&self) -> bool {
        self.notes.len() < MAX_NOTES
    }

    /// Whether notes and control messages are all written.
    pub(super) fn is_said(&self) -> bool {
        self.notes.is_empty() && self.control.is_empty()
    }

    /// Has something sent, if it is only that this side is there.
    pub(super) fn say_alive(&mut self) {
        self.alive = true;
    }

    /// Queues a control frame. `false`: too many wait.
    pub(super) fn control(&mut self, frame: Vec<u8>) -> bool {
        self.control_bytes = self.control_bytes.saturating_add(frame.len());
        self.control.push_back(frame.into());
        self.control_bytes <= CONTROL_BACKLOG
    }

    pub(super) fn open(&mut self) -> Option<ChannelId> {
        if u32::try_from(self.channels.len()).ok()? >= MAX_CHANNELS {
            return None;
        }
        let channel = self.next;
        self.next = self.next.checked_add(1)?;
        self.channels.insert(channel, Outgoing::default());
        self.notes.push_back(Note::Open(channel));
        Some(ChannelId(u64::from(channel)))
    }

    pub(super) fn is_writable(&self, channel: u32) -> bool {
        self.channels.get(&channel).is_some_and(|it| !it.finishing && it.bytes < WRITABLE)
    }

    pub(super) fn write(&mut self, channel: u32, pieces: &mut dyn Iterator<Item = Bytes>) {
        let Some(outgoing) = self.channels.get_mut(&channel).filter(|it| !it.finishing) else { return };
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            outgoing.bytes = outgoing.bytes.saturating_add(piece.len());
            outgoing.data.push_back(piece);
        }
        if outgoing.bytes > 0 {
            self.take_turn(channel);
        }
    }

    pub(super) fn finish(&mut self, channel: u32) {
        if let Some(outgoing) = self.channels.get_mut(&channel) {
            outgoing.finishing = true;
            self.take_turn(channel);
        }
    }

    pub(super) fn reset(&mut self, channel: u32) {
        if self.channels.remove(&channel).is_some() {
            self.turn.retain(|other| *other != channel);
            self.notes.push_back(Note::Reset(channel));
        }
    }

    /// The peer is to send no more of one of its channels.
    pub(super) fn stop(&mut self, channel: u32) {
        self.notes.push_back(Note::Stop(channel));
    }

    /// The peer wants no more of a channel. `false`: there never was such a channel.
    pub(super) fn stopped(&mut self, channel: u32) -> bool {
        self.reset(channel);
        channel < self.next
    }

    fn take_turn(&mut self, channel: u32) {
        if let Some(outgoing) = self.channels.get_mut(&channel)
            && !std::mem::replace(&mut outgoing.in_turn, true)
        {
            self.turn.push_back(channel);
        }
    }

    /// Encrypts what is next onto the end of `out`, up to about a quarter of a mebibyte. `true`: a channel takes more
    /// again that did not before.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, sealer: &mut Sealer) -> Result<bool, RecordError> {
        let mut freed = false;
        while out.len() < BATCH {
            if let Some(note) = self.notes.pop_front() {
                sealer.seal(out, |out| write_note(note, out))?;
            } else if self.control_bytes > 0 {
                let taken = self.control_bytes.min(MAX_PLAINTEXT.saturating_sub(HEADER));
                sealer.seal(out, |out| {
                    write_control(out);
                    take(&mut self.control, taken, out);
                })?;
                self.control_bytes = self.control_bytes.saturating_sub(taken);
            } else if let Some(channel) = self.turn.pop_front() {
                self.sent = self.sent.saturating_add(1);
                freed |= self.fill_from(channel, out, sealer)?;
            } else if self.alive {
                sealer.seal(out, write_alive)?;
            } else {
                break;
            }
            // Any record says it.
            self.alive = false;
        }
        Ok(freed)
    }

    /// One record of a channel, or its end.
    fn fill_from(
        &mut self,
        channel: u32,
        out: &mut Vec<u8>,
        sealer: &mut Sealer,
    ) -> Result<bool, RecordError> {
        let Some(outgoing) = self.channels.get_mut(&channel) else { return Ok(false) };
        outgoing.in_turn = false;
        if outgoing.bytes == 0 {
            self.channels.remove(&channel);
            sealer.seal(out, |out| write_note(Note::End(channel), out))?;
            // There is room for another channel.
            return Ok(true);
        }
        let taken = outgoing.bytes.min(MAX_PLAINTEXT.saturating_sub(HEADER));
        let before = outgoing.bytes;
        out.reserve(taken.saturating_add(64));
        sealer.seal(out, |out| {
            write_data(channel, out);
            take(&mut outgoing.data, taken, out);
        })?;
        outgoing.bytes = outgoing.bytes.saturating_sub(taken);
        let freed = before >= WRITABLE && outgoing.bytes < WRITABLE;
        if outgoing.bytes > 0 || outgoing.finishing {
            self.take_turn(channel);
        }
        Ok(freed)
    }
}

/// Moves bytes from the front of a queue.
fn take(queue: &mut VecDeque<Bytes>, mut bytes: usize, out: &mut Vec<u8>) {
    while bytes > 0
        && let Some(piece) = queue.front_mut()
    {
        let taken = bytes.min(piece.len());
        out.extend_from_slice(piece.get(..taken).unwrap_or_default());
        piece.advance(taken);
        bytes = bytes.saturating_sub(taken);
        if piece.is_empty() {
            queue.pop_front();
        }
    }
}
