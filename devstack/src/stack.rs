//! The local stack: Kafka, ClickHouse and a schema registry, started together, stopped in order.
//!
//! Each part can be off, on a certain port, on a free one, or somewhere else. Several stacks may run at once where their
//! data folders differ. When the process ends, however it ends, so do the servers. Nothing here knows what the servers
//! are used for.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{broker::fetch_kafka, clickhouse::fetch_chdb, health, ports::PortLease, process::Server};

const SERVER_PROGRAM: &str = "ovation-devstack";

/// Where one part of the stack comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// not needed
    #[default]
    Off,
    /// started on this port of 127.0.0.1
    Fixed(u16),
    /// started on a free port of 127.0.0.1
    Free,
    /// runs already, at this address: `host:port` for Kafka, a URL for the others
    External(String),
}

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// Folder of all data and logs, created where missing
    pub data_dir: PathBuf,
    /// The broker
    pub kafka: Part,
    /// The ClickHouse HTTP server
    pub clickhouse: Part,
    /// The schema registry, which needs the broker
    pub registry: Part,
    /// A program and its first arguments that lead to [`Command`](crate::Command); found by itself where empty
    pub server_command: Vec<OsString>,
}

impl StackOptions {
    /// Nothing but a folder; parts are switched on one by one.
    pub fn new(data_dir: impl Into<PathBuf>) -> StackOptions {
        StackOptions { data_dir: data_dir.into(), ..StackOptions::default() }
    }

    /// With a broker.
    #[must_use]
    pub fn with_kafka(mut self, part: Part) -> StackOptions {
        self.kafka = part;
        self
    }

    /// With ClickHouse.
    #[must_use]
    pub fn with_clickhouse(mut self, part: Part) -> StackOptions {
        self.clickhouse = part;
        self
    }

    /// With a schema registry; needs a broker.
    #[must_use]
    pub fn with_registry(mut self, part: Part) -> StackOptions {
        self.registry = part;
        self
    }

    /// With servers started by this program and these first arguments.
    #[must_use]
    pub fn with_server_command(mut self, command: Vec<OsString>) -> StackOptions {
        self.server_command = command;
        self
    }
}

/// The stack while it runs; stopped by [`Stack::stop`] or, with errors only logged, when dropped.
#[derive(Debug)]
pub struct Stack {
    kafka: Option<String>,
    clickhouse: Option<String>,
    registry: Option<String>,
    /// in the order in which they were started
    servers: Vec<Server>,
    /// kept while the servers run, so that nobody else is lent their ports
    leases: Vec<PortLease>,
}

impl Stack {
    /// Starts what `options` ask for and waits until every server answers. Blocks; what must be fetched the first time
    /// may take a minute.
    ///
    /// # Errors
    /// [`PortTaken`](crate::PortTaken) for a fixed port that is in use; otherwise in words: a tool that is missing, a
    /// data folder in use, a server that does not start, with the last lines of its log.
    pub fn start(options: StackOptions) -> Result<Stack> {
        let StackOptions { data_dir, kafka, clickhouse, registry, server_command } = options;
        let logs = data_dir.join("log");
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        let command = if server_command.is_empty() { find_server_command()? } else { server_command };
        let mut stack =
            Stack { kafka: None, clickhouse: None, registry: None, servers: vec![], leases: vec![] };
        let start = |stack: &mut Stack,
                     name: &'static str,
                     lease: PortLease,
                     mut arguments: Vec<OsString>| {
            arguments.splice(0..0, [name.into(), "--port".into(), lease.port().to_string().into()]);
            stack.leases.push(lease);
            stack.servers.push(Server::start(name, &command, &arguments, &logs.join(format!("{name}.log")))?);
            anyhow::Ok(stack.servers.len() - 1)
        };

        let mut waiting = Vec::new();
        if let Some(lease) = lease(&kafka, "kafka port")? {
            fetch_kafka()?;
            let controller = PortLease::free()?;
            let mut arguments = data_argument(&data_dir, "kafka");
            arguments.extend(["--controller-port".into(), controller.port().to_string().into()]);
            stack.leases.push(controller);
            let port = lease.port();
            waiting.push((start(&mut stack, "kafka", lease, arguments)?, Check::Kafka(port)));
            stack.kafka = Some(format!("127.0.0.1:{port}"));
        }
        if let Some(lease) = lease(&clickhouse, "clickhouse port")? {
            fetch_chdb()?;
            let port = lease.port();
            let arguments = data_argument(&data_dir, "clickhouse");
            waiting.push((start(&mut stack, "clickhouse", lease, arguments)?, Check::Http(port, "/ping")));
            stack.clickhouse = Some(format!("http://127.0.0.1:{port}"));
        }
        for (index, check) in waiting {
            stack.servers[index].wait_until_ready(|| check.passes())?;
        }
        stack.take_external(kafka, clickhouse);
        if let Some(lease) = lease(&registry, "registry port")? {
            let brokers = stack
                .kafka
                .clone()
                .context("a schema registry keeps its schemas in Kafka: start Kafka too")?;
            let port = lease.port();
            let index = start(&mut stack, "registry", lease, vec!["--kafka".into(), brokers.into()])?;
            stack.servers[index].wait_until_ready(|| Check::Http(port, "/subjects").passes())?;
            stack.registry = Some(format!("http://127.0.0.1:{port}"));
        }
        if let Part::External(address) = registry {
            stack.registry = Some(address);
        }
        Ok(stack)
    }

    fn take_external(&mut self, kafka: Part, clickhouse: Part) {
        if let Part::External(address) = kafka {
            self.kafka = Some(address);
        }
        if let Part::External(address) = clickhouse {
            self.clickhouse = Some(address);
        }
    }

    /// Where the broker is, as `host:port`.
    ///
    /// # Panics
    /// If the stack was started without Kafka.
    pub fn kafka_brokers(&self) -> &str {
        self.kafka.as_deref().expect("the stack was started without Kafka")
    }

    /// Where ClickHouse is, as a URL without a path.
    ///
    /// # Panics
    /// If the stack was started without ClickHouse.
    pub fn clickhouse_url(&self) -> &str {
        self.clickhouse.as_deref().expect("the stack was started without ClickHouse")
    }

    /// Where the schema registry is, as a URL without a path.
    ///
    /// # Panics
    /// If the stack was started without a registry.
    pub fn registry_url(&self) -> &str {
        self.registry.as_deref().expect("the stack was started without a schema registry")
    }

    /// The process ids of the servers that were started, in that order.
    pub fn process_ids(&self) -> Vec<u32> {
        self.servers.iter().map(Server::id).collect()
    }

    /// Stops the servers, the last started first, and waits until they have ended. Blocks.
    ///
    /// # Errors
    /// If a server had ended by itself, failed to stop cleanly or had to be killed; the others are stopped all the same.
    pub fn stop(mut self) -> Result<()> {
        self.stop_servers()
    }

    fn stop_servers(&mut self) -> Result<()> {
        let mut errors = Vec::new();
        while let Some(server) = self.servers.pop() {
            if let Err(error) = server.stop() {
                errors.push(format!("{error:#}"));
            }
        }
        ensure!(errors.is_empty(), "{}", errors.join("\n"));
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.stop_servers() {
            tracing::warn!("the local stack did not stop cleanly: {error:#}");
        }
    }
}

/// What shows that a server is ready.
enum Check {
    Kafka(u16),
    Http(u16, &'static str),
}

impl Check {
    fn passes(&self) -> std::io::Result<bool> {
        match self {
            Check::Kafka(port) => health::kafka(*port),
            Check::Http(port, path) => health::http(*port, path),
        }
    }
}

fn lease(part: &Part, setting: &str) -> Result<Option<PortLease>> {
    match part {
        Part::Off | Part::External(_) => Ok(None),
        Part::Fixed(port) => PortLease::fixed(*port, setting).map(Some),
        Part::Free => PortLease::free().map(Some),
    }
}

fn data_argument(data_dir: &Path, name: &str) -> Vec<OsString> {
    vec!["--data".into(), data_dir.join(name).into()]
}

/// The program that runs the servers: the one that `OVATION_DEVSTACK_BIN` names by its full path; under Cargo, as in
/// tests, this crate's, built now unless it is newer than its sources; else the one beside the running program.
fn find_server_command() -> Result<Vec<OsString>> {
    if let Some(path) = std::env::var_os("OVATION_DEVSTACK_BIN") {
        return Ok(vec![path]);
    }
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            // a test runs in the folder `deps` beside which the programs are
            let beside = program.parent().and_then(Path::parent).map(|target| target.join(SERVER_PROGRAM));
            match beside.filter(|program| is_newer_than_sources(program).unwrap_or(false)) {
                Some(program) => Ok(program),
                None => build_server(&cargo).map_err(|error| format!("{error:#}")),
            }
        });
        return built.clone().map(|path| vec![path.into()]).map_err(|error| anyhow!(error));
    }
    let beside = program.with_file_name(SERVER_PROGRAM);
    ensure!(beside.exists(), "{} is missing: name it in OVATION_DEVSTACK_BIN", beside.display());
    Ok(vec![beside.into()])
}

/// Whether a program was built after the last change of what it is built from.
fn is_newer_than_sources(program: &Path) -> std::io::Result<bool> {
    let built = fs::metadata(program)?.modified()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = [
        "src",
        "kafka",
        "Cargo.toml",
        "../kafka/src",
        "../kafka/Cargo.toml",
        "../Cargo.lock",
        "../Cargo.toml",
    ]
    .map(|path| root.join(path))
    .to_vec();
    while let Some(path) = paths.pop() {
        let metadata = fs::metadata(&path)?;
        if metadata.modified()? >= built {
            return Ok(false);
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                paths.push(entry?.path());
            }
        }
    }
    Ok(true)
}

fn build_server(cargo: &OsString) -> Result<PathBuf> {
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format=json-render-diagnostics"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "--bin",
            "ovation-devstack",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo cannot build ovation-devstack");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.context("cargo does not say where ovation-devstack is")
}
