//! The statements of a migration as they run on a cluster.
//!
//! Every table becomes two: `NAME_local`, replicated within each shard, and `NAME`, which spreads rows over the shards and asks all of
//! them. What feeds a rollup reads and fills the local ones, so that a chunk is rolled up where it is stored; views read the others.
//! Rows that replace each other or are added up are in one shard: the key below is part of every such order.
//!
//! Always holds: a statement that is none of the known kinds is refused. Does not know: which clusters there are.

/// By what each table's rows are spread. Tables that are not named are spread by their channel.
const SPREAD_BY: [(&str, &str); 6] = [
    ("trade_events", "cityHash64(venue, symbol)"),
    ("trades_minutes", "cityHash64(venue, symbol)"),
    ("trades_hours", "cityHash64(venue, symbol)"),
    ("trades_days", "cityHash64(venue, symbol)"),
    ("leaderboards", "cityHash64(board, `group`)"),
    ("candles", "cityHash64(venue, symbol)"),
];
const BY_CHANNEL: &str = "cityHash64(channel_id)";
const DEAD_LETTERS: (&str, &str) = ("dead_letters", "cityHash64(original_topic, failed_at)");

/// What runs on every node of `cluster` for a statement of a single node.
///
/// # Errors
/// If the statement is of no known kind.
pub(super) fn statements(statement: &str, database: &str, cluster: &str) -> Result<Vec<String>, String> {
    let body = without_comments(statement);
    let on_cluster = format!("ON CLUSTER `{cluster}`");
    if let Some((name, rest)) = after(body, "CREATE TABLE IF NOT EXISTS ") {
        let local = format!(
            "CREATE TABLE IF NOT EXISTS {name}_local {on_cluster} {}",
            replicated(rest, name, database)?
        );
        let spread = spread_by(name);
        let comment = rest.rfind("\nCOMMENT ").map_or("", |at| &rest[at..]);
        let all = format!(
            "CREATE TABLE IF NOT EXISTS {name} {on_cluster} AS {name}_local\nENGINE = Distributed(`{cluster}`, `{database}`, \
             {name}_local, {spread}){comment}"
        );
        return Ok(vec![local, all]);
    }
    if let Some((name, rest)) = after(body, "ALTER TABLE ") {
        // A table that only asks the others has no codecs.
        return Ok(vec![
            format!("ALTER TABLE {name}_local {on_cluster}{rest}"),
            format!("ALTER TABLE {name} {on_cluster}{}", without_codecs(rest)),
        ]);
    }
    if let Some((name, rest)) = after(body, "CREATE MATERIALIZED VIEW IF NOT EXISTS ") {
        let (target, rest) = after(rest.trim_start(), "TO ").ok_or("a materialized view names no table")?;
        let (before, source) = rest.rsplit_once("\nFROM ").ok_or("a materialized view reads no table")?;
        let (source, rest) = word(source);
        return Ok(vec![format!(
            "CREATE MATERIALIZED VIEW IF NOT EXISTS {name} {on_cluster} TO {target}_local{before}\nFROM {source}_local{rest}"
        )]);
    }
    if let Some((name, rest)) = after(body, "CREATE OR REPLACE VIEW ") {
        return Ok(vec![format!("CREATE OR REPLACE VIEW {name} {on_cluster}{rest}")]);
    }
    Err(format!("no known kind of statement: {}", body.lines().next().unwrap_or_default()))
}

/// By what the rows of a table are spread over the shards.
fn spread_by(table: &str) -> &'static str {
    let named = SPREAD_BY.iter().chain([&DEAD_LETTERS]).find(|(name, _)| *name == table);
    named.map_or(BY_CHANNEL, |(_, key)| key)
}

/// The name behind `start`, and what follows it.
fn after<'text>(text: &'text str, start: &str) -> Option<(&'text str, &'text str)> {
    text.strip_prefix(start).map(word)
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// The comment lines in front of a statement are not part of it.
fn without_comments(mut statement: &str) -> &str {
    loop {
        statement = statement.trim_start();
        if !statement.starts_with("--") {
            return statement;
        }
        statement = statement.split_once('\n').map_or("", |(_, rest)| rest);
    }
}

/// A table's definition with an engine that keeps replicas of each shard.
fn replicated(definition: &str, name: &str, database: &str) -> Result<String, String> {
    let engine = "\nENGINE = ";
    let at = definition.find(engine).ok_or_else(|| format!("table {name} names no engine"))? + engine.len();
    let (kind, rest) = word(&definition[at..]);
    let path = format!("/clickhouse/tables/{database}/{name}/{{shard}}");
    let rest = rest
        .replace("SETTINGS non_replicated_deduplication_window", "SETTINGS replicated_deduplication_window");
    Ok(format!("{}Replicated{kind}('{path}', '{{replica}}'){rest}", definition[..at].trim_start()))
}

/// The text without `CODEC(...)`.
fn without_codecs(text: &str) -> String {
    let mut parts = text.split(" CODEC(");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut depth = 1;
        let end = part.find(|letter| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            depth == 0
        });
        kept.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_a_replicated_one_and_one_over_all_shards() {
        let table = "-- what it is\nCREATE TABLE IF NOT EXISTS dead_letters (\n    `a` String CODEC(ZSTD)\n)\nENGINE = \
                     ReplacingMergeTree\nORDER BY a\nSETTINGS non_replicated_deduplication_window = 10\nCOMMENT 'x'";
        assert_eq!(
            statements(table, "d", "c").unwrap(),
            [
                "CREATE TABLE IF NOT EXISTS dead_letters_local ON CLUSTER `c` (\n    `a` String CODEC(ZSTD)\n)\nENGINE = \
                 ReplicatedReplacingMergeTree('/clickhouse/tables/d/dead_letters/{shard}', '{replica}')\nORDER BY a\n\
                 SETTINGS replicated_deduplication_window = 10\nCOMMENT 'x'",
                "CREATE TABLE IF NOT EXISTS dead_letters ON CLUSTER `c` AS dead_letters_local\nENGINE = Distributed(`c`, `d`, \
                 dead_letters_local, cityHash64(original_topic, failed_at))\nCOMMENT 'x'",
            ]
        );
    }

    #[test]
    fn rollups_are_fed_from_local_tables_and_views_read_all() {
        let feed = "CREATE MATERIALIZED VIEW IF NOT EXISTS f TO t (\n    `a` Int8\n) AS\nSELECT a\nFROM s AS r\nGROUP BY a";
        assert_eq!(
            statements(feed, "d", "c").unwrap(),
            [
                "CREATE MATERIALIZED VIEW IF NOT EXISTS f ON CLUSTER `c` TO t_local (\n    `a` Int8\n) AS\nSELECT a\nFROM s_local AS r\n\
              GROUP BY a"
            ]
        );
        assert_eq!(
            statements("CREATE OR REPLACE VIEW v AS SELECT a FROM s", "d", "c").unwrap(),
            ["CREATE OR REPLACE VIEW v ON CLUSTER `c` AS SELECT a FROM s"]
        );
    }

    #[test]
    fn a_change_reaches_both_tables_and_anything_else_is_refused() {
        let change = "ALTER TABLE s\n    ADD COLUMN a Int8 CODEC(Delta(4), ZSTD) AFTER b";
        assert_eq!(
            statements(change, "d", "c").unwrap(),
            [
                "ALTER TABLE s_local ON CLUSTER `c`\n    ADD COLUMN a Int8 CODEC(Delta(4), ZSTD) AFTER b",
                "ALTER TABLE s ON CLUSTER `c`\n    ADD COLUMN a Int8 AFTER b"
            ]
        );
        assert!(statements("INSERT INTO s SELECT 1", "d", "c").unwrap_err().contains("INSERT INTO s"));
    }
}
