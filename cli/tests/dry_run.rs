//! `ovation dry-run`: the jobs over recorded files, as a script would call it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn dry_run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ovation"));
    command.arg("--log").arg("error").arg("dry-run").args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.output().expect("the binary runs")
}

fn records(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}

fn fixture(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("writable");
    path.display().to_string()
}

fn chat_line(id: u32, second: u32, user: &str, text: &str) -> String {
    let time_ms = 1_700_000_040_000u64 + u64::from(second) * 1_000;
    format!(
        "@display-name={user};emotes=;id={id};room-id=10;user-id={user};tmi-sent-ts={time_ms} \
         :{user}!{user}@{user}.tmi.twitch.tv PRIVMSG #room :{text}\n"
    )
}

#[test]
fn boards_engagement_and_flags_come_out_with_the_schemas_names() {
    let lines = [
        chat_line(1, 0, "ada", "hello"),
        chat_line(2, 1, "bob", "hello there"),
        chat_line(3, 2, "ada", "what an 1D10T"),
        "@tmi-sent-ts=never :x PRIVMSG #room :bad\n".to_owned(),
        chat_line(4, 70, "bob", "still here"),
        chat_line(5, 71, "bob", "and again"),
    ]
    .concat();
    let output = dry_run(&["--input", &format!("twitch-irc:{}", fixture("small.irc.txt", &lines))]);
    let records = records(&output);
    let of =
        |topic: &str| records.iter().filter(|record| record["topic"] == topic).cloned().collect::<Vec<_>>();

    let board = of("results.leaderboards")
        .into_iter()
        .rfind(|record| record["record"]["board"] == "top_chatters_all_time")
        .expect("a board");
    assert_eq!(board["key"], "top_chatters_all_time/twitch:10");
    let place = |index: usize| &board["record"]["entries"][index];
    assert_eq!(
        (&place(0)["item"], &place(0)["score"], &place(0)["rank"]),
        (&"twitch:bob".into(), &"3".into(), &1.into())
    );
    assert_eq!(
        (&place(1)["item"], &place(1)["score"], &place(1)["rank"]),
        (&"twitch:ada".into(), &"2".into(), &2.into())
    );
    assert_eq!(board["record"]["window_end"], Value::Null);

    let finals: Vec<_> =
        of("results.engagement").into_iter().filter(|record| record["record"]["is_final"] == true).collect();
    assert_eq!(finals.len(), 2);
    assert_eq!(
        (&finals[0]["record"]["messages"], &finals[0]["record"]["unique_chatters"]),
        (&3.into(), &2.into())
    );
    assert_eq!(finals[0]["record"]["window_start"], 1_700_000_040_000_000i64);

    let flags = of("results.moderation");
    assert_eq!(flags.len(), 1, "{flags:?}");
    assert_eq!(
        (&flags[0]["record"]["rule"], &flags[0]["record"]["message_id"]),
        (&"terms".into(), &"twitch:3".into())
    );

    let letters = of("ovation.dead-letter");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["record"]["reason"], "unreadable_input");
}

#[test]
fn candles_are_exact_and_inputs_are_merged_by_event_time() {
    let header = "recv_ns,event_ms,trade_ms,symbol,trade_id,price,qty,buyer_is_maker,order_type_X\n";
    let row = |id: u32, ms: u64, price: &str, quantity: &str, maker: &str| {
        let at = 1_700_000_040_000 + ms;
        format!("{at}000000,{at},{at},BTCUSDT,{id},{price},{quantity},{maker},\n")
    };
    let first =
        header.to_owned() + &row(1, 0, "100.10", "0.00000001", "True") + &row(3, 900, "99.5", "2", "False");
    let second = header.to_owned() + &row(2, 500, "101", "1", "False") + &row(4, 1_000, "100", "1", "True");
    let inputs = [fixture("first.csv", &first), fixture("second.csv", &second)]
        .map(|path| format!("binance-csv:{path}"));
    let output = dry_run(&["--job", "markets", "--only-final", "--input", &inputs[0], "--input", &inputs[1]]);
    let mut candles = records(&output);
    candles.retain(|record| record["topic"] == "results.markets");
    let candle =
        &candles.iter().find(|record| record["record"]["interval_s"] == 1).expect("a candle")["record"];
    let expected = [
        ("open", "100.1"),
        ("high", "101"),
        ("low", "99.5"),
        ("close", "99.5"),
        ("base_volume", "3.00000001"),
        ("quote_volume", "300.000001001"),
        ("taker_buy_volume", "3"),
        ("taker_sell_volume", "0.00000001"),
    ];
    for (field, value) in expected {
        assert_eq!(candle[field], value, "{field}");
    }
    assert_eq!(
        (&candle["trade_count"], &candle["first_trade_id"], &candle["last_trade_id"]),
        (&3.into(), &1.into(), &3.into())
    );
    assert_eq!(candles.len(), 6, "two candles of 1 s and one of each other interval");
}

#[test]
fn what_is_simulated_can_be_read_back_and_gives_the_same_bytes_twice() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulated.jsonl");
    let simulate = Command::new(env!("CARGO_BIN_EXE_ovation"))
        .args([
            "produce",
            "simulate",
            "--count",
            "3000",
            "--rate",
            "50",
            "--seed",
            "5",
            "--start",
            "1700000040000",
            "--to",
        ])
        .arg(&path)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the binary runs");
    assert!(simulate.status.success(), "{}", String::from_utf8_lossy(&simulate.stderr));
    let input = format!("jsonl:{}", path.display());
    let (first, second) = (dry_run(&["--input", &input]), dry_run(&["--input", &input]));
    assert!(records(&first).len() > 500);
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn a_wrong_input_is_refused_in_words() {
    let refused = |arguments: &[&str]| {
        let output = dry_run(arguments);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("text")
    };
    let message = refused(&["--input", "csv:trades.csv"]);
    assert!(message.contains("twitch-irc") && message.contains("jsonl"), "{message}");
    let message = refused(&["--input", "jsonl:no-such-file"]);
    assert!(message.contains("no-such-file"), "{message}");
    let message = refused(&["--job", "leaderboard", "--input", "jsonl:x"]);
    assert!(message.contains("did you mean `leaderboards`?"), "{message}");
}

#[test]
fn recorded_trades_give_the_expected_candles() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("OVATION_DATA").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("EXPECTED.json")) else {
        println!("skipped: no recordings in {} (OVATION_DATA names another folder)", folder.display());
        return;
    };
    let expected: Value = serde_json::from_str(&text).expect("json");
    let name = "spot_ethusdt_20240808.trades.csv";
    let input = format!("binance-csv:{}", folder.join(format!("trades/binance-spot/{name}.gz")).display());
    let output = dry_run(&["--job", "markets", "--only-final", "--input", &input]);
    assert_eq!(output.stdout, dry_run(&["--job", "markets", "--only-final", "--input", &input]).stdout);
    let minutes: Vec<Value> = records(&output)
        .into_iter()
        .map(|record| record["record"].clone())
        .filter(|record| record["interval_s"] == 60)
        .collect();
    let figures = &expected["trades"][name];
    let sum = |field: &str| minutes.iter().filter_map(|candle| candle[field].as_i64()).sum::<i64>();
    assert_eq!(sum("trade_count"), figures["rows"].as_i64().expect("rows"));
    assert_eq!(sum("taker_buy_count"), figures["taker_buy"].as_i64().expect("taker_buy"));
    let total: schemas::Quote = minutes.iter().fold(schemas::Quote::ZERO, |total, candle| {
        let volume = candle["quote_volume"].as_str().expect("a decimal").parse().expect("a decimal");
        total.checked_add(volume).expect("fits")
    });
    let wanted: schemas::Quote =
        figures["sum_price_x_qty"].as_str().expect("a decimal").parse().expect("a decimal");
    assert_eq!(total, wanted);
    println!("{name}: {} minutes, {} trades, quote volume {total}", minutes.len(), sum("trade_count"));
}
