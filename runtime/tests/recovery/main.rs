//! The production loop on the in-memory log: crashes, lost partitions, aborted and unknown commits must change nothing.
//!
//! What a reader of committed records sees after a disturbed run equals, record for record, what it sees after an
//! undisturbed one with a single worker; freshness apart, which describes the run. Every run is drawn from a seed.

mod faulty_store;
mod raises;
mod shares;
mod slow_store;
mod snapshots;
mod world;

use std::collections::BTreeMap;

use runtime::Guarantee;
use schemas::Topic;
use serde_json::Value;

use world::{Settings, World, by_identity, committed, count, make_records, produce, run};

/// The topics of what is computed, and what could not be.
const OUTPUTS: [Topic; 4] = [Topic::Leaderboards, Topic::Engagement, Topic::Moderation, Topic::DeadLetter];

/// Every record of one run is a record of the other. How many there are.
fn compare(calm: &kafka::memory::MemoryLog, rough: &kafka::memory::MemoryLog, context: &str) -> usize {
    let mut compared = 0;
    for topic in OUTPUTS {
        let expected = by_identity(calm, topic, &format!("undisturbed run of {context}"));
        let found = by_identity(rough, topic, context);
        for (id, record) in &expected {
            assert_eq!(found.get(id), Some(record), "{context}: {topic} {id}");
        }
        assert_eq!(found.len(), expected.len(), "{context}: {topic} has records that should not be");
        compared += expected.len();
    }
    compared
}

#[test]
fn crashes_and_failed_commits_change_nothing() {
    let mut compared = 0;
    let mut aborts = 0;
    for seed in 0..60 {
        let (calm, _) = run(seed, false, Settings::new(1));
        let (rough, metrics) = run(seed, true, Settings::new(2));
        aborts += count(&metrics.aborts);
        compared += compare(&calm, &rough, &format!("seed {seed}"));
    }
    assert!(compared > 10_000, "only {compared} records were compared");
    assert!(aborts > 100, "only {aborts} transactions were aborted: too little went wrong");
}

/// The newest record of each window, whatever its revision.
fn newest(log: &kafka::memory::MemoryLog, topic: Topic) -> BTreeMap<String, Value> {
    let window = |record: &Value| {
        let names =
            ["board", "group", "channel_id", "window_start", "flag_id", "topic", "partition", "offset"];
        names.map(|name| record.get(name).map(Value::to_string).unwrap_or_default()).join(" ")
    };
    committed(log, topic).into_iter().map(|record| (window(&record), record)).collect()
}

#[test]
fn at_least_once_ends_with_the_same_boards() {
    let (mut compared, mut repeated) = (0, 0);
    for seed in 0..30 {
        let (calm, _) = run(seed, false, Settings::new(1));
        let at_least_once = Settings { guarantee: Guarantee::AtLeastOnce, ..Settings::new(2) };
        let (rough, _) = run(seed, true, at_least_once);
        for topic in OUTPUTS {
            let expected = newest(&calm, topic);
            assert_eq!(newest(&rough, topic), expected, "seed {seed}: {topic}");
            compared += expected.len();
            repeated += committed(&rough, topic).len() - by_identity(&calm, topic, "calm").len();
        }
    }
    assert!(compared > 1_000, "only {compared} records were compared");
    assert!(repeated > 100, "only {repeated} records were repeated: too little went wrong");
}

#[test]
fn every_window_is_final_once() {
    let (log, _) = run(1, false, Settings::new(1));
    let mut finals: BTreeMap<String, usize> = BTreeMap::new();
    for record in committed(&log, Topic::Engagement) {
        let window = format!("{} {}", record["channel_id"], record["window_start"]);
        *finals.entry(window).or_default() += usize::from(record["is_final"] == true);
    }
    assert!(finals.len() >= 6, "{finals:?}");
    assert!(finals.values().all(|count| *count == 1), "{finals:?}");
}

#[test]
fn a_restart_keeps_closed_what_the_clock_has_closed() {
    let (log, _) = run(1, false, Settings::new(1));
    let before: Vec<_> = Topic::RESULTS.map(|topic| committed(&log, topic)).into();
    // One more event for a minute that the clock closed while nothing came.
    let made = make_records(1).into_iter().next_back().expect("a record");
    produce(&log, &[made]);
    let mut world = World::new(&log, Settings::new(1));
    world.finish();
    let after: Vec<_> = Topic::RESULTS.map(|topic| committed(&log, topic)).into();
    let lates = count(&world.metrics.late);
    let windowed = |records: &[Vec<Value>]| {
        let all = records.iter().flatten().filter(|record| !record["window_end"].is_null());
        all.cloned().collect::<Vec<_>>()
    };
    assert_eq!(windowed(&after), windowed(&before), "{lates} late events");
}
