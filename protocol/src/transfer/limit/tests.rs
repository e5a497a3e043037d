#![allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rate(bytes: u64) -> NonZeroU64 {
    NonZeroU64::new(bytes).unwrap()
}

fn id(number: u8) -> TransferId {
    TransferId([number; 16])
}

/// Times and sizes at which someone asks: after so many microseconds, for so many bytes.
fn requests() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..200_000_u64, 0..400_000_u64), 1..200)
}

proptest! {
    #[test]
    fn no_window_holds_more_than_flowed_in_and_a_burst(
        per_second in 1_u64..100_000_000,
        burst in 1_u64..1_000_000,
        requests in requests(),
    ) {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, rate(per_second), burst);
        let (mut now, mut taken) = (start, Vec::new());
        for (wait, bytes) in requests {
            now += Duration::from_micros(wait);
            if bucket.take(now, bytes) {
                taken.push((now, bytes));
            }
        }
        for first in 0..taken.len() {
            let (mut sum, mut largest) = (0_u128, 0);
            for (at, bytes) in &taken[first..] {
                sum += u128::from(*bytes);
                largest = largest.max(*bytes);
                let time = at.duration_since(taken[first].0).as_nanos();
                // In billionths of a byte, without rounding.
                let most = time * u128::from(per_second) + u128::from(burst.max(largest)) * 1_000_000_000;
                prop_assert!(sum * 1_000_000_000 <= most);
            }
        }
    }

    #[test]
    fn it_is_ready_when_it_says_and_not_before(
        per_second in 1_u64..100_000_000,
        burst in 1_u64..1_000_000,
        requests in requests(),
    ) {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(now, rate(per_second), burst);
        for (wait, bytes) in requests {
            now += Duration::from_micros(wait);
            if bucket.take(now, bytes) {
                continue;
            }
            let ready = bucket.ready_at(bytes).unwrap();
            prop_assert!(ready > now);
            prop_assert!(!bucket.take(ready - Duration::from_nanos(1), bytes));
            // Nothing of any size waits for ever: it goes when the bucket is full at the latest.
            prop_assert!(bucket.take(ready, bytes));
            now = ready;
        }
    }

    #[test]
    fn time_that_goes_back_and_rates_out_of_this_world_do_no_harm(
        per_second in prop_oneof![Just(1), Just(u64::MAX), 1..u64::MAX],
        burst in any::<u64>(),
        steps in prop::collection::vec((any::<bool>(), 0..u64::from(u32::MAX), any::<u64>()), 1..50),
    ) {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(now, rate(per_second), burst);
        for (back, by, bytes) in steps {
            let by = Duration::from_millis(by);
            now = if back { now.checked_sub(by) } else { now.checked_add(by) }.unwrap_or(now);
            if !bucket.take(now, bytes)
                && let Some(ready) = bucket.ready_at(bytes)
            {
                prop_assert!(bucket.take(ready, bytes));
            }
        }
    }

    /// Those who always have something to move get the same, to a piece; those who come late or pause get no less.
    #[test]
    fn whoever_wants_more_than_there_is_gets_an_equal_share(
        per_second in 1_000_u64..50_000_000,
        others in 1_u8..8,
        idle in prop::collection::vec(0_u8..8, 0..4),
    ) {
        let start = Instant::now();
        let mut limiter = Limiter::default();
        limiter.set(start, Some(rate(per_second)));
        let mut now = start;
        let mut moved = [0_u64; 8];
        // What was saved up goes to whoever asks first.
        while limiter.allowance(now, id(9)) > 0 {
            limiter.spend(id(9), u64::MAX);
        }
        limiter.forget(id(9));
        // These ask once and never again: the others do not wait for them.
        for who in &idle {
            limiter.allowance(now, id(100 + who));
        }
        for _ in 0..200 {
            for who in 0..others {
                loop {
                    let most = limiter.allowance(now, id(who));
                    if most == 0 {
                        break;
                    }
                    moved[usize::from(who)] += most;
                    limiter.spend(id(who), most);
                }
            }
            if let Some(next) = limiter.next_time() {
                now = now.max(next);
                limiter.call(now);
            }
        }
        let moved = &moved[..usize::from(others)];
        let piece = limiter.limit.as_ref().unwrap().piece;
        let (least, most) = (moved.iter().min().unwrap(), moved.iter().max().unwrap());
        prop_assert!(most - least <= piece, "{moved:?}");
        let all: u64 = moved.iter().sum();
        let could = (now - start).as_nanos() * u128::from(per_second) / SECOND.as_nanos();
        // All of it is used; what those who fell silent were given is little.
        prop_assert!(u128::from(all + piece) + 1 >= could, "{all} of {could}");
        prop_assert!(u128::from(all) <= could + u128::from(piece));
    }
}

#[test]
fn a_small_one_waits_for_one_piece_of_every_other() {
    let start = Instant::now();
    let mut limiter = Limiter::default();
    limiter.set(start, Some(rate(1_000_000)));
    let piece = 5_000;
    let mut now = start;
    // A large one has taken all there was, and stands in line for more.
    while limiter.allowance(now, id(0)) > 0 {
        limiter.spend(id(0), piece);
    }
    for _ in 0..3 {
        now = limiter.next_time().unwrap();
        limiter.call(now);
        assert_eq!(limiter.allowance(now, id(1)), 0, "it is the turn of the large one");
        assert_eq!(limiter.allowance(now, id(0)), piece);
        limiter.spend(id(0), piece);
        assert_eq!(limiter.allowance(now, id(0)), 0);
        now = limiter.next_time().unwrap();
        limiter.call(now);
        assert_eq!(limiter.allowance(now, id(0)), 0, "and now of the small one");
        assert_eq!(limiter.allowance(now, id(1)), piece);
        limiter.spend(id(1), piece);
    }
    assert_eq!(now - start, Duration::from_millis(5) * 6);
}

#[test]
fn what_was_given_can_be_moved_bit_by_bit() {
    let now = Instant::now();
    let mut limiter = Limiter::default();
    limiter.set(now, Some(rate(1_000_000)));
    assert_eq!(limiter.allowance(now, id(0)), 5_000);
    limiter.spend(id(0), 4_999);
    assert_eq!(limiter.allowance(now, id(0)), 1);
    limiter.spend(id(0), 1);
    assert_eq!(limiter.allowance(now, id(0)), 5_000);
}

#[test]
fn without_a_limit_nobody_waits() {
    let now = Instant::now();
    let mut limiter = Limiter::default();
    assert_eq!((limiter.allowance(now, id(0)), limiter.next_time()), (u64::MAX, None));
    limiter.set(now, Some(rate(1)));
    while limiter.allowance(now, id(0)) > 0 {
        limiter.spend(id(0), u64::MAX);
    }
    assert!(limiter.next_time().is_some());
    limiter.set(now, None);
    assert_eq!((limiter.allowance(now, id(0)), limiter.next_time()), (u64::MAX, None));
}
