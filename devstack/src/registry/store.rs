//! The topic `_schemas`: read to its end at the start, written one change at a time.
//!
//! A change is in Kafka before it is in the state. Where it is not known whether a write arrived, the topic is read again
//! before the next one, so that what is answered is what is kept.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use kafka::{
    Assignment, Consumer as _, Log as _, Outgoing, Partitioned, Polled, Producer as _, Record,
    TopicPartition,
    broker::{BrokerLog, BrokerOptions, BrokerProducer, NewTopic},
};

use super::{
    error::RegistryError,
    records::Key,
    state::{NewRecord, State},
};

const TOPIC: &str = "_schemas";
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// The registry's state, and the topic that it is kept in. All calls but [`Store::state`] block.
pub(super) struct Store {
    log: BrokerLog,
    state: RwLock<State>,
    writer: Mutex<Writer>,
}

struct Writer {
    producer: BrokerProducer,
    /// a write failed, and may have arrived all the same
    is_unsure: bool,
}

impl Store {
    /// Connects to Kafka, creates the topic where it is missing, and reads it.
    ///
    /// # Errors
    /// If Kafka does not answer, or the topic is not one that a registry can use.
    pub(super) fn open(brokers: &str) -> Result<Store> {
        let log = BrokerLog::new(BrokerOptions::new(brokers))?;
        log.wait_until_ready(Duration::from_secs(30))
            .with_context(|| format!("cannot reach kafka at {brokers}"))?;
        let config = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        log.create_topics(&[NewTopic { name: TOPIC.to_owned(), partitions: 1, replication: -1, config }])?;
        let topic = log.describe_topic(TOPIC)?.with_context(|| format!("the topic {TOPIC} is not there"))?;
        ensure!(
            topic.partitions == 1,
            "the topic {TOPIC} has {} partitions where a registry needs 1",
            topic.partitions
        );
        let policy = topic.config.get("cleanup.policy").map_or("", String::as_str);
        ensure!(
            policy == "compact",
            "the topic {TOPIC} has cleanup.policy {policy:?}: schemas need \"compact\""
        );
        let mut writer = Writer { producer: log.producer()?, is_unsure: false };
        let state = read(&log, &mut writer)?;
        Ok(Store { log, state: RwLock::new(state), writer: Mutex::new(writer) })
    }

    /// What is known now.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `decide` turn the state into an answer and the records that make it true, writes them, and applies them.
    ///
    /// # Errors
    /// What `decide` gives, or 50001 if Kafka does not take the records.
    pub(super) fn change<T>(
        &self,
        decide: impl FnOnce(&State) -> Result<(T, Vec<NewRecord>), RegistryError>,
    ) -> Result<T, RegistryError> {
        let backend = |error: anyhow::Error| RegistryError::Backend(format!("{error:#}"));
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_unsure {
            let state = read(&self.log, &mut writer).map_err(backend)?;
            *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
            writer.is_unsure = false;
        }
        let (answer, records) = decide(&self.state())?;
        if !records.is_empty() {
            writer.is_unsure = true;
            write(&mut writer.producer, &records).map_err(backend)?;
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in &records {
                state.apply(key, value.as_deref().map(str::as_bytes)).map_err(backend)?;
            }
            writer.is_unsure = false;
        }
        Ok(answer)
    }
}

fn write(producer: &mut BrokerProducer, records: &[NewRecord]) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let timestamp_ms = i64::try_from(now.as_millis()).context("the clock is too far ahead")?;
    for (key, value) in records {
        let key = serde_json::to_vec(key).context("a key has no JSON form")?;
        producer.send(&Outgoing {
            topic: TOPIC,
            partition: Partitioned::To(0),
            timestamp_ms,
            key: Some(&key),
            value: value.as_deref().map(str::as_bytes),
        })?;
    }
    Ok(producer.flush(WRITE_DEADLINE)?)
}

/// Reads the whole topic. Its end is found by writing a record and reading up to it, for the highest offset may be that
/// of a record which is not handed over.
fn read(log: &BrokerLog, writer: &mut Writer) -> Result<State> {
    let partition = TopicPartition::new(TOPIC, 0);
    let (first, end) = log.offsets(&partition)?;
    write(&mut writer.producer, &[(Key::Noop { magic: 0 }, None)])?;
    let mut reader = log.reader(&[Assignment { partition, offset: first }])?;
    let deadline = Instant::now() + READ_DEADLINE;
    let mut state = State::default();
    let mut is_complete = false;
    while !is_complete {
        let polled = reader.poll(1000, Duration::from_millis(100), &mut |record| {
            let key = take(&mut state, record);
            is_complete |= record.offset >= end && matches!(key, Some(Key::Noop { .. }));
        })?;
        if Instant::now() > deadline && polled == Polled::Records(0) {
            bail!("the topic {TOPIC} cannot be read to its end at offset {end}");
        }
    }
    reader.close()?;
    Ok(state)
}

/// Applies a record; one that cannot be understood is reported and passed over, as a real registry does.
fn take(state: &mut State, record: &Record<'_>) -> Option<Key> {
    let key: Key = match serde_json::from_slice(record.key.unwrap_or_default()) {
        Ok(key) => key,
        Err(error) => {
            tracing::warn!(
                offset = record.offset,
                "a record of {TOPIC} is of no kind that is known here: {error}"
            );
            return None;
        }
    };
    if let Err(error) = state.apply(&key, record.value) {
        tracing::warn!(offset = record.offset, ?key, "a record of {TOPIC} cannot be understood: {error:#}");
    }
    Some(key)
}
