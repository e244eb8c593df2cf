//! The page in a real browser, against a gateway with an hour of results. The scripts in `web/test` look and click; this side starts
//! and stops the gateway and, for `browser.mjs`, publishes when it is told to, a line at a time.
//!
//! With `OVATION_SCREENSHOTS=FOLDER` pictures of the page are kept there.

mod dashboard_support;
#[path = "dashboard_support/sample.rs"]
mod sample;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::Html;
use axum::routing::get;
use dashboard_support::*;
use schemas::DeadLetter;
use serde_json::{Value as Json, json};
use sinks::dashboard::access::{Key, TokenAlgorithm, mint};
use sinks::dashboard::selector::Selectors;
use sinks::dashboard::{Access, DashboardOptions, JobLag};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

fn require(path: &Path, what: &str) {
    assert!(path.exists(), "{what} is missing ({}): run `make web`", path.display());
}

/// The folder of the page, which is built.
fn web() -> PathBuf {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    require(&web.join("node_modules/playwright-core"), "the page's test tool");
    require(&web.join("dist/index.html"), "the built page");
    let page = std::fs::read_to_string(web.join("dist/index.html")).expect("the page");
    assert!(!page.contains("ovation-placeholder"), "the page is not built: run `make web`");
    web
}

fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

/// For those with a token only, but for what `anonymous` matches.
fn closed(anonymous: Option<&Json>) -> DashboardOptions {
    let key = Key::new("k", TokenAlgorithm::Hs256, SECRET).expect("a key");
    let anonymous = anonymous.map(|list| Selectors::from_json(list, "anonymous", 8).expect("selectors"));
    DashboardOptions { access: Access::new(vec![key], None, anonymous).expect("access"), ..options() }
}

fn token(claims: Json) -> String {
    mint("k", TokenAlgorithm::Hs256, SECRET, claims, Duration::from_secs(600)).expect("a token")
}

/// Runs one of the page's tests that needs nobody's help to its end, which must be good.
async fn look(script: &str, arguments: &[&str]) {
    let run =
        Command::new("node").arg(web().join("test").join(script)).args(arguments).kill_on_drop(true).status();
    let status = tokio::time::timeout(Duration::from_secs(180), run).await.expect("it ends");
    assert!(status.expect("node is installed").success(), "the browser found a fault, see above");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_channel_shows_that_channel_and_says_what_it_does_not_open() {
    let mut results = Results::new("");
    sample::hour(&mut results, now_s());
    let open = json!([{ "kind": "engagement", "channel": sample::HOSTILE_CHANNEL }]);
    let gateway = Gateway::start(&results.log, closed(Some(&open))).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let token = token(json!({ "channels": [sample::CHANNEL] }));
    let url = format!("http://{}/", gateway.address);
    look("token.mjs", &[&url, &token, sample::CHANNEL, sample::HOSTILE_CHANNEL]).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_nothing_is_told_why_and_knocks_seldom() {
    let mut results = Results::new("");
    sample::hour(&mut results, now_s());
    let gateway = Gateway::start(&results.log, closed(None)).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let url = format!("http://{}/", gateway.address);
    let secret = std::str::from_utf8(SECRET).expect("text");
    look("closed.mjs", &[&url, secret, sample::CHANNEL]).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_documentation_runs_on_a_page_of_another_origin() {
    let mut results = Results::new("");
    results.put("twitch:1", &board("top_chatters", "twitch:1", None, &[("before", 1)]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let mut set_up = closed(None);
    set_up.allowed_origins = vec![origin.clone()];
    let gateway = Gateway::start(&results.log, set_up).await;
    gateway.wait_for_health(|health| health["state"] == "live").await;
    let [html] = examples("html").try_into().expect("one example");
    let page = html.replace("wss://live.example.org", &format!("ws://{}", gateway.address));
    assert_ne!(page, html, "the example names the gateway");
    let token = token(json!({ "channels": ["twitch:1"] }));
    let results = Arc::new(Mutex::new(results));
    let next = move || {
        let after = board("top_chatters", "twitch:1", None, &[("after", 2)]);
        results.lock().expect("no panic").put("twitch:1", &after);
        async {}
    };
    let site = axum::Router::new()
        .route("/", get(Html(format!("<link rel=\"icon\" href=\"data:,\">{page}"))))
        .route("/my-own-backend/ovation-token", get(token))
        .route("/next", get(next));
    let site = tokio::spawn(async move { axum::serve(listener, site).await });
    look("example.mjs", &[&format!("{origin}/")]).await;
    site.abort();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_gateway_has_in_a_real_browser() {
    let web = web();
    let now_s = now_s();
    let mut results = Results::new("");
    sample::hour(&mut results, now_s);
    let letter = DeadLetter {
        topic: "events.chat".to_owned(),
        partition: 0,
        offset: 7,
        key: None,
        value: Some(vec![1, 2]),
        reason: "not_wire_format".to_owned(),
        detail: "the first byte is not 0".to_owned(),
        job: "engagement".to_owned(),
        failed_at: at(now_s * 1_000_000),
    };
    results.put("events.chat", &letter);
    let with_chat = || DashboardOptions { with_chat: true, ..options() };
    let mut gateway = Some(Gateway::start(&results.log, with_chat()).await);
    let address = gateway.as_ref().unwrap().address;
    // of two jobs, one of which nobody runs
    let lag = |job: &str, members, records: &[i64]| JobLag {
        job: job.to_owned(),
        members,
        shards: records.iter().enumerate().map(|(shard, records)| (shard as i32, (*records, None))).collect(),
    };
    let lags = vec![lag("test", 2, &[7, 1_234, 0]), lag("never", 0, &[70_000])];
    gateway.as_ref().unwrap().lags.set(Some(lags));
    gateway.as_ref().unwrap().wait_for_health(|health| health["pipeline"]["jobs"][0]["job"] == "never").await;

    let mut node = Command::new("node")
        .arg(web.join("test/browser.mjs"))
        .args([format!("http://{address}/"), sample::CHANNEL.to_owned(), sample::MARKET.to_owned()])
        .arg(sample::HOSTILE_CHANNEL)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node is installed");
    let mut answers = node.stdin.take().unwrap();
    let mut orders = BufReader::new(node.stdout.take().unwrap()).lines();
    let mut step = 5;
    while let Some(order) = orders.next_line().await.expect("a line") {
        match order.strip_prefix("ORDER ") {
            Some("publish") => {
                let minute_s = now_s - now_s % 60;
                sample::news(&mut results, minute_s, now_s, step);
                step += 1;
            }
            Some("stop") => gateway.take().expect("running").stop().await,
            Some("start") => {
                let mut same_port = with_chat();
                same_port.listen = SocketAddr::from(([127, 0, 0, 1], address.port()));
                gateway = Some(Gateway::start(&results.log, same_port).await);
            }
            Some(other) => panic!("unknown order {other}"),
            None => {
                println!("{order}");
                continue;
            }
        }
        answers.write_all(b"done\n").await.expect("node listens");
    }
    let status = node.wait().await.expect("node ends");
    assert!(status.success(), "the browser found a fault, see above");
    gateway.take().expect("running").stop().await;
}
