//! Hither's protocol: decides everything, touches nothing.
//!
//! [`Node`] is the one thing to hold. It has no socket, file, thread, clock or randomness of its own: what arrives
//! goes in, what is to be done comes out, and time is an argument. Same seed, same inputs, same outputs.
//!
//! ```text
//! handle_datagram     poll_transmit        network
//! handle_timeout      poll_timeout         time
//! handle_storage      poll_storage         disk, and the hashing that goes with it
//! accept_stream       poll_stream_dial     byte streams: who opens them,
//! handle_stream       poll_stream          and what is in them
//! handle_surroundings poll_announcement    interfaces, the local network, the wall clock
//! handle_worldwide    poll_worldwide       BitTorrent's Mainline, where there is one
//! send_message, …     poll_event           the user
//! ```
//!
//! A runtime's whole duty: after every call on the left, poll everything on the right until it gives nothing, and
//! come back no later than `poll_timeout` says. `examples/threads.rs` is one in a page.
//!
//! # The rooms
//!
//! - [`identity`]: keys, ids and their text, the key file.
//! - [`noise`]: the patterns IK, NK and N; on IK the QUIC session and the session of byte streams.
//! - `wire`: Cap'n Proto to domain types and back, once, at the door.
//! - `link`: ordered channels and small messages to one proven peer; the only room that knows QUIC
//!   and byte streams.
//! - [`chat`], [`transfer`], `reach`, `pairing`: the machines. They know nothing of links or disks.
//! - [`dht`]: the table of nodes, by which anyone is found without a server; `node`'s `wide` says what for.
//! - `node`: the interface, and one turn of it all.
//! - [`storage`]: what is asked of a disk. [`entropy`]: randomness from one seed.
#![forbid(unsafe_code)]

pub mod chat;
pub mod dht;
pub mod entropy;
pub mod identity;
mod link;
mod node;
pub mod noise;
mod pairing;
mod reach;
pub mod storage;
pub mod transfer;
mod wire;

pub use node::*;
pub use pairing::{
    BadCode, BadPayload, Code, LAN_WORDS, MAX_PAYLOAD, MAX_WORDS, MIN_WORDS, Payload, WIDE_WORDS,
    complete_word, nearest_word, safety_words,
};
