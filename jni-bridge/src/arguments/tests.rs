use super::{absolute, hexadecimal};

#[test]
fn an_id_is_32_hexadecimal_digits() {
    let bytes = hexadecimal("000102030405060708090a0B0c0d0e0f").ok();
    assert_eq!(bytes, Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
    for wrong in
        ["", "00", "+0102030405060708090a0b0c0d0e0f1", &"0".repeat(33), &"g".repeat(32), &"é".repeat(16)]
    {
        assert!(hexadecimal(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_path_is_absolute_from_here_on() {
    assert!(absolute("photos".into()).unwrap().is_absolute());
    assert!(absolute(String::new()).is_err());
}
