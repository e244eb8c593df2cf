//! How a worker's records and positions reach the log: exactly once, or at least once.
//!
//! Always holds: positions are committed only through [`Delivery::commit`], after everything sent before is safe. Exactly once
//! has no other way to commit them than its transaction: the log's way to commit positions alone (`OffsetCommit`) is
//! imported by `at_least_once` and nowhere else. Does not know: what is in a record.

use kafka::{Consumer, Log, LogError, Outgoing, Position, Transactions};

use crate::at_least_once::AtLeastOnce;
use crate::worker::{Guarantee, WorkerOptions};

/// A way to write records and to commit the positions that go with them.
pub(crate) trait Delivery<L: Log>: Send {
    /// Begins a unit of work, unless one is open.
    fn begin(&mut self) -> Result<(), LogError>;

    /// Adds a record to it.
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError>;

    /// Makes everything sent safe, and then (or with it) the positions; ends the unit of work.
    fn commit(&mut self, positions: &[Position], consumer: &mut L::Consumer) -> Result<(), LogError>;

    /// Throws the open unit of work away, as far as it can be.
    fn abort(&mut self) -> Result<(), LogError>;
}

/// The delivery that `options` ask for. Whoever used the same transactional id is fenced.
pub(crate) fn delivery<L: Log>(log: &L, options: &WorkerOptions) -> Result<Box<dyn Delivery<L>>, LogError> {
    Ok(match options.guarantee {
        Guarantee::ExactlyOnce => {
            Box::new(ExactlyOnce::<L> { writer: log.transactions(&options.transactional_id)? })
        }
        Guarantee::AtLeastOnce => Box::new(AtLeastOnce::new(log)?),
    })
}

/// Records and positions in one transaction.
struct ExactlyOnce<L: Log> {
    writer: L::Transactions,
}

impl<L: Log> Delivery<L> for ExactlyOnce<L> {
    fn begin(&mut self) -> Result<(), LogError> {
        self.writer.begin()
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        self.writer.send(record)
    }

    fn commit(&mut self, positions: &[Position], consumer: &mut L::Consumer) -> Result<(), LogError> {
        self.writer.commit(positions, &consumer.group()?)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.writer.abort()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn positions_alone_are_committed_in_one_file_only() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let is_code =
                    |line: &&str| !line.trim_start().starts_with("//") && !line.contains("contains(");
                if text.lines().filter(is_code).any(|line| line.contains("OffsetCommit")) {
                    seen.push(path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        assert_eq!(seen, ["at_least_once.rs"]);
    }
}
