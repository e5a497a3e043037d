//! The loop that carries things to a node and from it. It decides nothing.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use hither_protocol::storage::StorageRequest;
use hither_protocol::{Event, Node, Surroundings, Transmit, WorldAnswer};
use smol::Timer;
use smol::channel::{Receiver, Sender, TrySendError};
use smol::stream::Stream;

use crate::clock::{Clock, asleep, unix_millis};
use crate::disks::Disks;
use crate::input::Input;
use crate::mainline::Mainline;
use crate::sockets::{Sent, Sockets};
use crate::streams::Streams;
use crate::watch::Watch;

/// Most inputs from other threads, and most transmits, in one turn of the loop: enough to be worth the turn,
/// few enough that nothing else waits long.
const INPUTS: usize = 64;
const TRANSMITS: usize = 64;

/// Busy turns after which everything is tried again that had nothing when it was last tried: the system is asked what
/// is ready only while this loop waits, and one road that always has more must not starve the others.
const BUSY: u32 = 8;

/// An event that found no room, on its way all the same.
type SlowEvent = Pin<Box<dyn Future<Output = ()>>>;

/// The loop's state.
pub(crate) struct Driver {
    node: Node,
    sockets: Sockets,
    streams: Streams,
    disks: Disks,
    watch: Option<Watch>,
    mainline: Option<Mainline>,
    inputs: Pin<Box<Receiver<Input>>>,
    events: Sender<Event>,
    clock: Clock,
    timer: Timer,
    timer_set: Option<Instant>,
    /// The one transmit buffer.
    buffer: Vec<u8>,
    /// What is in the buffer while the kernel takes no more, and how much of it is sent. Until it does, the node
    /// is not asked for more.
    blocked: Option<(Transmit, usize)>,
    /// A storage request that found no room. The node is not asked for more.
    unstored: Option<StorageRequest>,
    /// An event that found no room. The node is not asked for more, and bounds its own queue.
    untold: Option<SlowEvent>,
    /// An input that was taken while waiting.
    arrived: Option<Input>,
    /// When to end at the latest, once closed.
    end: Option<Instant>,
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    More,
    Idle,
}

impl Driver {
    /// The loop of a node, about to turn.
    pub(crate) fn new(
        node: Node,
        sockets: Sockets,
        streams: Streams,
        disks: Disks,
        (watch, mainline): (Watch, Option<Mainline>),
        inputs: Receiver<Input>,
        events: Sender<Event>,
    ) -> Self {
        Self {
            node,
            sockets,
            streams,
            disks,
            watch: Some(watch),
            mainline,
            inputs: Box::pin(inputs),
            events,
            clock: Clock::new(Instant::now(), SystemTime::now(), asleep()),
            timer: Timer::never(),
            timer_set: None,
            buffer: Vec::new(),
            blocked: None,
            unstored: None,
            untold: None,
            arrived: None,
            end: None,
        }
    }

    /// Turns until the node was closed and is drained. Then the threads are joined.
    pub(crate) async fn run(mut self) {
        let mut busy = 0_u32;
        loop {
            // What is finished locally, then what is to be sent, then new work from peers.
            let inputs = self.take_inputs();
            self.keep_time();
            let outputs = self.flush();
            if self.is_over() {
                break;
            }
            let datagrams = self.take_datagrams();
            let now = self.clock.now();
            let streams = if self.streams.turn(&mut self.node, now) { Turn::More } else { Turn::Idle };
            if [inputs, outputs, datagrams, streams] == [Turn::Idle; 4] {
                self.wait().await;
                busy = 0;
            } else {
                busy += 1;
            }
            if busy >= BUSY {
                self.sockets.try_again();
                self.streams.try_again();
                busy = 0;
            }
        }
        // Whoever waits for room is let go, so that nothing waits for threads that wait for this one.
        self.inputs.close();
        self.disks.join();
        if let Some(watch) = self.watch {
            watch.join();
        }
        if let Some(mainline) = self.mainline {
            mainline.join();
        }
    }

    fn take_inputs(&mut self) -> Turn {
        let now = self.clock.now();
        for _ in 0..INPUTS {
            let Some(input) = self.arrived.take().or_else(|| self.inputs.try_recv().ok()) else {
                return Turn::Idle;
            };
            match input {
                Input::Ask(question) => question(&mut self.node, now),
                Input::Stored(id, done) => self.node.handle_storage(now, id, done),
                Input::Surroundings(surroundings) => self.node.handle_surroundings(now, surroundings),
                Input::World(id, answer) => self.node.handle_worldwide(now, id, answer),
                Input::Close(grace) => {
                    self.node.close(now);
                    let end = now + grace;
                    self.end = Some(self.end.map_or(end, |before| before.min(end)));
                    self.farewell();
                }
            }
        }
        Turn::More
    }

    /// Lets the watch say its goodbyes while the node does.
    fn farewell(&mut self) {
        if let Some(watch) = &self.watch {
            watch.stop();
        }
        if let Some(mainline) = &self.mainline {
            mainline.stop();
        }
    }

    fn keep_time(&mut self) {
        let slept = self.clock.hear(asleep());
        let now = self.clock.now();
        if self.node.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.node.handle_timeout(now);
        }
        if slept || self.clock.next_look() <= now {
            let wall = SystemTime::now();
            if self.clock.look(now, wall) || slept {
                self.node.handle_surroundings(now, Surroundings::Clock(unix_millis(wall)));
                let mut fresh = [0; 32];
                // Without it, the node goes on with the randomness that it has.
                if getrandom::fill(&mut fresh).is_ok() {
                    self.node.handle_entropy(&fresh);
                }
            }
        }
    }

    fn take_datagrams(&mut self) -> Turn {
        let (now, node) = (self.clock.now(), &mut self.node);
        let more = self.sockets.receive(|received, data| node.handle_datagram(now, received, data));
        if more { Turn::More } else { Turn::Idle }
    }

    fn flush(&mut self) -> Turn {
        while let Some(request) = self.unstored.take().or_else(|| self.node.poll_storage()) {
            if let Err(back) = self.disks.submit(request) {
                // Room comes before the result of what waits now, which wakes this loop.
                self.unstored = Some(back);
                break;
            }
        }
        let sent = self.transmit();
        self.ask_mainline();
        while let Some(announcements) = self.node.poll_announcement() {
            if let Some(watch) = &self.watch {
                watch.announce(announcements);
            }
        }
        while self.untold.is_none()
            && let Some(event) = self.node.poll_event()
        {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                let events = self.events.clone();
                self.untold = Some(Box::pin(async move {
                    // Closed only when nobody is left to tell.
                    let _ = events.send(event).await;
                }));
            }
        }
        sent
    }

    fn ask_mainline(&mut self) {
        while let Some((id, request)) = self.node.poll_worldwide() {
            let asked = self.mainline.as_ref().is_some_and(|mainline| mainline.ask(id, request));
            if !asked {
                self.node.handle_worldwide(self.clock.now(), id, WorldAnswer::Over { reached: false });
            }
        }
    }

    fn transmit(&mut self) -> Turn {
        for _ in 0..TRANSMITS {
            let (transmit, from) = match self.blocked.take() {
                Some(blocked) => blocked,
                None => {
                    self.buffer.clear();
                    let segments = self.sockets.max_segments();
                    match self.node.poll_transmit(self.clock.now(), segments, &mut self.buffer) {
                        Some(transmit) => (transmit, 0),
                        None => return Turn::Idle,
                    }
                }
            };
            let data = self.buffer.get(..transmit.size).unwrap_or(&self.buffer);
            if let Sent::Blocked(from) = self.sockets.send(&transmit, data, from) {
                self.blocked = Some((transmit, from));
                return Turn::Idle;
            }
        }
        Turn::More
    }

    fn is_over(&self) -> bool {
        let Some(end) = self.end else { return false };
        let drained = self.node.is_drained() && self.blocked.is_none() && self.unstored.is_none();
        drained || end <= self.clock.now()
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) {
        let deadlines = [self.node.poll_timeout().map(|(at, _)| at), self.end, Some(self.clock.next_look())];
        let deadline = deadlines.into_iter().flatten().min().map(|at| self.clock.timer(at));
        // Setting a timer takes a lock and may wake the reactor: only when it has to change.
        if deadline != self.timer_set {
            match deadline {
                Some(at) => self.timer.set_at(at),
                None => self.timer.clear(),
            }
            self.timer_set = deadline;
        }
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Every one is asked, so that every one can wake this loop.
        let mut ready = self.sockets.poll_readable(context).is_ready();
        ready |= self.streams.poll(&self.node, context).is_ready();
        if let Some((transmit, _)) = &self.blocked {
            ready |= self.sockets.poll_writable(transmit, context).is_ready();
        }
        if Pin::new(&mut self.timer).poll(context).is_ready() {
            self.timer_set = None;
            ready = true;
        }
        if let Some(event) = &mut self.untold
            && event.as_mut().poll(context).is_ready()
        {
            self.untold = None;
            ready = true;
        }
        if self.arrived.is_none()
            && let Poll::Ready(Some(input)) = self.inputs.as_mut().poll_next(context)
        {
            self.arrived = Some(input);
            ready = true;
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}
