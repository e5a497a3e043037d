//! Symbolic links in offers: to whom they are offered, and what is refused.

use super::bench::{Bench, directory, file, id};
use crate::transfer::{Entry, EntryKind, LinkTarget};
use crate::wire::{Answer, Control, encode_offer, encode_part};
use crate::{Event, Refusal, TransferFailure};

fn link_to(at: &str, target: &str) -> Entry {
    Entry { kind: EntryKind::Link(LinkTarget::parse(target).unwrap()), ..file(at, 0) }
}

/// A node that offers a directory with a link in it to a contact that says so much in its hello.
fn offering(revision: Option<u16>) -> (Bench, usize, crate::link::LinkKey, crate::transfer::TransferId) {
    let mut bench = Bench::new(|_| {});
    bench.scanned = Some(vec![directory("d"), link_to("d/l", "x")]);
    let bob = bench.add();
    let to = bench.peer(bob);
    bench.node.add_contact(bench.now, to, "bob").unwrap();
    bench.peers[bob].revision = revision;
    let link = bench.link(bob);
    let transfer = bench.node.offer_with_links(bench.now, to, vec!["/home/d".into()]).unwrap();
    bench.settle();
    (bench, bob, link, transfer)
}

#[test]
fn who_knows_links_is_offered_them() {
    let (bench, bob, link, _) = offering(Some(1));
    assert_eq!(bench.peers[bob].links.readable(link).len(), 1, "the manifest");
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 0);
}

#[test]
fn who_is_too_old_for_links_is_not_offered_them_and_the_user_is_told() {
    let (bench, bob, link, transfer) = offering(Some(0));
    assert_eq!(bench.peers[bob].links.readable(link), []);
    let is_told = |event: &Event| matches!(event, Event::Failed { transfer: of, why: TransferFailure::PeerTooOld, .. } if *of == transfer);
    assert_eq!(bench.count(is_told), 1, "{:?}", bench.events);
}

#[test]
fn links_wait_for_the_other_sides_hello() {
    let (mut bench, bob, link, _) = offering(None);
    assert_eq!(bench.peers[bob].links.readable(link), []);
    bench.say(bob, link, &Control::Hello { agent: "late".into(), revision: 1 });
    assert_eq!(bench.peers[bob].links.readable(link).len(), 1, "the manifest");
}

#[test]
fn a_link_that_leads_out_or_has_something_below_it_is_a_bad_manifest() {
    let hostile = [
        vec![directory("d"), link_to("d/l", "../x")],
        vec![directory("d"), link_to("d/l", "../../../etc/passwd")],
        vec![link_to("l", "x"), directory("d")],
        vec![directory("d"), link_to("d/l", "."), file("d/l/f", 1)],
    ];
    for (number, entries) in (0..).zip(hostile) {
        let mut bench = Bench::new(|_| {});
        let (mallory, link) = bench.contact();
        let bytes = entries.iter().map(Entry::size).sum();
        let honest =
            crate::transfer::Manifest::new("x".into(), vec![directory("d"), file("e", bytes)]).unwrap();
        // An honest head, so that nothing but the entries is wrong.
        let head = if entries.len() == 2 {
            encode_offer(id(number), &honest)
        } else {
            let more = vec![directory("d"), file("e", bytes), file("f", 0)];
            encode_offer(id(number), &crate::transfer::Manifest::new("x".into(), more).unwrap())
        };
        let (part, count) = encode_part(&entries);
        assert_eq!(count, entries.len());
        let channel = bench.open_raw(mallory, link, [head, part].concat());
        bench.finish(mallory, link, channel);
        assert_eq!(bench.answers(mallory, id(number)), [Answer::Refuse(Refusal::BadManifest)]);
        assert!(!bench.asked.contains(&"prepare"), "nothing is written");
    }
}

#[test]
fn what_cannot_be_made_on_this_disk_is_told_and_harms_nothing() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.links_allowed = false;
    let entries = vec![directory("d"), link_to("d/l", "x")];
    let manifest = crate::transfer::Manifest::new("x".into(), entries.clone()).unwrap();
    let root = crate::transfer::hash::collection_root(&manifest, &Default::default());
    bench.offer(bob, link, id(1), entries);
    assert!(bench.accepted(bob, id(1)));
    bench.say(bob, link, &Control::Complete { transfer: id(1), root });
    let left_out = |event: &Event| matches!(event, Event::LinksLeftOut { links, .. } if *links == [std::path::PathBuf::from("/received/d/l")]);
    assert_eq!(bench.count(left_out), 1, "{:?}", bench.events);
    assert_eq!(bench.count(|event| matches!(event, Event::Finished { .. })), 1);
    assert_eq!(bench.asked.iter().filter(|kind| **kind == "seal").count(), 1);
}
