//! Boards across shards on a real broker: four shards, and a second stage that makes one board of what they tell it.

use crate::deployment::Deployment;

/// Long ago, so that all windows are of the past; a whole minute.
const START_S: i64 = 1_700_000_040;
/// Windows that end later may not be closed yet when the events end.
const END_S: i64 = START_S + 180;

#[test]
fn boards_over_all_channels_and_markets_equal_sql_over_the_raw_events() {
    let mut deployment = Deployment::new("across");
    let start = format!("{START_S}000");
    deployment.start(&["sink", "clickhouse"]);
    deployment.simulate("20000", "100", &["--seed", "3", "--start", &start]);
    // No shard is without events when the jobs begin.
    deployment.start(&["process", "leaderboards", "markets"]);
    let raw = "SELECT (SELECT count() FROM chat) + (SELECT count() FROM reactions) + (SELECT count() FROM viewers) + (SELECT count() FROM trades)";
    deployment.wait_for(raw, "20000");

    let windows = |what: &str, condition: &str| {
        format!(
            "SELECT end, item, {what} FROM (
                SELECT *, channel_id AS item, arrayJoin(range(10, 310, 10)) + intDiv(toUnixTimestamp64Micro(event_time), 10000000) * 10 AS end
                FROM {condition})
            WHERE end <= {END_S} GROUP BY end, item ORDER BY end, item"
        )
    };
    let shown = |board: &str, score: &str| {
        format!(
            "SELECT toUnixTimestamp(window_end) AS end, item, {score} FROM leaderboards
            WHERE board = '{board}' AND `group` = 'global' AND is_final AND end <= {END_S} ORDER BY end, item"
        )
    };
    let sql = deployment.ask(&windows("count()", "chat WHERE kind = 'message'"));
    assert!(sql.lines().count() > 60, "too little was compared: {sql}");
    deployment.wait_for(&shown("most_active_channels", "toUInt64(score)"), &sql);

    let notional = "toDecimal128(sum(toDecimal256(price, 10) * toDecimal256(quantity, 10)), 10)";
    let sql = deployment.ask(&windows(notional, "trades"));
    assert!(sql.lines().count() > 15, "too little was compared: {sql}");
    deployment.wait_for(&shown("most_traded_symbols", "score"), &sql);

    // The whole board is one shard's: every window has its final record once.
    let repeated =
        "SELECT count() FROM (SELECT uniqExact(topic, partition, offset) AS records FROM leaderboards
        WHERE `group` = 'global' AND is_final GROUP BY board, window_start HAVING records > 1)";
    assert_eq!(deployment.ask(repeated), "0");
    let jobs = deployment.run(&["jobs", "status", "leaderboards"]);
    assert!(jobs.contains("job leaderboards.global: "), "{jobs}");
}
