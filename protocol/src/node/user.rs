//! What the user asks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::sending::Outgoing;
use super::{
    Acceptance, AnswerError, Closing, Contact, ContactError, LinkLoss, Node, OfferError, PeerView, Progress,
    Purpose, Refusal, Rules, SendError, State, TransferFailure, TransferState, TransferView,
};
use crate::Event;
use crate::chat::MessageId;
use crate::identity::PeerId;
use crate::storage::{Change, Work};
use crate::transfer::{Entry, EntryKind, Manifest, RelativePath, TransferId};
use crate::wire::{CancelReason, Control, UnfinishedRecord, Way};

/// Offers and transfers of ours at once.
const MAX_OUTGOING: usize = 64;

impl Node {
    /// User in: an address at which a peer is said to be.
    pub fn add_address(&mut self, now: Instant, peer: PeerId, address: SocketAddr) {
        self.dialler.learn(now, peer, address);
        self.turn(now);
    }

    /// User in: reach a peer, without anything to send yet.
    pub fn connect(&mut self, now: Instant, peer: PeerId) {
        if self.links.to(peer).is_none() && peer != self.peer_id() && !self.contacts.is_blocked(peer) {
            self.seek(now, peer);
        }
        self.turn(now);
    }

    /// User in: send a message. It is kept until the recipient has it.
    pub fn send_message(&mut self, now: Instant, to: PeerId, text: &str) -> Result<MessageId, SendError> {
        if self.state != State::Ready {
            return Err(SendError::NotReady);
        }
        if self.contacts.is_blocked(to) {
            return Err(SendError::Blocked);
        }
        let id = MessageId(self.ids.bytes());
        let linked = self.links.to(to).is_some();
        let time = self.unix_time(now);
        self.chat.send(&self.me, id, to, text, time, linked)?;
        if !linked {
            self.seek(now, to);
        }
        self.turn(now);
        Ok(id)
    }

    /// User in: offer files and directories. They are scanned, then offered as soon as the peer is reached. Symbolic
    /// links in them are left out.
    pub fn offer(&mut self, now: Instant, to: PeerId, paths: Vec<PathBuf>) -> Result<TransferId, OfferError> {
        self.offer_paths(now, to, paths, false)
    }

    /// User in: the same, with symbolic links as such. Those that lead out of the path they are in are left out.
    pub fn offer_with_links(
        &mut self,
        now: Instant,
        to: PeerId,
        paths: Vec<PathBuf>,
    ) -> Result<TransferId, OfferError> {
        self.offer_paths(now, to, paths, true)
    }

    /// User in: offer a stream, to arrive as a file of this name. It is read as it comes, by [`Work::ReadStream`], and
    /// cannot be gone on with once the link is lost.
    pub fn offer_stream(
        &mut self,
        now: Instant,
        to: PeerId,
        name: &RelativePath,
    ) -> Result<TransferId, OfferError> {
        if to == self.peer_id() {
            return Err(OfferError::Oneself);
        }
        if self.contacts.is_blocked(to) {
            return Err(OfferError::Blocked);
        }
        if self.outgoing.len() >= MAX_OUTGOING || self.closing != Closing::No {
            return Err(OfferError::TooMany);
        }
        let modified = i64::try_from(self.unix_time(now)).unwrap_or(i64::MAX);
        let (path, kind) = (name.clone(), EntryKind::Stream);
        let entry = Entry { path, kind, modified, executable: false };
        let manifest = Manifest::new(name.name().to_owned(), vec![entry]).map_err(|_| OfferError::Nothing)?;
        let manifest = Arc::new(manifest);
        let transfer = TransferId(self.ids.bytes());
        self.outgoing.insert(transfer, Outgoing::stream(now, to, Arc::clone(&manifest)));
        self.event(Event::Offering { transfer, manifest, left_out: Vec::new() });
        match self.links.to(to) {
            Some(link) => self.start_waiting_offers(now, to, link),
            None => self.seek(now, to),
        }
        self.turn(now);
        Ok(transfer)
    }

    pub(super) fn offer_paths(
        &mut self,
        now: Instant,
        to: PeerId,
        paths: Vec<PathBuf>,
        links: bool,
    ) -> Result<TransferId, OfferError> {
        let offered = self.begin_offer(now, to, paths, links);
        self.turn(now);
        offered
    }

    /// The same within a turn.
    pub(super) fn begin_offer(
        &mut self,
        now: Instant,
        to: PeerId,
        paths: Vec<PathBuf>,
        links: bool,
    ) -> Result<TransferId, OfferError> {
        if paths.is_empty() {
            return Err(OfferError::Nothing);
        }
        if to == self.peer_id() {
            return Err(OfferError::Oneself);
        }
        if self.contacts.is_blocked(to) {
            return Err(OfferError::Blocked);
        }
        // The same again is the same transfer: it goes on where it was interrupted, or is under way already, as its
        // receiver may have been faster to ask for it.
        let before = self.unfinished.sending(to, &paths);
        if let Some(transfer) = before.filter(|transfer| self.outgoing.contains_key(transfer)) {
            let _ = self.resume(now, transfer);
            return Ok(transfer);
        }
        if self.outgoing.len() >= MAX_OUTGOING || self.closing != Closing::No {
            return Err(OfferError::TooMany);
        }
        let transfer = before.unwrap_or_else(|| TransferId(self.ids.bytes()));
        self.note_paused(transfer, false);
        self.outgoing.insert(transfer, Outgoing::new(now, to, paths.clone(), links));
        self.storage.ask(Work::Scan { paths, links }, Purpose::Scan(transfer));
        // The peer is looked for while the disk is.
        if self.links.to(to).is_none() {
            self.seek(now, to);
        }
        Ok(transfer)
    }

    /// User in: take an offer that was put to the user.
    pub fn accept(&mut self, now: Instant, transfer: TransferId, how: Acceptance) -> Result<(), AnswerError> {
        let shared = self.accept_share(transfer, how.clone());
        let taken = shared.unwrap_or_else(|| self.accept_offer(transfer, how));
        self.turn(now);
        taken
    }

    /// User in: refuse an offer that was put to the user.
    pub fn refuse(&mut self, now: Instant, transfer: TransferId, why: Refusal) -> Result<(), AnswerError> {
        let refused = self.refuse_share(now, transfer) || self.decline_offer(now, transfer, why);
        self.turn(now);
        if refused { Ok(()) } else { Err(AnswerError::Unknown) }
    }

    /// User in: give a transfer up for good. What is whole of it stays where it is; what is partial is removed.
    pub fn cancel(&mut self, now: Instant, transfer: TransferId) -> Result<(), AnswerError> {
        let mut cancelled = self.cancel_outgoing(now, transfer) || self.cancel_incoming(now, transfer);
        cancelled = cancelled || self.stop_share(now, transfer);
        if !cancelled && let Some(record) = self.unfinished.get(transfer) {
            cancelled = true;
            let (peer, fetched) = (record.peer, matches!(record.way, Way::Fetching(..)));
            // The journal of a fetch, which comes from whoever has some of it, names this node.
            let sender = if fetched { self.me.peer_id() } else { peer };
            if let Some(into) = self.unfinished.folder(transfer) {
                let (partials, directories) = (Vec::new(), Vec::new());
                let work = Work::Discard { transfer, sender, into, partials, directories };
                self.storage.ask(work, Purpose::Discard(transfer));
            }
            if let Some(link) = self.links.to(peer).filter(|_| !fetched) {
                self.say(now, link, &Control::Cancel { transfer, reason: CancelReason::Cancelled });
            }
            self.forget_record(transfer);
        }
        self.turn(now);
        if cancelled { Ok(()) } else { Err(AnswerError::Unknown) }
    }

    fn cancel_offers_to(&mut self, now: Instant, peer: PeerId) {
        let theirs = self.outgoing.iter().filter(|(_, outgoing)| outgoing.to == peer);
        let transfers: Vec<_> = theirs.map(|(transfer, _)| *transfer).collect();
        for transfer in transfers {
            self.cancel_outgoing(now, transfer);
        }
    }

    /// This program ends: transfers that have begun can be gone on with, the others are given up.
    pub(super) fn stop_all(&mut self, now: Instant) {
        self.stop_all_shares(now);
        let outgoing: Vec<_> = self.outgoing.keys().copied().collect();
        for transfer in outgoing {
            self.stop_outgoing(now, transfer);
        }
        let incoming: Vec<_> = self.incoming.keys().copied().collect();
        for transfer in incoming {
            if self.unfinished.contains(transfer) {
                self.end_incoming(now, transfer, TransferFailure::LinkLost(LinkLoss::Ours));
            } else {
                self.cancel_incoming(now, transfer);
            }
        }
    }

    /// User in: other rules from now on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// User in: add a contact, or give a known one another name.
    pub fn add_contact(&mut self, now: Instant, peer: PeerId, name: &str) -> Result<(), ContactError> {
        self.writable()?;
        let change = self.contacts.add(self.me.peer_id(), peer, name)?;
        self.keep_contact(now, change);
        Ok(())
    }

    /// User in: forget a contact.
    pub fn remove_contact(&mut self, now: Instant, peer: PeerId) -> Result<(), ContactError> {
        self.writable()?;
        let change = self.contacts.remove(peer)?;
        self.keep_contact(now, change);
        Ok(())
    }

    /// User in: block a contact, or no longer.
    pub fn block_contact(&mut self, now: Instant, peer: PeerId, blocked: bool) -> Result<(), ContactError> {
        self.writable()?;
        let change = self.contacts.block(peer, blocked)?;
        if blocked {
            self.cancel_offers_to(now, peer);
            self.links.close_peer(now, peer);
        }
        self.keep_contact(now, change);
        Ok(())
    }

    fn writable(&self) -> Result<(), ContactError> {
        if self.state == State::Ready { Ok(()) } else { Err(ContactError::NotReady) }
    }

    fn keep_contact(&mut self, now: Instant, change: Change) {
        self.storage.ask(Work::Commit(vec![change]), Purpose::Contacts);
        self.turn(now);
    }

    /// The contacts, by name.
    pub fn contacts(&self) -> Vec<Contact> {
        self.contacts.list()
    }

    /// The contact of that name, whatever its case.
    pub fn contact_named(&self, name: &str) -> Option<PeerId> {
        self.contacts.by_name(name)
    }

    /// Who is near or known: contacts by name, then others with a link, then the unrecognised.
    pub fn peers(&self) -> Vec<PeerView> {
        let listed = self.contacts.list();
        let mut views: Vec<_> = listed
            .into_iter()
            .filter(|contact| !contact.blocked)
            .map(|contact| self.view(contact.peer, Some(contact.name)))
            .collect();
        let contacts: BTreeSet<_> = self.contacts.peers().collect();
        let recognised = self.nearby.seen().filter_map(|(peer, _)| peer);
        let others: BTreeSet<_> =
            self.links.peers().chain(recognised).filter(|peer| !contacts.contains(peer)).collect();
        views.extend(others.into_iter().map(|peer| self.view(peer, None)));
        let unknown = self.nearby.seen().filter(|(peer, _)| peer.is_none());
        views.extend(unknown.map(|(_, addresses)| PeerView {
            peer: None,
            name: None,
            connected: false,
            near: true,
            addresses: addresses.to_vec(),
            round_trip: None,
        }));
        views
    }

    fn view(&self, peer: PeerId, name: Option<String>) -> PeerView {
        let link = self.links.to(peer);
        PeerView {
            peer: Some(peer),
            name,
            connected: link.is_some(),
            near: self.nearby.seen().any(|(seen, _)| seen == Some(peer)),
            addresses: self.dialler.addresses(peer).to_vec(),
            round_trip: link.and_then(|link| self.links.round_trip(link)),
        }
    }

    /// Where a transfer stands, while it is under way.
    pub fn progress(&self, transfer: TransferId) -> Option<Progress> {
        if let Some(outgoing) = self.outgoing.get(&transfer) {
            let progress = outgoing.progress(|link| self.road(link));
            return Some(Progress {
                done: progress.done.saturating_sub(self.shares.rest(transfer)),
                ..progress
            });
        }
        if let Some(progress) = self.share_progress(transfer) {
            return Some(progress);
        }
        let incoming = self.incoming.get(&transfer)?;
        let road = self.links.to(incoming.from).and_then(|link| self.road(link));
        Some(incoming.progress(road))
    }

    /// Transfers that are under way or can be gone on with, the oldest first.
    pub fn transfers(&self) -> Vec<TransferView> {
        let mut views: Vec<_> =
            self.unfinished.iter().map(|(transfer, record)| self.recorded_view(transfer, record)).collect();
        let unrecorded = |id: &&TransferId| !self.unfinished.contains(**id);
        let now = self.outgoing.keys().chain(self.incoming.keys()).chain(self.fetches()).filter(unrecorded);
        views.extend(now.filter_map(|transfer| self.passing_view(*transfer)));
        views.sort_by_key(|view| (view.begun, view.transfer));
        views
    }

    fn recorded_view(&self, transfer: TransferId, record: &UnfinishedRecord) -> TransferView {
        let (sending, paths) = match &record.way {
            Way::Sending { paths, .. } => (true, paths.clone()),
            Way::Receiving(accepted) | Way::Fetching(_, accepted) => (false, vec![accepted.into.clone()]),
            Way::Complete(_) => (false, Vec::new()),
        };
        let ticket = match &record.way {
            Way::Fetching(ticket, _) => Some((**ticket).clone()),
            Way::Sending { .. } | Way::Receiving(_) | Way::Complete(_) => None,
        };
        TransferView {
            transfer,
            peer: record.peer,
            sending,
            name: record.name.clone(),
            files: record.files,
            bytes: record.bytes,
            done: self.done_of(transfer).unwrap_or(record.done),
            begun: record.begun,
            state: self.state_of(transfer, record.paused),
            paths,
            links: matches!(record.way, Way::Sending { links: true, .. }),
            ticket,
        }
    }

    /// A transfer that no record is kept of: it is too small, or not accepted yet.
    fn passing_view(&self, transfer: TransferId) -> Option<TransferView> {
        let progress = self.progress(transfer)?;
        Some(TransferView {
            transfer,
            peer: progress.peer,
            sending: progress.sending,
            name: String::new(),
            files: 0,
            bytes: progress.total,
            done: progress.done,
            begun: u64::MAX,
            state: self.state_of(transfer, false),
            paths: Vec::new(),
            links: false,
            ticket: None,
        })
    }

    fn state_of(&self, transfer: TransferId, paused: bool) -> TransferState {
        let outgoing = self.outgoing.get(&transfer);
        let incoming = self.incoming.get(&transfer);
        let there = outgoing.map(|it| it.paused).or(incoming.map(|it| it.paused)).unwrap_or_default();
        let waits =
            outgoing.is_some_and(Outgoing::is_waiting) || incoming.is_some_and(|it| it.is_suspended());
        if paused || there.is_paused() {
            TransferState::Paused
        } else if let Some(state) = self.fetch_state(transfer) {
            state
        } else if outgoing.is_none() && incoming.is_none() {
            TransferState::Interrupted
        } else if waits {
            TransferState::Waiting
        } else {
            TransferState::Active
        }
    }

    /// Whether everything that must last is on disk, and what was given up is gone from it. Before that, what the user
    /// asked for may be lost in a crash.
    pub fn is_settled(&self) -> bool {
        self.storage.is_settled()
    }
}
