//! Codes as people type them, payloads, safety words.

#![allow(
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "tests, of times and texts that are known"
)]

mod contacts;
mod machines;
mod page;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::words::{COUNT, complete, find, nearest, word};
use super::*;
use crate::entropy::{Entropy, Seed, Stream};
use crate::identity::{Identity, PeerId};

fn random(byte: u8) -> Stream {
    Entropy::new(Seed::new([byte; 32])).stream("test")
}

fn peer(byte: u8) -> PeerId {
    Identity::generate(&mut random(byte)).peer_id()
}

#[test]
fn the_list_is_bip_39s() {
    let words: Vec<_> = (0..COUNT).map(word).collect();
    assert_eq!((words[0], words[2047], words.len()), ("abandon", "zoo", 2048));
    assert!(words.is_sorted());
    let starts: std::collections::BTreeSet<_> = words.iter().map(|word| &word[..word.len().min(4)]).collect();
    assert_eq!(starts.len(), 2048, "four letters are enough");
    // SHA-256 of `english.txt` as the BIP has it.
    let hash: [u8; 32] = Sha256::digest(include_bytes!("words.txt")).into();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
}

#[test]
fn every_word_is_found_by_itself_and_by_its_first_four_letters() {
    for number in 0..COUNT {
        let word = word(number);
        assert_eq!(find(word), Some(number));
        assert_eq!(find(&word.to_uppercase()), Some(number));
        assert_eq!(find(&word[..word.len().min(4)]), Some(number), "{word}");
    }
    // Three letters of a longer word are not enough, nor is a word with something behind it.
    assert_eq!(
        (find("aba"), find("abandonx"), find(""), find("zzzz"), find("é")),
        (None, None, None, None, None)
    );
}

#[test]
fn a_mistyped_word_is_said_which_and_the_nearest_offered() {
    for (typed, expected) in [("abandn", "abandon"), ("zeor", "zero"), ("tigr", "tiger"), ("Monky", "monkey")]
    {
        assert_eq!(nearest(typed), expected);
    }
    let bad = Code::parse("zoo abandn zero").err();
    assert_eq!(bad, Some(BadCode::Unknown { position: 2, nearest: "abandon" }));
    assert!(!format!("{bad:?}").contains("abandon"), "what may be part of a code is not in a log");
    // Whatever is typed has an answer.
    assert!(!nearest("").is_empty() && !nearest(&"é".repeat(1000)).is_empty());
}

#[test]
fn words_are_completed() {
    assert_eq!(complete("zo"), ["zone", "zoo"]);
    assert_eq!(complete("ZOO"), ["zoo"]);
    assert_eq!(complete("").len(), 2048);
    assert!(complete("zooo").is_empty());
}

#[test]
fn a_code_is_read_however_it_is_typed() {
    for text in ["abandon-zoo-monkey", " Abandon  ZOO monkey\n", "aban-zoo-monk", "abandon--zoo - monkey-"] {
        assert_eq!(
            Code::parse(text).unwrap_or_else(|bad| panic!("{bad}")).text().as_str(),
            "abandon-zoo-monkey"
        );
    }
    assert_eq!(Code::parse("").err(), Some(BadCode::TooFew));
    assert_eq!(Code::parse("zoo zoo").err(), Some(BadCode::TooFew));
    assert_eq!(Code::parse(&"zoo ".repeat(9)).err(), Some(BadCode::TooMany));
    assert_eq!(Code::parse(&"x".repeat(10_000)).err(), Some(BadCode::TooMany));
}

#[test]
fn the_first_words_are_public_and_the_rest_are_secret() {
    let code = |text: &str| Code::parse(text).unwrap_or_else(|bad| panic!("{bad}"));
    for (words, bits) in [(3, 22), (4, 33), (5, 33), (6, 44), (7, 55), (8, 66)] {
        assert_eq!(Code::generate(&mut random(1), words).secret_bits(), bits);
    }
    let three = code("abandon-zoo-monkey");
    assert_eq!(three.secret().as_str(), "zoo-monkey");
    assert_eq!(three.place(), code("abandon-ability-able-about").place(), "only the first word says where");
    assert_ne!(three.place(), code("ability-zoo-monkey").place());
    let five = code("abandon-zoo-monkey-able-about");
    assert_eq!(five.secret().as_str(), "monkey-able-about");
    assert_ne!(five.place(), three.place());
}

#[test]
fn codes_are_drawn_evenly() {
    let mut random = random(2);
    let mut seen = [0_u32; 2048];
    for _ in 0..20_000 {
        for word in Code::generate(&mut random, 8).text().split('-') {
            seen[usize::from(find(word).unwrap_or_default())] += 1;
        }
    }
    // 78 each on average: a word that never comes, or comes twice as often, is no accident.
    assert!(seen.iter().all(|count| (30..150).contains(count)));
}

#[test]
fn payloads_are_what_they_were() {
    let code = Payload::parse("HITHER:C/ABANDON-ZOO-MONKEY");
    let Ok(Payload::Code(code)) = code else { panic!("a code") };
    let code = Payload::Code(code);
    assert_eq!(code.link().as_str(), "hither:c/abandon-zoo-monkey");
    assert_eq!(code.qr().as_str(), "HITHER:C/ABANDON-ZOO-MONKEY");
    let peer = peer(3);
    for name in [None, Some("Bob"), Some("Jörg Müller / büro"), Some(&*"名".repeat(100))] {
        let payload = Payload::Peer { peer, name: name.map(str::to_owned) };
        for text in [payload.link(), payload.qr()] {
            assert!(text.len() <= MAX_PAYLOAD);
            let Ok(Payload::Peer { peer: read, name: called }) = Payload::parse(&text) else {
                panic!("{text:?}")
            };
            assert_eq!(read, peer);
            // A long name is cut at a character.
            assert!(name.unwrap_or_default().starts_with(called.as_deref().unwrap_or_default()));
            assert_eq!(name.is_some(), called.is_some());
        }
    }
    let alphanumeric =
        |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || " $%*+-./:".contains(char);
    assert!(Payload::Peer { peer, name: None }.qr().chars().all(alphanumeric));
    assert!(code.qr().chars().all(alphanumeric));
}

#[test]
fn what_is_no_payload_is_said_why() {
    let why = |text: &str| Payload::parse(text).err();
    assert_eq!(why("https://example.org"), Some(BadPayload::Other));
    assert_eq!(why(""), Some(BadPayload::Other));
    assert_eq!(why("hither:x/1"), Some(BadPayload::Unknown));
    assert_eq!(why("hither:"), Some(BadPayload::Unknown));
    assert_eq!(why(&format!("hither:c/{}", "x".repeat(200))), Some(BadPayload::Unknown));
    assert_eq!(why("hither:c/zoo"), Some(BadPayload::Code(BadCode::TooFew)));
    assert!(matches!(why("hither:p/hi1qqq"), Some(BadPayload::Id(_))));
    let peer = peer(4);
    for name in ["", "%0", "%zz", "%ff", "a%0ab", "%1b[31m"] {
        assert_eq!(why(&format!("hither:p/{peer}/{name}")), Some(BadPayload::Name), "{name}");
    }
}

#[test]
fn safety_words_are_the_same_for_both_and_others_for_others() {
    let (a, b, c) = (peer(5), peer(6), peer(7));
    let words = safety_words(&a, &b);
    assert!(words.len() >= 6);
    assert_eq!(words, safety_words(&b, &a));
    assert_ne!(words, safety_words(&a, &c));
    assert_ne!(words, safety_words(&a, &a));
}

proptest! {
    #[test]
    fn whatever_is_typed_or_scanned_is_answered(text in ".{0,300}", words in "[a-zé \\-]{0,80}") {
        let _ = (Code::parse(&text).err(), Code::parse(&words).err(), nearest(&text), complete(&text), find(&words));
        let _ = (Payload::parse(&text).err(), Payload::parse(&format!("hither:p/{text}")).err());
        let _ = Payload::parse(&format!("hither:c/{words}")).err();
    }

    #[test]
    fn a_code_survives_being_typed(seed in any::<u8>(), words in 3_u8..=8, capitals in any::<bool>()) {
        let code = Code::generate(&mut random(seed), words);
        prop_assert_eq!(code.words(), usize::from(words));
        let text = code.text();
        let typed = if capitals { text.to_uppercase().replace('-', " ") } else { text.to_string() };
        let again = Code::parse(&typed).map_err(|bad| TestCaseError::fail(bad.to_string()))?;
        prop_assert_eq!(again.text(), text);
    }
}
