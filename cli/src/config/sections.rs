//! The sections of `ovation.toml` as written, with their defaults.
//!
//! Always holds: an unknown key is refused; nothing is checked beyond its type. The keys are explained in `ovation.toml` itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use processors::config::{Duration as Span, JobConfig};
use serde::Deserialize;
use sinks::dashboard::access::TokenAlgorithm;

/// The file as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// In front of the name of every topic and consumer group.
    #[serde(default)]
    pub topic_prefix: String,
    /// This instance's name, kept over restarts.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// The log.
    #[serde(default)]
    pub kafka: Kafka,
    /// The schema registry.
    #[serde(default)]
    pub schema_registry: SchemaRegistry,
    /// Where analysts ask.
    #[serde(default)]
    pub clickhouse: ClickHouse,
    /// Where browsers look.
    #[serde(default)]
    pub dashboard: Dashboard,
    /// How jobs run.
    #[serde(default)]
    pub process: Process,
    /// Where jobs keep their state.
    #[serde(default)]
    pub snapshots: Snapshots,
    /// Kafka, ClickHouse and a registry on this machine, for those that are not named above.
    #[serde(default)]
    pub local: Local,
    /// What is computed.
    #[serde(default)]
    pub jobs: BTreeMap<String, JobConfig>,
}

/// `[kafka]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// `host:port, ...`; none: the local stack's.
    pub brokers: Option<String>,
    /// Partitions of each topic that is created.
    pub partitions: i32,
    /// Replicas of each topic that is created.
    pub replication_factor: i32,
    /// How long records are kept.
    pub retention: Span,
    /// `classic` or `consumer`.
    pub group_protocol: GroupProtocol,
    /// Passed on to the client: `security.protocol`, `sasl.*`, `ssl.*`.
    pub properties: BTreeMap<String, String>,
}

/// How consumer groups agree.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// The members agree among themselves.
    Classic,
    /// The broker decides (KIP-848).
    Consumer,
}

impl Default for Kafka {
    fn default() -> Self {
        Kafka {
            brokers: None,
            partitions: 4,
            replication_factor: 1,
            retention: Span::from_secs(7 * 24 * 3600),
            group_protocol: GroupProtocol::Classic,
            properties: BTreeMap::new(),
        }
    }
}

/// `[schema_registry]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaRegistry {
    /// None: the local stack's.
    pub url: Option<String>,
    /// For basic authentication.
    pub user: Option<String>,
    /// For basic authentication.
    pub password: Option<String>,
}

/// `[clickhouse]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClickHouse {
    /// None: the local stack's.
    pub url: Option<String>,
    /// The database that holds our tables.
    pub database: String,
    /// Who we are.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// A chunk is sent when it has this many rows, ...
    pub flush_rows: usize,
    /// ... this many bytes, ...
    pub flush_bytes: usize,
    /// ... or is this old.
    pub flush_interval: Span,
    /// The cluster on whose nodes the tables are made; none: a single node.
    pub cluster: Option<String>,
    /// How long rows are kept.
    pub retention: ClickHouseRetention,
}

/// `[clickhouse.retention]`; what is not named is kept for ever.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClickHouseRetention {
    /// Raw events.
    pub events: Option<Span>,
    /// Rollups by minute.
    pub minutes: Option<Span>,
    /// Rollups by hour.
    pub hours: Option<Span>,
    /// Rollups by day.
    pub days: Option<Span>,
    /// Results.
    pub results: Option<Span>,
    /// Dead letters.
    pub dead_letters: Option<Span>,
}

impl Default for ClickHouse {
    fn default() -> Self {
        ClickHouse {
            url: None,
            database: "ovation".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            flush_rows: 50_000,
            flush_bytes: 16 << 20,
            flush_interval: Span::from_secs(1),
            cluster: None,
            retention: ClickHouseRetention::default(),
        }
    }
}

/// `[dashboard]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dashboard {
    /// Where the page and its connections are served.
    pub listen: SocketAddr,
    /// Pages of other origins that may connect.
    pub allowed_origins: Vec<String>,
    /// What may be read without a token; none: everything of the local stack, nothing of other servers.
    pub anonymous: Option<Anonymous>,
    /// Whether the chat is read and served too.
    pub chat: bool,
    /// What tokens are checked with.
    pub keys: Vec<TokenKey>,
    /// Whom tokens must be meant for (`aud`); none: they must not say.
    pub audience: Option<String>,
    /// Live connections at a time, ...
    pub connections_max: usize,
    /// ... and of these from one address.
    pub connections_per_address_max: usize,
    /// Messages of one connection in a second.
    pub messages_per_second_max: u32,
    /// Proxies whose `X-Forwarded-For` is believed: addresses and networks.
    pub trusted_proxies: Vec<String>,
    /// The certificate (PEM); none: HTTP in the clear.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    pub tls_key: Option<PathBuf>,
}

/// What may be read without a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected true, false or a list of selectors such as { kind = \"markets\" }")]
pub enum Anonymous {
    /// Everything or nothing.
    All(bool),
    /// What these selectors match.
    Some(Vec<serde_json::Map<String, serde_json::Value>>),
}

/// `[[dashboard.keys]]`; where a key is, never the key itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// The name by which tokens choose it.
    pub kid: String,
    /// How its tokens are signed.
    pub algorithm: TokenAlgorithm,
    /// The file that has it, ...
    pub file: Option<PathBuf>,
    /// ... or the environment variable.
    pub env: Option<String>,
}

impl Default for Dashboard {
    fn default() -> Self {
        Dashboard {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_origins: Vec::new(),
            anonymous: None,
            chat: false,
            keys: Vec::new(),
            audience: None,
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            messages_per_second_max: 10,
            trusted_proxies: Vec::new(),
            tls_certificate: None,
            tls_key: None,
        }
    }
}

/// `[process]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// Threads of each job.
    pub workers: usize,
    /// How often outputs and positions are committed.
    pub commit_every: Span,
    /// How long a partition must bring nothing to stop holding the others back.
    pub idle_after: Span,
    /// How long a consumer group waits for a silent member.
    pub session_timeout: Span,
    /// What readers of the results may rely on.
    pub guarantee: Guarantee,
    /// Whether events that are late for everything go to the dead letters.
    pub late_to_dead_letter: bool,
    /// Where live state, health and metrics are served.
    pub listen: SocketAddr,
    /// The address under which others reach `listen`, if it is another.
    pub advertise: Option<String>,
}

/// What readers of the results may rely on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Results and positions in one transaction.
    ExactlyOnce,
    /// For brokers without transactions.
    AtLeastOnce,
}

impl Default for Process {
    fn default() -> Self {
        Process {
            workers: 1,
            commit_every: span("100ms"),
            idle_after: Span::from_secs(1),
            session_timeout: Span::from_secs(45),
            guarantee: Guarantee::ExactlyOnce,
            late_to_dead_letter: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
        }
    }
}

/// `[snapshots]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// A directory, `file:///directory` or `s3://bucket/prefix`; empty: none are kept.
    pub place: String,
    /// How often each shard's state is written.
    pub every: Span,
    /// How many snapshots of each shard are kept.
    pub keep: usize,
    /// For a bucket: `aws_endpoint`, `aws_region`, ...
    pub options: BTreeMap<String, String>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Snapshots {
            place: ".ovation/snapshots".to_owned(),
            every: Span::from_secs(30),
            keep: 3,
            options: BTreeMap::new(),
        }
    }
}

/// `[local]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    /// Where the local stack keeps its data.
    pub data_dir: PathBuf,
    /// The broker's port.
    pub kafka_port: u16,
    /// The port of ClickHouse's HTTP interface.
    pub clickhouse_port: u16,
    /// The registry's port.
    pub schema_registry_port: u16,
}

impl Default for Local {
    fn default() -> Self {
        Local {
            data_dir: PathBuf::from(".ovation"),
            kafka_port: 9092,
            clickhouse_port: 8123,
            schema_registry_port: 8081,
        }
    }
}

/// A span as the standard library has it.
pub fn std_duration(span: Span) -> Duration {
    Duration::from_micros(span.micros().unsigned_abs())
}

/// A span that is part of the program.
fn span(text: &str) -> Span {
    match text.parse() {
        Ok(span) => span,
        Err(error) => unreachable!("{error}"),
    }
}
