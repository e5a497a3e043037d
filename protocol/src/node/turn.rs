//! One turn: what arrived is read and handed to the machines, and what they want done is set going.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Closing, MAX_EVENTS, Node, Purpose, State};
use crate::chat::ChatAction;
use crate::identity::PeerId;
use crate::link::{LinkEvent, LinkKey, road};
use crate::storage::{Done, StorageId, Table, Work};
use crate::wire::{Answer, Control, REVISION};
use crate::{Event, LinkLoss, Road, Sighting, Standing, Unreachable, Why};

/// Links that strangers may have, all together.
const MAX_STRANGERS: usize = 128;
/// Rounds in one turn. Each does all there is to do, so a few settle everything; what a hostile peer could keep
/// going beyond that waits for the next input.
const ROUNDS: usize = 32;

impl Node {
    /// Carries on until nothing changes.
    pub(super) fn turn(&mut self, now: Instant) {
        for _ in 0..ROUNDS {
            let touched = self.links.pump(now, &mut self.timers);
            while let Some(event) = self.links.poll_event() {
                self.link_event(now, event);
            }
            if self.state == State::Ready {
                for link in touched {
                    self.read_link(now, link);
                }
            } else {
                self.starved.extend(touched);
            }
            self.run_wide(now);
            self.run_dialler(now);
            self.run_streams(now);
            self.run_outgoing(now);
            self.run_incoming(now);
            self.run_sharing(now);
            self.run_codes(now);
            self.run_chat(now);
            self.run_closing(now);
            if self.links.is_quiet() {
                break;
            }
        }
        let epoch = self.nearby.next_epoch().and_then(|unix_time| self.instant_of(unix_time));
        let hides = self.nearby.open().map(|(_, until)| *until);
        self.timers.set(Why::Announce, epoch.into_iter().chain(hides).min());
        self.timers.set(Why::Dial, self.dialler.next_time());
        self.timers.set(Why::Limit, self.shares.next_time());
        self.set_wide_timer(now);
    }

    fn run_closing(&mut self, now: Instant) {
        let idle = self.storage.is_empty()
            && self.incoming.is_empty()
            && self.outgoing.is_empty()
            && self.sharing.is_empty();
        if self.closing == Closing::Winding && idle {
            self.part(now);
        }
    }

    /// Says goodbye over every link; said again, it lets go of those that have not answered.
    pub(super) fn part(&mut self, now: Instant) {
        self.closing = Closing::Parting;
        let patience = self.links.close(now);
        self.timers.set(Why::Close, patience);
    }

    fn link_event(&mut self, now: Instant, event: LinkEvent) {
        match event {
            LinkEvent::Up { link, peer } => self.link_up(now, link, peer),
            LinkEvent::Down { link, peer, why, cancelled } => {
                // Its goodbye may have come along with what was said before it.
                if why == LinkLoss::Closed && self.state == State::Ready {
                    self.read_control(now, link, peer);
                }
                let greeted = self.greeted.remove(&link);
                self.streams.gone(link);
                self.lose_transfers(now, link, why, cancelled);
                self.sharing_lost(now, link, peer);
                self.inflows.retain(|(owner, _), _| *owner != link);
                self.starved.remove(&link);
                self.revisions.remove(&link);
                if self.links.to(peer).is_none() {
                    self.chat.unlinked(peer);
                    self.event(Event::Disconnected { peer, why });
                    // What has no receipt is brought there again, or said to wait. Who closes without a word does not
                    // want this node: dialling again would lead to the same, at once and for ever.
                    let unwanted = !greeted && why == LinkLoss::Closed;
                    if self.closing == Closing::No && unwanted {
                        self.unreachable(now, peer, Unreachable::NoAnswer);
                    } else if self.closing == Closing::No && self.chat.awaits(peer) {
                        self.seek(now, peer);
                    }
                } else {
                    // What was under way may have been lost with this link; the other one carries it again.
                    self.chat.linked(peer);
                }
            }
            LinkEvent::Failed { link, peer, other_version } => {
                self.streams.gone(link);
                self.dialler.failed(now, peer, link, other_version);
            }
            LinkEvent::Met { link, ours, theirs, session } => self.code_met(now, link, ours, theirs, session),
            LinkEvent::Parted { link } => self.code_parted(now, link),
        }
    }

    fn link_up(&mut self, now: Instant, link: LinkKey, peer: PeerId) {
        for other in self.dialler.reached(peer, link) {
            self.links.abandon(now, other);
        }
        let stranger = self.message_standing(peer) == Standing::Stranger;
        if self.contacts.is_blocked(peer) || (stranger && self.is_full_of_strangers()) {
            self.links.abandon(now, link);
            return;
        }
        self.links.keep_newest(now, peer);
        self.say(now, link, &Control::Hello { agent: self.agent.clone(), revision: REVISION });
        self.streams.up(link);
        if let Some(home) = self.links.home(link).filter(|_| !stranger) {
            self.dialler.learn(now, peer, home);
        }
        if let Some(address) = self.links.address(link).filter(|_| self.links.count(peer) == 1) {
            let road = self.road(link).unwrap_or(Road::Direct);
            self.event(Event::Connected { peer, address, road });
        }
        if self.links.to(peer) == Some(link) {
            self.chat.linked(peer);
            self.start_waiting_offers(now, peer, link);
            self.ask_over(now, peer, link);
        }
        self.sharing_linked(now, peer);
    }

    /// The road a link takes: whoever was seen near is, whatever kind of address they have.
    pub(super) fn road(&self, link: LinkKey) -> Option<Road> {
        let address = self.links.address(link)?;
        Some(if self.nearby.is_near(address) { Road::Lan } else { road(address) })
    }

    /// Whether strangers have as many links as they may: the rest is for those who are known.
    fn is_full_of_strangers(&self) -> bool {
        let strangers = self.links.peers().filter(|peer| self.message_standing(*peer) == Standing::Stranger);
        let links = strangers.map(|peer| self.links.count(peer)).fold(0, usize::saturating_add);
        self.links.len() > MAX_STRANGERS && links > MAX_STRANGERS
    }

    /// Reads everything that there is room for.
    fn read_link(&mut self, now: Instant, link: LinkKey) {
        if self.is_crowded() {
            self.starved.insert(link);
            return;
        }
        if self.links.is_one_time(link) {
            return self.read_code_link(now, link);
        }
        let Some(peer) = self.links.peer(link) else { return };
        if self.read_control(now, link, peer) {
            self.read_channels(now, link, peer);
        }
    }

    /// Reads the control messages of a link. `false`: nothing more of it is read now.
    fn read_control(&mut self, now: Instant, link: LinkKey, peer: PeerId) -> bool {
        loop {
            if self.is_crowded() {
                self.starved.insert(link);
                return false;
            }
            match self.links.next_control(link).map(|frame| frame.map(|frame| Control::parse(&frame))) {
                Ok(Some(Ok(message))) => self.control(now, link, peer, message),
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => {
                    self.links.fail(now, link);
                    return false;
                }
            }
            self.run_chat(now);
            if self.links.peer(link).is_none() {
                return false;
            }
        }
    }

    /// Whether the user or the disk has so much to take in that nothing more is read.
    fn is_crowded(&mut self) -> bool {
        let events = self.events.len() >= MAX_EVENTS;
        self.crowded |= events;
        events || self.chat.is_full()
    }

    fn control(&mut self, now: Instant, link: LinkKey, peer: PeerId, message: Control) {
        match message {
            Control::Hello { revision, .. } => {
                self.greeted.insert(link);
                self.revisions.insert(link, revision);
            }
            Control::Message(envelope) => {
                let standing = self.message_standing(peer);
                let time = self.unix_time(now);
                let welcome = self.rules.strangers;
                if self.chat.arrived(peer, &envelope, standing, welcome, time).is_err() {
                    self.links.fail(now, link);
                }
            }
            Control::Receipt { id, state } => self.chat.receipt(peer, id, state),
            Control::Answer { transfer, answer: Answer::Accept(wanted) } => {
                self.offer_accepted(now, link, transfer, wanted);
            }
            Control::Answer { transfer, answer: Answer::Refuse(why) } => {
                self.offer_refused(now, link, transfer, why);
            }
            Control::Complete { transfer, root } => self.sender_complete(now, link, transfer, root),
            Control::Received { transfer, root } => self.receiver_has_it(now, link, transfer, root),
            Control::Pause { transfer } => self.paused_by_peer(now, link, peer, transfer, true),
            Control::Resume { transfer } => self.paused_by_peer(now, link, peer, transfer, false),
            Control::Cancel { transfer, reason } => self.cancelled_by_peer(now, link, transfer, reason),
            Control::Share(said) => self.share_said(now, link, peer, said),
            // Only a link between one-time keys has any, and this one is not any more, or never was.
            Control::Code(_) => self.links.fail(now, link),
        }
    }

    /// Sends a control message over a link.
    pub(super) fn say(&mut self, now: Instant, link: LinkKey, message: &Control) {
        self.links.send_control(now, link, message.encode());
    }

    pub(super) fn run_chat(&mut self, now: Instant) {
        for action in self.chat.take_actions() {
            match action {
                ChatAction::Send(peer, message) => {
                    if let Some(link) = self.links.to(peer) {
                        self.say(now, link, &message);
                    }
                }
                ChatAction::Commit(changes, ticket) => {
                    self.storage.ask(Work::Commit(changes), Purpose::Chat(ticket));
                }
                ChatAction::Arrived { content, standing } => self.event(Event::Message {
                    id: content.id,
                    from: content.sender,
                    standing,
                    text: content.text,
                    time: content.time,
                }),
                ChatAction::State { id, to, state } => self.event(Event::MessageSent { id, to, state }),
            }
        }
    }

    fn run_dialler(&mut self, now: Instant) {
        while let Some((peer, address)) = self.dialler.next_dial(now) {
            if let Some(link) = self.links.dial(now, peer, address) {
                self.dialler.dialled(peer, address, link);
            }
        }
        for lost in self.dialler.give_up(now) {
            for link in lost.attempts {
                self.links.abandon(now, link);
            }
            self.unreachable(now, lost.peer, lost.why);
        }
    }

    fn unreachable(&mut self, now: Instant, peer: PeerId, why: Unreachable) {
        self.chat.unreachable(peer);
        self.sharing_unreachable(now, peer, why);
        self.fail_waiting_offers(now, peer, why);
        self.event(Event::Unreachable { peer, why });
    }

    /// Looks for a peer wherever it may be.
    pub(super) fn seek(&mut self, now: Instant, peer: PeerId) {
        for address in self.nearby.look_for(peer) {
            self.dialler.learn(now, peer, address);
        }
        self.dialler.want(now, peer);
        self.look_wide(now, peer);
    }

    pub(super) fn sighted(&mut self, now: Instant, sighting: &Sighting) {
        let known: Vec<PeerId> =
            self.contacts.peers().chain(self.dialler.wanted()).chain(self.chat.awaited()).collect();
        let unix_time = self.unix_time(now);
        let found: Option<(PeerId, Vec<SocketAddr>)> =
            self.nearby.sighted(unix_time, sighting, known.into_iter());
        if let Some((peer, addresses)) = found {
            for address in addresses {
                self.dialler.learn(now, peer, address);
            }
            // Messages that wait for someone who has come near are brought to them.
            let unlinked = self.links.to(peer).is_none() && !self.dialler.is_wanted(peer);
            if self.closing == Closing::No && unlinked && self.chat.awaits(peer) {
                self.dialler.want(now, peer);
            }
        }
        self.nearby_changed = true;
    }

    /// Time went on, for what is announced.
    pub(super) fn announce_anew(&mut self, now: Instant) {
        if self.nearby.tick(now, self.unix_time(now)) {
            self.event(Event::Hidden);
        }
    }

    /// What a peer is to this node, for offers.
    pub(super) fn standing(&self, peer: PeerId) -> Standing {
        if self.contacts.contains(peer) {
            Standing::Contact
        } else if self.rules.expected.contains(&peer) || self.codes.expects(peer) {
            Standing::Expected
        } else {
            Standing::Stranger
        }
    }

    /// The same for messages: whoever was written to may answer.
    fn message_standing(&self, peer: PeerId) -> Standing {
        match self.standing(peer) {
            Standing::Stranger if self.chat.has_written_to(peer) => Standing::Expected,
            standing => standing,
        }
    }

    /// A storage result.
    pub(super) fn stored(&mut self, now: Instant, id: StorageId, result: Done) {
        let Some(purpose) = self.storage.done(id) else { return };
        match (purpose, result) {
            (Purpose::Load, Done::Loaded(Ok(records))) => {
                for record in &records {
                    match record.table {
                        Table::Contacts => self.contacts.load(record),
                        Table::Outbox | Table::Peers => self.chat.load(record),
                        Table::Transfers => self.unfinished.load(record),
                        Table::Codes => self.codes.load(record),
                        Table::Nodes => self.load_remembered(now, record),
                        Table::Inbox => {}
                    }
                }
                self.state = State::Ready;
                self.forget_expired_codes(now);
                self.event(Event::Ready);
                self.ask_for_unfinished(now);
                self.feed_starved();
            }
            (Purpose::Load, Done::Loaded(Err(error))) => {
                self.state = State::Failed;
                self.event(Event::StorageFailed(error));
            }
            (Purpose::Chat(ticket), Done::Committed(Ok(made))) => {
                self.chat.committed(ticket, made.first().copied());
                self.feed_starved();
            }
            (Purpose::Chat(ticket), Done::Committed(Err(error))) => {
                self.chat.committed(ticket, None);
                self.event(Event::StorageFailed(error));
            }
            (Purpose::Contacts | Purpose::Records, Done::Committed(Err(error))) => {
                self.event(Event::StorageFailed(error));
            }
            (Purpose::Contacts | Purpose::Records, _) => {}
            (Purpose::Scan(transfer), Done::Scanned(result)) => self.scanned(now, transfer, result),
            (Purpose::Read(transfer, asked), Done::Read(results)) => {
                self.chunks_read(now, transfer, asked, results);
            }
            (Purpose::ReadStream(transfer), Done::StreamRead(result)) => {
                self.stream_read(now, transfer, result);
            }
            (Purpose::Examine(transfer), Done::Examined(result)) => self.examined(now, transfer, result),
            (Purpose::Prepare(transfer), Done::Prepared(result)) => self.prepared(now, transfer, result),
            (Purpose::Write(transfer, chunks), Done::Written(results)) => {
                self.chunks_written(now, transfer, &chunks, results);
                self.feed_starved();
            }
            (Purpose::Finish(transfer), Done::Finished(results)) => {
                self.files_finished(now, transfer, results);
            }
            (Purpose::Seal(transfer), Done::Sealed(results)) => self.sealed(now, transfer, results),
            (Purpose::Checkpoint(transfer), Done::Checkpointed(result)) => {
                self.checkpointed(now, transfer, result);
            }
            (Purpose::Recover(transfer), Done::Recovered(result)) => self.recovered(now, transfer, result),
            (Purpose::Check(transfer), Done::Checked(result)) => self.checked(now, transfer, result),
            (Purpose::Close(transfer) | Purpose::Discard(transfer), _) => self.let_go(now, transfer),
            (Purpose::Share(share, job), result) => self.share_stored(now, share, job, result),
            (Purpose::Code(id, write), Done::Committed(result)) => self.code_stored(now, id, write, result),
            // A runtime that answers with another kind of result has a fault of its own; nothing rests on it.
            (_, _) => {}
        }
    }

    /// There is room again: reads what waited for it.
    pub(super) fn feed_starved(&mut self) {
        for link in std::mem::take(&mut self.starved) {
            self.links.touch(link);
        }
    }

    fn lose_transfers(&mut self, now: Instant, link: LinkKey, why: LinkLoss, cancelled: bool) {
        self.lose_bulk(now, link, why);
        self.lose_outgoing(now, link, why, cancelled);
        self.lose_incoming(now, link, why, cancelled);
        self.feed_starved();
    }
}
