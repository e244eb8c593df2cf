//! The peer for live frames: Centrifugo, a gateway in Go that reads publications from Kafka.
//!
//! Set up as its documentation says for the same promises: history and recovery on, so that a client that comes back gets what it missed;
//! the commands come from Kafka, of which it is one consumer group. Always holds: it is a process of its own with nothing but defaults
//! beside that. Does not know: what is published.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kafka::broker::NewTopic;
use serde_json::json;

use crate::crowd::Door;
use crate::fanout::CHANNEL;
use crate::ovation::{Bench, PARTITIONS, Process};
use crate::publisher::PEER_TOPIC;

const GROUP: &str = "centrifugo";
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts it, and tells where clients come in.
///
/// # Errors
/// If it is not there (`make peers` builds it), or does not start.
pub fn start(bench: &Bench, binary: &PathBuf) -> Result<(Process, Door)> {
    ensure!(binary.exists(), "{} is not there: run `make peers` first", binary.display());
    let topic = NewTopic {
        name: PEER_TOPIC.to_owned(),
        partitions: PARTITIONS,
        replication: 1,
        config: Default::default(),
    };
    bench.log().create_topics(&[topic])?;
    let address: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let namespace = json!({
        "name": CHANNEL.split(':').next(),
        "allow_subscribe_for_client": true,
        "allow_subscribe_for_anonymous": true,
        "history_size": 300,
        "history_ttl": "10m",
        "force_recovery": true,
    });
    let consumer = json!({
        "enabled": true,
        "name": "results",
        "type": "kafka",
        "kafka": {"brokers": [bench.brokers()], "topics": [PEER_TOPIC], "consumer_group": GROUP},
    });
    let configuration = json!({
        "http_server": {"address": address.ip(), "port": address.port().to_string()},
        "client": {"allow_anonymous_connect_without_token": true},
        "channel": {"namespaces": [namespace]},
        "consumers": [consumer],
        "health": {"enabled": true},
        "log": {"level": "warn"},
        "usage_stats": {"disabled": true},
    });
    let file = bench.folder().join("centrifugo.json");
    std::fs::write(&file, configuration.to_string())?;
    let child = Command::new(binary).arg("--config").arg(&file).stdout(Stdio::null()).spawn()?;
    let process = Process::of(child, address.to_string());
    let started = Instant::now();
    while process.health().ok() != Some(200) {
        process.usage().context("centrifugo has ended")?;
        ensure!(started.elapsed() < DEADLINE, "centrifugo is not ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (connect, subscribe) =
        (json!({"id": 1, "connect": {}}), json!({"id": 2, "subscribe": {"channel": CHANNEL}}));
    let ask = format!("{connect}\n{subscribe}");
    Ok((process, Door { address, path: "/connection/websocket", ask }))
}

/// Waits until it has read what there is.
///
/// # Errors
/// If it does not.
pub fn wait_until_read(bench: &Bench) -> Result<()> {
    let started = Instant::now();
    while bench.committed(GROUP, &[PEER_TOPIC])? < bench.records(&[PEER_TOPIC])? {
        ensure!(started.elapsed() < DEADLINE, "centrifugo does not read");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
