//! A size as a person types it: `500MB`, `2G`, `1.5GiB`.

use std::fmt;
use std::str::FromStr;

use super::rate::{ParseRateError, number_of};

/// Bytes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

/// Why a text is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseSizeError {
    /// No number with a unit.
    Form,
    /// Nothing.
    Zero,
    /// More than there is.
    TooMuch,
}

impl Size {
    /// In bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let text = text.trim().to_ascii_lowercase();
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let unit = unit.trim_start();
        match number_of(number, unit.strip_suffix('b').unwrap_or(unit)) {
            Ok(0) => Err(ParseSizeError::Zero),
            Ok(bytes) => Ok(Self(bytes)),
            Err(ParseRateError::TooMuch) => Err(ParseSizeError::TooMuch),
            Err(_) => Err(ParseSizeError::Form),
        }
    }
}

impl fmt::Display for ParseSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a size is a number of bytes, such as 500MB, 2GB, 2G or 1.5GiB"),
            Self::Zero => f.write_str("the smallest size is one byte"),
            Self::TooMuch => f.write_str("this is more than any disk can hold"),
        }
    }
}

impl std::error::Error for ParseSizeError {}
