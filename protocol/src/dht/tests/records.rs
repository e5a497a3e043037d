//! Records: who can find, read and make them, and who cannot.

use std::collections::BTreeSet;
use std::time::Duration;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signature, VerifyingKey};
use proptest::prelude::*;
use sha2::Sha512;

use super::{DAY, HOUR, NOON, identity, little, much, random, record, signer, v4, v6};
use crate::dht::blinded::item_bytes;
use crate::dht::{
    BadRecord, BlindedId, Contact, Content, Introduced, MAX_RECORD, MAX_TTL_ADDRESSES, MAX_TTL_BUNDLE,
    NodeKey, NotSigned, Period, Prekey, Record, RecordKind, publishable,
};
use crate::identity::PeerId;
use crate::noise::quic::NetworkId;

fn id(of: &PeerId, kind: RecordKind, day: Period) -> BlindedId {
    BlindedId::new(of, kind, day, &NetworkId::default())
}

fn bundle() -> Content {
    Content::Bundle {
        mailboxes: (1..=3).map(|seed| identity(seed).peer_id()).collect(),
        prekey: Some(Prekey { number: 7, key: [9; 32] }),
        devices: (4..=7).map(|seed| identity(seed).peer_id()).collect(),
    }
}

#[test]
fn whoever_knows_the_id_reads_what_was_signed() {
    let owner = identity(1);
    let nothing = Content::Addresses { at: Vec::new(), introduced: None };
    let empty = Content::Bundle { mailboxes: Vec::new(), prekey: None, devices: Vec::new() };
    for (kind, content) in [
        (RecordKind::Addresses, much()),
        (RecordKind::Addresses, little()),
        (RecordKind::Addresses, nothing),
        (RecordKind::Bundle, bundle()),
        (RecordKind::Bundle, empty),
    ] {
        let signed = signer(&owner, kind, DAY).sign(5, HOUR, &content, &mut random(2)).unwrap();
        let record = Record::parse(&signed.encode()).unwrap();
        assert_eq!(record, signed);
        assert_eq!((record.kind(), record.period(), record.sequence()), (kind, DAY, 5));
        assert_eq!(record.ttl(), HOUR);
        let reader = id(&owner.peer_id(), kind, DAY);
        assert_eq!(reader.target(), record.target());
        assert_eq!(reader.open(&record), Ok(content));
    }
}

#[test]
fn all_records_have_one_size_and_it_fits() {
    let owner = identity(1);
    for (kind, content) in [
        (RecordKind::Addresses, much()),
        (RecordKind::Addresses, little()),
        (RecordKind::Addresses, Content::Addresses { at: vec![v6(1)], introduced: None }),
        (RecordKind::Bundle, bundle()),
    ] {
        let record = signer(&owner, kind, DAY).sign(1, HOUR, &content, &mut random(1)).unwrap();
        assert_eq!(record.encode().len(), MAX_RECORD);
    }
}

#[test]
fn whoever_stores_records_cannot_link_kinds_days_or_networks() {
    let owner = identity(1);
    let networks = [NetworkId::default(), NetworkId([1; 32])];
    let mut seen = BTreeSet::new();
    let mut records = 0;
    for kind in [RecordKind::Addresses, RecordKind::Bundle] {
        for day in [DAY.previous(), DAY, DAY.next()] {
            for network in networks {
                let signer = super::BlindedIdentity::new(&owner, kind, day, &network);
                // What the clock says is the same everywhere only if the owner signs all at once, which it need not.
                let content = if kind == RecordKind::Bundle { bundle() } else { little() };
                let record = signer.sign(1, HOUR, &content, &mut random(1)).unwrap();
                records += 1;
                assert_ne!(record.key(), owner.peer_id().as_bytes());
                seen.insert(record.key().to_vec());
                seen.insert(record.target().0.to_vec());
                // The same salt, as after a restored snapshot, and yet no two have eight bytes alike.
                for block in record.sealed()[8..].chunks_exact(8).chain(record.signature().chunks_exact(8)) {
                    assert!(seen.insert(block.to_vec()), "something is alike");
                }
            }
        }
    }
    assert_eq!(records, 12);
    assert_eq!(seen.len(), 12 * (2 + 43 + 8));
}

#[test]
fn two_of_one_number_are_under_different_keys() {
    let signer = signer(&identity(1), RecordKind::Addresses, DAY);
    let mut random = random(1);
    let first = signer.sign(1, HOUR, &little(), &mut random).unwrap();
    let second = signer.sign(1, HOUR, &little(), &mut random).unwrap();
    assert!(first.sealed()[8..].iter().zip(&second.sealed()[8..]).filter(|(a, b)| a == b).count() < 32);
}

#[test]
fn who_does_not_know_the_id_reads_nothing() {
    let owner = identity(1);
    let record = record(1, 1);
    let others = [
        id(&identity(2).peer_id(), RecordKind::Addresses, DAY),
        id(&owner.peer_id(), RecordKind::Bundle, DAY),
        id(&owner.peer_id(), RecordKind::Addresses, DAY.next()),
        BlindedId::new(&owner.peer_id(), RecordKind::Addresses, DAY, &NetworkId([1; 32])),
    ];
    for other in others {
        assert_eq!(other.open(&record), Err(BadRecord::Another));
    }
    for address in ["192.0.2.1", "4242"] {
        assert!(!record.encode().windows(address.len()).any(|part| part == address.as_bytes()));
    }
    let mut written = Vec::new();
    crate::dht::write_address(&mut written, v4(1));
    assert!(!record.encode().windows(6).any(|part| part == &written[1..]));
}

#[test]
fn signatures_are_plain_ed25519_of_the_blinded_key() {
    let owner = identity(1);
    let signer = signer(&owner, RecordKind::Addresses, DAY);
    let id = id(&owner.peer_id(), RecordKind::Addresses, DAY);
    assert_eq!(signer.id().key(), id.key());
    // Whoever has only the id comes to a canonical point of the prime-order subgroup.
    let point = CompressedEdwardsY(*id.key()).decompress().unwrap();
    assert!(point.is_torsion_free() && !point.is_small_order());
    assert_eq!(point.compress().0, *id.key());
    let signature = Signature::from_bytes(&signer.sign_item(9, b"value"));
    let message = item_bytes(9, b"value");
    let key = VerifyingKey::from_bytes(id.key()).unwrap();
    assert!(key.verify_strict(&message, &signature).is_ok());
    assert!(key.verify_strict(&item_bytes(10, b"value"), &signature).is_err());
    for other in [
        *owner.peer_id().as_bytes(),
        *super::signer(&identity(2), RecordKind::Addresses, DAY).id().key(),
        *super::signer(&owner, RecordKind::Addresses, DAY.next()).id().key(),
    ] {
        let other = VerifyingKey::from_bytes(&other).unwrap();
        assert!(other.verify_strict(&message, &signature).is_err());
    }
}

#[test]
fn an_item_is_signed_as_bep_44_has_it() {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    let bytes = |hex: &str| -> Vec<u8> {
        hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
    };
    // BEP-44, test vector 1, "mutable".
    let public = bytes("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
    let secret = bytes(
        "e06d3183d14159228433ed599221b80bd0a5ce8352e4bdf0262f76786ef1c74d\
         b7e7a9fea2c0eb269d61e3b38e450a22e754941ac78479d6c54e1faf6037881d",
    );
    let expected = bytes(
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
         1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
    );
    let message = item_bytes(1, b"Hello World!");
    assert_eq!(message, b"3:seqi1e1:v12:Hello World!");
    let secret = ExpandedSecretKey::from_bytes(&secret.try_into().unwrap());
    let key = VerifyingKey::from(&secret);
    assert_eq!(key.as_bytes().as_slice(), public);
    assert_eq!(raw_sign::<Sha512>(&secret, &message, &key).to_bytes().as_slice(), expected);
}

#[test]
fn a_changed_byte_is_refused_wherever_it_is() {
    let bytes = record(1, 1).encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Record::parse(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
    for end in 0..bytes.len() {
        assert!(Record::parse(&bytes[..end]).is_err());
    }
    assert_eq!(Record::parse(&[bytes.as_slice(), &[0; 8]].concat()), Err(BadRecord::TooLarge));
}

#[test]
fn whoever_stores_a_record_cannot_make_another_of_it() {
    let good = record(1, 1);
    let parts = |kind, period, key, sequence, ttl, sealed: &[u8], signature| {
        Record::from_parts(kind, period, key, sequence, ttl, sealed.to_vec(), signature)
    };
    let (kind, key, sealed, signature) = (good.kind(), *good.key(), good.sealed(), *good.signature());
    assert_eq!(parts(kind, DAY, key, 1, HOUR, sealed, signature), Ok(good.clone()));
    let wrong = Err(BadRecord::Signature);
    assert_eq!(parts(RecordKind::Bundle, DAY, key, 1, HOUR, sealed, signature), wrong);
    assert_eq!(parts(kind, DAY.next(), key, 1, HOUR, sealed, signature), wrong);
    assert_eq!(parts(kind, DAY, *record(2, 1).key(), 1, HOUR, sealed, signature), wrong);
    assert_eq!(parts(kind, DAY, key, 2, HOUR, sealed, signature), wrong);
    assert_eq!(parts(kind, DAY, key, 1, HOUR / 2, sealed, signature), wrong);
    assert_eq!(parts(kind, DAY, key, 1, HOUR, record(1, 2).sealed(), signature), wrong);
    assert_eq!(parts(kind, DAY, key, 1, HOUR, sealed, *record(1, 2).signature()), wrong);
    let longer = [sealed, &[0]].concat();
    assert_eq!(parts(kind, DAY, key, 1, HOUR, &longer, signature), Err(BadRecord::TooLarge));
    let later = Period(u64::from(u32::MAX) + 1);
    assert_eq!(parts(kind, later, key, 1, HOUR, sealed, signature), Err(BadRecord::Malformed));
}

#[test]
fn keys_that_prove_nothing_are_refused() {
    let good = record(1, 1);
    let with = |key| {
        let sealed = good.sealed().to_vec();
        Record::from_parts(good.kind(), DAY, key, 1, HOUR, sealed, *good.signature())
    };
    // The neutral point, a point of order 2, y = 1 written as p + 1, no point at all.
    let one = std::array::from_fn(|at| u8::from(at == 0));
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut long_one = [0xff; 32];
    (long_one[0], long_one[31]) = (0xee, 0x7f);
    let nowhere = std::array::from_fn(|at| if at == 0 { 2 } else { 0 });
    for key in [one, minus_one, long_one, nowhere, [0; 32]] {
        assert_eq!(with(key), Err(BadRecord::Key), "{key:02x?}");
    }
}

#[test]
fn nothing_stays_longer_than_its_kind_may() {
    let owner = identity(1);
    let second = Duration::from_secs(1);
    for (kind, content, longest) in
        [(RecordKind::Addresses, little(), MAX_TTL_ADDRESSES), (RecordKind::Bundle, bundle(), MAX_TTL_BUNDLE)]
    {
        let signer = signer(&owner, kind, DAY);
        let sign = |ttl| signer.sign(1, ttl, &content, &mut random(1));
        assert_eq!(sign(longest).unwrap().ttl(), longest);
        assert_eq!(sign(longest + second), Err(NotSigned::Ttl));
        assert_eq!(sign(Duration::from_millis(999)), Err(NotSigned::Ttl));
        let good = sign(longest).unwrap();
        let longer = Record::from_parts(
            kind,
            DAY,
            *good.key(),
            1,
            longest + second,
            good.sealed().to_vec(),
            *good.signature(),
        );
        assert_eq!(longer, Err(BadRecord::Ttl));
    }
}

#[test]
fn what_may_not_be_published_is_not_signed() {
    let signer = signer(&identity(1), RecordKind::Addresses, DAY);
    let sign = |at: &[&str]| {
        let at = at.iter().map(|address| address.parse().unwrap()).collect();
        signer.sign(1, HOUR, &Content::Addresses { at, introduced: None }, &mut random(1))
    };
    for address in ["192.168.1.7:1", "10.0.0.1:1", "100.64.0.1:1", "[fe80::1]:1", "[fd00::1]:1", "0.0.0.0:1"]
    {
        assert_eq!(sign(&[address]), Err(NotSigned::Private), "{address}");
        assert_eq!(sign(&["198.51.100.1:1", address]), Err(NotSigned::Private), "{address}");
    }
    assert_eq!(sign(&["198.51.100.1:0"]), Err(NotSigned::Private));
    assert_eq!(sign(&["198.51.100.1:1", "127.0.0.1:1"]), Err(NotSigned::Private));
    assert!(sign(&["[::1]:1", "127.0.0.1:1"]).is_ok());
    assert!(publishable("127.0.0.1:1".parse().unwrap(), true));
    assert!(!publishable("127.0.0.1:1".parse().unwrap(), false));
    assert!(!publishable("[::ffff:192.168.1.1]:1".parse().unwrap(), false));
    assert_eq!(signer.sign(1, HOUR, &bundle(), &mut random(1)), Err(NotSigned::Kind));
    let nine = Content::Addresses { at: (1..=9).map(v4).collect(), introduced: None };
    assert_eq!(signer.sign(1, HOUR, &nine, &mut random(1)), Err(NotSigned::TooLarge));
}

#[test]
fn of_all_that_is_known_what_may_be_said_and_fits_is_said() {
    let parse = |address: &str| address.parse().unwrap();
    let known = [parse("192.168.1.7:1"), parse("[::ffff:192.0.2.1]:4242"), v4(1), parse("127.0.0.1:1")];
    let introducer = |number, at| Contact::new(NodeKey([number; 32]), at).unwrap();
    let introduced = |by: &[Contact]| Some(Introduced { key: NodeKey([9; 32]), by: by.to_vec() });
    let private = introducer(1, parse("10.0.0.1:1"));
    let said = Content::addresses(&known, introduced(&[private, introducer(2, v6(2)), introducer(2, v6(3))]));
    let expected = Content::Addresses { at: vec![v4(1)], introduced: introduced(&[introducer(2, v6(2))]) };
    assert_eq!(said, expected);
    let said = Content::addresses(&[v4(1)], introduced(&[private]));
    assert_eq!(said, Content::Addresses { at: vec![v4(1)], introduced: None });
    let many: Vec<_> = (1..=20).map(v6).collect();
    let by: Vec<_> = (1..=5).map(|number| introducer(number, v6(number))).collect();
    let said = Content::addresses(&many, None);
    assert_eq!(said, Content::Addresses { at: many[..8].to_vec(), introduced: None });
    let said = Content::addresses(&many, introduced(&by));
    let expected = Content::Addresses { at: many[..5].to_vec(), introduced: introduced(&by[..3]) };
    assert_eq!(said, expected, "introducers go before the last addresses");
    let signer = signer(&identity(1), RecordKind::Addresses, DAY);
    assert!(signer.sign(1, HOUR, &said, &mut random(1)).is_ok());
    assert!(signer.sign(1, HOUR, &much(), &mut random(1)).is_ok());
}

#[test]
fn what_an_owner_seals_of_other_peoples_networks_is_not_read() {
    // Signed past the checks, as an owner could who has another program.
    let owner = identity(1);
    let signer = signer(&owner, RecordKind::Addresses, DAY);
    let by = |at: &str, count| {
        let contact = Contact::new(NodeKey([1; 32]), at.parse().unwrap()).unwrap();
        Some(Introduced { key: NodeKey([2; 32]), by: vec![contact; count] })
    };
    for (at, introduced) in [
        (vec!["192.168.1.1:80"], None),
        (vec!["198.51.100.1:1", "127.0.0.1:1"], None),
        (vec!["198.51.100.1:1"; 9], None),
        (vec![], by("192.168.1.1:80", 1)),
        (vec!["198.51.100.1:1"], by("127.0.0.1:1", 1)),
        (vec![], by("198.51.100.1:1", 0)),
        (vec![], by("198.51.100.1:1", 4)),
        (vec![], by("198.51.100.1:1", 2)),
    ] {
        let at = at.iter().map(|address| address.parse().unwrap()).collect();
        let content = Content::Addresses { at, introduced };
        let record = signer.sign_unchecked(1, HOUR, &content, &mut random(1)).unwrap();
        let record = Record::parse(&record.encode()).unwrap();
        assert_eq!(signer.id().open(&record), Err(BadRecord::Content));
    }
}

#[test]
fn days_and_their_neighbours() {
    let day = 86_400_000;
    assert_eq!(Period::of(day * 3), Period(3));
    assert_eq!(Period::of(day * 4 - 1), Period(3));
    assert_eq!(Period::nearer_neighbour(day * 3), Period(2));
    assert_eq!(Period::nearer_neighbour(day * 3 + day / 2 - 1), Period(2));
    assert_eq!(Period::nearer_neighbour(day * 3 + day / 2), Period(4));
    assert_eq!(Period::nearer_neighbour(0), Period(0));
    assert_eq!(Period::of(NOON), DAY);
}

proptest! {
    /// The rule that makes clocks matter little: whatever the time, one of the two days that are published is the day
    /// that a reader sees whose clock is up to twelve hours off, and a storer of such a clock takes both.
    #[test]
    fn clocks_twelve_hours_apart_meet(at in 1_000_000_000_000u64..3_000_000_000_000, off in -43_200_000i64..=43_200_000) {
        let published = [Period::of(at), Period::nearer_neighbour(at)];
        let theirs = at.checked_add_signed(off).unwrap();
        prop_assert!(published.contains(&Period::of(theirs)));
        for day in published {
            prop_assert!(day.left(theirs).is_some());
        }
    }

    #[test]
    fn bytes_of_any_kind_are_no_record_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Record::parse(&bytes).is_err());
    }
}
