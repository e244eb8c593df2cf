//! What a laptop lacks: Kafka, the engine of ClickHouse and a schema registry, started locally.
