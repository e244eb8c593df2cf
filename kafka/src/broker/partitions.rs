//! Lists of partitions: as librdkafka takes them, and those that are ours.
//!
//! Always holds: nothing is left out or added on the way. Does not know: what is done with them.

use std::sync::Arc;

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use crate::log::{Committed, LogError, Position, TopicPartition};

/// The partitions as librdkafka takes them.
pub(super) fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

/// The positions as librdkafka takes them, with their metadata.
pub(super) fn offsets(positions: &[Position]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for Position { partition, offset, metadata } in positions {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element.set_offset(Offset::Offset(*offset))?;
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

pub(super) fn first_error(list: &TopicPartitionList) -> Option<KafkaError> {
    list.elements().iter().find_map(|element| element.error().err())
}

/// What a question for committed positions found, in the order asked for.
pub(super) fn committed_positions(
    found: &TopicPartitionList,
    partitions: &[TopicPartition],
) -> KafkaResult<Vec<Option<Committed>>> {
    if let Some(error) = first_error(found) {
        return Err(error);
    }
    let position = |partition: &TopicPartition| {
        let element = found.find_partition(&partition.topic, partition.partition)?;
        match element.offset() {
            Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_owned() }),
            _ => None,
        }
    };
    Ok(partitions.iter().map(position).collect())
}

/// An answer must be about exactly what was reported: a partition left out would be read by nobody.
pub(super) fn same_partitions<'p>(
    reported: &[TopicPartition],
    answered: impl IntoIterator<Item = &'p TopicPartition>,
) -> Result<(), LogError> {
    let mut reported: Vec<&TopicPartition> = reported.iter().collect();
    let mut answered: Vec<&TopicPartition> = answered.into_iter().collect();
    reported.sort_unstable();
    answered.sort_unstable();
    if reported == answered {
        Ok(())
    } else {
        Err(LogError::must_abort(format!(
            "the answer names {} partitions, the report named {} others",
            answered.len(),
            reported.len()
        )))
    }
}

/// The partitions that may be handed over; few topics, so a list of them is quickest.
#[derive(Debug, Default)]
pub(super) struct Owned {
    topics: Vec<(Arc<str>, Vec<i32>)>,
}

impl Owned {
    pub(super) fn contains(&self, topic: &str, partition: i32) -> bool {
        let found = self.topics.iter().find(|(name, _)| **name == *topic);
        found.is_some_and(|(_, partitions)| partitions.contains(&partition))
    }

    pub(super) fn add<'p>(&mut self, partitions: impl IntoIterator<Item = &'p TopicPartition>) {
        for TopicPartition { topic, partition } in partitions {
            match self.topics.iter_mut().find(|(name, _)| name == topic) {
                Some((_, numbers)) if numbers.contains(partition) => {}
                Some((_, numbers)) => numbers.push(*partition),
                None => self.topics.push((Arc::clone(topic), vec![*partition])),
            }
        }
    }

    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        for TopicPartition { topic, partition } in partitions {
            for (name, numbers) in &mut self.topics {
                if name == topic {
                    numbers.retain(|number| number != partition);
                }
            }
        }
    }
}
