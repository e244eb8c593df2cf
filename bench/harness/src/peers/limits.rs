//! What no job can be cheaper than: reading a topic with our reader, and decoding it as well.
//!
//! Always holds: processor time of this program while it does nothing else. Does not know: jobs.

use std::time::Duration;

use anyhow::{Result, ensure};
use kafka::registry::Registry;
use kafka::{Assignment, Consumer as _, Log as _, Polled, TopicPartition};
use schemas::{Decoder, Topic};

use crate::meter::usage;
use crate::ovation::{Bench, PARTITIONS};

/// Processor time, in seconds, for all records.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub consume_s: f64,
    pub decode_s: f64,
}

/// Reads everything twice.
///
/// # Errors
/// If the broker cannot be reached, or a record is not an event.
pub fn measure(bench: &Bench, topics: &[&str]) -> Result<Limits> {
    let decoder = Decoder::new(Registry::new(bench.registry(), None).resolve_ids("", false)?);
    let mut undecodable = 0;
    let consume_s = read(bench, topics, &mut |_, _| {})?;
    let decode_s = read(bench, topics, &mut |topic, value| {
        let topic = Topic::EVENTS.into_iter().find(|known| known.name() == topic);
        let is_event = topic.is_some_and(|topic| decoder.decode_event(topic, value).is_ok());
        undecodable += u64::from(!is_event);
    })?;
    ensure!(undecodable == 0, "{undecodable} records are no events");
    Ok(Limits { consume_s, decode_s })
}

fn read(bench: &Bench, topics: &[&str], on_value: &mut dyn FnMut(&str, &[u8])) -> Result<f64> {
    let before = usage(std::process::id())?.cpu_s;
    let mut from = Vec::new();
    for topic in topics {
        for number in 0..PARTITIONS {
            from.push(Assignment { partition: TopicPartition::new(*topic, number), offset: 0 });
        }
    }
    let (mut consumer, mut left) = (bench.log().reader(&from)?, bench.records(topics)?);
    while left > 0 {
        let polled = consumer.poll(10_000, Duration::from_secs(60), &mut |record| {
            left -= 1;
            on_value(record.topic, record.value.unwrap_or_default());
        })?;
        ensure!(!matches!(polled, Polled::Records(0)), "{left} records do not come");
    }
    consumer.close()?;
    Ok(usage(std::process::id())?.cpu_s - before)
}
