//! One-way channels that carry outlines and pieces, frame by frame.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::Node;
use crate::identity::PeerId;
use crate::node::inflow::Stop;
use crate::transfer::TransferId;
use crate::transfer::hash::Root;
use crate::wire::{FrameReader, OutlineHead, PieceHead, parse_piece};

/// A channel about a root.
#[derive(Debug)]
pub(in crate::node) struct ShareInflow {
    id: TransferId,
    peer: PeerId,
    frames: FrameReader,
    carries: Carries,
}

#[derive(Debug)]
enum Carries {
    Outline,
    Pieces(Option<(PieceHead, BytesMut)>),
}

impl ShareInflow {
    /// Bytes up to the next place where reading may have to stop.
    pub(in crate::node) fn wanted(&self) -> usize {
        match &self.carries {
            Carries::Pieces(Some((head, content))) => missing(head, content),
            Carries::Outline | Carries::Pieces(None) => self.frames.wanted(),
        }
    }

    /// The fetch that its pieces are for.
    pub(in crate::node) fn fetch(&self) -> Option<TransferId> {
        matches!(self.carries, Carries::Pieces(_)).then_some(self.id)
    }

    /// Whether the next bytes begin a piece, for which there has to be room.
    pub(in crate::node) fn is_between_pieces(&self) -> bool {
        matches!(self.carries, Carries::Pieces(None))
    }
}

fn missing(head: &PieceHead, content: &BytesMut) -> usize {
    usize::try_from(head.length).unwrap_or(0).saturating_sub(content.len())
}

impl Node {
    pub(in crate::node) fn outline_opened(
        &mut self,
        peer: PeerId,
        head: OutlineHead,
    ) -> Result<ShareInflow, Stop> {
        let id = self.outline_begins(peer, head)?;
        Ok(ShareInflow { id, peer, frames: FrameReader::default(), carries: Carries::Outline })
    }

    pub(in crate::node) fn pieces_opened(&mut self, peer: PeerId, root: Root) -> Result<ShareInflow, Stop> {
        let id = self.sharing.by_root.get(&root).copied().ok_or(Stop::Unwanted)?;
        Ok(ShareInflow { id, peer, frames: FrameReader::default(), carries: Carries::Pieces(None) })
    }

    pub(in crate::node) fn share_inflow(
        &mut self,
        now: Instant,
        inflow: &mut ShareInflow,
        mut data: Bytes,
    ) -> Result<(), Stop> {
        let (id, peer) = (inflow.id, inflow.peer);
        loop {
            match &mut inflow.carries {
                Carries::Outline => {
                    let Some(frame) = inflow.frames.next(&mut data)? else { return Ok(()) };
                    self.outline_frame(id, peer, &frame)?;
                }
                Carries::Pieces(current) => {
                    if let Some((head, content)) = current {
                        let missing = missing(head, content);
                        let taken = data.split_to(missing.min(data.len()));
                        content.extend_from_slice(&taken);
                        self.piece_moves(now, id, peer);
                        if taken.len() < missing {
                            return Ok(());
                        }
                        if let Some((head, content)) = current.take() {
                            self.piece_whole(now, id, peer, &head, content.freeze())?;
                        }
                    } else {
                        let Some(frame) = inflow.frames.next(&mut data)? else { return Ok(()) };
                        let head = parse_piece(&frame)?;
                        self.piece_announced(now, id, peer, &head)?;
                        let room = usize::try_from(head.length).unwrap_or(0);
                        let empty = head.length == 0;
                        *current = Some((head, BytesMut::with_capacity(room)));
                        if !empty && data.is_empty() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// The channel ended; `Err` inside of a frame or a piece.
    pub(in crate::node) fn share_inflow_ended(
        &mut self,
        now: Instant,
        inflow: &ShareInflow,
    ) -> Result<(), Stop> {
        match &inflow.carries {
            _ if inflow.frames.is_inside() => Err(Stop::Violation),
            Carries::Pieces(Some(_)) => Err(Stop::Violation),
            Carries::Pieces(None) => Ok(()),
            Carries::Outline => {
                self.outline_ended(now, inflow.id, inflow.peer, true);
                Ok(())
            }
        }
    }

    /// The channel is gone before its end.
    pub(in crate::node) fn share_inflow_gone(&mut self, now: Instant, inflow: &ShareInflow) {
        if matches!(inflow.carries, Carries::Outline) {
            self.outline_ended(now, inflow.id, inflow.peer, false);
        }
    }
}
