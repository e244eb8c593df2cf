//! A shard: one partition number across a job's inputs, the unit of parallelism, of state and of recovery.
//!
//! Here is its pure half: the watermarks, and the processors that it feeds. Always holds: a watermark never falls; the
//! shard's is never ahead of any of its partitions'. Does not know: the log, the clock, or when to commit.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    BoardPartial, EngagementResult, Event, Freshness, LeaderboardResult, PartialKind, Timestamp, Topic,
};

use crate::dedup::{self, Memory};
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::sources::Sources;
use crate::state::bytes::{Stored, stored};
use crate::state::{Chunk, Head, StateError, StateSize};

/// How a job treats time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSettings {
    /// How far the watermark stays behind the largest event time seen, in microseconds: how much disorder is waited for.
    pub lateness_micros: i64,
    /// How far an event may be ahead of its ingest time, in microseconds; what is further ahead is cut off there.
    pub future_skew_micros: i64,
    /// How long the id of an event is remembered, in microseconds of its topic's event time; zero: no id is.
    pub dedup_for_micros: i64,
    /// How many ids are remembered at most, an equal share for every topic.
    pub dedup_ids_max: usize,
}

/// No event time is taken for earlier or later than some 73,000 years from 1970: beyond, window arithmetic would saturate.
const EARLIEST: Timestamp = Timestamp::from_micros(i64::MIN / 4);
const LATEST: Timestamp = Timestamp::from_micros(i64::MAX / 4);

/// One partition: its clock, and what it brought.
struct Input {
    topic: Topic,
    clock: Clock,
    /// The ids of its events, if they are to be remembered.
    memory: Option<Memory>,
}

/// One partition's clock.
#[derive(Clone, Copy, Debug)]
struct Clock {
    watermark: Timestamp,
    is_idle: bool,
    /// Whether the watermark was raised, by other than its records, since the last one.
    is_raised: bool,
}

stored!(Clock { watermark, is_idle, is_raised });

/// What happened to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Taken {
    /// It was too late for every processor that wanted it.
    pub is_late: bool,
    /// Its event time was too far in the future (or absurdly far in the past) and was cut off.
    pub is_clamped: bool,
    /// An event with its id came before on the same topic: it was ignored, and the other fields say nothing.
    pub is_duplicate: bool,
    /// Its partition's watermark at its arrival, if something that is not in the log had raised it since the partition's
    /// previous record: see [`Shard::raise`].
    pub raised_to: Option<Timestamp>,
}

/// The pure half of a shard.
pub struct Shard {
    settings: ShardSettings,
    inputs: Vec<Input>,
    watermark: Timestamp,
    processors: Vec<Box<dyn Processor>>,
    stage: Stage,
    head: Head,
}

/// Where a shard's records go, and where its clock comes from.
pub(crate) enum Stage {
    /// Records are results, clocks follow event times.
    Only,
    /// There is a second stage: it is told whenever the watermark passes a multiple of `step_micros`, and if the shard has no events.
    First { step_micros: i64, is_idle_told: bool },
    /// The clock follows the shards of the first stage, the job of this name.
    Second { first: String, sources: Sources },
}

impl Shard {
    /// A shard that has seen nothing.
    #[must_use]
    pub fn new(settings: ShardSettings, topics: &[Topic], processors: Vec<Box<dyn Processor>>) -> Self {
        let ids_max = settings.dedup_ids_max / topics.len().max(1);
        let input = |topic: &Topic| Input {
            topic: *topic,
            clock: Clock { watermark: Timestamp::MIN, is_idle: false, is_raised: false },
            memory: (settings.dedup_for_micros > 0).then(|| Memory::new(settings.dedup_for_micros, ids_max)),
        };
        let inputs = topics.iter().map(input).collect();
        let (watermark, stage) = (Timestamp::MIN, Stage::Only);
        Shard { settings, inputs, watermark, processors, stage, head: Head::default() }
    }

    /// The same shard as a stage of two.
    pub(crate) fn with_stage(self, stage: Stage) -> Self {
        Shard { stage, ..self }
    }

    /// The shard's watermark: every window that ends at or before it is closed.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Feeds one event. `ingest_time` is the record's own timestamp. Events of one topic come in the order of
    /// their offsets; the order between topics does not matter.
    pub fn process(
        &mut self,
        topic: Topic,
        offset: i64,
        ingest_time: Timestamp,
        event: &Event<'_>,
        out: &mut Vec<Output>,
    ) -> Taken {
        let Some(input) = self.inputs.iter_mut().find(|input| input.topic == topic) else {
            debug_assert!(false, "{topic} is not an input of this shard");
            return Taken::default();
        };
        if let (Stage::Second { first, .. }, Event::Partial(partial)) = (&self.stage, event)
            && partial.freshness.job != *first
        {
            return Taken::default();
        }
        let claimed = event.header().event_time;
        let latest = ingest_time.plus_micros(self.settings.future_skew_micros).min(LATEST);
        let event_time = claimed.min(latest).max(EARLIEST);
        let event_id = event.header().event_id;
        if input.memory.as_mut().is_some_and(|memory| memory.is_duplicate(event_id, event_time)) {
            return Taken { is_duplicate: true, ..Taken::default() };
        }
        let clock = &mut input.clock;
        clock.is_idle = false;
        let raised_to = std::mem::take(&mut clock.is_raised).then_some(clock.watermark);
        let arrival = Arrival { topic, offset, event_time, partition_watermark: clock.watermark };
        let reached = match (&mut self.stage, event) {
            (Stage::Second { sources, .. }, Event::Partial(partial)) => {
                sources.hear(partial);
                sources.watermark()
            }
            _ => event_time.plus_micros(-self.settings.lateness_micros),
        };
        clock.watermark = clock.watermark.max(reached);
        let (mut is_taken, mut is_late) = (false, false);
        for processor in &mut self.processors {
            match processor.process(event, &arrival, out) {
                Disposition::Taken => is_taken = true,
                Disposition::Late => is_late = true,
                Disposition::Ignored => {}
            }
        }
        if matches!(self.stage, Stage::Second { .. }) {
            let reached = self.processors.iter().filter_map(|processor| processor.must_reach());
            clock.watermark = reached.fold(clock.watermark, Timestamp::max);
        }
        Taken {
            is_late: is_late && !is_taken,
            is_clamped: event_time != claimed,
            is_duplicate: false,
            raised_to,
        }
    }

    /// Lets the shard's watermark follow its partitions, and the processors with it: to the least of those that are not idle,
    /// or, when all are, to the greatest of all, so that it does not matter which of them became idle first.
    pub fn advance(&mut self, out: &mut Vec<Output>) {
        let clocks = self.inputs.iter().map(|input| &input.clock);
        let least = clocks.clone().filter(|clock| !clock.is_idle).map(|clock| clock.watermark).min();
        let greatest = clocks.map(|clock| clock.watermark).max().unwrap_or(Timestamp::MIN);
        self.advance_to(least.unwrap_or(greatest), out);
        if let Stage::First { is_idle_told, .. } = &mut self.stage
            && least.is_none()
            && greatest == Timestamp::MIN
            && !std::mem::replace(is_idle_told, true)
        {
            out.push(tell(PartialKind::Idle, Timestamp::default()));
        }
    }

    /// Says that nothing has come from a partition for a while although it was asked: it no longer holds the others back.
    pub fn mark_idle(&mut self, topic: Topic) {
        self.inputs
            .iter_mut()
            .filter(|input| input.topic == topic)
            .for_each(|input| input.clock.is_idle = true);
    }

    /// Says that every partition is asked anew, after a restore or a pause: none is idle until it is marked so again.
    pub fn mark_active(&mut self) {
        self.inputs.iter_mut().for_each(|input| input.clock.is_idle = false);
    }

    /// Whether every partition is idle: then the watermark follows the clock, through [`Shard::advance_to`].
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.inputs.iter().all(|input| input.clock.is_idle)
    }

    /// Raises the watermark to at least `watermark`: by elapsed time when all is idle, to the horizon of an earlier run,
    /// or to [`Timestamp::MAX`] at the end of the input.
    pub fn advance_to(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        if watermark <= self.watermark {
            return;
        }
        let before = std::mem::replace(&mut self.watermark, watermark);
        for input in &mut self.inputs {
            input.clock.raise(watermark);
        }
        for processor in &mut self.processors {
            processor.advance(watermark, out);
        }
        if let Stage::First { step_micros, .. } = self.stage
            && watermark.floor(step_micros) > before
        {
            out.push(tell(PartialKind::Progress, watermark));
        }
    }

    /// Repeats, before a record that is read again, the raise that [`Taken::raised_to`] reported for it.
    ///
    /// A partition's watermark follows its records; but while it is idle it is drawn along by the others', and when all are, by the
    /// clock, and a horizon raises it too. That is in no log, and may make a record late. So [`Shard::process`] says of the
    /// first record after such a raise what its partition's watermark was; who keeps (topic, offset, watermark) and calls this
    /// before that record is processed again gets the same results. `process` then reports it again, so that it is kept for
    /// the next time too.
    pub fn raise(&mut self, topic: Topic, watermark: Timestamp) {
        self.inputs
            .iter_mut()
            .filter(|input| input.topic == topic)
            .for_each(|input| input.clock.raise(watermark));
    }

    /// All state as chunks: watermarks, remembered ids, and that of every processor. Bytes are encoded only for chunks of which
    /// `is_known` does not say that the caller has that name and version.
    ///
    /// Cheap where little changed since the last call, if that one's chunks are known; a caller that lost some gets them
    /// again, at the worst everything. What changed is remembered from the first save or restore on, and until the next save.
    /// Names and versions tell contents apart along one line of saves and restores; of two shards that were restored from one
    /// snapshot, both may give one name and version to different contents.
    pub fn save(&mut self, is_known: &dyn Fn(&str, u64) -> bool) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let (watermark, inputs, stage) = (self.watermark, &self.inputs, &self.stage);
        self.head.save("shard".to_owned(), is_known, &mut chunks, |out| {
            watermark.put(out);
            (inputs.len() as u64).put(out);
            for input in inputs {
                input.topic.put(out);
                input.clock.put(out);
            }
            if let Stage::Second { sources, .. } = stage {
                sources.put(out);
            }
        });
        for input in &mut self.inputs {
            if let Some(memory) = &mut input.memory {
                memory.save(&dedup::prefix(input.topic), is_known, &mut chunks);
            }
        }
        for processor in &mut self.processors {
            processor.save(&processor.name(), is_known, &mut chunks);
        }
        chunks
    }

    /// Takes over the state that [`Shard::save`] gave. The shard is freshly built; after an error it is of no use.
    ///
    /// # Errors
    /// A chunk is missing, unreadable, or none of this shard's.
    pub fn restore(&mut self, chunks: Vec<Chunk>) -> Result<(), StateError> {
        let chunks: BTreeMap<String, Chunk> =
            chunks.into_iter().map(|chunk| (chunk.name.clone(), chunk)).collect();
        let stage = &mut self.stage;
        let (watermark, clocks): (_, Vec<(Topic, Clock)>) = self.head.restore("shard", &chunks, |head| {
            let read = (head.get()?, head.get()?);
            if let Stage::Second { sources, .. } = stage {
                *sources = head.get()?;
            }
            Ok(read)
        })?;
        self.watermark = watermark;
        if !clocks.iter().map(|(topic, _)| *topic).eq(self.inputs.iter().map(|input| input.topic)) {
            return Err(StateError::new("shard", "is of a job that reads other topics"));
        }
        for (input, (_, clock)) in self.inputs.iter_mut().zip(clocks) {
            input.clock = clock;
            if let Some(memory) = &mut input.memory {
                memory.restore(&dedup::prefix(input.topic), &chunks)?;
            }
        }
        for processor in &mut self.processors {
            processor.restore(&processor.name(), &chunks)?;
        }
        let names: BTreeSet<String> = self.save(&|_, _| true).into_iter().map(|chunk| chunk.name).collect();
        match chunks.keys().find(|name| !names.contains(*name)) {
            Some(unknown) => Err(StateError::new(unknown, "is none of this shard's")),
            None => Ok(()),
        }
    }

    /// The board of a group as it stands: what is visible, in order of rank; not final, with the revision of the last
    /// record. None if there is no such board or group.
    #[must_use]
    pub fn query(&self, board: &str, group: &str) -> Option<LeaderboardResult> {
        self.processors.iter().find_map(|processor| processor.query_board(board, group))
    }

    /// The engagement of a channel as it stands, as [`Shard::query`] gives boards.
    #[must_use]
    pub fn query_engagement(&self, channel_id: &str) -> Option<EngagementResult> {
        self.processors.iter().find_map(|processor| processor.query_engagement(channel_id))
    }

    /// How much state there is. Cheap.
    #[must_use]
    pub fn size(&self) -> StateSize {
        let mut total = StateSize::default();
        self.sizes().for_each(|(_, size)| total += size);
        total
    }

    /// How much of it each operator has: boards by their names, `engagement`, candles by their intervals, `moderation`, and the ids
    /// in `dedup`. Cheap.
    pub fn sizes(&self) -> impl Iterator<Item = (String, StateSize)> + '_ {
        let ids: usize = self.inputs.iter().filter_map(|input| Some(input.memory.as_ref()?.len())).sum();
        let dedup = StateSize {
            dedup_ids: ids as u64,
            bytes_estimate: (ids * dedup::ID_BYTES) as u64,
            ..StateSize::default()
        };
        let of_processors = self.processors.iter().map(|processor| (processor.name(), processor.size()));
        of_processors.chain([("dedup".to_owned(), dedup)])
    }
}

/// What a first stage tells the second besides scores.
fn tell(kind: PartialKind, as_of: Timestamp) -> Output {
    let word = if kind == PartialKind::Idle { "idle" } else { "progress" };
    Output::Partial(BoardPartial {
        event_id: format!("{word}/{}", as_of.micros()),
        kind,
        shard_count: 1,
        board: None,
        group: None,
        scores: Vec::new(),
        freshness: Freshness { as_of, ..Freshness::default() },
    })
}

impl Clock {
    /// Raises the watermark by other than a record.
    fn raise(&mut self, watermark: Timestamp) {
        if watermark > self.watermark {
            self.watermark = watermark;
            self.is_raised = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use schemas::{Aggressor, Amount, TradeEvent, ViewerEvent, ViewerKind};

    use super::*;

    type Seen = Arc<Mutex<Vec<String>>>;

    struct Spy(Seen);

    impl Processor for Spy {
        fn process(&mut self, _: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
            let line =
                format!("{} behind {}", arrival.event_time.micros(), arrival.partition_watermark.micros());
            self.0.lock().unwrap().push(line);
            if arrival.event_time < arrival.partition_watermark {
                Disposition::Late
            } else {
                Disposition::Taken
            }
        }

        fn advance(&mut self, watermark: Timestamp, _: &mut Vec<Output>) {
            self.0.lock().unwrap().push(format!("watermark {}", watermark.micros()));
        }

        fn name(&self) -> String {
            "spy".to_owned()
        }

        fn save(&mut self, _: &str, _: &dyn Fn(&str, u64) -> bool, _: &mut Vec<Chunk>) {}

        fn restore(&mut self, _: &str, _: &BTreeMap<String, Chunk>) -> Result<(), StateError> {
            Ok(())
        }

        fn size(&self) -> StateSize {
            StateSize::default()
        }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn trade(micros: i64) -> Event<'static> {
        Event::Trade(TradeEvent {
            event_id: "t".into(),
            event_time: at(micros),
            ingest_time: at(0),
            source: "s".into(),
            channel_id: "c".into(),
            user_id: None,
            stream_id: None,
            trade_id: None,
            price: Amount::ZERO,
            quantity: Amount::ZERO,
            aggressor: Aggressor::Unknown,
            venue: "v".into(),
            symbol: "s".into(),
        })
    }

    fn viewer(micros: i64) -> Event<'static> {
        Event::Viewer(ViewerEvent {
            event_id: "t".into(),
            event_time: at(micros),
            ingest_time: at(0),
            source: "s".into(),
            channel_id: "c".into(),
            user_id: None,
            stream_id: None,
            kind: ViewerKind::Join,
            session_id: "s".into(),
            watch_ms: 0,
            startup_ms: None,
            rebuffer_count: 0,
            rebuffer_ms: 0,
            bitrate_kbps: None,
            live_latency_ms: None,
            device: None,
            country: None,
        })
    }

    fn shard() -> (Shard, Seen) {
        let seen = Seen::default();
        let settings = ShardSettings {
            lateness_micros: 10,
            future_skew_micros: 1_000,
            dedup_for_micros: 0,
            dedup_ids_max: 0,
        };
        (Shard::new(settings, &[Topic::Trades, Topic::Viewers], vec![Box::new(Spy(seen.clone()))]), seen)
    }

    fn taken(seen: &Seen) -> Vec<String> {
        std::mem::take(&mut seen.lock().unwrap())
    }

    #[test]
    fn the_slowest_partition_holds_the_watermark_until_it_is_idle() {
        let (mut shard, seen) = shard();
        let mut out = Vec::new();
        shard.process(Topic::Trades, 0, at(100), &trade(100), &mut out);
        shard.advance(&mut out);
        assert_eq!(taken(&seen), [format!("100 behind {}", i64::MIN)]);
        shard.process(Topic::Viewers, 0, at(50), &viewer(50), &mut out);
        shard.advance(&mut out);
        assert_eq!(taken(&seen)[1..], ["watermark 40"]);
        shard.mark_idle(Topic::Viewers);
        shard.advance(&mut out);
        assert_eq!(taken(&seen), ["watermark 90"]);
        // The partition comes back: it may not be late by more than the shard has already decided.
        let back = shard.process(Topic::Viewers, 1, at(95), &viewer(60), &mut out);
        assert_eq!((taken(&seen), back.is_late), (vec!["60 behind 90".to_owned()], true));
    }

    #[test]
    fn which_partition_becomes_idle_first_does_not_matter() {
        let orders: [&[&[Topic]]; 3] = [
            &[&[Topic::Viewers], &[Topic::Trades]],
            &[&[Topic::Trades], &[Topic::Viewers]],
            &[&[Topic::Trades, Topic::Viewers]],
        ];
        for order in orders {
            let (mut shard, _) = shard();
            let mut out = Vec::new();
            shard.process(Topic::Trades, 0, at(100), &trade(100), &mut out);
            for looked_at in order {
                looked_at.iter().for_each(|topic| shard.mark_idle(*topic));
                shard.advance(&mut out);
            }
            assert_eq!(shard.watermark(), at(90), "{order:?}");
        }
    }

    #[test]
    fn the_future_is_cut_off_and_a_watermark_never_falls() {
        let (mut shard, seen) = shard();
        let mut out = Vec::new();
        shard.mark_idle(Topic::Viewers);
        let ahead = shard.process(Topic::Trades, 0, at(100), &trade(i64::MAX), &mut out);
        assert!(ahead.is_clamped);
        shard.process(Topic::Trades, 1, at(100), &trade(5), &mut out);
        shard.advance(&mut out);
        assert_eq!(taken(&seen)[1..], ["5 behind 1090", "watermark 1090"]);
        shard.advance_to(at(7), &mut out);
        assert_eq!(shard.watermark(), at(1090));
    }

    #[test]
    fn when_all_is_idle_the_caller_moves_the_watermark() {
        let (mut shard, seen) = shard();
        shard.mark_idle(Topic::Trades);
        assert!(!shard.is_idle());
        shard.mark_idle(Topic::Viewers);
        assert!(shard.is_idle());
        shard.advance(&mut Vec::new());
        shard.advance_to(at(70), &mut Vec::new());
        assert_eq!(taken(&seen), ["watermark 70"]);
    }
}
