//! The tables and views on the real engine: how they are made, described, kept and added up.

mod tables_support;

use std::sync::Barrier;
use std::time::Duration;

use sinks::clickhouse::{
    MIGRATIONS, MigrateError, Migration, Retention, Step, Target, migrate, migrate_with, plan,
    tables_that_forget_tokens,
};
use tables_support::Database;

#[test]
fn migrations_run_once_and_a_changed_one_is_refused() {
    let database = Database::empty("migrations");
    let target = Target::new("migrations");
    let migrated = || database.wait(migrate(&database.client, &target)).expect("migrated");
    let planned = database.wait(plan(&database.client, &target)).expect("planned");
    assert!(planned[0].is_preparation());
    assert!(!database.exists(), "a plan changes nothing");
    assert_eq!(migrated(), planned[1..], "what was planned is what is done");
    let numbers: Vec<Option<u32>> = planned[1..].iter().map(|step| step.number).collect();
    assert_eq!(numbers, MIGRATIONS.iter().map(|migration| Some(migration.number)).collect::<Vec<_>>());
    assert_eq!(migrated(), []);
    assert_eq!(database.wait(plan(&database.client, &target)).expect("planned"), []);

    let mut changed = MIGRATIONS.to_vec();
    changed[1] = Migration { sql: "SELECT 1;\n", ..changed[1] };
    let refused = database.wait(migrate_with(&database.client, &target, &changed)).expect_err("refused");
    assert!(matches!(refused, MigrateError::Changed { number: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("002_results has changed"), "{refused}");
    let ahead =
        database.wait(migrate_with(&database.client, &target, &MIGRATIONS[..2])).expect_err("refused");
    assert!(matches!(ahead, MigrateError::Unknown { number: 3, .. }), "{ahead}");

    // cut off between the last statement and the history: the next run completes it
    database.run("ALTER TABLE schema_migrations DELETE WHERE number = 2 SETTINGS mutations_sync = 1");
    assert_eq!(migrated().len(), 1);

    let broken =
        [MIGRATIONS, &[Migration { number: 999, name: "broken", sql: "SELECT 1;\nSELEC 2;\n" }]].concat();
    let failed = database.wait(migrate_with(&database.client, &target, &broken)).expect_err("fails");
    assert!(failed.to_string().starts_with("statement 2 of migration 999_broken failed"), "{failed}");
    let invalid = database.wait(migrate(&database.client, &Target::new("a`b"))).expect_err("refused");
    assert!(matches!(invalid, MigrateError::InvalidName(_)), "{invalid}");
    let on_cluster = Target { cluster: Some("c".to_owned()), ..target };
    let other = database.wait(migrate(&database.client, &on_cluster)).expect_err("refused");
    assert!(other.to_string().contains("has the tables of a single node"), "{other}");
}

#[test]
fn a_table_behind_a_view_that_would_count_a_repeated_insert_twice_is_named() {
    let database = Database::new("views");
    let forgetful = || {
        let asked = database.wait(tables_that_forget_tokens(&database.client, "views"));
        asked.expect("asked").into_iter().collect::<Vec<_>>()
    };
    assert_eq!(forgetful(), Vec::<String>::new(), "ours remember");

    // a table of somebody's own, another behind it, one that a view brings with it, and one that no insert of ours reaches
    let table = "(channel_id String, messages UInt64) ENGINE = SummingMergeTree ORDER BY channel_id";
    for name in ["mine", "behind_mine", "elsewhere", "source"] {
        database.run(&format!("CREATE TABLE {name} {table}"));
    }
    let count = "SELECT channel_id, count() AS messages FROM chat_events GROUP BY channel_id";
    database.run(&format!("CREATE MATERIALIZED VIEW mine_feed TO mine AS {count}"));
    database
        .run("CREATE MATERIALIZED VIEW behind_feed TO behind_mine AS SELECT channel_id, messages FROM mine");
    database.run(
        "CREATE MATERIALIZED VIEW elsewhere_feed TO elsewhere AS SELECT channel_id, messages FROM source",
    );
    database.run(&format!(
        "CREATE MATERIALIZED VIEW inner_feed ENGINE = SummingMergeTree ORDER BY channel_id AS {count}"
    ));
    let found = forgetful();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("`views`.`.inner"), "{found:?}");
    assert_eq!(found[1..], ["`views`.`behind_mine`", "`views`.`mine`"]);

    // the advice that is given is enough
    for table in found {
        database
            .run(&format!("ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 10000"));
    }
    assert_eq!(forgetful(), Vec::<String>::new());
}

#[test]
fn every_table_view_and_column_is_described() {
    let database = Database::new("described");
    let columns = "SELECT table, name FROM system.columns WHERE database = 'described' AND comment = ''";
    assert_eq!(database.ask(columns), Vec::<String>::new());
    let tables = "SELECT name FROM system.tables WHERE database = 'described' AND comment = ''";
    assert_eq!(database.ask(tables), Vec::<String>::new());
    let counted =
        "SELECT count() > 1000, uniqExact(table) > 60 FROM system.columns WHERE database = 'described'";
    assert_eq!(database.ask(counted), ["1\t1"]);
}

#[test]
fn every_table_that_rows_reach_forgets_what_it_has_had() {
    let database = Database::new("windows");
    let without = "SELECT name FROM system.tables WHERE database = 'windows' AND engine LIKE '%MergeTree' \
        AND NOT engine_full LIKE '%non_replicated_deduplication_window = 10000%' AND name != 'schema_migrations'";
    assert_eq!(database.ask(without), Vec::<String>::new());
}

#[test]
fn several_instances_migrate_at_once() {
    const INSTANCES: usize = 4;
    for round in 0..3 {
        let name = format!("at_once_{round}");
        let barrier = Barrier::new(INSTANCES);
        let applied: Vec<usize> = std::thread::scope(|scope| {
            let instance = || {
                let database = Database::empty(&name);
                let retention = Retention { events: Some(Duration::from_secs(86_400)), ..Default::default() };
                let target = Target { retention, ..Target::new(&name) };
                barrier.wait();
                database.wait(migrate(&database.client, &target)).expect("migrated").len()
            };
            let instances: Vec<_> = (0..INSTANCES).map(|_| scope.spawn(instance)).collect();
            instances.into_iter().map(|instance| instance.join().expect("no panic")).collect()
        });
        assert!(
            applied.iter().sum::<usize>() > MIGRATIONS.len(),
            "they took turns, so nothing was shown: {applied:?}"
        );
        let database = Database::empty(&name);
        let history = "SELECT count(), max(number) FROM schema_migrations FINAL";
        assert_eq!(database.ask(history), [format!("{0}\t{0}", MIGRATIONS.len())]);
        // the same as by one alone
        let alone = Database::new("alone");
        let shape = |database: &Database| {
            let question = format!(
                "SELECT table, groupArray((name, type, comment)) FROM (SELECT * FROM system.columns WHERE database = '{}' ORDER BY \
                 table, position) GROUP BY table ORDER BY table",
                database.name
            );
            database.ask(&question)
        };
        assert_eq!(shape(&database), shape(&alone));
    }
}

/// The TTL of each table that has one.
fn kept(database: &Database) -> Vec<String> {
    let question = format!(
        "SELECT name, extract(engine_full, 'toDateTime\\\\(least\\\\(greatest\\\\((\\\\w+)'), extract(engine_full, 'TTL .*toIntervalSecond\\\\((\\\\d+)\\\\)') \
         FROM system.tables WHERE database = '{}' AND engine_full LIKE '% TTL %' ORDER BY name",
        database.name
    );
    database.ask(&question)
}

#[test]
fn retention_is_set_changed_and_taken_away() {
    let database = Database::empty("kept");
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let migrated = |retention: Retention| {
        let target = Target { retention, ..Target::new("kept") };
        let planned = database.wait(plan(&database.client, &target)).expect("planned");
        let steps: Vec<Step> = database.wait(migrate(&database.client, &target)).expect("migrated");
        assert_eq!(planned.iter().filter(|step| !step.is_preparation()).cloned().collect::<Vec<_>>(), steps);
        steps.last().filter(|step| step.number.is_none()).map_or(0, |step| step.statements.len())
    };
    let all = Retention {
        events: days(90),
        minutes: days(400),
        hours: days(800),
        days: days(7_300),
        results: days(30),
        dead_letters: days(10),
    };
    assert_eq!(migrated(all), 4 + 4 + 4 + 5 + 4 + 1);
    assert_eq!(migrated(all), 0, "nothing is done twice");
    let found = kept(&database);
    assert_eq!(found.len(), 22, "{found:?}");
    for wanted in [
        "chat_events\tingest_time\t7776000",
        "chat_minutes\tingested_until\t34560000",
        "candles\tcomputed_at\t2592000",
    ] {
        assert!(found.iter().any(|row| row == wanted), "{wanted} in {found:?}");
    }
    // one is changed, one is taken away, the others stay
    assert_eq!(migrated(Retention { results: days(31), dead_letters: None, ..all }), 5);
    assert_eq!(kept(&database).len(), 21);
    // what somebody else has set stays where nothing is asked for
    assert_eq!(migrated(Retention::default()), 21);
    database.run("ALTER TABLE engagement MODIFY TTL toDateTime(computed_at) + INTERVAL 1 YEAR");
    assert_eq!(migrated(Retention::default()), 0);
    assert_eq!(migrated(Retention { results: days(31), ..Retention::default() }), 4);
    let target = Target {
        retention: Retention { hours: Some(Duration::from_secs(60)), ..all },
        ..Target::new("kept")
    };
    let refused = database.wait(migrate(&database.client, &target)).expect_err("refused");
    assert_eq!(refused.to_string(), "retention of hours must be between 1h and 7300d");
}

#[test]
fn what_is_too_old_goes_and_the_rollups_stay() {
    let database = Database::empty("too_old");
    let retention = Retention { events: Some(Duration::from_secs(86_400)), ..Default::default() };
    database
        .wait(migrate(&database.client, &Target { retention, ..Target::new("too_old") }))
        .expect("migrated");
    // the last event is of a recording: what counts is when it was taken in
    for (id, event, ingest) in
        [("old", "2 DAY", "2 DAY"), ("new", "1 HOUR", "1 HOUR"), ("recorded", "900 DAY", "1 HOUR")]
    {
        database.run(&format!(
            "INSERT INTO chat_events (event_id, event_time, ingest_time, channel_id, kind, topic, partition, offset) SELECT '{id}', \
             now64(6) - INTERVAL {event}, now64(6) - INTERVAL {ingest}, 'c', 'message', 'events.chat', 0, 1"
        ));
    }
    database.run("OPTIMIZE TABLE chat_events FINAL");
    assert_eq!(database.ask("SELECT event_id FROM chat_events ORDER BY event_id"), ["new", "recorded"]);
    for rollup in ["chat_by_minute", "chat_by_hour", "chat_by_day"] {
        assert_eq!(database.ask(&format!("SELECT sum(messages) FROM {rollup}")), ["3"]);
    }
}

/// What would run on a cluster is what the engine's own parser takes, and nothing in it stays on one node.
#[test]
fn the_statements_for_a_cluster_are_sql_and_reach_every_node() {
    let database = Database::empty("clustered");
    let retention = Retention { events: Some(Duration::from_secs(86_400)), ..Default::default() };
    let target = Target { cluster: Some("main".to_owned()), retention, ..Target::new("clustered") };
    let planned = database.wait(plan(&database.client, &target)).expect("planned");
    let statements: Vec<&String> = planned.iter().flat_map(|step| &step.statements).collect();
    assert!(statements.len() > 80, "{} statements", statements.len());
    let outside = database.client.clone().with_database("default");
    let parse = |statement: &str| {
        database
            .wait(outside.query_raw(&format!("EXPLAIN AST {statement}")).execute())
            .map_err(|error| error.to_string())
    };
    assert!(parse("SELEC 1").expect_err("no SQL").contains("Syntax error"));
    for statement in &statements {
        assert!(statement.contains(" ON CLUSTER `main`"), "{statement}");
        assert_eq!(parse(statement), Ok(()), "{statement}");
        for engine in [" = ReplacingMergeTree", " = AggregatingMergeTree", "non_replicated"] {
            assert!(!statement.contains(engine), "{engine} in {statement}");
        }
    }
    let count = |text: &str| statements.iter().filter(|statement| statement.contains(text)).count();
    assert_eq!(count("ENGINE = Distributed("), 9 + 13);
    assert_eq!(count("replicated_deduplication_window = 10000"), 9 + 13);
    assert_eq!(count("MODIFY TTL"), 4);
    assert!(!database.exists());
}
