//! The comparisons of `ovation verify` on a real broker and the real engine: all is well where it is, and each kind of difference that
//! somebody makes is found.

#[allow(dead_code, reason = "another test binary uses the rest")]
mod clickhouse_support;

use std::collections::BTreeMap;
use std::time::Duration;

use clickhouse_support::values::{self, chat, leaderboard};
use clickhouse_support::{Corner, Published, record, stack};
use kafka::broker::{BrokerLog, BrokerOptions};
use kafka::{Consumer, ConsumerOptions, Log, Outgoing, Partitioned, Transactions};
use schemas::{SchemaIds, Topic};
use sinks::clickhouse::verify::offsets::{Compared, OffsetCheck, PartitionReport};
use sinks::clickhouse::verify::rollups::{RollupReport, rollups};
use sinks::clickhouse::{Retention, rebuild_rollups};

/// Events of every kind, for two partitions of chat.
fn events() -> Vec<Published> {
    let mut records = Vec::new();
    for number in 0..200 {
        let user = format!("u{}", number % 7);
        records.push(Published {
            partition: Some((number % 2) as i32),
            ..record("twitch:10", &chat(number, &user))
        });
        records.push(record("binance-spot:BTCUSDT", &values::trade(number, "60000.5", "0.25")));
        records.push(record("youtube:c", &values::reaction(number)));
        records.push(record("api:c", &values::viewer(number)));
    }
    records
}

fn compared(corner: &Corner) -> Vec<Compared> {
    let partitions = corner.partitions();
    let committed = corner
        .log
        .group_positions(&sinks::clickhouse::group(&corner.settings.prefix), &partitions)
        .expect("positions");
    let topic = |name: &str| {
        Topic::STORED.into_iter().find(|topic| name.ends_with(topic.name())).expect("a topic of ours")
    };
    partitions
        .into_iter()
        .zip(committed)
        .map(|(partition, committed)| Compared {
            topic: topic(&partition.topic),
            partition,
            committed: committed.map(|committed| committed.offset),
        })
        .collect()
}

fn offsets(corner: &Corner, retention: &Retention) -> Vec<PartitionReport> {
    let group = sinks::clickhouse::group(&corner.settings.prefix);
    let check = OffsetCheck {
        log: &corner.log,
        client: &corner.client,
        group: &group,
        ids: SchemaIds::local(),
        retention,
    };
    let all = compared(corner);
    all.iter().map(|one| corner.wait(check.compare(one, &all)).expect("compared")).collect()
}

/// What differs, as (topic, partition, missing, doubled, unexplained, examples).
fn differing(corner: &Corner) -> Vec<(String, i32, u64, u64, u64, Vec<i64>)> {
    let differs = |report: &PartitionReport| report.differences() > 0;
    offsets(corner, &Retention::default())
        .into_iter()
        .filter(differs)
        .map(|report| {
            let name =
                report.partition.topic.rsplit_once(&corner.settings.prefix).expect("our topic").1.to_owned();
            (
                name,
                report.partition.partition,
                report.missing,
                report.doubled,
                report.unexplained,
                report.examples,
            )
        })
        .collect()
}

fn run(corner: &Corner, statement: &str) {
    corner
        .wait(corner.client.query_raw(statement).execute())
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// Writes boards in one transaction.
fn transaction(corner: &Corner, boards: &[(i64, &[(&str, &str)])]) {
    let log = BrokerLog::new(BrokerOptions::new(stack().kafka_brokers())).expect("log");
    let mut transactions =
        log.transactions(&format!("{}boards", corner.settings.prefix)).expect("transactions");
    transactions.begin().expect("begun");
    let topic = format!("{}{}", corner.settings.prefix, Topic::Leaderboards.name());
    for (minute, entries) in boards {
        let published = record("top_chatters/twitch:10", &leaderboard(*minute, 1, entries));
        let outgoing = Outgoing {
            topic: &topic,
            partition: Partitioned::To(0),
            timestamp_ms: 1_790_000_000_000,
            key: Some(&published.key),
            value: published.value.as_deref(),
        };
        transactions.send(&outgoing).expect("sent");
    }
    let options = ConsumerOptions {
        group: format!("{}writers", corner.settings.prefix),
        topics: vec![topic],
        instance_id: None,
        session_timeout: Duration::from_secs(45),
    };
    let member = log.join(&options).expect("joined");
    transactions.commit(&[], &member.group().expect("a group")).expect("committed");
    member.close().expect("closed");
}

#[test]
fn offsets_that_are_missing_doubled_or_of_no_record_are_found() {
    let mut corner = Corner::new("verify_offsets");
    corner.settings.instance_id = None;
    corner.publish(&events());
    let raw = |key: &str, value: Option<&[u8]>| Published {
        topic: Topic::Chat,
        partition: Some(0),
        key: key.as_bytes().to_vec(),
        value: value.map(<[u8]>::to_vec),
    };
    // a dead letter, a record that is left out by rule, and one more record
    corner.publish(&[
        raw("poison", Some(&[255, 0, 1])),
        raw("tombstone", None),
        record("k", &values::flag(5)),
    ]);
    let three: &[(&str, &str)] = &[("twitch:1", "9"), ("twitch:2", "8"), ("twitch:3", "7")];
    transaction(&corner, &[(1, three), (2, three)]);
    transaction(&corner, &[(3, three), (4, three)]);
    let sink = corner.start_sink();
    clickhouse_support::eventually("all records are rows, or not", || corner.arrived() >= 800 + 1 + 1 + 4);
    sink.stop().expect("stops in order");

    assert_eq!(differing(&corner), []);
    let reports = offsets(&corner, &Retention::default());
    let of = |topic: Topic, partition: i32| {
        let name = format!("{}{}", corner.settings.prefix, topic.name());
        let found = reports
            .iter()
            .find(|report| *report.partition.topic == *name && report.partition.partition == partition);
        found.expect("a report")
    };
    let chat = of(Topic::Chat, 0);
    assert_eq!((chat.from, chat.to, chat.rows, chat.dead_letters, chat.left_out), (0, 102, 100, 1, 1));
    let boards = of(Topic::Leaderboards, 0);
    assert_eq!((boards.rows, boards.left_out), (4, 0));
    assert!(boards.to > 4, "the marks of transactions lie between: {boards:?}");

    // each kind of difference, made and undone
    let gone =
        "DELETE FROM chat_events WHERE partition = 1 AND offset = 7 SETTINGS lightweight_deletes_sync = 2";
    run(&corner, "CREATE TABLE kept AS chat_events");
    run(&corner, "INSERT INTO kept SELECT * FROM chat_events WHERE partition = 1 AND offset = 7");
    run(&corner, gone);
    assert_eq!(differing(&corner), [("events.chat".to_owned(), 1, 1, 0, 0, vec![7])]);
    run(&corner, "INSERT INTO chat_events SELECT * FROM kept");
    assert_eq!(differing(&corner), []);

    run(&corner, "SYSTEM STOP MERGES chat_events");
    run(&corner, "INSERT INTO chat_events SELECT * FROM kept SETTINGS insert_deduplicate = 0");
    assert_eq!(differing(&corner), [("events.chat".to_owned(), 1, 0, 1, 0, vec![])]);
    run(&corner, "SYSTEM START MERGES chat_events");
    run(&corner, "OPTIMIZE TABLE chat_events FINAL");
    assert_eq!(differing(&corner), []);

    // a row where the log has the mark of a transaction
    let marked = 2;
    run(
        &corner,
        &format!(
            "INSERT INTO leaderboards SELECT * REPLACE ({marked} AS offset) FROM (SELECT * FROM leaderboards WHERE offset = 0)"
        ),
    );
    assert_eq!(differing(&corner), [("results.leaderboards".to_owned(), 0, 0, 0, 1, vec![marked])]);
    run(
        &corner,
        &format!("DELETE FROM leaderboards WHERE offset = {marked} SETTINGS lightweight_deletes_sync = 2"),
    );
    // a place of a board, and a whole board
    run(
        &corner,
        "DELETE FROM leaderboards WHERE offset = 0 AND rank = 2 SETTINGS lightweight_deletes_sync = 2",
    );
    assert_eq!(differing(&corner), [("results.leaderboards".to_owned(), 0, 1, 0, 0, vec![])]);
    run(&corner, "DELETE FROM leaderboards WHERE offset = 0 SETTINGS lightweight_deletes_sync = 2");
    assert_eq!(differing(&corner), [("results.leaderboards".to_owned(), 0, 1, 0, 0, vec![0])]);

    // the dead letter is looked for in the log while it is on its way
    run(&corner, "TRUNCATE TABLE dead_letters");
    let found = differing(&corner);
    assert!(found.iter().any(|one| one.0 == "events.chat" && one.2 == 1), "{found:?}");
    let letters: Vec<kafka::Position> = corner
        .partitions()
        .into_iter()
        .filter(|partition| partition.topic.ends_with("dead-letter"))
        .map(|partition| kafka::Position { partition, offset: 0, metadata: String::new() })
        .collect();
    corner
        .log
        .set_group_positions(&sinks::clickhouse::group(&corner.settings.prefix), &letters)
        .expect("set");
    let found = differing(&corner);
    assert!(found.iter().all(|one| one.0 == "results.leaderboards"), "{found:?}");
}

#[test]
fn what_a_retention_has_deleted_is_not_missing() {
    let corner = Corner::new("verify_expired");
    corner.publish(&[record("twitch:10", &chat(1, "ada")), record("twitch:10", &chat(2, "ada"))]);
    corner.sink_everything();
    run(&corner, "TRUNCATE TABLE chat_events");
    assert_eq!(differing(&corner).len(), 1);
    // the records carry the time of 2026-09-21
    let kept = |kept: Duration| Retention { events: Some(kept), ..Default::default() };
    let left_out = |retention: &Retention| -> (u64, u64) {
        let reports = offsets(&corner, retention);
        (
            reports.iter().map(|report| report.missing).sum(),
            reports.iter().map(|report| report.left_out).sum(),
        )
    };
    assert_eq!(left_out(&kept(Duration::from_secs(3_600))), (0, 2));
    assert_eq!(left_out(&kept(Duration::from_secs(7_000 * 86_400))), (2, 0));
}

fn rolled_up(corner: &Corner, positions: &BTreeMap<String, i64>, retention: &Retention) -> Vec<RollupReport> {
    corner.wait(rollups(&corner.client, positions, retention)).expect("compared")
}

#[test]
fn a_rollup_that_says_something_else_is_found() {
    let corner = Corner::new("verify_rollups");
    corner.publish(&events());
    corner.sink_everything();
    let positions: BTreeMap<String, i64> = compared(&corner)
        .into_iter()
        .map(|one| {
            (format!("{}/{}", one.partition.topic, one.partition.partition), one.committed.unwrap_or(0))
        })
        .collect();
    let keep = Retention::default();
    let differing = || -> Vec<(String, String)> {
        let reports = rolled_up(&corner, &positions, &keep);
        assert!(reports.iter().all(|report| report.compared > 0), "{reports:?}");
        let found = reports.into_iter().flat_map(|report| {
            report
                .differences
                .into_iter()
                .map(move |difference| (report.rollup.clone(), difference["figures"].to_string()))
        });
        found.collect()
    };
    assert_eq!(differing(), []);
    assert_eq!(rolled_up(&corner, &positions, &keep).len(), 13);

    // a sum, in one of the three
    run(
        &corner,
        "INSERT INTO chat_hours (channel_id, hour, month, messages) SELECT channel_id, hour, month, 1 FROM chat_hours LIMIT 1",
    );
    let found = differing();
    assert_eq!(found.len(), 2, "the hour, and the day that it feeds: {found:?}");
    assert!(found.iter().all(|(_, figures)| figures.contains("messages")), "{found:?}");
    run(&corner, "TRUNCATE TABLE chat_hours");
    run(&corner, "TRUNCATE TABLE chat_days");
    assert_eq!(differing().len(), 2, "rollups that are not there");
    // made anew, all is well again
    corner.wait(rebuild_rollups(&corner.client, "verify_rollups")).expect("made anew");
    assert_eq!(differing(), []);
    // a raw event that the rollups had
    run(&corner, "DELETE FROM trade_events WHERE offset = 3 SETTINGS lightweight_deletes_sync = 2");
    let found = differing();
    assert_eq!(found.iter().filter(|(rollup, _)| rollup.starts_with("trades_by_")).count(), 3, "{found:?}");
    assert!(found.iter().any(|(_, figures)| figures.contains("base_volume")), "{found:?}");
    // and a distinct user
    run(&corner, "ALTER TABLE reactions_days DELETE WHERE 1 SETTINGS mutations_sync = 2");
    assert!(
        differing().iter().any(|(rollup, figures)| rollup == "reactions_by_day" && figures.contains("users"))
    );

    // rows at or behind the positions are in motion: nothing is said of their keys
    let none: BTreeMap<String, i64> = positions.keys().map(|name| (name.clone(), 0)).collect();
    let reports = rolled_up(&corner, &none, &keep);
    assert!(reports.iter().all(|report| report.differences.is_empty()), "{reports:?}");
    assert!(reports.iter().all(|report| report.left_out > 0), "{reports:?}");
    // and nothing of what a retention may have deleted in part: these events were taken in long ago
    let short = Retention { events: Some(Duration::from_secs(3_600)), ..Default::default() };
    run(&corner, "TRUNCATE TABLE viewer_events");
    let refused = corner.wait(rebuild_rollups(&corner.client, "verify_rollups")).expect_err("refused");
    assert!(
        refused.to_string().contains("viewers_minutes has events that viewer_events has no longer"),
        "{refused}"
    );
    let of_viewers = |retention: &Retention| {
        let reports = rolled_up(&corner, &positions, retention);
        reports
            .into_iter()
            .filter(|report| report.rollup.starts_with("viewers"))
            .map(|report| report.differences.len())
            .sum::<usize>()
    };
    assert_eq!(of_viewers(&short), 0);
    assert!(of_viewers(&keep) > 0);
}

#[test]
fn a_repeated_chunk_falls_in_the_rollups_too() {
    let mut corner = Corner::new("verify_repeated");
    corner.settings.instance_id = None;
    corner.publish(&events());
    // as a sink leaves it that dies with a chunk of each partition on its way
    let announce = || {
        let announced = |partition: kafka::TopicPartition| {
            let end = corner.log.offsets(&partition).expect("offsets").1;
            let metadata = if end > 0 { format!("ovation-sink 1 1.again 0 {end}") } else { String::new() };
            kafka::Position { partition, offset: 0, metadata }
        };
        let positions: Vec<kafka::Position> = corner.partitions().into_iter().map(announced).collect();
        let group = sinks::clickhouse::group(&corner.settings.prefix);
        corner.log.set_group_positions(&group, &positions).expect("set");
    };
    announce();
    assert_eq!(corner.sink_everything().status().rows_written, 800);
    let shown = || {
        corner.ask(
            "SELECT (SELECT count() FROM chat_events), (SELECT sum(messages) FROM chat_by_minute), (SELECT sum(messages) FROM chat_by_hour), \
             (SELECT sum(messages) FROM chat_by_day), (SELECT sum(trade_count) FROM trades_by_day), (SELECT sum(watch_ms) FROM audience_by_day)",
        )
    };
    let before = shown();
    assert!(before[0].starts_with("200\t200\t200\t200\t200\t"), "{before:?}");
    // what it had on its way had arrived: the same chunks come again
    announce();
    assert_eq!(corner.sink_everything().status().rows_written, 800);
    assert_eq!(shown(), before);
}
