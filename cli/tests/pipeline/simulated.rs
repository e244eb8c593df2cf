//! Simulated events through the whole pipeline: what the jobs publish equals what SQL says over the raw events.
//!
//! `OVATION_SIMULATED_EVENTS` makes it larger, with as many more events a second:
//! `OVATION_SIMULATED_EVENTS=1000000 cargo test --release --workspace --test pipeline boards_engagement -- --nocapture`

use std::collections::BTreeMap;

use serde_json::Value;

use crate::deployment::Deployment;
use crate::recordings::candles_that_differ;

/// Long ago, so that all windows are of the past; a whole minute.
const START_MS: &str = "1700000040000";
/// How much event time the events take.
const SECONDS: u64 = 200;

#[test]
fn boards_engagement_and_candles_equal_sql_over_the_raw_events() {
    let mut deployment = Deployment::new("simulated");
    let count = std::env::var("OVATION_SIMULATED_EVENTS").unwrap_or_else(|_| "20000".to_owned());
    let rate = (count.parse::<u64>().expect("a number") / SECONDS).to_string();
    deployment.start(&["sink", "clickhouse"]);
    deployment.start(&["process"]);
    deployment.simulate(&count, &rate, &["--seed", "7", "--start", START_MS]);

    let raw = "SELECT (SELECT count() FROM chat) + (SELECT count() FROM reactions) + (SELECT count() FROM viewers) + (SELECT count() FROM trades)";
    deployment.wait_for(raw, &count);

    // All-time boards: every user's score in every channel.
    let board = "SELECT count(), sum(score) FROM current_leaderboards WHERE board = 'top_chatters_all_time'";
    let sql = deployment.ask(
        "SELECT count(), sum(messages) FROM (
            SELECT channel_id, user_id, count() AS messages FROM chat WHERE kind = 'message' AND user_id IS NOT NULL
            GROUP BY channel_id, user_id ORDER BY messages DESC LIMIT 100 BY channel_id)",
    );
    deployment.wait_for(board, &sql);
    let differences = "SELECT count() FROM current_leaderboards AS board
        LEFT JOIN (SELECT channel_id, user_id, count() AS messages FROM chat WHERE kind = 'message' GROUP BY channel_id, user_id) AS sql
        ON board.`group` = sql.channel_id AND board.item = sql.user_id
        WHERE board.board = 'top_chatters_all_time' AND toUInt64(board.score) != sql.messages";
    assert_eq!(deployment.ask(differences), "0");

    // Engagement per channel and minute: every figure of every closed window, and the windows in it that must be there.
    let first_minutes = "SELECT uniqExact(window_start) >= 3, sum(retracted_messages) > 0 FROM engagement_by_window WHERE is_final";
    deployment.wait_for(first_minutes, "1\t1");
    assert_eq!(windows_that_differ(&deployment), "");
    // Candles.
    for (interval_s, unit) in [(1, "second"), (60, "minute")] {
        let candles = format!(
            "SELECT venue, symbol, window_start, open, high, low, close, trade_count, base_volume, quote_volume
             FROM current_candles WHERE interval_s = {interval_s} ORDER BY venue, symbol, window_start"
        );
        let sql = deployment.ask(&format!(
            "SELECT venue, symbol, toDateTime64(date_trunc('{unit}', event_time), 6, 'UTC') AS start,
                argMin(price, (event_time, trade_id)), max(price), min(price), argMax(price, (event_time, trade_id)), count(),
                sum(quantity), sum(quote_quantity)
             FROM trades GROUP BY venue, symbol, start ORDER BY venue, symbol, start"
        ));
        assert!(sql.lines().count() > 3, "too little was compared: {sql}");
        deployment.wait_for(&candles, &sql);
    }
    assert_eq!(candles_that_differ(&deployment), "");
    assert_eq!(deployment.ask("SELECT count() FROM dead_letters"), "0");

    // The same by the command, over all that is final.
    let reports = verify(&deployment, 0);
    let compared = [
        "engagement",
        "candles",
        "board top_chatters",
        "board top_emotes",
        "board top_givers",
        "board biggest_trades",
        "board most_active_channels",
        "board trending_channels",
        "board most_traded_symbols",
    ];
    for wanted in compared {
        let report = &reports[wanted];
        assert!(report["final"].as_i64() > Some(10) && report["differing"] == 0, "{wanted}: {report}");
    }
    everything_is_there_once(&deployment);
    differences_are_found(&deployment);
    deployment.stop();
}

/// `ovation verify` while the roles run: every record has its rows, every rollup agrees. Then with a row less.
fn everything_is_there_once(deployment: &Deployment) {
    let verify = |exit_code: i32| -> BTreeMap<String, Vec<Value>> {
        let command = ["verify", "--offsets", "--rollups", "--output", "json"];
        let output = deployment.command(&command).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(exit_code), "{}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).expect("json")
    };
    let sum = |reports: &[Value], name: &str| {
        reports.iter().filter_map(|report| report[name].as_u64()).sum::<u64>()
    };
    // Rows of results may be on their way yet: what the sink has committed is what counts.
    let reports = verify(0);
    let offsets = &reports["offsets"];
    assert!(offsets.len() >= 9 && sum(offsets, "rows") > 20_000, "{offsets:?}");
    assert_eq!(sum(offsets, "missing") + sum(offsets, "doubled") + sum(offsets, "unexplained"), 0);
    let rollups = &reports["rollups"];
    assert!(
        rollups.len() == 13 && rollups.iter().all(|report| report["compared"].as_u64() > Some(0)),
        "{rollups:?}"
    );
    let one = "FROM viewer_events ORDER BY event_time LIMIT 1";
    deployment.ask(&format!("CREATE TABLE kept_row ENGINE = Memory AS SELECT * {one}"));
    deployment.ask(&format!(
        "DELETE FROM viewer_events WHERE (topic, partition, offset) = (SELECT topic, partition, offset {one}) SETTINGS lightweight_deletes_sync = 2"
    ));
    let reports = verify(1);
    assert_eq!(sum(&reports["offsets"], "missing"), 1);
    assert_eq!(
        sum(&reports["rollups"], "differing"),
        4,
        "a minute, an hour, a day, and the audience of that day"
    );
    deployment.ask("INSERT INTO viewer_events SELECT * FROM kept_row");
    // The row is back; the rollups had it all the time and count it twice now.
    assert_eq!(sum(&verify(1)["offsets"], "missing"), 0);
}

/// What `ovation verify --results` reports, by what it compared.
fn verify(deployment: &Deployment, exit_code: i32) -> BTreeMap<String, Value> {
    let command = ["verify", "--results", "--output", "json"];
    let output = deployment.command(&command).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(exit_code), "{}", String::from_utf8_lossy(&output.stdout));
    let mut reports: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&output.stdout).expect("json");
    let results = reports.remove("results").expect("results");
    results
        .into_iter()
        .map(|report| (report["results"].as_str().expect("a name").to_owned(), report))
        .collect()
}

/// Results and raw events that somebody has changed.
fn differences_are_found(deployment: &Deployment) {
    // One window with another figure, and one that is not there.
    let columns = "* REPLACE (presence_us + 1 AS presence_us, offset + 1000000 AS offset)";
    let one = "FROM engagement FINAL WHERE is_final ORDER BY window_start, channel_id LIMIT 1";
    deployment.ask(&format!("INSERT INTO engagement SELECT {columns} {one}"));
    let other =
        "(SELECT channel_id FROM engagement WHERE is_final ORDER BY window_start, channel_id DESC LIMIT 1)";
    let first = "(SELECT min(window_start) FROM engagement)";
    deployment.ask(&format!(
        "DELETE FROM engagement WHERE channel_id = {other} AND window_start = {first} SETTINGS lightweight_deletes_sync = 2"
    ));
    let found = windows_that_differ(deployment);
    assert_eq!(found.lines().filter(|row| row.contains("[('presence_us','")).count(), 1, "{found}");
    assert_eq!(
        found.lines().filter(|row| row.contains("[('final record','none','one')]")).count(),
        1,
        "{found}"
    );
    assert_eq!(found.lines().count(), 2, "{found}");
    // One message more, which boards lack too.
    deployment.ask(
        "INSERT INTO chat_events SELECT * REPLACE ('one more' AS event_id, offset + 1000000 AS offset)
         FROM chat_events WHERE kind = 'message' ORDER BY event_time LIMIT 1",
    );
    let reports = verify(deployment, 1);
    assert!(reports["engagement"]["differing"].as_i64() >= Some(2), "{reports:?}");
    assert!(reports["board top_chatters"]["differing"].as_i64() > Some(0), "{reports:?}");
    assert_eq!(reports["candles"]["differing"], 0);
}

/// The closed windows of engagement that are not what SQL makes of the raw events.
fn windows_that_differ(deployment: &Deployment) -> String {
    let as_configured = [
        ("job", "engagement"),
        ("lateness_us", "2000000"),
        ("future_skew_us", "10000000"),
        ("window_us", "60000000"),
        ("emit_every_us", "1000000"),
        ("heartbeat_timeout_us", "30000000"),
    ];
    deployment.ask_with(include_str!("../../../sinks/verify/engagement.sql"), &as_configured)
}

/// Boards of sessions, votes and distinct users, over events out of order and with bans.
const COUNTED: &str = r#"
[jobs.counted]
lateness = "2s"
future_skew = "10s"
boards = [
    { name = "poll_sessions", source = "reactions", group = ["channel", "poll"], item = "poll_option", score = "votes", window = { kind = "session", gap = "4s" }, k = 20, emit_every = "1s" },
    { name = "chat_sessions", source = "chat", group = "channel", item = "user", score = "count", window = { kind = "session", gap = "3s" }, k = 20, emit_every = "1s" },
    { name = "reacting", source = "reactions", group = "channel", item = "reaction", score = "distinct_users", window = { kind = "session", gap = "3s" }, k = 20, emit_every = "1s" },
    { name = "rolling_polls", source = "reactions", group = ["channel", "poll"], item = "poll_option", score = "votes", window = { kind = "rolling", length = "40s", slide = "10s" }, k = 20, emit_every = "10s" },
    { name = "rolling_reacting", source = "reactions", group = "channel", item = "reaction", score = "distinct_users", window = { kind = "rolling", length = "40s", slide = "10s" }, k = 3, emit_every = "10s" },
]
"#;

#[test]
fn sessions_votes_and_distinct_users_equal_sql_over_the_raw_events() {
    let mut deployment = Deployment::new("counted");
    let config = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("counted.toml");
    std::fs::write(&config, COUNTED).expect("written");
    let config = config.to_str().expect("a path");
    deployment.start(&["sink", "clickhouse"]);
    let shares = "chat=45,reactions=55";
    let more = ["--seed", "11", "--disorder-ms", "1500", "--shares", shares, "--start", START_MS];
    deployment.simulate("15000", "75", &more);
    deployment.wait_for("SELECT (SELECT count() FROM chat) + (SELECT count() FROM reactions)", "15000");
    deployment.start(&["--config", config, "process"]);
    let boards = ["poll_sessions", "chat_sessions", "reacting", "rolling_polls", "rolling_reacting"];
    for board in boards {
        let closed = format!(
            "SELECT uniqExact(`group`, window_start) > 30 FROM final_leaderboards WHERE board = '{board}'"
        );
        deployment.wait_for(&closed, "1");
    }
    assert_ne!(deployment.ask("SELECT count() FROM chat WHERE kind = 'user_banned'"), "0");
    let verify = |exit_code: i32| -> BTreeMap<String, i64> {
        let command = ["--config", config, "verify", "--results", "--output", "json"];
        let output = deployment.command(&command).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(exit_code), "{}", String::from_utf8_lossy(&output.stdout));
        let mut reports: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&output.stdout).expect("json");
        let name = |report: &Value| {
            report["results"].as_str().expect("a name").trim_start_matches("board ").to_owned()
        };
        let results = reports.remove("results").expect("results");
        results.iter().map(|report| (name(report), report["differing"].as_i64().expect("compared"))).collect()
    };
    assert_eq!(verify(0), boards.map(|board| (board.to_owned(), 0)).into());
    // A score that somebody has changed, in a session and in a rolling window.
    for board in ["poll_sessions", "rolling_reacting"] {
        deployment.ask(&format!(
            "INSERT INTO leaderboards SELECT * REPLACE (score + (rank = 1) AS score, offset + 1000000 AS offset) FROM (
                SELECT * FROM leaderboards WHERE board = '{board}' AND is_final AND rank > 0
                AND (`group`, offset) IN (SELECT `group`, max(offset) FROM leaderboards WHERE board = '{board}' AND is_final AND rank > 0 GROUP BY `group` LIMIT 1))"
        ));
    }
    let found = verify(1);
    assert_eq!((found["poll_sessions"], found["rolling_reacting"], found["chat_sessions"]), (1, 1, 0));
    // A message more in the middle of a session, which the board lacks.
    deployment.ask(
        "INSERT INTO chat_events SELECT * REPLACE ('one more' AS event_id, offset + 1000000 AS offset)
         FROM chat_events WHERE kind = 'message' AND user_id IS NOT NULL ORDER BY event_time LIMIT 1",
    );
    deployment.ask("ALTER TABLE reaction_events DELETE WHERE kind = 'poll_vote' AND offset % 5 = 0 SETTINGS mutations_sync = 2");
    let found = verify(1);
    assert!(found["chat_sessions"] + found["rolling_polls"] > 0, "{found:?}");
    assert!(found["poll_sessions"] > 1 && found["rolling_polls"] > 0 && found["reacting"] > 0, "{found:?}");
    deployment.stop();
}

#[test]
fn a_restarted_job_repeats_nothing_and_leaves_nothing_out() {
    let mut deployment = Deployment::new("restarted");
    deployment.start(&["sink", "clickhouse"]);
    let mut start = 1_700_000_040_000u64;
    for round in 0..3u64 {
        let (seed, from) = (round.to_string(), start.to_string());
        let count = "3000";
        deployment.simulate(count, "100", &["--seed", &seed, "--start", &from]);
        start += 30_000;
        let mut job = Deployment::attach(&deployment);
        job.start(&["process"]);
        let total = "SELECT sum(total) FROM (SELECT any(total_score) AS total FROM current_leaderboards
            WHERE board = 'top_chatters_all_time' GROUP BY `group`)";
        let produced = format!("{}", (round + 1) * 3000);
        let raw = "SELECT (SELECT count() FROM chat) + (SELECT count() FROM reactions) + (SELECT count() FROM viewers) + (SELECT count() FROM trades)";
        deployment.wait_for(raw, &produced);
        deployment.wait_for(
            &format!(
                "SELECT (SELECT count() FROM chat WHERE kind = 'message' AND user_id IS NOT NULL) = ({total})"
            ),
            "1",
        );
        job.stop();
    }
    // One record for each revision, without a gap: neither repeated nor left out.
    let twice = "SELECT count() FROM (SELECT job, board, `group`, window_start, revision, uniqExact(partition, offset) AS records
        FROM leaderboards GROUP BY job, board, `group`, window_start, revision HAVING records > 1)";
    assert_eq!(deployment.ask(twice), "0");
    let gaps = "SELECT count() FROM (SELECT board, `group`, window_start, max(revision) AS last, uniqExact(revision) AS revisions
        FROM leaderboards GROUP BY board, `group`, window_start HAVING last != revisions)";
    assert_eq!(deployment.ask(gaps), "0");
    deployment.stop();
}
