//! `ovation schemas`: our schemas in the registry.

use anyhow::{Result, bail};
use kafka::registry::RegistryError;
use schemas::Topic;
use serde_json::json;

use crate::arguments::{OutputFormat, SchemasCommand};
use crate::config::Checked;
use crate::{output, wiring};

pub(super) fn run(checked: &Checked, command: &SchemasCommand) -> Result<()> {
    let prefix = &checked.config.topic_prefix;
    match command {
        SchemasCommand::Register => {
            let ids = wiring::schema_ids(checked)?;
            Topic::ALL.iter().try_for_each(|topic| {
                output::line(format!("{}: id {}", topic.subject(prefix), ids.get(*topic)))
            })
        }
        SchemasCommand::Check { output } => check(checked, *output),
    }
}

fn check(checked: &Checked, format: OutputFormat) -> Result<()> {
    let registry = wiring::registry(checked);
    let mut states = Vec::new();
    let mut refused = 0;
    for topic in Topic::ALL {
        let subject = topic.subject(&checked.config.topic_prefix);
        let schema = topic.spec().schema;
        let state = match registry.lookup(&subject, schema) {
            Ok(known) => format!("registered, id {}", known.id),
            Err(RegistryError::NotFound(_)) => {
                let verdict = registry
                    .is_compatible(&subject, schema)
                    .map_err(|error| wiring::explain(checked, error))?;
                if verdict.is_compatible {
                    "not registered, would be accepted".to_owned()
                } else {
                    refused += 1;
                    format!("would be refused: {}", verdict.messages.join("; "))
                }
            }
            Err(error) => return Err(wiring::explain(checked, error)),
        };
        states.push((subject, state));
    }
    match format {
        OutputFormat::Json => {
            let shown = states.iter().map(|(subject, state)| json!({"subject": subject, "state": state}));
            output::line(json!(shown.collect::<Vec<_>>()).to_string())?;
        }
        OutputFormat::Text => {
            states.iter().try_for_each(|(subject, state)| output::line(format!("{subject}: {state}")))?;
        }
    }
    if refused == 0 { Ok(()) } else { bail!("the registry would refuse {refused} schemas") }
}
