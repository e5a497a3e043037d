//! One direction of a link, as a pure function of time and a seed: when does a datagram arrive, if it does.
//!
//! A datagram passes, in this order: the size limit, the drop-tail queue in front of the wire, the wire at its
//! rate, loss, and latency with jitter. Jitter never makes datagrams overtake each other, as it does not on real
//! links; reordering is a case of its own.

use std::time::Duration;

use crate::random::Random;

/// How a link behaves, the same in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkConfig {
    /// Time on the way for the first bit.
    pub latency: Duration,
    /// Up to so much is added, anew for each datagram.
    pub jitter: Duration,
    /// What is lost.
    pub loss: Loss,
    /// Probability that a datagram is held back by `reorder_by`, so that later ones overtake it.
    pub reorder: f64,
    /// How long one that is to be overtaken is held back.
    pub reorder_by: Duration,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// Bytes a second, or as fast as one likes.
    pub rate: Option<u64>,
    /// Bytes that may wait for the wire; what comes on top is dropped.
    pub queue: u64,
    /// The largest UDP payload that passes, in bytes.
    pub max_datagram: usize,
}

/// What a link loses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Nothing.
    None,
    /// Each datagram with this probability.
    Each(f64),
    /// Runs of datagrams (Gilbert 1960): before each datagram a run begins or ends with these probabilities, and all
    /// in a run are lost.
    Runs {
        /// That a run begins.
        begin: f64,
        /// That a run ends: its inverse is the mean length of a run.
        end: f64,
    },
}

impl Default for LinkConfig {
    /// A perfect link: one millisecond, no limits.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: Loss::None,
            reorder: 0.0,
            reorder_by: Duration::from_millis(5),
            duplicate: 0.0,
            rate: None,
            queue: u64::MAX,
            max_datagram: 65_507,
        }
    }
}

impl LinkConfig {
    /// Gigabit Ethernet through one switch.
    pub fn lan() -> Self {
        Self {
            latency: Duration::from_micros(150),
            jitter: Duration::from_micros(50),
            rate: Some(125_000_000),
            queue: 512 * 1024,
            max_datagram: 1472,
            ..Self::default()
        }
    }

    /// A busy wireless network: jitter, and short runs of loss (0.2 % in all).
    pub fn wifi() -> Self {
        Self {
            latency: Duration::from_millis(2),
            jitter: Duration::from_millis(3),
            loss: Loss::Runs { begin: 0.001, end: 0.5 },
            rate: Some(20_000_000),
            queue: 256 * 1024,
            max_datagram: 1472,
            ..Self::default()
        }
    }

    /// A home line's upload: 10 Mbit/s behind 100 ms of queue, PPPoE's smaller packets.
    pub fn dsl() -> Self {
        Self {
            latency: Duration::from_millis(15),
            jitter: Duration::from_millis(1),
            rate: Some(1_250_000),
            queue: 125_000,
            max_datagram: 1464,
            ..Self::default()
        }
    }

    /// A bad road: 20 ms, 5 ms of jitter, every twentieth datagram lost.
    pub fn lossy() -> Self {
        Self {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            loss: Loss::Each(0.05),
            rate: Some(2_500_000),
            queue: 128 * 1024,
            max_datagram: 1472,
            ..Self::default()
        }
    }
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Dropped(Dropped),
    /// It arrives at this time.
    Arrives(Duration),
    /// It arrives twice.
    Twice(Duration, Duration),
}

/// Why a datagram never arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The link is down.
    Down,
    /// Larger than the link carries.
    TooLarge,
    /// The queue is full.
    QueueFull,
    /// Lost on the way.
    Lost,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    random: Random,
    up: bool,
    in_run: bool,
    /// When the wire has carried all that waits for it.
    free_at: Duration,
    last_arrival: Duration,
    /// When it has carried all that was written to byte streams.
    streamed_at: Duration,
}

impl Link {
    /// A link that is up and has carried nothing yet.
    pub fn new(config: LinkConfig, random: Random) -> Self {
        Self {
            config,
            random,
            up: true,
            in_run: false,
            free_at: Duration::ZERO,
            last_arrival: Duration::ZERO,
            streamed_at: Duration::ZERO,
        }
    }

    /// Another behaviour from now on; what is on its way stays so.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// Takes it down or up.
    pub fn set_up(&mut self, up: bool) {
        self.up = up;
    }

    /// Whether it is up. What is on its way arrives only if the link is up then.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Time on the way for the first bit.
    pub fn latency(&self) -> Duration {
        self.config.latency
    }

    /// Bytes of a byte stream are sent at `now`: when they arrive. They have the link's rate beside the datagrams, and
    /// what a link loses is not lost to them: that is TCP's affair.
    pub fn stream(&mut self, now: Duration, bytes: u64) -> Duration {
        let nanos =
            self.config.rate.map_or(0, |rate| u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1)));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.streamed_at = self.streamed_at.max(now) + Duration::from_nanos(nanos);
        self.streamed_at + self.config.latency
    }

    /// A datagram of `bytes` is sent at `now`, which never goes back.
    pub fn send(&mut self, now: Duration, bytes: usize) -> Fate {
        if !self.up {
            return Fate::Dropped(Dropped::Down);
        }
        if bytes > self.config.max_datagram {
            return Fate::Dropped(Dropped::TooLarge);
        }
        let Some(sent) = self.transmit(now, bytes as u64) else {
            return Fate::Dropped(Dropped::QueueFull);
        };
        if self.is_lost() {
            return Fate::Dropped(Dropped::Lost);
        }
        let arrival = self.arrive(sent);
        if self.random.chance(self.config.duplicate) {
            return Fate::Twice(arrival, self.arrive(sent));
        }
        Fate::Arrives(arrival)
    }

    /// When the wire has carried it, if the queue takes it.
    fn transmit(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        let Some(rate) = self.config.rate else { return Some(now) };
        let waiting = self.free_at.saturating_sub(now).as_nanos() * u128::from(rate) / 1_000_000_000;
        if waiting + u128::from(bytes) > u128::from(self.config.queue) {
            return None;
        }
        let nanos = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.free_at = self.free_at.max(now) + Duration::from_nanos(nanos);
        Some(self.free_at)
    }

    fn is_lost(&mut self) -> bool {
        match self.config.loss {
            Loss::None => false,
            Loss::Each(p) => self.random.chance(p),
            Loss::Runs { begin, end } => {
                let turn = if self.in_run { end } else { begin };
                self.in_run ^= self.random.chance(turn);
                self.in_run
            }
        }
    }

    fn arrive(&mut self, sent: Duration) -> Duration {
        let arrival = sent + self.config.latency + self.random.duration(self.config.jitter);
        if self.random.chance(self.config.reorder) {
            return arrival.max(self.last_arrival) + self.config.reorder_by;
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }
}
