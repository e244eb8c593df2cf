//! What a laptop lacks: Kafka, the engine of ClickHouse and a schema registry, started locally.
//!
//! [`Stack`] starts and stops them as child processes; [`Command`] is what those children run, so that a binary which
//! offers it as a subcommand can start itself again. What is fetched is pinned, checked and kept in the user's cache
//! folder. All servers listen on 127.0.0.1 unless told otherwise: they are for development and tests, not for
//! production, and know nothing of our topics or tables.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps wrongly is a failed test"))]

mod broker;
mod cache;
mod clickhouse;
mod command;
mod health;
mod java;
mod lifetime;
mod ports;
mod process;
mod registry;
mod stack;

pub use broker::{KafkaOptions, fetch_kafka, run_kafka};
pub use clickhouse::{ClickHouseOptions, fetch_chdb, run_clickhouse};
pub use command::{Command, run};
pub use ports::PortTaken;
pub use registry::{RegistryOptions, run_registry};
pub use stack::{Part, Stack, StackOptions};
