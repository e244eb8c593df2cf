//! Who may read what, through the gateway's sockets: tokens in all the ways in which they come, rights, expiry, polling.

mod dashboard_support;
#[path = "dashboard_support/live_client.rs"]
mod live_client;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashboard_support::*;
use serde_json::{Value as Json, json};
use sinks::dashboard::access::{Key, TokenAlgorithm, mint};
use sinks::dashboard::selector::Selectors;
use sinks::dashboard::{Access, DashboardOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const ALL: &str = r#"[{"kind":"leaderboards"},{"kind":"engagement"},{"kind":"moderation"}]"#;

/// A gateway with one key, closed to those without a token but for what `anonymous` matches.
fn closed(anonymous: Option<&Json>) -> DashboardOptions {
    let key = Key::new("k", TokenAlgorithm::Hs256, SECRET).expect("a key");
    let anonymous = anonymous.map(|list| Selectors::from_json(list, "anonymous", 8).expect("selectors"));
    let mut set_up = options();
    set_up.access = Access::new(vec![key], Some("dashboards".to_owned()), anonymous).expect("access");
    set_up
}

fn token(mut claims: Json) -> String {
    claims["aud"] = "dashboards".into();
    mint("k", TokenAlgorithm::Hs256, SECRET, claims, Duration::from_secs(600)).expect("a token")
}

/// One that stops to count this many seconds from now, leeway included.
fn token_for(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let exp = now + seconds - sinks::dashboard::access::LEEWAY_S;
    let claims = json!({"aud": "dashboards", "read": "*", "exp": exp});
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("k".to_owned());
    jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(SECRET)).expect("signed")
}

fn two_channels() -> Results {
    let mut results = Results::new("");
    for channel in ["twitch:1", "twitch:2"] {
        results.put(channel, &engagement(channel, 60, 10, 5));
        results.put(channel, &board("top_chatters", channel, None, &[("a", 1)]));
        results.put(channel, &flag(channel, &format!("flag of {channel}"), 1, "x"));
    }
    results.put("g", &board("top_givers", "twitch:1/EUR", None, &[("a", 1)]));
    results.put("g", &board("most_active_channels", "global", None, &[("a", 1)]));
    results
}

/// How a refused connection ends: the error frame's code and the close code.
async fn end_of(client: &mut Client) -> (String, u16) {
    let frame = client.next().await;
    assert_eq!(frame["type"], "error", "{frame}");
    match client.next_message().await {
        WsMessage::Close(Some(reason)) => {
            (frame["code"].as_str().expect("text").to_owned(), reason.code.into())
        }
        other => panic!("not a close frame: {other:?}"),
    }
}

fn groups(items: &[Json]) -> Vec<String> {
    let name = |item: &Json| match item["kind"].as_str() {
        Some("leaderboards") => format!("board {}", item["key"]["group"].as_str().expect("text")),
        kind => format!("{} {}", kind.expect("text"), item["key"]["channel"].as_str().expect("text")),
    };
    let mut groups: Vec<String> = items.iter().map(name).collect();
    groups.sort_unstable();
    groups
}

const OF_CHANNEL_1: [&str; 4] =
    ["board twitch:1", "board twitch:1/EUR", "engagement twitch:1", "moderation twitch:1"];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_read_but_what_is_open() {
    let results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    for path in ["/api/snapshot?kind=engagement", "/sse?kind=engagement"] {
        let (status, headers, body) = gateway.get(path, &[]).await;
        assert_eq!(
            (status, headers["www-authenticate"].as_str()),
            (401, "Bearer realm=\"ovation\""),
            "{path}"
        );
        assert!(body.contains("\"unauthorized\"") && !body.contains("twitch"), "{body}");
        let (status, headers, body) = gateway.get(path, &[("authorization", "Bearer nonsense")]).await;
        assert_eq!(status, 401, "{path}");
        assert!(headers["www-authenticate"].contains("error=\"invalid_token\""), "{headers:?}");
        assert!(body.contains("\"invalid_token\"") && !body.contains("nonsense"), "{body}");
    }
    let mut client = Client::subscribed(&gateway, &format!(r#"{{"subscribe":{ALL}}}"#)).await;
    assert_eq!(end_of(&mut client).await, ("unauthorized".to_owned(), 4401));
    let health = gateway.wait_for_health(|health| health["state"] == "live").await;
    assert_eq!(health.get("pipeline"), None, "only for those who may read health");
    assert_eq!(gateway.get("/api/ready", &[]).await.0, 200);
    gateway.stop().await;

    let open = json!([{"kind": "engagement", "channel": "twitch:2"}]);
    let gateway = Gateway::start(&results.log, closed(Some(&open))).await;
    let mut client = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"engagement"}]}"#).await;
    assert_eq!(groups(&client.snapshot().await), ["engagement twitch:2"]);
    assert_eq!(gateway.get("/api/snapshot?kind=engagement", &[]).await.0, 200);
    assert_eq!(gateway.get("/api/snapshot?kind=health", &[]).await.0, 403);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_in_four_ways_and_narrows_what_is_asked() {
    let mut results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let token = token(json!({"channels": ["twitch:1"]}));
    let subscribe = format!(r#"{{"subscribe":{ALL}}}"#);

    let url = format!("ws://{}/ws", gateway.address);
    let mut with_header = url.as_str().into_client_request().unwrap();
    with_header.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut with_protocol = url.as_str().into_client_request().unwrap();
    let protocols = format!("ovation, bearer.{token}");
    with_protocol.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    for (request, protocol) in [(with_header, None), (with_protocol, Some("ovation"))] {
        let (socket, response) = tokio_tungstenite::connect_async(request).await.expect("a connection");
        let chosen = response.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap());
        assert_eq!(chosen, protocol, "the token is never said back");
        let mut client = Client(socket);
        client.send(&subscribe).await;
        assert_eq!(groups(&client.snapshot().await), OF_CHANNEL_1);
    }
    let mut client =
        Client::subscribed(&gateway, &format!(r#"{{"subscribe":{ALL},"token":"{token}"}}"#)).await;
    assert_eq!(groups(&client.snapshot().await), OF_CHANNEL_1);
    for channel in ["twitch:2", "twitch:1"] {
        results.put(channel, &flag(channel, &format!("live in {channel}"), 100, "x"));
    }
    assert_eq!(client.next().await["key"]["channel"], "twitch:1", "changes are narrowed too");

    let path = format!("/api/snapshot?subscribe={ALL}").replace('"', "%22").replace(['{', '}'], "%7B");
    assert_eq!(gateway.get(&path, &[]).await.0, 401);
    let bearer = format!("bearer {token}");
    let (status, _, body) = gateway.get("/api/snapshot?kind=engagement", &[("authorization", &bearer)]).await;
    assert_eq!((status, body.contains("twitch:1"), body.contains("twitch:2")), (200, true, false));
    let (status, _, _) = gateway.get(&format!("/api/snapshot?kind=engagement&token={token}"), &[]).await;
    assert_eq!(status, 401, "an address ends in logs: only where a browser leaves no other way");
    let mut stream = Stream::open(&gateway, &format!("/sse?kind=engagement&token={token}"), &[]).await;
    assert_eq!(groups(stream.next().await["items"].as_array().unwrap()), ["engagement twitch:1"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_at_all_is_an_error() {
    let results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let token = token(json!({"channels": ["twitch:1"], "read": [{"kind": "markets"}]}));
    let bearer = format!("Bearer {token}");
    for (selector, is_allowed) in [
        (r#"{"kind":"engagement","channel":"twitch:2"}"#, false),
        (r#"{"kind":"leaderboards","group":"global"}"#, false),
        (r#"{"kind":"leaderboards","group":"twitch:10*"}"#, false),
        (r#"{"kind":"health"}"#, false),
        (r#"{"kind":"leaderboards"}"#, true),
        (r#"{"kind":"leaderboards","group":"twitch:1*"}"#, true),
        (r#"{"kind":"markets","market":"binance-spot:BTCUSDT"}"#, true),
    ] {
        let message = format!(r#"{{"subscribe":[{{"kind":"markets"}},{selector}],"token":"{token}"}}"#);
        let mut client = Client::subscribed(&gateway, &message).await;
        let list = format!("[{selector}]").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        let path = format!("subscribe={list}");
        let headers = [("authorization", bearer.as_str())];
        let (status, _, body) = gateway.get(&format!("/api/snapshot?{path}"), &headers).await;
        if is_allowed {
            client.snapshot().await;
            assert_eq!(status, 200, "{selector}");
        } else {
            assert_eq!(end_of(&mut client).await, ("forbidden".to_owned(), 4403), "{selector}");
            assert_eq!((status, body.contains("\"forbidden\"")), (403, true), "{selector}");
            assert_eq!(gateway.get(&format!("/sse?{path}"), &headers).await.0, 403, "{selector}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_what_there_is_is_told_what_is_left_out() {
    let results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let token = token(json!({"channels": ["twitch:1"]}));
    let asked =
        json!([{"kind": "health"}, {"kind": "engagement"}, {"kind": "leaderboards", "group": "global"}]);
    let forbidden = json!([asked[0], asked[2]]);

    let message = json!({"subscribe": asked, "token": token, "partial": true}).to_string();
    let mut client = Client::subscribed(&gateway, &message).await;
    let first = client.next().await;
    assert_eq!((&first["type"], &first["forbidden"]), (&json!("snapshot"), &forbidden), "{first}");
    assert_eq!(groups(first["items"].as_array().unwrap()), ["engagement twitch:1"]);
    let again =
        json!({"subscribe": asked, "token": token, "partial": true, "resume": first["id"]}).to_string();
    client.send(&again).await;
    let resumed = client.next().await;
    assert_eq!((&resumed["type"], &resumed["forbidden"]), (&json!("resumed"), &forbidden));

    let list = asked.to_string().replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let bearer = format!("Bearer {token}");
    let path = format!("/api/snapshot?partial=true&subscribe={list}");
    let (status, _, body) = gateway.get(&path, &[("authorization", &bearer)]).await;
    let whole: Json = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &whole["forbidden"]), (200, &forbidden));
    let mut stream =
        Stream::open(&gateway, &format!("/sse?partial=true&kind=health&token={token}"), &[]).await;
    let first = stream.next().await;
    assert_eq!((&first["forbidden"], &first["items"]), (&json!([{"kind": "health"}]), &json!([])));
    let (status, _, body) =
        gateway.get("/api/snapshot?partial=1&kind=health", &[("authorization", &bearer)]).await;
    assert_eq!((status, body.contains("`partial` must be")), (400, true));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_ends_its_connections_and_a_new_one_keeps_them() {
    let results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let short = token_for(3);
    let message = |token: &str| format!(r#"{{"subscribe":{ALL},"token":"{token}"}}"#);
    let mut ends = Client::subscribed(&gateway, &message(&short)).await;
    let mut goes_on = Client::subscribed(&gateway, &message(&short)).await;
    let mut stream = Stream::open(&gateway, &format!("/sse?kind=health&token={short}"), &[]).await;
    assert_eq!(stream.next().await["type"], "snapshot");
    ends.snapshot().await;
    goes_on.snapshot().await;
    goes_on.send(&message(&token(json!({"channels": ["twitch:2"]})))).await;
    assert_eq!(goes_on.snapshot().await.len(), 3, "the new token's rights");

    assert_eq!(end_of(&mut ends).await, ("token_expired".to_owned(), 4401));
    let mut last = stream.next().await;
    while last["type"] == "change" {
        last = stream.next().await;
    }
    assert_eq!((&last["type"], &last["code"]), (&json!("error"), &json!("token_expired")));
    assert_eq!(stream.next_any().await, None, "the stream ends");
    let (status, headers, _) = gateway.get(&format!("/sse?kind=health&token={short}"), &[]).await;
    assert_eq!((status, headers["www-authenticate"].contains("expired")), (401, true));
    assert_eq!(goes_on.next_any().await["type"], "heartbeat", "this one has a newer token");

    goes_on.send(&message("nonsense")).await;
    assert_eq!(end_of(&mut goes_on).await, ("invalid_token".to_owned(), 4401));
    let mut wrong = format!("ws://{}/ws", gateway.address).into_client_request().unwrap();
    wrong.headers_mut().insert("sec-websocket-protocol", "ovation, bearer.nonsense".parse().unwrap());
    match tokio_tungstenite::connect_async(wrong).await {
        Err(WsError::Http(response)) => assert_eq!(response.status(), 401),
        other => panic!("not refused: {other:?}"),
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poller_is_told_that_nothing_has_changed() {
    let mut results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let bearer = format!("Bearer {}", token(json!({"channels": ["twitch:1"]})));
    let path = "/api/snapshot?kind=moderation";
    let (status, headers, _) = gateway.get(path, &[("authorization", &bearer)]).await;
    let tag = headers["etag"].clone();
    assert_eq!((status, headers["cache-control"].as_str()), (200, "private, no-cache"));
    assert!(tag.starts_with("W/\"") && headers["vary"].contains("authorization"), "{headers:?}");
    let again = |tag: String| gateway.get_with(path, &bearer, tag);
    let (status, headers, body) = again(tag.clone()).await;
    assert_eq!((status, headers["etag"].as_str(), body.as_str()), (304, tag.as_str(), ""));
    assert_eq!(again(format!("\"x\", {}", tag.trim_start_matches("W/"))).await.0, 304);
    assert_eq!(again("W/\"x\"".to_owned()).await.0, 200);
    results.put("twitch:2", &flag("twitch:2", "not for this one", 2, "x"));
    results.put("twitch:2", &engagement("twitch:2", 120, 10, 5));
    gateway.wait_for_health(|health| health["entries"].as_u64() >= Some(11)).await;
    assert_eq!(again(tag.clone()).await.0, 304, "what it does not see changes nothing for it");
    results.put("twitch:1", &flag("twitch:1", "news", 2, "x"));
    gateway.wait_for_health(|health| health["entries"].as_u64() >= Some(12)).await;
    let (status, headers, body) = again(tag.clone()).await;
    assert_eq!((status, body.contains("news")), (200, true));
    assert_ne!(headers["etag"], tag);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_may_send_its_token() {
    let results = Results::new("");
    let mut set_up = closed(None);
    set_up.allowed_origins = vec!["https://friends.example".to_owned()];
    let gateway = Gateway::start(&results.log, set_up).await;
    let address = gateway.address;
    let ask = move |origin: &str| {
        let url = format!("http://{address}/api/snapshot?kind=health");
        let request = ureq::options(url).config().http_status_as_error(false).build();
        let request = request.header("access-control-request-headers", "authorization");
        let response = request.header("origin", origin).call().expect("an answer");
        let allowed = response.headers().get("access-control-allow-headers").cloned();
        (response.status().as_u16(), allowed.map(|names| names.to_str().unwrap().to_owned()))
    };
    tokio::task::block_in_place(|| {
        let (status, names) = ask("https://friends.example");
        assert_eq!((status, names.is_some_and(|names| names.contains("authorization"))), (204, true));
        assert_eq!(ask("https://evil.example"), (403, None));
    });
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_documentation_run() {
    let mut results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let token = token(json!({"channels": ["twitch:1"]}));
    let folder = tempfile::tempdir().expect("a folder");
    let javascript = examples("javascript");
    let python = examples("python");
    assert!(!javascript.is_empty() && !python.is_empty());
    let named =
        |text: &String, ending: &str, program: &'static str| (text.clone(), ending.to_owned(), program);
    let all = javascript.iter().map(|text| named(text, "mjs", "node"));
    let all = all.chain(python.iter().map(|text| named(text, "py", "python3")));
    for (number, (text, ending, program)) in all.enumerate() {
        let here = text.replace("https://live.example.org", &format!("http://{}", gateway.address));
        assert_ne!(here, text, "the example names the gateway");
        let file = folder.path().join(format!("example-{number}.{ending}"));
        std::fs::write(&file, here).expect("written");
        let mut child = tokio::process::Command::new(program)
            .arg(&file)
            .env("TOKEN", &token)
            .env("PYTHONUNBUFFERED", "1")
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut line = async || {
            let line = tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("a line in time");
            line.expect("readable").unwrap_or_else(|| panic!("{program} ended:\n{text}"))
        };
        let mut found = line().await;
        while !found.contains("twitch:1") {
            found = line().await;
        }
        let id = format!("live-{number}");
        results.put("twitch:1", &board("top_chatters", "twitch:1", None, &[(&id, 100 + number as i64)]));
        while !line().await.contains(&id) {}
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_rust_runs() {
    let file = include_str!("dashboard_support/live_client.rs");
    let (_, code) = file.split_once("\n\n").expect("a head");
    assert_eq!(examples("rust"), [code.trim_end()], "the documentation has what is run here");
    let mut results = two_channels();
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let (address, token) = (format!("http://{}", gateway.address), token(json!({"channels": ["twitch:1"]})));
    let (lines, shown) = std::sync::mpsc::channel();
    let follower = std::thread::spawn(move || {
        let show = |change: &Json| {
            let leader = format!("{} {}", change["key"]["group"], change["value"]["entries"][0]["label"]);
            lines.send(leader).expect("heard");
        };
        live_client::follow(&address, &token, show).map_err(|error| error.to_string())
    });
    let next = || shown.recv_timeout(DEADLINE).expect("a line in time");
    assert_eq!(tokio::task::block_in_place(next), r#""twitch:1" "a""#);
    results.put("twitch:1", &board("top_chatters", "twitch:1", None, &[("live", 100)]));
    assert_eq!(tokio::task::block_in_place(next), r#""twitch:1" "live""#);
    gateway.stop().await;
    follower.join().expect("no panic").expect("the stream ends with the gateway");
}
