//! The whole pipeline as an operator runs it: the binary's own commands against Apache Kafka, ClickHouse's engine and a
//! schema registry, which the tests start. Each test has its own topics (by prefix) and its own database.

mod bad_input;
mod deployment;
mod recordings;
mod simulated;
