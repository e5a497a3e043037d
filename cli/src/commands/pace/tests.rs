use super::*;

/// The rates that are shown at each beat of 150 ms while `done` says how many bytes are there after so many ms.
fn rates(milliseconds: u64, done: impl Fn(u64) -> u64) -> Vec<u64> {
    let start = Instant::now();
    let mut pace = Pace::default();
    let times = (0..milliseconds).step_by(150);
    times.map(|time| pace.at(start + Duration::from_millis(time), done(time))).collect()
}

#[test]
fn a_steady_rate_is_known_at_once() {
    let rates = rates(10_000, |time| time * 5_000);
    assert_eq!(rates[0], 0, "nothing is known at the first look");
    assert!(rates[1..].iter().all(|rate| rate.abs_diff(5_000_000) < 10), "{rates:?}");
}

#[test]
fn a_rate_in_jerks_is_shown_as_its_mean() {
    // A megabyte once in a second.
    let rates = rates(30_000, |time| time / 1_000 * 1_000_000);
    let later = &rates[rates.len() / 2..];
    assert!(later.iter().all(|rate| (800_000..1_250_000).contains(rate)), "{later:?}");
}

#[test]
fn a_change_shows_within_seconds() {
    let rates = rates(20_000, |time| if time < 10_000 { time * 10_000 } else { 100_000_000 });
    assert!(rates[66] > 9_000_000);
    assert!(rates[93] < 4_500_000, "four seconds later: {}", rates[93]);
    assert!(rates[133] < 1_000_000, "ten seconds later: {}", rates[133]);
}

#[test]
fn no_time_and_fewer_bytes_than_before_do_no_harm() {
    let start = Instant::now();
    let mut pace = Pace::default();
    assert_eq!((pace.at(start, 5), pace.at(start, 500)), (0, 0));
    assert_eq!(pace.at(start + Duration::from_secs(1), 0), 0);
    assert_eq!(pace.at(start, u64::MAX), 0);
    assert!(pace.at(start + Duration::from_secs(2), u64::MAX) > 1 << 60);
}
