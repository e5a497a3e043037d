use std::time::{Duration, Instant, SystemTime};

use super::Clock;

#[test]
fn only_a_jump_counts() {
    let (steady, wall) = (Instant::now(), SystemTime::now());
    let mut clock = Clock::new(steady, wall);
    let minute = Duration::from_secs(60);
    assert_eq!(clock.next_look(), steady + minute);
    assert!(!clock.look(steady + minute, wall + minute + Duration::from_millis(900)));
    assert!(clock.look(steady + 2 * minute, wall + 3 * minute), "slept for a minute");
    assert!(!clock.look(steady + 3 * minute, wall + 4 * minute), "told once");
    assert!(clock.look(steady + 4 * minute, wall), "set back");
}
