//! From a validated configuration to the parts that it describes: the log, the registry, schema ids.
//!
//! Always holds: an address that nobody answers gives one line that names it and the key that sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use kafka::broker::{BrokerLog, BrokerOptions, GroupProtocol, NewTopic};
use kafka::registry::{BasicAuth, Registry, RegistryError};
use runtime::snapshot::location;
use runtime::snapshot::manifest::checksum;
use runtime::{Guarantee, SchemaLookup, SnapshotOptions, SnapshotStore, WorkerOptions};
use schemas::topics::{Partitioning, Retention};
use schemas::{SchemaIds, Timestamp, Topic};

use crate::config::{self, Checked};

/// How long a first answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the inputs of a shard may take to come one after the other under KIP-848.
const SPLIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A chunk that no snapshot names is kept this long: one that names it may still be on its way.
const GRACE: Duration = Duration::from_secs(600);

/// The log, once it answers.
pub(crate) fn log(checked: &Checked) -> Result<BrokerLog> {
    let kafka = &checked.config.kafka;
    let brokers = checked.brokers();
    let options = BrokerOptions {
        group_protocol: match kafka.group_protocol {
            config::GroupProtocol::Classic => GroupProtocol::Classic,
            config::GroupProtocol::Consumer => GroupProtocol::Consumer,
        },
        properties: kafka.properties.clone(),
        ..BrokerOptions::new(brokers.clone())
    };
    let log = BrokerLog::new(options).context("kafka.properties")?;
    log.wait_until_ready(ANSWER_TIMEOUT).map_err(|error| {
        let hint = match kafka.brokers {
            Some(_) => "kafka.brokers names it",
            None => "kafka.brokers names none, so the local stack is meant: start it with `ovation devstack up` or `ovation run`",
        };
        anyhow!("no answer from kafka at {brokers} ({hint}): {error}")
    })?;
    Ok(log)
}

/// The schema registry. Not contacted yet.
pub(crate) fn registry(checked: &Checked) -> Registry {
    let settings = &checked.config.schema_registry;
    let login = settings
        .user
        .clone()
        .map(|user| BasicAuth { user, password: settings.password.clone().unwrap_or_default() });
    Registry::new(&checked.schema_registry_url(), login.as_ref())
}

/// The ids of our schemas, registering what is missing.
pub(crate) fn schema_ids(checked: &Checked) -> Result<SchemaIds> {
    registry(checked).resolve_ids(&checked.config.topic_prefix, true).map_err(|error| explain(checked, error))
}

/// A registry's error with the key that leads to it.
pub(crate) fn explain(checked: &Checked, error: RegistryError) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("schema_registry.url is {}", checked.schema_registry_url()))
}

/// Asks the registry for other writers' schemas.
pub(crate) fn schema_lookup(checked: &Checked) -> SchemaLookup {
    let registry = registry(checked);
    Arc::new(move |id| match registry.schema(id) {
        Ok(schema) => Ok(Some(schema)),
        Err(RegistryError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    })
}

/// What all workers of this process share.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) schema_ids: SchemaIds,
    pub(crate) schema_lookup: SchemaLookup,
    pub(crate) snapshots: Option<SnapshotStore>,
    /// The address at which this instance answers over HTTP.
    pub(crate) owner: Option<String>,
}

/// How the worker numbered `number` of a job runs.
pub(crate) fn worker_options(
    checked: &Checked,
    job: &str,
    number: usize,
    running: &Running,
) -> WorkerOptions {
    let prefix = &checked.config.topic_prefix;
    let process = &checked.config.process;
    let named =
        checked.config.instance_id.as_ref().map(|instance| format!("{prefix}{instance}-{job}-{number}"));
    let snapshots = running.snapshots.clone().map(|store| SnapshotOptions {
        store,
        every: config::std_duration(checked.config.snapshots.every),
        fingerprint: fingerprint(checked, job),
        driver: None,
    });
    WorkerOptions {
        topic_prefix: prefix.clone(),
        transactional_id: named
            .clone()
            .unwrap_or_else(|| format!("{prefix}ovation-{job}-{}", uuid::Uuid::now_v7())),
        instance_id: named,
        guarantee: match process.guarantee {
            config::Guarantee::ExactlyOnce => Guarantee::ExactlyOnce,
            config::Guarantee::AtLeastOnce => Guarantee::AtLeastOnce,
        },
        commit_every: config::std_duration(process.commit_every),
        idle_after: config::std_duration(process.idle_after),
        session_timeout: config::std_duration(process.session_timeout),
        split_timeout: match checked.config.kafka.group_protocol {
            config::GroupProtocol::Classic => Duration::ZERO,
            config::GroupProtocol::Consumer => SPLIT_TIMEOUT,
        },
        poll_timeout: config::std_duration(process.commit_every).min(Duration::from_millis(100)),
        late_to_dead_letter: process.late_to_dead_letter,
        owner: running.owner.clone(),
        snapshots,
        schema_ids: running.schema_ids,
        schema_lookup: Arc::clone(&running.schema_lookup),
    }
}

/// The job's configuration, defaults included, as a hash: state is taken over by the same configuration only.
fn fingerprint(checked: &Checked, job: &str) -> String {
    // A second stage is configured with the job that it belongs to.
    let first = checked.jobs.iter().find(|known| known.name == job).and_then(|job| job.first.as_deref());
    let config = checked.config.jobs.get(first.unwrap_or(job));
    let written = config.map(|config| format!("{config:?}")).unwrap_or_default();
    checksum(written.as_bytes())
}

/// Where snapshots are kept; none if the configuration wants none.
pub(crate) fn snapshot_store(checked: &Checked) -> Result<Option<SnapshotStore>> {
    let snapshots = &checked.config.snapshots;
    if snapshots.place.is_empty() {
        return Ok(None);
    }
    let options = snapshots.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let (store, root) = location::open(&snapshots.place, options).context("snapshots.place")?;
    Ok(Some(SnapshotStore { store, root, keep: snapshots.keep, grace: GRACE }))
}

/// The topic as the table and the configuration want it.
pub(crate) fn wanted_topic(checked: &Checked, topic: Topic) -> NewTopic {
    let kafka = &checked.config.kafka;
    let spec = topic.spec();
    let retention_ms = config::std_duration(kafka.retention).as_millis().to_string();
    let mut settings = vec![("retention.ms", retention_ms), ("max.message.bytes", "1048588".to_owned())];
    match spec.retention {
        Retention::Time => settings.push(("cleanup.policy", "delete".to_owned())),
        Retention::TimeAndLatest => {
            settings.push(("cleanup.policy", "compact,delete".to_owned()));
            settings.push(("min.compaction.lag.ms", "86400000".to_owned()));
        }
    }
    let is_shared = spec.partitioning != Partitioning::Free || topic != Topic::DeadLetter;
    NewTopic {
        name: format!("{}{topic}", checked.config.topic_prefix),
        partitions: if is_shared { kafka.partitions } else { 1 },
        replication: kafka.replication_factor,
        config: settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// A flag that Ctrl-C, SIGTERM and a closed terminal set; the second time the program ends at once.
pub(crate) fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Resolves when the flag is set.
pub(crate) async fn stopped(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The clock on the wall.
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}
