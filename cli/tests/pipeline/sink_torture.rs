//! Two sinks and a ClickHouse server that are killed, answers and requests that are lost, sinks that come, go, and wake up after
//! somebody has gone on in their place: in the end every event is one row, in its table and behind every materialized view; and no
//! insert was sent before the log had its name.
//!
//! `OVATION_TORTURE_EVENTS` makes it longer:
//! `OVATION_TORTURE_EVENTS=2000000 cargo test --release -p cli --test pipeline sink_torture -- --nocapture`

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devstack::{Part, Stack, StackOptions};
use kafka::broker::BrokerLog;
use kafka::{Log as _, TopicPartition};

use crate::deployment::{Deployment, EndsWithTest, wait_until};
use crate::proxy::{self, Losses};

const EVENTS_DEFAULT: u64 = 40_000;
const PARTITIONS: i32 = 4;
const TABLES: [(&str, &str); 4] = [
    ("events.chat", "chat_events"),
    ("events.reactions", "reaction_events"),
    ("events.viewers", "viewer_events"),
    ("events.trades", "trade_events"),
];
/// So much of each log is shown when the test fails.
const LOG_LINES: usize = 25;

/// What happens to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    /// A sink is killed and started again under its name.
    KillSink,
    /// The server is killed, and started again on its data.
    KillServer,
    /// The server does the work, and nobody hears of it.
    LoseAnswers,
    /// The server gets the beginning of a request.
    LoseRequests,
    /// A third sink comes and leaves in order.
    Join,
    /// A sink stands still until another has gone on with its partitions, and wakes up.
    Zombie,
    /// A sink stands still until another of its name has gone on, and wakes up.
    Twin,
}

/// Numbers that look random (SplitMix64); the same ones from the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// A ClickHouse server that can be killed.
struct Server {
    child: EndsWithTest,
    port: u16,
}

impl Server {
    fn spawn(port: u16, folder: &Path) -> EndsWithTest {
        let child = Command::new(env!("CARGO_BIN_EXE_ovation"))
            .args(["devstack", "clickhouse", "--with-parent", "--port", &port.to_string(), "--data"])
            .arg(folder.join("clickhouse"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(
                File::options().create(true).append(true).open(folder.join("clickhouse.log")).expect("a log"),
            )
            .spawn();
        EndsWithTest(child.expect("the binary runs"))
    }

    fn start(folder: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port").port();
        let server = Server { child: Server::spawn(port, folder), port };
        server.wait();
        server
    }

    fn wait(&self) {
        wait_until("clickhouse answers", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn kill(&mut self) {
        self.child.0.kill().expect("killed");
        self.child.0.wait().expect("ended");
    }

    fn restart(&mut self, folder: &Path) {
        self.child = Server::spawn(self.port, folder);
        self.wait();
    }
}

struct Torture<'a> {
    deployment: &'a Deployment,
    folder: &'a Path,
    log: BrokerLog,
    server: Server,
    losses: &'a Losses,
    sinks: Vec<Child>,
    chance: Chance,
    counts: BTreeMap<Disturbance, u64>,
    restarts: u32,
}

impl Torture<'_> {
    fn sink(&self, name: Option<&str>) -> Child {
        let mut command = self.deployment.command(&["sink", "clickhouse"]);
        if let Some(name) = name {
            command.env("OVATION__INSTANCE_ID", name);
        }
        let log = self.folder.join(format!("{}.log", name.unwrap_or("third")));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary runs")
    }

    /// Starts again what ended because a server did not answer in time when it started, as a supervisor does; nothing else may end.
    fn supervise(&mut self) {
        for which in 0..self.sinks.len() {
            let Some(status) = self.sinks[which].try_wait().expect("a state") else { continue };
            let name = format!("sink-{which}");
            let log = std::fs::read_to_string(self.folder.join(format!("{name}.log"))).expect("a log");
            let last = log.lines().last().unwrap_or_default();
            let is_unanswered = last.contains("cannot be reached") || last.contains("no answer from");
            assert!(is_unanswered, "{name} ended with {status}: {last}");
            self.restarts += 1;
            self.sinks[which] = self.sink(Some(&name));
        }
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        let of = |topic: &str| format!("{}{topic}", self.deployment.prefix);
        let numbers = |(topic, _): (&str, &str)| {
            let name = of(topic);
            (0..PARTITIONS).map(move |number| TopicPartition::new(name.as_str(), number))
        };
        TABLES.into_iter().flat_map(numbers).collect()
    }

    fn positions(&self) -> Vec<i64> {
        let group = format!("{}ovation-clickhouse", self.deployment.prefix);
        let positions = self.log.group_positions(&group, &self.partitions()).expect("positions");
        positions.into_iter().map(|position| position.map_or(0, |position| position.offset)).collect()
    }

    /// Waits until every partition has gone on from where it is now.
    fn wait_until_all_went_on(&mut self, producer: &mut Child) {
        let before = self.positions();
        wait_until("others go on", || {
            self.supervise();
            let has_ended = producer.try_wait().expect("a state").is_some();
            has_ended || self.positions().iter().zip(&before).all(|(now, before)| now > before)
        });
    }

    /// How often a third sink has been given partitions.
    fn joins_of_the_third(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.join("third.log")).unwrap_or_default();
        log.matches("partitions assigned").count()
    }

    fn disturb(&mut self, disturbance: Disturbance, producer: &mut Child) {
        self.supervise();
        *self.counts.entry(disturbance).or_default() += 1;
        let which = self.chance.below(2) as usize;
        let name = format!("sink-{which}");
        match disturbance {
            Disturbance::KillSink => {
                self.sinks[which].kill().expect("killed");
                self.sinks[which].wait().expect("ended");
                self.sinks[which] = self.sink(Some(&name));
            }
            Disturbance::KillServer => {
                self.server.kill();
                std::thread::sleep(Duration::from_millis(self.chance.below(1_500)));
                self.server.restart(self.folder);
            }
            Disturbance::LoseAnswers => {
                self.losses.answers.fetch_add(3, Ordering::AcqRel);
            }
            Disturbance::LoseRequests => {
                self.losses.requests.fetch_add(3, Ordering::AcqRel);
            }
            Disturbance::Join => {
                let joins = self.joins_of_the_third();
                let mut third = self.sink(None);
                wait_until("a third sink has its share", || self.joins_of_the_third() > joins);
                self.wait_until_all_went_on(producer);
                signal(&third, "TERM");
                assert!(third.wait().expect("ended").success(), "the third sink did not end well");
            }
            Disturbance::Zombie => {
                signal(&self.sinks[which], "STOP");
                self.wait_until_all_went_on(producer);
                signal(&self.sinks[which], "CONT");
            }
            Disturbance::Twin => {
                signal(&self.sinks[which], "STOP");
                let mut twin = self.sink(Some(&name));
                self.wait_until_all_went_on(producer);
                signal(&self.sinks[which], "CONT");
                // the broker fences whoever joined first: the one that woke up, unless it had been given up and joins anew
                wait_until("one of two with the same name is fenced", || {
                    let has_ended = |child: &mut Child| child.try_wait().expect("a state").is_some();
                    if has_ended(&mut self.sinks[which]) {
                        std::mem::swap(&mut self.sinks[which], &mut twin);
                        return true;
                    }
                    has_ended(&mut twin)
                });
                assert!(!twin.wait().expect("ended").success(), "a fenced sink must not end well");
            }
        }
    }

    /// Rows of each topic and partition, as the table has them and as the view behind it was told of them.
    fn assert_each_once(&self) {
        for partition in self.partitions() {
            let (_, end) = self.log.offsets(&partition).expect("offsets");
            let table = TABLES.iter().find(|(topic, _)| partition.topic.ends_with(topic)).expect("a table").1;
            let (topic, number) = (&partition.topic, partition.partition);
            let of = format!("topic = '{topic}' AND partition = {number}");
            let rows = format!(
                "SELECT count(), uniqExact(offset), min(offset), max(offset) FROM {table} WHERE {of}"
            );
            assert_eq!(
                self.deployment.ask(&rows),
                format!("{end}\t{end}\t0\t{}", (end - 1).max(0)),
                "{partition}"
            );
            let told = format!("SELECT sum(records), sum(offsets) FROM told_{table} WHERE {of}");
            assert_eq!(
                self.deployment.ask(&told),
                format!("{end}\t{}", end * (end - 1) / 2),
                "{partition} behind a view"
            );
        }
    }
}

impl Drop for Torture<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["sink-0", "sink-1", "third", "clickhouse"] {
                let log =
                    std::fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
                println!("the end of {name}'s log:\n{end}");
            }
        }
        for sink in &mut self.sinks {
            sink.kill().ok();
            sink.wait().ok();
        }
    }
}

/// Looks, before the server gets an insert, whether the group's position says what it is: that is what a successor relies on.
struct Witness {
    log: BrokerLog,
    prefix: String,
    seen: AtomicU64,
    unnamed: Mutex<Vec<String>>,
}

impl Witness {
    fn look(&self, piece: &[u8]) {
        let start = &piece[..piece.len().min(4_096)];
        let start = String::from_utf8_lossy(start).replace("%2F", "/");
        let Some((_, rest)) = start.split_once("insert_deduplication_token=") else { return };
        let token = rest.split(['&', ' ']).next().unwrap_or_default();
        // TOPIC/PARTITION/FROM-END/HISTORY/DAY
        let words: Vec<&str> = token.split('/').collect();
        let [topic, partition, range, history, _] = words[..] else {
            panic!("a token of five words: {token}")
        };
        let end = range.split('-').next_back().expect("an end");
        let partition = TopicPartition::new(topic, partition.parse().expect("a partition"));
        // A broker that does not answer says nothing about the insert.
        let group = format!("{}ovation-clickhouse", self.prefix);
        let Ok(positions) = self.log.group_positions(&group, &[partition]) else { return };
        self.seen.fetch_add(1, Ordering::AcqRel);
        let position = positions.into_iter().next().flatten();
        let is_named = position.as_ref().is_some_and(|position| {
            let mut words = position.metadata.split([' ', '+', '=']);
            let is_past = position.offset >= end.parse().expect("an offset");
            is_past || (words.nth(2) == Some(history) && words.any(|word| word == end))
        });
        if !is_named {
            self.unnamed.lock().expect("no panic").push(format!("{token}, the position is {position:?}"));
        }
    }
}

/// Adds up what each table is told, in a table of its own behind a materialized view.
fn create_views(deployment: &Deployment) {
    for (_, table) in TABLES {
        deployment.ask(&format!(
            "CREATE TABLE told_{table} (topic String, partition Int32, records UInt64, offsets UInt64) \
             ENGINE = SummingMergeTree ORDER BY (topic, partition) SETTINGS non_replicated_deduplication_window = 10000"
        ));
        deployment.ask(&format!(
            "CREATE MATERIALIZED VIEW tell_{table} TO told_{table} AS SELECT topic, partition, count() AS records, \
             toUInt64(sum(offset)) AS offsets FROM {table} GROUP BY topic, partition"
        ));
    }
}

/// What is to happen, in an order that chance gives.
fn deck(events: u64, chance: &mut Chance) -> Vec<Disturbance> {
    use Disturbance::*;
    let of = |one: Disturbance, count: u64| std::iter::repeat_n(one, count as usize);
    let kills = (events / 40_000).max(4);
    let mut deck: Vec<Disturbance> = of(KillSink, kills)
        .chain(of(KillServer, (events / 200_000).max(2)))
        .chain(of(LoseAnswers, kills))
        .chain(of(LoseRequests, kills / 2))
        .chain(of(Join, (events / 500_000).max(1)))
        .chain(of(Zombie, (events / 500_000).max(1)))
        .chain(of(Twin, (events / 500_000).max(1)))
        .collect();
    for last in (1..deck.len()).rev() {
        deck.swap(last, chance.below(last as u64 + 1) as usize);
    }
    deck
}

#[test]
fn killed_sinks_and_servers_and_lost_answers_lose_and_double_nothing() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let events: u64 = setting("OVATION_TORTURE_EVENTS").unwrap_or(EVENTS_DEFAULT);
    let rate: u64 = if events > 200_000 { 8_000 } else { 2_000 };
    let seed = setting("OVATION_TORTURE_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (url, losses) = proxy::start(server.port);
    let options = StackOptions::new(folder.path())
        .with_kafka(Part::Free)
        .with_clickhouse(Part::External(url))
        .with_registry(Part::Free)
        .with_server_command(vec![env!("CARGO_BIN_EXE_ovation").into(), "devstack".into()]);
    let stack: &'static Stack = Box::leak(Box::new(Stack::start(options).expect("the local stack")));
    let mut deployment = Deployment::on(stack, "sink_torture");
    create_views(&deployment);
    deployment.set("process.session_timeout", "6s");
    deployment.set("clickhouse.flush_interval", "200ms");
    deployment.set("clickhouse.flush_rows", "400");

    let (log, chance) = (deployment.log(), Chance(seed));
    let witness = Arc::new(Witness {
        log: deployment.log(),
        prefix: deployment.prefix.clone(),
        seen: AtomicU64::new(0),
        unnamed: Mutex::default(),
    });
    let looking = witness.clone();
    assert!(losses.witness.set(Box::new(move |piece| looking.look(piece))).is_ok());
    let mut torture = Torture {
        deployment: &deployment,
        folder: folder.path(),
        log,
        server,
        losses: &losses,
        sinks: Vec::new(),
        chance,
        counts: BTreeMap::new(),
        restarts: 0,
    };
    torture.sinks = vec![torture.sink(Some("sink-0")), torture.sink(Some("sink-1"))];
    let (count, paced) = (events.to_string(), rate.to_string());
    let simulate = ["produce", "simulate", "--count", &count, "--rate", &paced, "--symbols", "40"];
    let producer = deployment.command(&simulate).stdout(Stdio::null()).spawn();
    let mut producer = EndsWithTest(producer.expect("the binary runs"));
    let started = Instant::now();
    for disturbance in deck(events, &mut torture.chance) {
        std::thread::sleep(Duration::from_millis(100 + torture.chance.below(1_400)));
        torture.disturb(disturbance, &mut producer.0);
    }
    let disturbed_s = started.elapsed().as_secs();
    assert!(producer.0.wait().expect("ended").success());
    let ends: Vec<i64> = torture
        .partitions()
        .iter()
        .map(|partition| torture.log.offsets(partition).expect("offsets").1)
        .collect();
    assert_eq!(ends.iter().sum::<i64>(), events as i64);
    wait_until("everything is committed", || {
        torture.supervise();
        torture.positions() == ends
    });
    println!(
        "sink torture: seed {seed}, {events} events at {rate}/s, disturbed for {disturbed_s} s, done after {} s; {:?}; \
         {} answers and {} requests lost; {} starts failed and were repeated; {} inserts looked at",
        started.elapsed().as_secs(),
        torture.counts,
        losses.answers_lost.load(Ordering::Relaxed),
        losses.requests_lost.load(Ordering::Relaxed),
        torture.restarts,
        witness.seen.load(Ordering::Acquire),
    );
    assert_eq!(
        *witness.unnamed.lock().expect("no panic"),
        Vec::<String>::new(),
        "sent before they were named"
    );
    assert!(witness.seen.load(Ordering::Acquire) > 100, "hardly an insert was looked at");
    // the questions that follow are not to be lost
    losses.answers.store(0, Ordering::Release);
    losses.requests.store(0, Ordering::Release);
    torture.assert_each_once();
    for sink in &torture.sinks {
        signal(sink, "TERM");
    }
    for sink in &mut torture.sinks {
        let status = sink.wait().expect("ended");
        assert!(status.success(), "a sink ended with {status}");
    }
}
