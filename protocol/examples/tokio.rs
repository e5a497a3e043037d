//! Sends one file on tokio.
//!
//! `cargo run -p hither-protocol --example tokio -- send FILE hi1…@127.0.0.1:PORT`
//!
//! The loop in [`drive`] owns the node and is all that a node asks of a runtime.
#![allow(clippy::disallowed_methods, reason = "a runtime brings the clock and the sockets")]

use std::future::pending;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use bytes::BytesMut;
use hither_protocol::identity::PeerAddress;
use hither_protocol::storage::{Done, StorageId, StorageRequest, Work};
use hither_protocol::transfer::hash::Root;
use hither_protocol::{Node, Received, StreamInput};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use common::Failure;

mod common;

/// The disk's work under way, on tokio's threads for blocking work.
type Disk = JoinSet<(StorageId, Done)>;

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(drive(file, to))
}

/// Turns until our transfer has ended and the node has taken its leave.
async fn drive(file: &Path, to: PeerAddress) -> Result<Root, Failure> {
    let (remote, any) = common::addresses(to)?;
    let socket = UdpSocket::bind(any).await?;
    let mut disk = Disk::new();
    let mut node = common::new_node()?;
    node.add_address(Instant::now(), to.peer, remote);
    let ours = node
        .offer(Instant::now(), to.peer, vec![file.into()])
        .map_err(|error| format!("nothing can be offered: {error:?}"))?;
    let mut outcome = None;
    let mut arrived = vec![0; 65_536];
    loop {
        // After every input: storage, transmits, streams, announcement and events, until each gives nothing.
        store(&mut node, &mut disk);
        transmit(&mut node, &socket).await;
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
        let until = node.poll_timeout().map(|(at, _)| at);
        tokio::select! {
            Some(stored) = disk.join_next() => {
                let (id, done) = stored?;
                node.handle_storage(Instant::now(), id, done);
            }
            datagram = socket.recv_from(&mut arrived) => {
                // An error is what became of a datagram that was sent: lost, as the node will find.
                if let Ok((size, remote)) = datagram {
                    let data = BytesMut::from(arrived.get(..size).unwrap_or_default());
                    let received = Received { local: None, remote, ecn: None, segment_size: size };
                    node.handle_datagram(Instant::now(), received, data);
                }
            }
            () = sleep_until(until) => node.handle_timeout(Instant::now()),
        }
    }
}

fn store(node: &mut Node, disk: &mut Disk) {
    while let Some(StorageRequest { id, work }) = node.poll_storage() {
        match work {
            // One after the other, in the order given: here they are in memory and done at once.
            Work::Load | Work::Commit(_) => node.handle_storage(Instant::now(), id, common::perform(work)),
            _ => drop(disk.spawn_blocking(move || (id, common::perform(work)))),
        }
    }
}

async fn transmit(node: &mut Node, socket: &UdpSocket) {
    let mut buffer = Vec::new();
    while let Some(transmit) = node.poll_transmit(Instant::now(), NonZeroUsize::MIN, &mut buffer) {
        // What the system does not send counts as lost on the way: the node sends it again.
        let _ = socket.send_to(&buffer, transmit.remote).await;
        buffer.clear();
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
