//! The records that a run's producers write: events in and out of order, sent twice, from far off, and damaged.
//!
//! Always holds: the seed alone decides them. What a record's bytes mean is known from how they were made and never
//! decoded. Does not know: when anything is read.

use std::collections::HashMap;

use kafka::murmur2_partition;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schemas::{Amount, Encoder, Event, SchemaIds, Topic};

use crate::counts::Counts;
use crate::events::{event, text};
use crate::plan::{Concern, Plan, stream};

/// 2023-11-14T22:14:00Z, a whole minute: the wall clock when a run begins.
pub(crate) const START_MICROS: i64 = 1_700_000_040_000_000;
const SECOND_MICROS: i64 = 1_000_000;

/// What a record's value is.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Event(Box<Event<'static>>),
    /// Not an event, and the reason that its dead letter carries.
    Dead(&'static str),
}

/// A record to be produced.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// When: microseconds since the run began.
    pub(crate) at_micros: i64,
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// It is written in a transaction that is then aborted.
    pub(crate) is_aborted: bool,
}

/// Everything that is produced, in order.
pub(crate) struct Input {
    pub(crate) records: Vec<Made>,
    /// What each value means, by topic and bytes.
    pub(crate) meanings: HashMap<(Topic, Vec<u8>), Meaning>,
    pub(crate) counts: Counts,
}

struct Maker<'a> {
    plan: &'a Plan,
    random: ChaCha8Rng,
    encoder: Encoder,
    topics: Vec<Topic>,
    /// At least one for each partition.
    channels: Vec<String>,
    number: usize,
    at_micros: i64,
    input: Input,
}

/// Makes a run's input.
pub(crate) fn make(plan: &Plan) -> Input {
    let mut maker = Maker {
        plan,
        random: stream(plan.seed, Concern::Input),
        encoder: Encoder::new(SchemaIds::local()),
        topics: plan.topics(),
        channels: channels(plan.partitions),
        number: 0,
        at_micros: 0,
        input: Input { records: Vec::new(), meanings: HashMap::new(), counts: Counts::default() },
    };
    maker.everywhere();
    let mut active = maker.topics.clone();
    for _ in 0..plan.records {
        maker.at_micros += maker.random.random_range(0..600_000);
        if plan.has_pauses && maker.random.random_range(0..12) == 0 {
            maker.at_micros += maker.random.random_range(1..12) * SECOND_MICROS;
            maker.input.counts.add("paused partition", 1);
            active.clone_from(&maker.topics);
            active.retain(|_| maker.random.random());
            if active.is_empty() {
                active.clone_from(&maker.topics);
            }
        }
        let topic = active[maker.random.random_range(0..active.len())];
        maker.record(topic);
        if maker.random.random_range(0..25) == 0 {
            maker.send_again();
        }
    }
    // A partition that ends in an aborted record would not be seen to be at its end.
    maker.everywhere();
    maker.input
}

/// Channels (which are markets for trades) so that each partition has two.
fn channels(partitions: i32) -> Vec<String> {
    let of = |partition: i32| {
        let named = (0..1_000).map(|number| format!("t:c{number}"));
        named.filter(move |name| murmur2_partition(name.as_bytes(), partitions) == partition).take(2)
    };
    (0..partitions).flat_map(of).collect()
}

impl Maker<'_> {
    /// An event for every partition, on time: a partition that never had one holds the others back until it is idle.
    fn everywhere(&mut self) {
        let now_micros = START_MICROS + self.at_micros;
        for topic in self.topics.clone() {
            for channel in self.channels.clone().iter().step_by(2) {
                let event = self.event(topic, channel, now_micros, now_micros);
                self.write_event(event, now_micros.div_euclid(1_000));
                if let Some(record) = self.input.records.last_mut() {
                    record.is_aborted = false;
                }
            }
        }
    }

    fn record(&mut self, topic: Topic) {
        let channel = self.channels[self.random.random_range(0..self.channels.len())].clone();
        let now_micros = START_MICROS + self.at_micros;
        let event_micros = self.event_time(now_micros);
        let event = self.event(topic, &channel, event_micros, now_micros);
        // A record without a timestamp has its ingest time from the event.
        let timestamp_ms =
            if self.random.random_range(0..40) == 0 { -1 } else { now_micros.div_euclid(1_000) };
        match self.random.random_range(0..30) {
            0 => self.write_damaged(&event, timestamp_ms),
            1 => self.write_invalid(event, timestamp_ms),
            2 if self.random.random() => {
                self.push(topic, &channel, timestamp_ms, None);
                self.input.counts.add("tombstone", 1);
            }
            _ => self.write_event(event, timestamp_ms),
        }
    }

    fn event_time(&mut self, now_micros: i64) -> i64 {
        let lateness_micros = self.plan.lateness_micros();
        if self.plan.has_pauses {
            // Before its partition's watermark, and any shard's, come to it.
            return now_micros - self.random.random_range(0..lateness_micros / 2);
        }
        match self.random.random_range(0..100) {
            0..75 => now_micros - self.random.random_range(0..lateness_micros),
            75..93 => {
                self.input.counts.add("out of order", 1);
                now_micros - self.random.random_range(0..6 * lateness_micros + 20 * SECOND_MICROS)
            }
            93 => {
                self.input.counts.add("far past", 1);
                [0, -1, -86_400 * SECOND_MICROS, i64::MIN, START_MICROS - 86_400 * SECOND_MICROS]
                    [self.random.random_range(0..5)]
            }
            94 => {
                self.input.counts.add("far future", 1);
                [now_micros + 3_600 * SECOND_MICROS, i64::MAX, now_micros + 10 * SECOND_MICROS + 1]
                    [self.random.random_range(0..3)]
            }
            95..98 => now_micros + self.random.random_range(0..3 * SECOND_MICROS),
            // Exactly at a tick or a window's end.
            _ => now_micros - now_micros.rem_euclid(SECOND_MICROS),
        }
    }

    fn event(
        &mut self,
        topic: Topic,
        channel: &str,
        event_micros: i64,
        ingest_micros: i64,
    ) -> Event<'static> {
        self.number += 1;
        event(&mut self.random, self.number, topic, channel, [event_micros, ingest_micros])
    }

    fn encode(&mut self, event: &Event<'_>) -> Vec<u8> {
        let mut value = Vec::new();
        if let Err(error) = self.encoder.encode_event(event, &mut value) {
            unreachable!("every event fits its schema: {error}");
        }
        value
    }

    fn write_event(&mut self, event: Event<'static>, timestamp_ms: i64) {
        let value = self.encode(&event);
        let (topic, channel) = (event.topic(), event.header().channel_id.to_owned());
        self.input.meanings.insert((topic, value.clone()), Meaning::Event(Box::new(event)));
        self.push(topic, &channel, timestamp_ms, Some(value));
    }

    /// Bytes that are no event.
    fn write_damaged(&mut self, event: &Event<'static>, timestamp_ms: i64) {
        let mut value = self.encode(event);
        let reason = match self.random.random_range(0..6) {
            0 => {
                value.truncate(value.len() - 1);
                "undecodable"
            }
            1 => {
                value.push(0);
                "undecodable"
            }
            2 => {
                value[0] = 1;
                "not_wire_format"
            }
            3 => {
                value.truncate(4);
                "not_wire_format"
            }
            4 => {
                value.clear();
                "not_wire_format"
            }
            _ => {
                value[3] = 9;
                "unknown_schema"
            }
        };
        self.write_dead(event, timestamp_ms, value, reason);
    }

    /// An event whose values make no sense.
    fn write_invalid(&mut self, mut event: Event<'static>, timestamp_ms: i64) {
        let valid = event.clone();
        match &mut event {
            Event::Chat(chat) => chat.event_id = text(""),
            Event::Reaction(reaction) => reaction.count = 0,
            Event::Viewer(viewer) => viewer.session_id = text(""),
            Event::Trade(trade) => trade.quantity = Amount::ZERO,
            Event::Partial(_) => {}
        }
        let value = self.encode(&event);
        self.write_dead(&valid, timestamp_ms, value, "invalid_value");
    }

    fn write_dead(
        &mut self,
        event: &Event<'static>,
        timestamp_ms: i64,
        value: Vec<u8>,
        reason: &'static str,
    ) {
        let (topic, channel) = (event.topic(), event.header().channel_id.to_owned());
        self.input.counts.add(reason, 1);
        self.input.meanings.insert((topic, value.clone()), Meaning::Dead(reason));
        self.push(topic, &channel, timestamp_ms, Some(value));
    }

    fn push(&mut self, topic: Topic, channel: &str, timestamp_ms: i64, value: Option<Vec<u8>>) {
        let has_key = self.random.random_range(0..40) > 0;
        let is_aborted = self.random.random_range(0..40) == 0;
        self.input.counts.add("no key", u64::from(!has_key));
        self.input.counts.add("input aborted", u64::from(is_aborted));
        self.input.records.push(Made {
            at_micros: self.at_micros,
            topic,
            partition: murmur2_partition(channel.as_bytes(), self.plan.partitions),
            timestamp_ms,
            key: has_key.then(|| channel.as_bytes().to_vec()),
            value,
            is_aborted,
        });
    }

    /// A producer that has not heard back sends its last records again.
    fn send_again(&mut self) {
        let count = self.random.random_range(1..6).min(self.input.records.len());
        let mut batch = self.input.records[self.input.records.len() - count..].to_vec();
        if self.plan.has_pauses {
            // What comes again must keep to the clock too.
            batch.retain(|record| self.at_micros - record.at_micros < self.plan.lateness_micros() / 4);
        }
        batch.iter_mut().for_each(|record| record.at_micros = self.at_micros);
        self.input.counts.add("records sent again", batch.len() as u64);
        self.input.records.extend(batch);
    }
}
