//! A ClickHouse exception: its number, its text and the HTTP status that a server answers it with.
//!
//! Every error that a client sees is one of these. Numbers are those of ClickHouse's own list.

use std::{fmt, io};

use axum::http::StatusCode;

/// The numbers of the exceptions that this server raises itself.
pub(super) mod code {
    pub(crate) const BAD_ARGUMENTS: i32 = 36;
    pub(crate) const CHECKSUM_DOESNT_MATCH: i32 = 40;
    pub(crate) const NOT_IMPLEMENTED: i32 = 48;
    pub(crate) const SYNTAX_ERROR: i32 = 62;
    pub(crate) const UNKNOWN_COMPRESSION_METHOD: i32 = 89;
    pub(crate) const CANNOT_READ_ALL_DATA: i32 = 33;
    pub(crate) const UNKNOWN_SETTING: i32 = 115;
    pub(crate) const CANNOT_DECOMPRESS: i32 = 271;
    pub(crate) const INTO_OUTFILE_NOT_ALLOWED: i32 = 358;
    pub(crate) const AUTHENTICATION_FAILED: i32 = 516;
    pub(crate) const UNKNOWN_EXCEPTION: i32 = 1002;
}

/// An error as ClickHouse words it: `Code: 60. DB::Exception: ... (UNKNOWN_TABLE)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    code: i32,
    text: String,
}

impl Exception {
    /// An exception of this server, worded as one of the engine; `name` is the code's name, as in `SYNTAX_ERROR`.
    pub(super) fn new(code: i32, name: &str, message: impl fmt::Display) -> Exception {
        Exception { code, text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    /// An exception that the engine reports as text; the version that some of its texts end with is cut off.
    pub(super) fn from_engine(text: &str) -> Exception {
        let text = text.strip_prefix("Error: ").unwrap_or(text).trim_end();
        let code = text
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(code, _)| code.parse().ok());
        match code {
            Some(code) => {
                let end = text.rfind(" (version ").filter(|_| text.ends_with(')')).unwrap_or(text.len());
                Exception { code, text: text[..end].to_owned() }
            }
            None => Exception::new(code::UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text.trim_end_matches('.')),
        }
    }

    /// The exception behind an error of a request's body: ours where a decoder raised one, else one that says why the
    /// body could not be read.
    pub(super) fn from_body(error: io::Error) -> Exception {
        error.downcast::<Exception>().unwrap_or_else(|error| {
            let message = format!("Cannot read the body of the request: {error}");
            Exception::new(code::CANNOT_READ_ALL_DATA, "CANNOT_READ_ALL_DATA", message)
        })
    }

    /// ClickHouse's number of the exception.
    pub(super) fn code(&self) -> i32 {
        self.code
    }

    /// The text that a server sends, which ends with its version.
    pub(super) fn body(&self, version: &str) -> String {
        format!("{} (version {version})\n", self.text)
    }

    /// The status that ClickHouse answers with.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 511 | 516 => StatusCode::FORBIDDEN,
            // texts, types and syntax that do not parse
            6 | 8 | 15 | 25 | 26 | 27 | 36 | 37 | 38 | 41 | 44 | 53 | 62 | 69 | 72 | 117 | 123 | 167
            | 168 | 223 | 376 | 427 | 441 | 675 | 676 => StatusCode::BAD_REQUEST,
            // unknown names
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 => StatusCode::NOT_FOUND,
            159 => StatusCode::REQUEST_TIMEOUT,
            229 => StatusCode::PAYLOAD_TOO_LARGE,
            381 => StatusCode::LENGTH_REQUIRED,
            48 => StatusCode::NOT_IMPLEMENTED,
            76 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Exception {}

impl From<Exception> for io::Error {
    fn from(exception: Exception) -> io::Error {
        io::Error::other(exception)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_texts_keep_their_number_and_lose_their_version() {
        let exception = Exception::from_engine(
            "Code: 27. DB::Exception: Cannot parse input: (at row 3)\n: (CANNOT_PARSE) (version 26.7.2.1)",
        );
        assert_eq!(exception.code(), 27);
        assert_eq!(exception.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            exception.body("26.7.2.1"),
            "Code: 27. DB::Exception: Cannot parse input: (at row 3)\n: (CANNOT_PARSE) (version 26.7.2.1)\n"
        );
        let plain = Exception::from_engine("send_insert does not support this.");
        assert_eq!(
            plain.to_string(),
            "Code: 1002. DB::Exception: send_insert does not support this. (UNKNOWN_EXCEPTION)"
        );
    }

    #[test]
    fn an_exception_passes_through_a_reader() {
        let raised =
            Exception::new(code::CHECKSUM_DOESNT_MATCH, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match");
        assert_eq!(Exception::from_body(raised.clone().into()), raised);
        assert_eq!(Exception::from_body(io::Error::other("reset")).code(), code::CANNOT_READ_ALL_DATA);
    }
}
