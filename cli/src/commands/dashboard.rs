//! `ovation dashboard`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kafka::broker::BrokerLog;
use schemas::Timestamp;
use sinks::dashboard::access::{Access, TokenAlgorithm, claims, mint};
use sinks::dashboard::{Dashboard, JobLag, Lags};

use crate::arguments::{DashboardCommand, TokenArguments};
use crate::config::{Checked, TokenKey, did_you_mean, key_bytes, std_duration};
use crate::{output, wiring};

use super::jobs;

/// Between two looks at the positions of all jobs.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn run(checked: &Checked, command: Option<&DashboardCommand>) -> Result<()> {
    if let Some(DashboardCommand::Token(arguments)) = command {
        return output::line(token(checked, arguments)?);
    }
    let log = wiring::log(checked)?;
    let stop = wiring::stop_on_signal()?;
    super::runtime()?.block_on(serve(checked, log, &stop))
}

/// Serves until `stop` is set.
pub(super) async fn serve(checked: &Checked, log: BrokerLog, stop: &Arc<AtomicBool>) -> Result<()> {
    let options = checked.dashboard_options()?;
    if options.access.is_shut() {
        tracing::warn!("nobody can read results: set dashboard.anonymous or dashboard.keys");
    }
    let dashboard = Dashboard::bind(options).await?;
    output::line(format!("dashboard: {}://{}", checked.dashboard_scheme(), dashboard.address()))?;
    follow_lags(checked, log.clone(), dashboard.lags(), Arc::clone(stop))?;
    let lookup = wiring::schema_lookup(checked);
    let schema = move |id| lookup(id).ok().flatten();
    dashboard.serve(log, schema, wiring::stopped(Arc::clone(stop))).await
}

/// Tells the gateway how far behind the jobs are, on a thread of its own that nobody waits for: a question to a broker that is away
/// takes long.
fn follow_lags(checked: &Checked, log: BrokerLog, lags: Lags, stop: Arc<AtomicBool>) -> Result<()> {
    let checked = checked.clone();
    let follow = move || {
        let mut trouble = String::new();
        while !stop.load(Ordering::Relaxed) {
            let looked = look_at_all(&checked, &log);
            if let Err(error) = &looked {
                let text = format!("{error:#}");
                if text != trouble {
                    tracing::warn!(error = text, "cannot tell how far behind the jobs are");
                    trouble = text;
                }
            }
            lags.set(looked.ok());
            let until = Instant::now() + LAG_INTERVAL;
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(100));
            }
        }
    };
    thread::Builder::new().name("dashboard-lags".to_owned()).spawn(follow).context("start a thread")?;
    Ok(())
}

fn look_at_all(checked: &Checked, log: &BrokerLog) -> Result<Vec<JobLag>> {
    let look = |job: &Arc<processors::Job>| {
        let (members, shards) = jobs::look_at(checked, log, job)?;
        let of = |shard: runtime::status::ShardStatus| {
            (shard.shard, (shard.lag_records, shard.watermark.map(Timestamp::micros)))
        };
        Ok(JobLag { job: job.name.clone(), members, shards: shards.into_iter().map(of).collect() })
    };
    checked.jobs.iter().map(look).collect()
}

/// A token as asked for, that a gateway with this configuration takes.
fn token(checked: &Checked, arguments: &TokenArguments) -> Result<String> {
    let section = &checked.config.dashboard;
    let key = chosen(&section.keys, arguments.kid.as_deref())?;
    let bytes = match (&arguments.private_key, key.algorithm) {
        (Some(file), TokenAlgorithm::EdDsa) => {
            std::fs::read(file).with_context(|| file.display().to_string())?
        }
        (None, TokenAlgorithm::EdDsa) => {
            bail!("key `{}` is an EdDSA key: name its private key with --private-key", key.kid)
        }
        (Some(_), TokenAlgorithm::Hs256) => bail!("key `{}` is an HS256 key and has no private key", key.kid),
        (None, TokenAlgorithm::Hs256) => key_bytes(key)?,
    };
    let read = match arguments.read.as_deref() {
        Some("*") => Some("*".into()),
        Some(list) => Some(serde_json::from_str(list).context("--read is neither * nor JSON")?),
        None => None,
    };
    let claims = claims(read, &arguments.channels, section.audience.as_deref());
    let token = mint(&key.kid, key.algorithm, &bytes, claims, std_duration(arguments.valid_for))?;
    // as the gateway will: wrong selectors, or a private key of another pair, are told here
    let access: Access = checked.dashboard_options()?.access;
    access.grant(Some(&token))?;
    Ok(token)
}

fn chosen<'a>(keys: &'a [TokenKey], kid: Option<&str>) -> Result<&'a TokenKey> {
    match (kid, keys) {
        (_, []) => bail!("there are no keys; see dashboard.keys in ovation.toml"),
        (None, [only]) => Ok(only),
        (None, _) => bail!("there are several keys: choose one with --kid"),
        (Some(kid), keys) => keys.iter().find(|key| key.kid == kid).with_context(|| {
            let known: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
            format!("there is no key `{kid}`{}", did_you_mean(kid, &known))
        }),
    }
}
