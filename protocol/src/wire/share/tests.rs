//! Messages about roots there and back, and what is refused of them.
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
use crate::wire::frame::MAX_FRAME;
use crate::wire::{ChannelOpen, Control, encode_open_outline, encode_open_pieces, parse_open};

fn peer() -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([5; 32])).stream("peer")).peer_id()
}

fn back(what: What) -> Result<What, Malformed> {
    let said = Control::Share(Share { root: Root([4; 32]), what });
    let frame = said.encode();
    assert!(frame.len() <= MAX_FRAME + 4, "{} bytes", frame.len());
    match Control::parse(&frame[4..])? {
        Control::Share(share) if share.root == Root([4; 32]) => Ok(share.what),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_comes_back_at_its_largest() {
    let runs: Vec<Run> = (0..MAX_RUNS as u32).map(|at| Run { first: at * 4, count: 2 }).collect();
    let address = |number: u16| SocketAddr::new(IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, number]), 4242);
    let other = Other { peer: peer(), addresses: (0..MAX_OTHER_ADDRESSES as u16).map(address).collect() };
    for what in [
        What::Seek { outline: true },
        What::Seek { outline: false },
        What::Have(Have::All),
        What::Have(Have::Bits(MAX_PIECES - 8, vec![0xa5; MAX_BITS])),
        What::Have(Have::Pieces((0..MAX_LISTED as u32).map(|at| MAX_PIECES - 1 - at).collect())),
        What::Ask(runs.clone()),
        What::Cancel(runs.clone()),
        What::Lack(runs.clone()),
        What::Changed(runs),
        What::Cancel(vec![Run { first: 0, count: MAX_PIECES }]),
        What::Others(vec![other; MAX_OTHERS]),
        What::Leave(Leaving::Done),
        What::Leave(Leaving::Unknown),
        What::Leave(Leaving::Busy),
        What::Leave(Leaving::Stopped),
    ] {
        assert_eq!(back(what.clone()), Ok(what));
    }
}

#[test]
fn what_is_too_much_or_beyond_is_refused() {
    let run = |first, count| Run { first, count };
    let other = Other { peer: peer(), addresses: vec!["10.0.0.1:1".parse().unwrap()] };
    let crowd =
        Other { addresses: vec!["10.0.0.1:1".parse().unwrap(); MAX_OTHER_ADDRESSES + 1], ..other.clone() };
    for what in [
        What::Ask(vec![run(0, 0)]),
        What::Ask(vec![run(0, MAX_ASK + 1)]),
        What::Ask(vec![run(0, MAX_ASK), run(MAX_ASK, 1)]),
        What::Ask(vec![run(MAX_PIECES, 1)]),
        What::Lack(vec![run(u32::MAX, u32::MAX)]),
        What::Cancel(vec![run(0, 1); MAX_RUNS + 1]),
        What::Have(Have::Bits(4, vec![1])),
        What::Have(Have::Bits(MAX_PIECES, vec![1])),
        What::Have(Have::Bits(0, vec![1; MAX_BITS + 1])),
        What::Have(Have::Pieces(vec![MAX_PIECES])),
        What::Have(Have::Pieces(vec![0; MAX_LISTED + 1])),
        What::Others(vec![other.clone(); MAX_OTHERS + 1]),
        What::Others(vec![crowd]),
    ] {
        assert_eq!(back(what.clone()), Err(Malformed), "{what:?}");
    }
    let nowhere = Other { addresses: vec!["0.0.0.0:1".parse().unwrap()], ..other.clone() };
    let none = Other { addresses: Vec::new(), ..other };
    assert_eq!(
        back(What::Others(vec![nowhere])),
        Ok(What::Others(vec![none])),
        "what cannot be dialled is left out"
    );
}

#[test]
fn channels_and_pieces_come_back() {
    let root = Root([9; 32]);
    assert_eq!(parse_open(&encode_open_pieces(root)[4..]), Ok(ChannelOpen::Pieces(root)));
    let entry = crate::transfer::Entry {
        path: crate::transfer::RelativePath::new(["a"]).unwrap(),
        kind: crate::transfer::EntryKind::File(7),
        modified: 0,
        executable: false,
    };
    let manifest = Manifest::new("name".into(), vec![entry]).unwrap();
    let head = OutlineHead { root, name: "name".into(), entries: 1, bytes: 7 };
    assert_eq!(parse_open(&encode_open_outline(root, &manifest)[4..]), Ok(ChannelOpen::Outline(head)));
    let head = PieceHead { piece: 7, length: 8, value: ChunkValue([1; 32]), proof: vec![2; 64] };
    assert_eq!(parse_piece(&encode_piece(&head)[4..]), Ok(head.clone()));
    for length in [31, 33, MAX_PROOF + 32] {
        let bad = PieceHead { proof: vec![2; length], ..head.clone() };
        assert_eq!(parse_piece(&encode_piece(&bad)[4..]), Err(Malformed));
    }
    let list = vec![root; 3000];
    let mut rest = &list[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (frame, count) = encode_roots(rest);
        assert!(frame.len() <= MAX_FRAME + 4 && count > 0);
        found.extend(parse_roots(&frame[4..]).unwrap());
        rest = &rest[count..];
    }
    assert_eq!(found, list);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_hold_what_was_put_into_them(pieces in prop::collection::vec(0..200_u32, 0..100)) {
        let found: Vec<u32> = runs(pieces.iter().copied()).into_iter().flat_map(Run::pieces).collect();
        prop_assert_eq!(found, pieces);
    }

    #[test]
    fn damage_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let _ = (parse_piece(&bytes), parse_roots(&bytes));
        let other = Other { peer: peer(), addresses: vec!["10.0.0.1:1".parse().unwrap()] };
        for what in [What::Others(vec![other]), What::Ask(runs([1, 2, 5])), What::Have(Have::Bits(8, vec![1, 2]))] {
            let mut frame = Control::Share(Share { root: Root([4; 32]), what }).encode();
            let at = 4 + at.index(frame.len() - 4);
            frame[at] ^= flip;
            let _ = Control::parse(&frame[4..]);
        }
    }
}
