//! The text of an id: there and back, and the place of each typo named.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{
    Identity, ParsePeerAddressError, ParsePeerIdError, PeerAddress, PeerId, Typo,
};
use proptest::prelude::*;

const SYMBOLS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

fn id(seed: u8) -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([seed; 32])).stream("test")).peer_id()
}

fn replaced(text: &str, position: usize, with: char) -> String {
    (1..).zip(text.chars()).map(|(at, c)| if at == position { with } else { c }).collect()
}

fn at(text: &str, position: usize) -> char {
    text.chars().nth(position - 1).unwrap()
}

#[test]
fn an_id_is_61_characters_and_reads_back() {
    for seed in 0..=255 {
        let text = id(seed).to_string();
        assert_eq!(text.len(), 61);
        assert!(text.starts_with("hi1"));
        assert_eq!(text.parse(), Ok(id(seed)));
        assert_eq!(text.to_uppercase().parse(), Ok(id(seed)));
        assert_eq!(format!(" \t{text}\r\n").parse(), Ok(id(seed)));
    }
}

#[test]
fn the_text_is_bech32m_with_the_prefix_hi() {
    let text = id(1).to_string();
    let (hrp, bytes) = bech32::decode(&text).unwrap();
    assert_eq!(hrp.as_str(), "hi");
    assert_eq!(bytes, id(1).as_bytes());
    let encoded = bech32::encode::<bech32::Bech32m>(hrp, id(1).as_bytes()).unwrap();
    assert_eq!(encoded, text);
}

#[test]
fn debug_shows_both_ends() {
    let text = id(1).to_string();
    assert_eq!(format!("{:?}", id(1)), format!("PeerId({}…{})", &text[..11], &text[57..]));
}

#[test]
fn nothing_and_other_things_are_named() {
    let parse = |text: &str| text.parse::<PeerId>().unwrap_err();
    assert_eq!(parse(" "), ParsePeerIdError::Empty);
    assert_eq!(parse("hi"), ParsePeerIdError::TooShort { missing: 59 });
    assert_eq!(parse("alice"), ParsePeerIdError::WrongPrefix { position: 1, found: 'a' });
    assert_eq!(parse("hi2"), ParsePeerIdError::WrongPrefix { position: 3, found: '2' });
    assert_eq!(parse("hé1"), ParsePeerIdError::WrongPrefix { position: 2, found: 'é' });
}

#[test]
fn lengths_are_counted() {
    let text = id(1).to_string();
    assert_eq!(text[..60].parse::<PeerId>(), Err(ParsePeerIdError::TooShort { missing: 1 }));
    assert_eq!(text[..4].parse::<PeerId>(), Err(ParsePeerIdError::TooShort { missing: 57 }));
    assert_eq!(format!("{text}qq").parse::<PeerId>(), Err(ParsePeerIdError::TooLong { extra: 2 }));
    assert_eq!(ParsePeerIdError::TooLong { extra: 1 }.to_string(), "1 character too many: an id has 61");
    let text = ParsePeerIdError::TooShort { missing: 2 }.to_string();
    assert_eq!(text, "2 characters are missing: an id has 61");
}

#[test]
fn a_checksum_that_fits_does_not_make_an_id() {
    let hrp = bech32::Hrp::parse("hi").unwrap();
    let text = bech32::encode::<bech32::Bech32m>(hrp, &[0; 32]).unwrap();
    assert!(matches!(text.parse::<PeerId>(), Err(ParsePeerIdError::NotAnId(_))), "{text}");
}

#[test]
fn padding_bits_that_are_not_zero_make_no_second_text() {
    use bech32::{ByteIterExt, Fe32, Fe32IterExt};
    let hrp = bech32::Hrp::parse("hi").unwrap();
    let mut symbols: Vec<Fe32> = id(1).as_bytes().iter().copied().bytes_to_fes().collect();
    let last = symbols.last_mut().unwrap();
    *last = Fe32::try_from(last.to_u8() ^ 1).unwrap();
    let text: String = symbols.into_iter().with_checksum::<bech32::Bech32m>(&hrp).chars().collect();
    assert!(matches!(text.parse::<PeerId>(), Err(ParsePeerIdError::NotAnId(_))), "{text}");
}

proptest! {
    /// Whatever stands in for one character: the error names its place.
    #[test]
    fn each_substitution_is_located(seed: u8, position in 1usize..=61, with: char) {
        let text = id(seed).to_string();
        prop_assume!(at(&text, position) != with);
        // Space at an end is trimmed: one character is missing then.
        prop_assume!(!(with.is_whitespace() && (position == 1 || position == 61)));
        let place = match replaced(&text, position, with).parse::<PeerId>() {
            Err(ParsePeerIdError::WrongPrefix { position, .. }
                | ParsePeerIdError::BadCharacter { position, .. }
                | ParsePeerIdError::MixedCase { position, .. }
                | ParsePeerIdError::Mistyped(Typo { position, .. })) => position,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(place, position);
    }

    /// One symbol for another: the place, and what belongs there, in the case that was typed.
    #[test]
    fn each_wrong_symbol_is_located(seed: u8, position in 4usize..=61, symbol in 0usize..32, capital: bool) {
        let text = id(seed).to_string();
        let with = at(SYMBOLS, symbol + 1);
        prop_assume!(at(&text, position) != with);
        let cased = |text: String| if capital { text.to_uppercase() } else { text };
        let typed = cased(replaced(&text, position, with));
        let expected = at(&cased(text), position);
        let error = typed.parse::<PeerId>();
        let typo = Typo { position, found: at(&typed, position), expected };
        prop_assert_eq!(error, Err(ParsePeerIdError::Mistyped(typo)));
    }

    #[test]
    fn an_impossible_character_comes_with_the_right_one(seed: u8, position in 4usize..=61, with in "[bio1!é]") {
        let text = id(seed).to_string();
        let found = with.chars().next().unwrap();
        let error = replaced(&text, position, found).parse::<PeerId>();
        let expected = Some(at(&text, position));
        prop_assert_eq!(error, Err(ParsePeerIdError::BadCharacter { position, found, expected }));
    }

    #[test]
    fn two_wrong_symbols_are_located(seed: u8, one in 4usize..=61, two in 4usize..=61, a in 1usize..=32, b in 1usize..=32) {
        let (one, two) = (one.min(two), one.max(two));
        let text = id(seed).to_string();
        let (a, b) = (at(SYMBOLS, a), at(SYMBOLS, b));
        prop_assume!(one != two && at(&text, one) != a && at(&text, two) != b);
        let error = replaced(&replaced(&text, one, a), two, b).parse::<PeerId>().unwrap_err();
        let places = match error {
            ParsePeerIdError::MistypedTwice(first, second) => {
                prop_assert_eq!((first.expected, second.expected), (at(&text, one), at(&text, two)));
                (first.position, second.position)
            }
            ParsePeerIdError::Swapped { position } => (position, position + 1),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(places, (one, two));
    }

    #[test]
    fn neighbours_that_changed_places_are_located(seed: u8, position in 4usize..=60) {
        let text = id(seed).to_string();
        let (first, second) = (at(&text, position), at(&text, position + 1));
        prop_assume!(first != second);
        let typed = replaced(&replaced(&text, position, second), position + 1, first);
        prop_assert_eq!(typed.parse::<PeerId>(), Err(ParsePeerIdError::Swapped { position }));
    }

    /// With three wrong, the text is never taken for an id nor for one with a single typo.
    #[test]
    fn three_wrong_symbols_are_refused(seed: u8, start in 4usize..=59) {
        let text = id(seed).to_string();
        let next = |c: char| at(SYMBOLS, (SYMBOLS.find(c).unwrap() + 1) % 32 + 1);
        let typed = (start..start + 3).fold(text.clone(), |t, p| replaced(&t, p, next(at(&text, p))));
        let refused = matches!(
            typed.parse::<PeerId>().unwrap_err(),
            ParsePeerIdError::ManyMistyped
                | ParsePeerIdError::MistypedTwice(..)
                | ParsePeerIdError::Swapped { .. }
        );
        prop_assert!(refused);
    }

    #[test]
    fn any_text_is_answered(text: String) {
        if let Err(error) = text.parse::<PeerId>() {
            prop_assert!(!error.to_string().chars().any(char::is_control));
        }
        prop_assert!(text.parse::<PeerAddress>().is_err() || text.trim().len() >= 61);
    }
}

#[test]
fn an_address_reads_back() {
    for address in ["192.168.1.7:4242", "[::1]:4242", "[fe80::1%3]:1"] {
        let text = format!("{}@{address}", id(1));
        let parsed: PeerAddress = text.parse().unwrap();
        assert_eq!(parsed, PeerAddress { peer: id(1), address: Some(address.parse().unwrap()) });
        assert_eq!(parsed.to_string(), text);
    }
    assert_eq!(id(1).to_string().parse(), Ok(PeerAddress::from(id(1))));
    assert_eq!(PeerAddress::from(id(1)).to_string(), id(1).to_string());
}

#[test]
fn what_is_wrong_with_an_address_is_named() {
    for (address, error) in [
        ("", ParsePeerAddressError::NotAnAddress),
        ("bob.example:4242", ParsePeerAddressError::NotAnAddress),
        ("192.168.1.7:70000", ParsePeerAddressError::NotAnAddress),
        ("192.168.1.7", ParsePeerAddressError::NoPort),
        ("::1", ParsePeerAddressError::NoPort),
        ("[::1]", ParsePeerAddressError::NoPort),
        ("192.168.1.7:0", ParsePeerAddressError::Unreachable),
        ("0.0.0.0:4242", ParsePeerAddressError::Unreachable),
        ("255.255.255.255:4242", ParsePeerAddressError::Unreachable),
        ("[ff02::fb]:5353", ParsePeerAddressError::Unreachable),
    ] {
        assert_eq!(format!("{}@{address}", id(1)).parse::<PeerAddress>(), Err(error), "{address}");
    }
    let bad_id = "hi@192.168.1.7:4242".parse::<PeerAddress>();
    assert_eq!(bad_id, Err(ParsePeerAddressError::Id(ParsePeerIdError::TooShort { missing: 59 })));
}
