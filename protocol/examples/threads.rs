//! Sends one file with nothing but threads and the standard library's sockets.
//!
//! `cargo run -p hither-protocol --example threads -- send FILE hi1…@127.0.0.1:PORT`
//!
//! One thread reads the socket, one does the disk's work, and the loop in [`drive`] owns the node: that loop is
//! all that a node asks of a runtime.
#![allow(clippy::disallowed_methods, reason = "a runtime brings the clock, the sockets and the threads")]

use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hither_protocol::identity::PeerAddress;
use hither_protocol::storage::{Done, StorageId, StorageRequest};
use hither_protocol::transfer::hash::Root;
use hither_protocol::{Node, Received, StreamInput};

use common::Failure;

mod common;

/// Inputs that wait for the node; the threads that bring more wait.
const WAITING: usize = 64;
/// How often the reading thread looks whether it is still needed.
const GLANCE: Duration = Duration::from_millis(100);
/// How long to sleep when the node wants nothing.
const LONG: Duration = Duration::from_secs(3600);

/// What the threads bring to the node.
enum Input {
    Datagram(SocketAddr, BytesMut),
    Stored(StorageId, Done),
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", run(&arguments)?);
    Ok(())
}

/// Does what the command line says; gives what it is to print.
pub(crate) fn run(arguments: &[String]) -> Result<String, Failure> {
    let (file, to) = common::parse(arguments)?;
    Ok(format!("sent, and verified there: BLAKE3 {}", send(&file, to)?))
}

/// Sends a file and gives its hash once the peer has it on disk.
fn send(file: &Path, to: PeerAddress) -> Result<Root, Failure> {
    let (_, any) = common::addresses(to)?;
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(GLANCE))?;
    let (inputs, arrivals) = sync_channel(WAITING);
    // The node bounds what it asks of a disk at once, so this queue needs no bound of its own.
    let (requests, queue) = channel();
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        let stored = inputs.clone();
        threads.spawn(|| read_socket(&socket, inputs, &over));
        threads.spawn(|| work_on_disk(queue, stored));
        let sent = drive(file, to, &socket, arrivals, requests);
        over.store(true, Ordering::Relaxed);
        sent
    })
}

/// Turns until our transfer has ended and the node has taken its leave.
fn drive(
    file: &Path,
    to: PeerAddress,
    socket: &UdpSocket,
    arrivals: Receiver<Input>,
    requests: Sender<StorageRequest>,
) -> Result<Root, Failure> {
    let (remote, _) = common::addresses(to)?;
    let mut node = common::new_node()?;
    node.add_address(Instant::now(), to.peer, remote);
    let ours = node
        .offer(Instant::now(), to.peer, vec![file.into()])
        .map_err(|error| format!("nothing can be offered: {error:?}"))?;
    let mut outcome = None;
    loop {
        // After every input: storage, transmits, streams, announcement and events, until each gives nothing.
        while let Some(request) = node.poll_storage() {
            requests.send(request)?;
        }
        transmit(&mut node, socket);
        if let Some((link, _)) = node.poll_stream_dial() {
            node.handle_stream(Instant::now(), link, StreamInput::Closed); // Everything goes over datagrams here.
            continue; // That is an input too: what comes of it is fetched before anything is waited for.
        }
        while node.poll_announcement().is_some() {} // Nobody is to find a node that only sends.
        if let Some(event) = node.poll_event() {
            if let Some(ended) = common::outcome(event, ours) {
                outcome = Some(ended);
                node.close(Instant::now());
            }
            continue; // So is what was done about an event.
        }
        if node.is_drained() {
            return outcome.unwrap_or_else(|| Err("the node closed by itself".into()));
        }

        // Then wait for the next input, or for the time that the node names.
        let until = node.poll_timeout().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        match arrivals.recv_timeout(until.unwrap_or(LONG)) {
            Ok(Input::Stored(id, done)) => node.handle_storage(Instant::now(), id, done),
            Ok(Input::Datagram(remote, data)) => {
                let received = Received { local: None, remote, ecn: None, segment_size: data.len() };
                node.handle_datagram(Instant::now(), received, data);
            }
            Err(RecvTimeoutError::Timeout) => node.handle_timeout(Instant::now()),
            Err(RecvTimeoutError::Disconnected) => return Err("the threads ended".into()),
        }
    }
}

fn transmit(node: &mut Node, socket: &UdpSocket) {
    let mut buffer = Vec::new();
    while let Some(transmit) = node.poll_transmit(Instant::now(), NonZeroUsize::MIN, &mut buffer) {
        // What the system does not send counts as lost on the way: the node sends it again.
        let _ = socket.send_to(&buffer, transmit.remote);
        buffer.clear();
    }
}

fn read_socket(socket: &UdpSocket, inputs: SyncSender<Input>, over: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !over.load(Ordering::Relaxed) {
        // Errors are the glance's timeout, or what became of a datagram that was sent: neither is to be handled.
        let Ok((size, remote)) = socket.recv_from(&mut buffer) else { continue };
        let data = BytesMut::from(buffer.get(..size).unwrap_or_default());
        if inputs.send(Input::Datagram(remote, data)).is_err() {
            return;
        }
    }
}

/// One thread keeps loads and commits in order by itself.
fn work_on_disk(queue: Receiver<StorageRequest>, stored: SyncSender<Input>) {
    for StorageRequest { id, work } in queue {
        if stored.send(Input::Stored(id, common::perform(work))).is_err() {
            return;
        }
    }
}
