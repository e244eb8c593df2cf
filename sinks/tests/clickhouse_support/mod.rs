//! Real servers for the tests, and what every test needs: topics, a database, a running sink, questions in SQL.

pub mod values;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clickhouse::Client;
use devstack::{Part, Stack, StackOptions};
use kafka::broker::{BrokerLog, BrokerOptions, NewTopic};
use kafka::{Log, Outgoing, Partitioned, Producer, TopicPartition};
use schemas::codec::Message;
use schemas::{Encoder, SchemaIds, Topic};
use sinks::clickhouse::native;
use sinks::clickhouse::rowbinary::RowBuffer;
use sinks::clickhouse::tables::Table;
use sinks::clickhouse::{ClickHouseOptions, SinkError, SinkHealth, SinkSettings, Target, migrate, run};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const PARTITIONS: i32 = 2;

/// A folder of this name below the build's, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => folder,
    }
}

/// Kafka and ClickHouse, started once for all tests; they end with this process.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let options = StackOptions::new(folder(env!("CARGO_CRATE_NAME")));
        Stack::start(options.with_kafka(Part::Free).with_clickhouse(Part::Free)).expect("the stack starts")
    })
}

/// One test's corner: its own topics and its own database.
pub struct Corner {
    pub log: BrokerLog,
    pub settings: SinkSettings,
    pub client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Corner {
    /// With tables.
    pub fn new(name: &str) -> Corner {
        let corner = Corner::without_tables(name);
        let target = Target::new(&corner.settings.clickhouse.database);
        corner.wait(migrate(&corner.client, &target)).expect("migrated");
        corner
    }

    pub fn without_tables(name: &str) -> Corner {
        let log = BrokerLog::new(BrokerOptions::new(stack().kafka_brokers())).expect("log");
        let prefix = format!("{name}.");
        let clickhouse = ClickHouseOptions {
            url: stack().clickhouse_url().to_owned(),
            database: name.to_owned(),
            flush_interval: Duration::from_millis(100),
            retry_delay_max: Duration::from_millis(400),
            ..Default::default()
        };
        let client = clickhouse.client();
        let settings = SinkSettings {
            prefix,
            ids: SchemaIds::local(),
            instance_id: Some(name.to_owned()),
            session_timeout: Duration::from_secs(45),
            clickhouse,
            backfill: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let corner = Corner { log, settings, client, runtime };
        corner.create_topics();
        corner
    }

    pub fn create_topics(&self) {
        let topic = |topic: Topic| NewTopic {
            name: format!("{}{}", self.settings.prefix, topic.name()),
            partitions: PARTITIONS,
            replication: 1,
            config: [("retention.ms".to_owned(), "-1".to_owned())].into(),
        };
        self.log.create_topics(&Topic::STORED.map(topic)).expect("topics");
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The rows of an answer, their cells separated by tabs.
    pub fn ask(&self, question: &str) -> Vec<String> {
        String::from_utf8(self.ask_in("TabSeparated", question))
            .expect("utf-8")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub fn ask_in(&self, format: &str, question: &str) -> Vec<u8> {
        let answer = async { self.client.query_raw(question).fetch_bytes(format)?.collect().await };
        self.wait(answer).unwrap_or_else(|error| panic!("{question}: {error}")).to_vec()
    }

    /// Writes records and waits until the log has them.
    pub fn publish(&self, records: &[Published]) {
        let mut options = BrokerOptions::new(stack().kafka_brokers());
        // records as large as the broker takes, and larger than our own client's limit
        options.properties.insert("message.max.bytes".to_owned(), "1048000".to_owned());
        let mut producer = BrokerLog::new(options).expect("log").producer().expect("producer");
        for record in records {
            let topic = format!("{}{}", self.settings.prefix, record.topic.name());
            let outgoing = Outgoing {
                topic: &topic,
                partition: record.partition.map_or(Partitioned::ByKey, Partitioned::To),
                timestamp_ms: 1_790_000_000_000,
                key: Some(&record.key),
                value: record.value.as_deref(),
            };
            producer.send(&outgoing).expect("sent");
        }
        producer.flush(PATIENCE).expect("delivered");
    }

    /// The sum of the end offsets of all topics.
    pub fn published(&self) -> i64 {
        self.partitions().iter().map(|partition| self.log.offsets(partition).expect("offsets").1).sum()
    }

    pub fn partitions(&self) -> Vec<TopicPartition> {
        let name = |topic: Topic| format!("{}{}", self.settings.prefix, topic.name());
        let all =
            Topic::STORED.into_iter().flat_map(|topic| (0..PARTITIONS).map(move |number| (topic, number)));
        all.map(|(topic, number)| TopicPartition::new(name(topic), number)).collect()
    }

    pub fn start_sink(&self) -> RunningSink {
        self.start_sink_with(|_| Ok(None))
    }

    pub fn start_sink_with(
        &self,
        mut find_schema: impl FnMut(u32) -> Result<Option<String>, String> + Send + 'static,
    ) -> RunningSink {
        let (log, settings) = (self.log.clone(), self.settings.clone());
        let (stop, health) = (Arc::new(AtomicBool::new(false)), Arc::new(SinkHealth::default()));
        let (its_stop, its_health) = (stop.clone(), health.clone());
        let thread =
            std::thread::spawn(move || run(&log, &settings, &mut find_schema, &its_stop, &its_health));
        RunningSink { stop, health, thread: Some(thread) }
    }

    /// How many records have rows.
    pub fn arrived(&self) -> i64 {
        let count = |topic| {
            let table = Table::of(topic).name;
            format!("SELECT uniqExact(topic, partition, offset) AS records FROM {table}")
        };
        let counts = Topic::STORED.map(count).join(" UNION ALL ");
        self.ask(&format!("SELECT sum(records) FROM ({counts})"))[0].parse().expect("a number")
    }

    /// Runs a sink whose group has no positions until it has read everything, and stops it.
    pub fn sink_everything(&self) -> Arc<SinkHealth> {
        let sink = self.start_sink();
        // what the sink itself adds to the dead-letter topic is part of it
        eventually("everything is read", || sink.health.status().records as i64 >= self.published());
        let health = sink.health.clone();
        sink.stop().expect("the sink stops in order");
        health
    }
}

pub struct RunningSink {
    stop: Arc<AtomicBool>,
    pub health: Arc<SinkHealth>,
    thread: Option<JoinHandle<Result<(), SinkError>>>,
}

impl RunningSink {
    pub fn stop(mut self) -> Result<(), SinkError> {
        self.stop.store(true, Ordering::Release);
        self.thread.take().expect("running").join().expect("no panic")
    }

    /// Waits for a sink that ends by itself.
    pub fn join(mut self) -> std::thread::Result<Result<(), SinkError>> {
        self.thread.take().expect("running").join()
    }
}

impl Drop for RunningSink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// A record to be written.
#[derive(Clone)]
pub struct Published {
    pub topic: Topic,
    pub partition: Option<i32>,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

pub fn record<M: Message>(key: &str, message: &M) -> Published {
    let mut value = Vec::new();
    Encoder::new(SchemaIds::local()).encode(message, &mut value).expect("encodes");
    Published { topic: M::TOPIC, partition: None, key: key.as_bytes().to_vec(), value: Some(value) }
}

/// The body of an insert.
pub fn body(table: Table, rows: &RowBuffer) -> Vec<u8> {
    let mut body = Vec::new();
    let emit = |block: &[u8]| -> Result<(), std::convert::Infallible> {
        body.extend_from_slice(block);
        Ok(())
    };
    native::blocks(table.columns(), rows.as_bytes(), emit).expect("nothing fails");
    body
}

/// Waits until `holds`.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
