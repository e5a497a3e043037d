//! Datagrams of those who keep to no rule: each is refused and counted, and changes nothing.

mod payload;

use std::net::SocketAddr;

use capnp::message::Builder;
use capnp::serialize::write_message_to_words;
use hither_schema::dht_capnp::{query, response as wire_response};
use x25519_dalek::{PublicKey, StaticSecret};

use super::datagram::{Side, contacts, record, response, start, stream};
use crate::dht::{Answer, Contact, Cookie, Gate, NodeKey, Opened, Query, Reason, Request, Response, Target};
use crate::noise::handshake::Handshake;
use crate::noise::quic::NetworkId;

/// Length of what is not encrypted of a request.
const HEADER: usize = 1 + 8 + 32 + 16;
/// Points of small order, as they are encoded (RFC 7748 leaves it to the application to refuse what they give).
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        p
    },
];

/// What both sides hash first, as PROTOCOL.md has it, and not by the code that is tested.
fn prologue(header: &[u8]) -> Vec<u8> {
    [b"hither v1 dht".as_slice(), &[1], &NetworkId::default().0, header].concat()
}

fn header(to: &Contact, cookie: Cookie) -> Vec<u8> {
    [&[0x10], [7; 8].as_slice(), to.id().as_bytes(), &cookie.0].concat()
}

/// A request with any payload.
fn forged(to: &Contact, payload: &[u8]) -> Vec<u8> {
    let mut datagram = header(to, Cookie([0; 16]));
    let ephemeral = StaticSecret::from([9; 32]);
    let mut handshake = Handshake::nk_initiator(&prologue(&datagram), PublicKey::from(to.key().0), ephemeral);
    let mut payload = payload.to_vec();
    payload.resize(payload.len().max(400 - HEADER - 48), 0);
    handshake.write(&payload, &mut datagram).unwrap();
    datagram
}

/// A reply with any payload, by whoever holds the key that was asked.
fn forged_reply(secret: &StaticSecret, request: &[u8], payload: &[u8]) -> Vec<u8> {
    let (header, message) = request.split_at(HEADER);
    let ephemeral = StaticSecret::from([8; 32]);
    let mut handshake =
        Handshake::nk_responder(&prologue(header), secret.clone(), &PublicKey::from(secret), ephemeral);
    handshake.read(message).unwrap();
    let mut datagram = [&[0x11], &request[1..9]].concat();
    handshake.write(payload, &mut datagram).unwrap();
    datagram
}

/// A message with its length before it.
fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

fn query(fill: impl FnOnce(query::Builder<'_>)) -> Vec<u8> {
    let mut message = Builder::new_default();
    fill(message.init_root());
    write_message_to_words(&message)
}

fn answer(fill: impl FnOnce(wire_response::Builder<'_>)) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut root: wire_response::Builder<'_> = message.init_root();
    root.set_observed(&[203, 0, 113, 9, 1, 2]);
    root.set_cookie(&[5; 16]);
    fill(root);
    write_message_to_words(&message)
}

fn fresh_gate() -> Gate {
    Gate::new(start(), &mut stream(9))
}

#[test]
fn the_forger_forges_well() {
    let mut bob = Side::new(2);
    let datagram = forged(&bob.contact(), &framed(&query(|mut root| root.set_find_node(&[1; 32]))));
    let (read, proven, _) = bob.open_query(Side::new(1).at, &datagram);
    assert_eq!(read, Query { server: None, request: Request::FindNode(Target([1; 32])) });
    assert!(!proven);

    let (mut alice, secret) = (Side::new(1), StaticSecret::from([3; 32]));
    let at = SocketAddr::from(([9, 9, 9, 9], 9));
    let mallory = Contact::new(NodeKey(PublicKey::from(&secret).to_bytes()), at).unwrap();
    let (_, request) = alice.edge.ask(start(), &mallory, None, &read).unwrap();
    let reply = forged_reply(&secret, &request, &framed(&answer(|mut root| root.set_stored(()))));
    assert_eq!(alice.open_response(at, &reply).1.answer, Answer::Stored);
}

#[test]
fn a_request_changed_anywhere_is_refused() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let cookie = bob.gate.cookie(start(), alice.at);
    let what = Query { server: Some(alice.edge.key()), request: Request::FindNode(Target([1; 32])) };
    let (_, request) = alice.edge.ask(start(), &bob.contact(), Some(cookie), &what).unwrap();
    for position in 0..request.len() {
        bob.gate = fresh_gate();
        let mut changed = request.clone();
        changed[position] ^= 1 << (position % 8);
        let before: u64 = bob.statistics.refused().map(|(_, count)| count).sum();
        assert!(bob.open(alice.at, &changed).is_none(), "byte {position}");
        let after: u64 = bob.statistics.refused().map(|(_, count)| count).sum();
        assert!(after > before, "byte {position} is counted");
    }
    for length in 0..request.len() {
        bob.gate = fresh_gate();
        assert!(bob.open(alice.at, &request[..length]).is_none());
    }
    assert_eq!(bob.open_query(alice.at, &request).0, what);
}

#[test]
fn a_reply_changed_anywhere_is_refused_and_the_true_one_still_taken() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (_, request) = alice.ask(&bob, Request::FindNode(Target([1; 32])));
    let (_, _, slot) = bob.open_query(alice.at, &request);
    let said = response(Answer::Nodes(contacts(20)));
    let reply = bob.edge.reply(slot, &said).unwrap();
    for position in 0..reply.len() {
        let mut changed = reply.clone();
        changed[position] ^= 1 << (position % 8);
        assert!(alice.open(bob.at, &changed).is_none(), "byte {position}");
    }
    for length in 0..reply.len() {
        assert!(alice.open(bob.at, &reply[..length]).is_none());
    }
    assert!(alice.open(bob.at, &[reply.as_slice(), &[0]].concat()).is_none());
    assert_eq!(alice.open_response(bob.at, &reply).1, said);
}

#[test]
fn greetings_changed_anywhere_are_refused() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (_, hello) = alice.edge.hello(start(), bob.at);
    let mut reply = Vec::new();
    for position in 0..=hello.len() {
        bob.gate = fresh_gate();
        let mut changed = hello.clone();
        match changed.get_mut(position) {
            Some(byte) => *byte ^= 1 << (position % 8),
            None => changed.push(0),
        }
        assert!(bob.open(alice.at, &changed).is_none(), "byte {position}");
        assert!(bob.open(alice.at, &hello[..position.min(hello.len() - 1)]).is_none());
    }
    match bob.open(alice.at, &hello) {
        Some(Opened::Hello { reply: bytes }) => reply.extend(bytes),
        other => panic!("{other:?}"),
    }
    for position in 0..=reply.len() {
        let mut changed = reply.clone();
        match changed.get_mut(position) {
            Some(byte) => *byte ^= 1 << (position % 8),
            None => changed.push(0),
        }
        assert!(alice.open(bob.at, &changed).is_none(), "byte {position}");
        assert!(alice.open(bob.at, &reply[..position.min(reply.len() - 1)]).is_none());
    }
    assert!(matches!(alice.open(bob.at, &reply), Some(Opened::Greeted { .. })));
}

#[test]
fn another_network_gets_no_answer() {
    let (mut alice, mut bob) = (Side::of(1, NetworkId([1; 32])), Side::new(2));
    let (_, request) = alice.ask(&bob, Request::Ping(None));
    let (_, hello) = alice.edge.hello(start(), bob.at);
    assert!(bob.open(alice.at, &request).is_none() && bob.open(alice.at, &hello).is_none());
    assert_eq!((bob.count(Reason::Undecipherable), bob.count(Reason::OtherNetwork)), (1, 1));

    // One who answers hellos of any network finds no one who hears it.
    let mut carol = Side::new(3);
    let (_, from_carol) = carol.edge.hello(start(), bob.at);
    let Some(Opened::Hello { reply }) = bob.open(carol.at, &from_carol) else { panic!() };
    let (transaction, _) = alice.edge.hello(start(), bob.at);
    let copied = [&reply[..1], &transaction.0, &reply[9..]].concat();
    assert!(alice.open(bob.at, &copied).is_none());
    assert_eq!(alice.count(Reason::OtherNetwork), 1);
}

#[test]
fn a_request_to_another_key_takes_no_token_and_no_answer() {
    let (mut alice, mut bob, carol) = (Side::new(1), Side::new(2), Side::new(3));
    let (_, to_carol) = alice.ask(&carol, Request::Ping(None));
    for _ in 0..1000 {
        assert!(bob.open(alice.at, &to_carol).is_none());
    }
    assert_eq!(bob.count(Reason::OtherKey), 1000);
    // One who names Bob's id and encrypts to another key gets as far as the tag.
    let mut crossed = to_carol.clone();
    crossed[9..41].copy_from_slice(bob.contact().id().as_bytes());
    assert!(bob.open(alice.at, &crossed).is_none());
    assert_eq!(bob.count(Reason::Undecipherable), 1);
    // Bob has the ids of all addresses at which he might be seen, and answers under each.
    let elsewhere = Contact::new(bob.edge.key(), SocketAddr::from(([77, 1, 2, 3], 4))).unwrap();
    assert_ne!(elsewhere.id(), bob.contact().id());
    let what = Query { server: None, request: Request::Ping(None) };
    let (_, request) = alice.edge.ask(start(), &elsewhere, None, &what).unwrap();
    bob.open_query(alice.at, &request);
}

#[test]
fn a_forged_reply_does_not_keep_the_true_one_out() {
    let (mut alice, mut bob, mut carol) = (Side::new(1), Side::new(2), Side::new(3));
    let (_, request) = alice.ask(&bob, Request::Ping(None));
    let (_, _, slot) = bob.open_query(alice.at, &request);
    let reply = bob.edge.reply(slot, &response(Answer::Done)).unwrap();
    // From another address, under a name never given, by whoever is at the address and holds another key.
    assert!(alice.open(carol.at, &reply).is_none());
    let other_port = SocketAddr::new(bob.at.ip(), bob.at.port() + 1);
    assert!(alice.open(other_port, &reply).is_none());
    assert_eq!(alice.count(Reason::FromElsewhere), 2);
    let mut renamed = reply.clone();
    renamed[1..9].copy_from_slice(&[0; 8]);
    assert!(alice.open(bob.at, &renamed).is_none());
    assert_eq!(alice.count(Reason::NothingAsked), 1);
    let (_, to_carol) = alice.ask(&carol, Request::Ping(None));
    let (_, _, slot) = carol.open_query(alice.at, &to_carol);
    let of_carol = carol.edge.reply(slot, &response(Answer::Stored)).unwrap();
    let crossed = [&reply[..9], &of_carol[9..]].concat();
    for _ in 0..10 {
        assert!(alice.open(bob.at, &crossed).is_none());
    }
    assert_eq!(alice.count(Reason::Undecipherable), 10);
    // A reply is none to a hello, and the other way round.
    let (transaction, _) = alice.edge.hello(start(), bob.at);
    let to_hello = [&[0x11], transaction.0.as_slice(), &reply[9..]].concat();
    assert!(alice.open(bob.at, &to_hello).is_none());
    assert_eq!(alice.count(Reason::NothingAsked), 2);
    assert_eq!(alice.open_response(bob.at, &reply).1.answer, Answer::Done);
    assert_eq!(alice.open_response(carol.at, &of_carol).1.answer, Answer::Stored);
}

#[test]
fn a_captured_request_gives_nobody_else_its_cookie() {
    let (mut alice, mut bob, carol) = (Side::new(1), Side::new(2), Side::new(3));
    let cookie = bob.gate.cookie(start(), alice.at);
    let what = Query { server: None, request: Request::Put(record(1)) };
    let (_, request) = alice.edge.ask(start(), &bob.contact(), Some(cookie), &what).unwrap();
    assert!(bob.open_query(alice.at, &request).1);
    assert!(!bob.open_query(carol.at, &request).1, "sent again from elsewhere");
    assert_eq!(bob.count(Reason::WrongCookie), 1);
    // Nor does a cookie of one's own go with it.
    let mut own = request.clone();
    own[41..57].copy_from_slice(&bob.gate.cookie(start(), carol.at).0);
    assert!(bob.open(carol.at, &own).is_none());
    assert_eq!(bob.count(Reason::Undecipherable), 1);
}

#[test]
fn points_of_small_order_are_refused() {
    for (number, point) in SMALL_ORDER.into_iter().enumerate() {
        let (mut alice, mut bob) = (Side::new(1), Side::new(2));
        let weak = Contact::new(NodeKey(point), bob.at).unwrap();
        let what = Query { server: None, request: Request::Ping(None) };
        assert!(alice.edge.ask(start(), &weak, None, &what).is_none(), "point {number}");

        let (_, mut request) = alice.ask(&bob, Request::Ping(None));
        let (_, _, slot) = bob.open_query(alice.at, &request);
        let reply = bob.edge.reply(slot, &response(Answer::Done)).unwrap();
        let mut weak = reply.clone();
        weak[9..41].copy_from_slice(&point);
        assert!(alice.open(bob.at, &weak).is_none());
        assert_eq!(alice.count(Reason::WeakKey), 1, "point {number}");
        alice.open_response(bob.at, &reply);

        request[HEADER..HEADER + 32].copy_from_slice(&point);
        assert!(bob.open(alice.at, &request).is_none());
        assert_eq!(bob.count(Reason::WeakKey), 1, "point {number}");
    }
}

#[test]
fn floods_are_dropped_before_they_cost_anything_and_others_still_get_through() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (_, request) = alice.ask(&bob, Request::Ping(None));
    let (_, hello) = alice.edge.hello(start(), bob.at);
    let mut opened = 0;
    for number in 0..10_000_u32 {
        let [.., host] = number.to_be_bytes();
        let from = SocketAddr::from(([66, 6, 6, host], 6666));
        // What is refused costs no Diffie-Hellman: garbage of the right form is counted as too much, not as garbage.
        let mut garbage = request.clone();
        garbage[HEADER..].fill(host);
        opened += usize::from(bob.open(from, if number % 2 == 0 { &garbage } else { &hello }).is_some());
    }
    let refused = bob.count(Reason::AddressRate) + bob.count(Reason::PrefixRate);
    assert_eq!(refused, 10_000 - 300);
    assert_eq!(opened as u64 + bob.count(Reason::Undecipherable) + bob.count(Reason::WeakKey), 300);
    bob.open_query(alice.at, &request);
    assert!(matches!(bob.open(alice.at, &hello), Some(Opened::Hello { .. })));
}

#[test]
fn lengths_and_kinds_that_there_are_not_are_refused() {
    let mut bob = Side::new(2);
    let from = Side::new(1).at;
    for kind in 0x14..=0x1f {
        assert!(bob.open(from, &[kind; 400]).is_none());
    }
    assert_eq!(bob.count(Reason::UnknownKind), 12);
    assert!(bob.open(from, &[]).is_none());
    for kind in 0x10..=0x13 {
        assert!(bob.open(from, &[kind]).is_none());
        assert!(bob.open(from, &vec![kind; 1201]).is_none());
    }
    assert_eq!((bob.count(Reason::TooShort), bob.count(Reason::TooLong)), (5, 4));
    // A request that says all it has to in 399 bytes would have a reply of more than three times as much.
    let whole = forged(&bob.contact(), &framed(&query(|mut root| root.set_find_node(&[1; 32]))));
    assert!(bob.open(from, &whole[..399]).is_none());
    assert_eq!(bob.count(Reason::TooShort), 6);
    assert_eq!(bob.statistics.datagrams_in, 12 + 1 + 8 + 1);
}

#[test]
fn only_fresh_state_is_left_by_what_is_refused() {
    // The same true exchange, before and after a thousand datagrams that are refused.
    let exchange = |alice: &mut Side, bob: &mut Side| {
        let (_, request) = alice.ask(bob, Request::Ping(None));
        let (_, _, slot) = bob.open_query(alice.at, &request);
        let reply = bob.edge.reply(slot, &response(Answer::Done)).unwrap();
        alice.open_response(bob.at, &reply).1
    };
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let before: Response = exchange(&mut alice, &mut bob);
    let mut noise = stream(77);
    for number in 0..1000_usize {
        let mut datagram = vec![0; 1 + number % 1300];
        noise.fill(&mut datagram);
        datagram[0] = 0x10 | (datagram[0] & 3);
        for side in [&mut alice, &mut bob] {
            assert!(side.open(SocketAddr::from(([66, 6, 6, 6], 6)), &datagram).is_none());
        }
    }
    assert_eq!(exchange(&mut alice, &mut bob), before);
}
