//! Hither's protocol: decides everything, touches nothing.

pub mod entropy;
pub mod identity;
pub mod noise;
