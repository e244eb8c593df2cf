//! One shard's progress: how far each of its partitions has been read, what was already shown, when it is idle.
//!
//! Always holds: what an earlier run has shown is not shown again, and nothing else is left out. To rebuild its state a
//! shard reads its partitions again from their start; records of ticks up to the committed horizon, and records that
//! depend on one event before the committed position, are then computed but not shown.
//! (A tick's content does not depend on how partitions are interleaved, see [`processors::processor`]; so the horizon
//! alone tells what was shown.)
//!
//! Does not know: the log, transactions.

use std::collections::BTreeMap;

use kafka::{Position, TopicPartition};
use processors::{Output, Shard};
use schemas::{Event, Timestamp, Topic};

use crate::horizon::Horizon;
use crate::worker::Now;

/// One partition of a shard.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) topic: Topic,
    pub(crate) partition: TopicPartition,
    /// The offset after the last record taken in.
    pub(crate) next_offset: i64,
    /// The committed position when the shard came to us: what lies before it was shown.
    pub(crate) shown_before: i64,
    /// Elapsed time of the last record, or of the last look whether there are more.
    pub(crate) quiet_since_micros: i64,
    pub(crate) is_idle: bool,
}

impl Input {
    fn is_caught_up(&self) -> bool {
        self.next_offset >= self.shown_before
    }
}

/// A shard on its worker.
pub(crate) struct LiveShard {
    pub(crate) number: i32,
    pub(crate) inputs: Vec<Input>,
    shard: Shard,
    horizon: Horizon,
    is_rebuilding: bool,
    /// Since when, and from which watermark, the clock moves the watermark because all partitions are idle.
    all_idle_since: Option<(i64, Timestamp)>,
    /// Whether anything was taken in or shown since the last commit.
    pub(crate) has_news: bool,
}

/// What taking in one event did.
pub(crate) struct Progress {
    pub(crate) taken: processors::shard::Taken,
    /// The event lies before the committed position: it only rebuilds state.
    pub(crate) is_replay: bool,
}

impl LiveShard {
    pub(crate) fn new(number: i32, shard: Shard, inputs: Vec<Input>, horizon: Horizon) -> Self {
        let mut live = LiveShard {
            number,
            inputs,
            shard,
            horizon,
            is_rebuilding: true,
            all_idle_since: None,
            has_news: false,
        };
        live.end_rebuilding_if_caught_up();
        live
    }

    pub(crate) fn is_rebuilding(&self) -> bool {
        self.is_rebuilding
    }

    pub(crate) fn watermark(&self) -> Timestamp {
        self.shard.watermark()
    }

    pub(crate) fn input_mut(&mut self, topic: Topic) -> Option<&mut Input> {
        self.inputs.iter_mut().find(|input| input.topic == topic)
    }

    /// Takes in a record of `topic`: `event` if it could be read. Returns none if the record was taken in before.
    pub(crate) fn take(
        &mut self,
        topic: Topic,
        offset: i64,
        ingest_time: Timestamp,
        event: Option<&Event<'_>>,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Option<Progress> {
        let input = self.input_mut(topic)?;
        if offset < input.next_offset {
            return None;
        }
        input.next_offset = offset + 1;
        input.quiet_since_micros = now.elapsed_micros;
        input.is_idle = false;
        let is_replay = offset < input.shown_before;
        self.all_idle_since = None;
        self.has_news |= !is_replay;
        let already_out = out.len();
        let taken =
            event.map(|event| self.shard.process(topic, offset, ingest_time, event, out)).unwrap_or_default();
        if is_replay {
            out.truncate(already_out);
        }
        Some(Progress { taken, is_replay })
    }

    /// Lets the watermark follow what was taken in, and shows the ticks it passes.
    pub(crate) fn advance(&mut self, out: &mut Vec<Output>) {
        let already_out = out.len();
        self.shard.advance(out);
        self.hide_shown(already_out, out);
        self.end_rebuilding_if_caught_up();
        self.has_news |= out.len() > already_out;
    }

    /// Says that `topic` has nothing more to read.
    pub(crate) fn mark_idle(&mut self, topic: Topic) {
        if let Some(input) = self.input_mut(topic) {
            input.is_idle = true;
        }
        self.shard.mark_idle(topic);
    }

    /// When all partitions are idle the watermark follows the clock, so that a quiet channel's last window closes.
    pub(crate) fn follow_clock(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.shard.is_idle() || self.is_rebuilding || self.shard.watermark() == Timestamp::MIN {
            return;
        }
        let (since_micros, from) =
            *self.all_idle_since.get_or_insert((now.elapsed_micros, self.shard.watermark()));
        let already_out = out.len();
        self.shard.advance_to(from.plus_micros(now.elapsed_micros - since_micros), out);
        self.has_news |= out.len() > already_out;
    }

    /// Every partition's position, with the horizon.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let metadata = Horizon::at(self.shard.watermark()).to_metadata();
        self.inputs.iter().map(move |input| Position {
            partition: input.partition.clone(),
            offset: input.next_offset,
            metadata: metadata.clone(),
        })
    }

    /// How far each input topic has been read, for the results' freshness.
    pub(crate) fn input_offsets(&self) -> BTreeMap<String, i64> {
        self.inputs.iter().map(|input| (input.topic.name().to_owned(), input.next_offset)).collect()
    }

    fn hide_shown(&self, already_out: usize, out: &mut Vec<Output>) {
        if !self.is_rebuilding {
            return;
        }
        let shown_up_to = self.horizon.watermark();
        let mut index = 0;
        out.retain_mut(|output| {
            index += 1;
            index <= already_out || output.freshness_mut().as_of > shown_up_to
        });
    }

    fn end_rebuilding_if_caught_up(&mut self) {
        if self.is_rebuilding && self.inputs.iter().all(Input::is_caught_up) {
            // Everything up to the horizon was shown before: it is computed for the state's sake only.
            self.shard.advance_to(self.horizon.watermark(), &mut Vec::new());
            self.is_rebuilding = false;
        }
    }
}
