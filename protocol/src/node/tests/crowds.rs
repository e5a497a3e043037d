//! Crowds of strangers, and single peers that take their time: each gets its share and no more.

use std::time::Duration;

use super::bench::{Bench, file, id};
use super::exhaustion::long_entries;
use super::rules::offer_head;
use crate::link::LinkKey;
use crate::transfer::Entry;
use crate::wire::{Answer, Control, encode_part};
use crate::{Event, LinkLoss, Refusal, Strangers};

fn is_violation(event: &Event) -> bool {
    matches!(event, Event::Disconnected { why: LinkLoss::Broken, .. })
}

fn parts(mut entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !entries.is_empty() {
        let (frame, count) = encode_part(entries);
        bytes.extend(frame);
        entries = &entries[count..];
    }
    bytes
}

#[test]
fn strangers_all_together_have_sixteen_places_for_offers() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    for number in 0..17 {
        let (stranger, link) = bench.stranger();
        bench.open_raw(stranger, link, offer_head(id(number), 1, 5));
    }
    for number in 0..16_u8 {
        assert_eq!(bench.answers(usize::from(number), id(number)), [], "{number}");
    }
    assert_eq!(bench.answers(16, id(16)), [Answer::Refuse(Refusal::Busy)]);
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(200), vec![file("a", 5)]);
    assert!(bench.accepted(bob, id(200)), "{:?}", bench.answers(bob, id(200)));
}

#[test]
fn an_offer_of_too_many_entries_is_refused_by_its_head() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    let (stranger, strangers) = bench.stranger();
    let (bob, bobs) = bench.contact();
    for (peer, link, number, most) in [(stranger, strangers, 1, 20_000), (bob, bobs, 3, 500_000)] {
        bench.open_raw(peer, link, offer_head(id(number), most, 0));
        assert_eq!(bench.answers(peer, id(number)), [], "{most}");
        bench.open_raw(peer, link, offer_head(id(number + 1), most + 1, 0));
        assert_eq!(bench.answers(peer, id(number + 1)), [Answer::Refuse(Refusal::TooMany)], "{most}");
    }
    // A program that does not know this answer gets the one that it knows.
    let older = bench.add();
    bench.peers[older].revision = Some(0);
    let link = bench.link(older);
    bench.open_raw(older, link, offer_head(id(5), 20_001, 0));
    assert_eq!(bench.answers(older, id(5)), [Answer::Refuse(Refusal::Busy)]);
}

#[test]
fn a_strangers_manifest_of_more_than_four_mebibytes_ends_the_link() {
    let mut bench = Bench::new(|rules| rules.strangers = Strangers::Ask);
    let send = |bench: &mut Bench, peer: usize, link: LinkKey, number: u8, count: u32| {
        let bytes = [offer_head(id(number), 20_000, 0), parts(&long_entries(count))].concat();
        bench.open_raw(peer, link, bytes);
        bench.run_for(Duration::from_secs(1));
    };
    let (stranger, link) = bench.stranger();
    send(&mut bench, stranger, link, 1, 900);
    assert_eq!(bench.count(is_violation), 0, "less is read");
    assert!(bench.node.incoming.contains_key(&id(1)));
    let (contact, contacts) = bench.contact();
    send(&mut bench, contact, contacts, 2, 1_200);
    assert_eq!(bench.count(is_violation), 0, "a contact may have more");
    let (stranger, link) = bench.stranger();
    send(&mut bench, stranger, link, 3, 1_200);
    assert_eq!(bench.count(is_violation), 1);
    assert_eq!(bench.peers[stranger].down, [link]);
    assert!(!bench.node.incoming.contains_key(&id(3)));
}

#[test]
fn a_manifest_that_takes_longer_than_five_minutes_is_refused() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let channel = bench.open_raw(mallory, link, offer_head(id(1), 100, 0));
    for minute in 0..4 {
        bench.run_for(Duration::from_secs(70));
        // It goes on, a little at a time.
        bench.write(mallory, link, channel, parts(&[file(&format!("{minute}"), 0)]));
    }
    assert_eq!(bench.answers(mallory, id(1)), []);
    bench.run_for(Duration::from_secs(25));
    assert_eq!(bench.answers(mallory, id(1)), [Answer::Refuse(Refusal::BadManifest)]);
    assert!(bench.node.incoming.is_empty());
}

#[test]
fn strangers_all_together_have_128_links_and_a_contact_still_gets_in() {
    let mut bench = Bench::new(|_| {});
    let mut links = Vec::new();
    for _ in 0..129 {
        let stranger = bench.add();
        links.extend(bench.dial(stranger));
        bench.run_for(Duration::from_millis(50));
    }
    for (number, link) in (0..128).zip(&links) {
        assert_eq!((&bench.peers[number].up, bench.peers[number].down.len()), (&vec![*link], 0), "{number}");
    }
    assert_eq!(bench.peers[128].down, links[128..]);
    let (bob, link) = bench.contact();
    bench.run_for(Duration::from_secs(1));
    assert!(!bench.peers[bob].down.contains(&link));
}

#[test]
fn addresses_prove_themselves_first_from_the_33rd_first_packet_of_a_second_on() {
    let mut bench = Bench::new(|_| {});
    // No time passes.
    for number in 0..33 {
        assert_eq!(bench.retries, 0, "{number}");
        let peer = bench.add();
        bench.dial(peer);
        bench.settle();
    }
    assert_eq!(bench.retries, 1);
    bench.run_for(Duration::from_millis(30));
    for peer in &bench.peers {
        assert_eq!((peer.up.len(), peer.down.len()), (1, 0), "whoever proves it gets in");
    }
    bench.run_for(Duration::from_secs(1));
    bench.stranger();
    assert_eq!(bench.retries, 1, "a new second");
}

#[test]
fn before_consent_a_link_holds_no_more_than_half_a_mebibyte_that_nobody_reads() {
    const PIECE: usize = 32 * 1024;
    let mut bench = Bench::new(|_| {});
    let (stranger, link) = bench.stranger();
    // The user fetches nothing, so the node reads nothing.
    bench.fetch_events = false;
    while bench.node.events.len() < crate::node::MAX_EVENTS {
        bench.node.event(Event::Ready);
    }
    let mut taken = 0;
    for _ in 0..16 {
        let channel = bench.peers[stranger].links.open(link).unwrap();
        for _ in 0..4 {
            bench.write(stranger, link, channel, vec![0; PIECE]);
            if !bench.peers[stranger].links.is_writable(link, channel) {
                break;
            }
            taken += PIECE;
        }
    }
    assert!(bench.peers[stranger].down.is_empty());
    assert!(taken > 256 * 1024 && taken <= 512 * 1024, "{taken}");
}

#[test]
fn a_peer_that_does_not_read_its_control_channel_is_cut_off() {
    const MEBI: usize = 1024 * 1024;
    let mut bench = Bench::new(|_| {});
    let (mallory, _) = bench.contact();
    bench.peers[mallory].reads_no_control = true;
    let peer = bench.peer(mallory);
    let link = bench.node.links.to(peer).unwrap();
    let message = Control::Hello { agent: "x".repeat(60_000), revision: 0 };
    let mut said = 0;
    while bench.node.links.peer(link).is_some() && said < 16 * MEBI {
        bench.node.say(bench.now, link, &message);
        bench.run_for(Duration::from_millis(30));
        said += message.encode().len();
    }
    assert!(said > 4 * MEBI && said < 5 * MEBI, "{said}");
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.count(is_violation), 1, "{:?}", bench.events);
    assert!(bench.node.links.to(peer).is_none());
}
