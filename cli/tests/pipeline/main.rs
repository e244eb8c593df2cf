//! The whole pipeline as an operator runs it: the binary's own commands against Apache Kafka, ClickHouse's engine and a
//! schema registry, which the tests start. Each test has its own topics (by prefix) and its own database.

#![allow(clippy::print_stdout, reason = "a skipped test says so, and a measured figure is shown")]

mod across;
mod backfill;
mod bad_input;
mod deployment;
mod operating;
mod page;
mod proxy;
mod recordings;
mod simulated;
mod sink_torture;
mod speeds;
mod tokens;
mod torture;
