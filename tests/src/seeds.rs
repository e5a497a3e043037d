//! Running a case under many seeds, and one seed again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The variable that names the one seed to run.
pub const VARIABLE: &str = "HITHER_SEED";

/// Runs `case` under the seeds from 0 to `count`, or only under the one that `HITHER_SEED` names. A case that
/// panics is named with its seed, and with how to run it alone.
///
/// # Panics
///
/// When a case does, or when `HITHER_SEED` is no number.
pub fn for_seeds(count: u64, case: impl Fn(u64)) {
    if let Ok(chosen) = std::env::var(VARIABLE) {
        return case(chosen.parse().expect("HITHER_SEED is a decimal number"));
    }
    for seed in 0..count {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(seed))) {
            eprintln!("failed under seed {seed}; alone: {}", how_to_repeat(seed));
            resume_unwind(panic);
        }
    }
}

/// The command that runs the current test under `seed` only.
pub fn how_to_repeat(seed: u64) -> String {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or_default();
    format!("{VARIABLE}={seed} cargo test -p hither-tests {test}")
}
