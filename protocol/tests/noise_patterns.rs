//! The handshake patterns against the published vectors, against `snow`, and against bad input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice)]

use hither_protocol::noise::NoiseError;
use hither_protocol::noise::handshake::{Handshake, Pattern, Transport};
use hither_protocol::noise::symmetric::{CipherState, MAX_MESSAGE};
use proptest::prelude::*;
use serde_json::Value;
use x25519_dalek::{PublicKey, StaticSecret};

const PATTERNS: [Pattern; 3] = [Pattern::Ik, Pattern::Nk, Pattern::N];

fn secret(byte: u8) -> StaticSecret {
    StaticSecret::from([byte; 32])
}

/// Both sides of a pattern: initiator's static key 1 and ephemeral 2, responder's static key 3 and ephemeral 4.
fn pair(pattern: Pattern, prologue: &[u8]) -> (Handshake, Handshake) {
    let responder = PublicKey::from(&secret(3));
    match pattern {
        Pattern::Ik => (
            Handshake::ik_initiator(prologue, secret(1), responder, secret(2)),
            Handshake::ik_responder(prologue, secret(3), secret(4)),
        ),
        Pattern::Nk => (
            Handshake::nk_initiator(prologue, responder, secret(2)),
            Handshake::nk_responder(prologue, secret(3), &responder, secret(4)),
        ),
        Pattern::N => (
            Handshake::n_initiator(prologue, responder, secret(2)),
            Handshake::n_responder(prologue, secret(3)),
        ),
    }
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    let hex = value[field].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn key(value: &Value, field: &str) -> [u8; 32] {
    bytes(value, field).try_into().unwrap()
}

/// Runs every vector of a file, from both sides, and returns how many there were.
fn run_vectors(file: &str) -> usize {
    let file: Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let prologue = bytes(vector, "init_prologue");
        let remote = PublicKey::from(key(vector, "init_remote_static"));
        let secret = |field| StaticSecret::from(key(vector, field));
        let (initiator_ephemeral, own) = (secret("init_ephemeral"), secret("resp_static"));
        let (mut initiator, mut responder, one_way) = match vector["protocol_name"].as_str().unwrap() {
            "Noise_IK_25519_ChaChaPoly_BLAKE2s" => (
                Handshake::ik_initiator(&prologue, secret("init_static"), remote, initiator_ephemeral),
                Handshake::ik_responder(&prologue, own, secret("resp_ephemeral")),
                false,
            ),
            "Noise_NK_25519_ChaChaPoly_BLAKE2s" => (
                Handshake::nk_initiator(&prologue, remote, initiator_ephemeral),
                Handshake::nk_responder(&prologue, own, &remote, secret("resp_ephemeral")),
                false,
            ),
            "Noise_N_25519_ChaChaPoly_BLAKE2s" => (
                Handshake::n_initiator(&prologue, remote, initiator_ephemeral),
                Handshake::n_responder(&prologue, own),
                true,
            ),
            other => panic!("{other} is none of ours"),
        };
        let messages = vector["messages"].as_array().unwrap();
        let mut used = 0;
        for (index, message) in messages.iter().enumerate() {
            if initiator.is_finished() {
                break;
            }
            let (payload, ciphertext) = (bytes(message, "payload"), bytes(message, "ciphertext"));
            let (from, to) = if index.is_multiple_of(2) {
                (&mut initiator, &mut responder)
            } else {
                (&mut responder, &mut initiator)
            };
            let mut written = Vec::new();
            from.write(&payload, &mut written).unwrap();
            assert_eq!(written, ciphertext);
            assert_eq!(to.read(&ciphertext).unwrap(), payload);
            used = index + 1;
        }
        assert!(initiator.is_finished() && responder.is_finished());
        let (mut initiator, mut responder) = (initiator.split().unwrap(), responder.split().unwrap());
        assert_eq!(initiator.hash, responder.hash);
        if vector.get("handshake_hash").is_some() {
            assert_eq!(initiator.hash, key(vector, "handshake_hash"));
        }
        for (index, message) in messages.iter().enumerate().skip(used) {
            let (payload, ciphertext) = (bytes(message, "payload"), bytes(message, "ciphertext"));
            let (from, to) = if one_way || index.is_multiple_of(2) {
                (&mut initiator, &mut responder)
            } else {
                (&mut responder, &mut initiator)
            };
            let mut written = Vec::new();
            from.sending.seal(&[], &payload, &mut written).unwrap();
            assert_eq!(written, ciphertext);
            assert_eq!(to.receiving.open(&[], &ciphertext).unwrap(), payload);
        }
    }
    vectors.len()
}

#[test]
fn cacophony_vectors() {
    assert_eq!(run_vectors(include_str!("vectors/cacophony.json")), 3);
}

#[test]
fn snow_vectors() {
    assert_eq!(run_vectors(include_str!("vectors/snow.json")), 3);
}

/// What both libraries' handshakes have in common, so that one loop runs either against the other.
trait Side {
    fn write(&mut self, payload: &[u8]) -> Vec<u8>;
    fn read(&mut self, message: &[u8]) -> Vec<u8>;
    fn finished(&self) -> bool;
}

impl Side for Handshake {
    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Handshake::write(self, payload, &mut out).unwrap();
        out
    }
    fn read(&mut self, message: &[u8]) -> Vec<u8> {
        Handshake::read(self, message).unwrap()
    }
    fn finished(&self) -> bool {
        self.is_finished()
    }
}

impl Side for snow::HandshakeState {
    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; MAX_MESSAGE];
        let length = self.write_message(payload, &mut out).unwrap();
        out.truncate(length);
        out
    }
    fn read(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; MAX_MESSAGE];
        let length = self.read_message(message, &mut out).unwrap();
        out.truncate(length);
        out
    }
    fn finished(&self) -> bool {
        self.is_handshake_finished()
    }
}

fn run(initiator: &mut dyn Side, responder: &mut dyn Side) {
    for (round, payload) in [&b"first"[..], b"", &[7; 300]].iter().cycle().enumerate() {
        if initiator.finished() {
            break;
        }
        if round.is_multiple_of(2) {
            assert_eq!(responder.read(&initiator.write(payload)), *payload);
        } else {
            assert_eq!(initiator.read(&responder.write(payload)), *payload);
        }
    }
    assert!(initiator.finished() && responder.finished());
}

/// `snow`'s crypto without its random numbers: its features bring no source of them here, and the ephemeral keys
/// are fixed.
fn snow_builder(pattern: Pattern) -> snow::Builder<'static> {
    struct Fixed;
    impl snow::resolvers::CryptoResolver for Fixed {
        fn resolve_rng(&self) -> Option<Box<dyn snow::types::Random>> {
            struct Zero;
            impl snow::types::Random for Zero {
                fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), snow::Error> {
                    out.fill(0);
                    Ok(())
                }
            }
            Some(Box::new(Zero))
        }
        fn resolve_dh(&self, choice: &snow::params::DHChoice) -> Option<Box<dyn snow::types::Dh>> {
            snow::resolvers::DefaultResolver.resolve_dh(choice)
        }
        fn resolve_hash(&self, choice: &snow::params::HashChoice) -> Option<Box<dyn snow::types::Hash>> {
            snow::resolvers::DefaultResolver.resolve_hash(choice)
        }
        fn resolve_cipher(
            &self,
            choice: &snow::params::CipherChoice,
        ) -> Option<Box<dyn snow::types::Cipher>> {
            snow::resolvers::DefaultResolver.resolve_cipher(choice)
        }
    }
    snow::Builder::with_resolver(pattern.protocol_name().parse().unwrap(), Box::new(Fixed))
}

#[test]
fn whole_handshakes_against_snow() {
    for pattern in PATTERNS {
        let prologue = b"a prologue";
        let theirs = |initiator: bool| {
            let (own, ephemeral, remote) = ([if initiator { 1 } else { 3 }; 32], [9; 32], [3; 32]);
            let remote = PublicKey::from(&StaticSecret::from(remote)).to_bytes();
            let mut builder = snow_builder(pattern)
                .prologue(prologue)
                .unwrap()
                .fixed_ephemeral_key_for_testing_only(&ephemeral);
            if pattern == Pattern::Ik || !initiator {
                builder = builder.local_private_key(&own).unwrap();
            }
            match initiator {
                true => builder.remote_public_key(&remote).unwrap().build_initiator().unwrap(),
                false => builder.build_responder().unwrap(),
            }
        };
        // Ours dials.
        let (mut ours, _) = pair(pattern, prologue);
        let mut snow = theirs(false);
        run(&mut ours, &mut snow);
        assert_eq!(ours.hash(), snow.get_handshake_hash());
        if pattern == Pattern::Ik {
            assert_eq!(snow.get_remote_static().unwrap(), PublicKey::from(&secret(1)).as_bytes());
        }
        converse(ours.split().unwrap(), snow, pattern == Pattern::N, true);
        // Ours answers.
        let (_, mut ours) = pair(pattern, prologue);
        let mut snow = theirs(true);
        run(&mut snow, &mut ours);
        assert_eq!(ours.hash(), snow.get_handshake_hash());
        if pattern == Pattern::Ik {
            assert_eq!(ours.remote_static(), Some(&PublicKey::from(&secret(1))));
        }
        converse(ours.split().unwrap(), snow, pattern == Pattern::N, false);
    }
}

/// A few transport messages in every direction that the pattern allows.
fn converse(mut ours: Transport, snow: snow::HandshakeState, one_way: bool, we_initiated: bool) {
    let mut snow = snow.into_transport_mode().unwrap();
    for payload in [&b"one"[..], b"", b"three"] {
        let mut message = Vec::new();
        if we_initiated || !one_way {
            ours.sending.seal(&[], payload, &mut message).unwrap();
            let mut out = [0; 100];
            let length = snow.read_message(&message, &mut out).unwrap();
            assert_eq!(&out[..length], payload);
        }
        if !we_initiated || !one_way {
            let mut out = [0; 100];
            let length = snow.write_message(payload, &mut out).unwrap();
            assert_eq!(ours.receiving.open(&[], &out[..length]).unwrap(), payload);
        }
    }
}

#[test]
fn other_prologue_or_other_responder_is_refused() {
    for pattern in PATTERNS {
        let (mut initiator, _) = pair(pattern, b"one network");
        let (_, mut responder) = pair(pattern, b"another network");
        let message = Side::write(&mut initiator, b"hello");
        assert_eq!(responder.read(&message), Err(NoiseError::Decrypt));
    }
    let mut initiator = Handshake::nk_initiator(b"", PublicKey::from(&secret(5)), secret(2));
    let (_, mut responder) = pair(Pattern::Nk, b"");
    assert_eq!(responder.read(&Side::write(&mut initiator, b"")), Err(NoiseError::Decrypt));
}

#[test]
fn a_forged_message_leaves_the_true_one_readable_where_that_is_asked_for() {
    for pattern in [Pattern::Ik, Pattern::Nk] {
        let (mut initiator, mut responder) = pair(pattern, b"");
        responder.read(&Side::write(&mut initiator, b"hello")).unwrap();
        let message = Side::write(&mut responder, b"reply");
        for position in 0..message.len() {
            let mut forged = message.clone();
            forged[position] ^= 1;
            assert!(initiator.try_read(&forged).is_err());
            assert!(initiator.try_read(&message[..position]).is_err());
        }
        assert_eq!(initiator.try_read(&[0; 64]), Err(NoiseError::WeakKey));
        assert_eq!(initiator.try_read(&message).unwrap(), b"reply");
        assert_eq!(initiator.try_read(&message), Err(NoiseError::OutOfTurn));
        let (mut ours, mut theirs) = (initiator.split().unwrap(), responder.split().unwrap());
        let mut sealed = Vec::new();
        theirs.sending.seal(&[], b"more", &mut sealed).unwrap();
        assert_eq!(ours.receiving.open(&[], &sealed).unwrap(), b"more");
    }
    // One that has failed for good is not brought back.
    let (mut initiator, mut responder) = pair(Pattern::Nk, b"");
    responder.read(&Side::write(&mut initiator, b"")).unwrap();
    let message = Side::write(&mut responder, b"");
    assert!(initiator.read(&[0; 64]).is_err());
    assert_eq!(initiator.try_read(&message), Err(NoiseError::OutOfTurn));
}

#[test]
fn a_key_of_small_order_is_refused() {
    // 0, 1, a point of order 8, p - 1 and p: the u-coordinates that give an all-zero result.
    let mut order_8 = [0; 32];
    order_8.copy_from_slice(&bytes(
        &serde_json::json!({ "u": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800" }),
        "u",
    ));
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let (mut one, mut minus_one) = ([0; 32], p);
    (one[0], minus_one[0]) = (1, 0xec);
    for weak in [[0; 32], one, order_8, minus_one, p] {
        let (_, mut responder) = pair(Pattern::Nk, b"");
        let mut message = weak.to_vec();
        message.extend([0; 16]);
        assert_eq!(responder.read(&message), Err(NoiseError::WeakKey));
        let mut initiator = Handshake::n_initiator(b"", PublicKey::from(weak), secret(2));
        let mut out = vec![1, 2];
        assert_eq!(initiator.write(b"", &mut out), Err(NoiseError::WeakKey));
        assert_eq!(out, [1, 2], "nothing of a failed message is left behind");
    }
}

#[test]
fn the_last_nonce_is_never_used() {
    let mut cipher = CipherState::starting_at(&[1; 32], u64::MAX - 1);
    let mut message = Vec::new();
    cipher.seal(&[], b"the last one", &mut message).unwrap();
    let mut receiving = CipherState::starting_at(&[1; 32], u64::MAX - 1);
    assert_eq!(receiving.open(&[], &message).unwrap(), b"the last one");
    assert_eq!(cipher.seal(&[], b"", &mut message), Err(NoiseError::Exhausted));
    assert_eq!(receiving.open(&[], &message), Err(NoiseError::Exhausted));
}

#[test]
fn a_forgery_does_not_move_the_nonce() {
    let (mut sending, mut receiving) = (CipherState::new(&[1; 32]), CipherState::new(&[1; 32]));
    let mut message = Vec::new();
    sending.seal(b"ad", b"text", &mut message).unwrap();
    assert_eq!(receiving.open(b"other", &message), Err(NoiseError::Decrypt));
    assert_eq!(receiving.open(b"ad", &message).unwrap(), b"text");
    assert_eq!(receiving.open(b"ad", &message), Err(NoiseError::Decrypt), "a replay");
}

#[test]
fn turns_and_lengths_are_kept() {
    for pattern in PATTERNS {
        let (mut initiator, mut responder) = pair(pattern, b"");
        assert_eq!(initiator.read(&[0; 96]), Err(NoiseError::OutOfTurn));
        assert_eq!(responder.write(b"", &mut Vec::new()), Err(NoiseError::OutOfTurn));
        assert!(!initiator.is_finished() && initiator.split().is_err());
    }
    let (mut initiator, mut responder) = pair(Pattern::N, b"");
    assert_eq!(responder.read(&[0; 31]), Err(NoiseError::Length));
    assert_eq!(responder.read(&[0; 96]), Err(NoiseError::OutOfTurn), "a failed handshake stays failed");
    let mut out = Vec::new();
    assert_eq!(initiator.write(&vec![0; MAX_MESSAGE - 40], &mut out), Err(NoiseError::Length));
    assert!(out.is_empty() && !initiator.is_finished());
    let (mut initiator, mut responder) = pair(Pattern::N, b"");
    let largest = vec![1; MAX_MESSAGE - 48];
    let message = Side::write(&mut initiator, &largest);
    assert_eq!((message.len(), responder.read(&message).unwrap()), (MAX_MESSAGE, largest));
}

proptest! {
    /// No byte of a first message can be changed, dropped or added without the reader refusing it.
    #[test]
    fn changed_messages_are_refused(pattern in 0..3usize, at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let (mut initiator, _) = pair(PATTERNS[pattern], b"p");
        let message = Side::write(&mut initiator, b"payload");
        let at = at.index(message.len());
        let mut changed = message.clone();
        changed[at] ^= flip;
        let mut longer = message.clone();
        longer.push(flip);
        for bad in [&changed[..], &message[..at], &longer] {
            let (_, mut responder) = pair(PATTERNS[pattern], b"p");
            prop_assert!(responder.read(bad).is_err());
            prop_assert!(!responder.is_finished());
        }
    }

    /// Arbitrary bytes are refused without a panic.
    #[test]
    fn noise_is_refused(pattern in 0..3usize, message in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, mut responder) = pair(PATTERNS[pattern], b"");
        prop_assert!(responder.read(&message).is_err());
    }
}
