//! Links between one-time keys: they carry steps of a code and nothing else, are few, and do not last.

use std::time::{Duration, Instant};

use super::{CodeId, Codes};
use crate::identity::PeerId;
use crate::link::LinkKey;
use crate::node::Node;
use crate::pairing::{Card, Channel};
use crate::wire::{CodeStep, Control};

/// How long such a link may take to its first step; and to the proof of its code, waiting for one's turn included.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
const PROVE_WITHIN: Duration = Duration::from_secs(60);
/// Such links that others have to codes of ours: half of what may be half open.
const MAX_LINKS: usize = 64;
/// How long what was said last is given to arrive.
const PART_WITHIN: Duration = Duration::from_secs(3);
/// Bytes of a frame.
const MAX_STEP: usize = 1024;

/// A link between one-time keys on which both have proven theirs.
pub(super) struct CodeLink {
    id: CodeId,
    channel: Channel,
    until: Instant,
}

impl Codes {
    /// When the next link has lasted long enough.
    pub(super) fn next_late(&self) -> Option<Instant> {
        self.links.values().map(|it| it.until).chain(self.parting.values().copied()).min()
    }
}

impl Node {
    /// Both sides of a link have proven one-time keys.
    pub(in crate::node) fn code_met(
        &mut self,
        now: Instant,
        link: LinkKey,
        ours: PeerId,
        theirs: PeerId,
        session: [u8; 32],
    ) {
        let within = |time| now.checked_add(time).unwrap_or(now);
        let dialled = self.codes.entered.iter_mut().find(|(_, it)| it.dials.contains_key(&link));
        if let Some((id, entered)) = dialled {
            let (id, card) = (*id, Card { key: theirs });
            let channel = Channel { session, typer: ours, maker: theirs, place: entered.typer.place() };
            entered.dials.remove(&link);
            self.codes.links.insert(link, CodeLink { id, channel, until: within(PROVE_WITHIN) });
            entered.typer.up(now, link.0, channel);
            return self.abandon_code_dials(now, id, card);
        }
        let made = self.codes.made.iter().find(|(_, made)| made.key.peer_id() == ours);
        let crowded = self.codes.links.len() >= MAX_LINKS;
        let Some((id, made)) = made.filter(|_| !crowded) else { return self.links.abandon(now, link) };
        let channel = Channel { session, typer: theirs, maker: ours, place: made.maker.meeting().0 };
        self.codes.links.insert(link, CodeLink { id: *id, channel, until: within(BEGIN_WITHIN) });
    }

    /// A link between one-time keys is gone, or never came to be.
    pub(in crate::node) fn code_parted(&mut self, now: Instant, link: LinkKey) {
        self.codes.parting.remove(&link);
        self.starved.remove(&link);
        let dialled = self.codes.entered.values_mut().find(|it| it.dials.contains_key(&link));
        if let Some(entered) = dialled
            && let Some(card) = entered.dials.remove(&link)
            && !entered.dials.values().any(|other| *other == card)
        {
            entered.typer.unreachable(now, card);
        }
        self.code_link_gone(now, link);
    }

    /// The machine that a link was for is told that it is gone.
    fn code_link_gone(&mut self, now: Instant, link: LinkKey) {
        let Some(CodeLink { id, .. }) = self.codes.links.remove(&link) else { return };
        if let Some(made) = self.codes.made.get_mut(&id) {
            made.maker.gone(link.0);
        } else if let Some(entered) = self.codes.entered.get_mut(&id) {
            entered.typer.gone(now, link.0);
        }
    }

    /// Reads the steps of a code that have arrived. Once it is proven, the rest is read as of any other link.
    pub(in crate::node) fn read_code_link(&mut self, now: Instant, link: LinkKey) {
        while self.links.is_one_time(link) && self.codes.links.contains_key(&link) {
            let step = match self.links.next_control(link) {
                Ok(None) => return,
                Ok(Some(frame)) if frame.len() <= MAX_STEP => match Control::parse(&frame) {
                    Ok(Control::Code(step)) => Some(step),
                    Ok(_) | Err(_) => None,
                },
                Ok(Some(_)) | Err(_) => None,
            };
            if !step.is_some_and(|step| self.code_step(now, link, &step)) {
                self.code_link_gone(now, link);
                self.links.fail(now, link);
            }
            self.run_codes(now);
        }
    }

    /// A step of a code. `false`: nobody may take it.
    fn code_step(&mut self, now: Instant, link: LinkKey, step: &CodeStep) -> bool {
        let Some(CodeLink { id, channel, until }) = self.codes.links.get_mut(&link) else { return false };
        if let Some(made) = self.codes.made.get_mut(id) {
            match step {
                CodeStep::Begin(share) => {
                    *until = now.checked_add(PROVE_WITHIN).unwrap_or(now);
                    made.maker.begin(link.0, *channel, *share);
                }
                CodeStep::Prove(proof) => made.maker.prove(link.0, proof, &self.me),
                CodeStep::Reply(_) | CodeStep::Proven(_) | CodeStep::Refuse(_) => return false,
            }
            return true;
        }
        let Some(entered) = self.codes.entered.get_mut(id) else { return false };
        match step {
            CodeStep::Reply(_) | CodeStep::Proven(_) | CodeStep::Refuse(_) => {
                entered.typer.said(now, link.0, step, &self.me);
                true
            }
            CodeStep::Begin(_) | CodeStep::Prove(_) => false,
        }
    }

    pub(super) fn abandon_code_dials(&mut self, now: Instant, id: CodeId, card: Card) {
        let Some(entered) = self.codes.entered.get_mut(&id) else { return };
        let others: Vec<_> =
            entered.dials.iter().filter(|(_, other)| **other == card).map(|(link, _)| *link).collect();
        for link in others {
            entered.dials.remove(&link);
            self.links.abandon(now, link);
        }
    }

    pub(super) fn close_code_link(&mut self, now: Instant, link: LinkKey) {
        self.codes.links.remove(&link);
        if self.links.is_one_time(link) {
            self.links.abandon(now, link);
        }
    }

    /// Closes a link once what was said has arrived.
    pub(super) fn part_code_link(&mut self, now: Instant, link: LinkKey) {
        self.codes.links.remove(&link);
        if self.links.is_one_time(link) {
            self.codes.parting.insert(link, now.checked_add(PART_WITHIN).unwrap_or(now));
            self.links.part(link);
        }
    }

    pub(super) fn close_code_links(&mut self, now: Instant, id: CodeId) {
        let theirs: Vec<_> =
            self.codes.links.iter().filter(|(_, it)| it.id == id).map(|(link, _)| *link).collect();
        theirs.into_iter().for_each(|link| self.close_code_link(now, link));
    }

    /// Links that have lasted long enough are closed.
    pub(super) fn late_code_links(&mut self, now: Instant) {
        let late = self.codes.links.iter().filter(|(_, it)| it.until <= now).map(|(link, _)| *link);
        for link in late.collect::<Vec<_>>() {
            self.code_link_gone(now, link);
            self.links.abandon(now, link);
        }
        let late = self.codes.parting.iter().filter(|(_, until)| **until <= now).map(|(link, _)| *link);
        for link in late.collect::<Vec<_>>() {
            self.codes.parting.remove(&link);
            if self.links.is_one_time(link) {
                self.links.abandon(now, link);
            }
        }
    }
}
