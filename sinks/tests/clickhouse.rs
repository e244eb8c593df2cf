//! The way into ClickHouse against a real broker and the real engine: what is written is what was sent, whatever
//! happens in between.

mod clickhouse_support;
#[path = "clickhouse_support/exactly_once.rs"]
mod exactly_once;

use std::collections::BTreeMap;
use std::time::Duration;

use clickhouse_support::values::{self, at, chat, leaderboard};
use clickhouse_support::{Corner, PATIENCE, Published, body, eventually, folder, record};
use devstack::{Part, Stack, StackOptions};
use kafka::{Assignment, Consumer, ConsumerOptions, Log, OffsetCommit, Polled, Position};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use schemas::{Event, Topic};
use sinks::clickhouse::rowbinary::RowBuffer;
use sinks::clickhouse::rows::{Place, Rows};
use sinks::clickhouse::tables::Table;
use sinks::clickhouse::{Target, migrate};

/// Writes many values of one kind, and reads the same bytes and the same days back.
fn reads_back<V: Rows>(corner: &Corner, topic: Topic, strategy: impl Strategy<Value = V>) {
    const VALUES: i64 = 150;
    let mut runner = TestRunner::default();
    let mut days: BTreeMap<i32, RowBuffer> = BTreeMap::new();
    let (mut sent, mut expected_days) = (RowBuffer::default(), Vec::new());
    for offset in 0..VALUES {
        let value = strategy.new_tree(&mut runner).expect("a value").current();
        let place = Place { topic: topic.name(), partition: 7, offset };
        let rows = value.write(&place, &mut sent);
        assert_eq!(value.write(&place, days.entry(value.day()).or_default()), rows);
        expected_days.extend(std::iter::repeat_n(value.day().to_string(), rows));
    }
    let table = Table::of(topic);
    for buffer in days.into_values() {
        let mut insert = corner.client.insert_formatted_with(table.insert_statement());
        let written = async {
            insert.send(body(table, &buffer).into()).await?;
            insert.end().await
        };
        corner.wait(written).unwrap_or_else(|error| panic!("{topic}: {error}"));
    }
    let order = if topic == Topic::Leaderboards { "offset, rank" } else { "offset" };
    let name = table.name;
    let select = format!("SELECT {} FROM {name} ORDER BY {order}", table.column_names());
    let read = corner.ask_in("RowBinary", &select);
    assert!(read == sent.as_bytes(), "{topic}: other bytes came back");
    let select = format!("SELECT toInt32(_partition_value.1) FROM {name} ORDER BY {order}");
    assert_eq!(corner.ask(&select), expected_days, "{topic}: days");
}

#[test]
fn any_value_of_any_kind_reads_back_from_the_engine() {
    let corner = Corner::new("any_value");
    reads_back(&corner, Topic::Chat, values::any_chat().prop_map(Event::Chat));
    reads_back(&corner, Topic::Reactions, values::any_reaction().prop_map(Event::Reaction));
    reads_back(&corner, Topic::Viewers, values::any_viewer().prop_map(Event::Viewer));
    reads_back(&corner, Topic::Trades, values::any_trade().prop_map(Event::Trade));
    reads_back(&corner, Topic::Leaderboards, values::any_leaderboard());
    reads_back(&corner, Topic::Engagement, values::any_engagement());
    reads_back(&corner, Topic::Markets, values::any_candle());
    reads_back(&corner, Topic::Moderation, values::any_flag());
    reads_back(&corner, Topic::DeadLetter, values::any_dead_letter());
}

/// Another type would be converted by the server, and cost it time for nothing.
#[test]
fn columns_are_sent_with_the_types_of_the_tables_but_for_dictionaries() {
    let corner = Corner::new("types");
    for topic in Topic::STORED {
        let table = Table::of(topic);
        let types = format!(
            "SELECT name, replaceRegexpAll(type, 'LowCardinality\\((Nullable\\(String\\)|String)\\)', '\\\\1') \
             FROM system.columns WHERE database = 'types' AND table = '{}' ORDER BY name FORMAT TSVRaw",
            table.name
        );
        let mut columns: Vec<String> =
            table.columns().map(|(name, kind)| format!("{name}\t{kind}")).collect();
        columns.sort_unstable();
        assert_eq!(columns, corner.ask(&types), "{topic}");
    }
}

/// One of each, checked column by column: the bytes above would also agree if two columns were swapped.
#[test]
fn every_column_holds_the_field_of_its_name() {
    let corner = Corner::new("columns");
    let records = [
        record("k", &chat(5, "ada")),
        record("k", &values::reaction(5)),
        record("k", &values::viewer(5)),
        record("k", &values::trade(3_735_683_259, "61837.63", "0.02")),
        record("k", &leaderboard(0, 7, &[("twitch:20", "12.5"), ("twitch:21", "-0.0000000001")])),
        record("k", &values::engagement(0, 1, 3)),
        record("k", &values::candle(0, 2, true, "1.5", "0.00000000000000000001")),
        record("k", &values::flag(5)),
        record("k", &values::dead_letter()),
    ];
    corner.publish(&records);
    corner.sink_everything();
    for topic in Topic::STORED {
        // the engine names the fields, the schema's own JSON says what they are; the place comes last
        let table = Table::of(topic).name;
        let order = if topic == Topic::Leaderboards { "rank" } else { "offset" };
        let question = format!(
            "SELECT * EXCEPT (topic, partition, offset) REPLACE ({}) FROM {table} ORDER BY {order}",
            micros(&corner, table)
        );
        let rows = String::from_utf8_lossy(&corner.ask_in("JSONEachRow", &question)).into_owned();
        let rows: Vec<serde_json::Value> =
            rows.lines().map(|row| serde_json::from_str(row).expect("json")).collect();
        let sent = records.iter().find(|record| record.topic == topic).expect("sent");
        let reader = schemas::json::JsonReader::new(topic.spec().schema).expect("schema");
        let sent = reader.read(sent.value.as_ref().expect("value")).expect("json");
        assert_eq!(rows, expected_rows(topic, &sent), "{topic}");
        let place = corner.ask(&format!("SELECT DISTINCT topic, offset FROM {table}"));
        assert_eq!(place, [format!("columns.{topic}\t0")]);
    }
}

/// `REPLACE` clauses that show instants as microseconds and decimals as text, like the schema's JSON.
fn micros(corner: &Corner, table: &str) -> String {
    let question = format!(
        "SELECT if(type LIKE '%DateTime64%', 'toUnixTimestamp64Micro(', 'toString(') || '`' || name || '`) AS `' || name || \
         '`' FROM system.columns WHERE database = 'columns' AND table = '{table}' AND \
         (type LIKE '%DateTime64%' OR type LIKE 'Decimal%')"
    );
    corner.ask(&question).join(", ")
}

/// A record's JSON as its table shows it.
fn expected_rows(topic: Topic, sent: &serde_json::Value) -> Vec<serde_json::Value> {
    use serde_json::Value;
    let mut row = sent.as_object().expect("a record").clone();
    match topic {
        Topic::Leaderboards => {
            let entries = row.remove("entries").expect("entries");
            let entries = entries.as_array().expect("entries").iter();
            entries
                .map(|entry| {
                    let mut row = row.clone();
                    row.extend(entry.as_object().expect("an entry").clone());
                    Value::Object(row)
                })
                .collect()
        }
        Topic::DeadLetter => {
            for name in ["topic", "partition", "offset"] {
                let value = row.remove(name).expect("field");
                row.insert(format!("original_{name}"), value);
            }
            // the key is no text: JSON shows it only in part, and the property test compares its bytes
            row.insert("key".to_owned(), Value::String("\0\u{fffd}\u{fffd}".to_owned()));
            vec![Value::Object(row)]
        }
        _ => vec![Value::Object(row)],
    }
}

fn everything() -> Vec<Published> {
    let mut records = Vec::new();
    for number in 0..2_000 {
        let user = format!("u{}", number % 7);
        records.push(Published {
            partition: Some((number % 2) as i32),
            ..record("twitch:10", &chat(number, &user))
        });
        let (price, quantity) = (format!("{}.0000000001", 60_000 + number), format!("0.{:010}", number + 1));
        records.push(record("binance-spot:BTCUSDT", &values::trade(number, &price, &quantity)));
    }
    for number in 0..500 {
        records.push(record("youtube:c", &values::reaction(number)));
        records.push(record("api:c", &values::viewer(number)));
        records.push(record("twitch:10", &values::flag(number)));
        records.push(record("binance-spot:BTCUSDT/1", &values::candle(number, 1, false, "7", "7")));
        records.push(record("binance-spot:BTCUSDT/1", &values::candle(number, 2, true, "0.1", "0.3")));
    }
    for minute in 0..50 {
        records.push(record("twitch:10", &values::engagement(minute, 1, 1)));
        records.push(record("twitch:10", &values::engagement(minute, 2, minute + 2)));
        let entries = [("twitch:1", "9"), ("twitch:2", "8"), ("twitch:3", "7")];
        records.push(record("top_chatters/twitch:10", &leaderboard(minute, 1, &entries)));
        records.push(record("top_chatters/twitch:10", &leaderboard(minute, 2, &entries[1..])));
    }
    records
}

/// Everything of [`everything`], seen through the views.
fn assert_everything_once(corner: &Corner) {
    assert_eq!(
        corner.ask("SELECT count(), uniqExact(event_id), min(event_id) FROM chat"),
        ["2000\t2000\ttwitch:m-0"]
    );
    assert_eq!(corner.ask("SELECT count(), sum(count) FROM reactions"), ["500\t1500"]);
    assert_eq!(corner.ask("SELECT count(), sum(watch_ms) FROM viewers"), ["500\t4750000"]);
    assert_eq!(corner.ask("SELECT count() FROM flags"), ["500"]);
    // what the same sums are in whole numbers of 10^-10 and 10^-20
    let (mut quantity, mut quote) = (0_i128, 0_i128);
    for number in 0..2_000_i128 {
        quantity += number + 1;
        quote += ((60_000 + number) * 10_000_000_000 + 1) * (number + 1);
    }
    let quantity = schemas::Amount::from_units(quantity).expect("fits");
    let quote = schemas::Quote::from_units(quote).expect("fits");
    assert_eq!(
        corner.ask(
            "SELECT count(), min(trade_id), max(trade_id), countIf(aggressor = 'buy'), countIf(aggressor = 'sell'), \
             sum(quantity), sum(quote_quantity), argMin(price, (event_time, trade_id)), \
             argMax(price, (event_time, trade_id)), max(price), min(price) FROM trades"
        ),
        [format!(
            "2000\t0\t1999\t667\t1333\t{quantity}\t{quote}\t60000.0000000001\t61999.0000000001\t61999.0000000001\t\
             60000.0000000001"
        )]
    );
    let candles =
        "SELECT count(), sum(trade_count), sum(base_volume), sum(quote_volume), countIf(revision = 2) FROM";
    assert_eq!(corner.ask(&format!("{candles} final_candles")), ["500\t5000\t50\t150\t500"]);
    assert_eq!(corner.ask(&format!("{candles} current_candles")), ["500\t5000\t50\t150\t500"]);
    assert_eq!(corner.ask("SELECT count(), sum(messages) FROM engagement_by_window"), ["50\t1325"]);
    assert_eq!(corner.ask("SELECT messages, revision FROM current_engagement"), ["51\t2"]);
    assert_eq!(
        corner.ask("SELECT rank, item, score, revision FROM current_leaderboards ORDER BY rank"),
        ["1\ttwitch:2\t8\t2", "2\ttwitch:3\t7\t2"]
    );
    assert_eq!(corner.ask("SELECT count() FROM leaderboards FINAL"), ["250"]);
}

#[test]
fn everything_arrives_exactly_once_also_when_it_is_read_again() {
    let mut corner = Corner::new("everything");
    corner.publish(&everything());
    corner.settings.clickhouse.flush_rows = 300;
    let status = corner.sink_everything().status();
    assert_everything_once(&corner);
    assert_eq!(status.rows_written, 2_000 * 2 + 500 * 5 + 50 * 2 + 250);
    assert_eq!((status.dead_letters, status.rows_buffered, status.failing_since), (0, 0, None));
    assert!(status.inserts > 15, "{} inserts", status.inserts);

    // positions set back by hand: the table is asked what it has
    commit_the_beginning(&corner);
    corner.settings.clickhouse.flush_rows = 170;
    let status = corner.sink_everything().status();
    assert_eq!((status.rows_written, status.records_known as i64), (0, corner.published()));
    let delete = "ALTER TABLE trade_events DELETE WHERE offset BETWEEN 100 AND 119 OR offset = 200 SETTINGS mutations_sync = 1";
    corner.wait(corner.client.query_raw(delete).execute()).expect("deleted");
    commit_the_beginning(&corner);
    assert_eq!(corner.sink_everything().status().rows_written, 21, "what is missing is written");
    assert_eq!(corner.ask("SELECT count() FROM chat_events"), ["2000"]);
    assert_eq!(corner.ask("SELECT count() FROM trade_events"), ["2000"]);
    assert_everything_once(&corner);
}

/// Moves the sink's group back to the start of everything.
fn commit_the_beginning(corner: &Corner) {
    let mut consumer = corner
        .log
        .join(&ConsumerOptions {
            group: sinks::clickhouse::group(&corner.settings.prefix),
            topics: Topic::STORED.map(|topic| format!("{}{}", corner.settings.prefix, topic.name())).into(),
            instance_id: corner.settings.instance_id.clone(),
            session_timeout: PATIENCE,
        })
        .expect("joined");
    let mut assigned = Vec::new();
    while assigned.len() < corner.partitions().len() {
        if let Polled::Assigned(partitions) = consumer.poll(1, PATIENCE, &mut |_| {}).expect("polled") {
            let start =
                |partition: &kafka::TopicPartition| Assignment { partition: partition.clone(), offset: 0 };
            consumer.start(&partitions.iter().map(start).collect::<Vec<_>>()).expect("started");
            assigned.extend(partitions);
        }
    }
    let back = |partition| Position { partition, offset: 0, metadata: String::new() };
    consumer.commit(&assigned.into_iter().map(back).collect::<Vec<_>>()).expect("committed");
    consumer.close().expect("closed");
}

/// A record in the wire format whose schema nobody knows.
fn unknown_schema() -> Published {
    let value = Some(vec![0, 0, 0, 0x30, 0x39, 1, 2, 3]);
    Published { topic: Topic::Chat, partition: Some(0), key: b"poison".to_vec(), value }
}

#[test]
fn a_sink_that_dies_midway_loses_nothing_and_doubles_nothing() {
    let mut corner = Corner::new("dies_midway");
    corner.settings.clickhouse.flush_rows = 100;
    let records = everything();
    let (first, second) = records.split_at(records.len() / 2);
    corner.publish(first);
    corner.publish(&[unknown_schema()]);
    corner.publish(second);
    let dying = corner.start_sink_with(|id| panic!("the power went out at schema {id}"));
    assert!(dying.join().is_err());
    let written = corner.ask("SELECT count() FROM chat_events")[0].parse::<u64>().expect("a number");
    assert!(written < 2_000, "it died too late to show anything");

    // where the first had committed, the second does not read again: what counts is what has arrived
    let sink = corner.start_sink();
    eventually("all but the poison arrives", || corner.arrived() >= corner.published() - 1);
    assert_eq!(sink.health.status().dead_letters, 1);
    sink.stop().expect("stops in order");
    assert_eq!(corner.arrived(), records.len() as i64 + 1, "the records and the dead letter");
    assert_everything_once(&corner);
}

#[test]
fn poison_becomes_a_dead_letter_with_its_bytes_and_the_rest_goes_on() {
    let corner = Corner::new("poison");
    let raw = |key: &str, value: Option<&[u8]>| Published {
        topic: Topic::Chat,
        partition: Some(0),
        key: key.as_bytes().to_vec(),
        value: value.map(<[u8]>::to_vec),
    };
    let message = |number| Published { partition: Some(0), ..record("twitch:10", &chat(number, "ada")) };
    let truncated = {
        let mut bytes = message(9).value.expect("value");
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let mut senseless = values::trade(1, "1", "1");
    senseless.quantity = schemas::Amount::ZERO;
    let far = schemas::ChatEvent { event_time: at(i64::MAX), ingest_time: at(i64::MIN), ..chat(3, "ada") };
    let in_dead_letters = Published { topic: Topic::DeadLetter, ..raw("x", Some(&[9, 255])) };
    let huge = vec![7; 1_040_000];
    corner.publish(&[
        message(1),
        raw("not avro", Some(&[255, 0, 1])),
        raw("empty", Some(&[])),
        raw("tombstone", None),
        raw("truncated", Some(&truncated)),
        unknown_schema(),
        record("k", &senseless),
        Published { partition: Some(0), ..record("far", &far) },
        in_dead_letters,
        raw("huge", Some(&huge)),
        message(2),
    ]);
    let mut asked = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let sink = corner.start_sink_with(move |id| {
        sender.send(id).expect("heard");
        if id == 12_345 { Err("connection refused".to_owned()) } else { Ok(None) }
    });
    eventually("everything is read", || sink.health.status().records as i64 >= corner.published());
    let health = sink.health.clone();
    sink.stop().expect("stops in order");
    asked.extend(receiver.try_iter());

    let status = health.status();
    assert_eq!(asked, [12_345; 3], "an unknown schema is asked for a bounded number of times");
    assert_eq!(status.dead_letters, 6);
    assert_eq!((status.tombstones, status.undecodable_dead_letters, status.clamped_times), (1, 1, 1));
    assert_eq!(
        corner.ask("SELECT event_id FROM chat WHERE event_id != 'twitch:m-3' ORDER BY offset"),
        ["twitch:m-1", "twitch:m-2"]
    );
    assert_eq!(
        corner.ask("SELECT event_time, ingest_time, _partition_value.1 FROM chat_events WHERE event_id = 'twitch:m-3'"),
        ["2299-12-31 23:59:59.999999\t1900-01-01 00:00:00.000000\t1970-01-01"]
    );
    assert_eq!(
        corner.ask(
            "SELECT key, reason, hex(value), original_topic, original_offset, job FROM dead_letters \
             WHERE original_topic = 'poison.events.chat' AND key != 'huge' ORDER BY original_offset"
        ),
        [
            "not avro\tnot_wire_format\tFF0001\tpoison.events.chat\t1\tpoison.ovation-clickhouse".to_owned(),
            "empty\tnot_wire_format\t\tpoison.events.chat\t2\tpoison.ovation-clickhouse".to_owned(),
            format!(
                "truncated\tundecodable\t{}\tpoison.events.chat\t4\tpoison.ovation-clickhouse",
                truncated.iter().map(|byte| format!("{byte:02X}")).collect::<String>()
            ),
            "poison\tunknown_schema\t0000003039010203\tpoison.events.chat\t5\tpoison.ovation-clickhouse"
                .to_owned(),
        ]
    );
    let senseless = "SELECT reason, detail FROM dead_letters WHERE original_topic = 'poison.events.trades'";
    assert_eq!(corner.ask(senseless), ["invalid_value\tinvalid value: quantity is not above zero"]);
    let huge = corner.ask("SELECT reason, isNull(value), detail FROM dead_letters WHERE original_offset = 7");
    assert!(huge[0].starts_with("not_wire_format\t1\t") && huge[0].contains("1040004 bytes"), "{huge:?}");
}

#[test]
fn clickhouse_away_for_a_while_is_waited_for() {
    let folder = folder("clickhouse-away");
    let start = |part| Stack::start(StackOptions::new(&folder).with_clickhouse(part)).expect("starts");
    let server = start(Part::Free);
    let url = server.clickhouse_url().to_owned();
    let port = url.rsplit(':').next().expect("port").parse().expect("a number");
    let mut corner = Corner::without_tables("away");
    corner.settings.clickhouse.url = url;
    corner.settings.clickhouse.flush_interval = Duration::from_secs(3);
    corner.settings.clickhouse.flush_rows = 200;
    corner.settings.clickhouse.flush_bytes = 1 << 16;
    corner.settings.clickhouse.buffer_bytes = 1 << 17;
    corner.client = corner.settings.clickhouse.client();
    corner.wait(migrate(&corner.client, &Target::new("away"))).expect("migrated");

    let records = everything();
    let (first, second) = records.split_at(records.len() / 3);
    corner.publish(first);
    let sink = corner.start_sink();
    eventually("the first rows are written", || sink.health.status().rows_written > 0);
    server.stop().expect("stops");
    corner.publish(second);
    eventually("the health says so", || {
        let status = sink.health.status();
        status.failing_since.is_some() && status.is_paused && status.last_error.is_some()
    });
    let status = sink.health.status();
    assert!(status.bytes_buffered < 1 << 20, "memory is bounded: {} bytes", status.bytes_buffered);
    assert!((status.records as usize) < records.len(), "reading waits");

    let server = start(Part::Fixed(port));
    eventually("everything is read", || sink.health.status().records as usize >= records.len());
    eventually("and the last of it written when its time has come", || {
        sink.health.status().rows_buffered == 0
    });
    let health = sink.health.clone();
    sink.stop().expect("stops in order");
    assert_everything_once(&corner);
    let status = health.status();
    assert_eq!((status.failing_since, status.is_paused, status.rows_buffered), (None, false, 0));
    assert!(status.inserts_failed > 0);
    server.stop().expect("stops");
}

#[test]
fn missing_tables_end_the_sink_with_what_to_do_and_nothing_is_committed() {
    let mut corner = Corner::without_tables("missing_tables");
    corner.publish(&[record("twitch:10", &chat(1, "ada"))]);
    let error = corner.start_sink().join().expect("no panic").expect_err("ends").to_string();
    assert!(error.contains("missing_tables"), "{error}");
    assert!(error.contains("run `ovation clickhouse migrate`"), "{error}");
    corner.wait(migrate(&corner.client, &Target::new("missing_tables"))).expect("migrated");
    assert_eq!(corner.sink_everything().status().rows_written, 1);
    corner.settings.clickhouse.flush_rows = 0;
    let error = corner.start_sink().join().expect("no panic").expect_err("refused").to_string();
    assert_eq!(error, "clickhouse option: flush_rows must be 1 to 500000");
}

#[test]
fn an_empty_board_replaces_the_one_before_it_and_a_repeated_event_counts_once() {
    let corner = Corner::new("empty_board");
    let all_time = |mut board: schemas::LeaderboardResult| {
        (board.window_start, board.window_end) = (None, None);
        board.board = "all_time".to_owned();
        record("all_time/twitch:10", &board)
    };
    let again = record("twitch:10", &chat(1, "ada"));
    corner.publish(&[
        record("top_chatters/twitch:10", &leaderboard(1, 1, &[("twitch:1", "9"), ("twitch:2", "8")])),
        record("top_chatters/twitch:10", &leaderboard(1, 2, &[])),
        all_time(leaderboard(1, 1, &[("twitch:1", "1")])),
        all_time(leaderboard(2, 2, &[("twitch:2", "2")])),
        again.clone(),
        again,
    ]);
    corner.sink_everything();
    assert_eq!(corner.ask("SELECT board, item FROM current_leaderboards"), ["all_time\ttwitch:2"]);
    assert_eq!(corner.ask("SELECT count() FROM chat_events"), ["2"]);
    assert_eq!(corner.ask("SELECT count() FROM chat"), ["1"]);
    assert_eq!(corner.ask("SELECT messages, minute FROM chatters_by_minute"), ["1\t2026-01-05 00:00:00"]);
}

#[test]
fn a_sink_stopped_while_clickhouse_is_away_leaves_everything_to_the_next() {
    let mut corner = Corner::new("stopped_away");
    corner.publish(&[record("twitch:10", &chat(1, "ada"))]);
    let url = corner.settings.clickhouse.url.clone();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    corner.settings.clickhouse.url = format!("http://{}", nobody.local_addr().expect("address"));
    drop(nobody);
    corner.settings.clickhouse.drain_timeout = std::time::Duration::from_millis(200);
    let sink = corner.start_sink();
    eventually("the health says so", || sink.health.status().failing_since.is_some());
    let health = sink.health.clone();
    sink.stop().expect("stops in order");
    let status = health.status();
    assert_eq!(status.rows_written, 0);
    assert!(status.last_error.is_some_and(|error| error.contains("network")));
    corner.settings.clickhouse.url = url;
    assert_eq!(corner.sink_everything().status().rows_written, 1);
}

#[test]
fn a_newer_writers_schema_is_learned_and_its_new_fields_are_left_out() {
    let corner = Corner::new("newer_schema");
    let mut newer = record("twitch:10", &chat(1, "ada"));
    let value = newer.value.as_mut().expect("value");
    value[1..5].copy_from_slice(&900_u32.to_be_bytes());
    value.push(2 * 21);
    let mut schema: serde_json::Value = serde_json::from_str(Topic::Chat.spec().schema).expect("json");
    let field = serde_json::json!({"name": "mood", "type": "int", "default": 0, "doc": "New."});
    schema["fields"].as_array_mut().expect("fields").push(field);
    corner.publish(&[newer.clone(), newer]);
    let (sender, asked) = std::sync::mpsc::channel();
    let sink = corner.start_sink_with(move |id| {
        sender.send(id).expect("heard");
        Ok((id == 900).then(|| schema.to_string()))
    });
    eventually("both arrive", || corner.arrived() == 2);
    assert_eq!(sink.health.status().dead_letters, 0);
    sink.stop().expect("stops in order");
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [900]);
    assert_eq!(corner.ask("SELECT DISTINCT event_id, user_name FROM chat_events"), ["twitch:m-1\tada"]);
}

#[test]
fn a_second_sink_takes_over_half_and_gives_it_back_without_a_row_twice() {
    let mut corner = Corner::new("second_sink");
    corner.settings.instance_id = None;
    let records = everything();
    let third = records.len() / 3;
    corner.publish(&records[..third]);
    let first = corner.start_sink();
    eventually("the first third arrives", || corner.arrived() >= third as i64);
    let second = corner.start_sink();
    let partitions = corner.partitions().len();
    corner.publish(&records[third..2 * third]);
    eventually("both have partitions", || {
        let (first, second) = (first.health.status().partitions, second.health.status().partitions);
        first > 0 && second > 0 && first + second == partitions
    });
    second.stop().expect("stops in order");
    corner.publish(&records[2 * third..]);
    eventually("everything arrives", || corner.arrived() >= records.len() as i64);
    assert_eq!(first.health.status().partitions, partitions);
    first.stop().expect("stops in order");
    assert_everything_once(&corner);
    let doubled = "SELECT count() - uniqExact(topic, partition, offset) FROM chat_events";
    assert_eq!(corner.ask(doubled), ["0"], "what was gathered is committed before partitions go");
}
