//! How a person names a transfer: the beginning of its id, as far as it belongs to no other.

use std::fmt;
use std::str::FromStr;

/// One to 32 hexadecimal digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferPrefix(String);

/// A text that no transfer's id begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseTransferPrefixError;

impl TransferPrefix {
    /// Most digits: those of a whole id.
    pub const MAX: usize = 32;

    /// Whether an id begins so.
    pub fn fits(&self, id: &str) -> bool {
        id.starts_with(&self.0)
    }
}

impl FromStr for TransferPrefix {
    type Err = ParseTransferPrefixError;

    fn from_str(text: &str) -> Result<Self, ParseTransferPrefixError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits && (1..=Self::MAX).contains(&text.len()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(ParseTransferPrefixError)
        }
    }
}

impl fmt::Display for TransferPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for ParseTransferPrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a transfer is named by the digits that its id begins with; `hither transfers` lists them",
        )
    }
}

impl std::error::Error for ParseTransferPrefixError {}
