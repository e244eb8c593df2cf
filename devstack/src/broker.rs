//! One Apache Kafka broker in KRaft mode: its jars, its storage, its process.
//!
//! The version and every jar are pinned by `devstack/kafka/`. The broker is its own controller, keeps its data in the
//! folder it is given and finds it again on the next start, also on other ports. The Java process ends with ours,
//! however ours ends. Knows no topic.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;

use crate::{
    cache,
    java::{self, Java, Recording},
    lifetime::{DataFolder, stop_requested},
};

const POM: &str = include_str!("../kafka/pom.xml");
const LOGGING: &str = include_str!("../kafka/log4j2.properties");
const JARS_SHA256: &str = include_str!("../kafka/libs.sha256");

/// How long the broker may take to close its logs before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// What one broker needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct KafkaOptions {
    /// Port of the broker on 127.0.0.1
    #[arg(long, default_value_t = 9092)]
    pub port: u16,
    /// Port of its controller on 127.0.0.1
    #[arg(long, default_value_t = 9093)]
    pub controller_port: u16,
    /// Folder of its data, created where missing
    #[arg(long = "data", default_value = ".ovation/kafka")]
    pub data_dir: PathBuf,
    /// Heap of the Java process, in MB
    #[arg(long, default_value_t = 512)]
    pub heap_mb: u32,
    /// Stop when standard input ends, as it does when the starting process ends
    #[arg(long)]
    pub with_parent: bool,
}

/// Copies Kafka's jars into the cache folder, unless they are there, and gives their folder.
///
/// # Errors
/// If Maven is not installed or fails, or a jar is not the pinned one.
pub fn fetch_kafka() -> Result<PathBuf> {
    let home = cache::root()?.join(format!("kafka-{}", version()?));
    cache::folder(&home, |partial| {
        tracing::info!(folder = %home.display(), "fetching Kafka's jars, once for this user");
        let pom = partial.join("pom.xml");
        fs::write(&pom, POM).context("cannot write pom.xml")?;
        let arguments =
            ["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"];
        cache::run_tool("mvn", "maven", &arguments, partial)?;
        check_jars(&partial.join("libs"))
    })?;
    Ok(home)
}

/// The version that `pom.xml` pins.
fn version() -> Result<&'static str> {
    let (_, rest) = POM.split_once("<kafka.version>").context("pom.xml names no kafka.version")?;
    Ok(rest.split_once('<').context("pom.xml does not close kafka.version")?.0)
}

/// Refuses a folder that holds other jars than `libs.sha256` lists.
fn check_jars(libs: &Path) -> Result<()> {
    let pinned: Vec<(&str, &str)> = JARS_SHA256.lines().filter_map(|line| line.split_once("  ")).collect();
    for (sha256, name) in &pinned {
        cache::check_sha256(&libs.join(name), sha256)?;
    }
    let found = fs::read_dir(libs).context("cannot list the jars")?.count();
    ensure!(
        found == pinned.len(),
        "{} holds {found} files where {} jars are pinned",
        libs.display(),
        pinned.len()
    );
    Ok(())
}

/// Runs a broker in this terminal until the process is asked to stop; fetches it first where it is missing.
///
/// # Errors
/// If Java is missing, the data folder is in use, or the broker fails or ends by itself.
pub async fn run_kafka(options: KafkaOptions) -> Result<()> {
    let with_parent = options.with_parent;
    let port = options.port;
    let Prepared { command, recording, folder: _folder } =
        tokio::task::spawn_blocking(move || prepare(&options)).await??;
    let (pid, mut ended) = spawn(command).await?;
    tracing::info!(port, pid = pid.as_raw_nonzero(), "kafka starts");
    let status = tokio::select! {
        status = &mut ended => status.context("lost the Java process")??,
        stop = stop_requested(with_parent) => {
            stop?;
            kill_process(pid, Signal::TERM).context("cannot stop the Java process")?;
            if let Ok(status) = tokio::time::timeout(STOP_DEADLINE, &mut ended).await {
                status.context("lost the Java process")??;
                recording.iter().for_each(Recording::keep);
                return Ok(());
            }
            kill_process(pid, Signal::KILL).context("cannot kill the Java process")?;
            bail!("kafka did not close its logs within {} s and was killed", STOP_DEADLINE.as_secs());
        }
    };
    bail!("kafka ended by itself ({status})")
}

/// A broker that can be started.
struct Prepared {
    command: Command,
    recording: Option<Recording>,
    folder: DataFolder,
}

/// Makes the data folder ready and gives the command that starts the broker on it.
fn prepare(options: &KafkaOptions) -> Result<Prepared> {
    let java = Java::find(&fetch_kafka()?)?;
    let folder = DataFolder::claim(&options.data_dir)?;
    let data_dir = options
        .data_dir
        .canonicalize()
        .with_context(|| format!("cannot resolve {}", options.data_dir.display()))?;
    let log_dir = data_dir.join("log");
    let properties = data_dir.join("server.properties");
    fs::write(&properties, server_properties(options, &log_dir)?)
        .with_context(|| format!("cannot write {}", properties.display()))?;
    let logging = data_dir.join("log4j2.properties");
    fs::write(&logging, LOGGING).with_context(|| format!("cannot write {}", logging.display()))?;
    if !log_dir.join("meta.properties").exists() {
        format_storage(&java, &properties)?;
    }
    let mut command = java.command(options.heap_mb);
    let recording = java.record(&mut command);
    command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
    command.arg("kafka.Kafka").arg(&properties).current_dir(&data_dir);
    Ok(Prepared { command, recording, folder })
}

fn format_storage(java: &Java, properties: &Path) -> Result<()> {
    let cluster_id = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        uuid::Uuid::now_v7().as_bytes(),
    );
    let output = java
        .command(128)
        .args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--cluster-id", &cluster_id])
        .arg("--config")
        .arg(properties)
        .output()
        .map_err(java::missing)?;
    ensure!(
        output.status.success(),
        "kafka's storage cannot be formatted ({}): {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Starts the process from a thread that lives as long as it: the kernel's parent-death signal follows the thread that
/// forked, not the process, and this thread ends early only with the whole process.
async fn spawn(mut java: Command) -> Result<(Pid, oneshot::Receiver<Result<ExitStatus>>)> {
    let (started, start) = oneshot::channel();
    let (ended, end) = oneshot::channel();
    java.process_group(0);
    // SAFETY: the hook runs between fork and exec and makes one system call (prctl), which is async-signal-safe; it
    // neither allocates nor takes a lock.
    #[allow(unsafe_code, reason = "only a hook before exec can ask for the parent-death signal")]
    unsafe {
        java.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    std::thread::Builder::new()
        .name("java".into())
        .spawn(move || match java.spawn() {
            Ok(mut child) => {
                drop(started.send(Ok(Pid::from_child(&child))));
                drop(ended.send(child.wait().context("cannot wait for the Java process")));
            }
            Err(error) => drop(started.send(Err(java::missing(error)))),
        })
        .context("cannot start a thread")?;
    Ok((start.await.context("the thread of the Java process ended")??, end))
}

/// The broker's configuration: one node that is broker and controller, internal topics small and unreplicated.
fn server_properties(options: &KafkaOptions, log_dir: &Path) -> Result<String> {
    let KafkaOptions { port, controller_port, .. } = options;
    let log_dir = log_dir.to_str().context("kafka takes no data folder whose name is not UTF-8")?;
    ensure!(!log_dir.contains(','), "kafka takes no data folder with a comma in its name: {log_dir}");
    let log_dir = escape_property(log_dir);
    Ok(format!(
        "# Written at every start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"
    ))
}

/// Java reads a properties file as ISO 8859-1 with a backslash for everything else.
fn escape_property(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for unit in value.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some('\\') => escaped.push_str("\\\\"),
            Some(plain @ ' '..='~') => escaped.push(plain),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_the_one_of_the_jars() {
        let jar = format!("  kafka_2.13-{}.jar", version().unwrap());
        assert!(JARS_SHA256.lines().any(|line| line.ends_with(&jar)), "{jar} is not among the pinned jars");
    }

    #[test]
    fn other_jars_than_the_pinned_ones_are_refused() {
        let home = tempfile::tempdir().unwrap();
        assert!(check_jars(home.path()).is_err());
    }

    #[test]
    fn a_property_survives_any_folder_name() {
        assert_eq!(escape_property("/a b/ü/\\x/🎉"), "/a b/\\u00fc/\\\\x/\\ud83c\\udf89");
    }
}
