//! An Avro schema as the registry sees it: its text, and what makes two texts the same schema.
//!
//! Texts that differ in white space or in the order of attributes are one schema; documentation, defaults and aliases
//! count, for readers depend on them.

use apache_avro::Schema;
use serde_json::Value;

use super::error::RegistryError;

/// A schema that is right.
#[derive(Debug, Clone)]
pub(super) struct AvroSchema {
    /// as it was given, without white space
    pub(super) text: String,
    /// equal for two texts of one schema
    pub(super) canonical: String,
    pub(super) parsed: Schema,
}

impl AvroSchema {
    /// # Errors
    /// If the text is no JSON or no Avro schema.
    pub(super) fn parse(text: &str) -> Result<AvroSchema, RegistryError> {
        let invalid = |error: &dyn std::fmt::Display| RegistryError::InvalidSchema(error.to_string());
        let parsed = Schema::parse_str(text).map_err(|error| invalid(&error))?;
        // a primitive type may stand alone, without the quotes of JSON
        let json = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.trim().to_owned()));
        Ok(AvroSchema { text: json.to_string(), canonical: canonical(&json), parsed })
    }
}

fn canonical(json: &Value) -> String {
    match json {
        Value::Object(fields) => {
            if let Some(Value::String(primitive)) = fields.get("type").filter(|_| fields.len() == 1) {
                return Value::from(primitive.as_str()).to_string();
            }
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_blanks_make_no_other_schema_but_defaults_do() {
        let one = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}"#;
        let same = r#"{ "name": "R", "type": "record", "fields": [ {"type": {"type":"int"}, "name": "a", "default": 1} ] }"#;
        let other = one.replace("\"default\":1", "\"default\":2");
        let canonical = |text: &str| AvroSchema::parse(text).unwrap().canonical;
        assert_eq!(canonical(one), canonical(same));
        assert_ne!(canonical(one), canonical(&other));
        assert_eq!(canonical("\"string\""), canonical(r#"{"type": "string"}"#));
        assert_eq!(AvroSchema::parse(same).unwrap().text.find(' '), None);
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for text in ["", "{", "\"nothing\"", r#"{"type":"record","name":"R"}"#, "1"] {
            assert_eq!(AvroSchema::parse(text).unwrap_err().code(), 42201, "{text}");
        }
    }
}
