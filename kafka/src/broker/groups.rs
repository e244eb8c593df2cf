//! Groups seen from outside, for operators: who is in one, how far it has come, and setting it back.
//!
//! Always holds: looking changes nothing, and joins nothing. Positions are set only while nobody is in the group: the broker
//! refuses otherwise. Does not know: what the positions' texts mean.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::log::{Committed, LogError, Position, TopicPartition};

use super::BrokerLog;
use super::context::Quiet;
use super::error::plain;
use super::partitions::{committed_positions, list, offsets};

/// How soon a group's coordinator is asked again that is not ready.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(100);

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the broker gave it.
    pub id: String,
    /// The name under which the client logs in.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
}

impl BrokerLog {
    /// The members of a group; none if there is no such group.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn group_members(&self, group: &str) -> Result<Vec<GroupMember>, LogError> {
        let failed = |error| plain(&format!("cannot look at the group {group}"), &error);
        let timeout = self.inner.options.call_timeout;
        let found = self.inner.questions.fetch_group_list(Some(group), timeout).map_err(failed)?;
        let member = |member: &rdkafka::groups::GroupMemberInfo| GroupMember {
            id: member.id().to_owned(),
            client_id: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        };
        Ok(found.groups().iter().flat_map(|group| group.members().iter().map(member)).collect())
    }

    /// A group's committed positions, in the order asked for.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn group_positions(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        let failed = |error| plain(&format!("cannot get the positions of the group {group}"), &error);
        let client = self.outsider(group)?;
        let timeout = self.inner.options.call_timeout;
        let ask = || client.committed_offsets(list(partitions), timeout);
        let found = self.once_there_is_a_coordinator(ask).map_err(failed)?;
        committed_positions(&found, partitions).map_err(failed)
    }

    /// Sets a group's positions.
    ///
    /// # Errors
    /// If somebody is in the group, or the broker cannot be reached.
    pub fn set_group_positions(&self, group: &str, positions: &[Position]) -> Result<(), LogError> {
        let failed = |error| plain(&format!("cannot set the positions of the group {group}"), &error);
        let (client, positions) = (self.outsider(group)?, offsets(positions).map_err(failed)?);
        self.once_there_is_a_coordinator(|| client.commit(&positions, CommitMode::Sync)).map_err(failed)
    }

    /// Forgets a group and its positions.
    ///
    /// # Errors
    /// If somebody is in the group, or the broker cannot be reached.
    pub fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.delete_groups(&[group])
    }

    /// For each partition, the offset of the first record taken in at or after `timestamp_ms`; its end if there is none.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn offsets_at(&self, partitions: &[TopicPartition], timestamp_ms: i64) -> Result<Vec<i64>, LogError> {
        let failed = |error| plain("cannot look up offsets by time", &error);
        let mut wanted = TopicPartitionList::new();
        for partition in partitions {
            let time = Offset::Offset(timestamp_ms);
            wanted.add_partition_offset(&partition.topic, partition.partition, time).map_err(failed)?;
        }
        let found = self
            .inner
            .questions
            .offsets_for_times(wanted, self.inner.options.call_timeout)
            .map_err(failed)?;
        let offset = |partition: &TopicPartition| {
            use crate::log::Log as _;
            match found.find_partition(&partition.topic, partition.partition).map(|element| element.offset())
            {
                Some(Offset::Offset(offset)) if offset >= 0 => Ok(offset),
                _ => self.offsets(partition).map(|(_, end)| end),
            }
        };
        partitions.iter().map(offset).collect()
    }

    /// Asks until the group's coordinator is known and has read what it is to know, which takes a moment where a broker has just started
    /// or has given its groups to another; not beyond the call timeout.
    fn once_there_is_a_coordinator<T>(&self, ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
        use RDKafkaErrorCode::{
            CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, WaitingForCoordinator,
        };
        let deadline = Instant::now() + self.inner.options.call_timeout;
        loop {
            let answer = ask();
            let is_none_yet = matches!(
                answer.as_ref().err().and_then(KafkaError::rdkafka_error_code),
                Some(
                    CoordinatorLoadInProgress
                        | CoordinatorNotAvailable
                        | NotCoordinator
                        | WaitingForCoordinator
                )
            );
            if !is_none_yet || Instant::now() >= deadline {
                return answer;
            }
            std::thread::sleep(COORDINATOR_PAUSE);
        }
    }

    /// A client that names the group without joining it.
    fn outsider(&self, group: &str) -> Result<BaseConsumer<Quiet>, LogError> {
        let mut config = self.inner.options.questions();
        config.set("group.id", group).set("enable.auto.commit", "false");
        config
            .create_with_context(Quiet::default())
            .map_err(|error| plain(&format!("cannot look at the group {group}"), &error))
    }
}
