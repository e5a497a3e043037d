//! A node with everything it needs to run, for programs.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use hither_protocol::entropy::Seed;
use hither_protocol::identity::Identity;
use hither_protocol::{Config, Event, Node};
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use crate::clock::unix_millis;
use crate::disks::Disks;
use crate::driver::Driver;
use crate::input::Input;
use crate::interfaces::Used;
use crate::mainline::{Mainline, MainlineSettings};
use crate::pipes::Pipes;
use crate::sockets::Sockets;
use crate::streams::Streams;
use crate::watch::{Reachable, Watch, Watched};

/// Most inputs that wait for the node; who has more waits.
const INPUTS: usize = 256;
/// Most events that wait for the program; further ones wait in the node.
const EVENTS: usize = 256;
/// How long a runtime that is dropped goes on, to tell its peers.
const SHORT: Duration = Duration::from_millis(200);

/// How to run a node.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its records are kept; made if it does not exist. One running node for each.
    pub home: PathBuf,
    /// The only network interface to use, such as `lo` or `wlan0`; all of them otherwise.
    pub interface: Option<String>,
    /// The UDP port, and where it is free the TCP port; 0 for any.
    pub port: u16,
    /// How long until the node is announced on the local network and others are looked for there, such as not at all
    /// where a peer is reached at a known address sooner; never if `None`.
    pub discovery: Option<Duration>,
    /// How BitTorrent's Mainline is asked, where the node asks it; not at all if `None`.
    pub mainline: Option<MainlineSettings>,
    /// What the node itself is told.
    pub config: Config,
}

/// Why a node does not run.
#[derive(Debug)]
pub enum StartError {
    /// Another program uses the port: choose another one, or 0.
    PortTaken(u16),
    /// There is no such network interface, or it has no address.
    NoInterface(String),
    /// No socket could be opened.
    Network(io::Error),
    /// The system gives no randomness; without it nothing is safe.
    NoEntropy,
    /// No thread could be started.
    NoThread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortTaken(port) => {
                write!(f, "UDP port {port} is in use by another program; choose another port, or 0 for any")
            }
            Self::NoInterface(name) => {
                write!(f, "there is no network interface {name:?} with an address; look at its spelling")
            }
            Self::Network(error) => write!(f, "no UDP socket could be opened: {error}"),
            Self::NoEntropy => {
                f.write_str("the operating system gives no randomness, so nothing could be encrypted safely")
            }
            Self::NoThread(error) => write!(f, "no thread could be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running node. It can be shared between threads; when it is dropped, the node closes, quickly.
#[derive(Debug)]
pub struct Runtime {
    inputs: Sender<Input>,
    events: Receiver<Event>,
    bound: Vec<SocketAddr>,
    reachable: Reachable,
    nudges: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    /// Opens the sockets, starts the threads and the node.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. Records that cannot be opened are no error here: the node tells, by
    /// [`Event::StorageFailed`].
    pub fn start(options: Options, identity: Identity) -> Result<Self, StartError> {
        Self::start_with_pipes(options, identity, Pipes::default())
    }

    /// The same, with pipes.
    ///
    /// # Errors
    ///
    /// As [`Runtime::start`].
    pub fn start_with_pipes(options: Options, identity: Identity, pipes: Pipes) -> Result<Self, StartError> {
        let Options { home, interface, port, discovery, mainline, config } = options;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| StartError::NoEntropy)?;
        let seed = Seed::new(seed);
        let used = Used::look(interface.as_deref()).map_err(StartError::Network)?;
        let sockets = Sockets::bind(&used, port).map_err(|error| match (error.kind(), &interface) {
            (io::ErrorKind::AddrInUse, _) => StartError::PortTaken(port),
            (io::ErrorKind::AddrNotAvailable, Some(name)) => StartError::NoInterface(name.clone()),
            _ => StartError::Network(error),
        })?;
        let bound = sockets.addresses();
        let streams = Streams::bind(&used, bound.clone());
        let (inputs, queue) = bounded(INPUTS);
        let (event_sender, events) = bounded(EVENTS);
        let reachable = Arc::new(Mutex::new(used.reachable(&bound)));
        let disks = Disks::start(home, pipes, &inputs).map_err(StartError::NoThread)?;
        // One that waits is as good as many.
        let (nudges, nudged) = bounded(1);
        let watched = Watched {
            interface,
            bound: bound.clone(),
            discovery,
            reachable: reachable.clone(),
            nudges: nudged,
        };
        let watch = Watch::start(watched, inputs.clone()).map_err(StartError::NoThread)?;
        let answers = inputs.clone();
        let answer = move |id, answer| {
            // Nobody waits any more only when the node's thread has ended.
            let _ = answers.send_blocking(Input::World(id, answer));
        };
        let mainline = mainline.map(|settings| Mainline::start(settings, Box::new(answer)));
        let mainline = mainline.transpose().map_err(StartError::NoThread)?;
        let leftovers = Leftovers(queue.clone());
        let thread = Builder::new()
            .name("hither-node".into())
            .spawn(move || {
                let _leftovers = leftovers;
                let node = Node::new(config, identity, seed, Instant::now(), unix_millis(SystemTime::now()));
                let driver =
                    Driver::new(node, sockets, streams, disks, (watch, mainline), queue, event_sender);
                smol::block_on(driver.run());
            })
            .map_err(StartError::NoThread)?;
        Ok(Self { inputs, events, bound, reachable, nudges, thread: Some(thread) })
    }

    /// Does something with the node, on its thread, and waits for the answer. The node waits meanwhile: keep it
    /// short, and never call it from within itself.
    ///
    /// # Panics
    ///
    /// If the node's thread has panicked.
    pub fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Node, Instant) -> R + Send + 'static,
    ) -> R {
        let (answer, answered) = bounded(1);
        let question = Input::Ask(Box::new(move |node, now| {
            // Nobody waits any more only when the asking thread is gone.
            let _ = answer.try_send(question(node, now));
        }));
        let sent = self.inputs.send_blocking(question);
        match sent.ok().and_then(|()| answered.recv_blocking().ok()) {
            Some(answer) => answer,
            None => panic!("the node's thread has panicked"),
        }
    }

    /// Waits for the next event, for as long as given. `None` when none came, or when the node has ended.
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<Event> {
        if let Ok(event) = self.events.try_recv() {
            return Some(event);
        }
        let Some(timeout) = timeout else { return self.events.recv_blocking().ok() };
        smol::block_on(or(async { self.events.recv().await.ok() }, async {
            Timer::after(timeout).await;
            None
        }))
    }

    /// The events as a stream. Each event is given once, whoever asks.
    pub fn events(&self) -> Receiver<Event> {
        self.events.clone()
    }

    /// The addresses that the sockets are bound to, wildcards included.
    pub fn bound_addresses(&self) -> &[SocketAddr] {
        &self.bound
    }

    /// The addresses at which the node can be reached now, wildcards resolved to interfaces' addresses.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.reachable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The surroundings have changed, as who calls this knows before it can be seen here: looks at the interfaces now, and
    /// for others on the local network anew.
    pub fn look_around(&self) {
        // Fails only where one waits already, or the thread has ended.
        let _ = self.nudges.try_send(());
    }

    /// Closes the node: tells its peers, stores what is to be stored, within `grace`; then ends the threads.
    pub fn close(mut self, grace: Duration) {
        self.stop(grace);
    }

    fn stop(&mut self, grace: Duration) {
        let Some(thread) = self.thread.take() else { return };
        // Fails only when the thread has ended already.
        let _ = self.inputs.send_blocking(Input::Close(grace));
        let _ = thread.join();
    }
}

/// Drops what is left in the queue when the node's thread ends, however it does: whoever waits for an answer
/// learns that none will come.
struct Leftovers(Receiver<Input>);

impl Drop for Leftovers {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop(SHORT);
    }
}
