//! Another runtime can take smol's place: the protocol's examples send a file to a whole node, on loopback.
#![cfg(unix)]
#![allow(clippy::duplicate_mod, reason = "both examples have the same module, as two programs do")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerAddress, PeerId};
use hither_protocol::transfer::hash::Root;
use hither_protocol::{Config, Rules, Strangers};
use hither_runtime_smol::{Options, Runtime};
use tempfile::TempDir;

#[allow(dead_code, reason = "an example has a main function")]
#[path = "../../protocol/examples/threads.rs"]
mod threads;

#[allow(dead_code, reason = "an example has a main function")]
#[path = "../../protocol/examples/tokio.rs"]
mod tokio_driver;

/// Several chunks on more than one channel, and a short last chunk.
const SIZE: usize = 9 * 1024 * 1024 + 17;

#[test]
fn plain_threads_send_a_file() {
    arrives(threads::send);
}

#[test]
fn tokio_sends_a_file() {
    arrives(tokio_driver::send);
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let receiver = Receiver::start();
    let missing = receiver.into.path().join("missing");
    for send in [threads::send, tokio_driver::send] {
        let failure = send(&missing, receiver.address()).unwrap_err().to_string();
        assert!(failure.contains("Scan"), "{failure}");
    }
}

fn arrives<E: std::fmt::Debug>(send: impl Fn(&Path, PeerAddress) -> Result<Root, E>) {
    let receiver = Receiver::start();
    let here = TempDir::new().unwrap();
    for size in [SIZE, 0] {
        let file = here.path().join(format!("{size} bytes"));
        let content: Vec<u8> = (0_u32..).flat_map(|word| word.to_le_bytes()).take(size).collect();
        std::fs::write(&file, &content).unwrap();
        let root = send(&file, receiver.address()).unwrap();
        assert_eq!(root.0, *blake3::hash(&content).as_bytes());
        let arrived = std::fs::read(receiver.into.path().join(file.file_name().unwrap())).unwrap();
        assert!(arrived == content, "the content of {size} bytes");
    }
    receiver.runtime.close(Duration::from_secs(5));
}

/// A node that takes what strangers send.
struct Receiver {
    runtime: Runtime,
    peer: PeerId,
    into: TempDir,
    _home: TempDir,
}

impl Receiver {
    fn start() -> Self {
        let (home, into) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let identity = Identity::generate(&mut Entropy::new(Seed::new([7; 32])).stream("identity"));
        let peer = identity.peer_id();
        let rules =
            Rules { into: Some(into.path().into()), strangers: Strangers::Accept, ..Rules::default() };
        let options = Options {
            home: home.path().into(),
            interface: Some(if cfg!(target_os = "linux") { "lo".into() } else { "lo0".into() }),
            port: 0,
            discovery: None,
            mainline: None,
            config: Config { rules, ..Config::default() },
        };
        let runtime = Runtime::start(options, identity).unwrap();
        Self { runtime, peer, into, _home: home }
    }

    fn address(&self) -> PeerAddress {
        let is_v4 = |address: &&SocketAddr| address.is_ipv4();
        let address = self.runtime.local_addresses().iter().find(is_v4).copied();
        PeerAddress { peer: self.peer, address: Some(address.expect("loopback has an IPv4 address")) }
    }
}
