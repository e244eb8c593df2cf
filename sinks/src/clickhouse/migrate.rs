//! Brings a database to the tables and views that this version writes and documents.
//!
//! Always holds: migrations run in the order of their numbers, each is recorded with its checksum, and one that was
//! applied never runs again. Every statement may run twice, and twice at once (IF NOT EXISTS, OR REPLACE), so that one that was
//! cut off half-way is completed by the next run, and several instances may migrate together. Does not know: what the
//! statements do.

use std::fmt;

use clickhouse::{Client, Row};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::cluster;
use super::options::is_identifier;
use super::retention::{self, Retention, RetentionError};

/// One numbered .sql file.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Its statements; each ends with a semicolon at the end of a line.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal $file:literal),+ $(,)?) => {
        /// Every migration, in order.
        pub const MIGRATIONS: &[Migration] = &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../migrations/", $file)),
        }),+];
    };
}

migrations! {
    1 "events" "001_events.sql",
    2 "results" "002_results.sql",
    3 "views" "003_views.sql",
    4 "candles" "004_candles.sql",
    5 "engagement" "005_engagement.sql",
    6 "rollups" "006_rollups.sql",
    7 "comments" "007_comments.sql",
}

/// What a database is brought to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The database.
    pub database: String,
    /// The cluster on whose every node the tables are made; none: a single node.
    pub cluster: Option<String>,
    /// How long rows are kept.
    pub retention: Retention,
}

impl Target {
    /// A database on a single node that keeps everything.
    #[must_use]
    pub fn new(database: &str) -> Target {
        Target { database: database.to_owned(), cluster: None, retention: Retention::default() }
    }
}

/// One thing that a database lacks, and the statements that bring it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The migration's number; none for a change of retention.
    pub number: Option<u32>,
    /// The migration's name, or what else is done.
    pub name: String,
    /// What is run, in this order.
    pub statements: Vec<String>,
}

impl Step {
    /// True for what must be run outside of the database, because it makes it.
    #[must_use]
    pub fn is_preparation(&self) -> bool {
        self.name == PREPARATION
    }
}

const PREPARATION: &str = "database and history";

/// Why a database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The name cannot be a database's or a cluster's.
    #[error("`{0}` cannot name a database or a cluster: letters, digits and _ only, no digit first")]
    InvalidName(String),
    /// A migration is not what it was when it was applied.
    #[error(
        "migration {number:03}_{name} has changed since it was applied to `{database}`: its checksum was {recorded} and \
         is {ours}; put the file back as it was and write a new migration"
    )]
    Changed {
        /// The database.
        database: String,
        /// The migration's number.
        number: u32,
        /// Its name.
        name: String,
        /// The checksum in the history.
        recorded: String,
        /// The checksum of the file.
        ours: String,
    },
    /// The database is ahead of this version.
    #[error(
        "`{database}` has migration {number:03}_{name}, which this version does not know: use a newer version"
    )]
    Unknown {
        /// The database.
        database: String,
        /// The migration's number.
        number: u32,
        /// Its name.
        name: String,
    },
    /// The tables are there in the other form.
    #[error(
        "`{database}` {found}, but clickhouse.cluster says otherwise: a database is made for one of the two, choose another"
    )]
    OtherForm {
        /// The database.
        database: String,
        /// What it is.
        found: &'static str,
    },
    /// A retention that makes no sense.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// A statement of a file is none that can run on a cluster.
    #[error("migration {number:03}_{name} cannot run on a cluster: {problem}")]
    Cluster {
        /// The migration's number.
        number: u32,
        /// Its name.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A statement failed; those before it stay applied.
    #[error("statement {statement} of {step} failed: {source}")]
    Statement {
        /// What it belongs to.
        step: String,
        /// Which statement, from 1.
        statement: usize,
        /// The server's answer.
        source: clickhouse::error::Error,
    },
    /// The server could not be asked.
    #[error("clickhouse: {0}")]
    Server(#[from] clickhouse::error::Error),
}

#[derive(Row, Deserialize)]
struct Recorded {
    number: u32,
    name: String,
    checksum: String,
}

/// Creates the database if there is none, and applies what it lacks of [`MIGRATIONS`] and of the retention asked for.
///
/// Several may do so at the same time: what one has recorded the others leave out, and what two run at once is the same.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(client: &Client, target: &Target) -> Result<Vec<Step>, MigrateError> {
    migrate_with(client, target, MIGRATIONS).await
}

/// What [`migrate`] would run now. Changes nothing.
///
/// # Errors
/// See [`MigrateError`].
pub async fn plan(client: &Client, target: &Target) -> Result<Vec<Step>, MigrateError> {
    let history = checked_history(client, target, MIGRATIONS).await?;
    let mut steps = Vec::new();
    if !is_prepared(client, target).await? {
        steps.push(preparation(target));
    }
    for migration in MIGRATIONS.iter().filter(|migration| !has(&history, migration)) {
        steps.push(step(target, migration)?);
    }
    steps.extend(retention::step(client, target).await?);
    Ok(steps)
}

/// As [`migrate`], with these migrations.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate_with(
    client: &Client,
    target: &Target,
    migrations: &[Migration],
) -> Result<Vec<Step>, MigrateError> {
    checked_history(client, target, migrations).await?;
    let (outside, inside) = clients(client, target);
    if !is_prepared(client, target).await? {
        run(&outside, &preparation(target)).await?;
    }
    let mut applied = Vec::new();
    for migration in migrations {
        // Read again before each: another instance may have gone ahead.
        if has(&checked_history(client, target, migrations).await?, migration) {
            continue;
        }
        let step = step(target, migration)?;
        run(&inside, &step).await?;
        record(&inside, migration).await?;
        tracing::info!(number = migration.number, name = migration.name, "migration applied");
        applied.push(step);
    }
    if let Some(step) = retention::step(client, target).await? {
        run(&inside, &step).await?;
        tracing::info!(tables = step.statements.len(), "retention changed");
        applied.push(step);
    }
    Ok(applied)
}

/// Clients that ask outside of the database, which need not be there, and in it.
fn clients(client: &Client, target: &Target) -> (Client, Client) {
    (client.clone().with_database("default"), client.clone().with_database(&target.database))
}

fn has(history: &[Recorded], migration: &Migration) -> bool {
    history.iter().any(|recorded| recorded.number == migration.number)
}

fn check_names(target: &Target) -> Result<(), MigrateError> {
    for name in [Some(&target.database), target.cluster.as_ref()].into_iter().flatten() {
        if !is_identifier(name) {
            return Err(MigrateError::InvalidName(name.clone()));
        }
    }
    Ok(())
}

/// A migration as it runs here.
fn step(target: &Target, migration: &Migration) -> Result<Step, MigrateError> {
    let Migration { number, name, sql } = *migration;
    let refused = |problem| MigrateError::Cluster { number, name, problem };
    let mut adapted = Vec::new();
    for statement in statements(sql) {
        match &target.cluster {
            None => adapted.push(statement.to_owned()),
            Some(cluster) => {
                adapted.extend(cluster::statements(statement, &target.database, cluster).map_err(refused)?);
            }
        }
    }
    Ok(Step { number: Some(number), name: name.to_owned(), statements: adapted })
}

/// The database and its history.
fn preparation(target: &Target) -> Step {
    let database = &target.database;
    let (on_cluster, engine) = match &target.cluster {
        None => (String::new(), "ReplacingMergeTree".to_owned()),
        // One history for all shards: every node is a replica of it.
        Some(cluster) => (
            format!(" ON CLUSTER `{cluster}`"),
            format!(
                "ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/schema_migrations', '{{shard}}-{{replica}}')"
            ),
        ),
    };
    let history = HISTORY.replace("{database}", database).replace("{on_cluster}", &on_cluster);
    Step {
        number: None,
        name: PREPARATION.to_owned(),
        statements: vec![
            format!("CREATE DATABASE IF NOT EXISTS `{database}`{on_cluster}"),
            history.replace("{engine}", &engine),
        ],
    }
}

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS `{database}`.schema_migrations{on_cluster} (
    number     UInt32 COMMENT 'The migration\\'s number.',
    name       String COMMENT 'Its name.',
    checksum   String COMMENT 'SHA-256 of its file, in hexadecimal digits.',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it was applied, by the server\\'s clock.'
)
ENGINE = {engine}
ORDER BY number
COMMENT 'The migrations that this database has had.'";

async fn is_prepared(client: &Client, target: &Target) -> Result<bool, MigrateError> {
    let question = "SELECT engine FROM system.tables WHERE database = ? AND name = 'schema_migrations'";
    let (outside, _) = clients(client, target);
    let engine: Option<String> = outside.query(question).bind(&target.database).fetch_optional().await?;
    let Some(engine) = engine else { return Ok(false) };
    let found = match (engine.starts_with("Replicated"), &target.cluster) {
        (true, None) => "has the tables of a cluster",
        (false, Some(_)) => "has the tables of a single node",
        _ => return Ok(true),
    };
    Err(MigrateError::OtherForm { database: target.database.clone(), found })
}

/// The migrations that the database has had, none of them unknown or changed.
async fn checked_history(
    client: &Client,
    target: &Target,
    migrations: &[Migration],
) -> Result<Vec<Recorded>, MigrateError> {
    check_names(target)?;
    target.retention.check()?;
    if !is_prepared(client, target).await? {
        return Ok(Vec::new());
    }
    let read = "SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number";
    let history: Vec<Recorded> = clients(client, target).1.query_raw(read).fetch_all().await?;
    for recorded in &history {
        check(recorded, &target.database, migrations)?;
    }
    Ok(history)
}

fn check(recorded: &Recorded, database: &str, migrations: &[Migration]) -> Result<(), MigrateError> {
    let (database, number, name) = (database.to_owned(), recorded.number, recorded.name.clone());
    let Some(ours) = migrations.iter().find(|migration| migration.number == number) else {
        return Err(MigrateError::Unknown { database, number, name });
    };
    let ours = checksum(ours.sql);
    if ours == recorded.checksum {
        return Ok(());
    }
    Err(MigrateError::Changed { database, number, name, recorded: recorded.checksum.clone(), ours })
}

async fn run(client: &Client, step: &Step) -> Result<(), MigrateError> {
    for (index, statement) in step.statements.iter().enumerate() {
        let failed =
            |source| MigrateError::Statement { step: step.to_string(), statement: index + 1, source };
        client.query_raw(statement).execute().await.map_err(failed)?;
    }
    Ok(())
}

async fn record(inside: &Client, migration: &Migration) -> Result<(), MigrateError> {
    let record = "INSERT INTO schema_migrations SELECT ?, ?, ?, now64(3)";
    let Migration { number, name, sql } = *migration;
    Ok(inside.query(record).bind(number).bind(name).bind(checksum(sql)).execute().await?)
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(formatter, "migration {number:03}_{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The statements of a file: each ends with a semicolon at the end of a line.
fn statements(sql: &str) -> Vec<&str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
            .expect("folder")
            .map(|entry| entry.expect("entry").path())
            .map(|path| {
                let name = path.file_name().expect("name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).expect("text"))
            })
            .collect();
        files.sort();
        let embedded: Vec<(String, String)> = (1..)
            .zip(MIGRATIONS)
            .map(|(number, migration)| {
                assert_eq!(migration.number, number);
                (format!("{number:03}_{}.sql", migration.name), migration.sql.to_owned())
            })
            .collect();
        assert_eq!(files, embedded);
    }

    #[test]
    fn a_semicolon_within_a_line_does_not_end_a_statement() {
        assert_eq!(statements("a 'x; y';\n-- z\nb\n;\n\n"), ["a 'x; y'", "-- z\nb"]);
    }
}
