//! What travels with a committed position: how far the shard's windows had been closed and shown, and what the log lacks.
//!
//! A shard's commits form its **history**: it begins where there were no positions, or an operator set some, and each
//! commit continues it. State, snapshots and parked shards belong to one history and are never used in another.
//!
//! Always holds: every record of a tick at or before the horizon's watermark was committed together with it, and no record
//! of a later tick. A text that we cannot read is an error, never a guess: guessing would repeat or lose records.

use schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::raises::Raises;

/// The newest form of the text.
const VERSION: u32 = 2;
/// What the log takes with a position.
const METADATA_BYTES_MAX: usize = 4_096;
/// How much of an address is kept.
const OWNER_BYTES_MAX: usize = 200;

/// One partition's share of the shard's progress at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The shard's watermark, up to which everything was shown.
    pub watermark: Timestamp,
    /// Names the history; 0 for those that began before histories had names.
    pub history: i64,
    /// The offset at which the history begins in this partition.
    pub from: i64,
    /// Where something outside the log raised this partition's watermark.
    pub raises: Raises,
    /// For whoever asks how the job is doing.
    pub note: Note,
}

/// What a commit says about the shard besides its progress.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Note {
    /// The address at which the owner answers over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When this was committed, by the owner's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Timestamp>,
    /// When the newest snapshot was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_at: Option<Timestamp>,
    /// The offset of this partition that the newest snapshot reflects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_offset: Option<i64>,
    /// How many records the shard has still to read again before it goes on; none if it is up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restoring: Option<u64>,
}

/// The text's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    watermark: Timestamp,
    #[serde(default)]
    history: i64,
    #[serde(default)]
    from: i64,
    #[serde(default)]
    raises_from: i64,
    #[serde(default)]
    raises: Vec<i64>,
    #[serde(default)]
    note: Note,
}

/// A committed text that is not a horizon.
#[derive(Debug, thiserror::Error)]
#[error("the text committed with the position is not a horizon of version {VERSION}: `{text}`")]
pub struct UnreadableHorizon {
    text: String,
}

impl Horizon {
    /// The text for the position's metadata: at most 4 KiB. Raises that do not fit are left out, the oldest first.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        let mut raises = self.raises.clone();
        let mut note = self.note.clone();
        note.owner = note.owner.filter(|owner| owner.len() <= OWNER_BYTES_MAX);
        loop {
            let written = Written {
                version: VERSION,
                watermark: self.watermark,
                history: self.history,
                from: self.from,
                raises_from: raises.complete_from(),
                raises: raises.deltas(),
                note: note.clone(),
            };
            let text = serde_json::to_string(&written).unwrap_or_default();
            if text.len() <= METADATA_BYTES_MAX || !raises.forget_oldest() {
                return text;
            }
        }
    }

    /// Reads a position's metadata. An empty text (positions set by an operator's tool) is no horizon: nothing was shown.
    ///
    /// # Errors
    /// If the text is not empty and not a horizon of a version that we know.
    pub fn from_metadata(text: &str) -> Result<Option<Self>, UnreadableHorizon> {
        if text.is_empty() {
            return Ok(None);
        }
        let unreadable = || UnreadableHorizon { text: text.chars().take(200).collect() };
        let written: Written = serde_json::from_str(text).map_err(|_| unreadable())?;
        let raises = Raises::from_deltas(written.raises_from, &written.raises).ok_or_else(unreadable)?;
        if !(1..=VERSION).contains(&written.version) {
            return Err(unreadable());
        }
        let Written { watermark, history, from, note, .. } = written;
        Ok(Some(Horizon { watermark, history, from, raises, note }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn horizon(micros: i64) -> Horizon {
        Horizon {
            watermark: Timestamp::from_micros(micros),
            history: 1_700_000_000_000_000,
            from: 5,
            raises: Raises::default(),
            note: Note {
                owner: Some("http://host:8080".to_owned()),
                snapshot_offset: Some(9),
                ..Note::default()
            },
        }
    }

    #[test]
    fn a_horizon_comes_back_from_its_text() {
        for micros in [i64::MIN, -1, 0, 1_700_000_000_000_000, i64::MAX] {
            let mut written = horizon(micros);
            assert!(!written.raises.push(7, Timestamp::from_micros(123)));
            assert_eq!(Horizon::from_metadata(&written.to_metadata()).unwrap(), Some(written));
        }
    }

    #[test]
    fn the_first_version_is_still_read() {
        let read = Horizon::from_metadata(r#"{"version":1,"watermark":17}"#).unwrap().unwrap();
        assert_eq!((read.watermark.micros(), read.history, read.from), (17, 0, 0));
    }

    #[test]
    fn only_an_empty_text_means_nothing_shown() {
        assert_eq!(Horizon::from_metadata("").unwrap(), None);
        for text in [
            "{}",
            "5",
            r#"{"version":3,"watermark":1}"#,
            r#"{"version":0,"watermark":1}"#,
            r#"{"version":1,"watermark":1,"more":1}"#,
            r#"{"version":2,"watermark":1,"raises":[1]}"#,
            "\u{0}",
        ] {
            assert!(Horizon::from_metadata(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_text_never_outgrows_what_the_log_takes() {
        let mut long = horizon(i64::MIN);
        long.note.owner = Some("x".repeat(10_000));
        for offset in 0..200 {
            long.raises
                .push(offset * 1_000_000_000_000, Timestamp::from_micros((offset % 2 - 1) * (i64::MAX / 4)));
        }
        let text = long.to_metadata();
        assert!(text.len() <= METADATA_BYTES_MAX, "{}", text.len());
        let read = Horizon::from_metadata(&text).unwrap().unwrap();
        assert!(read.raises.complete_from() > long.raises.complete_from());
        assert_eq!(read.raises.at(199_000_000_000_000), long.raises.at(199_000_000_000_000));
    }
}
