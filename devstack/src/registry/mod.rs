//! A schema registry with Confluent's HTTP interface, which keeps its schemas in Kafka.
//!
//! Avro only. What it knows is in the compacted topic `_schemas` in Confluent's own records, so that a real registry could
//! take over, and is read back at every start. One registry writes a topic at a time: two at once would give one id to
//! two schemas. References between schemas, modes other than READWRITE and permanent deletion are refused, not ignored.

mod compatibility;
mod error;
mod records;
mod schema;
mod server;
mod state;
mod store;

pub use server::{RegistryOptions, run_registry};
