//! ClickHouse's engine for the tests that need no Kafka: a database for each, statements, questions in SQL, made-up rows.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::PathBuf;
use std::sync::OnceLock;

use clickhouse::Client;
use devstack::{Part, Stack, StackOptions};
use sinks::clickhouse::{ClickHouseOptions, Target, migrate};

/// The engine, started once for all tests of a binary; it ends with this process.
fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tables-{}", std::process::id()));
        Stack::start(StackOptions::new(folder).with_clickhouse(Part::Free)).expect("the engine starts")
    })
}

/// One test's database.
pub struct Database {
    pub name: String,
    pub client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    /// With tables.
    pub fn new(name: &str) -> Database {
        let database = Database::empty(name);
        database.wait(migrate(&database.client, &Target::new(name))).expect("migrated");
        database
    }

    /// Without tables, and not made yet.
    pub fn empty(name: &str) -> Database {
        let options = ClickHouseOptions {
            url: stack().clickhouse_url().to_owned(),
            database: name.to_owned(),
            ..Default::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        Database { name: name.to_owned(), client: options.client(), runtime }
    }

    /// Whether there is such a database.
    pub fn exists(&self) -> bool {
        let question = format!("SELECT count() > 0 FROM system.databases WHERE name = '{}'", self.name);
        let outside = self.client.clone().with_database("default");
        self.wait(outside.query_raw(&question).fetch_one::<bool>()).expect("asked")
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs a statement.
    pub fn run(&self, statement: &str) {
        self.try_run(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    pub fn try_run(&self, statement: &str) -> clickhouse::error::Result<()> {
        self.wait(self.client.query_raw(statement).execute())
    }

    /// The rows of an answer, their cells separated by tabs.
    pub fn ask(&self, question: &str) -> Vec<String> {
        self.try_ask(question).unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    pub fn try_ask(&self, question: &str) -> clickhouse::error::Result<Vec<String>> {
        let answer = async { self.client.query_raw(question).fetch_bytes("TabSeparated")?.collect().await };
        let bytes = self.wait(answer)?;
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }

    /// Fills every table with a made-up week, of so many raw events.
    pub fn fill(&self, rows: u64) {
        let statements = include_str!("generated.sql").split(";\n").map(str::trim);
        for statement in statements.filter(|statement| !statement.is_empty()) {
            let statement = statement.replace("{rows:UInt64}", &format!("toUInt64({rows})"));
            self.run(&statement);
        }
    }
}
