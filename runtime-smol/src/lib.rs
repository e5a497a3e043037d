//! Drives a Hither node on smol.

pub mod disk;
