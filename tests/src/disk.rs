//! A disk in memory: carries out what a node asks for, takes its time, loses at a crash what is not durable, and
//! fails on request.

mod contract;
mod faults;
mod tree;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hither_protocol::storage::{Done, StorageError, StorageId, StorageRequest, Table, Work};
use hither_protocol::transfer::TransferId;

use crate::random::Random;
use faults::Faults;
pub use faults::Kind;
use tree::Tree;
pub use tree::{File, Item};

/// How long requests take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For each request, whatever is in it. Requests overlap.
    pub request: Duration,
    /// Up to so much is added, anew for each request: this is what makes results come back out of order.
    pub jitter: Duration,
    /// Bytes a second that are read or written, all requests together.
    pub rate: u64,
}

impl Default for Timing {
    /// A solid-state disk.
    fn default() -> Self {
        Self { request: Duration::from_micros(100), jitter: Duration::from_micros(200), rate: 1_000_000_000 }
    }
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    tree: Tree,
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    partials: BTreeMap<(TransferId, u32), Partial>,
    /// In the order they were asked for.
    pending: Vec<Pending>,
    faults: Faults,
    timing: Timing,
    random: Random,
    /// When the bytes asked for so far have passed.
    busy_until: Duration,
    /// When the last `Load` or `Commit` so far is done.
    records_until: Duration,
    last_modified: i64,
    outstanding: u64,
    peak_outstanding: u64,
    requests: BTreeMap<Kind, u64>,
}

/// A file that is being received.
#[derive(Debug, Default)]
struct Partial {
    size: u64,
    /// Lengths by offset.
    written: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Pending {
    id: StorageId,
    work: Work,
    failure: Option<StorageError>,
}

/// Bytes of a disk without a limit: 1 TiB.
const ROOMY: u64 = 1 << 40;

impl Disk {
    /// An empty disk without faults.
    pub fn new(random: Random) -> Self {
        Self {
            tree: Tree::default(),
            records: BTreeMap::new(),
            partials: BTreeMap::new(),
            pending: Vec::new(),
            faults: Faults::default(),
            timing: Timing::default(),
            random,
            busy_until: Duration::ZERO,
            records_until: Duration::ZERO,
            last_modified: 1_700_000_000_000,
            outstanding: 0,
            peak_outstanding: 0,
            requests: BTreeMap::new(),
        }
    }

    /// Takes a request and says when it will be done; call [`Disk::complete`] then.
    ///
    /// # Panics
    ///
    /// When the request breaks what `hither_protocol::storage` promises.
    pub fn submit(&mut self, now: Duration, request: StorageRequest) -> Duration {
        let StorageRequest { id, work } = request;
        contract::check(&work, self.pending.iter().map(|pending| &pending.work), &self.tree);
        let kind = Kind::of(&work);
        let bytes = bytes_of(&work);
        *self.requests.entry(kind).or_default() += 1;
        self.outstanding += bytes;
        self.peak_outstanding = self.peak_outstanding.max(self.outstanding);

        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.timing.rate.max(1));
        let passing = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.busy_until = self.busy_until.max(now) + passing;
        let mut done = self.busy_until + self.timing.request + self.random.duration(self.timing.jitter);
        if matches!(kind, Kind::Load | Kind::Commit) {
            done = done.max(self.records_until);
            self.records_until = done;
        }
        let failure = self.faults.next_failure(kind);
        assert!(self.pending.iter().all(|pending| pending.id != id), "two requests are called {}", id.0);
        self.pending.push(Pending { id, work, failure });
        done
    }

    /// Carries a request out and gives its result; `None` where a crash has swept it away.
    pub fn complete(&mut self, id: StorageId) -> Option<Done> {
        let place = self.pending.iter().position(|pending| pending.id == id)?;
        let Pending { work, failure, .. } = self.pending.remove(place);
        self.outstanding -= bytes_of(&work);
        Some(match failure {
            Some(error) => faults::failed(&work, error),
            None => self.carry_out(&work),
        })
    }

    /// The power fails. What was under way may or may not have been carried out, in whole or in part, records in
    /// their order; after that, what is not durable may be lost.
    pub fn crash(&mut self) {
        let mut records_reached = true;
        for Pending { work, failure, .. } in std::mem::take(&mut self.pending) {
            let reached = self.random.chance(0.5);
            match work {
                _ if failure.is_some() => {}
                Work::Load | Work::Commit(_) => {
                    records_reached &= reached;
                    if records_reached {
                        self.carry_out(&work);
                    }
                }
                Work::Finish(files) => {
                    let some = self.random.below(files.len() as u64 + 1);
                    self.finish_files(&files[..usize::try_from(some).expect("below a length")]);
                }
                _ if reached => drop(self.carry_out(&work)),
                _ => {}
            }
        }
        self.tree.crash(&mut self.random);
        self.partials.clear();
        self.outstanding = 0;
        self.busy_until = Duration::ZERO;
        self.records_until = Duration::ZERO;
    }
}

/// What tests put on the disk and find there.
impl Disk {
    /// A file, durable, with a new modification time. Directories above it are made.
    pub fn put_file(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) {
        let file = File { content: Arc::new(content.into()), modified: self.next_time(), executable: false };
        self.put(path.as_ref(), Item::File(file));
    }

    /// A directory, durable.
    pub fn put_directory(&mut self, path: impl AsRef<Path>) {
        self.put(path.as_ref(), Item::Directory);
    }

    /// Something that is neither file nor directory, durable.
    pub fn put_special(&mut self, path: impl AsRef<Path>) {
        self.put(path.as_ref(), Item::Special);
    }

    /// Makes a file executable.
    pub fn set_executable(&mut self, path: impl AsRef<Path>) {
        let file = self.tree.file(path.as_ref()).expect("there is such a file").clone();
        self.put(path.as_ref(), Item::File(File { executable: true, ..file }));
    }

    /// Removes a file or a directory with all that is in it, durably.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let gone: Vec<PathBuf> = self.tree.below(path).map(|(at, _)| at.to_path_buf()).collect();
        for path in gone.iter().map(PathBuf::as_path).chain([path]) {
            self.tree.remove(path);
            self.tree.sync(path);
        }
    }

    /// A file.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&File> {
        self.tree.file(path.as_ref())
    }

    /// A file's content.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Arc<Vec<u8>>> {
        work::content_of(self.tree.get(path.as_ref()))
    }

    /// Everything below a directory, by its path from there.
    pub fn list(&self, directory: impl AsRef<Path>) -> BTreeMap<PathBuf, Item> {
        let directory = directory.as_ref();
        let below = self.tree.below(directory);
        below
            .map(|(at, item)| (at.strip_prefix(directory).unwrap_or(at).to_path_buf(), item.clone()))
            .collect()
    }

    /// Partial files, wherever they are.
    pub fn partials(&self) -> Vec<PathBuf> {
        let is_partial = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".hither-") && name.ends_with(".part")
        };
        self.tree.below(Path::new("/")).map(|(at, _)| at.to_path_buf()).filter(|at| is_partial(at)).collect()
    }

    /// The records of a table: keys and values.
    pub fn records(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = move |((at, _), _): &(&(Table, Vec<u8>), &Vec<u8>)| *at == table;
        self.records.iter().filter(of).map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    /// Bytes free.
    pub fn free(&self) -> u64 {
        self.faults.capacity.unwrap_or(ROOMY).saturating_sub(self.tree.used())
    }

    /// Bytes of content in requests that are under way.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The most bytes of content that were ever under way at once.
    pub fn peak_outstanding(&self) -> u64 {
        self.peak_outstanding
    }

    /// How many requests of a kind were made.
    pub fn requests(&self, kind: Kind) -> u64 {
        self.requests.get(&kind).copied().unwrap_or_default()
    }

    /// How many requests were made.
    pub fn all_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    fn put(&mut self, path: &Path, item: Item) {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            if !self.tree.is_directory(folder) {
                self.tree.put(folder.to_path_buf(), Item::Directory);
            }
        }
        self.tree.put(path.to_path_buf(), item);
        self.tree.sync(path);
    }

    /// Each change of a file has a time of its own, so that every change shows.
    fn next_time(&mut self) -> i64 {
        self.last_modified += 1000;
        self.last_modified
    }
}

/// Bytes of content that a request carries, or that its result will.
fn bytes_of(work: &Work) -> u64 {
    match work {
        Work::Read(chunks) => chunks.iter().map(|chunk| u64::from(chunk.length)).sum(),
        Work::ReadBack(chunks) => chunks.iter().map(|chunk| u64::from(chunk.length)).sum(),
        Work::Write(chunks) => chunks.iter().map(|chunk| chunk.data.len() as u64).sum(),
        _ => 0,
    }
}

/// A result in a few words: content by its hash.
pub(crate) fn summary(done: &Done) -> String {
    let Done::Read(chunks) = done else { return format!("{done:?}") };
    let values = chunks.iter().map(|chunk| match chunk {
        Ok(chunk) => format!("{:?} {}", chunk.value, blake3::hash(&chunk.data)),
        Err(error) => format!("{error:?}"),
    });
    values.collect::<Vec<_>>().join(" ")
}
