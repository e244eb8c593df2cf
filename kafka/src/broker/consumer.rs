//! A reader of the broker: a member of a group, or on its own.
//!
//! Always holds: librdkafka's rebalances are answered by the owner, through [`Consumer::start`] and
//! [`Consumer::release`], and no record of a partition that is not ours is handed over. Does not know: where reading
//! should start; the owner says so.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerGroupMetadata, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::log::{
    Assignment, Committed, Consumer, ErrorClass, LogError, OffsetCommit, Polled, Position, Record,
    TopicPartition,
};

use super::context::{Change, ConsumerEvents};
use super::error::of_client;
use super::letting_go::let_go;
use super::partitions::{Owned, committed_positions, first_error, list, offsets, same_partitions};

/// How long a partition that was just given to us may take until it can seek.
const SEEK_RETRY: Duration = Duration::from_millis(5);

/// A member's proof of membership at one moment.
pub struct BrokerGroup(pub(super) ConsumerGroupMetadata);

/// A reader of the broker.
pub struct BrokerConsumer {
    /// None once the reader is closed.
    client: Option<BaseConsumer<ConsumerEvents>>,
    group: Option<String>,
    owned: Owned,
    /// What was reported and must be answered.
    unanswered: Option<Change>,
    call_timeout: Duration,
}

impl BrokerConsumer {
    /// Joins a group.
    pub(super) fn join(
        config: &ClientConfig,
        group: &str,
        topics: &[String],
        call_timeout: Duration,
    ) -> Result<Self, LogError> {
        let consumer = Self::new(config, Some(group.to_owned()), call_timeout)?;
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let client = consumer.client()?;
        client.subscribe(&topics).map_err(|error| LogError::fatal(format!("cannot subscribe: {error}")))?;
        Ok(consumer)
    }

    /// Reads partitions outside any group.
    pub(super) fn read(
        config: &ClientConfig,
        from: &[Assignment],
        call_timeout: Duration,
    ) -> Result<Self, LogError> {
        let mut consumer = Self::new(config, None, call_timeout)?;
        let list = consumer.clamped(from)?;
        let client = consumer.client()?;
        client.assign(&list).map_err(|error| of_client(client.client(), "cannot read", &error))?;
        consumer.owned.add(from.iter().map(|assignment| &assignment.partition));
        Ok(consumer)
    }

    fn new(config: &ClientConfig, group: Option<String>, call_timeout: Duration) -> Result<Self, LogError> {
        let client = config
            .create_with_context(ConsumerEvents::default())
            .map_err(|error| super::error::plain("cannot make a consumer", &error))?;
        Ok(BrokerConsumer {
            client: Some(client),
            group,
            owned: Owned::default(),
            unanswered: None,
            call_timeout,
        })
    }

    fn client(&self) -> Result<&BaseConsumer<ConsumerEvents>, LogError> {
        self.client.as_ref().ok_or_else(|| LogError::fatal("the reader is closed"))
    }

    fn is_cooperative(&self) -> Result<bool, LogError> {
        Ok(matches!(self.client()?.rebalance_protocol(), RebalanceProtocol::Cooperative))
    }

    /// The list that librdkafka takes, with offsets that lie between the log's start and its end. Out of range it
    /// would start over from the beginning.
    fn clamped(&self, from: &[Assignment]) -> Result<TopicPartitionList, LogError> {
        let client = self.client()?;
        let mut list = TopicPartitionList::with_capacity(from.len());
        for Assignment { partition, offset } in from {
            let (first, end) =
                client.fetch_watermarks(&partition.topic, partition.partition, self.call_timeout).map_err(
                    |error| of_client(client.client(), &format!("cannot get offsets of {partition}"), &error),
                )?;
            let clamped = (*offset).clamp(first, end.max(first));
            if *offset > end || (*offset < first && *offset > 0) {
                tracing::warn!(%partition, offset, clamped, first, end, "the offset to start from is out of range");
            }
            list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(clamped))
                .map_err(|error| of_client(client.client(), "cannot set an offset", &error))?;
        }
        Ok(list)
    }

    /// Takes note of a change that the owner is told about; answers one that brings nothing by itself.
    fn report(&mut self, change: Change) -> Result<Option<Polled>, LogError> {
        let polled = match &change {
            Change::Assigned(partitions) if partitions.is_empty() => {
                self.answer(|client, cooperative| {
                    let nothing = TopicPartitionList::new();
                    if cooperative { client.incremental_assign(&nothing) } else { client.assign(&nothing) }
                })?;
                return Ok(None);
            }
            Change::Revoked { partitions, .. } if partitions.is_empty() => {
                self.answer(|client, cooperative| {
                    let nothing = TopicPartitionList::new();
                    if cooperative { client.incremental_unassign(&nothing) } else { client.unassign() }
                })?;
                return Ok(None);
            }
            Change::Assigned(partitions) => Polled::Assigned(partitions.clone()),
            Change::Revoked { partitions, lost } => {
                self.owned.remove(partitions);
                Polled::Revoked { partitions: partitions.clone(), lost: *lost }
            }
        };
        self.unanswered = Some(change);
        Ok(Some(polled))
    }

    fn answer(
        &self,
        answer: impl FnOnce(&BaseConsumer<ConsumerEvents>, bool) -> KafkaResult<()>,
    ) -> Result<(), LogError> {
        let client = self.client()?;
        answer(client, self.is_cooperative()?)
            .map_err(|error| of_client(client.client(), "cannot answer the rebalance", &error))
    }

    fn all_owned<'p>(
        &self,
        partitions: impl IntoIterator<Item = &'p TopicPartition>,
    ) -> Result<(), LogError> {
        match partitions
            .into_iter()
            .find(|partition| !self.owned.contains(&partition.topic, partition.partition))
        {
            Some(partition) => Err(LogError::fatal(format!("{partition} is not ours"))),
            None => Ok(()),
        }
    }

    /// Gives what was left unanswered back, so that closing can go on.
    fn prepare_close(&mut self, client: &BaseConsumer<ConsumerEvents>) {
        client.context().close();
        let nothing = TopicPartitionList::new();
        let cooperative = matches!(client.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let pending = mem::take(&mut self.unanswered).into_iter();
        for change in pending.chain(std::iter::from_fn(|| client.context().next_change())) {
            let answered = match (&change, cooperative) {
                (Change::Assigned(_), true) => client.incremental_assign(&nothing),
                (Change::Assigned(_), false) => client.assign(&nothing),
                (Change::Revoked { partitions, .. }, true) => client.incremental_unassign(&list(partitions)),
                (Change::Revoked { .. }, false) => client.unassign(),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "cannot give up the partitions before closing");
            }
        }
    }
}

impl Consumer for BrokerConsumer {
    type Group = BrokerGroup;

    fn poll(
        &mut self,
        records_max: usize,
        timeout: Duration,
        on_record: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Polled, LogError> {
        let deadline = Instant::now() + timeout;
        let mut count = 0;
        loop {
            let client = self.client.as_ref().ok_or_else(|| LogError::fatal("the reader is closed"))?;
            if client.context().has_change() {
                if count > 0 {
                    return Ok(Polled::Records(count));
                }
                if let Some(change) = client.context().next_change() {
                    if let Some(polled) = self.report(change)? {
                        return Ok(polled);
                    }
                    continue;
                }
            }
            if count >= records_max {
                return Ok(Polled::Records(count));
            }
            let wait =
                if count == 0 { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match client.poll(wait) {
                Some(Ok(message)) => {
                    // asked for once: librdkafka's name of it is measured and checked each time
                    let topic = message.topic();
                    if self.owned.contains(topic, message.partition()) {
                        hand_over(topic, &message, on_record);
                        count += 1;
                    }
                    client.context().reporter.well();
                }
                Some(Err(error)) => {
                    // a reader outside groups has no need of the right to a group
                    let is_group_refused =
                        error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed);
                    let error = of_client(client.client(), "cannot read", &error);
                    if error.class == ErrorClass::Fatal && !(is_group_refused && self.group.is_none()) {
                        return Err(error);
                    }
                }
                None if client.context().has_change() => {}
                None if count > 0 || Instant::now() >= deadline => return Ok(Polled::Records(count)),
                None => {}
            }
        }
    }

    fn start(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        let Some(Change::Assigned(assigned)) = &self.unanswered else {
            return Err(LogError::must_abort("no assignment waits for an answer"));
        };
        same_partitions(assigned, from.iter().map(|assignment| &assignment.partition))?;
        let start = self.clamped(from)?;
        self.answer(
            |client, cooperative| {
                if cooperative { client.incremental_assign(&start) } else { client.assign(&start) }
            },
        )?;
        self.unanswered = None;
        self.owned.add(from.iter().map(|assignment| &assignment.partition));
        // librdkafka may remember a pause from the last time we had the partition
        let client = self.client()?;
        client.resume(&start).map_err(|error| of_client(client.client(), "cannot start reading", &error))
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let Some(Change::Revoked { partitions: revoked, .. }) = &self.unanswered else {
            return Err(LogError::must_abort("no revocation waits for an answer"));
        };
        same_partitions(revoked, partitions)?;
        let revoked = list(revoked);
        self.answer(
            |client, cooperative| {
                if cooperative { client.incremental_unassign(&revoked) } else { client.unassign() }
            },
        )?;
        self.unanswered = None;
        Ok(())
    }

    fn seek(&mut self, to: &Assignment) -> Result<(), LogError> {
        self.all_owned([&to.partition])?;
        let client = self.client()?;
        let deadline = Instant::now() + self.call_timeout;
        let position = self.clamped(std::slice::from_ref(to))?;
        loop {
            let sought = client.seek_partitions(position.clone(), self.call_timeout).map_err(|error| {
                of_client(client.client(), &format!("cannot seek in {}", to.partition), &error)
            })?;
            let Some(error) = first_error(&sought) else { return Ok(()) };
            // a partition that was given to us a moment ago has no fetcher yet
            if Instant::now() >= deadline {
                return Err(of_client(client.client(), &format!("cannot seek in {}", to.partition), &error));
            }
            thread::sleep(SEEK_RETRY);
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.all_owned(partitions)?;
        let client = self.client()?;
        client.pause(&list(partitions)).map_err(|error| of_client(client.client(), "cannot pause", &error))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.all_owned(partitions)?;
        let client = self.client()?;
        client.resume(&list(partitions)).map_err(|error| of_client(client.client(), "cannot resume", &error))
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        if self.group.is_none() {
            return Err(LogError::fatal("this reader is in no group and has no committed positions"));
        }
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.client()?;
        let failed = |error: KafkaError| of_client(client.client(), "cannot get committed positions", &error);
        let found = client.committed_offsets(list(partitions), self.call_timeout).map_err(failed)?;
        committed_positions(&found, partitions).map_err(failed)
    }

    fn group(&self) -> Result<BrokerGroup, LogError> {
        if self.group.is_none() {
            return Err(LogError::fatal("this reader is in no group"));
        }
        let group = self.client()?.group_metadata();
        group.map(BrokerGroup).ok_or_else(|| LogError::fatal("this reader has left its group"))
    }

    fn close(mut self) -> Result<(), LogError> {
        let Some(client) = self.client.take() else { return Ok(()) };
        self.prepare_close(&client);
        let_go("the reader", client)
    }
}

impl OffsetCommit for BrokerConsumer {
    fn commit(&mut self, positions: &[Position]) -> Result<(), LogError> {
        if positions.is_empty() {
            return Ok(());
        }
        self.all_owned_or_unanswered(positions)?;
        let client = self.client()?;
        if client.assignment_lost() {
            // without its generation the commit would count as that of an outsider, which an empty group lets pass
            return Err(LogError::must_abort("the partitions are lost"));
        }
        let failed = |error: KafkaError| of_client(client.client(), "cannot commit positions", &error);
        client.commit(&offsets(positions).map_err(failed)?, CommitMode::Sync).map_err(failed)
    }
}

impl BrokerConsumer {
    /// Positions may also be committed between a revocation and its answer.
    fn all_owned_or_unanswered(&self, positions: &[Position]) -> Result<(), LogError> {
        let ours = |partition: &TopicPartition| match &self.unanswered {
            Some(Change::Revoked { partitions, lost: false }) if partitions.contains(partition) => true,
            _ => self.owned.contains(&partition.topic, partition.partition),
        };
        match positions.iter().find(|position| !ours(&position.partition)) {
            Some(position) => Err(LogError::must_abort(format!("{} is not ours", position.partition))),
            None => Ok(()),
        }
    }
}

impl Drop for BrokerConsumer {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        self.prepare_close(&client);
        if let Err(error) = let_go("the reader", client) {
            tracing::warn!(%error, "a reader was given up");
        }
    }
}

fn hand_over(topic: &str, message: &BorrowedMessage<'_>, on_record: &mut dyn FnMut(&Record<'_>)) {
    on_record(&Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key(),
        value: message.payload(),
    });
}
