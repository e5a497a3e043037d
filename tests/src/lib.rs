//! A whole network in one thread and in virtual time: any number of nodes, the links between them and their disks.
//!
//! A [`World`] owns [`Host`]s. Each host has an identity, a [`disk::Disk`] and, while it is up, a
//! [`Node`](hither_protocol::Node). Datagrams cross a [`link::Link`], storage requests are carried out by the disk
//! when its service time is over, announcements become sightings at the others on the same segment. Everything
//! that is random comes from the world's seed, so a run can be repeated to the byte; [`World::transcript`] is a
//! hash over all of it. Nothing here waits: an hour of virtual time passes as fast as the nodes compute.
//!
//! ```no_run
//! use std::time::Duration;
//! use hither_protocol::{Event, MessageState};
//! use hither_tests::{World, link::LinkConfig};
//!
//! let mut world = World::new(1);
//! let alice = world.add_host("alice");
//! let bob = world.add_host("bob");
//! world.connect(alice, bob, LinkConfig::lossy());
//! world.befriend(&[alice, bob]);
//! let to = world.peer(bob);
//! world.ask(alice, |node, now| node.send_message(now, to, "hello")).unwrap();
//! world.expect(alice, "a receipt", Duration::from_secs(10), |event| {
//!     matches!(event, Event::MessageSent { state: MessageState::Delivered, .. })
//! });
//! ```

pub mod disk;
#[cfg(target_os = "linux")]
pub mod figures;
pub mod host;
pub mod incoming;
pub mod link;
pub mod nat;
pub mod random;
pub mod sample;
pub mod seeds;
pub mod swarm;
pub mod transcript;
pub mod world;

pub use host::{Host, HostId, HostSetup};
pub use seeds::for_seeds;
pub use world::World;
