//! Maker and typer against each other, with nothing in between but what a test does there.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{peer, random};
use crate::CodeFailure;
use crate::entropy::{Entropy, Seed};
use crate::identity::Identity;
use crate::pairing::confirm::{Begun, Keys, Side};
use crate::pairing::maker::PROVE_WITHIN;
use crate::pairing::{Card, Channel, Code, Found, Made, Maker, MakerAction, Typer, TyperAction};
use crate::wire::{CodeRefusal, CodeStep, Proof, Wants};

const HOUR: u64 = 3_600_000;
const RIGHT: &str = "abandon-zoo-monkey";
const WRONG: &str = "abandon-zoo-mother";

fn code(text: &str) -> Code {
    Code::parse(text).unwrap_or_else(|bad| panic!("{bad}"))
}

fn identity(byte: u8) -> Identity {
    Identity::generate(&mut random(byte))
}

fn bytes(byte: u8) -> Zeroizing<[u8; 64]> {
    Zeroizing::new([byte; 64])
}

fn maker(taken: u8, receivers: u16) -> Maker {
    let (purpose, wants, key) = ([1; 32], Wants::Send, peer(1));
    Maker::new(Made { code: code(RIGHT), purpose, wants, key, expires: HOUR, taken, receivers })
}

/// The channel of the how-manieth link.
fn channel(number: u8) -> Channel {
    Channel { session: [number; 32], typer: peer(2), maker: peer(1), place: code(RIGHT).place() }
}

/// A typer without a machine: shares and proofs of whatever it types.
struct Guess {
    begun: Option<Begun>,
    share: [u8; 32],
    me: Identity,
    wants: Wants,
}

impl Guess {
    fn new(text: &str, number: u8) -> Self {
        let begun = Begun::new(&code(text), channel(number), &bytes(number));
        let share = begun.share();
        Self { begun: Some(begun), share, me: identity(9), wants: Wants::Receive }
    }

    fn prove(&mut self, reply: &[u8; 32]) -> (Proof, Keys) {
        let keys =
            self.begun.take().and_then(|begun| begun.keys(reply).ok()).unwrap_or_else(|| panic!("keys"));
        (keys.prove(Side::Typer, &self.me, self.wants), keys)
    }
}

fn reply(actions: &[MakerAction]) -> Option<[u8; 32]> {
    actions.iter().find_map(|action| match action {
        MakerAction::Say(_, CodeStep::Reply(share)) => Some(*share),
        _ => None,
    })
}

/// One try, from its beginning to its end.
fn attempt(maker: &mut Maker, text: &str, number: u8) -> Vec<MakerAction> {
    let mut guess = Guess::new(text, number);
    maker.begin(number.into(), channel(number), guess.share);
    assert_eq!(maker.take_actions(), [MakerAction::Store { attempt: true }], "first it is taken");
    maker.stored(Instant::now(), true, &bytes(100));
    let share = reply(&maker.take_actions()).unwrap_or_else(|| panic!("a reply"));
    maker.prove(number.into(), &guess.prove(&share).0, &identity(8));
    maker.take_actions()
}

#[test]
fn the_right_code_is_proven_both_ways_and_used() {
    let mut maker = maker(0, 1);
    let mut guess = Guess::new(RIGHT, 1);
    maker.begin(1, channel(1), guess.share);
    maker.stored(Instant::now(), true, &bytes(2));
    let share = reply(&maker.take_actions()).unwrap_or_default();
    let (proof, keys) = guess.prove(&share);
    assert_eq!(maker.record().taken, 1, "while it is not proven it counts as lost");
    maker.prove(1, &proof, &identity(8));
    let actions = maker.take_actions();
    let Some(MakerAction::Say(1, CodeStep::Proven(proven))) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(keys.check(Side::Maker, proven), Ok((identity(8).peer_id(), Wants::Send)));
    let rest = [
        MakerAction::Proven(1, identity(9).peer_id()),
        MakerAction::Forget,
        MakerAction::Over(CodeRefusal::Used),
    ];
    assert_eq!(actions[1..], rest);
    // A second one is told.
    maker.begin(2, channel(2), Guess::new(RIGHT, 2).share);
    assert_eq!(maker.take_actions(), [MakerAction::Refuse(2, CodeRefusal::Used)]);
}

#[test]
fn a_proof_is_good_in_its_exchange_and_its_direction_only() {
    let mut maker = maker(0, 9);
    let mut guess = Guess::new(RIGHT, 1);
    maker.begin(1, channel(1), guess.share);
    maker.stored(Instant::now(), true, &bytes(2));
    let (proof, keys) = guess.prove(&reply(&maker.take_actions()).unwrap_or_default());
    assert!(keys.check(Side::Maker, &proof).is_err(), "one's own proof said back proves nothing");
    let broken = Proof { identity: vec![0; proof.identity.len()], ..proof.clone() };
    assert!(keys.check(Side::Typer, &broken).is_err());
    maker.prove(1, &proof, &identity(8));
    maker.take_actions();
    // The same proof in another exchange.
    maker.begin(2, channel(2), guess.share);
    maker.stored(Instant::now(), true, &bytes(3));
    maker.take_actions();
    maker.prove(2, &proof, &identity(8));
    assert_eq!(maker.take_actions().first(), Some(&MakerAction::Refuse(2, CodeRefusal::Wrong)));
}

#[test]
fn three_wrong_codes_burn_it_and_each_is_said() {
    let mut maker = maker(0, 1);
    for (number, left, why) in
        [(1, 2, CodeRefusal::Wrong), (2, 1, CodeRefusal::Wrong), (3, 0, CodeRefusal::Burnt)]
    {
        let actions = attempt(&mut maker, WRONG, number);
        assert_eq!(actions[..2], [MakerAction::Refuse(number.into(), why), MakerAction::Lost { left }]);
    }
    assert!(!maker.is_good());
    maker.begin(4, channel(4), Guess::new(RIGHT, 4).share);
    assert_eq!(maker.take_actions(), [MakerAction::Refuse(4, CodeRefusal::Burnt)]);
}

#[test]
fn a_right_code_gives_only_its_own_attempt_back() {
    let mut maker = maker(0, 3);
    attempt(&mut maker, WRONG, 1);
    attempt(&mut maker, RIGHT, 2);
    assert_eq!((maker.left(), maker.is_good(), maker.record().receivers), (2, true, 2));
}

#[test]
fn one_at_a_time_and_a_silent_one_loses_its_attempt() {
    let (mut maker, now) = (maker(0, 1), Instant::now());
    let mut second = Guess::new(RIGHT, 2);
    maker.begin(1, channel(1), Guess::new(WRONG, 1).share);
    maker.begin(2, channel(2), second.share);
    maker.stored(now, true, &bytes(3));
    assert!(maker.take_actions().iter().all(|action| !matches!(action, MakerAction::Say(2, _))), "2 waits");
    maker.handle_timeout(now + PROVE_WITHIN, 0);
    let actions = maker.take_actions();
    let expected =
        [MakerAction::Close(1), MakerAction::Lost { left: 2 }, MakerAction::Store { attempt: true }];
    assert_eq!(actions, expected, "1 is let go, and it is 2's turn");
    maker.stored(now, true, &bytes(4));
    let share = reply(&maker.take_actions()).unwrap_or_default();
    maker.prove(2, &second.prove(&share).0, &identity(8));
    assert!(maker.take_actions().contains(&MakerAction::Proven(2, identity(9).peer_id())));
}

#[test]
fn too_many_do_not_wait() {
    let mut maker = maker(0, 1);
    for session in 0..65 {
        maker.begin(session, channel(1), Guess::new(WRONG, 1).share);
    }
    maker.take_actions();
    maker.begin(65, channel(1), Guess::new(WRONG, 1).share);
    assert_eq!(maker.take_actions(), [MakerAction::Refuse(65, CodeRefusal::Busy)]);
}

#[test]
fn what_is_no_share_costs_nothing() {
    let mut maker = maker(0, 1);
    maker.begin(1, channel(1), [0; 32]);
    assert_eq!(maker.take_actions(), [MakerAction::Close(1)]);
    assert_eq!(maker.left(), 3);
}

#[test]
fn who_wants_something_else_is_told_and_costs_nothing() {
    let mut maker = maker(0, 1);
    let mut guess = Guess::new(RIGHT, 1);
    guess.wants = Wants::Meet;
    maker.begin(1, channel(1), guess.share);
    maker.stored(Instant::now(), true, &bytes(2));
    let (proof, keys) = guess.prove(&reply(&maker.take_actions()).unwrap_or_default());
    maker.prove(1, &proof, &identity(8));
    let actions = maker.take_actions();
    let Some(MakerAction::Say(1, CodeStep::Proven(proven))) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(keys.check(Side::Maker, proven).map(|(_, wants)| wants), Ok(Wants::Send));
    assert_eq!(actions[1..], [MakerAction::Store { attempt: false }, MakerAction::Unfit(1)]);
    assert_eq!((maker.left(), maker.is_good()), (3, true));
}

#[test]
fn its_time_ends_it_even_in_the_middle() {
    let mut maker = maker(0, 1);
    maker.begin(1, channel(1), Guess::new(RIGHT, 1).share);
    maker.handle_timeout(Instant::now(), HOUR - 1);
    assert!(maker.is_good());
    maker.handle_timeout(Instant::now(), HOUR);
    let actions = maker.take_actions();
    assert!(actions.contains(&MakerAction::Over(CodeRefusal::Expired)), "{actions:?}");
    maker.stored(Instant::now(), true, &bytes(1));
    assert_eq!(reply(&maker.take_actions()), None);
}

/// What an attacker or an accident does to a code that was made.
#[derive(Debug, Clone)]
enum Act {
    Begin(u8),
    Stored(bool),
    Prove(u8, bool),
    Gone(u8),
    Silence,
    /// The power fails: what is not durable is gone, and the node is started anew.
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..6_u8).prop_map(Act::Begin),
        6 => prop::bool::weighted(0.9).prop_map(Act::Stored),
        4 => (0..6_u8, prop::bool::weighted(0.1)).prop_map(|(link, right)| Act::Prove(link, right)),
        2 => (0..6_u8).prop_map(Act::Gone),
        1 => Just(Act::Silence),
        1 => Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Replies are what guesses are checked with. Whatever happens, and however often the node is started, there are no
    /// more than three that nobody proved the code with.
    #[test]
    fn no_more_than_three_guesses_whatever_happens(acts in prop::collection::vec(act(), 1..80)) {
        let mut now = Instant::now();
        let mut maker = maker(0, u16::MAX);
        // What the disk has; what is on its way there, oldest first, `true` where a reply waits for it.
        let mut durable = Some(0);
        let mut writing: Vec<(Option<u8>, bool)> = Vec::new();
        let mut guesses: BTreeMap<u8, (Guess, Option<[u8; 32]>)> = Default::default();
        let mut epoch = 0_u8;
        let (mut replies, mut proven) = (0_u32, 0_u32);
        for act in acts {
            let link = |number: u8| u64::from(number) + u64::from(epoch) * 100;
            match act {
                Act::Begin(number) => {
                    let guess = Guess::new(if number == 0 { RIGHT } else { WRONG }, number);
                    maker.begin(link(number), channel(number), guess.share);
                    guesses.insert(number, (guess, None));
                }
                Act::Stored(made) if !writing.is_empty() => {
                    let (record, attempt) = writing.remove(0);
                    if made {
                        durable = record;
                    }
                    if attempt {
                        maker.stored(now, made, &bytes(7));
                    }
                }
                Act::Prove(number, right) => {
                    if let Some((guess, Some(share))) = guesses.get_mut(&number)
                        && (number == 0) == right
                        && guess.begun.is_some()
                    {
                        let share = *share;
                        let proof = guess.prove(&share).0;
                        maker.prove(link(number), &proof, &identity(8));
                    }
                }
                Act::Gone(number) => maker.gone(link(number)),
                Act::Silence => {
                    now += PROVE_WITHIN;
                    maker.handle_timeout(now, 0);
                }
                Act::Crash => {
                    writing.clear();
                    guesses.clear();
                    epoch += 1;
                    let Some(taken) = durable.filter(|taken| *taken < 3) else { break };
                    maker = self::maker(taken, u16::MAX);
                }
                Act::Stored(_) => {}
            }
            for action in maker.take_actions() {
                match action {
                    MakerAction::Store { attempt } => writing.push((Some(maker.record().taken), attempt)),
                    MakerAction::Forget => writing.push((None, false)),
                    MakerAction::Say(session, CodeStep::Reply(share)) => {
                        replies += 1;
                        let number = u8::try_from(session % 100).unwrap_or_default();
                        if let Some((_, at)) = guesses.get_mut(&number) {
                            *at = Some(share);
                        }
                    }
                    MakerAction::Proven(..) => proven += 1,
                    _ => {}
                }
            }
            prop_assert!(replies <= proven + 3, "{replies} replies, {proven} proven");
        }
    }
}

const WITHIN: Duration = Duration::from_secs(10);

fn typer(now: Instant) -> Typer {
    Typer::new(now, WITHIN, code(RIGHT), Wants::Receive)
}

fn key(number: u16) -> Identity {
    let [high, low] = number.to_be_bytes();
    let mut seed = [77; 32];
    (seed[0], seed[1]) = (high, low);
    Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("card"))
}

fn found(number: u16) -> Found {
    let address = SocketAddr::from(([10, 0, 0, 1], 1000 + number));
    Found { place: code(RIGHT).place(), card: Card { key: key(number).peer_id() }, addresses: vec![address] }
}

fn channel_to(number: u16) -> Channel {
    let mut session = [0; 32];
    session[..2].copy_from_slice(&number.to_be_bytes());
    Channel { session, typer: peer(2), maker: key(number).peer_id(), place: code(RIGHT).place() }
}

/// Lets the typer ask whoever is next, and answers with a maker of `text`. What the typer does then.
fn answer(typer: &mut Typer, now: Instant, number: u16, text: &str, wants: Wants) -> Vec<TyperAction> {
    typer.ask(now, &bytes(5));
    let actions = typer.take_actions();
    let share = actions.iter().find_map(|action| match action {
        TyperAction::Say(session, CodeStep::Begin(share)) if *session == u64::from(number) => Some(*share),
        _ => None,
    });
    let Some(share) = share else { panic!("{number} is not asked: {actions:?}") };
    let key = key(number).peer_id();
    let made = Made { code: code(text), purpose: [1; 32], wants, key, expires: HOUR, taken: 0, receivers: 1 };
    let mut maker = Maker::new(made);
    maker.begin(1, channel_to(number), share);
    maker.stored(now, true, &bytes(6));
    let said = |maker: &mut Maker| {
        maker.take_actions().into_iter().find_map(|action| match action {
            MakerAction::Say(_, step) => Some(step),
            MakerAction::Refuse(_, why) => Some(CodeStep::Refuse(why)),
            _ => None,
        })
    };
    let me = identity(9);
    let step = said(&mut maker).unwrap_or_else(|| panic!("a reply"));
    typer.said(now, number.into(), &step, &me);
    let actions = typer.take_actions();
    let Some(TyperAction::Say(_, CodeStep::Prove(proof))) = actions.first() else { return actions };
    maker.prove(1, proof, &identity(8));
    let step = said(&mut maker).unwrap_or_else(|| panic!("an answer"));
    typer.said(now, number.into(), &step, &me);
    typer.take_actions()
}

fn failed(actions: &[TyperAction]) -> Option<CodeFailure> {
    actions.iter().find_map(|action| match action {
        TyperAction::Failed(why) => Some(*why),
        _ => None,
    })
}

#[test]
fn whoever_proves_the_code_is_the_one_even_after_one_that_did_not() {
    let now = Instant::now();
    let mut typer = typer(now);
    for number in [1, 2] {
        typer.found(now, found(number));
        typer.up(now, number.into(), channel_to(number));
    }
    let actions = typer.take_actions();
    assert_eq!(actions.iter().filter(|action| **action == TyperAction::Found).count(), 1);
    assert_eq!(actions.iter().filter(|action| matches!(action, TyperAction::Dial(..))).count(), 2);
    let actions = answer(&mut typer, now, 1, WRONG, Wants::Send);
    assert_eq!(actions, [TyperAction::Close(1)], "and nothing is reported yet");
    let actions = answer(&mut typer, now, 2, RIGHT, Wants::Send);
    assert_eq!(actions, [TyperAction::Proven(2, identity(8).peer_id())]);
    assert_eq!(typer.until(), None);
}

#[test]
fn a_wrong_code_is_reported_when_nobody_else_is_found() {
    let now = Instant::now();
    let mut typer = typer(now);
    typer.found(now, found(1));
    typer.up(now, 1, channel_to(1));
    answer(&mut typer, now, 1, WRONG, Wants::Send);
    let until = typer.until().unwrap_or(now);
    assert!(until < now + Duration::from_secs(1), "a person waits for that");
    typer.handle_timeout(until);
    assert_eq!(failed(&typer.take_actions()), Some(CodeFailure::WrongCode));
}

#[test]
fn nobody_there_is_said_in_time_and_so_is_nobody_who_answers() {
    let now = Instant::now();
    let mut alone = typer(now);
    assert_eq!(alone.until(), Some(now + WITHIN));
    alone.handle_timeout(now + WITHIN);
    assert_eq!(failed(&alone.take_actions()), Some(CodeFailure::NotFound));
    let mut typer = typer(now);
    typer.found(now, found(1));
    for _ in 0..3 {
        let until = typer.until().unwrap_or(now);
        typer.handle_timeout(until);
    }
    assert_eq!(failed(&typer.take_actions()), Some(CodeFailure::NoAnswer));
}

#[test]
fn whoever_lets_a_call_through_is_dialled_again_though_not_for_ever() {
    let now = Instant::now();
    let at = |port| Found { addresses: vec![SocketAddr::from(([10, 0, 0, 1], port))], ..found(1) };
    let dials = |typer: &mut Typer| {
        let actions = typer.take_actions();
        let dialled = actions.into_iter().filter_map(|action| match action {
            TyperAction::Dial(_, addresses) => Some(addresses),
            _ => None,
        });
        dialled.collect::<Vec<_>>()
    };
    let mut typer = typer(now);
    typer.called(now, at(1));
    assert_eq!(dials(&mut typer), [at(1).addresses]);
    for number in 1..10 {
        let later = typer.until().unwrap();
        typer.handle_timeout(later);
        typer.found(later, at(1));
        assert!(dials(&mut typer).is_empty(), "being found is nothing new");
        typer.called(later, at(2));
        let again = if number < 4 { vec![at(2).addresses] } else { Vec::new() };
        assert_eq!(dials(&mut typer), again, "time {number}");
        if again.is_empty() {
            break;
        }
    }
    // Whoever had another code has had their try.
    let mut typer = self::typer(now);
    typer.called(now, at(1));
    typer.up(now, 1, channel_to(1));
    answer(&mut typer, now, 1, WRONG, Wants::Send);
    typer.called(now, at(2));
    assert!(dials(&mut typer).is_empty());
}

#[test]
fn another_purpose_is_believed_of_who_has_proven_the_code_only() {
    let now = Instant::now();
    let mut typer = typer(now);
    typer.found(now, found(1));
    typer.up(now, 1, channel_to(1));
    let actions = answer(&mut typer, now, 1, RIGHT, Wants::Meet);
    assert_eq!(failed(&actions), Some(CodeFailure::DifferentPurpose));
}

#[test]
fn no_more_than_thirty_two_get_a_proof() {
    let now = Instant::now();
    let mut typer = typer(now);
    let cards: BTreeMap<_, _> = (0..1000).map(|number| (found(number).card, number)).collect();
    let dials = |actions: Vec<TyperAction>| {
        actions.into_iter().filter_map(|action| match action {
            TyperAction::Dial(card, _) => cards.get(&card).copied(),
            _ => None,
        })
    };
    let mut dialled = VecDeque::new();
    (0..1000).for_each(|number| typer.found(now, found(number)));
    let mut proofs = 0;
    let why = loop {
        let actions = typer.take_actions();
        if let Some(why) = failed(&actions) {
            break why;
        }
        dialled.extend(dials(actions));
        assert!(dialled.len() <= 16, "no crowd of dials");
        // One after the other, each has another code.
        let Some(number) = dialled.pop_front() else { panic!("nobody is dialled after {proofs}") };
        typer.up(now, number.into(), channel_to(number));
        dialled.extend(dials(typer.take_actions()));
        let actions = answer(&mut typer, now, number, WRONG, Wants::Send);
        if let Some(why) = failed(&actions) {
            break why;
        }
        dialled.extend(dials(actions));
        proofs += 1;
    };
    assert_eq!((proofs, why), (32, CodeFailure::TooMany));
}

proptest! {
    #[test]
    fn whatever_somebody_says_a_typer_comes_to_an_end(steps in prop::collection::vec((0..3_u16, 0..5_u8), 0..20)) {
        let mut now = Instant::now();
        let mut typer = typer(now);
        let me = identity(9);
        for number in 0..3 {
            typer.found(now, found(number));
            typer.up(now, number.into(), channel_to(number));
        }
        for (number, kind) in steps {
            typer.ask(now, &bytes(kind));
            let proof = || Proof { confirmation: [kind; 32], identity: vec![kind; 100] };
            let step = match kind {
                0 => CodeStep::Reply(Begun::new(&code(WRONG), channel_to(number), &bytes(1)).share()),
                1 => CodeStep::Begin([1; 32]),
                2 => CodeStep::Proven(proof()),
                3 => CodeStep::Prove(proof()),
                _ => CodeStep::Refuse(CodeRefusal::Busy),
            };
            typer.said(now, number.into(), &step, &me);
        }
        for _ in 0..100 {
            let Some(until) = typer.until() else { break };
            now = now.max(until);
            typer.ask(now, &bytes(1));
            typer.handle_timeout(now);
        }
        prop_assert_eq!(typer.until(), None);
        let proven = |action: &TyperAction| matches!(action, TyperAction::Proven(..));
        prop_assert!(!typer.take_actions().iter().any(proven));
    }
}
