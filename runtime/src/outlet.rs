//! The way out of a worker: results and dead letters, encoded, and the positions that go with them.
//!
//! Always holds: positions are committed only here, together with what was sent since the last commit. After an error nothing
//! of it is visible, if the delivery is exactly once. Does not know: shards.

use std::sync::Arc;

use kafka::{Log, Outgoing, Partitioned, Position};
use processors::Output;
use schemas::{BoardPartial, DeadLetter, Encoder, Message, PartialKind, Topic};

use crate::delivery::{Delivery, delivery};
use crate::metrics::{JobMetrics, add};
use crate::worker::{Now, WorkerError, WorkerOptions};

/// A writer that encodes.
pub(crate) struct Outlet<L: Log> {
    delivery: Box<dyn Delivery<L>>,
    encoder: Encoder,
    topic_prefix: String,
    metrics: Arc<JobMetrics>,
    is_open: bool,
    results: u64,
    /// Of the topic that a second stage reads.
    partial_partitions: i32,
    buffer: Vec<u8>,
}

impl<L: Log> Outlet<L> {
    /// Fences whoever used the same transactional id.
    pub(crate) fn new(
        log: &L,
        options: &WorkerOptions,
        metrics: Arc<JobMetrics>,
    ) -> Result<Self, WorkerError> {
        Ok(Outlet {
            delivery: delivery(log, options)?,
            encoder: Encoder::new(options.schema_ids),
            topic_prefix: options.topic_prefix.clone(),
            metrics,
            is_open: false,
            results: 0,
            partial_partitions: 0,
            buffer: Vec::new(),
        })
    }

    /// Whether something was sent since the last commit.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) fn send_result(&mut self, output: &Output, now: Now) -> Result<(), WorkerError> {
        let key = output.key();
        match output {
            Output::Leaderboard(result) => self.send(result, &key, Partitioned::ByKey, now),
            Output::Engagement(result) => self.send(result, &key, Partitioned::ByKey, now),
            Output::Candle(result) => self.send(result, &key, Partitioned::ByKey, now),
            Output::Flag(flag) => self.send(flag, &key, Partitioned::ByKey, now),
            Output::Partial(partial) => self.send_partial(partial, &key, now),
        }?;
        self.results += 1;
        Ok(())
    }

    pub(crate) fn send_dead_letter(&mut self, letter: &DeadLetter, now: Now) -> Result<(), WorkerError> {
        self.send(letter, &letter.topic, Partitioned::ByKey, now)
    }

    /// Scores go where the board's group is; how far this shard has come every shard of the second stage must know.
    fn send_partial(&mut self, partial: &BoardPartial, key: &str, now: Now) -> Result<(), WorkerError> {
        if partial.kind == PartialKind::Scores {
            return self.send(partial, key, Partitioned::ByKey, now);
        }
        (0..self.partial_partitions)
            .try_for_each(|number| self.send(partial, key, Partitioned::To(number), now))
    }

    /// Asks how many shards a second stage has.
    pub(crate) fn count_partial_partitions(&mut self, log: &L) -> Result<(), WorkerError> {
        let topic = format!("{}{}", self.topic_prefix, Topic::Partials);
        self.partial_partitions = log.partition_count(&topic)?.unwrap_or(0);
        Ok(())
    }

    fn send<M: Message>(
        &mut self,
        message: &M,
        key: &str,
        partition: Partitioned,
        now: Now,
    ) -> Result<(), WorkerError> {
        self.buffer.clear();
        self.encoder
            .encode(message, &mut self.buffer)
            .map_err(|error| WorkerError::Encode(error.to_string()))?;
        self.open()?;
        let topic: Topic = M::TOPIC;
        self.delivery.send(&Outgoing {
            topic: &format!("{}{topic}", self.topic_prefix),
            partition,
            timestamp_ms: now.wall.millis(),
            key: Some(key.as_bytes()),
            value: Some(&self.buffer),
        })?;
        Ok(())
    }

    fn open(&mut self) -> Result<(), WorkerError> {
        if !self.is_open {
            self.delivery.begin()?;
            self.is_open = true;
        }
        Ok(())
    }

    /// Commits what was sent, and the positions.
    pub(crate) fn commit(
        &mut self,
        positions: &[Position],
        consumer: &mut L::Consumer,
    ) -> Result<(), WorkerError> {
        self.open()?;
        self.delivery.commit(positions, consumer)?;
        self.is_open = false;
        add(&self.metrics.commits, 1);
        add(&self.metrics.results, std::mem::take(&mut self.results));
        Ok(())
    }

    /// Throws away what was sent.
    pub(crate) fn abort(&mut self) -> Result<(), WorkerError> {
        self.results = 0;
        if self.is_open {
            self.delivery.abort()?;
            self.is_open = false;
            add(&self.metrics.aborts, 1);
        }
        Ok(())
    }
}
