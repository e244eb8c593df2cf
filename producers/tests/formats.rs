//! Each format on hand-written lines: what they mean, what is said of malformed ones, and that nothing panics.

mod common;

use std::io::Write;

use common::{events, open, open_with, read};
use flate2::Compression;
use flate2::write::GzEncoder;
use producers::{Format, Input, InputError, ReadError, ReadOptions, merge_by_event_time};
use proptest::prelude::*;
use schemas::{
    Aggressor, ChatEvent, ChatKind, Emote, Event, ReactionEvent, ReactionKind, Timestamp, TradeEvent,
    ViewerEvent, ViewerKind,
};

const WS: &str = include_str!("fixtures/binance-spot-ws.txt");
const CSV: &str = include_str!("fixtures/binance-spot-trades.csv");

fn chat(event: &Event<'static>) -> ChatEvent<'static> {
    match event {
        Event::Chat(event) => event.clone(),
        other => panic!("not chat: {other:?}"),
    }
}

fn reaction(event: &Event<'static>) -> ReactionEvent<'static> {
    match event {
        Event::Reaction(event) => event.clone(),
        other => panic!("not a reaction: {other:?}"),
    }
}

fn irc(lines: &str) -> Vec<Event<'static>> {
    let (events, problems) = read(Format::TwitchIrc, lines);
    assert_eq!(problems, Vec::<String>::new());
    events
}

#[test]
fn a_chat_message_carries_what_its_tags_say() {
    // the emote ranges count code points: the first character is one of four bytes
    let line = "@badge-info=subscriber/14;badges=moderator/1,subscriber/12,artist-badge/1;display-name=Ada;\
        emotes=25:2-6,8-12/emotesv2_x:14-17;first-msg=1;id=m-1;reply-parent-msg-id=m-0;rm-received-ts=1700000000500;\
        room-id=10;tmi-sent-ts=1700000000123;user-id=20 :ada!ada@ada.tmi.twitch.tv PRIVMSG #room :\u{1f600} Kappa Kappa Wave";
    let message = chat(&irc(line)[0]);
    let emote =
        |id: &str, name: &str, count| Emote { id: id.to_owned().into(), name: name.to_owned().into(), count };
    let expected = ChatEvent {
        event_id: "twitch:m-1".into(),
        event_time: Timestamp::from_millis(1_700_000_000_123),
        ingest_time: Timestamp::from_millis(1_700_000_000_500),
        source: "twitch".into(),
        channel_id: "twitch:10".into(),
        user_id: Some("twitch:20".into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: Some("Ada".into()),
        text: Some("\u{1f600} Kappa Kappa Wave".into()),
        emotes: vec![emote("twitch:25", "Kappa", 2), emote("twitch:emotesv2_x", "Wave", 1)],
        roles: vec!["moderator".into(), "subscriber".into(), "artist".into()],
        badges: vec!["moderator/1".into(), "subscriber/12".into(), "artist-badge/1".into()],
        reply_to: Some("twitch:m-0".into()),
        is_question: false,
        is_first_message: true,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    };
    assert_eq!(message, expected);
}

#[test]
fn emotes_of_an_action_are_counted_within_its_words_and_those_that_do_not_fit_are_left_out() {
    let line = "@id=m;room-id=1;user-id=2;tmi-sent-ts=1700000000000;emotes=1:0-4/2:90-95,3-1/3:x-y/:0-1 \
        :a!a@a PRIVMSG #r :\u{1}ACTION Kappa waves\u{1}";
    let message = chat(&irc(line)[0]);
    assert_eq!(message.text.as_deref(), Some("/me Kappa waves"));
    assert_eq!(message.emotes, [Emote { id: "twitch:1".into(), name: "Kappa".into(), count: 1 }]);
}

#[test]
fn bits_and_paid_pins_are_reactions_beside_the_message() {
    let line = "@id=m;room-id=1;user-id=2;tmi-sent-ts=1700000000000;bits=100;pinned-chat-paid-amount=550;\
        pinned-chat-paid-currency=EUR;pinned-chat-paid-exponent=2 :a!a@a PRIVMSG #r :Cheer100 hello";
    let events = irc(line);
    assert_eq!(events.len(), 3);
    assert_eq!(chat(&events[0]).event_id, "twitch:m");
    let cheer = reaction(&events[1]);
    assert_eq!((&*cheer.event_id, cheer.kind, cheer.count), ("twitch:m/cheer", ReactionKind::Cheer, 100));
    let paid = reaction(&events[2]);
    assert_eq!((paid.kind, paid.amount_micros), (ReactionKind::SuperChat, Some(5_500_000)));
    assert_eq!((paid.currency.as_deref(), &*paid.event_id), (Some("EUR"), "twitch:m/super_chat"));
}

#[test]
fn notices_are_subscriptions_gifts_and_raids() {
    let notice = |id: &str, tags: &str, text: &str| {
        format!(
            "@id={id};room-id=1;user-id=2;login=a;display-name=A;tmi-sent-ts=1700000000000;{tags} \
             :tmi.twitch.tv USERNOTICE #r{text}\n"
        )
    };
    let lines = notice("1", "msg-id=resub", " :third year")
        + &notice("2", "msg-id=raid;msg-param-viewerCount=57", "")
        + &notice("3", "msg-id=submysterygift;msg-param-mass-gift-count=2;msg-param-origin-id=batch\\s1", "")
        + &notice("4", "msg-id=subgift;msg-param-origin-id=batch\\s1;msg-param-recipient-id=8", "")
        + &notice("5", "msg-id=subgift;msg-param-origin-id=batch\\s1;msg-param-recipient-id=9", "")
        + &notice("6", "msg-id=subgift;msg-param-origin-id=other;msg-param-recipient-id=9", "")
        + &notice("7", "msg-id=anonsubgift;msg-param-recipient-id=9", "")
        + &notice("8", "msg-id=announcement", " :hear, hear");
    let events = irc(&lines);
    assert_eq!(chat(&events[0]).text.as_deref(), Some("third year"));
    let reactions: Vec<_> = [1, 2, 3, 4, 5].map(|place: usize| reaction(&events[place])).into();
    let said: Vec<_> = reactions.iter().map(|event| (&*event.event_id, event.kind, event.count)).collect();
    let expected = [
        ("twitch:1/subscription", ReactionKind::Subscription, 1),
        ("twitch:2/raid", ReactionKind::Raid, 57),
        ("twitch:3/gift", ReactionKind::Gift, 2),
        ("twitch:6/gift", ReactionKind::Gift, 1),
        ("twitch:7/gift", ReactionKind::Gift, 1),
    ];
    assert_eq!(said, expected, "gifts of an announced batch are counted with it");
    assert_eq!(reactions[3].target_id.as_deref(), Some("twitch:9"));
    assert_eq!((&reactions[4].user_id, &reactions[4].user_name), (&None, &None), "an anonymous gift");
    assert_eq!(chat(&events[6]).text.as_deref(), Some("hear, hear"));
    assert_eq!(events.len(), 7);
}

#[test]
fn what_moderators_take_back_names_its_target() {
    let lines = "@room-id=7;tmi-sent-ts=1700000000000 :tmi.twitch.tv ROOMSTATE #room\n\
        @login=bo;room-id=;target-msg-id=m-1;tmi-sent-ts=1700000000001 :tmi.twitch.tv CLEARMSG #room :spam\n\
        @ban-duration=600;room-id=7;target-user-id=9;tmi-sent-ts=1700000000002 :tmi.twitch.tv CLEARCHAT #room :bo\n\
        @room-id=7;target-user-id=9;tmi-sent-ts=1700000000003 :tmi.twitch.tv CLEARCHAT #room :bo\n\
        @room-id=7;tmi-sent-ts=1700000000004 :tmi.twitch.tv CLEARCHAT #room\n";
    let events: Vec<_> = irc(lines).iter().map(chat).collect();
    let said: Vec<_> = events.iter().map(|event| (event.kind, event.duration_ms)).collect();
    let expected = [
        (ChatKind::MessageDeleted, None),
        (ChatKind::UserTimedOut, Some(600_000)),
        (ChatKind::UserBanned, None),
        (ChatKind::ChatCleared, None),
    ];
    assert_eq!(said, expected);
    assert_eq!(events[0].target_message_id.as_deref(), Some("twitch:m-1"));
    assert_eq!(events[1].target_user_id.as_deref(), Some("twitch:9"));
    assert!(events.iter().all(|event| event.channel_id == "twitch:7" && event.user_id.is_none()));
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event.event_id.to_string()).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(irc(lines).iter().map(chat).collect::<Vec<_>>(), events, "the same line has the same id");
}

#[test]
fn lines_without_tags_live_from_the_time_in_front_of_them() {
    let (events, problems) = read(
        Format::TwitchIrc,
        "1700000000.25 :ada!ada@host PRIVMSG #room :hello\n:ada!ada@host PRIVMSG #room :when?\n",
    );
    let message = chat(&events[0]);
    assert_eq!(message.event_time, Timestamp::from_millis(1_700_000_000_250));
    assert_eq!((&*message.channel_id, message.user_id.as_deref()), ("twitch:room", Some("twitch:ada")));
    assert!(message.event_id.starts_with("twitch:privmsg/"), "{}", message.event_id);
    assert_eq!(problems, ["test-input:2: `tmi-sent-ts` is missing"]);
}

#[test]
fn other_commands_mean_nothing_and_malformed_lines_are_named_with_their_number() {
    let lines = "PING :tmi.twitch.tv\r\n:tmi.twitch.tv 001 me :Welcome\r\n\r\n@a=b :x NOTICE #r :slow\r\n";
    assert_eq!(irc(lines), []);
    let malformed = "@tmi-sent-ts=soon;id=1;room-id=1 :a!a@a PRIVMSG #r :x\nFROB #r\n@id=1\n\
        @tmi-sent-ts=1;id=1;room-id=1 :a!a@a PRIVMSG #r\n@tmi-sent-ts=1 :t CLEARMSG #r :x\n\
        @tmi-sent-ts=1;id=1;room-id=1;bits=-5 :a!a@a PRIVMSG #r :x\n";
    let (events, problems) = read(Format::TwitchIrc, malformed);
    assert_eq!(events, []);
    let expected = [
        "test-input:1: `tmi-sent-ts` is `soon`: not a whole number from 0",
        "test-input:2: `FROB` is not a command of twitch",
        "test-input:3: nothing follows the tags",
        "test-input:4: `text` is missing",
        "test-input:5: `target-msg-id` is missing",
        "test-input:6: `bits` is `-5`: not a whole number from 0",
    ];
    assert_eq!(problems, expected);
}

const VOD: &str = r#"{"video": {"created_at": "2021-07-15T01:59:24Z"}, "comments": [
    {"_id": "c1", "channel_id": "7", "content_offset_seconds": 1.5, "created_at": "1999-01-01T00:00:00Z",
     "commenter": {"_id": "8", "display_name": "Ada"}, "message": {"body": "hi Wave Wave", "bits_spent": 5,
     "fragments": [{"text": "hi "}, {"text": "Wave", "emoticon": {"emoticon_id": "e"}}, {"text": " "},
     {"text": "Wave", "emoticon": {"emoticon_id": "e"}}],
     "user_badges": [{"_id": "vip", "version": "1"}], "user_notice_params": {"msg-id": "sub"}}},
    {"_id": "c2", "channel_id": "7"},
    {"_id": "c3", "channel_id": "7", "content_offset_seconds": 9, "message": {"body": "bye", "is_action": true}}]}"#;

#[test]
fn a_vod_is_placed_by_offsets_from_its_start() {
    let (events, problems) = read(Format::TwitchVod, VOD);
    assert_eq!(problems, ["test-input:2: missing field `content_offset_seconds`"]);
    let first = chat(&events[0]);
    assert_eq!(first.event_time, Timestamp::from_millis(1_626_314_365_500));
    assert_eq!(first.ingest_time, first.event_time);
    assert_eq!(first.emotes, [Emote { id: "twitch:e".into(), name: "Wave".into(), count: 2 }]);
    assert_eq!((&*first.roles[0], &*first.badges[0]), ("vip", "vip/1"));
    assert_eq!(reaction(&events[1]).count, 5);
    assert_eq!(reaction(&events[2]).kind, ReactionKind::Subscription);
    let last = chat(&events[3]);
    assert_eq!((last.user_id, last.text.as_deref()), (None, Some("/me bye")));

    let start = Some(Timestamp::from_millis(1_000));
    let moved = open_with(Format::TwitchVod, VOD, &ReadOptions { start, ..ReadOptions::default() });
    let moved = moved.expect("it opens").next().expect("an event").expect("well-formed");
    assert_eq!(moved.header().event_time, Timestamp::from_millis(2_500));
}

#[test]
fn both_captures_of_the_same_trades_give_the_same_events() {
    let from_ws = events(open(Format::BinanceWs, WS).expect("it opens"));
    let from_csv = events(open(Format::BinanceCsv, CSV).expect("it opens"));
    assert_eq!(from_ws, from_csv);
    assert_eq!(from_ws.len(), 12, "book tickers and depth are no trades");
    let expected = TradeEvent {
        event_id: "binance-spot:BTCUSDT:3735683259".into(),
        event_time: Timestamp::from_millis(1_723_161_255_342),
        ingest_time: Timestamp::from_micros(1_723_161_254_087_896),
        source: "binance-spot".into(),
        channel_id: "binance-spot:BTCUSDT".into(),
        user_id: None,
        stream_id: None,
        trade_id: Some(3_735_683_259),
        price: "61837.63".parse().expect("a price"),
        quantity: "0.02".parse().expect("a quantity"),
        aggressor: Aggressor::Sell,
        venue: "binance-spot".into(),
        symbol: "BTCUSDT".into(),
    };
    assert_eq!(from_ws[0], Event::Trade(expected));
}

#[test]
fn a_trade_is_found_in_every_wrapping_and_never_twice() {
    let trade =
        r#"{"e":"trade","E":1700000000001,"s":"X","t":5,"p":"1.50","q":"2","T":1700000000000123,"m":false}"#;
    let lines = format!(
        "wss://stream.example/stream <-> 1700000000.1\n1700000000.5: <- {{\"method\":\"SUBSCRIBE\"}}\n{trade}\n\
         1700000000.5: {{\"stream\":\"x@trade\",\"data\":{trade}}}\n1700000000500000000 {trade}\n\
         1700000000.5: {}\n1700000000.5: {{\"result\":null,\"id\":1}}\n1700000000.5: [1,{{}}]\n\
         1700000000.5: {{\"stream\":\"x\",\"data\":[1]}}\n",
        trade.replace("trade", "aggTrade"),
    );
    let venue = Some("binance-usdm".to_owned());
    let options = ReadOptions { venue, ..ReadOptions::default() };
    let mut recording = open_with(Format::BinanceWs, lines, &options).expect("it opens");
    let found = events(recording.by_ref());
    assert_eq!(found.len(), 3);
    let header = found[1].header();
    assert_eq!(header.event_id, "binance-usdm:X:5");
    assert_eq!(
        header.event_time,
        Timestamp::from_micros(1_700_000_000_000_123),
        "microseconds are told by size"
    );
    let ingest_times: Vec<_> = found.iter().map(|event| event.header().ingest_time.millis()).collect();
    assert_eq!(ingest_times, [1_700_000_000_001, 1_700_000_000_500, 1_700_000_000_500]);
    assert_eq!((recording.counts().lines, recording.counts().without_event), (9, 6));
}

#[test]
fn malformed_trades_are_named_and_the_others_still_come() {
    let good =
        r#"1700000000000000000 {"e":"trade","s":"X","t":1,"p":"1","q":"1","T":1700000000000,"m":true}"#;
    let lines = [
        "yesterday {}",
        "1700000000000000000 {\"e\":",
        &good.replace("\"q\":\"1\"", "\"q\":\"0\""),
        &good.replace("\"p\":\"1\"", "\"p\":\"1e3\""),
        &good.replace("\"t\":1,", ""),
        good,
    ];
    let (events, problems) = read(Format::BinanceWs, &lines.join("\n"));
    assert_eq!(events.len(), 1);
    let starts = [
        "test-input:1: does not start with a receive time",
        "test-input:2: EOF while parsing",
        "test-input:3: invalid value: quantity is not above zero",
        "test-input:4: `1e3` is not a decimal number",
        "test-input:5: missing field `t`",
    ];
    assert_eq!(problems.len(), starts.len());
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

#[test]
fn a_missing_column_is_named_before_anything_is_read() {
    let broken = CSV.replacen("trade_id", "id", 1);
    let error = open(Format::BinanceCsv, broken).err().expect("it does not open");
    assert_eq!(error.to_string(), "test-input: not a binance-csv file: `trade_id` is missing");
    assert!(!error.is_one_line());
    let error = open(Format::BinanceCsv, "").err().expect("it does not open");
    assert_eq!(error.to_string(), "test-input: not a binance-csv file: the file is empty");
}

#[test]
fn csv_columns_are_found_by_name_and_malformed_rows_by_number() {
    let text = "\u{feff}qty,symbol,extra,price,trade_id,buyer_is_maker,trade_ms,recv_ns\r\n\
        2,X,?,1.5,7,false,1700000000000,1700000000000000999\r\n2,X\r\n2,X,?,x,8,false,1,1\r\n2,X,?,1,8,maybe,1,1\r\n";
    let (events, problems) = read(Format::BinanceCsv, text);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].header().event_id, "binance-spot:X:7");
    let expected = [
        "test-input:3: 2 columns, but the header has 8",
        "test-input:4: `price` is `x`: not a decimal number of up to 28 and 10 digits",
        "test-input:5: `buyer_is_maker` is `maybe`: neither true nor false",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn our_own_lines_are_read_back() {
    let lines = r#"{"topic":"events.trades","key":"k","record":{"event_id":"a:1","event_time":1,"ingest_time":2,"source":"a","channel_id":"a:X","user_id":null,"trade_id":1,"price":"0.1","quantity":"3","aggressor":"buy","venue":"a","symbol":"X"}}
{"topic":"stage.events.viewers","record":{"event_id":"a:\u00e9\n","event_time":1,"ingest_time":2,"source":"a","channel_id":"a:c","kind":"join","session_id":"s"}}

{"topic":"results.markets","record":{}}
{"topic":"events.chat","record":{"event_id":"a:1"}}
{"topic":"events.chat","record":[]}
{"record":{}}
not json
"#;
    let (events, problems) = read(Format::Jsonl, lines);
    let Event::Trade(trade) = &events[0] else { panic!("a trade") };
    assert_eq!((trade.price.to_string(), trade.aggressor), ("0.1".to_owned(), Aggressor::Buy));
    let Event::Viewer(ViewerEvent { event_id, kind, .. }) = &events[1] else { panic!("a viewer") };
    assert_eq!((&**event_id, *kind), ("a:\u{e9}\n", ViewerKind::Join));
    let expected = [
        "test-input:4: `topic` is `results.markets`: not a topic of events",
        "test-input:5: missing field `event_time`",
        "test-input:6: the record is not an object",
        "test-input:7: `topic` is missing",
        "test-input:8: expected ident at line 1 column 2",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn what_is_printed_can_be_read_back() {
    let options = producers::SimulatorOptions { count: Some(2_000), ..Default::default() };
    let mut encoder = schemas::Encoder::new(schemas::SchemaIds::local());
    let made: Vec<_> = producers::Simulator::new(options).expect("options").collect();
    let mut text = String::new();
    for event in &made {
        let mut payload = Vec::new();
        encoder.encode_event(event, &mut payload).expect("it fits");
        let reader = schemas::json::JsonReader::new(event.topic().spec().schema).expect("a schema");
        let record = reader.read(&payload).expect("it decodes");
        text += &serde_json::json!({"topic": event.topic().name(), "record": record}).to_string();
        text.push('\n');
    }
    assert_eq!(events(open(Format::Jsonl, text).expect("it opens")), made);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn gzip_is_known_by_its_content_and_a_cut_off_file_is_an_error() {
    let plain = events(open(Format::BinanceCsv, CSV).expect("it opens"));
    let packed = gzip(CSV);
    assert_eq!(events(open(Format::BinanceCsv, packed.clone()).expect("it opens")), plain);
    let (head, tail) = CSV.split_at(400);
    let two_members = [gzip(head), gzip(tail)].concat();
    assert_eq!(events(open(Format::BinanceCsv, two_members).expect("it opens")), plain);
    let opened = open(Format::BinanceCsv, packed[..packed.len() - 20].to_vec());
    let failed = match opened {
        Ok(recording) => recording.filter_map(Result::err).last(),
        Err(error) => Some(error),
    };
    assert!(matches!(failed, Some(ReadError::Io { .. })), "{failed:?}");
}

#[test]
fn an_endless_line_is_named_and_skipped_with_bounded_memory() {
    let mut text = "x".repeat(3 * producers::recording::LINE_BYTES_MAX);
    text.push_str("\nPING\n");
    let items: Vec<_> = open(Format::TwitchIrc, text).expect("it opens").collect();
    let [Err(ReadError::Malformed { line: 1, raw, problem, .. })] = &items[..] else {
        panic!("{}", items.len())
    };
    assert_eq!(raw.len(), producers::recording::LINE_BYTES_MAX);
    assert_eq!(problem.to_string(), "longer than 524288 bytes");
}

#[test]
fn merging_is_by_event_time_stable_and_keeps_the_order_of_each_input() {
    let line =
        |id: &str, at: i64| format!("@id={id};room-id=1;user-id=2;tmi-sent-ts={at} :a!a@a PRIVMSG #r :x\n");
    // the first input is out of order at b, which therefore comes right behind a
    let first = line("a", 5) + &line("b", 2) + "BAD LINE\n" + &line("c", 9);
    let second = line("d", 1) + &line("e", 5) + &line("f", 9);
    let inputs = [first, second].map(|text| open(Format::TwitchIrc, text).expect("it opens"));
    let mut merged = merge_by_event_time(inputs.into());
    let order: Vec<_> = merged
        .by_ref()
        .map(|item| item.map_or_else(|_| "malformed".to_owned(), |event| event.header().event_id.to_owned()))
        .collect();
    assert_eq!(order, ["twitch:d", "twitch:a", "twitch:b", "malformed", "twitch:e", "twitch:c", "twitch:f"]);
    assert_eq!(merged.recordings()[0].counts().malformed, 1);
}

#[test]
fn an_input_is_format_and_file_with_options() {
    let input: Input = "binance-csv,venue=binance-usdm:dir/a:b.csv".parse().expect("an input");
    assert_eq!((input.format, input.path.to_str()), (Format::BinanceCsv, Some("dir/a:b.csv")));
    assert_eq!(input.options.venue.as_deref(), Some("binance-usdm"));
    let input: Input = "twitch-vod,start_ms=1000:v.json".parse().expect("an input");
    assert_eq!(input.options.start, Some(Timestamp::from_millis(1_000)));
    for text in ["chat.txt", "twitch-irc:", ""] {
        assert!(matches!(text.parse::<Input>(), Err(InputError::NotAnInput(_))), "{text}");
    }
    assert!(matches!("irc:a".parse::<Input>(), Err(InputError::UnknownFormat(_))));
    for text in ["twitch-irc,venue=x:a", "binance-ws,venue=:a", "twitch-vod,start_ms=now:a", "jsonl,:a"] {
        assert!(matches!(text.parse::<Input>(), Err(InputError::Option { .. })), "{text}");
    }
    let missing: Input = "jsonl:/nowhere/at/all".parse().expect("an input");
    assert!(matches!(missing.open().err(), Some(ReadError::Io { .. })));
}

/// Text that is nearly right: known words in any order.
fn nearly() -> impl Strategy<Value = String> {
    let words = [
        "@",
        ":",
        ";",
        "=",
        " ",
        ",",
        "/",
        "-",
        "#r",
        "\\",
        "\u{1}ACTION ",
        "emotes",
        "25:0-4",
        "id",
        "room-id",
        "tmi-sent-ts",
        "1700000000000",
        "PRIVMSG",
        "USERNOTICE",
        "CLEARCHAT",
        "CLEARMSG",
        "msg-id",
        "raid",
        "submysterygift",
        "bits",
        "ban-duration",
        "99999999999999999999",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\"e\":\"trade\"",
        "\"T\":1",
        "\"data\":",
        "topic",
        "record",
        "events.chat",
        "\n",
        "\u{1f600}",
        "user-id",
        "true",
        "1.5",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for format in Format::ALL {
            if let Ok(recording) = open(format, bytes.clone()) {
                recording.for_each(drop);
            }
        }
        let with_header = [CSV.lines().next().expect("a header").as_bytes(), b"\n", &bytes].concat();
        open(Format::BinanceCsv, with_header).expect("it opens").for_each(drop);
    }

    #[test]
    fn nothing_panics_on_nearly_right_text_and_every_line_is_accounted_for(text in nearly()) {
        for format in [Format::TwitchIrc, Format::BinanceWs, Format::Jsonl] {
            let mut recording = open(format, text.clone()).expect("it opens");
            let (events, malformed): (Vec<_>, Vec<_>) = recording.by_ref().partition(Result::is_ok);
            let counts = recording.counts();
            prop_assert_eq!(counts.lines, text.lines().count() as u64);
            prop_assert_eq!(counts.events, events.len() as u64);
            prop_assert_eq!(counts.malformed, malformed.len() as u64);
            prop_assert!(counts.without_event + counts.malformed + counts.events >= counts.lines);
        }
        let document = format!("{{\"comments\":[{{\"_id\":\"a\",\"channel_id\":\"b\",\"content_offset_seconds\":1e300,\"message\":{{\"body\":{text:?}}}}}]}}");
        if let Ok(recording) = open(Format::TwitchVod, document) {
            recording.for_each(drop);
        }
    }
}
