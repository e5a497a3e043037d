//! Strangers who answer what they like: nothing of it may end more than the request that it answers.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use ed25519_dalek::SigningKey;
use hither_protocol::WorldAnswer;
use smol::channel::{Sender, bounded};
use smol::future::or;
use smol::{Async, LocalExecutor};

use super::{ask, put, settings, start};

/// Nodes of a crowd. Of more than 255 that would keep an item the library thinks that they cannot be, and panics.
const CROWD: usize = 300;
/// How many others a node names.
const NAMED: usize = 20;
/// How deep lists are in one another: as deep as one datagram has room for. Unless it was optimised the library needs
/// more stack for that than it has, and a process whose stack overflows is gone.
const DEPTH: usize = 2040;

/// How nodes answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As they should, but each names twenty others who are nearer, up to the last.
    Crowded,
    /// First with lists in lists, then as they should.
    Nested,
}

/// Nodes at an address each, of which the first is known to everyone.
struct Strangers {
    bootstrap: String,
    /// From when on the first is an honest node that knows nobody.
    honest: Arc<AtomicBool>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Strangers {
    fn new(count: usize, way: Way) -> Self {
        let sockets: Vec<UdpSocket> =
            (0..count).map(|node| UdpSocket::bind((at(node), 0)).unwrap()).collect();
        let addresses: Vec<SocketAddrV4> = sockets.iter().map(address).collect();
        let bootstrap = addresses[0].to_string();
        let honest = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = bounded::<()>(1);
        let turned = Arc::clone(&honest);
        let thread = std::thread::spawn(move || {
            let executor = LocalExecutor::new();
            for (node, socket) in sockets.into_iter().enumerate() {
                let (addresses, turned) = (&addresses, &turned);
                executor.spawn(serve(socket, node, addresses, way, turned)).detach();
            }
            let stopped = async {
                // Only ever closed.
                let _ = stopped.recv().await;
            };
            smol::block_on(or(stopped, executor.run(std::future::pending())));
        });
        Self { bootstrap, honest, stop, thread }
    }

    fn stop(self) {
        self.stop.close();
        self.thread.join().unwrap();
    }
}

fn at(node: usize) -> Ipv4Addr {
    let [.., third, fourth] = u32::try_from(node).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 1, third, fourth)
}

fn address(socket: &UdpSocket) -> SocketAddrV4 {
    match socket.local_addr().unwrap() {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(address) => unreachable!("{address}"),
    }
}

async fn serve(socket: UdpSocket, node: usize, all: &[SocketAddrV4], way: Way, honest: &AtomicBool) {
    let socket = Async::<UdpSocket>::new(socket).unwrap();
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let Some(query) = Asked::parse(&buffer[..length]) else { continue };
        let honest = honest.load(Ordering::Relaxed);
        if way == Way::Nested && !honest {
            let nested = [b"d1:0".to_vec(), vec![b'l'; DEPTH]].concat();
            socket.send_to(&nested, from).await.unwrap();
        }
        let named = if way == Way::Crowded && !honest { NAMED } else { 0 };
        let others = (node + 1..all.len()).take(named);
        let reply = query.reply(node, others.map(|other| (other, all[other])));
        socket.send_to(&reply, from).await.unwrap();
    }
}

/// What is to be known of a query.
struct Asked<'a> {
    transaction: &'a [u8],
    /// What is looked for, and whether it is what somebody stores.
    target: Option<(&'a [u8], bool)>,
}

impl<'a> Asked<'a> {
    fn parse(datagram: &'a [u8]) -> Option<Self> {
        let after = |mark: &[u8], length: usize| {
            let start = datagram.windows(mark.len()).position(|window| window == mark)? + mark.len();
            datagram.get(start..start + length)
        };
        let is = |query: &[u8]| after(query, 0).is_some();
        let target = after(b"6:target20:", 20).filter(|_| !is(b"1:q3:put"));
        Some(Self {
            transaction: after(b"1:t4:", 4)?,
            target: target.map(|target| (target, is(b"1:q3:get"))),
        })
    }

    /// A node's place: the later it comes, the nearer it is to what is looked for.
    fn id(&self, node: usize) -> Vec<u8> {
        let distance = u16::try_from(CROWD - node).unwrap().to_be_bytes();
        let mut id = self.target.map_or([0; 20].as_slice(), |(target, _)| target).to_vec();
        id.iter_mut().zip(distance).for_each(|(byte, distance)| *byte ^= distance);
        id
    }

    fn reply(&self, node: usize, named: impl Iterator<Item = (usize, SocketAddrV4)>) -> Vec<u8> {
        let mut reply = b"d1:rd2:id20:".to_vec();
        reply.extend(self.id(node));
        if let Some((_, stored)) = self.target {
            let mut nodes = Vec::new();
            for (other, address) in named.take_while(|_| stored) {
                nodes.extend(self.id(other));
                nodes.extend(address.ip().octets());
                nodes.extend(address.port().to_be_bytes());
            }
            reply.extend(format!("5:nodes{}:", nodes.len()).into_bytes());
            reply.extend(nodes);
            if stored {
                reply.extend(b"5:token4:word");
            }
        }
        reply.extend(b"e1:t4:");
        reply.extend(self.transaction);
        reply.extend(b"1:y1:re");
        reply
    }
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

#[test]
fn what_makes_the_library_panic_ends_one_request() {
    let strangers = Strangers::new(CROWD, Way::Crowded);
    let (mainline, answers) = start(settings(vec![strangers.bootstrap.clone()]));
    let failed = ask(&mainline, &answers, put(&signer(), 1, b"panic"));
    assert_eq!(failed, (vec![WorldAnswer::Stored(false)], false));
    strangers.honest.store(true, Ordering::Relaxed);
    // A new node of Mainline begins, where the old one is gone.
    let stored = ask(&mainline, &answers, put(&signer(), 1, b"and on"));
    assert_eq!(stored, (vec![WorldAnswer::Stored(true)], true));
    mainline.join();
    strangers.stop();
}

#[test]
fn lists_in_lists_do_not_end_the_process() {
    let strangers = Strangers::new(1, Way::Nested);
    let (mainline, answers) = start(settings(vec![strangers.bootstrap.clone()]));
    let stored = ask(&mainline, &answers, put(&signer(), 1, b"deep"));
    assert_eq!(stored, (vec![WorldAnswer::Stored(true)], true));
    mainline.join();
    strangers.stop();
}
