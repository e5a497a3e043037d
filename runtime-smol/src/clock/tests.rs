use std::time::{Duration, Instant, SystemTime};

use super::{Clock, asleep};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn only_a_jump_counts() {
    let (steady, wall) = (Instant::now(), SystemTime::now());
    let mut clock = Clock::new(steady, wall, Duration::ZERO);
    let minute = MINUTE;
    assert_eq!(clock.next_look(), steady + minute);
    assert!(!clock.look(steady + minute, wall + minute + Duration::from_millis(900)));
    assert!(clock.look(steady + 2 * minute, wall + 3 * minute), "slept for a minute");
    assert!(!clock.look(steady + 3 * minute, wall + 4 * minute), "told once");
    assert!(clock.look(steady + 4 * minute, wall), "set back");
}

#[test]
fn sleep_is_time_too() {
    let (steady, wall, before) = (Instant::now(), SystemTime::now(), Duration::from_secs(1000));
    let mut clock = Clock::new(steady, wall, before);
    assert_eq!(clock.at(steady), steady, "what was slept before does not count");
    assert!(!clock.hear(before + Duration::from_millis(1)), "nor the clocks' unevenness");
    assert_eq!(clock.at(steady), steady);
    assert!(clock.hear(before + MINUTE));
    assert!(!clock.hear(before + MINUTE), "told once");
    assert_eq!(clock.at(steady), steady + MINUTE);
    assert_eq!(clock.timer(steady + MINUTE), steady, "timers do not count it");
    let now = clock.at(steady);
    assert!(!clock.look(now, wall + MINUTE), "the wall clock has gone on as far");
    assert!(!clock.hear(before), "time does not go back");
    assert_eq!(clock.at(steady), steady + MINUTE);
}

#[test]
fn the_system_says_how_long_it_slept() {
    let (first, second) = (asleep(), asleep());
    let off = second.max(first).saturating_sub(first.min(second));
    assert!(off < Duration::from_secs(1), "{first:?}, then {second:?}");
}
