//! Three instances of the jobs, one of which is killed every few seconds, and a broker that is killed once: what readers of
//! committed records see must equal an undisturbed run.
//!
//! `OVATION_TORTURE_EVENTS` makes it longer and `OVATION_TORTURE_SPEED` (times real time, at 100 events a second) denser:
//! `OVATION_TORTURE_EVENTS=1000000 OVATION_TORTURE_SPEED=50 cargo test --release -p cli --test pipeline torture -- --nocapture`

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use devstack::{Part, Stack, StackOptions};
use serde_json::Value;

use crate::deployment::Deployment;

const EVENTS_DEFAULT: u64 = 30_000;
const SPEED_DEFAULT: u64 = 20;
/// Events a second of event time.
const RATE: u64 = 100;
const INSTANCES: usize = 3;
/// Event time of the first event.
const START_MS: i64 = 1_700_000_040_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn events() -> u64 {
    setting("OVATION_TORTURE_EVENTS", EVENTS_DEFAULT)
}

/// The last record of each window and, for all time, of each group; without the fields that describe the run. Panics if a
/// record is there twice, or a revision is missing.
fn last_records(lines: &str) -> BTreeMap<String, Value> {
    let mut last: BTreeMap<String, (i64, Value)> = BTreeMap::new();
    let mut revisions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in lines.lines() {
        let mut shown: Value = serde_json::from_str(line).expect("json");
        let topic = shown["topic"].as_str().expect("a topic").to_owned();
        let key = shown["key"].as_str().expect("a key").to_owned();
        let record = shown["record"].as_object_mut().expect("a record");
        for field in ["as_of", "watermark", "computed_at", "shard", "input_offsets"] {
            record.remove(field);
        }
        let identity = format!("{topic} {key} {}", record["window_start"]);
        // The number of records before the last depends on nothing but the events, unless a window is closed by the clock.
        let revision = record["revision"].as_i64().expect("a revision");
        revisions.entry(identity.clone()).or_default().push(revision);
        let record = Value::Object(record.clone());
        match last.get(&identity) {
            Some((newest, _)) if *newest >= revision => {}
            _ => drop(last.insert(identity, (revision, record))),
        }
    }
    for (identity, mut seen) in revisions {
        seen.sort_unstable();
        let expected: Vec<i64> = (1..=seen.len() as i64).collect();
        assert_eq!(seen, expected, "{identity}: a revision is repeated or missing");
    }
    last.into_iter().map(|(identity, (_, record))| (identity, record)).collect()
}

/// Records of windows that the events themselves close, and of boards of all time.
fn comparable(records: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let end_micros = START_MS * 1_000 + (events() / RATE) as i64 * 1_000_000;
    let is_comparable = |record: &Value| match record["window_end"].as_i64() {
        Some(window_end) => record["is_final"] == true && window_end <= end_micros,
        None => true,
    };
    records.into_iter().filter(|(_, record)| is_comparable(record)).collect()
}

fn results(deployment: &Deployment) -> String {
    let topics = ["results.leaderboards", "results.engagement", "results.markets"];
    topics.map(|topic| deployment.run(&["tail", topic, "--from-beginning", "--exit-at-end"])).concat()
}

/// A broker of our own, which can be killed and started again on the same data.
fn restart_broker(stack: &Stack, data: &std::path::Path) -> Child {
    let broker = stack.process_ids()[0].to_string();
    assert!(Command::new("kill").args(["-KILL", &broker]).status().expect("kill runs").success());
    let port = stack.kafka_brokers().rsplit(':').next().expect("a port").to_owned();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    Command::new(env!("CARGO_BIN_EXE_ovation"))
        .args(["devstack", "kafka", "--port", &port, "--controller-port", &free.port().to_string(), "--data"])
        .arg(data.join("kafka"))
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs")
}

#[test]
fn killed_instances_and_a_killed_broker_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = StackOptions::new(folder.path())
        .with_kafka(Part::Free)
        .with_clickhouse(Part::Free)
        .with_registry(Part::Free)
        .with_server_command(vec![env!("CARGO_BIN_EXE_ovation").into(), "devstack".into()]);
    let stack: &'static Stack = Box::leak(Box::new(Stack::start(options).expect("the local stack")));
    let mut deployment = Deployment::on(stack, "torture");
    let recording = folder.path().join("events.jsonl").display().to_string();
    let (count, rate, start) = (events().to_string(), RATE.to_string(), START_MS.to_string());
    // Whole channels come and go; disorder stays within the lateness.
    deployment.run(&[
        "produce",
        "simulate",
        "--count",
        &count,
        "--rate",
        &rate,
        "--seed",
        "11",
        "--start",
        &start,
        "--disorder-ms",
        "1500",
        "--to",
        &recording,
    ]);
    let input = format!("jsonl:{recording}");
    let undisturbed =
        ["dry-run", "--job", "leaderboards", "--job", "engagement", "--job", "markets", "--input", &input];
    let expected = comparable(last_records(&deployment.run(&undisturbed)));

    let jobs = ["process", "leaderboards", "engagement", "markets"];
    deployment.set("process.session_timeout", "6s");
    // At this speed a second is twenty: a partition must not be called idle for a gap in its events.
    deployment.set("process.idle_after", "20s");
    (0..INSTANCES).for_each(|_| deployment.start(&jobs));
    let speed = setting("OVATION_TORTURE_SPEED", SPEED_DEFAULT).to_string();
    let mut replay = deployment
        .command(&["produce", "replay", "--speed", &speed, "--input", &input])
        .spawn()
        .expect("the binary runs");
    let started = Instant::now();
    let (mut kills, mut broker) = (0, None);
    while replay.try_wait().expect("a state").is_none() {
        std::thread::sleep(Duration::from_secs(4));
        deployment.kill_and_restart(kills % INSTANCES, &jobs);
        kills += 1;
        if kills == 2 {
            broker = Some(restart_broker(stack, folder.path()));
        }
    }
    assert!(replay.wait().expect("ended").success());
    assert!(kills >= 3, "the replay was over before much could go wrong");

    // Windows close when all is quiet; then nothing may be missing, repeated or different.
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let found = comparable(last_records(&results(&deployment)));
        let missing = expected.iter().find(|(identity, record)| found.get(*identity) != Some(record));
        match missing {
            None => {
                let more = found.keys().find(|identity| !expected.contains_key(*identity));
                assert_eq!(more, None, "a record that the undisturbed run does not have");
                break;
            }
            Some((identity, record)) if Instant::now() > deadline => {
                panic!("{identity}: expected {record}, found {:?}", found.get(identity));
            }
            Some(_) => std::thread::sleep(Duration::from_secs(2)),
        }
    }
    println!(
        "{count} events, {kills} instances killed, the broker killed once: {} records equal, {} s",
        expected.len(),
        started.elapsed().as_secs()
    );
    assert!(expected.len() > 300, "only {} records were compared", expected.len());
    deployment.stop();
    if let Some(mut broker) = broker {
        broker.kill().expect("killed");
        broker.wait().expect("ended");
    }
}
