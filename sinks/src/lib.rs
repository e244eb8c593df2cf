//! Where results go: ClickHouse and the live dashboards.

pub mod clickhouse;
pub mod dashboard;
