//! Records as JSON for people and scripts: field names as in the schema, decimals as strings, instants as
//! microseconds since 1970, enums as their word, bytes in base64.
//!
//! Always holds: any value that its writer's schema describes can be shown, whether or not this version has a Rust
//! type for it; fields are in the schema's order. Not for the hot path: every value is built as a tree.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bigdecimal::BigDecimal;
use serde_json::Value as Json;

use crate::codec::{DecodeError, split_wire_format};

/// Reads payloads of one writer's schema.
pub struct JsonReader {
    schema: Schema,
}

impl JsonReader {
    /// For a schema as registered.
    ///
    /// # Errors
    /// If the text is not an Avro schema.
    pub fn new(schema: &str) -> Result<Self, apache_avro::Error> {
        Ok(JsonReader { schema: Schema::parse_str(schema)? })
    }

    /// The record in a payload in the wire format, whatever its schema id.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn read(&self, payload: &[u8]) -> Result<Json, DecodeError> {
        let (_, mut datum) = split_wire_format(payload)?;
        let undecodable = |error: apache_avro::Error| DecodeError::Undecodable(error.to_string());
        let reader = GenericDatumReader::builder(&self.schema).build().map_err(undecodable)?;
        reader.read_value(&mut datum).map(|value| to_json(value, &self.schema)).map_err(undecodable)
    }
}

fn to_json(value: Value, schema: &Schema) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(flag) => flag.into(),
        Value::Int(number) | Value::Date(number) | Value::TimeMillis(number) => number.into(),
        Value::Long(number)
        | Value::TimestampMicros(number)
        | Value::TimestampMillis(number)
        | Value::TimestampNanos(number)
        | Value::TimeMicros(number)
        | Value::LocalTimestampMicros(number)
        | Value::LocalTimestampMillis(number)
        | Value::LocalTimestampNanos(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::String(text) | Value::Enum(_, text) => text.into(),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => BASE64.encode(&bytes).into(),
        Value::Decimal(decimal) => decimal_text(decimal, schema).into(),
        Value::BigDecimal(decimal) => decimal.to_string().into(),
        Value::Uuid(uuid) => uuid.to_string().into(),
        Value::Duration(duration) => format!("{duration:?}").into(),
        Value::Union(branch, inner) => match schema {
            Schema::Union(union) => {
                to_json(*inner, union.variants().get(branch as usize).unwrap_or(&Schema::Null))
            }
            _ => to_json(*inner, schema),
        },
        Value::Array(items) => match schema {
            Schema::Array(array) => items.into_iter().map(|item| to_json(item, &array.items)).collect(),
            _ => items.into_iter().map(|item| to_json(item, schema)).collect(),
        },
        Value::Map(entries) => {
            let types = if let Schema::Map(map) = schema { &map.types } else { schema };
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().map(|(key, entry)| (key, to_json(entry, types))).collect())
        }
        Value::Record(fields) => {
            let schema_of = |name: &str| match schema {
                Schema::Record(record) => {
                    record.fields.iter().find(|field| field.name == name).map(|f| &f.schema)
                }
                _ => None,
            };
            let shown = fields.into_iter().map(|(name, field)| {
                let json = to_json(field, schema_of(&name).unwrap_or(&Schema::Null));
                (name, json)
            });
            Json::Object(shown.collect())
        }
    }
}

/// In plain digits without superfluous zeros, as [`crate::Decimal`] prints.
fn decimal_text(decimal: apache_avro::Decimal, schema: &Schema) -> String {
    let scale = if let Schema::Decimal(decimal) = schema { decimal.scale } else { 0 };
    BigDecimal::new(decimal.into(), scale as i64).normalized().to_plain_string()
}
