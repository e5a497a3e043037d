//! The conversation machine by itself: nothing is lost, nothing shown twice, nobody is written to death.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::unreachable,
    reason = "tests, of numbers that are known"
)]

use super::conversation::{Chat, ChatAction, ChatTicket};
use super::*;
use crate::entropy::{Entropy, Seed};
use crate::identity::{Identity, PeerId};
use crate::storage::{Change, Record, Table};
use crate::wire::{Control, Envelope, NewContent, ReceiptState};
use crate::{MessageState, SendError, Standing, Strangers};

const WEEK: u64 = 7 * 24 * 3_600_000;
const NOW: u64 = 1_800_000_000_000;

fn identity(number: u16) -> Identity {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    Identity::generate(&mut Entropy::new(Seed::new(seed)).stream("identity"))
}

fn id(number: u16) -> MessageId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_le_bytes());
    MessageId(id)
}

fn envelope(from: u16, number: u16) -> Envelope {
    let recipient = identity(0).peer_id();
    let new = NewContent { id: id(number), recipient, sequence: 1, parents: vec![], time: NOW, text: "hi" };
    Envelope::seal(&identity(from), &new)
}

fn sent(actions: &[ChatAction]) -> usize {
    actions.iter().filter(|action| matches!(action, ChatAction::Send(_, Control::Message(_)))).count()
}

fn states(actions: &[ChatAction]) -> Vec<MessageState> {
    let states = actions.iter().filter_map(|action| match action {
        ChatAction::State { state, .. } => Some(*state),
        _ => None,
    });
    states.collect()
}

fn refused(actions: &[ChatAction]) -> bool {
    let is_refusal = |action: &ChatAction| {
        matches!(action, ChatAction::Send(_, Control::Receipt { state: ReceiptState::Refused, .. }))
    };
    actions.iter().any(is_refusal)
}

struct Case {
    chat: Chat,
    me: Identity,
    bob: PeerId,
}

impl Case {
    fn new() -> Self {
        let me = identity(0);
        Self { chat: Chat::new(me.peer_id()), bob: identity(1).peer_id(), me }
    }

    fn send(&mut self, number: u16, linked: bool) -> Result<(), SendError> {
        self.chat.send(&self.me, id(number), self.bob, "hello", NOW, linked)
    }

    fn arrive(&mut self, from: u16, number: u16, standing: Standing, time: u64) -> Vec<ChatAction> {
        let peer = identity(from).peer_id();
        self.chat.arrived(peer, &envelope(from, number), standing, Strangers::Ask, time).unwrap();
        self.chat.take_actions()
    }
}

/// The records that a disk would hold after these actions.
fn written(actions: &[ChatAction]) -> Vec<Record> {
    let changes = actions.iter().filter_map(|action| match action {
        ChatAction::Commit(changes, _) => Some(changes.clone()),
        _ => None,
    });
    let records = changes.flatten().filter_map(|change| match change {
        Change::Put(record) | Change::PutNew(record) => Some(record),
        Change::Remove { .. } => None,
    });
    records.collect()
}

#[test]
fn what_is_not_linked_waits_and_goes_when_it_is() {
    let mut case = Case::new();
    case.send(1, false).unwrap();
    assert_eq!(sent(&case.chat.take_actions()), 0);
    case.chat.linked(case.bob);
    assert_eq!(sent(&case.chat.take_actions()), 1);
    case.chat.receipt(case.bob, id(1), ReceiptState::Stored);
    assert_eq!(states(&case.chat.take_actions()), [MessageState::Delivered]);
    case.chat.receipt(case.bob, id(1), ReceiptState::Stored);
    assert_eq!(states(&case.chat.take_actions()), [], "a second receipt says nothing new");
    assert!(!case.chat.awaits(case.bob));
}

#[test]
fn what_has_no_receipt_is_sent_again_on_the_next_link() {
    let mut case = Case::new();
    case.send(1, true).unwrap();
    assert_eq!(sent(&case.chat.take_actions()), 1);
    case.chat.unlinked(case.bob);
    case.chat.linked(case.bob);
    assert_eq!(sent(&case.chat.take_actions()), 1);
}

#[test]
fn what_was_stored_is_sent_after_a_new_start_under_the_same_number() {
    let mut case = Case::new();
    case.send(1, false).unwrap();
    let records = written(&case.chat.take_actions());
    let mut again = Case::new();
    records.iter().for_each(|record| again.chat.load(record));
    assert!(again.chat.awaits(again.bob) && again.chat.has_written_to(again.bob));
    again.chat.linked(again.bob);
    assert_eq!(sent(&again.chat.take_actions()), 1);
    again.send(2, true).unwrap();
    again.chat.receipt(again.bob, id(1), ReceiptState::Stored);
    again.chat.receipt(again.bob, id(2), ReceiptState::Stored);
    assert_eq!(
        states(&again.chat.take_actions()),
        [MessageState::Delivered; 2],
        "neither took the other's place"
    );
}

#[test]
fn no_more_than_a_window_is_under_way_and_a_receipt_moves_it() {
    let mut case = Case::new();
    for number in 0..200 {
        case.send(number, true).unwrap();
    }
    assert_eq!(sent(&case.chat.take_actions()), 64);
    case.chat.receipt(case.bob, id(0), ReceiptState::Stored);
    assert_eq!(sent(&case.chat.take_actions()), 1);
}

#[test]
fn the_outbox_is_bounded() {
    let mut case = Case::new();
    let taken = (0..2000).take_while(|number| case.send(*number, false).is_ok()).count();
    assert_eq!(taken, 1000);
    assert_eq!(case.send(5000, false), Err(SendError::OutboxFull));
}

#[test]
fn an_unreachable_peers_messages_are_said_to_wait_once_and_only_when_stored() {
    let mut case = Case::new();
    case.send(1, false).unwrap();
    case.chat.unreachable(case.bob);
    assert_eq!(states(&case.chat.take_actions()), []);
    case.chat.committed(ChatTicket::Queued(id(1)), Some(true));
    assert_eq!(states(&case.chat.take_actions()), [MessageState::Waiting]);
    case.chat.unreachable(case.bob);
    assert_eq!(states(&case.chat.take_actions()), []);
}

#[test]
fn a_receipt_is_given_only_for_what_is_stored() {
    let mut case = Case::new();
    let mut actions = case.arrive(1, 1, Standing::Contact, NOW);
    assert!(matches!(actions.as_slice(), [ChatAction::Commit(..)]));
    let Some(ChatAction::Commit(_, ticket)) = actions.pop() else { unreachable!() };
    case.chat.committed(ticket.clone(), None);
    assert!(case.chat.take_actions().is_empty());
    case.chat.committed(ticket.clone(), Some(true));
    assert_eq!(case.chat.take_actions().len(), 2);
    case.chat.committed(ticket, Some(false));
    let again = case.chat.take_actions();
    assert!(matches!(again.as_slice(), [ChatAction::Send(_, Control::Receipt { .. })]), "not shown twice");
}

#[test]
fn a_stranger_may_ask_once_a_week() {
    let mut case = Case::new();
    assert!(!refused(&case.arrive(1, 1, Standing::Stranger, NOW)));
    assert!(refused(&case.arrive(1, 2, Standing::Stranger, NOW + WEEK - 1)));
    assert!(!refused(&case.arrive(1, 3, Standing::Stranger, NOW + WEEK)));
}

#[test]
fn strangers_all_together_are_bounded_and_the_bound_expires() {
    let mut case = Case::new();
    let taken = (1..150).filter(|from| !refused(&case.arrive(*from, 1, Standing::Stranger, NOW))).count();
    assert_eq!(taken, 100);
    assert!(!refused(&case.arrive(200, 1, Standing::Stranger, NOW + WEEK)));
}

#[test]
fn a_clock_that_was_ahead_once_does_not_silence_a_stranger_for_good() {
    let mut case = Case::new();
    case.arrive(1, 1, Standing::Stranger, NOW + 1000 * WEEK);
    assert!(!refused(&case.arrive(1, 2, Standing::Stranger, NOW + 2 * WEEK)));
}

#[test]
fn what_arrives_damages_no_record_and_none_is_taken_from_a_damaged_one() {
    let mut case = Case::new();
    for table in [Table::Outbox, Table::Peers] {
        for key in [vec![], vec![1; 16], identity(1).peer_id().as_bytes().to_vec()] {
            case.chat.load(&Record { table, key, value: vec![0xff; 40] });
        }
    }
    assert_eq!(case.chat.awaited().count(), 0);
}
