//! The log on a real broker keeps the same contract as the one in memory; so do its administration and the client of
//! the schema registry, on the real servers.
//!
//! One broker serves all cases, which run side by side and use names of their own.

#![allow(clippy::unwrap_used, reason = "a test that unwraps wrongly is a failed test")]
#![allow(clippy::print_stdout, reason = "the name of each case is shown")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use devstack::{Part, Stack, StackOptions};
use kafka::broker::{BrokerConsumer, BrokerLog, BrokerOptions, Creation, GroupProtocol, NewTopic};
use kafka::contract::{self, Case, Fixture};
use kafka::registry::{Registry, RegistryError};
use kafka::{Consumer as _, ConsumerOptions, ErrorClass, Log as _, Polled, TopicPartition};
use schemas::Topic;

/// How long a member may fall silent in the case about it: the least that the broker allows.
const SESSION: Duration = Duration::from_secs(6);

struct OnBroker {
    log: BrokerLog,
}

impl OnBroker {
    fn new(brokers: &str, group_protocol: GroupProtocol, properties: &[(&str, &str)]) -> Self {
        let properties =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let options = BrokerOptions { group_protocol, properties, ..BrokerOptions::new(brokers) };
        OnBroker { log: BrokerLog::new(options).unwrap() }
    }
}

impl Fixture for OnBroker {
    type Log = BrokerLog;

    fn log(&self) -> &BrokerLog {
        &self.log
    }

    /// Without retention: the cases write old timestamps, and the broker would delete such records at once.
    fn create_topic(&self, name: &str, partitions: i32) {
        let config = [("retention.ms".to_owned(), "-1".to_owned())].into();
        let topic = NewTopic { config, ..new_topic(name, partitions) };
        assert_eq!(self.log.create_topics(&[topic]).unwrap(), [Creation::Created]);
    }

    /// Nothing to be done: who is not polled falls silent.
    fn silence(&self, _group: &str, _member: &BrokerConsumer) {}

    fn session_timeout(&self) -> Duration {
        SESSION
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(700)
    }
}

fn new_topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic { name: name.to_owned(), partitions, replication: 1, config: BTreeMap::new() }
}

/// Runs the cases side by side; which of them failed.
struct Runner<'scope, 'env> {
    scope: &'scope thread::Scope<'scope, 'env>,
    failures: &'env Mutex<Vec<String>>,
}

impl<'scope, 'env> Runner<'scope, 'env> {
    fn run(&self, name: String, case: impl FnOnce() + Send + 'scope) {
        let failures = self.failures;
        self.scope.spawn(move || {
            let started = Instant::now();
            let passed = catch_unwind(AssertUnwindSafe(case)).is_ok();
            println!(
                "{} {name} ({:.1} s)",
                if passed { "ok  " } else { "FAIL" },
                started.elapsed().as_secs_f32()
            );
            if !passed {
                failures.lock().unwrap().push(name);
            }
        });
    }

    fn run_all(&self, how: &str, fixture: &'env OnBroker, cases: Vec<Case<OnBroker>>) {
        assert!(!cases.is_empty());
        for (name, case) in cases {
            self.run(format!("{how}: {name}"), move || case(fixture));
        }
    }
}

#[test]
fn the_broker_keeps_the_contract_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let options = StackOptions::new(folder.path())
        .with_kafka(Part::Free)
        .with_registry(Part::Free)
        .with_server_command(vec![env!("CARGO_BIN_EXE_ovation-devstack").into()]);
    let stack = Stack::start(options).unwrap();
    let brokers = stack.kafka_brokers();
    let classic = OnBroker::new(brokers, GroupProtocol::Classic, &[]);
    let impatient = OnBroker::new(brokers, GroupProtocol::Classic, &[("max.poll.interval.ms", "6000")]);
    let incremental = OnBroker::new(brokers, GroupProtocol::Consumer, &[]);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let runner = Runner { scope, failures: &failures };
        runner.run_all("classic", &classic, contract::records());
        runner.run_all("classic", &classic, contract::transactions());
        runner.run_all("classic", &classic, contract::groups());
        runner.run_all("classic", &impatient, contract::silent_members());
        runner.run_all("incremental", &incremental, contract::groups());
        runner.run("topics are created, described and deleted".to_owned(), || topics(&classic.log));
        runner.run("options that are not to be set are refused".to_owned(), || options_refused(brokers));
        runner.run("a broker that is not there".to_owned(), no_broker);
        runner.run("schemas get ids".to_owned(), || schema_ids(&Registry::new(stack.registry_url(), None)));
    });
    drop((classic, impatient, incremental));
    stack.stop().unwrap();
    assert_eq!(failures.into_inner().unwrap(), [""; 0]);
}

fn topics(log: &BrokerLog) {
    log.wait_until_ready(Duration::from_secs(10)).unwrap();
    let compacted = NewTopic {
        config: [("cleanup.policy", "compact,delete"), ("retention.ms", "3600000")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..new_topic("described", 3)
    };
    let both = [compacted, new_topic("plain", 1)];
    assert_eq!(log.create_topics(&both[..1]).unwrap(), [Creation::Created]);
    assert_eq!(log.create_topics(&both).unwrap(), [Creation::Existed, Creation::Created]);
    let described = log.describe_topic("described").unwrap().unwrap();
    assert_eq!((described.partitions, described.replication), (3, 1));
    assert_eq!(described.config["cleanup.policy"], "compact,delete");
    assert_eq!(described.config["retention.ms"], "3600000");
    assert_eq!(log.describe_topic("no-such-topic").unwrap(), None);

    let wrong =
        NewTopic { config: [("retention.ms".to_owned(), "soon".to_owned())].into(), ..new_topic("wrong", 1) };
    assert_eq!(log.create_topics(&[wrong]).unwrap_err().class, ErrorClass::Fatal);
    let many = NewTopic { replication: 3, ..new_topic("replicated", 1) };
    let error = log.create_topics(&[many]).unwrap_err();
    assert!(error.message.contains("replicated"), "{error}");

    log.delete_topics(&["described", "plain", "no-such-topic"]).unwrap();
    let deadline = Instant::now() + contract::PATIENCE;
    while log.partition_count("described").unwrap().is_some() {
        assert!(Instant::now() < deadline, "the topic is still there");
    }
}

fn options_refused(brokers: &str) {
    let with = |key: &str, value: &str| {
        let properties = [(key.to_owned(), value.to_owned())].into();
        BrokerLog::new(BrokerOptions { properties, ..BrokerOptions::new(brokers) }).err().unwrap()
    };
    assert!(with("enable.auto.commit", "true").message.contains("enable.auto.commit"));
    assert!(with("no.such.property", "1").message.contains("no.such.property"));
    assert!(with("socket.timeout.ms", "soon").message.contains("socket.timeout.ms"));
}

/// Every call ends by its deadline, and says so.
fn no_broker() {
    let call_timeout = Duration::from_secs(1);
    let log = BrokerLog::new(BrokerOptions { call_timeout, ..BrokerOptions::new("127.0.0.1:1") }).unwrap();
    let started = Instant::now();
    assert_eq!(log.wait_until_ready(call_timeout).unwrap_err().class, ErrorClass::Retriable);
    assert_eq!(log.partition_count("topic").unwrap_err().class, ErrorClass::Retriable);
    assert_eq!(log.transactions("writer").err().unwrap().class, ErrorClass::Retriable);
    assert!(log.create_topics(&[new_topic("topic", 1)]).is_err());
    let options = ConsumerOptions {
        group: "group".to_owned(),
        topics: vec!["topic".to_owned()],
        instance_id: None,
        session_timeout: SESSION,
    };
    let mut member = log.join(&options).unwrap();
    let mut nothing = |_: &kafka::Record<'_>| {};
    assert_eq!(member.poll(1, Duration::from_millis(300), &mut nothing).unwrap(), Polled::Records(0));
    assert!(member.committed(&[TopicPartition::new("topic", 0)]).is_err());
    member.close().unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
}

fn schema_ids(registry: &Registry) {
    let missing = registry.resolve_ids("dev.", false).unwrap_err();
    assert!(matches!(missing, RegistryError::NotFound(_)), "{missing}");
    let ids = registry.resolve_ids("dev.", true).unwrap();
    assert_eq!(registry.resolve_ids("dev.", false).unwrap(), ids);
    let subject = Topic::Chat.subject("dev.");
    let latest = registry.latest(&subject).unwrap();
    assert_eq!((latest.id, latest.version), (ids.get(Topic::Chat), 1));
    assert_eq!(registry.lookup(&subject, Topic::Chat.spec().schema).unwrap(), latest);
    let schema: serde_json::Value = serde_json::from_str(&registry.schema(latest.id).unwrap()).unwrap();
    assert_eq!(schema["type"], "record");
    assert!(matches!(registry.schema(987_654), Err(RegistryError::NotFound(_))));

    assert!(registry.is_compatible(&subject, Topic::Chat.spec().schema).unwrap().is_compatible);
    let other = registry.is_compatible(&subject, "\"string\"").unwrap();
    assert!(!other.is_compatible && !other.messages.is_empty(), "{other:?}");
    let refused = registry.register(&subject, "\"string\"").unwrap_err();
    assert!(matches!(refused, RegistryError::Refused { code: 409, .. }), "{refused}");
    let refused = registry.set_compatibility(&subject, "SOMEHOW").unwrap_err();
    assert!(matches!(refused, RegistryError::Refused { code: 42_203, .. }), "{refused}");
    assert!(registry.is_compatible("nobody", "\"string\"").unwrap().is_compatible);
}
