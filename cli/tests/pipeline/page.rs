//! The page in a real browser against the whole pipeline: its numbers are those of the live API and of ClickHouse.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::deployment::{Deployment, EndsWithTest, get, wait_until};

/// Nobody runs the jobs any more, so that nothing moves.
fn the_lags_are_those_of_jobs_status(deployment: &Deployment, url: &str) {
    let status = deployment.run(&["jobs", "status", "--output", "json"]);
    let status: Value = serde_json::from_str(&status).expect("json");
    let told = |job: &Value| {
        let shards = job["shards"].as_array().expect("shards");
        let records: i64 = shards.iter().map(|shard| shard["lag_records"].as_i64().expect("a count")).sum();
        let watermark = shards.iter().filter_map(|shard| shard["watermark"].as_i64()).min();
        (job["job"].clone(), json!(0), json!(records), json!(watermark))
    };
    let expected: BTreeMap<String, _> =
        status.as_array().expect("jobs").iter().map(|job| (job["job"].to_string(), told(job))).collect();
    assert!(expected.len() >= 6, "{status}");
    wait_until("the gateway tells the lags that `jobs status` tells", || {
        let (_, health) = get(&format!("{url}api/health"));
        let health: Value =
            serde_json::from_str(health.split_once("\r\n\r\n").expect("a body").1).expect("json");
        let jobs = health["pipeline"]["jobs"].as_array().expect("jobs");
        let seen = jobs.iter().map(|job| {
            let lag = &job["lag"];
            let told = (
                job["job"].clone(),
                lag["members"].clone(),
                lag["records"].clone(),
                lag["watermark_min"].clone(),
            );
            (job["job"].to_string(), told)
        });
        seen.collect::<BTreeMap<_, _>>() == expected
    });
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_api_and_of_clickhouse() {
    let mut deployment = Deployment::new("page");
    deployment.set("dashboard.anonymous", "true");
    deployment.set("dashboard.chat", "true");
    deployment.start(&["sink", "clickhouse"]);
    let mut jobs = Deployment::attach(&deployment);
    jobs.start(&["process"]);
    deployment.simulate("20000", "100", &["--seed", "5", "--start", "1700000040000"]);
    deployment.wait_for(
        "SELECT uniqExact(window_start) >= 3, sum(retracted_messages) > 0 FROM engagement_by_window WHERE is_final",
        "1\t1",
    );
    let total = "SELECT sum(total) = (SELECT count() FROM chat WHERE kind = 'message' AND user_id IS NOT NULL) FROM (
        SELECT any(total_score) AS total FROM current_leaderboards WHERE board = 'top_chatters_all_time' GROUP BY `group`)";
    deployment.wait_for(total, "1");
    // rolling windows would move on with the clock
    jobs.stop();

    let mut dashboard = deployment.command(&["dashboard"]);
    let mut dashboard = EndsWithTest(dashboard.stdout(Stdio::piped()).spawn().expect("the binary runs"));
    let mut line = String::new();
    BufReader::new(dashboard.0.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let url = format!("{}/", line.trim().strip_prefix("dashboard: ").expect("the address"));
    wait_until("the gateway has read all results", || get(&format!("{url}api/ready")).0 == 200);
    let (_, health) = get(&format!("{url}api/health"));
    let health: Value = serde_json::from_str(health.split_once("\r\n\r\n").expect("a body").1).expect("json");
    the_lags_are_those_of_jobs_status(&deployment, &url);
    let results = health["pipeline"]["results"].as_u64().expect("a count");
    assert!(results > 1_000, "{health}");
    let tables = ["leaderboards", "engagement", "candles", "moderation_flags"];
    let records =
        tables.map(|table| format!("(SELECT uniqExact(partition, offset) FROM {table})")).join(" + ");
    deployment.wait_for(&format!("SELECT {records}"), &results.to_string());

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/test/numbers.mjs");
    let (clickhouse, database) = deployment.clickhouse();
    let looked = Command::new("node").arg(script).args([&url, clickhouse, database]).status();
    assert!(looked.expect("node is installed").success(), "the numbers differ, see above");
    deployment.stop();
}
