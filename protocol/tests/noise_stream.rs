//! The session of byte streams by itself: agreement, records, and the keys that follow from keys.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation)]

use std::sync::Arc;

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::Identity;
use hither_protocol::noise::quic::{Cipher, Ciphers, NetworkId, QuicCrypto};
use hither_protocol::noise::stream::{
    Agreed, HandshakeError, MAX_PLAINTEXT, RecordError, StreamCrypto, StreamSession,
};

fn identity(number: u8) -> Identity {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity"))
}

fn crypto(number: u8, network: NetworkId, ciphers: Ciphers) -> StreamCrypto {
    let ephemerals = Entropy::new(Seed::new([number; 32])).stream("ephemerals");
    QuicCrypto::new(Arc::new(identity(number)), network, ciphers, ephemerals).streams()
}

/// Identity 1 dials identity 2.
fn agree(client: Ciphers, server: Ciphers) -> (Agreed, Agreed) {
    let network = NetworkId::default();
    let (mut dialling, hello) =
        StreamSession::dial(&crypto(1, network, client), identity(2).peer_id()).unwrap();
    let answered = StreamSession::listen(&crypto(2, network, server)).read(&hello).unwrap().unwrap();
    let agreed = dialling.read(&answered.reply).unwrap().unwrap();
    (agreed, answered)
}

#[test]
fn both_sides_agree_on_each_other_and_the_best_cipher() {
    let (with, without) = (Ciphers::with_aes(), Ciphers::portable());
    for (client, server, expected) in [
        (with, with, Cipher::Aes256Gcm),
        (with, without, Cipher::ChaCha20Poly1305),
        (without, with, Cipher::ChaCha20Poly1305),
        (without, without, Cipher::ChaCha20Poly1305),
    ] {
        let (client, server) = agree(client, server);
        assert_eq!([client.cipher, server.cipher], [expected; 2]);
        assert_eq!([client.peer, server.peer], [identity(2).peer_id(), identity(1).peer_id()]);
    }
}

#[test]
fn records_of_any_size_cross_both_ways() {
    for ciphers in [Ciphers::with_aes(), Ciphers::portable()] {
        let (mut client, mut server) = agree(ciphers, ciphers);
        for size in [1, 2, 15, 16, 17, 1000, MAX_PLAINTEXT - 1, MAX_PLAINTEXT] {
            let text: Vec<u8> = (0..size).map(|at| at as u8).collect();
            for (from, to) in
                [(&mut client.sealer, &mut server.opener), (&mut server.sealer, &mut client.opener)]
            {
                let mut record = b"before".to_vec();
                from.seal(&mut record, |out| out.extend_from_slice(&text)).unwrap();
                assert_eq!(&record[..6], b"before");
                assert_eq!(record.len(), 6 + 2 + size + 16);
                assert_eq!(to.next(&mut &record[6..]).unwrap().unwrap(), text);
            }
        }
        let mut out = b"kept".to_vec();
        for wrong in [0, MAX_PLAINTEXT + 1] {
            assert_eq!(client.sealer.seal(&mut out, |out| out.resize(4 + 2 + wrong, 7)), Err(RecordError));
            assert_eq!(out, b"kept", "nothing leaves unencrypted");
        }
    }
}

#[test]
fn keys_are_replaced_long_before_they_are_worn_out() {
    for ciphers in [Ciphers::with_aes(), Ciphers::portable()] {
        let (mut client, mut server) = agree(ciphers, ciphers);
        let mut record = Vec::new();
        for number in 0..140_000_u32 {
            record.clear();
            client.sealer.seal(&mut record, |out| out.extend_from_slice(&number.to_be_bytes())).unwrap();
            assert_eq!(server.opener.next(&mut record.as_slice()).unwrap().unwrap(), number.to_be_bytes());
        }
    }
}

#[test]
fn the_same_record_is_never_the_same_bytes() {
    let (mut client, _) = agree(Ciphers::with_aes(), Ciphers::with_aes());
    let mut records = std::collections::BTreeSet::new();
    for _ in 0..3 * 65_536 {
        let mut record = Vec::new();
        client.sealer.seal(&mut record, |out| out.extend_from_slice(&[0; 16])).unwrap();
        assert!(records.insert(record));
    }
}

#[test]
fn peers_of_different_networks_do_not_agree() {
    let (_, hello) =
        StreamSession::dial(&crypto(1, NetworkId([1; 32]), Ciphers::portable()), identity(2).peer_id())
            .unwrap();
    let mut server = StreamSession::listen(&crypto(2, NetworkId::default(), Ciphers::portable()));
    assert!(matches!(server.read(&hello), Err(HandshakeError::Noise(_))));
    assert!(matches!(server.read(&hello), Err(HandshakeError::Unexpected)), "it is over for good");
}

#[test]
fn bytes_behind_a_message_end_the_handshake() {
    let (_, mut hello) =
        StreamSession::dial(&crypto(1, NetworkId::default(), Ciphers::portable()), identity(2).peer_id())
            .unwrap();
    hello.push(0);
    let mut server = StreamSession::listen(&crypto(2, NetworkId::default(), Ciphers::portable()));
    assert!(matches!(server.read(&hello), Err(HandshakeError::Unexpected)));
}
