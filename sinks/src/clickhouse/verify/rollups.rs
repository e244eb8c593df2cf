//! Raw events against their rollups: every figure of every minute, hour and day computed again, in SQL.
//!
//! It reads the views that analysts read, and computes from the raw tables with expressions of its own.
//!
//! Always holds: compared is what was complete when the positions were taken. A key of which the raw table has a row at or behind its
//! partition's position is left out, since such a row may be in one of the two only; so are keys of which a retention may have
//! deleted a part. Does not know: which positions those are.

use std::collections::BTreeMap;
use std::time::Duration;

use clickhouse::Client;
use serde_json::Value;

use super::super::retention::Retention;
use super::{Parameters, VerifyError, rows};

/// One rollup: its raw table, and how its figures are computed from it.
struct Family {
    name: &'static str,
    raw: &'static str,
    levels: &'static [&'static str],
    /// Name and expression over the raw rows.
    keys: &'static [(&'static str, &'static str)],
    figures: &'static [(&'static str, &'static str)],
}

const ALL_LEVELS: &[&str] = &["minute", "hour", "day"];
const CHANNEL: (&str, &str) = ("channel_id", "channel_id");

const FAMILIES: [Family; 5] = [
    Family {
        name: "chat",
        raw: "chat_events",
        levels: ALL_LEVELS,
        keys: &[CHANNEL],
        figures: &[
            ("messages", "countIf(kind = 'message')"),
            ("questions", "countIf(kind = 'message' AND is_question)"),
            ("replies", "countIf(kind = 'message' AND isNotNull(reply_to))"),
            ("first_messages", "countIf(kind = 'message' AND is_first_message)"),
            ("emotes", "sum(arraySum(emotes.count))"),
            ("deletions", "countIf(kind = 'message_deleted')"),
            ("bans", "countIf(kind = 'user_banned')"),
            ("time_outs", "countIf(kind = 'user_timed_out')"),
            ("clears", "countIf(kind = 'chat_cleared')"),
            ("chatters", "uniqIf(user_id, kind = 'message')"),
        ],
    },
    Family {
        name: "reactions",
        raw: "reaction_events",
        levels: ALL_LEVELS,
        keys: &[CHANNEL, ("kind", "kind"), ("currency", "ifNull(currency, '')")],
        figures: &[
            ("events", "count()"),
            ("reactions", "sumIf(count, kind != 'raid') + countIf(kind = 'raid')"),
            ("amount", "sum(toDecimal256(ifNull(amount_micros, 0), 6)) / 1000000"),
            ("users", "uniq(user_id)"),
        ],
    },
    Family {
        name: "viewers",
        raw: "viewer_events",
        levels: ALL_LEVELS,
        keys: &[CHANNEL],
        figures: &[
            ("joins", "countIf(kind = 'join')"),
            ("leaves", "countIf(kind = 'leave')"),
            ("heartbeats", "countIf(kind = 'heartbeat')"),
            ("watch_ms", "sum(watch_ms)"),
            ("startup_count", "count(startup_ms)"),
            (
                "startup_p50_ms",
                "if(count(startup_ms) = 0, NULL, quantileDDIf(0.01, 0.5)(greatest(assumeNotNull(startup_ms), 0), isNotNull(startup_ms)))",
            ),
            (
                "startup_p99_ms",
                "if(count(startup_ms) = 0, NULL, quantileDDIf(0.01, 0.99)(greatest(assumeNotNull(startup_ms), 0), isNotNull(startup_ms)))",
            ),
            ("rebuffer_count", "sum(rebuffer_count)"),
            ("rebuffer_ms", "sum(rebuffer_ms)"),
            ("bitrate_bits", "ifNull(sum(bitrate_kbps * watch_ms), 0)"),
            ("bitrate_ms", "sumIf(watch_ms, isNotNull(bitrate_kbps))"),
            ("live_latency_count", "count(live_latency_ms)"),
            (
                "live_latency_p50_ms",
                "if(count(live_latency_ms) = 0, NULL, quantileDDIf(0.01, 0.5)(greatest(assumeNotNull(live_latency_ms), 0), isNotNull(live_latency_ms)))",
            ),
            (
                "live_latency_p99_ms",
                "if(count(live_latency_ms) = 0, NULL, quantileDDIf(0.01, 0.99)(greatest(assumeNotNull(live_latency_ms), 0), isNotNull(live_latency_ms)))",
            ),
            ("viewers", "uniq(ifNull(user_id, session_id))"),
            ("sessions", "uniq(session_id)"),
        ],
    },
    Family {
        name: "audience",
        raw: "viewer_events",
        levels: &["day"],
        keys: &[CHANNEL, ("country", "ifNull(country, '')"), ("device", "ifNull(device, '')")],
        figures: &[
            ("joins", "countIf(kind = 'join')"),
            ("watch_ms", "sum(watch_ms)"),
            ("rebuffer_count", "sum(rebuffer_count)"),
            ("rebuffer_ms", "sum(rebuffer_ms)"),
            ("viewers", "uniq(ifNull(user_id, session_id))"),
        ],
    },
    Family {
        name: "trades",
        raw: "trade_events",
        levels: ALL_LEVELS,
        keys: &[("venue", "venue"), ("symbol", "symbol")],
        figures: &[
            ("open", "argMin(price, (event_time, ifNull(trade_id, -9223372036854775808), event_id))"),
            ("high", "max(price)"),
            ("low", "min(price)"),
            ("close", "argMax(price, (event_time, ifNull(trade_id, -9223372036854775808), event_id))"),
            ("trade_count", "count()"),
            ("base_volume", "sum(toDecimal256(quantity, 10))"),
            ("quote_volume", "sum(toDecimal256(price, 10) * toDecimal256(quantity, 10))"),
            ("taker_buy_count", "countIf(aggressor = 'buy')"),
            ("taker_sell_count", "countIf(aggressor = 'sell')"),
            ("taker_buy_volume", "sumIf(toDecimal256(quantity, 10), aggressor = 'buy')"),
            ("taker_sell_volume", "sumIf(toDecimal256(quantity, 10), aggressor = 'sell')"),
            ("largest_quantity", "max(quantity)"),
            ("first_trade_id", "min(trade_id)"),
            ("last_trade_id", "max(trade_id)"),
        ],
    },
];

/// What the comparison of one rollup found.
#[derive(Clone, Debug)]
pub struct RollupReport {
    /// The view.
    pub rollup: String,
    /// How many keys (a channel and minute, ...) were compared.
    pub compared: u64,
    /// How many were left out: still in motion, or deleted in part.
    pub left_out: u64,
    /// The keys that differ, each with its figures: name, as rolled up, as computed.
    pub differences: Vec<Value>,
}

/// Compares every rollup, up to these positions: by `TOPIC/PARTITION` the offset after the last row that is sure to be there.
///
/// # Errors
/// If the server cannot be asked, or refuses.
pub async fn rollups(
    client: &Client,
    positions: &BTreeMap<String, i64>,
    retention: &Retention,
) -> Result<Vec<RollupReport>, VerifyError> {
    let mut reports = Vec::new();
    for family in &FAMILIES {
        for level in family.levels {
            reports.push(compare(client, family, level, positions, retention).await?);
        }
    }
    Ok(reports)
}

async fn compare(
    client: &Client,
    family: &Family,
    level: &str,
    positions: &BTreeMap<String, i64>,
    retention: &Retention,
) -> Result<RollupReport, VerifyError> {
    let seconds = |span: Option<Duration>| Value::from(span.map_or(0, |span| span.as_secs()));
    let of_level = match level {
        "minute" => retention.minutes,
        "hour" => retention.hours,
        _ => retention.days,
    };
    let parameters: Parameters = vec![
        ("topics", positions.keys().cloned().collect::<Vec<_>>().into()),
        ("offsets", positions.values().copied().collect::<Vec<_>>().into()),
        ("events_s", seconds(retention.events)),
        ("level_s", seconds(of_level)),
    ];
    let found = rows(client, &query(family, level), &parameters).await?;
    let mut report = RollupReport {
        rollup: format!("{}_by_{level}", family.name),
        compared: 0,
        left_out: 0,
        differences: Vec::new(),
    };
    for mut row in found {
        let count = |name: &str| row[name].as_u64().unwrap_or_default();
        if count("compared") > 0 || count("left_out") > 0 {
            (report.compared, report.left_out) = (count("compared"), count("left_out"));
        } else if let Some(difference) = row.get_mut("difference") {
            report.differences.push(difference.take());
        }
    }
    Ok(report)
}

/// The query: a row for each key that differs, and one with the counts.
///
/// The rollup is read before the raw events, and an insert reaches the raw table first: so a row that the rollup shows, the raw table
/// shows too.
fn query(family: &Family, level: &str) -> String {
    let Family { name, raw, keys, figures, .. } = family;
    let instant = if level == "day" {
        "toDate32(event_time)".to_owned()
    } else {
        format!("toDateTime64(date_trunc('{level}', event_time), 0, 'UTC')")
    };
    let text = |expression: &str| format!("ifNull(toString({expression}), 'null')");
    let of_each = |write: &dyn Fn(&str, &str) -> String| -> String {
        figures.iter().map(|(figure, expression)| write(figure, expression)).collect()
    };
    let computed = of_each(&|figure, expression| format!(", {} AS computed_{figure}", text(expression)));
    let rolled = of_each(&|figure, _| format!(", {} AS rolled_{figure}", text(&format!("v.{figure}"))));
    let pairs = of_each(&|figure, _| format!(", ('{figure}', rolled_{figure}, computed_{figure})"));
    let pairs = pairs.trim_start_matches(", ");
    let raw_keys: String =
        keys.iter().map(|(key, expression)| format!("toString({expression}) AS key_{key}, ")).collect();
    let view_keys: String = keys.iter().map(|(key, _)| format!("toString(v.{key}) AS key_{key}, ")).collect();
    let names: String = keys.iter().map(|(key, _)| format!("key_{key}, ")).collect();
    let shown: String = keys.iter().map(|(key, _)| format!("'{key}', key_{key}, ")).collect();
    format!(
        "WITH rolled AS (
        SELECT {view_keys}toString(v.{level}) AS instant, v.ingested_from AS rolled_from, 1 AS is_rolled{rolled}
        FROM {name}_by_{level} AS v
    ),
    computed AS (
        SELECT {raw_keys}toString({instant}) AS instant, min(ingest_time) AS computed_from, 1 AS is_computed,
            countIf(offset >= transform(topic || '/' || toString(partition), {{topics:Array(String)}}, {{offsets:Array(Int64)}}, toInt64(0)))
                AS behind{computed}
        FROM {raw} FINAL
        GROUP BY {names}instant
    ),
    joined AS (
        SELECT *, arrayFilter(figure -> figure.2 != figure.3, [{pairs}]) AS figures,
            behind = 0
            AND ({{events_s:UInt64}} = 0 OR is_rolled = 0 OR rolled_from > now64(6, 'UTC') - toIntervalSecond({{events_s:UInt64}}))
            AND ({{level_s:UInt64}} = 0 OR is_computed = 0 OR computed_from > now64(6, 'UTC') - toIntervalSecond({{level_s:UInt64}}))
                AS is_compared
        FROM rolled FULL OUTER JOIN computed USING ({names}instant)
    )
SELECT toUInt32(countIf(is_compared)) AS compared, toUInt32(countIf(NOT is_compared)) AS left_out, map('', '') AS difference FROM joined
UNION ALL
SELECT toUInt32(0) AS compared, toUInt32(0) AS left_out, map({shown}'{level}', instant, 'figures', toString(figures)) AS difference
FROM joined WHERE is_compared AND notEmpty(figures)
LIMIT 10000"
    )
}
