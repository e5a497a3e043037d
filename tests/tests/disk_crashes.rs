//! What a power failure and a kill leave on the disk model: nothing that was promised is missing, and everything that
//! was not may be.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use hither_protocol::storage::{Checked, Done, RecoverError, StorageId};
use hither_protocol::transfer::hash::CHUNK;
use hither_tests::disk::{Disk, Item};
use hither_tests::incoming::{Incoming, MODIFIED, checkpointed, finished, prepared, run, submit, written};
use hither_tests::random::Random;
use hither_tests::{for_seeds, seeds};

/// A film of three chunks, and its first one as a file of its own.
static OFFER: LazyLock<Incoming> = LazyLock::new(|| {
    let film = Random::new(7).bytes(3 * CHUNK as usize);
    let trailer = film[..CHUNK as usize].to_vec();
    Incoming::new(&[("a/film", film), ("b/trailer", trailer)])
});

const FILM: u32 = 1;
const TRAILER: u32 = 3;

/// Runs a case under many seeds and gathers what came of each.
fn outcomes<T: Ord>(count: u64, case: impl Fn(u64) -> T) -> Option<BTreeSet<T>> {
    let outcomes = RefCell::new(BTreeSet::new());
    for_seeds(count, |seed| {
        let outcome = case(seed);
        outcomes.borrow_mut().insert(outcome);
    });
    // One seed alone shows one outcome.
    std::env::var(seeds::VARIABLE).is_err().then(|| outcomes.into_inner())
}

fn begun(seed: u64) -> (Disk, Incoming) {
    let (mut disk, offer) = (Disk::new(Random::new(seed)), OFFER.clone());
    prepared(run(&mut disk, offer.prepare(true))).unwrap();
    (disk, offer)
}

/// Which chunks of a file's partial file are as they should be; `None` where there is no such file.
fn intact(disk: &Disk, offer: &Incoming, file: u32) -> Option<Vec<u64>> {
    let content = disk.content(offer.partial(file))?;
    let begins = |index: u64| usize::try_from(index * CHUNK).unwrap();
    let is_intact = |index: &u64| {
        content.get(begins(*index)..).is_some_and(|at| at.starts_with(offer.chunk((file, *index))))
    };
    Some((0..offer.count(file)).filter(is_intact).collect())
}

#[test]
fn chunks_that_were_not_noted_survive_in_any_order_or_not_at_all() {
    let seen = outcomes(400, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(FILM, 0), (FILM, 1), (FILM, 2)]));
        disk.crash();
        let used = |item: Item| match item {
            Item::File(file) => file.content.len() as u64,
            _ => 0,
        };
        let used: u64 = disk.list("/").into_values().map(used).sum();
        assert_eq!(disk.free(), (1 << 40) - used);
        intact(&disk, &offer, FILM)
    });
    let Some(seen) = seen else { return };
    for kept in [None, Some(vec![]), Some(vec![0]), Some(vec![2]), Some(vec![0, 2]), Some(vec![0, 1, 2])] {
        assert!(seen.contains(&kept), "{kept:?} of {seen:?}");
    }
}

#[test]
fn a_chunk_that_was_not_noted_survives_in_pieces() {
    let seen = outcomes(300, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(FILM, 0)]));
        assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 0)]))), Ok(()));
        run(&mut disk, offer.write(&[(FILM, 1)]));
        disk.crash();
        let content = disk.content(offer.partial(FILM)).unwrap();
        let (first, second) = content.split_at(CHUNK as usize);
        assert_eq!(first, offer.chunk((FILM, 0)));
        let pairs = second.chunks(512).zip(offer.chunk((FILM, 1)).chunks(512));
        let same: Vec<bool> = pairs.map(|(is, was)| is == was).collect();
        // How much there is, and whether a sector that was lost stands before one that was kept.
        (second.len(), !same.is_sorted_by(|one, next| one >= next))
    });
    let Some(seen) = seen else { return };
    let holes = |is| seen.iter().filter(|(_, hole)| *hole == is).count();
    assert!(holes(true) > 3 && holes(false) > 10, "{seen:?}");
}

#[test]
fn what_was_noted_and_put_in_place_survives() {
    for_seeds(60, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(FILM, 0), (FILM, 2), (TRAILER, 0)]));
        assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 2)]))), Ok(()));
        assert_eq!(finished(run(&mut disk, offer.finish(&[TRAILER], false))), [Ok(())]);
        disk.crash();
        let (found, _) = offer.recover_all(&mut disk).unwrap();
        assert_eq!(found.chunks, [(FILM, 2, offer.value((FILM, 2)))]);
        assert_eq!((found.placed, found.lost), (vec![(TRAILER, offer.root(TRAILER))], 0));
        assert_eq!(**disk.content(offer.place(TRAILER)).unwrap(), offer.contents[&TRAILER]);
    });
}

#[test]
fn a_name_is_lost_or_kept_until_its_directory_is_durable() {
    let seen = outcomes(60, |seed| {
        let (mut disk, _) = begun(seed);
        disk.crash();
        assert_eq!(disk.journals().len(), 1, "that is durable before the directories are made");
        ["/in/a", "/in/b"].map(|path| disk.list("/").contains_key(Path::new(&path[1..])))
    });
    let Some(seen) = seen else { return };
    assert_eq!(seen.len(), 4, "either, both or none: {seen:?}");
}

#[test]
fn a_removed_name_may_come_back() {
    let seen = outcomes(60, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(TRAILER, 0)]));
        assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(TRAILER, 0)]))), Ok(()));
        submit(&mut disk, offer.discard(&[]));
        disk.crash();
        (disk.content(offer.partial(TRAILER)).is_some(), disk.journals().len())
    });
    let Some(seen) = seen else { return };
    assert_eq!(seen, BTreeSet::from([(false, 0), (false, 1), (true, 1)]), "the journal goes last");
}

#[test]
fn a_batch_may_be_cut_anywhere_and_what_stands_before_it_holds() {
    let seen = outcomes(400, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(FILM, 0), (FILM, 1)]));
        assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(FILM, 0)]))), Ok(()));
        let before = disk.content(offer.journal()).unwrap();
        submit(&mut disk, offer.checkpoint(&[(FILM, 1)]));
        disk.crash();
        let after = disk.content(offer.journal()).unwrap();
        assert!(after.starts_with(&before));
        let (found, _) = offer.recover_all(&mut disk).unwrap();
        assert!(found.chunks.starts_with(&[(FILM, 0, offer.value((FILM, 0)))]));
        assert_eq!(found.lost, 0, "a chunk is durable before it is noted");
        (after.len() - before.len(), found.chunks.len())
    });
    let Some(seen) = seen else { return };
    assert!(seen.contains(&(0, 1)) && seen.iter().any(|(_, chunks)| *chunks == 2), "{seen:?}");
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn a_file_that_takes_its_name_is_under_one_name_or_the_other() {
    let seen = outcomes(150, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(TRAILER, 0)]));
        assert_eq!(checkpointed(run(&mut disk, offer.checkpoint(&[(TRAILER, 0)]))), Ok(()));
        submit(&mut disk, offer.finish(&[TRAILER], false));
        disk.crash();
        let (placed, partial) =
            (disk.file(offer.place(TRAILER)).cloned(), disk.content(offer.partial(TRAILER)));
        if let Some(file) = &placed {
            assert_eq!(*file.content, offer.contents[&TRAILER], "content is durable before the name");
            assert_eq!((file.modified, file.executable), (MODIFIED, true));
        }
        let (found, _) = offer.recover_all(&mut disk).unwrap();
        assert_eq!(found.placed.len() + found.chunks.len(), 1, "{found:?}");
        assert_eq!((found.placed.len(), found.lost), (usize::from(placed.is_some()), 0));
        assert_eq!(disk.partials().len(), usize::from(placed.is_none()), "the other name goes");
        (placed.is_some(), partial.is_some())
    });
    let Some(seen) = seen else { return };
    assert_eq!(seen, BTreeSet::from([(true, true), (true, false), (false, true)]));
}

#[test]
fn a_whole_file_that_was_never_noted_is_found_by_its_root() {
    let seen = outcomes(60, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(FILM, 0), (FILM, 1), (FILM, 2)]));
        submit(&mut disk, offer.finish(&[FILM], false));
        disk.crash();
        let (found, _) = offer.recover_all(&mut disk).unwrap();
        assert!([0, 3].contains(&found.chunks.len()), "{found:?}");
        (found.placed.len(), found.chunks.len(), found.lost)
    });
    let Some(seen) = seen else { return };
    // Its first name may never have been durable: then the journal speaks of it, and it is under neither.
    assert_eq!(seen, BTreeSet::from([(0, 0, 0), (0, 3, 0), (1, 0, 0), (0, 0, 3 * CHUNK)]));
}

#[test]
fn a_kill_loses_nothing_that_was_done_and_what_is_under_way_is_done_or_not() {
    let seen = outcomes(100, |seed| {
        let (mut disk, offer) = begun(seed);
        assert_eq!(written(run(&mut disk, offer.write(&[(FILM, 0)]))), [Ok(())]);
        submit(&mut disk, offer.write(&[(FILM, 1), (FILM, 2)]));
        disk.kill();
        assert!(disk.complete(StorageId(2)).is_none());
        assert_eq!(disk.outstanding(), 0);
        let intact = intact(&disk, &offer, FILM).unwrap();
        assert_eq!(intact[0], 0);
        intact.len()
    });
    let Some(seen) = seen else { return };
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
}

#[test]
fn what_a_killed_program_left_is_durable_once_it_was_found() {
    let seen = outcomes(100, |seed| {
        let (mut disk, offer) = begun(seed);
        run(&mut disk, offer.write(&[(FILM, 0), (TRAILER, 0)]));
        submit(&mut disk, offer.checkpoint(&[(FILM, 0)]));
        submit(&mut disk, offer.finish(&[TRAILER], false));
        disk.kill();
        let (found, _) = offer.recover_all(&mut disk).unwrap();
        disk.crash();
        let (again, _) = offer.recover_all(&mut disk).unwrap();
        assert_eq!(again, found);
        (found.chunks.len(), found.placed.len())
    });
    let Some(seen) = seen else { return };
    assert!(seen.contains(&(0, 0)) && seen.contains(&(1, 1)), "{seen:?}");
}

/// A node's part: work at random within the contract, and what was promised for it.
struct Session {
    random: Random,
    disk: Disk,
    offer: Incoming,
    written: BTreeSet<(u32, u64)>,
    /// Chunks whose checkpoint was reported done.
    noted: BTreeSet<(u32, u64)>,
    /// Files that were reported to be in place.
    placed: BTreeSet<u32>,
    writing: Vec<(StorageId, Vec<(u32, u64)>)>,
    noting: Option<(StorageId, Vec<(u32, u64)>)>,
    finishing: Vec<(StorageId, u32)>,
    /// Files that were about to take their names when it was stopped: the journal may speak of them, though nothing was
    /// promised.
    unsure: BTreeSet<u32>,
}

impl Session {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let names = ["a/b/one", "a/two", "c/three", "four", "c/d/five"];
        let files = names.map(|name| {
            let size = [0, 100, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 9];
            let size = size[usize::try_from(random.below(6)).unwrap()];
            (name, random.bytes(usize::try_from(size).unwrap()))
        });
        let disk = Disk::new(Random::named(seed, &[1]));
        let (written, noted, placed) = Default::default();
        let (writing, noting, finishing, unsure) = Default::default();
        let offer = Incoming::new(&files);
        Self { random, disk, offer, written, noted, placed, writing, noting, finishing, unsure }
    }

    fn chance(&mut self, p: f64) -> bool {
        self.random.chance(p)
    }

    /// Asks for something or lets something be done.
    fn step(&mut self) {
        match self.random.below(6) {
            0 | 1 => self.ask_to_write(),
            2 => self.ask_to_note(),
            3 => self.ask_to_finish(),
            _ => self.complete_one(),
        }
    }

    fn busy(&self, file: u32) -> bool {
        let writing = self.writing.iter().flat_map(|(_, chunks)| chunks);
        let noting = self.noting.iter().flat_map(|(_, chunks)| chunks);
        writing.chain(noting).any(|(of, _)| *of == file)
    }

    fn ask_to_write(&mut self) {
        let finishing: BTreeSet<u32> = self.finishing.iter().map(|(_, file)| *file).collect();
        let open = self.offer.chunks().into_iter().filter(|chunk| {
            !self.written.contains(chunk) && !finishing.contains(&chunk.0) && !self.placed.contains(&chunk.0)
        });
        let open: Vec<_> = open.collect();
        let some: Vec<_> = open.into_iter().filter(|_| self.random.chance(0.3)).take(4).collect();
        if !some.is_empty() {
            let id = submit(&mut self.disk, self.offer.write(&some));
            self.writing.push((id, some));
        }
    }

    fn ask_to_note(&mut self) {
        let finishing: BTreeSet<u32> = self.finishing.iter().map(|(_, file)| *file).collect();
        let due = self.written.iter().filter(|chunk| {
            !self.noted.contains(chunk) && !finishing.contains(&chunk.0) && !self.placed.contains(&chunk.0)
        });
        let due: Vec<_> = due.copied().collect();
        if self.noting.is_none() && !due.is_empty() {
            let id = submit(&mut self.disk, self.offer.checkpoint(&due));
            self.noting = Some((id, due));
        }
    }

    fn ask_to_finish(&mut self) {
        let whole = self.offer.files().into_iter().filter(|&file| {
            let all = (0..self.offer.count(file)).all(|index| self.written.contains(&(file, index)));
            let begun = self.finishing.iter().any(|(_, of)| *of == file);
            all && !begun && !self.busy(file) && !self.placed.contains(&file)
        });
        if let Some(file) = whole.min() {
            let id = submit(&mut self.disk, self.offer.finish(&[file], false));
            self.finishing.push((id, file));
        }
    }

    fn complete_one(&mut self) {
        if let Some((id, chunks)) = self.noting.take_if(|_| self.random.chance(0.5)) {
            assert_eq!(checkpointed(self.disk.complete(id).unwrap()), Ok(()));
            self.noted.extend(chunks);
        } else if !self.writing.is_empty() && self.chance(0.7) {
            let at = self.random.below(self.writing.len() as u64);
            let (id, chunks) = self.writing.swap_remove(usize::try_from(at).unwrap());
            assert!(written(self.disk.complete(id).unwrap()).iter().all(Result::is_ok));
            self.written.extend(chunks);
        } else if let Some((id, file)) = self.finishing.pop() {
            assert_eq!(finished(self.disk.complete(id).unwrap()), [Ok(())]);
            self.placed.insert(file);
        }
    }

    fn interrupt(&mut self) {
        if self.chance(0.7) {
            self.disk.crash();
        } else {
            self.disk.kill();
        }
        self.writing.clear();
        self.noting = None;
        self.unsure.extend(self.finishing.drain(..).map(|(_, file)| file));
    }

    /// Recovers, holds what is found against what was promised, and goes on from there.
    fn recover(&mut self) {
        let (found, _) = match self.offer.recover_all(&mut self.disk) {
            Ok(found) => found,
            Err(RecoverError::Missing | RecoverError::Journal(_)) => {
                assert!(self.noted.is_empty() && self.placed.is_empty(), "what was promised is gone");
                (Checked::default(), 0)
            }
            Err(error) => panic!("{error:?}"),
        };
        self.check_found(&found);
        self.placed = found.placed.iter().map(|(file, _)| *file).collect();
        self.written = found.chunks.iter().map(|(file, index, _)| (*file, *index)).collect();
        self.noted = self.written.clone();
        prepared(run(&mut self.disk, self.offer.prepare(true))).unwrap();
    }

    fn check_found(&self, found: &Checked) {
        let Self { disk, offer, .. } = self;
        for (file, index, value) in &found.chunks {
            assert_eq!(*value, offer.value((*file, *index)));
            assert!(intact(disk, offer, *file).unwrap().contains(index), "{file} {index} is not right");
        }
        let placed: BTreeMap<_, _> = found.placed.iter().copied().collect();
        for (file, root) in &placed {
            let there = disk.file(offer.place(*file)).unwrap();
            assert_eq!((*root, &*there.content), (offer.root(*file), &offer.contents[file]));
            assert_eq!((there.modified, there.executable), (MODIFIED, true));
        }
        for (file, index) in &self.noted {
            let chunk = (*file, *index, offer.value((*file, *index)));
            assert!(placed.contains_key(file) || found.chunks.contains(&chunk), "{file} {index} was noted");
        }
        assert!(self.placed.iter().all(|file| placed.contains_key(file)), "a file was in place");
        let unsure: usize = self.unsure.iter().map(|file| offer.contents[file].len()).sum();
        assert!(found.lost <= unsure as u64, "{} bytes lost of {unsure}", found.lost);
        assert_eq!(found.changed, 0);
        let kept = |file: &u32| disk.content(offer.partial(*file)).is_none() || !placed.contains_key(file);
        assert!(offer.files().iter().all(kept), "what is in place has no partial file");
    }

    /// Does all that is left.
    fn complete(mut self) {
        for _ in 0..10_000 {
            if self.placed.len() == self.offer.files().len() {
                break;
            }
            self.step();
        }
        while !self.writing.is_empty() || self.noting.is_some() {
            self.complete_one();
        }
        run(&mut self.disk, self.offer.close(true));
        self.disk.crash();
        let left = self.disk.list("/in");
        let files =
            self.offer.files().into_iter().map(|file| (self.offer.place(file), self.offer.root(file)));
        for (place, root) in files {
            let Some(file) = self.disk.file(&place) else { panic!("{place:?} of {:?}", left.keys()) };
            assert_eq!(*blake3::hash(&file.content).as_bytes(), root.0);
        }
        assert_eq!(left.len(), self.offer.manifest.entries().len(), "nothing else: {:?}", left.keys());
        let done = run(&mut self.disk, self.offer.recover());
        assert!(matches!(done, Done::Recovered(Err(RecoverError::Missing))));
    }
}

#[test]
fn whatever_stops_it_and_whenever_what_is_found_is_right_and_what_was_promised_is_found() {
    for_seeds(250, |seed| {
        let mut session = Session::new(seed);
        let (offer, disk) = (session.offer.clone(), &mut session.disk);
        submit(disk, offer.prepare(true));
        if session.chance(0.1) {
            // Before anything was promised.
            session.interrupt();
            session.recover();
        } else {
            prepared(session.disk.complete(StorageId(0)).unwrap()).unwrap();
        }
        for _ in 0..1 + session.random.below(4) {
            for _ in 0..session.random.below(40) {
                session.step();
            }
            session.interrupt();
            session.recover();
        }
        session.complete();
    });
}
