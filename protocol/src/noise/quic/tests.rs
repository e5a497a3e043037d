//! Packet and header protection against what RFC 9001 and its relatives publish, and at their edges.
#![allow(clippy::string_slice)]

use bytes::BytesMut;
use noq_proto::PathId;
use noq_proto::crypto::{HandshakeTokenKey, PacketKey};

use super::{Cipher, header, packet, token_key};
use crate::entropy::{Entropy, Seed};

const CIPHERS: [Cipher; 2] = [Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm];

fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

/// RFC 9001, appendix A.5.
#[test]
fn chacha_short_header_packet_of_rfc_9001() {
    let key = hex("c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8");
    let header_key = hex("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4");
    let packets = packet::with_iv(Cipher::ChaCha20Poly1305, &key, hex("e0459b3474bdd0e44a41c144"));
    let headers = header::raw(Cipher::ChaCha20Poly1305, &header_key);

    let mut datagram = hex::<21>("4200bff40100000000000000000000000000000000").to_vec();
    packets.encrypt(PathId::ZERO, 654_360_564, &mut datagram, 4);
    headers.encrypt(1, &mut datagram);
    assert_eq!(datagram, hex::<21>("4cfe4189655e5cd55c41f69080575d7999c25a5bfb"));

    headers.decrypt(1, &mut datagram);
    assert_eq!(datagram[..4], hex::<4>("4200bff4"));
    let mut payload = BytesMut::from(&datagram[4..]);
    packets.decrypt(PathId::ZERO, 654_360_564, &datagram[..4], &mut payload).unwrap();
    assert_eq!(payload[..], [1]);
}

/// FIPS 197, appendix C.3: the mask is the first five bytes of the encrypted sample.
#[test]
fn aes_header_mask_of_fips_197() {
    let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let headers = header::raw(Cipher::Aes256Gcm, &key);
    let mut packet = vec![0x43, 0, 0, 0, 0];
    packet.extend(hex::<16>("00112233445566778899aabbccddeeff"));
    headers.encrypt(1, &mut packet);
    // The block encrypts to 8ea2b7ca51...; of the first byte five bits are protected.
    assert_eq!(packet[..5], [0x43 ^ (0x8e & 0x1f), 0xa2, 0xb7, 0xca, 0x51]);
    headers.decrypt(1, &mut packet);
    assert_eq!(packet[..5], [0x43, 0, 0, 0, 0]);
}

/// draft-ietf-quic-multipath, section on the nonce: path 3, packet 54321. A key whose IV is that nonce encrypts
/// packet 0 of path 0 to the same bytes.
#[test]
fn multipath_nonce_of_the_draft() {
    for cipher in CIPHERS {
        let multipath = packet::with_iv(cipher, &[7; 32], hex("6b26114b9cba2b63a9e8dd4f"));
        let plain = packet::with_iv(cipher, &[7; 32], hex("6b2611489cba2b63a9e8097e"));
        let (mut one, mut other) = ([0; 60], [0; 60]);
        multipath.encrypt(PathId::from(3u32), 54321, &mut one, 10);
        plain.encrypt(PathId::ZERO, 0, &mut other, 10);
        assert_eq!(one, other);
    }
}

/// Every part of the nonce and of the header counts, also in paths whose number takes more bytes to encode.
#[test]
fn packets_open_only_as_they_were_sealed() {
    let paths = [0, 1, 63, 64, 16_383, 16_384, 1 << 30, u32::MAX].map(PathId::from);
    for cipher in CIPHERS {
        let key = packet::key(cipher, &[1; 32]);
        for path in paths {
            let mut sealed = [5; 100];
            key.encrypt(path, 9, &mut sealed, 20);
            let open = |path, number, header: &[u8], body: &[u8]| {
                let mut body = BytesMut::from(body);
                key.decrypt(path, number, header, &mut body).map(|()| body)
            };
            assert_eq!(open(path, 9, &sealed[..20], &sealed[20..]).unwrap()[..], [5; 64]);
            assert!(open(path, 10, &sealed[..20], &sealed[20..]).is_err());
            assert!(open(path, 9, &sealed[..19], &sealed[20..]).is_err());
            assert!(open(path, 9, &sealed[..20], &sealed[20..99]).is_err());
            for other in paths.into_iter().filter(|other| *other != path) {
                assert!(open(other, 9, &sealed[..20], &sealed[20..]).is_err());
            }
            for length in 0..16 {
                assert!(open(path, 9, &sealed[..20], &sealed[20..20 + length]).is_err());
            }
        }
    }
}

#[test]
fn limits_are_those_of_rfc_9001() {
    let limits =
        |key: Box<dyn PacketKey>| (key.confidentiality_limit(), key.integrity_limit(), key.tag_len());
    assert_eq!(limits(packet::key(Cipher::Aes256Gcm, &[0; 32])), (1 << 23, 1 << 52, 16));
    assert_eq!(limits(packet::key(Cipher::ChaCha20Poly1305, &[0; 32])), (1 << 62, 1 << 36, 16));
}

/// A packet that cannot be sealed must not leave in the clear.
#[test]
fn what_cannot_be_sealed_is_wiped() {
    for cipher in CIPHERS {
        let mut packet = [7; 20];
        packet::key(cipher, &[1; 32]).encrypt(PathId::ZERO, 0, &mut packet, 10);
        assert_eq!(packet, [0; 20]);
    }
}

#[test]
fn header_protection_is_undone_for_all_forms_and_lengths() {
    for cipher in CIPHERS {
        let key = header::key(cipher, &[3; 32]);
        for first in [0x40, 0x41, 0x42, 0x43, 0x5f, 0xc0, 0xc1, 0xc2, 0xc3, 0xff] {
            // The last ChaCha block counter is among the samples: it must not end the process.
            for sample in [[0; 16], [0xff; 16], [0x5a; 16]] {
                let mut packet = vec![first, 1, 2, 3, 4, 5];
                packet.extend([1, 2, 3, 4]);
                packet.extend(sample);
                let before = packet.clone();
                key.encrypt(6, &mut packet);
                assert_ne!(packet, before);
                let unprotected = if first & 0x80 != 0 { 0xf0 } else { 0xe0 };
                assert_eq!(packet[0] & unprotected, first & unprotected);
                assert_eq!(packet[1..6], before[1..6]);
                key.decrypt(6, &mut packet);
                assert_eq!(packet, before);
            }
        }
        // Too short for a sample: left alone, without a panic.
        let mut short = [0x43; 20];
        key.decrypt(6, &mut short);
        key.decrypt(usize::MAX, &mut short);
        assert_eq!(short, [0x43; 20]);
    }
}

#[test]
fn tokens_open_only_under_their_key_and_nonce() {
    let key = |seed| token_key(&mut Entropy::new(Seed::new([seed; 32])));
    let mut token = b"an address".to_vec();
    key(1).seal(5, &mut token).unwrap();
    assert_eq!(token.len(), 26);
    let open = |key: &dyn HandshakeTokenKey, nonce, mut token: Vec<u8>| {
        key.open(nonce, &mut token).map(<[u8]>::to_vec).ok()
    };
    assert_eq!(open(&*key(1), 5, token.clone()).unwrap(), b"an address");
    assert_eq!(open(&*key(1), 6, token.clone()), None);
    assert_eq!(open(&*key(2), 5, token.clone()), None);
    assert_eq!(open(&*key(1), 5, token[..15].to_vec()), None);
    token[0] ^= 1;
    assert_eq!(open(&*key(1), 5, token), None);
}
