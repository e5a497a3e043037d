//! Hither's wire, in Cap'n Proto: the code generated from the `.capnp` files beside this crate's manifest.
//!
//! Nothing here is written by hand and nothing here is trusted: `hither-protocol`'s `wire` module parses these
//! readers, once, into types that cannot be wrong.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

#[rustfmt::skip]
#[path = "generated/code_capnp.rs"]
pub mod code_capnp;
#[rustfmt::skip]
#[path = "generated/control_capnp.rs"]
pub mod control_capnp;
#[rustfmt::skip]
#[path = "generated/dht_capnp.rs"]
pub mod dht_capnp;
#[rustfmt::skip]
#[path = "generated/handshake_capnp.rs"]
pub mod handshake_capnp;
#[rustfmt::skip]
#[path = "generated/transfer_capnp.rs"]
pub mod transfer_capnp;
#[rustfmt::skip]
#[path = "generated/record_capnp.rs"]
pub mod record_capnp;
#[rustfmt::skip]
#[path = "generated/records_capnp.rs"]
pub mod records_capnp;
#[rustfmt::skip]
#[path = "generated/share_capnp.rs"]
pub mod share_capnp;
