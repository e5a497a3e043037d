//! A span of time as a person types it: `90s`, `10m`, `2h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// From a second to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(Duration);

/// A text is no span of time, or none between a second and a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseSpanError;

impl Span {
    const MOST: Duration = Duration::from_secs(24 * 3600);

    /// How long.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        let text = text.trim();
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or(ParseSpanError)?;
        let (number, unit) = text.split_at(end);
        let unit = match unit.trim_start() {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            _ => return Err(ParseSpanError),
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        let span = seconds.map(Duration::from_secs).filter(|span| !span.is_zero() && *span <= Self::MOST);
        span.map(Self).ok_or(ParseSpanError)
    }
}

impl fmt::Display for ParseSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is a number with a unit, such as 90s, 10m or 2h, of a day at most")
    }
}

impl std::error::Error for ParseSpanError {}
