//! The side that typed a code: asks whoever may have made it, one at a time, until one proves it.
//!
//! Cards are hints that anyone can leave. Those found are dialled a few at a time, in the order they were found; whoever
//! answers is asked in its turn. Each is shown one proof, which lets it try one guess, and no more than
//! [`MAX_PROOFS`] are shown for one code. A card that fails says nothing about the code as long as another may prove it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::attempts::MAX_PROOFS;
use super::code::Code;
use super::confirm::{Begun, Channel, Keys, Side};
use super::maker::Session;
use super::rendezvous::{Card, Found, Place};
use crate::CodeFailure;
use crate::identity::{Identity, PeerId};
use crate::wire::{CodeRefusal, CodeStep, Wants};

/// Cards that are looked at for one code, in the order they were found.
pub(crate) const MAX_CARDS: usize = 256;
/// Cards that are dialled at once.
const MAX_DIALLED: usize = 16;
/// Addresses of a card that are dialled.
const MAX_ADDRESSES: usize = 4;
/// How often a card is dialled, whose maker shows that they are there.
const MAX_DIALS: u8 = 4;
/// How long a dial may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long whoever answered may take for a step, where others wait, and where nobody does: the maker may be busy
/// with others.
const STEP_WITHIN: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(15);
/// After somebody had another code: how long others are waited for.
const SETTLE: Duration = Duration::from_millis(700);
/// How much longer than a search for nobody it may take to try all who were found.
const TRYING: Duration = Duration::from_secs(60);

/// A code that was entered here.
pub(crate) struct Typer {
    code: Code,
    wants: Wants,
    /// When it counts as not found; how long those who were found are tried.
    deadline: Instant,
    end: Instant,
    cards: Vec<Candidate>,
    /// Cards that were not looked at.
    ignored: bool,
    asking: Option<Asking>,
    /// Those who answered and wait to be asked.
    up: VecDeque<(Session, Channel)>,
    proofs: u32,
    /// Why the others came to nothing: what says most.
    worst: CodeFailure,
    /// When the last one did.
    failed: Option<Instant>,
    over: bool,
    actions: Vec<TyperAction>,
}

struct Candidate {
    card: Card,
    addresses: Vec<SocketAddr>,
    dials: u8,
    state: Tried,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Not,
    Dialled {
        until: Instant,
    },
    Up,
    /// It was dialled in vain.
    Unanswered,
    Failed,
}

/// Who is asked now.
struct Asking {
    session: Session,
    card: Card,
    since: Instant,
    step: Step,
}

enum Step {
    /// The share was sent.
    Begun(Option<Box<Begun>>),
    /// The proof was.
    Proven(Box<Keys>),
}

/// What is to be done for a code that was entered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TyperAction {
    /// Dial whoever left this card, at all of these.
    Dial(Card, Vec<SocketAddr>),
    /// Give up the dials to it.
    Abandon(Card),
    Close(Session),
    Say(Session, CodeStep),
    /// Somebody was found.
    Found,
    /// Both sides have proven the code. The link is one to this peer now; what it is here for fits.
    Proven(Session, PeerId),
    /// It came to nothing.
    Failed(CodeFailure),
}

impl Typer {
    /// A search that begins now and lasts `within` where nobody is found.
    pub(crate) fn new(now: Instant, within: Duration, code: Code, wants: Wants) -> Self {
        let deadline = now.checked_add(within).unwrap_or(now);
        Self {
            code,
            wants,
            deadline,
            end: deadline.checked_add(TRYING).unwrap_or(deadline),
            cards: Vec::new(),
            ignored: false,
            asking: None,
            up: VecDeque::new(),
            proofs: 0,
            worst: CodeFailure::NotFound,
            failed: None,
            over: false,
            actions: Vec::new(),
        }
    }

    /// Where it is looked for.
    pub(crate) fn place(&self) -> Place {
        self.code.place()
    }

    pub(crate) fn take_actions(&mut self) -> Vec<TyperAction> {
        std::mem::take(&mut self.actions)
    }

    /// A card was found, or found anew.
    pub(crate) fn found(&mut self, now: Instant, found: Found) {
        if self.over || found.place != self.place() {
            return;
        }
        let Found { card, mut addresses, .. } = found;
        if let Some(known) = self.cards.iter_mut().find(|it| it.card == card) {
            addresses.retain(|address| !known.addresses.contains(address));
            addresses.truncate(MAX_ADDRESSES.saturating_sub(known.addresses.len()));
            known.addresses.extend(&addresses);
            if matches!(known.state, Tried::Dialled { .. }) && !addresses.is_empty() {
                self.actions.push(TyperAction::Dial(card, addresses));
            }
        } else if self.cards.len() >= MAX_CARDS {
            self.ignored = true;
        } else {
            if self.cards.is_empty() {
                self.actions.push(TyperAction::Found);
            }
            addresses.truncate(MAX_ADDRESSES);
            self.cards.push(Candidate { card, addresses, dials: 0, state: Tried::Not });
        }
        self.go_on(now);
    }

    /// Whoever left a card has let a call through: it is dialled again, though it did not answer before.
    pub(crate) fn called(&mut self, now: Instant, found: Found) {
        let again = |it: &&mut Candidate| it.card == found.card && it.state == Tried::Unanswered;
        match self.cards.iter_mut().find(again) {
            Some(known) if !self.over && found.place == self.code.place() => {
                if known.dials < MAX_DIALS {
                    known.state = Tried::Not;
                    known.addresses.clone_from(&found.addresses);
                    known.addresses.truncate(MAX_ADDRESSES);
                }
                self.go_on(now);
            }
            _ => self.found(now, found),
        }
    }

    /// A dialled link is up: whoever left the card is there.
    pub(crate) fn up(&mut self, now: Instant, session: Session, channel: Channel) {
        let card = Card { key: channel.maker };
        let dialled = |it: &&mut Candidate| it.card == card && matches!(it.state, Tried::Dialled { .. });
        match self.cards.iter_mut().find(dialled) {
            Some(candidate) if !self.over => {
                candidate.state = Tried::Up;
                self.up.push_back((session, channel));
            }
            _ => self.actions.push(TyperAction::Close(session)),
        }
        self.go_on(now);
    }

    /// No dial of a card came to anything.
    pub(crate) fn unreachable(&mut self, now: Instant, card: Card) {
        if self.cards.iter().any(|it| it.card == card && matches!(it.state, Tried::Dialled { .. })) {
            self.fail(now, card, CodeFailure::NoAnswer);
        }
        self.go_on(now);
    }

    /// A link that was up is gone, or said what it should not.
    pub(crate) fn gone(&mut self, now: Instant, session: Session) {
        let waiting = self.up.iter().find(|(at, _)| *at == session).map(|(_, channel)| channel.maker);
        self.up.retain(|(at, _)| *at != session);
        let asked = self.asking.as_ref().filter(|it| it.session == session).map(|it| it.card.key);
        if let Some(key) = waiting.or(asked) {
            self.fail(now, Card { key }, CodeFailure::NoAnswer);
        }
        self.go_on(now);
    }

    /// Somebody who was asked says something.
    pub(crate) fn said(&mut self, now: Instant, session: Session, step: &CodeStep, me: &Identity) {
        let Some(asking) = self.asking.as_mut().filter(|it| it.session == session) else {
            return self.actions.push(TyperAction::Close(session));
        };
        let card = asking.card;
        match (step, &mut asking.step) {
            (CodeStep::Reply(share), Step::Begun(begun)) => {
                let keys = begun.take().and_then(|begun| begun.keys(share).ok());
                let Some(keys) = keys else { return self.refused(now, card, CodeFailure::NoAnswer) };
                if self.proofs >= MAX_PROOFS {
                    return self.end(CodeFailure::TooMany);
                }
                self.proofs = self.proofs.saturating_add(1);
                let proof = keys.prove(Side::Typer, me, self.wants);
                asking.step = Step::Proven(Box::new(keys));
                asking.since = now;
                self.actions.push(TyperAction::Say(session, CodeStep::Prove(proof)));
            }
            (CodeStep::Proven(proof), Step::Proven(keys)) => match keys.check(Side::Maker, proof) {
                Ok((peer, _)) if peer == me.peer_id() => self.end(CodeFailure::Oneself),
                Ok((_, wants)) if !self.wants.fits(wants) => self.end(CodeFailure::DifferentPurpose),
                Ok((peer, _)) => self.proven(session, peer),
                Err(_) => self.refused(now, card, CodeFailure::WrongCode),
            },
            (CodeStep::Refuse(why), _) => self.refused(now, card, failure(*why)),
            _ => self.refused(now, card, CodeFailure::NoAnswer),
        }
    }

    fn proven(&mut self, session: Session, peer: PeerId) {
        self.asking = None;
        self.stop();
        self.actions.push(TyperAction::Proven(session, peer));
    }

    fn refused(&mut self, now: Instant, card: Card, why: CodeFailure) {
        self.fail(now, card, why);
        self.go_on(now);
    }

    /// A card came to nothing.
    fn fail(&mut self, now: Instant, card: Card, why: CodeFailure) {
        if let Some(candidate) = self.cards.iter_mut().find(|it| it.card == card) {
            let dialled = matches!(candidate.state, Tried::Dialled { .. });
            if dialled {
                self.actions.push(TyperAction::Abandon(card));
            }
            candidate.state = if dialled { Tried::Unanswered } else { Tried::Failed };
        }
        if let Some(asking) = self.asking.take_if(|it| it.card == card) {
            self.actions.push(TyperAction::Close(asking.session));
        }
        if weight(why) >= weight(self.worst) {
            self.worst = why;
        }
        self.failed = Some(now);
    }

    /// Time went on.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late: Vec<_> = self.cards.iter().filter(|it| is_late(it.state, now)).map(|it| it.card).collect();
        for card in late {
            self.fail(now, card, CodeFailure::NoAnswer);
        }
        if let Some(asking) = &self.asking
            && self.asking_until().is_some_and(|until| until <= now)
        {
            let card = asking.card;
            self.fail(now, card, CodeFailure::NoAnswer);
        }
        self.go_on(now);
    }

    /// When it wants to be woken.
    pub(crate) fn until(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let dials = self.cards.iter().filter_map(|it| match it.state {
            Tried::Dialled { until } => Some(until),
            Tried::Not | Tried::Up | Tried::Unanswered | Tried::Failed => None,
        });
        let verdict = if self.is_trying() { self.end } else { self.verdict_at() };
        dials.chain(self.asking_until()).chain([verdict]).min()
    }

    fn asking_until(&self) -> Option<Instant> {
        let others = !self.up.is_empty() || self.cards.iter().any(|it| matches!(it.state, Tried::Not));
        let patience = if others { STEP_WITHIN } else { PATIENCE };
        self.asking.as_ref().and_then(|asking| asking.since.checked_add(patience))
    }

    fn is_trying(&self) -> bool {
        self.asking.is_some()
            || self.cards.iter().any(|it| !matches!(it.state, Tried::Unanswered | Tried::Failed))
    }

    /// When it comes to nothing if nobody else is found.
    fn verdict_at(&self) -> Instant {
        let said = !matches!(self.worst, CodeFailure::NotFound | CodeFailure::NoAnswer);
        let settled = self.failed.filter(|_| said).and_then(|failed| failed.checked_add(SETTLE));
        settled.map_or(self.deadline, |settled| settled.min(self.deadline))
    }

    /// Dials and asks as many as can be now.
    fn go_on(&mut self, now: Instant) {
        if self.over {
            return;
        }
        if self.end <= now || (!self.is_trying() && self.verdict_at() <= now) {
            let nobody = matches!(self.worst, CodeFailure::NotFound | CodeFailure::NoAnswer);
            return self.end(if self.ignored && nobody { CodeFailure::TooMany } else { self.worst });
        }
        let until = now.checked_add(ANSWER_WITHIN).unwrap_or(now);
        let mut busy =
            self.cards.iter().filter(|it| matches!(it.state, Tried::Dialled { .. } | Tried::Up)).count();
        for candidate in &mut self.cards {
            if busy >= MAX_DIALLED {
                break;
            }
            if candidate.state == Tried::Not {
                candidate.state = Tried::Dialled { until };
                candidate.dials = candidate.dials.saturating_add(1);
                busy = busy.saturating_add(1);
                self.actions.push(TyperAction::Dial(candidate.card, candidate.addresses.clone()));
            }
        }
    }

    /// Who is to be asked next, if nobody is: give [`Typer::ask`] randomness then.
    pub(crate) fn is_next_ready(&self) -> bool {
        !self.over && self.asking.is_none() && !self.up.is_empty()
    }

    /// Asks the next one.
    pub(crate) fn ask(&mut self, now: Instant, random: &Zeroizing<[u8; 64]>) {
        if !self.is_next_ready() {
            return;
        }
        let Some((session, channel)) = self.up.pop_front() else { return };
        let begun = Begun::new(&self.code, channel, random);
        self.actions.push(TyperAction::Say(session, CodeStep::Begin(begun.share())));
        let (card, step) = (Card { key: channel.maker }, Step::Begun(Some(Box::new(begun))));
        self.asking = Some(Asking { session, card, since: now, step });
    }

    fn end(&mut self, why: CodeFailure) {
        self.stop();
        self.actions.push(TyperAction::Failed(why));
    }

    /// Lets go of everyone.
    fn stop(&mut self) {
        self.over = true;
        let asked = self.asking.take().map(|asking| asking.session);
        let up = self.up.drain(..).map(|(session, _)| session);
        self.actions.extend(asked.into_iter().chain(up).map(TyperAction::Close));
        let dialled = self.cards.iter().filter(|it| matches!(it.state, Tried::Dialled { .. }));
        self.actions.extend(dialled.map(|it| TyperAction::Abandon(it.card)).collect::<Vec<_>>());
    }
}

fn is_late(state: Tried, now: Instant) -> bool {
    matches!(state, Tried::Dialled { until } if until <= now)
}

fn failure(why: CodeRefusal) -> CodeFailure {
    match why {
        CodeRefusal::Wrong => CodeFailure::WrongCode,
        CodeRefusal::Burnt => CodeFailure::Burnt,
        CodeRefusal::Expired => CodeFailure::Expired,
        CodeRefusal::Used => CodeFailure::AlreadyUsed,
        CodeRefusal::Busy => CodeFailure::Busy,
    }
}

/// Of several reasons, the one that says most to whoever typed the code.
fn weight(why: CodeFailure) -> u8 {
    match why {
        CodeFailure::NotFound => 0,
        CodeFailure::NoAnswer => 1,
        CodeFailure::Busy => 2,
        CodeFailure::Expired => 3,
        CodeFailure::AlreadyUsed => 4,
        CodeFailure::Burnt => 5,
        _ => 6,
    }
}
