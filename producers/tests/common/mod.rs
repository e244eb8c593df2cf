//! Reading in tests: texts as if they were files, and where recorded data lies.
#![allow(dead_code)] // each test binary uses its part
#![allow(clippy::print_stdout)] // a skipped test says so

use std::path::{Path, PathBuf};

use producers::{Format, ReadError, ReadOptions, Recording};
use schemas::Event;

/// The folder of recorded data, if this machine has it; says so if not.
pub fn recorded_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("OVATION_DATA").map_or(beside, PathBuf::from);
    if folder.join("EXPECTED.json").is_file() {
        return Some(folder);
    }
    println!("skipped: no recorded data in {} (set OVATION_DATA)", folder.display());
    None
}

pub fn open(format: Format, bytes: impl Into<Vec<u8>>) -> Result<Recording, ReadError> {
    open_with(format, bytes, &ReadOptions::default())
}

pub fn open_with(
    format: Format,
    bytes: impl Into<Vec<u8>>,
    options: &ReadOptions,
) -> Result<Recording, ReadError> {
    Recording::read(format, Path::new("test-input"), std::io::Cursor::new(bytes.into()), options)
}

/// All events; every line must be well-formed.
pub fn events(recording: impl Iterator<Item = Result<Event<'static>, ReadError>>) -> Vec<Event<'static>> {
    recording.collect::<Result<_, _>>().expect("every line is well-formed")
}

/// What the lines of a text mean; the messages of those that are malformed.
pub fn read(format: Format, text: &str) -> (Vec<Event<'static>>, Vec<String>) {
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    for item in open(format, text).expect("it opens") {
        match item {
            Ok(event) => events.push(event),
            Err(error) => problems.push(error.to_string()),
        }
    }
    (events, problems)
}
