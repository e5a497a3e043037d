//! The worked examples of PROTOCOL.md's sections on the table: records, notes and datagrams, by the page's formulas, and
//! those formulas against the code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::disallowed_methods, clippy::panic)]

mod page;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use capnp::message::Builder;
use capnp::serialize::write_message_to_words;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::Scalar;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, VerifyingKey};
use hither_protocol::dht::{
    self as dht, Answer, BlindedId, BlindedIdentity, Call, Contact, Content, Cookie, Datagrams, Gate, Hour,
    Introduced, MeetAt, Meeting, NodeId, NodeKey, Note, Opened, Period, Query, Record, RecordKind, Request,
    Response, SealedCall, Statistics, Target, Transaction,
};
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::noise::handshake::Handshake;
use hither_protocol::noise::quic::NetworkId;
use hither_schema::dht_capnp::{query, response};
use hither_schema::record_capnp::addresses;
use x25519_dalek::{PublicKey, StaticSecret};

use page::{UNIX_TIME, alice, block, bob, hex, unhex};

/// Where alice is, where her node answers, and from where bob's asks.
const AT: &str = "203.0.113.7:4242";
const FROM: &str = "198.51.100.9:4242";
const TTL: u32 = 3600;
/// Of section 15.7's code.
const PLACE: &str = "f6b7a8b3361f68cb2b0999154033a83d";
const TRANSACTION: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
const HEADER: usize = 1 + 8 + 32 + 16;

fn period() -> u64 {
    UNIX_TIME / 86_400_000
}

fn hour() -> u64 {
    UNIX_TIME / 3_600_000
}

fn network() -> [u8; 32] {
    NetworkId::default().0
}

fn at() -> SocketAddr {
    AT.parse().unwrap()
}

fn from() -> SocketAddr {
    FROM.parse().unwrap()
}

/// IPv4 and port, big-endian.
fn packed(address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(v4) = address else { panic!("of the examples all are IPv4") };
    [v4.ip().octets().as_slice(), &v4.port().to_be_bytes()].concat()
}

fn sealed(key: &[u8; 32], header: &[u8], content: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: content, aad: header };
    ChaCha20Poly1305::new(&Key::from(*key)).encrypt(&Nonce::from([0; 12]), payload).unwrap()
}

fn first16(mut hasher: blake3::Hasher, parts: &[&[u8]]) -> [u8; 16] {
    let mut bytes = [0; 16];
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Alice's context for the addresses of this day.
fn context() -> Vec<u8> {
    [alice().peer_id().as_bytes().as_slice(), &network(), &period().to_be_bytes(), &[0]].concat()
}

/// Her blinded key.
fn record_key() -> [u8; 32] {
    let mut wide = [0; 64];
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 dht blinding");
    hasher.update(&context()).finalize_xof().fill(&mut wide);
    let id = CompressedEdwardsY(*alice().peer_id().as_bytes()).decompress().unwrap();
    (id * Scalar::from_bytes_mod_order_wide(&wide)).compress().0
}

fn record() -> Record {
    let day = Period(period());
    let identity = BlindedIdentity::new(&alice(), RecordKind::Addresses, day, &NetworkId::default());
    let mut random = Entropy::new(Seed::new([4; 32])).stream("records");
    let ttl = Duration::from_secs(TTL.into());
    identity.sign(UNIX_TIME, ttl, &Content::addresses(&[at()], None), &mut random).unwrap()
}

fn note() -> Note {
    let place: [u8; 16] = unhex(PLACE).try_into().unwrap();
    let meeting = Meeting::new(place, Hour(hour()), &NetworkId::default());
    let mut random = Entropy::new(Seed::new([4; 32])).stream("notes");
    meeting.seal(&bob(), note_work(), UNIX_TIME, &MeetAt::Addresses(vec![at()]), &mut random).unwrap()
}

fn note_mark() -> [u8; 16] {
    let hasher = blake3::Hasher::new_derive_key("hither v1 dht note mark");
    first16(hasher, &[&unhex(PLACE), &hour().to_be_bytes(), &network()])
}

/// The least number with 16 zero bits.
fn note_work() -> u32 {
    let target = blake3::derive_key("hither v1 dht note target", &note_mark());
    let input = [target.as_slice(), bob().peer_id().as_bytes()].concat();
    let key = blake3::derive_key("hither v1 dht note work", &input);
    let works = |work: &u32| blake3::keyed_hash(&key, &work.to_be_bytes()).as_bytes()[..2] == [0, 0];
    (0..).find(works).unwrap()
}

fn node_secret() -> StaticSecret {
    StaticSecret::from([7; 32])
}

fn node_key() -> NodeKey {
    NodeKey(PublicKey::from(&node_secret()).to_bytes())
}

/// Of a request, what is before message 1.
fn request_header() -> Vec<u8> {
    let id = NodeId::new(&node_key(), at().ip());
    [&[0x10], TRANSACTION.as_slice(), id.as_bytes(), &[0; 16]].concat()
}

fn prologue(header: &[u8]) -> Vec<u8> {
    [b"hither v1 dht".as_slice(), &[1], &network(), header].concat()
}

fn framed(message: &[u8], at_least: usize) -> Vec<u8> {
    let mut payload = [&(message.len() as u16).to_be_bytes(), message].concat();
    payload.resize(payload.len().max(at_least), 0);
    payload
}

/// Bob's ping, and the asker's handshake.
fn request() -> (Vec<u8>, Handshake) {
    let mut message = Builder::new_default();
    message.init_root::<query::Builder<'_>>().set_ping(&[]);
    let mut datagram = request_header();
    let mut handshake = Handshake::nk_initiator(
        &prologue(&datagram),
        PublicKey::from(node_key().0),
        StaticSecret::from([5; 32]),
    );
    let payload = framed(&write_message_to_words(&message), 400 - HEADER - 48);
    handshake.write(&payload, &mut datagram).unwrap();
    (datagram, handshake)
}

/// A reply to any request: seen from bob's address, a cookie, and nothing else.
fn reply(request: &[u8]) -> Vec<u8> {
    let (header, first) = request.split_at(HEADER);
    let (own, public) = (node_secret(), PublicKey::from(node_key().0));
    let mut handshake = Handshake::nk_responder(&prologue(header), own, &public, StaticSecret::from([6; 32]));
    handshake.read(first).unwrap();
    let mut message = Builder::new_default();
    let mut response = message.init_root::<response::Builder<'_>>();
    response.set_observed(&packed(from()));
    response.set_cookie(&[0x0c; 16]);
    response.set_done(());
    let mut datagram = [&[0x11], &header[1..9]].concat();
    handshake.write(&framed(&write_message_to_words(&message), 0), &mut datagram).unwrap();
    datagram
}

/// Bob's call to Alice, whom introducers know by the node's key.
fn call() -> Vec<u8> {
    let key = PublicKey::from(&StaticSecret::from([8; 32]));
    let mut content = [[0x0e; 16].as_slice(), key.as_bytes(), &[4], &packed(from())].concat();
    content.resize(96, 0);
    let prologue =
        [b"hither v1 dht call".as_slice(), &network(), alice().peer_id().as_bytes(), &node_key().0].concat();
    let mut sealed = Vec::new();
    let ephemeral = StaticSecret::from([5; 32]);
    Handshake::n_initiator(&prologue, alice().peer_id().noise_public(), ephemeral)
        .write(&content, &mut sealed)
        .unwrap();
    sealed
}

fn mac(of: &str, body: &[u8]) -> [u8; 16] {
    first16(blake3::Hasher::new_keyed(&blake3::derive_key(of, &network())), &[body])
}

fn hello(transaction: &[u8]) -> Vec<u8> {
    let body = [&[0x12], transaction].concat();
    let mut datagram = [body.as_slice(), &mac("hither v1 dht hello", &body)].concat();
    datagram.resize(400, 0);
    datagram
}

fn hello_reply(transaction: &[u8]) -> Vec<u8> {
    let ip = [[0; 10].as_slice(), &[0xff; 2], &packed(from())].concat();
    let body = [&[0x13], transaction, &node_key().0, &ip].concat();
    [body.as_slice(), &mac("hither v1 dht hello reply", &body)].concat()
}

fn computed() -> BTreeMap<String, String> {
    let place_of = |key: &[u8; 32]| blake3::derive_key("hither v1 dht record target", key);
    let request = request().0;
    let values = [
        ("record.context", hex(context())),
        ("record.key", hex(record_key())),
        ("record.target", hex(place_of(&record_key()))),
        ("record", hex(record().encode())),
        ("note.mark", hex(note_mark())),
        ("note.target", hex(blake3::derive_key("hither v1 dht note target", &note_mark()))),
        ("note.work", note_work().to_string()),
        ("note", hex(note().encode())),
        ("node.key", hex(node_key().0)),
        ("node.id", hex(NodeId::new(&node_key(), at().ip()).as_bytes())),
        ("request", hex(&request)),
        ("reply", hex(reply(&request))),
        ("hello.begin", hex(&hello(&TRANSACTION)[..25])),
        ("hello.reply", hex(hello_reply(&TRANSACTION))),
        ("call", hex(call())),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn the_examples_are_what_the_code_gives() {
    assert_eq!(block("table-examples"), computed());
}

fn record_header() -> Vec<u8> {
    let header = [
        b"hither v1 dht record".as_slice(),
        &[0],
        &period().to_be_bytes(),
        &record_key(),
        &UNIX_TIME.to_be_bytes(),
        &TTL.to_be_bytes(),
    ];
    header.concat()
}

/// What is sealed in a record of Alice's that says so, by its salt.
fn sealed_content(record: &Record, at: &[u8], introducers: &[u8]) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut root = message.init_root::<addresses::Builder<'_>>();
    root.set_at(at);
    root.set_introducers(introducers);
    let mut content = write_message_to_words(&message);
    content.resize(328, 0);
    let input = [context().as_slice(), &UNIX_TIME.to_be_bytes(), &record.sealed()[..8]].concat();
    let key = blake3::derive_key("hither v1 dht record content", &input);
    sealed(&key, &record_header(), &content)
}

#[test]
fn a_record_is_as_the_page_says() {
    let record = record();
    let id =
        BlindedId::new(&alice().peer_id(), RecordKind::Addresses, Period(period()), &NetworkId::default());
    assert_eq!((*record.key(), *id.key()), (record_key(), record_key()));
    assert_eq!(record.target().0, blake3::derive_key("hither v1 dht record target", &record_key()));
    let content = sealed_content(&record, &[&[4], packed(at()).as_slice()].concat(), &[]);
    assert_eq!(record.sealed()[8..], content);
    let signed = [record_header().as_slice(), record.sealed()].concat();
    let verifier = VerifyingKey::from_bytes(&record_key()).unwrap();
    assert!(verifier.verify_strict(&signed, &Signature::from_bytes(record.signature())).is_ok());
    assert_eq!(record.encode().len(), 512);
}

#[test]
fn a_note_is_as_the_page_says() {
    let note = note();
    assert_eq!((*note.mark(), note.work()), (note_mark(), note_work()));
    assert_eq!(note.target().0, blake3::derive_key("hither v1 dht note target", &note_mark()));
    let (key, sequence) = (bob().peer_id(), UNIX_TIME.to_be_bytes());
    let header = [
        b"hither v1 dht note".as_slice(),
        &note_mark(),
        &hour().to_be_bytes(),
        key.as_bytes(),
        &note_work().to_be_bytes(),
        &sequence,
    ];
    let (header, salt) = (header.concat(), &note.sealed()[..8]);
    let mut content = [&[4], packed(at()).as_slice()].concat();
    content.resize(56, 0);
    let (place, hour) = (unhex(PLACE), hour().to_be_bytes());
    let input = [&place, hour.as_slice(), &network(), key.as_bytes(), &sequence, salt].concat();
    let content_key = blake3::derive_key("hither v1 dht note content", &input);
    assert_eq!(note.sealed()[8..], sealed(&content_key, &header, &content));
    assert!(key.verifies(&[header.as_slice(), note.sealed()].concat(), note.signature()));
}

fn edge(secret: StaticSecret) -> (Datagrams, Gate, Instant) {
    let mut entropy = Entropy::new(Seed::new([9; 32]));
    let now = Instant::now();
    let gate = Gate::new(now, &mut entropy.stream("gate"));
    (Datagrams::new(NetworkId::default(), secret, entropy.stream("datagrams")), gate, now)
}

fn open(node: &mut (Datagrams, Gate, Instant), from: SocketAddr, datagram: &[u8]) -> Option<Opened> {
    let (datagrams, gate, now) = node;
    datagrams.open(*now, from, datagram, gate, &mut Statistics::default())
}

/// A node takes a request that is made by the page alone, and gives a reply that is read by the page alone.
#[test]
fn requests_and_replies_go_as_the_page_says() {
    let mut node = edge(node_secret());
    let (request, mut asker) = request();
    let Some(Opened::Query { query, proven: false, reply: slot }) = open(&mut node, from(), &request) else {
        panic!("not taken")
    };
    assert_eq!(query, Query { server: None, request: Request::Ping(None) });
    let response = Response { observed: from(), cookie: Cookie([0x0c; 16]), answer: Answer::Done };
    let answer = node.0.reply(slot, &response).unwrap();
    assert_eq!(answer[..9], [&[0x11], TRANSACTION.as_slice()].concat());
    let payload = asker.read(&answer[9..]).unwrap();
    let length = usize::from(u16::from_be_bytes([payload[0], payload[1]]));
    let mut other = node_reply_payload();
    other.resize(payload.len(), 0);
    assert_eq!((payload[2..].len() >= length, payload), (true, other));

    // And the other way about.
    let mut bob = edge(StaticSecret::from([8; 32]));
    let to = Contact::new(node_key(), at()).unwrap();
    let (transaction, request) = bob.0.ask(bob.2, &to, None, &query).unwrap();
    assert_eq!((request.len(), request[1..9].to_vec()), (400, transaction.0.to_vec()));
    assert!(open(&mut bob, from(), &reply(&request)).is_none(), "from another address it counts for nothing");
    let opened = open(&mut bob, at(), &reply(&request));
    let Some(Opened::Response { transaction: of, response: given }) = opened else { panic!("not taken") };
    assert_eq!((of, given), (transaction, response));
}

/// The payload of the page's reply.
fn node_reply_payload() -> Vec<u8> {
    let (request, mut asker) = request();
    asker.read(&reply(&request)[9..]).unwrap()
}

#[test]
fn hellos_go_as_the_page_says() {
    let (mut node, mut bob) = (edge(node_secret()), edge(StaticSecret::from([8; 32])));
    let (Transaction(transaction), asked) = bob.0.hello(bob.2, at());
    assert_eq!(asked, hello(&transaction));
    let Some(Opened::Hello { reply }) = open(&mut node, from(), &asked) else { panic!("not taken") };
    assert_eq!(reply, hello_reply(&transaction));
    let Some(Opened::Greeted { key, observed, .. }) = open(&mut bob, at(), &reply) else {
        panic!("not taken")
    };
    assert_eq!((key, observed), (node_key(), from()));
}

#[test]
fn a_call_is_as_the_page_says() {
    let sealed = SealedCall(call().try_into().unwrap());
    let opened = Call::open(&sealed, &alice(), &node_key(), &NetworkId::default()).unwrap();
    let key = NodeKey(PublicKey::from(&StaticSecret::from([8; 32])).to_bytes());
    assert_eq!(opened, Call { nonce: dht::Nonce([0x0e; 16]), key, at: vec![from()] });
}

#[test]
fn a_record_of_whoever_is_introduced_is_as_the_page_says() {
    let day = Period(period());
    let identity = BlindedIdentity::new(&alice(), RecordKind::Addresses, day, &NetworkId::default());
    let by = vec![Contact::new(NodeKey([2; 32]), from()).unwrap()];
    let content = Content::addresses(&[], Some(Introduced { key: node_key(), by }));
    let mut random = Entropy::new(Seed::new([4; 32])).stream("records");
    let ttl = Duration::from_secs(TTL.into());
    let record = identity.sign(UNIX_TIME, ttl, &content, &mut random).unwrap();
    assert_eq!(
        record.sealed()[8..],
        sealed_content(&record, &[], &[node_key().0.as_slice(), &[2; 32], &[4], &packed(from()),].concat())
    );
}

#[test]
fn a_node_stands_where_the_page_says() {
    // BEP-42: CRC32-C of the masked address and three bits of choice, bit by bit.
    let tail = blake3::derive_key("hither v1 dht node id", &node_key().0);
    let choice = tail[31] & 7;
    let mut crc = u32::MAX;
    for byte in [(203 & 0x03) | (choice << 5), 0x00, 113 & 0x3f, 7] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = (!crc).to_be_bytes();
    let mut id = tail;
    (id[0], id[1], id[2]) = (crc[0], crc[1], (crc[2] & 0xf8) | (tail[2] & 7));
    assert_eq!(*NodeId::new(&node_key(), at().ip()).as_bytes(), id);
    assert_ne!(Target(id), record().target());
}
