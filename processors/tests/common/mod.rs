//! What the tests share: events in a few words, and a way to feed a shard its partitions in any interleaving.
//!
//! Always holds: a schedule changes only the order in which partitions are read and how often the watermark is looked at.
#![allow(dead_code)] // each test uses its part

use processors::{Job, JobConfig, Output};
use schemas::{
    Aggressor, ChatEvent, ChatKind, Emote, Event, ReactionEvent, ReactionKind, Timestamp, Topic, TradeEvent,
    ViewerEvent, ViewerKind,
};

pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub fn job(toml: &str) -> Job {
    let config: JobConfig = toml::from_str(toml).expect("the configuration is well formed");
    config.validate("test").expect("the configuration is valid")
}

pub fn chat(id: &str, time: Timestamp, channel: &str, user: Option<&str>, text: &str) -> ChatEvent<'static> {
    ChatEvent {
        event_id: id.to_owned().into(),
        event_time: time,
        ingest_time: time,
        source: "test".into(),
        channel_id: channel.to_owned().into(),
        user_id: user.map(|user| user.to_owned().into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: None,
        text: Some(text.to_owned().into()),
        emotes: Vec::new(),
        roles: Vec::new(),
        badges: Vec::new(),
        reply_to: None,
        is_question: false,
        is_first_message: false,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    }
}

pub fn emote(name: &str, count: i32) -> Emote<'static> {
    Emote { id: format!("test:{name}").into(), name: name.to_owned().into(), count }
}

pub fn reaction(
    id: &str,
    time: Timestamp,
    channel: &str,
    user: Option<&str>,
    kind: ReactionKind,
    count: i64,
) -> ReactionEvent<'static> {
    ReactionEvent {
        event_id: id.to_owned().into(),
        event_time: time,
        ingest_time: time,
        source: "test".into(),
        channel_id: channel.to_owned().into(),
        user_id: user.map(|user| user.to_owned().into()),
        stream_id: None,
        kind,
        count,
        user_name: None,
        emoji: None,
        amount_micros: None,
        currency: None,
        target_id: None,
        option: None,
    }
}

pub fn viewer(
    id: &str,
    time: Timestamp,
    channel: &str,
    kind: ViewerKind,
    session: &str,
) -> ViewerEvent<'static> {
    ViewerEvent {
        event_id: id.to_owned().into(),
        event_time: time,
        ingest_time: time,
        source: "test".into(),
        channel_id: channel.to_owned().into(),
        user_id: None,
        stream_id: None,
        kind,
        session_id: session.to_owned().into(),
        watch_ms: 0,
        startup_ms: None,
        rebuffer_count: 0,
        rebuffer_ms: 0,
        bitrate_kbps: None,
        live_latency_ms: None,
        device: None,
        country: None,
    }
}

pub fn trade(
    id: &str,
    time: Timestamp,
    market: (&str, &str),
    trade_id: Option<i64>,
    price: &str,
    quantity: &str,
    aggressor: Aggressor,
) -> TradeEvent<'static> {
    TradeEvent {
        event_id: id.to_owned().into(),
        event_time: time,
        ingest_time: time,
        source: market.0.to_owned().into(),
        channel_id: format!("{}:{}", market.0, market.1).into(),
        user_id: None,
        stream_id: None,
        trade_id,
        price: price.parse().expect("price"),
        quantity: quantity.parse().expect("quantity"),
        aggressor,
        venue: market.0.to_owned().into(),
        symbol: market.1.to_owned().into(),
    }
}

/// One partition's records, in their order.
pub type Partition = (Topic, Vec<Event<'static>>);

/// What came out of a run, and how many events were too late.
#[derive(Debug, PartialEq)]
pub struct Ran {
    pub outputs: Vec<Output>,
    pub late_count: usize,
}

/// Feeds a shard its partitions in the interleaving that `schedule` says: each number picks a partition, and odd ones let
/// the watermark follow. What is left when the schedule ends is read partition by partition.
pub fn run(job: &Job, partitions: &[Partition], schedule: &[u8]) -> Ran {
    let mut shard = job.shard();
    let mut next = vec![0; partitions.len()];
    let (mut outputs, mut late_count) = (Vec::new(), 0);
    let rest =
        partitions.iter().enumerate().flat_map(|(index, (_, events))| vec![2 * index as u8; events.len()]);
    let rest: Vec<u8> = rest.collect();
    for choice in schedule.iter().chain(&rest) {
        let index = usize::from(choice / 2) % partitions.len();
        let (topic, events) = &partitions[index];
        if let Some(event) = events.get(next[index]) {
            let ingest_time = event.header().ingest_time;
            let taken = shard.process(*topic, next[index] as i64, ingest_time, event, &mut outputs);
            late_count += usize::from(taken.is_late);
            next[index] += 1;
        }
        if choice % 2 == 1 {
            shard.advance(&mut outputs);
        }
    }
    shard.advance_to(Timestamp::MAX, &mut outputs);
    Ran { outputs, late_count }
}

/// An event as a naive model sees it: with the watermark of its partition and its place in the order of visibility.
pub struct Seen<'e> {
    pub event: &'e Event<'static>,
    pub time: i64,
    pub watermark: i64,
    pub visible_from: i64,
    pub topic: Topic,
    pub offset: usize,
}

/// Every event of every partition in the order of visibility.
pub fn seen(partitions: &[Partition], lateness_micros: i64) -> Vec<Seen<'_>> {
    let mut all = Vec::new();
    for (topic, events) in partitions {
        let mut watermark = i64::MIN;
        for (offset, event) in events.iter().enumerate() {
            let time = event.header().event_time.micros();
            let visible_from = time.max(watermark);
            all.push(Seen { event, time, watermark, visible_from, topic: *topic, offset });
            watermark = watermark.max(time - lateness_micros);
        }
    }
    all.sort_by_key(|seen| (seen.visible_from, seen.topic, seen.offset));
    all
}

/// Every instant at which the model looks: the multiples of `step` from before the first event to well after the last.
pub fn ticks(seen: &[Seen<'_>], step: i64, beyond: i64) -> impl Iterator<Item = i64> + use<> {
    let first = seen.first().map_or(0, |seen| seen.visible_from).div_euclid(step);
    let last = seen.last().map_or(0, |seen| seen.visible_from + beyond).div_euclid(step) + 1;
    (first..=last).map(move |multiple| multiple * step)
}

/// The least multiple of `step` at or after `instant`.
pub fn next_multiple(instant: i64, step: i64) -> i64 {
    (instant + step - 1).div_euclid(step) * step
}
