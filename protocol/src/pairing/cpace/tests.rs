//! The draft's published vectors (appendix B.3), and what must not pass.

#![allow(clippy::string_slice, reason = "tests, of texts that are known")]

use super::*;

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let text: String = text.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(byte)
}

const PASSWORD: &[u8] = b"Password";
const CHANNEL: &[u8] = b"\x0bA_initiator\x0bB_responder";

fn session() -> [u8; 16] {
    hex("7e4b4791d6a8ef019b936c79fb7f2c57")
}

fn exchange(scalar: &str) -> Exchange {
    let scalar = Scalar::from_canonical_bytes(hex(scalar)).unwrap();
    Exchange::with(PASSWORD, CHANNEL, &session(), scalar)
}

fn initiator() -> Exchange {
    exchange("da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4f f0976d08")
}

fn responder() -> Exchange {
    exchange("d2316b454718c35362d83d69df6320f38578ed5984651435e2949762 d900b80d")
}

#[test]
fn the_generator_is_the_drafts() {
    let string = generator_string(PASSWORD, CHANNEL, &session());
    let expected: [u8; 170] = hex("11435061636552697374726574746f3235350850617373776f726464
         00000000000000000000000000000000000000000000000000000000
         00000000000000000000000000000000000000000000000000000000
         00000000000000000000000000000000000000000000000000000000
         00000000000000000000000000000000180b415f696e69746961746f
         720b425f726573706f6e646572107e4b4791d6a8ef019b936c79fb7f
         2c57");
    assert_eq!(string.as_slice(), expected);
    let encoded: [u8; 32] = hex("222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5 698c7e56");
    assert_eq!(generator(PASSWORD, CHANNEL, &session()).compress().0, encoded);
}

#[test]
fn shares_and_key_are_the_drafts_on_both_sides() {
    let (a, b) = (initiator(), responder());
    let (ya, yb) = (*a.share(), *b.share());
    assert_eq!(ya, hex("d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec 482b9157"));
    assert_eq!(yb, hex("3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7 433f7258"));
    let common: [u8; 32] = hex("80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc98 87c8b40f");
    assert_eq!(*multiply(&a.scalar, &yb).unwrap(), common);
    let shares = Shares { initiator: (&ya, b"ADa"), responder: (&yb, b"ADb") };
    let expected: [u8; 64] = hex("b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dc
         ae7b35cd2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c
         3fa2068af7900447");
    assert_eq!(*a.key(&session(), &yb, &shares).unwrap(), expected);
    assert_eq!(*b.key(&session(), &ya, &shares).unwrap(), expected);
}

#[test]
fn multiplication_is_the_drafts_and_refuses_what_is_no_share() {
    let scalar: [u8; 32] = hex("7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88 cf538a05");
    let scalar = Scalar::from_canonical_bytes(scalar).unwrap();
    let point = hex("2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d6 54b4a51c");
    let expected: [u8; 32] = hex("7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e 7f6b600e");
    assert_eq!(*multiply(&scalar, &point).unwrap(), expected);
    assert!(is_valid(&point));
    let invalid = hex("2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d6 54b4a51c");
    for share in [invalid, [0; 32]] {
        assert_eq!(multiply(&scalar, &share), Err(BadShare));
        assert!(!is_valid(&share));
    }
}

#[test]
fn lengths_over_a_byte_are_leb128() {
    let lengths = [(0, vec![0]), (127, vec![127]), (128, vec![128, 1]), (300, vec![0xac, 2])];
    for (length, expected) in lengths {
        let mut out = Vec::new();
        prefixed(&vec![7; length], |bytes| out.extend_from_slice(bytes));
        assert_eq!(out[..expected.len()], expected);
        assert_eq!(out.len(), expected.len() + length);
    }
}

#[test]
fn another_password_channel_or_session_gives_another_key() {
    let random = |byte| Zeroizing::new([byte; 64]);
    let key = |password: &[u8], channel: &[u8], sid: &[u8]| {
        let a = Exchange::new(b"word", b"channel", b"session", &random(1));
        let b = Exchange::new(password, channel, sid, &random(2));
        let (ya, yb) = (*a.share(), *b.share());
        let shares = Shares { initiator: (&ya, b""), responder: (&yb, b"") };
        let ours = a.key(b"session", &yb, &shares).unwrap();
        *ours == *b.key(sid, &ya, &shares).unwrap()
    };
    assert!(key(b"word", b"channel", b"session"));
    assert!(!key(b"ward", b"channel", b"session"));
    assert!(!key(b"word", b"chancel", b"session"));
    assert!(!key(b"word", b"channel", b"mission"));
}
