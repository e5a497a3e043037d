//! Codes: a few words by which two people who do not know each other's ids meet.
//!
//! `pairing` has the machines; here they get their links, their disk, and where to meet. `links` is what arrives over
//! links between one-time keys, `user` what the user asks, `types` in which words.

mod links;
mod types;
mod user;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use self::links::CodeLink;
pub use self::types::{CodeError, CodeFailure, CodeFor, CodeId, CodeOptions, EnterFor};
use super::{Closing, Node, Purpose, State};
use crate::entropy::Stream;
use crate::identity::{Identity, PeerId};
use crate::link::LinkKey;
use crate::pairing::{Card, Found, Maker, MakerAction, Meet, Typer, TyperAction, WIDE_WORDS};
use crate::storage::{Change, Record, StorageError, Table, Work};
use crate::wire::{CodeRefusal, CodeStep, Control, StoredCode};
use crate::{Event, Sighting, Why};

/// Codes that are good at once, and those that lately were; entered at once, and kept from before.
const MAX_MADE: usize = 16;
const MAX_ENTERED: usize = 16;
const MAX_STORED: usize = 64;
/// Peers remembered by their codes.
const MAX_MET: usize = 64;
/// How long those who come late are told why a code is good no more.
const LINGER: Duration = Duration::from_secs(600);

/// All codes of a node.
pub(super) struct Codes {
    random: Stream,
    made: BTreeMap<CodeId, Made>,
    entered: BTreeMap<CodeId, Entered>,
    /// Good ones from before the node was started, that nobody has asked for again.
    stored: BTreeMap<CodeId, StoredCode>,
    /// Links between one-time keys.
    links: BTreeMap<LinkKey, CodeLink>,
    /// Links that are to close once what was said has arrived, and when they close all the same.
    parting: BTreeMap<LinkKey, Instant>,
    /// Whom codes have brought that may offer something, the newest last.
    met: VecDeque<(PeerId, CodeId)>,
}

/// A code that was made here.
struct Made {
    maker: Maker,
    key: Arc<Identity>,
    purpose: CodeFor,
    /// Whether its record is durable, so that it can be used.
    durable: bool,
    /// It is good no more, and is answered for until then.
    linger: Option<Instant>,
}

/// A code that was entered here.
struct Entered {
    typer: Typer,
    key: Arc<Identity>,
    purpose: EnterFor,
    /// Dials under way.
    dials: BTreeMap<LinkKey, Card>,
}

/// What a record was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeWrite {
    Made,
    Attempt,
    Other,
}

impl Codes {
    pub(super) fn new(random: Stream) -> Self {
        Self {
            random,
            made: BTreeMap::new(),
            entered: BTreeMap::new(),
            stored: BTreeMap::new(),
            links: BTreeMap::new(),
            parting: BTreeMap::new(),
            met: VecDeque::new(),
        }
    }

    pub(super) fn mix(&mut self, fresh: &[u8; 32]) {
        self.random.mix(fresh);
    }

    /// Takes a record as it was loaded. A damaged one is passed over.
    pub(super) fn load(&mut self, record: &Record) {
        if let (Ok(id), Ok(stored)) =
            (<[u8; 16]>::try_from(record.key.as_slice()), StoredCode::parse(&record.value))
        {
            self.stored.insert(CodeId(id), stored);
        }
    }

    /// The code by which somebody was met who may offer something.
    pub(super) fn of(&self, peer: PeerId) -> Option<CodeId> {
        self.met.iter().rev().find(|(met, _)| *met == peer).map(|(_, id)| *id)
    }

    /// Whether somebody was met by a code, and may offer something.
    pub(super) fn expects(&self, peer: PeerId) -> bool {
        self.of(peer).is_some()
    }

    fn expect(&mut self, peer: PeerId, id: CodeId) {
        self.met.retain(|(met, _)| *met != peer);
        if self.met.len() >= MAX_MET {
            self.met.pop_front();
        }
        self.met.push_back((peer, id));
    }
}

impl Node {
    /// Codes whose time was over before the node was started, and more than are kept, are forgotten.
    pub(super) fn forget_expired_codes(&mut self, now: Instant) {
        let unix_time = self.unix_time(now);
        let mut by_time: Vec<_> =
            self.codes.stored.iter().map(|(id, it)| (it.expires, *id, it.taken)).collect();
        by_time.sort_unstable();
        let many = by_time.len().saturating_sub(MAX_STORED);
        for (place, (expires, id, taken)) in by_time.into_iter().enumerate() {
            if expires <= unix_time || taken >= crate::pairing::MAX_ATTEMPTS || place < many {
                self.codes.stored.remove(&id);
                self.forget_code(id);
            }
        }
    }

    fn store_code(&mut self, id: CodeId, write: CodeWrite) {
        let Some(made) = self.codes.made.get(&id) else { return };
        let value = made.maker.record().encode();
        let change = Change::Put(Record { table: Table::Codes, key: id.0.to_vec(), value });
        self.storage.ask(Work::Commit(vec![change]), Purpose::Code(id, write));
    }

    fn forget_code(&mut self, id: CodeId) {
        let change = Change::Remove { table: Table::Codes, key: id.0.to_vec() };
        self.storage.ask(Work::Commit(vec![change]), Purpose::Code(id, CodeWrite::Other));
    }

    /// A code's record is durable, or cannot be.
    pub(super) fn code_stored(
        &mut self,
        now: Instant,
        id: CodeId,
        write: CodeWrite,
        result: Result<Vec<bool>, StorageError>,
    ) {
        let durable = result.is_ok();
        if let Err(error) = result {
            self.event(Event::StorageFailed(error));
        }
        let random = Zeroizing::new(self.codes.random.bytes());
        match (write, self.codes.made.get_mut(&id)) {
            (CodeWrite::Made, Some(made)) if durable => {
                made.durable = true;
                self.publish_code(now, id);
            }
            (CodeWrite::Made, Some(_)) => self.drop_code(now, id),
            (CodeWrite::Attempt, Some(made)) => made.maker.stored(now, durable, &random),
            (CodeWrite::Other, _) | (_, None) => {}
        }
    }

    /// A code can be entered by others from now on.
    fn publish_code(&mut self, now: Instant, id: CodeId) {
        let Some(made) = self.codes.made.get(&id) else { return };
        let (place, card) = made.maker.meeting();
        let (expires, left) = (made.maker.expires(), made.maker.left());
        self.links.answer_for(&made.key);
        self.cards.meet(Meet::Publish(place, card));
        let wide = made.maker.code().words() >= usize::from(WIDE_WORDS);
        if wide {
            let key = Arc::clone(&made.key);
            self.leave_note(now, place, &key);
        }
        self.event(Event::CodeReady { id, expires, left });
    }

    /// A code that was made here is answered for no more.
    fn drop_code(&mut self, now: Instant, id: CodeId) {
        let Some(made) = self.codes.made.remove(&id) else { return };
        let (place, card) = made.maker.meeting();
        self.cards.meet(Meet::Withdraw(place, card));
        self.withdraw_note(now, card.key);
        self.links.answer_no_more_for(&card.key);
        self.close_code_links(now, id);
    }

    /// Carries out what the machines want.
    pub(super) fn run_codes(&mut self, now: Instant) {
        if self.closing != Closing::No {
            return self.stop_codes(now);
        }
        let made: Vec<_> = self.codes.made.keys().copied().collect();
        for id in made {
            let actions = self.codes.made.get_mut(&id).map(|made| made.maker.take_actions());
            for action in actions.unwrap_or_default() {
                self.maker_action(now, id, action);
            }
        }
        let entered: Vec<_> = self.codes.entered.keys().copied().collect();
        for id in entered {
            while let Some(entered) = self.codes.entered.get_mut(&id) {
                if self.state == State::Ready && entered.typer.is_next_ready() {
                    entered.typer.ask(now, &Zeroizing::new(self.codes.random.bytes()));
                }
                let actions = entered.typer.take_actions();
                if actions.is_empty() {
                    break;
                }
                for action in actions {
                    self.typer_action(now, id, action);
                }
            }
        }
        self.set_code_timer(now);
    }

    fn maker_action(&mut self, now: Instant, id: CodeId, action: MakerAction) {
        match action {
            MakerAction::Store { attempt } => {
                self.store_code(id, if attempt { CodeWrite::Attempt } else { CodeWrite::Other });
            }
            MakerAction::Forget => self.forget_code(id),
            MakerAction::Say(session, step) => self.say(now, LinkKey(session), &Control::Code(step)),
            MakerAction::Refuse(session, why) => {
                self.say(now, LinkKey(session), &Control::Code(CodeStep::Refuse(why)));
                self.part_code_link(now, LinkKey(session));
            }
            MakerAction::Close(session) => self.close_code_link(now, LinkKey(session)),
            MakerAction::Proven(session, peer) => {
                let Some(made) = self.codes.made.get(&id) else { return };
                let (paths, receives) = match &made.purpose {
                    CodeFor::Send { paths } => (paths.clone(), false),
                    CodeFor::Receive => (Vec::new(), true),
                    CodeFor::Pair => (Vec::new(), false),
                };
                self.code_proven(now, id, LinkKey(session), peer, paths, receives);
            }
            MakerAction::Unfit(session) => {
                self.part_code_link(now, LinkKey(session));
                self.event(Event::CodeFailed { id, why: CodeFailure::DifferentPurpose });
            }
            MakerAction::Lost { left } => self.event(Event::CodeAttempt { id, left }),
            MakerAction::Over(why) => {
                if let Some(made) = self.codes.made.get_mut(&id) {
                    made.linger = now.checked_add(LINGER);
                }
                let over = || self.codes.made.iter().filter(|(_, made)| !made.maker.is_good());
                let oldest = over().min_by_key(|(_, made)| made.linger).map(|(id, _)| *id);
                if over().count() > MAX_MADE
                    && let Some(oldest) = oldest
                {
                    self.drop_code(now, oldest);
                }
                self.event(match why {
                    CodeRefusal::Used => Event::CodeUsed { id },
                    CodeRefusal::Expired => Event::CodeExpired { id },
                    CodeRefusal::Burnt | CodeRefusal::Wrong | CodeRefusal::Busy => Event::CodeBurnt { id },
                });
            }
        }
    }

    fn typer_action(&mut self, now: Instant, id: CodeId, action: TyperAction) {
        match action {
            TyperAction::Dial(card, addresses) => {
                let Some(entered) = self.codes.entered.get_mut(&id) else { return };
                for address in addresses {
                    if let Some(link) = self.links.dial_one_time(now, &entered.key, card.key, address) {
                        entered.dials.insert(link, card);
                    }
                }
                if !entered.dials.values().any(|dialled| *dialled == card) {
                    entered.typer.unreachable(now, card);
                }
            }
            TyperAction::Abandon(card) => self.abandon_code_dials(now, id, card),
            TyperAction::Close(session) => self.close_code_link(now, LinkKey(session)),
            TyperAction::Say(session, step) => self.say(now, LinkKey(session), &Control::Code(step)),
            TyperAction::Found => self.event(Event::CodeFound { id }),
            TyperAction::Proven(session, peer) => {
                let Some(entered) = self.codes.entered.get(&id) else { return };
                let (paths, receives) = match &entered.purpose {
                    EnterFor::Send { paths } => (paths.clone(), false),
                    EnterFor::Receive => (Vec::new(), true),
                    EnterFor::Pair => (Vec::new(), false),
                };
                self.code_proven(now, id, LinkKey(session), peer, paths, receives);
                self.stop_looking(now, id);
            }
            TyperAction::Failed(why) => {
                self.event(Event::CodeFailed { id, why });
                self.stop_looking(now, id);
            }
        }
    }

    /// Both sides have proven a code: its link goes on as one to whoever the other is.
    fn code_proven(
        &mut self,
        now: Instant,
        id: CodeId,
        link: LinkKey,
        peer: PeerId,
        paths: Vec<std::path::PathBuf>,
        receives: bool,
    ) {
        self.codes.links.remove(&link);
        if peer == self.peer_id() {
            self.links.abandon(now, link);
            return self.event(Event::CodeFailed { id, why: CodeFailure::Oneself });
        }
        if receives {
            self.codes.expect(peer, id);
        }
        if let Some(address) = self.links.address(link) {
            self.dialler.learn(now, peer, address);
        }
        self.links.adopt(link, peer);
        let offered = if paths.is_empty() { None } else { Some(self.begin_offer(now, peer, paths, false)) };
        let transfer = offered.and_then(Result::ok);
        self.event(Event::CodeProven { id, peer, transfer });
        if let Some(Err(why)) = offered {
            self.event(Event::CodeFailed { id, why: CodeFailure::CannotOffer(why) });
        }
    }

    /// Nothing more is done for a code that was entered.
    fn stop_looking(&mut self, now: Instant, id: CodeId) {
        let Some(entered) = self.codes.entered.remove(&id) else { return };
        let place = entered.typer.place();
        self.cards.meet(Meet::Stop(place));
        if !self.codes.entered.values().any(|other| other.typer.place() == place) {
            self.stop_looking_for_notes(place);
        }
        for link in entered.dials.into_keys() {
            self.links.abandon(now, link);
        }
        self.close_code_links(now, id);
    }

    /// This program ends. What was made stays good, for when it is started again.
    fn stop_codes(&mut self, now: Instant) {
        let made: Vec<_> = self.codes.made.keys().copied().collect();
        made.into_iter().for_each(|id| self.drop_code(now, id));
        let entered: Vec<_> = self.codes.entered.keys().copied().collect();
        entered.into_iter().for_each(|id| self.stop_looking(now, id));
        self.timers.set(Why::Code, None);
    }

    /// A card was seen on the local network.
    pub(super) fn card_sighted(&mut self, now: Instant, sighting: &Sighting) {
        if let Some(found) = self.cards.sighted(sighting) {
            self.card_found(now, &found);
        }
    }

    /// A card was found, wherever it lies.
    pub(super) fn card_found(&mut self, now: Instant, found: &Found) {
        for entered in self.codes.entered.values_mut() {
            entered.typer.found(now, found.clone());
        }
    }

    /// Whoever left a card has let a call through.
    pub(super) fn card_called(&mut self, now: Instant, found: &Found) {
        for entered in self.codes.entered.values_mut() {
            entered.typer.called(now, found.clone());
        }
    }

    /// Time went on.
    pub(super) fn codes_timeout(&mut self, now: Instant) {
        let unix_time = self.unix_time(now);
        let over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        self.codes.made.values_mut().for_each(|made| made.maker.handle_timeout(now, unix_time));
        self.codes.entered.values_mut().for_each(|entered| entered.typer.handle_timeout(now));
        let late = self.codes.made.iter().filter(|(_, made)| over(made.linger)).map(|(id, _)| *id);
        late.collect::<Vec<_>>().into_iter().for_each(|id| self.drop_code(now, id));
        self.late_code_links(now);
    }

    fn set_code_timer(&mut self, now: Instant) {
        let made = self.codes.made.values();
        let expiries = made.clone().filter(|made| made.maker.is_good()).map(|made| made.maker.expires());
        let expiries = expiries.filter_map(|unix_time| self.instant_of(unix_time)).map(|at| at.max(now));
        let runs = made.filter_map(|made| made.maker.until().or(made.linger));
        let searches = self.codes.entered.values().filter_map(|entered| entered.typer.until());
        let next = expiries.chain(runs).chain(searches).chain(self.codes.next_late()).min();
        self.timers.set(Why::Code, next);
    }
}
