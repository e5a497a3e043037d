//! Hither's protocol: decides everything, touches nothing.

pub mod chat;
pub mod entropy;
pub mod identity;
mod node;
pub mod noise;
pub mod storage;
pub mod transfer;
mod link;
mod wire;

pub use node::*;
