//! Real recordings through the whole pipeline must give the figures that were computed from them independently, to the
//! last digit. The recordings are not part of the repository: without them the tests say so and pass.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::deployment::Deployment;

/// The folder with the recordings.
pub fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("OVATION_DATA").map_or(beside, PathBuf::from);
    if folder.join("EXPECTED.json").exists() {
        return Some(folder);
    }
    println!("skipped: no recordings in {} (OVATION_DATA names another folder)", folder.display());
    None
}

fn expected(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("EXPECTED.json")).expect("EXPECTED.json");
    serde_json::from_str(&text).expect("json")
}

/// Recorded file, folder, venue and symbol.
const TRADES: [(&str, &str, &str, &str); 6] = [
    ("cm_btcusd_perp_20240808.trades.csv", "binance-futures", "binance-coinm", "BTCUSD_PERP"),
    ("cm_ethusd_perp_20240808.trades.csv", "binance-futures", "binance-coinm", "ETHUSD_PERP"),
    ("spot_btcusdt_20240808.trades.csv", "binance-spot", "binance-spot", "BTCUSDT"),
    ("spot_ethusdt_20240808.trades.csv", "binance-spot", "binance-spot", "ETHUSDT"),
    ("usdm_btcusdt_20240808.trades.csv", "binance-futures", "binance-usdm", "BTCUSDT"),
    ("usdm_ethusdt_20240808.trades.csv", "binance-futures", "binance-usdm", "ETHUSDT"),
];

/// A decimal without superfluous zeros, as ClickHouse prints it.
fn plain(decimal: &Value) -> String {
    let text = decimal.as_str().expect("a decimal");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// The expected figures of one recording, as one line of the questions below.
fn expected_line(figures: &Value) -> String {
    let number = |name: &str| figures[name].to_string();
    let decimal = |name: &str| plain(&figures[name]);
    [
        number("rows"),
        number("first_id"),
        number("last_id"),
        number("taker_buy"),
        number("taker_sell"),
        decimal("sum_qty"),
        decimal("taker_buy_qty"),
        decimal("sum_price_x_qty"),
        decimal("open"),
        decimal("high"),
        decimal("low"),
        decimal("close"),
    ]
    .join("\t")
}

const FROM_TRADES: &str = "count(), min(trade_id), max(trade_id), countIf(aggressor = 'buy'), countIf(aggressor = 'sell'),
    sum(quantity), sumIf(quantity, aggressor = 'buy'), sum(quote_quantity),
    argMin(price, (event_time, trade_id)), max(price), min(price), argMax(price, (event_time, trade_id)) FROM trades";

const FROM_CANDLES: &str =
    "sum(trade_count), min(first_trade_id), max(last_trade_id), sum(taker_buy_count), sum(taker_sell_count),
    sum(base_volume), sum(taker_buy_volume), sum(quote_volume),
    argMin(open, window_start), max(high), min(low), argMax(close, window_start) FROM current_candles";

#[test]
fn recorded_trades_keep_every_figure_to_the_last_digit() {
    let Some(folder) = data() else { return };
    let mut deployment = Deployment::new("trades");
    deployment.start(&["sink", "clickhouse"]);
    deployment.start(&["process", "markets"]);
    let inputs = trade_inputs(&folder);
    let mut replay = vec!["produce", "replay", "--speed", "full", "--input"];
    replay.extend(inputs.iter().map(String::as_str));
    deployment.run(&replay);
    assert_trades(&deployment, &folder);
    for interval_s in [1, 60, 300, 3_600, 86_400] {
        let report = format!(
            "SELECT sum(trade_count), sum(missing_trade_ids) + sum(missing_before), sum(duplicate_trade_count)
             FROM current_candles WHERE interval_s = {interval_s}"
        );
        deployment.wait_for(&report, "55270\t0\t0");
    }
    assert_eq!(candles_that_differ(&deployment), "");
    let finals = "SELECT count() > 1000 FROM final_candles";
    assert_eq!(deployment.ask(finals), "1", "too little was compared");
    // One candle with another last digit, and one that is not there.
    let columns = "* REPLACE (high + toDecimal128('0.0000000001', 10) AS high, offset + 1000000 AS offset)";
    let of_minute = "FROM candles FINAL WHERE is_final AND interval_s = 60 ORDER BY window_start LIMIT 1";
    deployment.ask(&format!("INSERT INTO candles SELECT {columns} {of_minute}"));
    let second = "interval_s = 1 AND symbol = 'BTCUSDT' AND venue = 'binance-spot'";
    let first = format!("(SELECT min(window_start) FROM candles WHERE {second})");
    deployment.ask(&format!(
        "DELETE FROM candles WHERE {second} AND window_start = {first} SETTINGS lightweight_deletes_sync = 2"
    ));
    let found = candles_that_differ(&deployment);
    assert_eq!(found.lines().filter(|row| row.contains("[('high','")).count(), 1, "{found}");
    assert_eq!(found.lines().filter(|row| row.contains("no final record")).count(), 1, "{found}");
    assert_eq!(found.lines().count(), 2, "{found}");
    deployment.stop();
}

/// The final candles that are not what SQL makes of the raw trades.
pub fn candles_that_differ(deployment: &Deployment) -> String {
    let as_configured = [
        ("job", "markets"),
        ("lateness_us", "2000000"),
        ("future_skew_us", "10000000"),
        ("spike_candles", "20"),
        ("spike_factor", "5"),
    ];
    deployment.ask_with(include_str!("../../../sinks/verify/candles.sql"), &as_configured)
}

/// The recorded trades for one replay: they are of the same five minutes, and one after the other would come late.
pub fn trade_inputs(folder: &Path) -> Vec<String> {
    let input = |(file, kind, venue, _): &(&str, &str, &str, &str)| {
        format!(
            "binance-csv,venue={venue}:{}",
            folder.join("trades").join(kind).join(format!("{file}.gz")).display()
        )
    };
    TRADES.iter().map(input).collect()
}

/// Waits until all recorded trades are in ClickHouse, raw and as candles, and compares every figure.
pub fn assert_trades(deployment: &Deployment, folder: &Path) {
    let expected = expected(folder);
    let rows: u64 = TRADES.iter().filter_map(|(file, ..)| expected["trades"][file]["rows"].as_u64()).sum();
    deployment.wait_for("SELECT count() FROM trades", &rows.to_string());
    for interval_s in [1, 60] {
        let sum = format!("SELECT sum(trade_count) FROM current_candles WHERE interval_s = {interval_s}");
        deployment.wait_for(&sum, &rows.to_string());
    }
    for (file, _, venue, symbol) in TRADES {
        let wanted = expected_line(&expected["trades"][file]);
        let market = format!("venue = '{venue}' AND symbol = '{symbol}'");
        let raw = deployment.ask(&format!("SELECT {FROM_TRADES} WHERE {market}"));
        assert_eq!(raw, wanted, "{file} from raw trades");
        for interval_s in [1, 60] {
            let filter = format!("{market} AND interval_s = {interval_s}");
            let candles = deployment.ask(&format!("SELECT {FROM_CANDLES} WHERE {filter}"));
            assert_eq!(candles, wanted, "{file} from candles of {interval_s} s");
        }
        println!("{venue} {symbol}: raw = 1 s candles = 1 m candles = {wanted}");
    }
}

#[test]
fn recorded_chat_keeps_its_counts_and_its_top_ten() {
    let Some(folder) = data() else { return };
    let expected = &expected(&folder)["chat"]["nymn"];
    let mut deployment = Deployment::new("chat");
    deployment.start(&["sink", "clickhouse"]);
    deployment.start(&["process", "leaderboards", "engagement"]);
    let input = format!("twitch-irc:{}", folder.join("chat/twitch-irc/nymn.irc.txt").display());
    deployment.run(&["produce", "replay", "--speed", "full", "--input", &input]);

    let messages = "SELECT count(), uniqExact(user_id), uniqExact(text) FROM chat WHERE kind = 'message'";
    let wanted =
        format!("{}\t{}\t{}", expected["messages"], expected["unique_users"], expected["distinct_texts"]);
    deployment.wait_for(messages, &wanted);
    let busiest = "SELECT toUnixTimestamp64Milli(toDateTime64(toStartOfInterval(event_time, INTERVAL 10 SECOND), 3)) AS start, count() AS messages
        FROM chat WHERE kind = 'message' GROUP BY start ORDER BY messages DESC, start LIMIT 1";
    let wanted = &expected["busiest_10s_window"];
    assert_eq!(deployment.ask(busiest), format!("{}\t{}", wanted[0], wanted[1]));

    let total = "SELECT any(total_score) FROM current_leaderboards WHERE board = 'top_chatters_all_time'";
    deployment.wait_for(total, &expected["messages"].to_string());
    let board = "SELECT item, score FROM current_leaderboards WHERE board = 'top_chatters_all_time' AND rank <= 10 ORDER BY rank";
    let board = deployment.ask(board);
    let top_ten: Vec<(String, String)> = expected["top10_users_by_messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (format!("twitch:{}", row[0].as_str().expect("an id")), row[1].to_string()))
        .collect();
    assert_same_up_to_ties(&board, &top_ten);
    deployment.wait_for(
        "SELECT sum(messages + retracted_messages) FROM engagement_by_window",
        &expected["messages"].to_string(),
    );
    deployment.wait_for(
        "SELECT uniqExact(window_end) > 30 FROM final_leaderboards WHERE board = 'top_chatters'",
        "1",
    );
    let command = ["verify", "--results", "--output", "json", "leaderboards", "engagement"];
    let verified = deployment.command(&command).output().expect("the binary runs");
    let reports: Value = serde_json::from_slice(&verified.stdout).expect("json");
    assert_eq!(verified.status.code(), Some(0), "{reports}");
    for results in ["board top_chatters", "board top_emotes", "board trending_channels", "engagement"] {
        let mut all = reports["results"].as_array().expect("a list").iter();
        let report = all.find(|report| report["results"] == results).expect("a report");
        assert!(report["final"].as_i64() > Some(1) && report["differing"] == 0, "{report}");
    }
    println!("{wanted:?}: busiest 10 s; top ten: {}", board.replace('\n', ", ").replace('\t', " "));
    deployment.stop();
}

/// The scores agree place by place. Who has them agrees as well, but for equal scores, where the recorded figures follow
/// another rule than ours (who reached the score first), and where the last score may go on below the tenth place.
fn assert_same_up_to_ties(board: &str, expected: &[(String, String)]) {
    let board: Vec<(&str, &str)> = board.lines().filter_map(|line| line.split_once('\t')).collect();
    let scores = |rows: &[(&str, &str)]| rows.iter().map(|row| row.1.to_owned()).collect::<Vec<_>>();
    let expected: Vec<(&str, &str)> =
        expected.iter().map(|(item, score)| (item.as_str(), score.as_str())).collect();
    assert_eq!(scores(&board), scores(&expected));
    let last = expected.last().expect("ten rows").1;
    let above_last = |rows: &[(&str, &str)]| {
        let mut rows: Vec<_> =
            rows.iter().filter(|row| row.1 != last).map(|row| format!("{} {}", row.1, row.0)).collect();
        rows.sort();
        rows
    };
    assert_eq!(above_last(&board), above_last(&expected));
}
