//! The chat through the gateway: each event to those who may read the channel, and to nobody where it is off.

mod dashboard_support;

use dashboard_support::*;
use schemas::{ChatEvent, ChatKind};
use serde_json::{Value as Json, json};
use sinks::dashboard::access::{Key, TokenAlgorithm, mint};
use sinks::dashboard::{Access, DashboardOptions};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const HOSTILE: &str =
    "</script><img src=x onerror=alert(1)>\u{202e}\u{0}\r\n\r\ndata: {\"type\":\"error\"}\n";

/// The chat as it is or is not served, to those with a token.
fn closed(with_chat: bool) -> DashboardOptions {
    let mut set_up = options();
    let key = Key::new("k", TokenAlgorithm::Hs256, SECRET).expect("a key");
    set_up.access = Access::new(vec![key], None, None).expect("access");
    set_up.with_chat = with_chat;
    set_up
}

fn token(claims: Json) -> String {
    mint("k", TokenAlgorithm::Hs256, SECRET, claims, std::time::Duration::from_secs(600)).expect("a token")
}

fn ids(items: &[Json]) -> Vec<&str> {
    items.iter().map(|item| item["value"]["event_id"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_goes_to_those_who_may_read_the_channel() {
    let mut results = Results::new("");
    results.put("twitch:1", &message("twitch:1", "before", 100, HOSTILE));
    results.put("twitch:2", &message("twitch:2", "elsewhere", 100, "hello"));
    let gateway = Gateway::start(&results.log, closed(true)).await;
    let token = token(json!({"channels": ["twitch:1"]}));
    let ask = json!({"subscribe": [{"kind": "chat"}], "token": token}).to_string();
    let mut client = Client::subscribed(&gateway, &ask).await;
    let items = client.snapshot().await;
    assert_eq!(ids(&items), ["before"]);
    assert_eq!(items[0]["key"], json!({"channel": "twitch:1", "what": "message"}));
    assert_eq!(items[0]["value"]["text"], HOSTILE, "the text is what was sent");
    assert_eq!((&items[0]["as_of"], &items[0]["watermark"]), (&json!(100_000_000), &Json::Null));

    let mut stream =
        Stream::open(&gateway, &format!("/sse?kind=chat&channel=twitch:1&token={token}"), &[]).await;
    assert_eq!(ids(stream.next().await["items"].as_array().unwrap()), ["before"]);
    results.put("twitch:2", &message("twitch:2", "elsewhere again", 101, "hello"));
    let question = ChatEvent { is_question: true, ..message("twitch:1", "asked", 101, "When?") };
    let action = ChatEvent {
        kind: ChatKind::MessageDeleted,
        text: None,
        target_message_id: Some("before".into()),
        ..message("twitch:1", "deleted", 102, "")
    };
    for (event, what) in [(question, "question"), (action, "action")] {
        results.put("twitch:1", &event);
        for change in [client.next().await, stream.next().await] {
            assert_eq!(
                (&change["value"]["event_id"], &change["key"]["what"]),
                (&json!(event.event_id.as_str()), &json!(what))
            );
        }
    }
    // sent twice, it is there once
    results.put("twitch:1", &message("twitch:1", "after", 103, "hello"));
    results.put("twitch:1", &message("twitch:1", "after", 103, "the same"));
    while client.next().await["value"]["text"] != "the same" {}
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let (status, _, body) = gateway.get("/api/snapshot?kind=chat&what=message", &headers).await;
    let whole: Json = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, ids(whole["items"].as_array().unwrap())), (200, vec!["after"]));
    assert_eq!(gateway.get("/api/snapshot?kind=chat&channel=twitch:2", &headers).await.0, 403);
    assert_eq!(
        (&whole["as_of"], &whole["watermark"]),
        (&Json::Null, &Json::Null),
        "of results, and there is none"
    );
    let health = gateway.get_json("/api/health").await;
    assert_eq!(health["as_of"], Json::Null);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_messages_are_kept_and_a_clock_that_runs_ahead_keeps_no_place() {
    let mut results = Results::new("");
    let ahead = ChatEvent { event_time: at(i64::MAX / 2), ..message("c", "ahead", 0, "from the future") };
    results.put("c", &ahead);
    results.put("c", &ChatEvent { is_question: true, ..message("c", "asked", 1, "Still here?") });
    for number in 0..5 {
        results.put("c", &message("c", &format!("m{number}"), 10 + number, "x"));
    }
    let mut set_up = options();
    set_up.with_chat = true;
    set_up.store.chat_max = 3;
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut client = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"chat"}]}"#).await;
    assert_eq!(
        ids(&client.snapshot().await),
        ["asked", "m2", "m3", "m4"],
        "a question is not driven out by talk"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_comes_to_nobody_who_was_not_there() {
    const ASK: &str = r#"{"subscribe":[{"kind":"chat"}]}"#;
    let by =
        |user: &'static str, event: ChatEvent<'static>| ChatEvent { user_id: Some(user.into()), ..event };
    let action = |id: &str, time_s: i64, kind: ChatKind| ChatEvent {
        kind,
        text: None,
        user_id: None,
        ..message("c", id, time_s, "")
    };
    let mut results = Results::new("");
    results.put("c", &by("u:bad", message("c", "insult", 1, "SECRET one")));
    results.put("c", &ChatEvent { is_question: true, ..by("u:bad", message("c", "asks", 2, "SECRET two")) });
    results.put("c", &by("u:good", message("c", "kind", 3, "hello")));
    results.put("d", &by("u:bad", message("d", "elsewhere", 1, "in another channel")));
    let mut set_up = options();
    set_up.with_chat = true;
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut there = Client::subscribed(&gateway, ASK).await;
    let mut left = Client::subscribed(&gateway, ASK).await;
    assert_eq!(there.snapshot().await.len(), 4);
    let frame = left.next().await;
    assert_eq!((&frame["type"], &frame["is_last"]), (&json!("snapshot"), &json!(true)));
    drop(left);

    results.put("c", &by("u:good", message("c", "oops", 4, "SECRET three")));
    assert_eq!(there.next().await["value"]["event_id"], "oops");
    let deletion = ChatEvent {
        target_message_id: Some("oops".into()),
        ..action("deletes", 5, ChatKind::MessageDeleted)
    };
    let ban = ChatEvent { target_user_id: Some("u:bad".into()), ..action("bans", 6, ChatKind::UserBanned) };
    results.put("c", &deletion);
    results.put("c", &ban);
    // what comes late, or again, was taken back as well
    results.put("c", &by("u:bad", message("c", "late", 2, "SECRET four")));
    results.put("c", &by("u:good", message("c", "oops", 4, "SECRET three")));
    results.put("c", &by("u:bad", message("c", "forgiven", 7, "sorry")));
    for id in ["deletes", "bans", "forgiven"] {
        assert_eq!(there.next().await["value"]["event_id"], id, "who was there is told");
    }

    let standing = ["kind", "elsewhere", "deletes", "bans", "forgiven"];
    let mut late = Client::subscribed(&gateway, ASK).await;
    let mut stream = Stream::open(&gateway, "/sse?kind=chat", &[]).await;
    let (_, _, whole) = gateway.get("/api/snapshot?kind=chat", &[]).await;
    let whole: Json = serde_json::from_str(&whole).expect("JSON");
    let streamed = stream.next().await;
    for items in [late.snapshot().await, list(&streamed), list(&whole)] {
        let mut ids = ids(&items);
        ids.sort_by_key(|id| standing.iter().position(|one| one == id));
        assert_eq!(ids, standing);
        assert!(!json!(items).to_string().contains("SECRET"));
    }
    let resume = json!({"subscribe": [{"kind": "chat"}], "resume": frame["id"]}).to_string();
    let mut back = Client::subscribed(&gateway, &resume).await;
    assert_eq!(back.next().await["type"], "resumed", "nothing is missing: the actions say it all");
    for id in ["deletes", "bans", "forgiven"] {
        assert_eq!(back.next().await["value"]["event_id"], id, "once, and no message that is gone");
    }

    results.put("c", &action("clears", 8, ChatKind::ChatCleared));
    assert_eq!(back.next().await["value"]["event_id"], "clears");
    let mut empty = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"chat","channel":"c"}]}"#).await;
    assert_eq!(ids(&empty.snapshot().await), ["deletes", "bans", "clears"]);
    gateway.stop().await;
}

fn list(snapshot: &Json) -> Vec<Json> {
    snapshot["items"].as_array().expect("items").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_chat_is_off_nobody_may_read_it() {
    let mut results = Results::new("");
    results.put("twitch:1", &message("twitch:1", "m", 1, "hello"));
    results.put("twitch:1", &engagement("twitch:1", 60, 10, 5));
    let gateway = Gateway::start(&results.log, closed(false)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    for claims in
        [json!({"channels": ["twitch:1"]}), json!({"read": "*"}), json!({"read": [{"kind": "chat"}]})]
    {
        let bearer = format!("Bearer {}", token(claims.clone()));
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(gateway.get("/api/snapshot?kind=chat", &headers).await.0, 403, "{claims}");
        let (status, _, body) = gateway.get("/api/snapshot?kind=chat&partial=true", &headers).await;
        let whole: Json = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &whole["forbidden"]), (200, &json!([{"kind": "chat"}])), "{claims}");
        assert_eq!(whole["items"], json!([]));
    }
    let health = gateway.get_json("/api/health").await;
    assert_eq!(health["entries"], 2, "the window and the health: the chat is not even read");
    gateway.stop().await;
}
