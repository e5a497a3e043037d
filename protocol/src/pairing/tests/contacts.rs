//! Safety words, and what becomes of contacts whose key changes.

#![allow(clippy::disallowed_methods, reason = "tests, of what is known")]

use super::super::{Contacts, safety_words};
use crate::entropy::{Entropy, Seed};
use crate::identity::{Identity, PeerId};
use crate::storage::{Change, Table};
use crate::{ContactError, Trust};

fn peer(number: u8) -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity")).peer_id()
}

#[test]
fn safety_words_are_the_same_for_both_and_others_for_others() {
    let (a, b, c) = (peer(5), peer(6), peer(7));
    let words = safety_words(&a, &b);
    assert!(words.len() >= 6);
    assert_eq!(words, safety_words(&b, &a));
    assert_ne!(words, safety_words(&a, &c));
    assert_ne!(words, safety_words(&a, &a));
}

/// Everything that a contact can be, which none of it may survive a change of its key.
fn known() -> Contacts {
    let mut contacts = Contacts::default();
    contacts.add(peer(0), peer(1), "Bob").unwrap();
    contacts.verify(peer(1), true).unwrap();
    contacts.trust(peer(1), Some(Trust { into: "/bobs".into(), up_to: None })).unwrap();
    contacts
}

#[test]
fn a_name_goes_to_another_key_only_when_that_is_said_and_without_what_was_promised_to_the_old_one() {
    let mut contacts = known();
    assert_eq!(contacts.add(peer(0), peer(2), "bob").unwrap_err(), ContactError::NameTaken);
    assert_eq!(contacts.by_name("bob"), Some(peer(1)));
    let changes = contacts.replace(peer(0), peer(2), "bob").unwrap();
    let [Change::Remove { table: Table::Contacts, key }, Change::Put(put)] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!((key.as_slice(), put.key.as_slice()), (&peer(1).as_bytes()[..], &peer(2).as_bytes()[..]));
    let [bob] = contacts.list().try_into().unwrap();
    assert_eq!((bob.peer, bob.name.as_str(), bob.verified, bob.trust), (peer(2), "bob", false, None));
    // What is on the disk says the same.
    let mut loaded = Contacts::default();
    loaded.load(put);
    assert_eq!(loaded.list(), contacts.list());
}

#[test]
fn another_name_for_the_same_key_keeps_what_was_promised_to_it() {
    let mut contacts = known();
    contacts.add(peer(0), peer(1), "Robert").unwrap();
    assert_eq!(contacts.replace(peer(0), peer(1), "Rob").unwrap().len(), 1);
    let [rob] = contacts.list().try_into().unwrap();
    assert!(rob.verified && rob.trust.is_some() && rob.name == "Rob");
}

#[test]
fn what_cannot_be_replaced_leaves_everything_as_it_was() {
    let mut contacts = known();
    assert_eq!(contacts.replace(peer(0), peer(0), "Bob").unwrap_err(), ContactError::Oneself);
    assert_eq!(contacts.replace(peer(0), peer(2), "hi1").unwrap_err(), ContactError::BadName);
    assert_eq!(contacts.verify(peer(2), true).unwrap_err(), ContactError::Unknown);
    assert_eq!(contacts.list(), known().list());
}
