//! The threads that do a node's storage work: one for the records, in order, and a few for files.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use hither_protocol::storage::{Done, StorageRequest, Work};
use smol::channel::{Receiver, Sender, TrySendError, bounded};

use crate::disk::Disk;
use crate::input::Input;
use crate::records::Records;

/// Threads for file work: two to read, hash and write while another waits for the disk to make things durable.
const FILE_THREADS: usize = 3;
/// Most requests that wait for a thread, for each kind of thread.
const WAITING: usize = 64;
/// Most commits that share one sync of the disk.
const FOLDED: usize = 64;

/// The threads. Dropping this lets them finish what waits, then end; [`Disks::join`] waits for that.
#[derive(Debug)]
pub(crate) struct Disks {
    records: Sender<StorageRequest>,
    files: Sender<StorageRequest>,
    threads: Vec<JoinHandle<()>>,
}

impl Disks {
    /// Starts the threads. Their results go to `done`; whoever reads there must not wait for the threads.
    pub(crate) fn start(home: PathBuf, done: &Sender<Input>) -> io::Result<Self> {
        let (records, queue) = bounded(WAITING);
        let mut threads = Vec::with_capacity(1 + FILE_THREADS);
        threads.push(spawn("hither-records", {
            let done = done.clone();
            move || keep_records(Records::new(home), &queue, &done)
        })?);
        let (files, queue) = bounded(WAITING);
        let disk = Arc::new(Disk::new());
        for _ in 0..FILE_THREADS {
            let (disk, queue, done) = (disk.clone(), queue.clone(), done.clone());
            threads.push(spawn("hither-files", move || move_files(&disk, &queue, &done))?);
        }
        Ok(Self { records, files, threads })
    }

    /// Hands a request to its threads. Gives it back when too many wait already.
    #[allow(clippy::result_large_err, reason = "it goes back where it came from, and that is rare")]
    pub(crate) fn submit(&self, request: StorageRequest) -> Result<(), StorageRequest> {
        let queue = match request.work {
            Work::Load | Work::Commit(_) => &self.records,
            _ => &self.files,
        };
        // The queues close with this value only.
        queue.try_send(request).map_err(TrySendError::into_inner)
    }

    /// Waits until the threads have done what waits.
    pub(crate) fn join(self) {
        drop((self.records, self.files));
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.into()).spawn(work)
}

fn move_files(disk: &Disk, queue: &Receiver<StorageRequest>, done: &Sender<Input>) {
    while let Ok(request) = queue.recv_blocking() {
        // Nobody is left to tell when the loop has ended; the work itself still counts.
        let _ = done.send_blocking(Input::Stored(request.id, disk.perform(request.work)));
    }
}

fn keep_records(mut records: Records, queue: &Receiver<StorageRequest>, done: &Sender<Input>) {
    let mut next = None;
    while let Some(request) = next.take().or_else(|| queue.recv_blocking().ok()) {
        let StorageRequest { id, work } = request;
        let Work::Commit(changes) = work else {
            let _ = done.send_blocking(Input::Stored(id, records.perform(work)));
            continue;
        };
        let (mut ids, mut commits) = (vec![id], vec![changes]);
        while ids.len() < FOLDED {
            match queue.try_recv() {
                Ok(StorageRequest { id, work: Work::Commit(changes) }) => {
                    ids.push(id);
                    commits.push(changes);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        match records.commit(&commits) {
            Ok(results) => {
                for (id, result) in ids.into_iter().zip(results) {
                    let _ = done.send_blocking(Input::Stored(id, Done::Committed(Ok(result))));
                }
            }
            Err(error) => {
                for id in ids {
                    let _ = done.send_blocking(Input::Stored(id, Done::Committed(Err(error.clone()))));
                }
            }
        }
    }
}
