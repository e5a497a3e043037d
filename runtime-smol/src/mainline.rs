//! BitTorrent's worldwide DHT, Mainline: started by a request, at rest when none has come for a while.
//!
//! Nothing is opened or sent before the first request. `network` starts and ends the part in it, `request` is what is
//! done there; a few requests run at once, the others wait.
//!
//! The library must not be built without any optimisation: what reads its datagrams follows lists in lists as deep as a
//! stranger likes, and overflows its stack then, which ends the process. This workspace's profiles see to that; another
//! that builds this has to say so for its dependencies.

mod network;
mod request;

use std::fmt;
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::panic::AssertUnwindSafe;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use hither_protocol::{MAX_WORLD_VALUE, WorldAnswer, WorldId, WorldRequest};
use smol::channel::{Receiver, Sender, bounded};
use smol::future::{FutureExt, or};
use smol::{LocalExecutor, Timer};

use self::network::Network;
use self::request::Outcome;

/// Most requests at once. Each talks to about a hundred nodes, and home routers keep every one of them in mind.
const AT_ONCE: usize = 4;
/// Most requests that wait.
const WAITING: usize = 64;
/// Longest time for a request: strangers can lead a lookup on from one made-up node to the next.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Mainline goes on without requests. A new start has to ask the bootstrap nodes first; going on costs
/// twenty looks for datagrams a second and the upkeep of a table.
const LINGER: Duration = Duration::from_secs(60);

/// Where the answers go, on the thread of [`Mainline`].
pub type Answers = Box<dyn Fn(WorldId, WorldAnswer) + Send + Sync>;

/// How to take part in Mainline.
///
/// With `bind` on loopback nothing leaves this computer, whatever else is set: no name is looked up, and no other
/// address is asked.
#[derive(Debug, Clone, Default)]
pub struct MainlineSettings {
    /// Nodes to begin with, as `name:port` or `address:port`; the well-known ones if `None`.
    pub bootstrap: Option<Vec<String>>,
    /// The only local address to use; all of them otherwise. Mainline speaks IPv4.
    pub bind: Option<Ipv4Addr>,
    /// The UDP port at which to keep items for others and answer them: only for computers at which everyone can reach
    /// it. It is opened by the first request, too, but stays. Without it, this asks only, from any port.
    pub server: Option<u16>,
}

/// The part in Mainline. When it is dropped, it ends as after [`Mainline::stop`].
pub struct Mainline {
    requests: Sender<(WorldId, WorldRequest)>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Mainline {
    /// Makes ready for requests. `answers` may wait, but not for one who waits in [`Mainline::join`].
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn start(settings: MainlineSettings, answers: Answers) -> io::Result<Self> {
        let (requests, queue) = bounded(WAITING);
        let (stop, stopped) = bounded(1);
        let thread = Builder::new().name("hither-mainline".into()).spawn(move || {
            let network = Network::new(settings);
            let stopped = async {
                // Only ever closed.
                let _ = stopped.recv().await;
            };
            smol::block_on(or(stopped, serve(&network, &queue, &answers)));
        })?;
        Ok(Self { requests, stop, thread })
    }

    /// Asks something. The answers begin whenever its turn comes and end with [`WorldAnswer::Over`]. False, and no
    /// answer comes, when too many requests wait, when this has stopped, or when there can be no such item.
    pub fn ask(&self, id: WorldId, request: WorldRequest) -> bool {
        if let WorldRequest::Put { sequence, value, .. } = &request
            && (i64::try_from(*sequence).is_err() || value.len() > MAX_WORLD_VALUE)
        {
            return false;
        }
        self.requests.try_send((id, request)).is_ok()
    }

    /// Ends at once: requests under way or waiting get no further answer.
    pub fn stop(&self) {
        self.requests.close();
        self.stop.close();
    }

    /// Stops, and waits for the end. Mainline's own thread and its socket end by themselves within a tenth of a
    /// second.
    pub fn join(self) {
        self.stop();
        let _ = self.thread.join();
    }
}

impl fmt::Debug for Mainline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mainline").finish_non_exhaustive()
    }
}

async fn serve(network: &Network, queue: &Receiver<(WorldId, WorldRequest)>, answers: &Answers) {
    let executor = LocalExecutor::new();
    let servers: Vec<_> =
        (0..AT_ONCE).map(|_| executor.spawn(serve_in_turn(network, queue, answers))).collect();
    executor
        .run(async {
            for server in servers {
                server.await;
            }
        })
        .await;
}

enum Next {
    Request(WorldId, WorldRequest),
    Rest,
    Stop,
}

/// Serves one request after the other. Mainline ends when nobody holds it any more.
async fn serve_in_turn(network: &Network, queue: &Receiver<(WorldId, WorldRequest)>, answers: &Answers) {
    let mut held = None;
    loop {
        let asked =
            async { queue.recv().await.map_or(Next::Stop, |(id, request)| Next::Request(id, request)) };
        let rest = async {
            if held.is_none() || network.is_server() {
                pending::<()>().await;
            }
            Timer::after(LINGER).await;
            Next::Rest
        };
        match or(asked, rest).await {
            Next::Request(id, request) => {
                let stores = matches!(request, WorldRequest::Put { .. } | WorldRequest::Announce { .. });
                let tell = |answer| answers(id, answer);
                let mut outcome = Outcome::default();
                let work = async {
                    let Ok(running) = network.join().await else { return };
                    let running = held.insert(running);
                    request::perform(running, request, &tell, &mut outcome).await;
                };
                let limit = async {
                    Timer::after(PATIENCE).await;
                    Ok(())
                };
                // What strangers send can make the library panic, and then its thread is gone.
                if or(AssertUnwindSafe(work).catch_unwind(), limit).await.is_err() {
                    network.forget().await;
                }
                if stores {
                    tell(WorldAnswer::Stored(outcome.stored));
                }
                tell(WorldAnswer::Over { reached: outcome.reached });
            }
            Next::Rest => held = None,
            Next::Stop => break,
        }
    }
}
