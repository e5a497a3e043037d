//! Limits and fair shares: how much each transfer may send, receive, read ahead and have written now.
//!
//! Sending hands chunks to links only as far as there are tokens; receiving reads channels only so far, and flow
//! control holds the peer. What has no limit is shared all the same, so that no transfer stands behind another.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Instant;

use bytes::Bytes;

use super::Node;
use crate::link::{ChannelId, LinkKey};
use crate::transfer::TransferId;
use crate::transfer::limit::Limiter;
use crate::wire::{Chunk, encode_chunk};

/// Bytes being written, all together.
const MAX_WRITING: u64 = 12 * 1024 * 1024;
/// A transfer may have as many times the room that is left being written (Choudhury and Hahne, "Dynamic Queue Length
/// Thresholds for Shared-Memory Packet Switches", 1998): one alone gets three quarters, and there is always room for
/// one more.
const THRESHOLD: u64 = 3;
/// Bytes that one transfer alone, and all together, read ahead of what links take; and what is worth a request.
const READ_AHEAD: u64 = 4 * 1024 * 1024;
const READ_AHEAD_OF_ALL: u64 = 8 * 1024 * 1024;
const LEAST_READ_AHEAD: u64 = 512 * 1024;
/// Channels of one transfer that has a link for itself, so that a long fat path is not bound by one's window; and of
/// all that share a link, as far as each has one.
const CHANNELS: usize = 4;
const CHANNELS_OF_LINK: usize = 8;
/// Bytes that are worth another channel.
const CHANNEL_WORTH: u64 = 4 * 1024 * 1024;
/// Where receiving is limited, a link's window is what comes in a quarter of a second, but for these bounds: more
/// would come at once and then wait, and messages with it.
const WINDOWS_PER_SECOND: u64 = 4;
const LEAST_WINDOW: u64 = 64 * 1024;

/// How fast transfers may be, all together, in bytes a second; `None` is as fast as they can. Messages and offers
/// are not held back, and headers of packets come on top: some three percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// To others.
    pub send: Option<NonZeroU64>,
    /// From others.
    pub receive: Option<NonZeroU64>,
}

/// Who may move how much.
#[derive(Debug, Default)]
pub(super) struct Shares {
    send: Limiter,
    receive: Limiter,
    /// Chunks that are partly handed to a channel.
    rests: BTreeMap<TransferId, Rest>,
    writing: BTreeMap<TransferId, u64>,
    writing_in_all: u64,
}

/// What is left of a chunk.
#[derive(Debug)]
struct Rest {
    channel: ChannelId,
    head: Bytes,
    content: Bytes,
}

/// What to hand to a channel.
#[derive(Debug)]
pub(super) enum Piece {
    /// This.
    Ready([Bytes; 2]),
    /// Nothing: another channel has to take the rest of a chunk first.
    Elsewhere,
    /// Nothing now.
    None,
}

impl Shares {
    pub(super) fn limit(&mut self, now: Instant, limits: Limits) {
        self.send.set(now, limits.send);
        self.receive.set(now, limits.receive);
    }

    /// The next piece of a transfer for a channel that takes one; `take` gives the next chunk.
    pub(super) fn next_piece(
        &mut self,
        now: Instant,
        transfer: TransferId,
        channel: ChannelId,
        take: impl FnOnce() -> Option<(Chunk, Bytes)>,
    ) -> Piece {
        if let Some(rest) = self.rests.get(&transfer)
            && rest.channel != channel
        {
            return Piece::Elsewhere;
        }
        let rest = self.rests.remove(&transfer).or_else(|| {
            let (head, content) = take()?;
            Some(Rest { channel, head: encode_chunk(&head).into(), content })
        });
        let Some(mut rest) = rest else { return Piece::None };
        let most = usize::try_from(self.send.allowance(now, transfer)).unwrap_or(usize::MAX);
        if most == 0 {
            self.rests.insert(transfer, rest);
            return Piece::None;
        }
        let head = std::mem::take(&mut rest.head);
        // A head is not cut: a few bytes more are made up for by the next piece.
        let cut = most.saturating_sub(head.len()).max(1).min(rest.content.len());
        let content = rest.content.split_to(cut);
        self.send.spend(transfer, count(head.len()).saturating_add(count(content.len())));
        if !rest.content.is_empty() {
            self.rests.insert(transfer, rest);
        }
        Piece::Ready([head, content])
    }

    /// How many bytes of pieces may be handed to links for a share now. What is handed over is then to be told to
    /// [`Shares::gave`].
    pub(super) fn givable(&mut self, now: Instant, share: TransferId) -> usize {
        usize::try_from(self.send.allowance(now, share)).unwrap_or(usize::MAX)
    }

    /// So many bytes of a share were handed over.
    pub(super) fn gave(&mut self, share: TransferId, bytes: usize) {
        self.send.spend(share, count(bytes));
    }

    /// A share has nothing to give: it does not stand in line.
    pub(super) fn gives_nothing(&mut self, share: TransferId) {
        self.send.forget(share);
    }

    /// Bytes of a chunk that was taken and is not handed over yet.
    pub(super) fn rest(&self, transfer: TransferId) -> u64 {
        self.rests.get(&transfer).map_or(0, |rest| count(rest.content.len()))
    }

    /// Whether a channel waits for the rest of a chunk, or of a chunk's head.
    pub(super) fn has_rest(&self, transfer: TransferId, channel: ChannelId) -> bool {
        self.rests.get(&transfer).is_some_and(|rest| rest.channel == channel)
    }

    /// How many bytes of chunks may be read for a transfer now; none while there is no room to write them.
    pub(super) fn readable(&mut self, now: Instant, transfer: TransferId, inside: bool) -> usize {
        // A chunk that has begun is finished: what waits for it may be all that could make room.
        if !inside && !self.has_room(transfer) {
            return 0;
        }
        usize::try_from(self.receive.allowance(now, transfer)).unwrap_or(usize::MAX)
    }

    /// So many bytes of chunks were read for a transfer.
    pub(super) fn was_read(&mut self, transfer: TransferId, bytes: usize) {
        self.receive.spend(transfer, count(bytes));
    }

    /// Bytes of whole chunks that wait to be written or are being written.
    #[cfg(test)]
    pub(super) fn writing(&self) -> u64 {
        self.writing_in_all
    }

    /// Whether more of a transfer may wait to be written.
    pub(super) fn has_room(&self, transfer: TransferId) -> bool {
        let left = MAX_WRITING.saturating_sub(self.writing_in_all);
        let used = self.writing.get(&transfer).copied().unwrap_or(0);
        used < left.saturating_mul(THRESHOLD)
    }

    /// So many bytes of a transfer wait to be written.
    pub(super) fn writes(&mut self, transfer: TransferId, bytes: u64) {
        self.writing_in_all = self.writing_in_all.saturating_add(bytes);
        let used = self.writing.entry(transfer).or_default();
        *used = used.saturating_add(bytes);
    }

    /// So many bytes of a transfer are written, or will not be.
    pub(super) fn wrote(&mut self, transfer: TransferId, bytes: u64) {
        self.writing_in_all = self.writing_in_all.saturating_sub(bytes);
        if let Some(used) = self.writing.get_mut(&transfer) {
            *used = used.saturating_sub(bytes);
            if *used == 0 {
                self.writing.remove(&transfer);
            }
        }
    }

    /// Bytes that one of so many transfers may read ahead: what is read waits in memory, before the disk's answer for
    /// others, and a slow link has no use for much.
    pub(super) fn read_ahead(&self, transfers: usize) -> u64 {
        let fair = READ_AHEAD_OF_ALL.checked_div(count(transfers)).unwrap_or(READ_AHEAD);
        let useful = self.send.rate().map_or(READ_AHEAD, NonZeroU64::get);
        fair.min(useful).clamp(LEAST_READ_AHEAD, READ_AHEAD)
    }

    /// Whether there is a limit: a byte stream would hold megabytes that its channels are not to move yet, and what
    /// is limited needs no stream to be fast.
    pub(super) fn is_limited(&self) -> bool {
        self.send.rate().is_some() || self.receive.rate().is_some()
    }

    /// The window of a link on which there is consent to what comes, in bytes.
    pub(super) fn window(&self) -> Option<u64> {
        self.receive.rate().map(|rate| (rate.get() / WINDOWS_PER_SECOND).max(LEAST_WINDOW))
    }

    /// A transfer is over.
    pub(super) fn forget(&mut self, transfer: TransferId) {
        self.rests.remove(&transfer);
        self.send.forget(transfer);
        self.receive.forget(transfer);
    }

    /// When someone who waits for tokens can go on.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.send.next_time().into_iter().chain(self.receive.next_time()).min()
    }
}

/// Channels worth having for one of so many transfers over a link.
pub(super) fn channels(bytes: u64, transfers: usize) -> usize {
    let worth = usize::try_from(bytes / CHANNEL_WORTH).unwrap_or(CHANNELS);
    let fair = CHANNELS_OF_LINK.checked_div(transfers).unwrap_or(CHANNELS);
    // In company each has as many as the others: a link's channels get equal parts of it.
    let fair = if transfers > 1 { fair.min(CHANNELS / 2) } else { fair };
    worth.min(fair).clamp(1, CHANNELS)
}

impl Node {
    /// User in: other limits from now on.
    pub fn set_limits(&mut self, now: Instant, limits: Limits) {
        self.shares.limit(now, limits);
        let links: Vec<LinkKey> = self.incoming.values().map(|incoming| incoming.link).collect();
        for link in links {
            self.links.widen(link, self.shares.window());
        }
        self.feed_starved();
        self.turn(now);
    }

    /// There are tokens: whoever waited for them goes on.
    pub(super) fn limit_lifted(&mut self, now: Instant) {
        self.shares.send.call(now);
        self.shares.receive.call(now);
        self.feed_starved();
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
