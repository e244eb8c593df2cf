//! Reading a part of the log again: into the sink's database what is missing, into another what is wanted, never a row twice.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::deployment::Deployment;

const EVENTS: u64 = 12_000;

fn count(deployment: &Deployment, sql: &str) -> u64 {
    deployment.ask(sql).parse().expect("a number")
}

fn backfill(deployment: &Deployment, arguments: &[&str]) -> String {
    let said = deployment.run(&[&["clickhouse", "backfill", "--topic", "events.chat"], arguments].concat());
    said.lines().last().expect("a line").to_owned()
}

#[test]
fn what_is_missing_is_written_and_nothing_twice() {
    let mut deployment = Deployment::new("backfill");
    let count_of_events = EVENTS.to_string();
    deployment.simulate(&count_of_events, "1000", &["--shares", "chat=1"]);
    assert_eq!(
        backfill(&deployment, &[]),
        "no records there: nothing to do",
        "all of it is the sink's to write"
    );
    deployment.start(&["sink", "clickhouse"]);
    deployment.wait_for("SELECT count() FROM chat_events", &count_of_events);
    deployment.stop();

    let delete = "ALTER TABLE chat_events DELETE WHERE offset % 700 < 3 SETTINGS mutations_sync = 1";
    deployment.ask(delete);
    let missing = EVENTS - count(&deployment, "SELECT count() FROM chat_events");
    assert!(missing > 20, "{missing}");
    let said = backfill(&deployment, &[]);
    assert!(
        said.contains(&format!("{EVENTS} records read")) && said.contains(&format!("{missing} rows written")),
        "{said}"
    );
    assert_eq!(
        deployment.ask("SELECT count(), uniqExact(partition, offset) FROM chat_events"),
        format!("{EVENTS}\t{EVENTS}")
    );
    assert!(backfill(&deployment, &[]).contains("; 0 rows written"), "again");
}

#[test]
fn another_database_gets_the_wanted_part_also_when_the_backfill_is_killed_over_and_over() {
    let mut deployment = Deployment::new("backfill_into");
    let count_of_events = EVENTS.to_string();
    deployment.simulate(&count_of_events, "1000", &["--shares", "chat=1"]);
    let ends =
        deployment.run(&["clickhouse", "backfill", "--topic", "events.chat", "--into", "backfill_all"]);
    assert_eq!(ends.lines().count(), 5, "a line for each partition and one for the outcome: {ends}");
    assert_eq!(count(&deployment, "SELECT count() FROM backfill_all.chat_events"), EVENTS);

    // by ingest time: the middle third
    let ask = |sql: &str| count(&deployment, sql);
    let from =
        ask("SELECT toUnixTimestamp64Milli(quantileExact(0.3)(ingest_time)) FROM backfill_all.chat_events")
            / 1_000;
    let to = from + 3;
    let at = |seconds: u64| {
        deployment.ask(&format!("SELECT formatDateTime(toDateTime({seconds}, 'UTC'), '%FT%TZ')"))
    };
    let (from_text, to_text) = (at(from), at(to));
    backfill(&deployment, &["--from", &from_text, "--to", &to_text, "--into", "backfill_part"]);
    let within = format!(
        "SELECT count() FROM backfill_all.chat_events WHERE ingest_time >= {from} AND ingest_time < {to}"
    );
    assert_eq!(ask("SELECT count() FROM backfill_part.chat_events"), ask(&within));

    deployment.set("clickhouse.flush_rows", "100");
    deployment.set("process.session_timeout", "6s");
    deployment.run(&["clickhouse", "backfill", "--topic", "events.reactions", "--into", "backfill_killed"]);
    let arguments =
        ["clickhouse", "backfill", "--topic", "events.chat", "--to", "100000", "--into", "backfill_killed"];
    let (mut kills, started) = (0, Instant::now());
    loop {
        let mut child =
            deployment.command(&arguments).stdout(Stdio::null()).spawn().expect("the binary runs");
        let before = deployment.ask("SELECT count() FROM backfill_killed.chat_events");
        while child.try_wait().expect("a state").is_none()
            && (kills >= 3 || deployment.ask("SELECT count() FROM backfill_killed.chat_events") == before)
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().expect("a state").is_some_and(|status| status.success()) {
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        kills += 1;
        assert!(started.elapsed() < Duration::from_secs(150), "killed {kills} times and still not done");
    }
    assert!(kills > 0, "it was done before it could be killed");
    let rows = "SELECT count(), uniqExact(partition, offset) FROM backfill_killed.chat_events";
    assert_eq!(deployment.ask(rows), format!("{EVENTS}\t{EVENTS}"));
}
