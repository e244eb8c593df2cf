//! Simulated events through the whole pipeline: what the jobs publish equals what SQL says over the raw events.

use crate::deployment::Deployment;
use crate::recordings::candles_that_differ;

/// Long ago, so that all windows are of the past; a whole minute.
const START_MS: &str = "1700000040000";

#[test]
fn boards_engagement_and_candles_equal_sql_over_the_raw_events() {
    let mut deployment = Deployment::new("simulated");
    let simulate = [
        "produce",
        "simulate",
        "--unpaced",
        "--count",
        "20000",
        "--rate",
        "100",
        "--seed",
        "7",
        "--start",
        START_MS,
    ];
    deployment.start(&["sink", "clickhouse"]);
    deployment.start(&["process"]);
    deployment.run(&simulate);

    let raw = "SELECT (SELECT count() FROM chat) + (SELECT count() FROM reactions) + (SELECT count() FROM viewers) + (SELECT count() FROM trades)";
    deployment.wait_for(raw, "20000");

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

    // Engagement per channel and minute.
    let windows = "SELECT channel_id, window_start, messages, unique_chatters, joins, leaves, watch_ms FROM engagement_by_window
        WHERE messages > 0 OR joins > 0 OR leaves > 0 OR watch_ms > 0 ORDER BY channel_id, window_start";
    let by_sql = "SELECT channel_id, window_start, sum(m), uniqExactIf(user, user != ''), sum(j), sum(l), sum(w) FROM (
            SELECT channel_id, toDateTime64(date_trunc('minute', event_time), 6, 'UTC') AS window_start, 1 AS m, ifNull(user_id, '') AS user, 0 AS j, 0 AS l, 0 AS w
            FROM chat WHERE kind = 'message'
            UNION ALL
            SELECT channel_id, toDateTime64(date_trunc('minute', event_time), 6, 'UTC'), 0, '', kind = 'join', kind = 'leave', watch_ms FROM viewers)
        GROUP BY channel_id, window_start HAVING sum(m) > 0 OR sum(j) > 0 OR sum(l) > 0 OR sum(w) > 0 ORDER BY channel_id, window_start";
    let sql = deployment.ask(by_sql);
    assert!(sql.lines().count() > 20, "too little was compared: {sql}");
    deployment.wait_for(windows, &sql);

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
        deployment.run(&[
            "produce",
            "simulate",
            "--unpaced",
            "--count",
            count,
            "--rate",
            "100",
            "--seed",
            &seed,
            "--start",
            &from,
        ]);
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
