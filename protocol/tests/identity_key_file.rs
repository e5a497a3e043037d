//! The key file: there and back, and every way it can be wrong told apart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use hither_protocol::entropy::{Entropy, Seed, Stream};
use hither_protocol::identity::{Identity, KeyFile, KeyFileError, PassphraseCost};
use proptest::prelude::*;

fn entropy(seed: u8) -> Stream {
    Entropy::new(Seed::new([seed; 32])).stream("test")
}

fn identity() -> Identity {
    Identity::generate(&mut entropy(1))
}

fn cheap() -> PassphraseCost {
    PassphraseCost::new(8, 1, 1).unwrap()
}

fn sealed() -> Vec<u8> {
    KeyFile::encode_sealed(&identity(), "correct horse", cheap(), &mut entropy(2)).unwrap().to_vec()
}

fn plain() -> Vec<u8> {
    KeyFile::encode_plain(&identity()).to_vec()
}

fn open(bytes: &[u8], passphrase: Option<&str>) -> Result<[u8; 32], KeyFileError> {
    KeyFile::parse(bytes)?.open(passphrase).map(|identity| *identity.secret())
}

/// The file with one line's rest replaced.
fn with_line(bytes: &[u8], name: &str, rest: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
    let line =
        |line: &str| if line.starts_with(name) { format!("{name} {rest}\n") } else { format!("{line}\n") };
    text.lines().map(line).collect::<String>().into_bytes()
}

#[test]
fn a_plain_file_reads_back() {
    let file = KeyFile::parse(&plain()).unwrap();
    assert!(!file.needs_passphrase());
    assert_eq!(file.peer_id(), identity().peer_id());
    assert_eq!(open(&plain(), None), Ok(*identity().secret()));
    assert!(plain().starts_with("hither v1 secret key – whoever has this file is you\nid hi1".as_bytes()));
}

#[test]
fn a_sealed_file_reads_back_under_its_passphrase_only() {
    let file = KeyFile::parse(&sealed()).unwrap();
    assert!(file.needs_passphrase());
    assert_eq!(file.peer_id(), identity().peer_id());
    assert_eq!(open(&sealed(), Some("correct horse")), Ok(*identity().secret()));
    assert_eq!(open(&sealed(), Some("Correct horse")), Err(KeyFileError::WrongPassphrase));
    assert_eq!(open(&sealed(), None), Err(KeyFileError::PassphraseNeeded));
}

#[test]
fn the_cost_that_people_get_works() {
    let bytes = KeyFile::encode_sealed(&identity(), "p", PassphraseCost::DEFAULT, &mut entropy(3)).unwrap();
    assert_eq!(open(&bytes, Some("p")), Ok(*identity().secret()));
}

#[test]
fn a_sealed_file_does_not_hold_the_secret() {
    let hex: String = identity().secret().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(String::from_utf8(plain()).unwrap().contains(&hex));
    assert!(!String::from_utf8(sealed()).unwrap().contains(&hex));
}

#[test]
fn two_sealings_share_neither_salt_nor_nonce() {
    let mut entropy = entropy(4);
    let mut seal = || {
        let bytes = KeyFile::encode_sealed(&identity(), "p", cheap(), &mut entropy).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let (one, two) = (seal(), seal());
    for name in ["salt", "nonce", "sealed"] {
        let line = |text: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_ne!(line(&one), line(&two));
    }
}

#[test]
fn line_ends_of_other_systems_do_no_harm() {
    for bytes in [plain(), sealed()] {
        let text = String::from_utf8(bytes).unwrap();
        let opened = open(text.replace('\n', "\r\n").as_bytes(), Some("correct horse"));
        assert_eq!(opened, Ok(*identity().secret()));
        assert_eq!(open(text.trim_end().as_bytes(), Some("correct horse")), Ok(*identity().secret()));
    }
}

#[test]
fn other_files_and_other_versions_are_told_apart() {
    for bytes in
        [&b""[..], b"hello", b"-----BEGIN OPENSSH PRIVATE KEY-----", b"hither vx secret key", &[255; 9]]
    {
        assert_eq!(open(bytes, None), Err(KeyFileError::NotAKeyFile));
    }
    assert_eq!(open(b"hither v2 secret key, of a later kind\n", None), Err(KeyFileError::OtherVersion));
    assert_eq!(open(b"hither v1 secret", None), Err(KeyFileError::Damaged));
    let mut long = plain();
    long.resize(1 << 20, b'\n');
    assert_eq!(open(&long, None), Err(KeyFileError::Damaged));
}

#[test]
fn a_file_cannot_demand_all_memory_or_time() {
    for cost in ["104857600 1 1", "99999999999999 1 1", "65536 1000000 1", "65536 1 1000", "0 1 1", "64 0 1"]
    {
        let bytes = with_line(&sealed(), "argon2id", cost);
        assert_eq!(open(&bytes, Some("correct horse")), Err(KeyFileError::TooCostly), "{cost}");
    }
    assert_eq!(open(&with_line(&sealed(), "argon2id", "64 1"), None), Err(KeyFileError::Damaged));
    assert_eq!(PassphraseCost::new(15, 1, 2), None);
    assert_eq!(PassphraseCost::new(PassphraseCost::MAX_MEMORY_KIB + 1, 1, 1), None);
}

#[test]
fn another_id_over_the_secret_is_damage() {
    let other = Identity::generate(&mut entropy(9)).peer_id().to_string();
    assert_eq!(open(&with_line(&plain(), "id", &other), None), Err(KeyFileError::Damaged));
}

proptest! {
    #[test]
    fn any_changed_byte_is_noticed(at: prop::sample::Index, by in 1u8..=255, seal: bool) {
        let bytes = if seal { sealed() } else { plain() };
        let mut changed = bytes.clone();
        let at = at.index(bytes.len());
        changed[at] ^= by;
        match open(&changed, Some("correct horse")) {
            Err(_) => {}
            // A digit or letter in the other case, or another kind of line end, says the same.
            Ok(secret) => {
                prop_assert!(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'\n');
                prop_assert_eq!(secret, *identity().secret());
            }
        }
    }

    #[test]
    fn any_cut_file_is_noticed(at: prop::sample::Index, seal: bool) {
        let bytes = if seal { sealed() } else { plain() };
        // The last line end may be missing.
        let at = at.index(bytes.len() - 1);
        prop_assert!(matches!(
            open(&bytes[..at], Some("correct horse")),
            Err(KeyFileError::NotAKeyFile | KeyFileError::Damaged)
        ));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        prop_assert!(open(&bytes, Some("p")).is_err());
        let mut titled = "hither v1 secret key – whoever has this file is you\n".as_bytes().to_vec();
        titled.extend(bytes);
        prop_assert_eq!(open(&titled, Some("p")).err(), Some(KeyFileError::Damaged));
    }
}
