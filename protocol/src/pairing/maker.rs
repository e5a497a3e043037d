//! The side that made a code: answers whoever comes, one at a time, and counts.
//!
//! ```text
//! begin ──► waiting ──► taking: an attempt is being made durable ──► replied ──► proven: given back
//!              │                                                        │
//!              └── busy, over                                           └── wrong, gone, silent: lost
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::attempts::Attempts;
use super::code::Code;
use super::confirm::{Channel, Keys, Side, reply};
use super::cpace::is_valid;
use super::rendezvous::{Card, Place};
use crate::identity::{Identity, PeerId};
use crate::wire::{CodeRefusal, CodeStep, Proof, StoredCode, Wants};

/// How long whoever got a reply may take to prove the code.
pub(crate) const PROVE_WITHIN: Duration = Duration::from_secs(10);
/// How many may wait for their turn.
const MAX_WAITING: usize = 64;

/// Names a link, as far as this machine cares.
pub(crate) type Session = u64;

/// A code that was made here.
pub(crate) struct Maker {
    code: Code,
    purpose: [u8; 32],
    wants: Wants,
    /// The one-time key under which it is answered for.
    key: PeerId,
    /// Unix milliseconds.
    expires: u64,
    attempts: Attempts,
    receivers: u16,
    turn: Turn,
    waiting: VecDeque<Waiting>,
    over: Option<CodeRefusal>,
    actions: Vec<MakerAction>,
}

struct Waiting {
    session: Session,
    channel: Channel,
    share: [u8; 32],
}

enum Turn {
    Nobodys,
    /// An attempt was taken for this one, and is not durable yet. It may be gone meanwhile.
    Taking {
        next: Waiting,
        gone: bool,
    },
    /// It was, and the reply was sent.
    Replied {
        session: Session,
        keys: Box<Keys>,
        until: Instant,
    },
}

/// What is to be done for a code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MakerAction {
    /// Its record, as it is now, is to be made durable. `attempt`: [`Maker::stored`] is waited for with it.
    Store {
        attempt: bool,
    },
    /// Its record is to go.
    Forget,
    Say(Session, CodeStep),
    /// Say why not, and close the link.
    Refuse(Session, CodeRefusal),
    /// Close the link without a word.
    Close(Session),
    /// Both sides have proven the code. The link is one to this peer now; what it is here for fits.
    Proven(Session, PeerId),
    /// The code was proven by someone who wants something else. They were told; the link is to be closed.
    Unfit(Session),
    /// A wrong code was tried, or an attempt broken off.
    Lost {
        left: u8,
    },
    /// It is good for nothing any more.
    Over(CodeRefusal),
}

/// How a code is made, or was.
pub(crate) struct Made {
    pub(crate) code: Code,
    pub(crate) purpose: [u8; 32],
    pub(crate) wants: Wants,
    pub(crate) key: PeerId,
    pub(crate) expires: u64,
    pub(crate) taken: u8,
    pub(crate) receivers: u16,
}

impl Maker {
    pub(crate) fn new(made: Made) -> Self {
        let Made { code, purpose, wants, key, expires, taken, receivers } = made;
        Self {
            code,
            purpose,
            wants,
            key,
            expires,
            attempts: Attempts::stored(taken),
            receivers,
            turn: Turn::Nobodys,
            waiting: VecDeque::new(),
            over: None,
            actions: Vec::new(),
        }
    }

    pub(crate) fn code(&self) -> &Code {
        &self.code
    }

    pub(crate) fn purpose(&self) -> &[u8; 32] {
        &self.purpose
    }

    pub(crate) fn expires(&self) -> u64 {
        self.expires
    }

    pub(crate) fn left(&self) -> u8 {
        self.attempts.left()
    }

    /// Whether it can still be used.
    pub(crate) fn is_good(&self) -> bool {
        self.over.is_none()
    }

    /// Where it can be met.
    pub(crate) fn meeting(&self) -> (Place, Card) {
        (self.code.place(), Card { key: self.key })
    }

    /// What its record holds.
    pub(crate) fn record(&self) -> StoredCode {
        StoredCode {
            words: self.code.text(),
            purpose: self.purpose,
            expires: self.expires,
            taken: self.attempts.taken(),
            receivers: self.receivers,
        }
    }

    pub(crate) fn take_actions(&mut self) -> Vec<MakerAction> {
        std::mem::take(&mut self.actions)
    }

    /// When it wants to be woken, but for its expiry.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self.turn {
            Turn::Replied { until, .. } => Some(until),
            Turn::Nobodys | Turn::Taking { .. } => None,
        }
    }

    /// Somebody begins. `typer` and session of `channel` are what the link has proven.
    pub(crate) fn begin(&mut self, session: Session, channel: Channel, share: [u8; 32]) {
        if let Some(why) = self.over {
            return self.actions.push(MakerAction::Refuse(session, why));
        }
        let known = self.waiting.iter().any(|it| it.session == session) || self.is_turn(session);
        if known || !is_valid(&share) {
            // Who says this twice, or what is no share, is none of ours: nothing was said that helps a guess.
            self.gone(session);
            return self.actions.push(MakerAction::Close(session));
        }
        if self.waiting.len() >= MAX_WAITING {
            return self.actions.push(MakerAction::Refuse(session, CodeRefusal::Busy));
        }
        self.waiting.push_back(Waiting { session, channel, share });
        self.next();
    }

    /// The next one's turn, if it is nobody's.
    fn next(&mut self) {
        if !matches!(self.turn, Turn::Nobodys) || self.over.is_some() {
            return;
        }
        let Some(next) = self.waiting.pop_front() else { return };
        if self.attempts.take() {
            self.turn = Turn::Taking { next, gone: false };
            self.actions.push(MakerAction::Store { attempt: true });
        }
    }

    /// The record with the attempt taken is durable, or cannot be.
    pub(crate) fn stored(&mut self, now: Instant, durable: bool, random: &Zeroizing<[u8; 64]>) {
        let turn = std::mem::replace(&mut self.turn, Turn::Nobodys);
        let Turn::Taking { next: Waiting { session, channel, share }, gone } = turn else {
            self.turn = turn;
            return;
        };
        let replied = if durable && !gone { reply(&self.code, channel, &share, random).ok() } else { None };
        let Some((own, keys)) = replied else {
            // Whether the disk has it is not known: it stays taken.
            self.actions.push(MakerAction::Refuse(session, CodeRefusal::Busy));
            return self.lose();
        };
        let until = now.checked_add(PROVE_WITHIN).unwrap_or(now);
        self.turn = Turn::Replied { session, keys: Box::new(keys), until };
        self.actions.push(MakerAction::Say(session, CodeStep::Reply(own)));
    }

    /// Somebody proves the code, or fails to.
    pub(crate) fn prove(&mut self, session: Session, proof: &Proof, me: &Identity) {
        let replied = matches!(&self.turn, Turn::Replied { session: at, .. } if *at == session);
        let turn = if replied { std::mem::replace(&mut self.turn, Turn::Nobodys) } else { Turn::Nobodys };
        let Turn::Replied { keys, .. } = turn else {
            // Before the reply there is nothing to prove.
            self.gone(session);
            return self.actions.push(MakerAction::Close(session));
        };
        let Ok((peer, wants)) = keys.check(Side::Typer, proof) else {
            let why = if self.attempts.left() == 0 { CodeRefusal::Burnt } else { CodeRefusal::Wrong };
            self.actions.push(MakerAction::Refuse(session, why));
            return self.lose();
        };
        self.attempts.give_back();
        let proven = CodeStep::Proven(keys.prove(Side::Maker, me, self.wants));
        self.actions.push(MakerAction::Say(session, proven));
        if !self.wants.fits(wants) {
            self.actions.extend([MakerAction::Store { attempt: false }, MakerAction::Unfit(session)]);
            return self.next();
        }
        self.receivers = self.receivers.saturating_sub(1);
        self.actions.push(MakerAction::Proven(session, peer));
        if self.receivers == 0 {
            return self.end(CodeRefusal::Used);
        }
        self.actions.push(MakerAction::Store { attempt: false });
        self.next();
    }

    /// A link is gone.
    pub(crate) fn gone(&mut self, session: Session) {
        self.waiting.retain(|it| it.session != session);
        match &mut self.turn {
            // What was taken stays taken. It is lost once that is durable: two are never taken at a time.
            Turn::Taking { next, gone } if next.session == session => *gone = true,
            Turn::Replied { session: at, .. } if *at == session => {
                self.turn = Turn::Nobodys;
                self.lose();
            }
            Turn::Nobodys | Turn::Taking { .. } | Turn::Replied { .. } => {}
        }
    }

    /// Time went on.
    pub(crate) fn handle_timeout(&mut self, now: Instant, unix_time: u64) {
        if unix_time >= self.expires && self.over.is_none() {
            return self.end(CodeRefusal::Expired);
        }
        if let Turn::Replied { session, until, .. } = self.turn
            && until <= now
        {
            self.actions.push(MakerAction::Close(session));
            self.gone(session);
        }
    }

    fn is_turn(&self, session: Session) -> bool {
        match &self.turn {
            Turn::Nobodys => false,
            Turn::Taking { next, .. } => next.session == session,
            Turn::Replied { session: at, .. } => *at == session,
        }
    }

    /// The attempt under way is lost.
    fn lose(&mut self) {
        if self.over.is_some() {
            return;
        }
        let left = self.attempts.left();
        self.actions.push(MakerAction::Lost { left });
        if left == 0 { self.end(CodeRefusal::Burnt) } else { self.next() }
    }

    fn end(&mut self, why: CodeRefusal) {
        self.over = Some(why);
        let turn = match std::mem::replace(&mut self.turn, Turn::Nobodys) {
            Turn::Nobodys => None,
            Turn::Taking { next: Waiting { session, .. }, .. } | Turn::Replied { session, .. } => {
                Some(session)
            }
        };
        let waiting = self.waiting.drain(..).map(|it| it.session);
        let refused = waiting.chain(turn).map(|session| MakerAction::Refuse(session, why));
        self.actions.extend(refused.collect::<Vec<_>>());
        self.actions.extend([MakerAction::Forget, MakerAction::Over(why)]);
    }
}
