//! What is wrong gets a clear message or a dead letter, and the rest goes on.

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use kafka::{Log, Outgoing, Partitioned, Producer};

use crate::deployment::Deployment;

/// The exit code and what was complained about.
fn failure(output: &Output) -> (i32, String) {
    (output.status.code().expect("a code"), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn fails(deployment: &Deployment, arguments: &[&str]) -> (i32, String) {
    failure(&deployment.command(arguments).output().expect("the binary runs"))
}

fn fixture(name: &str, text: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("writable");
    path.display().to_string()
}

#[test]
fn damaged_records_become_dead_letters_and_the_rest_goes_on() {
    let mut deployment = Deployment::new("damaged");
    let topic = format!("{}events.trades", deployment.prefix);
    let mut producer = deployment.log().producer().expect("a producer");
    let mut send = |value: Option<&[u8]>| {
        let record = Outgoing {
            topic: &topic,
            partition: Partitioned::To(0),
            timestamp_ms: 1_700_000_000_000,
            key: Some(b"k"),
            value,
        };
        producer.send(&record).expect("sent");
    };
    // A real schema id in front of a datum that ends too soon.
    let registered = deployment.run(&["schemas", "register"]);
    let line = registered.lines().find(|line| line.contains("events.trades")).expect("the trades' schema");
    let id: u32 = line.rsplit(' ').next().and_then(|id| id.parse().ok()).expect("an id");
    let truncated = [&[0], id.to_be_bytes().as_slice(), &[20, b'x']].concat();
    send(Some(&truncated));
    send(Some(&[0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
    send(Some(b"{\"not\": \"avro\"}"));
    send(None);
    producer.flush(Duration::from_secs(30)).expect("delivered");

    deployment.start(&["sink", "clickhouse"]);
    deployment.start(&["process", "markets"]);
    let trades = fixture(
        "trades.csv",
        "recv_ns,event_ms,trade_ms,symbol,trade_id,price,qty,buyer_is_maker,order_type_X\n\
         1723161254087896568,1723161255343,1723161255342,BTCUSDT,1,61837.63000000,0.02000000,True,\n",
    );
    deployment.run(&["produce", "replay", "--speed", "full", "--input", &format!("binance-csv:{trades}")]);

    deployment.wait_for("SELECT count() FROM trades", "1");
    deployment.wait_for("SELECT sum(trade_count) FROM current_candles WHERE interval_s = 1", "1");
    let letters = "SELECT count(), countIf(reason = 'undecodable'), countIf(reason = 'unknown_schema'), countIf(reason = 'not_wire_format')
        FROM (SELECT DISTINCT job, original_topic, original_partition, original_offset, reason FROM dead_letters)";
    // Each of the three is named by the job and by the sink, which read it on their own.
    deployment.wait_for(letters, "6\t2\t2\t2");
    let tail = deployment.run(&["tail", "ovation.dead-letter", "--from-beginning", "--exit-at-end"]);
    assert!(tail.contains("\"reason\":\"undecodable\""), "{tail}");
    assert!(tail.contains("eyJub3QiOiAiYXZybyJ9"), "the original bytes are kept: {tail}");
    deployment.stop();
}

#[test]
fn a_malformed_line_becomes_a_dead_letter_and_the_replay_goes_on() {
    let mut deployment = Deployment::new("malformed");
    deployment.start(&["sink", "clickhouse"]);
    let lines = fixture(
        "malformed.irc.txt",
        "@id=1;room-id=10;user-id=20;display-name=Ada;tmi-sent-ts=1700000000000 :ada!ada@ada.tmi.twitch.tv PRIVMSG #room :hello\n\
         @id=2;room-id=10;user-id=20;display-name=Ada;tmi-sent-ts=not-a-time :ada!ada@ada.tmi.twitch.tv PRIVMSG #room :when\n\
         @id=3;room-id=10;user-id=20;display-name=Ada;tmi-sent-ts=1700000001000 :ada!ada@ada.tmi.twitch.tv PRIVMSG #room :bye\n",
    );
    deployment.run(&["produce", "replay", "--speed", "full", "--input", &format!("twitch-irc:{lines}")]);
    deployment.wait_for("SELECT count() FROM chat", "2");
    deployment.wait_for("SELECT DISTINCT reason FROM dead_letters", "unreadable_input");
    deployment.stop();
}

#[test]
fn a_file_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let deployment = Deployment::new("refused");
    let no_price = fixture(
        "no-price.csv",
        "recv_ns,event_ms,trade_ms,symbol,trade_id,qty,buyer_is_maker\n1,1,1,A,1,1,True\n",
    );
    let (code, message) = fails(
        &deployment,
        &["produce", "replay", "--speed", "full", "--input", &format!("binance-csv:{no_price}")],
    );
    assert_eq!(code, 1);
    assert!(message.contains("price") && message.contains("no-price.csv"), "{message}");
    let (code, message) = fails(&deployment, &["produce", "replay", "--input", "binance:trades.csv"]);
    assert_eq!(code, 1);
    assert!(message.contains("binance-csv"), "{message}");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    let deployment = Deployment::new("configuration");
    let file = fixture("wrong.toml", "[kafka]\npartition = 3\n");
    let (code, message) = fails(&deployment, &["--config", &file, "topics", "apply"]);
    assert_eq!(code, 2);
    assert!(message.contains("wrong.toml:2:1: unknown field `partition`"), "{message}");
    assert!(message.contains("did you mean `partitions`?"), "{message}");
    let (code, message) = fails(&deployment, &["process", "market"]);
    assert_eq!(code, 1);
    assert!(message.contains("did you mean `markets`?"), "{message}");
}

#[test]
fn a_server_that_does_not_answer_is_named_with_its_key() {
    // Bound and closed again: nobody listens there now.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let mut deployment = Deployment::new("nobody");
    deployment.set("clickhouse.url", &format!("http://{free}"));
    let (code, message) = fails(&deployment, &["clickhouse", "migrate"]);
    assert_eq!(code, 1);
    assert!(message.contains(&free.to_string()) && message.contains("clickhouse.url"), "{message}");
    deployment.set("schema_registry.url", &format!("http://{free}"));
    let (code, message) = fails(&deployment, &["schemas", "register"]);
    assert_eq!(code, 1);
    assert!(message.contains(&free.to_string()) && message.contains("schema_registry.url"), "{message}");
    deployment.set("kafka.brokers", &free.to_string());
    let (code, message) = fails(&deployment, &["topics", "apply"]);
    assert_eq!(code, 1);
    assert!(message.contains(&free.to_string()) && message.contains("kafka.brokers"), "{message}");
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let mut deployment = Deployment::new("taken");
    deployment.set("dashboard.listen", &address.to_string());
    let (code, message) = fails(&deployment, &["dashboard"]);
    assert_eq!(code, 1);
    assert!(
        message.contains(&address.port().to_string()) && message.contains("dashboard.listen"),
        "{message}"
    );
    // The local stack's ports too: nothing starts half-way.
    let file = fixture(
        "taken.toml",
        &format!("[local]\nkafka_port = {}\ndata_dir = \"taken-stack\"\n", address.port()),
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ovation"))
        .args(["--config", &file, "run"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the binary runs");
    let (code, message) = failure(&output);
    assert_eq!(code, 1);
    assert!(message.contains(&address.port().to_string()) && message.contains("local"), "{message}");
}
