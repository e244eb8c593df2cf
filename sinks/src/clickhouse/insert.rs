//! One INSERT over the official client: turned into columns and compressed off the calling thread, with timeouts, and what its errors mean.
//!
//! Always holds: an insert that returned `Ok` was acknowledged by the server; one that failed may be sent again as it is. An
//! acknowledgement does not say whether the rows were taken now or had been before: [`records_there`] does.

use bytes::Bytes;
use clickhouse::error::Error;
use clickhouse::insert_formatted::CompressedData;
use clickhouse::{Client, Compression};

use super::chunk::Insert;
use super::native;
use super::options::ClickHouseOptions;
use super::tables::Table;

/// What must hold for an insert to be taken whole and once, whatever the user's profile says.
const SETTINGS: [(&str, &str); 9] = [
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ("distributed_foreground_insert", "1"),
    // A view that fails must fail the insert: it is then repeated.
    ("materialized_views_ignore_errors", "0"),
    // The rows of an insert are one block: above `flush_rows` and `flush_bytes`.
    ("max_insert_block_size", "1048449"),
    ("min_insert_block_size_rows", "1048449"),
    ("min_insert_block_size_bytes", "0"),
    ("input_format_null_as_default", "0"),
];

/// The rows as compressed blocks, made off the calling thread; anew for each attempt, so that what waits is kept once.
async fn compress(table: Table, rows: Bytes) -> Result<Vec<CompressedData>, Error> {
    let compress = move || -> Result<Vec<CompressedData>, Error> {
        let mut frames = Vec::new();
        native::blocks(table.columns(), &rows, |block| {
            frames.push(CompressedData::new(block, Compression::Lz4)?);
            Ok::<(), Error>(())
        })?;
        Ok(frames)
    };
    tokio::task::spawn_blocking(compress).await.map_err(|error| Error::Other(error.into()))?
}

/// Sends one insert and waits for its acknowledgement.
///
/// # Errors
/// Of the network, the server or a timeout; see [`meaning`].
pub(super) async fn send(client: &Client, options: &ClickHouseOptions, insert: &Insert) -> Result<(), Error> {
    send_into(insert.table.insert_statement(), client, options, insert).await
}

async fn send_into(
    statement: String,
    client: &Client,
    options: &ClickHouseOptions,
    insert: &Insert,
) -> Result<(), Error> {
    let frames = compress(insert.table, insert.body.clone()).await?;
    let mut request = client
        .insert_formatted_with(statement)
        .with_setting("insert_deduplication_token", insert.token.as_str())
        .with_timeouts(Some(options.send_timeout), Some(options.end_timeout));
    for (name, value) in SETTINGS {
        request = request.with_setting(name, value);
    }
    for frame in frames {
        request.send_compressed(frame).await?;
    }
    request.end().await
}

/// Brings rows into the table past its memory of tokens, and past its materialized views: into a table of its own, whose part is then
/// moved. May be repeated; the move is one step.
///
/// # Errors
/// Of the network, the server or a timeout.
pub(super) async fn move_in(
    client: &Client,
    options: &ClickHouseOptions,
    insert: &Insert,
) -> Result<(), Error> {
    let table = insert.table.name;
    let aside = format!("{table}_{}_moved_in", insert.partition.partition);
    let run = async |sql: String| client.query_raw(&sql).execute().await;
    run(format!("DROP TABLE IF EXISTS {aside}")).await?;
    run(format!("CREATE TABLE {aside} AS {table}")).await?;
    send_into(insert.table.insert_statement_into(&aside), client, options, insert).await?;
    let partition = format!(
        "SELECT DISTINCT partition_id FROM system.parts WHERE active AND table = '{aside}' AND database = currentDatabase()"
    );
    let partition: String = client.query(&partition).fetch_one().await?;
    run(format!("ALTER TABLE {aside} MOVE PARTITION ID '{partition}' TO TABLE {table}")).await?;
    run(format!("DROP TABLE {aside}")).await
}

/// How many of the insert's records the table has. None where the question has no use: a replicated table may answer from a
/// replica that lags, and takes an insert and its token in one step anyway.
///
/// # Errors
/// Of the network or the server.
pub(super) async fn records_there(client: &Client, insert: &Insert) -> Result<Option<usize>, Error> {
    let table = insert.table.name;
    let engine = "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = ?";
    let engine: Option<String> = client.query(engine).bind(table).fetch_optional().await?;
    let is_replicated = |engine: &str| engine.starts_with("Replicated") || engine.starts_with("Shared");
    if !engine.is_some_and(|engine| engine.ends_with("MergeTree") && !is_replicated(&engine)) {
        return Ok(None);
    }
    let count = format!(
        "SELECT uniqExact(`offset`) FROM {table} WHERE _partition_value.1 = toDate(?) AND topic = ? AND `partition` = ? \
         AND `offset` >= ? AND `offset` < ?"
    );
    let count = client.query(&count).bind(insert.day).bind(&*insert.partition.topic);
    let count = count.bind(insert.partition.partition).bind(insert.offsets.0).bind(insert.offsets.1);
    Ok(Some(count.fetch_one::<u64>().await? as usize))
}

/// What an error means for the insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The same insert may succeed later; it may even have succeeded.
    Later,
    /// The server found something wrong with the rows.
    Rows,
    /// Repeating will not help.
    Never,
}

/// Error codes of the server after which the same insert may succeed later: limits, overload, memory, disk space, shutting down,
/// replicas, network.
const LATER: [u32; 19] =
    [3, 107, 159, 164, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 285, 319, 394, 425, 999];

/// Error codes of the server that are about values: a constraint, an array or a string that is too large, a number out of range, a
/// conversion or a function that throws (in a column's default, or in a materialized view).
const ROWS: [u32; 22] =
    [6, 27, 38, 41, 43, 53, 69, 70, 72, 117, 128, 131, 153, 190, 321, 349, 395, 407, 436, 441, 469, 691];

/// What an error means for the insert.
pub(super) fn meaning(error: &Error) -> Meaning {
    match error {
        Error::Network(_) | Error::TimedOut => Meaning::Later,
        Error::BadResponse(text) => match code(text) {
            Some(code) if ROWS.contains(&code) => Meaning::Rows,
            Some(code) if !LATER.contains(&code) => Meaning::Never,
            // Without a code it was not the server that spoke, but something in between that could not reach it.
            _ => Meaning::Later,
        },
        _ => Meaning::Never,
    }
}

/// True for an error of the server or of the way to it that may pass: it is away, or has no room at the moment.
#[must_use]
pub fn is_passing(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| meaning(error) == Meaning::Later)
}

/// The server's error code in its message: `Code: 60. DB::Exception: ...`.
pub(super) fn code(text: &str) -> Option<u32> {
    let digits = &text[text.find("Code: ")? + "Code: ".len()..];
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// What somebody who reads the error should do, where we know.
pub(super) fn advice(error: &Error) -> &'static str {
    let Error::BadResponse(text) = error else { return "" };
    match code(text) {
        Some(16 | 60 | 81) => "; the tables are missing or old: run `ovation clickhouse migrate`",
        Some(192..=194 | 497 | 516) => "; check user, password and grants",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Error {
        Error::BadResponse(text.to_owned())
    }

    #[test]
    fn overload_and_network_are_retried_values_are_isolated_and_wrong_requests_end_it() {
        for code in [252, 202, 242, 285, 319, 999, 107, 209, 210] {
            assert_eq!(
                meaning(&answer(&format!("Code: {code}. DB::Exception: x"))),
                Meaning::Later,
                "{code}"
            );
        }
        assert_eq!(meaning(&Error::TimedOut), Meaning::Later);
        assert_eq!(meaning(&answer("<html>502 Bad Gateway</html>")), Meaning::Later);
        assert_eq!(meaning(&answer("Code: 469. DB::Exception: Constraint `c` is violated")), Meaning::Rows);
        assert_eq!(meaning(&answer("Code: 60. DB::Exception: Table does not exist")), Meaning::Never);
        assert_eq!(meaning(&answer("Code: 33. DB::Exception: Cannot read all data")), Meaning::Never);
        assert_eq!(meaning(&Error::Compression("x".into())), Meaning::Never);
        assert!(!LATER.iter().any(|code| ROWS.contains(code)));
    }

    #[test]
    fn a_missing_table_is_answered_with_what_to_do() {
        assert!(advice(&answer("Code: 60. DB::Exception: no table")).contains("ovation clickhouse migrate"));
        assert_eq!(advice(&Error::TimedOut), "");
    }
}
