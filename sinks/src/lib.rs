//! Where results go: ClickHouse and the live dashboards.
