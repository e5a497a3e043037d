//! Contacts who are trusted to send without asking, into a folder of theirs, up to a size.

use std::path::PathBuf;

use super::bench::{Bench, file, id};
use crate::link::LinkKey;
use crate::wire::Answer;
use crate::{Decision, Event, FromContacts, Refusal, Rules, Strangers, Trust};

/// A contact who is trusted with so many bytes, where all other offers of contacts are asked about.
fn trusted(up_to: Option<u64>, change: impl FnOnce(&mut Rules)) -> (Bench, usize, LinkKey) {
    let mut bench = Bench::new(|rules| {
        rules.contacts = FromContacts::Ask;
        rules.attended = true;
        change(rules);
    });
    let (bob, link) = bench.contact();
    let peer = bench.peer(bob);
    let trust = Trust { into: "/bobs".into(), up_to };
    bench.node.trust_contact(bench.now, peer, Some(trust)).unwrap();
    (bench, bob, link)
}

/// What was decided about the offers, and the folders.
fn decisions(bench: &Bench) -> Vec<(Decision, PathBuf)> {
    let offered = bench.events.iter().filter_map(|event| match event {
        Event::Offered { decision, into, .. } => Some((*decision, into.clone())),
        _ => None,
    });
    offered.collect()
}

#[test]
fn an_offer_within_the_size_is_taken_into_their_folder_and_a_larger_one_is_asked_about() {
    let (mut bench, bob, link) = trusted(Some(100), |_| {});
    bench.offer(bob, link, id(1), vec![file("a", 100)]);
    bench.offer(bob, link, id(2), vec![file("b", 100), file("c", 1)]);
    assert_eq!(
        decisions(&bench),
        [(Decision::Accepted, "/bobs".into()), (Decision::Ask, "/received".into())]
    );
    assert!(bench.accepted(bob, id(1)));
    assert_eq!(bench.answers(bob, id(2)), []);
}

#[test]
fn where_nobody_is_there_to_ask_what_trust_does_not_cover_is_refused() {
    for contacts in [FromContacts::Ask, FromContacts::Accept] {
        let (mut bench, bob, link) = trusted(Some(100), |rules| {
            rules.attended = false;
            rules.contacts = contacts;
        });
        bench.offer(bob, link, id(1), vec![file("a", 101)]);
        assert_eq!(bench.answers(bob, id(1)), [Answer::Refuse(Refusal::Declined)]);
        bench.offer(bob, link, id(2), vec![file("a", 1)]);
        assert!(bench.accepted(bob, id(2)));
    }
}

#[test]
fn without_a_size_any_offer_is_taken() {
    let (mut bench, bob, link) = trusted(None, |_| {});
    bench.offer(bob, link, id(1), vec![file("a", u64::MAX / 2)]);
    assert!(bench.accepted(bob, id(1)));
}

#[test]
fn a_folder_that_was_named_for_what_comes_now_counts_more() {
    let (mut bench, bob, link) = trusted(Some(100), |rules| rules.into_counts = true);
    bench.offer(bob, link, id(1), vec![file("a", 1)]);
    assert_eq!(decisions(&bench), [(Decision::Accepted, "/received".into())]);
}

#[test]
fn trust_ends_when_it_is_taken_back_and_when_the_contact_is_blocked() {
    let (mut bench, bob, link) = trusted(Some(100), |_| {});
    let peer = bench.peer(bob);
    bench.node.trust_contact(bench.now, peer, None).unwrap();
    bench.offer(bob, link, id(1), vec![file("a", 1)]);
    assert_eq!(decisions(&bench), [(Decision::Ask, "/received".into())]);

    let (mut bench, bob, _) = trusted(Some(100), |_| {});
    let peer = bench.peer(bob);
    bench.node.block_contact(bench.now, peer, true).unwrap();
    bench.node.block_contact(bench.now, peer, false).unwrap();
    assert_eq!(bench.node.contacts()[0].trust, None);
}

#[test]
fn trust_that_is_taken_back_while_the_disk_is_asked_does_not_count() {
    let (mut bench, bob, link) = trusted(Some(100), |_| {});
    bench.hold_kind = Some("examine");
    bench.offer(bob, link, id(1), vec![file("a", 1)]);
    let peer = bench.peer(bob);
    bench.node.trust_contact(bench.now, peer, None).unwrap();
    bench.release();
    assert_eq!(decisions(&bench), [(Decision::Ask, "/received".into())]);
    assert!(!bench.asked.contains(&"prepare"));
}

#[test]
fn who_is_no_contact_is_not_trusted_and_who_is_accepted_as_a_stranger_is_as_a_contact() {
    let (mut bench, bob, link) = trusted(Some(100), |rules| rules.attended = false);
    let (stranger, theirs) = bench.stranger();
    bench.offer(stranger, theirs, id(1), vec![file("a", 1)]);
    assert_eq!(bench.answers(stranger, id(1)), [Answer::Refuse(Refusal::Stranger)]);
    let peer = bench.peer(stranger);
    let trust = Trust { into: "/x".into(), up_to: None };
    assert!(bench.node.trust_contact(bench.now, peer, Some(trust)).is_err());
    let rules = Rules { into: Some("/received".into()), strangers: Strangers::Accept, ..Rules::default() };
    bench.node.set_rules(Rules { contacts: FromContacts::Ask, ..rules });
    bench.offer(bob, link, id(2), vec![file("a", 1000)]);
    assert!(bench.accepted(bob, id(2)));
}
