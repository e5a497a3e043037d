//! The worked examples of PROTOCOL.md, checked against the code.
//!
//! The page's block of `name = value` lines is read, and each value computed anew: by this crate where its interface
//! gives the value, otherwise by the page's own formula, which another test here then tries on the crate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::disallowed_methods, clippy::string_slice)]

mod page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use capnp::message::Builder;
use capnp::serialize::write_message_to_words;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerId};
use hither_protocol::noise::handshake::Handshake;
use hither_protocol::noise::quic::{Ciphers, NetworkId, QuicCrypto, WIRE_VERSION};
use hither_protocol::noise::stream::StreamSession;
use hither_protocol::transfer::hash::{CHUNK, Root, Tree, chunk_count, chunk_value, collection_root};
use hither_protocol::transfer::{Entry, EntryKind, Manifest, RelativePath, Shared, Ticket};
use hither_protocol::{Config, Node, Sighting, Surroundings};
use hither_schema::control_capnp::content;
use hither_schema::handshake_capnp::{Cipher as WireCipher, client_hello, server_hello};
use noq_proto::crypto::{PacketKey, Session};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectionId, PathId, Side};
use x25519_dalek::StaticSecret;

use page::{UNIX_TIME, alice, block, bob, hex, unhex};

const SALT: [u8; 8] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];
const ADDRESS: &str = "192.168.1.7:4242";

fn prologue(responder: &PeerId) -> Vec<u8> {
    prologue_of(b"hither v1 quic", responder)
}

fn prologue_of(label: &[u8], responder: &PeerId) -> Vec<u8> {
    [label, &0x4869_0001_u32.to_be_bytes()[..], &NetworkId::default().0, responder.as_bytes()].concat()
}

fn client_hello() -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut hello = message.init_root::<client_hello::Builder<'_>>();
    hello.set_peer(alice().peer_id().as_bytes());
    hello.set_transport(&[]);
    hello.init_ciphers(1).set(0, WireCipher::ChaCha20Poly1305);
    write_message_to_words(&message)
}

fn server_hello() -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut hello = message.init_root::<server_hello::Builder<'_>>();
    hello.set_cipher(WireCipher::ChaCha20Poly1305);
    hello.set_transport(&[]);
    write_message_to_words(&message)
}

fn initiator() -> Handshake {
    initiator_of(b"hither v1 quic")
}

fn initiator_of(label: &[u8]) -> Handshake {
    let remote = bob().peer_id();
    let ephemeral = StaticSecret::from([5; 32]);
    let prologue = prologue_of(label, &remote);
    Handshake::ik_initiator(&prologue, alice().noise_secret(), remote.noise_public(), ephemeral)
}

/// What shows that its author knows for whom message 1 of a byte stream is.
fn stream_mark(message: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 stream mark");
    hasher.update(bob().peer_id().as_bytes()).update(message);
    let mut mark = [0; 16];
    hasher.finalize_xof().fill(&mut mark);
    mark
}

/// The AEAD key and the IV of one direction's secret on a byte stream.
fn record_keys(secret: &[u8; 32]) -> ([u8; 32], [u8; 12]) {
    let iv = blake3::derive_key("hither v1 stream iv", secret);
    (blake3::derive_key("hither v1 stream key", secret), iv[..12].try_into().unwrap())
}

/// Record `number` under a secret.
fn record(secret: &[u8; 32], number: u32, plaintext: &[u8]) -> Vec<u8> {
    let (key, mut nonce) = record_keys(secret);
    nonce[8..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, part)| *byte ^= part);
    let length = ((plaintext.len() + 16) as u16).to_be_bytes();
    let payload = Payload { msg: plaintext, aad: &length };
    let sealed = ChaCha20Poly1305::new(&Key::from(key)).encrypt(&Nonce::from(nonce), payload).unwrap();
    [&length[..], &sealed].concat()
}

/// The input of every derivation after the handshake.
fn key_material(finished: &Handshake) -> Vec<u8> {
    [finished.chaining_key().as_slice(), finished.hash(), &[0]].concat()
}

/// The AEAD key, the IV and the header protection key of one direction's secret.
fn packet_keys(secret: &[u8; 32]) -> ([u8; 32], [u8; 12], [u8; 32]) {
    let iv = blake3::derive_key("hither v1 quic packet iv", secret);
    (
        blake3::derive_key("hither v1 quic packet key", secret),
        iv[..12].try_into().unwrap(),
        blake3::derive_key("hither v1 quic header key", secret),
    )
}

fn connection_id() -> ConnectionId {
    ConnectionId::new(&[0, 1, 2, 3, 4, 5, 6, 7])
}

fn initial_secret(direction: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 quic initial");
    hasher.update(&0x4869_0001_u32.to_be_bytes()).update(bob().peer_id().as_bytes());
    hasher.update(&[8]).update(&connection_id());
    blake3::derive_key(direction, hasher.finalize().as_bytes())
}

const RETRY: &str = "ff48690001000801020304050607087468697320697320746865207468696e67";

fn crypto(identity: Identity) -> QuicCrypto {
    let ephemerals = Entropy::new(Seed::new([3; 32])).stream("ephemerals");
    QuicCrypto::new(Arc::new(identity), NetworkId::default(), Ciphers::portable(), ephemerals)
}

fn message_content() -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut root = message.init_root::<content::Builder<'_>>();
    root.set_id(&[0x11; 16]);
    root.set_sender(alice().peer_id().as_bytes());
    root.set_recipient(bob().peer_id().as_bytes());
    root.set_sequence(1);
    root.set_time(UNIX_TIME);
    root.set_text("hello");
    root.init_parents(0);
    write_message_to_words(&message)
}

/// The file of the hashing example: byte i is i mod 251.
fn file() -> Vec<u8> {
    (0..2 * CHUNK + 1).map(|at| (at % 251) as u8).collect()
}

fn collection() -> (Manifest, BTreeMap<u32, Root>) {
    let entry = |path: &[&str], kind| Entry {
        path: RelativePath::new(path.iter().copied()).unwrap(),
        kind,
        modified: 0,
        executable: false,
    };
    let entries = vec![
        entry(&["photos"], EntryKind::Directory),
        entry(&["photos", "a.txt"], EntryKind::File(6)),
        entry(&["photos", "b.txt"], EntryKind::File(9)),
    ];
    let roots = BTreeMap::from([(1, Root(*blake3::hash(b"hello\n").as_bytes()))]);
    (Manifest::new("photos".into(), entries).unwrap(), roots)
}

fn nearby_mac() -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 nearby");
    hasher.update(alice().peer_id().as_bytes()).update(&SALT).update(&(UNIX_TIME / 300_000).to_le_bytes());
    hasher.update(&unhex("00000000000000000000ffffc0a80107")).update(&4242_u16.to_be_bytes());
    let mut mac = [0; 8];
    hasher.finalize_xof().fill(&mut mac);
    mac
}

fn computed() -> BTreeMap<String, String> {
    let (alice_id, bob_id) = (alice().peer_id(), bob().peer_id());
    let mut values = BTreeMap::new();
    let mut put = |name: &str, value: String| assert_eq!(values.insert(name.to_owned(), value), None);
    for (name, who) in [("alice", alice()), ("bob", bob())] {
        put(&format!("{name}.secret"), hex(*who.secret()));
        put(&format!("{name}.id"), hex(who.peer_id().as_bytes()));
        put(&format!("{name}.text"), who.peer_id().to_string());
        put(&format!("{name}.x25519.secret"), hex(who.noise_secret().to_bytes()));
        put(&format!("{name}.x25519.public"), hex(who.peer_id().noise_public().as_bytes()));
    }
    put("network", hex(NetworkId::default().0));
    put("prologue", hex(prologue(&bob_id)));

    let (mut client, mut server) = (
        initiator(),
        Handshake::ik_responder(&prologue(&bob_id), bob().noise_secret(), StaticSecret::from([6; 32])),
    );
    let (mut one, mut two) = (Vec::new(), Vec::new());
    client.write(&client_hello(), &mut one).unwrap();
    server.read(&one).unwrap();
    server.write(&server_hello(), &mut two).unwrap();
    client.read(&two).unwrap();
    put("handshake.client_hello", hex(client_hello()));
    put("handshake.message1", hex(&one));
    put("handshake.server_hello", hex(server_hello()));
    put("handshake.message2", hex(&two));
    put("handshake.ck", hex(client.chaining_key()));
    put("handshake.h", hex(client.hash()));
    let material = key_material(&client);
    for (name, label) in [
        ("handshake.client", "hither v1 quic handshake client"),
        ("handshake.server", "hither v1 quic handshake server"),
        ("1rtt.client", "hither v1 quic 1-rtt client"),
        ("1rtt.server", "hither v1 quic 1-rtt server"),
    ] {
        put(&format!("{name}.secret"), hex(blake3::derive_key(label, &material)));
    }
    let secret = blake3::derive_key("hither v1 quic 1-rtt client", &material);
    let (key, iv, header) = packet_keys(&secret);
    put("1rtt.client.key", hex(key));
    put("1rtt.client.iv", hex(iv));
    put("1rtt.client.hp", hex(header));
    put("1rtt.client.secret.updated", hex(blake3::derive_key("hither v1 quic key update", &secret)));

    put("initial.dcid", hex(&*connection_id()));
    put("initial.client.secret", hex(initial_secret("hither v1 quic initial client")));
    put("initial.server.secret", hex(initial_secret("hither v1 quic initial server")));
    put("retry.packet", RETRY.into());
    let tag = crypto(bob()).server().retry_tag(WIRE_VERSION, connection_id(), &unhex(RETRY));
    put("retry.tag", hex(tag));

    let label = b"hither v1 stream";
    let responder = prologue_of(label, &bob_id);
    let (mut client, mut server) = (
        initiator_of(label),
        Handshake::ik_responder(&responder, bob().noise_secret(), StaticSecret::from([6; 32])),
    );
    let (mut one, mut two) = (Vec::new(), Vec::new());
    client.write(&client_hello(), &mut one).unwrap();
    server.read(&one).unwrap();
    server.write(&server_hello(), &mut two).unwrap();
    client.read(&two).unwrap();
    put("stream.prologue", hex(responder));
    put("stream.mark", hex(stream_mark(&one)));
    put("stream.first", hex(framed(&[&stream_mark(&one)[..], &one].concat())));
    put("stream.second", hex(framed(&two)));
    let secret = blake3::derive_key("hither v1 stream client", &key_material(&client));
    put("stream.client.secret", hex(secret));
    put("stream.client.key", hex(record_keys(&secret).0));
    put("stream.client.iv", hex(record_keys(&secret).1));
    put("stream.client.record0", hex(record(&secret, 0, &[0])));
    put("stream.client.rekeyed", hex(blake3::derive_key("hither v1 stream rekey", &secret)));

    let content = message_content();
    let signed = [b"hither v1 message", bob_id.as_bytes().as_slice(), &content].concat();
    let signature = alice().sign(&signed);
    assert!(alice_id.verifies(&signed, &signature));
    put("message.content", hex(&content));
    put("message.signature", hex(signature));

    let file = file();
    let mut tree = Tree::new(file.len() as u64);
    for index in 0..chunk_count(file.len() as u64) {
        let (from, to) = ((index * CHUNK) as usize, (((index + 1) * CHUNK) as usize).min(file.len()));
        let value = chunk_value(file.len() as u64, index * CHUNK, &file[from..to]);
        put(&format!("chunk.{index}"), hex(value.0));
        tree.insert(index, value);
    }
    assert_eq!(tree.root().unwrap().0, *blake3::hash(&file).as_bytes());
    put("file.root", tree.root().unwrap().to_string());
    let (root, size) = (tree.root().unwrap(), file.len() as u64);
    let ticket = Ticket::new(root, Shared::File, size, alice().peer_id(), &[ADDRESS.parse().unwrap()]);
    put("ticket.text", ticket.to_string());
    let (manifest, roots) = collection();
    put("collection.a", roots[&1].to_string());
    put("collection.root", collection_root(&manifest, &roots).to_string());

    put("nearby.salt", hex(SALT));
    put("nearby.epoch", (UNIX_TIME / 300_000).to_string());
    put("nearby.address", ADDRESS.into());
    put("nearby.mac", hex(nearby_mac()));
    values
}

#[test]
fn the_examples_are_what_the_code_gives() {
    assert_eq!(block("examples"), computed());
}

/// Seals a packet by the page and opens it by the code's key.
fn opens(key: &dyn PacketKey, secret: &[u8; 32]) -> bool {
    let (aead_key, iv, _) = packet_keys(secret);
    let mut nonce = iv;
    nonce[11] ^= 9;
    let payload = Payload { msg: b"a packet's payload", aad: b"header" };
    let sealed = ChaCha20Poly1305::new(&Key::from(aead_key)).encrypt(&Nonce::from(nonce), payload).unwrap();
    let mut sealed = BytesMut::from(&sealed[..]);
    key.decrypt(PathId::ZERO, 9, b"header", &mut sealed).is_ok() && sealed == b"a packet's payload"[..]
}

#[test]
fn initial_packets_are_protected_as_the_page_says() {
    let keys = crypto(bob()).server().initial_keys(WIRE_VERSION, connection_id()).ok().unwrap();
    assert!(opens(&*keys.packet.remote, &initial_secret("hither v1 quic initial client")));
    assert!(!opens(&*keys.packet.remote, &initial_secret("hither v1 quic initial server")));
    let ours = crypto(alice()).client(bob().peer_id());
    let params = TransportParameters::read(Side::Client, &mut &b""[..]).unwrap();
    let keys =
        ours.start_session(WIRE_VERSION, "", &params).unwrap().initial_keys(connection_id(), Side::Client);
    assert!(opens(&*keys.packet.remote, &initial_secret("hither v1 quic initial server")));
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn written(session: &mut dyn Session) -> (Vec<u8>, noq_proto::crypto::Keys) {
    let mut out = Vec::new();
    let keys = session.write_handshake(&mut out);
    (out, keys.unwrap())
}

/// An initiator that does what the page says, and nothing of the crate's session, shakes hands with it.
#[test]
fn the_handshake_goes_as_the_page_says() {
    let params = TransportParameters::read(Side::Client, &mut &b""[..]).unwrap();
    let mut server = crypto(bob()).server().start_session(WIRE_VERSION, &params);
    let mut client = initiator();
    let mut one = Vec::new();
    client.write(&client_hello(), &mut one).unwrap();
    server.read_handshake(&framed(&one)).unwrap();
    let (reply, handshake) = written(&mut *server);
    assert_eq!(reply[..2], ((reply.len() - 2) as u16).to_be_bytes());
    client.read(&reply[2..]).unwrap();
    let secret = |label| blake3::derive_key(label, &key_material(&client));
    assert!(opens(&*handshake.packet.remote, &secret("hither v1 quic handshake client")));
    let (confirmation, application) = written(&mut *server);
    assert_eq!(confirmation, [0, 1, 1]);
    assert!(server.peer_identity().is_none());
    server.read_handshake(&[0, 1, 1]).unwrap();
    assert_eq!(*server.peer_identity().unwrap().downcast::<PeerId>().unwrap(), alice().peer_id());
    let secret = secret("hither v1 quic 1-rtt client");
    assert!(opens(&*application.packet.remote, &secret));
    let updated = server.next_1rtt_keys().unwrap();
    assert!(opens(&*updated.remote, &blake3::derive_key("hither v1 quic key update", &secret)));
}

/// A client that does what the page says, and nothing of the crate's stream session, opens a byte stream to it.
#[test]
fn a_byte_stream_goes_as_the_page_says() {
    let mut server = StreamSession::listen(&crypto(bob()).streams());
    let mut client = initiator_of(b"hither v1 stream");
    let mut one = Vec::new();
    client.write(&client_hello(), &mut one).unwrap();
    let first = framed(&[&stream_mark(&one)[..], &one].concat());
    let mut agreed = server.read(&first).unwrap().unwrap();
    assert_eq!(agreed.peer, alice().peer_id());
    assert_eq!(agreed.reply[..2], ((agreed.reply.len() - 2) as u16).to_be_bytes());
    client.read(&agreed.reply[2..]).unwrap();
    let secret = |label| blake3::derive_key(label, &key_material(&client));
    let (mut from_client, from_server) =
        (secret("hither v1 stream client"), secret("hither v1 stream server"));
    for number in 0..65_536 {
        let bytes = record(&from_client, number, b"a record");
        assert_eq!(agreed.opener.next(&mut bytes.as_slice()).unwrap().unwrap(), b"a record");
    }
    from_client = blake3::derive_key("hither v1 stream rekey", &from_client);
    let bytes = record(&from_client, 0, b"under the next key");
    assert_eq!(agreed.opener.next(&mut bytes.as_slice()).unwrap().unwrap(), b"under the next key");
    for number in 0..2 {
        let mut sealed = Vec::new();
        agreed.sealer.seal(&mut sealed, |out| out.extend_from_slice(b"an answer")).unwrap();
        assert_eq!(sealed, record(&from_server, number, b"an answer"));
    }
}

/// A node that looks for alice recognises her by the page's MAC, at that address and no other.
#[test]
fn an_announcement_is_recognised_as_the_page_says() {
    let recognised = |address: &str, mac: &str| {
        let now = Instant::now();
        let mut node = Node::new(Config::default(), bob(), Seed::new([1; 32]), now, UNIX_TIME);
        node.connect(now, alice().peer_id());
        let text = [("v", "1"), ("s", &hex(SALT)), ("m", mac)];
        let text = text.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let addresses = vec![address.parse().unwrap()];
        let sighting = Sighting { instance: "0123456789abcdef".into(), addresses, text };
        node.handle_surroundings(now, Surroundings::Sighted(sighting));
        node.peers().iter().any(|view| view.peer == Some(alice().peer_id()) && view.near)
    };
    let mac = hex(nearby_mac());
    assert!(recognised(ADDRESS, &mac));
    assert!(recognised(ADDRESS, &format!("0011223344556677,{mac}")));
    assert!(!recognised("192.168.1.7:4243", &mac));
    assert!(!recognised(ADDRESS, "0011223344556677"));
}

/// Someone who knows nobody sees who shows themselves, where the page's MAC fits the id.
#[test]
fn an_open_announcement_is_read_as_the_page_says() {
    let read = |address: &str, id: &str, name: &str| {
        let now = Instant::now();
        let mut node = Node::new(Config::default(), bob(), Seed::new([1; 32]), now, UNIX_TIME);
        let text = [("v", "1"), ("s", &hex(SALT)), ("m", &hex(nearby_mac())), ("i", id), ("n", name)];
        let text = text.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let addresses = vec![address.parse().unwrap()];
        let sighting = Sighting { instance: "0123456789abcdef".into(), addresses, text };
        node.handle_surroundings(now, Surroundings::Sighted(sighting));
        let view = node.peers().into_iter().next().unwrap();
        view.peer.map(|peer| (peer, view.calls_itself.unwrap().as_str().to_owned()))
    };
    let id = alice().peer_id().to_string();
    assert_eq!(read(ADDRESS, &id, "Anna's laptop"), Some((alice().peer_id(), "Anna's laptop".to_owned())));
    assert_eq!(read(ADDRESS, &id, &"x".repeat(65)), None);
    assert_eq!(read(ADDRESS, &bob().peer_id().to_string(), "Bob"), None);
    assert_eq!(read("192.168.1.7:4243", &id, "Anna's laptop"), None);
}

/// The words of alice and bob by the page, from the list that is beside the code.
#[test]
fn safety_words_are_as_the_page_says() {
    let list: Vec<&str> = include_str!("../src/pairing/words.txt").lines().collect();
    assert_eq!((list.len(), list[0], list[2047]), (2048, "abandon", "zoo"));
    let (alice, bob) = (alice().peer_id(), bob().peer_id());
    let mut ids = [*alice.as_bytes(), *bob.as_bytes()];
    ids.sort();
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 safety words");
    hasher.update(&ids.concat());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    let numbers = bytes.chunks(2).map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])) % 2048);
    let words: Vec<&str> = numbers.map(|number| list[number]).collect();
    assert_eq!(hither_protocol::safety_words(&alice, &bob), words);
}
