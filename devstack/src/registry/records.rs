//! The records of the topic `_schemas`, in the shape that Confluent's registry writes and reads.
//!
//! A key says which kind of record it is (`keytype`); a later record of the same key takes the place of an earlier one,
//! and one without a value removes it. Kinds that we do not know are passed over when read and never written.

use serde::{Deserialize, Serialize};

use super::compatibility::Level;

/// A record's key. The order of the fields is that of Confluent's registry, for keys are compared as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "keytype", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Key {
    /// one version of a subject
    Schema { subject: String, version: u32, magic: u8 },
    /// a level; of all subjects without one of their own where there is no subject
    Config { subject: Option<String>, magic: u8 },
    /// all versions of a subject up to one are deleted
    DeleteSubject { subject: String, magic: u8 },
    /// written to learn where the topic ends
    Noop { magic: u8 },
}

/// The value of [`Key::Schema`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct SchemaValue {
    pub(super) subject: String,
    pub(super) version: u32,
    pub(super) id: u32,
    #[serde(rename = "schemaType", default)]
    pub(super) schema_type: Option<String>,
    pub(super) schema: String,
    #[serde(default)]
    pub(super) deleted: bool,
}

/// The value of [`Key::Config`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ConfigValue {
    #[serde(rename = "compatibilityLevel")]
    pub(super) level: Level,
}

/// The value of [`Key::DeleteSubject`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct DeleteSubjectValue {
    pub(super) subject: String,
    pub(super) version: u32,
}

impl Key {
    pub(super) fn schema(subject: &str, version: u32) -> Key {
        Key::Schema { subject: subject.to_owned(), version, magic: 1 }
    }

    pub(super) fn config(subject: Option<&str>) -> Key {
        Key::Config { subject: subject.map(str::to_owned), magic: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_confluent() {
        let text = |key: &Key| serde_json::to_string(key).unwrap();
        assert_eq!(
            text(&Key::schema("s-value", 3)),
            r#"{"keytype":"SCHEMA","subject":"s-value","version":3,"magic":1}"#
        );
        assert_eq!(text(&Key::config(None)), r#"{"keytype":"CONFIG","subject":null,"magic":0}"#);
        assert_eq!(text(&Key::Noop { magic: 0 }), r#"{"keytype":"NOOP","magic":0}"#);
        let value: SchemaValue = serde_json::from_str(
            r#"{"subject":"s","version":1,"id":7,"schema":"\"int\"","deleted":false,"md5":"x"}"#,
        )
        .unwrap();
        assert_eq!((value.id, value.schema.as_str(), value.deleted), (7, "\"int\"", false));
        let config: ConfigValue =
            serde_json::from_str(r#"{"compatibilityLevel":"FULL_TRANSITIVE"}"#).unwrap();
        assert_eq!(config.level, Level::FullTransitive);
    }
}
