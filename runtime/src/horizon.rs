//! What travels with a committed position: how far the shard's windows had been closed and shown.
//!
//! Always holds: every record of a tick at or before the horizon's watermark was committed together with it, and no record
//! of a later tick. A text that we cannot read is an error, never a guess: guessing would repeat or lose records.

use schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// The newest form of the text.
const VERSION: u32 = 1;

/// The shard's watermark at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Horizon {
    version: u32,
    watermark: Timestamp,
}

/// A committed text that is not a horizon.
#[derive(Debug, thiserror::Error)]
#[error("the text committed with the position is not a horizon of version {VERSION}: `{text}`")]
pub struct UnreadableHorizon {
    text: String,
}

impl Horizon {
    /// The horizon at this watermark.
    #[must_use]
    pub fn at(watermark: Timestamp) -> Self {
        Horizon { version: VERSION, watermark }
    }

    /// The watermark up to which everything was shown.
    #[must_use]
    pub fn watermark(self) -> Timestamp {
        self.watermark
    }

    /// The text for the position's metadata; well under 4 KiB.
    #[must_use]
    pub fn to_metadata(self) -> String {
        format!(r#"{{"version":{},"watermark":{}}}"#, self.version, self.watermark.micros())
    }

    /// Reads a position's metadata. An empty text (positions set by an operator's tool) means that nothing was shown.
    ///
    /// # Errors
    /// If the text is not empty and not a horizon of a version that we know.
    pub fn from_metadata(text: &str) -> Result<Self, UnreadableHorizon> {
        if text.is_empty() {
            return Ok(Horizon::at(Timestamp::MIN));
        }
        let horizon: Option<Horizon> = serde_json::from_str(text).ok();
        horizon
            .filter(|horizon| horizon.version == VERSION)
            .ok_or_else(|| UnreadableHorizon { text: text.chars().take(200).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_horizon_comes_back_from_its_text() {
        for micros in [i64::MIN, -1, 0, 1_700_000_000_000_000, i64::MAX] {
            let horizon = Horizon::at(Timestamp::from_micros(micros));
            assert_eq!(Horizon::from_metadata(&horizon.to_metadata()).unwrap(), horizon);
        }
    }

    #[test]
    fn only_an_empty_text_means_nothing_shown() {
        assert_eq!(Horizon::from_metadata("").unwrap().watermark(), Timestamp::MIN);
        for text in
            ["{}", "5", r#"{"version":2,"watermark":1}"#, r#"{"version":1,"watermark":1,"more":1}"#, "\u{0}"]
        {
            assert!(Horizon::from_metadata(text).is_err(), "{text}");
        }
    }
}
