//! How it runs: shards, watermarks, commits and recovery over the log.
