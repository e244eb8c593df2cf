//! What both sides wrote in a round, in one form: figures by what they are of.
//!
//! Always holds: everything committed between the mark and the reading is there, final results only; two results of one window are an error.
//! Does not know: whether they agree.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kafka::broker::BrokerLog;
use kafka::registry::Registry;
use kafka::{
    Assignment, Consumer as _, Log as _, Outgoing, Partitioned, Polled, Producer as _, TopicPartition,
    murmur2_partition,
};
use schemas::{CandleResult, Decoder, EngagementResult, LeaderboardResult, Timestamp};

use super::PEER_RESULTS;
use super::compare::{Kind, Results, Subject};
use crate::ovation::{Bench, PARTITIONS};

const OURS: [&str; 3] = ["results.leaderboards", "results.engagement", "results.markets"];
const DEADLINE: Duration = Duration::from_secs(600);
/// The key of the record after which nothing is read.
const END: &[u8] = b"end of the round";

/// Where a round begins in the topics of results.
pub struct Mark(Vec<Assignment>);

impl Mark {
    /// Here.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn now(bench: &Bench) -> Result<Self> {
        let mut starts = Vec::new();
        for topic in OURS.iter().chain([&PEER_RESULTS]) {
            for number in 0..PARTITIONS {
                let partition = TopicPartition::new(*topic, number);
                let (_, offset) = bench.log().offsets(&partition)?;
                starts.push(Assignment { partition, offset });
            }
        }
        Ok(Mark(starts))
    }

    /// Where each partition is read from.
    pub fn starts(&self) -> &[Assignment] {
        &self.0
    }

    /// Ours and the peer's results since then. Both have ended.
    ///
    /// # Errors
    /// If the broker or the registry cannot be reached, or a result is not one.
    pub fn read_since(self, bench: &Bench) -> Result<(Results, Results)> {
        let ids = Registry::new(bench.registry(), None).resolve_ids("", false)?;
        let decoder = Decoder::new(ids);
        let (mut ours, mut peer) = (Results::new(), Results::new());
        read(bench.log(), &self.0, |topic, value| {
            let side = if topic == PEER_RESULTS { &mut peer } else { &mut ours };
            add(side, result(&decoder, topic, value)?)
        })?;
        Ok((ours, peer))
    }
}

/// What a record says, if it is a final result.
///
/// # Errors
/// If it is none at all.
pub fn result(decoder: &Decoder, topic: &str, value: &[u8]) -> Result<Option<(Subject, Vec<String>)>> {
    Ok(match topic {
        "results.leaderboards" => board(&decoder.decode(value)?),
        "results.engagement" => engagement(&decoder.decode(value)?),
        "results.markets" => candle(&decoder.decode(value)?),
        _ => Some(of_peer(value).context("a result of the peer is not one")?),
    })
}

/// Reads from there on to a record that is written now.
fn read(
    log: &BrokerLog,
    from: &[Assignment],
    mut on_value: impl FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut producer = log.producer()?;
    for Assignment { partition, .. } in from {
        let (topic, to) = (&*partition.topic, Partitioned::To(partition.partition));
        producer.send(&Outgoing {
            topic,
            partition: to,
            timestamp_ms: now_ms()?,
            key: Some(END),
            value: None,
        })?;
    }
    producer.flush(DEADLINE)?;
    let (mut consumer, started) = (log.reader(from)?, Instant::now());
    let (mut ended, mut outcome) = (0, Ok(()));
    while ended < from.len() {
        let polled = consumer.poll(10_000, Duration::from_millis(500), &mut |record| match record.value {
            Some(value) if outcome.is_ok() => outcome = on_value(record.topic, value),
            None if record.key == Some(END) => ended += 1,
            _ => {}
        })?;
        ensure!(matches!(polled, Polled::Records(_)), "a reader without a group was given {polled:?}");
        ensure!(started.elapsed() < DEADLINE, "the results do not end");
    }
    consumer.close()?;
    outcome
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_millis())?)
}

fn add(results: &mut Results, result: Option<(Subject, Vec<String>)>) -> Result<()> {
    let Some((subject, figures)) = result else { return Ok(()) };
    if let Some(before) = results.insert(subject.clone(), figures) {
        bail!("two final results of {subject:?}; one of them: {before:?}");
    }
    Ok(())
}

fn subject(kind: Kind, key: &str, name: &str, end: i64) -> Subject {
    let shard = murmur2_partition(key.as_bytes(), PARTITIONS);
    Subject { kind, shard, end, name: name.to_owned() }
}

fn micros(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::micros)
}

fn board(result: &LeaderboardResult) -> Option<(Subject, Vec<String>)> {
    let mut figures = vec![format!("{} users, {} messages", result.item_count, result.total_score)];
    let place = |entry: &schemas::LeaderboardEntry| format!("{} {}", entry.item, entry.score);
    figures.extend(result.entries.iter().map(place));
    let subject = subject(Kind::Board, &result.group, &result.group, micros(result.window_end));
    result.is_final.then_some((subject, figures))
}

fn engagement(result: &EngagementResult) -> Option<(Subject, Vec<String>)> {
    let figures = vec![format!("{} messages, {} chatters", result.messages, result.unique_chatters)];
    let channel = &result.channel_id;
    let subject = subject(Kind::Engagement, channel, channel, micros(result.window_end));
    result.is_final.then_some((subject, figures))
}

fn candle(result: &CandleResult) -> Option<(Subject, Vec<String>)> {
    let figures = candle_figures(
        [result.open, result.high, result.low, result.close, result.base_volume].map(|price| price.units()),
        result.quote_volume.units(),
        result.trade_count,
    );
    let market = format!("{}:{}", result.venue, result.symbol);
    let name = format!("{market}/{}", result.interval_s);
    let subject = subject(Kind::Candle, &market, &name, result.window_end.micros());
    result.is_final.then_some((subject, figures))
}

fn candle_figures(prices_and_volume: [i128; 5], quote: i128, trades: i64) -> Vec<String> {
    let names = ["open", "high", "low", "close", "volume"];
    let mut figures: Vec<String> =
        names.iter().zip(prices_and_volume).map(|(name, units)| format!("{name} {units}")).collect();
    figures.push(format!("quote volume {quote}"));
    figures.push(format!("{trades} trades"));
    figures
}

/// A result as `Result.java` writes it. None if the bytes are not one.
fn of_peer(bytes: &[u8]) -> Option<(Subject, Vec<String>)> {
    let (what, rest) = bytes.split_first()?;
    let mut fields = Fields(rest);
    match what {
        b'B' => {
            let (channel, end) = (fields.text()?, fields.number()?);
            let mut figures = vec![format!("{} users, {} messages", fields.number()?, fields.number()?)];
            for _ in 0..fields.number()? {
                figures.push(format!("{} {}", fields.text()?, fields.number()?));
            }
            Some((subject(Kind::Board, channel, channel, end), figures))
        }
        b'E' => {
            let (channel, end) = (fields.text()?, fields.number()?);
            let figures = vec![format!("{} messages, {} chatters", fields.number()?, fields.number()?)];
            Some((subject(Kind::Engagement, channel, channel, end), figures))
        }
        b'C' => {
            let market = format!("{}:{}", fields.text()?, fields.text()?);
            let (interval, end) = (fields.number()?, fields.number()?);
            let prices = [fields.number()?, fields.number()?, fields.number()?, fields.number()?];
            let (trades, volume, quote) = (fields.number()?, fields.sum()?, fields.sum()?);
            let [open, high, low, close] = prices.map(i128::from);
            let figures = candle_figures([open, high, low, close, volume], quote, trades);
            let name = format!("{market}/{}", interval / 1_000_000);
            Some((subject(Kind::Candle, &market, &name, end), figures))
        }
        _ => None,
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<i64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*bytes))
    }

    /// 128 bits.
    fn sum(&mut self) -> Option<i128> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i128::from_be_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'a str> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}
