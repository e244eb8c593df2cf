//! Spans of time as people write them in the configuration: "250ms", "10s", "5m", "1h", "1d".
//!
//! Always holds: whole microseconds, from zero to 100 years. Does not know: which spans make sense where.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Units from the longest, with their length in microseconds.
const UNITS: [(&str, i64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

const LONGEST_MICROS: i64 = 36_525 * 86_400_000_000;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a duration: write a whole number and a unit, such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"1d\" (at most 100 years)"
)]
pub struct InvalidDuration(String);

impl Duration {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u32) -> Self {
        Duration(secs as i64 * 1_000_000)
    }

    /// From microseconds that were a duration before.
    pub(crate) const fn from_micros(micros: i64) -> Self {
        Duration(micros)
    }

    /// In microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.chars().take(40).collect());
        let trimmed = text.trim();
        let digits_len = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, unit) = trimmed.split_at(digits_len);
        let number: i64 = digits.parse().map_err(|_| invalid())?;
        let unit_micros = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(invalid)?.1;
        match number.checked_mul(unit_micros) {
            Some(micros) if micros <= LONGEST_MICROS => Ok(Duration(micros)),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Duration {
    /// In the longest unit that needs no fraction.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let unit = UNITS.iter().find(|(_, unit_micros)| self.0 % unit_micros == 0);
        let (name, unit_micros) = unit.unwrap_or(&UNITS[UNITS.len() - 1]);
        write!(formatter, "{}{name}", self.0 / unit_micros)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DurationVisitor;
        impl Visitor<'_> for DurationVisitor {
            type Value = Duration;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("a duration in quotes, such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"1d\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(DurationVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, micros, shown) in [
            ("250ms", 250_000, "250ms"),
            ("10s", 10_000_000, "10s"),
            ("60s", 60_000_000, "1m"),
            ("90 m", 5_400_000_000, "90m"),
            ("24h", 86_400_000_000, "1d"),
            ("0s", 0, "0s"),
            ("1us", 1, "1us"),
        ] {
            let duration: Duration = text.parse().expect(text);
            assert_eq!((duration.micros(), duration.to_string().as_str()), (micros, shown));
        }
        for text in ["", "s", "10", "-5s", "1.5s", "1s30ms", "10 parsecs", "99999999999999999999s", "36526d"]
        {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
