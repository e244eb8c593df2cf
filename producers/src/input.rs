//! One input as the command line names it.
//!
//! Always holds: an option that the format does not have is refused. Does not know: what is in the file.

use std::path::PathBuf;
use std::str::FromStr;

use schemas::Timestamp;

use crate::formats::{Format, UnknownFormat};
use crate::recording::{ReadError, ReadOptions, Recording};

/// One input as named on the command line: `FORMAT[,OPTION=VALUE ...]:FILE`.
///
/// Options: `venue=NAME` for the Binance formats, `start_ms=MILLISECONDS` (since 1970) for twitch-vod.
#[derive(Clone, Debug)]
pub struct Input {
    /// The format.
    pub format: Format,
    /// The file.
    pub path: PathBuf,
    /// How to read it.
    pub options: ReadOptions,
}

/// Why a text is not an [`Input`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// No colon, or nothing behind it.
    #[error("`{0}` is not FORMAT:FILE, such as twitch-irc:chat.txt")]
    NotAnInput(String),
    /// There is no such format.
    #[error(transparent)]
    UnknownFormat(#[from] UnknownFormat),
    /// The format has no such option, or the value does not fit.
    #[error("`{option}` is not an option of {format}; {known}")]
    Option {
        /// The option as written.
        option: String,
        /// The format.
        format: Format,
        /// What there is.
        known: &'static str,
    },
}

impl FromStr for Input {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let not_an_input = || InputError::NotAnInput(text.to_owned());
        let (head, path) = text.split_once(':').ok_or_else(not_an_input)?;
        if path.is_empty() {
            return Err(not_an_input());
        }
        let mut words = head.split(',');
        let format: Format = words.next().unwrap_or_default().parse()?;
        let mut options = ReadOptions::default();
        for word in words {
            match (format, word.split_once('=')) {
                (Format::BinanceWs | Format::BinanceCsv, Some(("venue", venue))) if !venue.is_empty() => {
                    options.venue = Some(venue.to_owned());
                }
                (Format::TwitchVod, Some(("start_ms", start))) if start.parse::<i64>().is_ok() => {
                    options.start = start.parse().ok().map(Timestamp::from_millis);
                }
                _ => {
                    let known = match format {
                        Format::BinanceWs | Format::BinanceCsv => "it has venue=NAME",
                        Format::TwitchVod => "it has start_ms=MILLISECONDS since 1970",
                        Format::TwitchIrc | Format::Jsonl => "it has none",
                    };
                    return Err(InputError::Option { option: word.to_owned(), format, known });
                }
            }
        }
        Ok(Input { format, path: path.into(), options })
    }
}

impl Input {
    /// Opens it.
    ///
    /// # Errors
    /// See [`Recording::open`].
    pub fn open(&self) -> Result<Recording, ReadError> {
        Recording::open(self.format, &self.path, &self.options)
    }
}
