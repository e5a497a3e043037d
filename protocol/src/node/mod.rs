//! The one interface: what arrives goes in, what is to be done comes out, and time is an argument.
//!
//! [`Node`] decides everything and touches nothing. Its runtime's whole duty is: after every call of a `handle_…`
//! or user method, poll storage, transmits, streams, the announcement, requests to Mainline and events until each gives
//! nothing, then ask [`Node::poll_timeout`] when to come back. [`guide`](crate::guide) says more.

mod codes;
mod config;
mod consent;
mod ending;
mod event;
mod inflow;
mod limits;
mod patience;
mod pausing;
mod receiving;
mod recovering;
mod sending;
mod sharing;
mod storage_queue;
mod streams;
mod surroundings;
#[cfg(test)]
mod tests;
mod transmit;
mod turn;
mod types;
mod unfinished;
mod user;
mod wide;
mod worldwide;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

pub use codes::{CodeError, CodeFailure, CodeFor, CodeId, CodeOptions, EnterFor};
pub use config::{Config, Conflict, FromContacts, Rules, Strangers};
pub use event::{
    Decision, DropReason, Event, LinkLoss, MessageState, Refusal, Road, Standing, TransferFailure,
    Unreachable,
};
pub use limits::Limits;
pub use surroundings::{Announcement, BadName, OpenName, Sighting, Surroundings};
pub use transmit::{EcnCodepoint, LinkId, Received, StreamInput, StreamOutput, Transmit, Why};
pub use wide::{NetworkView, WideConfig};
pub use worldwide::{MAX_WORLD_VALUE, WorldAnswer, WorldId, WorldRequest};

pub use types::{
    Acceptance, AnswerError, Contact, ContactError, GetError, OfferError, PeerView, Progress, SendError,
    TransferState, TransferView, Trust,
};

use self::codes::Codes;
use self::inflow::Inflow;
use self::limits::Shares;
use self::receiving::Incoming;
use self::sending::Outgoing;
use self::sharing::Sharing;
use self::storage_queue::{Purpose, StorageQueue};
use self::streams::Streams;
use self::unfinished::Unfinished;
use self::wide::Wide;
use crate::chat::Chat;
use crate::entropy::{Entropy, Seed, Stream};
use crate::identity::{Identity, PeerId};
use crate::link::{ChannelId, LinkKey, Links, Timers};
use crate::noise::quic::{Ciphers, NetworkId, QuicCrypto};
use crate::pairing::Contacts;
use crate::reach::{Cards, Dialler, Nearby};
use crate::storage::{Done, StorageId, StorageRequest, Work};
use crate::transfer::TransferId;

/// How long closing waits for transfers to be wound up, before it lets go of the links all the same.
const WINDING: Duration = Duration::from_secs(3);
/// Events that the user has not fetched; at this bound links are not read.
const MAX_EVENTS: usize = 1024;

/// A node: one identity on the network.
pub struct Node {
    me: Arc<Identity>,
    agent: String,
    rules: Rules,
    /// The wall clock as it was last told: Unix milliseconds at an instant.
    clock: (Instant, u64),
    entropy: Entropy,
    ids: Stream,
    state: State,
    links: Links,
    timers: Timers,
    chat: Chat,
    contacts: Contacts,
    dialler: Dialler,
    nearby: Nearby,
    /// How the node itself is announced.
    announced: Option<Announcement>,
    cards: Cards,
    codes: Codes,
    storage: StorageQueue,
    outgoing: BTreeMap<TransferId, Outgoing>,
    incoming: BTreeMap<TransferId, Incoming>,
    unfinished: Unfinished,
    /// Transfers whose senders are to be asked to go on, once they are reached.
    asked_for: BTreeSet<(PeerId, TransferId)>,
    sharing: Sharing,
    inflows: BTreeMap<(LinkKey, ChannelId), Inflow>,
    /// How much of this wire version the other sides know, by the links over which they have said so.
    revisions: BTreeMap<LinkKey, u16>,
    shares: Shares,
    /// Links whose other side has said something.
    greeted: BTreeSet<LinkKey>,
    /// Links that have more to read, once there is room.
    starved: BTreeSet<LinkKey>,
    /// Whether links were not read because events were not fetched.
    crowded: bool,
    /// Strangers of whose refused offers the user was told.
    told: BTreeSet<PeerId>,
    /// Strangers whose offer the user was asked about and did not take, and when.
    asked: BTreeMap<PeerId, Instant>,
    /// Whether a change of who is near waits to be fetched.
    nearby_changed: bool,
    streams: Streams,
    /// What is beyond the local network, where this node takes part in it.
    wide: Option<Box<Wide>>,
    events: VecDeque<Event>,
    closing: Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The records are being read; links can come up but are not read.
    Loading,
    Ready,
    /// The records cannot be used.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// Transfers are being wound up.
    Winding,
    /// Links are saying goodbye.
    Parting,
}

impl Node {
    /// A node that knows nothing yet but who it is. `unix_time` is in milliseconds. Ask it for storage work at
    /// once: it loads its records first.
    pub fn new(config: Config, identity: Identity, seed: Seed, now: Instant, unix_time: u64) -> Self {
        let mut entropy = Entropy::new(seed);
        let me = Arc::new(identity);
        let ciphers = if config.aes { Ciphers::with_aes() } else { Ciphers::portable() };
        let ephemerals = entropy.stream("ephemerals");
        let crypto = QuicCrypto::new(Arc::clone(&me), NetworkId::default(), ciphers, ephemerals);
        let mut storage = StorageQueue::default();
        storage.ask(Work::Load, Purpose::Load);
        let mut shares = Shares::default();
        shares.limit(now, config.limits);
        let search = config.search();
        let wide = config.wide.map(|wide| Wide::new(wide, Arc::clone(&me), &mut entropy, now, unix_time));
        Self {
            agent: config.agent,
            rules: config.rules,
            clock: (now, unix_time),
            ids: entropy.stream("message and transfer ids"),
            state: State::Loading,
            links: Links::new(crypto, &mut entropy, config.max_datagram, unix_time),
            timers: Timers::default(),
            chat: Chat::new(me.peer_id()),
            contacts: Contacts::default(),
            dialler: Dialler::new(search),
            nearby: Nearby::new(me.peer_id(), entropy.stream("nearby")),
            announced: None,
            cards: Cards::new(entropy.stream("cards")),
            codes: Codes::new(entropy.stream("codes")),
            storage,
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            unfinished: Unfinished::default(),
            asked_for: BTreeSet::new(),
            sharing: Sharing::default(),
            inflows: BTreeMap::new(),
            revisions: BTreeMap::new(),
            shares,
            greeted: BTreeSet::new(),
            starved: BTreeSet::new(),
            crowded: false,
            told: BTreeSet::new(),
            asked: BTreeMap::new(),
            nearby_changed: false,
            streams: Streams::default(),
            wide: wide.map(Box::new),
            events: VecDeque::new(),
            closing: Closing::No,
            entropy,
            me,
        }
    }

    /// Who this node is.
    pub fn peer_id(&self) -> PeerId {
        self.me.peer_id()
    }

    /// Network in: one datagram, or several of one size. Never fails: what is not ours is dropped.
    pub fn handle_datagram(&mut self, now: Instant, received: Received, data: BytesMut) {
        self.links.set_clock(self.unix_time(now));
        if wide::has_ours(received.segment_size, &data) {
            self.handle_wide(now, received, &data);
        } else {
            self.links.handle_datagram(now, received, data);
        }
        self.turn(now);
    }

    /// Network out: writes the next transmit into `buffer`, which must be empty; at most `max_segments` datagrams.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        max_segments: NonZeroUsize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        if let Some(transmit) = self.wide.as_mut().and_then(|wide| wide.poll_transmit(buffer)) {
            return Some(transmit);
        }
        self.links.poll_transmit(now, max_segments, buffer, &mut self.timers)
    }

    /// Time: when to call [`Node::handle_timeout`] next, and why. Ask again after any other call.
    pub fn poll_timeout(&mut self) -> Option<(Instant, Why)> {
        self.timers.next()
    }

    /// Time: it is `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each once, whatever it sets anew.
        let due: Vec<_> = std::iter::from_fn(|| self.timers.pop(now)).collect();
        for why in due {
            match why {
                Why::Link(number) => self.links.handle_timeout(now, number),
                Why::Announce => self.announce_anew(now),
                Why::Offer => self.run_out_of_patience(now),
                Why::Settle => self.settle_due(now),
                Why::Room => self.feed_starved(),
                Why::Share => self.sharing_timeout(now),
                Why::Code => self.codes_timeout(now),
                Why::Close => self.part(now),
                Why::Limit => self.limit_lifted(now),
                Why::Table => self.wide_timeout(now),
                Why::Dial | Why::Stream => {}
            }
        }
        self.turn(now);
    }

    /// Disk out. At most a few megabytes are asked for at once.
    pub fn poll_storage(&mut self) -> Option<StorageRequest> {
        self.storage.poll()
    }

    /// Disk in: the result of a request.
    pub fn handle_storage(&mut self, now: Instant, id: StorageId, result: Done) {
        self.stored(now, id, result);
        self.turn(now);
    }

    /// Byte streams in: one was opened from `remote` to this node. `None`: it is not taken, close it.
    pub fn accept_stream(&mut self, now: Instant, remote: SocketAddr) -> Option<LinkId> {
        if self.shares.is_limited() {
            return None;
        }
        let link = self.links.accept_stream(now, remote)?;
        self.turn(now);
        Some(LinkId(link.0))
    }

    /// Byte streams out: one to open to an address, without delaying what is written (TCP_NODELAY). Tell what became of
    /// it by [`StreamInput::Opened`] or, as a runtime without byte streams does at once, [`StreamInput::Closed`].
    pub fn poll_stream_dial(&mut self) -> Option<(LinkId, SocketAddr)> {
        let (link, address) = self.links.poll_stream_dial()?;
        Some((LinkId(link.0), address))
    }

    /// Byte streams in. Never fails: one that says what it should not is closed.
    pub fn handle_stream(&mut self, now: Instant, link: LinkId, input: StreamInput<'_>) {
        self.links.handle_stream(now, LinkKey(link.0), input);
        self.turn(now);
    }

    /// Byte streams in: whether more bytes of one are wanted now. Ask again after any other call; while they are not,
    /// leave them where they are, so that the other side has to wait.
    pub fn wants_stream(&self, link: LinkId) -> bool {
        self.links.stream_has_room(LinkKey(link.0))
    }

    /// Byte streams out: writes what is next into `buffer`, which must be empty; about a quarter of a mebibyte at most.
    /// Ask for each stream that has taken all it was given.
    pub fn poll_stream(&mut self, now: Instant, link: LinkId, buffer: &mut Vec<u8>) -> StreamOutput {
        let output = self.links.poll_stream(now, LinkKey(link.0), buffer);
        if !self.links.is_quiet() {
            self.turn(now);
        }
        output
    }

    /// Surroundings in.
    pub fn handle_surroundings(&mut self, now: Instant, surroundings: Surroundings) {
        match surroundings {
            Surroundings::Addresses(addresses) => {
                if let Some(wide) = &mut self.wide {
                    wide.set_addresses(now, &addresses);
                }
                let online = !addresses.is_empty();
                if self.nearby.set_addresses(self.unix_time(now), addresses) {
                    self.cards.rename();
                    if online {
                        self.resume_waiting(now);
                    }
                }
            }
            Surroundings::Sighted(sighting) if Cards::is_card(&sighting) => self.card_sighted(now, &sighting),
            Surroundings::Sighted(sighting) => {
                self.sighted(now, &sighting);
                if let Some(wide) = &mut self.wide {
                    wide.met(now, &sighting.addresses);
                }
            }
            Surroundings::Vanished { instance } => {
                self.cards.vanished(&instance);
                if let Some((peer, addresses)) = self.nearby.vanished(&instance) {
                    if let Some(peer) = peer {
                        self.dialler.forget(peer, &addresses);
                    }
                    self.nearby_changed = true;
                }
            }
            Surroundings::Clock(unix_time) => {
                self.clock = (now, unix_time);
                self.set_wide_clock(now);
                self.announce_anew(now);
            }
        }
        self.turn(now);
    }

    /// Surroundings in: fresh randomness of the operating system, after a suspend or now and then.
    pub fn handle_entropy(&mut self, fresh: &[u8; 32]) {
        self.entropy.mix(fresh);
        self.ids.mix(fresh);
        self.codes.mix(fresh);
        self.links.mix(fresh);
        if let Some(wide) = &mut self.wide {
            wide.mix(fresh);
        }
    }

    /// Surroundings out: all that is to be announced on the local network from now on, in place of what was announced
    /// before, when that has changed. Two of them stay the same instance as long as they have the same name.
    pub fn poll_announcement(&mut self) -> Option<Vec<Announcement>> {
        let cards = self.cards.take_changed();
        match self.nearby.take_announcement() {
            Some(announcement) => self.announced = Some(announcement),
            None if !cards => return None,
            None => {}
        }
        Some(self.announced.iter().cloned().chain(self.cards.announcements()).collect())
    }

    /// User out: the next thing the user should see.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            if event.is_none() && std::mem::take(&mut self.nearby_changed) {
                return Some(Event::NearbyChanged);
            }
            if std::mem::take(&mut self.crowded) {
                // Links that were not read because of events are read at once.
                self.timers.set_earlier(Why::Room, self.clock.0);
            }
        }
        event
    }

    /// End: stops every transfer and closes every link once what was said has arrived, within three seconds. Go on
    /// polling until [`Node::is_drained`].
    pub fn close(&mut self, now: Instant) {
        if self.closing == Closing::No {
            self.close_wide();
            self.closing = Closing::Winding;
            self.timers.set(Why::Close, now.checked_add(WINDING));
            self.stop_all(now);
        }
        self.turn(now);
    }

    /// End: nothing is left to send or store.
    pub fn is_drained(&self) -> bool {
        self.closing == Closing::Parting && self.storage.is_empty() && self.links.is_drained()
    }

    /// Unix milliseconds.
    fn unix_time(&self, now: Instant) -> u64 {
        let (since, unix_time) = self.clock;
        let passed = now.saturating_duration_since(since).as_millis();
        unix_time.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The instant at which the wall clock will show `unix_time`.
    fn instant_of(&self, unix_time: u64) -> Option<Instant> {
        let (since, told) = self.clock;
        since.checked_add(Duration::from_millis(unix_time.saturating_sub(told)))
    }

    fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }
}
