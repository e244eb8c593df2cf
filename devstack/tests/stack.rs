//! The stack as a whole: what starts, stops, restarts and fails, with real servers.

#![allow(clippy::unwrap_used, reason = "a test that unwraps wrongly is a failed test")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use devstack::{Part, PortTaken, Stack, StackOptions};
use kafka::{
    Assignment, Consumer as _, Log as _, Outgoing, Partitioned, Producer as _, TopicPartition,
    broker::{BrokerLog, BrokerOptions, NewTopic},
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_ovation-devstack");

fn options(folder: &Path) -> StackOptions {
    StackOptions::new(folder).with_server_command(vec![BINARY.into()])
}

/// One request to the registry; gives the status and the JSON answer.
fn request(url: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}", body.len());
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(headers.contains("content-type: application/vnd.schemaregistry.v1+json"), "{headers}");
    (headers[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn record(fields: &str) -> Value {
    let schema = format!(r#"{{"type":"record","name":"Trade","fields":[{fields}]}}"#);
    json!({ "schema": schema })
}

#[test]
fn a_registry_keeps_its_schemas_in_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let start =
        || Stack::start(options(folder.path()).with_kafka(Part::Free).with_registry(Part::Free)).unwrap();
    let mut stack = start();
    let id = r#"{"name":"id","type":"long"}"#;
    let first = record(id);
    let second = record(&format!(r#"{id},{{"name":"venue","type":"string","default":""}}"#));
    let wrong = record(&format!(r#"{id},{{"name":"price","type":"long"}}"#));
    let versions = "/subjects/events.trades-value/versions";
    let call = |stack: &Stack, method: &str, path: &str, body: Option<&Value>| {
        request(stack.registry_url(), method, path, body.cloned())
    };

    assert_eq!(call(&stack, "GET", versions, None).1["error_code"], 40401);
    assert_eq!(call(&stack, "POST", versions, Some(&first)), (200, json!({"id": 1})));
    assert_eq!(call(&stack, "POST", versions, Some(&first)), (200, json!({"id": 1})));
    let level = json!({"compatibility": "FULL_TRANSITIVE"});
    assert_eq!(call(&stack, "PUT", "/config", Some(&level)), (200, level));
    assert_eq!(call(&stack, "POST", versions, Some(&second)), (200, json!({"id": 2})));
    assert_eq!(call(&stack, "POST", "/subjects/other/versions", Some(&second)), (200, json!({"id": 2})));

    let (status, error) = call(&stack, "POST", versions, Some(&wrong));
    assert_eq!((status, &error["error_code"]), (409, &json!(409)));
    let (_, answer) = call(
        &stack,
        "POST",
        "/compatibility/subjects/events.trades-value/versions/latest?verbose=true",
        Some(&wrong),
    );
    assert!(
        answer["is_compatible"] == false && answer["messages"][0].as_str().unwrap().contains("price"),
        "{answer}"
    );
    let nonsense = json!({"schema": "{"});
    assert_eq!(call(&stack, "POST", versions, Some(&nonsense)).1["error_code"], 42201);

    for restart in [false, true] {
        if restart {
            stack.stop().unwrap();
            stack = start();
        }
        assert_eq!(call(&stack, "GET", versions, None), (200, json!([1, 2])));
        assert_eq!(call(&stack, "GET", "/subjects", None), (200, json!(["events.trades-value", "other"])));
        assert_eq!(
            call(&stack, "GET", "/config", None),
            (200, json!({"compatibilityLevel": "FULL_TRANSITIVE"}))
        );
        let schema = &first["schema"];
        assert_eq!(call(&stack, "GET", "/schemas/ids/1", None), (200, json!({"schema": schema})));
        let entry = json!({"subject": "events.trades-value", "version": 1, "id": 1, "schema": schema});
        assert_eq!(call(&stack, "GET", &format!("{versions}/1"), None), (200, entry.clone()));
        assert_eq!(call(&stack, "POST", "/subjects/events.trades-value", Some(&first)), (200, entry));
        assert_eq!(call(&stack, "GET", &format!("{versions}/9"), None).1["error_code"], 40402);
        let uses =
            json!([{"subject": "events.trades-value", "version": 2}, {"subject": "other", "version": 1}]);
        assert_eq!(call(&stack, "GET", "/schemas/ids/2/versions", None), (200, uses));
    }

    assert_eq!(call(&stack, "DELETE", "/subjects/other", None), (200, json!([1])));
    // the id after a restart goes on where it was
    let level = json!({"compatibility": "NONE"});
    assert_eq!(call(&stack, "PUT", "/config/events.trades-value", Some(&level)).0, 200);
    stack.stop().unwrap();
    stack = start();
    assert_eq!(call(&stack, "POST", versions, Some(&wrong)), (200, json!({"id": 3})));
    assert_eq!(call(&stack, "GET", "/subjects", None), (200, json!(["events.trades-value"])));
    stack.stop().unwrap();
}

#[test]
fn a_broker_finds_its_data_again_on_another_port() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Stack::start(options(folder.path()).with_kafka(Part::Free)).unwrap();
    let stack = start();
    let log = BrokerLog::new(BrokerOptions::new(stack.kafka_brokers())).unwrap();
    let config = BTreeMap::new();
    log.create_topics(&[NewTopic { name: "kept".into(), partitions: 1, replication: 1, config }]).unwrap();
    let mut producer = log.producer().unwrap();
    let (topic, partition) = ("kept", Partitioned::To(0));
    producer.send(&Outgoing { topic, partition, timestamp_ms: 1, key: None, value: Some(b"kept") }).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    drop((producer, log));
    let port = stack.kafka_brokers().to_owned();
    stack.stop().unwrap();

    let stack = start();
    assert_ne!(stack.kafka_brokers(), port);
    let log = BrokerLog::new(BrokerOptions::new(stack.kafka_brokers())).unwrap();
    let mut reader =
        log.reader(&[Assignment { partition: TopicPartition::new("kept", 0), offset: 0 }]).unwrap();
    let mut values = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while values.is_empty() {
        assert!(Instant::now() < deadline, "the record is gone");
        reader
            .poll(10, Duration::from_millis(100), &mut |record| values.push(record.value.unwrap().to_vec()))
            .unwrap();
    }
    assert_eq!(values, [b"kept"]);
    reader.close().unwrap();
    drop(log);
    stack.stop().unwrap();
}

#[test]
fn several_stacks_run_at_once() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |folder: &tempfile::TempDir| {
        // no server command, as in the tests of other crates
        let options = StackOptions::new(folder.path()).with_clickhouse(Part::Free);
        std::thread::spawn(move || Stack::start(options).unwrap())
    };
    let started: Vec<_> = folders.iter().map(start).collect();
    let stacks: Vec<Stack> = started.into_iter().map(|thread| thread.join().unwrap()).collect();
    let mut urls: Vec<_> = stacks.iter().map(Stack::clickhouse_url).collect();
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls.len(), 3);
    for stack in stacks {
        stack.stop().unwrap();
    }
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let error = Stack::start(options(folder.path()).with_clickhouse(Part::Fixed(port))).unwrap_err();
    assert_eq!(error.downcast_ref::<PortTaken>().unwrap().port, port);
    assert_eq!(error.to_string().lines().count(), 1);
}

#[test]
fn a_data_folder_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = Stack::start(options(folder.path()).with_clickhouse(Part::Free)).unwrap();
    let error = Stack::start(options(folder.path()).with_clickhouse(Part::Free)).unwrap_err();
    assert!(error.to_string().contains("is in use by another server"), "{error}");
    first.stop().unwrap();
}

#[test]
fn what_runs_elsewhere_is_used_and_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(
        options(folder.path())
            .with_kafka(Part::External("kafka.example:9092".into()))
            .with_clickhouse(Part::External("http://clickhouse.example:8123".into())),
    )
    .unwrap();
    assert_eq!(
        (stack.kafka_brokers(), stack.clickhouse_url()),
        ("kafka.example:9092", "http://clickhouse.example:8123")
    );
    assert!(stack.process_ids().is_empty());
}

/// The processes that were started from a data folder, by their command lines.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(folder).then_some(command)
    });
    processes.collect()
}

fn start_everything(folder: &Path) -> (Child, String) {
    let mut child = Command::new(BINARY)
        .args(["up", "--kafka-port", "0", "--clickhouse-port", "0", "--registry-port", "0", "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let addresses = lines.by_ref().take(3).map(Result::unwrap).collect::<Vec<_>>().join("\n");
    (child, addresses)
}

fn wait_until_none_is_left(folder: &Path, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let left = processes_of(folder);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_server_outlives_the_process_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["KILL", "INT", "TERM"] {
        let (mut child, addresses) = start_everything(folder.path());
        assert!(addresses.contains("kafka") && addresses.contains("registry"), "{addresses}");
        // itself, the supervisor of Java, Java, ClickHouse, the registry (whose command line names no folder)
        assert_eq!(processes_of(folder.path()).len(), 4, "{:#?}", processes_of(folder.path()));
        let killed = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let status = child.wait().unwrap();
        assert_eq!(status.success(), signal != "KILL", "{signal}: {status}");
        wait_until_none_is_left(folder.path(), Duration::from_secs(20));
        let registry = addresses.rsplit("http://").next().unwrap().trim();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(registry).is_ok() {
            assert!(Instant::now() < deadline, "the registry at {registry} outlives its parent");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
