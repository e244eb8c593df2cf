//! One shard's progress: how far each of its partitions has been read, what was already shown, when it is idle.
//!
//! Always holds: what an earlier run has shown is not shown again, and nothing else is left out. To rebuild its state a
//! shard reads its partitions again, from a snapshot's positions or from where its history began; records of ticks up to the
//! committed horizon, and records that depend on one event before the committed position, are then computed but not shown.
//! (A tick's content does not depend on how partitions are interleaved, see [`processors::processor`]; so the horizon
//! alone tells what was shown.) What raised a watermark besides the log is repeated where it happened.
//!
//! Does not know: the log, transactions, where snapshots are.

use std::collections::BTreeMap;

use kafka::{Committed, Position, TopicPartition};
use processors::{Output, Shard, Taken};
use schemas::{Event, Timestamp, Topic};

use crate::horizon::{Horizon, Note};
use crate::raises::Raises;
use crate::saving::Kept;
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
    /// Where the history begins.
    pub(crate) from: i64,
    /// The first offset that the log still has.
    pub(crate) log_start: i64,
    pub(crate) raises: Raises,
    /// Its next new record finds the watermark at least here: no partition may be behind what its shard has shown.
    raise_to: Option<Timestamp>,
    /// Elapsed time of the last record, or of the last look whether there are more.
    pub(crate) quiet_since_micros: i64,
    pub(crate) is_idle: bool,
}

impl Input {
    /// A partition that was shown up to `shown_before` of a history that began at `from`.
    pub(crate) fn new(
        topic: Topic,
        partition: TopicPartition,
        from: i64,
        shown_before: i64,
        log_start: i64,
    ) -> Self {
        Input {
            topic,
            partition,
            next_offset: from.max(log_start),
            shown_before,
            from,
            log_start,
            raises: Raises::default(),
            raise_to: None,
            quiet_since_micros: 0,
            is_idle: false,
        }
    }

    /// The state of this partition is the one before `offset`. Tells whether the log still has all that comes after.
    pub(crate) fn begin_at(&mut self, offset: i64) -> bool {
        self.next_offset = offset.max(self.log_start);
        offset >= self.log_start.min(self.shown_before)
    }

    fn is_caught_up(&self) -> bool {
        self.next_offset >= self.shown_before
    }
}

/// What is known of a shard before its state is there.
pub(crate) struct Origin {
    pub(crate) number: i32,
    /// Names the history of commits.
    pub(crate) history: i64,
    /// The committed horizon.
    pub(crate) shown_up_to: Timestamp,
    pub(crate) inputs: Vec<Input>,
    /// The committed positions, in the order of the inputs.
    pub(crate) committed: Vec<Option<Committed>>,
}

/// A shard on its worker.
pub(crate) struct LiveShard {
    pub(crate) number: i32,
    pub(crate) history: i64,
    pub(crate) inputs: Vec<Input>,
    pub(crate) shard: Shard,
    shown_up_to: Timestamp,
    is_rebuilding: bool,
    /// Since when, and from which watermark, the clock moves the watermark because all partitions are idle.
    all_idle_since: Option<(i64, Timestamp)>,
    /// Whether anything was taken in or shown since the last commit.
    pub(crate) has_news: bool,
    /// The positions that the log has, in the order of the inputs.
    pub(crate) committed: Vec<Option<Committed>>,
    /// What of the state is stored.
    pub(crate) kept: Kept,
}

/// What taking in one event did.
pub(crate) struct Progress {
    pub(crate) taken: Taken,
    /// The event lies before the committed position: it only rebuilds state.
    pub(crate) is_replay: bool,
    /// An older raise had to be forgotten, although no snapshot has made it needless.
    pub(crate) has_forgotten_raise: bool,
}

impl LiveShard {
    /// A shard with the state that `shard` has at the inputs' `next_offset`.
    pub(crate) fn new(origin: Origin, shard: Shard, kept: Kept, now: Now) -> Self {
        let Origin { number, history, shown_up_to, inputs, committed } = origin;
        let mut live = LiveShard {
            number,
            history,
            inputs,
            shard,
            shown_up_to,
            is_rebuilding: true,
            all_idle_since: None,
            has_news: false,
            committed,
            kept,
        };
        live.ask_anew(shown_up_to, now);
        live.end_rebuilding_if_caught_up();
        live
    }

    /// Goes on after a pause in which nobody else has committed anything.
    pub(crate) fn resume(&mut self, now: Now) {
        self.ask_anew(self.shard.watermark(), now);
    }

    /// Begins to read: no partition is idle until it has been asked, and none may be behind what was shown.
    fn ask_anew(&mut self, shown_up_to: Timestamp, now: Now) {
        self.shard.mark_active();
        self.all_idle_since = None;
        for input in &mut self.inputs {
            input.is_idle = false;
            input.quiet_since_micros = now.elapsed_micros;
            input.raise_to = Some(shown_up_to).filter(|watermark| *watermark != Timestamp::MIN);
        }
    }

    pub(crate) fn is_rebuilding(&self) -> bool {
        self.is_rebuilding
    }

    /// How many records there are between here and the committed positions.
    pub(crate) fn records_to_go(&self) -> u64 {
        let to_go = |input: &Input| u64::try_from(input.shown_before - input.next_offset).unwrap_or(0);
        if self.is_rebuilding { self.inputs.iter().map(to_go).sum() } else { 0 }
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
        let input = self.inputs.iter_mut().find(|input| input.topic == topic)?;
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
        let raise = match (is_replay, event) {
            (true, _) => input.raises.at(offset),
            (false, Some(_)) => input.raise_to.take(),
            (false, None) => None,
        };
        if let Some(watermark) = raise {
            self.shard.raise(topic, watermark);
        }
        let taken =
            event.map(|event| self.shard.process(topic, offset, ingest_time, event, out)).unwrap_or_default();
        let mut has_forgotten_raise = false;
        if is_replay {
            out.truncate(already_out);
        } else if let Some(watermark) = taken.raised_to.max(raise) {
            has_forgotten_raise = input.raises.push(offset, watermark);
        }
        Some(Progress { taken, is_replay, has_forgotten_raise })
    }

    /// Lets the watermark follow what was taken in, and shows the ticks it passes.
    pub(crate) fn advance(&mut self, out: &mut Vec<Output>) {
        let already_out = out.len();
        self.shard.advance(out);
        self.hide_shown(already_out, out);
        // Partitions catch up one after the other, so ticks past the horizon may be shown before all have: the horizon that is
        // committed with them must follow, or whoever comes next would show them again.
        self.shown_up_to = self.shown_up_to.max(self.shard.watermark());
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

    /// Every partition's position, with the horizon. While the state is being rebuilt neither is before what was committed.
    pub(crate) fn positions(&self, note: &Note) -> Vec<Position> {
        let restoring = self.is_rebuilding.then(|| self.records_to_go());
        let watermark = if self.is_rebuilding { self.shown_up_to } else { self.shard.watermark() };
        let position = |input: &Input| {
            let horizon = Horizon {
                watermark,
                history: self.history,
                from: input.from,
                raises: input.raises.clone(),
                note: Note {
                    snapshot_at: self.kept.stored_at(),
                    snapshot_offset: self.kept.offset(input.topic),
                    restoring,
                    ..note.clone()
                },
            };
            let offset = input.next_offset.max(input.shown_before);
            Position { partition: input.partition.clone(), offset, metadata: horizon.to_metadata() }
        };
        self.inputs.iter().map(position).collect()
    }

    /// The log has these positions, among others.
    pub(crate) fn was_committed(&mut self, positions: &[Position]) {
        self.has_news = false;
        for (input, committed) in self.inputs.iter().zip(&mut self.committed) {
            if let Some(position) = positions.iter().find(|position| position.partition == input.partition) {
                *committed = Some(Committed { offset: position.offset, metadata: position.metadata.clone() });
            }
        }
    }

    /// How far each input topic has been read, for the results' freshness.
    pub(crate) fn input_offsets(&self) -> BTreeMap<String, i64> {
        self.inputs.iter().map(|input| (input.topic.name().to_owned(), input.next_offset)).collect()
    }

    fn hide_shown(&self, already_out: usize, out: &mut Vec<Output>) {
        if !self.is_rebuilding {
            return;
        }
        let shown_up_to = self.shown_up_to;
        let mut index = 0;
        out.retain_mut(|output| {
            index += 1;
            index <= already_out || output.freshness_mut().as_of > shown_up_to
        });
    }

    fn end_rebuilding_if_caught_up(&mut self) {
        if self.is_rebuilding && self.inputs.iter().all(Input::is_caught_up) {
            // Everything up to the horizon was shown before: it is computed for the state's sake only.
            self.shard.advance_to(self.shown_up_to, &mut Vec::new());
            self.is_rebuilding = false;
        }
    }
}
