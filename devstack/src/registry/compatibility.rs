//! Which schemas may follow which: the levels, and what they ask of a new schema.
//!
//! A reader must be able to read everything that a writer may write; what only mostly works does not count.

use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde::{Deserialize, Serialize};

use super::{error::RegistryError, schema::AvroSchema};

/// What a subject asks of a new schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Level {
    None,
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

impl Level {
    /// # Errors
    /// If there is no such level; case does not matter.
    pub(super) fn parse(name: &str) -> Result<Level, RegistryError> {
        serde_json::from_value(name.to_ascii_uppercase().into()).map_err(|_| RegistryError::InvalidLevel)
    }

    fn is_transitive(self) -> bool {
        matches!(self, Level::BackwardTransitive | Level::ForwardTransitive | Level::FullTransitive)
    }

    /// Whether the new schema must read what the earlier ones wrote.
    fn reads_earlier(self) -> bool {
        matches!(self, Level::Backward | Level::BackwardTransitive | Level::Full | Level::FullTransitive)
    }

    /// Whether the earlier schemas must read what the new one writes.
    fn is_read_by_earlier(self) -> bool {
        matches!(self, Level::Forward | Level::ForwardTransitive | Level::Full | Level::FullTransitive)
    }
}

/// What speaks against `new` after the `earlier` ones, each with its version, oldest first; nothing if it is compatible.
pub(super) fn objections(level: Level, new: &AvroSchema, earlier: &[(u32, &AvroSchema)]) -> Vec<String> {
    let first = if level.is_transitive() { 0 } else { earlier.len().saturating_sub(1) };
    let mut objections = Vec::new();
    for (version, schema) in &earlier[first..] {
        let mut check = |reader: &AvroSchema, writer: &AvroSchema, role: &str| {
            let reason = match SchemaCompatibility::can_read(&writer.parsed, &reader.parsed) {
                Ok(Compatibility::Full) => return,
                Ok(Compatibility::Partial) => "some values cannot be read".to_owned(),
                Err(error) => with_sources(&error),
            };
            objections.push(format!("{{{role} version {version}: {reason}}}"));
        };
        if level.reads_earlier() {
            check(new, schema, "the new schema cannot read data of");
        }
        if level.is_read_by_earlier() {
            check(schema, new, "data of the new schema cannot be read by");
        }
    }
    objections
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> AvroSchema {
        AvroSchema::parse(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)).unwrap()
    }

    #[test]
    fn levels_look_in_their_directions() {
        let a = r#"{"name":"a","type":"int"}"#;
        let without_default = record(&format!(r#"{a},{{"name":"b","type":"int"}}"#));
        let with_default = record(&format!(r#"{a},{{"name":"b","type":"int","default":0}}"#));
        let only_a = record(a);
        let long_a = record(r#"{"name":"a","type":"long"}"#);
        // (earlier, new, backward, forward)
        for (case, earlier, new, backward, forward) in [
            ("field added with a default", &only_a, &with_default, true, true),
            ("field added without one", &only_a, &without_default, false, true),
            ("field removed without one", &without_default, &only_a, true, false),
            ("int becomes long", &only_a, &long_a, true, false),
        ] {
            for (level, expected) in [
                (Level::None, true),
                (Level::Backward, backward),
                (Level::BackwardTransitive, backward),
                (Level::Forward, forward),
                (Level::ForwardTransitive, forward),
                (Level::Full, backward && forward),
                (Level::FullTransitive, backward && forward),
            ] {
                let objections = objections(level, new, &[(1, earlier)]);
                assert_eq!(objections.is_empty(), expected, "{case}, {level:?}: {objections:?}");
            }
        }
    }

    #[test]
    fn only_a_transitive_level_looks_behind_the_last_version() {
        let text = |default: &str| {
            record(&format!(r#"{{"name":"a","type":"int"}},{{"name":"b","type":"int"{default}}}"#))
        };
        let (first, second) = (record(r#"{"name":"a","type":"int"}"#), text(",\"default\":0"));
        let new = text("");
        let earlier = [(1, &first), (2, &second)];
        assert_eq!(objections(Level::Backward, &new, &earlier), Vec::<String>::new());
        let transitive = objections(Level::BackwardTransitive, &new, &earlier);
        assert_eq!(transitive.len(), 1);
        assert!(transitive[0].contains("version 1") && transitive[0].contains("'b'"), "{transitive:?}");
    }

    #[test]
    fn a_symbol_that_the_reader_lacks_is_an_objection() {
        let of = |symbols: &str| {
            AvroSchema::parse(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#)).unwrap()
        };
        let (more, less) = (of(r#""A","B""#), of(r#""A""#));
        assert!(!objections(Level::Backward, &less, &[(1, &more)]).is_empty());
        assert!(objections(Level::Backward, &more, &[(1, &less)]).is_empty());
    }

    #[test]
    fn levels_are_named_in_any_case() {
        assert_eq!(Level::parse("full_transitive").unwrap(), Level::FullTransitive);
        assert_eq!(Level::parse("sideways").unwrap_err().code(), 42203);
    }
}
