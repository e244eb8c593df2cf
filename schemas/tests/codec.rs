//! The codec against the schemas: round trips, an independent reader, hostile bytes, other writers' schemas.

mod common;

use std::borrow::Cow;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use common::*;
use proptest::prelude::*;
use schemas::codec::WIRE_HEADER_LEN;
use schemas::json::JsonReader;
use schemas::*;
use serde::Deserialize;

fn encode<M: Message>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(SchemaIds::local()).encode(message, &mut bytes).expect("fits its schema");
    bytes
}

fn round_trip<M: Message + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug>(message: &M) {
    let bytes = encode(message);
    assert_eq!(&Decoder::new(SchemaIds::local()).decode::<M>(&bytes).expect("decodes"), message);
}

/// The fields that an independent Avro implementation reads with the schema as published.
fn read_independently<M: Message>(message: &M) -> Vec<(String, Value)> {
    let schema = apache_avro::Schema::parse_str(M::TOPIC.spec().schema).expect("a schema");
    let bytes = encode(message);
    let mut datum = &bytes[WIRE_HEADER_LEN..];
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    let value = reader.read_value(&mut datum).expect("decodes");
    assert!(datum.is_empty(), "bytes left over");
    assert!(value.validate(&schema));
    let Value::Record(fields) = value else { panic!("not a record") };
    fields
}

#[test]
fn every_kind_of_value_comes_back() {
    round_trip(&leaderboard());
    round_trip(&engagement());
    round_trip(&candle());
    round_trip(&flag());
    round_trip(&dead_letter());
    round_trip(&partial());
    let decoder = Decoder::new(SchemaIds::local());
    let mut encoder = Encoder::new(SchemaIds::local());
    for event in [
        Event::Chat(chat()),
        Event::Reaction(reaction()),
        Event::Viewer(viewer()),
        Event::Trade(trade()),
        Event::Partial(Box::new(partial())),
    ] {
        let mut bytes = Vec::new();
        encoder.encode_event(&event, &mut bytes).expect("fits");
        assert_eq!(decoder.decode_event(event.topic(), &bytes).expect("decodes"), event);
    }
}

/// What the codec reads by name, checked, is what it reads in order.
fn assert_read_alike(topic: Topic, bytes: &[u8]) {
    let decoder = Decoder::new(SchemaIds::local());
    let by_name = match topic {
        Topic::Chat => decoder.decode(bytes).map(Event::Chat),
        Topic::Reactions => decoder.decode(bytes).map(Event::Reaction),
        Topic::Viewers => decoder.decode(bytes).map(Event::Viewer),
        _ => decoder.decode(bytes).map(Event::Trade),
    };
    let checked = by_name.and_then(|event| Ok(event.check().map(|()| event)?));
    assert_eq!(decoder.decode_event(topic, bytes), checked);
}

#[test]
fn every_event_is_read_alike_in_order_and_by_name_whatever_bit_is_flipped() {
    use ChatKind::{ChatCleared, MessageDeleted, UserBanned, UserTimedOut};
    use ReactionKind::{Cheer, Emoji, Gift, Like, PollVote, QuestionUpvote, Raid, Subscription};
    let mut encoded = Vec::new();
    for kind in [ChatKind::Message, MessageDeleted, UserBanned, UserTimedOut, ChatCleared, ChatKind::Unknown]
    {
        let (target_message_id, target_user_id) = (Some("m".into()), Some("u".into()));
        let duration_ms = Some(i64::MIN);
        let event = ChatEvent { kind, target_message_id, target_user_id, duration_ms, ..chat() };
        encoded.push((Topic::Chat, encode(&event)));
    }
    let unknown = ReactionKind::Unknown;
    for kind in [Emoji, Like, Cheer, Gift, Subscription, Raid, PollVote, QuestionUpvote, unknown] {
        let (emoji, option) = (Some("e".into()), Some("o".into()));
        let event = ReactionEvent { kind, emoji, target_id: Some("t".into()), option, ..reaction() };
        encoded.push((Topic::Reactions, encode(&event)));
    }
    encoded.push((Topic::Reactions, encode(&reaction())));
    for kind in [ViewerKind::Join, ViewerKind::Leave, ViewerKind::Quality, ViewerKind::Unknown] {
        encoded
            .push((Topic::Viewers, encode(&ViewerEvent { kind, stream_id: Some("s".into()), ..viewer() })));
    }
    encoded.push((Topic::Viewers, encode(&viewer())));
    for aggressor in [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown] {
        encoded.push((Topic::Trades, encode(&TradeEvent { aggressor, ..trade() })));
    }
    for (topic, bytes) in &mut encoded {
        let (topic, len) = (*topic, bytes.len());
        assert_read_alike(topic, bytes);
        assert!(Decoder::new(SchemaIds::local()).decode_event(topic, bytes).is_ok());
        for bit in 8 * WIRE_HEADER_LEN..8 * len {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_read_alike(topic, bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        (WIRE_HEADER_LEN..len).for_each(|end| assert_read_alike(topic, &bytes[..end]));
    }
}

#[test]
fn an_independent_reader_sees_the_same_values() {
    let fields = read_independently(&trade());
    let price = fields.iter().find(|(name, _)| name == "price").expect("price");
    let Value::Decimal(price) = &price.1 else { panic!("not a decimal") };
    assert_eq!(<Vec<u8>>::try_from(price).expect("bytes"), 618_376_300_000_000i64.to_be_bytes()[1..]);
    assert!(fields.contains(&("event_time".into(), Value::TimestampMicros(1_723_161_255_342_000))));
    read_independently(&chat());
    read_independently(&reaction());
    read_independently(&viewer());
    read_independently(&leaderboard());
    read_independently(&engagement());
    read_independently(&candle());
    read_independently(&flag());
    read_independently(&dead_letter());
}

#[test]
fn strings_borrow_from_the_payload() {
    let bytes = encode(&chat());
    let event: ChatEvent<'_> = Decoder::new(SchemaIds::local()).decode(&bytes).expect("decodes");
    let inside = |text: &str| bytes.as_ptr_range().contains(&text.as_ptr());
    assert!(inside(&event.event_id));
    assert!(inside(event.text.as_deref().expect("text")));
    assert!(inside(&event.emotes[0].name));
    assert!(inside(&event.roles[0]));
}

#[test]
fn json_has_the_schemas_names_and_exact_decimals() {
    let json = JsonReader::new(Topic::Trades.spec().schema)
        .expect("a schema")
        .read(&encode(&trade()))
        .expect("reads");
    assert_eq!(json["price"], "61837.63");
    assert_eq!(json["quantity"], "0.02");
    assert_eq!(json["event_time"], 1_723_161_255_342_000i64);
    assert_eq!(json["aggressor"], "sell");
    assert_eq!(json["user_id"], serde_json::Value::Null);
    let names: Vec<_> = json.as_object().expect("object").keys().take(3).map(Cow::from).collect();
    assert_eq!(names, ["event_id", "event_time", "ingest_time"]);
    let json =
        JsonReader::new(Topic::DeadLetter.spec().schema).expect("a schema").read(&encode(&dead_letter()));
    assert_eq!(json.expect("reads")["key"], "AP+A");
}

#[test]
fn json_lines_read_back_into_events() {
    let json = JsonReader::new(Topic::Trades.spec().schema)
        .expect("a schema")
        .read(&encode(&trade()))
        .expect("reads");
    let line = json.to_string();
    assert_eq!(serde_json::from_str::<TradeEvent<'_>>(&line).expect("reads"), trade());
    let json =
        JsonReader::new(Topic::Chat.spec().schema).expect("a schema").read(&encode(&chat())).expect("reads");
    assert_eq!(serde_json::from_str::<ChatEvent<'_>>(&json.to_string()).expect("reads"), chat());
}

#[test]
fn each_kind_of_damage_has_its_error() {
    let decoder = Decoder::new(SchemaIds::local());
    let good = encode(&chat());
    let fails = |bytes: &[u8]| decoder.decode_event(Topic::Chat, bytes).expect_err("damaged").reason();
    assert_eq!(fails(&[]), "not_wire_format");
    assert_eq!(fails(&good[..3]), "not_wire_format");
    assert_eq!(fails(b"{\"kind\":\"message\"}"), "not_wire_format");
    assert_eq!(fails(&[0, 0, 0, 9, 9, 1]), "unknown_schema");
    assert_eq!(fails(&good[..good.len() - 1]), "undecodable");
    assert_eq!(fails(&[good.as_slice(), &[0]].concat()), "undecodable");
    assert_eq!(fails(&encode(&ChatEvent { event_id: "".into(), ..chat() })), "invalid_value");
    assert_eq!(fails(&encode(&ChatEvent { text: None, ..chat() })), "invalid_value");
    let bomb = [&good[..WIRE_HEADER_LEN], &[0xff; 9], &[0x01]].concat();
    assert_eq!(fails(&bomb), "undecodable");
}

#[test]
fn values_that_make_no_sense_are_named() {
    let problem = |event: Event<'_>| event.check().expect_err("no sense").to_string();
    assert_eq!(problem(Event::Reaction(ReactionEvent { count: 0, ..reaction() })), "count is below 1");
    let partial_problem = |partial: BoardPartial| problem(Event::Partial(Box::new(partial)));
    assert_eq!(partial_problem(BoardPartial { group: None, ..partial() }), "board is missing in scores");
    assert_eq!(
        partial_problem(BoardPartial { shard_count: 0, ..partial() }),
        "shard is not below shard_count"
    );
    let mut no_gain = partial();
    no_gain.scores[0].reached = None;
    assert_eq!(partial_problem(no_gain), "scores has a gain or loss that is none");
    let no_currency = ReactionEvent { currency: None, ..reaction() };
    assert_eq!(problem(Event::Reaction(no_currency)), "currency must come with amount_micros");
    let no_code = ReactionEvent { currency: Some("eur".into()), ..reaction() };
    assert_eq!(problem(Event::Reaction(no_code)), "currency is not an ISO 4217 code");
    assert_eq!(
        problem(Event::Trade(TradeEvent { quantity: Amount::ZERO, ..trade() })),
        "quantity is not above zero"
    );
    assert_eq!(
        problem(Event::Viewer(ViewerEvent { rebuffer_ms: -1, ..viewer() })),
        "rebuffer_ms is negative"
    );
    let nobody = ChatEvent { kind: ChatKind::UserBanned, ..chat() };
    assert_eq!(problem(Event::Chat(nobody)), "target_user_id is missing in a ban or time-out");
}

#[test]
fn other_writers_schemas_are_read_by_field_name() {
    // An older writer lacks most fields; a newer one has a field and an enum symbol that we do not know.
    let other = r#"{"type":"record","name":"ChatEvent","namespace":"ovation","fields":[
        {"name":"mood","type":{"type":"array","items":"string"}},
        {"name":"event_id","type":"string"},{"name":"event_time","type":"long"},{"name":"ingest_time","type":"long"},
        {"name":"source","type":"string"},{"name":"channel_id","type":"string"},
        {"name":"kind","type":{"type":"enum","name":"ChatKind","symbols":["message","pinned"]}},
        {"name":"text","type":"string"}]}"#;
    let mut datum = vec![0, 0, 0, 0, 77, 2, 6, b's', b'a', b'd', 0];
    for text in ["id", "x", "c"] {
        if text == "x" {
            datum.extend([2, 4]);
        }
        datum.push(2 * text.len() as u8);
        datum.extend(text.as_bytes());
    }
    datum.extend([2, 4, b'h', b'i']);
    let mut decoder = Decoder::new(SchemaIds::local());
    assert_eq!(decoder.decode_event(Topic::Chat, &datum), Err(DecodeError::UnknownSchema(77)));
    decoder.add_writer_schema(77, other).expect("a schema");
    let Event::Chat(event) = decoder.decode_event(Topic::Chat, &datum).expect("decodes") else {
        panic!("not chat")
    };
    assert_eq!((event.kind, event.text.as_deref(), event.user_id), (ChatKind::Unknown, Some("hi"), None));
    assert!(decoder.add_writer_schema(78, "{").is_err());
}

#[test]
fn a_struct_has_the_fields_of_its_schema() {
    // Encoding fails on a field that the schema lacks and on a missing one without a default; the order and the
    // rest is what the independent reader sees. Here: no schema field is absent from the JSON of a full value.
    for topic in Topic::ALL {
        let schema: serde_json::Value = serde_json::from_str(topic.spec().schema).expect("json");
        for field in schema["fields"].as_array().expect("fields") {
            assert!(
                field["doc"].as_str().is_some_and(|doc| doc.len() > 5),
                "{topic}: {} has no doc",
                field["name"]
            );
        }
    }
}

proptest! {
    #[test]
    fn any_chat_event_comes_back(event in any_chat()) {
        let bytes = encode(&event);
        let decoder = Decoder::new(SchemaIds::local());
        prop_assert_eq!(decoder.decode::<ChatEvent<'_>>(&bytes).expect("decodes"), event);
        assert_read_alike(Topic::Chat, &bytes);
    }

    #[test]
    fn any_trade_comes_back(event in any_trade()) {
        let bytes = encode(&event);
        let decoder = Decoder::new(SchemaIds::local());
        prop_assert_eq!(decoder.decode::<TradeEvent<'_>>(&bytes).expect("decodes"), event);
        assert_read_alike(Topic::Trades, &bytes);
    }

    #[test]
    fn any_amount_prints_and_parses_back(units in -(10i128.pow(38) - 1)..10i128.pow(38)) {
        let amount = Amount::from_units(units).expect("fits");
        prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
    }

    #[test]
    fn any_bytes_decode_or_fail_but_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), id in 0..12u8) {
        let decoder = Decoder::new(SchemaIds::local());
        let bytes = [&[0, 0, 0, 0, id], tail.as_slice()].concat();
        for payload in [&bytes, &tail] {
            for topic in Topic::EVENTS.into_iter().chain([Topic::Partials]) {
                let _either = decoder.decode_event(topic, payload);
            }
            Topic::EVENTS.into_iter().for_each(|topic| assert_read_alike(topic, payload));
            let _either = decoder.decode::<LeaderboardResult>(payload);
            let _either = decoder.decode::<EngagementResult>(payload);
            let _either = decoder.decode::<CandleResult>(payload);
            let _either = decoder.decode::<ModerationFlag>(payload);
            let _either = decoder.decode::<DeadLetter>(payload);
            let _either = JsonReader::new(Topic::Chat.spec().schema).expect("a schema").read(payload);
        }
    }

    #[test]
    fn any_flipped_bit_decodes_or_fails_but_never_panics(event in any_chat(), position in any::<usize>(), bit in 0..8u8) {
        let mut bytes = encode(&event);
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        assert_read_alike(Topic::Chat, &bytes);
    }
}
