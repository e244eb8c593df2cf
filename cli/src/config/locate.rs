//! Where in the file a key stands.
//!
//! Always holds: the nearest place that the text has is named: the key's value, else the table that lacks it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// `file:line:column: key problem`
pub(super) fn describe(name: &str, text: &str, key: &str, problem: &str) -> String {
    let place = offset_of(text, key).map_or_else(|| name.to_owned(), |offset| place(name, text, offset));
    format!("{place}: {key} {problem}")
}

/// `file:line:column` of a byte offset.
pub(super) fn place(name: &str, text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    format!("{name}:{line}:{column}")
}

/// The byte offset of the value at `key` (`jobs.markets.candles.intervals[1]`), or of the innermost table on the way to it.
fn offset_of(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut steps = key.split(['.', '[', ']']).filter(|step| !step.is_empty());
    let first = root.get_ref().get(steps.next()?)?;
    let mut value: &Spanned<DeValue<'_>> = first;
    loop {
        found = Some(value.span().start).or(found);
        let Some(step) = steps.next() else { return found };
        let next = match value.get_ref() {
            DeValue::Table(table) => table.get(step),
            DeValue::Array(array) => step.parse::<usize>().ok().and_then(|index| array.get(index)),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return found,
        }
    }
}
