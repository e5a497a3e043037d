//! One running node: its start, what it is asked, what it tells, its end.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hither_protocol::identity::PeerId;
use hither_protocol::transfer::{Manifest, TransferId};
use hither_protocol::{
    Acceptance, AnswerError, Conflict, Decision, Event, Node, OfferError, Refusal, Surroundings,
};
use hither_runtime_smol::{Options, Runtime};
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded, unbounded};
use smol::future::or;

use crate::descriptor::{Arriving, Given, Lent};
use crate::failure::{Failure, Reason, storage_text};
use crate::home::Home;

/// Most offers that are remembered until they are answered; the node holds fewer.
const MOST_OFFERED: usize = 1024;

/// A running node. All of it can be used by any number of threads at once.
#[derive(Debug)]
pub(crate) struct Session {
    me: PeerId,
    bound: Vec<SocketAddr>,
    /// `None` once closed.
    running: RwLock<Option<Running>>,
    events: Receiver<Event>,
    /// Events that come later than the node told them, as something had to be done first.
    late: (Sender<Event>, Receiver<Event>),
    /// Closes when the node does: who waits for events is let go.
    open: (Sender<()>, Receiver<()>),
    /// Offers that wait for an answer.
    offered: Mutex<BTreeMap<TransferId, Offered>>,
    lent: Lent,
    arriving: Arriving,
}

#[derive(Debug)]
struct Running {
    runtime: Runtime,
    // Dropped last: the home is free once the node has ended.
    _home: Home,
}

/// An offer that waits for an answer.
#[derive(Debug, Clone)]
struct Offered {
    into: PathBuf,
    /// Whether it is one file and nothing else.
    single: bool,
}

/// How an offer is taken.
#[derive(Debug)]
pub(crate) struct Taking {
    /// The folder; else the one that the offer was told with.
    pub(crate) into: Option<PathBuf>,
    /// Another name for the only outermost entry.
    pub(crate) name: Option<String>,
    /// What to do where names are taken.
    pub(crate) conflict: Conflict,
}

impl Session {
    /// Starts a node and waits until its records are there.
    pub(crate) fn open(home: Home, options: Options) -> Result<Self, Failure> {
        let identity = home.identity()?;
        let (me, lent, arriving) =
            (identity.peer_id(), Lent::new(home.lent()), Arriving::new(home.arriving()));
        let runtime = Runtime::start(options, identity)?;
        loop {
            match runtime.next_event(None) {
                Some(Event::Ready) => break,
                Some(Event::StorageFailed(error)) => {
                    let records = home.records();
                    let text = format!("{}: {}", records.display(), storage_text(&error));
                    runtime.close(Duration::ZERO);
                    return Err(Failure::new(Reason::RecordsUnusable, text));
                }
                Some(_) => {}
                None => return Err(Failure::new(Reason::Internal, "the node has ended")),
            }
        }
        lent.sweep(&runtime.ask(|node, _| node.transfers()));
        Ok(Self {
            me,
            bound: runtime.bound_addresses().to_vec(),
            events: runtime.events(),
            running: RwLock::new(Some(Running { runtime, _home: home })),
            late: unbounded(),
            open: bounded(1),
            offered: Mutex::default(),
            lent,
            arriving,
        })
    }

    /// Who this node is.
    pub(crate) fn me(&self) -> PeerId {
        self.me
    }

    /// Does something with the node.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Node, Instant) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        self.with(|runtime| runtime.ask(question))
    }

    /// Does something with what runs. Closing waits for it, so it must not take long.
    fn with<R>(&self, work: impl FnOnce(&Runtime) -> R) -> Result<R, Failure> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| work(&running.runtime)).ok_or_else(Failure::closed)
    }

    /// The addresses at which the node can be reached now.
    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        self.with(Runtime::local_addresses)
    }

    /// Waits for the next event, until then or for ever. `None` when none came.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Result<Option<Event>, Failure> {
        loop {
            let next = smol::block_on(async {
                let closed = async {
                    // Nothing is ever sent there: it ends by closing.
                    let _ = self.open.1.recv().await;
                    Err(Failure::closed())
                };
                let late = async { self.late.1.recv().await.map(Some).map_err(|_| Failure::closed()) };
                let told = async { self.events.recv().await.map(Some).map_err(|_| Failure::closed()) };
                let over = async {
                    match deadline {
                        Some(at) => Timer::at(at).await,
                        None => std::future::pending().await,
                    };
                    Ok(None)
                };
                or(closed, or(late, or(told, over))).await
            })?;
            let Some(event) = next else { return Ok(None) };
            if let Some(event) = self.notice(event) {
                return Ok(Some(event));
            }
        }
    }

    /// Keeps what is needed later of an event. `None`: it is told later.
    fn notice(&self, event: Event) -> Option<Event> {
        match &event {
            Event::Offered {
                transfer, manifest, into, decision: Decision::Ask | Decision::AskHow, ..
            } => {
                let mut offered = lock(&self.offered);
                if offered.len() < MOST_OFFERED {
                    let single = is_single_file(manifest);
                    offered.insert(*transfer, Offered { into: into.clone(), single });
                }
            }
            Event::Finished { transfer, .. } => {
                lock(&self.offered).remove(transfer);
                self.lent.over(*transfer);
                return self.arriving.finished(event, &self.late.0);
            }
            Event::Failed { transfer, resumable, .. } => {
                lock(&self.offered).remove(transfer);
                if !resumable {
                    self.lent.over(*transfer);
                }
                self.arriving.failed(*transfer, *resumable);
            }
            _ => {}
        }
        Some(event)
    }

    /// Offers what an app has lent by a descriptor.
    pub(crate) fn offer_lent(&self, to: PeerId, given: Given, name: &str) -> Result<TransferId, Failure> {
        // What would be refused is not copied first.
        self.with(|_| ())?;
        self.lent.offer(given, name, |path| -> Result<_, Failure> {
            let offered: Result<TransferId, OfferError> =
                self.ask(move |node, now| node.offer(now, to, vec![path]))?;
            Ok(offered?)
        })
    }

    /// Takes an offer.
    pub(crate) fn accept(&self, transfer: TransferId, taking: Taking) -> Result<(), Failure> {
        let Taking { into, name, conflict } = taking;
        let into = match into {
            Some(into) => into,
            None => self.offered(transfer)?.into,
        };
        let how = Acceptance { into, name, conflict };
        Ok(self.ask(move |node, now| node.accept(now, transfer, how))??)
    }

    /// Takes an offer of one file into a descriptor.
    pub(crate) fn accept_into(&self, transfer: TransferId, given: Given) -> Result<(), Failure> {
        if !self.offered(transfer)?.single {
            return Err(Failure::new(Reason::InvalidArgument, "only a single file goes into a descriptor"));
        }
        self.arriving.accept(transfer, given, |into| {
            let how = Acceptance { into, name: None, conflict: Conflict::Overwrite };
            Ok(self.ask(move |node, now| node.accept(now, transfer, how))??)
        })
    }

    /// Refuses an offer.
    pub(crate) fn refuse(&self, transfer: TransferId) -> Result<(), Failure> {
        self.ask(move |node, now| node.refuse(now, transfer, Refusal::Declined))??;
        lock(&self.offered).remove(&transfer);
        Ok(())
    }

    fn offered(&self, transfer: TransferId) -> Result<Offered, Failure> {
        let offered = lock(&self.offered).get(&transfer).cloned();
        offered.ok_or_else(|| AnswerError::Unknown.into())
    }

    /// Gives a transfer up.
    pub(crate) fn cancel(&self, transfer: TransferId) -> Result<(), Failure> {
        self.ask(move |node, now| node.cancel(now, transfer))??;
        let left = self.ask(|node, _| node.transfers())?;
        self.lent.sweep(&left);
        Ok(())
    }

    /// The app knows better than the system's list of interfaces where this node is: these are its addresses. What
    /// waits for a peer tries again at once.
    pub(crate) fn set_addresses(&self, addresses: &[IpAddr]) -> Result<(), Failure> {
        let reachable = reachable(addresses, &self.bound);
        self.look_around()?;
        self.ask(move |node, now| {
            let online = !reachable.is_empty();
            node.handle_surroundings(now, Surroundings::Addresses(reachable));
            // Also where they are the same as before: another network may give the same, and the app knows that it is another.
            if online {
                node.resume_waiting(now);
            }
        })
    }

    /// The surroundings have changed: they are looked at now.
    pub(crate) fn look_around(&self) -> Result<(), Failure> {
        self.with(Runtime::look_around)
    }

    /// Says goodbye to peers, stores what is to be stored and ends, within `grace` or little more.
    pub(crate) fn close(&self, grace: Duration) {
        self.open.1.close();
        let running = self.running.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { runtime, _home }) = running {
            runtime.close(grace);
        }
    }
}

/// Whether an offer is one file and nothing else.
fn is_single_file(manifest: &Arc<Manifest>) -> bool {
    manifest.entries().len() == 1 && manifest.entries().iter().all(|entry| entry.is_file())
}

/// Where sockets at `bound` can be reached on a machine of these addresses.
fn reachable(addresses: &[IpAddr], bound: &[SocketAddr]) -> Vec<SocketAddr> {
    let at = |ip: &IpAddr| {
        let mut sockets = bound.iter().filter(|socket| socket.is_ipv4() == ip.is_ipv4());
        let socket = sockets.find(|socket| socket.ip().is_unspecified() || socket.ip() == *ip)?;
        Some(SocketAddr::new(*ip, socket.port()))
    };
    addresses.iter().filter_map(at).collect()
}

/// The folder that the node's rules name, absolute.
pub(crate) fn folder(home: &Home, named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let folder = named.unwrap_or_else(|| home.received());
    std::path::absolute(&folder).map_err(|error| Failure::unusable(Path::new(&folder), &error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
