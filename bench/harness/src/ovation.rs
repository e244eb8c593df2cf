//! The program under test, with servers and a configuration of its own.
//!
//! Always holds: everything it writes is in a folder that is deleted at the end. Does not know: what is measured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devstack::{Part, Stack, StackOptions};
use kafka::broker::{BrokerLog, BrokerOptions};
use kafka::{Log as _, TopicPartition};

use crate::meter::{Usage, usage};

/// Partitions of each topic, and so shards, unless others are asked for.
pub const PARTITIONS: i32 = 4;
/// Chat, the input of the boards that are measured.
pub const CHAT: &str = "events.chat";
/// The job `boards`: who wrote most in each channel in the last five minutes.
pub const ROLLING_BOARD: &str = r#"
[jobs.boards]
lateness = "2s"
[[jobs.boards.boards]]
name = "top_chatters"
source = "chat"
item = "user"
window = { kind = "rolling", length = "5m", slide = "10s" }
k = 100
emit_every = "10s"
"#;
/// How long anything may take that is waited for.
const DEADLINE: Duration = Duration::from_secs(900);

/// The servers, the topics and the configuration.
pub struct Bench {
    binary: PathBuf,
    log: BrokerLog,
    stack: Stack,
    folder: tempfile::TempDir,
    partitions: i32,
}

/// A process of the program.
pub struct Process {
    child: Child,
    listen: String,
}

impl Bench {
    /// Starts a broker and a registry, creates topics and registers schemas. `jobs` is the `[jobs]` part of the configuration.
    ///
    /// # Errors
    /// What could not be started, with the last lines of its log.
    pub fn start(binary: &Path, jobs: &str) -> Result<Self> {
        Bench::start_with(binary, jobs, PARTITIONS)
    }

    /// The same with so many partitions of each topic.
    ///
    /// # Errors
    /// What could not be started, with the last lines of its log.
    pub fn start_with(binary: &Path, jobs: &str, partitions: i32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = StackOptions::new(folder.path().join("stack"))
            .with_kafka(Part::Free)
            .with_registry(Part::Free)
            .with_server_command(vec![binary.into(), "devstack".into()]);
        let stack = Stack::start(options)?;
        let settings = format!(
            "[kafka]\nbrokers = \"{}\"\npartitions = {partitions}\n[schema_registry]\nurl = \"{}\"\n{jobs}",
            stack.kafka_brokers(),
            stack.registry_url()
        );
        std::fs::write(folder.path().join("ovation.toml"), settings)?;
        let log = BrokerLog::new(BrokerOptions::new(stack.kafka_brokers()))?;
        let bench = Bench { binary: binary.to_owned(), log, stack, folder, partitions };
        bench.run(&["topics", "apply"])?;
        bench.run(&["schemas", "register"])?;
        Ok(bench)
    }

    /// Runs another build from now on.
    pub fn set_binary(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    /// Where files can be put.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end. Its standard output.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with(arguments, &[])
    }

    /// The same with keys of the configuration set.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn run_with(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Result<String> {
        let output = with(self.command(arguments), settings).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ovation {}: {said}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The broker, as clients name it.
    pub fn brokers(&self) -> &str {
        self.stack.kafka_brokers()
    }

    /// The broker.
    pub fn log(&self) -> &BrokerLog {
        &self.log
    }

    /// The registry's address.
    pub fn registry(&self) -> &str {
        self.stack.registry_url()
    }

    /// Forgets a consumer group, once nobody is in it.
    ///
    /// # Errors
    /// If somebody stays in it, or the broker cannot be reached.
    pub fn forget_group(&self, group: &str) -> Result<()> {
        let partitions = self.partitions_of(&[CHAT]);
        if self.log.group_positions(group, &partitions)?.iter().all(Option::is_none) {
            return Ok(());
        }
        Ok(self.log.delete_group(group)?)
    }

    /// Starts `ovation process JOB` with these keys of the configuration set.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn process(&self, job: &str, settings: &[(&str, &str)]) -> Result<Process> {
        self.process_jobs(&[job], settings)
    }

    /// The same with several jobs in one process.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn process_jobs(&self, jobs: &[&str], settings: &[(&str, &str)]) -> Result<Process> {
        self.role(&[&["process"], jobs].concat(), settings)
    }

    /// Starts `ovation process` with these keys of the configuration set: all jobs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn process_all(&self, settings: &[(&str, &str)]) -> Result<Process> {
        self.role(&["process"], settings)
    }

    /// Starts `ovation sink clickhouse` with these keys of the configuration set.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn sink(&self, settings: &[(&str, &str)]) -> Result<Process> {
        self.role(&["sink", "clickhouse"], settings)
    }

    /// Starts `ovation dashboard` with these keys of the configuration set, and waits until it has read what there is. Where it listens.
    ///
    /// # Errors
    /// If it does not start.
    pub fn dashboard(&self, settings: &[(&str, &str)]) -> Result<(Process, SocketAddr)> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = address.to_string();
        let process = self.role(&["dashboard"], &[settings, &[("dashboard.listen", &listen)]].concat())?;
        let started = Instant::now();
        while ureq::get(format!("http://{listen}/api/ready")).call().is_err() {
            ensure!(started.elapsed() < DEADLINE, "the gateway is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok((process, address))
    }

    fn role(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Process> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = with(self.command(arguments), settings);
        command.env("OVATION__PROCESS__LISTEN", &listen).stdout(Stdio::null());
        let child = command.spawn()?;
        Ok(Process { child, listen })
    }

    /// How many records the inputs have.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn records(&self, topics: &[&str]) -> Result<i64> {
        let (mut sum, partitions) = (0, self.partitions_of(topics));
        for partition in &partitions {
            let (start, end) = self.log.offsets(partition)?;
            sum += end - start;
        }
        Ok(sum)
    }

    /// How many records a group has committed.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn committed(&self, group: &str, topics: &[&str]) -> Result<i64> {
        let positions = self.log.group_positions(group, &self.partitions_of(topics))?;
        Ok(positions.iter().flatten().map(|committed| committed.offset).sum())
    }

    /// Waits until `job` has committed all that `topics` have.
    ///
    /// # Errors
    /// If it does not come to that, or the broker cannot be reached.
    pub fn wait_until_committed(&self, job: &str, topics: &[&str]) -> Result<()> {
        let started = Instant::now();
        let all = self.records(topics)?;
        loop {
            let committed = self.committed(&format!("ovation-{job}"), topics)?;
            if committed >= all {
                return Ok(());
            }
            ensure!(started.elapsed() < DEADLINE, "{job} has committed {committed} of {all} records");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn partitions_of(&self, topics: &[&str]) -> Vec<TopicPartition> {
        let of_topic =
            |topic: &&str| (0..self.partitions).map(|number| TopicPartition::new(*topic, number)).collect();
        topics.iter().flat_map::<Vec<_>, _>(of_topic).collect()
    }

    /// Ends the servers.
    ///
    /// # Errors
    /// If one does not end well.
    pub fn stop(self) -> Result<()> {
        self.stack.stop()
    }
}

/// The command with these keys of the configuration set.
fn with(mut command: Command, settings: &[(&str, &str)]) -> Command {
    let key = |key: &str| format!("OVATION__{}", key.to_uppercase().replace('.', "__"));
    command.envs(settings.iter().map(|(name, value)| (key(name), *value)));
    command
}

impl Process {
    /// Of another program.
    pub fn of(child: Child, listen: String) -> Self {
        Process { child, listen }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has used.
    ///
    /// # Errors
    /// If it has ended.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.child.id())
    }

    /// The status of its answer to a question for its health.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn health(&self) -> Result<u16> {
        let asked = ureq::get(format!("http://{}/health", self.listen)).config().http_status_as_error(false);
        Ok(asked.build().call()?.status().as_u16())
    }

    /// The sum of one of its metrics over its jobs; none before it answers.
    pub fn metric(&self, name: &str) -> Option<i64> {
        let mut answer = ureq::get(format!("http://{}/metrics", self.listen)).call().ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        let start = format!("ovation_job_{name}{{");
        let values = text.lines().filter(|line| line.starts_with(&start));
        Some(values.filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok()).sum())
    }

    /// Waits until a metric is at least this.
    ///
    /// # Errors
    /// If it does not come to that.
    pub fn wait_for_metric(&self, name: &str, least: i64) -> Result<()> {
        let started = Instant::now();
        while self.metric(name).is_none_or(|value| value < least) {
            ensure!(started.elapsed() < DEADLINE, "{name} is {:?}, not {least}", self.metric(name));
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends it as an operator does.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.context("a process id")?, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "ovation process ended with {status}");
        Ok(())
    }

    /// Ends it as the system does when memory runs out.
    ///
    /// # Errors
    /// If it had ended already.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
