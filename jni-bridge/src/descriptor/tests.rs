use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;

use hither_protocol::transfer::TransferId;

use super::{Given, Lent};
use crate::failure::{Failure, Reason};

const TRANSFER: TransferId = TransferId([7; 16]);

fn reason<T>(outcome: Result<T, Failure>) -> Option<Reason> {
    match outcome {
        Err(Failure::Hither(reason, _)) => Some(reason),
        _ => None,
    }
}

#[test]
fn what_is_no_descriptor_is_an_error() {
    assert_eq!(reason(Given::new(-1)), Some(Reason::InvalidDescriptor));
    assert_eq!(reason(Given::new(i32::MIN)), Some(Reason::InvalidDescriptor));
    assert_eq!(reason(Given::new(i32::MAX)), Some(Reason::InvalidDescriptor));
    let directory = tempfile::tempdir().unwrap();
    let opened = File::open(directory.path()).unwrap();
    assert_eq!(reason(Given::new(opened.as_raw_fd())), Some(Reason::InvalidDescriptor));
}

/// Only the link is there, under the name that was asked for, and goes with the transfer.
#[test]
#[cfg(target_os = "linux")]
fn a_file_with_a_path_is_linked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1234");
    fs::write(&path, "content").unwrap();
    let lent = Lent::new(directory.path().join("lent"));
    let given = Given::new(File::open(&path).unwrap().as_raw_fd()).unwrap();
    let mut offered = None;
    let offer = |entry| {
        offered = Some(entry);
        Ok(TRANSFER)
    };
    lent.offer(given, "holiday.jpg", offer).unwrap();
    let offered = offered.unwrap();
    assert_eq!(offered.file_name().unwrap(), "holiday.jpg");
    assert_eq!(fs::read_link(&offered).unwrap(), path);
    lent.over(TRANSFER);
    assert!(!offered.parent().unwrap().exists());
}

/// The app goes on reading where it was.
#[test]
fn a_file_without_a_path_is_copied_from_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile_in(&directory).unwrap();
    file.write_all(b"all of it").unwrap();
    file.seek(std::io::SeekFrom::Start(4)).unwrap();
    let lent = Lent::new(directory.path().join("lent"));
    let given = Given::new(file.as_raw_fd()).unwrap();
    let offer = |entry| {
        assert_eq!(fs::read(entry).unwrap(), b"all of it");
        Ok(TRANSFER)
    };
    lent.offer(given, "document", offer).unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "of it");
}

#[test]
fn what_is_not_offered_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = tempfile::tempfile_in(&directory).unwrap();
    let lent = Lent::new(directory.path().join("lent"));
    let given = || Given::new(file.as_raw_fd()).unwrap();
    let refused = lent.offer(given(), "document", |_| Err(Failure::new(Reason::Oneself, "")));
    assert_eq!(reason(refused), Some(Reason::Oneself));
    assert_eq!(reason(lent.offer(given(), "../key", |_| Ok(TRANSFER))), Some(Reason::InvalidName));
    assert_eq!(reason(lent.offer(given(), "", |_| Ok(TRANSFER))), Some(Reason::InvalidName));
    assert_eq!(fs::read_dir(directory.path().join("lent")).unwrap().count(), 0);
}

/// What a crash has left goes at the next start.
#[test]
fn what_no_transfer_needs_is_swept() {
    let directory = tempfile::tempdir().unwrap();
    let room = directory.path().join("lent");
    fs::create_dir_all(room.join("3")).unwrap();
    fs::write(room.join("3").join("document"), "left").unwrap();
    Lent::new(room.clone()).sweep(&[]);
    assert_eq!(fs::read_dir(room).unwrap().count(), 0);
}
