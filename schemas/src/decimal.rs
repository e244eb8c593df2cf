//! Exact decimal numbers: prices, quantities, scores.
//!
//! Always holds: a value is an integer of at most 38 digits times 10 to the minus `SCALE`; nothing rounds and
//! nothing wraps: what does not fit is an error. In Avro it is `bytes` (two's complement, big endian, as the
//! logical type `decimal` asks), in JSON a string.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// 10^38: the first absolute value that `decimal(38, s)` cannot hold.
const LIMIT: i128 = 10i128.pow(38);

/// A price, a quantity or a score: `decimal(38, 10)`.
pub type Amount = Decimal<10>;
/// A sum of price x quantity, exact: `decimal(38, 20)`.
pub type Quote = Decimal<20>;

/// The number `units / 10^SCALE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const SCALE: u32>(i128);

/// Why a number is not a [`Decimal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a plain decimal number such as `-12.5`.
    #[error("`{0}` is not a decimal number")]
    NotANumber(String),
    /// More digits than the type keeps.
    #[error("`{text}` needs more than {scale} digits after the point or 38 in all")]
    DoesNotFit {
        /// The number as written.
        text: String,
        /// Digits after the point that the type keeps.
        scale: u32,
    },
}

impl<const SCALE: u32> Decimal<SCALE> {
    /// Zero.
    pub const ZERO: Self = Decimal(0);

    /// From the whole number `units`, which counts 10^-SCALE. `None` if it has more than 38 digits.
    #[must_use]
    pub const fn from_units(units: i128) -> Option<Self> {
        if units > -LIMIT && units < LIMIT { Some(Decimal(units)) } else { None }
    }

    /// From a whole number. `None` if it has more than 38 digits with the zeros after the point.
    #[must_use]
    pub fn from_integer(integer: i64) -> Option<Self> {
        i128::from(integer).checked_mul(10i128.pow(SCALE)).and_then(Self::from_units)
    }

    /// The value in units of 10^-SCALE.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The sum, or `None` if it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_units)
    }

    /// The difference, or `None` if it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_units)
    }

    /// Two's complement, big endian, in as few bytes as hold it (at least one).
    fn with_bytes<R>(self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
        let bytes = self.0.to_be_bytes();
        let mut start = 0;
        let sign = if self.0 < 0 { 0xff } else { 0x00 };
        while start < bytes.len() - 1 && bytes[start] == sign && (bytes[start + 1] ^ sign) & 0x80 == 0 {
            start += 1;
        }
        use_bytes(&bytes[start..])
    }

    /// From what Avro has of it. `None` if that is empty or has more than 38 digits.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let padding = if first & 0x80 == 0 { 0x00 } else { 0xff };
        let extra = bytes.len().saturating_sub(16);
        let (head, tail) = bytes.split_at(extra);
        if head.iter().any(|byte| *byte != padding) || (tail[0] ^ padding) & 0x80 != 0 {
            return None;
        }
        let mut buffer = [padding; 16];
        buffer[16 - tail.len()..].copy_from_slice(tail);
        Self::from_units(i128::from_be_bytes(buffer))
    }
}

impl Amount {
    /// Price x quantity, exact. `None` if it has more than 38 digits.
    #[must_use]
    pub fn checked_mul(self, other: Self) -> Option<Quote> {
        self.0.checked_mul(other.0).and_then(Quote::from_units)
    }
}

impl<const SCALE: u32> FromStr for Decimal<SCALE> {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let not_a_number = || DecimalError::NotANumber(text.chars().take(64).collect());
        let does_not_fit =
            || DecimalError::DoesNotFit { text: text.chars().take(64).collect(), scale: SCALE };
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(not_a_number());
        }
        let fraction = fraction.trim_end_matches('0');
        let padding = (SCALE as usize).checked_sub(fraction.len()).ok_or_else(does_not_fit)?;
        let mut units: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', padding)) {
            units = units
                .checked_mul(10)
                .and_then(|shifted| shifted.checked_add(i128::from(digit - b'0')))
                .ok_or_else(does_not_fit)?;
        }
        Self::from_units(if is_negative { -units } else { units }).ok_or_else(does_not_fit)
    }
}

impl<const SCALE: u32> fmt::Display for Decimal<SCALE> {
    /// Without superfluous zeros: `12.5`, `3`, `-0.001`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10u128.pow(SCALE);
        let units = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (units / one, units % one);
        if fraction == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let fraction = format!("{fraction:0width$}", width = SCALE as usize);
        write!(formatter, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl<const SCALE: u32> Serialize for Decimal<SCALE> {
    /// As Avro bytes. (Text forms are made from the schema, see [`crate::json`].)
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_bytes(|bytes| serializer.serialize_bytes(bytes))
    }
}

impl<'de, const SCALE: u32> Deserialize<'de> for Decimal<SCALE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor::<SCALE>)
    }
}

struct DecimalVisitor<const SCALE: u32>;

impl<const SCALE: u32> Visitor<'_> for DecimalVisitor<SCALE> {
    type Value = Decimal<SCALE>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a decimal number with up to {SCALE} digits after the point")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Decimal::from_bytes(bytes).ok_or_else(|| E::custom("decimal is empty or has more than 38 digits"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Self::Value, E> {
        Decimal::from_integer(integer).ok_or_else(|| E::custom("decimal has more than 38 digits"))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Self::Value, E> {
        i64::try_from(integer).map_err(E::custom).and_then(|integer| self.visit_i64(integer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(units: i128) -> Vec<u8> {
        Amount::from_units(units).expect("fits").with_bytes(<[u8]>::to_vec)
    }

    #[test]
    fn text_keeps_every_digit() {
        for (text, shown) in [
            ("61837.63000000", "61837.63"),
            ("-0.0000000001", "-0.0000000001"),
            ("0", "0"),
            ("-0", "0"),
            ("100", "100"),
            ("9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"),
        ] {
            assert_eq!(text.parse::<Amount>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn what_does_not_fit_or_is_no_number_is_refused() {
        for text in [
            "0.00000000001",
            "10000000000000000000000000000",
            "1e5",
            "",
            "-",
            ".5",
            "1.2.3",
            "+1",
            "NaN",
            "١",
        ] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    #[test]
    fn avro_bytes_are_the_shortest_twos_complement() {
        assert_eq!(bytes(0), [0]);
        assert_eq!(bytes(127), [0x7f]);
        assert_eq!(bytes(128), [0x00, 0x80]);
        assert_eq!(bytes(-1), [0xff]);
        assert_eq!(bytes(-128), [0x80]);
        assert_eq!(bytes(-129), [0xff, 0x7f]);
    }

    #[test]
    fn bytes_read_back_and_longer_forms_are_understood() {
        for units in [0, 1, -1, 127, 128, -128, -129, LIMIT - 1, 1 - LIMIT] {
            assert_eq!(Amount::from_bytes(&bytes(units)).map(Decimal::units), Some(units));
        }
        assert_eq!(Amount::from_bytes(&[0; 40]).map(Decimal::units), Some(0));
        assert_eq!(Amount::from_bytes(&[0xff; 40]).map(Decimal::units), Some(-1));
        assert_eq!(Amount::from_bytes(&[]), None);
        assert_eq!(Amount::from_bytes(&[0x7f; 16]), None);
        assert_eq!(Amount::from_bytes(&[1; 17]), None);
        assert_eq!(Amount::from_bytes(&[[0x00].as_slice(), &[0xff; 16]].concat()), None);
    }

    #[test]
    fn products_are_exact_or_refused() {
        let price: Amount = "61837.63".parse().expect("number");
        let quantity: Amount = "0.00016".parse().expect("number");
        assert_eq!(price.checked_mul(quantity).expect("fits").to_string(), "9.8940208");
        let huge = Amount::from_units(LIMIT - 1).expect("fits");
        assert_eq!(huge.checked_mul(huge), None);
        assert_eq!(huge.checked_add(huge), None);
    }
}
