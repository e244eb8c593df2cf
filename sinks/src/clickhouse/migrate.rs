//! Brings a database to the tables and views that this version writes and documents.
//!
//! Always holds: migrations run in the order of their numbers, each is recorded with its checksum, and one that was
//! applied never runs again. Every statement may run twice (IF NOT EXISTS, OR REPLACE), so that one that was cut off
//! half-way is completed by the next run. Does not know: what the statements do.

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::options::is_identifier;

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
}

/// A migration that was applied now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// How many statements it had.
    pub statements: usize,
}

/// Why a database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The name cannot be a database's.
    #[error("`{0}` cannot name a database: letters, digits and _ only, no digit first")]
    InvalidDatabase(String),
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
    /// A statement failed; those before it stay applied.
    #[error("statement {statement} of migration {number:03}_{name} failed: {source}")]
    Statement {
        /// The migration's number.
        number: u32,
        /// Its name.
        name: &'static str,
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

/// Creates `database` if there is none, and applies what it lacks of [`MIGRATIONS`].
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(client: &Client, database: &str) -> Result<Vec<Applied>, MigrateError> {
    migrate_with(client, database, MIGRATIONS).await
}

/// As [`migrate`], with these migrations.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate_with(
    client: &Client,
    database: &str,
    migrations: &[Migration],
) -> Result<Vec<Applied>, MigrateError> {
    if !is_identifier(database) {
        return Err(MigrateError::InvalidDatabase(database.to_owned()));
    }
    let outside = client.clone().with_database("default");
    outside.query_raw(&format!("CREATE DATABASE IF NOT EXISTS `{database}`")).execute().await?;
    let client = client.clone().with_database(database);
    client.query_raw(HISTORY).execute().await?;
    let read = "SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number";
    let history: Vec<Recorded> = client.query_raw(read).fetch_all().await?;
    for recorded in &history {
        check(recorded, database, migrations)?;
    }
    let is_new = |migration: &&Migration| history.iter().all(|recorded| recorded.number != migration.number);
    let mut applied = Vec::new();
    for migration in migrations.iter().filter(is_new) {
        applied.push(apply(&client, migration).await?);
    }
    Ok(applied)
}

const HISTORY: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     UInt32 COMMENT 'The migration\\'s number.',
    name       String COMMENT 'Its name.',
    checksum   String COMMENT 'SHA-256 of its file, in hexadecimal digits.',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it was applied, by the server\\'s clock.'
)
ENGINE = ReplacingMergeTree
ORDER BY number
COMMENT 'The migrations that this database has had.'";

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

async fn apply(client: &Client, migration: &Migration) -> Result<Applied, MigrateError> {
    let Migration { number, name, sql } = *migration;
    let statements = statements(sql);
    for (index, statement) in statements.iter().enumerate() {
        let failed = |source| MigrateError::Statement { number, name, statement: index + 1, source };
        client.query_raw(statement).execute().await.map_err(failed)?;
    }
    let record = "INSERT INTO schema_migrations SELECT ?, ?, ?, now64(3)";
    client.query(record).bind(number).bind(name).bind(checksum(sql)).execute().await?;
    tracing::info!(number, name, statements = statements.len(), "migration applied");
    Ok(Applied { number, name: name.to_owned(), statements: statements.len() })
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
