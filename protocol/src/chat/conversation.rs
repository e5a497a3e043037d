//! The conversation machine: what is kept until its receipt, what is sent when, what is shown once.
//!
//! It knows nothing of links but who has one, and nothing of disks but what to write.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_TEXT, MessageId};
use crate::identity::{Identity, PeerId};
use crate::storage::{Change, Record, Table};
use crate::wire::{
    Content, Control, Envelope, Malformed, NewContent, PeerCount, QueuedRecord, ReceiptState, encode_kept,
};
use crate::{MessageState, SendError, Standing, Strangers};

/// Messages kept for one peer at most; one more is refused to the user.
const OUTBOX_PER_PEER: usize = 1_000;
/// Messages under way to one peer at most, before its receipts.
const IN_FLIGHT: usize = 64;
/// Messages of peers that are being stored, at most; at this bound links are not read.
const STORING: usize = 256;
/// How long a stranger who asked cannot ask again: Unix milliseconds.
const ASK_AGAIN: u64 = 7 * 24 * 3_600_000;
/// Strangers who may have asked within that time, all together.
const STRANGERS: usize = 100;

/// Conversations at most that strangers may begin where all are accepted.
const MAX_PEERS: usize = 10_000;

/// What the machine wants done.
#[derive(Debug)]
pub(crate) enum ChatAction {
    /// Send to a peer that has a link.
    Send(PeerId, Control),
    /// Write durably; hand the result back with the ticket.
    Commit(Vec<Change>, ChatTicket),
    /// Show an arrived message.
    Arrived { content: Content, standing: Standing },
    /// Show what became of a message of ours.
    State { id: MessageId, to: PeerId, state: MessageState },
}

/// Names a commit of this machine.
#[derive(Debug, Clone)]
pub(crate) enum ChatTicket {
    /// A message of ours was queued.
    Queued(MessageId),
    /// A message arrived.
    Arrived { content: Content, standing: Standing },
    /// Nothing depends on it.
    Housekeeping,
}

#[derive(Debug)]
struct Queued {
    id: MessageId,
    envelope: Envelope,
    /// Whether it is on disk.
    stored: bool,
    /// Whether the user is to be told that it waits.
    tell: Tell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    /// Nobody asked in this session, or they have been told.
    Nobody,
    /// The user sent it in this session.
    User,
    /// The peer was unreachable while the message was not on disk yet.
    OnceStored,
}

#[derive(Debug, Default)]
struct Conversation {
    count: PeerCount,
    /// By sequence number.
    outbox: BTreeMap<u64, Queued>,
    in_flight: BTreeSet<u64>,
    linked: bool,
}

/// All conversations of a node.
#[derive(Debug)]
pub(crate) struct Chat {
    me: PeerId,
    peers: BTreeMap<PeerId, Conversation>,
    storing: usize,
    actions: Vec<ChatAction>,
}

impl Chat {
    pub(crate) fn new(me: PeerId) -> Self {
        Self { me, peers: BTreeMap::new(), storing: 0, actions: Vec::new() }
    }

    /// What is to be done, in order.
    pub(crate) fn take_actions(&mut self) -> Vec<ChatAction> {
        std::mem::take(&mut self.actions)
    }

    /// Whether so many arrived messages are being stored that no more should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.storing >= STORING
    }

    /// Takes a record of the tables `Outbox` and `Peers` as it was loaded. A damaged one is passed over.
    pub(crate) fn load(&mut self, record: &Record) {
        match record.table {
            Table::Outbox => {
                let (Ok(id), Ok(queued)) =
                    (<[u8; 16]>::try_from(record.key.as_slice()), QueuedRecord::parse(&record.value))
                else {
                    return;
                };
                let kept =
                    Queued { id: MessageId(id), envelope: queued.envelope, stored: true, tell: Tell::Nobody };
                self.peers.entry(queued.recipient).or_default().outbox.insert(queued.sequence, kept);
            }
            Table::Peers => {
                if let (Ok(peer), Ok(count)) =
                    (PeerId::from_bytes(&record.key), PeerCount::parse(&record.value))
                {
                    self.peers.entry(peer).or_default().count = count;
                }
            }
            Table::Contacts | Table::Inbox | Table::Transfers | Table::Codes | Table::Nodes => {}
        }
    }

    /// Peers that messages wait for.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = PeerId> {
        self.peers.iter().filter(|(_, talk)| !talk.outbox.is_empty()).map(|(peer, _)| *peer)
    }

    /// Whether messages wait for `peer`.
    pub(crate) fn awaits(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|talk| !talk.outbox.is_empty())
    }

    /// Whether this node has written to `peer`, who may therefore answer.
    pub(crate) fn has_written_to(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|talk| talk.count.sequence > 0)
    }

    /// Writes a message, keeps it, and sends it if its recipient has a link.
    pub(crate) fn send(
        &mut self,
        author: &Identity,
        id: MessageId,
        to: PeerId,
        text: &str,
        time: u64,
        linked: bool,
    ) -> Result<(), SendError> {
        if text.is_empty() {
            return Err(SendError::Empty);
        }
        if text.len() > MAX_TEXT {
            return Err(SendError::TooLong);
        }
        if to == self.me {
            return Err(SendError::Oneself);
        }
        let talk = self.peers.entry(to).or_default();
        talk.linked = linked;
        if talk.outbox.len() >= OUTBOX_PER_PEER {
            return Err(SendError::OutboxFull);
        }
        let sequence = talk.count.sequence.saturating_add(1);
        let parents = talk.count.newest.into_iter().collect();
        let envelope =
            Envelope::seal(author, &NewContent { id, recipient: to, sequence, parents, time, text });
        talk.count.sequence = sequence;
        talk.count.newest = Some(id);
        let queued = QueuedRecord { recipient: to, sequence, envelope: envelope.clone() };
        let put = Record { table: Table::Outbox, key: id.0.to_vec(), value: queued.encode() };
        let changes = vec![Change::Put(put), put_count(to, talk.count)];
        talk.outbox.insert(sequence, Queued { id, envelope, stored: false, tell: Tell::User });
        self.actions.push(ChatAction::Commit(changes, ChatTicket::Queued(id)));
        self.push_out(to);
        Ok(())
    }

    /// A peer has a link now.
    pub(crate) fn linked(&mut self, peer: PeerId) {
        // Only conversations that have begun are kept in mind: strangers' links cost nothing here.
        if let Some(talk) = self.peers.get_mut(&peer) {
            talk.linked = true;
            talk.in_flight.clear();
            self.push_out(peer);
        }
    }

    /// A peer has no link any more: what was under way and has no receipt is under way no longer.
    pub(crate) fn unlinked(&mut self, peer: PeerId) {
        if let Some(talk) = self.peers.get_mut(&peer) {
            talk.linked = false;
            talk.in_flight.clear();
        }
    }

    /// A peer could not be reached: who sent it a message in this session learns that it waits.
    pub(crate) fn unreachable(&mut self, peer: PeerId) {
        let Some(talk) = self.peers.get_mut(&peer) else { return };
        for queued in talk.outbox.values_mut().filter(|queued| queued.tell == Tell::User) {
            if queued.stored {
                queued.tell = Tell::Nobody;
                let (id, state) = (queued.id, MessageState::Waiting);
                self.actions.push(ChatAction::State { id, to: peer, state });
            } else {
                queued.tell = Tell::OnceStored;
            }
        }
    }

    /// A message arrived over a link of `from`.
    pub(crate) fn arrived(
        &mut self,
        from: PeerId,
        envelope: &Envelope,
        standing: Standing,
        strangers: Strangers,
        time: u64,
    ) -> Result<(), Malformed> {
        let content = envelope.open(from, self.me)?;
        let unwelcome = match strangers {
            Strangers::Refuse => true,
            // A stranger's first message is their one question; said again, it is still the same.
            Strangers::Ask => !self.may_ask(from, time) && !self.is_newest(from, content.id),
            Strangers::Accept => self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&from),
        };
        if standing == Standing::Stranger && unwelcome {
            let refusal = Control::Receipt { id: content.id, state: ReceiptState::Refused };
            self.actions.push(ChatAction::Send(from, refusal));
            return Ok(());
        }
        let talk = self.peers.entry(from).or_default();
        talk.linked = true;
        talk.count.newest = Some(content.id);
        if standing == Standing::Stranger {
            talk.count.asked = time;
        }
        let key = [from.as_bytes().as_slice(), &content.id.0].concat();
        let kept = Record { table: Table::Inbox, key, value: encode_kept(envelope, time) };
        let changes = vec![Change::PutNew(kept), put_count(from, talk.count)];
        self.storing = self.storing.saturating_add(1);
        self.actions.push(ChatAction::Commit(changes, ChatTicket::Arrived { content, standing }));
        Ok(())
    }

    /// A receipt arrived.
    pub(crate) fn receipt(&mut self, from: PeerId, id: MessageId, state: ReceiptState) {
        let Some(talk) = self.peers.get_mut(&from) else { return };
        let Some(sequence) = talk.outbox.iter().find(|(_, queued)| queued.id == id).map(|(at, _)| *at) else {
            return;
        };
        talk.outbox.remove(&sequence);
        talk.in_flight.remove(&sequence);
        let gone = Change::Remove { table: Table::Outbox, key: id.0.to_vec() };
        self.actions.push(ChatAction::Commit(vec![gone], ChatTicket::Housekeeping));
        let state = match state {
            ReceiptState::Stored => MessageState::Delivered,
            ReceiptState::Refused => MessageState::Refused,
        };
        self.actions.push(ChatAction::State { id, to: from, state });
        self.push_out(from);
    }

    /// A commit came back. `made` says for its first change whether it was made; `None`: nothing was.
    pub(crate) fn committed(&mut self, ticket: ChatTicket, made: Option<bool>) {
        match ticket {
            ChatTicket::Queued(id) => {
                if made.is_some() {
                    self.stored(id);
                }
            }
            ChatTicket::Arrived { content, standing } => {
                self.storing = self.storing.saturating_sub(1);
                let Some(new) = made else { return };
                let receipt = Control::Receipt { id: content.id, state: ReceiptState::Stored };
                self.actions.push(ChatAction::Send(content.sender, receipt));
                if new {
                    self.actions.push(ChatAction::Arrived { content, standing });
                }
            }
            ChatTicket::Housekeeping => {}
        }
    }

    fn stored(&mut self, id: MessageId) {
        for (peer, talk) in &mut self.peers {
            let Some(queued) = talk.outbox.values_mut().find(|queued| queued.id == id) else { continue };
            queued.stored = true;
            if queued.tell == Tell::OnceStored {
                queued.tell = Tell::Nobody;
                self.actions.push(ChatAction::State { id, to: *peer, state: MessageState::Waiting });
            }
        }
    }

    fn is_newest(&self, peer: PeerId, id: MessageId) -> bool {
        self.peers.get(&peer).is_some_and(|talk| talk.count.newest == Some(id))
    }

    fn may_ask(&self, stranger: PeerId, time: u64) -> bool {
        // A clock that was ahead once does not silence anyone for longer.
        let recent = |talk: &Conversation| {
            talk.count.asked <= time && talk.count.asked.saturating_add(ASK_AGAIN) > time
        };
        let asked = |talk: &&Conversation| talk.count.asked != 0 && recent(talk);
        match self.peers.get(&stranger) {
            Some(talk) if talk.count.asked != 0 && recent(talk) => false,
            _ => self.peers.values().filter(asked).count() < STRANGERS,
        }
    }

    fn push_out(&mut self, peer: PeerId) {
        let Some(talk) = self.peers.get_mut(&peer) else { return };
        if !talk.linked {
            return;
        }
        for (sequence, queued) in &talk.outbox {
            if talk.in_flight.len() >= IN_FLIGHT {
                break;
            }
            if talk.in_flight.insert(*sequence) {
                self.actions.push(ChatAction::Send(peer, Control::Message(queued.envelope.clone())));
            }
        }
    }
}

fn put_count(peer: PeerId, count: PeerCount) -> Change {
    Change::Put(Record { table: Table::Peers, key: peer.as_bytes().to_vec(), value: count.encode() })
}
