//! Which makers of a code are called, and when.
#![allow(
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    reason = "a test needs some instant to start from"
)]

use std::time::{Duration, Instant};

use super::{MAX_CALLED, Wanted};
use crate::entropy::{Entropy, Seed};
use crate::identity::{Identity, PeerId};

const SECOND: Duration = Duration::from_secs(1);

fn maker(number: u8) -> PeerId {
    Identity::generate(&mut Entropy::new(Seed::new([number; 32])).stream("maker")).peer_id()
}

#[test]
fn a_maker_is_called_every_two_seconds_and_by_its_newest_note() {
    let now = Instant::now();
    let mut wanted = Wanted::new(now);
    assert!(wanted.may_call(now, maker(1), 5));
    assert!(!wanted.may_call(now + SECOND, maker(1), 6), "whoever signs many is called no more often");
    assert!(wanted.may_call(now + SECOND, maker(2), 1));
    assert!(!wanted.may_call(now + 2 * SECOND, maker(1), 4), "there was a newer one");
    assert!(wanted.may_call(now + 2 * SECOND, maker(1), 5));
}

#[test]
fn many_who_are_called_keep_nobody_out_for_long() {
    let now = Instant::now();
    let mut wanted = Wanted::new(now);
    let false_ones = u8::try_from(MAX_CALLED).unwrap();
    assert!((0..false_ones).all(|number| wanted.may_call(now, maker(number), 1)));
    assert!(!wanted.may_call(now + SECOND, maker(200), 1));
    assert!(wanted.may_call(now + 2 * SECOND, maker(200), 1));
    assert_eq!(wanted.called.len(), MAX_CALLED);
}
