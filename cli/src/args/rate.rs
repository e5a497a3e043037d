//! A rate as a person types it: `500KB/s`, `5M`, `1.5MiB/s`.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Bytes a second, at least [`Rate::LEAST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(NonZeroU64);

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseRateError {
    /// No number with a unit.
    Form,
    /// Bits a second; with the same in bytes, where it is a number.
    Bits(Option<String>),
    /// Below [`Rate::LEAST`].
    TooLittle,
    /// More than there is.
    TooMuch,
}

/// Units by the letters before `B`, in lower case.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
];

impl Rate {
    /// The smallest limit, in bytes a second: below it, transfers would be given up as standing still.
    pub const LEAST: u64 = 10_000;

    /// In bytes a second.
    pub fn bytes(self) -> NonZeroU64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let text = text.trim();
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let unit = unit.trim_start();
        let lower = unit.to_ascii_lowercase();
        let bare = lower.strip_suffix("/s").unwrap_or(&lower);
        // `Mb`, `Mbit`, `Mbps`: a small b is for bits, but `B/s` may be typed in small letters alone.
        let of_bits = bare.strip_suffix("bits").or_else(|| bare.strip_suffix("bit"));
        let of_bits = of_bits.or_else(|| bare.strip_suffix("bps").filter(|_| !unit.contains('B')));
        let small = !unit.is_empty() && unit.trim_end_matches("/s").ends_with('b');
        let of_bits = of_bits.or_else(|| bare.strip_suffix('b').filter(|_| small));
        if let Some(prefix) = of_bits {
            let bytes = number_of(number, prefix).ok().map(|bits| bits / 8);
            return Err(ParseRateError::Bits(bytes.map(short)));
        }
        let prefix = bare.strip_suffix("bps").or_else(|| bare.strip_suffix('b')).unwrap_or(bare);
        let bytes = number_of(number, prefix)?;
        if bytes < Self::LEAST {
            return Err(ParseRateError::TooLittle);
        }
        NonZeroU64::new(bytes).map(Self).ok_or(ParseRateError::TooLittle)
    }
}

/// The number in whole units of one; `prefix` is what stands before `B`, in lower case.
pub(super) fn number_of(number: &str, prefix: &str) -> Result<u64, ParseRateError> {
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == prefix).ok_or(ParseRateError::Form)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return Err(ParseRateError::Form);
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| ParseRateError::TooMuch)? };
    let whole = whole.checked_mul(*unit).ok_or(ParseRateError::TooMuch)?;
    // Digits beyond these say nothing in any unit.
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(18).collect();
    let fraction: u128 = fraction.parse().map_err(|_| ParseRateError::Form)?;
    let part = fraction * u128::from(*unit) / 10_u128.pow(18);
    let part = u64::try_from(part).map_err(|_| ParseRateError::TooMuch)?;
    whole.checked_add(part).ok_or(ParseRateError::TooMuch)
}

/// As one would type it.
fn short(bytes: u64) -> String {
    for (unit, one) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)] {
        if bytes >= one {
            let (whole, hundredths) = (bytes / one, bytes % one / (one / 100));
            let fraction = format!(".{hundredths:02}");
            return format!("{whole}{}{unit}/s", fraction.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    format!("{bytes}B/s")
}

impl fmt::Display for ParseRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &str = "a limit is a number of bytes a second, such as 500KB/s, 5MB/s, 5M or 1.5MiB/s";
        match self {
            Self::Form => f.write_str(FORM),
            Self::Bits(Some(bytes)) => {
                write!(
                    f,
                    "a small b is for bits, a limit is in bytes: so many bits are {bytes}, with a capital B"
                )
            }
            Self::Bits(None) => write!(f, "a small b is for bits: {FORM}"),
            Self::TooLittle => write!(f, "the smallest limit is {}; {FORM}", short(Rate::LEAST)),
            Self::TooMuch => write!(f, "this is more than any machine can send; {FORM}"),
        }
    }
}

impl std::error::Error for ParseRateError {}
