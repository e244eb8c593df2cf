//! What the sink does with what it finds: announced chunks, refused rows, tokens without rows, views that fail. On a real broker and
//! the real engine; each state is made by hand, as a crash at that point would leave it.

use kafka::{Position, TopicPartition};
use schemas::{ChatEvent, Topic};
use sinks::clickhouse::SinkError;
use sinks::clickhouse::rowbinary::RowBuffer;
use sinks::clickhouse::rows::{Place, Rows};
use sinks::clickhouse::tables::Table;

use crate::clickhouse_support::values::{self, chat};
use crate::clickhouse_support::{Corner, Published, body, eventually, record};

fn messages(numbers: std::ops::Range<i64>) -> Vec<Published> {
    numbers
        .map(|number| Published { partition: Some(0), ..record("twitch:10", &chat(number, "ada")) })
        .collect()
}

/// A corner whose chat messages are counted behind a materialized view as well.
fn counted(name: &str) -> Corner {
    let mut corner = Corner::new(name);
    corner.settings.instance_id = None;
    corner.command(
        "CREATE TABLE told (topic String, partition Int32, records UInt64, offsets Int64) ENGINE = SummingMergeTree \
         ORDER BY (topic, partition) SETTINGS non_replicated_deduplication_window = 100",
    );
    corner.command(
        "CREATE MATERIALIZED VIEW tell TO told AS SELECT topic, partition, count() AS records, sum(offset) AS offsets \
         FROM chat_events GROUP BY topic, partition",
    );
    corner
}

impl Corner {
    fn command(&self, sql: &str) {
        self.wait(self.client.query_raw(sql).execute()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn chat_partition(&self) -> TopicPartition {
        TopicPartition::new(format!("{}{}", self.settings.prefix, Topic::Chat.name()), 0)
    }

    /// Leaves a position as a sink that died would.
    fn leave(&self, offset: i64, metadata: &str) {
        let position = Position { partition: self.chat_partition(), offset, metadata: metadata.to_owned() };
        let group = sinks::clickhouse::group(&self.settings.prefix);
        self.log.set_group_positions(&group, &[position]).expect("set");
    }

    /// The position's offset and text.
    fn left(&self) -> (i64, String) {
        let group = sinks::clickhouse::group(&self.settings.prefix);
        let found = self.log.group_positions(&group, &[self.chat_partition()]).expect("positions");
        let found = found.into_iter().next().flatten().expect("a position");
        (found.offset, found.metadata)
    }

    /// Rows of the table and what its view was told, if both say the same.
    fn rows(&self) -> u64 {
        let table = self.ask("SELECT count(), sum(offset) FROM chat_events");
        assert_eq!(
            self.ask("SELECT sum(records), sum(offsets) FROM told"),
            table,
            "the view was told otherwise"
        );
        table[0].split('\t').next().and_then(|count| count.parse().ok()).expect("a number")
    }

    /// Sends messages as a sink would that had this chunk in flight.
    fn insert(&self, numbers: std::ops::Range<i64>, token: &str) {
        let mut rows = RowBuffer::default();
        for number in numbers {
            let place = Place { topic: &self.chat_partition().topic, partition: 0, offset: number };
            schemas::Event::Chat(chat(number, "ada")).write(&place, &mut rows);
        }
        let table = Table::of(Topic::Chat);
        let insert = self.client.insert_formatted_with(table.insert_statement());
        let mut insert = insert
            .with_setting("insert_deduplication_token", token)
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
        let written = async {
            insert.send(body(table, &rows).into()).await?;
            insert.end().await
        };
        self.wait(written).expect("written");
    }
}

/// 2026-01-05, the day of [`values::MONDAY`].
const DAY: i64 = values::MONDAY / 86_400_000_000;

#[test]
fn announced_chunks_are_sent_as_they_were_announced() {
    let corner = counted("announced");
    corner.command("SYSTEM STOP MERGES chat_events");
    corner.publish(&messages(0..100));
    // 0 to 37 had arrived when the sink died, 37 to 61 had not
    corner.insert(0..37, &format!("announced.events.chat/0/0-37/1.test/{DAY}"));
    corner.leave(0, "ovation-sink 1 1.test 0 37 61");
    let status = corner.sink_everything().status();
    assert_eq!(corner.rows(), 100);
    assert_eq!((status.rows_written, status.records_known, status.inserts_moved_in), (100, 0, 0));
    let parts = "SELECT rows FROM system.parts WHERE database = 'announced' AND table = 'chat_events' AND active ORDER BY min_block_number";
    assert_eq!(corner.ask(parts), ["37", "24", "39"]);
    assert_eq!(corner.left(), (100, "ovation-sink 1 1.test 0".to_owned()));
}

/// A token names one block of the table: of two, the server would know the second as the first repeated.
#[test]
fn what_is_sent_in_several_blocks_is_one_in_the_table_and_behind_the_view() {
    const MESSAGES: i64 = 15_000;
    let corner = counted("one_block");
    for table in ["chat_events", "told"] {
        corner.command(&format!("SYSTEM STOP MERGES {table}"));
    }
    corner.publish(&messages(0..MESSAGES));
    corner.leave(0, &format!("ovation-sink 1 1.test 0 {MESSAGES}"));
    corner.sink_everything();
    assert_eq!(corner.rows() as i64, MESSAGES);
    let parts = "SELECT table, count() FROM system.parts WHERE database = 'one_block' AND table IN ('chat_events', 'told') AND \
                 active GROUP BY table ORDER BY table";
    assert_eq!(corner.ask(parts), ["chat_events\t1", "told\t1"]);
}

#[test]
fn a_token_without_rows_is_not_believed() {
    let corner = counted("not_believed");
    corner.publish(&messages(0..50));
    corner.leave(0, "ovation-sink 1 1.test 0 50");
    // as a server leaves it that was killed after it had noted the token
    corner.insert(0..50, &format!("not_believed.events.chat/0/0-50/1.test/{DAY}"));
    corner.command("ALTER TABLE chat_events DELETE WHERE 1 SETTINGS mutations_sync = 1");
    let status = corner.sink_everything().status();
    assert_eq!((corner.rows(), status.inserts_moved_in), (50, 1));
}

#[test]
fn a_text_of_a_newer_version_ends_the_sink() {
    let corner = counted("newer_text");
    corner.publish(&messages(0..5));
    corner.leave(0, "ovation-sink 2 something else");
    let error = corner.start_sink().join().expect("no panic").expect_err("ends");
    assert!(matches!(error, SinkError::Intent(..)), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!((corner.rows(), corner.left().0), (0, 0));
}

fn refused(number: i64) -> Published {
    let text = Some("refuse me".into());
    let event = ChatEvent { text, ..chat(number, "ada") };
    Published { partition: Some(0), ..record("refused", &event) }
}

#[test]
fn rows_that_the_server_refuses_are_dead_letters_and_the_rest_arrives() {
    let mut corner = counted("refused");
    corner.settings.clickhouse.flush_rows = 300;
    corner.command("ALTER TABLE chat_events ADD CONSTRAINT polite CHECK text != 'refuse me'");
    let bad = [0, 1, 2, 170, 299, 300, 555, 999];
    let records: Vec<Published> = (0..1_000)
        .map(
            |number| {
                if bad.contains(&number) { refused(number) } else { messages(number..number + 1).remove(0) }
            },
        )
        .collect();
    corner.publish(&records);
    let sink = corner.start_sink();
    eventually("all but the refused arrive, and those are dead letters", || {
        corner.ask("SELECT sum(records) FROM told") == ["992"]
            && corner.ask("SELECT count() FROM dead_letters") == ["8"]
    });
    let status = sink.health.status();
    sink.stop().expect("stops in order");
    assert_eq!(corner.rows(), 992);
    assert_eq!((status.records_refused, status.dead_letters), (8, 0));
    let letters = corner.ask(
        "SELECT original_offset, reason, detail LIKE '%polite%', hex(value) FROM dead_letters ORDER BY original_offset",
    );
    let hex = |number: i64| -> String {
        records[number as usize]
            .value
            .as_ref()
            .expect("a value")
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    };
    let expected: Vec<String> =
        bad.iter().map(|number| format!("{number}\trefused_by_sink\t1\t{}", hex(*number))).collect();
    assert_eq!(letters, expected);
    assert_eq!(corner.left().0, 1_000);
}

#[test]
fn pieces_of_a_refused_chunk_stay_pieces_after_a_crash() {
    let corner = counted("pieces");
    corner.publish(&messages(0..100));
    // 0 to 50 had been accepted as a piece of 0 to 100; meanwhile whatever made the server refuse the rest is mended
    corner.insert(0..50, &format!("pieces.events.chat/0/0-50/1.test/{DAY}"));
    corner.leave(0, "ovation-sink 1 1.test 0 50 100");
    corner.sink_everything();
    assert_eq!(corner.rows(), 100);
    // and a day that was written before the chunk was divided is not sent again
    corner.publish(&messages(100..200));
    corner.leave(100, &format!("ovation-sink 1 1.test 0 150 200+{DAY}"));
    let sink = corner.start_sink();
    eventually("everything is committed", || corner.left().0 == 200);
    sink.stop().expect("stops in order");
    assert_eq!(corner.rows(), 150);
}

#[test]
fn a_server_that_refuses_everything_ends_the_sink() {
    let corner = counted("everything_refused");
    corner.command("ALTER TABLE chat_events ADD CONSTRAINT never CHECK 0");
    corner.publish(&messages(0..1_000));
    let error = corner.start_sink().join().expect("no panic").expect_err("ends").to_string();
    assert!(error.contains("never"), "{error}");
    assert_eq!(corner.rows(), 0);
}

#[test]
fn a_view_that_fails_ends_the_sink_and_nothing_is_doubled_once_it_is_mended() {
    let corner = counted("view_fails");
    corner.command(
        "CREATE MATERIALIZED VIEW fails TO told AS SELECT topic, partition, toUInt64(throwIf(offset = 7, 'seven')) AS records, \
         0 AS offsets FROM chat_events",
    );
    corner.publish(&messages(0..20));
    let ended = corner.start_sink();
    let error = ended.join().expect("no panic").expect_err("ends").to_string();
    assert!(error.contains("seven"), "{error}");
    corner.command("DROP TABLE fails");
    let sink = corner.start_sink();
    eventually("everything is committed", || corner.left().0 == 20);
    sink.stop().expect("stops in order");
    assert_eq!(corner.ask("SELECT count() FROM chat_events"), ["20"]);
    assert_eq!(corner.ask("SELECT sum(records) FROM told"), ["20"]);
}

#[test]
fn a_topic_that_was_made_anew_is_not_taken_for_its_namesake() {
    let corner = counted("made_anew");
    corner.publish(&messages(0..50));
    corner.sink_everything();
    let topics: Vec<String> = Topic::STORED.map(|topic| format!("made_anew.{}", topic.name())).into();
    corner.log.delete_topics(&topics.iter().map(String::as_str).collect::<Vec<_>>()).expect("deleted");
    corner.create_topics();
    corner.publish(&messages(100..170));
    eventually("everything is written", || {
        let status = corner.sink_everything().status();
        (status.rows_written, status.records_known) == (70, 0)
    });
    assert_eq!(corner.ask("SELECT uniqExact(event_id) FROM chat_events"), ["120"]);
}
