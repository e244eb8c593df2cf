//! `[dashboard]`: what is checked of it, and the gateway's set-up that it makes.
//!
//! Always holds: keys are read from their files or variables when the set-up is made, and shown nowhere. Does not know: servers.

use processors::config::ConfigError;
use serde_json::Value as Json;
use sinks::dashboard::access::Key;
use sinks::dashboard::limits::Network;
use sinks::dashboard::selector::Selectors;
use sinks::dashboard::{Access, DashboardOptions, TlsFiles};

use super::sections::{Anonymous, Dashboard, TokenKey};
use super::{Checked, Refused};

/// Selectors of `dashboard.anonymous`.
const SELECTORS_MAX: usize = 256;

/// What is wrong with the section.
pub(super) fn check(section: &Dashboard) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut refuse =
        |key: &str, problem: String| errors.push(ConfigError { key: format!("dashboard.{key}"), problem });
    if let Err(problem) = anonymous(section.anonymous.as_ref(), false) {
        refuse("anonymous", format!("is wrong: {problem}"));
    }
    for (index, key) in section.keys.iter().enumerate() {
        if key.file.is_some() == key.env.is_some() {
            refuse(&format!("keys[{index}]"), "needs either `file` or `env`".to_owned());
        }
        if section.keys[..index].iter().any(|other| other.kid == key.kid) {
            refuse(&format!("keys[{index}].kid"), "must differ from that of every other key".to_owned());
        }
    }
    for (index, text) in section.trusted_proxies.iter().enumerate() {
        if let Err(problem) = text.parse::<Network>() {
            refuse(&format!("trusted_proxies[{index}]"), format!("is wrong: {problem}"));
        }
    }
    let counts = [
        ("connections_max", section.connections_max),
        ("connections_per_address_max", section.connections_per_address_max),
        ("messages_per_second_max", section.messages_per_second_max as usize),
    ];
    for (key, count) in counts {
        if !(1..=10_000_000).contains(&count) {
            refuse(key, "must be between 1 and 10000000".to_owned());
        }
    }
    if section.tls_certificate.is_some() != section.tls_key.is_some() {
        refuse("tls_certificate", "and tls_key need each other".to_owned());
    }
    errors
}

/// What may be read without a token; `by_default`, where nothing is said, all or nothing.
fn anonymous(written: Option<&Anonymous>, by_default: bool) -> Result<Option<Selectors>, String> {
    match written {
        Some(Anonymous::Some(list)) => {
            let list: Json = list.iter().cloned().map(Json::Object).collect();
            Selectors::from_json(&list, "anonymous", SELECTORS_MAX).map(Some).map_err(|error| error.0)
        }
        Some(Anonymous::All(all)) => Ok(all.then(Selectors::everything)),
        None => Ok(by_default.then(Selectors::everything)),
    }
}

/// The bytes of a key.
///
/// # Errors
/// If they are not there; the message says where they should be.
pub fn key_bytes(key: &TokenKey) -> Result<Vec<u8>, Refused> {
    let read = match (&key.file, &key.env) {
        (Some(file), _) => std::fs::read(file).map_err(|error| format!("{}: {error}", file.display())),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            std::env::var(name).map(String::into_bytes).map_err(|_| format!("the variable {name} is not set"))
        }
    };
    read.map_err(|problem| refused(&key.kid, &problem))
}

fn refused(kid: &str, problem: &str) -> Refused {
    Refused { problems: vec![format!("key `{kid}` (dashboard.keys): {problem}")] }
}

impl Checked {
    /// The gateway's set-up.
    ///
    /// # Errors
    /// If a key cannot be read or used.
    pub fn dashboard_options(&self) -> Result<DashboardOptions, Refused> {
        let section = &self.config.dashboard;
        let key = |written: &TokenKey| {
            let bytes = key_bytes(written)?;
            Key::new(&written.kid, written.algorithm, &bytes)
                .map_err(|error| refused(&written.kid, &error.to_string()))
        };
        let keys = section.keys.iter().map(key).collect::<Result<_, _>>()?;
        let refuse = |problem: String| Refused { problems: vec![problem] };
        let is_local = self.config.kafka.brokers.is_none();
        let anonymous = anonymous(section.anonymous.as_ref(), is_local).map_err(refuse)?;
        let access = Access::new(keys, section.audience.clone(), anonymous)
            .map_err(|error| refuse(error.to_string()))?;
        let mut options = DashboardOptions::new(section.listen, access);
        options.topic_prefix.clone_from(&self.config.topic_prefix);
        options.allowed_origins.clone_from(&section.allowed_origins);
        options.with_chat = section.chat;
        options.clients.connections_max = section.connections_max;
        options.clients.connections_per_address_max = section.connections_per_address_max;
        options.clients.messages_per_second_max = section.messages_per_second_max;
        let proxies = section.trusted_proxies.iter().map(|text| text.parse());
        options.clients.trusted_proxies = proxies.collect::<Result<_, _>>().map_err(refuse)?;
        let files = section.tls_certificate.clone().zip(section.tls_key.clone());
        options.tls = files.map(|(certificate, key)| TlsFiles::new(certificate, key));
        Ok(options)
    }

    /// `http` or `https`: how the gateway is reached.
    pub fn dashboard_scheme(&self) -> &'static str {
        if self.config.dashboard.tls_certificate.is_some() { "https" } else { "http" }
    }

    /// Who may read, in words.
    pub fn dashboard_readers(&self) -> String {
        let section = &self.config.dashboard;
        let without = match &section.anonymous {
            Some(Anonymous::Some(list)) => format!("what {} selectors match", list.len()),
            Some(Anonymous::All(true)) => "everything".to_owned(),
            Some(Anonymous::All(false)) => "nothing".to_owned(),
            None if self.config.kafka.brokers.is_none() => "everything (the local stack)".to_owned(),
            None => "nothing".to_owned(),
        };
        let keys: Vec<&str> = section.keys.iter().map(|key| key.kid.as_str()).collect();
        let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        format!("without a token {without}; keys of tokens: {keys}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn refused(text: &str) -> String {
        parse("ovation.toml", text, &[]).expect_err("must be refused").to_string()
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (text, expected) in [
            (
                "anonymous = [{ kind = \"boards\" }]",
                "ovation.toml:2:13: dashboard.anonymous is wrong: `kind` must be one of",
            ),
            ("anonymous = \"all\"", "expected true, false or a list of selectors"),
            (
                "keys = [{ kid = \"a\", algorithm = \"HS256\" }]",
                "dashboard.keys[0] needs either `file` or `env`",
            ),
            ("keys = [{ kid = \"a\", algorithm = \"none\", env = \"X\" }]", "unknown variant `none`"),
            (
                "keys = [{ kid = \"a\", algorithm = \"HS256\", env = \"X\" }, { kid = \"a\", algorithm = \"EdDSA\", env = \"Y\" }]",
                "dashboard.keys[1].kid must differ",
            ),
            ("trusted_proxies = [\"10.0.0.0/99\"]", "dashboard.trusted_proxies[0] is wrong"),
            ("connections_max = 0", "dashboard.connections_max must be between"),
            ("tls_key = \"key.pem\"", "dashboard.tls_certificate and tls_key need each other"),
        ] {
            let message = refused(&format!("[dashboard]\n{text}\n"));
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn only_the_local_stack_is_open_by_default() {
        let access = |text: &str| {
            parse("ovation.toml", text, &[]).expect("good").dashboard_options().expect("good").access
        };
        assert!(access("").grant(None).is_ok());
        assert!(access("[kafka]\nbrokers = \"kafka:9092\"\n").is_shut());
        assert!(access("[dashboard]\nanonymous = false\n").is_shut());
        assert!(
            access("[kafka]\nbrokers = \"kafka:9092\"\n[dashboard]\nanonymous = [{ kind = \"markets\" }]\n")
                .grant(None)
                .is_ok()
        );
    }

    #[test]
    fn a_key_that_is_not_there_or_too_short_is_named_and_never_shown() {
        let file = std::env::temp_dir().join(format!("ovation-key-{}", std::process::id()));
        let text =
            format!("[dashboard]\nkeys = [{{ kid = \"k\", algorithm = \"HS256\", file = {file:?} }}]\n");
        let options = || parse("ovation.toml", &text, &[]).expect("good").dashboard_options();
        let missing = options().expect_err("there is no file").to_string();
        assert!(missing.contains("key `k` (dashboard.keys)"), "{missing}");
        std::fs::write(&file, "short-secret").expect("written");
        let short = options().expect_err("too short").to_string();
        assert!(short.contains("at least 32 bytes") && !short.contains("short-secret"), "{short}");
        let secret = "a-secret-of-more-than-thirty-two-bytes";
        std::fs::write(&file, secret).expect("written");
        let shown = format!("{:?}", options().expect("good"));
        std::fs::remove_file(&file).expect("removed");
        assert!(shown.contains("Key(k, Hs256)") && !shown.contains(secret), "{shown}");
    }
}
