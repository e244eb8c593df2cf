//! ClickHouse's HTTP interface over ClickHouse's own engine, loaded into this process as libchdb.
//!
//! What official clients, `curl`, Grafana and our sink do against a server works here in the same way: queries and
//! inserts of any size, settings and parameters in the address, compression in both directions, users' credentials,
//! exceptions with their codes. Queries run in parallel, and data survives a restart. There are no sessions (a
//! `session_id` is accepted and means nothing), no users besides the configured one, no other protocol and no cluster.

mod body;
mod compression;
mod exception;
mod execute;
mod fetch;
mod functions;
mod library;
mod request;
mod response;
mod server;
mod statement;

pub use fetch::fetch_chdb;
pub use server::{ClickHouseOptions, run_clickhouse};
