//! The pure machines of a transfer: the tree of hashes, names, manifests, sender and receiver.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::unreachable,
    reason = "tests, of numbers that are known"
)]

mod links;
mod resume;
mod safe_names;
mod streams;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::hash::{CHUNK, ChunkValue, Root, Tree, chunk_count, chunk_length, chunk_value, collection_root};
use super::*;
use crate::storage::{HashedChunk, StorageError};
use crate::wire::{Chunk, ChunkRun, EntrySet, MAX_RUNS, Wanted};

fn content(size: u64) -> Vec<u8> {
    let mut out = vec![0; usize::try_from(size).unwrap()];
    blake3::Hasher::new().update(&size.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn chunks(data: &[u8]) -> Vec<(u64, ChunkValue)> {
    let size = data.len() as u64;
    let chunks = (0..chunk_count(size)).map(|index| {
        let offset = index * CHUNK;
        let length = chunk_length(size, offset).unwrap() as usize;
        let at = usize::try_from(offset).unwrap();
        (index, chunk_value(size, offset, &data[at..at + length]))
    });
    chunks.collect()
}

fn expect_root(data: &[u8], order: impl IntoIterator<Item = (u64, ChunkValue)>) {
    let mut tree = Tree::new(data.len() as u64);
    let mut order = order.into_iter().peekable();
    while let Some((index, value)) = order.next() {
        assert_eq!(tree.root(), None, "no root before the last chunk");
        tree.insert(index, value);
        assert_eq!(tree.root().is_some(), order.peek().is_none());
    }
    assert_eq!(tree.root(), Some(Root(*blake3::hash(data).as_bytes())), "{} bytes", data.len());
}

#[test]
fn the_tree_has_the_root_of_the_standard_hash_around_every_power_of_two() {
    let mut sizes = vec![0, 1, 1023, 1024, 1025];
    for power in 0..6 {
        let whole = CHUNK << power;
        sizes.extend([
            whole - 1025,
            whole - 1,
            whole,
            whole + 1,
            whole + 1024,
            whole + CHUNK,
            whole + CHUNK + 1,
        ]);
    }
    for size in sizes {
        let data = content(size);
        expect_root(&data, chunks(&data));
        expect_root(&data, chunks(&data).into_iter().rev());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_has_the_same_root_in_whatever_order_chunks_come(
        (size, order) in (0..40 * CHUNK).prop_flat_map(|size| {
            let order: Vec<u64> = (0..chunk_count(size)).collect();
            (Just(size), Just(order).prop_shuffle())
        }),
    ) {
        let data = content(size);
        let values: BTreeMap<_, _> = chunks(&data).into_iter().collect();
        expect_root(&data, order.into_iter().map(|index| (index, values[&index])));
    }

    #[test]
    fn chunks_cover_a_file_of_any_size_once(size in any::<u64>(), at in any::<u64>()) {
        let count = chunk_count(size);
        let last = (count - 1) * CHUNK;
        prop_assert_eq!(last + u64::from(chunk_length(size, last).unwrap()), size);
        prop_assert_eq!(last.checked_add(CHUNK).and_then(|beyond| chunk_length(size, beyond)), None);
        prop_assert_eq!(chunk_length(size, at).is_some(), at % CHUNK == 0 && at / CHUNK < count);
    }

    #[test]
    fn a_path_never_leaves_its_folder(components in prop::collection::vec(component(), 0..6)) {
        let parsed = RelativePath::new(components.iter().map(String::as_str));
        let Ok(path) = parsed else { return Ok(()) };
        prop_assert!(path.components().eq(components.iter().map(String::as_str)));
        let native = PathBuf::from(path.as_str());
        let normal = native.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        prop_assert!(normal, "{path:?}");
        prop_assert!(!path.as_str().contains('\\') && !path.as_str().contains(char::is_control));
    }

    #[test]
    fn a_manifest_is_taken_only_without_contradiction(entries in prop::collection::vec(entry(), 0..12)) {
        let Ok(manifest) = Manifest::new("x".into(), entries.clone()) else { return Ok(()) };
        let mut kinds = BTreeMap::new();
        for entry in manifest.entries() {
            let parent = entry.path.parent();
            prop_assert!(parent.is_none_or(|parent| kinds.get(&parent) == Some(&EntryKind::Directory)));
            prop_assert_eq!(kinds.insert(entry.path.clone(), entry.kind.clone()), None);
        }
        prop_assert_eq!(manifest.bytes(), entries.iter().map(Entry::size).sum::<u64>());
    }
}

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(".".into()),
        Just("..".into()),
        "[a-z/\\\\.:\\x00-\\x1f]{0,4}",
        any::<String>(),
        "x{254,257}",
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4);
    (path, prop::option::of(0..100_u64)).prop_map(|(path, size)| Entry {
        path: RelativePath::new(path).unwrap(),
        kind: size.map_or(EntryKind::Directory, EntryKind::File),
        modified: 0,
        executable: false,
    })
}

#[test]
fn each_kind_of_bad_path_is_named() {
    let deep = vec!["a"; MAX_DEPTH + 1];
    let long = "x".repeat(MAX_COMPONENT + 1);
    let wide = vec!["y".repeat(MAX_COMPONENT); 17];
    let bad = |components: &[&str]| RelativePath::new(components.iter().copied()).unwrap_err();
    assert_eq!(bad(&[]), BadPath::Empty);
    assert_eq!(bad(&["a", ""]), BadPath::Empty);
    assert_eq!(bad(&["a", ".."]), BadPath::Dots);
    assert_eq!(bad(&["."]), BadPath::Dots);
    assert_eq!(bad(&["a/b"]), BadPath::Separator);
    assert_eq!(bad(&["a\\b"]), BadPath::Separator);
    for control in ["\0", "\n", "\x1b[2J", "\x7f", "\u{85}"] {
        assert_eq!(bad(&[control]), BadPath::Control);
    }
    assert_eq!(bad(&[".hither-1-2.part"]), BadPath::Reserved);
    assert_eq!(bad(&["a", ".hither-1.journal"]), BadPath::Reserved);
    assert_eq!(bad(&[&long]), BadPath::TooLong);
    assert_eq!(bad(&wide.iter().map(String::as_str).collect::<Vec<_>>()), BadPath::TooLong);
    assert_eq!(bad(&deep), BadPath::TooDeep);
}

fn manifest(sizes: &[u64]) -> Arc<Manifest> {
    let entries = (0..).zip(sizes).map(|(number, size)| Entry {
        path: RelativePath::new([format!("{number}").as_str()]).unwrap(),
        kind: EntryKind::File(*size),
        modified: 0,
        executable: false,
    });
    Arc::new(Manifest::new("x".into(), entries.collect()).unwrap())
}

const ID: TransferId = TransferId([1; 16]);

fn receiver(manifest: &Arc<Manifest>, skip: EntrySet) -> Receiver {
    Receiver::new(ID, Arc::clone(manifest), terms(skip), Found::default())
}

fn terms(skip: EntrySet) -> Terms {
    let places = Places::default();
    Terms { into: "/in".into(), places, skip, overwrite: false, journal: true, output: false }
}

/// Sends from one machine to the other, without a wire, in the order of `pick`.
fn carry(sizes: &[u64], skip: &[u32], mut pick: impl FnMut(usize) -> usize) {
    let manifest = manifest(sizes);
    let mut set = EntrySet::default();
    skip.iter().for_each(|index| set.insert(*index));
    let sources = sizes.iter().map(|_| Arc::new(PathBuf::new())).collect();
    let wanted = Wanted { skip: set.clone(), ..Wanted::default() };
    let mut sender = Sender::new(ID, Arc::clone(&manifest), sources, wanted).unwrap();
    let mut receiver = receiver(&manifest, set);
    let mut on_the_way: Vec<(Chunk, Bytes)> = Vec::new();
    let mut finished = Vec::new();
    loop {
        while let Some(asked) = sender.next_read(4 * 1024 * 1024) {
            let read = asked.iter().map(|chunk| {
                let all = content(chunk.size);
                let at = chunk.offset as usize;
                let data = Bytes::copy_from_slice(&all[at..at + chunk.length as usize]);
                Ok(HashedChunk { value: chunk_value(chunk.size, chunk.offset, &data), data })
            });
            let read = read.collect();
            sender.handle_read(asked, read).unwrap();
        }
        on_the_way.extend(std::iter::from_fn(|| sender.take_chunk()));
        if on_the_way.is_empty() {
            break;
        }
        let (head, data) = on_the_way.remove(pick(on_the_way.len()));
        receiver.announce(&head).unwrap();
        assert_eq!(receiver.announce(&head), Err(super::receiver::Violation), "each once");
        let write = receiver.write(&head, data).unwrap();
        assert_eq!(write.expected, chunk_value(write.size, write.offset, &write.data));
        receiver.handle_written(&head, Ok(())).unwrap();
        if let Some(files) = receiver.next_finish(false) {
            finished.extend(files.iter().map(|file| file.target.file));
            receiver.handle_finished(files.iter().map(|_| Ok(())).collect()).unwrap();
        }
    }
    let wanted = (0..).zip(sizes).filter(|(index, _)| !skip.contains(index));
    let total: u64 = wanted.clone().map(|(_, size)| size).sum();
    finished.sort_unstable();
    assert!(finished.into_iter().eq(wanted.map(|(index, _)| index)), "each file is put in place once");
    assert_eq!(receiver.root(), sender.root());
    assert!(receiver.root().is_some());
    assert_eq!((receiver.progress(), sender.progress()), ((total, total), (total, total)));
}

#[test]
fn sender_and_receiver_agree_whatever_is_sent_and_skipped() {
    let film = 5 * CHUNK + 3;
    for sizes in [&[0][..], &[1], &[CHUNK], &[CHUNK + 1], &[film], &[0, 0, 5, film, 0, CHUNK]] {
        carry(sizes, &[], |_| 0);
        carry(sizes, &[], |waiting| waiting - 1);
        carry(sizes, &[], |waiting| waiting / 2);
        carry(sizes, &[0], |_| 0);
        carry(sizes, &(0..6).collect::<Vec<_>>(), |_| 0);
        carry(sizes, &[u32::from(u16::MAX)], |_| 0);
    }
    carry(&vec![3; 2000], &[7, 1999], |waiting| waiting / 3);
}

#[test]
fn a_skipped_file_cannot_be_sent_all_the_same() {
    let manifest = manifest(&[5, 5]);
    let mut skip = EntrySet::default();
    skip.insert(1);
    let mut receiver = receiver(&manifest, skip);
    let head = |file| Chunk { file, length: 5, offset: 0, value: chunk_value(5, 0, &[1; 5]), last: false };
    assert!(receiver.announce(&head(0)).is_ok());
    assert!(receiver.announce(&head(1)).is_err());
}

#[test]
fn chunks_far_ahead_of_a_missing_one_are_bounded() {
    let size = 10_000 * CHUNK;
    let manifest = manifest(&[size]);
    let mut receiver = receiver(&manifest, EntrySet::default());
    let head = |index: u64| Chunk {
        file: 0,
        length: u32::try_from(CHUNK).unwrap(),
        offset: index * CHUNK,
        value: ChunkValue([0; 32]),
        last: false,
    };
    let taken = (1..10_000).take_while(|index| receiver.announce(&head(*index)).is_ok()).count();
    assert!((1024..9_000).contains(&taken), "{taken}");
}

#[test]
fn a_failed_write_says_why() {
    let manifest = manifest(&[5]);
    let mut receiver = receiver(&manifest, EntrySet::default());
    let head = Chunk { file: 0, length: 5, offset: 0, value: chunk_value(5, 0, &[1; 5]), last: false };
    receiver.announce(&head).unwrap();
    assert_eq!(receiver.handle_written(&head, Err(StorageError::Full)), Err(WriteFailure::Full));
    assert_eq!(receiver.handle_written(&head, Err(StorageError::Mismatch)), Err(WriteFailure::Mismatch));
    assert_eq!(receiver.root(), None);
}

#[test]
fn the_root_of_a_collection_tells_kept_from_sent_and_names_apart() {
    let roots: BTreeMap<u32, Root> = [(0, Root([1; 32])), (1, Root([2; 32]))].into();
    let both = collection_root(&manifest(&[5, 5]), &roots);
    let one = collection_root(&manifest(&[5, 5]), &[(0, Root([1; 32]))].into());
    let other = collection_root(&manifest(&[5, 6]), &roots);
    assert!(both != one && both != other);
}

#[test]
fn another_outermost_name_moves_everything_below_it() {
    let entry = |path: &str, kind| Entry {
        path: RelativePath::new(path.split('/')).unwrap(),
        kind,
        modified: 0,
        executable: false,
    };
    let entries = vec![
        entry("album", EntryKind::Directory),
        entry("album/a", EntryKind::File(5)),
        entry("album/in", EntryKind::Directory),
    ];
    let manifest = Manifest::new("album".into(), entries).unwrap();
    let moved = manifest.with_top("album (1)").unwrap();
    let paths: Vec<_> = moved.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["album (1)", "album (1)/a", "album (1)/in"]);
    assert_eq!(manifest.with_top("../album"), None);
    assert_eq!(manifest.with_top("x/y"), None);
    assert_eq!(super::tests::manifest(&[1, 2]).with_top("z"), None, "not where there are two");
}
