//! The client of a Confluent-compatible schema registry: which id stands for which schema.
//!
//! Always holds: every call ends within a few seconds, and an error says whether trying again can help. Does not know:
//! what the schemas mean, and caches nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::{SchemaIds, Topic};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Request, Response, StatusCode};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer that is longer than this is no answer of a registry.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Why the registry did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It did not answer, or not in time, or said that it cannot now: the same call may succeed later.
    #[error("the schema registry at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It has no such subject, version, schema or id.
    #[error("the schema registry does not have {0}")]
    NotFound(String),
    /// It has understood and says no; trying again does not help.
    #[error("the schema registry refuses {what}: {message} ({code})")]
    Refused {
        /// What was asked for.
        what: String,
        /// The registry's own code, or the status of HTTP if it gave none.
        code: u32,
        /// The registry's own words.
        message: String,
    },
}

/// User and password.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user, or the API key.
    pub user: String,
    /// The password, or the API secret.
    pub password: String,
}

impl std::fmt::Debug for BasicAuth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BasicAuth").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A version of a subject's schema.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// The id that stands for the schema on the wire.
    pub id: u32,
    /// Its version within the subject, from 1.
    pub version: u32,
    /// The schema.
    pub schema: String,
}

/// Whether a schema may follow the subject's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatibility {
    /// True if it may.
    pub is_compatible: bool,
    /// Why not, in the registry's words.
    pub messages: Vec<String>,
}

/// A schema registry. Cheap to clone; calls block.
#[derive(Clone, Debug)]
pub struct Registry {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

impl Registry {
    /// The registry at `url`, such as `http://127.0.0.1:8081`. Contacts nobody.
    #[must_use]
    pub fn new(url: &str, auth: Option<&BasicAuth>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .build();
        let authorization = auth.map(|BasicAuth { user, password }| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        });
        Registry { agent: config.into(), url: url.trim_end_matches('/').to_owned(), authorization }
    }

    /// Registers a schema under a subject, unless it is there already; its id.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] if it is no schema or not compatible with the versions before.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let path = format!("/subjects/{}/versions", escaped(subject));
        let body = json!({ "schemaType": "AVRO", "schema": schema });
        let answer = self.call("POST", &path, Some(&body), &format!("the schema of {subject}"))?;
        self.number(&answer, "id")
    }

    /// The schema that an id stands for.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if the id is not given out.
    pub fn schema(&self, id: u32) -> Result<String, RegistryError> {
        let answer = self.call("GET", &format!("/schemas/ids/{id}"), None, &format!("the schema id {id}"))?;
        match answer.get("schema").and_then(Value::as_str) {
            Some(schema) => Ok(schema.to_owned()),
            None => Err(self.no_registry("an answer without a schema")),
        }
    }

    /// The newest version of a subject.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if there is no such subject.
    pub fn latest(&self, subject: &str) -> Result<Registered, RegistryError> {
        let path = format!("/subjects/{}/versions/latest", escaped(subject));
        let answer = self.call("GET", &path, None, &format!("the subject {subject}"))?;
        self.registered(answer)
    }

    /// The version under which a subject has exactly this schema.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if the subject does not have it.
    pub fn lookup(&self, subject: &str, schema: &str) -> Result<Registered, RegistryError> {
        let path = format!("/subjects/{}", escaped(subject));
        let body = json!({ "schemaType": "AVRO", "schema": schema });
        let answer = self.call("POST", &path, Some(&body), &format!("this schema under {subject}"))?;
        self.registered(answer)
    }

    /// Whether a schema may follow the versions of a subject, by the subject's level; anything may follow none.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] if it is no schema.
    pub fn is_compatible(&self, subject: &str, schema: &str) -> Result<Compatibility, RegistryError> {
        let path = format!("/compatibility/subjects/{}/versions?verbose=true", escaped(subject));
        let body = json!({ "schemaType": "AVRO", "schema": schema });
        let answer = match self.call("POST", &path, Some(&body), &format!("the subject {subject}")) {
            Err(RegistryError::NotFound(_)) => {
                return Ok(Compatibility { is_compatible: true, messages: Vec::new() });
            }
            answer => answer?,
        };
        let Some(is_compatible) = answer.get("is_compatible").and_then(Value::as_bool) else {
            return Err(self.no_registry("an answer without is_compatible"));
        };
        let messages = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
        let messages = messages.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Compatibility { is_compatible, messages })
    }

    /// Sets what later versions of a subject must keep to, such as `FULL_TRANSITIVE`.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] if there is no such level.
    pub fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), RegistryError> {
        let path = format!("/config/{}", escaped(subject));
        let body = json!({ "compatibility": level });
        self.call("PUT", &path, Some(&body), &format!("the compatibility {level} of {subject}"))?;
        Ok(())
    }

    /// The ids of the value schemas of every topic of the deployment with this prefix. Registers what is missing if
    /// it `may_register`, with compatibility `FULL_TRANSITIVE`, and only looks up if not.
    ///
    /// # Errors
    /// The first error; [`RegistryError::NotFound`] names what is missing if it may not register.
    pub fn resolve_ids(&self, prefix: &str, may_register: bool) -> Result<SchemaIds, RegistryError> {
        SchemaIds::try_from_fn(|topic: Topic| {
            let (subject, schema) = (topic.subject(prefix), topic.spec().schema);
            match self.lookup(&subject, schema) {
                Err(RegistryError::NotFound(_)) if may_register => {
                    self.set_compatibility(&subject, "FULL_TRANSITIVE")?;
                    self.register(&subject, schema)
                }
                found => Ok(found?.id),
            }
        })
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Value, RegistryError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("accept", format!("{CONTENT_TYPE}, application/json"))
            .header("content-type", CONTENT_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let wrong = |error: ureq::http::Error| self.no_registry(&error.to_string());
        let response = match method {
            "GET" => self.agent.run(request.body(()).map_err(wrong)?),
            _ => self.agent.run(request.body(body).map_err(wrong)?),
        };
        match response {
            Ok(response) => self.answer(response, what),
            Err(error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_))) => {
                Err(self.no_registry(&error.to_string()))
            }
            Err(error) => Err(self.unreachable(error.to_string())),
        }
    }

    fn answer(&self, mut response: Response<ureq::Body>, what: &str) -> Result<Value, RegistryError> {
        let status = response.status();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| self.unreachable(error.to_string()))?;
        let value: Option<Value> = serde_json::from_str(&text).ok();
        if status.is_success() {
            return value.ok_or_else(|| self.no_registry("an answer that is not JSON"));
        }
        let field = |name: &str| value.as_ref().and_then(|value| value.get(name));
        let own_code = field("error_code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
        let code = own_code.unwrap_or_else(|| u32::from(status.as_u16()));
        let message = field("message").and_then(Value::as_str);
        let message = message.or(status.canonical_reason()).unwrap_or("no reason given").to_owned();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.unreachable(format!("{message} ({code})")));
        }
        if status == StatusCode::NOT_FOUND && (40_401..=40_499).contains(&code) {
            return Err(RegistryError::NotFound(what.to_owned()));
        }
        Err(RegistryError::Refused { what: what.to_owned(), code, message })
    }

    fn registered(&self, answer: Value) -> Result<Registered, RegistryError> {
        serde_json::from_value(answer).map_err(|error| self.no_registry(&error.to_string()))
    }

    fn number(&self, answer: &Value, name: &str) -> Result<u32, RegistryError> {
        let number = answer.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.no_registry(&format!("an answer without {name}")))
    }

    fn unreachable(&self, reason: String) -> RegistryError {
        RegistryError::Unreachable { url: self.url.clone(), reason }
    }

    /// Something answers there, but no schema registry.
    fn no_registry(&self, message: &str) -> RegistryError {
        let what = format!("to be one: {} is asked", self.url);
        RegistryError::Refused { what, code: 0, message: message.to_owned() }
    }
}

/// A subject as a part of a path.
fn escaped(subject: &str) -> String {
    let mut path = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte))
            }
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// Answers one request with `status` and `body`; gives the request line, the authorization and the body.
    fn answering(status: &'static str, body: &'static str) -> (String, JoinHandle<(String, String, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut authorization, mut length) = (String::new(), String::new(), 0);
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                match name.to_lowercase().as_str() {
                    "authorization" => value.clone_into(&mut authorization),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
            (line.trim_end().to_owned(), authorization, String::from_utf8(sent).unwrap())
        });
        (url, server)
    }

    #[test]
    fn registering_sends_the_schema_and_takes_the_id() {
        let (url, server) = answering("200 OK", r#"{"id":7}"#);
        let auth = BasicAuth { user: "key".to_owned(), password: "secret".to_owned() };
        let id = Registry::new(&format!("{url}/"), Some(&auth)).register("a/b-value", "\"string\"");
        assert_eq!(id, Ok(7));
        let (line, authorization, body) = server.join().unwrap();
        assert_eq!(line, "POST /subjects/a%2Fb-value/versions HTTP/1.1");
        assert_eq!(authorization, "Basic a2V5OnNlY3JldA==");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({ "schemaType": "AVRO", "schema": "\"string\"" }));
        assert!(!format!("{auth:?}").contains("secret"));
    }

    #[test]
    fn errors_say_whether_trying_again_helps() {
        let of = |status, body| {
            let (url, server) = answering(status, body);
            let error = Registry::new(&url, None).latest("s").unwrap_err();
            server.join().unwrap();
            error
        };
        let missing = of("404 Not Found", r#"{"error_code":40401,"message":"Subject 's' not found."}"#);
        assert_eq!(missing, RegistryError::NotFound("the subject s".to_owned()));
        let refused = of("422 Unprocessable Entity", r#"{"error_code":42201,"message":"Invalid schema"}"#);
        assert!(matches!(refused, RegistryError::Refused { code: 42_201, .. }));
        assert!(matches!(of("404 Not Found", "<html>"), RegistryError::Refused { code: 404, .. }));
        assert!(matches!(of("401 Unauthorized", ""), RegistryError::Refused { code: 401, .. }));
        assert!(matches!(of("500 Oops", r#"{"error_code":50001}"#), RegistryError::Unreachable { .. }));
        assert!(matches!(of("429 Slow", ""), RegistryError::Unreachable { .. }));
        assert!(matches!(of("200 OK", "<html>"), RegistryError::Refused { code: 0, .. }));

        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Registry::new(&format!("http://{nobody}"), None).schema(1).unwrap_err();
        assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
        assert!(matches!(Registry::new("no url", None).schema(1), Err(RegistryError::Refused { .. })));
    }

    #[test]
    fn anything_may_follow_nothing() {
        let (url, server) = answering("404 Not Found", r#"{"error_code":40401,"message":"not found"}"#);
        assert!(Registry::new(&url, None).is_compatible("s", "{}").unwrap().is_compatible);
        assert!(server.join().unwrap().0.contains("/compatibility/subjects/s/versions?verbose=true"));
        let (url, server) = answering("200 OK", r#"{"is_compatible":false,"messages":["a","b"]}"#);
        let answer = Registry::new(&url, None).is_compatible("s", "{}").unwrap();
        server.join().unwrap();
        assert_eq!(
            answer,
            Compatibility { is_compatible: false, messages: vec!["a".to_owned(), "b".to_owned()] }
        );
    }

    #[test]
    fn only_looking_up_registers_nothing() {
        let (url, server) =
            answering("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#);
        let error = Registry::new(&url, None).resolve_ids("dev.", false).unwrap_err();
        assert_eq!(error, RegistryError::NotFound("this schema under dev.events.chat-value".to_owned()));
        assert_eq!(server.join().unwrap().0, "POST /subjects/dev.events.chat-value HTTP/1.1");
    }
}
