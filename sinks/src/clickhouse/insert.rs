//! One INSERT over the official client: compressed off the calling thread, with timeouts, and what its errors mean.
//!
//! Always holds: an insert that returned `Ok` was acknowledged by the server; one that failed may be sent again as it is.

use clickhouse::error::Error;
use clickhouse::insert_formatted::CompressedData;
use clickhouse::{Client, Compression};

use super::chunk::Insert;
use super::options::ClickHouseOptions;

/// Rows are compressed and sent in frames of this many bytes.
const FRAME_BYTES: usize = 1 << 20;

/// Sends one insert and waits for its acknowledgement.
///
/// # Errors
/// Of the network, the server or a timeout; see [`is_retriable`].
pub(super) async fn send(client: &Client, options: &ClickHouseOptions, insert: &Insert) -> Result<(), Error> {
    let body = insert.body.clone();
    let compress = move || -> Result<Vec<CompressedData>, Error> {
        body.chunks(FRAME_BYTES).map(|frame| CompressedData::new(frame, Compression::Lz4)).collect()
    };
    let frames =
        tokio::task::spawn_blocking(compress).await.map_err(|error| Error::Other(error.into()))??;
    let mut request = client
        .insert_formatted_with(insert.statement.as_str())
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", insert.token.as_str())
        .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
        .with_setting("async_insert", "0")
        .with_setting("distributed_foreground_insert", "1")
        .with_timeouts(Some(options.send_timeout), Some(options.end_timeout));
    for frame in frames {
        request.send_compressed(frame).await?;
    }
    request.end().await
}

/// Error codes of the server after which the same insert may succeed later: limits, overload, memory, disk space,
/// shutting down, replicas, network.
const RETRIABLE_CODES: [u32; 18] =
    [3, 107, 159, 164, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 285, 319, 394, 999];

/// True if the same insert may succeed later.
pub(super) fn is_retriable(error: &Error) -> bool {
    match error {
        Error::Network(_) | Error::TimedOut => true,
        // Without a code it was not the server that spoke, but something in between that could not reach it.
        Error::BadResponse(text) => code(text).is_none_or(|code| RETRIABLE_CODES.contains(&code)),
        _ => false,
    }
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
    fn overload_and_network_are_retried_and_wrong_requests_are_not() {
        assert!(is_retriable(&Error::TimedOut));
        assert!(is_retriable(&answer("Code: 252. DB::Exception: Too many parts (300)")));
        assert!(is_retriable(&answer("<html>502 Bad Gateway</html>")));
        assert!(!is_retriable(&answer("Code: 60. DB::Exception: Table ovation.chat_events does not exist")));
        assert!(!is_retriable(&answer("Code: 33. DB::Exception: Cannot read all data")));
        assert!(!is_retriable(&Error::Compression("x".into())));
    }

    #[test]
    fn a_missing_table_is_answered_with_what_to_do() {
        assert!(advice(&answer("Code: 60. DB::Exception: no table")).contains("ovation clickhouse migrate"));
        assert_eq!(advice(&Error::TimedOut), "");
    }
}
