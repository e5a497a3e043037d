//! What the tests of PROTOCOL.md's worked examples share: the page, and those who are in the examples.
#![allow(clippy::unwrap_used, clippy::string_slice, unreachable_pub)]

use std::collections::BTreeMap;

use hither_protocol::identity::Identity;

const PAGE: &str = include_str!("../../../PROTOCOL.md");

/// The time of all examples, in Unix milliseconds.
pub const UNIX_TIME: u64 = 1_767_225_600_000;

/// Every `name = value` line of the page's block that is marked so.
pub fn block(mark: &str) -> BTreeMap<String, String> {
    let (_, block) = PAGE.split_once(&format!("```{mark}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(" = ").unwrap());
    pairs.map(|(name, value)| (name.trim().to_owned(), value.to_owned())).collect()
}

pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// RFC 8032, section 7.1, test 1.
pub fn alice() -> Identity {
    let secret = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    Identity::from_secret(&secret.try_into().unwrap()).unwrap()
}

/// The same, test 2.
pub fn bob() -> Identity {
    let secret = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    Identity::from_secret(&secret.try_into().unwrap()).unwrap()
}
