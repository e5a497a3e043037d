//! One-way channels that peers opened: manifests and chunks, frame by frame.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::Node;
use super::patience::LISTING;
use super::receiving::Incoming;
use super::sharing::ShareInflow;
use crate::identity::PeerId;
use crate::link::{ChannelRead, LinkKey};
use crate::storage::{MAX_ENTRIES, MAX_ENTRIES_OF_STRANGER};
use crate::transfer::TransferId;
use crate::wire::{
    Answer, ChannelOpen, Chunk, Control, FrameReader, Malformed, OfferHead, parse_chunk, parse_open,
    parse_part_of_offer,
};
use crate::{Event, Refusal, Standing, Why};

/// Offers and transfers of others at once: all together, of one peer, of all strangers, and of one stranger.
const MAX_INCOMING: usize = 64;
const MAX_OF_ONE: usize = 16;
const MAX_OF_STRANGERS: usize = 16;
const MAX_OF_STRANGER: usize = 2;
/// Strangers whose refused offers the user is told of.
const MAX_TOLD: usize = 100;

/// A one-way channel that a peer opened.
#[derive(Debug)]
pub(super) enum Inflow {
    /// Its first frame has not arrived.
    Opening(FrameReader),
    Manifest(TransferId, FrameReader),
    Chunks(TransferId, FrameReader, Option<(Chunk, BytesMut)>),
    Share(ShareInflow),
}

/// Why a channel is read no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The peer broke the protocol.
    Violation,
    /// What it carries is not wanted any more.
    Unwanted,
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Violation
    }
}

impl Inflow {
    /// Whose it is, once that is known.
    pub(super) fn transfer(&self) -> Option<TransferId> {
        match self {
            Self::Opening(_) | Self::Share(_) => None,
            Self::Manifest(transfer, _) | Self::Chunks(transfer, ..) => Some(*transfer),
        }
    }

    /// The transfer of which it carries chunks.
    pub(super) fn chunks_of(&self) -> Option<TransferId> {
        match self {
            Self::Chunks(transfer, ..) => Some(*transfer),
            Self::Opening(_) | Self::Manifest(..) | Self::Share(_) => None,
        }
    }

    /// The fetch of which it carries pieces.
    pub(super) fn pieces_of(&self) -> Option<TransferId> {
        match self {
            Self::Share(share) => share.fetch(),
            Self::Opening(_) | Self::Manifest(..) | Self::Chunks(..) => None,
        }
    }

    /// Bytes up to the next place where reading may have to stop.
    fn wanted(&self) -> usize {
        match self {
            Self::Opening(frames) | Self::Manifest(_, frames) | Self::Chunks(_, frames, None) => {
                frames.wanted()
            }
            Self::Chunks(_, _, Some((head, content))) => {
                usize::try_from(head.length).unwrap_or(0).saturating_sub(content.len())
            }
            Self::Share(share) => share.wanted(),
        }
    }
}

impl Node {
    /// Reads the one-way channels of a link, as far as there is room.
    pub(super) fn read_channels(&mut self, now: Instant, link: LinkKey, peer: PeerId) {
        for channel in self.links.readable(link) {
            let mut inflow =
                self.inflows.remove(&(link, channel)).unwrap_or(Inflow::Opening(FrameReader::default()));
            let outcome = loop {
                let most = match &inflow {
                    Inflow::Opening(_) | Inflow::Manifest(..) => usize::MAX,
                    Inflow::Share(share) => match share.fetch() {
                        Some(fetch) => self.shares.readable(now, fetch, !share.is_between_pieces()),
                        None => usize::MAX,
                    },
                    Inflow::Chunks(transfer, _, begun) => {
                        let begun = begun.as_ref().map(|(head, _)| *head);
                        self.readable_of(now, *transfer, begun.as_ref())
                    }
                };
                if most == 0 {
                    self.starved.insert(link);
                    break Ok(true);
                }
                match self.links.read(link, channel, inflow.wanted().min(most)) {
                    ChannelRead::Data(data) => {
                        if let Inflow::Share(share) = &inflow
                            && let Some(fetch) = share.fetch()
                        {
                            self.shares.was_read(fetch, data.len());
                        }
                        if let Inflow::Chunks(transfer, ..) = &inflow {
                            self.shares.was_read(*transfer, data.len());
                            if let Some(incoming) = self.incoming.get_mut(transfer) {
                                incoming.moves(now);
                            }
                        }
                        if let Err(stop) = self.inflow(now, link, peer, &mut inflow, data) {
                            break Err(stop);
                        }
                    }
                    ChannelRead::Nothing => break Ok(true),
                    ChannelRead::End => break self.inflow_ended(now, &mut inflow).map(|()| false),
                    ChannelRead::Reset => break Ok(false),
                }
            };
            match outcome {
                Ok(true) => {
                    self.inflows.insert((link, channel), inflow);
                }
                Ok(false) => self.inflow_gone(now, &inflow),
                Err(Stop::Unwanted) => {
                    self.inflow_gone(now, &inflow);
                    self.links.stop(link, channel);
                }
                Err(Stop::Violation) => return self.links.fail(now, link),
            }
        }
    }

    /// A channel is gone. A manifest that did not arrive whole is none.
    fn inflow_gone(&mut self, now: Instant, inflow: &Inflow) {
        if let Inflow::Share(share) = inflow {
            self.share_inflow_gone(now, share);
        }
        if let Inflow::Manifest(transfer, _) = inflow
            && self.incoming.get(transfer).is_some_and(Incoming::is_listing)
        {
            self.refuse_offer(now, *transfer, Refusal::BadManifest);
        }
    }

    fn inflow(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        inflow: &mut Inflow,
        mut data: Bytes,
    ) -> Result<(), Stop> {
        loop {
            match inflow {
                Inflow::Opening(frames) => {
                    let Some(frame) = frames.next(&mut data)? else { return Ok(()) };
                    *inflow = self.channel_opened(now, link, peer, &frame)?;
                }
                Inflow::Share(share) => return self.share_inflow(now, share, data),
                Inflow::Manifest(transfer, frames) => {
                    let Some(frame) = frames.next(&mut data)? else { return Ok(()) };
                    self.manifest_part(*transfer, &frame)?;
                }
                Inflow::Chunks(transfer, frames, current) => {
                    if let Some((head, content)) = current {
                        let missing = usize::try_from(head.length).unwrap_or(0).saturating_sub(content.len());
                        let taken = data.split_to(missing.min(data.len()));
                        content.extend_from_slice(&taken);
                        if taken.len() < missing {
                            return Ok(());
                        }
                        let head = *head;
                        let content = current.take().map(|(_, content)| content.freeze()).unwrap_or_default();
                        self.chunk_whole(*transfer, head, content);
                    } else {
                        let Some(frame) = frames.next(&mut data)? else { return Ok(()) };
                        let head = parse_chunk(&frame)?;
                        self.chunk_announced(peer, *transfer, &head)?;
                        let room = usize::try_from(head.length).unwrap_or(0);
                        *current = Some((head, BytesMut::with_capacity(room)));
                        if head.length > 0 && data.is_empty() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    fn channel_opened(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        frame: &[u8],
    ) -> Result<Inflow, Stop> {
        match parse_open(frame)? {
            ChannelOpen::Chunks(transfer) => {
                // Over whichever link: it is the peer that counts.
                let theirs = self.incoming.get(&transfer).is_some_and(|incoming| incoming.from == peer);
                if !theirs {
                    return Err(Stop::Unwanted);
                }
                Ok(Inflow::Chunks(transfer, FrameReader::default(), None))
            }
            ChannelOpen::Outline(head) => self.outline_opened(peer, head).map(Inflow::Share),
            ChannelOpen::Pieces(root) => self.pieces_opened(peer, root).map(Inflow::Share),
            ChannelOpen::Manifest(head) => self.offer_begins(now, link, peer, head),
        }
    }

    /// An offer's head is here: what can be refused already is, before its manifest takes room.
    fn offer_begins(
        &mut self,
        now: Instant,
        link: LinkKey,
        peer: PeerId,
        head: OfferHead,
    ) -> Result<Inflow, Stop> {
        let transfer = head.transfer;
        if self.offered_again(now, link, peer, transfer) {
            return Err(Stop::Unwanted);
        }
        // The name of a transfer with someone else is nothing that this peer can know.
        let others = self.unfinished.get(transfer).is_some_and(|record| record.peer != peer);
        if others || self.incoming.contains_key(&transfer) || self.outgoing.contains_key(&transfer) {
            return Err(Stop::Violation);
        }
        let standing = self.standing(peer);
        if let Err(why) = self.first_word(now, peer, standing, &head) {
            // Older programs do not know the word.
            let knows = self.revisions.get(&link).is_some_and(|revision| *revision >= 1);
            let why = if why == Refusal::TooMany && !knows { Refusal::Busy } else { why };
            self.say(now, link, &Control::Answer { transfer, answer: Answer::Refuse(why) });
            return Err(Stop::Unwanted);
        }
        self.incoming.insert(transfer, Incoming::listing(now, peer, link, standing, head));
        self.timers.set_earlier(Why::Offer, now.checked_add(LISTING).unwrap_or(now));
        Ok(Inflow::Manifest(transfer, FrameReader::default()))
    }

    /// What the rules say to an offer of which only the head is known.
    fn first_word(
        &mut self,
        now: Instant,
        from: PeerId,
        standing: Standing,
        head: &OfferHead,
    ) -> Result<(), Refusal> {
        let permitted = self.permitted(now, from, standing);
        if permitted == Err(Refusal::Stranger) && self.told.len() < MAX_TOLD && self.told.insert(from) {
            let name = head.name.chars().filter(|char| !char.is_control()).collect();
            self.event(Event::TurnedAway {
                transfer: head.transfer,
                from,
                name,
                files: head.entries,
                bytes: head.bytes,
            });
        }
        permitted?;
        let stranger = standing == Standing::Stranger;
        let strangers = self.incoming.values().filter(|incoming| incoming.is_strangers()).count();
        let theirs = self.incoming.values().filter(|incoming| incoming.from == from).count();
        let most = if stranger { MAX_OF_STRANGER } else { MAX_OF_ONE };
        let crowded = self.incoming.len() >= MAX_INCOMING
            || theirs >= most
            || (stranger && strangers >= MAX_OF_STRANGERS);
        if crowded {
            return Err(Refusal::Busy);
        }
        let most = if stranger { MAX_ENTRIES_OF_STRANGER } else { MAX_ENTRIES };
        if head.entries > most { Err(Refusal::TooMany) } else { Ok(()) }
    }

    fn manifest_part(&mut self, transfer: TransferId, frame: &[u8]) -> Result<(), Stop> {
        let incoming = self.incoming.get_mut(&transfer).ok_or(Stop::Unwanted)?;
        let part = parse_part_of_offer(frame)?;
        if incoming.list(part, frame.len()) { Ok(()) } else { Err(Stop::Violation) }
    }

    fn inflow_ended(&mut self, now: Instant, inflow: &mut Inflow) -> Result<(), Stop> {
        match inflow {
            Inflow::Manifest(transfer, frames) if !frames.is_inside() => self.manifest_whole(now, *transfer),
            Inflow::Chunks(_, frames, None) if !frames.is_inside() => {}
            Inflow::Share(share) => return self.share_inflow_ended(now, share),
            _ => return Err(Stop::Violation),
        }
        Ok(())
    }
}
