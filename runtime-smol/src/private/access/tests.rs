use std::fs;

use super::{allowed, is_open_to_others, keep_to_owner};

#[test]
fn what_is_kept_is_closed_to_others() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    fs::write(&file, "secret").unwrap();
    // From the outside in: Wine hands a directory's list on even to a file that is protected from that.
    keep_to_owner(directory.path()).unwrap();
    assert!(!is_open_to_others(directory.path()).unwrap());
    keep_to_owner(&file).unwrap();
    assert!(!is_open_to_others(&file).unwrap());
    assert_eq!(fs::read(&file).unwrap(), b"secret", "not to its owner");
}

#[test]
fn lists_are_read() {
    let whom = |list| allowed(list).map(|whom| whom.join(" "));
    assert_eq!(
        whom("D:P(A;;FA;;;SY)(A;;FA;;;S-1-5-21-1-2-3-1001)").as_deref(),
        Some("SY S-1-5-21-1-2-3-1001")
    );
    assert_eq!(whom("D:AI(A;ID;0x1200a9;;;BU)(D;;FA;;;WD)").as_deref(), Some("BU"));
    assert_eq!(whom("D:(A;OICIIO;FA;;;CO)").as_deref(), Some(""), "for what is made below");
    assert_eq!(whom("D:").as_deref(), Some(""), "nobody");
    assert_eq!(whom("D:NO_ACCESS_CONTROL"), None);
    assert_eq!(whom(""), None);
    assert_eq!(
        whom("D:(XA;;FR;;;BU;(WIN://SYSAPPID Exists))"),
        None,
        "what is not understood counts as open"
    );
}
