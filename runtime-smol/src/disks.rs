//! The threads that do a node's storage work: one for the records, in order, a few for files, and one for each pipe.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use hither_protocol::storage::{Done, StorageRequest, Work};
use smol::channel::{Receiver, Sender, TrySendError, bounded};

use crate::disk::Disk;
use crate::input::Input;
use crate::pipes::{self, Pipes};
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
    /// Of what is read from a pipe, and of what is written to one.
    input: Option<Sender<StorageRequest>>,
    output: Option<Sender<StorageRequest>>,
    threads: Vec<JoinHandle<()>>,
}

impl Disks {
    /// Starts the threads. Their results go to `done`; whoever reads there must not wait for the threads.
    pub(crate) fn start(home: PathBuf, pipes: Pipes, done: &Sender<Input>) -> io::Result<Self> {
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
        // Whoever is at the other end of a pipe may never let go of it, so nobody waits for these.
        let input = pipes.input.map(|stream| {
            let (requests, queue) = bounded(WAITING);
            let done = done.clone();
            spawn("hither-input", move || read_input(pipes::Input::new(stream), &queue, &done))?;
            io::Result::Ok(requests)
        });
        let output = pipes.output.map(|stream| {
            let (requests, queue) = bounded(WAITING);
            let done = done.clone();
            spawn("hither-output", move || write_output(pipes::Output::new(stream), &queue, &done))?;
            io::Result::Ok(requests)
        });
        Ok(Self { records, files, input: input.transpose()?, output: output.transpose()?, threads })
    }

    /// Hands a request to its threads. Gives it back when too many wait already.
    #[allow(clippy::result_large_err, reason = "it goes back where it came from, and that is rare")]
    pub(crate) fn submit(&self, request: StorageRequest) -> Result<(), StorageRequest> {
        let queue = match request.work {
            Work::Load | Work::Commit(_) => &self.records,
            // Without a pipe the files' threads say so.
            Work::ReadStream { .. } => self.input.as_ref().unwrap_or(&self.files),
            Work::Output(_) => self.output.as_ref().unwrap_or(&self.files),
            _ => &self.files,
        };
        // The queues close with this value only.
        queue.try_send(request).map_err(TrySendError::into_inner)
    }

    /// Waits until the threads have done what waits.
    pub(crate) fn join(self) {
        drop((self.records, self.files, self.input, self.output));
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

fn read_input(mut input: pipes::Input, queue: &Receiver<StorageRequest>, done: &Sender<Input>) {
    while let Ok(StorageRequest { id, work }) = queue.recv_blocking() {
        let Work::ReadStream { offset, .. } = work else { continue };
        let _ = done.send_blocking(Input::Stored(id, Done::StreamRead(input.chunk(offset))));
    }
}

fn write_output(mut output: pipes::Output, queue: &Receiver<StorageRequest>, done: &Sender<Input>) {
    while let Ok(StorageRequest { id, work }) = queue.recv_blocking() {
        let Work::Output(chunks) = work else { continue };
        let _ = done.send_blocking(Input::Stored(id, Done::Written(output.append(&chunks))));
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
