//! Records and offsets: what is written is what is read, from where the reader says.
//!
//! Always holds: see [`super`]. Does not know: transactions and groups.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::log::{
    Assignment, Consumer as _, ErrorClass, Log as _, Outgoing, Partitioned, Producer as _, TopicPartition,
};
use crate::partitioner::murmur2_partition;

use super::{Fixture, Seen, class_of, close, poll, read, reader_of, to, unique};

type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

const FLUSH: Duration = Duration::from_secs(20);

/// Writes `values` to a partition with a plain writer.
pub(super) fn write<F: Fixture>(fixture: &F, topic: &str, partition: i32, values: std::ops::Range<usize>) {
    let mut producer = fixture.log().producer().expect("a producer can be made");
    for value in values {
        producer.send(&to(topic, partition, &value.to_string())).expect("sending works");
    }
    producer.flush(FLUSH).expect("delivery works");
}

/// Key, value, timestamp and partition come back, in order, with offsets from 0.
pub(super) fn come_back<F: Fixture>(fixture: &F) {
    let topic = unique("records");
    fixture.create_topic(&topic, 2);
    let mut producer = fixture.log().producer().expect("a producer can be made");
    let large = vec![7_u8; 700_000];
    let written: [KeyAndValue<'_>; 5] = [
        (Some(b"key"), Some(b"value")),
        (Some(b"tombstone"), None),
        (None, Some(b"no key")),
        (Some(b""), Some(b"")),
        (Some(b"large"), Some(&large)),
    ];
    for (number, (key, value)) in written.iter().enumerate() {
        let timestamp_ms = 1_600_000_000_000 + number as i64;
        let partition = Partitioned::To(1);
        let record = Outgoing { topic: &topic, partition, timestamp_ms, key: *key, value: *value };
        producer.send(&record).expect("sending works");
    }
    producer.flush(FLUSH).expect("delivery works");

    let mut reader = reader_of(fixture, &topic, 2);
    let seen = read(fixture, &mut reader, written.len());
    for (number, (record, (key, value))) in seen.iter().zip(written).enumerate() {
        assert_eq!(record.partition, TopicPartition::new(topic.as_str(), 1));
        assert_eq!(record.offset, number as i64);
        assert_eq!(record.timestamp_ms, 1_600_000_000_000 + number as i64);
        assert_eq!(record.key.as_deref(), key);
        assert_eq!(record.value.as_deref(), value, "record {number}");
    }
    let offsets = |number| fixture.log().offsets(&TopicPartition::new(topic.as_str(), number));
    assert_eq!(offsets(0).expect("offsets are known"), (0, 0));
    assert_eq!(offsets(1).expect("offsets are known"), (0, 5));
    assert_eq!(class_of(reader.committed(&[TopicPartition::new(topic, 1)])), ErrorClass::Fatal);
    close(reader);
}

/// The log's partitioner is ours, which is the JVM clients'.
pub(super) fn keys_by_murmur2<F: Fixture>(fixture: &F) {
    const PARTITIONS: i32 = 7;
    let topic = unique("keys");
    fixture.create_topic(&topic, PARTITIONS);
    assert_eq!(fixture.log().partition_count(&topic).expect("the log answers"), Some(PARTITIONS));
    let mut producer = fixture.log().producer().expect("a producer can be made");
    let mut keys: Vec<Vec<u8>> = (0..500_u32).map(|number| format!("twitch:{number}").into_bytes()).collect();
    keys.extend([b"".to_vec(), b"a".to_vec(), b"ab".to_vec(), vec![0xff, 0xfe, 0x80], vec![0; 33]]);
    for key in &keys {
        let partition = Partitioned::ByKey;
        let value = Some(key.as_slice());
        let record = Outgoing { topic: &topic, partition, timestamp_ms: 1, key: Some(key), value };
        producer.send(&record).expect("sending works");
    }
    producer.flush(FLUSH).expect("delivery works");
    let mut reader = reader_of(fixture, &topic, PARTITIONS);
    for record in read(fixture, &mut reader, keys.len()) {
        let key = record.key.expect("every record has a key");
        assert_eq!(record.partition.partition, murmur2_partition(&key, PARTITIONS), "key {key:?}");
    }
    close(reader);
}

/// Before the start means the start, after the end means the end.
pub(super) fn start_within_the_log<F: Fixture>(fixture: &F) {
    let topic = unique("within");
    fixture.create_topic(&topic, 3);
    for partition in 0..3 {
        write(fixture, &topic, partition, 0..10);
    }
    let starts: BTreeMap<i32, i64> = [(0, -5), (1, 7), (2, 1_000)].into();
    let from: Vec<Assignment> = starts
        .iter()
        .map(|(number, offset)| Assignment {
            partition: TopicPartition::new(topic.as_str(), *number),
            offset: *offset,
        })
        .collect();
    let mut reader = fixture.log().reader(&from).expect("a reader can be made");
    let seen = read(fixture, &mut reader, 13);
    assert_eq!(offsets_of(&seen, 0), (0..10).collect::<Vec<i64>>());
    assert_eq!(offsets_of(&seen, 1), [7, 8, 9]);
    write(fixture, &topic, 2, 10..12);
    assert_eq!(offsets_of(&read(fixture, &mut reader, 2), 2), [10, 11]);
    close(reader);
}

/// A paused partition is silent and loses nothing; seeking goes to where it is told.
pub(super) fn pause_resume_seek<F: Fixture>(fixture: &F) {
    let topic = unique("pause");
    fixture.create_topic(&topic, 2);
    write(fixture, &topic, 0, 0..50);
    write(fixture, &topic, 1, 0..50);
    let partition = |number| TopicPartition::new(topic.as_str(), number);
    let mut reader = reader_of(fixture, &topic, 2);

    let mut seen = Vec::new();
    super::wait_for("a first record", || {
        poll(&mut reader, 1, &mut seen);
        seen.first().map(|_| ())
    });
    assert_eq!(seen.len(), 1, "no more than asked for");
    reader.pause(&[partition(0)]).expect("pausing works");
    let rest = read(fixture, &mut reader, 50 - offsets_of(&seen, 1).len());
    assert_eq!(offsets_of(&rest, 0), [0_i64; 0], "a paused partition is silent");
    write(fixture, &topic, 0, 50..55);
    reader.resume(&[partition(0)]).expect("resuming works");
    let missing = 55 - offsets_of(&seen, 0).len();
    seen.extend(rest);
    seen.extend(read(fixture, &mut reader, missing));
    assert_eq!(offsets_of(&seen, 0), (0..55).collect::<Vec<i64>>());
    assert_eq!(offsets_of(&seen, 1), (0..50).collect::<Vec<i64>>());

    reader.seek(&Assignment { partition: partition(1), offset: 48 }).expect("seeking works");
    assert_eq!(offsets_of(&read(fixture, &mut reader, 2), 1), [48, 49]);
    reader.seek(&Assignment { partition: partition(0), offset: 99 }).expect("seeking works");
    write(fixture, &topic, 0, 55..56);
    assert_eq!(offsets_of(&read(fixture, &mut reader, 1), 0), [55]);

    assert_eq!(class_of(reader.pause(&[partition(5)])), ErrorClass::Fatal);
    assert_eq!(class_of(reader.resume(&[partition(5)])), ErrorClass::Fatal);
    assert_eq!(class_of(reader.seek(&Assignment { partition: partition(5), offset: 0 })), ErrorClass::Fatal);
    close(reader);
}

pub(super) fn unknown_topic<F: Fixture>(fixture: &F) {
    let topic = unique("unknown");
    assert_eq!(fixture.log().partition_count(&topic).expect("the log answers"), None);
    fixture.create_topic(&topic, 3);
    assert_eq!(fixture.log().partition_count(&topic).expect("the log answers"), Some(3));
}

/// It is refused and nothing of it is in the log; the records before it are.
pub(super) fn too_large<F: Fixture>(fixture: &F) {
    let topic = unique("large");
    fixture.create_topic(&topic, 1);
    let mut producer = fixture.log().producer().expect("a producer can be made");
    producer.send(&to(&topic, 0, "small")).expect("sending works");
    let large = "x".repeat(3_000_000);
    assert_eq!(class_of(producer.send(&to(&topic, 0, &large))), ErrorClass::MustAbort);
    producer.flush(FLUSH).expect("delivery works");
    let mut reader = reader_of(fixture, &topic, 1);
    assert_eq!(read(fixture, &mut reader, 1)[0].text(), "small");
    close(reader);
}

/// The offsets of a partition's records, in the order in which they came.
pub(super) fn offsets_of(seen: &[Seen], partition: i32) -> Vec<i64> {
    seen.iter().filter(|record| record.partition.partition == partition).map(|record| record.offset).collect()
}
