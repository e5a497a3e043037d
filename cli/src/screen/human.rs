//! Sizes, rates and times as people read them.

/// A size in decimal units with three significant digits or fewer: `999 B`, `5.2 MB`, `120 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, rounded to nearest; u128 leaves room to round the largest.
    let mut one = 1000_u128;
    for unit in UNITS {
        let tenths = (u128::from(bytes) * 10 + one / 2) / one;
        if tenths < 1000 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        let whole = (u128::from(bytes) + one / 2) / one;
        if whole < 1000 {
            return format!("{whole} {unit}");
        }
        one *= 1000;
    }
    // Not reached: 2^64 bytes are 18.4 EB.
    format!("{bytes} B")
}

/// Bytes a second: `5.2 MB/s`.
pub fn rate(bytes_per_second: u64) -> String {
    size(bytes_per_second) + "/s"
}

/// A time in its two largest units: `3 s`, `2 min 5 s`, `1 h 20 min`, `2 d 3 h`.
pub fn left(seconds: u64) -> String {
    match seconds {
        0 => "<1 s".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        86400.. => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// How long something took: `0.12 s`, `4.5 s`, and from a minute on as [`left`].
pub fn duration(took: std::time::Duration) -> String {
    match took.as_secs() {
        0 => format!("{:.2} s", took.as_secs_f64()),
        1..60 => format!("{:.1} s", took.as_secs_f64()),
        seconds => left(seconds),
    }
}

/// `1 file`, `2 files`.
pub fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
