//! Which tables behind materialized views would count a repeated chunk twice.
//!
//! A chunk that is sent again after a lost answer carries its first token, and every table on its way drops it if it remembers tokens:
//! replicated tables do by themselves, others by `non_replicated_deduplication_window`. The migrations set it; a table that
//! somebody puts behind a view of their own may lack it.
//!
//! Always holds: views that read from views' tables are followed. Does not know: what the views compute.

use std::collections::BTreeSet;

use clickhouse::Client;
use clickhouse::error::Error;
use schemas::Topic;

use super::tables::Table;

/// Each pair of a table and one that a view of it writes to (database, name, database, name), and whether that one forgets tokens.
const FEEDS: &str = "\
    SELECT source.database, source.name, target.database, target.name, \
        endsWith(target.engine, 'MergeTree') AND NOT match(target.engine, '^(Replicated|Shared)') \
        AND NOT match(target.engine_full, 'non_replicated_deduplication_window = [1-9]') \
    FROM (SELECT database, name, arrayJoin(arrayZip(dependencies_database, dependencies_table)) AS view \
        FROM system.tables) AS source \
    JOIN system.tables AS views ON views.database = source.view.1 AND views.name = source.view.2 \
    JOIN system.tables AS target ON target.database = views.target_database AND target.name = views.target_table \
    WHERE views.engine = 'MaterializedView'";

/// The tables behind views of the sink's tables that forget tokens, as `` `database`.`table` ``.
///
/// # Errors
/// If the server cannot be asked, or is too old to tell where a view writes.
pub async fn tables_that_forget_tokens(client: &Client, database: &str) -> Result<BTreeSet<String>, Error> {
    let feeds: Vec<(String, String, String, String, bool)> = client.query_raw(FEEDS).fetch_all().await?;
    let tables = Topic::STORED.iter().map(|topic| Table::of(*topic).name);
    let mut to_follow: Vec<(&str, &str)> = tables.map(|table| (database, table)).collect();
    let mut reached = BTreeSet::new();
    let mut forgetful = BTreeSet::new();
    while let Some(table) = to_follow.pop() {
        for (_, _, database, name, forgets) in feeds.iter().filter(|feed| (&*feed.0, &*feed.1) == table) {
            if reached.insert((database, name)) {
                to_follow.push((database, name));
                forgetful.extend(forgets.then(|| format!("`{database}`.`{name}`")));
            }
        }
    }
    Ok(forgetful)
}
