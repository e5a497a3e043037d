//! What the fuzzer of the table's datagrams runs, on arbitrary bytes and on changes to true datagrams.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../../fuzz/src/lib.rs"]
mod entry;

use proptest::prelude::*;

/// Inputs of one kind: the first byte says which.
fn of_kind(kind: std::ops::Range<u8>, length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    (kind, proptest::collection::vec(any::<u8>(), length))
        .prop_map(|(kind, rest)| [vec![kind], rest].concat())
}

/// Some words that Cap'n Proto may take for pointers, lengths and little numbers.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        any::<u64>(),
        0..16_u64,
        (0..64_u64, 0..1300_u64, 0..8_u64)
            .prop_map(|(offset, count, kind)| (count << 35) | (kind << 32) | (offset << 2) | 1),
        (0..64_u64, 0..4_u64, 0..8_u64)
            .prop_map(|(offset, data, pointers)| (pointers << 48) | (data << 32) | (offset << 2)),
    ];
    (prop_oneof![Just(3_u8), Just(6_u8)], proptest::collection::vec(word, 1..130)).prop_map(
        |(kind, words)| {
            let count = u32::try_from(words.len()).expect("a few");
            let segments = [[0; 4], count.to_le_bytes()].concat();
            let words = words.into_iter().flat_map(u64::to_le_bytes);
            [kind].into_iter().chain(segments).chain(words).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(input in of_kind(0..10, 0..1400)) {
        entry::datagram(&input);
    }

    #[test]
    fn few_changes_to_true_datagrams_do_no_harm(input in of_kind(0..10, 1..12)) {
        entry::datagram(&input);
    }

    #[test]
    fn what_looks_like_a_message_does_no_harm(input in words()) {
        entry::datagram(&input);
    }
}
