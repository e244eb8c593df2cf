//! Three instances of the jobs, one of which is killed every few seconds, and a broker that is killed once: what readers of
//! committed records see must equal an undisturbed run.
//!
//! `OVATION_TORTURE_EVENTS` makes it longer and `OVATION_TORTURE_SPEED` (times real time, at 100 events a second) denser:
//! `OVATION_TORTURE_EVENTS=1000000 OVATION_TORTURE_SPEED=50 cargo test --release -p cli --test pipeline torture -- --nocapture`

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use devstack::{Part, Stack, StackOptions};
use serde_json::Value;

use crate::deployment::{self, Deployment, EndsWithTest};
use crate::recordings;

const EVENTS_DEFAULT: u64 = 30_000;
const SPEED_DEFAULT: u64 = 20;
/// Events a second of event time.
const RATE: u64 = 100;
const INSTANCES: usize = 3;
/// Event time of the first event.
const START_MS: i64 = 1_700_000_040_000;
/// Midnight at which the recorded trades end but for a few: what ends later is closed by the clock, in minutes or a day.
const TRADES_END_MICROS: i64 = 1_723_161_600_000_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The last record of each window and, for all time, of each group; without the fields that describe the run.
#[derive(Default)]
struct LastRecords {
    by_identity: BTreeMap<String, (i64, Value)>,
    revisions: BTreeMap<String, Vec<i64>>,
}

impl LastRecords {
    fn add(&mut self, line: &str) {
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
        self.revisions.entry(identity.clone()).or_default().push(revision);
        match self.by_identity.get(&identity) {
            Some((newest, _)) if *newest >= revision => {}
            _ => drop(self.by_identity.insert(identity, (revision, shown["record"].take()))),
        }
    }

    /// Panics if a record is there twice, or a revision is missing.
    fn finish(self) -> BTreeMap<String, Value> {
        for (identity, mut seen) in self.revisions {
            seen.sort_unstable();
            let is_whole = seen.iter().copied().eq(1..=seen.len() as i64);
            assert!(is_whole, "{identity}: a revision is repeated or missing: {seen:?}");
        }
        self.by_identity.into_iter().map(|(identity, (_, record))| (identity, record)).collect()
    }
}

/// Records of windows that end by `end_micros` at the latest, which are final, and of boards of all time.
fn comparable(records: BTreeMap<String, Value>, end_micros: i64) -> BTreeMap<String, Value> {
    let is_comparable = |record: &Value| match record["window_end"].as_i64() {
        Some(window_end) => record["is_final"] == true && window_end <= end_micros,
        None => true,
    };
    records.into_iter().filter(|(_, record)| is_comparable(record)).collect()
}

fn results(deployment: &Deployment) -> BTreeMap<String, Value> {
    let mut last = LastRecords::default();
    for topic in ["results.leaderboards", "results.engagement", "results.markets"] {
        deployment.each_line(&["tail", topic, "--from-beginning", "--exit-at-end"], |line| last.add(line));
    }
    last.finish()
}

/// Kills the broker and starts another on the same data.
fn restart_broker(stack: &Stack, data: &Path) -> Child {
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

/// What happens to the instances.
#[derive(Clone, Copy, PartialEq)]
enum Disturbance {
    /// One is killed every few seconds, and the broker once.
    Kills,
    /// One after the other is asked to stop and started again. Each has a name that it keeps, and the broker assigns (KIP-848).
    RollingRestart,
}

/// What is put to the torture.
struct Torture<'a> {
    /// Topics and groups are named after it.
    name: &'a str,
    jobs: &'a [&'a str],
    /// Recordings, as `--input` names them.
    inputs: &'a [String],
    /// Times real time.
    speed: u64,
    disturbance: Disturbance,
    /// Windows that end later are not compared: they go on without events.
    end_micros: i64,
}

impl Torture<'_> {
    /// Runs it beside an undisturbed run and compares the two. The deployment, its jobs still running, the broker, and how many
    /// records were compared.
    fn run(&self, stack: &'static Stack, data: &Path) -> (Deployment, Option<EndsWithTest>, usize) {
        let mut deployment = Deployment::on(stack, self.name);
        let mut undisturbed = vec!["dry-run"];
        self.jobs.iter().for_each(|job| undisturbed.extend(["--job", job]));
        undisturbed.push("--input");
        undisturbed.extend(self.inputs.iter().map(String::as_str));
        let mut last = LastRecords::default();
        deployment.each_line(&undisturbed, |line| last.add(line));
        let expected = comparable(last.finish(), self.end_micros);

        deployment.set("process.session_timeout", "6s");
        // At this speed a second is many: a partition must not be called idle for a gap in its events.
        deployment.set("process.idle_after", "20s");
        let is_rolling = self.disturbance == Disturbance::RollingRestart;
        if is_rolling {
            deployment.set("kafka.group_protocol", "consumer");
        }
        let instance = |deployment: &Deployment, number: usize| {
            let mut command = deployment.command(&[&["process"], self.jobs].concat());
            if is_rolling {
                command.env("OVATION__INSTANCE_ID", format!("instance-{number}"));
            }
            command
        };
        for number in 0..INSTANCES {
            let command = instance(&deployment, number);
            deployment.start_command(command);
        }
        let speed = self.speed.to_string();
        let mut command = vec!["produce", "replay", "--speed", &speed, "--input"];
        command.extend(self.inputs.iter().map(String::as_str));
        let mut replay = deployment.command(&command).spawn().expect("the binary runs");
        let started = Instant::now();
        let (mut disturbances, mut broker) = (0, None);
        while replay.try_wait().expect("a state").is_none() {
            std::thread::sleep(Duration::from_secs(4));
            let number = disturbances % INSTANCES;
            let command = instance(&deployment, number);
            disturbances += 1;
            if is_rolling {
                deployment.restart(number, command);
                continue;
            }
            deployment.kill_and_restart(number, command);
            if disturbances == 2 {
                broker = Some(EndsWithTest(restart_broker(stack, data)));
            }
        }
        assert!(replay.wait().expect("ended").success());
        assert!(disturbances >= 3, "the replay was over before much could go wrong");
        self.wait_for(&deployment, &expected);
        println!(
            "{}: instances {} {disturbances} times: {} records equal, {} s",
            self.name,
            if is_rolling { "restarted" } else { "killed, the broker once," },
            expected.len(),
            started.elapsed().as_secs()
        );
        (deployment, broker, expected.len())
    }

    /// Windows close when all is quiet; then nothing may be missing, repeated or different.
    fn wait_for(&self, deployment: &Deployment, expected: &BTreeMap<String, Value>) {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let found = comparable(results(deployment), self.end_micros);
            let missing = expected.iter().find(|(identity, record)| found.get(*identity) != Some(record));
            match missing {
                None => {
                    let more = found.keys().find(|identity| !expected.contains_key(*identity));
                    assert_eq!(more, None, "a record that the undisturbed run does not have");
                    return;
                }
                Some((identity, record)) if Instant::now() > deadline => {
                    panic!("{identity}: expected {record}, found {:?}", found.get(identity));
                }
                Some(_) => std::thread::sleep(Duration::from_secs(2)),
            }
        }
    }
}

/// Servers of a test's own, since its broker is killed; they end with this program.
fn own_stack(folder: &Path) -> &'static Stack {
    let options = StackOptions::new(folder)
        .with_kafka(Part::Free)
        .with_clickhouse(Part::Free)
        .with_registry(Part::Free)
        .with_server_command(vec![env!("CARGO_BIN_EXE_ovation").into(), "devstack".into()]);
    Box::leak(Box::new(Stack::start(options).expect("the local stack")))
}

/// A recording of simulated events; disorder stays within the lateness.
fn record(stack: &'static Stack, folder: &Path, count: u64) -> Vec<String> {
    let recording = folder.join("events.jsonl").display().to_string();
    let (count, rate, start) = (count.to_string(), RATE.to_string(), START_MS.to_string());
    let simulate = ["produce", "simulate", "--count", &count, "--rate", &rate, "--seed", "11"];
    let recorded = ["--start", &start, "--disorder-ms", "1500", "--to", &recording];
    Deployment::on(stack, "recording").run(&[&simulate[..], &recorded].concat());
    vec![format!("jsonl:{recording}")]
}

/// The instant after the last of so many simulated events.
fn end_micros(count: u64) -> i64 {
    START_MS * 1_000 + (count / RATE) as i64 * 1_000_000
}

#[test]
fn killed_instances_and_a_killed_broker_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = own_stack(folder.path());
    let count = setting("OVATION_TORTURE_EVENTS", EVENTS_DEFAULT);
    let torture = Torture {
        name: "torture",
        jobs: &["leaderboards", "engagement", "markets"],
        inputs: &record(stack, folder.path(), count),
        speed: setting("OVATION_TORTURE_SPEED", SPEED_DEFAULT),
        disturbance: Disturbance::Kills,
        end_micros: end_micros(count),
    };
    let (mut deployment, _broker, compared) = torture.run(stack, folder.path());
    assert!(compared > 300, "only {compared} records were compared");
    deployment.stop();
}

#[test]
fn a_rolling_restart_of_named_instances_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = deployment::stack();
    let count = 30_000;
    let torture = Torture {
        name: "rolling",
        jobs: &["leaderboards", "engagement", "markets"],
        inputs: &record(stack, folder.path(), count),
        speed: 10,
        disturbance: Disturbance::RollingRestart,
        end_micros: end_micros(count),
    };
    let (mut deployment, _, compared) = torture.run(stack, folder.path());
    assert!(compared > 300, "only {compared} records were compared");
    deployment.stop();
}

#[test]
fn recorded_trades_survive_the_same_to_the_last_digit() {
    let Some(data) = recordings::data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let torture = Torture {
        name: "trades_torture",
        jobs: &["markets"],
        inputs: &recordings::trade_inputs(&data),
        speed: 10,
        disturbance: Disturbance::Kills,
        end_micros: TRADES_END_MICROS,
    };
    let (mut deployment, _broker, compared) = torture.run(own_stack(folder.path()), folder.path());
    assert!(compared > 1_000, "only {compared} records were compared");
    deployment.start(&["sink", "clickhouse"]);
    recordings::assert_trades(&deployment, &data);
    deployment.stop();
}
