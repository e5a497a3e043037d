//! An honest node against peers that keep to no rule.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::string_slice,
    clippy::unreachable,
    reason = "tests, of numbers that are known"
)]

mod bench;
mod codes;
mod crowds;
mod exhaustion;
mod links;
mod parting;
mod pipes;
mod resuming;
mod rules;
mod shares;
mod sharing;
mod streams;
mod trust;
mod violations;
