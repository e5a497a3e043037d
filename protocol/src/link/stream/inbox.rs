//! What has arrived over a stream and was not read yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::link::kind::MAX_CHANNELS;
use crate::link::{ChannelId, ChannelRead};
use crate::wire::{FrameReader, Malformed};

/// Bytes that may lie here before no more is taken from the stream.
const MAX_UNREAD: usize = 4 * 1024 * 1024;
/// What a piece and a channel count for beside their bytes: about what they take.
const PIECE: usize = 64;
const CHANNEL: usize = 256;

/// What has arrived, by channel.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    control: FrameReader,
    control_rest: VecDeque<Bytes>,
    channels: BTreeMap<u32, Incoming>,
    readable: BTreeSet<u32>,
    /// The number of the next channel that the peer opens.
    next: u32,
    /// Bytes here, with what holding them takes.
    unread: usize,
}

/// A channel that the peer opened.
#[derive(Debug, Default)]
struct Incoming {
    data: VecDeque<Bytes>,
    end: End,
    /// Nobody here wants any of it.
    stopped: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    NotYet,
    Ended,
    Reset,
}

impl Inbox {
    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.unread < MAX_UNREAD
    }

    pub(super) fn control(&mut self, data: Bytes) {
        self.unread = self.unread.saturating_add(weight(&data));
        self.control_rest.push_back(data);
    }

    pub(super) fn next_control(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        while let Some(piece) = self.control_rest.front_mut() {
            let before = piece.len();
            let frame = self.control.next(piece)?;
            self.unread = self.unread.saturating_sub(before.saturating_sub(piece.len()));
            if piece.is_empty() {
                self.control_rest.pop_front();
                self.unread = self.unread.saturating_sub(PIECE);
            }
            if frame.is_some() {
                return Ok(frame);
            }
        }
        Ok(None)
    }

    /// The peer opens a channel.
    pub(super) fn opened(&mut self, channel: u32) -> Result<(), Malformed> {
        let open = self.channels.values().filter(|it| it.end == End::NotYet).count();
        if channel != self.next || u32::try_from(open).map_err(|_| Malformed)? >= MAX_CHANNELS {
            return Err(Malformed);
        }
        self.next = self.next.checked_add(1).ok_or(Malformed)?;
        self.unread = self.unread.saturating_add(CHANNEL);
        self.channels.insert(channel, Incoming::default());
        Ok(())
    }

    pub(super) fn data(&mut self, channel: u32, data: Bytes) -> Result<(), Malformed> {
        let incoming = self.growing(channel)?;
        if !incoming.stopped {
            let weight = weight(&data);
            incoming.data.push_back(data);
            self.unread = self.unread.saturating_add(weight);
            self.readable.insert(channel);
        }
        Ok(())
    }

    /// The peer has written all of a channel.
    pub(super) fn ended(&mut self, channel: u32) -> Result<(), Malformed> {
        let incoming = self.growing(channel)?;
        incoming.end = End::Ended;
        self.settle(channel);
        Ok(())
    }

    /// The peer gives a channel up.
    pub(super) fn reset(&mut self, channel: u32) -> Result<(), Malformed> {
        self.growing(channel)?.end = End::Reset;
        self.forget_data(channel);
        self.settle(channel);
        Ok(())
    }

    fn growing(&mut self, channel: u32) -> Result<&mut Incoming, Malformed> {
        self.channels.get_mut(&channel).filter(|it| it.end == End::NotYet).ok_or(Malformed)
    }

    /// An end is something to read, unless nobody wants it.
    fn settle(&mut self, channel: u32) {
        if self.channels.get(&channel).is_some_and(|it| it.stopped) {
            self.remove(channel);
        } else {
            self.readable.insert(channel);
        }
    }

    pub(super) fn readable(&self) -> Vec<ChannelId> {
        self.readable.iter().map(|channel| ChannelId(u64::from(*channel))).collect()
    }

    pub(super) fn read(&mut self, channel: u32, most: usize) -> ChannelRead {
        let Some(incoming) = self.channels.get_mut(&channel) else { return ChannelRead::Reset };
        if let Some(piece) = incoming.data.front_mut() {
            let taken = piece.split_to(most.min(piece.len()));
            self.unread = self.unread.saturating_sub(taken.len());
            if piece.is_empty() {
                incoming.data.pop_front();
                self.unread = self.unread.saturating_sub(PIECE);
            }
            return ChannelRead::Data(taken);
        }
        match incoming.end {
            End::NotYet => {
                self.readable.remove(&channel);
                ChannelRead::Nothing
            }
            End::Ended => {
                self.remove(channel);
                ChannelRead::End
            }
            End::Reset => {
                self.remove(channel);
                ChannelRead::Reset
            }
        }
    }

    /// Nobody here wants more of a channel. `true`: the peer is to be told so.
    pub(super) fn stop(&mut self, channel: u32) -> bool {
        self.forget_data(channel);
        self.readable.remove(&channel);
        let Some(incoming) = self.channels.get_mut(&channel) else { return false };
        if incoming.end == End::NotYet {
            return !std::mem::replace(&mut incoming.stopped, true);
        }
        self.remove(channel);
        false
    }

    fn forget_data(&mut self, channel: u32) {
        if let Some(incoming) = self.channels.get_mut(&channel) {
            let weights = incoming.data.drain(..).map(|piece| weight(&piece));
            self.unread = self.unread.saturating_sub(weights.fold(0, usize::saturating_add));
        }
    }

    fn remove(&mut self, channel: u32) {
        self.readable.remove(&channel);
        if self.channels.remove(&channel).is_some() {
            self.unread = self.unread.saturating_sub(CHANNEL);
        }
    }
}

fn weight(data: &Bytes) -> usize {
    data.len().saturating_add(PIECE)
}
