//! What a request asks besides its SQL: who asks, which database and format, settings, parameters, encodings.
//!
//! Everything in the address that is no name of the interface itself is a setting for the engine. Names and values are
//! kept apart from SQL until they are quoted here.

use axum::http::{HeaderMap, Method, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    exception::{Exception, code},
    library::Parameter,
};

/// How a request's or a response's body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Lz4,
}

/// A request without its body.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// the SQL in the address
    pub(super) query: String,
    pub(super) database: Option<String>,
    pub(super) default_format: Option<String>,
    pub(super) query_id: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// the response is wanted as ClickHouse's compressed blocks
    pub(super) compress: bool,
    /// the body is ClickHouse's compressed blocks
    pub(super) decompress: bool,
    /// nothing is sent before the result is whole
    pub(super) wait_end_of_query: bool,
    /// values for the `{name:Type}` in the SQL
    pub(super) parameters: Vec<Parameter>,
    pub(super) settings: Vec<(String, String)>,
    /// GET may only read
    pub(super) read_only: bool,
    pub(super) body_encoding: Option<Encoding>,
    pub(super) response_encoding: Option<Encoding>,
}

impl Request {
    /// Reads method, address and headers.
    ///
    /// # Errors
    /// If the body's encoding is not known or credentials are no credentials.
    pub(super) fn parse(
        method: &Method,
        pairs: Vec<(String, String)>,
        headers: &HeaderMap,
    ) -> Result<Request, Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut request = Request { read_only: method != Method::POST, ..Request::default() };
        request.database = header("x-clickhouse-database").map(str::to_owned);
        request.default_format = header("x-clickhouse-format").map(str::to_owned);
        if let Some(credentials) = header(header::AUTHORIZATION.as_str()) {
            let (user, password) = basic(credentials).ok_or_else(|| {
                let message = "Authentication failed: the Authorization header is not of the Basic scheme";
                Exception::new(code::AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", message)
            })?;
            (request.user, request.password) = (Some(user), Some(password));
        }
        if let Some(user) = header("x-clickhouse-user") {
            request.user = Some(user.to_owned());
        }
        if let Some(password) = header("x-clickhouse-key") {
            request.password = Some(password.to_owned());
        }
        request.body_encoding = body_encoding(headers)?;
        request.response_encoding = response_encoding(headers);
        for (name, value) in pairs {
            request.take(name, value);
        }
        Ok(request)
    }

    /// Takes one name and its value, from the address or from a form.
    pub(super) fn take(&mut self, name: String, value: String) {
        let filled = |value: String| Some(value).filter(|value| !value.is_empty());
        let is_on = !matches!(value.as_str(), "" | "0" | "false");
        if let Some(parameter) = name.strip_prefix("param_") {
            self.parameters.push((parameter.to_owned(), value));
            return;
        }
        match name.as_str() {
            "query" => self.query = value,
            "database" => self.database = filled(value).or(self.database.take()),
            "default_format" => self.default_format = filled(value).or(self.default_format.take()),
            "query_id" => self.query_id = filled(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "compress" => self.compress = is_on,
            "decompress" => self.decompress = is_on,
            "wait_end_of_query" | "http_wait_end_of_query" => self.wait_end_of_query = is_on,
            "enable_http_compression" => {
                if !is_on {
                    self.response_encoding = None;
                }
            }
            // of no meaning here: there are no sessions, roles, quotas or protocol versions
            "session_id"
            | "session_timeout"
            | "session_check"
            | "role"
            | "quota_key"
            | "stacktrace"
            | "buffer_size"
            | "client_protocol_version"
            | "close_session" => {}
            _ => self.settings.push((name, value)),
        }
    }

    /// Refuses everybody but the one configured user.
    ///
    /// # Errors
    /// Code 516, worded so that it does not tell a wrong name from a wrong password.
    pub(super) fn authenticate(&self, user: &str, password: &str) -> Result<(), Exception> {
        let given = self.user.as_deref().filter(|user| !user.is_empty()).unwrap_or("default");
        if given == user && self.password.as_deref().unwrap_or_default() == password {
            return Ok(());
        }
        let message = format!(
            "{given}: Authentication failed: password is incorrect, or there is no user with such name"
        );
        Err(Exception::new(code::AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", message))
    }

    /// The statement that applies the settings, if there are any; `defaults` apply where the request does not set them.
    ///
    /// # Errors
    /// If a name cannot be one of a setting.
    pub(super) fn set_statement(&self, defaults: &[(&str, &str)]) -> Result<Option<String>, Exception> {
        let is_set = |name: &str| self.settings.iter().any(|(set, _)| set == name);
        let defaults = defaults.iter().copied().filter(|(name, _)| !is_set(name));
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // last, for nothing can be set afterwards that it forbids
        let read_only = (self.read_only && !is_set("readonly")).then_some(("readonly", "2"));
        let mut changes = Vec::new();
        for (name, value) in defaults.chain(given).chain(read_only) {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_name) || name.as_bytes()[0].is_ascii_digit() {
                let message =
                    format!("Setting {name:?} is neither a builtin setting nor started with a letter");
                return Err(Exception::new(code::UNKNOWN_SETTING, "UNKNOWN_SETTING", message));
            }
            changes.push(format!("{name} = '{}'", quoted(value, '\'')));
        }
        Ok((!changes.is_empty()).then(|| format!("SET {}", changes.join(", "))))
    }

    /// The statement that chooses the database, if one is named.
    pub(super) fn use_statement(&self) -> Option<String> {
        let database = self.database.as_deref().filter(|database| *database != "default")?;
        Some(format!("USE `{}`", quoted(database, '`')))
    }
}

/// A text that stays one text between `quote` marks.
fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        if character == quote || character == '\\' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

fn basic(credentials: &str) -> Option<(String, String)> {
    let (scheme, encoded) = credentials.split_once(' ')?;
    let decoded =
        BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn body_encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Exception> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
    match String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Encoding::Gzip)),
        "lz4" => Ok(Some(Encoding::Lz4)),
        name => {
            let message = format!("Unknown compression method {name:?}: gzip and lz4 are supported");
            Err(Exception::new(code::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message))
        }
    }
}

/// The first of the accepted encodings that we have; a weight of 0 means that it is not accepted.
fn response_encoding(headers: &HeaderMap) -> Option<Encoding> {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).find_map(|choice| {
        let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32));
        match name.trim().to_ascii_lowercase().as_str() {
            _ if is_refused => None,
            "gzip" => Some(Encoding::Gzip),
            "lz4" => Some(Encoding::Lz4),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn request(pairs: &[(&str, &str)], headers: &[(&'static str, &str)]) -> Result<Request, Exception> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        Request::parse(&Method::POST, pairs, &headers.collect())
    }

    #[test]
    fn names_of_the_interface_are_no_settings() {
        let pairs = [
            ("query", "SELECT {x:String}"),
            ("database", "d`b"),
            ("default_format", "JSON"),
            ("param_x", "it's"),
            ("max_threads", "2"),
            ("insert_deduplication_token", "a'b\\c"),
            ("decompress", "1"),
            ("session_id", "s"),
        ];
        let request = request(&pairs, &[]).unwrap();
        assert_eq!(request.parameters, [("x".to_owned(), "it's".to_owned())]);
        assert!(request.decompress && !request.compress);
        assert_eq!(request.use_statement().unwrap(), "USE `d\\`b`");
        assert_eq!(
            request.set_statement(&[("max_threads", "8"), ("extremes", "0")]).unwrap().unwrap(),
            "SET extremes = '0', max_threads = '2', insert_deduplication_token = 'a\\'b\\\\c'"
        );
    }

    #[test]
    fn a_setting_s_name_cannot_smuggle_sql() {
        let request = request(&[("a = 1, b", "1")], &[]).unwrap();
        assert_eq!(request.set_statement(&[]).unwrap_err().code(), code::UNKNOWN_SETTING);
    }

    #[test]
    fn get_reads_only() {
        let request = Request::parse(&Method::GET, vec![], &HeaderMap::new()).unwrap();
        assert_eq!(request.set_statement(&[]).unwrap().unwrap(), "SET readonly = '2'");
    }

    #[test]
    fn credentials_come_in_three_ways() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("ana:p:w"));
        for (pairs, headers) in [
            (vec![("user", "ana"), ("password", "p:w")], vec![]),
            (vec![], vec![("x-clickhouse-user", "ana"), ("x-clickhouse-key", "p:w")]),
            (vec![], vec![("authorization", basic.as_str())]),
        ] {
            let request = request(&pairs, &headers).unwrap();
            request.authenticate("ana", "p:w").unwrap();
            assert_eq!(request.authenticate("ana", "other").unwrap_err().code(), code::AUTHENTICATION_FAILED);
            assert_eq!(
                request.authenticate("default", "p:w").unwrap_err().code(),
                code::AUTHENTICATION_FAILED
            );
        }
        request(&[], &[]).unwrap().authenticate("default", "").unwrap();
        assert!(request(&[], &[("authorization", "Bearer x")]).is_err());
    }

    #[test]
    fn encodings_are_negotiated() {
        let accepts = |value: &str| request(&[], &[("accept-encoding", value)]).unwrap().response_encoding;
        assert_eq!(accepts("lz4"), Some(Encoding::Lz4));
        assert_eq!(accepts("br, gzip;q=0.5, lz4"), Some(Encoding::Gzip));
        assert_eq!(accepts("gzip;q=0, zstd"), None);
        let off = request(&[("enable_http_compression", "0")], &[("accept-encoding", "gzip")]).unwrap();
        assert_eq!(off.response_encoding, None);
        assert!(request(&[], &[("content-encoding", "br")]).is_err());
    }
}
