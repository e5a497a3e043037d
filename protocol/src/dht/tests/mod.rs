//! The table of nodes, tested.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::disallowed_methods)]

mod datagram;
mod gate;
mod hostile;
