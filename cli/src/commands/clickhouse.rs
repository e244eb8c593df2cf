//! `ovation clickhouse` and `ovation sink clickhouse`.
//!
//! Always holds: a sink says over HTTP how it is doing while it runs. Does not know: how rows are written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kafka::broker::BrokerLog;
use schemas::SchemaIds;
use sinks::clickhouse::{self, ClickHouseOptions, SinkHealth, SinkSettings, Step, Target};

use crate::arguments::ClickhouseCommand;
use crate::config::{Checked, retention, std_duration};
use crate::{endpoint, output, wiring};

/// How soon it is looked again whether the server is there.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(checked: &Checked, command: &ClickhouseCommand) -> Result<()> {
    match command {
        ClickhouseCommand::RebuildRollups => rebuild_rollups(checked),
        ClickhouseCommand::Migrate { dry_run: true } => print_plan(checked),
        ClickhouseCommand::Migrate { dry_run: false } => {
            let applied = migrate(checked)?;
            if applied.is_empty() {
                return output::line("up to date");
            }
            applied.iter().try_for_each(|step| {
                output::line(format!("applied {step}: {} statements", step.statements.len()))
            })
        }
        ClickhouseCommand::Backfill(arguments) => super::backfill::run(checked, arguments),
    }
}

fn rebuild_rollups(checked: &Checked) -> Result<()> {
    if checked.config.clickhouse.cluster.is_some() {
        bail!("rollups of a cluster are not made anew by this version");
    }
    let members = wiring::log(checked)?.group_members(&clickhouse::group(&checked.config.topic_prefix))?;
    if !members.is_empty() {
        bail!("{} members write to clickhouse: stop them first", members.len());
    }
    let options = options(checked);
    let client = options.client();
    let rebuilding = clickhouse::rebuild_rollups(&client, &options.database);
    super::runtime()?.block_on(rebuilding).with_context(|| named(checked))?;
    output::line("rollups made anew")
}

/// What `migrate` would run, as a script.
fn print_plan(checked: &Checked) -> Result<()> {
    let options = options(checked);
    let (client, target) = (options.client(), target(checked));
    let steps =
        super::runtime()?.block_on(clickhouse::plan(&client, &target)).with_context(|| named(checked))?;
    if steps.is_empty() {
        return output::line("-- up to date");
    }
    for step in steps {
        output::line(format!("-- {step}"))?;
        step.statements.iter().try_for_each(|statement| output::line(format!("{statement};\n")))?;
        if step.is_preparation() {
            output::line(format!("USE `{}`;\n", options.database))?;
        }
    }
    Ok(())
}

/// `ovation sink clickhouse`
pub(super) fn sink(checked: &Checked) -> Result<()> {
    let bound = endpoint::bind(checked)?;
    let log = wiring::log(checked)?;
    let ids = wiring::schema_ids(checked)?;
    let stop = wiring::stop_on_signal()?;
    let health = Arc::<SinkHealth>::default();
    let served = endpoint::serve(checked, bound, &log, &[], Some(health.clone()), &stop)?;
    let outcome =
        migrate_when_there(checked, &stop, &health).and_then(|()| write(checked, &log, ids, &stop, &health));
    stop.store(true, Ordering::Relaxed);
    outcome.and(served.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Brings the database up to date once the server is there: a sink that starts while it is away waits for it.
fn migrate_when_there(checked: &Checked, stop: &AtomicBool, health: &SinkHealth) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        match migrate(checked) {
            Ok(_) => {
                health.note_reached();
                break;
            }
            Err(error) if error.chain().any(clickhouse::is_passing) => {
                tracing::warn!("{error:#}; trying again");
                health.note_away(&format!("{error:#}"));
                std::thread::sleep(RETRY_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Brings the database up to date; what that took. Warns of tables in which a repeated insert would count twice.
pub(super) fn migrate(checked: &Checked) -> Result<Vec<Step>> {
    let (client, target) = (options(checked).client(), target(checked));
    let up_to_date = async {
        let applied = clickhouse::migrate(&client, &target).await.with_context(|| named(checked))?;
        match clickhouse::tables_that_forget_tokens(&client, &target.database).await {
            Ok(tables) => tables.iter().for_each(|table| {
                tracing::warn!(
                    "{table} is behind a materialized view and does not remember inserts: one that is repeated counts twice there; \
                     run ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 10000"
                );
            }),
            Err(error) => {
                tracing::warn!(%error, "cannot tell whether tables behind materialized views remember inserts");
            }
        }
        Ok(applied)
    };
    super::runtime()?.block_on(up_to_date)
}

fn target(checked: &Checked) -> Target {
    Target {
        database: checked.config.clickhouse.database.clone(),
        cluster: checked.config.clickhouse.cluster.clone(),
        retention: retention(&checked.config),
    }
}

/// Writes until `stop` is set.
pub(super) fn write(
    checked: &Checked,
    log: &BrokerLog,
    schema_ids: SchemaIds,
    stop: &Arc<AtomicBool>,
    health: &Arc<SinkHealth>,
) -> Result<()> {
    let settings = settings(checked, schema_ids);
    let lookup = wiring::schema_lookup(checked);
    clickhouse::run(log, &settings, &mut |id| lookup(id), stop, health).with_context(|| named(checked))
}

/// The sink as it is configured.
pub(super) fn settings(checked: &Checked, schema_ids: SchemaIds) -> SinkSettings {
    SinkSettings {
        prefix: checked.config.topic_prefix.clone(),
        ids: schema_ids,
        instance_id: checked.config.instance_id.clone(),
        session_timeout: std_duration(checked.config.process.session_timeout),
        backfill: None,
        clickhouse: options(checked),
    }
}

pub(super) fn named(checked: &Checked) -> String {
    format!("clickhouse at {} (clickhouse.url)", checked.clickhouse_url())
}

pub(super) fn options(checked: &Checked) -> ClickHouseOptions {
    let settings = &checked.config.clickhouse;
    ClickHouseOptions {
        url: checked.clickhouse_url(),
        database: settings.database.clone(),
        user: settings.user.clone(),
        password: settings.password.clone(),
        flush_rows: settings.flush_rows,
        flush_bytes: settings.flush_bytes,
        flush_interval: std_duration(settings.flush_interval),
        ..ClickHouseOptions::default()
    }
}
