//! The log: the only crate that names rdkafka, and an in-memory log with faults.
