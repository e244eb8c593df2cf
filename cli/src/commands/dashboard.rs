//! `ovation dashboard`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use kafka::broker::BrokerLog;
use sinks::dashboard::{Dashboard, DashboardOptions};

use crate::config::Checked;
use crate::{output, wiring};

pub(super) fn run(checked: &Checked) -> Result<()> {
    let log = wiring::log(checked)?;
    let stop = wiring::stop_on_signal()?;
    super::runtime()?.block_on(serve(checked, log, &stop))
}

/// Serves until `stop` is set.
pub(super) async fn serve(checked: &Checked, log: BrokerLog, stop: &Arc<AtomicBool>) -> Result<()> {
    let dashboard = Dashboard::bind(DashboardOptions {
        topic_prefix: checked.config.topic_prefix.clone(),
        allowed_origins: checked.config.dashboard.allowed_origins.clone(),
        ..DashboardOptions::new(checked.config.dashboard.listen)
    })
    .await?;
    output::line(format!("dashboard: http://{}", dashboard.address()))?;
    let lookup = wiring::schema_lookup(checked);
    let schema = move |id| lookup(id).ok().flatten();
    dashboard.serve(log, schema, wiring::stopped(Arc::clone(stop))).await
}
