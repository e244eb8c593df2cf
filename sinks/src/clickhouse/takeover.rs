//! How a partition changes hands: where to go on, what was announced before us, what the table has already; and what is finished
//! before a partition goes.
//!
//! Always holds: what the log names is written as it was named, by whoever has the partition. Where the position is not one of ours,
//! the table is asked which rows it has, so that no row is written twice.

use std::ops::Range;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clickhouse::Client;
use clickhouse::error::Error;
use kafka::{
    Assignment, Committed, Consumer as _, ErrorClass, Log, LogError, OffsetCommit as _, Position,
    TopicPartition,
};
use schemas::Topic;

use super::chunk::new_history;
use super::insert::{self, Meaning};
use super::intent::Intent;
use super::known::{self, Known, Of};
use super::lane::{Lane, LaneKey};
use super::sink::{LOG_RETRY_PAUSE, Sink, SinkError, pass_if_retriable};
use super::tables::Table;
use super::writer::InsertError;

impl<L: Log> Sink<'_, L> {
    pub fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        let committed = loop {
            match self.consumer.committed(partitions) {
                Ok(committed) => break committed,
                Err(_) if self.is_stopped() => return Ok(()),
                Err(error) => pass_if_retriable(error)?,
            }
        };
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.iter().zip(committed) {
            let Some((_, topic)) = self.topics.iter().find(|(name, _)| **name == *partition.topic) else {
                starts.push(Assignment { partition: partition.clone(), offset: 0 });
                continue;
            };
            let topic = *topic;
            let Some((offset, lane)) = self.take_over(topic, partition, committed)? else { return Ok(()) };
            starts.push(Assignment { partition: partition.clone(), offset });
            if let Some(lane) = lane {
                self.lanes.insert((topic, partition.partition), lane);
            }
        }
        while let Err(error) = self.consumer.start(&starts) {
            if error.class == ErrorClass::MustAbort {
                // the assignment has been overtaken: the next poll says by what
                tracing::info!(%error, "partitions were taken away before they were started");
                self.lanes.retain(|_, lane| !partitions.contains(&lane.partition));
                return Ok(());
            }
            pass_if_retriable(error)?;
            if self.is_stopped() {
                return Ok(());
            }
        }
        if self.is_paused {
            self.consumer.pause(partitions)?;
        }
        self.next_commit = Instant::now();
        tracing::info!(partitions = partitions.len(), "partitions assigned");
        Ok(())
    }

    /// Where to read from and the lane, if there is something to do; None if the sink was stopped meanwhile.
    fn take_over(
        &mut self,
        topic: Topic,
        partition: &TopicPartition,
        committed: Option<Committed>,
    ) -> Result<Option<(i64, Option<Lane>)>, SinkError> {
        let span = match self.backfill.map(|backfill| backfill.spans.get(&partition.partition)) {
            Some(None) => return Ok(Some((self.log.offsets(partition)?.1, None))),
            Some(Some(span)) => Some(span.clone()),
            None => None,
        };
        let start = span.as_ref().map_or(0, |span| span.start);
        let until = span.as_ref().map(|span| span.end);
        let offset = committed.as_ref().map_or(start, |committed| committed.offset);
        let text = committed.map_or_else(String::new, |committed| committed.metadata);
        let intent = Intent::parse(&text).map_err(|error| SinkError::Intent(partition.clone(), error))?;
        let end = until.unwrap_or(i64::MAX);
        let (intent, unknown) = match intent {
            // What is announced may be there, and is sent again all the same: its token tells the server.
            Some(intent) => {
                let from = intent.chunks.last().map_or(offset, |chunk| chunk.end);
                let until = intent.known_until;
                (intent, from..until)
            }
            None => {
                let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let history = new_history(since_1970.as_micros());
                (Intent { history, known_until: 0, chunks: Vec::new() }, offset..end)
            }
        };
        let table = Table::of(topic);
        let ask = |within: Range<i64>| {
            async move |client: &Client| known::ask(client, Of::Rows(table), partition, within.clone()).await
        };
        let known = if unknown.is_empty() {
            Some(Known::default())
        } else {
            self.asked(table, partition, &ask(unknown))?
        };
        let Some(mut known) = known else { return Ok(None) };
        if known.len() > 0 {
            let (records, end) = (known.len(), known.end());
            tracing::info!(%partition, offset, records, end, "the table has records after the position already");
            match self.is_the_same_log(topic, partition, &known)? {
                None => return Ok(None),
                Some(true) => {}
                Some(false) => {
                    tracing::warn!(%partition, "the topic was made anew: its offsets are other records than the table's");
                    known = Known::default();
                }
            }
        }
        self.lives += 1;
        let mut lane = Lane::new(partition.clone(), self.lives, offset, intent, known);
        lane.until = until;
        Ok(Some((offset, Some(lane))))
    }

    /// False if the first known record is another one in the log: the topic was deleted and made anew. None if the sink was stopped.
    fn is_the_same_log(
        &mut self,
        topic: Topic,
        partition: &TopicPartition,
        known: &Known,
    ) -> Result<Option<bool>, SinkError> {
        let (first, end) = self.log.offsets(partition)?;
        let Some(offset) = known.first_from(first).filter(|offset| *offset < end) else {
            // the log ends before what the table has, or begins after it: there is nothing to pass over, or nothing to compare
            return Ok(Some(known.end() <= first));
        };
        let reader = &mut self.reader;
        let rows = read_one(self.log, partition, offset, &mut |record| reader.rows_of(topic, record))?;
        let table = Table::of(topic);
        let row = self.asked(table, partition, &async |client: &Client| {
            known::row(client, table, partition, offset).await
        })?;
        Ok(row.map(|row| rows.is_empty() || rows.starts_with(&row)))
    }

    /// Asks a table until it answers; None if the sink was stopped meanwhile.
    fn asked<T>(
        &self,
        table: Table,
        partition: &TopicPartition,
        question: &impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Result<Option<T>, SinkError> {
        loop {
            let error = match self.writer.ask(question) {
                Ok(answer) => {
                    self.health.note_reached();
                    return Ok(Some(answer));
                }
                Err(error) => error,
            };
            self.health.insert_failed(&error.to_string());
            if insert::meaning(&error) != Meaning::Later {
                return Err(SinkError::Insert(InsertError {
                    statement: format!("SELECT offset FROM {}", table.name),
                    token: partition.to_string(),
                    advice: insert::advice(&error),
                    source: Box::new(error),
                }));
            }
            tracing::warn!(%partition, %error, "the table cannot be asked what it has; trying again");
            if self.is_stopped() {
                return Ok(None);
            }
            std::thread::sleep(LOG_RETRY_PAUSE);
        }
    }

    pub fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), SinkError> {
        let is_revoked = |lane: &Lane| partitions.contains(&lane.partition);
        let keys: Vec<LaneKey> =
            self.lanes.iter().filter(|(_, lane)| is_revoked(lane)).map(|(key, _)| *key).collect();
        if !lost {
            // What the log names is finished, if that does not take long; what is only gathered is read again.
            self.drain(&keys, Lane::is_settled)?;
        }
        for key in keys {
            if let Some(task) = self.lanes.remove(&key).and_then(|lane| lane.in_flight) {
                task.abort();
            }
        }
        tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
        Ok(self.consumer.release(partitions)?)
    }

    /// Commits if a chunk waits to be named, if the lease must be renewed, or if positions have been behind for a while.
    pub fn commit_if_due(&mut self) -> Result<(), SinkError> {
        let now = Instant::now();
        let is_waited_for = self.lanes.values().any(Lane::wants_announcement);
        let is_behind = now >= self.next_commit && self.lanes.values().any(Lane::is_ahead);
        let is_renewed = self.lease.is_ageing() && self.lanes.values().any(|lane| !lane.is_idle());
        if is_waited_for || is_behind || is_renewed { self.commit() } else { Ok(()) }
    }

    /// Commits what is written and names what comes next, of all partitions at once.
    pub fn commit(&mut self) -> Result<(), SinkError> {
        let wants_lease = self.lease.is_ageing();
        let mut positions: Vec<Position> = Vec::new();
        let mut named = Vec::new();
        for (key, lane) in &self.lanes {
            let (position, count) = lane.position();
            if wants_lease || !lane.is_committed(&position) {
                positions.push(position);
                named.push((*key, count));
            }
        }
        if positions.is_empty() {
            return Ok(());
        }
        self.reader.dead_letters.flush().map_err(SinkError::DeadLetter)?;
        let sent = Instant::now();
        match self.consumer.commit(&positions) {
            Ok(()) => {
                self.lease.renew(sent);
                self.next_commit = Instant::now() + self.options.flush_interval;
                for ((key, count), position) in named.into_iter().zip(positions) {
                    if let Some(lane) = self.lanes.get_mut(&key) {
                        lane.committed(position, count);
                    }
                }
                Ok(())
            }
            Err(error) if error.class == ErrorClass::Fatal => Err(error.into()),
            // Repeated at the next turn; if the partitions are not ours any more, the next poll says so.
            Err(error) => {
                tracing::warn!(%error, "positions could not be committed yet");
                Ok(())
            }
        }
    }

    /// Sends a record that the server refuses to the dead letters, with the bytes that it has in the log.
    pub fn refuse(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        error: &InsertError,
    ) -> Result<(), SinkError> {
        tracing::warn!(%partition, offset, %error, "a record's rows are refused: it goes to the dead-letter topic");
        self.health.lock().records_refused += 1;
        let is_dead_letter =
            self.topics.iter().any(|(name, topic)| *topic == Topic::DeadLetter && **name == *partition.topic);
        if is_dead_letter {
            return Ok(());
        }
        let detail = error.source.to_string();
        let sent = read_one(self.log, partition, offset, &mut |record| {
            self.reader.dead_letters.send_refused(record, &detail)
        })?;
        sent.map_err(SinkError::DeadLetter)
    }
}

/// Hands over one record, or an empty one in its place if the log has it no more: it was deleted, or others come in its place.
///
/// # Errors
/// If the log cannot be asked, or does not answer within the time-out.
fn read_one<L: Log, T>(
    log: &L,
    partition: &TopicPartition,
    offset: i64,
    on_record: &mut dyn FnMut(&kafka::Record<'_>) -> T,
) -> Result<T, LogError> {
    let (mut found, mut is_passed) = (None, log.offsets(partition)?.0 > offset);
    let mut reader = log.reader(&[Assignment { partition: partition.clone(), offset }])?;
    let deadline = Instant::now() + super::dead_letters::TIMEOUT;
    while found.is_none() && !is_passed {
        if Instant::now() >= deadline {
            let message = format!("{partition}: offset {offset} was not read again in time");
            return Err(LogError { class: ErrorClass::Retriable, message });
        }
        reader.poll(1, LOG_RETRY_PAUSE, &mut |record| {
            if record.offset == offset {
                found = Some(on_record(record));
            }
            is_passed = true;
        })?;
    }
    reader.close()?;
    Ok(found.unwrap_or_else(|| {
        let (topic, partition) = (&*partition.topic, partition.partition);
        on_record(&kafka::Record { topic, partition, offset, timestamp_ms: -1, key: None, value: None })
    }))
}
