//! No peer can take all there is, and what it took comes back.

use std::time::Duration;

use super::bench::{Bench, file, id};
use super::rules::offer_head;
use crate::link::LinkKey;
use crate::transfer::hash::{CHUNK, chunk_value};
use crate::transfer::{Entry, TransferId};
use crate::wire::{Answer, CancelReason, Chunk, Control, encode_part};
use crate::{Event, Refusal};

fn film_head(size: u64, index: u64, content: &[u8]) -> Chunk {
    let offset = index * CHUNK;
    Chunk {
        file: 0,
        length: u32::try_from(content.len()).unwrap(),
        offset,
        value: chunk_value(size, offset, content),
        last: false,
    }
}

/// Announces `count` chunks of one accepted file on channels of their own, and sends one byte of each.
fn begin_chunks(bench: &mut Bench, peer: usize, link: LinkKey, transfer: TransferId, count: u64) {
    let size = 64 * CHUNK;
    bench.offer(peer, link, transfer, vec![file(&format!("film {transfer}"), size)]);
    assert!(bench.accepted(peer, transfer));
    let content = vec![1; CHUNK as usize];
    for index in 0..count {
        bench.begin_chunk(peer, link, transfer, &film_head(size, index, &content), &[1]);
    }
}

#[test]
fn chunks_half_arrived_on_a_lost_link_free_their_room() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    begin_chunks(&mut bench, bob, link, id(1), 4);
    assert_eq!(bench.node.inflows.len(), 4);
    bench.peers[bob].links.abandon(bench.now, link);
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.count(|event| matches!(event, Event::Disconnected { .. })), 1);
    assert_eq!(bench.node.shares.writing(), 0);
    assert!(bench.node.inflows.is_empty());
}

#[test]
fn chunks_half_arrived_of_a_cancelled_transfer_free_their_room() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    begin_chunks(&mut bench, bob, link, id(1), 4);
    bench.say(bob, link, &Control::Cancel { transfer: id(1), reason: CancelReason::Cancelled });
    assert_eq!(bench.node.shares.writing(), 0);
    assert!(bench.node.inflows.is_empty());
}

#[test]
fn chunks_half_arrived_on_a_link_that_broke_the_protocol_free_their_room() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    begin_chunks(&mut bench, bob, link, id(1), 4);
    bench.say_raw(bob, link, vec![0; 4]);
    assert_eq!(bench.node.shares.writing(), 0);
    assert!(bench.node.inflows.is_empty());
}

#[test]
fn chunks_that_never_arrive_do_not_stop_other_peers() {
    let mut bench = Bench::new(|_| {});
    let (mallory, first) = bench.contact();
    let links = [first, bench.link(mallory), bench.link(mallory), bench.link(mallory)];
    for (number, link) in (1..).zip(links) {
        begin_chunks(&mut bench, mallory, link, id(number), 15);
    }
    let (bob, link) = bench.contact();
    let content = vec![1; CHUNK as usize];
    bench.offer(bob, link, id(99), vec![file("photo", CHUNK)]);
    bench.begin_chunk(bob, link, id(99), &film_head(CHUNK, 0, &content), &content);
    bench.run_for(Duration::from_secs(60));
    assert!(bench.asked.contains(&"write"), "bob's chunk is written");
}

#[test]
fn manifests_that_never_end_do_not_keep_contacts_out() {
    let mut bench = Bench::new(|_| {});
    for number in 0..40 {
        let (stranger, link) = bench.stranger();
        for offer in 0..2 {
            bench.open_raw(stranger, link, offer_head(id(number * 2 + offer), 1, 5));
        }
    }
    bench.run_for(Duration::from_secs(60));
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(200), vec![file("a", 5)]);
    assert!(bench.accepted(bob, id(200)), "{:?}", bench.answers(bob, id(200)));
}

#[test]
fn one_contact_does_not_take_every_place_for_offers() {
    let mut bench = Bench::new(|_| {});
    let (mallory, first) = bench.contact();
    let mut links = vec![first];
    links.extend((0..3).map(|_| bench.link(mallory)));
    for number in 0..40_u8 {
        let link = links[usize::from(number) / 10];
        bench.open_raw(mallory, link, offer_head(id(number), 1, 5));
    }
    let (bob, link) = bench.contact();
    bench.offer(bob, link, id(200), vec![file("a", 5)]);
    assert!(bench.accepted(bob, id(200)), "{:?}", bench.answers(bob, id(200)));
}

#[test]
fn an_offer_withdrawn_while_the_disk_is_asked_is_forgotten() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    bench.hold = true;
    bench.offer(mallory, link, id(1), vec![file("a", 5)]);
    bench.say(mallory, link, &Control::Cancel { transfer: id(1), reason: CancelReason::Cancelled });
    bench.release();
    assert!(bench.node.incoming.is_empty());
}

#[test]
fn a_link_lost_while_the_disk_is_asked_ends_its_offers() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.hold = true;
    bench.offer(bob, link, id(1), vec![file("a", 5)]);
    bench.peers[bob].links.abandon(bench.now, link);
    bench.run_for(Duration::from_secs(1));
    bench.release();
    assert!(bench.node.incoming.is_empty());
}

#[test]
fn a_manifest_that_is_broken_off_is_forgotten() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let channel = bench.open_raw(mallory, link, offer_head(id(1), 5, 5));
    bench.reset(mallory, link, channel);
    assert!(bench.node.incoming.is_empty());
}

/// Entries with the longest paths there are: they take memory, and are cheap to announce.
pub(super) fn long_entries(count: u32) -> Vec<Entry> {
    let component = "x".repeat(250);
    let mut entries = Vec::new();
    let mut top = String::new();
    for _ in 0..15 {
        top = if top.is_empty() { component.clone() } else { format!("{top}/{component}") };
        entries.push(super::bench::directory(&top));
    }
    entries.extend((0..count).map(|number| file(&format!("{top}/{number}"), 0)));
    entries
}

#[test]
fn a_refused_strangers_manifest_is_not_kept_in_memory() {
    let mut bench = Bench::new(|_| {});
    let (stranger, link) = bench.stranger();
    let entries = long_entries(2_000);
    let mut bytes = offer_head(id(1), 20_000, 0);
    let mut rest = entries.as_slice();
    while !rest.is_empty() {
        let (frame, count) = encode_part(rest);
        bytes.extend(frame);
        rest = &rest[count..];
    }
    let channel = bench.peers[stranger].links.open(link).unwrap();
    bench.peers[stranger].links.write(link, channel, [bytes::Bytes::from(bytes)]);
    bench.run_for(Duration::from_secs(5));
    // Strangers are refused here whatever they offer.
    assert_eq!(bench.answers(stranger, id(1)), [Answer::Refuse(Refusal::Stranger)]);
    assert!(bench.node.incoming.is_empty());
}

#[test]
fn a_seventeenth_channel_is_not_to_be_had_and_a_turn_still_comes_to_rest() {
    let mut bench = Bench::new(|_| {});
    let (bob, _) = bench.contact();
    let peer = bench.peer(bob);
    // Bob reads none of the channels, so none is ever free again.
    for _ in 0..17 {
        bench.node.offer(bench.now, peer, vec!["/home/film".into()]).unwrap();
    }
    bench.settle();
    bench.node.connect(bench.now, peer);
    assert!(bench.node.links.is_quiet(), "the turn ran into its bound of rounds");
}

#[test]
fn a_stranger_with_many_links_does_not_keep_contacts_out() {
    let mut bench = Bench::new(|_| {});
    for _ in 0..2 {
        let stranger = bench.add();
        for _ in 0..300 {
            bench.dial(stranger);
            bench.run_for(Duration::from_millis(40));
        }
    }
    let bob = bench.add();
    let link = bench.dial(bob);
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.peers[bob].up, Vec::from_iter(link));
}

#[test]
fn first_packets_from_made_up_addresses_do_not_keep_contacts_out() {
    let mut bench = Bench::new(|_| {});
    // 25 each second, which is below the rate that asks for proof of address.
    for _ in 0..24 {
        let spoofed = bench.add();
        bench.peers[spoofed].deaf = true;
        for _ in 0..25 {
            bench.dial(spoofed);
            bench.settle();
            bench.peers[spoofed].cut = true;
            bench.run_for(Duration::from_millis(40));
            bench.peers[spoofed].cut = false;
        }
        bench.peers[spoofed].cut = true;
    }
    let bob = bench.add();
    let link = bench.dial(bob);
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.peers[bob].up, Vec::from_iter(link));
}

#[test]
fn a_node_with_links_and_work_for_the_disk_closes_within_three_seconds() {
    let mut bench = Bench::new(|_| {});
    let (bob, _) = bench.contact();
    bench.stranger();
    bench.hold = true;
    let to = bench.peer(bob);
    bench.node.send_message(bench.now, to, "bye").unwrap();
    bench.node.close(bench.now);
    bench.run_for(Duration::from_secs(1));
    bench.release();
    bench.run_for(Duration::from_secs(4));
    assert!(bench.node.is_drained());
}

#[test]
fn an_offer_made_while_the_node_closes_does_not_keep_it_from_closing() {
    let mut bench = Bench::new(|_| {});
    let (mallory, link) = bench.contact();
    let (bob, _) = bench.contact();
    // Something is still being stored when the user closes.
    bench.hold = true;
    let to = bench.peer(bob);
    bench.node.send_message(bench.now, to, "bye").unwrap();
    bench.node.close(bench.now);
    bench.settle();
    bench.open_raw(mallory, link, offer_head(id(1), 1, 5));
    bench.release();
    bench.run_for(Duration::from_secs(10));
    assert!(bench.node.is_drained());
}

#[test]
fn a_node_closes_within_three_seconds_whatever_state_its_transfers_are_in() {
    for patient in [false, true] {
        let mut bench = Bench::new(|rules| rules.ask_always = patient);
        let (bob, link) = bench.contact();
        bench.offer(bob, link, id(1), vec![file("a", 5)]);
        bench.open_raw(bob, link, offer_head(id(2), 1, 5));
        let peer = bench.peer(bob);
        bench.node.offer(bench.now, peer, vec!["/home/film".into()]).unwrap();
        bench.settle();
        bench.hold = true;
        bench.node.offer(bench.now, peer, vec!["/home/film".into()]).unwrap();
        bench.offer(bob, link, id(3), vec![file("b", 5)]);
        bench.node.close(bench.now);
        bench.release();
        bench.run_for(Duration::from_secs(4));
        assert!(bench.node.is_drained(), "asked: {patient}");
        assert!(bench.node.incoming.is_empty() && bench.node.outgoing.is_empty());
    }
}

#[test]
fn events_that_are_fetched_late_let_reading_go_on_by_itself() {
    let mut bench = Bench::new(|_| {});
    let (bob, link) = bench.contact();
    bench.fetch_events = false;
    let me = bench.node.peer_id();
    let total = crate::node::MAX_EVENTS + 200;
    for number in 0..total {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let new = crate::wire::NewContent {
            id: crate::chat::MessageId(id),
            recipient: me,
            sequence: 1,
            parents: Vec::new(),
            time: 0,
            text: "hello",
        };
        let said = Control::Message(crate::wire::Envelope::seal(&bench.peers[bob].identity, &new));
        bench.say(bob, link, &said);
    }
    assert!(bench.node.events.len() <= crate::node::MAX_EVENTS + 256, "{}", bench.node.events.len());
    bench.fetch_events = true;
    bench.run_for(Duration::from_millis(100));
    assert_eq!(bench.count(|event| matches!(event, Event::Message { .. })), total);
}

#[test]
fn sightings_that_nobody_fetches_do_not_pile_up() {
    let mut bench = Bench::new(|_| {});
    bench.fetch_events = false;
    for number in 0..5_000 {
        let sighting = crate::Sighting {
            instance: format!("instance {number}"),
            addresses: vec!["10.0.0.9:9".parse().unwrap()],
            text: vec![("s".into(), "0".repeat(16)), ("m".into(), "0".repeat(16))],
        };
        bench.node.handle_surroundings(bench.now, crate::Surroundings::Sighted(sighting));
    }
    assert!(bench.node.events.len() <= crate::node::MAX_EVENTS, "{}", bench.node.events.len());
}
