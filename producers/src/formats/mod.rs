//! Parsers of recorded input: one file for each format, each from a line (or a document) to events.
//!
//! Always holds: a parser is pure, never panics whatever the text, and either says what the line means (some
//! events, or none) or what is wrong with it. Does not know: files, line numbers, gzip (see [`crate::recording`]).

pub(crate) mod binance;
pub mod binance_csv;
pub mod binance_ws;
pub mod irc;
pub mod jsonl;
pub(crate) mod twitch;
pub mod twitch_irc;
pub mod twitch_vod;

use std::fmt;
use std::str::FromStr;

use schemas::{InvalidValue, Timestamp, Topic};

/// A format of recorded input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Raw Twitch IRC lines with tags.
    TwitchIrc,
    /// A Twitch VOD's chat as one JSON document.
    TwitchVod,
    /// Lines of a Binance WebSocket capture, each behind its receive time.
    BinanceWs,
    /// Binance trades as CSV with a header.
    BinanceCsv,
    /// Our own JSON lines: `{"topic": ..., "record": {...}}`.
    Jsonl,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] =
        [Format::TwitchIrc, Format::TwitchVod, Format::BinanceWs, Format::BinanceCsv, Format::Jsonl];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::TwitchIrc => "twitch-irc",
            Format::TwitchVod => "twitch-vod",
            Format::BinanceWs => "binance-ws",
            Format::BinanceCsv => "binance-csv",
            Format::Jsonl => "jsonl",
        }
    }

    /// The topic that its lines are (mostly) meant for; none where any topic may come.
    #[must_use]
    pub const fn topic(self) -> Option<Topic> {
        match self {
            Format::TwitchIrc | Format::TwitchVod => Some(Topic::Chat),
            Format::BinanceWs | Format::BinanceCsv => Some(Topic::Trades),
            Format::Jsonl => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a format; there are twitch-irc, twitch-vod, binance-ws, binance-csv and jsonl")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// Its bytes are not text.
    #[error("not text in UTF-8")]
    NotUtf8,
    /// Too long to be a line of any format.
    #[error("longer than {limit_bytes} bytes")]
    TooLong {
        /// The most that is read.
        limit_bytes: usize,
    },
    /// It does not have the format's shape.
    #[error("{0}")]
    Shape(String),
    /// A tag, column or field that the event needs is not there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A tag, column or field is there but cannot be understood.
    #[error("`{field}` is `{value}`: {problem}")]
    Field {
        /// The field's name in the input.
        field: &'static str,
        /// Its value, shortened.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It can be read, but no correct producer sends such an event.
    #[error("invalid value: {0}")]
    InvalidValue(#[from] InvalidValue),
}

pub(crate) fn field_error(field: &'static str, value: &str, problem: &'static str) -> ParseError {
    ParseError::Field { field, value: value.chars().take(64).collect(), problem }
}

/// A count of seconds, milliseconds, microseconds or nanoseconds since 1970: which one shows in its size (the
/// ranges do not overlap for any day between 1973 and 5138).
#[must_use]
pub fn instant_by_magnitude(number: i64) -> Timestamp {
    match number.unsigned_abs() {
        0..100_000_000_000 => Timestamp::from_micros(number * 1_000_000),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millis(number),
        100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_micros(number),
        _ => Timestamp::from_micros(number.div_euclid(1_000)),
    }
}

/// An instant as captures write it in front of a line: a whole number (see [`instant_by_magnitude`]) or seconds
/// with a fraction (digits beyond the sixth are cut off), or RFC 3339.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits(text) {
        return text.parse().ok().map(instant_by_magnitude);
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && is_digits(seconds)
        && is_digits(fraction)
    {
        let micros: i64 = format!("{:0<6.6}", fraction).parse().ok()?;
        return Some(Timestamp::from_micros(
            seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?,
        ));
    }
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(instant.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_understood_by_size_and_shape() {
        let expected = Some(Timestamp::from_micros(1_633_998_523_957_215));
        for text in [
            "1633998523.957215",
            "1633998523.9572159",
            "1633998523957215",
            "1633998523957215000",
            "2021-10-12T00:28:43.957215Z",
            "2021-10-12T02:28:43.957215+02:00",
        ] {
            assert_eq!(parse_instant(text), expected, "{text}");
        }
        assert_eq!(parse_instant("1633998523957"), Some(Timestamp::from_millis(1_633_998_523_957)));
        assert_eq!(parse_instant("1633998523.5"), Some(Timestamp::from_millis(1_633_998_523_500)));
        for text in ["", ".", "1.", ".5", "-5", "12a", "99999999999999999999", "9999999999999999999.1"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn every_format_finds_itself_by_name() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("twitch".parse::<Format>().is_err());
    }
}
