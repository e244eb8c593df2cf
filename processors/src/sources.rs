//! How far the shards of a first stage have come, as the second hears it.
//!
//! The clock of a second stage is the least of what they have completed: until all have spoken there is none, and one that stands
//! still holds it back. Whether a shard without events holds anything back the shard itself decides, and says so in the log.
//!
//! Always holds: what is known follows from the partials alone. Memory is one instant for each shard of the first stage.
//! Does not know: boards.

use std::collections::BTreeMap;

use schemas::{BoardPartial, PartialKind, Timestamp};

use crate::state::bytes::{Reader, Stored, Unreadable};

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sources {
    shard_count: i64,
    /// What each shard has completed; none: it has nothing so far and holds nothing back.
    completed: BTreeMap<i64, Option<Timestamp>>,
}

impl Sources {
    /// Takes in what a shard says, of its first stage's job.
    pub(crate) fn hear(&mut self, partial: &BoardPartial) {
        self.shard_count = self.shard_count.max(i64::from(partial.shard_count));
        let completed = self.completed.entry(i64::from(partial.freshness.shard));
        match partial.kind {
            PartialKind::Progress => {
                let completed = completed.or_default();
                *completed = (*completed).max(Some(partial.freshness.as_of));
            }
            // It begins to speak: nothing is complete until it says so.
            PartialKind::Scores => {
                completed.or_default().get_or_insert(Timestamp::MIN);
            }
            PartialKind::Idle => {
                completed.or_default();
            }
            PartialKind::Unknown => {}
        }
    }

    /// What all have completed.
    pub(crate) fn watermark(&self) -> Timestamp {
        let is_known = usize::try_from(self.shard_count).is_ok_and(|count| self.completed.len() >= count);
        let least = self.completed.values().flatten().min().copied();
        least.filter(|_| is_known).unwrap_or(Timestamp::MIN)
    }
}

impl Stored for Sources {
    fn put(&self, out: &mut Vec<u8>) {
        self.shard_count.put(out);
        (self.completed.len() as u64).put(out);
        for (shard, completed) in &self.completed {
            shard.put(out);
            completed.put(out);
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let shard_count = reader.get()?;
        let completed = (0..reader.len()?).map(|_| Ok((reader.get()?, reader.get()?)));
        Ok(Sources { shard_count, completed: completed.collect::<Result<_, Unreadable>>()? })
    }
}
