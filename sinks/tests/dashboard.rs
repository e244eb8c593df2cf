//! The gateway's contract, through its sockets: snapshot, changes, resumption, conflation, limits, refusals.

mod dashboard_support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::sync::atomic::{AtomicUsize, Ordering};

use dashboard_support::*;
use futures_util::SinkExt;
use kafka::memory::MemoryLog;
use kafka::{Consumer, ConsumerOptions, Log, Outgoing, Partitioned, Transactions};
use schemas::{DeadLetter, Encoder, SchemaIds, Topic};
use serde_json::json;
use sinks::dashboard::Dashboard;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const ALL: &str = r#"{"subscribe":[{"kind":"leaderboards"},{"kind":"engagement"},{"kind":"markets"},{"kind":"moderation"}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_a_snapshot_and_then_changes() {
    let mut results = Results::new("live.");
    results.put("a", &board("top_chatters", "twitch:1", Some(600), &[("ada", 5)]));
    results.put("a", &board("top_chatters", "twitch:1", Some(610), &[("ada", 6), ("bob", 2)]));
    results.put("a", &engagement("twitch:1", 540, 30, 100));
    let mut set_up = options();
    set_up.topic_prefix = "live.".to_owned();
    let gateway = Gateway::start(&results.log, set_up).await;

    let mut client = Client::subscribed(&gateway, ALL).await;
    let items = client.snapshot().await;
    assert_eq!(items.len(), 2, "one board at its newest window and one engagement window: {items:?}");
    let shown = items.iter().find(|item| item["kind"] == "leaderboards").expect("the board");
    assert_eq!(shown["key"], json!({"board": "top_chatters", "group": "twitch:1", "window": "rolling"}));
    assert_eq!(shown["value"]["entries"][0]["score"], "6");
    assert_eq!((&shown["as_of"], &shown["watermark"]), (&json!(610_000_000), &json!(610_000_000)));

    results.put("a", &board("top_chatters", "twitch:1", Some(620), &[("bob", 9)]));
    let change = client.next().await;
    assert_eq!(change["type"], "change");
    assert_eq!(change["value"]["entries"][0]["label"], "bob");
    assert!(offset(&change) > items.iter().map(offset).max().unwrap());
    let whole = gateway.get_json("/api/snapshot?kind=leaderboards&group=twitch:1").await;
    assert_eq!(whole["items"], json!([change]), "the snapshot's items are the change frames");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_ended_before_the_one_shown_does_not_replace_it() {
    let mut results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::subscribed(&gateway, ALL).await;
    assert!(client.snapshot().await.is_empty());
    results.put("a", &board("b", "g", Some(620), &[("new", 1)]));
    results.put("a", &board("b", "g", Some(610), &[("old", 1)]));
    results.put("a", &board("b", "g", Some(620), &[("newer", 2)]));
    results.put("a", &flag("g", "end", 1, "x"));
    let mut labels = Vec::new();
    loop {
        let frame = client.next().await;
        if frame["kind"] == "moderation" {
            break;
        }
        labels.push(frame["value"]["entries"][0]["label"].as_str().unwrap().to_owned());
    }
    assert!(!labels.contains(&"old".to_owned()), "{labels:?}");
    assert_eq!(labels.last().map(String::as_str), Some("newer"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_gets_what_it_missed_once_and_nothing_else() {
    let mut results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::subscribed(&gateway, ALL).await;
    client.snapshot().await;
    for number in 0..10 {
        results.put("a", &flag("twitch:1", &format!("before-{number}"), number, "x"));
    }
    let mut last = json!(null);
    for number in 0..10 {
        last = client.next().await;
        assert_eq!(last["value"]["message_id"], format!("before-{number}"));
    }
    drop(client);
    for number in 0..50 {
        results.put("a", &flag("twitch:1", &format!("missed-{number}"), 100 + number, "x"));
    }
    gateway.wait_for_health(|health| health["entries"].as_u64() >= Some(60)).await;

    let resume = |id: &str| format!(r#"{},"resume":"{id}"}}"#, ALL.strip_suffix('}').unwrap());
    let id = last["id"].as_str().unwrap();
    let mut client = Client::subscribed(&gateway, &resume(id)).await;
    let first = client.next().await;
    assert_eq!((&first["type"], &first["id"]), (&json!("resumed"), &json!(id)));
    for number in 0..50 {
        assert_eq!(client.next().await["value"]["message_id"], format!("missed-{number}"));
    }
    results.put("a", &flag("twitch:1", "live", 1_000, "x"));
    assert_eq!(client.next().await["value"]["message_id"], "live");

    for wrong in ["0123456789abcdef:3", "no id", &format!("{}9999", id)] {
        let mut client = Client::subscribed(&gateway, &resume(wrong)).await;
        assert_eq!(client.snapshot().await.len(), 61, "{wrong} cannot be continued");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_carries_an_id_to_resume_from() {
    let mut results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"leaderboards"}]}"#).await;
    client.snapshot().await;
    results.put("a", &flag("twitch:1", "not for this client", 7, "x"));
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        let frame = client.next_any().await;
        assert_eq!(frame["type"], "heartbeat", "{frame}");
        assert!(frame["server_time"].as_i64() > Some(1_700_000_000_000_000));
        if frame["as_of"] == 7_000_000 && offset(&frame) >= 1 {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "the heartbeat never moved on: {frame}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_show_the_same_and_either_goes_on_where_the_other_was() {
    let mut results = Results::new("");
    let fill = |results: &mut Results, from: i64| {
        for number in from..from + 30 {
            // keys of both partitions, so that the gateways read them in orders of their own
            let channel = format!("twitch:{}", number % 5);
            results.put(&channel, &engagement(&channel, number * 60, number, 10));
            results.put(&channel, &board("top_chatters", &channel, Some(600 + number), &[("ada", number)]));
            results.put(&channel, &flag(&channel, &format!("m-{number}"), number, "x"));
        }
    };
    fill(&mut results, 0);
    let gateways =
        [Gateway::start(&results.log, options()).await, Gateway::start(&results.log, options()).await];
    let shown = |items: &[serde_json::Value]| {
        let slot = |item: &serde_json::Value| {
            let time = if item["kind"] == "leaderboards" { &json!(null) } else { &item["as_of"] };
            (format!("{} {} {time}", item["kind"], item["key"]), item["value"].clone())
        };
        items.iter().map(slot).collect::<HashMap<_, _>>()
    };
    let mut one = Client::subscribed(&gateways[0], ALL).await;
    let mut known = one.snapshot().await;
    let other = Client::subscribed(&gateways[1], ALL).await.snapshot().await;
    assert_eq!(shown(&known), shown(&other), "the same input, the same values");

    // the connection is lost in the middle of changes; the balancer chooses the other gateway
    fill(&mut results, 30);
    let last = one.next().await;
    drop(one);
    known.push(last.clone());
    let resume = format!(r#"{},"resume":{}}}"#, ALL.strip_suffix('}').unwrap(), last["id"]);
    let all_in = |health: &serde_json::Value| health["pipeline"]["results"] == 180;
    gateways[1].wait_for_health(all_in).await;
    gateways[0].wait_for_health(all_in).await;
    let mut two = Client::subscribed(&gateways[1], &resume).await;
    let items = two.snapshot().await;
    assert_eq!(shown(&items).len(), items.len(), "nothing twice");
    let fresh = Client::subscribed(&gateways[0], ALL).await.snapshot().await;
    assert_eq!(shown(&items), shown(&fresh), "no hole");
    fill(&mut results, 60);
    let mut offset_before = items.iter().map(offset).max().expect("items");
    let mut now = shown(&items);
    gateways[0].wait_for_health(|health| health["pipeline"]["results"] == 270).await;
    let fresh = Client::subscribed(&gateways[0], ALL).await.snapshot().await;
    while now != shown(&fresh) {
        let change = two.next().await;
        assert_eq!(change["type"], "change");
        assert!(offset(&change) > offset_before, "no repeat");
        offset_before = offset(&change);
        now.extend(shown(&[change]));
    }
    for gateway in gateways {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_old_an_id_is_answered_with_a_snapshot_instead_of_a_hole() {
    let mut results = Results::new("");
    let mut set_up = options();
    set_up.store.flags_max = 5;
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut client = Client::subscribed(&gateway, ALL).await;
    client.snapshot().await;
    results.put("a", &flag("twitch:1", "seen", 1, "x"));
    let id = client.next().await["id"].as_str().unwrap().to_owned();
    drop(client);
    for number in 0..20 {
        results.put("a", &flag("twitch:1", &format!("m-{number}"), 10 + number, "x"));
    }
    results.put("a", &board("b", "other", Some(10), &[("x", 1)]));
    let all_in = |health: &serde_json::Value| health["pipeline"]["results"] == 22;
    gateway.wait_for_health(all_in).await;

    let ask = |kind: &str| format!(r#"{{"subscribe":[{{"kind":"{kind}"}}],"resume":"{id}"}}"#);
    let items = Client::subscribed(&gateway, &ask("moderation")).await.snapshot().await;
    let kept: Vec<_> = items.iter().map(|item| item["value"]["message_id"].as_str().unwrap()).collect();
    assert_eq!(kept, ["m-15", "m-16", "m-17", "m-18", "m-19"]);
    let mut boards = Client::subscribed(&gateway, &ask("leaderboards")).await;
    assert_eq!(boards.next().await["type"], "resumed", "nothing of what it wants was dropped");
    assert_eq!(boards.next().await["kind"], "leaderboards");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_costs_nothing_and_then_sees_the_newest_state() {
    const CHANGES: i64 = 3_000;
    let mut results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut slow = Client::subscribed(&gateway, ALL).await;
    slow.snapshot().await;
    let long = "x".repeat(30_000);
    for number in 0..CHANGES {
        let group = format!("twitch:{}", number % 3);
        results.put(&group, &board("b", &group, Some(1_000 + number), &[(&long, number)]));
    }
    let health = gateway.wait_for_health(|health| health["pipeline"]["results"] == CHANGES).await;
    assert!(health["bytes"].as_u64() < Some(1 << 20), "three boards are kept, not their history: {health}");

    let mut newest = HashMap::new();
    let (mut last_offset, mut frames) = (0, 0);
    while newest.values().filter(|score| **score >= CHANGES - 3).count() < 3 {
        let frame = slow.next().await;
        assert!(offset(&frame) > last_offset, "never an older change after a newer one");
        last_offset = offset(&frame);
        frames += 1;
        if frame["kind"] == "leaderboards" {
            let score: i64 = frame["value"]["entries"][0]["score"].as_str().unwrap().parse().unwrap();
            let before = newest.insert(frame["key"]["group"].to_string(), score);
            assert!(before.is_none_or(|before| before < score));
        }
    }
    assert!(frames < CHANGES / 2, "conflated: {frames} frames for {CHANGES} changes");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_choose_by_key_and_may_be_replaced() {
    let mut results = Results::new("");
    for channel in ["twitch:1", "twitch:2"] {
        for minute in 0..3 {
            results.put(channel, &engagement(channel, minute * 60, 10, 5));
        }
        results.put(channel, &board("top_chatters", channel, None, &[("a", 1)]));
        results.put(channel, &board("top_chatters", channel, Some(60), &[("a", 1)]));
    }
    results.put("m", &candle("BTCUSDT", 60, 60, 10_000, 20_000));
    results.put("m", &candle("BTCUSDT", 1, 60, 10_000, 20_000));
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::connect(&gateway).await;
    for (selectors, expected) in [
        (r#"{"kind":"engagement"}"#, 6),
        (r#"{"kind":"engagement","channel":"*","history":false}"#, 2),
        (r#"{"kind":"engagement","channel":"twitch:1"}"#, 3),
        (r#"{"kind":"leaderboards","board":"*","group":"twitch:2"}"#, 2),
        (r#"{"kind":"leaderboards","window":"all_time"}"#, 2),
        (r#"{"kind":"leaderboards","window":"all_time"},{"kind":"leaderboards","group":"twitch:1"}"#, 3),
        (r#"{"kind":"markets","market":"binance-spot:BTCUSDT","interval_s":1}"#, 1),
        (r#"{"kind":"moderation"}"#, 0),
    ] {
        client.send(&format!(r#"{{"subscribe":[{selectors}]}}"#)).await;
        assert_eq!(client.snapshot().await.len(), expected, "{selectors}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_messages_get_an_error_frame_and_a_close_code() {
    let results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    for (message, code, close) in [
        (WsMessage::text("nonsense"), "bad_message", CloseCode::Policy),
        (WsMessage::text(r#"{"subscribe":[{"kind":"boards"}]}"#), "bad_message", CloseCode::Policy),
        (WsMessage::binary(vec![1, 2, 3]), "binary_message", CloseCode::Unsupported),
        (WsMessage::text("x".repeat(100_000)), "message_too_large", CloseCode::Size),
    ] {
        let mut client = Client::connect(&gateway).await;
        client.0.send(message).await.expect("sent");
        let frame = client.next().await;
        assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!(code)), "{frame}");
        match client.next_message().await {
            WsMessage::Close(Some(reason)) => assert_eq!(reason.code, close),
            other => panic!("not a close frame: {other:?}"),
        }
    }
    let (status, _, body) = gateway.get("/api/snapshot?kind=boards", &[]).await;
    assert_eq!((status, body.contains("leaderboards, engagement")), (400, true));
    let (status, _, body) = gateway.get("/sse?subscribe=nonsense", &[]).await;
    assert_eq!((status, body.contains("not JSON")), (400, true));
    gateway.stop().await;
}

/// Bytes from a seed: half of them a mutilated message.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = ALL.as_bytes().to_vec();
    if next() % 2 == 0 {
        bytes = (0..next() % 300).map(|_| next() as u8).collect();
    }
    for _ in 0..1 + next() % 4 {
        let at = next() as usize % bytes.len().max(1);
        match next() % 3 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), next() as u8),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = next() as u8),
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_client_sends_is_answered_as_documented() {
    let results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    for seed in 0..300 {
        let bytes = noise(seed);
        let message = match String::from_utf8(bytes) {
            Ok(text) => WsMessage::text(text),
            Err(error) if seed % 2 == 0 => WsMessage::binary(error.into_bytes()),
            Err(error) => WsMessage::text(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        };
        let mut client = Client::connect(&gateway).await;
        client.0.send(message.clone()).await.expect("sent");
        let frame = client.next().await;
        match frame["type"].as_str() {
            Some("snapshot") => {}
            Some("error") => {
                let known = ["bad_message", "binary_message"];
                assert!(known.contains(&frame["code"].as_str().unwrap()), "{message:?}: {frame}");
                let close = client.next_message().await;
                assert!(matches!(close, WsMessage::Close(Some(_))), "{message:?}: {close:?}");
            }
            other => panic!("{message:?}: {other:?}"),
        }
    }
    assert_eq!(gateway.get("/api/health", &[]).await.0, 200);
    gateway.stop().await;
}

/// Panics in the gateway's code, of which its clients would see an ended connection only.
static PANICS: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_no_protocol_end_their_own_connection_only() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_ours = panic.location().is_some_and(|place| place.file().contains("src/"));
        PANICS.fetch_add(usize::from(is_ours), Ordering::Relaxed);
        before(panic);
    }));
    let results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let upgrade = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    for seed in 0..400 {
        let mut socket = TcpStream::connect(gateway.address).await.expect("a connection");
        if seed % 2 == 0 {
            socket.write_all(upgrade.as_bytes()).await.expect("sent");
        }
        // the other side may have closed already
        socket.write_all(&noise(seed)).await.ok();
        socket.shutdown().await.ok();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "seed {seed} is never closed");
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    assert_eq!(gateway.get("/api/health", &[]).await.0, 200);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_carry_the_same_frames_and_resume_by_last_event_id() {
    let mut results = Results::new("");
    results.put("a", &flag("twitch:1", "m-1", 1, "x"));
    let gateway = Gateway::start(&results.log, options()).await;
    let url = format!("http://{}/sse?kind=moderation", gateway.address);
    let open = |last: Option<String>| {
        let mut request = ureq::get(&url);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        BufReader::new(request.call().expect("an answer").into_body().into_reader())
    };
    let next = |reader: &mut BufReader<ureq::BodyReader<'static>>| loop {
        let (mut id, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).expect("a line") > 0, "the stream ended");
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("data", value)) => value.clone_into(&mut data),
                _ => break,
            }
        }
        let frame: serde_json::Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!(frame["id"], id);
        if frame["type"] != "heartbeat" {
            break frame;
        }
    };
    tokio::task::block_in_place(|| {
        let mut stream = open(None);
        let snapshot = next(&mut stream);
        assert_eq!(snapshot["items"][0]["value"]["message_id"], "m-1");
        results.put("a", &flag("twitch:1", "m-2", 2, "x"));
        let change = next(&mut stream);
        assert_eq!(change["value"]["message_id"], "m-2");
        drop(stream);
        results.put("a", &flag("twitch:1", "m-3", 3, "x"));
        let mut stream = open(change["id"].as_str().map(str::to_owned));
        assert_eq!(next(&mut stream)["type"], "resumed");
        assert_eq!(next(&mut stream)["value"]["message_id"], "m-3");
    });
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_is_counted_by_reason_and_stops_nothing() {
    let mut results = Results::new("");
    for topic in Topic::RESULTS {
        for value in [&b""[..], b"\x01garbage", b"\x00\x00\x00\x00\x63unknown", b"\x00\x00\x00\x00\x05\xff"] {
            results.put_bytes(topic, 0, Some(value.to_vec()));
        }
        results.put_bytes(topic, 0, None);
    }
    // a chat event where a result belongs: decodable with its own schema, and of another shape
    let stray = b"\x00\x00\x00\x00\x09\x02a\x00\x00\x00\x00\x02r\x02d\x02j\x00".to_vec();
    results.put_bytes(Topic::Markets, 0, Some(stray));
    for reason in ["late", "undecodable", "late"] {
        let letter = DeadLetter {
            topic: "events.chat".to_owned(),
            partition: 0,
            offset: 1,
            key: None,
            value: None,
            reason: reason.to_owned(),
            detail: "<b>detail</b>".to_owned(),
            job: "engagement".to_owned(),
            failed_at: at(1),
        };
        results.put("events.chat", &letter);
    }
    results.put("a", &board("b", "g", None, &[("ada", 5)]));
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::subscribed(&gateway, ALL).await;
    assert_eq!(client.snapshot().await.len(), 1, "the good record is shown");
    let health = gateway.wait_for_health(|health| health["pipeline"]["results"] == 1).await;
    let pipeline = &health["pipeline"];
    assert_eq!(pipeline["dead_letters"], json!({"total": 3, "by_reason": {"late": 2, "undecodable": 1}}));
    assert_eq!(
        pipeline["refused"],
        json!({"not_wire_format": 8, "undecodable": 4, "unknown_schema": 4, "wrong_shape": 1})
    );
    assert_eq!(pipeline["tombstones"], 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_goes_away_is_said_and_nothing_is_lost_when_it_returns() {
    let mut results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::subscribed(&gateway, ALL).await;
    client.snapshot().await;
    assert_eq!(gateway.get("/api/ready", &[]).await.0, 200);
    results.log.cut_off(true);
    let health = gateway.wait_for_health(|health| health["state"] == "log_unreachable").await;
    assert!(health["pipeline"]["trouble"].as_str().unwrap().contains("broker is away"), "{health}");
    assert_eq!(gateway.get("/api/ready", &[]).await.0, 503);
    for number in 0..5 {
        results.put("a", &flag("twitch:1", &format!("m-{number}"), number, "x"));
    }
    results.log.cut_off(false);
    for number in 0..5 {
        assert_eq!(client.next().await["value"]["message_id"], format!("m-{number}"));
    }
    gateway.wait_for_health(|health| health["state"] == "live").await;
    gateway.stop().await;
}

/// Writes a transaction of one flag.
fn transact(log: &MemoryLog, id: &str, is_to_commit: bool) {
    let options = ConsumerOptions {
        group: "job".to_owned(),
        topics: vec![Topic::DeadLetter.name().to_owned()],
        instance_id: None,
        session_timeout: DEADLINE,
    };
    let member = log.join(&options).expect("a member");
    let mut transactions = log.transactions("job-0").expect("a writer");
    let mut value = Vec::new();
    Encoder::new(SchemaIds::local()).encode(&flag("twitch:1", id, 1, "x"), &mut value).expect("a value");
    transactions.begin().expect("begun");
    let record = Outgoing {
        topic: Topic::Moderation.name(),
        partition: Partitioned::ByKey,
        timestamp_ms: 1,
        key: Some(b"twitch:1"),
        value: Some(&value),
    };
    transactions.send(&record).expect("sent");
    if is_to_commit {
        transactions.commit(&[], &member.group().expect("a member")).expect("committed");
    } else {
        transactions.abort().expect("aborted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_job_has_committed_is_shown() {
    let log = MemoryLog::new();
    for topic in Topic::RESULTS.into_iter().chain([Topic::DeadLetter]) {
        log.create_topic(topic.name(), 3);
    }
    transact(&log, "aborted before", false);
    transact(&log, "committed before", true);
    let gateway = Gateway::start(&log, options()).await;
    let mut client = Client::subscribed(&gateway, ALL).await;
    let items = client.snapshot().await;
    assert_eq!((items.len(), &items[0]["value"]["message_id"]), (1, &json!("committed before")));
    transact(&log, "aborted", false);
    transact(&log, "committed", true);
    assert_eq!(client.next().await["value"]["message_id"], "committed");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_one_line_that_names_the_port_and_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut set_up = options();
    set_up.listen = taken.local_addr().unwrap();
    let error = Dashboard::bind(set_up.clone()).await.err().expect("refused").to_string();
    let port = set_up.listen.port().to_string();
    assert!(error.contains(&port) && error.contains("dashboard.listen") && !error.contains('\n'), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_are_refused_unless_allowed_and_connections_are_limited() {
    let results = Results::new("");
    let mut set_up = options();
    set_up.allowed_origins = vec!["https://friends.example".to_owned()];
    set_up.clients.connections_max = 1;
    let gateway = Gateway::start(&results.log, set_up).await;
    let own = format!("http://{}", gateway.address);
    for (origin, status) in [("https://evil.example", 403), ("https://friends.example", 200), (&own, 200)] {
        let (answered, headers, _) = gateway.get("/api/health", &[("origin", origin)]).await;
        assert_eq!(answered, status, "{origin}");
        assert_eq!(headers.contains_key("access-control-allow-origin"), status == 200);
    }
    let mut request = format!("ws://{}/ws", gateway.address).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let error = tokio_tungstenite::connect_async(request).await.expect_err("refused").to_string();
    assert!(error.contains("403"), "{error}");

    let _one = Client::connect(&gateway).await;
    let url = format!("ws://{}/ws", gateway.address);
    let error = tokio_tungstenite::connect_async(url).await.expect_err("full").to_string();
    assert!(error.contains("503"), "{error}");
    assert_eq!(gateway.get("/sse?kind=health", &[]).await.0, 503);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_headers_that_let_nothing_else_in() {
    let results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let (status, headers, body) = gateway.get("/", &[]).await;
    assert_eq!((status, body.contains("<html")), (200, true));
    let policy = &headers["content-security-policy"];
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-cache");
    let (status, _, _) = gateway.get("/", &[("if-none-match", &headers["etag"])]).await;
    assert_eq!(status, 304);
    for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/nothing"] {
        assert_eq!(gateway.get(path, &[]).await.0, 404, "{path}");
    }
    gateway.stop().await;
}
