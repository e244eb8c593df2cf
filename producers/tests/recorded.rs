//! Recorded files give the figures that were computed from them independently (`EXPECTED.json`), to the last digit.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::recorded_data;
use producers::{Format, Input, ReadError, Recording, merge_by_event_time};
use schemas::{Aggressor, Amount, ChatEvent, ChatKind, Event, Quote, TradeEvent};
use serde_json::{Value, json};

fn open(format: Format, path: &Path) -> Recording {
    Recording::open(format, path, &Default::default()).expect("it opens")
}

fn trades(recording: impl Iterator<Item = Result<Event<'static>, ReadError>>) -> Vec<TradeEvent<'static>> {
    let only_trades = |event| match event {
        Event::Trade(trade) => trade,
        other => panic!("not a trade: {other:?}"),
    };
    common::events(recording).into_iter().map(only_trades).collect()
}

fn figures(trades: &[TradeEvent<'_>]) -> Value {
    let buys = || trades.iter().filter(|trade| trade.aggressor == Aggressor::Buy);
    let sum = |quantity: Amount, trade: &TradeEvent<'_>| quantity.checked_add(trade.quantity).expect("fits");
    let quote = trades.iter().fold(Quote::ZERO, |quote, trade| {
        quote.checked_add(trade.price.checked_mul(trade.quantity).expect("fits")).expect("fits")
    });
    let mut by_time: Vec<_> = trades.iter().collect();
    by_time.sort_by_key(|trade| (trade.event_time, trade.trade_id));
    let (first, last) = (by_time[0], by_time[by_time.len() - 1]);
    let prices = || trades.iter().map(|trade| trade.price);
    let ids = || trades.iter().filter_map(|trade| trade.trade_id);
    json!({
        "rows": trades.len(), "first_id": ids().min(), "last_id": ids().max(),
        "first_trade_ms": first.event_time.millis(), "last_trade_ms": last.event_time.millis(),
        "taker_buy": buys().count(), "taker_sell": trades.len() - buys().count(),
        "sum_qty": trades.iter().fold(Amount::ZERO, sum).to_string(),
        "taker_buy_qty": buys().fold(Amount::ZERO, sum).to_string(),
        "sum_price_x_qty": quote.to_string(),
        "open": first.price.to_string(), "close": last.price.to_string(),
        "high": prices().max().map(|price| price.to_string()),
        "low": prices().min().map(|price| price.to_string()),
    })
}

/// The same figures with decimals as we print them, without superfluous zeros.
fn normalised(expected: &Value) -> Value {
    let mut expected = expected.clone();
    for figure in expected.as_object_mut().expect("figures").values_mut() {
        if let Some(text) = figure.as_str() {
            *figure = text.parse::<Quote>().expect("a decimal").to_string().into();
        }
    }
    expected
}

fn expected(data: &Path) -> Value {
    let text = std::fs::read_to_string(data.join("EXPECTED.json")).expect("readable");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn trades_have_the_expected_figures_and_are_the_same_in_both_captures() {
    let Some(data) = recorded_data() else { return };
    let expected = expected(&data);
    let files = expected["trades"].as_object().expect("files");
    assert_eq!(files.len(), 6);
    for (name, expected) in files {
        let market = if name.starts_with("spot") { "binance-spot" } else { "binance-futures" };
        let folder = data.join("trades").join(market);
        let from_csv = trades(open(Format::BinanceCsv, &folder.join(format!("{name}.gz"))));
        assert_eq!(figures(&from_csv), normalised(expected), "{name}");
        let ids: BTreeSet<_> = from_csv.iter().map(|trade| &*trade.event_id).collect();
        assert_eq!(ids.len(), from_csv.len());
        if name.starts_with("spot") {
            let capture = folder.join(name.replace(".trades.csv", ".gz"));
            let mut recording = open(Format::BinanceWs, &capture);
            assert_eq!(trades(recording.by_ref()), from_csv, "the capture of {name}");
            let counts = recording.counts();
            assert_eq!(counts.lines, counts.without_event + counts.events, "{counts:?}");
        }
    }
}

#[test]
fn merged_trades_keep_each_files_order_and_lose_nothing() {
    let Some(data) = recorded_data() else { return };
    let folder = data.join("trades/binance-futures");
    let inputs = ["usdm_btcusdt", "usdm_ethusdt"].map(|name| {
        let path = folder.join(format!("{name}_20240808.trades.csv.gz"));
        let input = format!("binance-csv,venue=binance-usdm:{}", path.display());
        input.parse::<Input>().expect("an input")
    });
    let open_all = || inputs.iter().map(|input| input.open().expect("it opens")).collect::<Vec<_>>();
    let merged = trades(merge_by_event_time(open_all()));
    for (input, recording) in inputs.iter().zip(open_all()) {
        let alone = trades(recording);
        let within: Vec<_> = merged.iter().filter(|trade| trade.symbol == alone[0].symbol).cloned().collect();
        assert_eq!(within, alone, "{input:?}");
    }
    let times: Vec<_> = merged.iter().map(|trade| trade.event_time).collect();
    assert!(times.is_sorted(), "each file is in order, so the whole is");
    assert_eq!(merged.len(), 21_313 + 14_076);
    assert!(merged.iter().all(|trade| trade.venue == "binance-usdm"));
}

#[test]
fn chat_has_the_expected_figures() {
    let Some(data) = recorded_data() else { return };
    let expected = &expected(&data)["chat"]["nymn"];
    let mut recording = open(Format::TwitchIrc, &data.join("chat/twitch-irc/nymn.irc.txt"));
    let events = common::events(recording.by_ref());
    let messages: Vec<&ChatEvent<'_>> = events
        .iter()
        .filter_map(|event| match event {
            Event::Chat(chat) if chat.kind == ChatKind::Message => Some(chat),
            _ => None,
        })
        .collect();
    let mut by_user: BTreeMap<&str, u64> = BTreeMap::new();
    let mut windows: BTreeMap<i64, u64> = BTreeMap::new();
    for message in &messages {
        let user = message.user_id.as_deref().expect("an author").strip_prefix("twitch:").expect("a source");
        *by_user.entry(user).or_default() += 1;
        *windows.entry(message.event_time.floor(10_000_000).millis()).or_default() += 1;
    }
    // the tenth place is shared by two users, of whom the list names one: whoever is listed must have the listed
    // count, and the counts must be those of the ten first
    let listed = expected["top10_users_by_messages"].as_array().expect("a list");
    let top = listed.iter().map(|entry| {
        let user = entry[0].as_str().expect("a user");
        json!([user, by_user[user]])
    });
    let top: Vec<_> = top.collect();
    let mut most: Vec<_> = by_user.values().copied().collect();
    most.sort_by_key(|count| std::cmp::Reverse(*count));
    let listed_counts: Vec<_> = listed.iter().filter_map(|entry| entry[1].as_u64()).collect();
    assert_eq!(most[..10], listed_counts);
    let busiest = windows.iter().max_by_key(|(start, count)| (**count, std::cmp::Reverse(**start)));
    let times = || messages.iter().map(|message| message.event_time.millis());
    let texts: BTreeSet<_> = messages.iter().map(|message| message.text.as_deref()).collect();
    let found = json!({
        "messages": messages.len(), "unique_users": by_user.len(),
        "first_ms": times().min(), "last_ms": times().max(),
        "top10_users_by_messages": top,
        "busiest_10s_window": busiest.map(|(start, count)| json!([start, count])),
        "non_empty_10s_windows": windows.len(),
        "distinct_texts": texts.len(),
    });
    assert_eq!(&found, expected);
    assert!(!times().is_sorted(), "the disorder of the recording is kept");
    assert_eq!(recording.counts().malformed, 0);
    let taken_back = events.len() - messages.len();
    assert_eq!(taken_back, 2, "two CLEARCHAT lines");
}

#[test]
fn fixtures_of_other_clients_are_understood_or_named_and_never_panic() {
    let Some(data) = recorded_data() else { return };
    let text = std::fs::read_to_string(data.join("chat/twitch-irc/irc_lines.tsv")).expect("readable");
    let lines = text.lines().map(|line| line.split_once('\t').map_or(line, |(_, line)| line));
    let lines: Vec<&str> = lines.collect();
    let mut recording = common::open(Format::TwitchIrc, lines.join("\n")).expect("it opens");
    let (mut chat, mut reactions, mut problems) = (0, 0, Vec::new());
    for item in recording.by_ref() {
        match item {
            Ok(Event::Chat(_)) => chat += 1,
            Ok(_) => reactions += 1,
            Err(error @ ReadError::Malformed { .. }) => problems.push(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
    for problem in &problems {
        println!("{problem}");
    }
    let counts = recording.counts();
    println!("{counts:?}, {chat} of chat, {reactions} reactions");
    assert_eq!(counts.lines, lines.len() as u64);
    assert_eq!(counts.malformed, problems.len() as u64);
    assert!(chat > 100 && reactions > 20, "{chat} of chat and {reactions} reactions");
}

#[test]
fn the_irc_grammar_agrees_with_fixtures_of_other_clients() {
    let Some(data) = recorded_data() else { return };
    let text = std::fs::read_to_string(data.join("chat/twitch-irc/irctests.json")).expect("readable");
    let tests: Value = serde_json::from_str(&text).expect("JSON");
    let tests = tests["tests"].as_array().expect("tests");
    for test in tests {
        let input = test["Input"].as_str().expect("a line");
        let expected = &test["Expected"];
        let message = producers::formats::irc::Message::parse(input).expect(input);
        assert_eq!(message.command, expected["command"], "{input}");
        // the fixtures count spaces at the end and in a row as empty parameters
        let wanted = expected["params"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let wanted: Vec<_> = wanted.filter(|parameter| !parameter.is_empty()).collect();
        let found: Vec<_> = message.parameters().filter(|parameter| !parameter.is_empty()).collect();
        assert_eq!(found, wanted, "{input}");
        if let Some(nick) = expected["source"]["nickname"].as_str() {
            assert_eq!(message.nick(), Some(nick), "{input}");
        }
        for (name, value) in expected["tags"].as_object().into_iter().flatten() {
            let raw = message.raw_tags().find(|(key, _)| key == name).expect(input).1;
            // that client drops line ends and keeps a backslash that escapes nothing; the standard says otherwise
            if !["\\n", "\\r", "\\1"].iter().any(|escape| raw.contains(escape)) {
                assert_eq!(
                    message.tag(name).as_deref().unwrap_or(""),
                    value.as_str().unwrap_or(""),
                    "{input}"
                );
            }
        }
    }
    assert_eq!(tests.len(), 32);
}

#[test]
fn vod_chat_has_every_message_in_order() {
    let Some(data) = recorded_data() else { return };
    let mut recording = open(Format::TwitchVod, &data.join("chat/twitch-vod/1087079172.json.gz"));
    let events = common::events(recording.by_ref());
    let chat: Vec<_> = events.iter().filter(|event| matches!(event, Event::Chat(_))).collect();
    let users: BTreeSet<_> = chat.iter().filter_map(|event| event.header().user_id).collect();
    assert_eq!((chat.len(), users.len()), (3_090, 836));
    assert_eq!(recording.counts().lines, 3_090);
    assert!(chat.iter().map(|event| event.header().event_time).is_sorted());
    let minutes = chat[3_089].header().event_time.micros_since(chat[0].header().event_time) / 60_000_000;
    assert!((48..=49).contains(&minutes), "{minutes} minutes");
    assert_eq!(
        chat[0].header().event_time.millis(),
        1_626_314_364_000,
        "the video began 2021-07-15T01:59:24Z"
    );
    let subscriptions = events.len() - chat.len();
    assert_eq!(subscriptions, 21, "notices of sub and resub");
}

#[test]
fn wire_captures_of_aggregated_trades_give_none() {
    let Some(data) = recorded_data() else { return };
    for name in ["BINANCE", "BINANCE_DELIVERY", "BINANCE_FUTURES", "BINANCE_US"] {
        let mut recording =
            open(Format::BinanceWs, &data.join(format!("trades/wire/{name}.ws.1.0.trades.txt")));
        assert_eq!(trades(recording.by_ref()), [], "{name}");
        assert!(recording.counts().without_event > 1);
    }
}
