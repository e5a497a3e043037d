use hither_protocol::storage::StorageError;
use hither_protocol::{CodeFailure, LinkLoss, OfferError, Refusal, TransferFailure, Unreachable};

use super::{code_failure, link_loss, long, refusal, transfer_failure, unreachable};

/// Names are written twice, here and in Java: every one here has a constant there.
fn assert_constant(java: &str, name: &str) {
    let found = java.lines().any(|line| line.trim().trim_end_matches([',', ';']) == name);
    assert!(found, "{name} is no constant");
}

#[test]
fn reasons_have_constants_in_java() {
    let java = include_str!("../../java/src/main/java/dev/hither/Refusal.java");
    for why in [
        Refusal::Declined,
        Refusal::Stranger,
        Refusal::WouldOverwrite,
        Refusal::NoSpace,
        Refusal::NotWritable,
        Refusal::BadManifest,
        Refusal::Busy,
        Refusal::TooMany,
    ] {
        assert_constant(java, refusal(why));
    }
    let java = include_str!("../../java/src/main/java/dev/hither/LinkLoss.java");
    for why in [LinkLoss::Closed, LinkLoss::TimedOut, LinkLoss::Broken, LinkLoss::Ours] {
        assert_constant(java, link_loss(why));
    }
    let java = include_str!("../../java/src/main/java/dev/hither/Unreachable.java");
    for why in [Unreachable::NotFound, Unreachable::NoAnswer, Unreachable::OtherVersion] {
        assert_constant(java, unreachable(why));
    }
    let java = include_str!("../../java/src/main/java/dev/hither/CodeEnd.java");
    for why in [
        CodeFailure::NotFound,
        CodeFailure::NoAnswer,
        CodeFailure::WrongCode,
        CodeFailure::Burnt,
        CodeFailure::Expired,
        CodeFailure::AlreadyUsed,
        CodeFailure::DifferentPurpose,
        CodeFailure::Busy,
        CodeFailure::TooMany,
        CodeFailure::Oneself,
        CodeFailure::CannotOffer(OfferError::Nothing),
    ] {
        assert_constant(java, code_failure(why));
    }
    let java = include_str!("../../java/src/main/java/dev/hither/TransferFailure.java");
    for why in [
        TransferFailure::Scan(hither_protocol::storage::ScanError::TooMany),
        TransferFailure::Refused(Refusal::Busy),
        TransferFailure::Cancelled,
        TransferFailure::CancelledByPeer,
        TransferFailure::SourceChanged(None),
        TransferFailure::Mismatch,
        TransferFailure::DiskFull,
        TransferFailure::WouldOverwrite,
        TransferFailure::Disk(Some(StorageError::Full)),
        TransferFailure::LinkLost(LinkLoss::Closed),
        TransferFailure::TimedOut,
        TransferFailure::Unreachable(Unreachable::NotFound),
        TransferFailure::Violation,
        TransferFailure::NobodyHasIt,
        TransferFailure::PeerTooOld,
        TransferFailure::TooLarge,
    ] {
        assert_constant(java, transfer_failure(&why).0);
    }
}

#[test]
fn what_java_cannot_hold_is_as_much_as_it_can() {
    assert_eq!(long(u64::from(u32::MAX)), i64::from(u32::MAX));
    assert_eq!(long(u64::MAX), i64::MAX);
}
