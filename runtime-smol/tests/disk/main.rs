//! The disk, on real directories.

mod common;
mod damage;
mod discard;
mod examine;
mod finish;
#[cfg(target_os = "linux")]
mod full;
mod journal;
#[cfg(unix)]
mod links;
mod offer;
mod read;
mod recover;
mod scan;
mod seal;
mod write;

use hither_protocol::storage::{Done, StorageError, Work};
use hither_runtime_smol::disk::Disk;

#[test]
fn records_are_not_its_work() {
    assert!(matches!(Disk::new().perform(Work::Load), Done::Loaded(Err(StorageError::Unsupported))));
}
