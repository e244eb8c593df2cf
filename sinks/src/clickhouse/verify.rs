//! The second opinion: compares the log with the rows ([`offsets`]), the raw events with their rollups ([`rollups`]), and asks
//! ClickHouse to compute published results again from the raw events, and which of them differ.
//!
//! Always holds: nothing is written. A result is compared with the raw events that are in the database now. Does not know: what a
//! job is configured with; the parameters say it.

pub mod offsets;
pub mod rollups;

use clickhouse::Client;
use serde_json::Value;

/// The differences of final engagement windows; its head lists the parameters.
pub const ENGAGEMENT: &str = include_str!("../../verify/engagement.sql");
/// The differences of final candles; its head lists the parameters.
pub const CANDLES: &str = include_str!("../../verify/candles.sql");

/// Values for the parameters of a query: `{name:Type}`.
pub type Parameters = Vec<(&'static str, Value)>;

/// The rows that a query returns, each as an object.
///
/// # Errors
/// If the server cannot be asked, or refuses the query.
pub async fn rows(client: &Client, sql: &str, parameters: &Parameters) -> Result<Vec<Value>, VerifyError> {
    // A question mark would be a place to bind a value.
    let mut query = client.query(&sql.replace('?', "??"));
    for (name, value) in parameters {
        query = query.param(name, value);
    }
    let bytes = query.fetch_bytes("JSONEachRow")?.collect().await?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(VerifyError::from)).collect()
}

/// Why results were not compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The server could not be asked, or refused.
    #[error("clickhouse: {0}")]
    Server(#[from] clickhouse::error::Error),
    /// The log could not be read.
    #[error("the log failed: {0}")]
    Log(#[from] kafka::LogError),
    /// The server's answer is no JSON.
    #[error("clickhouse answered what is not JSON: {0}")]
    Answer(#[from] serde_json::Error),
}
