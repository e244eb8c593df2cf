//! Runs one job over recorded events with a clock that the events move: for tests, benchmarks and dry runs.
//!
//! Always holds: equal pushes give equal records, freshness included; offsets count the pushes of each topic from 0.
//! Does not know: files and formats.

use std::collections::BTreeMap;

use schemas::{Event, Timestamp, Topic};

use crate::job::Job;
use crate::processor::Output;
use crate::shard::{Shard, Taken};

/// What the runner of a shard knows when it writes a record.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The job.
    pub job: &'a str,
    /// The shard.
    pub shard: i32,
    /// How many shards the job has.
    pub shard_count: i32,
    /// The shard's watermark.
    pub watermark: Timestamp,
    /// The clock's time.
    pub computed_at: Timestamp,
    /// For each input topic, by name, the offset after the last record taken in.
    pub input_offsets: &'a BTreeMap<String, i64>,
}

/// Fills in the freshness of a record, all but `as_of`, which the processor set; and of a partial where it comes from.
///
/// The watermark shown is never before `as_of` (a flag goes out ahead of the shard's watermark), and is `as_of` where the
/// shard has none: before its inputs have all begun, and after they have ended.
pub fn stamp(output: &mut Output, stamp: &Stamp<'_>) {
    if let Output::Partial(partial) = output {
        partial.event_id = format!("{}/{}/{}", stamp.job, stamp.shard, partial.event_id);
        partial.shard_count = stamp.shard_count;
    }
    let freshness = output.freshness_mut();
    freshness.watermark = match stamp.watermark {
        Timestamp::MIN | Timestamp::MAX => freshness.as_of,
        watermark => watermark.max(freshness.as_of),
    };
    freshness.computed_at = stamp.computed_at;
    freshness.job = stamp.job.to_owned();
    freshness.shard = stamp.shard;
    freshness.input_offsets = stamp.input_offsets.clone();
}

/// Runs one job, as its shard 0, and its second stage if it has one.
pub struct Driver {
    job: String,
    shard: Shard,
    input_offsets: BTreeMap<String, i64>,
    clock: Timestamp,
    out: Vec<Output>,
    stamped_len: usize,
    second: Option<Box<Driver>>,
}

impl Driver {
    /// A driver that has seen nothing.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Driver {
            job: job.name.clone(),
            shard: job.shard(),
            input_offsets: BTreeMap::new(),
            clock: Timestamp::MIN,
            out: Vec::new(),
            stamped_len: 0,
            second: job.second.as_ref().map(|second| Box::new(Driver::new(second))),
        }
    }

    /// Says that nothing will come from a topic (for now): it does not hold the others back.
    pub fn mark_idle(&mut self, topic: Topic) {
        self.shard.mark_idle(topic);
        self.shard.advance(&mut self.out);
        self.stamp();
    }

    /// Feeds the next event of `topic`, which must be one of the job's inputs. The clock moves on to `ingest_time`, if that
    /// is later than it stands.
    pub fn push(&mut self, topic: Topic, ingest_time: Timestamp, event: &Event<'_>) -> Taken {
        self.clock = self.clock.max(ingest_time);
        let offset = match self.input_offsets.get_mut(topic.name()) {
            Some(next) => {
                *next += 1;
                *next - 1
            }
            None => {
                self.input_offsets.insert(topic.name().to_owned(), 1);
                0
            }
        };
        let taken = self.shard.process(topic, offset, ingest_time, event, &mut self.out);
        self.shard.advance(&mut self.out);
        self.stamp();
        taken
    }

    /// The records so far that were not taken yet.
    pub fn take(&mut self) -> Vec<Output> {
        self.stamped_len = 0;
        std::mem::take(&mut self.out)
    }

    /// Ends the input: every window is closed. Returns the records that were not taken yet.
    #[must_use]
    pub fn finish(mut self) -> Vec<Output> {
        // To the second stage the end of the input is the progress that the first has made.
        self.shard.advance_to(Timestamp::MAX, &mut self.out);
        self.stamp();
        self.out
    }

    fn stamp(&mut self) {
        for output in &mut self.out[self.stamped_len..] {
            let known = Stamp {
                job: &self.job,
                shard: 0,
                shard_count: 1,
                watermark: self.shard.watermark(),
                computed_at: self.clock,
                input_offsets: &self.input_offsets,
            };
            stamp(output, &known);
        }
        self.pass_on();
        self.stamped_len = self.out.len();
    }

    /// Gives the second stage what is for it, and takes its records.
    fn pass_on(&mut self) {
        let Some(second) = &mut self.second else { return };
        let is_partial = |output: &mut Output| matches!(output, Output::Partial(_));
        for output in self.out.extract_if(self.stamped_len.., is_partial).collect::<Vec<_>>() {
            let Output::Partial(partial) = output else { continue };
            second.push(Topic::Partials, self.clock, &Event::Partial(Box::new(partial)));
            self.out.append(&mut second.take());
        }
    }
}
