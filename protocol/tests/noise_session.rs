//! The QUIC session driven by hand, byte for byte: framing, changed messages, lying initiators and responders.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation)]

use std::sync::Arc;

use bytes::BytesMut;
use capnp::message::Builder;
use capnp::serialize::write_message_to_words;
use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{BadPeerId, Identity, PeerId};
use hither_protocol::noise::handshake::Handshake;
use hither_protocol::noise::quic::{Cipher, Ciphers, HandshakeData, NetworkId, QuicCrypto, WIRE_VERSION};
use hither_schema::handshake_capnp::{Cipher as WireCipher, client_hello, server_hello};
use noq_proto::crypto::{KeyPair, Keys, PacketKey, Session};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectError, PathId, Side, TransportError};
use proptest::prelude::*;
use x25519_dalek::StaticSecret;

fn identity(number: u8) -> Identity {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity"))
}

fn crypto(number: u8, ciphers: Ciphers) -> QuicCrypto {
    let ephemerals = Entropy::new(Seed::new([number; 32])).stream("ephemerals");
    QuicCrypto::new(Arc::new(identity(number)), NetworkId::default(), ciphers, ephemerals)
}

fn params() -> TransportParameters {
    TransportParameters::read(Side::Client, &mut &b""[..]).unwrap()
}

/// A client (identity 1) that dials the server (identity 2).
fn sessions(client: Ciphers, server: Ciphers) -> (Box<dyn Session>, Box<dyn Session>) {
    let remote = identity(2).peer_id();
    let client = crypto(1, client).client(remote).start_session(WIRE_VERSION, "", &params()).unwrap();
    (client, crypto(2, server).server().start_session(WIRE_VERSION, &params()))
}

fn portable() -> (Box<dyn Session>, Box<dyn Session>) {
    sessions(Ciphers::portable(), Ciphers::portable())
}

fn written(session: &mut dyn Session) -> (Vec<u8>, Option<Keys>) {
    let mut out = Vec::new();
    let keys = session.write_handshake(&mut out);
    (out, keys)
}

/// A whole handshake; the 1-RTT keys of client and server.
fn complete(client: &mut dyn Session, server: &mut dyn Session) -> (Keys, Keys) {
    let (message, keys) = written(client);
    assert!(keys.is_none() && !server.read_handshake(&message).unwrap());
    let (message, keys) = written(server);
    assert!(keys.is_some() && client.read_handshake(&message).unwrap());
    let (confirmation, server_keys) = written(server);
    let (nothing, keys) = written(client);
    assert!(keys.is_some() && nothing.is_empty() && !client.read_handshake(&confirmation).unwrap());
    assert!(client.is_handshaking() && server.is_handshaking());
    let (confirmation, client_keys) = written(client);
    assert!(server.peer_identity().is_none() && server.handshake_data().is_none());
    assert!(server.read_handshake(&confirmation).unwrap());
    assert!(!client.is_handshaking() && !server.is_handshaking());
    (client_keys.unwrap(), server_keys.unwrap())
}

fn code(error: &TransportError) -> u64 {
    error.code.into()
}

/// An initiator that says whatever it likes in message 1.
struct Initiator {
    handshake: Handshake,
}

impl Initiator {
    fn new() -> Self {
        let (own, remote) = (identity(1).noise_secret(), identity(2).peer_id());
        let ephemeral = StaticSecret::from([5; 32]);
        let handshake = Handshake::ik_initiator(&prologue(&remote), own, remote.noise_public(), ephemeral);
        Self { handshake }
    }

    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 2];
        self.handshake.write(payload, &mut out).unwrap();
        let length = (out.len() - 2) as u16;
        out[..2].copy_from_slice(&length.to_be_bytes());
        out
    }
}

fn prologue(responder: &PeerId) -> Vec<u8> {
    [b"hither v1 quic", &WIRE_VERSION.to_be_bytes()[..], &NetworkId::default().0, responder.as_bytes()]
        .concat()
}

fn client_hello(peer: &[u8], ciphers: &[WireCipher], transport: &[u8]) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut hello = message.init_root::<client_hello::Builder<'_>>();
    hello.set_peer(peer);
    hello.set_transport(transport);
    let mut list = hello.init_ciphers(ciphers.len() as u32);
    for (index, cipher) in (0..).zip(ciphers) {
        list.set(index, *cipher);
    }
    write_message_to_words(&message)
}

/// What a server makes of an initiator's payload.
fn answer_to(payload: &[u8]) -> Result<bool, TransportError> {
    let (_, mut server) = portable();
    let result = server.read_handshake(&Initiator::new().message(payload));
    if result.is_err() {
        assert!(server.peer_identity().is_none() && server.transport_parameters() == Ok(None));
        assert!(written(&mut *server).0.is_empty(), "a refused initiator gets no message 2");
    }
    result
}

const CHACHA: &[WireCipher] = &[WireCipher::ChaCha20Poly1305];

#[test]
fn another_version_is_refused_by_the_client() {
    let config = crypto(1, Ciphers::portable()).client(identity(2).peer_id());
    let result = config.start_session(1, "", &params());
    assert!(matches!(result, Err(ConnectError::UnsupportedVersion)));
    let server = crypto(2, Ciphers::portable()).server();
    assert!(server.initial_keys(1, noq_proto::ConnectionId::new(&[1; 8])).is_err());
}

#[test]
fn an_honest_initiator_is_understood() {
    assert_eq!(answer_to(&client_hello(identity(1).peer_id().as_bytes(), CHACHA, b"")), Ok(false));
}

#[test]
fn an_id_that_is_not_the_proven_key_is_refused() {
    let error = answer_to(&client_hello(identity(3).peer_id().as_bytes(), CHACHA, b"")).unwrap_err();
    assert_eq!(code(&error), 0x100 + 42);
    assert!(error.reason.contains("does not belong to the key"));
}

#[test]
fn ids_that_cannot_be_owned_are_refused() {
    let good = *identity(1).peer_id().as_bytes();
    let mut sign_bit = good;
    sign_bit[31] |= 0x80;
    // y = 1 + p, the neutral element written in a second way; and the points of order 1, 2 and 8.
    let mut not_canonical = [0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
    let (mut order_1, mut order_2) = ([0; 32], [0xff; 32]);
    order_1[0] = 1;
    (order_2[0], order_2[31]) = (0xec, 0x7f);
    let order_8 = curve25519_dalek::constants::EIGHT_TORSION[1].compress().to_bytes();
    let mixed = (curve25519_dalek::edwards::CompressedEdwardsY(good).decompress().unwrap()
        + curve25519_dalek::constants::EIGHT_TORSION[4])
        .compress()
        .to_bytes();
    for bad in [sign_bit, not_canonical, order_1, order_2, order_8, mixed] {
        assert!(PeerId::from_bytes(&bad).is_err());
        assert_eq!(code(&answer_to(&client_hello(&bad, CHACHA, b"")).unwrap_err()), 0x100 + 42);
    }
    assert!(PeerId::from_bytes(&good[..31]) == Err(BadPeerId::Length));
    assert!(answer_to(&client_hello(&good[..31], CHACHA, b"")).is_err());
}

#[test]
fn an_offer_without_a_common_cipher_is_refused() {
    let peer = identity(1).peer_id();
    for offer in [&[][..], &[WireCipher::Aes256Gcm]] {
        let error = answer_to(&client_hello(peer.as_bytes(), offer, b"")).unwrap_err();
        assert_eq!(code(&error), 0x100 + 40);
    }
}

#[test]
fn ciphers_of_later_versions_are_passed_over() {
    let peer = identity(1).peer_id();
    let offer = [WireCipher::Aes256Gcm, WireCipher::ChaCha20Poly1305];
    let mut payload = client_hello(peer.as_bytes(), &offer, b"");
    // The list of 16-bit numbers 1, 0 becomes 99, 0.
    let at = payload.windows(8).rposition(|word| word == [1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    payload[at] = 99;
    assert_eq!(answer_to(&payload), Ok(false));
}

#[test]
fn malformed_payloads_are_refused() {
    let good = client_hello(identity(1).peer_id().as_bytes(), CHACHA, b"");
    for cut in 0..good.len() {
        assert!(answer_to(&good[..cut]).is_err());
    }
    assert!(answer_to(&[&good[..], &[0; 8]].concat()).is_err(), "bytes after the payload");
    let bad_params = client_hello(identity(1).peer_id().as_bytes(), CHACHA, &[1, 200, 1]);
    assert_eq!(code(&answer_to(&bad_params).unwrap_err()), 8);
}

/// A responder of our own making chooses for the client what it did not offer.
#[test]
fn a_cipher_that_was_not_offered_is_refused() {
    for (chosen, expected) in [(WireCipher::ChaCha20Poly1305, None), (WireCipher::Aes256Gcm, Some(0x128))] {
        let (mut client, _) = portable();
        let (first, _) = written(&mut *client);
        let id = identity(2);
        let ephemeral = StaticSecret::from([6; 32]);
        let mut responder = Handshake::ik_responder(&prologue(&id.peer_id()), id.noise_secret(), ephemeral);
        responder.read(&first[2..]).unwrap();
        let mut message = Builder::new_default();
        let mut hello = message.init_root::<server_hello::Builder<'_>>();
        hello.set_cipher(chosen);
        let mut reply = vec![0; 2];
        responder.write(&write_message_to_words(&message), &mut reply).unwrap();
        let length = (reply.len() - 2) as u16;
        reply[..2].copy_from_slice(&length.to_be_bytes());
        let result = client.read_handshake(&reply);
        assert_eq!(result.as_ref().err().map(code), expected);
        assert_eq!(client.peer_identity().is_some(), expected.is_none());
    }
}

/// Whatever single byte changes on the way, the reader refuses the message.
#[test]
fn every_byte_of_both_messages_counts() {
    let (mut client, mut server) = sessions(Ciphers::with_aes(), Ciphers::with_aes());
    let (first, _) = written(&mut *client);
    for at in 2..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 0x80;
        let (_, mut server) = sessions(Ciphers::with_aes(), Ciphers::with_aes());
        assert!(server.read_handshake(&changed).is_err(), "byte {at} of message 1");
        assert!(written(&mut *server).1.is_none());
        assert!(server.read_handshake(&first).is_err(), "there is no second try");
    }
    server.read_handshake(&first).unwrap();
    let (second, _) = written(&mut *server);
    for at in 2..second.len() {
        let mut changed = second.clone();
        changed[at] ^= 0x80;
        let (mut client, _) = sessions(Ciphers::with_aes(), Ciphers::with_aes());
        assert_eq!(written(&mut *client).0, first);
        assert!(client.read_handshake(&changed).is_err(), "byte {at} of message 2");
        assert!(client.peer_identity().is_none() && written(&mut *client).1.is_none());
    }
}

#[test]
fn nothing_may_follow_a_message_or_come_out_of_turn() {
    let unexpected = |result: Result<bool, TransportError>| assert_eq!(code(&result.unwrap_err()), 0x10a);
    // The server's confirmation smuggled in behind message 2, under the keys that anyone can have.
    let (mut client, mut server) = portable();
    let (first, _) = written(&mut *client);
    server.read_handshake(&first).unwrap();
    let (mut second, _) = written(&mut *server);
    second.extend([0, 1, 1]);
    unexpected(client.read_handshake(&second));
    // The client's, behind message 1; at once, or before message 2 was written.
    unexpected(portable().1.read_handshake(&[&first[..], &[0, 1, 1]].concat()));
    let (_, mut server) = portable();
    server.read_handshake(&first).unwrap();
    unexpected(server.read_handshake(&[0, 1, 1]));
    // Something before the client has said anything, and after all is said.
    unexpected(portable().0.read_handshake(&[0]));
    let (mut client, mut server) = portable();
    complete(&mut *client, &mut *server);
    unexpected(client.read_handshake(&[0, 1, 1]));
    unexpected(server.read_handshake(&[0, 1, 1]));
}

#[test]
fn another_confirmation_is_refused() {
    for wrong in [&[0, 1, 2][..], &[0, 0], &[0, 2, 1, 1]] {
        let (mut client, mut server) = portable();
        let (first, _) = written(&mut *client);
        server.read_handshake(&first).unwrap();
        let (second, _) = written(&mut *server);
        client.read_handshake(&second).unwrap();
        written(&mut *client);
        assert!(client.read_handshake(wrong).is_err());
        assert!(written(&mut *client).1.is_none(), "no 1-RTT keys");
    }
}

#[test]
fn no_more_than_one_message_is_buffered() {
    let (_, mut server) = portable();
    assert!(server.read_handshake(&[0xff, 0xff]).is_err(), "a length above 4 KiB is refused at once");
    let (_, mut server) = portable();
    assert_eq!(server.read_handshake(&[0x10, 0x00]), Ok(false));
    assert_eq!(server.read_handshake(&[0; 4095]), Ok(false));
    assert!(server.read_handshake(&[0; 2]).is_err());
}

#[test]
fn exporters_agree_and_depend_on_all_they_are_given() {
    let (mut client, mut server) = portable();
    let export = |session: &dyn Session, length, label: &[u8], context: &[u8]| {
        let mut out = vec![0; length];
        session.export_keying_material(&mut out, label, context).ok().map(|()| out)
    };
    assert_eq!(export(&*client, 32, b"l", b"c"), None, "not before the handshake is complete");
    complete(&mut *client, &mut *server);
    let one = export(&*client, 32, b"label", b"context").unwrap();
    assert_eq!(export(&*server, 32, b"label", b"context"), Some(one.clone()));
    assert_ne!(export(&*server, 32, b"labelc", b"ontext"), Some(one.clone()));
    assert_ne!(export(&*server, 33, b"label", b"context").unwrap()[..32], one);
    assert!(export(&*client, 255 * 32, b"", b"").is_some());
    assert_eq!(export(&*client, 255 * 32 + 1, b"", b""), None);
}

#[test]
fn each_connection_has_its_own_keys() {
    // The same client dials twice: other ephemerals, other hash, other exporter.
    let (client, server) = (crypto(1, Ciphers::portable()), crypto(2, Ciphers::portable()));
    let (client, server) = (client.client(identity(2).peer_id()), server.server());
    let [one, other] = [0, 1].map(|_| {
        let mut client = client.start_session(WIRE_VERSION, "", &params()).unwrap();
        let mut server = server.start_session(WIRE_VERSION, &params());
        complete(&mut *client, &mut *server);
        *client.handshake_data().unwrap().downcast::<HandshakeData>().unwrap()
    });
    assert_ne!(one.hash, other.hash);
}

/// Seals with one key and opens with another.
fn passes(sealing: &dyn PacketKey, opening: &dyn PacketKey) -> bool {
    let mut packet = [3; 60];
    sealing.encrypt(PathId::ZERO, 7, &mut packet, 12);
    let mut body = BytesMut::from(&packet[12..]);
    opening.decrypt(PathId::ZERO, 7, &packet[..12], &mut body).is_ok_and(|()| body[..] == [3; 32])
}

#[test]
fn keys_fit_the_other_sides_in_every_phase_and_no_other() {
    for ciphers in [Ciphers::portable(), Ciphers::with_aes()] {
        let (mut client, mut server) = sessions(ciphers, ciphers);
        assert!(client.next_1rtt_keys().is_none() && server.next_1rtt_keys().is_none());
        let (client_keys, server_keys) = complete(&mut *client, &mut *server);
        let mut phases: Vec<(KeyPair<_>, KeyPair<_>)> = vec![(client_keys.packet, server_keys.packet)];
        for _ in 0..5 {
            phases.push((client.next_1rtt_keys().unwrap(), server.next_1rtt_keys().unwrap()));
        }
        for (i, (client, _)) in phases.iter().enumerate() {
            for (j, (_, server)) in phases.iter().enumerate() {
                assert_eq!(passes(&*client.local, &*server.remote), i == j);
                assert_eq!(passes(&*server.local, &*client.remote), i == j);
                assert!(!passes(&*client.local, &*server.local), "each direction has its own");
            }
        }
    }
}

#[test]
fn a_retry_counts_only_from_the_one_who_was_dialled() {
    let cid = noq_proto::ConnectionId::new(&[4; 8]);
    let (client, _) = portable();
    let tag =
        |number| crypto(number, Ciphers::portable()).server().retry_tag(WIRE_VERSION, cid, b"headertoken");
    assert!(client.is_valid_retry(cid, b"header", &[&b"token"[..], &tag(2)].concat()));
    assert!(!client.is_valid_retry(cid, b"header", &[&b"token"[..], &tag(3)].concat()));
    assert!(!client.is_valid_retry(cid, b"header", &[&b"Token"[..], &tag(2)].concat()));
    let other = noq_proto::ConnectionId::new(&[5; 8]);
    assert!(!client.is_valid_retry(other, b"header", &[&b"token"[..], &tag(2)].concat()));
    assert!(!client.is_valid_retry(cid, b"header", &tag(2)[..15]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However CRYPTO data is cut, the handshake is the same.
    #[test]
    fn messages_may_come_in_any_pieces(sizes in prop::collection::vec(1..40usize, 1..20)) {
        let (mut client, mut server) = sessions(Ciphers::with_aes(), Ciphers::with_aes());
        let feed = |to: &mut dyn Session, mut bytes: &[u8]| {
            let mut sizes = sizes.iter().cycle();
            while !bytes.is_empty() {
                let (piece, rest) = bytes.split_at(bytes.len().min(*sizes.next().unwrap()));
                to.read_handshake(piece).unwrap();
                bytes = rest;
            }
        };
        feed(&mut *server, &written(&mut *client).0);
        let (mut second, _) = written(&mut *server);
        feed(&mut *client, &second);
        written(&mut *client);
        second = written(&mut *server).0;
        feed(&mut *client, &second);
        feed(&mut *server, &written(&mut *client).0);
        prop_assert!(!client.is_handshaking() && !server.is_handshaking());
        let cipher = server.handshake_data().unwrap().downcast::<HandshakeData>().unwrap().cipher;
        prop_assert_eq!(cipher, Cipher::Aes256Gcm);
    }

    /// Arbitrary bytes at any stage end in an error or in waiting for more, never in a panic or in keys.
    #[test]
    fn arbitrary_bytes_never_panic(stage in 0..3u8, pieces in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..200), 1..6,
    )) {
        let (mut client, mut server) = portable();
        if stage > 0 {
            let (first, _) = written(&mut *client);
            if stage > 1 {
                server.read_handshake(&first).unwrap();
                let (second, _) = written(&mut *server);
                client.read_handshake(&second).unwrap();
                written(&mut *client);
                written(&mut *server);
            }
        }
        // Past message 2 exactly one thing is right to say.
        prop_assume!(stage < 2 || !pieces.concat().starts_with(&[0, 1, 1]));
        for session in [&mut client, &mut server] {
            for piece in &pieces {
                if session.read_handshake(piece).is_err() {
                    break;
                }
            }
            prop_assert!(session.is_handshaking());
        }
        prop_assert!(server.peer_identity().is_none());
    }

    /// A payload that is properly encrypted but mutated, or not a payload at all.
    #[test]
    fn mutated_payloads_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut payload = client_hello(identity(1).peer_id().as_bytes(), CHACHA, &[1, 1, 5]);
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let _ = answer_to(&payload);
    }

    /// Any bytes as payload, encrypted by an initiator of our own making.
    #[test]
    fn arbitrary_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(answer_to(&payload).is_err());
    }
}
