//! Shares of what is read, written and handed to links.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::node::limits::{Shares, channels};
use crate::node::storage_queue::{Purpose, StorageQueue};
use crate::storage::{ReadChunk, Work};
use crate::transfer::TransferId;
use crate::transfer::hash::CHUNK;

const MIB: u64 = 1024 * 1024;

fn id(number: u8) -> TransferId {
    TransferId([number; 16])
}

/// Lets a transfer begin chunks until it may not; how many bytes wait to be written then.
fn fill(shares: &mut Shares, transfer: TransferId) -> u64 {
    let mut bytes = 0;
    while shares.readable(Instant::now(), transfer, false) > 0 {
        shares.writes(transfer, CHUNK);
        bytes += CHUNK;
    }
    bytes
}

#[test]
fn one_transfer_alone_may_have_most_of_the_room_and_leaves_some_for_others() {
    let mut shares = Shares::default();
    let first = fill(&mut shares, id(1));
    assert_eq!(first, 9 * MIB);
    let second = fill(&mut shares, id(2));
    assert!(second >= 2 * MIB, "{second}");
    for number in 3..64 {
        fill(&mut shares, id(number));
    }
    assert!(shares.writing() <= 12 * MIB, "all together stay below the bound");
    // A chunk that has begun is read whatever there is room for.
    assert!(shares.readable(Instant::now(), id(64), true) > 0);
    // As the first one's are written, whoever has nothing comes before it.
    shares.wrote(id(1), CHUNK);
    assert_eq!(shares.readable(Instant::now(), id(1), false), 0);
    assert!(fill(&mut shares, id(64)) > 0);
}

#[test]
fn room_comes_back_whoever_had_it() {
    let mut shares = Shares::default();
    shares.writes(id(1), 5);
    shares.writes(id(2), 7);
    shares.wrote(id(1), 5);
    assert_eq!(shares.writing(), 7);
    shares.wrote(id(2), 7);
    assert_eq!((shares.writing(), fill(&mut shares, id(1))), (0, 9 * MIB));
}

#[test]
fn those_who_share_a_link_have_as_many_channels_each() {
    assert_eq!([1, 2, 3, 4, 5, 16].map(|transfers| channels(100 * MIB, transfers)), [4, 2, 2, 2, 1, 1]);
    assert_eq!([0, 4, 8, 12, 1000].map(|mib| channels(mib * MIB, 1)), [1, 1, 2, 3, 4]);
}

#[test]
fn what_is_read_ahead_is_bounded_all_together() {
    let shares = Shares::default();
    assert_eq!(
        [1, 2, 4, 64].map(|transfers| shares.read_ahead(transfers)),
        [4 * MIB, 4 * MIB, 2 * MIB, MIB / 2]
    );
}

fn ask_read(queue: &mut StorageQueue, transfer: TransferId) {
    let chunk = ReadChunk {
        transfer,
        file: 0,
        source: Arc::new(PathBuf::new()),
        size: 1,
        modified: 0,
        offset: 0,
        length: 1,
    };
    queue.ask(Work::Read(vec![chunk.clone()]), Purpose::Read(transfer, vec![chunk]));
}

#[test]
fn the_disk_is_asked_for_each_transfer_in_turn_and_for_anything_else_first() {
    let mut queue = StorageQueue::default();
    for _ in 0..10 {
        ask_read(&mut queue, id(1));
    }
    let polled = |queue: &mut StorageQueue| {
        let request = queue.poll()?;
        let name = match &request.work {
            Work::Read(chunks) => chunks[0].transfer.0[0],
            _ => 0,
        };
        Some((request.id, name))
    };
    let mut asked: Vec<_> = std::iter::from_fn(|| polled(&mut queue)).collect();
    assert_eq!(asked.len(), 6, "not all at once");
    ask_read(&mut queue, id(2));
    ask_read(&mut queue, id(2));
    queue.ask(Work::Scan { paths: Vec::new(), links: false }, Purpose::Scan(id(3)));
    assert_eq!(polled(&mut queue).map(|(_, name)| name), Some(0), "a scan does not wait for chunks");
    let mut order = Vec::new();
    while let Some((done, _)) = asked.pop() {
        queue.done(done);
        if let Some(next) = polled(&mut queue) {
            order.push(next.1);
            asked.push(next);
        }
    }
    assert_eq!(order, [2, 1, 2, 1, 1, 1]);
}
