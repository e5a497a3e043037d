//! What is inside of datagrams that decrypt, and is no message, or one that promises what it does not hold.

use std::net::SocketAddr;

use capnp::message::Builder;
use capnp::serialize::write_message_to_words;
use hither_schema::dht_capnp::item;
use x25519_dalek::{PublicKey, StaticSecret};

use super::super::datagram::{Side, note, record, start};
use super::{answer, forged, forged_reply, framed, query};
use crate::dht::{Answer, Contact, Item, NodeKey, Query, Reason, Request, Target};

/// Bob must refuse this payload of a request for this reason.
fn refused(payload: &[u8], why: Reason) {
    let mut bob = Side::new(2);
    let datagram = forged(&bob.contact(), payload);
    assert!(bob.open(Side::new(1).at, &datagram).is_none(), "{payload:02x?}");
    assert_eq!((bob.count(why), bob.statistics.refused().count()), (1, 1), "{:?}", bob.statistics);
}

/// Alice must refuse this payload of a reply.
fn refused_reply(payload: &[u8], why: Reason) {
    let (mut alice, secret) = (Side::new(1), StaticSecret::from([3; 32]));
    let at = SocketAddr::from(([9, 9, 9, 9], 9));
    let mallory = Contact::new(NodeKey(PublicKey::from(&secret).to_bytes()), at).unwrap();
    let what = Query { server: None, request: Request::Ping(None) };
    let (_, request) = alice.edge.ask(start(), &mallory, None, &what).unwrap();
    assert!(alice.open(at, &forged_reply(&secret, &request, payload)).is_none(), "{payload:02x?}");
    assert_eq!((alice.count(why), alice.statistics.refused().count()), (1, 1), "{:?}", alice.statistics);
}

#[test]
fn payloads_that_are_no_message_are_refused() {
    let fine = query(|mut root| root.set_find_node(&[1; 32]));
    let length = u16::try_from(fine.len()).unwrap();
    let with_length = |length: u16| [&length.to_be_bytes(), fine.as_slice()].concat();
    let mut padded = with_length(length);
    padded.extend_from_slice(&[0, 0, 1]);
    for payload in [
        vec![0; 2],
        vec![0xff; 64],
        padded,
        with_length(length - 8),
        with_length(length - 1),
        with_length(length + 8),
        with_length(u16::MAX),
        framed(&fine[8..]),
        framed(&[0xff; 8]),
        // 512 segments, and one of 2^32-1 words.
        framed(&[0xff, 1, 0, 0, 1, 0, 0, 0]),
        framed(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        refused(&payload, Reason::Malformed);
        refused_reply(&payload, Reason::Malformed);
    }
    // A reply has no payload of two bytes to hold a length.
    refused_reply(&[], Reason::Malformed);
}

#[test]
fn fields_of_the_wrong_length_are_refused() {
    for payload in [
        query(|mut root| root.set_find_node(&[1; 31])),
        query(|mut root| root.set_find_node(&[1; 33])),
        query(|mut root| root.set_find_node(&[])),
        query(|mut root| root.set_ping(&[1; 15])),
        query(|mut root| root.set_dial_back(&[])),
        query(|mut root| {
            root.set_find_node(&[1; 32]);
            root.set_server(&[1; 31]);
        }),
        query(|root| root.init_get().set_target(&[1; 16])),
        query(|root| {
            let mut dial_on = root.init_dial_on();
            dial_on.set_nonce(&[1; 16]);
            dial_on.set_to(&[1; 37]);
        }),
        // Nobody is at port 0, or at a multicast address.
        query(|root| {
            let mut dial_on = root.init_dial_on();
            dial_on.set_nonce(&[1; 16]);
            dial_on.set_to(&[[1; 36].as_slice(), &[0, 0]].concat());
        }),
        query(|root| {
            let mut dial_on = root.init_dial_on();
            dial_on.set_nonce(&[1; 16]);
            dial_on.set_to(&[230; 38]);
        }),
        query(|mut root| root.set_register(&[1; 31])),
        query(|root| {
            let mut punch = root.init_punch();
            punch.set_to(&[1; 32]);
            punch.set_call(&[1; 143]);
        }),
        query(|root| {
            let mut punch = root.init_punch();
            punch.set_to(&[1; 33]);
            punch.set_call(&[1; 144]);
        }),
        query(|root| {
            let mut punch_on = root.init_punch_on();
            punch_on.set_from(&[1; 7]);
            punch_on.set_call(&[1; 144]);
        }),
        query(|root| {
            let mut punch_on = root.init_punch_on();
            punch_on.set_from(&[1; 6]);
            punch_on.set_call(&[1; 145]);
        }),
    ] {
        refused(&framed(&payload), Reason::Malformed);
    }
    for payload in [
        answer(|root| root.init_nodes().set_v4(&[1; 37])),
        answer(|root| root.init_nodes().set_v6(&[1; 49])),
        answer(|root| root.init_nodes().set_v4(&[1; 38 * 21])),
        answer(|root| root.init_nodes().set_v4(&[230; 38])),
        answer(|root| {
            let mut nodes = root.init_nodes();
            nodes.set_v4(&[1; 38 * 11]);
            nodes.set_v6(&[1; 50 * 10]);
        }),
        answer(|mut root| {
            root.set_done(());
            root.set_observed(&[1; 5]);
        }),
        answer(|mut root| {
            root.set_done(());
            root.set_observed(&[]);
        }),
        answer(|mut root| {
            root.set_done(());
            root.set_cookie(&[1; 17]);
        }),
        answer(|root| {
            root.init_found().init_items(7);
        }),
        answer(|mut root| root.set_at(&[1; 5])),
        answer(|mut root| root.set_at(&[])),
    ] {
        refused_reply(&framed(&payload), Reason::Malformed);
    }
}

#[test]
fn what_a_later_version_may_say_is_refused() {
    // The numbers of a union's field and of an enum stand in the first word behind the root's pointer.
    for payload in [
        query(|mut root| root.set_find_node(&[1; 32])),
        answer(|mut root| root.set_refused(hither_schema::dht_capnp::Refusal::Full)),
    ] {
        let mut unknown = 0;
        for position in 16..24 {
            let mut changed = payload.clone();
            changed[position] = 0x77;
            let (mut bob, mut alice) = (Side::new(2), Side::new(1));
            let datagram = forged(&bob.contact(), &framed(&changed));
            if bob.open(alice.at, &datagram).is_none() {
                unknown += bob.count(Reason::Malformed);
            }
            let secret = StaticSecret::from([3; 32]);
            let at = SocketAddr::from(([9, 9, 9, 9], 9));
            let mallory = Contact::new(NodeKey(PublicKey::from(&secret).to_bytes()), at).unwrap();
            let what = Query { server: None, request: Request::Ping(None) };
            let (_, request) = alice.edge.ask(start(), &mallory, None, &what).unwrap();
            if alice.open(at, &forged_reply(&secret, &request, &framed(&changed))).is_none() {
                unknown += alice.count(Reason::Malformed);
            }
        }
        assert!(unknown >= 2, "{unknown}");
    }
    // A put of something that is neither record nor note.
    let mut message = Builder::new_default();
    message.init_root::<query::Builder<'_>>().init_put().set_note(&[1; 64]);
    let mut bytes = write_message_to_words(&message);
    let tags: Vec<_> =
        (0..bytes.len()).step_by(8).filter(|at| bytes[*at..*at + 8] == [1, 0, 0, 0, 0, 0, 0, 0]).collect();
    assert_eq!(tags.len(), 1, "where the item says that it is a note");
    bytes[tags[0]] = 2;
    refused(&framed(&bytes), Reason::Malformed);
}

#[test]
fn bombs_do_not_go_off() {
    let words = |words: &[u64]| {
        let segment = words.iter().flat_map(|word| word.to_le_bytes());
        let count = u32::try_from(words.len()).unwrap().to_le_bytes();
        [0, 0, 0, 0].into_iter().chain(count).chain(segment).collect::<Vec<u8>>()
    };
    let item_list = answer(|root| {
        root.init_found().init_items(1);
    });
    // A list of structs of no size, half a billion of them, in place of the items.
    let position =
        (0..item_list.len()).step_by(8).find(|at| item_list[*at] & 3 == 1 && item_list[*at + 4] & 7 == 7);
    let mut void_list = item_list.clone();
    let tag = position.unwrap() + 8 + {
        let pointer =
            u32::from_le_bytes(item_list[position.unwrap()..position.unwrap() + 4].try_into().unwrap());
        8 * (pointer >> 2) as usize
    };
    void_list[tag..tag + 8].copy_from_slice(&0x0000_0000_7fff_fffc_u64.to_le_bytes());
    void_list[position.unwrap() + 4..position.unwrap() + 8].copy_from_slice(&7_u32.to_le_bytes());
    for bomb in [
        // A root that is itself, that points before the message, beyond it, and to another segment.
        words(&[0x0002_0001_ffff_fffc, 0, 0]),
        words(&[0x0000_0001_ffff_fff8]),
        words(&[0x00ff_00ff_0000_0000]),
        words(&[0x0000_0005_0000_0002]),
        // A far pointer to itself, with a landing pad of two words.
        words(&[0x0000_0000_0000_0006, 0x0000_0000_0000_0006, 0]),
        void_list,
    ] {
        refused(&framed(&bomb), Reason::Malformed);
        refused_reply(&framed(&bomb), Reason::Malformed);
    }
}

#[test]
fn a_wrong_item_is_counted_and_what_is_beside_it_taken() {
    let wrong = |item: Item| {
        let (mut bytes, of_record) = match &item {
            Item::Record(record) => (record.encode(), true),
            Item::Note(note) => (note.encode(), false),
        };
        *bytes.last_mut().unwrap() ^= 1;
        (bytes, of_record)
    };
    let fill = |mut root: item::Builder<'_>, (bytes, of_record): &(Vec<u8>, bool)| {
        if *of_record { root.set_record(bytes) } else { root.set_note(bytes) }
    };
    let items = [wrong(record(1)), wrong(note(1))];
    for bad in &items {
        refused(&framed(&query(|root| fill(root.init_put(), bad))), Reason::BadItem);
    }

    let Item::Record(good) = record(2) else { panic!() };
    let (mut alice, secret) = (Side::new(1), StaticSecret::from([3; 32]));
    let at = SocketAddr::from(([9, 9, 9, 9], 9));
    let mallory = Contact::new(NodeKey(PublicKey::from(&secret).to_bytes()), at).unwrap();
    let what = Query { server: None, request: Request::Get { target: Target([1; 32]), page: 0 } };
    let (_, request) = alice.edge.ask(start(), &mallory, None, &what).unwrap();
    let payload = answer(|root| {
        let mut found = root.init_found();
        found.set_v4(&[1; 38]);
        let mut list = found.init_items(2);
        fill(list.reborrow().get(0), &items[1]);
        fill(list.reborrow().get(1), &(good.encode(), true));
    });
    let (_, read) = alice.open_response(at, &forged_reply(&secret, &request, &framed(&payload)));
    let Answer::Found { items, nodes, .. } = read.answer else { panic!() };
    assert_eq!((items, nodes.len()), (vec![Item::Record(good)], 1));
    assert_eq!(alice.count(Reason::BadItem), 1);
}
