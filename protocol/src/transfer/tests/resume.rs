//! A transfer that is interrupted any number of times, at any moment, by a crash of either side.

use std::collections::BTreeSet;

use super::*;
use crate::storage::{Checked, Work};
use crate::transfer::hash::Root;

/// What survives on the receiving disk: notes of checkpoints, and files in place.
#[derive(Default)]
struct Disk {
    chunks: BTreeSet<(u32, u64)>,
    placed: BTreeSet<u32>,
}

impl Disk {
    fn found(&self, manifest: &Manifest) -> Found {
        let value = |file: u32, index: u64| {
            let size = manifest.entry(file).unwrap().size();
            let (offset, all) = (index * CHUNK, content(size));
            let length = chunk_length(size, offset).unwrap() as usize;
            chunk_value(size, offset, &all[offset as usize..offset as usize + length])
        };
        let chunks = self.chunks.iter().filter(|(file, _)| !self.placed.contains(file));
        let checked = Checked {
            chunks: chunks.map(|(file, index)| (*file, *index, value(*file, *index))).collect(),
            placed: self
                .placed
                .iter()
                .map(|file| {
                    (*file, Root(*blake3::hash(&content(manifest.entry(*file).unwrap().size())).as_bytes()))
                })
                .collect(),
            ..Checked::default()
        };
        let mut found = Found::default();
        found.add(manifest, &checked);
        found
    }
}

/// Carries on from what the disk has, for `steps` chunks. Gives how many chunks travelled, and the roots at the end.
#[allow(clippy::type_complexity, reason = "what a test looks at")]
fn attempt(
    manifest: &Arc<Manifest>,
    disk: &mut Disk,
    steps: usize,
    mut pick: impl FnMut(usize) -> usize,
) -> (BTreeSet<(u32, u64)>, Option<(Root, Root)>) {
    let found = disk.found(manifest);
    let held = found.bytes(manifest);
    let mut receiver = Receiver::new(ID, Arc::clone(manifest), terms(EntrySet::default()), found);
    let sources = manifest.entries().iter().map(|_| Arc::new(PathBuf::new())).collect();
    let mut sender = Sender::new(ID, Arc::clone(manifest), sources, receiver.wanted()).unwrap();
    assert_eq!((sender.resumed(), receiver.resumed()), (held, held), "both sides see the same");
    assert_eq!(sender.progress().1, manifest.bytes() - held, "and how much is left");
    let mut travelled = BTreeSet::new();
    let mut on_the_way: Vec<(Chunk, Bytes)> = Vec::new();
    for _ in 0..=steps {
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
        settle(&mut receiver, disk, false);
        if on_the_way.is_empty() {
            break;
        }
        let (head, data) = on_the_way.remove(pick(on_the_way.len()));
        travelled.insert((head.file, head.offset / CHUNK));
        receiver.announce(&head).unwrap();
        assert!(receiver.announce(&head).is_err(), "each once");
        let _ = receiver.write(&head, data).unwrap();
        receiver.handle_written(&head, Ok(())).unwrap();
        settle(&mut receiver, disk, pick(7) == 0);
    }
    (travelled, receiver.root().zip(sender.root()))
}

fn settle(receiver: &mut Receiver, disk: &mut Disk, due: bool) {
    let checkpoint = receiver.next_checkpoint(due);
    if let Some(Work::Checkpoint { files, chunks, .. }) = &checkpoint {
        for chunk in chunks {
            let file =
                files.iter().find(|file| file.identity == chunk.file).expect("each chunk's file is named");
            disk.chunks.insert((file.file, chunk.index));
        }
    }
    while let Some(files) = receiver.next_finish(due) {
        for file in &files {
            assert!(disk.placed.insert(file.target.file), "each file is put in place once");
            if let Some(Work::Checkpoint { files, .. }) = &checkpoint {
                assert!(!files.contains(&file.target), "not while it is being synced under its old name");
            }
        }
        receiver.handle_finished(files.iter().map(|_| Ok(())).collect()).unwrap();
    }
    if checkpoint.is_some() {
        receiver.handle_checkpoint(Ok(())).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_the_moments_of_the_crashes_nothing_noted_travels_again_and_all_arrives(
        sizes in proptest::collection::vec(prop_oneof![0..3_u64, 1..3 * CHUNK, 3 * CHUNK..12 * CHUNK], 1..6),
        crashes in proptest::collection::vec(0..20_usize, 0..6),
        mut choice: u64,
    ) {
        let manifest = manifest(&sizes);
        let mut disk = Disk::default();
        let mut pick = |from: usize| {
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (choice >> 33) as usize % from
        };
        for steps in crashes {
            let (noted, placed) = (disk.chunks.clone(), disk.placed.clone());
            let (travelled, _) = attempt(&manifest, &mut disk, steps, &mut pick);
            prop_assert!(travelled.is_disjoint(&noted), "what was noted does not travel again");
            prop_assert!(travelled.iter().all(|(file, _)| !placed.contains(file)));
        }
        let (_, roots) = attempt(&manifest, &mut disk, usize::MAX - 1, &mut pick);
        let (mine, theirs) = roots.expect("it ends");
        prop_assert_eq!(mine, theirs);
        prop_assert_eq!(disk.placed.len(), sizes.len());
    }
}

#[test]
fn more_pieces_than_an_answer_can_name_are_taken_anew() {
    let chunks = 2 * u64::try_from(MAX_RUNS).unwrap() + 10;
    let entries =
        vec![Entry { kind: EntryKind::File(chunks * CHUNK), ..manifest(&[1]).entries()[0].clone() }];
    let manifest = Arc::new(Manifest::new("x".into(), entries).unwrap());
    let mut found = Found::default();
    let every_second = (0..chunks).step_by(2).map(|index| (0, index, ChunkValue([0; 32])));
    found.add(&manifest, &Checked { chunks: every_second.collect(), ..Checked::default() });
    let receiver = Receiver::new(ID, Arc::clone(&manifest), terms(EntrySet::default()), found);
    assert!(receiver.wanted().runs.is_empty());
    assert_eq!(receiver.resumed(), 0);
}

#[test]
fn a_receiver_cannot_hold_what_there_is_not() {
    let manifest = manifest(&[CHUNK * 2, 0]);
    let sender = |runs| {
        let wanted = Wanted { runs, ..Wanted::default() };
        Sender::new(ID, Arc::clone(&manifest), vec![Arc::default(), Arc::default()], wanted)
    };
    assert!(sender(vec![Run { file: 0, first: 0, count: 2 }]).is_some());
    assert!(sender(vec![Run { file: 0, first: 1, count: 2 }]).is_none());
    assert!(sender(vec![Run { file: 0, first: u64::MAX, count: 2 }]).is_none());
    assert!(sender(vec![Run { file: 2, first: 0, count: 1 }]).is_none());
}
