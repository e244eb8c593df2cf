//! How to reach ClickHouse, and how much to gather before writing.
//!
//! Always holds: the password appears in no log (`Debug` leaves it out). The values are checked by
//! [`ClickHouseOptions::check`] before anything starts.

use std::fmt;
use std::time::Duration;

use clickhouse::{Client, Compression};

/// How to reach ClickHouse, and how much to gather before writing.
#[derive(Clone)]
pub struct ClickHouseOptions {
    /// The HTTP interface: `http://127.0.0.1:8123`.
    pub url: String,
    /// The database that holds the tables.
    pub database: String,
    /// The user.
    pub user: String,
    /// The user's password; may be empty.
    pub password: String,
    /// A chunk is written once it has this many rows.
    pub flush_rows: usize,
    /// A chunk is written once its rows have this many bytes, uncompressed.
    pub flush_bytes: usize,
    /// A chunk is written once its first record is this old.
    pub flush_interval: Duration,
    /// Reading pauses while more bytes of rows than this wait to be written.
    pub buffer_bytes: usize,
    /// How many inserts may run at once.
    pub inserts_max: usize,
    /// How long handing a piece of an insert to the network may take.
    pub send_timeout: Duration,
    /// How long the server may take to acknowledge an insert. Not related to `flush_interval`, and much longer.
    pub end_timeout: Duration,
    /// The wait before the second attempt of an insert; it doubles with each attempt.
    pub retry_delay: Duration,
    /// The longest wait between attempts.
    pub retry_delay_max: Duration,
    /// How long to go on writing what was gathered when partitions are taken away or the sink is stopped.
    pub drain_timeout: Duration,
}

impl Default for ClickHouseOptions {
    fn default() -> Self {
        ClickHouseOptions {
            url: "http://127.0.0.1:8123".to_owned(),
            database: "ovation".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            flush_rows: 50_000,
            flush_bytes: 16 << 20,
            flush_interval: Duration::from_secs(1),
            buffer_bytes: 256 << 20,
            inserts_max: 4,
            send_timeout: Duration::from_secs(30),
            end_timeout: Duration::from_secs(60),
            retry_delay: Duration::from_millis(100),
            retry_delay_max: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for ClickHouseOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClickHouseOptions")
            .field("url", &self.url)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("flush_rows", &self.flush_rows)
            .field("flush_bytes", &self.flush_bytes)
            .field("flush_interval", &self.flush_interval)
            .finish_non_exhaustive()
    }
}

/// An option that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} {problem}")]
pub struct OptionsError {
    /// The option's name.
    pub option: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ClickHouseOptions {
    /// A client of the official crate with these settings. Cheap to clone; clones share their connections.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::default()
            .with_url(&self.url)
            .with_database(&self.database)
            .with_user(&self.user)
            .with_password(&self.password)
            .with_compression(Compression::Lz4)
            .with_product_info("ovation", env!("CARGO_PKG_VERSION"))
    }

    /// Refuses values with which the sink cannot work.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<(), OptionsError> {
        let require = |holds: bool, option, problem| {
            if holds { Ok(()) } else { Err(OptionsError { option, problem }) }
        };
        let is_http = self.url.starts_with("http://") || self.url.starts_with("https://");
        require(is_http, "url", "must start with http:// or https://")?;
        require(is_identifier(&self.database), "database", "must be letters, digits and _, no digit first")?;
        // An insert of more rows than the server's block (1,048,449) would not be atomic.
        require((1..=500_000).contains(&self.flush_rows), "flush_rows", "must be 1 to 500000")?;
        require(self.flush_bytes >= 1, "flush_bytes", "must be at least 1")?;
        require(self.buffer_bytes >= self.flush_bytes, "buffer_bytes", "must not be below flush_bytes")?;
        require(!self.flush_interval.is_zero(), "flush_interval", "must be above zero")?;
        require(self.inserts_max >= 1, "inserts_max", "must be at least 1")?;
        require(!self.retry_delay.is_zero(), "retry_delay", "must be above zero")?;
        require(!self.end_timeout.is_zero(), "end_timeout", "must be above zero")
    }
}

/// True for a name that needs no quoting anywhere.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_accepted_and_the_password_is_not_shown() {
        let options = ClickHouseOptions { password: "secret-word".to_owned(), ..Default::default() };
        assert_eq!(options.check(), Ok(()));
        assert!(!format!("{options:?}").contains("secret-word"));
    }

    #[test]
    fn senseless_options_are_refused_by_name() {
        let refused = |options: ClickHouseOptions| options.check().expect_err("refused").option;
        let default = ClickHouseOptions::default;
        assert_eq!(refused(ClickHouseOptions { url: "localhost".to_owned(), ..default() }), "url");
        assert_eq!(refused(ClickHouseOptions { database: "a;b".to_owned(), ..default() }), "database");
        assert_eq!(refused(ClickHouseOptions { flush_rows: 0, ..default() }), "flush_rows");
        assert_eq!(refused(ClickHouseOptions { buffer_bytes: 1, ..default() }), "buffer_bytes");
    }
}
