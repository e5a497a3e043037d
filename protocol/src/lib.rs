//! Hither's protocol: decides everything, touches nothing.

pub mod chat;
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
