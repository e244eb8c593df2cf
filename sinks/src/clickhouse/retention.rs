//! How long rows are kept, as the tables' TTL.
//!
//! Always holds: a table is changed only where its TTL is another than asked for; a TTL that somebody else gave a table is replaced
//! where the configuration names a retention, and left alone where it names none. Rows are deleted when the engine merges, within
//! hours after their time. Does not know: what the rows mean.

use std::time::Duration;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::migrate::{MigrateError, Step, Target};

/// How long rows are kept; none: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Raw events, from their ingest time.
    pub events: Option<Duration>,
    /// Rollups by minute, from the ingest time of their last event.
    pub minutes: Option<Duration>,
    /// Rollups by hour, likewise.
    pub hours: Option<Duration>,
    /// Rollups by day, likewise.
    pub days: Option<Duration>,
    /// Results, from the time at which they were computed.
    pub results: Option<Duration>,
    /// Dead letters, from the time at which they were given up.
    pub dead_letters: Option<Duration>,
}

/// A retention that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("retention of {class} must be between 1h and 7300d")]
pub struct RetentionError {
    /// The rows that it is for, as the configuration names them.
    pub class: &'static str,
}

const SHORTEST: Duration = Duration::from_secs(3_600);
const LONGEST: Duration = Duration::from_secs(7_300 * 86_400);

/// The tables of each class, and the column from which their time counts.
const CLASSES: [(&str, &str, &[&str]); 6] = [
    ("events", "ingest_time", &["chat_events", "reaction_events", "viewer_events", "trade_events"]),
    (
        "minutes",
        "ingested_until",
        &["chat_minutes", "reactions_minutes", "viewers_minutes", "trades_minutes"],
    ),
    ("hours", "ingested_until", &["chat_hours", "reactions_hours", "viewers_hours", "trades_hours"]),
    (
        "days",
        "ingested_until",
        &["chat_days", "reactions_days", "viewers_days", "audience_days", "trades_days"],
    ),
    ("results", "computed_at", &["leaderboards", "engagement", "candles", "moderation_flags"]),
    ("dead_letters", "failed_at", &["dead_letters"]),
];

impl Retention {
    /// The classes in the order of [`CLASSES`].
    fn spans(&self) -> [Option<Duration>; 6] {
        [self.events, self.minutes, self.hours, self.days, self.results, self.dead_letters]
    }

    /// Refuses spans that would delete at once, or whose ends are beyond what a TTL can count.
    ///
    /// # Errors
    /// The first such class.
    pub fn check(&self) -> Result<(), RetentionError> {
        let wrong = |span: Option<Duration>| span.is_some_and(|span| span < SHORTEST || span > LONGEST);
        match CLASSES.iter().zip(self.spans()).find(|(_, span)| wrong(*span)) {
            Some(((class, ..), _)) => Err(RetentionError { class }),
            None => Ok(()),
        }
    }
}

/// The TTL of a table. A TTL counts in seconds from 1970 to 2106: clocks outside of that are taken for its ends, and so is what a
/// broken one says.
fn expression(column: &str, span: Duration) -> String {
    format!(
        "toDateTime(least(greatest({column}, toDateTime64('1970-01-02 00:00:00', 6, 'UTC')), \
         toDateTime64('2080-01-01 00:00:00', 6, 'UTC'))) + toIntervalSecond({})",
        span.as_secs()
    )
}

#[derive(Row, Deserialize)]
struct Found {
    name: String,
    ttl: String,
}

/// What brings the tables to the retention asked for; none if all are there.
pub(super) async fn step(client: &Client, target: &Target) -> Result<Option<Step>, MigrateError> {
    let local = if target.cluster.is_some() { "_local" } else { "" };
    let on_cluster = target.cluster.as_ref().map(|name| format!(" ON CLUSTER `{name}`")).unwrap_or_default();
    let question = "SELECT name, extract(engine_full, ' TTL (.*) SETTINGS ') AS ttl FROM system.tables WHERE database = ?";
    let outside = client.clone().with_database("default");
    // In an answer without the newest tables these are made by the migrations before, and have none.
    let found: Vec<Found> = outside.query(question).bind(&target.database).fetch_all().await?;
    let mut statements = Vec::new();
    for ((_, column, tables), span) in CLASSES.iter().zip(target.retention.spans()) {
        for table in *tables {
            let name = format!("{table}{local}");
            let ttl = found.iter().find(|found| found.name == name).map_or("", |found| found.ttl.as_str());
            let is_ours = ttl.starts_with("toDateTime(least(greatest(");
            let change = match span {
                Some(span) if ttl != expression(column, span) => {
                    format!("MODIFY TTL {}", expression(column, span))
                }
                None if is_ours => "REMOVE TTL".to_owned(),
                _ => continue,
            };
            statements.push(format!("ALTER TABLE {name}{on_cluster} {change}"));
        }
    }
    let step = Step { number: None, name: "retention".to_owned(), statements };
    Ok((!step.statements.is_empty()).then_some(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_that_deletes_at_once_or_never_ends_is_refused_by_name() {
        let span = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(Retention::default().check(), Ok(()));
        assert_eq!(
            Retention { events: span(3_600), days: span(7_300 * 86_400), ..Default::default() }.check(),
            Ok(())
        );
        let refused = |retention: Retention| retention.check().expect_err("refused").class;
        assert_eq!(refused(Retention { hours: span(3_599), ..Default::default() }), "hours");
        assert_eq!(
            refused(Retention { dead_letters: span(7_300 * 86_400 + 1), ..Default::default() }),
            "dead_letters"
        );
    }
}
