//! `ovation check`: says what a configuration means, without starting anything.

use anyhow::Result;
use processors::JobConfig;

use crate::config::Checked;
use crate::output;

pub(super) fn run(checked: &Checked) -> Result<()> {
    output::line(format!("kafka: {}", checked.brokers()))?;
    output::line(format!("schema registry: {}", checked.schema_registry_url()))?;
    output::line(format!(
        "clickhouse: {}, database {}",
        checked.clickhouse_url(),
        checked.config.clickhouse.database
    ))?;
    output::line(format!("dashboard: http://{}", checked.config.dashboard.listen))?;
    for job in &checked.jobs {
        let inputs: Vec<String> =
            job.inputs.iter().map(|topic| format!("{}{topic}", checked.config.topic_prefix)).collect();
        output::line(format!("job {}: reads {}", job.name, inputs.join(", ")))?;
        if let Some(written) = checked.config.jobs.get(&job.name) {
            describe(written)?;
        }
    }
    Ok(())
}

fn describe(job: &JobConfig) -> Result<()> {
    output::line(format!(
        "  waits {} for events out of order, takes at most {} of future",
        job.lateness, job.future_skew
    ))?;
    for board in &job.boards {
        output::line(format!(
            "  board {}: the first {}, published every {} if changed",
            board.name, board.k, board.emit_every
        ))?;
    }
    if let Some(engagement) = &job.engagement {
        output::line(format!("  engagement of each channel in windows of {}", engagement.window))?;
    }
    if let Some(candles) = &job.candles {
        let intervals: Vec<String> = candles.intervals.iter().map(ToString::to_string).collect();
        output::line(format!("  candles of {}", intervals.join(", ")))?;
    }
    if let Some(moderation) = &job.moderation {
        output::line(format!("  moderation with {} terms", moderation.terms.len()))?;
    }
    Ok(())
}
