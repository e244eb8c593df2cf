//! `ovation topics`: from the table of topics to the broker, and back.

use anyhow::{Result, bail};
use kafka::broker::{BrokerLog, Creation};
use schemas::Topic;
use serde_json::json;

use crate::arguments::{OutputFormat, TopicsCommand};
use crate::config::Checked;
use crate::{output, wiring};

pub(super) fn run(checked: &Checked, command: &TopicsCommand) -> Result<()> {
    match command {
        TopicsCommand::Apply => {
            let log = wiring::log(checked)?;
            for (name, creation) in apply(checked, &log)? {
                let outcome = match creation {
                    Creation::Created => "created",
                    Creation::Existed => "was there",
                };
                output::line(format!("{name}: {outcome}"))?;
            }
            Ok(())
        }
        TopicsCommand::Check { output } => check(checked, *output),
        TopicsCommand::List => list(checked),
    }
}

/// Creates the topics that are missing.
pub(super) fn apply(checked: &Checked, log: &BrokerLog) -> Result<Vec<(String, Creation)>> {
    let wanted: Vec<_> = Topic::ALL.iter().map(|topic| wiring::wanted_topic(checked, *topic)).collect();
    let created = log.create_topics(&wanted)?;
    Ok(wanted.into_iter().map(|topic| topic.name).zip(created).collect())
}

fn check(checked: &Checked, format: OutputFormat) -> Result<()> {
    let log = wiring::log(checked)?;
    let mut differences = Vec::new();
    for topic in Topic::ALL {
        let wanted = wiring::wanted_topic(checked, topic);
        let mut differs = |what: &str, wanted: String, is: String| {
            if wanted != is {
                differences.push((
                    format!("{}{topic}", checked.config.topic_prefix),
                    what.to_owned(),
                    wanted,
                    is,
                ));
            }
        };
        let Some(found) = log.describe_topic(&wanted.name)? else {
            differs("topic", "to exist".to_owned(), "missing".to_owned());
            continue;
        };
        differs("partitions", wanted.partitions.to_string(), found.partitions.to_string());
        for (key, value) in wanted.config {
            // The broker may order a list of policies differently.
            let sorted = |text: &str| {
                let mut words: Vec<&str> = text.split(',').collect();
                words.sort_unstable();
                words.join(",")
            };
            let is = found.config.get(&key).map_or(String::new(), |is| sorted(is));
            differs(&key, sorted(&value), is);
        }
    }
    match format {
        OutputFormat::Json => {
            let shown = differences.iter().map(
                |(topic, what, wanted, is)| json!({"topic": topic, "what": what, "wanted": wanted, "is": is}),
            );
            output::line(json!({"differences": shown.collect::<Vec<_>>()}).to_string())?;
        }
        OutputFormat::Text => {
            for (topic, what, wanted, is) in &differences {
                output::line(format!("{topic}: {what} should be {wanted}, is {is}"))?;
            }
        }
    }
    if differences.is_empty() { Ok(()) } else { bail!("{} differences", differences.len()) }
}

fn list(checked: &Checked) -> Result<()> {
    let prefix = &checked.config.topic_prefix;
    let row = |topic: Topic| {
        let spec = topic.spec();
        [format!("{prefix}{topic}"), spec.key.to_owned(), topic.subject(prefix), spec.about.to_owned()]
    };
    output::table(["TOPIC", "KEY", "SUBJECT", "WHAT"], &Topic::ALL.map(row))
}
