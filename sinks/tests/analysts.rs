//! What analysts are given: every query of docs/analysts.md and of Grafana's dashboards runs on the real engine over made-up rows, and
//! finds something that can be true.
//!
//! `OVATION_ANALYST_ROWS=10000000 cargo test --release --workspace --test analysts -- --nocapture` shows what each question of the page
//! costs on so many events, and fails if one takes a second.

#![allow(clippy::print_stdout, reason = "a measured figure is shown")]

mod tables_support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tables_support::Database;

const ROWS: u64 = 200_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Numbered questions with their queries.
fn questions(page: &str) -> Vec<(&str, &str)> {
    let section = page.split("## Thirty questions").nth(1).expect("the section of questions");
    let mut found = Vec::new();
    for part in section.split("```sql\n").collect::<Vec<_>>().windows(2) {
        let title = part[0].rsplit("```").next().expect("text").trim();
        let title = title.lines().last().expect("a question");
        found.push((title, part[1].split("```").next().expect("a query").trim()));
    }
    found
}

/// The columns in which no row says anything: empty, null, zero or not a number throughout.
fn silent_columns(rows: &[String]) -> Vec<usize> {
    let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.split('\t').collect()).collect();
    let says_nothing = |cell: &str| ["", "\\N", "0", "nan", "inf", "[]", "false"].contains(&cell);
    (0..cells[0].len()).filter(|column| cells.iter().all(|row| says_nothing(row[*column]))).collect()
}

#[test]
fn every_question_of_the_page_is_answered() {
    let page = read("docs/analysts.md");
    let questions = questions(&page);
    assert!(questions.len() >= 30, "{} questions", questions.len());
    for (number, (title, _)) in (1..).zip(&questions) {
        assert!(title.starts_with(&format!("{number}. ")), "question {number} is `{title}`");
    }
    let wanted = std::env::var("OVATION_ANALYST_ROWS").ok().map(|rows| rows.parse().expect("a number"));
    let database = Database::new("questions");
    database.fill(wanted.unwrap_or(ROWS));
    let mut slow = Vec::new();
    for (title, query) in questions {
        let started = Instant::now();
        let mut rows = database.ask(query);
        let mut took = started.elapsed();
        if wanted.is_some() {
            // The second time the files are in memory, as they are for somebody who works with them.
            let started = Instant::now();
            rows = database.ask(query);
            took = took.min(started.elapsed());
            println!("{:5} ms  {:4} rows  {title}", took.as_millis(), rows.len());
            if took >= Duration::from_secs(1) {
                slow.push(title);
            }
        }
        assert!(!rows.is_empty(), "nothing found: {title}");
        // That a feed has no gap between its minutes is an answer.
        let silent = silent_columns(&rows);
        let expected: &[usize] = if query.contains("missing_between") { &[3] } else { &[] };
        assert_eq!(
            silent,
            expected,
            "columns that say nothing: {title}\n{}",
            rows[..rows.len().min(5)].join("\n")
        );
    }
    assert_eq!(slow, [""; 0], "these took a second or more");
}

/// The same figure by two ways: rollups, results and raw events are not told apart by their numbers.
#[test]
fn answers_agree_with_each_other() {
    let database = Database::new("agreement");
    database.fill(50_000);
    let one = |query: &str| database.ask(query).remove(0);
    for level in ["minute", "hour", "day"] {
        assert_eq!(
            one(&format!("SELECT sum(messages), sum(deletions) FROM chat_by_{level}")),
            one("SELECT countIf(kind = 'message'), countIf(kind = 'message_deleted') FROM chat"),
        );
        assert_eq!(
            one(&format!(
                "SELECT sum(base_volume), sum(quote_volume), max(high), min(low) FROM trades_by_{level}"
            )),
            one("SELECT sum(quantity), sum(quote_quantity), max(price), min(price) FROM trades"),
        );
        assert_eq!(
            one(&format!("SELECT sum(amount) FROM reactions_by_{level} WHERE currency = 'EUR'")),
            one("SELECT sum(toDecimal256(amount_micros, 6)) / 1000000 FROM reactions WHERE currency = 'EUR'"),
        );
    }
    assert_eq!(one("SELECT sum(watch_ms) FROM audience_by_day"), one("SELECT sum(watch_ms) FROM viewers"));
    assert_eq!(
        one("SELECT uniqMerge(viewers) FROM viewers_minutes WHERE channel_id = 'twitch:10'"),
        one("SELECT uniqExact(coalesce(user_id, session_id)) FROM viewers WHERE channel_id = 'twitch:10'"),
    );
}

/// A dashboard's file name and content.
fn dashboards() -> Vec<(String, Value)> {
    let folder = root().join("deploy/grafana/dashboards");
    let mut found: Vec<(String, Value)> = std::fs::read_dir(folder)
        .expect("dashboards")
        .map(|entry| entry.expect("entry").path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("text");
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("json"))
        })
        .collect();
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    found
}

/// A query as Grafana's ClickHouse plugin sends it, for the last six hours.
fn substituted(query: &str, now_s: i64) -> String {
    let (from, to) = (format!("toDateTime({})", now_s - 6 * 3_600), format!("toDateTime({now_s})"));
    let mut text = query.to_owned();
    for (name, value) in [
        ("$channel", "twitch:1"),
        ("$group", "twitch:1"),
        ("$board", "top_emotes"),
        ("$venue", "binance-spot"),
        ("$symbol", "BTCUSDT"),
    ] {
        text = text.replace(name, value);
    }
    type Expand<'e> = &'e dyn Fn(&str) -> String;
    let macros: [(&str, Expand<'_>); 2] = [
        ("$__timeFilter(", &|column| format!("({column} >= {from} AND {column} <= {to})")),
        ("$__dateFilter(", &|column| format!("({column} >= toDate({from}) AND {column} <= toDate({to}))")),
    ];
    for (name, expand) in macros {
        while let Some(start) = text.find(name) {
            let end = start + text[start..].find(')').expect("a closing bracket");
            let column = text[start + name.len()..end].to_owned();
            text.replace_range(start..=end, &expand(&column));
        }
    }
    assert!(!text.contains('$'), "something is not substituted: {text}");
    text
}

#[test]
fn every_query_of_the_dashboards_finds_something() {
    let database = Database::new("grafana");
    database.fill(ROWS);
    let now_s: i64 = database.ask("SELECT toUnixTimestamp(now())")[0].parse().expect("a number");
    let mut queries = 0;
    for (name, dashboard) in dashboards() {
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            let query = variable["query"].as_str().expect("a query");
            assert!(
                !database.ask(&substituted(query, now_s)).is_empty(),
                "{name}, {}: nothing found",
                variable["name"]
            );
        }
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let query = target["rawSql"].as_str().expect("a query");
                let rows = database.ask(&substituted(query, now_s));
                assert!(!rows.is_empty(), "{name}, {}: nothing found by {query}", panel["title"]);
                let silent = silent_columns(&rows);
                let expected: &[usize] = if query.contains("missing_between") { &[3] } else { &[] };
                assert_eq!(
                    silent, expected,
                    "{name}, {}: columns that say nothing: {:?}",
                    panel["title"], rows[0]
                );
                let is_series = panel["type"] == "timeseries" || panel["type"] == "candlestick";
                assert_eq!(query.contains(" AS time"), is_series, "{name}, {}", panel["title"]);
                queries += 1;
            }
        }
    }
    assert!(queries >= 35, "{queries} queries");
}

#[test]
fn the_dashboards_are_where_grafana_looks_and_ask_the_source_that_there_is() {
    let source = read("deploy/grafana/provisioning/datasources/clickhouse.yml");
    let provider = read("deploy/grafana/provisioning/dashboards/ovation.yml");
    let compose = read("docker-compose.yml");
    let value = |text: &str, key: &str| -> String {
        let line = text
            .lines()
            .find_map(|line| line.trim().trim_start_matches("- ").strip_prefix(&format!("{key}: ")));
        line.unwrap_or_else(|| panic!("{key} in {text}")).trim().to_owned()
    };
    let (uid, kind) = (value(&source, "uid"), value(&source, "type"));
    assert!(compose.contains(&format!("./deploy/grafana/dashboards:{}:ro", value(&provider, "path"))));
    assert!(compose.contains("./deploy/grafana/provisioning:/etc/grafana/provisioning:ro"));
    assert_eq!(value(&compose, "GF_PLUGINS_PREINSTALL"), kind);
    for (key, of_compose) in [("username", "CLICKHOUSE_USER"), ("password", "CLICKHOUSE_PASSWORD")] {
        assert_eq!(value(&source, key), value(&compose, of_compose));
    }
    assert!(compose.contains(&format!("\n  {}:\n    image: clickhouse/", value(&source, "host"))));
    assert!(compose.contains(&format!(
        "OVATION__CLICKHOUSE__URL: http://{}:{}",
        value(&source, "host"),
        value(&source, "port")
    )));
    let configuration = read("ovation.toml");
    let database =
        configuration.lines().find_map(|line| line.strip_prefix("database = ")).expect("a database");
    assert_eq!(value(&source, "defaultDatabase"), database.trim_matches('"'));

    let names: Vec<String> = dashboards().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["boards", "engagement", "markets", "moderation", "pipeline"]);
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["uid"], format!("ovation-{name}"));
        assert!(uids.insert(dashboard["uid"].to_string()), "two dashboards of one uid");
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        let panels = dashboard["panels"].as_array().expect("panels");
        assert!(panels.len() >= 5, "{name}");
        for part in variables.iter().chain(panels) {
            assert_eq!(part["datasource"]["uid"], uid, "{name}");
            assert_eq!(part["datasource"]["type"], kind, "{name}");
        }
        let known: BTreeSet<&str> =
            variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
        for used in ["channel", "group", "board", "venue", "symbol"] {
            let is_used = dashboard["panels"].to_string().contains(&format!("'${used}'"));
            assert!(!is_used || known.contains(used), "{name} has no variable {used}");
        }
    }
}
