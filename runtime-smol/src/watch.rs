//! The thread that watches the surroundings: interfaces' addresses and the local network.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use hither_protocol::{Announcement, Surroundings};
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use crate::discovery::Discovery;
use crate::input::Input;
use crate::interfaces::Used;

/// How often the interfaces are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The addresses at which the node was reachable at the last look.
pub(crate) type Reachable = Arc<Mutex<Vec<SocketAddr>>>;

/// The thread. It ends after [`Watch::stop`] or when this is dropped; [`Watch::join`] waits for that.
#[derive(Debug)]
pub(crate) struct Watch {
    announcements: Sender<Vec<Announcement>>,
    thread: JoinHandle<()>,
}

/// What the thread needs to know.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The only interface.
    pub(crate) interface: Option<String>,
    /// The sockets' addresses.
    pub(crate) bound: Vec<SocketAddr>,
    /// How long until it announces and browses; never otherwise.
    pub(crate) discovery: Option<Duration>,
    /// Where the addresses are kept for others to see.
    pub(crate) reachable: Reachable,
    /// Whoever knows that the surroundings have changed says so here.
    pub(crate) nudges: Receiver<()>,
}

impl Watch {
    /// Starts it. What it sees goes to `inputs`.
    pub(crate) fn start(watched: Watched, inputs: Sender<Input>) -> io::Result<Self> {
        // Only the last word matters: an older one that still waits is pushed out.
        let (announcements, queue) = bounded(1);
        let thread = Builder::new()
            .name("hither-watch".into())
            .spawn(move || smol::block_on(watch(watched, &queue, &inputs)))?;
        Ok(Self { announcements, thread })
    }

    /// All that is to be announced from now on.
    pub(crate) fn announce(&self, announcements: Vec<Announcement>) {
        // Fails only when the thread has ended.
        let _ = self.announcements.force_send(announcements);
    }

    /// Lets the thread end, after it has said goodbye to the local network.
    pub(crate) fn stop(&self) {
        self.announcements.close();
    }

    /// Waits for the thread's end.
    pub(crate) fn join(self) {
        self.stop();
        let _ = self.thread.join();
    }
}

enum Happened {
    Announce(Vec<Announcement>),
    Told(Surroundings),
    Look,
    /// Someone knows better than what can be seen here.
    LookAnew,
    Stop,
}

async fn watch(watched: Watched, announcements: &Receiver<Vec<Announcement>>, inputs: &Sender<Input>) {
    let mut discovery = Discovery::new(watched.interface.clone());
    let mut discover_at = watched.discovery.map(|after| Instant::now() + after);
    let mut discovers = false;
    let mut addresses = None;
    let mut look_at = Instant::now();
    let mut next = Happened::Look;
    loop {
        match next {
            Happened::Announce(announcements) => discovery.announce(announcements).await,
            Happened::Told(surroundings) => {
                if inputs.send(Input::Surroundings(surroundings)).await.is_err() {
                    break;
                }
            }
            Happened::Look | Happened::LookAnew => {
                let anew = matches!(next, Happened::LookAnew);
                look_at = Instant::now() + LOOK_EVERY;
                let found =
                    Used::look(watched.interface.as_deref()).map(|used| used.reachable(&watched.bound));
                let begins = discover_at.take_if(|at| *at <= Instant::now()).is_some();
                discovers |= begins;
                let changed = found.as_ref().is_ok_and(|found| begins || addresses.as_ref() != Some(found));
                if let Ok(found) = found
                    && (changed || anew)
                {
                    *watched.reachable.lock().unwrap_or_else(PoisonError::into_inner) = found.clone();
                    let told = Input::Surroundings(Surroundings::Addresses(found.clone()));
                    if changed && inputs.send(told).await.is_err() {
                        break;
                    }
                    if discovers {
                        discovery.restart(found.clone()).await;
                    }
                    addresses = Some(found);
                }
            }
            Happened::Stop => break,
        }
        let announced = async { announcements.recv().await.map_or(Happened::Stop, Happened::Announce) };
        let told = async { Happened::Told(discovery.next().await) };
        let look = async {
            Timer::at(discover_at.map_or(look_at, |at| at.min(look_at))).await;
            Happened::Look
        };
        let nudged = async {
            match watched.nudges.recv().await {
                Ok(()) => Happened::LookAnew,
                Err(_) => std::future::pending().await,
            }
        };
        next = or(announced, or(nudged, or(look, told))).await;
    }
    discovery.stop().await;
}
