//! Makes the rollups anew from the raw events: after somebody has changed rows, or where the events are older than the rollups.
//!
//! Always holds: nothing is emptied of which the raw events are gone. The caller sees to it that nobody writes meanwhile. Does not know:
//! how a rollup is computed; the definitions of the feeds say it.

use clickhouse::Client;

/// The raw tables, and what is rolled up from each: first the tables that the raw events feed, then those fed by them.
const ROLLUPS: [(&str, &[&str], &[&str]); 4] = [
    ("chat_events", &["chat_minutes"], &["chat_hours", "chat_days"]),
    ("reaction_events", &["reactions_minutes"], &["reactions_hours", "reactions_days"]),
    ("viewer_events", &["viewers_minutes", "audience_days"], &["viewers_hours", "viewers_days"]),
    ("trade_events", &["trades_minutes"], &["trades_hours", "trades_days"]),
];

/// Why rollups were not made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Some of what is rolled up is not there any more.
    #[error("{rollup} has events that {raw} has no longer (a retention took them): they would be lost")]
    EventsAreGone {
        /// The rollup.
        rollup: &'static str,
        /// The raw table.
        raw: &'static str,
    },
    /// There is no such feed.
    #[error("{0}_feed is not there: run `ovation clickhouse migrate`")]
    NoFeed(&'static str),
    /// The server could not be asked, or refused.
    #[error("clickhouse: {0}")]
    Server(#[from] clickhouse::error::Error),
}

/// Empties every rollup and fills it from the raw events, each record once.
///
/// # Errors
/// See [`RebuildError`]; what was done before stays done, and the next call does all of it again.
pub async fn rebuild_rollups(client: &Client, database: &str) -> Result<(), RebuildError> {
    for (raw, fed, following) in ROLLUPS {
        for rollup in fed.iter().chain(following).copied() {
            let question = format!(
                "SELECT toBool(assumeNotNull((SELECT count() FROM {rollup}) > 0 AND ((SELECT count() FROM {raw}) = 0 OR \
                 (SELECT min(ingested_from) FROM {rollup}) < (SELECT min(ingest_time) FROM {raw})))) AS are_gone"
            );
            if client.query_raw(&question).fetch_one::<bool>().await? {
                return Err(RebuildError::EventsAreGone { rollup, raw });
            }
        }
    }
    for (raw, fed, following) in ROLLUPS {
        for rollup in fed.iter().chain(following) {
            client.query_raw(&format!("TRUNCATE TABLE {rollup}")).execute().await?;
        }
        for rollup in fed.iter().copied() {
            let question = "SELECT as_select FROM system.tables WHERE database = ? AND name = ?";
            let feed = client.query(question).bind(database).bind(format!("{rollup}_feed"));
            let select: Option<String> = feed.fetch_optional().await?;
            let (named, once) = (format!("{raw} AS r "), format!("{raw} AS r FINAL "));
            let select = select.ok_or(RebuildError::NoFeed(rollup))?.replace(&named, &once);
            // The content is the same as before, and must not be taken for a repetition of it.
            let fill = client
                .query_raw(&format!("INSERT INTO {rollup} {select}"))
                .with_setting("insert_deduplicate", "0")
                .with_setting("max_partitions_per_insert_block", "0");
            fill.execute().await?;
            tracing::info!(rollup, raw, "rollup made anew");
        }
    }
    Ok(())
}
