//! `ovation.toml`: as written, then validated.
//!
//! Always holds: an unknown key, a wrong type or a value that makes no sense is refused at start, with the place in the file and
//! what would be right; nothing starts half-way. Every key can be overridden by the environment: `kafka.brokers` by
//! `OVATION__KAFKA__BROKERS`. Does not know: what the values are used for.

mod dashboard;
mod environment;
mod locate;
mod sections;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use processors::Job;
use processors::config::ConfigError;
use sinks::clickhouse::Retention;

pub use dashboard::key_bytes;
pub use sections::{Config, GroupProtocol, Guarantee, TokenKey, std_duration};

/// The configuration that is used where there is no file: the repository's own `ovation.toml`.
pub const DEFAULT_TEXT: &str = include_str!("../../../ovation.toml");

/// The name looked for in the current folder.
pub const DEFAULT_PATH: &str = "ovation.toml";

/// A configuration that was refused.
#[derive(Debug)]
pub struct Refused {
    /// One line for each problem: place, key, what is wrong, what would be right.
    pub problems: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for Refused {}

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct Checked {
    /// As written.
    pub config: Config,
    /// The jobs, ready to run, by name; each with its second stage after it, if it has one.
    pub jobs: Vec<Arc<Job>>,
}

impl Checked {
    /// The jobs with these names, and their second stages; all if none is named.
    ///
    /// # Errors
    /// A name that no job has, with the nearest that one has.
    pub fn select(&self, names: &[String]) -> anyhow::Result<Vec<Arc<Job>>> {
        if names.is_empty() {
            return Ok(self.jobs.clone());
        }
        let find = |name: &String| {
            let found = self.jobs.iter().find(|job| job.name == *name).cloned();
            found.ok_or_else(|| {
                let known: Vec<&str> = self.jobs.iter().map(|job| job.name.as_str()).collect();
                anyhow::anyhow!(
                    "there is no job `{name}`{}; the jobs are: {}",
                    did_you_mean(name, &known),
                    known.join(", ")
                )
            })
        };
        let named: Vec<Arc<Job>> = names.iter().map(find).collect::<anyhow::Result<_>>()?;
        Ok(named.into_iter().flat_map(with_second).collect())
    }

    /// The broker's address: as named, or the local stack's.
    pub fn brokers(&self) -> String {
        let local = || format!("127.0.0.1:{}", self.config.local.kafka_port);
        self.config.kafka.brokers.clone().unwrap_or_else(local)
    }

    /// ClickHouse's address: as named, or the local stack's.
    pub fn clickhouse_url(&self) -> String {
        let local = || format!("http://127.0.0.1:{}", self.config.local.clickhouse_port);
        self.config.clickhouse.url.clone().unwrap_or_else(local)
    }

    /// The registry's address: as named, or the local stack's.
    pub fn schema_registry_url(&self) -> String {
        let local = || format!("http://127.0.0.1:{}", self.config.local.schema_registry_port);
        self.config.schema_registry.url.clone().unwrap_or_else(local)
    }
}

/// Reads the file at `path`; without one, `ovation.toml` here, or else the configuration that comes with the program.
///
/// # Errors
/// If the file cannot be read, or [`Refused`].
pub fn load(path: Option<&Path>) -> anyhow::Result<Checked> {
    let (name, text) = match path {
        Some(path) => (path.display().to_string(), read(path)?),
        None if Path::new(DEFAULT_PATH).exists() => (DEFAULT_PATH.to_owned(), read(Path::new(DEFAULT_PATH))?),
        None => ("the built-in configuration".to_owned(), DEFAULT_TEXT.to_owned()),
    };
    let overrides: Vec<_> =
        std::env::vars().filter(|(key, _)| key.starts_with(environment::PREFIX)).collect();
    Ok(parse(&name, &text, &overrides)?)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| anyhow::anyhow!("cannot read the configuration {}: {error}", path.display()))
}

/// Parses and validates `text`, which came from `name`, with overrides from the environment.
///
/// # Errors
/// Everything that is wrong, as far as it can be told in one go.
pub fn parse(name: &str, text: &str, overrides: &[(String, String)]) -> Result<Checked, Refused> {
    let written: Config = toml::from_str(text).map_err(|error| refuse_syntax(name, text, &error))?;
    let config = if overrides.is_empty() { written } else { environment::apply(text, overrides)? };
    let mut problems = check(&config)
        .into_iter()
        .map(|error| locate::describe(name, text, &error.key, &error.problem))
        .collect::<Vec<_>>();
    let mut jobs = Vec::new();
    for (job_name, job) in &config.jobs {
        match job.validate(job_name) {
            Ok(job) => jobs.extend(with_second(Arc::new(job))),
            Err(errors) => problems.extend(errors.into_iter().map(|error| {
                locate::describe(name, text, &format!("jobs.{job_name}.{}", error.key), &error.problem)
            })),
        }
    }
    if problems.is_empty() { Ok(Checked { config, jobs }) } else { Err(Refused { problems }) }
}

fn with_second(job: Arc<Job>) -> impl Iterator<Item = Arc<Job>> {
    let second = job.second.clone();
    [job].into_iter().chain(second)
}

fn check(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut require = |holds: bool, key: &str, problem: &str| {
        if !holds {
            errors.push(ConfigError { key: key.to_owned(), problem: problem.to_owned() });
        }
    };
    let is_name =
        |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    require(is_name(&config.topic_prefix), "topic_prefix", "may only have letters, digits, `.`, `_` and `-`");
    let instance_id = config.instance_id.as_deref().unwrap_or("x");
    require(
        !instance_id.is_empty() && is_name(instance_id),
        "instance_id",
        "may only have letters, digits, `.`, `_` and `-`",
    );
    require(config.kafka.partitions >= 1, "kafka.partitions", "must be at least 1");
    require(config.kafka.replication_factor >= 1, "kafka.replication_factor", "must be at least 1");
    require(config.kafka.retention.micros() > 0, "kafka.retention", "must be longer than 0");
    let fits = (1..=500_000).contains(&config.clickhouse.flush_rows);
    require(fits, "clickhouse.flush_rows", "must be between 1 and 500000");
    require(config.clickhouse.flush_bytes >= 1024, "clickhouse.flush_bytes", "must be at least 1024");
    require(
        config.clickhouse.flush_interval.micros() > 0,
        "clickhouse.flush_interval",
        "must be longer than 0",
    );
    let is_identifier =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    require(
        is_identifier(&config.clickhouse.database),
        "clickhouse.database",
        "may only have letters, digits and `_`",
    );
    let cluster = config.clickhouse.cluster.as_deref();
    require(cluster.is_none_or(is_identifier), "clickhouse.cluster", "may only have letters, digits and `_`");
    if let Err(error) = retention(config).check() {
        require(false, &format!("clickhouse.retention.{}", error.class), "must be between 1h and 7300d");
    }
    require((1..=256).contains(&config.process.workers), "process.workers", "must be between 1 and 256");
    let commit_every = std_duration(config.process.commit_every);
    let fits = commit_every >= Duration::from_millis(1) && commit_every <= Duration::from_secs(10);
    require(fits, "process.commit_every", "must be between 1ms and 10s");
    require(config.process.idle_after.micros() > 0, "process.idle_after", "must be longer than 0");
    let session = std_duration(config.process.session_timeout);
    let fits = session >= Duration::from_secs(6) && session <= Duration::from_secs(300);
    require(fits, "process.session_timeout", "must be between 6s and 5m");
    let every = std_duration(config.snapshots.every);
    let fits = every >= Duration::from_secs(1) && every <= Duration::from_secs(3600);
    require(fits, "snapshots.every", "must be between 1s and 1h");
    require((1..=100).contains(&config.snapshots.keep), "snapshots.keep", "must be between 1 and 100");
    errors.extend(dashboard::check(&config.dashboard));
    errors
}

/// How long ClickHouse keeps rows.
pub fn retention(config: &Config) -> Retention {
    let written = &config.clickhouse.retention;
    Retention {
        events: written.events.map(std_duration),
        minutes: written.minutes.map(std_duration),
        hours: written.hours.map(std_duration),
        days: written.days.map(std_duration),
        results: written.results.map(std_duration),
        dead_letters: written.dead_letters.map(std_duration),
    }
}

/// An error of the parser or of serde, with its place and, for an unknown word, the nearest known one.
fn refuse_syntax(name: &str, text: &str, error: &toml::de::Error) -> Refused {
    let place = match error.span() {
        Some(span) => locate::place(name, text, span.start),
        None => name.to_owned(),
    };
    let message = error.message();
    Refused { problems: vec![format!("{place}: {message}{}", suggest(message))] }
}

/// serde says "unknown field `x`, expected one of `a`, `b`": the known word that is nearest to `x`.
fn suggest(message: &str) -> String {
    if !message.starts_with("unknown ") {
        return String::new();
    }
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match words.split_first() {
        Some((unknown, known)) => did_you_mean(unknown, known),
        None => String::new(),
    }
}

/// ` (did you mean ...?)`, if a known word is near enough.
pub fn did_you_mean(unknown: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|word| (strsim::damerau_levenshtein(unknown, word), word)).min();
    match nearest {
        Some((distance, word)) if distance <= 1 + unknown.len() / 3 => format!(" (did you mean `{word}`?)"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse("ovation.toml", text, &[]).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_configuration_that_comes_with_the_program_is_good() {
        let checked = parse("built-in", DEFAULT_TEXT, &[]).unwrap();
        assert!(checked.jobs.len() >= 4);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
        let message = refused("[kafka]\nbrokers = \"x:1\"\npartition = 3\n");
        assert!(message.starts_with("ovation.toml:3:1: unknown field `partition`"), "{message}");
        assert!(message.ends_with("(did you mean `partitions`?)"), "{message}");
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused_with_its_place() {
        let message = refused("[kafka]\npartitions = 0\n[process]\nworkers = 0\n");
        assert_eq!(
            message,
            "ovation.toml:2:14: kafka.partitions must be at least 1\n\
             ovation.toml:4:11: process.workers must be between 1 and 256"
        );
    }

    #[test]
    fn a_retention_that_would_delete_at_once_is_refused_with_its_place() {
        let message = refused("[clickhouse.retention]\nevents = \"90d\"\nhours = \"5m\"\n");
        assert_eq!(message, "ovation.toml:3:9: clickhouse.retention.hours must be between 1h and 7300d");
        let message = refused("[clickhouse.retention]\nevent = \"90d\"\n");
        assert!(message.ends_with("(did you mean `events`?)"), "{message}");
        let message = refused("[clickhouse]\ncluster = \"a`b\"\n");
        assert!(message.contains("clickhouse.cluster may only have"), "{message}");
    }

    #[test]
    fn a_wrong_type_and_broken_syntax_are_refused_with_their_place() {
        assert!(refused("[kafka]\npartitions = \"many\"\n").starts_with("ovation.toml:2:14: invalid type"));
        assert!(refused("[kafka\n").starts_with("ovation.toml:1:"));
        assert!(refused("[kafka]\nretention = \"soon\"\n").starts_with("ovation.toml:2:13: "));
    }

    #[test]
    fn the_environment_overrides_every_key() {
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let overrides = [
            set("OVATION__KAFKA__BROKERS", "broker:9092"),
            set("OVATION__KAFKA__PARTITIONS", "12"),
            set("OVATION__DASHBOARD__ALLOWED_ORIGINS", "[\"https://example.org\"]"),
            set("OVATION__KAFKA__PROPERTIES__SECURITY.PROTOCOL", "ssl"),
        ];
        let checked = parse("ovation.toml", "[kafka]\npartitions = 3\n", &overrides).unwrap();
        assert_eq!(checked.brokers(), "broker:9092");
        assert_eq!(checked.config.kafka.partitions, 12);
        assert_eq!(checked.config.dashboard.allowed_origins, ["https://example.org"]);
        assert_eq!(checked.config.kafka.properties["security.protocol"], "ssl");
        let wrong = parse("ovation.toml", "", &[set("OVATION__KAFKA__BROKER", "x")]).expect_err("unknown");
        assert!(wrong.to_string().contains("OVATION__KAFKA__BROKER"), "{wrong}");
        assert!(wrong.to_string().contains("did you mean `brokers`?"), "{wrong}");
    }
}
