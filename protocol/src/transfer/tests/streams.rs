use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::{ID, content, terms};
use crate::storage::{FinishFile, StorageError, StreamChunk};
use crate::transfer::hash::{CHUNK, ChunkValue, Root, chunk_value};
use crate::transfer::receiver::{Order, Violation};
use crate::transfer::stream::StreamTree;
use crate::transfer::{
    BadManifest, Entry, EntryKind, Found, Manifest, ReadFailure, Receiver, RelativePath, StreamSender, Terms,
    stream_size,
};
use crate::wire::{Chunk, EntrySet};

fn entry(kind: EntryKind) -> Entry {
    Entry { path: RelativePath::new(["s"]).unwrap(), kind, modified: 0, executable: false }
}

fn receiver(kind: EntryKind, output: bool) -> Receiver {
    let manifest = Arc::new(Manifest::new("s".into(), vec![entry(kind)]).unwrap());
    let terms = Terms { output, journal: false, ..terms(EntrySet::default()) };
    Receiver::new(ID, manifest, terms, Found::default())
}

/// The next chunk of a stream of this content.
fn read(all: &[u8], offset: u64) -> StreamChunk {
    let rest = &all[offset as usize..];
    let data = &rest[..rest.len().min(CHUNK as usize)];
    let last = data.len() == rest.len();
    let value = chunk_value(stream_size(offset, data.len() as u32, last), offset, data);
    StreamChunk { data: Bytes::copy_from_slice(data), value, last }
}

fn chunks(all: &[u8]) -> Vec<(Chunk, Bytes)> {
    let mut sender = StreamSender::default();
    let mut sent = Vec::new();
    while let Some(offset) = sender.next_read(CHUNK) {
        assert_eq!(sender.next_read(CHUNK), None, "one at a time");
        sender.handle_read(Ok(read(all, offset))).unwrap();
        sent.extend(sender.take_chunk());
    }
    assert_eq!(sender.root(), Some(Root(*blake3::hash(all).as_bytes())));
    sent
}

#[test]
fn a_stream_has_the_chunks_and_the_root_of_a_file() {
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, 7 * CHUNK + 9, 16 * CHUNK] {
        let all = content(size);
        let mut tree = StreamTree::default();
        assert_eq!(tree.root(), None);
        for (chunk, data) in chunks(&all) {
            assert_eq!(chunk.value, chunk_value(size, chunk.offset, &data), "{size}");
            tree.push(chunk.value);
        }
        assert_eq!(tree.root(), Some(Root(*blake3::hash(&all).as_bytes())), "{size}");
    }
}

#[test]
fn a_stream_of_any_length_needs_few_values() {
    let mut tree = StreamTree::default();
    for number in 0..10_000_u32 {
        tree.push(ChunkValue([number as u8; 32]));
    }
    assert!(size_of_val(&tree) < 200 && format!("{tree:?}").len() < 20_000);
}

#[test]
fn no_more_is_read_than_is_taken() {
    let all = content(40 * CHUNK);
    let mut sender = StreamSender::default();
    let mut reads = 0;
    while let Some(offset) = sender.next_read(4 * CHUNK) {
        sender.handle_read(Ok(read(&all, offset))).unwrap();
        reads += 1;
    }
    assert_eq!((reads, sender.handed(), sender.root()), (4, 0, None));
    assert!(!sender.is_waiting());
    let _ = sender.take_chunk();
    assert_eq!(sender.next_read(4 * CHUNK), Some(4 * CHUNK));
    assert_eq!(sender.handle_read(Err(StorageError::Denied)), Err(ReadFailure::Disk(StorageError::Denied)));
}

#[test]
fn a_stream_becomes_a_file_once_it_is_whole() {
    for size in [0, 5, CHUNK, 3 * CHUNK + 1] {
        let all = content(size);
        let mut receiver = receiver(EntryKind::Stream, false);
        let sent = chunks(&all);
        for (chunk, data) in &sent {
            assert!(receiver.next_finish(true).is_none());
            assert_eq!(receiver.announce(chunk), Ok(()));
            let [ready] = receiver.arrived(*chunk, data.clone()).try_into().unwrap();
            let write = receiver.write(&ready.0, ready.1).unwrap();
            assert_eq!(chunk_value(write.size, write.offset, &write.data), write.expected);
        }
        assert_eq!(receiver.announce(&sent[0].0), Err(Violation), "nothing comes after the last");
        // Written in whatever order.
        for (chunk, _) in sent.iter().rev() {
            assert!(receiver.next_finish(true).is_none());
            receiver.handle_written(chunk, Ok(())).unwrap();
        }
        let [FinishFile { root, .. }] = receiver.next_finish(false).unwrap().try_into().unwrap();
        assert_eq!((root, receiver.root()), (Root(*blake3::hash(&all).as_bytes()), None));
        receiver.handle_finished(vec![Ok(())]).unwrap();
        assert_eq!((receiver.root(), receiver.progress()), (Some(root), (size, 0)));
    }
}

#[test]
fn a_stream_takes_nothing_but_its_next_chunk() {
    let sent = chunks(&content(3 * CHUNK + 1));
    let head = |number: usize| sent[number].0;
    let mut receiver = receiver(EntryKind::Stream, false);
    receiver.announce(&head(0)).unwrap();
    for bad in [
        head(0),
        head(2),
        Chunk { file: 1, ..head(1) },
        Chunk { length: 5, ..head(1) },
        Chunk { length: 0, ..head(1) },
        Chunk { length: 0, last: true, ..head(1) },
        Chunk { length: u32::MAX, ..head(1) },
        Chunk { length: u32::MAX, last: true, ..head(1) },
        Chunk { offset: u64::MAX, ..head(1) },
    ] {
        assert_eq!(receiver.announce(&bad), Err(Violation), "{bad:?}");
    }
    assert_eq!(receiver.announce(&head(1)), Ok(()));
}

#[test]
fn a_stream_is_alone_in_its_offer() {
    let other = Entry { path: RelativePath::new(["t"]).unwrap(), ..entry(EntryKind::File(0)) };
    let both = vec![entry(EntryKind::Stream), other];
    assert_eq!(Manifest::new("x".into(), both), Err(BadManifest::Stream));
    let top = Entry { path: RelativePath::new(["d"]).unwrap(), ..entry(EntryKind::Directory) };
    let below = Entry { path: RelativePath::new(["d", "s"]).unwrap(), ..entry(EntryKind::Stream) };
    assert_eq!(Manifest::new("x".into(), vec![top, below]), Err(BadManifest::Stream));
}

#[test]
fn what_is_too_far_ahead_of_an_output_waits_on_its_link() {
    let size = 100 * CHUNK;
    let head = |index: u64| {
        let value = ChunkValue([0; 32]);
        Chunk { file: 0, length: CHUNK as u32, offset: index * CHUNK, value, last: false }
    };
    let mut receiver = receiver(EntryKind::File(size), true);
    assert_eq!(receiver.order(&head(0)), Some(Order::Next));
    let mut index = 1;
    while receiver.order(&head(index)) == Some(Order::Ahead) {
        receiver.announce(&head(index)).unwrap();
        assert!(receiver.arrived(head(index), Bytes::new()).is_empty());
        index += 1;
    }
    assert_eq!((receiver.order(&head(index)), index), (Some(Order::TooFarAhead), 33));
    assert_eq!(receiver.order(&head(0)), Some(Order::Next), "it is what all wait for");
    receiver.announce(&head(0)).unwrap();
    assert_eq!(receiver.arrived(head(0), Bytes::new()).len(), 33);
    assert_eq!(receiver.order(&head(index)), Some(Order::Next));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_output_gets_everything_once_and_in_order(
        (size, order) in (0..20 * CHUNK).prop_flat_map(|size| {
            let count = crate::transfer::hash::chunk_count(size);
            (Just(size), Just((0..count).collect::<Vec<_>>()).prop_shuffle())
        }),
    ) {
        let all = content(size);
        let mut receiver = receiver(EntryKind::File(size), true);
        let mut out = Vec::new();
        for index in order {
            let offset = index * CHUNK;
            let length = crate::transfer::hash::chunk_length(size, offset).unwrap();
            let data = Bytes::copy_from_slice(&all[offset as usize..][..length as usize]);
            let head = Chunk { file: 0, length, offset, value: chunk_value(size, offset, &data), last: false };
            receiver.announce(&head).unwrap();
            for (head, data) in receiver.arrived(head, data) {
                prop_assert!(receiver.root().is_none());
                out.extend_from_slice(&data);
                receiver.handle_written(&head, Ok(())).unwrap();
            }
        }
        prop_assert!(out == all);
        prop_assert_eq!(receiver.root(), Some(Root(*blake3::hash(&all).as_bytes())));
        prop_assert!(receiver.next_finish(true).is_none() && receiver.partials().is_empty());
    }
}
