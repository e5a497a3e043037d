//! Tickets there and back, and everything that is none.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::string_slice,
    reason = "tests, of numbers and texts that are known"
)]

use proptest::prelude::*;

use super::*;
use crate::entropy::{Entropy, Seed};
use crate::identity::Identity;

fn peer() -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([5; 32])).stream("ticket")).peer_id()
}

fn ticket(addresses: &[&str]) -> Ticket {
    let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Ticket::new(Root([7; 32]), Shared::File, 123_456, peer(), &addresses)
}

fn read(text: &str) -> Result<Ticket, ParseTicketError> {
    text.parse()
}

#[test]
fn the_text_has_the_published_form() {
    let ticket = ticket(&["192.168.1.7:4242", "[2001:db8::7]:4242"]);
    let text = ticket.to_string();
    assert!(text.starts_with("hit1q"), "{text}");
    assert_eq!(text.len(), 4 + (74 + 7 + 19) * 8 / 5 + 6);
    assert_eq!(read(&text), Ok(ticket));
}

#[test]
fn addresses_that_nobody_could_dial_are_left_out_and_the_rest_is_bounded() {
    let none = ["0.0.0.0:1", "10.0.0.1:0", "255.255.255.255:9", "224.0.0.1:9", "[::]:9", "[ff02::1]:9"];
    assert_eq!(ticket(&none).addresses(), []);
    let many: Vec<String> = (1..30).map(|number| format!("[2001:db8::{number}]:4242")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let ticket = ticket(&[&many[..1], &many[..]].concat());
    assert_eq!(ticket.addresses().len(), MAX_TICKET_ADDRESSES);
    assert_eq!(ticket.to_string().len(), MAX_TEXT);
    assert_eq!(read(&ticket.to_string()), Ok(ticket));
}

#[test]
fn every_single_typo_is_named() {
    let text = ticket(&["192.168.1.7:4242"]).to_string();
    for at in 4..text.len() {
        let found = if text.as_bytes()[at] == b'q' { 'p' } else { 'q' };
        let mut mistyped = text.clone();
        mistyped.replace_range(at..=at, &found.to_string());
        let expected = text.chars().nth(at).unwrap();
        let typo = Typo { position: at + 1, found, expected };
        assert_eq!(read(&mistyped), Err(ParseTicketError::Mistyped(typo)));
    }
}

#[test]
fn what_is_wrong_is_said() {
    let text = ticket(&["192.168.1.7:4242", "10.0.0.1:4242"]).to_string();
    assert_eq!(read(""), Err(ParseTicketError::NotATicket));
    assert_eq!(read("hither"), Err(ParseTicketError::NotATicket));
    assert_eq!(read(&peer().to_string()), Err(ParseTicketError::AnId));
    for missing in [1, 2, 10, 100] {
        let cut = &text[..text.len() - missing];
        assert_eq!(read(cut), Err(ParseTicketError::TooShort { missing }));
    }
    assert!(matches!(read("hit1"), Err(ParseTicketError::TooShort { .. })));
    assert_eq!(read(&format!("{text}{}", &text[4..40])), Err(ParseTicketError::TooLong));
    assert_eq!(read(&"hit1".repeat(100_000)), Err(ParseTicketError::TooLong));
    assert_eq!(read(&format!("{text}q")), Err(ParseTicketError::TooLong));
    let bad = text.replacen("hit1q", "hit1b", 1);
    assert_eq!(read(&bad), Err(ParseTicketError::BadCharacter { position: 5, found: 'b' }));
    let mixed = format!("{}{}", &text[..40], text[40..].to_ascii_uppercase());
    assert_eq!(read(&mixed), Err(ParseTicketError::MixedCase));
    assert_eq!(read(&text.to_ascii_uppercase()), read(&text));
    assert_eq!(read(&format!("  {text}\n")), read(&text));
    let mut two = text.clone();
    for at in [20, 60, 61] {
        let other = if two.as_bytes()[at] == b'q' { "p" } else { "q" };
        two.replace_range(at..=at, other);
    }
    assert_eq!(read(&two), Err(ParseTicketError::ManyMistyped));
}

/// The text of whatever bytes, with a checksum that fits.
fn sealed(bytes: &[u8]) -> String {
    bytes.iter().copied().bytes_to_fes().with_checksum::<Bech32m>(&HRP).chars().collect()
}

#[test]
fn a_checksum_makes_no_ticket_of_nonsense() {
    let good = ticket(&["192.168.1.7:4242"]).encode();
    assert!(read(&sealed(&good)).is_ok());
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        read(&sealed(&bytes))
    };
    assert_eq!(changed(&|bytes| bytes[0] = 2), Err(ParseTicketError::Newer));
    assert_eq!(changed(&|bytes| bytes[74] = 5), Err(ParseTicketError::Newer));
    assert_eq!(changed(&|bytes| bytes[1] ^= 1), Err(ParseTicketError::Invalid), "another length");
    assert_eq!(changed(&|bytes| bytes[42..74].fill(0xff)), Err(ParseTicketError::Invalid), "no id");
    assert_eq!(changed(&|bytes| bytes[79..].fill(0)), Err(ParseTicketError::Invalid), "port 0");
    assert_eq!(changed(&|bytes| bytes.truncate(80)), Err(ParseTicketError::Invalid));
    assert_eq!(changed(&|bytes| bytes.truncate(10)), Err(ParseTicketError::Invalid));
    assert_eq!(changed(&|bytes| bytes.extend_from_within(74..)), Err(ParseTicketError::Invalid), "twice");
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(IpAddr::from);
    (prop_oneof![v4, v6], any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn every_ticket_is_read_as_it_was_written(
        root in any::<[u8; 32]>(),
        one in any::<bool>(),
        bytes in any::<u64>(),
        addresses in prop::collection::vec(address(), 0..12),
    ) {
        let kind = if one { Shared::File } else { Shared::Collection };
        let ticket = Ticket::new(Root(root), kind, bytes, peer(), &addresses);
        prop_assert_eq!(read(&ticket.to_string()), Ok(ticket));
    }

    #[test]
    fn whatever_is_typed_is_answered(text in "(hit1|HIT1|hi1)?[ -~]{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&text);
        if let Ok(ticket) = read(&sealed(&bytes)) {
            prop_assert_eq!(ticket.encode(), bytes);
        }
    }
}
