//! Overrides from the environment: `OVATION__SECTION__KEY=value` sets `section.key`.
//!
//! Always holds: what is set this way passes the same checks as the file. A value that reads as TOML (a number, a boolean,
//! a list) is taken as such where the key wants it; everything else is a string.

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, Refused, suggest};

/// In front of every variable that is ours.
pub(super) const PREFIX: &str = "OVATION__";

/// The configuration in `text` with the overrides applied one after the other.
pub(super) fn apply(text: &str, overrides: &[(String, String)]) -> Result<Config, Refused> {
    let refuse =
        |variable: &str, problem: String| Refused { problems: vec![format!("{variable}: {problem}")] };
    let mut table: Table = toml::from_str(text).map_err(|error| refuse("the file", error.to_string()))?;
    for (variable, written) in overrides {
        let as_string = with(&table, variable, Value::String(written.clone()));
        let typed =
            format!("value = {written}").parse::<Table>().ok().and_then(|mut parsed| parsed.remove("value"));
        // A number or a list may be meant as such or as text: the key's type decides.
        let candidates = typed.map(|value| with(&table, variable, value)).into_iter().chain([as_string]);
        let mut refusal = None;
        let accepted = candidates.flatten().find(|candidate| match Config::deserialize(candidate.clone()) {
            Ok(_) => true,
            Err(error) => {
                refusal.get_or_insert(error.message().to_owned());
                false
            }
        });
        table = accepted.ok_or_else(|| {
            let message = refusal.unwrap_or_else(|| "does not name a key".to_owned());
            let hint = suggest(&message);
            refuse(variable, format!("{message}{hint}"))
        })?;
    }
    Config::deserialize(table).map_err(|error| refuse("the environment", error.message().to_owned()))
}

/// A copy of `table` with the variable's key set; none if the path runs into something that is not a table.
fn with(table: &Table, variable: &str, value: Value) -> Option<Table> {
    let mut copy = table.clone();
    let path = variable.strip_prefix(PREFIX)?.to_lowercase();
    let mut keys: Vec<&str> = path.split("__").collect();
    let last = keys.pop().filter(|key| !key.is_empty())?;
    let mut place = &mut copy;
    for key in keys {
        place = place.entry(key).or_insert_with(|| Value::Table(Table::new())).as_table_mut()?;
    }
    place.insert(last.to_owned(), value);
    Some(copy)
}
