//! A disk in memory: carries out what a node asks for, takes its time, loses at a crash what is not durable, and
//! fails on request.

mod content;
mod contract;
mod faults;
mod inspect;
mod journal;
mod receive;
mod recovery;
mod transfers;
mod tree;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use hither_protocol::storage::{Done, StorageError, StorageId, StorageRequest, Table, Work};
use hither_protocol::transfer::TransferId;

use crate::random::Random;
pub use content::{File, Item};
use faults::Faults;
pub use faults::Kind;
use transfers::Open;
use tree::Tree;

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
    /// What the program holds open.
    open: BTreeMap<TransferId, Open>,
    /// What the program is fed, and what it has fed others.
    input: Vec<u8>,
    output: Vec<u8>,
    /// In the order they were asked for.
    pending: Vec<Pending>,
    faults: Faults,
    timing: Timing,
    random: Random,
    /// When the bytes asked for so far have passed.
    busy_until: Duration,
    /// When the last `Load` or `Commit` so far is done, and the last `Output`.
    records_until: Duration,
    output_until: Duration,
    last_modified: i64,
    outstanding: u64,
    peak_outstanding: u64,
    requests: BTreeMap<Kind, u64>,
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
            open: BTreeMap::new(),
            input: Vec::new(),
            output: Vec::new(),
            pending: Vec::new(),
            faults: Faults::default(),
            timing: Timing::default(),
            random,
            busy_until: Duration::ZERO,
            records_until: Duration::ZERO,
            output_until: Duration::ZERO,
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
        contract::check(&work, self.pending.iter().map(|pending| &pending.work), &self.open);
        let kind = Kind::of(&work);
        let bytes = bytes_of(&work);
        *self.requests.entry(kind).or_default() += 1;
        self.outstanding += bytes;
        self.peak_outstanding = self.peak_outstanding.max(self.outstanding);

        let nanos =
            u128::from(bytes.max(effort(&work))) * 1_000_000_000 / u128::from(self.timing.rate.max(1));
        let passing = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.busy_until = self.busy_until.max(now) + passing;
        let mut done = self.busy_until + self.timing.request + self.random.duration(self.timing.jitter);
        if matches!(kind, Kind::Load | Kind::Commit) {
            done = done.max(self.records_until);
            self.records_until = done;
        }
        if kind == Kind::Output {
            done = done.max(self.output_until);
            self.output_until = done;
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

    /// The power fails. What was under way may have been carried out, or any number of its steps from the first on,
    /// records in their order; after that, what is not durable may be lost.
    pub fn crash(&mut self) {
        self.stop();
        self.tree.crash(&mut self.random);
    }

    /// The program is killed. What was under way may have been carried out, or any number of its steps from the first
    /// on, records in their order; all that was written stays, and nothing is open or locked any more.
    pub fn kill(&mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|pending| pending.failure.is_none());
        let (records, mut others): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|pending| matches!(pending.work, Work::Load | Work::Commit(_)));
        let reached = self.random.below(records.len() as u64 + 1);
        for Pending { work, .. } in records.iter().take(usize::try_from(reached).expect("below a length")) {
            self.carry_out(work);
        }
        while !others.is_empty() {
            let next = usize::try_from(self.random.below(others.len() as u64)).expect("below a length");
            let Pending { work, .. } = others.swap_remove(next);
            if self.random.chance(0.7) {
                self.tree.arm(self.random.below(most_steps(&work) + 1));
            }
            self.carry_out(&work);
            self.tree.disarm();
        }
        self.open.clear();
        self.outstanding = 0;
        self.busy_until = Duration::ZERO;
        self.records_until = Duration::ZERO;
    }
}

/// Bytes of content that a request carries, or that its result will.
fn bytes_of(work: &Work) -> u64 {
    match work {
        Work::Read(chunks) => chunks.iter().map(|chunk| u64::from(chunk.length)).sum(),
        Work::ReadBack(chunks) => chunks.iter().map(|chunk| u64::from(chunk.length)).sum(),
        Work::Write(chunks) | Work::Output(chunks) => {
            chunks.iter().map(|chunk| chunk.data.len() as u64).sum()
        }
        _ => 0,
    }
}

/// Bytes that a request has to go through besides.
fn effort(work: &Work) -> u64 {
    match work {
        Work::Check { .. } => recovery::CHECK_BYTES,
        _ => 0,
    }
}

/// About as many changes of the tree as a request makes.
fn most_steps(work: &Work) -> u64 {
    let items = match work {
        Work::Write(chunks) => 2 * chunks.len(),
        Work::Prepare { directories, .. } => 8 + directories.len(),
        Work::Checkpoint { files, .. } => 3 + 2 * files.len(),
        Work::Finish(files) => 3 + 4 * files.len(),
        Work::Seal { links, .. } => 3 + 3 * links.len(),
        Work::Close { .. } => 3,
        Work::Discard { partials, directories, .. } => 4 + 2 * (partials.len() + directories.len()),
        _ => 2,
    };
    items as u64
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
