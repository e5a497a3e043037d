//! What a peer sends: every message comes back as it went, whatever pieces it comes in, and garbage is refused.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::unreachable,
    reason = "tests, of numbers that are known"
)]

use bytes::Bytes;
use hither_schema::transfer_capnp::part;
use proptest::prelude::*;

use super::frame::MAX_FRAME;
use super::*;
use crate::Refusal;
use crate::chat::MessageId;
use crate::entropy::{Entropy, Seed};
use crate::identity::Identity;
use crate::transfer::hash::{ChunkValue, Root};
use crate::transfer::{Entry, EntryKind, LinkTarget, Manifest, RelativePath, TransferId};

fn identity(number: u8) -> Identity {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("identity"))
}

fn sealed(text: &str) -> Envelope {
    let new = NewContent {
        id: MessageId([3; 16]),
        recipient: identity(2).peer_id(),
        sequence: 7,
        parents: vec![MessageId([1; 16])],
        time: 9,
        text,
    };
    Envelope::seal(&identity(1), &new)
}

fn messages() -> Vec<Control> {
    let transfer = TransferId([4; 16]);
    let mut skip = EntrySet::default();
    skip.insert(1000);
    vec![
        Control::Hello { agent: "hither".into(), revision: 7 },
        Control::Message(sealed("hello")),
        Control::Message(sealed(&"x".repeat(crate::chat::MAX_TEXT))),
        Control::Receipt { id: MessageId([1; 16]), state: ReceiptState::Stored },
        Control::Receipt { id: MessageId([1; 16]), state: ReceiptState::Refused },
        Control::Answer {
            transfer,
            answer: Answer::Accept(Wanted {
                held: skip.clone(),
                skip,
                runs: vec![
                    ChunkRun { file: 1, first: 0, count: 7 },
                    ChunkRun { file: 1, first: 7, count: u64::MAX - 7 },
                ],
            }),
        },
        Control::Pause { transfer },
        Control::Resume { transfer },
        Control::Answer { transfer, answer: Answer::Refuse(Refusal::NoSpace) },
        Control::Complete { transfer, root: Root([5; 32]) },
        Control::Received { transfer, root: Root([6; 32]) },
        Control::Cancel { transfer, reason: CancelReason::WouldOverwrite },
    ]
}

/// Cuts a stream into frames, handed over in pieces of these sizes, over and over.
fn frames(mut stream: Bytes, pieces: &[usize]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut reader = FrameReader::default();
    let mut found = Vec::new();
    for piece in pieces.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let mut piece = stream.split_to((*piece).clamp(1, stream.len()));
        while let Some(frame) = reader.next(&mut piece)? {
            found.push(frame);
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_come_back_whatever_pieces_they_come_in(pieces in prop::collection::vec(1..5000_usize, 1..8)) {
        let stream: Vec<u8> = messages().iter().flat_map(Control::encode).collect();
        let parsed = frames(stream.into(), &pieces).unwrap();
        let parsed: Vec<_> = parsed.iter().map(|frame| Control::parse(frame).unwrap()).collect();
        prop_assert_eq!(parsed, messages());
    }

    #[test]
    fn garbage_is_refused_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Control::parse(&bytes), parse_open(&bytes), parse_part(&bytes), parse_chunk(&bytes));
        let _ = Envelope::from_record(&bytes);
        let _ = frames(bytes.into(), &[7]);
    }

    #[test]
    fn damaged_messages_never_panic(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let entries = [file("a/b/c"), file("d")];
        let mut all: Vec<_> = messages().iter().map(|message| message.encode()[4..].to_vec()).collect();
        all.push(encode_part(&entries).0[4..].to_vec());
        all.push(encode_open_chunks(TransferId([1; 16]))[4..].to_vec());
        let mut bytes = which.get(&all).clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len().min(256));
            bytes[at] ^= byte;
        }
        if let Ok(Control::Message(envelope)) = Control::parse(&bytes) {
            let _ = envelope.open(identity(1).peer_id(), identity(2).peer_id());
        }
        let _ = (parse_open(&bytes), parse_part(&bytes), parse_chunk(&bytes));
    }

    #[test]
    fn a_manifest_comes_back_in_parts_that_fit_frames(
        names in prop::collection::vec("[a-zäß€]{1,80}", 1..400),
        depth in 1..100_usize,
    ) {
        let entries: Vec<_> = names.iter().map(|name| file(&vec![name.as_str(); 1 + depth % 12].join("/"))).collect();
        let mut rest = entries.as_slice();
        let mut back = Vec::new();
        while !rest.is_empty() {
            let (frame, count) = encode_part(rest);
            prop_assert!(count > 0 && frame.len() <= MAX_FRAME + 4);
            back.extend(parse_part(&frame[4..]).unwrap().unwrap());
            rest = &rest[count..];
        }
        prop_assert_eq!(back, entries);
    }
}

fn file(path: &str) -> Entry {
    let path = RelativePath::new(path.split('/')).unwrap();
    Entry { path, kind: EntryKind::File(5), modified: -1, executable: true }
}

#[test]
fn links_travel_in_offers_and_in_nothing_else() {
    let links: Vec<_> = ["x", ".", "..", "../../b/c", &vec!["y"; 128].join("/"), &"z".repeat(255)]
        .map(|target| Entry { kind: EntryKind::Link(LinkTarget::parse(target).unwrap()), ..file("a/b/c/l") })
        .into();
    let (frame, count) = encode_part(&links);
    assert_eq!(count, links.len());
    assert_eq!(parse_part_of_offer(&frame[4..]), Ok(Some(links)));
    assert_eq!(parse_part(&frame[4..]), Ok(None));
}

#[test]
fn the_longest_targets_fit_a_frame() {
    let (long, deep) = (vec!["x".repeat(255); 15].join("/"), vec!["y"; 128].join("/"));
    for target in [long.clone(), deep.clone(), vec![".."; 128].join("/")] {
        let kind = EntryKind::Link(LinkTarget::parse(&target).unwrap());
        for path in [&long, &deep] {
            let links = vec![Entry { kind: kind.clone(), ..file(path) }; 200];
            let (frame, count) = encode_part(&links);
            assert!(count > 0 && frame.len() <= MAX_FRAME + 4, "{} bytes of {count} links", frame.len());
            assert_eq!(parse_part_of_offer(&frame[4..]).unwrap().unwrap().len(), count);
        }
    }
}

#[test]
fn a_target_that_is_not_allowed_is_the_offers_fault() {
    for (up, names) in
        [(0, vec![".."]), (1, vec!["a", ".."]), (0, vec!["a/b"]), (0, vec!["\0"]), (129, vec![])]
    {
        let frame = encode::<part::Owned>(|root| {
            let mut entry = root.init_entries(1).get(0);
            entry.reborrow().init_path(1).set(0, "l");
            let mut link = entry.init_link();
            link.set_up(up);
            let mut list = link.init_names(names.len() as u32);
            (0..).zip(&names).for_each(|(index, name)| list.set(index, name));
        });
        assert_eq!(parse_part_of_offer(&frame[4..]), Ok(None), "{up} {names:?}");
    }
}

#[test]
fn the_longest_paths_fit_a_frame() {
    let long = vec!["x".repeat(255); 15].join("/");
    let deep = vec!["y"; 128].join("/");
    for path in [long, deep] {
        let entries = vec![file(&path); 200];
        let (frame, count) = encode_part(&entries);
        assert!(frame.len() <= MAX_FRAME + 4, "{} bytes of {count} entries", frame.len());
        assert_eq!(parse_part(&frame[4..]).unwrap().unwrap().len(), count);
    }
}

#[test]
fn a_frame_too_long_or_empty_is_refused_at_its_length() {
    for length in [0, MAX_FRAME as u32 + 1, u32::MAX] {
        assert_eq!(frames(length.to_le_bytes().to_vec().into(), &[1]), Err(Malformed));
    }
}

#[test]
fn an_envelope_opens_for_its_two_people_only_and_unchanged() {
    let (alice, bob, eve) = (identity(1).peer_id(), identity(2).peer_id(), identity(3).peer_id());
    let envelope = sealed("hello");
    assert_eq!(envelope.open(alice, bob).unwrap().text, "hello");
    assert_eq!(envelope.open(eve, bob), Err(Malformed));
    assert_eq!(envelope.open(alice, eve), Err(Malformed));
    assert_eq!(Envelope::from_record(&envelope.to_record()), Ok(envelope.clone()));
    let record = envelope.to_record();
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 1;
        // A change to padding or to the record's own structure may leave the message as it was, never another.
        if let Ok(content) = Envelope::from_record(&changed).and_then(|envelope| envelope.open(alice, bob)) {
            assert_eq!(content.text, "hello");
        }
    }
}

#[test]
fn heads_come_back() {
    let manifest = Manifest::new("name".into(), vec![file("a")]).unwrap();
    let framed = encode_offer(TransferId([1; 16]), &manifest);
    let head = OfferHead { transfer: TransferId([1; 16]), name: "name".into(), entries: 1, bytes: 5 };
    assert_eq!(parse_open(&framed[4..]), Ok(ChannelOpen::Manifest(head)));
    let chunk = Chunk { file: 1, length: 2, offset: u64::MAX, value: ChunkValue([3; 32]), last: false };
    assert_eq!(parse_chunk(&encode_chunk(&chunk)[4..]), Ok(chunk));
}

#[test]
fn an_offers_longest_name_is_one_that_its_receiver_takes() {
    // The longest component there is: a file of that name is offered under it.
    let name = "x".repeat(255);
    let manifest = Manifest::new(name.clone(), vec![file(&name)]).unwrap();
    assert!(parse_open(&encode_offer(TransferId([1; 16]), &manifest)[4..]).is_ok());
}

/// One segment with the stream framing around it.
fn message(words: &[u64]) -> Vec<u8> {
    let head = [0, words.len() as u32].map(u32::to_le_bytes).concat();
    head.into_iter().chain(words.iter().flat_map(|word| word.to_le_bytes())).collect()
}

/// A pointer to `words` behind it: to a struct, `high` its size; or to a list, `high` its kind and length.
fn pointer(kind: u64, words: usize, high: u64) -> u64 {
    ((words as u64) << 2) | kind | (high << 32)
}

/// A part of `entries` entries, all with one and the same path, of `depth` components that are one and the same text.
fn shared(entries: usize, depth: usize) -> Vec<u8> {
    const ENTRY: usize = 4;
    let (data, pointers) = (3, 1 << 16);
    let behind_entries = |at: usize| (entries - at - 1) * ENTRY;
    let mut words = vec![
        pointer(0, 0, 1 << 16),
        pointer(1, 0, 7 | ((entries * ENTRY) as u64) << 3),
        pointer(0, entries, data | pointers),
    ];
    for entry in 0..entries {
        words.extend([0, 0, 0, pointer(1, behind_entries(entry), 6 | (depth as u64) << 3)]);
    }
    for component in 0..depth {
        words.push(pointer(1, depth - component - 1, 2 | 256 << 3));
    }
    words.extend([u64::from_le_bytes([b'x'; 8]); 31]);
    words.push(u64::from_le_bytes(*b"xxxxxxx\0"));
    message(&words)
}

#[test]
fn pointers_that_share_a_target_do_not_multiply_work() {
    let once = parse_part(&shared(3, 1)).unwrap().unwrap();
    assert_eq!(once.iter().map(|entry| entry.path.as_str().len()).collect::<Vec<_>>(), [255; 3]);
    // 60 KiB that would be 7 MiB.
    let many = shared(1_900, 15);
    assert!(many.len() <= MAX_FRAME, "{}", many.len());
    assert!(parse_part(&many).is_err());
}

#[test]
fn a_list_of_nothing_does_not_count_for_nothing() {
    // Half a thousand million entries without a word of their own, and as many nameless components.
    let count = (1 << 29) - 1;
    let entries = message(&[pointer(0, 0, 1 << 16), pointer(1, 0, 7), pointer(0, count, 0)]);
    assert_eq!(parse_part(&entries), Err(Malformed));
}
