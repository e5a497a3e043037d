//! Processor time and memory, as the kernel counts them.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Failure;

/// Processor time of this thread so far, in user and kernel mode.
pub(super) fn thread_time() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// Processor time of this process so far, all threads, in user and kernel mode.
pub(super) fn process_time() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(clock: ClockId) -> Duration {
    // Such a clock starts at zero with its thread or process.
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

/// The most memory that this process ever had resident, in bytes. Since it started its program: what the kernel
/// tells of a child, `ru_maxrss`, would count what its parent had at the fork.
pub(super) fn peak_memory() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the kernel has no VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}
