//! A deployment of its own on the shared servers: configuration by environment, commands, roles, questions in SQL.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use devstack::{Part, Stack, StackOptions};
use kafka::broker::{BrokerLog, BrokerOptions};

/// How long anything may take that is waited for.
const DEADLINE: Duration = Duration::from_secs(150);

/// Looks until what is seen is as it should be.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A process that ends with the test, however that ends.
pub struct EndsWithTest(pub Child);

impl Drop for EndsWithTest {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The servers, started once for all tests of this binary; they end with it.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<(Stack, tempfile::TempDir)> = OnceLock::new();
    let start = || {
        let folder = tempfile::tempdir().expect("a folder");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_ovation"));
        let options = StackOptions::new(folder.path())
            .with_kafka(Part::Free)
            .with_clickhouse(Part::Free)
            .with_registry(Part::Free)
            .with_server_command(vec![program.into(), "devstack".into()]);
        (Stack::start(options).expect("the local stack"), folder)
    };
    &STACK.get_or_init(start).0
}

/// `GET url`: the status, and the whole response.
pub fn get(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("an http address");
    let (address, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(address).expect("the endpoint answers");
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("received");
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, response)
}

fn ask_to_stop(role: &Child) {
    let asked = Command::new("kill").args(["-TERM", &role.id().to_string()]).status();
    assert!(asked.expect("kill runs").success());
}

/// One deployment.
pub struct Deployment {
    stack: &'static Stack,
    pub prefix: String,
    database: String,
    /// State of an earlier run must not be met here.
    snapshots: PathBuf,
    roles: Vec<Child>,
    extra: Vec<(String, String)>,
}

impl Deployment {
    /// Topics, schemas and tables under `name`, on the servers that all tests share.
    pub fn new(name: &str) -> Self {
        Deployment::on(stack(), name)
    }

    /// Topics, schemas and tables under `name`, on these servers.
    pub fn on(stack: &'static Stack, name: &str) -> Self {
        let deployment = Deployment {
            stack,
            prefix: format!("{name}."),
            database: format!("test_{name}"),
            snapshots: PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("snapshots-{}-{name}", std::process::id())),
            roles: Vec::new(),
            extra: Vec::new(),
        };
        deployment.run(&["topics", "apply"]);
        deployment.run(&["schemas", "register"]);
        deployment.run(&["clickhouse", "migrate"]);
        deployment
    }

    /// The same deployment, for roles that come and go on their own.
    pub fn attach(to: &Deployment) -> Self {
        Deployment {
            stack: to.stack,
            prefix: to.prefix.clone(),
            database: to.database.clone(),
            snapshots: to.snapshots.clone(),
            roles: Vec::new(),
            extra: to.extra.clone(),
        }
    }

    /// Sets a key for the commands that follow.
    pub fn set(&mut self, key: &str, value: &str) {
        self.extra.push((format!("OVATION__{}", key.to_uppercase().replace('.', "__")), value.to_owned()));
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovation"));
        command
            .args(arguments)
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .env("OVATION__TOPIC_PREFIX", &self.prefix)
            .env("OVATION__KAFKA__BROKERS", self.stack.kafka_brokers())
            .env("OVATION__SCHEMA_REGISTRY__URL", self.stack.registry_url())
            .env("OVATION__CLICKHOUSE__URL", self.stack.clickhouse_url())
            .env("OVATION__CLICKHOUSE__DATABASE", &self.database)
            .env("OVATION__DASHBOARD__LISTEN", "127.0.0.1:0")
            .env("OVATION__SNAPSHOTS__PLACE", &self.snapshots)
            .env("OVATION__SNAPSHOTS__EVERY", "2s")
            .envs(self.extra.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Runs a command to its end, which must be good. Its standard output.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "ovation {arguments:?}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// Runs a command to its end, which must be good, and gives each line of its standard output.
    pub fn each_line(&self, arguments: &[&str], mut each: impl FnMut(&str)) {
        let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        out.lines().for_each(|line| each(&line.expect("text")));
        let status = child.wait().expect("ended");
        assert!(status.success(), "ovation {arguments:?}: {status}");
    }

    /// Starts a role that runs until [`Deployment::stop`].
    pub fn start(&mut self, arguments: &[&str]) {
        self.start_command(self.command(arguments));
    }

    /// Starts a role that runs until [`Deployment::stop`].
    pub fn start_command(&mut self, mut command: Command) {
        self.roles.push(command.stdout(Stdio::null()).spawn().expect("the binary runs"));
    }

    /// Kills the role started `index`-th, as the system does when memory runs out, and starts it anew.
    pub fn kill_and_restart(&mut self, index: usize, mut command: Command) {
        self.roles[index].kill().expect("killed");
        self.roles[index].wait().expect("ended");
        self.roles[index] = command.stdout(Stdio::null()).spawn().expect("the binary runs");
    }

    /// Asks the role started `index`-th to stop, as an operator does, and starts it anew.
    pub fn restart(&mut self, index: usize, mut command: Command) {
        ask_to_stop(&self.roles[index]);
        let status = self.roles[index].wait().expect("the role ends");
        assert!(status.success(), "a role ended with {status}");
        self.roles[index] = command.stdout(Stdio::null()).spawn().expect("the binary runs");
    }

    /// Asks the roles to stop; each must end well.
    pub fn stop(&mut self) {
        self.roles.iter().for_each(ask_to_stop);
        for mut role in self.roles.drain(..) {
            let status = role.wait().expect("the role ends");
            assert!(status.success(), "a role ended with {status}");
        }
    }

    /// Asks ClickHouse, in this deployment's database; the answer as text, one row a line.
    pub fn ask(&self, sql: &str) -> String {
        self.ask_with(sql, &[])
    }

    /// The same with values for the parameters of the query, as they may stand in a URL.
    pub fn ask_with(&self, sql: &str, parameters: &[(&str, &str)]) -> String {
        let parameters: String =
            parameters.iter().map(|(name, value)| format!("&param_{name}={value}")).collect();
        let address = self.stack.clickhouse_url().trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).expect("clickhouse answers");
        let request = format!(
            "POST /?database={}{parameters} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{sql}",
            self.database,
            sql.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("received");
        let (head, body) = response.split_once("\r\n\r\n").expect("a response");
        assert!(head.contains(" 200 "), "{sql}\n{response}");
        body.trim_end().to_owned()
    }

    /// Has so many events of the simulator produced at once, at `rate` a second of event time.
    pub fn simulate(&self, count: &str, rate: &str, more: &[&str]) {
        let simulate = ["produce", "simulate", "--unpaced", "--count", count, "--rate", rate];
        self.run(&[&simulate, more].concat());
    }

    /// Asks until the answer is `expected`: results arrive when they arrive.
    pub fn wait_for(&self, sql: &str, expected: &str) {
        let started = Instant::now();
        loop {
            let answer = self.ask(sql);
            if answer == expected {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{sql}\nstill answers {answer}, expected {expected}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Where ClickHouse is asked, and this deployment's database there.
    pub fn clickhouse(&self) -> (&str, &str) {
        (self.stack.clickhouse_url(), &self.database)
    }

    /// The log, for tests that write records of their own.
    pub fn log(&self) -> BrokerLog {
        BrokerLog::new(BrokerOptions::new(self.stack.kafka_brokers())).expect("a log")
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for mut role in self.roles.drain(..) {
            role.kill().ok();
            role.wait().ok();
        }
    }
}
