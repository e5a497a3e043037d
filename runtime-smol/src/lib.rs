//! Drives a Hither node on smol: sockets, clock, disk, entropy, mDNS, interfaces.
//!
//! Nothing is decided here. [`Runtime`] carries what arrives to a [`Node`] and what it wants done to the system:
//!
//! - `driver` is the loop, on a thread of its own;
//! - `sockets` moves datagrams and `streams` byte streams; `interfaces` and `discovery` look around on the thread of
//!   `watch`;
//! - [`disk`] and [`records`] do storage work on the threads of `disks`; both are plain blocking code that another
//!   runtime can use;
//! - `pipes` are what a program is fed and feeds, [`Pipes`], on threads of their own;
//! - [`mainline`] asks BitTorrent's worldwide DHT, on threads of its own;
//! - [`interrupt`], [`lock`] and [`private`] are for programs: Ctrl-C as a value, one process at a time, and files that
//!   are their owner's alone.

pub mod disk;
pub mod interrupt;
pub mod lock;
pub mod mainline;
pub mod private;
pub mod records;

mod clock;
mod discovery;
mod disks;
mod driver;
mod input;
mod interfaces;
mod machine;
mod pipes;
mod runtime;
mod sockets;
mod streams;
mod watch;

pub use hither_protocol::{Event, Node};
pub use machine::{has_aes, interfaces, loopback, max_datagram};
pub use pipes::Pipes;
pub use runtime::{Options, Runtime, StartError};
